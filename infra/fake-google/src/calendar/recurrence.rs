//! Where a series recurs: its lines (RFC 5545 §3.8.5), put on its start in its zone.
//!
//! The `rrule` crate counts, zone-aware, from the start of the series on: slow for far dates, and on purpose another way than the one
//! that is tested against this. What that crate reads wrongly is read here: ends (`UNTIL`) in whatever form, `EXRULE`, lists of dates.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use rrule::{RRule, RRuleSet, Unvalidated};
use serde_json::Value;

use super::Fields;
use super::time::{Moment, moment, resolve};
use crate::error::Refusal;

/// The most occurrences that are counted of one rule.
const COUNTED: usize = 100_000;

/// The lines of an event's `recurrence`; none if it does not recur.
pub(crate) fn lines(fields: &Fields) -> Vec<String> {
    let lines = fields.get("recurrence").and_then(Value::as_array).into_iter().flatten();
    lines.filter_map(Value::as_str).map(str::to_owned).collect()
}

pub(crate) fn is_series(fields: &Fields) -> bool {
    !lines(fields).is_empty()
}

/// A rule and its end.
pub(super) struct Rule {
    set: RRuleSet,
    until: DateTime<Utc>,
}

impl Rule {
    pub(super) fn slots(&self, to: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
        let end = self.until.min(to);
        let slots = (&self.set).into_iter().take(COUNTED).map(|at| at.to_utc());
        slots.take_while(move |at| *at <= end)
    }
}

/// The recurrence of a series on its start. Slots are instants; those of an all-day series are midnights of UTC.
pub(crate) struct Pattern {
    pub(super) start: DateTime<Tz>,
    pub is_all_day: bool,
    /// Zone of expansion: the event's, else the calendar's.
    pub zone: Tz,
    pub(super) rules: Vec<Rule>,
    ex_rules: Vec<Rule>,
    dates: BTreeSet<DateTime<Utc>>,
    ex_dates: BTreeSet<DateTime<Utc>>,
    /// Days that are left out of a series of times.
    ex_days: BTreeSet<NaiveDate>,
}

impl Pattern {
    /// Reads the recurrence of `fields` on a calendar of zone `zone`.
    ///
    /// # Errors
    /// 400 `invalid` if a line cannot be read, and what is wrong with the start.
    pub(crate) fn of(fields: &Fields, calendar_zone: Tz) -> Result<Self, Refusal> {
        let named = fields.get("start").and_then(|start| start.get("timeZone")).and_then(Value::as_str);
        let zone = named.and_then(|name| name.parse().ok()).unwrap_or(calendar_zone);
        let (start, is_all_day) = match moment(fields, "start", calendar_zone)? {
            Moment::Day(day) => (midnight(day).with_timezone(&Tz::UTC), true),
            Moment::Instant(instant) => (instant.with_timezone(&zone), false),
        };
        let mut pattern = Self {
            start,
            is_all_day,
            zone,
            rules: Vec::new(),
            ex_rules: Vec::new(),
            dates: BTreeSet::new(),
            ex_dates: BTreeSet::new(),
            ex_days: BTreeSet::new(),
        };
        for line in lines(fields) {
            let invalid = || Refusal::bad("invalid", format!("Invalid recurrence rule: {line}"));
            pattern.read(&line).ok_or_else(invalid)?;
        }
        Ok(pattern)
    }

    fn read(&mut self, line: &str) -> Option<()> {
        let (head, value) = line.split_once(':')?;
        let mut head = head.split(';');
        let name = head.next()?;
        let zone = head.find_map(|parameter| parameter.strip_prefix("TZID=")).map(|name| name.parse::<Tz>());
        let zone = zone.transpose().ok()?.unwrap_or(self.zone);
        match name {
            "RRULE" => self.rules.push(self.rule(value)?),
            "EXRULE" => self.ex_rules.push(self.rule(value)?),
            "RDATE" => {
                for text in value.split(',') {
                    let at = self.instant(Written::parse(text)?, zone);
                    self.dates.insert(at);
                }
            }
            "EXDATE" => {
                for text in value.split(',') {
                    match Written::parse(text)? {
                        Written::Day(day) if !self.is_all_day => self.ex_days.insert(day),
                        written => {
                            let at = self.instant(written, zone);
                            self.ex_dates.insert(at)
                        }
                    };
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// A rule without its `UNTIL`, which the crate reads only in the form of the start, and the instant that it means.
    fn rule(&self, value: &str) -> Option<Rule> {
        let (mut kept, mut until) = (Vec::new(), DateTime::<Utc>::MAX_UTC);
        for part in value.split(';').filter(|part| !part.is_empty()) {
            match part.strip_prefix("UNTIL=") {
                Some(text) => until = self.end(Written::parse(text)?),
                None => kept.push(part),
            }
        }
        let rule: RRule<Unvalidated> = kept.join(";").parse().ok()?;
        let zone = rrule::Tz::from(self.start.timezone());
        let set = rule.build(self.start.with_timezone(&zone)).ok()?.limit();
        Some(Rule { set, until })
    }

    pub(super) fn instant(&self, written: Written, zone: Tz) -> DateTime<Utc> {
        match (written, self.is_all_day) {
            (Written::Day(day), true) => midnight(day),
            (Written::Day(day), false) => resolve(day.and_time(self.start.time()), self.zone).to_utc(),
            (written, true) => midnight(written.day(zone)),
            (Written::Utc(at), false) => at,
            (Written::Floating(at), false) => resolve(at, zone).to_utc(),
        }
    }

    /// The last instant within an end; a day is within it as a whole.
    fn end(&self, written: Written) -> DateTime<Utc> {
        match written {
            written if self.is_all_day => midnight(written.day(self.zone)),
            Written::Day(day) => last_second(day, self.zone),
            Written::Utc(at) => at,
            Written::Floating(at) => resolve(at, self.zone).to_utc(),
        }
    }

    /// The slots in `[from, to]`, in order. A series without a rule begins with its start.
    pub(crate) fn slots(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> BTreeSet<DateTime<Utc>> {
        let mut slots: BTreeSet<_> = self.rules.iter().flat_map(|rule| rule.slots(to)).collect();
        slots.extend(&self.dates);
        if self.rules.is_empty() {
            slots.insert(self.start.to_utc());
        }
        for rule in &self.ex_rules {
            for slot in rule.slots(to) {
                slots.remove(&slot);
            }
        }
        slots.retain(|slot| {
            (from..=to).contains(slot)
                && !self.ex_dates.contains(slot)
                && !self.ex_days.contains(&slot.with_timezone(&self.zone).date_naive())
        });
        slots
    }

    pub(crate) fn has(&self, slot: DateTime<Utc>) -> bool {
        !self.slots(slot, slot).is_empty()
    }

    pub(crate) fn first(&self) -> Option<DateTime<Utc>> {
        let years = |years: i64| self.start.to_utc() + TimeDelta::days(366 * years);
        [1, 10, 100]
            .into_iter()
            .find_map(|span| self.slots(DateTime::<Utc>::MIN_UTC, years(span)).pop_first())
    }

    /// `start`, `end` or `originalStartTime` at an instant, as a [`Moment`] on a calendar of that zone.
    pub(crate) fn moment(&self, at: DateTime<Utc>, calendar_zone: Tz) -> Moment {
        match self.is_all_day {
            true => Moment::Day(at.date_naive()),
            false => Moment::Instant(at.with_timezone(&calendar_zone)),
        }
    }

    /// A line in the one spelling in which it can be compared: upper case, defaults left out, parts and dates in order, times in UTC, an end
    /// as the last instant or day that it includes.
    pub(crate) fn canonical(&self, line: &str) -> String {
        let line = line.to_ascii_uppercase();
        let Some((head, value)) = line.split_once(':') else { return line };
        let name = head.split(';').next().unwrap_or(head);
        let spelled = |at: DateTime<Utc>| match self.is_all_day {
            true => at.format("%Y%m%d").to_string(),
            false => at.format("%Y%m%dT%H%M%SZ").to_string(),
        };
        let mut parts: Vec<String> = match name {
            "RRULE" | "EXRULE" => value
                .split(';')
                .filter(|part| !matches!(*part, "" | "INTERVAL=1" | "WKST=MO"))
                .map(|part| match part.strip_prefix("UNTIL=").and_then(Written::parse) {
                    Some(until) => format!("UNTIL={}", spelled(self.end(until))),
                    None => part.to_owned(),
                })
                .collect(),
            _ => {
                let zone = head.split(';').find_map(|parameter| parameter.strip_prefix("TZID="));
                let zone = zone.and_then(|name| Tz::from_str_insensitive(name).ok()).unwrap_or(self.zone);
                let at = |text: &str| Some(spelled(self.instant(Written::parse(text)?, zone)));
                value.split(',').map(|text| at(text).unwrap_or_else(|| text.to_owned())).collect()
            }
        };
        parts.sort();
        format!("{name}:{}", parts.join(if name.ends_with("RULE") { ";" } else { "," }))
    }
}

/// A date or time as RFC 5545 writes it.
#[derive(Clone, Copy)]
pub(super) enum Written {
    Day(NaiveDate),
    Utc(DateTime<Utc>),
    Floating(NaiveDateTime),
}

impl Written {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let at = |text: &str| NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S").ok();
        match text.strip_suffix('Z') {
            Some(utc) => at(utc).map(|at| Self::Utc(at.and_utc())),
            None if text.len() == 8 => NaiveDate::parse_from_str(text, "%Y%m%d").ok().map(Self::Day),
            None => at(text).map(Self::Floating),
        }
    }

    fn day(self, zone: Tz) -> NaiveDate {
        match self {
            Self::Day(day) => day,
            Self::Utc(at) => at.with_timezone(&zone).date_naive(),
            Self::Floating(at) => at.date(),
        }
    }
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

pub(super) fn last_second(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let next = day.succ_opt().unwrap_or(day).and_time(NaiveTime::MIN);
    resolve(next, zone).to_utc() - TimeDelta::seconds(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pattern(start: Value, lines: &[&str]) -> Pattern {
        let fields = json!({"start": start, "recurrence": lines});
        Pattern::of(fields.as_object().unwrap(), Tz::UTC).unwrap()
    }

    fn timed(at: &str, zone: &str, lines: &[&str]) -> Pattern {
        pattern(json!({"dateTime": at, "timeZone": zone}), lines)
    }

    fn slots(pattern: &Pattern) -> Vec<String> {
        let (from, to) = (DateTime::<Utc>::MIN_UTC, "2027-01-01T00:00:00Z".parse().unwrap());
        pattern.slots(from, to).iter().map(|at| at.format("%Y%m%dT%H%M").to_string()).collect()
    }

    #[test]
    fn the_time_of_day_is_kept_over_both_changes_of_the_clock() {
        let gap = timed("2026-03-07T02:30:00", "America/New_York", &["RRULE:FREQ=DAILY;COUNT=3"]);
        assert_eq!(slots(&gap), ["20260307T0730", "20260308T0730", "20260309T0630"]);
        let twice = timed("2026-10-31T01:30:00", "America/New_York", &["RRULE:FREQ=DAILY;COUNT=3"]);
        assert_eq!(slots(&twice), ["20261031T0530", "20261101T0530", "20261102T0630"]);
    }

    #[test]
    fn an_end_includes_its_day_and_its_second_in_any_form() {
        for until in ["20260103", "20260103T090000", "20260103T140000Z"] {
            let series = timed(
                "2026-01-01T09:00:00",
                "America/New_York",
                &[&format!("RRULE:FREQ=DAILY;UNTIL={until}")],
            );
            assert_eq!(slots(&series).len(), 3, "{until}");
        }
        let days = pattern(json!({"date": "2026-01-01"}), &["RRULE:FREQ=DAILY;UNTIL=20260103"]);
        assert_eq!(slots(&days), ["20260101T0000", "20260102T0000", "20260103T0000"]);
    }

    #[test]
    fn dates_are_added_and_dates_and_rules_are_left_out() {
        let lines = [
            "RRULE:FREQ=DAILY;COUNT=5",
            "RDATE;TZID=Europe/Berlin:20260110T090000",
            "EXDATE:20260102T080000Z",
            "EXDATE;VALUE=DATE:20260103",
            "EXRULE:FREQ=WEEKLY;BYDAY=SU",
        ];
        let series = timed("2026-01-01T09:00:00", "Europe/Berlin", &lines);
        assert_eq!(slots(&series), ["20260101T0800", "20260105T0800", "20260110T0800"]);
    }

    #[test]
    fn a_line_that_cannot_be_read_is_refused() {
        for line in [
            "RRULE:FREQ=SOMETIMES",
            "RRULE",
            "RDATE:tomorrow",
            "DTSTART:20260101",
            "EXDATE;TZID=Mars:20260101T000000",
        ] {
            let fields = json!({"start": {"date": "2026-01-01"}, "recurrence": [line]});
            let refusal = Pattern::of(fields.as_object().unwrap(), Tz::UTC).err().unwrap();
            assert_eq!(refusal.reason, "invalid", "{line}");
        }
    }
}
