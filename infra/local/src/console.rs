//! What the local cloud prints.

use std::fmt::Display;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where lines go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Output {
    /// Nowhere: tests.
    #[default]
    Silent,
    /// To standard output.
    Stdout,
    /// To standard error, because standard output is for an answer.
    Stderr,
}

/// Prints lines.
#[derive(Debug, Clone)]
pub(crate) struct Console {
    output: Output,
    is_silenced: Arc<AtomicBool>,
}

impl Console {
    pub(crate) fn new(output: Output) -> Self {
        Self { output, is_silenced: Arc::default() }
    }

    /// One line.
    pub(crate) fn line(&self, text: impl Display) {
        if self.is_silenced.load(Ordering::Relaxed) {
            return;
        }
        // Whoever closed our output does not want to hear of it; that is no reason to stop the cloud.
        let _ = match self.output {
            Output::Silent => Ok(()),
            Output::Stdout => writeln!(std::io::stdout(), "{text}"),
            Output::Stderr => writeln!(std::io::stderr(), "{text}"),
        };
    }

    /// Prints nothing more.
    pub(crate) fn silence(&self) {
        self.is_silenced.store(true, Ordering::Relaxed);
    }
}
