//! Recurrence: what makes a series recur (RFC 5545 §3.8.5), checked once and computed wherever it is asked for.
//!
//! A [`Recurrence`] is the lines as they were written and their meaning; a [`Pattern`] puts it on a start and a zone and answers where its
//! slots are. Nothing is counted from the start of time: every question looks at the periods near it, so the year 2900 of an endless
//! series costs what this week costs.

mod course;
mod dates;
mod days;
mod expand;
mod first;
mod moved;
mod pattern;
mod rule;
mod split;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Refusal;
use dates::When;
pub use pattern::Pattern;
use rule::Rule;

/// The most lines that are read.
const LINES: usize = 20;
/// The longest line that is read, in bytes.
const LINE_LENGTH: usize = 10_000;
/// The most dates that all RDATE and EXDATE lines of a set may have together.
const DATES: usize = 2_000;
/// The longest excerpt of a request that is said back in a refusal, in characters.
const EXCERPT: usize = 60;

/// The lines that make a series recur (RRULE, RDATE, EXDATE, EXRULE), checked. Serialises as the array of its lines, which are verbatim as
/// far as a split or a move did not rewrite them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Recurrence {
    lines: Vec<String>,
    /// What the line of the same index says.
    parts: Vec<Part>,
}

/// What one line says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Rule(Rule),
    ExRule(Rule),
    Dates(Vec<When>),
    ExDates(Vec<When>),
}

impl Recurrence {
    /// Reads and checks the lines of a series. A missing `RRULE:` is added in thought, DTSTART and DTEND are dropped (an event says when it
    /// is by itself), several lines in one text are taken apart.
    ///
    /// # Errors
    /// [`Refusal::BadField`] of `recurrence.rule`, saying what is wrong: no line at all, unknown or malformed parts, a frequency above
    /// daily, more than 24 occurrences a day, or more lines, characters or dates than a series may have.
    pub fn parse(lines: &[String]) -> Result<Self, Refusal> {
        let mut read = Self { lines: Vec::new(), parts: Vec::new() };
        for text in lines.iter().flat_map(|line| line.lines()).map(str::trim).filter(|line| !line.is_empty())
        {
            if read.lines.len() == LINES {
                return Err(refuse(format!("must not have more than {LINES} lines")));
            }
            if text.len() > LINE_LENGTH {
                return Err(refuse(format!("must not have a line longer than {LINE_LENGTH} characters")));
            }
            if let Some(part) = Part::parse(text)? {
                read.push(text.to_owned(), part);
            }
        }
        read.check()?;
        Ok(read)
    }

    /// The lines, as they are stored and sent.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Whether both mean the same: case, the order of lines and of the values in a list, defaults that are spelled out and a week's start
    /// that changes nothing do not matter.
    pub fn is_same(&self, other: &Self) -> bool {
        self.meaning() == other.meaning()
    }

    fn meaning(&self) -> Vec<Part> {
        let mut dates = Vec::new();
        let mut ex_dates = Vec::new();
        let mut meaning = Vec::new();
        for part in &self.parts {
            match part {
                Part::Rule(rule) => meaning.push(Part::Rule(rule.normal())),
                Part::ExRule(rule) => meaning.push(Part::ExRule(rule.normal())),
                Part::Dates(more) => dates.extend(more.iter().copied()),
                Part::ExDates(more) => ex_dates.extend(more.iter().copied()),
            }
        }
        for list in [&mut dates, &mut ex_dates] {
            list.sort_unstable();
            list.dedup();
        }
        meaning.extend([Part::Dates(dates), Part::ExDates(ex_dates)]);
        meaning.sort_unstable();
        meaning.dedup();
        meaning
    }

    fn push(&mut self, line: String, part: Part) {
        self.lines.push(line);
        self.parts.push(part);
    }

    fn check(&self) -> Result<(), Refusal> {
        let dates: usize = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Dates(dates) | Part::ExDates(dates) => dates.len(),
                Part::Rule(_) | Part::ExRule(_) => 0,
            })
            .sum();
        if dates > DATES {
            return Err(refuse(format!("must not list more than {DATES} dates")));
        }
        let recurs = |part: &Part| matches!(part, Part::Rule(_) | Part::Dates(_));
        if !self.parts.iter().any(recurs) {
            return Err(refuse("needs at least one RRULE or RDATE"));
        }
        Ok(())
    }

    fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.parts.iter().filter_map(|part| if let Part::Rule(rule) = part { Some(rule) } else { None })
    }

    fn ex_rules(&self) -> impl Iterator<Item = &Rule> {
        self.parts.iter().filter_map(|part| if let Part::ExRule(rule) = part { Some(rule) } else { None })
    }

    fn dates(&self) -> impl Iterator<Item = When> {
        self.parts
            .iter()
            .filter_map(|part| if let Part::Dates(dates) = part { Some(dates) } else { None })
            .flatten()
            .copied()
    }

    fn ex_dates(&self) -> impl Iterator<Item = When> {
        self.parts
            .iter()
            .filter_map(|part| if let Part::ExDates(dates) = part { Some(dates) } else { None })
            .flatten()
            .copied()
    }
}

/// Equal when written alike.
impl PartialEq for Recurrence {
    fn eq(&self, other: &Self) -> bool {
        self.lines == other.lines
    }
}

impl Eq for Recurrence {}

impl TryFrom<Vec<String>> for Recurrence {
    type Error = Refusal;

    fn try_from(lines: Vec<String>) -> Result<Self, Refusal> {
        Self::parse(&lines)
    }
}

impl From<Recurrence> for Vec<String> {
    fn from(recurrence: Recurrence) -> Self {
        recurrence.lines
    }
}

impl Part {
    /// Reads a line. `None` for one that says when the event is, which is not ours to know.
    fn parse(line: &str) -> Result<Option<Self>, Refusal> {
        let (head, value) = match line.split_once(':') {
            Some((head, value)) => (head, value),
            None => ("RRULE", line),
        };
        let (name, parameters) = head.split_once(';').unwrap_or((head, ""));
        match name.to_ascii_uppercase().as_str() {
            "RRULE" => Rule::parse(value).map(Self::Rule).map(Some),
            "EXRULE" => Rule::parse(value).map(Self::ExRule).map(Some),
            "RDATE" => dates::parse(parameters, value).map(Self::Dates).map(Some),
            "EXDATE" => dates::parse(parameters, value).map(Self::ExDates).map(Some),
            "DTSTART" | "DTEND" => Ok(None),
            _ => Err(refuse(format!("{} is none of RRULE, RDATE, EXDATE, EXRULE", excerpt(name)))),
        }
    }
}

/// The line, as it is written after a change.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => write!(f, "RRULE:{rule}"),
            Self::ExRule(rule) => write!(f, "EXRULE:{rule}"),
            Self::Dates(list) => dates::write(f, "RDATE", list),
            Self::ExDates(list) => dates::write(f, "EXDATE", list),
        }
    }
}

/// The refusal of a recurrence.
fn refuse(problem: impl Into<String>) -> Refusal {
    Refusal::field("recurrence.rule", problem)
}

/// The beginning of a text of the caller's, in quotes, fit to be said back.
fn excerpt(text: &str) -> String {
    format!("{:?}", text.chars().take(EXCERPT).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EventTime, Slot, Zone};

    fn recurrence(lines: &[&str]) -> Recurrence {
        Recurrence::parse(&lines.iter().map(|&line| line.to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn time(text: &str) -> EventTime {
        text.parse().unwrap()
    }

    fn slot(text: &str) -> Slot {
        Slot::of(&time(text)).unwrap()
    }

    fn slots(start: &str, zone: &str, lines: &[&str], from: &str, to: &str) -> Vec<String> {
        let zone: Zone = zone.parse().unwrap();
        let pattern_start = time(start);
        let recurrence = recurrence(lines);
        Pattern::new(&pattern_start, zone, &recurrence)
            .slots(slot(from), slot(to))
            .into_iter()
            .map(|slot| match slot.date() {
                Some(date) => date.to_string(),
                None => zone.localize(slot.instant()).to_rfc3339(),
            })
            .collect()
    }

    #[test]
    fn the_time_on_the_wall_is_the_same_before_and_after_the_clocks_change() {
        for (zone, start, from, to, expected) in [
            (
                "Europe/Berlin",
                "2026-03-01T09:00:00+01:00",
                "2026-03-28T00:00:00Z",
                "2026-03-30T00:00:00Z",
                ["2026-03-28T09:00:00+01:00", "2026-03-29T09:00:00+02:00"],
            ),
            (
                "America/New_York",
                "2026-03-01T02:30:00-05:00",
                "2026-03-08T00:00:00Z",
                "2026-03-10T00:00:00Z",
                ["2026-03-08T03:30:00-04:00", "2026-03-09T02:30:00-04:00"],
            ),
            (
                "Australia/Lord_Howe",
                "2026-10-01T02:15:00+10:30",
                "2026-10-03T00:00:00Z",
                "2026-10-05T00:00:00Z",
                ["2026-10-04T02:45:00+11:00", "2026-10-05T02:15:00+11:00"],
            ),
            (
                "-05:00",
                "2026-03-01T09:00:00-05:00",
                "2026-03-08T00:00:00Z",
                "2026-03-10T00:00:00Z",
                ["2026-03-08T09:00:00-05:00", "2026-03-09T09:00:00-05:00"],
            ),
        ] {
            assert_eq!(slots(start, zone, &["RRULE:FREQ=DAILY"], from, to), expected, "{zone}");
        }
    }

    fn said(lines: &[&str]) -> String {
        match Recurrence::parse(&lines.iter().map(|&line| line.to_owned()).collect::<Vec<_>>()) {
            Ok(recurrence) => panic!("{:?} was accepted", recurrence.lines()),
            Err(Refusal::BadField { field: "recurrence.rule", problem }) => problem,
            Err(refusal) => panic!("{refusal}"),
        }
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_said() {
        for (line, problem) in [
            ("RRULE:FREQ=SECONDLY", "recurs too often"),
            ("RRULE:FREQ=MINUTELY;INTERVAL=5", "recurs too often"),
            ("RRULE:FREQ=HOURLY", "recurs too often"),
            ("RRULE:FREQ=FORTNIGHTLY", "is unknown"),
            ("RRULE:INTERVAL=2", "needs a FREQ"),
            ("RRULE:FREQ=DAILY;INTERVAL=0", "is no number from 1"),
            ("RRULE:FREQ=DAILY;INTERVAL=99999999", "is no number from 1"),
            ("RRULE:FREQ=DAILY;COUNT=0", "is no number from 1"),
            ("RRULE:FREQ=DAILY;COUNT=-1", "is no number from 1"),
            ("RRULE:FREQ=DAILY;UNTIL=tomorrow", "is neither YYYYMMDD"),
            ("RRULE:FREQ=DAILY;UNTIL=20260230", "is neither YYYYMMDD"),
            ("RRULE:FREQ=WEEKLY;BYDAY=XX", "is no day of the week"),
            ("RRULE:FREQ=WEEKLY;BYDAY=2TU", "may have a number only"),
            ("RRULE:FREQ=MONTHLY;BYDAY=6TU", "is no day of the week"),
            ("RRULE:FREQ=WEEKLY;BYMONTHDAY=3", "does not go with FREQ=WEEKLY"),
            ("RRULE:FREQ=MONTHLY;BYYEARDAY=3", "goes only with FREQ=YEARLY"),
            ("RRULE:FREQ=MONTHLY;BYMONTHDAY=0", "0 is no position"),
            ("RRULE:FREQ=DAILY;BYMONTH=13", "is no number from 1 to 12"),
            ("RRULE:FREQ=DAILY;BYEASTER=1", "is no part of a rule"),
            ("RRULE:FREQ=DAILY;FREQ=WEEKLY", "stands there twice"),
            ("RRULE:FREQ=DAILY;BYDAY", "is no NAME=VALUE"),
            ("RRULE:FREQ=DAILY;BYHOUR=0,6,12;BYMINUTE=0,6,12,18,24,30,36,42,48", "more than 24 times a day"),
            ("VEVENT:FREQ=DAILY", "is none of RRULE"),
            ("EXDATE;TZID=Mars/Olympus:20261120T090000", "is no known zone"),
            ("EXDATE;RANGE=THISANDFUTURE:20261120T090000", "is no parameter of a date"),
            ("RDATE:20261120,20261121T090000Z", "dates and times in one line"),
            ("EXDATE:20261120T090000Z", "needs at least one RRULE or RDATE"),
            ("DTSTART:20261120T090000Z", "needs at least one RRULE or RDATE"),
            ("", "needs at least one RRULE or RDATE"),
        ] {
            let said = said(&[line]);
            assert!(said.contains(problem), "{line}: {said}");
            assert!(said.len() < 200, "{said}");
        }
    }

    #[test]
    fn a_rule_has_a_bound_on_its_size() {
        assert!(said(&["RRULE:FREQ=DAILY"; 50]).contains("more than 20 lines"));
        let long = format!("RRULE:FREQ=DAILY;BYMONTH={}1", "1,".repeat(6_000));
        assert!(said(&[&long]).contains("longer than 10000"));
        let dates = format!("RDATE:{}20261120", "20261120,".repeat(1_000));
        assert!(said(&[&dates, &dates]).contains("more than 2000 dates"));
        assert!(said(&[&"x".repeat(9_000)]).len() < 200);
    }

    #[test]
    fn rules_that_mean_the_same_are_the_same_however_they_are_written() {
        for (one, other) in [
            (&["RRULE:FREQ=WEEKLY;BYDAY=MO,WE"][..], &["rrule:byday=we,mo,mo;interval=1;freq=weekly"][..]),
            (&["RRULE:FREQ=WEEKLY;WKST=SU;BYDAY=MO"], &["FREQ=WEEKLY;BYDAY=MO;"]),
            (&["RRULE:FREQ=DAILY;UNTIL=20261120;COUNT=3"], &["RRULE:FREQ=DAILY;UNTIL=20261120"]),
            (
                &["RRULE:FREQ=DAILY", "EXDATE:20261120T090000Z"],
                &["EXDATE:20261120T090000Z", "RRULE:FREQ=DAILY"],
            ),
            (
                &["RRULE:FREQ=DAILY", "EXDATE:20261120T090000Z,20261121T090000Z"],
                &["RRULE:FREQ=DAILY\nEXDATE:20261121T090000Z", "EXDATE;TZID=Europe/Berlin:20261120T100000"],
            ),
            (&["DTSTART:20261120T090000Z", "RRULE:FREQ=DAILY"], &["RRULE:FREQ=DAILY"]),
        ] {
            assert!(recurrence(one).is_same(&recurrence(other)), "{one:?} {other:?}");
        }
        for (one, other) in [
            ("RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU", "RRULE:FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=MO,SU"),
            ("RRULE:FREQ=DAILY;COUNT=3", "RRULE:FREQ=DAILY"),
            ("RRULE:FREQ=DAILY", "EXRULE:FREQ=DAILY\nRRULE:FREQ=DAILY"),
        ] {
            assert!(!recurrence(&[one]).is_same(&recurrence(&[other])), "{one} {other}");
        }
    }

    #[test]
    fn the_start_is_an_occurrence_only_where_the_rule_says_so() {
        let week = |lines: &[&str]| {
            slots("2026-11-20T09:00:00Z", "UTC", lines, "2026-11-20T00:00:00Z", "2026-11-27T00:00:00Z")
        };
        assert_eq!(week(&["RRULE:FREQ=WEEKLY;BYDAY=MO"]), ["2026-11-23T09:00:00+00:00"]);
        assert_eq!(
            week(&["RDATE:20261122T100000Z"]),
            ["2026-11-20T09:00:00+00:00", "2026-11-22T10:00:00+00:00"]
        );
    }

    #[test]
    fn a_number_and_a_plain_day_side_by_side_mean_either() {
        let month = slots(
            "2026-11-01",
            "UTC",
            &["RRULE:FREQ=MONTHLY;BYDAY=SU,2TU"],
            "2026-11-01T00:00:00Z",
            "2026-11-30T00:00:00Z",
        );
        assert_eq!(
            month,
            ["2026-11-01", "2026-11-08", "2026-11-10", "2026-11-15", "2026-11-22", "2026-11-29"]
        );
    }

    #[test]
    fn the_day_that_samoa_skipped_is_the_day_after() {
        let days = slots(
            "2011-12-28T12:00:00-10:00",
            "Pacific/Apia",
            &["RRULE:FREQ=DAILY;COUNT=4"],
            "2011-12-28T00:00:00Z",
            "2012-01-03T00:00:00Z",
        );
        assert_eq!(
            days,
            ["2011-12-28T12:00:00-10:00", "2011-12-29T12:00:00-10:00", "2011-12-31T12:00:00+14:00"]
        );
    }

    #[test]
    fn a_series_in_the_first_and_the_last_year_is_answered() {
        for (start, first, last) in [
            ("0001-01-01T00:00:00Z", Some("1900-01-01T00:00:00Z"), None),
            ("9999-12-31T23:59:59Z", Some("9999-12-31T23:59:59Z"), None),
            ("2026-11-20T09:00:00.9Z", Some("2026-11-20T09:00:00Z"), None),
        ] {
            let (start, recurrence) = (time(start), recurrence(&["RRULE:FREQ=DAILY"]));
            let pattern = Pattern::new(&start, "UTC".parse().unwrap(), &recurrence);
            assert_eq!(pattern.first(), first.map(slot));
            assert_eq!(pattern.last(), last.map(slot));
            assert!(pattern.is_endless());
        }
    }

    #[test]
    fn a_known_last_slot_changes_nothing_but_the_work() {
        let start = time("2026-03-01T09:00:00+01:00");
        let recurrence = recurrence(&["RRULE:FREQ=DAILY;COUNT=100", "EXDATE:20260608T070000Z"]);
        let unknown = Pattern::new(&start, "Europe/Berlin".parse().unwrap(), &recurrence);
        let last = unknown.last();
        assert_eq!(last, Some(slot("2026-06-07T09:00:00+02:00")));
        let known = Pattern { last, ..unknown };
        let (from, to) = (slot("2026-06-01T00:00:00Z"), slot("2026-07-01T00:00:00Z"));
        assert_eq!(known.slots(from, to), unknown.slots(from, to));
        assert_eq!(known.last(), last);
    }

    #[test]
    fn what_stands_behind_many_excluded_slots_is_found() {
        let start = time("2026-01-05T09:00:00Z");
        let weeks: Vec<String> = (0..900)
            .map(|week| {
                (start.instant() + chrono::TimeDelta::weeks(week)).format("%Y%m%dT%H%M%SZ").to_string()
            })
            .collect();
        let exdates: Vec<String> =
            weeks.chunks(300).map(|dates| format!("EXDATE:{}", dates.join(","))).collect();
        let lines = [&["RRULE:FREQ=WEEKLY;COUNT=902".to_owned()], &exdates[..]].concat();
        let recurrence = Recurrence::parse(&lines).unwrap();
        let pattern = Pattern::new(&start, "UTC".parse().unwrap(), &recurrence);
        assert_eq!(pattern.first(), Slot::at(start.instant() + chrono::TimeDelta::weeks(900)));
        let never = self::recurrence(&["RRULE:FREQ=DAILY", "EXRULE:FREQ=DAILY"]);
        assert_eq!(Pattern::new(&start, "UTC".parse().unwrap(), &never).first(), None);
    }
}
