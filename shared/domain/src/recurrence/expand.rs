//! One rule on one start: its occurrences on the wall clock, near any time that is asked for.
//!
//! The `rrule` crate does the counting of days. It is given naive times as if they were UTC, because its own handling of zones has traps,
//! and it is started at the period that is asked about, not at the start of the series, with all that the start implies (the hour, the day)
//! spelled out. Ends are not left to it either: they are instants, and it knows none here.

use chrono::{DateTime, Datelike, Days, Month, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use rrule::{NWeekday, RRule, RRuleSet, Tz, Unvalidated};

use super::rule::{ByDay, Frequency, Rule};

/// A rule with its start, ready to be expanded.
pub(super) struct Run {
    rule: Rule,
    start: NaiveDateTime,
}

impl Run {
    /// Puts a rule on a start. An all-day series knows no times of day.
    pub(super) fn new(rule: &Rule, start: NaiveDateTime, is_all_day: bool) -> Self {
        let mut rule = rule.clone();
        spell_out(&mut rule, start, is_all_day);
        Self { rule, start }
    }

    /// The occurrences from the start of the series on, no earlier than the period that holds `from`, in order. COUNT and UNTIL are not
    /// looked at.
    pub(super) fn near(&self, from: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> {
        let start = self.start;
        self.anchor(from.max(start))
            .and_then(|anchor| self.set(anchor))
            .into_iter()
            .flat_map(|set| (&set).into_iter())
            .map(|at| at.naive_utc())
            .skip_while(move |at| *at < start)
    }

    fn set(&self, anchor: NaiveDateTime) -> Option<RRuleSet> {
        let anchor: DateTime<Tz> = anchor.and_utc().with_timezone(&Tz::UTC);
        // What the parser accepts, the builder accepts; should they ever differ, a rule that cannot be built has no occurrences.
        build(&self.rule).build(anchor).ok().map(RRuleSet::limit)
    }

    /// The first moment of the last period that begins at or before a time and that the interval does not leave out.
    fn anchor(&self, at: NaiveDateTime) -> Option<NaiveDateTime> {
        let (start, at) = (self.start.date(), at.date());
        let interval = i64::from(self.rule.interval);
        let whole = |distance: i64| distance - distance.rem_euclid(interval);
        let date = match self.rule.frequency {
            Frequency::Daily => later(start, whole((at - start).num_days())),
            Frequency::Weekly => {
                let week = start.week(self.rule.week_start).checked_first_day()?;
                later(week, whole((at - week).num_days() / 7) * 7)
            }
            Frequency::Monthly => {
                let month = |date: NaiveDate| i64::from(date.year()) * 12 + i64::from(date.month0());
                let month = month(start) + whole(month(at) - month(start));
                let year = i32::try_from(month.div_euclid(12)).ok()?;
                NaiveDate::from_ymd_opt(year, u32::try_from(month.rem_euclid(12)).ok()? + 1, 1)
            }
            Frequency::Yearly => {
                let years = whole(i64::from(at.year()) - i64::from(start.year()));
                NaiveDate::from_ymd_opt(start.year() + i32::try_from(years).ok()?, 1, 1)
            }
        };
        date.map(|date| date.and_time(NaiveTime::MIN))
    }
}

fn later(date: NaiveDate, days: i64) -> Option<NaiveDate> {
    date.checked_add_days(Days::new(u64::try_from(days).ok()?))
}

/// Adds what the start implies where the rule is silent (RFC 5545 §3.3.10, "Information, not contained in the rule …").
fn spell_out(rule: &mut Rule, start: NaiveDateTime, is_all_day: bool) {
    let names_no_day = rule.by_week_no.is_empty()
        && rule.by_year_day.is_empty()
        && rule.by_month_day.is_empty()
        && rule.by_day.is_empty();
    let day = i8::try_from(start.day()).unwrap_or(1);
    match rule.frequency {
        Frequency::Yearly if names_no_day => {
            if rule.by_month.is_empty() {
                rule.by_month = vec![u8::try_from(start.month()).unwrap_or(1)];
            }
            rule.by_month_day = vec![day];
        }
        Frequency::Monthly if names_no_day => rule.by_month_day = vec![day],
        Frequency::Weekly if names_no_day => {
            rule.by_day = vec![ByDay { nth: None, weekday: start.weekday() }]
        }
        _ => {}
    }
    for (list, of_start) in [
        (&mut rule.by_hour, start.hour()),
        (&mut rule.by_minute, start.minute()),
        (&mut rule.by_second, start.second()),
    ] {
        if is_all_day || list.is_empty() {
            *list = vec![u8::try_from(of_start).unwrap_or(0)];
        }
    }
}

fn build(rule: &Rule) -> RRule<Unvalidated> {
    let months: Vec<Month> = rule.by_month.iter().filter_map(|month| Month::try_from(*month).ok()).collect();
    let days = rule.by_day.iter().map(|day| NWeekday::new(day.nth.map(i16::from), day.weekday)).collect();
    RRule::new(match rule.frequency {
        Frequency::Yearly => rrule::Frequency::Yearly,
        Frequency::Monthly => rrule::Frequency::Monthly,
        Frequency::Weekly => rrule::Frequency::Weekly,
        Frequency::Daily => rrule::Frequency::Daily,
    })
    .interval(rule.interval)
    .week_start(rule.week_start)
    .by_month(&months)
    .by_week_no(rule.by_week_no.clone())
    .by_year_day(rule.by_year_day.clone())
    .by_month_day(rule.by_month_day.clone())
    .by_weekday(days)
    .by_hour(rule.by_hour.clone())
    .by_minute(rule.by_minute.clone())
    .by_second(rule.by_second.clone())
    .by_set_pos(rule.by_set_pos.iter().copied().map(i32::from).collect())
}
