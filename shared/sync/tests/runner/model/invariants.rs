//! What must hold in the end, by the numbers of the contract, each as a sentence that can be false.

use std::collections::{BTreeMap, BTreeSet};

use domain::{GoogleEventId, Home, Record, Role};
use serde_json::Value;
use store::IssueKind;

use super::ledger::{Cover, Side, Write};
use super::person::Person;
use super::shape;
use super::sight::{Row, Sight};
use super::step::{Change, Kind};

/// Why a history is no good.
pub type Verdict = Result<(), String>;

pub fn must(holds: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// Convergence: both sides show the same, and nothing is left to be sent.
pub fn i1_both_sides_are_the_same(sight: &Sight) -> Verdict {
    let Sight { here, there, .. } = sight;
    must(here == there, || format!("I1: the sides differ\n{}", difference(here, there)))?;
    let dirty: Vec<_> = sight.records.iter().filter(|record| record.is_dirty).collect();
    must(dirty.is_empty(), || format!("I1: not sent: {dirty:#?}"))
}

fn difference(here: &[Row], there: &[Row]) -> String {
    let only = |name: &str, rows: &[Row], others: &[Row]| -> String {
        let mut left = others.to_vec();
        let mut lines = String::new();
        for row in rows {
            match left.iter().position(|other| other == row) {
                Some(place) => drop(left.remove(place)),
                None => lines += &format!("  only {name}: {row:?}\n"),
            }
        }
        lines
    };
    only("here", here, there) + &only("at Google", there, here)
}

/// Bijection: each event on the grid is one event at Google and the other way round, and what carries our mark is ours.
pub fn i2_each_event_is_one_event_there(sight: &Sight) -> Verdict {
    let mut links: BTreeMap<&GoogleEventId, u32> = BTreeMap::new();
    for record in sight.live().filter(|record| !record.event.is_someday) {
        if let Some(link) = &record.link {
            *links.entry(&link.id).or_default() += 1;
        } else {
            return Err(format!("I2: an event here is none at Google: {record:#?}"));
        }
    }
    let twice: Vec<_> = links.iter().filter(|(_, count)| **count > 1).collect();
    must(twice.is_empty(), || format!("I2: two events here are one at Google: {twice:?}"))?;
    let id = |home: &Home, event: &Value| {
        GoogleEventId::within(home.clone(), event["id"].as_str().unwrap_or_default())
    };
    // A series that was edited so that it has no occurrence is nothing to anybody.
    let is_something = |home: &Home, event: &Value| {
        serde_json::from_value(event.clone()).is_ok_and(|event| sync::translate::read(&event, home).is_ok())
    };
    let whole = sight.events().filter(|(_, event)| event.get("recurringEventId").is_none());
    for (home, event) in whole.filter(|(home, event)| is_something(home, event)) {
        must(links.contains_key(&id(home, event)), || {
            format!("I2: an event at Google is none here: {event:#}")
        })?;
    }
    let known: BTreeSet<String> = sight.records.iter().map(|record| record.event.id.to_string()).collect();
    for (_, event) in sight.events() {
        let mark = event["extendedProperties"]["private"]["meridian"].as_str();
        must(mark.is_none_or(|mark| known.contains(mark)), || {
            format!("I2: an event at Google carries the mark of none here: {event:#}")
        })?;
    }
    let live: BTreeSet<GoogleEventId> = sight.events().map(|(home, event)| id(home, event)).collect();
    for record in sight.live().filter(|record| !matches!(record.role, Role::Exception { .. })) {
        let gone = record.link.as_ref().filter(|link| !live.contains(&link.id));
        must(gone.is_none() || record.event.is_someday, || {
            format!("I2: an event here has ended at Google: {record:#?}")
        })?;
    }
    Ok(())
}

/// The same, of what looks like an event of its own on both sides: of one creation there are no more events than were made of it, by cutting a series, taking
/// something out of one, or bringing something back.
pub fn i2_nothing_is_there_twice(sight: &Sight, writes: &[Write]) -> Verdict {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, event) in sight.events().filter(|(_, event)| event.get("recurringEventId").is_none()) {
        if let Some(root) = shape::root_in(event["description"].as_str()) {
            *counts.entry(root).or_default() += 1;
        }
    }
    for (root, count) in counts {
        let may_make_one = |write: &&Write| {
            matches!(write.change, Change::Create(_) | Change::Return) || write.cover != Cover::All
        };
        let most = writes.iter().filter(|write| write.root == root).filter(may_make_one).count();
        must(count <= most, || {
            format!("I2: {root} is {count} events at Google, and {most} at most were made")
        })?;
    }
    Ok(())
}

/// No lost edit of either side: what was written is to be seen, or was written over, or is recorded.
pub fn i3_i4_nothing_that_was_written_is_lost(sight: &Sight, writes: &[Write]) -> Verdict {
    let texts = sight.texts();
    let lost: BTreeSet<String> = sight
        .issues
        .iter()
        .filter_map(|issue| match &issue.kind {
            IssueKind::Conflict { lost, .. } | IssueKind::TakenBack { lost, .. } => {
                Some([lost.event.title.clone(), lost.event.description.clone()])
            }
            IssueKind::UnknownZone { .. } | IssueKind::Parked { .. } => None,
        })
        .flatten()
        .flatten()
        .collect();
    for write in writes {
        for text in write.texts() {
            let is_found = texts.contains(text.as_str()) || lost.contains(&text);
            let is_hidden = || writes.iter().any(|later| later.may_hide(write));
            must(is_found || is_hidden(), || format!("I3/I4: {text:?} is lost: {write:?}"))?;
        }
    }
    Ok(())
}

/// No resurrection: what was deleted in full knowledge, and never written to again, does not live.
pub fn i5_what_was_deleted_stays_deleted(sight: &Sight, writes: &[Write]) -> Verdict {
    for end in writes.iter().filter(|write| write.ends_all) {
        let is_written_again = writes.iter().any(|later| later.root == end.root && later.number > end.number);
        let lives = |rows: &[Row]| rows.iter().any(|row| row.root() == Some(end.root.as_str()));
        must(is_written_again || !(lives(&sight.here) || lives(&sight.there)), || {
            format!("I5: it lives again: {end:?}")
        })?;
    }
    Ok(())
}

/// Isolation, of what is stored: everything that a user has came of what was written in their own calendars.
pub fn i9_everything_is_ones_own(sight: &Sight, writes: &[Write]) -> Verdict {
    let own: BTreeSet<&str> = writes.iter().map(|write| write.root.as_str()).collect();
    let texts = sight.records.iter().filter_map(|record| record.event.description.as_deref());
    let strange = texts.filter_map(|text| shape::root_in(Some(text))).find(|root| !own.contains(root));
    must(strange.is_none(), || format!("I9: {strange:?} is somebody else's"))
}

/// What nobody here may write to is as it was written there, and nothing of it is anywhere else.
pub fn what_may_only_be_read_stays_where_it_is(sight: &Sight, person: &Person) -> Verdict {
    let Some(read) = person.places.iter().find(|place| !place.is_writable) else { return Ok(()) };
    let is_in = |row: &&Row| row.calendar == read.calendar;
    let roots: BTreeSet<&str> = sight.there.iter().filter(is_in).filter_map(Row::root).collect();
    let elsewhere = sight.here.iter().chain(&sight.there).filter(|row| !is_in(row));
    let strayed = elsewhere.into_iter().find(|row| row.root().is_some_and(|root| roots.contains(root)));
    must(strayed.is_none(), || format!("an event that may only be read has another copy: {strayed:?}"))
}

/// Members of Google's that we do not know survive our writes.
pub fn i11_what_we_do_not_know_survives(sight: &Sight, writes: &[Write]) -> Verdict {
    for (_, event) in sight.events() {
        let Some(root) = shape::root_in(event["description"].as_str()) else { continue };
        let there = || writes.iter().filter(|write| write.root == root && write.side == Side::There);
        // What was made at Google has had these members from the beginning, also what was split off it.
        if !there().any(|write| matches!(write.change, Change::Create(_))) {
            continue;
        }
        let written = event["xFuture"]["written"].as_u64();
        let is_known = |write: &Write| {
            matches!(write.change, Change::Create(_) | Change::Other(_))
                && written == Some(write.number.into())
        };
        must(there().any(is_known) && event["location"].is_string(), || {
            format!("I11: members of Google's are gone: {event:#}")
        })?;
    }
    Ok(())
}

/// Time: what nobody turned into an event of the other kind is of its kind on both sides. (That all occurrences are where the rule puts them, over
/// every change of the clocks, is part of [`i1_both_sides_are_the_same`]: the two sides expand rules independently.)
pub fn i12_an_all_day_event_stays_one(sight: &Sight, writes: &[Write]) -> Verdict {
    for write in writes {
        let Change::Create(kind) = write.change else { continue };
        let is_turned =
            |other: &Write| other.root == write.root && matches!(other.change, Change::TurnAllDay);
        if writes.iter().any(is_turned) {
            continue;
        }
        let is_all_day = matches!(kind, Kind::AllDay | Kind::AllDaySeries(_));
        let rows =
            sight.here.iter().chain(&sight.there).filter(|row| row.root() == Some(write.root.as_str()));
        for row in rows {
            let has_time = row.start.contains('T');
            must(has_time != is_all_day, || format!("I12: it is of another kind: {row:?}"))?;
        }
    }
    Ok(())
}

/// Idempotence, and a stored token that is not ahead of the data: what is delivered again, and reading everything anew, changes no event.
pub fn i7_i8_nothing_was_missed(before: &Sight, after: &Sight, writes: usize) -> Verdict {
    let how = "I7/I8: all jobs again, and a repair";
    must(writes == 0, || format!("{how}: {writes} writes to Google"))?;
    must(before.here == after.here && before.there == after.there, || {
        format!("{how}: what is shown has changed\n{}", difference(&before.here, &after.here))
    })?;
    // What waits behind the end of its series is nothing to anybody, and may be cleaned up.
    let changed = after.live().find(|record| !before.records.contains(record));
    must(changed.is_none(), || {
        let is_it = |record: &&Record| changed.is_some_and(|now| now.address() == record.address());
        let was = before.records.iter().find(is_it);
        format!("{how}: it has changed\nfrom {was:?}\nto {changed:?}")
    })
}
