//! What a user's clients are told beside changes of events.

use serde::{Deserialize, Serialize};

use crate::Job;

/// An entry of a user's log that is not an event. It passes; it is not state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// The user's metadata changed; the stream sends it as it then is.
    Metadata,
    /// An import began.
    ImportStarted,
    /// An import got on.
    ImportProgress(ImportProgress),
    /// An import ended.
    ImportEnded(ImportOutcome),
    /// Google withdrew our access.
    GoogleRevoked,
    /// Work is wanted. Not shown to clients: it is in the log so that asking for it and the reason for it are one transaction.
    Wanted(Job),
}

/// Why an import ran, as the web app names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ImportOperation {
    /// After connecting or signing in.
    Incremental,
    /// On the user's request.
    Repair,
}

/// How an import ended, as the web app names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ImportStatus {
    /// All was read.
    Completed,
    /// It failed; the message says how.
    Errored,
    /// There was nothing to do, or another import was at work.
    Ignored,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportProgress {
    /// Events read so far.
    pub done: u32,
    /// Calendars that are read.
    pub calendars: u32,
}

/// The end of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportOutcome {
    /// Why it ran.
    pub operation: ImportOperation,
    /// How it ended.
    pub status: ImportStatus,
    /// For people, when it did not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Events read, when it completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_count: Option<u32>,
    /// Calendars read, when it completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendars_count: Option<u32>,
}
