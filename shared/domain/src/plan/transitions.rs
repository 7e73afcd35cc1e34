//! Every transition: what is stored under an id, what a request says it is, on which of the two shelves, with which scope. Each has its outcome
//! in the snapshot; none is an accident.
//!
//! The web app's contract names 31 transitions that its former backend supported, by `<stored>->><payload>_<status>` after it had spread the scope
//! over the events; all others it answered with an error. They are marked with a star. A deletion says nothing but an id, so its payload is what is
//! stored.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::tests::{Calendar, context, draft, rule, span};
use super::*;
use crate::{Link, Recurs, Shelf};

const ID: &str = "66aa01bb02cc03dd04ee0701";
const CATEGORIES: [&str; 6] = [
    "STANDALONE",
    "STANDALONE_SOMEDAY",
    "RECURRENCE_BASE",
    "RECURRENCE_BASE_SOMEDAY",
    "RECURRENCE_INSTANCE",
    "RECURRENCE_INSTANCE_SOMEDAY",
];
/// What the contract lists, beside that nothing or the same may become itself, cancelled.
const CONFIRMED: [(&str, &str); 19] = [
    ("NIL", "STANDALONE"),
    ("NIL", "RECURRENCE_BASE"),
    ("NIL", "STANDALONE_SOMEDAY"),
    ("NIL", "RECURRENCE_BASE_SOMEDAY"),
    ("STANDALONE_SOMEDAY", "STANDALONE"),
    ("RECURRENCE_BASE_SOMEDAY", "RECURRENCE_BASE"),
    ("RECURRENCE_INSTANCE_SOMEDAY", "STANDALONE"),
    ("STANDALONE", "STANDALONE"),
    ("RECURRENCE_INSTANCE", "RECURRENCE_INSTANCE"),
    ("STANDALONE_SOMEDAY", "STANDALONE_SOMEDAY"),
    ("RECURRENCE_INSTANCE_SOMEDAY", "RECURRENCE_INSTANCE_SOMEDAY"),
    ("STANDALONE", "STANDALONE_SOMEDAY"),
    ("RECURRENCE_BASE", "RECURRENCE_BASE_SOMEDAY"),
    ("RECURRENCE_BASE", "STANDALONE"),
    ("RECURRENCE_BASE_SOMEDAY", "STANDALONE_SOMEDAY"),
    ("STANDALONE", "RECURRENCE_BASE"),
    ("STANDALONE_SOMEDAY", "RECURRENCE_BASE_SOMEDAY"),
    ("RECURRENCE_BASE", "RECURRENCE_BASE"),
    ("RECURRENCE_BASE_SOMEDAY", "RECURRENCE_BASE_SOMEDAY"),
];
const SCOPES: [Scope; 3] = [Scope::This, Scope::Following, Scope::All];

fn supported() -> BTreeSet<String> {
    let confirmed = CONFIRMED.iter().map(|(stored, payload)| format!("{stored}->>{payload}_CONFIRMED"));
    let cancelled =
        CATEGORIES.iter().flat_map(|name| ["NIL", name].map(|stored| format!("{stored}->>{name}_CANCELLED")));
    confirmed.chain(cancelled).collect()
}

/// A calendar that has an event of a category, and Google knows of it; with the event's id. Of a series the third occurrence of five is meant.
fn stored(category: &str) -> (Calendar, EventId) {
    let id: EventId = ID.parse().unwrap();
    let mut calendar = Calendar::default();
    if category == "NIL" {
        return (calendar, id);
    }
    calendar.save(&payload(category, id, None, "a"), Scope::This);
    let known: Vec<Record> = calendar.records.iter().cloned().collect();
    for record in known {
        let link = record.event.google_id.clone().map(|id| Link {
            id,
            etag: "1".into(),
            updated_at: None,
            base: record.event.shared(),
            raw: "{}".into(),
        });
        calendar.records.insert(Record { link, is_dirty: false, ..record });
    }
    if category.starts_with("RECURRENCE_INSTANCE") {
        let shelf = if category.ends_with("SOMEDAY") { Shelf::Someday } else { Shelf::Grid };
        let third = calendar.shown_on(shelf)[2].event.id;
        return (calendar, third);
    }
    (calendar, id)
}

/// What the web app would send. What stays on its shelf keeps its times; what goes to the other is dropped there. `shown` is the event that is
/// edited.
fn payload(category: &str, id: EventId, shown: Option<&Event>, title: &str) -> Draft {
    let is_someday = category.ends_with("SOMEDAY");
    let span = match (shown, is_someday) {
        (Some(shown), _) if shown.is_someday == is_someday => shown.span.clone(),
        (Some(_), true) => span("2026-11-15", "2026-11-21"),
        (Some(_), false) => span("2026-11-18T12:00:00+01:00", "2026-11-18T13:00:00+01:00"),
        (None, _) => span("2026-11-16T09:00:00+01:00", "2026-11-16T10:00:00+01:00"),
    };
    let rule = rule("RRULE:FREQ=DAILY;COUNT=5");
    let repeat = match category {
        _ if category.starts_with("STANDALONE") => Repeat::Unsaid,
        _ if category.starts_with("RECURRENCE_INSTANCE") && shown.is_some() => {
            Repeat::Occurrence { series: ID.parse().ok(), rule: Some(rule) }
        }
        _ => Repeat::Series(rule),
    };
    Draft { is_someday, ..draft(id, title, span, repeat) }
}

/// How many events of which title a shelf shows, and on which days.
fn view(calendar: &Calendar, shelf: Shelf) -> String {
    let mut days: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for shown in calendar.shown_on(shelf) {
        let start = shown.event.span.start().as_str();
        let time = start.get(11..13).unwrap_or("-");
        days.entry(shown.event.title.unwrap_or_default())
            .or_default()
            .push(format!("{}@{time}", &start[8..10]));
    }
    let view: Vec<String> = days.iter().map(|(title, days)| format!("{title} {}", days.join(" "))).collect();
    if view.is_empty() { "-".into() } else { view.join(", ") }
}

fn outcome(calendar: &Calendar, id: EventId) -> String {
    let shown = match calendar.records.stored(id).shown() {
        None => "nothing",
        Some(shown) => match (shown.recurs, shown.event.is_someday) {
            (Recurs::No, false) => "event",
            (Recurs::No, true) => "someday event",
            (Recurs::Base(_), false) => "series",
            (Recurs::Base(_), true) => "someday series",
            (Recurs::Occurrence { .. }, false) => "occurrence",
            (Recurs::Occurrence { .. }, true) => "someday occurrence",
        },
    };
    let learns: Vec<&str> = calendar
        .records
        .iter()
        .filter(|record| record.is_dirty)
        .map(|record| match (&record.role, record.is_deleted, record.event.is_someday) {
            (crate::Role::Exception { .. }, true, _) => "cancelled occurrence",
            (crate::Role::Exception { .. }, _, true) => "occurrence put aside",
            (crate::Role::Exception { .. }, ..) => "occurrence",
            (_, true, _) => "end",
            (_, _, true) => "put aside",
            (crate::Role::Series(_), ..) => "series",
            (crate::Role::Single, ..) => "event",
        })
        .collect();
    let learns = if learns.is_empty() { "-".into() } else { learns.join(", ") };
    let (grid, someday) = (view(calendar, Shelf::Grid), view(calendar, Shelf::Someday));
    format!("grid {grid} | someday {someday} | id is {shown} | google {learns}")
}

#[test]
fn every_transition_has_a_written_outcome() {
    let supported = supported();
    assert_eq!(supported.len(), 31);
    let mut table = String::new();
    let mut met = BTreeSet::new();
    for from in ["NIL"].iter().chain(&CATEGORIES) {
        let (before, id) = stored(from);
        writeln!(table, "\n# {from}: {}", outcome(&before, id)).unwrap();
        let shown = before.records.stored(id).shown().map(|shown| shown.event);
        for to in CATEGORIES {
            let confirmed = format!("{from}->>{to}_CONFIRMED");
            let cancelled = format!("{from}->>{to}_CANCELLED");
            let edit = payload(to, id, shown.as_ref().or(Some(&event_of(id))), "b");
            rows(&mut table, &confirmed, supported.contains(&confirmed), |scope| {
                let mut after = before.clone();
                after.write(save(&after.records, &edit, scope, &context()).unwrap());
                outcome(&after, id)
            });
            met.insert(confirmed);
            if *from == "NIL" || *from == to {
                rows(&mut table, &cancelled, supported.contains(&cancelled), |scope| {
                    let mut after = before.clone();
                    after.delete(id, scope);
                    outcome(&after, id)
                });
                met.insert(cancelled);
            }
        }
    }
    assert!(supported.is_subset(&met), "{:?}", supported.difference(&met));
    insta::assert_snapshot!(table);
}

/// What an event that is not stored looked like where it is edited.
fn event_of(id: EventId) -> Event {
    new_event(&payload("STANDALONE", id, None, "a"), id, None, context().now)
}

/// The outcomes of the three scopes; one line if they are the same.
fn rows(table: &mut String, key: &str, is_supported: bool, outcome: impl Fn(Scope) -> String) {
    let star = if is_supported { "* " } else { "" };
    let outcomes = SCOPES.map(outcome);
    writeln!(table, "{star}{key}").unwrap();
    if outcomes.iter().all(|outcome| *outcome == outcomes[0]) {
        writeln!(table, "    any scope: {}", outcomes[0]).unwrap();
        return;
    }
    for (scope, outcome) in SCOPES.iter().zip(outcomes) {
        writeln!(table, "    {scope:?}: {outcome}").unwrap();
    }
}
