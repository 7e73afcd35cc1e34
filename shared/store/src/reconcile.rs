//! What it takes to compare everything here with everything at Google: a walk over all events, the marks of what a traversal has seen, and the
//! record of what lost or could not be sent.
//!
//! A repair never wipes. It marks what it reads (`M#…`, one item per page, written with the page's events) and afterwards looks, one by
//! one, at what has no mark.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use domain::sync::Version;
use domain::{Address, EventId, Record, Records, UserId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

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

/// `K#<time, backwards>#<event>#<digest>`: something that the user may want to know about a sync.
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
        lost: Box<Version>,
        /// What lost in it; empty for a deletion.
        fields: Vec<domain::Field>,
    },
    /// It changed here in a calendar that the user may only read, or has lost. The event is as Google has it; this is what was wanted.
    TakenBack {
        /// The version that was not sent.
        lost: Box<Version>,
        /// Why not.
        reason: String,
    },
    /// It is a series in a zone that nobody knows: it recurs at the distance from UTC that its start says, whatever the clocks there do.
    UnknownZone {
        /// The name of the zone.
        zone: String,
    },
    /// Google will not take it; it is not tried again until it changes.
    Parked {
        /// Why not.
        reason: String,
    },
}

/// Where an issue lies among those of its user, the newest first. Opaque to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuePlace(String);

/// A text is no place of an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no place of an issue")]
pub struct NoPlace;

const ISSUES: &str = "K#";
/// A millisecond that nobody who reads this will see; its digits are those of every time before it.
const LAST_MILLISECOND: i64 = 9_999_999_999_999;
/// How many bytes of the digest of what an issue says are in its place.
const DIGEST: usize = 4;

impl IssuePlace {
    /// Of this issue. Two of one event within a millisecond are told apart by what they say.
    pub fn of(issue: &Issue) -> Self {
        let backwards = LAST_MILLISECOND.saturating_sub(issue.at.timestamp_millis());
        let digest = Sha256::digest(format!("{:?}", issue.kind));
        Self(format!("{backwards:013}#{}#{}", issue.event, hex::encode(&digest[..DIGEST])))
    }
}

impl fmt::Display for IssuePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for IssuePlace {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let [time, event, digest] = text.split('#').collect::<Vec<_>>()[..] else { return Err(NoPlace) };
        let is_time = time.len() == 13 && time.bytes().all(|byte| byte.is_ascii_digit());
        let is_digest = hex::decode_to_slice(digest, &mut [0; DIGEST]).is_ok();
        let is_place = is_time && event.parse::<EventId>().is_ok() && is_digest;
        if is_place { Ok(Self(text.to_owned())) } else { Err(NoPlace) }
    }
}

/// How far a walk over all that is stored of events has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(String);

impl Position {
    /// At this record.
    pub fn at(user: UserId, record: &Record) -> Self {
        Self(key::record(user, record.address()).sk)
    }
}

#[derive(Serialize)]
struct IssueItem<'a> {
    #[serde(flatten)]
    issue: &'a Issue,
    expires_at: i64,
}

impl<S> Plan<S> {
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
        let IssuePlace(place) = IssuePlace::of(issue);
        let sk = format!("{ISSUES}{place}");
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
    /// What lies in these places, in one round.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn records(
        &self,
        user: UserId,
        addresses: impl IntoIterator<Item = Address>,
    ) -> Result<Records, Error> {
        let keys: Vec<Key> = addresses.into_iter().map(|address| key::record(user, address)).collect();
        let items = self.table.batch_get(&keys).await?;
        let records: Result<Records, _> = items
            .into_iter()
            .map(|item| serde_dynamo::from_item::<_, EventItem>(item).map(Record::from))
            .collect();
        Ok(records?)
    }

    /// All that is stored of the user's events after a position, tombstones included: single events, series, exceptions; at most `limit`.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn records_after(
        &self,
        user: UserId,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Record>, Error> {
        let after = after.map_or("", |Position(sk)| sk.as_str());
        let mut records: Vec<Record> = Vec::new();
        for (first, last) in key::KINDS_OF_EVENTS {
            let missing = limit.saturating_sub(records.len());
            if missing == 0 || after >= last {
                continue;
            }
            let condition = Expression::new("pk = :pk AND sk BETWEEN :first AND :last")
                .value(":pk", key::user(user))?
                .value(":first", after.max(first))?
                .value(":last", last)?;
            // Both ends are inclusive: one more, should the first be the one that was seen.
            let query = Query { index: None, condition, limit: Some(missing + 1) };
            let items: Vec<EventItem> = self.table.query(query).await?;
            let new = items.into_iter().map(Record::from);
            let new = new.filter(|record| key::record(user, record.address()).sk != after);
            records.extend(new.take(missing));
        }
        Ok(records)
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

    /// What a user may want to know about the sync, newest first.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn issues(&self, user: UserId) -> Result<Vec<Issue>, Error> {
        self.issues_after(user, None, None).await
    }

    /// The same, after a place, and at most `limit`.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn issues_after(
        &self,
        user: UserId,
        after: Option<&IssuePlace>,
        limit: Option<usize>,
    ) -> Result<Vec<Issue>, Error> {
        // `~` sorts behind whatever an id begins with, so the place itself is passed over.
        let first = after.map_or(ISSUES.to_owned(), |IssuePlace(place)| format!("{ISSUES}{place}~"));
        let condition = Expression::new("pk = :pk AND sk BETWEEN :first AND :last")
            .value(":pk", key::user(user))?
            .value(":first", first)?
            .value(":last", format!("{ISSUES}~"))?;
        self.table.query(Query { index: None, condition, limit }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_issues_come_first_and_a_place_survives_the_wire() {
        let issue = |millis| Issue {
            event: EventId::new([7; 12]),
            kind: IssueKind::Parked { reason: "no".into() },
            at: DateTime::from_timestamp_millis(millis).unwrap(),
        };
        let (old, new) =
            (IssuePlace::of(&issue(1_763_600_000_000)), IssuePlace::of(&issue(1_763_600_000_001)));
        assert!(new.0 < old.0);
        assert_eq!(old.to_string().parse::<IssuePlace>(), Ok(old));
        for wrong in [
            "",
            "#",
            "K#1",
            "12#070707070707070707070707",
            "8236399999999#x",
            "8236399999999#070707070707070707070707#z",
            "~",
        ] {
            assert!(wrong.parse::<IssuePlace>().is_err(), "{wrong}");
        }
    }
}
