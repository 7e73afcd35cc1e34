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
}
