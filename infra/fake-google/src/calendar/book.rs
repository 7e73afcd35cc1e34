//! One calendar: its events, and the order in which they changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Fields;
use super::event::{self, Commit};
use super::series::Inheritance;
use crate::error::Refusal;

/// A calendar as one account sees it on its list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Listed {
    /// `owner`, `writer`, `reader`, …
    pub role: String,
    pub is_primary: bool,
    pub is_selected: bool,
    /// Taken off the list; shown as `deleted` to whoever asks for changes.
    pub is_removed: bool,
    /// Commit of the last change to the entry, µs.
    pub changed: i64,
    /// What the account has set for itself: colours, `summaryOverride`, `hidden`.
    #[serde(default)]
    pub extra: Fields,
}

/// An event and the commit that made it what it is.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// Shared with the lists that are being paged through: a traversal shows one moment.
    #[serde(serialize_with = "write_shared", deserialize_with = "read_shared")]
    pub fields: Arc<Fields>,
    pub changed: i64,
    /// What it was before its last change, as far as this process knows.
    #[serde(skip)]
    pub before: Option<Arc<Fields>>,
}

fn write_shared<S: Serializer>(fields: &Arc<Fields>, serializer: S) -> Result<S::Ok, S::Error> {
    (**fields).serialize(serializer)
}

fn read_shared<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Fields>, D::Error> {
    Fields::deserialize(deserializer).map(Arc::new)
}

/// A calendar with its events, deleted ones included: their ids stay taken.
#[derive(Serialize, Deserialize)]
pub(crate) struct Book {
    pub summary: String,
    pub owner: String,
    pub zone: Tz,
    pub events: BTreeMap<String, Stored>,
    /// Newest commit, µs.
    pub newest: i64,
    /// Sync tokens of another generation are no longer valid.
    pub generation: u64,
    /// Holiday and birthday calendars send no notifications.
    pub is_pushing: bool,
    /// Are exceptions whose slot is gone told as cancelled once more, or do they just vanish?
    #[serde(default)]
    pub tells_dropped_exceptions: bool,
    /// Are texts brought into Google's own form?
    #[serde(default)]
    pub rewrites_texts: bool,
}

/// A write's condition and the change it makes to what is there.
type Change<'a> = dyn FnOnce(&Fields, Commit<'_>) -> Result<Fields, Refusal> + 'a;

impl Book {
    pub(crate) fn new(owner: &str, summary: &str, zone: Tz, at: i64) -> Self {
        let (summary, owner) = (summary.to_owned(), owner.to_owned());
        Self {
            summary,
            owner,
            zone,
            events: BTreeMap::new(),
            newest: at,
            generation: 0,
            is_pushing: true,
            tells_dropped_exceptions: false,
            rewrites_texts: false,
        }
    }

    /// An event, deleted or not; an instance of a series too that nobody has changed.
    pub(crate) fn event(&self, id: &str) -> Result<Arc<Fields>, Refusal> {
        let stored = self.events.get(id).map(|stored| Arc::clone(&stored.fields));
        stored.or_else(|| self.unchanged(id).map(Arc::new)).ok_or_else(Refusal::not_found)
    }

    /// An event that still is what the client has seen, if it says what that was.
    pub(super) fn fresh(&self, id: &str, if_match: Option<&str>) -> Result<Arc<Fields>, Refusal> {
        let event = self.event(id)?;
        let is_fresh = |wanted: &str| wanted == "*" || event.get("etag").is_some_and(|etag| etag == wanted);
        if if_match.is_none_or(is_fresh) { Ok(event) } else { Err(Refusal::stale_etag()) }
    }

    /// Adds an event. The id of a deleted one is taken as well.
    pub(crate) fn insert(
        &mut self,
        id: &str,
        given: Fields,
        author: &str,
        at: i64,
    ) -> Result<Arc<Fields>, Refusal> {
        if self.events.contains_key(id) {
            return Err(Refusal::duplicate());
        }
        let fields = event::created(id, given, Commit { author, ..self.commit(at) })?;
        let fields = self.keep(id, fields, at);
        if let Some(series) = event::master_of(&fields) {
            self.touch(series, at);
        }
        Ok(fields)
    }

    /// Puts an event there as it is given, and fills in what is missing.
    pub(crate) fn plant(&mut self, id: &str, given: Fields, author: &str, at: i64) -> Result<(), Refusal> {
        let fields = event::planted(id, given, Commit { author, ..self.commit(at) })?;
        self.keep(id, fields, at);
        Ok(())
    }

    /// Replaces an event (`PUT`).
    pub(crate) fn replace(
        &mut self,
        id: &str,
        given: Fields,
        if_match: Option<&str>,
        at: i64,
    ) -> Result<Arc<Fields>, Refusal> {
        self.change(id, if_match, at, Box::new(|previous, commit| event::replaced(previous, given, commit)))
    }

    /// Merges a patch into an event (`PATCH`).
    pub(crate) fn patch(
        &mut self,
        id: &str,
        patch: Fields,
        if_match: Option<&str>,
        at: i64,
    ) -> Result<Arc<Fields>, Refusal> {
        self.change(id, if_match, at, Box::new(|previous, commit| event::patched(previous, patch, commit)))
    }

    /// Deletes an event; of a series, its exceptions vanish with it. A deleted instance stays as an exception.
    pub(crate) fn delete(&mut self, id: &str, if_match: Option<&str>, at: i64) -> Result<(), Refusal> {
        let delete = |previous: &Fields, commit: Commit<'_>| match event::is_cancelled(previous) {
            true => Err(Refusal::deleted()),
            false => Ok(event::cancelled(previous, commit)),
        };
        self.change(id, if_match, at, Box::new(delete)).map(drop)
    }

    fn change(
        &mut self,
        id: &str,
        if_match: Option<&str>,
        at: i64,
        change: Box<Change<'_>>,
    ) -> Result<Arc<Fields>, Refusal> {
        let previous = self.fresh(id, if_match)?;
        let fields = change(&previous, self.commit(at))?;
        Ok(self.settle(id, &previous, fields, at, Inheritance::WhatWasSame))
    }

    pub(super) fn commit(&self, at: i64) -> Commit<'_> {
        let (zone, owner, rewrites_texts) = (self.zone, &self.owner, self.rewrites_texts);
        Commit { at, zone, owner, author: owner, rewrites_texts }
    }

    pub(super) fn keep(&mut self, id: &str, fields: Fields, at: i64) -> Arc<Fields> {
        let fields = Arc::new(fields);
        self.newest = self.newest.max(at);
        let before = self.events.get(id).map(|stored| match stored.changed == at {
            true => stored.before.clone(),
            false => Some(Arc::clone(&stored.fields)),
        });
        let before = before.flatten();
        self.events.insert(id.to_owned(), Stored { fields: Arc::clone(&fields), changed: at, before });
        fields
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn book() -> Book {
        let mut book = Book::new("ada@example.com", "Ada", chrono_tz::UTC, 1);
        book.insert("abcde", day("2026-01-05"), "ada@example.com", 2).unwrap();
        book
    }

    fn day(start: &str) -> Fields {
        json!({"start": {"date": start}, "end": {"date": "2026-02-01"}}).as_object().cloned().unwrap()
    }

    #[test]
    fn an_id_stays_taken_after_the_event_is_deleted() {
        let mut book = book();
        assert_eq!(book.insert("abcde", day("2026-01-06"), "a", 3).unwrap_err(), Refusal::duplicate());
        book.delete("abcde", None, 4).unwrap();
        assert_eq!(book.insert("abcde", day("2026-01-06"), "a", 5).unwrap_err(), Refusal::duplicate());
    }

    #[test]
    fn the_second_delete_says_gone_and_a_strange_id_says_not_found() {
        let mut book = book();
        book.delete("abcde", None, 3).unwrap();
        assert_eq!(book.delete("abcde", None, 4).unwrap_err(), Refusal::deleted());
        assert_eq!(book.delete("other", None, 5).unwrap_err(), Refusal::not_found());
    }

    #[test]
    fn a_stale_etag_changes_nothing() {
        let mut book = book();
        let stale = book.replace("abcde", day("2026-01-06"), Some("\"2\""), 3);
        assert_eq!(stale.unwrap_err(), Refusal::stale_etag());
        assert_eq!(book.newest, 2);
        assert!(book.replace("abcde", day("2026-01-06"), Some("\"4\""), 3).is_ok());
    }

    #[test]
    fn deleting_a_series_takes_its_exceptions_along() {
        let mut book = book();
        let mut exception = day("2026-01-07");
        exception.insert("recurringEventId".to_owned(), "abcde".into());
        book.insert("abcde_20260107", exception, "a", 3).unwrap();
        book.delete("abcde", None, 4).unwrap();
        assert_eq!(book.events.keys().collect::<Vec<_>>(), ["abcde"]);
    }
}
