//! A recurrence whose whole series was moved.
//!
//! A rule is moved by turning what it names, so that each occurrence moves by as much as the start did. Not every rule can be turned (the
//! day after the last of a month is another day in every month), and guessing would put meetings where nobody put them: whatever is not
//! known to be right is refused, and at the end the new start must be an occurrence if the old one was.

use chrono::{Datelike, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Weekday};

use super::dates::When;
use super::expand::times;
use super::rule::{ByDay, Frequency, Rule};
use super::{Part, Pattern, Recurrence};
use crate::EventTime;

/// The days of the month that every month has.
const SAFE_DAYS: std::ops::RangeInclusive<i8> = 1..=28;

impl Pattern<'_> {
    /// The recurrence after the whole series was moved to a new start, on the wall clock of its zone: the days that the rules name move
    /// along by whole days, the times that they name by the time of day, UNTIL, EXDATE and RDATE by both. The new start may be a date where
    /// the old one was a time, and the other way round. `None` where a rule cannot be moved faithfully: the caller then keeps the lines.
    pub fn moved(&self, new_start: &EventTime) -> Option<Recurrence> {
        let shift = Shift::new(self, new_start);
        if shift.is_nothing() {
            return Some(self.recurrence.clone());
        }
        let moved = self.rewrite(|part| {
            Some(match part {
                Part::Rule(rule) => Part::Rule(shift.rule(rule)?),
                Part::ExRule(rule) => Part::ExRule(shift.rule(rule)?),
                Part::Dates(dates) => Part::Dates(shift.dates(dates)?),
                Part::ExDates(dates) => Part::ExDates(shift.dates(dates)?),
            })
        });
        // A part that could not be moved was left out.
        if moved.parts.len() != self.recurrence.parts.len() {
            return None;
        }
        let there = Pattern { start: new_start, zone: self.zone, recurrence: &moved, last: None };
        let is_in = |pattern: &Pattern<'_>| Some(pattern.contains(crate::Slot::of(pattern.start)?));
        (is_in(&there)? == is_in(self)?).then_some(moved)
    }
}

/// A move of a series from one start to another.
struct Shift<'p> {
    pattern: &'p Pattern<'p>,
    from: NaiveDateTime,
    to: NaiveDateTime,
    was_all_day: bool,
    is_all_day: bool,
}

impl<'p> Shift<'p> {
    fn new(pattern: &'p Pattern<'p>, new_start: &EventTime) -> Self {
        Self {
            pattern,
            from: pattern.start_clock(),
            to: pattern.clock_of(new_start),
            was_all_day: pattern.is_all_day(),
            is_all_day: new_start.is_date(),
        }
    }

    fn is_nothing(&self) -> bool {
        self.from == self.to && self.was_all_day == self.is_all_day
    }

    fn rule(&self, rule: &Rule) -> Option<Rule> {
        let mut moved = rule.clone();
        let days = self.move_times(&mut moved)?;
        if days != 0 {
            self.move_days(&mut moved, days)?;
        }
        moved.until = match rule.until {
            Some(until) => Some(self.until(until, days)?),
            None => None,
        };
        Some(moved.tidy())
    }

    /// Moves the times of day of a rule. Answers by how many days its occurrences move: all by the same, or it cannot be done.
    fn move_times(&self, rule: &mut Rule) -> Option<i64> {
        let days = (self.to.date() - self.from.date()).num_days();
        let names_time = !(rule.by_hour.is_empty() && rule.by_minute.is_empty() && rule.by_second.is_empty());
        if self.was_all_day || self.is_all_day {
            // A date can stand for one time of day only.
            let is_one = self.was_all_day || times(rule, self.from.time(), false).len() == 1;
            (rule.by_hour, rule.by_minute, rule.by_second) = (Vec::new(), Vec::new(), Vec::new());
            return is_one.then_some(days);
        }
        if !names_time || self.from.time() == self.to.time() {
            return Some(days);
        }
        let by = self.to.time() - self.from.time();
        let moved: Vec<(NaiveTime, i64)> = times(rule, self.from.time(), false)
            .into_iter()
            .map(|time| {
                let (time, wrapped) = time.overflowing_add_signed(by);
                (time, wrapped / 86_400)
            })
            .collect();
        let (_, wrapped) = *moved.first()?;
        let is_uniform = moved.iter().all(|(_, other)| *other == wrapped);
        let all: Vec<NaiveTime> = moved.into_iter().map(|(time, _)| time).collect();
        (is_uniform && name_times(rule, &all, self.to.time())).then_some(days + wrapped)
    }

    /// Turns the days that a rule names.
    fn move_days(&self, rule: &mut Rule, days: i64) -> Option<()> {
        if !rule.by_week_no.is_empty() || !rule.by_year_day.is_empty() {
            return None;
        }
        let is_by_week = matches!(rule.frequency, Frequency::Daily | Frequency::Weekly);
        if is_by_week && rule.by_month.is_empty() && rule.by_month_day.is_empty() {
            turn_week(rule, self.from.weekday(), days);
            return Some(());
        }
        if is_by_week {
            return None;
        }
        self.move_months(rule)?;
        if rule.by_day.is_empty() {
            return self.move_month_days(rule);
        }
        if !rule.by_month_day.is_empty() || !rule.by_set_pos.is_empty() {
            return None;
        }
        self.move_ordinals(rule, days)
    }

    /// BYMONTH goes as many months on as the start did.
    fn move_months(&self, rule: &mut Rule) -> Option<()> {
        let by = i16::try_from(self.to.month()).ok()? - i16::try_from(self.from.month()).ok()?;
        for value in &mut rule.by_month {
            let moved = i16::from(*value) - 1 + by;
            // Into the next year, or back, only a rule that recurs every year can follow.
            let is_same_year = (0..12).contains(&moved);
            *value =
                u8::try_from(moved.rem_euclid(12) + 1).ok().filter(|_| is_same_year || rule.interval == 1)?;
        }
        Some(())
    }

    /// BYMONTHDAY goes as far as the start's day of the month did, among the days that every month has.
    fn move_month_days(&self, rule: &mut Rule) -> Option<()> {
        let by = i8::try_from(i64::from(self.to.day()) - i64::from(self.from.day())).ok()?;
        for value in &mut rule.by_month_day {
            let moved = value.checked_add(by)?;
            let is_safe = SAFE_DAYS.contains(&value.abs()) && SAFE_DAYS.contains(&moved.abs());
            *value = Some(moved).filter(|moved| is_safe && moved.signum() == value.signum())?;
        }
        Some(())
    }

    /// The second Tuesday becomes the Wednesday that the new start is; of several, each keeps its number.
    fn move_ordinals(&self, rule: &mut Rule, days: i64) -> Option<()> {
        if let [ByDay { nth: Some(nth), .. }] = rule.by_day[..] {
            let is_in_year = rule.frequency == Frequency::Yearly && rule.by_month.is_empty();
            if is_in_year {
                return None;
            }
            let day = i8::try_from(self.to.day()).ok()?;
            let next_month = self.to.date().with_day(1)?.checked_add_months(chrono::Months::new(1))?;
            let length = i8::try_from(next_month.pred_opt()?.day()).ok()?;
            let nth = if nth > 0 { (day - 1) / 7 + 1 } else { -((length - day) / 7 + 1) };
            rule.by_day = vec![ByDay { nth: Some(nth), weekday: self.to.weekday() }];
            return Some(());
        }
        let has_plain = rule.by_day.iter().any(|day| day.nth.is_none());
        if has_plain && (rule.interval != 1 || !rule.by_month.is_empty()) {
            // All Mondays of every second month, a day later, are not all Tuesdays of it.
            return None;
        }
        turn_week(rule, self.from.weekday(), days);
        Some(())
    }

    /// UNTIL stays as far behind the occurrences as it was.
    fn until(&self, until: When, days: i64) -> Option<When> {
        let zone = self.pattern.zone;
        if self.was_all_day {
            let last = until.date(zone).checked_add_signed(TimeDelta::try_days(days)?)?;
            return Some(if self.is_all_day {
                When::Date(last)
            } else {
                When::Utc(zone.instant(last.and_time(self.to.time())))
            });
        }
        if let When::Date(date) = until {
            return date.checked_add_signed(TimeDelta::try_days(days)?).map(When::Date);
        }
        let clock = zone.wall_clock(until.last_instant(zone));
        if !self.is_all_day {
            return self.when(until, clock).map(|until| self.before_gap(until, clock));
        }
        // The last day on which the old time of day still came before the end.
        let is_before = clock.time() < self.from.time();
        let last = clock.date().checked_add_signed(TimeDelta::try_days(days - i64::from(is_before))?)?;
        Some(When::Date(last))
    }

    /// An end that was moved to a time which the clocks skip is read as a time after the gap, where an occurrence may be that came after the end
    /// before. So it goes before the gap, unless the series itself is at such a time.
    fn before_gap(&self, until: When, clock: NaiveDateTime) -> When {
        let zone = self.pattern.zone;
        let skipped = |clock: NaiveDateTime| zone.wall_clock(zone.instant(clock)) - clock;
        let Some(clock) = clock.checked_add_signed(self.to - self.from) else { return until };
        let is_series_skipped = !skipped(clock.date().and_time(self.to.time())).is_zero();
        match until {
            When::Utc(at) if !is_series_skipped => {
                at.checked_sub_signed(skipped(clock)).map_or(until, When::Utc)
            }
            _ => until,
        }
    }

    fn dates(&self, dates: &[When]) -> Option<Vec<When>> {
        dates.iter().map(|when| self.date(*when)).collect()
    }

    /// A listed time goes where its occurrence goes.
    fn date(&self, when: When) -> Option<When> {
        let zone = self.pattern.zone;
        let days = TimeDelta::try_days((self.to.date() - self.from.date()).num_days())?;
        match (self.was_all_day, self.is_all_day, when) {
            (false, false, When::Date(date)) | (false, true, When::Date(date)) => {
                date.checked_add_signed(days).map(When::Date)
            }
            (false, false, _) => self.when(when, zone.wall_clock(when.last_instant(zone))),
            (_, true, _) => when.date(zone).checked_add_signed(days).map(When::Date),
            (true, false, _) => {
                let date = when.date(zone).checked_add_signed(days)?;
                Some(When::Utc(zone.instant(date.and_time(self.to.time()))))
            }
        }
    }

    /// A time of a timed series, moved on the wall clock, in the form that it had.
    fn when(&self, form: When, clock: NaiveDateTime) -> Option<When> {
        let clock = clock.checked_add_signed(self.to - self.from)?;
        Some(match form {
            When::Floating(_) => When::Floating(clock),
            When::Utc(_) | When::Date(_) => When::Utc(self.pattern.zone.instant(clock)),
        })
    }
}

/// Turns the days of the week, and the week itself where it matters on which day one begins.
fn turn_week(rule: &mut Rule, start: Weekday, days: i64) {
    let turn = |day: Weekday| (0..days.rem_euclid(7)).fold(day, |day, _| day.succ());
    let is_only_day = matches!(rule.by_day[..], [ByDay { nth: None, weekday }] if weekday == start);
    if rule.counts_weeks() && !is_only_day {
        rule.week_start = turn(rule.week_start);
    }
    for day in &mut rule.by_day {
        day.weekday = turn(day.weekday);
    }
}

/// Names times of day in a rule, except what its start implies; says whether that is possible: they must be every combination of some
/// hours, minutes and seconds.
fn name_times(rule: &mut Rule, times: &[NaiveTime], start: NaiveTime) -> bool {
    let mut combinations = 1;
    for (named, part) in [
        (&mut rule.by_hour, Timelike::hour as fn(&NaiveTime) -> u32),
        (&mut rule.by_minute, Timelike::minute),
        (&mut rule.by_second, Timelike::second),
    ] {
        let value = |time: &NaiveTime| u8::try_from(part(time)).unwrap_or(u8::MAX);
        let mut moved: Vec<u8> = times.iter().map(value).collect();
        moved.sort_unstable();
        moved.dedup();
        combinations *= moved.len();
        if !named.is_empty() || moved != [value(&start)] {
            *named = moved;
        }
    }
    combinations == times.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(start: &str, lines: &[&str], to: &str) -> Option<Vec<String>> {
        let start: EventTime = start.parse().unwrap();
        let lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
        let recurrence = Recurrence::parse(&lines).unwrap();
        let zone = "Europe/Berlin".parse().unwrap();
        Pattern::new(&start, zone, &recurrence).moved(&to.parse().unwrap()).map(Vec::from)
    }

    fn check(start: &str, lines: &[&str], to: &str, expected: &[&str]) {
        assert_eq!(moved(start, lines, to).unwrap_or_default(), expected, "{start} {lines:?} {to}");
    }

    /// 2026-11-18 is a Wednesday.
    const WEDNESDAY: &str = "2026-11-18T09:00:00+01:00";
    const THURSDAY: &str = "2026-11-19T10:30:00+01:00";

    #[test]
    fn days_of_the_week_turn_with_the_start() {
        check(WEDNESDAY, &["RRULE:FREQ=WEEKLY;BYDAY=MO,WE"], THURSDAY, &["RRULE:FREQ=WEEKLY;BYDAY=TU,TH"]);
        check(
            WEDNESDAY,
            &["RRULE:FREQ=WEEKLY;BYDAY=WE"],
            "2026-11-16T09:00:00+01:00",
            &["RRULE:FREQ=WEEKLY;BYDAY=MO"],
        );
        check(
            WEDNESDAY,
            &["RRULE:FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=WE"],
            THURSDAY,
            &["RRULE:FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=TH"],
        );
        check(
            WEDNESDAY,
            &["RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=WE,SU"],
            THURSDAY,
            &["RRULE:FREQ=WEEKLY;INTERVAL=2;WKST=TU;BYDAY=MO,TH"],
        );
        check(WEDNESDAY, &["RRULE:FREQ=DAILY"], THURSDAY, &["RRULE:FREQ=DAILY"]);
    }

    #[test]
    fn days_of_the_month_turn_where_every_month_has_them() {
        check(WEDNESDAY, &["RRULE:FREQ=MONTHLY"], THURSDAY, &["RRULE:FREQ=MONTHLY"]);
        check(
            WEDNESDAY,
            &["RRULE:FREQ=MONTHLY;BYMONTHDAY=18"],
            THURSDAY,
            &["RRULE:FREQ=MONTHLY;BYMONTHDAY=19"],
        );
        check(WEDNESDAY, &["RRULE:FREQ=MONTHLY;BYDAY=3WE"], THURSDAY, &["RRULE:FREQ=MONTHLY;BYDAY=3TH"]);
        check(
            "2026-11-24T09:00:00+01:00",
            &["RRULE:FREQ=MONTHLY;BYDAY=-1TU"],
            "2026-11-23T09:00:00+01:00",
            &["RRULE:FREQ=MONTHLY;BYDAY=-2MO"],
        );
        check(
            WEDNESDAY,
            &["RRULE:FREQ=YEARLY;BYMONTH=11;BYMONTHDAY=18"],
            "2026-12-02T09:00:00+01:00",
            &["RRULE:FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=2"],
        );
        for rule in [
            "RRULE:FREQ=MONTHLY;BYMONTHDAY=18,30",
            "RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=13",
            "RRULE:FREQ=YEARLY;BYWEEKNO=47;BYDAY=WE",
            "RRULE:FREQ=DAILY;BYMONTH=11",
        ] {
            assert_eq!(moved(WEDNESDAY, &[rule], THURSDAY), None, "{rule}");
        }
    }

    #[test]
    fn an_end_that_comes_to_lie_in_a_gap_lets_nothing_in() {
        // The clocks go from two to three on the 29th of March, which had been cut off.
        check(
            "2026-03-25T00:00:00+01:00",
            &["RRULE:FREQ=DAILY;INTERVAL=2;UNTIL=20260328T225959Z"],
            "2026-03-25T03:00:00+01:00",
            &["RRULE:FREQ=DAILY;INTERVAL=2;UNTIL=20260329T005959Z"],
        );
    }

    #[test]
    fn times_and_ends_and_listed_dates_follow() {
        check(
            WEDNESDAY,
            &[
                "RRULE:FREQ=DAILY;BYHOUR=9,17;UNTIL=20270401T070000Z",
                "EXDATE;TZID=Europe/Berlin:20261120T090000",
            ],
            THURSDAY,
            &["RRULE:FREQ=DAILY;BYHOUR=10,18;UNTIL=20270402T083000Z", "EXDATE:20261121T093000Z"],
        );
        check(
            WEDNESDAY,
            &["RRULE:FREQ=DAILY;UNTIL=20261130", "RDATE:20261201T120000"],
            THURSDAY,
            &["RRULE:FREQ=DAILY;UNTIL=20261201", "RDATE:20261202T133000"],
        );
        // Moved by two and a half hours, 22:00 comes a day later than 9:00.
        assert_eq!(moved(WEDNESDAY, &["RRULE:FREQ=DAILY;BYHOUR=9,22"], "2026-11-18T11:30:00+01:00"), None);
    }

    #[test]
    fn a_series_of_times_becomes_one_of_dates_and_back() {
        let timed = ["RRULE:FREQ=WEEKLY;UNTIL=20270303T080000Z;BYDAY=WE", "EXDATE:20261125T080000Z"];
        let dates = ["RRULE:FREQ=WEEKLY;BYDAY=WE;UNTIL=20270303", "EXDATE;VALUE=DATE:20261125"];
        check(WEDNESDAY, &timed, "2026-11-18", &dates);
        check(
            "2026-11-18",
            &dates,
            WEDNESDAY,
            &["RRULE:FREQ=WEEKLY;BYDAY=WE;UNTIL=20270303T080000Z", "EXDATE:20261125T080000Z"],
        );
        assert_eq!(moved(WEDNESDAY, &["RRULE:FREQ=DAILY;BYHOUR=9,17"], "2026-11-18"), None);
    }
}
