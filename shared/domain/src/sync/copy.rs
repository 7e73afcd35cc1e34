//! What Google says of an event, in our terms.

use crate::{Event, EventId, EventTime, GoogleEventId, Link, Origin, Role, Series, Shared, Slot, Span, Tag};
use chrono::{DateTime, TimeDelta, Utc};

/// An event as Google has it now: a single one, a series, or an occurrence that is not as its series makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Copy {
    /// The base of the next merge, with the version.
    pub link: Link,
    /// Where it came from first, if it carries our mark.
    pub origin: Option<Origin>,
}

/// What an entry of a list says.
#[derive(Clone, Debug, PartialEq)]
pub enum Theirs {
    /// The event is like this.
    Live(Box<Copy>),
    /// The event is deleted, be it a series or a single one.
    Gone(GoogleEventId),
    /// An occurrence of a series has become an exception.
    Exception(Box<Exception>),
}

/// What an entry of a list says of one occurrence.
#[derive(Clone, Debug, PartialEq)]
pub struct Exception {
    /// The occurrence's id.
    pub id: GoogleEventId,
    /// The id of its series.
    pub series: GoogleEventId,
    /// Where the series' rule put it.
    pub slot: Slot,
    /// What it is like; none when it is cancelled.
    pub copy: Option<Copy>,
}

impl Copy {
    /// The event that is new to us. `origin` is what it is said to come from if it does not say so itself.
    pub fn adopt(&self, origin: Origin, now: DateTime<Utc>) -> Event {
        let Shared { title, description, span, priority, .. } = self.link.base.clone();
        Event {
            id: EventId::of_google(&self.link.id),
            title,
            description,
            is_all_day: span.is_all_day(),
            span,
            is_someday: false,
            priority,
            origin: self.origin.unwrap_or(origin),
            order: None,
            google_id: Some(self.link.id.clone()),
            updated_at: now,
        }
    }
}

impl Exception {
    /// The id of its series here.
    pub fn series_id(&self) -> EventId {
        EventId::of_google(&self.series)
    }

    /// Its id here.
    pub fn event_id(&self) -> EventId {
        EventId::of_occurrence(Tag::of(self.series_id()), self.slot)
    }

    /// The event of a cancelled occurrence, of which Google says no more than where it was; `base` is its series, if it is known.
    pub(super) fn cancelled(&self, base: Option<(&Event, &Series)>, now: DateTime<Utc>) -> Event {
        let slot = self.slot;
        if let Some((base, series)) = base {
            return Event { updated_at: now, ..series.occurrence(base, slot) };
        }
        let start = match slot.date() {
            Some(date) => EventTime::from(date),
            None => EventTime::from(slot.instant().fixed_offset()),
        };
        let zone = start.zone();
        Event {
            id: self.event_id(),
            title: None,
            description: None,
            span: Span::lasting(start, TimeDelta::zero(), &zone),
            is_all_day: slot.date().is_some(),
            is_someday: false,
            priority: crate::Priority::default(),
            origin: Origin::Google,
            order: None,
            google_id: Some(self.id.clone()),
            updated_at: now,
        }
    }

    /// Its place and kind here.
    pub(super) fn role(&self) -> Role {
        Role::Exception { series: self.series_id(), slot: self.slot }
    }
}

impl Theirs {
    /// The event's id here.
    pub fn id(&self) -> EventId {
        match self {
            Self::Live(_) | Self::Gone(_) => EventId::of_google(self.google_id()),
            Self::Exception(exception) => exception.event_id(),
        }
    }

    /// What a traversal notes of it: its id, but for an exception, which what left its slot may have taken along. That is known here only where its series
    /// is, so there it is always the other one.
    pub fn mark(&self) -> EventId {
        match self {
            Self::Live(_) | Self::Gone(_) => self.id(),
            Self::Exception(exception) => {
                EventId::of_occurrence_again(Tag::of(exception.series_id()), exception.slot)
            }
        }
    }

    /// The copy's id at Google. Two copies may belong to one event here.
    pub fn google_id(&self) -> &GoogleEventId {
        match self {
            Self::Live(copy) => &copy.link.id,
            Self::Gone(id) => id,
            Self::Exception(exception) => &exception.id,
        }
    }

    /// What it is like; none when it is deleted or cancelled.
    pub fn copy(&self) -> Option<&Copy> {
        match self {
            Self::Live(copy) => Some(copy),
            Self::Gone(_) => None,
            Self::Exception(exception) => exception.copy.as_ref(),
        }
    }
}
