//! Daily and weekly rules, walked day by day.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use super::group::{clock, time};
use crate::{EventTime, Recurrence, Zone};

/// After this day nothing is copied; the views that are compared end long before.
const HORIZON: NaiveDate = NaiveDate::from_ymd_opt(2026, 5, 31).unwrap();
const DAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

/// The days on which a rule recurs, from its start on, at the time of day of the start.
pub(super) fn clocks(rule: &Recurrence, zone: Zone, start: &EventTime) -> Vec<NaiveDateTime> {
    let [line] = rule.lines() else { panic!("one line: {rule:?}") };
    let parts: BTreeMap<&str, &str> =
        line.trim_start_matches("RRULE:").split(';').map(|part| part.split_once('=').unwrap()).collect();
    let known = ["FREQ", "INTERVAL", "BYDAY", "COUNT", "UNTIL", "WKST"];
    assert!(parts.keys().all(|name| known.contains(name)), "{line}");
    let number = |name, otherwise| parts.get(name).map_or(otherwise, |text| text.parse::<i64>().unwrap());
    let day = |name: &str| i64::try_from(DAYS.iter().position(|day| *day == name).unwrap()).unwrap();
    let first = clock(zone, start);
    let weekday = |date: NaiveDate| i64::from(date.weekday().num_days_from_monday());
    let days: Vec<i64> = match (parts.get("BYDAY"), parts["FREQ"]) {
        (Some(list), _) => list.split(',').map(day).collect(),
        (None, "DAILY") => (0..7).collect(),
        (None, _) => vec![weekday(first.date())],
    };
    let week_start = parts.get("WKST").map_or(0, |name| day(name));
    let week = |date: NaiveDate| (i64::from(date.num_days_from_ce()) - 1 - week_start).div_euclid(7);
    let period = |date: NaiveDate| match parts["FREQ"] {
        "DAILY" => (date - first.date()).num_days(),
        _ => week(date) - week(first.date()),
    };
    let is_before_end = |at: NaiveDateTime| {
        parts.get("UNTIL").is_none_or(|until| is_until(until, zone, &time(zone, at, start.is_date())))
    };
    first
        .date()
        .iter_days()
        .take_while(|date| *date <= HORIZON)
        .filter(|date| period(*date) % number("INTERVAL", 1) == 0 && days.contains(&weekday(*date)))
        .map(|date| date.and_time(first.time()))
        .take(usize::try_from(number("COUNT", 1_000)).unwrap())
        .take_while(|at| is_before_end(*at))
        .collect()
}

/// Whether a time is not after UNTIL, of which a date includes its day.
fn is_until(until: &str, zone: Zone, time: &EventTime) -> bool {
    let date = NaiveDate::parse_from_str(&until[..8], "%Y%m%d").unwrap();
    let instant: Option<DateTime<Utc>> = until
        .ends_with('Z')
        .then(|| NaiveDateTime::parse_from_str(until, "%Y%m%dT%H%M%SZ").unwrap().and_utc());
    match (time.date(), instant) {
        (Some(day), Some(until)) => day <= zone.wall_clock(until).date(),
        (Some(day), None) => day <= date,
        (None, Some(until)) => time.instant() <= until,
        (None, None) => zone.wall_clock(time.instant()) < date.and_time(NaiveTime::MIN) + TimeDelta::days(1),
    }
}
