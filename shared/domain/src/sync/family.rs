//! What an event of Google's means for a family: the series, its exceptions, and the single event that a series may have been or become.
//!
//! What is decided about the event itself stands in [`super::one`]. Here is where its record lies, and which slots a series lists:
//!
//! * An exception counts when its series lists its slot, and a series lists a slot of its rule as soon as something of Google's is stored there. So an
//!   exception that comes before its series, or before the rule that makes its slot, waits unseen in its place, and every order of the same entries
//!   has the same end.
//! * A cancelled occurrence is a slot that is listed and has a tombstone, whose link tells it from one that only made room.
//! * A series that ends takes its exceptions along. They keep no link, so they do not come back with it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::{
    Address, Change, Event, EventId, Link, Origin, Record, Records, Role, Series, Slot, Steps, Tag, Views,
};

use super::Theirs;
use super::occurrence::occurrence;
use super::one::{Conflict, Decision, decide, role};
use super::outbound::{at_google, exceptions_to_send};

/// What to do about an event of Google's and what belongs to it.
#[derive(Debug, Default)]
pub struct Resolution {
    /// What is to be written.
    pub steps: Steps,
    /// What lost.
    pub conflicts: Vec<Conflict>,
    /// Whether Google has exceptions of which nothing is stored: they ended with their series, and that lives again. Everything has to be read anew.
    pub is_short: bool,
}

/// Brings entries of a list into the order in which they are to be taken: what comes after its series finds it as it is at Google.
pub fn in_order(entries: &mut [Theirs]) {
    entries.sort_by_key(|theirs| matches!(theirs, Theirs::Exception(_)));
}

/// Decides about an event of Google's, given its record, its series and, unless it is an exception, what is stored of its exceptions.
pub fn resolve(records: &Records, theirs: &Theirs, origin: Origin, now: DateTime<Utc>) -> Resolution {
    match theirs {
        Theirs::Exception(exception) => occurrence(records, exception, theirs, origin, now),
        Theirs::Live(_) | Theirs::Gone(_) => whole(records, theirs, origin, now),
    }
}

/// What is stored in a place, to be sent because Google has something else and waits for nothing more: it never had the event, or has refused the last
/// edit of it. No client can see it. The exceptions of a series follow when Google has it ([`super::answered`]).
pub fn unsent(records: &Records, address: Address) -> Steps {
    let Some(record) = records.get(address).filter(|record| !record.is_dirty) else { return Steps::none() };
    let is_exception = matches!(record.role, Role::Exception { .. });
    // A cancelled occurrence is told of as well; other deletions are when Google shows what was deleted ([`undeleted`]).
    if record.is_deleted && !is_exception {
        return Steps::none();
    }
    let is_someday = record.event.is_someday;
    let is_listed = match &record.role {
        Role::Exception { series, slot } => {
            // Of a series that Google has none of, it has no occurrences either.
            let series = series_of(records, *series).filter(|series| at_google(series).is_some());
            series.and_then(Record::series).is_some_and(|series| series.exceptions.contains(slot))
        }
        Role::Single | Role::Series(_) => true,
    };
    let is_told = match &record.link {
        Some(link) if record.is_deleted || is_someday => !link.has_copy(),
        Some(link) => link.base.is_same(&record.shared()),
        None => is_someday && !record.is_deleted,
    };
    let mut steps = Steps::none();
    if is_listed && !is_told {
        steps.commit.push(to_send(record.clone()));
    }
    steps
}

/// The deletion of what Google shows all the same, to be sent once more: it has refused the last one. Of an occurrence Google shows the cancellation.
pub fn undeleted(records: &Records, address: Address) -> Steps {
    let refused = records.get(address).filter(|record| {
        let has_copy = record.link.as_ref().is_some_and(Link::has_copy);
        record.is_deleted && !record.is_dirty && has_copy && !matches!(record.role, Role::Exception { .. })
    });
    Steps { commit: refused.cloned().map(to_send).into_iter().collect(), ..Steps::none() }
}

/// The same, to be sent: no client can see that.
pub(super) fn to_send(record: Record) -> Change {
    Change { record: Record { is_dirty: true, ..record }, views: Views::default() }
}

/// The record of the series with this id, tombstones included.
pub(super) fn series_of(records: &Records, id: EventId) -> Option<&Record> {
    // Two series may share a tag, if only in theory.
    records.get(Address::Series(Tag::of(id))).filter(|record| record.event.id == id)
}

/// What is stored under the id of a single event or of a series: what lives, else what ended last.
pub(super) fn stored_of(records: &Records, id: EventId) -> Option<&Record> {
    let places = [records.get(Address::Single(id)), series_of(records, id)];
    places.into_iter().flatten().max_by_key(|record| (!record.is_deleted, record.rev))
}

fn whole(records: &Records, theirs: &Theirs, origin: Origin, now: DateTime<Utc>) -> Resolution {
    let id = theirs.id();
    let stored = stored_of(records, id);
    let Decision { change, conflict } = decide(stored, theirs, origin, now);
    let mut resolution = Resolution { conflicts: conflict.into_iter().collect(), ..Resolution::default() };
    let Some(mut change) = change else {
        resolution.steps.prepare = outlived(records, stored, theirs);
        return resolution;
    };
    let was = stored.and_then(Record::series);
    resolution.is_short = has_left_exceptions(stored) && change.record.series().is_some();
    let is_new_there = stored.is_some_and(|stored| stored.link.is_none()) && change.record.link.is_some();
    if let Some(next) = change.record.series() {
        let listed = listed(records, was, &change.record.event, next);
        resolution.conflicts.extend(unlisted_edits(records, id, was, &listed));
        resolution.steps.clean.extend(dropped(records, id, theirs, &listed));
        let left = if was.is_some() { next.left.clone() } else { records.left_before(id) };
        change.record.role = Role::Series(Series { exceptions: listed, left, ..next.clone() });
        if is_new_there {
            // Of a series whose insert is only now known to have been done.
            let unsent = exceptions_to_send(records, &change.record, false);
            resolution.steps.prepare.extend(unsent);
        }
        if stored.is_some_and(Record::is_aside) {
            let back = exceptions_to_send(records, &change.record, true).into_iter().map(back_on_grid);
            resolution.steps.clean = back.collect();
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

/// An exception goes with its series back to the grid.
fn back_on_grid(mut change: Change) -> Change {
    let was = change.record.live().map(Views::of).unwrap_or_default();
    change.record.event.is_someday = false;
    let is = change.record.live().map(Views::of).unwrap_or_default();
    Change { views: was.union(is), ..change }
}

/// The exceptions of a series that is deleted at Google and lives on here: whatever it gets there is new, and has none.
fn outlived(records: &Records, stored: Option<&Record>, theirs: &Theirs) -> Vec<Change> {
    let is_gone = matches!(theirs, Theirs::Gone(_));
    let stored = stored.filter(|stored| {
        let is_its_own = stored.link.as_ref().is_none_or(|link| link.id == *theirs.google_id());
        is_gone && is_its_own && !stored.event.is_someday
    });
    stored.map(|stored| exceptions_to_send(records, stored, true)).unwrap_or_default()
}

/// What became of exceptions whose slots Google's version of their series has no more, and which Google has dropped with them: they end, or are to be
/// sent anew if the series here has their slots still.
fn dropped(records: &Records, id: EventId, theirs: &Theirs, listed: &BTreeSet<Slot>) -> Vec<Change> {
    let Some(copy) = theirs.copy() else { return Vec::new() };
    let event = copy.adopt(Origin::Google, DateTime::UNIX_EPOCH);
    let made = role(&Role::Single, copy.link.base.rule.as_ref(), &event);
    let there = made.map(|role| Record::new(event, role, None));
    let is_dropped = |record: &&Record| {
        let is_kept = |slot| there.as_ref().is_some_and(|there| has(there, slot));
        record.link.is_some() && slot_of(record).is_some_and(|slot| !is_kept(slot))
    };
    let become_of = |record: &Record| match slot_of(record).is_some_and(|slot| listed.contains(&slot)) {
        true => Some(to_send(Record { link: None, ..record.clone() })),
        false => ended(record),
    };
    exceptions(records, id).filter(is_dropped).filter_map(become_of).collect()
}

/// Whether this is a series that has ended and took exceptions along.
fn has_left_exceptions(stored: Option<&Record>) -> bool {
    stored.is_some_and(|stored| match &stored.role {
        Role::Series(series) => stored.is_deleted && !series.exceptions.is_empty(),
        Role::Single | Role::Exception { .. } => false,
    })
}

/// What is stored of a series' exceptions, as far as it was read.
pub(super) fn exceptions(records: &Records, id: EventId) -> impl Iterator<Item = &Record> {
    records.iter().filter(move |record| matches!(record.role, Role::Exception { series, .. } if series == id))
}

/// The end of an exception whose series has ended.
pub(super) fn ended(exception: &Record) -> Option<Change> {
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
    // What ended here with its slot, and is yet to end at Google, does not wait.
    let waiting = exceptions(records, event.id).filter(|record| record.link.is_some());
    let waiting = waiting.filter(|record| !(record.is_deleted && record.is_dirty)).filter_map(slot_of);
    let pattern = series.pattern(event);
    let before = was.into_iter().flat_map(|was| was.exceptions.iter().copied());
    before.chain(waiting).filter(|slot| pattern.contains(*slot)).collect()
}

pub(super) fn slot_of(record: &Record) -> Option<Slot> {
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
) -> Vec<Conflict> {
    let Some(was) = was else { return Vec::new() };
    let is_lost = |record: &&Record| {
        let counted =
            slot_of(record).is_some_and(|slot| was.exceptions.contains(&slot) && !listed.contains(&slot));
        counted && !record.is_deleted && (record.is_dirty || record.link.is_none())
    };
    let lost = exceptions(records, id).filter(is_lost);
    lost.map(|record| Conflict::of(record, Vec::new())).collect()
}

/// Whether the rule of a series has a slot.
pub(super) fn has(series: &Record, slot: Slot) -> bool {
    series.series().is_some_and(|now| now.pattern(&series.event).contains(slot))
}

/// The series with one more slot listed, if its rule has it.
pub(super) fn listing(base: &Record, slot: Slot) -> Option<Change> {
    let series = base.series()?;
    if series.exceptions.contains(&slot) || !has(base, slot) {
        return None;
    }
    let mut series = series.clone();
    series.exceptions.insert(slot);
    let record = Record { role: Role::Series(series), ..base.clone() };
    Some(Change { record, views: Views::of(&base.event) })
}
