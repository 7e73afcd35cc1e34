//! `GET /api/sync/issues`: what a user may want to know about the sync. Not in the web app's contract (`infra/docs/google.md` has the shape).

use chrono::{DateTime, Utc};
use domain::sync::Version;
use domain::{EventId, Field, Recurs, Refusal, Shown, UserId};
use serde::{Deserialize, Serialize};

use crate::event::EventView;
use crate::{page, timestamp};

/// The most issues of one answer.
pub const LIMIT: usize = 100;
/// The issues of one answer when nobody says how many.
const USUAL: usize = 50;

/// The query of the request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct IssuesQuery {
    /// Where the answer before left off.
    pub after: Option<String>,
    /// How many issues at most.
    pub limit: Option<String>,
}

impl IssuesQuery {
    /// The number of issues that are asked for; more than [`LIMIT`] are not given.
    ///
    /// # Errors
    /// [`Refusal::BadField`] for what is no positive number.
    pub fn limit(&self) -> Result<usize, Refusal> {
        page::limit(self.limit.as_deref(), USUAL, LIMIT)
    }
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IssuesView {
    /// The newest first.
    pub issues: Vec<IssueView>,
    /// Where the next answer begins; absent when this was the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Until when Google takes no more writes of this user, if that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writes_paused_until: Option<DateTime<Utc>>,
}

/// Something that happened to an event.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IssueView {
    /// Which event.
    pub event_id: EventId,
    /// When.
    pub at: String,
    /// What.
    #[serde(flatten)]
    pub what: IssueKindView,
}

/// What happened to an event.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum IssueKindView {
    /// It changed on both sides, and this version lost.
    Conflict {
        /// The version that lost.
        lost: Box<EventView>,
        /// What lost in it; empty for a deletion.
        fields: Vec<Field>,
    },
    /// It changed here in a calendar that the user may only read, or has lost; the event is as Google has it.
    TakenBack {
        /// The version that was not sent.
        lost: Box<EventView>,
        /// Why not.
        reason: String,
    },
    /// It is a series in a zone that nobody knows: it is shown at the distance from UTC that its start says, also when clocks there change.
    UnknownZone {
        /// The name of the zone.
        zone: String,
    },
    /// Google will not take it, or it cannot be read; it stays as it is on both sides.
    Parked {
        /// Why.
        reason: String,
    },
}

impl IssueView {
    /// What happened to an event at this time.
    pub fn new(event_id: EventId, at: DateTime<Utc>, what: IssueKindView) -> Self {
        Self { event_id, at: timestamp(at), what }
    }
}

/// A version of an event of `user` that is nowhere else, for the wire.
pub fn lost(user: UserId, Version { event, rule }: Version) -> Box<EventView> {
    let recurs = rule.map_or(Recurs::No, |rule| Recurs::Base(rule.recurrence.lines().into()));
    Box::new(EventView::new(user, Shown { event, recurs }))
}
