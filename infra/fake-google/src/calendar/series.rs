//! What a change to a series does to the rest of it: exceptions inherit, exceptions vanish, and all of it counts as changed.
//!
//! As recorded from the real service: whatever happens to one instance, the series and all its exceptions are told again, with one etag.

use std::sync::Arc;

use serde_json::Value;

use super::book::Book;
use super::instance::{length, slot_of, unchanged};
use super::recurrence;
use super::{Fields, event};

/// What exceptions take over of a change to their series.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inheritance {
    /// Members in which they did not differ: a write of the series.
    WhatWasSame,
    /// Every member that changed: "all events" in Google's own app.
    Everything,
}

/// Members that make an exception what it is, and are never inherited.
const OWN: &[&str] = &[
    "kind",
    "etag",
    "id",
    "htmlLink",
    "created",
    "updated",
    "status",
    "start",
    "end",
    "recurrence",
    "recurringEventId",
    "originalStartTime",
    "sequence",
];

impl Book {
    /// Puts `fields` in the place of `previous`, and the series it belongs to in order.
    pub(super) fn settle(
        &mut self,
        id: &str,
        previous: &Fields,
        fields: Fields,
        at: i64,
        inheritance: Inheritance,
    ) -> Arc<Fields> {
        let series = event::master_of(&fields).map(str::to_owned);
        if let Some(series) = series {
            let kept = self.keep(id, fields, at);
            self.touch(&series, at);
            return kept;
        }
        let kept = self.keep(id, fields, at);
        if recurrence::is_series(previous) || recurrence::is_series(&kept) || event::is_cancelled(&kept) {
            self.reconcile(id, previous, &kept, at, inheritance);
            self.touch(id, at);
        }
        kept
    }

    /// Makes a series and its exceptions part of the commit `at`.
    pub(super) fn touch(&mut self, series: &str, at: i64) {
        let mut ids = self.exceptions(series);
        ids.push(series.to_owned());
        for id in ids {
            let Some(stored) = self.events.get(&id).filter(|stored| stored.changed != at) else { continue };
            let stamped = event::stamped((*stored.fields).clone(), at);
            self.keep(&id, stamped, at);
        }
    }

    /// Drops the exceptions that have lost their slot, and lets the others inherit.
    fn reconcile(&mut self, id: &str, previous: &Fields, next: &Fields, at: i64, inheritance: Inheritance) {
        let pattern = self.pattern(next).filter(|_| !event::is_cancelled(next));
        for exception in self.exceptions(id) {
            let Some(stored) = self.events.get(&exception) else { continue };
            let slot = slot_of(&stored.fields, self.zone);
            let is_all_day =
                stored.fields.get("originalStartTime").is_some_and(|point| point.get("date").is_some());
            let pattern = pattern.as_ref().filter(|pattern| pattern.is_all_day == is_all_day);
            match (pattern, slot) {
                (Some(pattern), Some(slot)) if pattern.has(slot) => {
                    let then = unchanged(previous, pattern, slot, self.zone);
                    let now = unchanged(next, pattern, slot, self.zone);
                    let fields = inherited(&stored.fields, &then, &now, inheritance);
                    self.keep(&exception, fields, stored.changed);
                }
                _ => self.drop_exception(&exception, !event::is_cancelled(next), at),
            }
        }
    }

    /// Forgets an exception, or tells once more that it is cancelled, as this calendar does.
    pub(super) fn drop_exception(&mut self, id: &str, is_series_alive: bool, at: i64) {
        let Some(stored) = self.events.get(id) else { return };
        if self.tells_dropped_exceptions && is_series_alive {
            let gone = event::cancelled(&stored.fields, self.commit(at));
            self.keep(id, gone, at);
        } else {
            self.events.remove(id);
        }
    }

    /// How long an event of this calendar lasts.
    pub(super) fn length(&self, fields: &Fields) -> chrono::TimeDelta {
        length(fields, self.zone)
    }
}

/// An exception after its series has changed from `then` to `now`, both as they are in its slot.
fn inherited(exception: &Fields, then: &Fields, now: &Fields, inheritance: Inheritance) -> Fields {
    let mut fields = exception.clone();
    let names = then.keys().chain(now.keys()).filter(|name| !OWN.contains(&name.as_str()));
    for name in names.filter(|name| then.get(*name) != now.get(*name)) {
        if inheritance == Inheritance::Everything || exception.get(name) == then.get(name) {
            set(&mut fields, name, now.get(name));
        }
    }
    // Its time is one member in two parts: who was moved stays moved.
    let is_at =
        |series: &Fields| ["start", "end"].iter().all(|name| exception.get(*name) == series.get(*name));
    if is_at(then) || (inheritance == Inheritance::Everything && then.get("end") != now.get("end")) {
        for name in ["start", "end"] {
            set(&mut fields, name, now.get(name));
        }
    }
    fields
}

fn set(fields: &mut Fields, name: &str, value: Option<&Value>) {
    match value {
        Some(value) => {
            fields.insert(name.to_owned(), value.clone());
        }
        None => {
            fields.remove(name);
        }
    }
}
