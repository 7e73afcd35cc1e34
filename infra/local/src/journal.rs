//! Every invocation that has ended: what it was, how it went and what it cost.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::console::Console;

/// Older entries are forgotten; a local cloud may run for days.
const KEPT: usize = 20_000;

/// One invocation.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The function's name, e.g. `event`.
    pub function: String,
    /// What invoked it, e.g. `POST /api/event`.
    pub trigger: String,
    /// The invocation's id.
    pub request_id: String,
    /// `None` if the invocation succeeded (an HTTP error status is a success), else why it failed.
    pub failure: Option<String>,
    /// HTTP status of the answer, if it has one.
    pub status: Option<u16>,
    /// From the delivery of the event to the end of the answer.
    pub duration: Duration,
    /// Whether an environment was started for it.
    pub is_cold: bool,
    /// The fields of the function's own `invocation` log line; empty if it wrote none.
    pub fields: Map<String, Value>,
}

impl Entry {
    /// Whether the invocation succeeded; an HTTP error status is a success.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.failure.is_none()
    }

    /// DynamoDB read units that the function counted.
    #[must_use]
    pub fn read_units(&self) -> Option<f64> {
        self.fields.get("read_units").and_then(Value::as_f64)
    }

    /// DynamoDB write units that the function counted.
    #[must_use]
    pub fn write_units(&self) -> Option<f64> {
        self.fields.get("write_units").and_then(Value::as_f64)
    }

    /// Calls to the store, as rounds of parallel calls, that the function counted.
    #[must_use]
    pub fn round_trips(&self) -> Option<u64> {
        self.fields.get("round_trips").and_then(Value::as_u64)
    }

    fn line(&self) -> String {
        let outcome = match (&self.failure, self.status) {
            (Some(failure), _) => failure.clone(),
            (None, Some(status)) => status.to_string(),
            (None, None) => "ok".to_owned(),
        };
        let cold = if self.is_cold { " cold" } else { "" };
        let units = match (self.read_units(), self.write_units()) {
            (None, None) => String::new(),
            (read, write) => {
                format!("  {} RU {} WU", read.unwrap_or_default(), write.unwrap_or_default())
            }
        };
        let ms = self.duration.as_secs_f64() * 1_000.0;
        format!("{:<20} {:<44} {ms:>8.1} ms{units}  {outcome}{cold}", self.function, self.trigger)
    }
}

/// The invocations so far, oldest first.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    entries: Arc<Mutex<VecDeque<Entry>>>,
    console: Console,
}

impl Journal {
    pub(crate) fn new(console: Console) -> Self {
        Self { entries: Arc::default(), console }
    }

    pub(crate) fn record(&self, entry: Entry) {
        self.console.line(entry.line());
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() == KEPT {
            entries.pop_front();
        }
        entries.push_back(entry);
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(crate) fn clear(&self) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
