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
        // A date that was added by itself may come before the next occurrence of the rule, from which the rule counts.
        let start = cut.pattern.rule_from(cut.slot).unwrap_or(cut.slot);
        let mut begun = unchanged(&cut.series, &cut.pattern, start, self.zone);
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

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;

    const OWNER: &str = "ada@example.com";

    fn fields(value: Value) -> Fields {
        value.as_object().cloned().unwrap()
    }

    fn book(start: Value, end: Value, lines: &[&str]) -> Book {
        let mut book = Book::new(OWNER, "Ada", Tz::America__Chicago, 1);
        let given = json!({"summary": "Old", "start": start, "end": end, "recurrence": lines});
        book.insert("series", fields(given), OWNER, 2).unwrap();
        book
    }

    /// Start and title of what there is to see until 2028.
    fn seen(book: &Book) -> Vec<(String, String)> {
        let to = "2028-01-01T00:00:00Z".parse().unwrap();
        let found = book.occurrences(DateTime::<Utc>::MIN_UTC, to);
        found.iter().map(|event| (event["start"].to_string(), event["summary"].to_string())).collect()
    }

    #[test]
    fn a_cut_at_any_instance_leaves_no_hole_and_no_overlap() {
        let time = |text: &str| json!({"dateTime": text, "timeZone": "America/New_York"});
        let timed = || (time("2026-02-26T23:30:00"), time("2026-02-27T00:30:00"));
        let days = || (json!({"date": "2026-02-26"}), json!({"date": "2026-02-28"}));
        for (lines, is_timed) in [
            (&["RRULE:FREQ=DAILY;COUNT=12"][..], true),
            (&["RRULE:FREQ=DAILY;INTERVAL=2;UNTIL=20260330T035959Z"], true),
            (&["RRULE:FREQ=WEEKLY;BYDAY=MO,TH;COUNT=9", "EXDATE:20260306T043000Z"], true),
            (
                &["RRULE:FREQ=DAILY;COUNT=6", "RDATE;TZID=America/New_York:20260310T100000,20260228T110000"],
                true,
            ),
            (&["RRULE:FREQ=MONTHLY;BYDAY=-1TH;UNTIL=20261231"], false),
            (&["RRULE:FREQ=WEEKLY;COUNT=7", "EXDATE;VALUE=DATE:20260312"], false),
        ] {
            let (start, end) = if is_timed { timed() } else { days() };
            let whole = book(start.clone(), end.clone(), lines);
            let before = seen(&whole);
            let ids: Vec<String> = whole
                .occurrences(DateTime::<Utc>::MIN_UTC, "2028-01-01T00:00:00Z".parse().unwrap())
                .iter()
                .map(|event| event["id"].as_str().unwrap().to_owned())
                .collect();
            assert!(ids.len() > 5, "{lines:?}");
            for (n, id) in ids.iter().enumerate() {
                let mut cut = book(start.clone(), end.clone(), lines);
                cut.edit_following(id, fields(json!({"summary": "New"})), 3).unwrap();
                let after = seen(&cut);
                let starts = |seen: &[(String, String)]| {
                    seen.iter().map(|(start, _)| start.clone()).collect::<Vec<_>>()
                };
                assert_eq!(starts(&after), starts(&before), "{lines:?} at {id}");
                assert!(
                    after.iter().enumerate().all(|(m, (_, title))| (title == "\"New\"") == (m >= n)),
                    "{lines:?} at {id}"
                );
                let mut shortened = book(start.clone(), end.clone(), lines);
                shortened.delete_following(id, 3).unwrap();
                assert_eq!(seen(&shortened), before[..n], "{lines:?} at {id}");
            }
        }
    }
}
