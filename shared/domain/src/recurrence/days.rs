//! The days on which a rule recurs within one of its periods (RFC 5545 §3.3.10).
//!
//! Every part that names days is a condition that a day of the period meets or does not; all of them must hold, and of the values of one
//! part any may.

use chrono::{Datelike, Days, NaiveDate, TimeDelta, Weekday};

use super::expand::later;
use super::rule::{ByDay, Frequency, Rule};

impl Rule {
    /// Adds the days of the period that begins with a day, in order; says at how many it has looked.
    pub(super) fn days(&self, first: NaiveDate, days: &mut Vec<NaiveDate>) -> usize {
        match self.frequency {
            Frequency::Daily => {
                days.extend(Some(first).filter(|day| self.has(*day)));
                1
            }
            Frequency::Weekly => {
                days.extend((0..7).filter_map(|day| later(first, day)).filter(|day| self.has(*day)));
                7
            }
            Frequency::Monthly => self.days_of_month(first, days),
            Frequency::Yearly => (1..=12)
                .filter_map(|month| first.with_month(month))
                .map(|month| self.days_of_month(month, days))
                .sum(),
        }
    }

    fn days_of_month(&self, first: NaiveDate, days: &mut Vec<NaiveDate>) -> usize {
        if !self.has_month(first) {
            return 1;
        }
        let length = month_length(first);
        let before = days.len();
        days.extend(
            (0..length)
                .filter(|day0| self.has_month_day(day0 + 1, length))
                .filter_map(|day0| first.checked_add_days(Days::new(u64::from(day0))))
                .filter(|day| self.has_rest(*day, length)),
        );
        // Days that the day of the month rules out cost next to nothing.
        if self.by_month_day.is_empty() { usize::from(length) } else { 2 + days.len() - before }
    }

    fn has(&self, day: NaiveDate) -> bool {
        if !self.has_month(day) {
            return false;
        }
        // The length of a month is only asked for where something counts from its end.
        let length = if self.by_month_day.is_empty() { 0 } else { month_length(day) };
        let day_of_month = u8::try_from(day.day()).unwrap_or(u8::MAX);
        self.has_month_day(day_of_month, length) && self.has_rest(day, length)
    }

    fn has_month(&self, day: NaiveDate) -> bool {
        self.by_month.is_empty() || self.by_month.iter().any(|month| u32::from(*month) == day.month())
    }

    fn has_month_day(&self, day: u8, length: u8) -> bool {
        let is_it = |wanted: &i8| counts_to(i32::from(*wanted), i32::from(day), i32::from(length));
        self.by_month_day.is_empty() || self.by_month_day.iter().any(is_it)
    }

    fn has_rest(&self, day: NaiveDate, month_length: u8) -> bool {
        (self.by_year_day.is_empty() || self.has_year_day(day))
            && (self.by_week_no.is_empty() || self.has_week(day))
            && (self.by_day.is_empty()
                || self.by_day.iter().any(|by_day| self.is_day(*by_day, day, month_length)))
    }

    fn has_year_day(&self, day: NaiveDate) -> bool {
        let (ordinal, length) = (day_of_year(day), year_length(day));
        self.by_year_day.iter().any(|wanted| counts_to(i32::from(*wanted), ordinal, length))
    }

    fn has_week(&self, day: NaiveDate) -> bool {
        let Some((week, weeks)) = week_number(day, self.week_start) else { return false };
        self.by_week_no.iter().any(|wanted| counts_to(i32::from(*wanted), week, weeks))
    }

    /// Whether a day is the one that a value of BYDAY means. A number counts in the month, in a yearly rule without months in the year.
    fn is_day(&self, by_day: ByDay, day: NaiveDate, month_length: u8) -> bool {
        if by_day.weekday != day.weekday() {
            return false;
        }
        let Some(nth) = by_day.nth else { return true };
        let is_in_year = self.frequency == Frequency::Yearly && self.by_month.is_empty();
        let (day, length) = if is_in_year {
            (day_of_year(day), year_length(day))
        } else {
            (i32::try_from(day.day()).unwrap_or(0), i32::from(month_length))
        };
        let nth = i32::from(nth);
        if nth > 0 { (day - 1) / 7 + 1 == nth } else { (length - day) / 7 + 1 == -nth }
    }
}

/// Whether a position, from the end if negative, is the `number`th of so many.
fn counts_to(position: i32, number: i32, all: i32) -> bool {
    if position > 0 { position == number } else { position == number - all - 1 }
}

fn day_of_year(day: NaiveDate) -> i32 {
    i32::try_from(day.ordinal()).unwrap_or(0)
}

fn year_length(day: NaiveDate) -> i32 {
    if day.leap_year() { 366 } else { 365 }
}

pub(super) fn month_length(day: NaiveDate) -> u8 {
    match day.month() {
        2 if day.leap_year() => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The number of a day's week, and how many weeks the year has that the week belongs to: the one that holds its fourth day.
fn week_number(day: NaiveDate, week_start: Weekday) -> Option<(i32, i32)> {
    let first = day.checked_sub_days(Days::new(u64::from(day.weekday().days_since(week_start))))?;
    let year = later(first, 3)?.year();
    let week_one = first_week(year, week_start)?;
    let weeks = |from: NaiveDate, to: NaiveDate| i32::try_from((to - from).num_weeks()).ok();
    Some((weeks(week_one, first)? + 1, weeks(week_one, first_week(year.checked_add(1)?, week_start)?)?))
}

/// The first day of the first week of a year: the week that holds January 4th.
fn first_week(year: i32, week_start: Weekday) -> Option<NaiveDate> {
    let fourth = NaiveDate::from_ymd_opt(year, 1, 4)?;
    fourth.checked_sub_signed(TimeDelta::days(i64::from(fourth.weekday().days_since(week_start))))
}
