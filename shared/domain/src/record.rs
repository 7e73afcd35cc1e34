//! What is stored of an event, and how a plan says what shall be stored next.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Event, EventId, GoogleEventId, Role, Rule, Series, Shared, Shelf, Slot, Tag};

/// A position in a user's log of changes: gap-free, in commit order, starting at 1.
pub type Rev = u64;

/// The views of the web app, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// When it last changed, by Google's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<DateTime<Utc>>,
    /// What both sides agreed on last.
    pub base: Shared,
    /// The copy as Google sent it, as JSON text: fields that we do not know must survive our writes.
    pub raw: String,
}

impl Link {
    /// What is known of an occurrence that is cancelled: its id.
    pub fn cancelled(id: GoogleEventId, event: &Event) -> Self {
        Self { id, etag: String::new(), updated_at: None, base: event.shared(), raw: "{}".to_owned() }
    }

    /// What is known of a copy that is deleted: what it was, and up to which version.
    pub fn deleted(self) -> Self {
        Self { etag: String::new(), ..self }
    }

    /// Whether a version is known that lives, as far as we know.
    pub fn has_copy(&self) -> bool {
        !self.etag.is_empty()
    }
}

/// Where a record lies. A series and its occurrences' exceptions lie side by side, under the series' tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A single event.
    Single(EventId),
    /// A series.
    Series(Tag),
    /// The exception in a slot of a series.
    Exception(Tag, Slot),
}

/// The stored state of one event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The event; of a tombstone, its last state.
    pub event: Event,
    /// What it is in the calendar.
    pub role: Role,
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
    /// A record that is not stored yet.
    pub fn new(event: Event, role: Role, link: Option<Link>) -> Self {
        let (rev, seen) = Default::default();
        Self { event, role, rev, seen, link, is_dirty: false, is_deleted: false }
    }

    /// Where it lies.
    pub fn address(&self) -> Address {
        match &self.role {
            Role::Single => Address::Single(self.event.id),
            Role::Series(_) => Address::Series(Tag::of(self.event.id)),
            Role::Exception { series, slot } => Address::Exception(Tag::of(*series), *slot),
        }
    }

    /// What a traversal that has seen Google's copy of it has noted ([`crate::sync::Theirs::mark`]).
    pub fn mark(&self) -> EventId {
        match &self.role {
            Role::Single | Role::Series(_) => self.event.id,
            Role::Exception { series, slot } => EventId::of_occurrence_again(Tag::of(*series), *slot),
        }
    }

    /// What makes it a series, if it is one and is not deleted.
    pub fn series(&self) -> Option<&Series> {
        match &self.role {
            Role::Series(series) if !self.is_deleted => Some(series),
            _ => None,
        }
    }

    /// About how many bytes it takes to store it.
    pub fn weight(&self) -> usize {
        /// The fields that are never long, and their names.
        const FIXED: usize = 1_000;
        /// Of a slot that its series lists.
        const SLOT: usize = 10;
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let role = match &self.role {
            Role::Series(series) => {
                let lines: usize = series.recurrence.lines().iter().map(String::len).sum();
                lines + SLOT * (series.exceptions.len() + series.left.len())
            }
            Role::Single | Role::Exception { .. } => 0,
        };
        let link = self
            .link
            .as_ref()
            .map_or(0, |link| link.raw.len() + length(&link.base.title) + length(&link.base.description));
        FIXED + length(&self.event.title) + length(&self.event.description) + role + link
    }

    /// What it has in common with its copy at Google.
    pub fn shared(&self) -> Shared {
        let rule = match &self.role {
            Role::Series(series) => Some(Rule { zone: series.zone, recurrence: series.recurrence.clone() }),
            Role::Single | Role::Exception { .. } => None,
        };
        Shared { rule, ..self.event.shared() }
    }

    /// Whether it is a someday event of whose former copy at Google nothing is left to say: it is deleted there.
    pub fn is_aside(&self) -> bool {
        !self.is_deleted && self.event.is_someday && !self.is_dirty && self.link.is_some()
    }

    /// Whether it has an edit that Google has refused: nothing waits to be sent, and Google has something else.
    pub fn is_refused(&self) -> bool {
        let is_other = |link: &Link| link.has_copy() && !link.base.is_same(&self.shared());
        !self.is_deleted
            && !self.event.is_someday
            && !self.is_dirty
            && self.link.as_ref().is_some_and(is_other)
    }

    /// The event, unless it is deleted.
    pub fn live(&self) -> Option<&Event> {
        (!self.is_deleted).then_some(&self.event)
    }
}

/// One step of a plan: the state an event shall have next. The store adds the rev.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The event's next state. `rev` and `seen` are those before the change.
    pub record: Record,
    /// The views in which it can be seen, before or after.
    pub views: Views,
}

impl Change {
    /// From what is stored now to `next`, whose own rev and marks of views do not matter.
    pub fn new(stored: Option<&Record>, next: Record) -> Self {
        let before = stored.and_then(Record::live).map(Views::of).unwrap_or_default();
        let after = next.live().map(Views::of).unwrap_or_default();
        let (rev, seen) = stored.map(|record| (record.rev, record.seen)).unwrap_or_default();
        Self { record: Record { rev, seen, ..next }, views: before.union(after) }
    }

    /// From what is stored now to a single event.
    pub fn put(stored: Option<&Record>, event: Event, link: Option<Link>, is_dirty: bool) -> Self {
        Self::new(stored, Record { is_dirty, ..Record::new(event, Role::Single, link) })
    }

    /// From what is stored now to a tombstone.
    pub fn delete(stored: &Record, is_dirty: bool) -> Self {
        Self::new(Some(stored), Record { is_dirty, is_deleted: true, ..stored.clone() })
    }

    /// The event it is about.
    pub fn id(&self) -> EventId {
        self.record.event.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_view_remembers_when_it_last_saw_a_change() {
        let grid = Views { is_grid: true, is_someday: false };
        let someday = Views { is_grid: false, is_someday: true };
        let seen = Seen::default().at(5, grid.union(someday)).at(7, someday);
        assert_eq!(seen, Seen { grid: 5, someday: 7 });
    }
}
