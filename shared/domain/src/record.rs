//! What is stored of an event, and how a plan says what shall be stored next.

use serde::{Deserialize, Serialize};

use crate::{Event, EventId, GoogleEventId, Shared, Shelf};

/// A position in a user's log of changes: gap-free, in commit order, starting at 1.
pub type Rev = u64;

/// The views of the web app, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Views {
    /// The calendar grid (`EVENT_CHANGED`).
    pub is_grid: bool,
    /// The someday lists (`SOMEDAY_EVENT_CHANGED`).
    pub is_someday: bool,
}

impl Views {
    /// The view that shows this event.
    pub fn of(event: &Event) -> Self {
        Self { is_grid: event.shelf() == Shelf::Grid, is_someday: event.shelf() == Shelf::Someday }
    }

    /// What either shows.
    pub fn union(self, other: Self) -> Self {
        Self { is_grid: self.is_grid || other.is_grid, is_someday: self.is_someday || other.is_someday }
    }
}

/// The last rev at which an event's change could be seen in each view; 0 for never.
///
/// One rev is not enough: an event that moved from the grid to a list at rev 5 and was renamed there at rev 7 must still tell
/// a client that has seen rev 4 to refresh its grid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// On the grid.
    pub grid: Rev,
    /// In a someday list.
    pub someday: Rev,
}

impl Seen {
    /// After a change at `rev` that shows in `views`.
    pub fn at(self, rev: Rev, views: Views) -> Self {
        Self {
            grid: if views.is_grid { rev } else { self.grid },
            someday: if views.is_someday { rev } else { self.someday },
        }
    }
}

/// What we know of an event's copy at Google: the base of the three-way merge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The copy's id.
    pub id: GoogleEventId,
    /// Its version, for `If-Match`.
    pub etag: String,
    /// What both sides agreed on last.
    pub base: Shared,
    /// The copy as Google sent it, as JSON text: fields that we do not know must survive our writes.
    pub raw: String,
}

/// The stored state of one event.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The event; of a tombstone, its last state.
    pub event: Event,
    /// When in the log it last changed.
    pub rev: Rev,
    /// When in the log each view could last see it change.
    pub seen: Seen,
    /// Its copy at Google, if one is known.
    pub link: Option<Link>,
    /// Whether Google has yet to learn of the last change.
    pub is_dirty: bool,
    /// Whether it is a tombstone.
    pub is_deleted: bool,
}

impl Record {
    /// The event, unless it is deleted.
    pub fn live(&self) -> Option<&Event> {
        (!self.is_deleted).then_some(&self.event)
    }
}

/// One step of a plan: the state an event shall have next. The store adds the rev.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The event's next state. `rev` and `seen` are those before the change.
    pub record: Record,
    /// The views in which it can be seen, before or after.
    pub views: Views,
}

impl Change {
    /// From what is stored now to `event`.
    pub fn put(stored: Option<&Record>, event: Event, link: Option<Link>, is_dirty: bool) -> Self {
        Self::step(stored, event, link, is_dirty, false)
    }

    /// From what is stored now to a tombstone.
    pub fn delete(stored: &Record, is_dirty: bool) -> Self {
        Self::step(Some(stored), stored.event.clone(), stored.link.clone(), is_dirty, true)
    }

    fn step(
        stored: Option<&Record>,
        event: Event,
        link: Option<Link>,
        is_dirty: bool,
        is_deleted: bool,
    ) -> Self {
        let before = stored.and_then(Record::live).map(Views::of).unwrap_or_default();
        let after = if is_deleted { Views::default() } else { Views::of(&event) };
        let (rev, seen) = stored.map(|record| (record.rev, record.seen)).unwrap_or_default();
        let record = Record { event, rev, seen, link, is_dirty, is_deleted };
        Self { record, views: before.union(after) }
    }

    /// The event it is about.
    pub fn id(&self) -> EventId {
        self.record.event.id
    }
}
