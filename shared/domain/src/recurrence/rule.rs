//! One RRULE, taken apart (RFC 5545 §3.3.10).
//!
//! Lists are sorted and without doubles, so that two rules which mean the same are equal.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono::Weekday;

use super::dates::When;
use super::{excerpt, refuse};
use crate::Refusal;

/// The most occurrences that a rule may put on one day.
const TIMES_A_DAY: usize = 24;

/// How long the periods are that a rule repeats in. Nothing shorter than a day is accepted: no bound on the work would hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Frequency {
    Yearly,
    Monthly,
    Weekly,
    Daily,
}

/// A value of BYDAY: a day of the week, or the nth such day of the month or year (from its end, if negative).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ByDay {
    pub(super) nth: Option<i8>,
    pub(super) weekday: Weekday,
}

impl ByDay {
    fn key(self) -> (Option<i8>, u32) {
        (self.nth, self.weekday.num_days_from_monday())
    }
}

impl PartialOrd for ByDay {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByDay {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// A rule. Where both ends are given, UNTIL wins and COUNT is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) frequency: Frequency,
    pub(super) interval: u16,
    pub(super) count: Option<u32>,
    pub(super) until: Option<When>,
    pub(super) week_start: Weekday,
    pub(super) by_month: Vec<u8>,
    pub(super) by_week_no: Vec<i8>,
    pub(super) by_year_day: Vec<i16>,
    pub(super) by_month_day: Vec<i8>,
    pub(super) by_day: Vec<ByDay>,
    pub(super) by_hour: Vec<u8>,
    pub(super) by_minute: Vec<u8>,
    pub(super) by_second: Vec<u8>,
    pub(super) by_set_pos: Vec<i16>,
}

impl PartialOrd for Rule {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Any order that puts equal rules side by side.
impl Ord for Rule {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.to_string().cmp(&other.to_string())
    }
}

impl Rule {
    fn new(frequency: Frequency) -> Self {
        Self {
            frequency,
            interval: 1,
            count: None,
            until: None,
            week_start: Weekday::Mon,
            by_month: Vec::new(),
            by_week_no: Vec::new(),
            by_year_day: Vec::new(),
            by_month_day: Vec::new(),
            by_day: Vec::new(),
            by_hour: Vec::new(),
            by_minute: Vec::new(),
            by_second: Vec::new(),
            by_set_pos: Vec::new(),
        }
    }

    /// Reads what follows `RRULE:`.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let mut parts = Vec::new();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) =
                part.split_once('=').ok_or_else(|| refuse(format!("{} is no NAME=VALUE", excerpt(part))))?;
            let name = name.trim().to_ascii_uppercase();
            if parts.iter().any(|(known, _)| *known == name) {
                return Err(refuse(format!("{} stands there twice", excerpt(&name))));
            }
            parts.push((name, value.trim()));
        }
        let frequency = parts.iter().find(|(name, _)| name == "FREQ").map(|(_, value)| frequency(value));
        let mut rule = Self::new(frequency.ok_or_else(|| refuse("needs a FREQ"))??);
        for (name, value) in &parts {
            rule.set(name, value)?;
        }
        rule.check()?;
        Ok(rule.tidy())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        match name {
            "FREQ" => {}
            "INTERVAL" => self.interval = number(name, value, 1..=u16::MAX)?,
            "COUNT" => self.count = Some(number(name, value, 1..=u32::MAX)?),
            "UNTIL" => self.until = Some(When::parse(value)?),
            "WKST" => {
                self.week_start = weekday(value)
                    .ok_or_else(|| refuse(format!("{} is no day of the week", excerpt(value))))?;
            }
            "BYMONTH" => self.by_month = numbers(name, value, 1..=12)?,
            "BYWEEKNO" => self.by_week_no = signed(name, value, -53..=53)?,
            "BYYEARDAY" => self.by_year_day = signed(name, value, -366..=366)?,
            "BYMONTHDAY" => self.by_month_day = signed(name, value, -31..=31)?,
            "BYDAY" => self.by_day = self.read_days(value)?,
            "BYHOUR" => self.by_hour = numbers(name, value, 0..=23)?,
            "BYMINUTE" => self.by_minute = numbers(name, value, 0..=59)?,
            "BYSECOND" => self.by_second = numbers(name, value, 0..=59)?,
            "BYSETPOS" => self.by_set_pos = signed(name, value, -366..=366)?,
            _ => return Err(refuse(format!("{} is no part of a rule", excerpt(name)))),
        }
        Ok(())
    }

    fn read_days(&self, list: &str) -> Result<Vec<ByDay>, Refusal> {
        let most = if self.frequency == Frequency::Monthly { 5 } else { 53 };
        list.split(',')
            .map(|value| {
                let value = value.trim();
                ByDay::read(value, most)
                    .ok_or_else(|| refuse(format!("BYDAY: {} is no day of the week", excerpt(value))))
            })
            .collect()
    }

    fn check(&self) -> Result<(), Refusal> {
        let times = [&self.by_hour, &self.by_minute, &self.by_second].map(|list| list.len().max(1));
        if times.iter().product::<usize>() > TIMES_A_DAY {
            return Err(refuse(format!("must not recur more than {TIMES_A_DAY} times a day")));
        }
        let is_yearly = self.frequency == Frequency::Yearly;
        let has_nth = self.by_day.iter().any(|day| day.nth.is_some());
        for (is_wrong, problem) in [
            (!is_yearly && !self.by_week_no.is_empty(), "BYWEEKNO goes only with FREQ=YEARLY"),
            (!is_yearly && !self.by_year_day.is_empty(), "BYYEARDAY goes only with FREQ=YEARLY"),
            (
                self.frequency == Frequency::Weekly && !self.by_month_day.is_empty(),
                "BYMONTHDAY does not go with FREQ=WEEKLY",
            ),
            (
                has_nth && self.frequency > Frequency::Monthly,
                "BYDAY may have a number only with FREQ=MONTHLY or FREQ=YEARLY",
            ),
            (has_nth && !self.by_week_no.is_empty(), "BYDAY may have no number beside BYWEEKNO"),
        ] {
            if is_wrong {
                return Err(refuse(problem));
            }
        }
        Ok(())
    }

    pub(super) fn tidy(mut self) -> Self {
        fn sort<T: Ord>(list: &mut Vec<T>) {
            list.sort_unstable();
            list.dedup();
        }
        sort(&mut self.by_month);
        sort(&mut self.by_week_no);
        sort(&mut self.by_year_day);
        sort(&mut self.by_month_day);
        sort(&mut self.by_day);
        sort(&mut self.by_hour);
        sort(&mut self.by_minute);
        sort(&mut self.by_second);
        sort(&mut self.by_set_pos);
        if self.until.is_some() {
            self.count = None;
        }
        self
    }

    /// Whether it matters on which day a week begins.
    pub(super) fn counts_weeks(&self) -> bool {
        let is_weekly = self.frequency == Frequency::Weekly;
        !self.by_week_no.is_empty()
            || is_weekly && (!self.by_set_pos.is_empty() || self.interval > 1 && !self.by_day.is_empty())
    }

    /// The same rule without a start of the week that changes nothing.
    pub(super) fn normal(&self) -> Self {
        let week_start = if self.counts_weeks() { self.week_start } else { Weekday::Mon };
        Self { week_start, ..self.clone() }
    }

    /// Whether the rule has no end of its own.
    pub(super) fn is_endless(&self) -> bool {
        self.count.is_none() && self.until.is_none()
    }
}

/// As it stands after `RRULE:`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frequency = match self.frequency {
            Frequency::Yearly => "YEARLY",
            Frequency::Monthly => "MONTHLY",
            Frequency::Weekly => "WEEKLY",
            Frequency::Daily => "DAILY",
        };
        write!(f, "FREQ={frequency}")?;
        if self.interval != 1 {
            write!(f, ";INTERVAL={}", self.interval)?;
        }
        if self.week_start != Weekday::Mon {
            write!(f, ";WKST={}", two_letters(self.week_start))?;
        }
        list(f, "BYMONTH", &self.by_month)?;
        list(f, "BYWEEKNO", &self.by_week_no)?;
        list(f, "BYYEARDAY", &self.by_year_day)?;
        list(f, "BYMONTHDAY", &self.by_month_day)?;
        list(f, "BYDAY", &self.by_day)?;
        list(f, "BYHOUR", &self.by_hour)?;
        list(f, "BYMINUTE", &self.by_minute)?;
        list(f, "BYSECOND", &self.by_second)?;
        list(f, "BYSETPOS", &self.by_set_pos)?;
        match (self.until, self.count) {
            (Some(until), _) => write!(f, ";UNTIL={until}"),
            (None, Some(count)) => write!(f, ";COUNT={count}"),
            (None, None) => Ok(()),
        }
    }
}

fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, name: &str, values: &[T]) -> fmt::Result {
    for (index, value) in values.iter().enumerate() {
        if index == 0 {
            write!(f, ";{name}={value}")?;
        } else {
            write!(f, ",{value}")?;
        }
    }
    Ok(())
}

impl ByDay {
    fn read(text: &str, most: i8) -> Option<Self> {
        let (nth, day) = text.split_at_checked(text.len().checked_sub(2)?)?;
        let nth = match nth {
            "" => None,
            nth => Some(nth.parse().ok().filter(|nth: &i8| *nth != 0 && (-most..=most).contains(nth))?),
        };
        Some(Self { nth, weekday: weekday(day)? })
    }
}

impl fmt::Display for ByDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(nth) = self.nth {
            write!(f, "{nth}")?;
        }
        f.write_str(two_letters(self.weekday))
    }
}

fn frequency(value: &str) -> Result<Frequency, Refusal> {
    match value.to_ascii_uppercase().as_str() {
        "YEARLY" => Ok(Frequency::Yearly),
        "MONTHLY" => Ok(Frequency::Monthly),
        "WEEKLY" => Ok(Frequency::Weekly),
        "DAILY" => Ok(Frequency::Daily),
        "HOURLY" | "MINUTELY" | "SECONDLY" => Err(refuse(format!(
            "FREQ={value} recurs too often; use DAILY (with BYHOUR), WEEKLY, MONTHLY or YEARLY"
        ))),
        _ => Err(refuse(format!("FREQ={} is unknown", excerpt(value)))),
    }
}

fn weekday(letters: &str) -> Option<Weekday> {
    Some(match letters.to_ascii_uppercase().as_str() {
        "MO" => Weekday::Mon,
        "TU" => Weekday::Tue,
        "WE" => Weekday::Wed,
        "TH" => Weekday::Thu,
        "FR" => Weekday::Fri,
        "SA" => Weekday::Sat,
        "SU" => Weekday::Sun,
        _ => return None,
    })
}

fn two_letters(day: Weekday) -> &'static str {
    match day {
        Weekday::Mon => "MO",
        Weekday::Tue => "TU",
        Weekday::Wed => "WE",
        Weekday::Thu => "TH",
        Weekday::Fri => "FR",
        Weekday::Sat => "SA",
        Weekday::Sun => "SU",
    }
}

/// Reads a number in a range. A sign counts as part of it, as in `+1`.
fn number<T>(name: &str, text: &str, range: RangeInclusive<T>) -> Result<T, Refusal>
where
    T: FromStr + PartialOrd + fmt::Display,
{
    text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
        refuse(format!("{name}: {} is no number from {} to {}", excerpt(text), range.start(), range.end()))
    })
}

fn numbers<T>(name: &str, list: &str, range: RangeInclusive<T>) -> Result<Vec<T>, Refusal>
where
    T: FromStr + PartialOrd + fmt::Display + Clone,
{
    list.split(',').map(|value| number(name, value.trim(), range.clone())).collect()
}

/// Numbers that count from the end when negative, so that there is no zero.
fn signed<T>(name: &str, list: &str, range: RangeInclusive<T>) -> Result<Vec<T>, Refusal>
where
    T: FromStr + PartialOrd + fmt::Display + Clone + Default,
{
    let values = numbers(name, list, range)?;
    if values.contains(&T::default()) {
        return Err(refuse(format!("{name}: 0 is no position")));
    }
    Ok(values)
}
