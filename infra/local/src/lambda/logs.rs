//! What a function's process writes: its `invocation` lines are measured, its warnings are shown.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::oneshot;

use crate::console::Console;

/// Reads the log lines of one process.
#[derive(Debug)]
pub(crate) struct Logs {
    function: String,
    console: Console,
    awaited: Mutex<HashMap<String, oneshot::Sender<Map<String, Value>>>>,
}

impl Logs {
    pub(crate) fn new(function: String, console: Console) -> Self {
        Self { function, console, awaited: Mutex::default() }
    }

    /// The fields of the `invocation` line that will be written for a request; fails if the process ends before.
    pub(crate) fn expect(&self, request_id: &str) -> oneshot::Receiver<Map<String, Value>> {
        let (sender, receiver) = oneshot::channel();
        let mut awaited = self.awaited();
        awaited.retain(|_, sender| !sender.is_closed());
        awaited.insert(request_id.to_owned(), sender);
        receiver
    }

    /// Reads lines until the process closes the pipe.
    pub(crate) async fn read(&self, pipe: impl AsyncRead + Unpin) {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            self.take(&line);
        }
    }

    /// Nobody writes any more: whoever still waits for a line waits in vain.
    pub(crate) fn close(&self) {
        self.awaited().clear();
    }

    fn take(&self, line: &str) {
        self.console.note(line);
        let Ok(Value::Object(fields)) = serde_json::from_str(line) else {
            if !line.trim().is_empty() {
                self.show(line);
            }
            return;
        };
        if fields.get("message").is_some_and(|message| message == "invocation") {
            let id = fields.get("request_id").and_then(Value::as_str).unwrap_or_default();
            if let Some(sender) = self.awaited().remove(id) {
                // Nobody waits any more: the line came after the journal had given it up.
                let _ = sender.send(fields);
            }
            return;
        }
        let level = fields.get("level").and_then(Value::as_str).unwrap_or_default();
        if matches!(level.to_ascii_uppercase().as_str(), "WARN" | "WARNING" | "ERROR") {
            self.show(line);
        }
    }

    fn show(&self, line: &str) {
        self.console.line(format_args!("{:<20} | {line}", self.function));
    }

    fn awaited(&self) -> std::sync::MutexGuard<'_, HashMap<String, oneshot::Sender<Map<String, Value>>>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
