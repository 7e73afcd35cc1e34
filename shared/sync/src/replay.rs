//! What Google has sent, as JSON, meets the planner: recordings of the real service, and families in every order.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::sync::{Conflict, Resolution, Theirs, answered, in_order, resolve, unsent};
use domain::{
    Address, EventId, GoogleEventId, Origin, Record, Records, Recurrence, Role, Rule, Series, Shared, Slot,
    Tag, Views,
};
use google::calendar;
use proptest::prelude::*;

use crate::translate;

/// The record of the series with this id.
fn series_of(records: &Records, id: EventId) -> Option<&Record> {
    records.get(Address::Series(Tag::of(id)))
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_763_600_000, 0).unwrap()
}

fn read(value: &serde_json::Value) -> Theirs {
    let event: calendar::Event = serde_json::from_value(value.clone()).unwrap();
    translate::read(&event, &domain::Home::Primary).unwrap()
}

fn take(records: &mut Records, theirs: &Theirs) -> Resolution {
    let resolution = resolve(records, theirs, Origin::Google, now());
    records.apply(&resolution.steps);
    resolution
}

/// What is stored in the end, as far as it means something.
fn meaning(records: &Records) -> BTreeMap<Address, (bool, Shared, BTreeSet<Slot>)> {
    let listed =
        |record: &Record| record.series().map(|series| series.exceptions.clone()).unwrap_or_default();
    let shared = |record: &Record| match record.is_deleted {
        true => Shared { title: None, ..record.shared() },
        false => record.shared(),
    };
    records
        .iter()
        .map(|record| (record.address(), (record.is_deleted, shared(record), listed(record))))
        .collect()
}

fn recordings() -> BTreeMap<String, Vec<serde_json::Value>> {
    serde_json::from_str(include_str!("../tests/data/recordings.json")).unwrap()
}

/// What [`recordings`] show: series, moved occurrences, cancelled ones.
const SEEN: [(&str, usize, usize, usize); 14] = [
    ("create-create", 1, 0, 0),
    ("edit-all-all-1", 2, 1, 0),
    ("edit-all-all-2", 2, 1, 0),
    ("delete-single-delete-single", 1, 0, 1),
    ("delete-single-delete-single-2", 1, 0, 1),
    ("edit-single-single-instance-1", 1, 1, 0),
    ("edit-single-single-instance-2", 1, 1, 0),
    ("edit-single-single-instance-3", 1, 3, 0),
    ("edit-this-and-following-this-and-following-1", 2, 0, 0),
    ("edit-this-and-following-this-and-following-2", 2, 2, 0),
    ("edit-this-and-following-this-and-following-3", 2, 0, 0),
    ("edit-this-and-following-this-and-following-4", 2, 1, 0),
    ("delete-all-all-1", 0, 0, 0),
    ("delete-all-all-2", 0, 0, 0),
];

/// What the recording says of a record, read without our own reader: the entry with its id, as it was sent.
fn assert_is_as_recorded(record: &Record, items: &[serde_json::Value], name: &str) {
    let id = record.link.as_ref().unwrap_or_else(|| panic!("{name}: {record:?} has no copy")).id.as_str();
    let item = items.iter().find(|item| item["id"] == id).unwrap_or_else(|| panic!("{name} has no {id}"));
    assert_eq!(item["status"] == "cancelled", record.is_deleted, "{name}: {id}");
    if record.is_deleted {
        return;
    }
    assert_eq!(item["summary"].as_str(), record.event.title.as_deref(), "{name}: {id}");
    for (end, time) in [("start", record.event.span.start()), ("end", record.event.span.end())] {
        let sent: DateTime<Utc> = item[end]["dateTime"].as_str().unwrap().parse().unwrap();
        assert_eq!(sent, time.instant(), "{name}: {end} of {id}");
    }
    let lines: Option<Vec<String>> = serde_json::from_value(item["recurrence"].clone()).unwrap();
    let rule = record.shared().rule;
    assert_eq!(
        lines.map(|lines| Recurrence::parse(&lines).unwrap()),
        rule.as_ref().map(|rule| rule.recurrence.clone())
    );
    if let Some(rule) = rule {
        assert_eq!(item["start"]["timeZone"], rule.zone.to_string(), "{name}: {id}");
    }
}

proptest! {
    #[test]
    fn recordings_of_google_replay_to_the_right_series_in_any_order_and_page_cut(
        order in Just((0..5).collect::<Vec<usize>>()).prop_shuffle(), page in 1usize..5, twice: bool
    ) {
        for (name, items) in recordings() {
            let mut records = Records::default();
            let entries: Vec<Theirs> = order.iter().filter_map(|place| items.get(*place)).map(read).collect();
            for _ in 0..=usize::from(twice) {
                for page in entries.chunks(page) {
                    let mut page = page.to_vec();
                    in_order(&mut page);
                    page.iter().for_each(|theirs| drop(take(&mut records, theirs)));
                }
            }
            let (mut series, mut moved, mut cancelled) = (0, 0, 0);
            for record in records.iter() {
                assert_is_as_recorded(record, &items, &name);
                let is_listed = |base: EventId, slot| {
                    let base = series_of(&records, base).and_then(Record::series);
                    base.is_some_and(|base| base.exceptions.contains(&slot))
                };
                match record.role {
                    Role::Series(_) => series += 1,
                    Role::Exception { series, slot } => {
                        prop_assert!(is_listed(series, slot), "{name}");
                        if record.is_deleted { cancelled += 1 } else { moved += 1 }
                    }
                    Role::Single => prop_assert!(false, "{}", name),
                }
                prop_assert!(!record.is_dirty);
            }
            let seen = SEEN.iter().find(|(known, ..)| *known == name);
            let seen = seen.map_or((0, 0, 0), |(_, series, moved, cancelled)| (*series, *moved, *cancelled));
            prop_assert!(SEEN.iter().any(|(known, ..)| *known == name));
            prop_assert_eq!((series, moved, cancelled), seen, "{}", name);
        }
    }

    /// A series' rule is cut short, another occurrence is cancelled, one is moved, and one is left over behind the cut.
    #[test]
    fn every_order_of_the_same_entries_has_the_same_end(order in Just((0..4).collect::<Vec<usize>>()).prop_shuffle()) {
        let entries = [
            series_at_google("RRULE:FREQ=DAILY;COUNT=5", 2),
            exception_at_google("20261121T090000Z", None),
            exception_at_google("20261122T090000Z", Some("moved")),
            exception_at_google("20261127T090000Z", Some("behind the cut")),
        ];
        let mut records = Records::default();
        take(&mut records, &read(&series_at_google("RRULE:FREQ=DAILY", 1)));
        for place in &order {
            take(&mut records, &read(&entries[*place]));
        }
        let base = series_of(&records, id()).unwrap();
        prop_assert_eq!(base.series().unwrap().exceptions.len(), 2);
        let mut again = records.clone();
        for entry in &entries {
            prop_assert!(take(&mut again, &read(entry)).steps.is_empty());
        }
        prop_assert_eq!(meaning(&again), meaning(&records));
    }
}

fn id() -> EventId {
    EventId::of_google(&GoogleEventId::new("abc"))
}

fn series_at_google(rule: &str, version: u32) -> serde_json::Value {
    serde_json::json!({
        "id": "abc", "etag": format!("\"{version}\""), "summary": "Daily", "recurrence": [rule],
        "updated": format!("2026-11-20T08:00:0{version}Z"),
        "start": {"dateTime": "2026-11-20T09:00:00Z", "timeZone": "UTC"},
        "end": {"dateTime": "2026-11-20T10:00:00Z", "timeZone": "UTC"}
    })
}

fn exception_at_google(stamp: &str, title: Option<&str>) -> serde_json::Value {
    let mut entry = serde_json::json!({
        "id": format!("abc_{stamp}"), "status": "cancelled", "recurringEventId": "abc",
    });
    if let Some(title) = title {
        entry["status"] = "confirmed".into();
        entry["etag"] = "\"2\"".into();
        entry["updated"] = "2026-11-20T08:00:02Z".into();
        entry["summary"] = title.into();
        entry["start"] = serde_json::json!({"dateTime": "2026-11-25T12:00:00Z"});
        entry["end"] = serde_json::json!({"dateTime": "2026-11-25T13:00:00Z"});
    }
    entry
}

#[test]
fn a_series_that_ends_takes_its_exceptions_along_and_one_that_becomes_an_event_too() {
    let mut records = Records::default();
    take(&mut records, &read(&series_at_google("RRULE:FREQ=DAILY", 1)));
    take(&mut records, &read(&exception_at_google("20261121T090000Z", Some("moved"))));
    let ended = Theirs::Gone(GoogleEventId::new("abc"));
    let mut single = series_at_google("", 2);
    single.as_object_mut().unwrap().remove("recurrence");
    for next in [ended, read(&single)] {
        let mut records = records.clone();
        take(&mut records, &next);
        let live: Vec<_> = records.iter().filter(|record| !record.is_deleted).collect();
        assert!(live.iter().all(|record| record.role == Role::Single), "{live:?}");
        assert_eq!(live.len(), usize::from(next.copy().is_some()));
        // And back.
        take(&mut records, &read(&series_at_google("RRULE:FREQ=DAILY", 3)));
        let base = series_of(&records, id()).unwrap();
        assert!(base.series().unwrap().exceptions.is_empty());
    }
}

#[test]
fn what_google_never_had_is_to_be_sent_with_its_cancelled_slots_and_someday_events_are_not() {
    let mut records = Records::default();
    take(&mut records, &read(&series_at_google("RRULE:FREQ=DAILY", 1)));
    take(&mut records, &read(&exception_at_google("20261121T090000Z", None)));
    let base = series_of(&records, id()).unwrap().clone();
    assert!(unsent(&records, base.address()).is_empty(), "Google has it");
    let unlinked = Record { link: None, ..base.clone() };
    records = [unlinked.clone()].into_iter().collect();
    let steps = unsent(&records, base.address());
    let sent: Vec<_> = steps.changes().map(|change| &change.record).collect();
    assert!(matches!(sent.as_slice(), [record] if record.is_dirty && record.series().is_some()));
    assert!(steps.changes().all(|change| change.views == Views::default()));
    // Once Google has it, its cancelled slots follow.
    let steps = answered(&records, &unlinked, base.link.as_ref(), true, now());
    let follow: Vec<_> = steps.prepare.iter().map(|change| &change.record).collect();
    assert!(
        matches!(
            follow.as_slice(),
            [Record { role: Role::Exception { .. }, is_deleted: true, is_dirty: true, .. }]
        ),
        "{follow:?}"
    );
    let mut someday = unlinked;
    someday.event.is_someday = true;
    records = [someday].into_iter().collect();
    assert!(unsent(&records, base.address()).is_empty());
}

#[test]
fn an_edit_of_the_rule_here_and_of_the_title_there_merge_and_of_the_rule_on_both_sides_one_is_recorded() {
    let mut records = Records::default();
    take(&mut records, &read(&series_at_google("RRULE:FREQ=DAILY", 1)));
    let mut ours = series_of(&records, id()).unwrap().clone();
    let rule = Rule {
        zone: "UTC".parse().unwrap(),
        recurrence: Recurrence::parse(&["RRULE:FREQ=WEEKLY".to_owned()]).unwrap(),
    };
    let series = Series::new(&ours.event, rule.zone, rule.recurrence.clone(), BTreeSet::new()).unwrap();
    (ours.role, ours.is_dirty) = (Role::Series(series), true);
    records.insert(ours);
    let mut renamed = series_at_google("RRULE:FREQ=DAILY", 2);
    renamed["summary"] = "Renamed".into();
    let mut merged = records.clone();
    assert!(take(&mut merged, &read(&renamed)).conflicts.is_empty());
    let base = series_of(&merged, id()).unwrap();
    assert_eq!((base.event.title.as_deref(), base.is_dirty), (Some("Renamed"), true));
    assert_eq!(base.shared().rule, Some(rule));
    let conflicts = take(&mut records, &read(&series_at_google("RRULE:FREQ=MONTHLY", 2))).conflicts;
    assert!(matches!(conflicts.as_slice(), [Conflict { fields, .. }] if fields == &[domain::Field::Rule]));
}
