//! Every invocation that has ended: what it was, how it went and what it cost.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
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
    /// When it ended, by the cloud's clock.
    pub at: DateTime<Utc>,
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

    /// How it went, in a word or with the failure's own.
    pub(crate) fn outcome(&self) -> String {
        match (&self.failure, self.status) {
            (Some(failure), _) => failure.clone(),
            (None, Some(status)) => status.to_string(),
            (None, None) => "ok".to_owned(),
        }
    }

    fn line(&self) -> String {
        let outcome = self.outcome();
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
    kept: Arc<Mutex<Kept>>,
    console: Console,
}

#[derive(Debug, Default)]
struct Kept {
    entries: VecDeque<Entry>,
    /// How many there have been, those that are forgotten included.
    recorded: u64,
}

impl Journal {
    pub(crate) fn new(console: Console) -> Self {
        Self { kept: Arc::default(), console }
    }

    pub(crate) fn record(&self, entry: Entry) {
        self.console.line(entry.line());
        let mut kept = self.lock();
        if kept.entries.len() == KEPT {
            kept.entries.pop_front();
        }
        kept.entries.push_back(entry);
        kept.recorded += 1;
    }

    /// How many there have been so far.
    pub(crate) fn recorded(&self) -> u64 {
        self.lock().recorded
    }

    /// Those after the first `seen` that are still remembered, and how many there have been by now.
    pub(crate) fn since(&self, seen: u64) -> (Vec<Entry>, u64) {
        let kept = self.lock();
        let new = usize::try_from(kept.recorded.saturating_sub(seen)).unwrap_or(usize::MAX);
        let skipped = kept.entries.len().saturating_sub(new);
        (kept.entries.iter().skip(skipped).cloned().collect(), kept.recorded)
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.lock().entries.iter().cloned().collect()
    }

    pub(crate) fn clear(&self) {
        self.lock().entries.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
