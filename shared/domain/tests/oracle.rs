//! Replays what an independent implementation (python-dateutil with zoneinfo) says about random series; see `oracle/generate.py`.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail by panicking, like the tests")]

use chrono::{DateTime, NaiveDate, TimeDelta};
use domain::{EventTime, Pattern, Recurrence, Slot, Zone};

const VECTORS: &str = include_str!("oracle/vectors.tsv");

/// A moment of the vectors: seconds, or days in an all-day series, since 1970. Windows may begin before the first slot there is.
fn slot(moment: i64, is_all_day: bool) -> Slot {
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
    if is_all_day {
        Slot::on(epoch + TimeDelta::days(moment)).unwrap_or(Slot::FIRST_DATE)
    } else {
        Slot::at(DateTime::from_timestamp(moment, 0).unwrap()).unwrap_or(Slot::FIRST_INSTANT)
    }
}

/// What differs from the oracle in one case.
fn difference(case: &str) -> Option<String> {
    let fields: Vec<&str> = case.split('\t').collect();
    let [start, zone, lines, from, to, slots] = fields[..] else { return Some("not six fields".to_owned()) };
    let start: EventTime = start.parse().unwrap();
    let zone: Zone = zone.parse().unwrap();
    let lines: Vec<String> = lines.split('|').map(str::to_owned).collect();
    let recurrence = match Recurrence::parse(&lines) {
        Ok(recurrence) => recurrence,
        Err(refusal) => return Some(refusal.to_string()),
    };
    let of = |moment: &str| slot(moment.parse().unwrap(), start.is_date());
    let expected: Vec<Slot> = slots
        .split_whitespace()
        .scan(0, |moment, step| {
            *moment += step.parse::<i64>().unwrap();
            Some(slot(*moment, start.is_date()))
        })
        .collect();
    let pattern = Pattern::new(&start, zone, &recurrence);
    let computed = pattern.slots(of(from), of(to));
    (computed != expected).then(|| format!("expected {expected:?}\ncomputed {computed:?}"))
}

#[test]
fn slots_are_those_of_an_independent_implementation() {
    let cases: Vec<&str> = VECTORS.lines().collect();
    assert!(cases.len() >= 20_000, "only {} vectors", cases.len());
    let wrong: Vec<String> =
        cases.iter().filter_map(|case| Some(format!("{case}\n{}", difference(case)?))).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        cases.len(),
        wrong[..wrong.len().min(8)].join("\n\n")
    );
}
