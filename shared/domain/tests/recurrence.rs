//! What must hold for any recurrence: splits lose nothing, moves move everything alike, and no text does harm.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of tests fail by panicking, like the tests"
)]

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use domain::{EventTime, Pattern, Recurrence, Slot, Zone};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const DAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
const ZONES: [&str; 7] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "UTC",
    "-05:00",
    "Pacific/Apia",
];
/// As many slots as are compared of an endless series.
const COMPARED: usize = 60;

fn recurrence(lines: &[String]) -> Recurrence {
    Recurrence::parse(lines).unwrap_or_else(|refusal| panic!("{lines:?}: {refusal}"))
}

/// The first slots of a series, found in ever longer windows.
fn first_slots(pattern: &Pattern<'_>, most: usize) -> Vec<Slot> {
    let Some(first) = pattern.first() else { return Vec::new() };
    let last = pattern.last();
    let mut days = 100;
    loop {
        let to = first.instant().checked_add_days(Days::new(days));
        let (to, end) = if first.date().is_some() {
            (to.and_then(|to| Slot::on(to.date_naive())), Slot::LAST_DATE)
        } else {
            (to.and_then(Slot::at), Slot::LAST_INSTANT)
        };
        let to = to.unwrap_or(end);
        let slots = pattern.slots(first, to);
        if slots.len() >= most || to >= last.unwrap_or(end) {
            return slots.into_iter().take(most).collect();
        }
        days *= 4;
    }
}

/// A start: the wall-clock time on a day in a zone, or the day.
fn start(zone: Zone, clock: NaiveDateTime, is_all_day: bool) -> EventTime {
    let text =
        if is_all_day { clock.date().to_string() } else { zone.localize(zone.instant(clock)).to_rfc3339() };
    text.parse().unwrap()
}

fn slot_time(zone: Zone, slot: Slot) -> EventTime {
    let text = match slot.date() {
        Some(date) => date.to_string(),
        None => zone.localize(slot.instant()).to_rfc3339(),
    };
    text.parse().unwrap()
}

fn clocks() -> impl Strategy<Value = NaiveDateTime> {
    let days = prop_oneof![
        (0_u64..8_000).prop_map(|day| NaiveDate::from_ymd_opt(2010, 1, 1).unwrap() + Days::new(day)),
        select(vec!["2026-03-01", "2026-10-20", "2024-02-29", "2011-12-20", "2026-01-31", "2025-12-29"])
            .prop_map(|day| day.parse().unwrap()),
    ];
    (days, 0_u32..48)
        .prop_map(|(day, half_hour)| day.and_hms_opt(half_hour / 2, half_hour % 2 * 30, 0).unwrap())
}

fn listed<T: ToString>(name: &str, values: &[T]) -> String {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    if values.is_empty() { String::new() } else { format!(";{name}={}", values.join(",")) }
}

fn days_of_week() -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(DAYS.to_vec(), 0..=4)
}

/// Daily and weekly rules, without an end.
fn weekly_rule() -> impl Strategy<Value = String> {
    (select(vec!["DAILY", "WEEKLY"]), 1_u16..6, weighted(0.5, select(DAYS.to_vec())), days_of_week())
        .prop_map(|(frequency, interval, week_start, days)| {
            format!("RRULE:FREQ={frequency};INTERVAL={interval}")
                + &week_start.map(|day| format!(";WKST={day}")).unwrap_or_default()
                + &listed("BYDAY", &days)
        })
}

fn monthly_rule() -> impl Strategy<Value = String> {
    let ordinals = vec((select(vec![1, 2, 3, 4, -1]), select(DAYS.to_vec())), 1..3).prop_map(|days| {
        listed("BYDAY", &days.iter().map(|(nth, day)| format!("{nth}{day}")).collect::<Vec<_>>())
    });
    let month_days = vec(1_i8..=31, 1..3).prop_map(|days| listed("BYMONTHDAY", &days));
    let months = vec(1_u8..=12, 0..4).prop_map(|months| listed("BYMONTH", &months));
    let days = prop_oneof![Just(String::new()), ordinals, month_days];
    (select(vec!["MONTHLY", "YEARLY"]), 1_u16..4, months, days).prop_map(
        |(frequency, interval, months, days)| {
            format!("RRULE:FREQ={frequency};INTERVAL={interval}{months}{days}")
        },
    )
}

/// How a rule ends: never, by COUNT, or so many days after its start.
#[derive(Clone, Debug)]
enum End {
    Never,
    Count(u32),
    Until(u64),
}

fn ends() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Never), (1_u32..60).prop_map(End::Count), (0_u64..600).prop_map(End::Until)]
}

/// A series with all that may be on it: start, zone, lines.
#[derive(Clone, Debug)]
struct Series {
    start: EventTime,
    zone: Zone,
    recurrence: Recurrence,
}

impl Series {
    fn new(zone: Zone, clock: NaiveDateTime, is_all_day: bool, rule: &str, end: &End) -> Self {
        let rule = rule.to_owned()
            + &match end {
                End::Never => String::new(),
                End::Count(count) => format!(";COUNT={count}"),
                End::Until(days) => {
                    let until = clock + Days::new(*days);
                    if is_all_day {
                        format!(";UNTIL={}", until.format("%Y%m%d"))
                    } else {
                        format!(";UNTIL={}", zone.instant(until).format("%Y%m%dT%H%M%SZ"))
                    }
                }
            };
        Self { start: start(zone, clock, is_all_day), zone, recurrence: recurrence(&[rule]) }
    }

    fn pattern(&self) -> Pattern<'_> {
        Pattern::new(&self.start, self.zone, &self.recurrence)
    }

    /// The same without some of its first occurrences, and with others on days after its start.
    fn with_dates(mut self, excluded: &[usize], added: &[u64]) -> Self {
        let slots = first_slots(&self.pattern(), 40);
        let mut lines = self.recurrence.lines().to_vec();
        let written = |slot: Slot| match slot.date() {
            Some(date) => date.format("%Y%m%d").to_string(),
            None => slot.instant().format("%Y%m%dT%H%M%SZ").to_string(),
        };
        let value = if self.start.is_date() { ";VALUE=DATE" } else { "" };
        let gone: Vec<String> =
            excluded.iter().filter_map(|index| slots.get(*index)).map(|slot| written(*slot)).collect();
        let more: Vec<String> = added
            .iter()
            .filter_map(|days| {
                let at: DateTime<Utc> = self.start.instant() + Days::new(*days);
                if self.start.is_date() {
                    Slot::on(at.date_naive())
                } else {
                    Slot::at(at + TimeDelta::hours(1))
                }
            })
            .map(written)
            .collect();
        for (name, list) in [("EXDATE", gone), ("RDATE", more)] {
            if !list.is_empty() {
                lines.push(format!("{name}{value}:{}", list.join(",")));
            }
        }
        self.recurrence = recurrence(&lines);
        self
    }
}

fn any_series() -> impl Strategy<Value = Series> {
    let zones = select(ZONES.to_vec()).prop_map(|zone| zone.parse::<Zone>().unwrap());
    let rules = prop_oneof![2 => weekly_rule(), 1 => monthly_rule()];
    let excluded = prop_oneof![2 => Just(vec![]), 1 => vec(0_usize..40, 1..4)];
    let added = prop_oneof![3 => Just(vec![]), 1 => vec(0_u64..200, 1..3)];
    (zones, clocks(), any::<bool>(), rules, ends(), excluded, added).prop_map(
        |(zone, clock, is_all_day, rule, end, excluded, added)| {
            Series::new(zone, clock, is_all_day, &rule, &end).with_dates(&excluded, &added)
        },
    )
}

/// Text as somebody might send who knows the words but not the grammar.
fn garbage() -> impl Strategy<Value = String> {
    let words = select(vec![
        "RRULE:",
        "RRULE",
        "EXRULE:",
        "RDATE:",
        "EXDATE;",
        "VALUE=DATE:",
        "TZID=Europe/Berlin:",
        "FREQ=",
        "FREQ=DAILY",
        "FREQ=WEEKLY",
        "FREQ=MONTHLY",
        "FREQ=YEARLY",
        "FREQ=SECONDLY",
        ";",
        ";",
        ";",
        ",",
        "INTERVAL=",
        "INTERVAL=65535",
        "COUNT=",
        "COUNT=4294967295",
        "UNTIL=",
        "UNTIL=99991231T235959Z",
        "UNTIL=00010101",
        "BYDAY=",
        "BYDAY=5MO",
        "BYDAY=-53SU",
        "BYMONTH=2",
        "BYMONTHDAY=30",
        "BYMONTHDAY=",
        "BYSETPOS=366",
        "BYSETPOS=-1",
        "BYWEEKNO=53",
        "BYYEARDAY=-366",
        "BYHOUR=0,23",
        "MO",
        "SU",
        "0",
        "1",
        "-1",
        "99999999999",
        "20261120",
        "20261120T090000Z",
        "20260229",
        "=",
        ":",
        "\n",
        " ",
        "ä",
        "\u{0}",
        "WKST=SU",
        "P1D",
        "/",
    ]);
    prop_oneof![
        4 => vec(words, 1..12).prop_map(|words| words.concat()),
        2 => vec(select(vec![
                "INTERVAL=65535", "INTERVAL=400", "COUNT=4294967295", "COUNT=1", "UNTIL=99991231", "UNTIL=19000101",
                "BYMONTH=2", "BYMONTHDAY=30", "BYMONTHDAY=-31", "BYDAY=MO", "BYSETPOS=366", "BYSETPOS=-5", "BYHOUR=2",
                "BYMINUTE=0,59", "WKST=WE",
            ]), 0..5)
            .prop_flat_map(|parts| (select(vec!["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]), Just(parts)))
            .prop_map(|(frequency, parts)| format!("FREQ={frequency};{}", parts.join(";"))),
        1 => any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, max_global_rejects: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_before_a_slot_and_what_is_from_it_on_are_the_whole_series(series in any_series(), at in 0_usize..60) {
        let pattern = series.pattern();
        let slots = first_slots(&pattern, COMPARED);
        prop_assume!(!slots.is_empty());
        let cut = slots[at % slots.len()];
        let (earlier, later) = slots.split_at(at % slots.len());

        let before = pattern.before(cut);
        let before = before.as_ref().map(|before| first_slots(&Pattern { recurrence: before, ..pattern }, COMPARED));
        prop_assert_eq!(before.unwrap_or_default(), earlier);

        let from = pattern.from(cut).unwrap();
        let start = slot_time(series.zone, cut);
        let tail = Pattern::new(&start, series.zone, &from);
        prop_assert_eq!(first_slots(&tail, later.len()), later);
        // A rule that no rule can continue becomes a list, which has an end.
        let rules = |lines: &[String]| lines.iter().filter(|line| line.starts_with("RRULE")).count();
        if rules(from.lines()) == rules(series.recurrence.lines()) {
            prop_assert_eq!(tail.is_endless(), pattern.is_endless());
            prop_assert_eq!(tail.last(), pattern.last());
        }
    }

    #[test]
    fn a_move_of_a_daily_or_weekly_series_moves_every_slot_alike(
        zone in select(ZONES[..6].to_vec()), clock in clocks(), is_all_day: bool, rule in weekly_rule(), end in ends(),
        excluded in vec(0_usize..40, 0..3), days in -40_i64..40, half_hours in 12_i64..44,
    ) {
        // By day, so that no move ends where the clocks change.
        let zone: Zone = zone.parse().unwrap();
        let clock = clock.date().and_hms_opt(9, 0, 0).unwrap();
        let series = Series::new(zone, clock, is_all_day, &rule, &end).with_dates(&excluded, &[]);
        let pattern = series.pattern();
        let by = if is_all_day {
            TimeDelta::days(days)
        } else {
            TimeDelta::days(days) + TimeDelta::minutes(30 * half_hours) - TimeDelta::hours(9)
        };
        let new_start = start(zone, clock + by, is_all_day);
        let moved = pattern.moved(&new_start).unwrap();
        let wall = |slot: Slot| match slot.date() {
            Some(date) => date.and_hms_opt(9, 0, 0).unwrap(),
            None => zone.wall_clock(slot.instant()),
        };
        let expected: Vec<NaiveDateTime> =
            first_slots(&pattern, COMPARED).into_iter().map(|slot| wall(slot) + by).collect();
        let there = Pattern::new(&new_start, zone, &moved);
        let computed: Vec<NaiveDateTime> = first_slots(&there, COMPARED).into_iter().map(wall).collect();
        prop_assert_eq!(computed, expected, "{:?}", moved.lines());
    }

    #[test]
    fn occurrences_are_those_of_the_rrule_crate_where_that_finds_any(
        clock in clocks(), rule in prop_oneof![weekly_rule(), monthly_rule()],
    ) {
        let series = Series::new("UTC".parse().unwrap(), clock, false, &rule, &End::Never);
        let slots = first_slots(&series.pattern(), 30);
        // It searches long where there is nothing to find.
        prop_assume!(slots.len() == 30);
        let text = format!("DTSTART:{}\n{rule}", clock.format("%Y%m%dT%H%M%SZ"));
        let theirs = text.parse::<rrule::RRuleSet>().unwrap().all(30).dates;
        let theirs: Vec<Slot> = theirs.into_iter().filter_map(|at| Slot::at(at.to_utc())).collect();
        prop_assert_eq!(slots, theirs);
    }

    #[test]
    fn what_is_read_is_written_and_read_again(series in any_series()) {
        let lines = series.recurrence.lines();
        let again = recurrence(lines);
        prop_assert_eq!(again.lines(), lines);
        let whispered: Vec<String> = lines.iter().rev().map(|line| line.to_lowercase()).collect();
        prop_assert!(series.recurrence.is_same(&recurrence(&whispered)));
        let shifted = series.pattern().moved(&series.start).unwrap();
        prop_assert_eq!(shifted.lines(), lines);
    }

    #[test]
    fn no_text_panics_or_takes_long(lines in vec(garbage(), 1..4), clock in clocks(), is_all_day: bool) {
        let Ok(recurrence) = Recurrence::parse(&lines) else { return Ok(()) };
        prop_assert_eq!(Recurrence::parse(recurrence.lines()).unwrap(), recurrence.clone());
        let zone: Zone = "Europe/Berlin".parse().unwrap();
        let start = start(zone, clock, is_all_day);
        let pattern = Pattern::new(&start, zone, &recurrence);
        let (first, last) = (pattern.first(), pattern.last());
        prop_assert!(last.is_none() || first <= last);
        for slot in [Slot::LAST_DATE, Slot::LAST_INSTANT].into_iter().chain(first) {
            let next = pattern.next(slot);
            prop_assert!(next.is_none_or(|next| pattern.contains(next)));
        }
        for slot in [Slot::of(&"2031-01-31".parse().unwrap()), Slot::of(&start)].into_iter().flatten() {
            pattern.before(slot);
            pattern.from(slot);
        }
        pattern.moved(&"2027-01-31T10:00:00Z".parse().unwrap());
        pattern.moved(&"2027-01-31".parse().unwrap());
    }
}
