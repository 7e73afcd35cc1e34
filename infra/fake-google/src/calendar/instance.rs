//! Instances of a series: their ids, and the resource that one is as long as nobody has changed it.
//!
//! An instance is known by its slot, which does not change when the instance is moved: `<series>_20250324T123000Z`, of an all-day
//! series `<series>_20250324`. What was split off a series by "this and following" is a series of its own, `<series>_R20250326T123000`.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::Value;

use super::book::Book;
use super::recurrence::{self, Pattern};
use super::time::{self, Moment, moment};
use super::{Fields, event};

/// The series and the slot that an instance's id names.
pub(crate) fn parse_id(id: &str) -> Option<(&str, DateTime<Utc>)> {
    let (series, stamp) = id.rsplit_once('_')?;
    let at = match stamp.strip_suffix('Z') {
        Some(time) => NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%S").ok(),
        None if stamp.len() == 8 => {
            NaiveDate::parse_from_str(stamp, "%Y%m%d").ok().map(|day| day.and_time(NaiveTime::MIN))
        }
        None => None,
    };
    Some((series, at?.and_utc()))
}

/// The id of the instance in `slot`.
pub(crate) fn id_of(series: &str, slot: DateTime<Utc>, is_all_day: bool) -> String {
    match is_all_day {
        true => format!("{series}_{}", slot.format("%Y%m%d")),
        false => format!("{series}_{}", slot.format("%Y%m%dT%H%M%SZ")),
    }
}

/// The id of the series that begins in `slot`, split off `series` or off what that was split off.
pub(crate) fn split_id(series: &str, slot: DateTime<Utc>, is_all_day: bool) -> String {
    let stamp = if is_all_day { slot.format("%Y%m%d") } else { slot.format("%Y%m%dT%H%M%S") };
    format!("{}_R{stamp}", root_of(series))
}

/// The series that `series` was once split off, or itself.
pub(crate) fn root_of(series: &str) -> &str {
    match series.rsplit_once("_R") {
        Some((root, stamp))
            if stamp.len() >= 8 && stamp.bytes().all(|byte| byte.is_ascii_digit() || byte == b'T') =>
        {
            root
        }
        _ => series,
    }
}

/// The slot of an exception.
pub(crate) fn slot_of(exception: &Fields, zone: Tz) -> Option<DateTime<Utc>> {
    Some(instant(moment(exception, "originalStartTime", zone).ok()?))
}

/// A point as slots count: a day is midnight of UTC.
pub(crate) fn instant(moment: Moment) -> DateTime<Utc> {
    match moment {
        Moment::Day(day) => day.and_time(NaiveTime::MIN).and_utc(),
        Moment::Instant(at) => at.to_utc(),
    }
}

/// How long an event lasts.
pub(crate) fn length(fields: &Fields, zone: Tz) -> TimeDelta {
    match (moment(fields, "start", zone), moment(fields, "end", zone)) {
        (Ok(start), Ok(end)) => instant(end) - instant(start),
        _ => TimeDelta::zero(),
    }
}

/// The instance of `series` in `slot`, as nobody has changed it. `zone` is the calendar's.
pub(crate) fn unchanged(series: &Fields, pattern: &Pattern, slot: DateTime<Utc>, zone: Tz) -> Fields {
    let mut fields = series.clone();
    let series_id = series.get("id").and_then(Value::as_str).unwrap_or_default();
    fields.remove("recurrence");
    let id = id_of(series_id, slot, pattern.is_all_day);
    fields.insert("htmlLink".to_owned(), format!("https://www.google.com/calendar/event?eid={id}").into());
    fields.insert("id".to_owned(), id.into());
    fields.insert("recurringEventId".to_owned(), series_id.into());
    let named = |which: &str| series.get(which).and_then(|point| point.get("timeZone")).cloned();
    let written = |at, which: &str| time::written(pattern.moment(at, zone), named(which), zone);
    fields.insert("originalStartTime".to_owned(), written(slot, "start"));
    fields.insert("start".to_owned(), written(slot, "start"));
    fields.insert("end".to_owned(), written(slot + length(series, zone), "end"));
    fields
}

/// Series and their instances.
impl Book {
    /// The pattern of a series; `None` of what does not recur.
    pub(crate) fn pattern(&self, series: &Fields) -> Option<Pattern> {
        recurrence::is_series(series).then(|| Pattern::of(series, self.zone).ok()).flatten()
    }

    /// The instance of that id, if its series has the slot and nobody has changed it.
    pub(super) fn unchanged(&self, id: &str) -> Option<Fields> {
        let (series, slot) = parse_id(id)?;
        let series = &self.events.get(series)?.fields;
        let pattern = self.pattern(series)?;
        let is_meant =
            pattern.has(slot) && id_of("", slot, pattern.is_all_day).len() == id.len() - id.rfind('_')?;
        is_meant.then(|| unchanged(series, &pattern, slot, self.zone))
    }

    /// The ids of the exceptions of a series.
    pub(crate) fn exceptions(&self, series: &str) -> Vec<String> {
        let start = format!("{series}_");
        let named = self.events.range(start.clone()..).take_while(|(id, _)| id.starts_with(&start));
        named
            .filter(|(_, stored)| event::master_of(&stored.fields) == Some(series))
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// The instances of a series that end at or after `from` and begin at or before `to`: exceptions as they are, the rest unchanged. A moved
    /// exception counts where it is now.
    pub(crate) fn instances(&self, id: &str, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<Arc<Fields>> {
        let Some(series) = self.events.get(id).map(|stored| &stored.fields) else { return Vec::new() };
        let Some(pattern) = self.pattern(series) else { return Vec::new() };
        let length = length(series, self.zone);
        let mut taken = BTreeSet::new();
        let mut found = Vec::new();
        for exception in self.exceptions(id) {
            let Some(fields) = self.events.get(&exception).map(|stored| Arc::clone(&stored.fields)) else {
                continue;
            };
            taken.extend(slot_of(&fields, self.zone));
            let at = |which| moment(&fields, which, self.zone).ok().map(instant);
            if at("end").is_none_or(|end| end >= from) && at("start").is_none_or(|start| start <= to) {
                found.push(fields);
            }
        }
        let from = from.checked_sub_signed(length).unwrap_or(from);
        let slots = pattern.slots(from, to).into_iter().filter(|slot| !taken.contains(slot));
        found.extend(slots.map(|slot| Arc::new(unchanged(series, &pattern, slot, self.zone))));
        found
    }

    /// Live single events and instances between two instants, in the order of their start.
    pub(crate) fn occurrences(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<Arc<Fields>> {
        let mut found = Vec::new();
        for (id, stored) in &self.events {
            if recurrence::is_series(&stored.fields) && !event::is_cancelled(&stored.fields) {
                found.extend(self.instances(id, from, to));
            } else if event::master_of(&stored.fields).is_none() {
                found.push(Arc::clone(&stored.fields));
            }
        }
        let at = |fields: &Fields, which| moment(fields, which, self.zone).ok().map(instant);
        found.retain(|fields| {
            !event::is_cancelled(fields)
                && at(fields, "end").is_some_and(|end| end > from)
                && at(fields, "start").is_some_and(|start| start < to)
        });
        found.sort_by_key(|fields| at(fields, "start"));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_told_from_a_series_that_was_split_off() {
        let slot: DateTime<Utc> = "2025-03-26T12:30:00Z".parse().unwrap();
        assert_eq!(id_of("abcde", slot, false), "abcde_20250326T123000Z");
        assert_eq!(parse_id("abcde_20250326T123000Z"), Some(("abcde", slot)));
        assert_eq!(
            parse_id("abcde_R20250326T123000_20250326T123000Z"),
            Some(("abcde_R20250326T123000", slot))
        );
        assert_eq!(parse_id("abcde_R20250326T123000"), None);
        assert_eq!(parse_id("_abcde0123456789"), None);
        assert_eq!(
            split_id("abcde_R20250326T123000", slot + TimeDelta::days(1), false),
            "abcde_R20250327T123000"
        );
        assert_eq!(split_id("_imported", slot, true), "_imported_R20250326");
    }
}
