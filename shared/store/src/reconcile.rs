//! What it takes to compare everything here with everything at Google: a walk over all events, the marks of what a traversal has seen, and the
//! record of what lost or could not be sent.
//!
//! A repair never wipes. It marks what it reads (`M#…`, one item per page, written with the page's events) and afterwards looks, one by
//! one, at what has no mark.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Event, EventId, Record, UserId};
use serde::{Deserialize, Serialize};

use crate::item::EventItem;
use crate::key::{self, Key};
use crate::table::{Expression, OnCondition, Query, Write};
use crate::{Error, Plan, Store};

/// How long marks are kept: much longer than any traversal.
const MARKS_LIFE: TimeDelta = TimeDelta::days(7);
/// How long issues are kept.
const ISSUES_LIFE: TimeDelta = TimeDelta::days(90);

/// `M#<calendar>#<traversal>#<page>`: the events that a page held, as their ids one after the other.
#[derive(Serialize, Deserialize)]
struct MarkItem {
    ids: String,
    expires_at: i64,
}

/// `K#<event>#<time>`: something that the user may want to know about a sync.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Issue {
    /// Which event.
    pub event: EventId,
    /// What happened.
    #[serde(flatten)]
    pub kind: IssueKind,
    /// When.
    pub at: DateTime<Utc>,
}

/// What happened to an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "issue", rename_all = "snake_case")]
pub enum IssueKind {
    /// It changed here and at Google, and this version lost, at least in part.
    Conflict {
        /// The version that lost.
        lost: Box<Event>,
        /// What lost in it; empty for a deletion.
        fields: Vec<domain::Field>,
    },
    /// Google will not take it; it is not tried again until it changes.
    Parked {
        /// Why not.
        reason: String,
    },
}

#[derive(Serialize)]
struct IssueItem<'a> {
    #[serde(flatten)]
    issue: &'a Issue,
    expires_at: i64,
}

impl Plan {
    /// Notes the events that a page of a traversal held.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn mark(
        &mut self,
        store: &Store,
        user: UserId,
        page: (&str, u64, u32),
        seen: &[EventId],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let (calendar, traversal, page) = page;
        let sk = format!("{}{page:06}", marks_prefix(calendar, traversal));
        let ids = seen.iter().map(EventId::to_string).collect();
        let item = MarkItem { ids, expires_at: (now + MARKS_LIFE).timestamp() };
        let item = Key::new(key::user(user), sk).with(item);
        self.also.push(Write::put(&store.table, item, None, OnCondition::Retry)?);
        Ok(())
    }

    /// Records an issue.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn record_issue(&mut self, store: &Store, user: UserId, issue: &Issue) -> Result<(), Error> {
        let sk = format!("K#{}#{}", issue.event, issue.at.timestamp_millis());
        let expires_at = (issue.at + ISSUES_LIFE).timestamp();
        let item = Key::new(key::user(user), sk).with(IssueItem { issue, expires_at });
        self.also.push(Write::put(&store.table, item, None, OnCondition::Retry)?);
        Ok(())
    }
}

fn marks_prefix(calendar: &str, traversal: u64) -> String {
    format!("M#{calendar}#{traversal:020}#")
}

impl Store {
    /// The user's events in the order of their ids, tombstones included, after `after`; at most `limit`.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn records_after(
        &self,
        user: UserId,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<Record>, Error> {
        let Key { pk, sk: last } = key::event(user, EventId::new([0xff; 12]));
        let first = after.unwrap_or(EventId::new([0; 12]));
        let condition = Expression::new("pk = :pk AND sk BETWEEN :first AND :last")
            .value(":pk", pk)?
            .value(":first", key::event(user, first).sk)?
            .value(":last", last)?;
        // Both ends are inclusive: one more, should the first be the one that was seen.
        let query = Query { index: None, condition, limit: Some(limit + 1) };
        let items: Vec<EventItem> = self.table.query(query).await?;
        let records = items.into_iter().map(Record::from).filter(|record| Some(record.event.id) != after);
        Ok(records.take(limit).collect())
    }

    /// All events that a traversal has marked.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn marks(
        &self,
        user: UserId,
        calendar: &str,
        traversal: u64,
    ) -> Result<BTreeSet<EventId>, Error> {
        let condition = Expression::new("pk = :pk AND begins_with(sk, :prefix)")
            .value(":pk", key::user(user))?
            .value(":prefix", marks_prefix(calendar, traversal))?;
        let pages: Vec<MarkItem> = self.table.query(Query { index: None, condition, limit: None }).await?;
        let ids = pages.iter().flat_map(|page| page.ids.as_bytes().chunks(24));
        Ok(ids.filter_map(|id| std::str::from_utf8(id).ok()?.parse().ok()).collect())
    }

    /// What a user may want to know about the sync, newest last for each event.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn issues(&self, user: UserId) -> Result<Vec<Issue>, Error> {
        let condition = Expression::new("pk = :pk AND begins_with(sk, :prefix)")
            .value(":pk", key::user(user))?
            .value(":prefix", "K#")?;
        self.table.query(Query { index: None, condition, limit: None }).await
    }
}
