//! What an event of Google's means for a family: the series, its exceptions, and the single event that a series may have been or become.
//!
//! What is decided about the event itself stands in [`crate::plan`]. Here is where its record lies, and which slots a series lists:
//!
//! * An exception counts when its series lists its slot, and a series lists a slot of its rule as soon as something of Google's is stored there. So an
//!   exception that comes before its series, or before the rule that makes its slot, waits unseen in its place, and every order of the same entries
//!   has the same end.
//! * A cancelled occurrence is a slot that is listed and has a tombstone, whose link tells it from one that only made room.
//! * A series that ends takes its exceptions along. They keep no link, so they do not come back with it.
//!
//! Pure.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::{
    Address, Change, Event, EventId, EventTime, Link, Origin, Priority, Record, Records, Role, Series, Slot,
    Span, Steps, Tag, Views,
};
use store::{FamilyOf, IssueKind, Reads};

use crate::plan::{Decision, decide};
use crate::translate::{Exception, Theirs};

/// What to do about an event of Google's and what belongs to it.
#[derive(Debug, Default)]
pub struct Resolution {
    /// What is to be written.
    pub steps: Steps,
    /// What lost, of which event.
    pub conflicts: Vec<(EventId, IssueKind)>,
}

/// What has to be read for these.
pub fn reads<'a>(events: impl IntoIterator<Item = &'a Theirs> + Clone) -> Reads {
    let addresses = events.clone().into_iter().flat_map(|theirs| match theirs {
        Theirs::Exception(exception) => {
            let tag = Tag::of(exception.series_id());
            [Address::Series(tag), Address::Exception(tag, exception.slot)]
        }
        theirs => [Address::Single(theirs.id()), Address::Series(Tag::of(theirs.id()))],
    });
    let families = events.into_iter().filter_map(|theirs| match theirs {
        Theirs::Live(copy) if copy.link.base.rule.is_some() => Some(FamilyOf::Any(theirs.id())),
        Theirs::Live(_) | Theirs::Gone(_) => Some(FamilyOf::Stored(theirs.id())),
        Theirs::Exception(_) => None,
    });
    Reads::at(addresses, families)
}

/// Decides about an event of Google's, given what [`reads`] asks for.
pub fn resolve(records: &Records, theirs: &Theirs, origin: Origin, now: DateTime<Utc>) -> Resolution {
    match theirs {
        Theirs::Exception(exception) => occurrence(records, exception, theirs, origin, now),
        Theirs::Live(_) | Theirs::Gone(_) => whole(records, theirs, origin, now),
    }
}

/// What is stored in a place, to be sent because Google never had it: no client can see it.
pub fn unsent(records: &Records, address: Address) -> Steps {
    let Some(record) = records.get(address).filter(|record| !record.is_dirty && record.link.is_none()) else {
        return Steps::none();
    };
    let is_wanted = match &record.role {
        // Cancelled occurrences are found with their series: their tombstones do not last.
        Role::Exception { series, slot } => {
            let series = series_of(records, *series).and_then(Record::series);
            series.is_some_and(|series| series.exceptions.contains(slot))
        }
        Role::Single | Role::Series(_) => true,
    };
    let mut steps = Steps::none();
    if is_wanted && record.live().is_some_and(|event| !event.is_someday) {
        steps.commit.push(to_send(record.clone()));
        steps.clean.extend(unsent_cancellations(records, record));
    }
    steps
}

/// The cancelled slots of a series that Google never had.
fn unsent_cancellations(records: &Records, base: &Record) -> Vec<Change> {
    let (Some(series), tag) = (base.series(), Tag::of(base.event.id)) else { return Vec::new() };
    let cancelled = series.exceptions.iter().filter_map(|slot| {
        let there = records.get(Address::Exception(tag, *slot));
        if there.is_some_and(|record| !record.is_deleted || record.is_dirty) {
            return None;
        }
        let event = series.occurrence(&base.event, *slot);
        let role = Role::Exception { series: base.event.id, slot: *slot };
        let tombstone = Record { is_deleted: true, ..Record::new(event, role, None) };
        let (rev, seen) = there.map(|record| (record.rev, record.seen)).unwrap_or_default();
        Some(to_send(Record { rev, seen, ..tombstone }))
    });
    cancelled.collect()
}

fn to_send(record: Record) -> Change {
    Change { record: Record { is_dirty: true, ..record }, views: Views::default() }
}

/// The record of the series with this id, tombstones included.
fn series_of(records: &Records, id: EventId) -> Option<&Record> {
    // Two series may share a tag, if only in theory.
    records.get(Address::Series(Tag::of(id))).filter(|record| record.event.id == id)
}

/// What is stored under the id of a single event or of a series: what lives, else what ended last.
fn stored_of(records: &Records, id: EventId) -> Option<&Record> {
    let places = [records.get(Address::Single(id)), series_of(records, id)];
    places.into_iter().flatten().max_by_key(|record| (!record.is_deleted, record.rev))
}

fn whole(records: &Records, theirs: &Theirs, origin: Origin, now: DateTime<Utc>) -> Resolution {
    let id = theirs.id();
    let stored = stored_of(records, id);
    let Decision { change, conflict } = decide(stored, theirs, origin, now);
    let mut resolution = Resolution {
        conflicts: conflict.map(|kind| (id, kind)).into_iter().collect(),
        ..Resolution::default()
    };
    let Some(mut change) = change else { return resolution };
    let was = stored.and_then(Record::series);
    if let Some(next) = change.record.series() {
        let is_same_pattern = was.is_some_and(|was| {
            let is_same_start =
                stored.is_some_and(|stored| stored.event.span.start() == change.record.event.span.start());
            is_same_start && was.zone == next.zone && was.recurrence.lines() == next.recurrence.lines()
        });
        if !is_same_pattern {
            let listed = listed(records, was, &change.record.event, next);
            resolution.conflicts.extend(unlisted_edits(records, id, was, &listed));
            let series = Series { exceptions: listed, ..next.clone() };
            change.record.role = Role::Series(series);
        }
    } else if was.is_some() {
        resolution.conflicts.extend(unlisted_edits(records, id, was, &BTreeSet::new()));
        resolution.steps.clean.extend(exceptions(records, id).filter_map(ended));
    }
    match stored.filter(|stored| stored.address() != change.record.address()) {
        Some(stored) => {
            let there = records.get(change.record.address());
            let Change { record, views } = change;
            let next = Change::new(there, record);
            let left = Record { is_deleted: true, is_dirty: false, link: None, ..stored.clone() };
            resolution.steps.commit.push(Change { views, ..Change::new(Some(stored), left) });
            resolution.steps.commit.push(Change { views: views.union(next.views), ..next });
        }
        None => resolution.steps.commit.push(change),
    }
    resolution
}

/// What is stored of a series' exceptions, as far as it was read.
fn exceptions(records: &Records, id: EventId) -> impl Iterator<Item = &Record> {
    records.iter().filter(move |record| matches!(record.role, Role::Exception { series, .. } if series == id))
}

/// The end of an exception whose series has ended.
fn ended(exception: &Record) -> Option<Change> {
    let is_left = !exception.is_deleted || exception.link.is_some() || exception.is_dirty;
    let record = Record { link: None, ..exception.clone() };
    is_left.then(|| {
        let change = Change::delete(&record, false);
        // It ends with its series, which says so.
        Change { views: Views::default(), ..change }
    })
}

/// The slots that a series lists under a new pattern: those that it listed, and those where something waits, as far as the pattern has them.
fn listed(records: &Records, was: Option<&Series>, event: &Event, series: &Series) -> BTreeSet<Slot> {
    let waiting = exceptions(records, event.id).filter(|record| record.link.is_some());
    let waiting = waiting.filter_map(slot_of);
    let pattern = series.pattern(event);
    let before = was.into_iter().flat_map(|was| was.exceptions.iter().copied());
    before.chain(waiting).filter(|slot| pattern.contains(*slot)).collect()
}

fn slot_of(record: &Record) -> Option<Slot> {
    match record.role {
        Role::Exception { slot, .. } => Some(slot),
        Role::Single | Role::Series(_) => None,
    }
}

/// Edits of occurrences that Google was never told, and whose slots are no more.
fn unlisted_edits(
    records: &Records,
    id: EventId,
    was: Option<&Series>,
    listed: &BTreeSet<Slot>,
) -> Vec<(EventId, IssueKind)> {
    let Some(was) = was else { return Vec::new() };
    let is_lost = |record: &&Record| {
        let counted =
            slot_of(record).is_some_and(|slot| was.exceptions.contains(&slot) && !listed.contains(&slot));
        counted && record.is_dirty && !record.is_deleted
    };
    let lost = exceptions(records, id).filter(is_lost);
    lost.map(|record| {
        let kind = IssueKind::Conflict { lost: Box::new(record.event.clone()), fields: Vec::new() };
        (record.event.id, kind)
    })
    .collect()
}

fn occurrence(
    records: &Records,
    exception: &Exception,
    theirs: &Theirs,
    origin: Origin,
    now: DateTime<Utc>,
) -> Resolution {
    let (series_id, slot) = (exception.series_id(), exception.slot);
    let address = Address::Exception(Tag::of(series_id), slot);
    let base = series_of(records, series_id).filter(|record| record.series().is_some());
    let there = records.get(address);
    // One that only made room says nothing of the slot.
    let stored = there.filter(|record| !record.is_deleted || record.link.is_some() || record.is_dirty);
    let Decision { change, conflict } = decide(stored, theirs, origin, now);
    let change = match (stored, change) {
        (Some(_), change) => change,
        (None, _) if is_cancelled_already(base, exception) => None,
        (None, change) => Some(Change::new(there, taken(base, exception, change, now))),
    };
    let mut steps = Steps::default();
    let has_copy = change
        .as_ref()
        .map_or(stored, |change| Some(&change.record))
        .is_some_and(|record| record.link.is_some());
    let shown = base.map(|base| Views::of(&base.event)).unwrap_or_default();
    if has_copy && let Some(listing) = base.and_then(|base| listing(base, slot)) {
        steps.commit.push(listing);
    }
    if let Some(change) = change {
        let views = change.views.union(shown);
        let is_silent = change.views == Views::default() && stored.is_some();
        steps.prepare.push(if is_silent { change } else { Change { views, ..change } });
    }
    let conflicts = conflict.map(|kind| (exception.event_id(), kind)).into_iter().collect();
    Resolution { steps, conflicts }
}

/// Whether the slot is cancelled, and its tombstone's time was over.
fn is_cancelled_already(base: Option<&Record>, exception: &Exception) -> bool {
    let series = base.and_then(Record::series);
    exception.copy.is_none() && series.is_some_and(|series| series.exceptions.contains(&exception.slot))
}

/// The series with one more slot listed, if its rule has it.
fn listing(base: &Record, slot: Slot) -> Option<Change> {
    let series = base.series()?;
    if series.exceptions.contains(&slot) || !series.pattern(&base.event).contains(slot) {
        return None;
    }
    let mut series = series.clone();
    series.exceptions.insert(slot);
    let record = Record { role: Role::Series(series), ..base.clone() };
    Some(Change { record, views: Views::of(&base.event) })
}

/// The record of an exception that is new to us; `adopted` is what was decided of its copy.
fn taken(
    base: Option<&Record>,
    exception: &Exception,
    adopted: Option<Change>,
    now: DateTime<Utc>,
) -> Record {
    let role = Role::Exception { series: exception.series_id(), slot: exception.slot };
    let id = exception.event_id();
    let is_deleted = adopted.is_none();
    let (event, link) = match adopted {
        Some(Change { record: Record { event, link, .. }, .. }) => (event, link),
        None => {
            let event = cancelled(base, exception, now);
            let link = cancelled_link(exception, &event);
            (event, Some(link))
        }
    };
    Record { is_deleted, ..Record::new(Event { id, ..event }, role, link) }
}

/// A cancelled occurrence, of which Google says no more than where it was.
fn cancelled(base: Option<&Record>, exception: &Exception, now: DateTime<Utc>) -> Event {
    let slot = exception.slot;
    if let Some((base, series)) = base.and_then(|base| Some((base, base.series()?))) {
        return Event { updated_at: now, ..series.occurrence(&base.event, slot) };
    }
    let start = match slot.date() {
        Some(date) => EventTime::from(date),
        None => EventTime::from(slot.instant().fixed_offset()),
    };
    let zone = start.zone();
    Event {
        id: exception.event_id(),
        title: None,
        description: None,
        span: Span::lasting(start, chrono::TimeDelta::zero(), &zone),
        is_all_day: slot.date().is_some(),
        is_someday: false,
        priority: Priority::default(),
        origin: Origin::Google,
        order: None,
        google_id: Some(exception.id.clone()),
        updated_at: now,
    }
}

fn cancelled_link(exception: &Exception, event: &Event) -> Link {
    Link { id: exception.id.clone(), etag: String::new(), base: event.shared(), raw: "{}".to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::{GoogleEventId, Recurrence, Rule, Shared};
    use google::calendar;
    use proptest::prelude::*;

    use super::*;
    use crate::translate;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_763_600_000, 0).unwrap()
    }

    fn read(value: &serde_json::Value) -> Theirs {
        let event: calendar::Event = serde_json::from_value(value.clone()).unwrap();
        translate::read(&event).unwrap()
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

    proptest! {
        /// Pages cut a sequence, so any order covers any cut.
        #[test]
        fn recordings_of_google_replay_to_the_right_series_in_any_order(
            order in Just((0..5).collect::<Vec<usize>>()).prop_shuffle(), twice: bool
        ) {
            for (name, items) in recordings() {
                let mut records = Records::default();
                for _ in 0..=usize::from(twice) {
                    for item in order.iter().filter_map(|place| items.get(*place)) {
                        take(&mut records, &read(item));
                    }
                }
                let (mut series, mut moved, mut cancelled) = (0, 0, 0);
                for record in records.iter() {
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
        let roles: Vec<_> =
            steps.changes().map(|change| (&change.record.role, change.record.is_deleted)).collect();
        assert!(
            matches!(roles.as_slice(), [(Role::Series(_), false), (Role::Exception { .. }, true)]),
            "{roles:?}"
        );
        assert!(steps.changes().all(|change| change.record.is_dirty && change.views == Views::default()));
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
        assert!(
            matches!(conflicts.as_slice(), [(_, IssueKind::Conflict { fields, .. })] if fields == &[domain::Field::Rule])
        );
    }
}
