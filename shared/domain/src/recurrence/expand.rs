//! One rule on one start: its occurrences on the wall clock, near any time that is asked for.
//!
//! A rule repeats in periods of its frequency and interval, and what happens in a period follows from the period alone. So periods are
//! numbered, and a walk begins at the one that is asked about: nothing between it and the start is ever looked at. The calendar repeats
//! every 400 years, so a rule that was silent for as many periods as those years hold stays silent; that bounds the search for the next
//! occurrence of a rule that has none. That is also why the `rrule` crate,
//! which the tests compare this to, is not used here: it searches 100,000 periods or until the year 10,000, which takes it seconds.

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

use super::rule::{ByDay, Frequency, Rule};

/// The last year in which anything recurs: later ones cannot be written with four digits.
const LAST_YEAR: i32 = 9999;
/// The most days that one walk looks at, some 1,400 years' worth: four times what proves that a rule has no further occurrence.
const DAYS_LOOKED_AT: usize = 1 << 19;

/// A rule with its start, ready to be expanded: all that the start implies (the hour, the day) is spelled out.
pub(super) struct Run {
    pub(super) rule: Rule,
    start: NaiveDateTime,
    times: Vec<NaiveTime>,
    /// The number of the unit (day, week, month, year) that the start lies in.
    base: i64,
}

/// In which direction a walk goes through time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Towards {
    Future,
    Past,
}

impl Run {
    /// Puts a rule on a start. An all-day series knows no times of day.
    pub(super) fn new(rule: &Rule, start: NaiveDateTime, is_all_day: bool) -> Self {
        let mut rule = rule.clone();
        spell_out_day(&mut rule, start);
        let times = times(&rule, start.time(), is_all_day);
        let base = unit(&rule, start.date());
        Self { rule, start, times, base }
    }

    /// The occurrences from the start of the series on, in the order of the walk, which begins with the whole period that holds `from`.
    /// COUNT and UNTIL are not looked at.
    pub(super) fn walk(&self, from: NaiveDateTime, towards: Towards) -> Walk<'_> {
        let interval = i64::from(self.rule.interval);
        let period = (unit(&self.rule, from.date()) - self.base).div_euclid(interval);
        let period = if towards == Towards::Future { period.max(0) } else { period };
        let silent_periods = match self.rule.frequency {
            Frequency::Yearly => 400,
            Frequency::Monthly => 400 * 12,
            Frequency::Weekly => 146_097 / 7,
            Frequency::Daily => 146_097,
        };
        Walk {
            run: self,
            towards,
            period,
            found: Vec::new(),
            days: Vec::new(),
            looked_at: 0,
            silent_periods,
            last_day: NaiveDate::MAX,
        }
    }

    /// The first day of a period. `None` where time ends.
    fn first_day(&self, period: i64) -> Option<NaiveDate> {
        let unit = period.checked_mul(i64::from(self.rule.interval))?.checked_add(self.base)?;
        let date = match self.rule.frequency {
            Frequency::Daily => NaiveDate::from_num_days_from_ce_opt(i32::try_from(unit).ok()?)?,
            Frequency::Weekly => {
                let day = unit.checked_mul(7)?.checked_add(first_week(&self.rule))?;
                NaiveDate::from_num_days_from_ce_opt(i32::try_from(day).ok()?)?
            }
            Frequency::Monthly => {
                let month0 = u32::try_from(unit.rem_euclid(12)).ok()?;
                NaiveDate::from_ymd_opt(i32::try_from(unit.div_euclid(12)).ok()?, month0 + 1, 1)?
            }
            Frequency::Yearly => NaiveDate::from_ymd_opt(i32::try_from(unit).ok()?, 1, 1)?,
        };
        (date.year() <= LAST_YEAR).then_some(date)
    }

    /// Adds what happens on the days of one period, in order.
    fn occurrences(&self, days: &[NaiveDate], found: &mut Vec<NaiveDateTime>) {
        let is_later = |at: &NaiveDateTime| *at >= self.start;
        if self.rule.by_set_pos.is_empty() {
            let all = days.iter().flat_map(|day| self.times.iter().map(|time| day.and_time(*time)));
            found.extend(all.filter(is_later));
            return;
        }
        let all = days.len() * self.times.len();
        let mut places: Vec<usize> =
            self.rule.by_set_pos.iter().filter_map(|position| place(*position, all)).collect();
        places.sort_unstable();
        places.dedup();
        let at = |place: usize| {
            let (day, time) =
                (days.get(place / self.times.len())?, self.times.get(place % self.times.len())?);
            Some(day.and_time(*time))
        };
        found.extend(places.into_iter().filter_map(at).filter(is_later));
    }
}

/// A walk through the occurrences of a rule.
pub(super) struct Walk<'r> {
    run: &'r Run,
    towards: Towards,
    period: i64,
    /// What is still to be given out of the period that was looked at last; the next stands at the end.
    found: Vec<NaiveDateTime>,
    days: Vec<NaiveDate>,
    looked_at: usize,
    silent_periods: u32,
    /// Periods that begin later are not looked at.
    last_day: NaiveDate,
}

impl<'r> Walk<'r> {
    /// What of the walk lies before or at a last moment. Where nothing is found, periods behind that moment are not looked at.
    pub(super) fn within(mut self, last: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> + use<'r> {
        self.last_day = last.date();
        self.take_while(move |clock| *clock <= last)
    }

    /// How many days were looked at so far: the measure of the work.
    #[cfg(test)]
    pub(super) fn looked_at(&self) -> usize {
        self.looked_at
    }

    /// Looks at the next period. `None` where there is none any more.
    fn look(&mut self) -> Option<()> {
        if self.period < 0 || self.looked_at > DAYS_LOOKED_AT {
            return None;
        }
        let first_day = self.run.first_day(self.period).filter(|day| *day <= self.last_day)?;
        self.days.clear();
        self.looked_at += self.run.rule.days(first_day, &mut self.days);
        self.run.occurrences(&self.days, &mut self.found);
        match self.towards {
            Towards::Future => {
                self.found.reverse();
                self.period += 1;
            }
            Towards::Past => self.period -= 1,
        }
        Some(())
    }
}

impl Iterator for Walk<'_> {
    type Item = NaiveDateTime;

    fn next(&mut self) -> Option<NaiveDateTime> {
        let mut silent = 0;
        while self.found.is_empty() {
            self.look()?;
            silent += 1;
            if silent > self.silent_periods {
                return None;
            }
        }
        self.found.pop()
    }
}

/// The first day of week 0, as a number of days: day 1 of the calendar was a Monday.
fn first_week(rule: &Rule) -> i64 {
    1 + i64::from(rule.week_start.num_days_from_monday())
}

/// The number of the unit that a date lies in: of its day, week, month or year.
fn unit(rule: &Rule, date: NaiveDate) -> i64 {
    match rule.frequency {
        Frequency::Daily => i64::from(date.num_days_from_ce()),
        Frequency::Weekly => (i64::from(date.num_days_from_ce()) - first_week(rule)).div_euclid(7),
        Frequency::Monthly => i64::from(date.year()) * 12 + i64::from(date.month0()),
        Frequency::Yearly => i64::from(date.year()),
    }
}

/// The index that a BYSETPOS means in so many occurrences.
fn place(position: i16, all: usize) -> Option<usize> {
    let distance = usize::from(position.unsigned_abs());
    let place = if position > 0 { distance.checked_sub(1)? } else { all.checked_sub(distance)? };
    (place < all).then_some(place)
}

/// Adds the day that the start implies where the rule names none (RFC 5545 §3.3.10).
fn spell_out_day(rule: &mut Rule, start: NaiveDateTime) {
    let names_day = !rule.by_week_no.is_empty()
        || !rule.by_year_day.is_empty()
        || !rule.by_month_day.is_empty()
        || !rule.by_day.is_empty();
    if names_day {
        return;
    }
    let day = i8::try_from(start.day()).unwrap_or(1);
    match rule.frequency {
        Frequency::Yearly => {
            if rule.by_month.is_empty() {
                rule.by_month = vec![u8::try_from(start.month()).unwrap_or(1)];
            }
            rule.by_month_day = vec![day];
        }
        Frequency::Monthly => rule.by_month_day = vec![day],
        Frequency::Weekly => rule.by_day = vec![ByDay { nth: None, weekday: start.weekday() }],
        Frequency::Daily => {}
    }
}

/// The times of day at which a rule recurs, in order.
fn times(rule: &Rule, start: NaiveTime, is_all_day: bool) -> Vec<NaiveTime> {
    if is_all_day {
        return vec![NaiveTime::MIN];
    }
    let or_start = |list: &[u8], of_start: u32| -> Vec<u32> {
        if list.is_empty() { vec![of_start] } else { list.iter().map(|value| u32::from(*value)).collect() }
    };
    let mut times = Vec::new();
    for hour in or_start(&rule.by_hour, start.hour()) {
        for minute in or_start(&rule.by_minute, start.minute()) {
            for second in or_start(&rule.by_second, start.second()) {
                times.extend(NaiveTime::from_hms_opt(hour, minute, second));
            }
        }
    }
    times
}

/// A date some days on.
pub(super) fn later(date: NaiveDate, days: u64) -> Option<NaiveDate> {
    date.checked_add_days(Days::new(days))
}
