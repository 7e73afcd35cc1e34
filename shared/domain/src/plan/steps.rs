//! From what is stored and what is wanted to what has to be written.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::Context;
use crate::{Address, Change, Event, Link, Record, Records, Role, Series, Tag};

/// How many exceptions may change together with their series: where the slots of a series move onto each other, what is stored for one is right
/// neither before the move nor after it. They fit into one transaction.
const TOGETHER: usize = 60;
/// How much they may weigh together, in bytes.
const WEIGHT_TOGETHER: usize = 800_000;

/// What has to be written, in three steps. Nearly always they are one transaction. A plan that is too large for one is written step by
/// step, and after each transaction the calendar is right:
///
/// * what is prepared is not listed by any series yet, so it does not count;
/// * the commit moves everything over at once;
/// * what is left to clean is not listed by any series any more, or is an exception that follows its series' new texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Steps {
    /// Exceptions that will count once they are listed.
    pub prepare: Vec<Change>,
    /// Series and single events, and exceptions that take the place of another of the same series.
    pub commit: Vec<Change>,
    /// Exceptions that no longer count, or that only follow.
    pub clean: Vec<Change>,
}

impl Steps {
    /// No steps at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// One change.
    pub fn of(change: Change) -> Self {
        Self { commit: vec![change], ..Self::default() }
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.prepare.len() + self.commit.len() + self.clean.len()
    }

    /// About how many bytes the records of these changes take.
    pub fn weight(&self) -> usize {
        self.changes().map(|change| change.record.weight()).sum()
    }

    /// All changes, in order.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.prepare.iter().chain(&self.commit).chain(&self.clean)
    }

    /// All changes, in order.
    pub fn into_changes(self) -> impl Iterator<Item = Change> {
        self.prepare.into_iter().chain(self.commit).chain(self.clean)
    }

    /// These steps and then those, which were planned on top of them. Of two changes of one record only the later is written.
    pub fn then(mut self, later: Self) -> Self {
        let Self { prepare, commit, clean } = later;
        for (part, changes) in [(0, prepare), (1, commit), (2, clean)] {
            for mut change in changes {
                let earlier = self.take(change.record.address());
                change.views = earlier.map_or(change.views, |earlier| earlier.views.union(change.views));
                self.parts()[part].push(change);
            }
        }
        self
    }

    fn parts(&mut self) -> [&mut Vec<Change>; 3] {
        [&mut self.prepare, &mut self.commit, &mut self.clean]
    }

    fn take(&mut self, address: Address) -> Option<Change> {
        self.parts().into_iter().find_map(|changes| {
            let place = changes.iter().position(|change| change.record.address() == address)?;
            Some(changes.remove(place))
        })
    }

    /// From the records `old` to the records `wanted`: what is wanted no more is deleted, what stays the same is not written.
    pub(super) fn between(
        old: &[&Record],
        wanted: Vec<Record>,
        records: &Records,
        context: &Context,
    ) -> Self {
        let mut steps = Self::default();
        let wanted: BTreeMap<Address, Record> =
            wanted.into_iter().map(|record| (record.address(), record)).collect();
        // Deletions first: a client that follows the log sees an id end as one thing before it begins as another.
        for gone in old.iter().filter(|record| !wanted.contains_key(&record.address())) {
            let lives_on = wanted.values().any(|next| next.event.id == gone.event.id && !next.is_deleted);
            let ends = match gone.role {
                Role::Exception { series, .. } => {
                    let is_series_left = wanted.values().any(|next| next.event.id == series);
                    let change = records.lists(&gone.role).then(|| unlisted(gone, is_series_left, context));
                    steps.clean.extend(change.flatten());
                    continue;
                }
                Role::Single | Role::Series(_) => !gone.is_deleted || (lives_on && gone.is_dirty),
            };
            if ends {
                steps.commit.push(deleted(gone, lives_on, context));
            }
        }
        let series_on_grid: BTreeSet<Tag> = wanted
            .values()
            .filter(|record| record.series().is_some() && !record.event.is_someday)
            .map(|record| Tag::of(record.event.id))
            .collect();
        for (address, mut next) in wanted {
            let stored = records.get(address);
            // Google makes an occurrence in each slot of a series, and has to learn of one that is not on the grid.
            let is_at_google = match address {
                Address::Exception(tag, _) => series_on_grid.contains(&tag),
                Address::Single(_) | Address::Series(_) => false,
            };
            // What it was before under the same id, elsewhere: Google may have a copy of that.
            let was = old.iter().find(|gone| gone.event.id == next.event.id && gone.address() != address);
            let has_copy = is_at_google || context.concerns_google(was.copied(), false);
            let is_listed = records.lists(&next.role);
            if comes_back(was.copied().or(stored), &next) {
                next.link = next.link.map(Link::deleted);
            }
            if let Some(change) = changed(stored, is_listed, has_copy, next, context) {
                steps.push(stored, change, is_listed);
            }
        }
        steps
    }

    /// Whether one more exception may change together with its series.
    fn has_room_for(&self, change: &Change) -> bool {
        let weight: usize = self.commit.iter().map(|change| change.record.weight()).sum();
        self.commit.len() < TOGETHER && weight + change.record.weight() <= WEIGHT_TOGETHER
    }

    fn push(&mut self, stored: Option<&Record>, change: Change, is_listed: bool) {
        let is_exception = matches!(change.record.role, Role::Exception { .. });
        let is_elsewhere = |stored: &Record| {
            let next = &change.record;
            stored.is_deleted != next.is_deleted || !stored.event.span.is_same_time(&next.event.span)
        };
        if !is_exception {
            self.commit.push(change);
        } else if !is_listed {
            self.prepare.push(change);
        } else if stored.is_none_or(is_elsewhere) && self.has_room_for(&change) {
            self.commit.push(change);
        } else {
            self.clean.push(change);
        }
    }
}

/// The end of an event or a series. What lives on under the same id has taken the link along.
fn deleted(gone: &Record, lives_on: bool, context: &Context) -> Change {
    let mut change = Change::delete(gone, !lives_on && context.concerns_google(Some(gone), false));
    change.record.event.updated_at = made_at(Some(gone), context);
    if lives_on {
        change.record.link = None;
    }
    change
}

/// The end of an exception that has lost its slot, if that is any news. Google learns of it from the series; until then it may have the exception,
/// which matters if the slot comes back before that (`sync::relisted`). With a series that is deleted it ends for good.
fn unlisted(gone: &Record, is_series_left: bool, context: &Context) -> Option<Change> {
    let is_there = is_series_left && context.is_connected && (gone.link.is_some() || gone.is_dirty);
    let mut change = Change::delete(gone, is_there);
    if !is_there {
        change.record.link = None;
    }
    if gone.is_deleted {
        return (change.record != *gone).then_some(change);
    }
    change.record.event.updated_at = made_at(Some(gone), context);
    Some(change)
}

/// The step to a record's next state, if it is another. `is_listed` says whether what is stored in this place counts: what waits there unseen, or
/// is left of a slot that was given up, was told to nobody. `has_copy` says that Google may have one, whatever is stored in this place.
fn changed(
    stored: Option<&Record>,
    is_listed: bool,
    has_copy: bool,
    mut next: Record,
    context: &Context,
) -> Option<Change> {
    next.is_dirty = context.concerns_google(stored, has_copy || !next.event.is_someday);
    next.event.updated_at = made_at(stored, context);
    if stored.is_some_and(|stored| !is_listed && is_prepared(stored, &next)) {
        return None;
    }
    let is_alike =
        |stored: &&Record| is_listed && stored.is_deleted == next.is_deleted && stored.link == next.link;
    let Some(stored) = stored.filter(is_alike) else {
        return Some(Change::new(stored, next));
    };
    // A place in a list and lists of slots are nothing to Google, and no edit to a reader.
    let (order, updated_at) = (stored.event.order, stored.event.updated_at);
    let is_same = Event { order, updated_at, ..next.event.clone() } == stored.event;
    if is_same && is_same_rule(&stored.role, &next.role) {
        if next.event.order == order && next.role == stored.role {
            return None;
        }
        next.is_dirty = stored.is_dirty;
        next.event.updated_at = updated_at;
    }
    Some(Change::new(Some(stored), next))
}

/// Whether a try before, which was broken off, has written it. Written again, a plan of many parts would never get beyond its first.
fn is_prepared(stored: &Record, next: &Record) -> bool {
    let (rev, seen) = (stored.rev, stored.seen);
    let event = Event { updated_at: stored.event.updated_at, ..next.event.clone() };
    *stored == Record { event, rev, seen, ..next.clone() }
}

/// When a change counts as made: never before what it was made on, whichever of two clocks is slow. Who wins against Google depends on it.
fn made_at(stored: Option<&Record>, context: &Context) -> DateTime<Utc> {
    let known =
        stored.map(|stored| (stored.event.updated_at, stored.link.as_ref().and_then(|link| link.updated_at)));
    let known = known.into_iter().flat_map(|(ours, theirs)| [Some(ours), theirs]).flatten();
    known.fold(context.now, DateTime::max)
}

/// Whether an event comes back to the grid, from the other shelf or from its end: its copy may be deleted by now, and only the answer was lost.
fn comes_back(before: Option<&Record>, next: &Record) -> bool {
    let is_on_grid = |record: &Record| record.live().is_some_and(|event| !event.is_someday);
    is_on_grid(next) && before.is_some_and(|before| !is_on_grid(before))
}

fn is_same_rule(a: &Role, b: &Role) -> bool {
    match (a, b) {
        (Role::Series(a), Role::Series(b)) => {
            *a == Series { exceptions: a.exceptions.clone(), left: a.left.clone(), ..b.clone() }
        }
        (a, b) => a == b,
    }
}
