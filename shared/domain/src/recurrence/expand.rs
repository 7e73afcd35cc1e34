//! One rule on one start: its occurrences on the wall clock, near any time that is asked for.
//!
//! A rule repeats in periods of its frequency and interval, and what happens in a period follows from the period alone. So periods are
//! numbered, and a walk begins at the one that is asked about: nothing between it and the start is ever looked at. The calendar repeats
//! every 400 years, so a rule that was silent for as many periods as those years hold stays silent; that bounds the search for the next
//! occurrence of a rule that has none. That is also why the `rrule` crate,
//! which the tests compare this to, is not used here: it searches 100,000 periods or until the year 10,000, which takes it seconds.

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

use super::days::month_length;
use super::rule::{ByDay, Frequency, Rule};

/// The last year in which anything recurs: later ones cannot be written with four digits.
const LAST_YEAR: i32 = 9999;
/// The most days that a walk looks at where nobody says otherwise, some 1,400 years' worth: four times what proves that a rule has no further
/// occurrence.
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
        let last_day = NaiveDate::from_ymd_opt(LAST_YEAR, 12, 31).unwrap_or(NaiveDate::MAX);
        let period = (unit(&self.rule, from.date().min(last_day)) - self.base).div_euclid(interval);
        let period = match towards {
            _ if !self.is_possible() => -1,
            Towards::Future => period.max(0),
            Towards::Past => period,
        };
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
            most_looked_at: DAYS_LOOKED_AT,
            silent_periods,
            last_day: NaiveDate::MAX,
        }
    }

    /// Whether any period could hold an occurrence, as far as that shows at once.
    fn is_possible(&self) -> bool {
        let rule = &self.rule;
        let days = match rule.frequency {
            Frequency::Daily => 1,
            Frequency::Weekly => 7.min(if rule.by_day.is_empty() { 1 } else { rule.by_day.len() }),
            Frequency::Monthly => 31,
            Frequency::Yearly => 366,
        };
        let has_place = |position: &i16| usize::from(position.unsigned_abs()) <= days * self.times.len();
        let is_in = |month: u8| rule.by_month.is_empty() || rule.by_month.contains(&month);
        let longest = if [1, 3, 5, 7, 8, 10, 12].into_iter().any(is_in) {
            31
        } else if [4, 6, 9, 11].into_iter().any(is_in) {
            30
        } else {
            29
        };
        (rule.by_set_pos.is_empty() || rule.by_set_pos.iter().any(has_place))
            && (rule.by_month_day.is_empty() || rule.by_month_day.iter().any(|day| day.abs() <= longest))
    }

    /// How many periods later, or earlier, the next one in another month lies, if days of this month need not be looked at.
    fn to_next_month(&self, first_day: NaiveDate, towards: Towards) -> i64 {
        let is_wanted = |month: &u8| u32::from(*month) == first_day.month();
        let is_daily = self.rule.frequency == Frequency::Daily;
        if !is_daily || self.rule.by_month.is_empty() || self.rule.by_month.iter().any(is_wanted) {
            return 1;
        }
        let days = match towards {
            Towards::Future => u32::from(month_length(first_day)) - first_day.day() + 1,
            Towards::Past => first_day.day(),
        };
        i64::from(days.div_ceil(u32::from(self.rule.interval)))
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

impl Run {
    /// The same rule for a series that starts later; it names what the old start implied and the new one does not. `None` where the new
    /// start lies in a period that the interval leaves out: no rule says that.
    pub(super) fn continued(&self, rule: &Rule, start: NaiveDateTime, is_all_day: bool) -> Option<Rule> {
        let there = Self::new(rule, start, is_all_day);
        if (there.base - self.base).rem_euclid(i64::from(rule.interval)) != 0 {
            return None;
        }
        let mut rule = if there.rule == self.rule { rule.clone() } else { self.rule.clone() };
        if there.times != self.times {
            let name = |list: &mut Vec<u8>, implied: u32| {
                if list.is_empty() {
                    list.extend(u8::try_from(implied).ok());
                }
            };
            name(&mut rule.by_hour, self.start.hour());
            name(&mut rule.by_minute, self.start.minute());
            name(&mut rule.by_second, self.start.second());
        }
        Some(rule)
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
    most_looked_at: usize,
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

    /// The same walk, with another bound on the days that it looks at.
    pub(super) fn looking_at(self, most_looked_at: usize) -> Self {
        Self { most_looked_at, ..self }
    }

    /// How many days were looked at so far: the measure of the work.
    #[cfg(test)]
    pub(super) fn looked_at(&self) -> usize {
        self.looked_at
    }

    /// Looks at the next period. `None` where there is none any more.
    fn look(&mut self) -> Option<()> {
        if self.period < 0 || self.looked_at > self.most_looked_at {
            return None;
        }
        let first_day = self.run.first_day(self.period).filter(|day| *day <= self.last_day)?;
        self.days.clear();
        self.looked_at += self.run.rule.days(first_day, &mut self.days);
        self.run.occurrences(&self.days, &mut self.found);
        let step = self.run.to_next_month(first_day, self.towards);
        match self.towards {
            Towards::Future => {
                self.found.reverse();
                self.period += step;
            }
            Towards::Past => self.period -= step,
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
pub(super) fn times(rule: &Rule, start: NaiveTime, is_all_day: bool) -> Vec<NaiveTime> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    fn run(rule: &str, start: &str) -> Run {
        Run::new(&Rule::parse(rule).unwrap(), clock(start), false)
    }

    #[test]
    fn a_week_in_the_year_2900_costs_what_this_week_costs() {
        for rule in [
            "FREQ=DAILY",
            "FREQ=DAILY;INTERVAL=3",
            "FREQ=WEEKLY;BYDAY=MO,WE",
            "FREQ=MONTHLY;BYDAY=2TU",
            "FREQ=YEARLY;BYWEEKNO=20",
        ] {
            let run = run(rule, "1999-12-31T09:00:00");
            let cost = |from: &str| {
                let mut walk = run.walk(clock(from), Towards::Future);
                let last = walk.by_ref().take(5).last().unwrap();
                (walk.looked_at(), (last - clock(from)).num_days())
            };
            let (near, _) = cost("2026-11-15T00:00:00");
            let (far, days) = cost("2900-11-15T00:00:00");
            assert!(far <= near + 366 && days < 6 * 366, "{rule}: {near} days looked at, far {far}");
        }
    }

    #[test]
    fn a_rule_that_never_comes_is_given_up_after_the_calendar_has_repeated() {
        for rule in [
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
            "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=31;BYDAY=MO",
            "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
            "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=5",
            "FREQ=YEARLY;BYYEARDAY=366;BYMONTH=1",
        ] {
            let run = run(rule, "2026-11-20T09:00:00");
            let mut walk = run.walk(clock("2026-11-20T09:00:00"), Towards::Future);
            assert_eq!(walk.next(), None);
            assert!(walk.looked_at() <= 147_000, "{rule}: {}", walk.looked_at());
        }
    }

    #[test]
    fn what_comes_once_in_many_years_is_found() {
        for (rule, next) in [
            ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO", "2044-02-29T09:00:00"),
            ("FREQ=YEARLY;INTERVAL=1000", "3026-11-20T09:00:00"),
            ("FREQ=YEARLY;INTERVAL=7;BYMONTHDAY=29;BYMONTH=2", "2040-02-29T09:00:00"),
        ] {
            let start = clock("2026-11-20T09:00:00");
            let found = run(rule, "2026-11-20T09:00:00").walk(start, Towards::Future).find(|at| *at > start);
            assert_eq!(found, Some(clock(next)), "{rule}");
        }
    }

    #[test]
    fn weeks_are_numbered_as_in_iso_8601() {
        for week in 1..=53_u32 {
            let run = run(
                &format!("FREQ=YEARLY;BYWEEKNO={week};BYDAY=MO,TU,WE,TH,FR,SA,SU"),
                "1990-01-01T00:00:00",
            );
            let days: Vec<NaiveDate> = run
                .walk(clock("1990-01-01T00:00:00"), Towards::Future)
                .map(|at| at.date())
                .take_while(|day| day.year() < 2060)
                .collect();
            let first = NaiveDate::from_ymd_opt(1990, 1, 1).unwrap();
            let expected: Vec<NaiveDate> = (0..)
                .filter_map(|day| later(first, day))
                .take_while(|day| day.year() < 2060)
                .filter(|day| day.iso_week().week() == week)
                .collect();
            assert_eq!(days, expected, "week {week}");
        }
    }

    #[test]
    fn a_walk_into_the_past_is_a_walk_into_the_future_read_backwards() {
        for rule in [
            "FREQ=DAILY;INTERVAL=3;BYHOUR=9,17",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE",
            "FREQ=MONTHLY;BYDAY=-1FR",
            "FREQ=YEARLY;BYDAY=MO;BYSETPOS=1,-1",
        ] {
            let run = run(rule, "2020-02-05T09:00:00");
            let last = clock("2026-11-20T09:00:00");
            let forwards: Vec<_> =
                run.walk(clock("2020-02-05T09:00:00"), Towards::Future).within(last).collect();
            let mut backwards: Vec<_> = run.walk(last, Towards::Past).filter(|at| *at <= last).collect();
            backwards.reverse();
            assert_eq!(forwards, backwards, "{rule}");
        }
    }
}
