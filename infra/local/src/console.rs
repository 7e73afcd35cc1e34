//! What the local cloud prints, and what a test may want to read again.

use std::fmt::Display;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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

/// Every line that a function's process writes and every batch of messages that a queue hands out, word for word. Cheap to clone; the clones
/// share what they hold.
#[derive(Debug, Clone, Default)]
pub struct Transcript(Arc<Mutex<Vec<String>>>);

impl Transcript {
    /// Adds a text.
    pub fn add(&self, text: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text.into());
    }

    /// The texts in which `part` occurs.
    #[must_use]
    pub fn with(&self, part: &str) -> Vec<String> {
        let texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        texts.iter().filter(|text| text.contains(part)).cloned().collect()
    }
}

/// Prints lines.
#[derive(Debug, Clone)]
pub(crate) struct Console {
    output: Output,
    transcript: Option<Transcript>,
    is_silenced: Arc<AtomicBool>,
}

impl Console {
    pub(crate) fn new(output: Output, transcript: Option<Transcript>) -> Self {
        Self { output, transcript, is_silenced: Arc::default() }
    }

    /// Keeps a text for whoever wants a transcript.
    pub(crate) fn note(&self, text: &str) {
        if let Some(transcript) = &self.transcript {
            transcript.add(text);
        }
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
