//! What the local cloud prints.

use std::fmt::Display;
use std::io::Write;

/// Prints lines, or nothing in tests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    is_verbose: bool,
}

impl Console {
    pub(crate) fn new(is_verbose: bool) -> Self {
        Self { is_verbose }
    }

    /// One line to standard output.
    pub(crate) fn line(self, text: impl Display) {
        if self.is_verbose {
            // Whoever closed our output does not want to hear of it; that is no reason to stop the cloud.
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }
}
