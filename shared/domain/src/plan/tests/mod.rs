//! The table of meanings, row by row, and what each of them does.

mod leaving;
mod series;
mod single;

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::meaning::{deleting, saving};
use super::*;
use crate::{Address, Link, Origin, Priority, Recurrence, Recurs, Seen, Span, Tag, Views, Window};

const SERIES: &str = "66aa01bb02cc03dd04ee05ff";
const SINGLE: &str = "66aa01bb02cc03dd04ee0600";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_763_600_000_000).unwrap()
}

pub(super) fn context() -> Context {
    Context { is_connected: true, zone: Some("Europe/Berlin".parse().unwrap()), now: now() }
}

pub(super) fn span(start: &str, end: &str) -> Span {
    Span::new(start.parse().unwrap(), end.parse().unwrap()).unwrap()
}

pub(super) fn rule(text: &str) -> Recurrence {
    Recurrence::parse(&[text.to_owned()]).unwrap()
}

pub(super) fn draft(id: EventId, title: &str, span: Span, repeat: Repeat) -> Draft {
    let is_all_day = span.is_all_day();
    let (priority, origin) = (Priority::Work, Origin::Compass);
    Draft::new(id, Some(title.into()), None, span, is_all_day, false, priority, origin, None)
        .unwrap()
        .repeating(repeat, None)
}

fn someday(draft: Draft) -> Draft {
    Draft { is_someday: true, ..draft }
}

/// A calendar in memory: what the store does with plans.
#[derive(Clone, Default)]
pub(super) struct Calendar {
    pub(super) records: Records,
    rev: u64,
}

impl Calendar {
    pub(super) fn write(&mut self, steps: Steps) -> usize {
        let count = steps.len();
        for change in steps.into_changes() {
            self.rev += 1;
            let (rev, seen) = (self.rev, change.record.seen.at(self.rev, change.views));
            assert_eq!(
                self.records.get(change.record.address()).map_or(0, |stored| stored.rev),
                change.record.rev,
                "planned on what is stored"
            );
            self.records.insert(Record { rev, seen, ..change.record });
        }
        count
    }

    pub(super) fn save(&mut self, draft: &Draft, scope: Scope) -> usize {
        let steps = save(&self.records, draft, scope, &context()).unwrap();
        self.write(steps)
    }

    pub(super) fn delete(&mut self, id: EventId, scope: Scope) -> usize {
        let steps = delete(&self.records, id, scope, &context()).unwrap();
        self.write(steps)
    }

    fn shown(&self) -> Vec<crate::Shown> {
        self.shown_on(crate::Shelf::Grid)
    }

    pub(super) fn shown_on(&self, shelf: crate::Shelf) -> Vec<crate::Shown> {
        let live = self.records.iter().filter(|record| !record.is_deleted);
        let window = Window::from_query("2026-11-01T00:00:00Z", "2026-12-31T23:59:59Z").unwrap();
        let mut shown =
            crate::show(live.map(|record| (record.event.clone(), record.role.clone())), shelf, Some(&window));
        shown.sort_by_key(|shown| (shown.event.span.start().instant(), shown.event.id));
        shown
    }

    /// Start (without its year) and title of each.
    fn list(&self) -> Vec<String> {
        let line = |shown: crate::Shown| {
            format!("{} {}", &shown.event.span.start().as_str()[5..], shown.event.title.unwrap_or_default())
        };
        self.shown().into_iter().map(line).collect()
    }

    /// The occurrence that starts on a day of November.
    fn on(&self, day: u32) -> crate::Shown {
        let prefix = format!("2026-11-{day:02}");
        self.shown().into_iter().find(|shown| shown.event.span.start().as_str().starts_with(&prefix)).unwrap()
    }

    /// A draft as the web app makes it from what it was shown.
    fn edit(&self, day: u32) -> Draft {
        edit(self.on(day))
    }
}

fn edit(shown: crate::Shown) -> Draft {
    let crate::Shown { event, recurs } = shown;
    let repeat = match recurs {
        Recurs::No => Repeat::Unsaid,
        Recurs::Base(lines) => Repeat::Series(Recurrence::parse(&lines).unwrap()),
        Recurs::Occurrence { series, rule, .. } => {
            Repeat::Occurrence { series: Some(series), rule: Some(Recurrence::parse(&rule).unwrap()) }
        }
    };
    let title = event.title.unwrap_or_default();
    let draft = draft(event.id, &title, event.span, repeat);
    Draft { is_someday: event.is_someday, order: event.order, ..draft }
}

/// Monday, Tuesday and so on at nine in Berlin, from Monday the 16th of November: five times.
fn week() -> Calendar {
    let mut calendar = Calendar::default();
    let repeat = Repeat::Series(rule("RRULE:FREQ=DAILY;COUNT=5"));
    let span = span("2026-11-16T09:00:00+01:00", "2026-11-16T10:00:00+01:00");
    assert_eq!(calendar.save(&draft(SERIES.parse().unwrap(), "a", span, repeat), Scope::This), 1);
    calendar
}

const WEEK: [&str; 5] = [
    "11-16T09:00:00+01:00 a",
    "11-17T09:00:00+01:00 a",
    "11-18T09:00:00+01:00 a",
    "11-19T09:00:00+01:00 a",
    "11-20T09:00:00+01:00 a",
];

fn renamed(draft: Draft, title: &str) -> Draft {
    Draft { title: Some(title.into()), ..draft }
}

fn at(draft: Draft, start: &str, end: &str) -> Draft {
    Draft { span: span(start, end), ..draft }
}

#[test]
fn every_combination_has_a_written_outcome() {
    let mut calendar = week();
    let single = draft(
        SINGLE.parse().unwrap(),
        "single",
        span("2026-11-17T12:00:00+01:00", "2026-11-17T13:00:00+01:00"),
        Repeat::Unsaid,
    );
    calendar.save(&single, Scope::This);
    let (first, third) = (calendar.on(16).event.id, calendar.on(18).event.id);
    calendar.delete(calendar.on(20).event.id, Scope::This);
    let former = EventId::of_occurrence(
        Tag::of(SERIES.parse().unwrap()),
        Slot::at("2026-11-18T07:00:00Z".parse().unwrap()).unwrap(),
    );
    let unknown: EventId = "000000000000000000000001".parse().unwrap();
    let repeats = [
        ("rule", Repeat::Series(rule("RRULE:FREQ=DAILY"))),
        ("nothing", Repeat::Unsaid),
        ("never", Repeat::Never),
        ("occurrence", Repeat::Occurrence { series: None, rule: None }),
    ];
    let mut table = String::new();
    for (name, id) in [
        ("nothing", unknown),
        ("event", SINGLE.parse().unwrap()),
        ("series", SERIES.parse().unwrap()),
        ("first occurrence", first),
        ("occurrence", third),
        ("former slot", former),
    ] {
        let stored = calendar.records.stored(id);
        let scopes = [Scope::This, Scope::Following, Scope::All];
        for (says, repeat) in &repeats {
            let says_so = single.clone().repeating(repeat.clone(), None);
            let cells = scopes.map(|scope| cell(&format!("{:?}", saving(&stored, &says_so, scope))));
            table.push_str(&format!("{name} | {says} | {}\n", cells.join(" | ")));
        }
        let cells = scopes.map(|scope| cell(&format!("{:?}", deleting(&stored, scope))));
        table.push_str(&format!("{name} | delete | {}\n", cells.join(" | ")));
    }
    insta::assert_snapshot!(table);
}

/// The name of a meaning and, when it has one, its slot.
fn cell(debug: &str) -> String {
    let name = debug.split('(').next().unwrap_or_default();
    let slot = debug.rsplit_once(", ").map(|(_, slot)| slot.trim_end_matches(')')).unwrap_or_default();
    if slot.starts_with("2026") || slot.starts_with("Some(2026") {
        let slot = slot.trim_start_matches("Some(");
        return format!("{name} {}", &slot[5..10]);
    }
    name.to_owned()
}
