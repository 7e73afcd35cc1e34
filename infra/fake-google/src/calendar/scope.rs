//! "This and following events" and "all events", as Google's own app does them: several writes in one commit.
//!
//! The API has no such thing; a client makes its own series out of single writes. What is here is what a client meets afterwards, and
//! follows recordings of the real service.

use std::sync::Arc;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::book::Book;
use super::instance::{instant, parse_id, root_of, slot_of, split_id, unchanged};
use super::recurrence::{self, Pattern};
use super::series::Inheritance;
use super::time::{Moment, moment, resolve};
use super::{Fields, event};
use crate::error::Refusal;

/// How much of a series an edit is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// The event that was named: a single one, an instance, or a series as a client would write it.
    #[default]
    This,
    /// The instance that was named and all after it.
    Following,
    /// The whole series, with what was split off it.
    All,
}

/// A place in a series.
struct Cut {
    id: String,
    series: Arc<Fields>,
    pattern: Pattern,
    slot: DateTime<Utc>,
    is_first: bool,
}

impl Book {
    fn cut(&self, id: &str) -> Result<Cut, Refusal> {
        let instance = self.event(id)?;
        let series_id = event::master_of(&instance).unwrap_or(id).to_owned();
        let series = self.event(&series_id)?;
        if event::is_cancelled(&series) {
            return Err(Refusal::deleted());
        }
        let none = || Refusal::bad("invalid", "Not an instance of a series.");
        let pattern = self.pattern(&series).ok_or_else(none)?;
        let first = pattern.first().ok_or_else(none)?;
        let slot = if series_id == id { Some(first) } else { slot_of(&instance, self.zone) };
        let slot = slot.ok_or_else(none)?;
        Ok(Cut { id: series_id, series, pattern, slot, is_first: slot <= first })
    }

    /// Ends a series before an instance and begins another there, with `patch`. At its first instance, the new one takes the old one's place.
    pub(crate) fn edit_following(
        &mut self,
        id: &str,
        patch: Fields,
        at: i64,
    ) -> Result<Arc<Fields>, Refusal> {
        let cut = self.cut(id)?;
        let new_id = split_id(&cut.id, cut.slot, cut.pattern.is_all_day);
        if new_id == cut.id {
            return self.edit_series(&cut.id, patch, at);
        }
        let mut begun = unchanged(&cut.series, &cut.pattern, cut.slot, self.zone);
        begun.remove("recurringEventId");
        begun.remove("originalStartTime");
        begun.insert("id".to_owned(), new_id.clone().into());
        begun.insert("iCalUID".to_owned(), format!("{new_id}@google.com").into());
        let lines = cut.pattern.continued(&recurrence::lines(&cut.series), cut.slot);
        begun.insert("recurrence".to_owned(), lines.into());
        let begun = event::patched(&begun, patch, self.commit(at))?;
        self.end_before(&cut, at)?;
        Ok(self.keep(&new_id, begun, at))
    }

    /// Ends a series before an instance.
    pub(crate) fn delete_following(&mut self, id: &str, at: i64) -> Result<(), Refusal> {
        let cut = self.cut(id)?;
        self.end_before(&cut, at)
    }

    fn end_before(&mut self, cut: &Cut, at: i64) -> Result<(), Refusal> {
        if cut.is_first {
            return self.delete(&cut.id, None, at);
        }
        let mut ended = (*cut.series).clone();
        let lines = cut.pattern.ended(&recurrence::lines(&cut.series), cut.slot);
        ended.insert("recurrence".to_owned(), lines.into());
        let ended = event::stamped(ended, at);
        // What comes after the cut goes by its slot, wherever it was moved to.
        self.settle(&cut.id, &cut.series, ended, at, Inheritance::WhatWasSame);
        Ok(())
    }

    /// Edits a series, what was split off it, and all exceptions. `start` and `end` are those that the named event is to have; the others
    /// move by as much.
    pub(crate) fn edit_all(&mut self, id: &str, patch: Fields, at: i64) -> Result<Arc<Fields>, Refusal> {
        let named = self.event(id)?;
        let series = event::master_of(&named).unwrap_or(id).to_owned();
        let is_moved = patch.contains_key("start") || patch.contains_key("end");
        let shift = is_moved.then(|| Shift::of(self, &named, &patch)).transpose()?;
        for sibling in self.family(&series) {
            let mut patch = patch.clone();
            if let Some(shift) = &shift {
                patch.extend(shift.applied(&*self.event(&sibling)?, self.zone)?);
            }
            self.edit_series(&sibling, patch, at)?;
        }
        self.event(&series)
    }

    fn edit_series(&mut self, id: &str, patch: Fields, at: i64) -> Result<Arc<Fields>, Refusal> {
        let previous = self.event(id)?;
        let fields = event::patched(&previous, patch, self.commit(at))?;
        Ok(self.settle(id, &previous, fields, at, Inheritance::Everything))
    }

    /// Deletes a series and what was split off it.
    pub(crate) fn delete_all(&mut self, id: &str, at: i64) -> Result<(), Refusal> {
        let named = self.event(id)?;
        let series = event::master_of(&named).unwrap_or(id).to_owned();
        let family = self.family(&series);
        if family.is_empty() {
            return Err(Refusal::deleted());
        }
        family.iter().try_for_each(|sibling| self.delete(sibling, None, at))
    }

    /// The live series that were once one with `series`.
    fn family(&self, series: &str) -> Vec<String> {
        let root = root_of(series);
        let is_alive =
            |id: &String| self.events.get(id).is_some_and(|stored| !event::is_cancelled(&stored.fields));
        let start = format!("{root}_R");
        let split =
            self.events.range(start.clone()..).map(|(id, _)| id).take_while(|id| id.starts_with(&start));
        let split = split.filter(|id| parse_id(id).is_none()).cloned();
        std::iter::once(root.to_owned()).chain(split).filter(is_alive).collect()
    }
}

/// How "all events" moves: from where to where the named event goes.
struct Shift {
    from: Moment,
    to: Moment,
    length: TimeDelta,
    zone_name: Option<Value>,
}

impl Shift {
    fn of(book: &Book, named: &Fields, patch: &Fields) -> Result<Self, Refusal> {
        let mut wanted = named.clone();
        for which in ["start", "end"] {
            if let Some(point) = patch.get(which) {
                wanted.insert(which.to_owned(), point.clone());
            }
        }
        let from = moment(named, "start", book.zone)?;
        let to = moment(&wanted, "start", book.zone)?;
        let length = match patch.contains_key("end") {
            true => instant(moment(&wanted, "end", book.zone)?) - instant(to),
            false => book.length(named),
        };
        let zone_name = wanted.get("start").and_then(|start| start.get("timeZone")).cloned();
        Ok(Self { from, to, length, zone_name })
    }

    /// The `start` and `end` of another series under this shift. Times move by the wall clock.
    fn applied(&self, series: &Fields, zone: Tz) -> Result<Fields, Refusal> {
        let named = self.zone_name.as_ref().and_then(Value::as_str).and_then(|name| name.parse::<Tz>().ok());
        let wall = named.unwrap_or(zone);
        let local = |moment: Moment| match moment {
            Moment::Day(day) => day.and_time(NaiveTime::MIN),
            Moment::Instant(at) => at.with_timezone(&wall).naive_local(),
        };
        let own = local(moment(series, "start", zone)?);
        let days = local(self.to).date() - local(self.from).date();
        let point = |at: DateTime<Utc>| match self.to {
            Moment::Day(_) => {
                json!({"date": at.date_naive().to_string(), "dateTime": null, "timeZone": null})
            }
            Moment::Instant(_) => {
                json!({"date": null, "dateTime": at.to_rfc3339(), "timeZone": wall.name()})
            }
        };
        let start = match self.to {
            Moment::Day(_) => (own.date() + days).and_time(NaiveTime::MIN).and_utc(),
            Moment::Instant(_) => resolve((own.date() + days).and_time(local(self.to).time()), wall).to_utc(),
        };
        let members = json!({"start": point(start), "end": point(start + self.length)});
        Ok(members.as_object().cloned().unwrap_or_default())
    }
}
