//! `GET /api/changes`: the log of a user, for clients that keep a copy of the calendar.

use domain::calendar::Calendar;
use domain::priority::NamedPriority;
use domain::{EventId, Record, Recurs, Refusal, Role, Shown, Tag, UserId};
use serde::{Deserialize, Serialize};

use crate::calendar::CalendarView;
use crate::event::EventView;
use crate::page;
use crate::priority::PriorityView;
use crate::user::MetadataView;

/// The header in which a list says from which cursor on its client has to be told: where the log ended before the list was read.
pub const CURSOR_HEADER: &str = "x-meridian-cursor";

/// The most entries of the log that one answer covers.
pub const LIMIT: usize = 500;

/// The entries that one answer covers when nobody says how many.
const USUAL: usize = 200;

/// The query of the request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ChangesQuery {
    /// From where on; without one, from the beginning.
    pub cursor: Option<String>,
    /// How many entries of the log at most.
    pub limit: Option<String>,
}

impl ChangesQuery {
    /// The number of entries that are asked for; more than [`LIMIT`] are not given.
    ///
    /// # Errors
    /// [`Refusal::BadField`] for what is no positive number.
    pub fn limit(&self) -> Result<usize, Refusal> {
        page::limit(self.limit.as_deref(), USUAL, LIMIT)
    }
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangesView {
    /// What changed, oldest change first; each thing once, as it is now.
    pub changes: Vec<ChangeView>,
    /// From where on to ask next.
    pub cursor: String,
    /// Whether there is more to be had at once.
    pub has_more: bool,
    /// Whether what the client has may be wrong: it shall forget it, then apply `changes`, and go on from `cursor`.
    pub reset: bool,
}

/// Something that changed: what it is, and how it is now.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ChangeView {
    /// An event. One that stands in for an occurrence of a series says which series, and counts as long as the series lists it among its
    /// exceptions.
    Event(Kept<EventView>),
    /// A series. Its occurrences are the client's to compute.
    Series(Kept<SeriesView>),
    /// A priority.
    Priority(Kept<PriorityView>),
    /// A calendar.
    Calendar(Kept<CalendarView>),
    /// The user's metadata: the settings, and how the connection to Google stands.
    Metadata(Box<MetadataView>),
}

/// What a client keeps under an id.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Kept<T> {
    /// It is there.
    Here(Box<T>),
    /// It is gone.
    Gone {
        /// Its id.
        #[serde(rename = "_id")]
        id: String,
        /// Always true.
        deleted: bool,
    },
}

impl<T> Kept<T> {
    /// Something that is there.
    pub fn here(view: T) -> Self {
        Self::Here(Box::new(view))
    }

    /// Something that is gone.
    pub fn gone(id: impl ToString) -> Self {
        Self::Gone { id: id.to_string(), deleted: true }
    }
}

/// A series: the event it is made from, with its rule.
#[derive(Clone, Debug, Serialize)]
pub struct SeriesView {
    /// The event.
    #[serde(flatten)]
    pub event: EventView,
    /// Occurrences that the rule makes and that are not shown as it makes them: another event stands in for each, or it is cancelled.
    pub exceptions: Vec<EventId>,
    /// Ids of occurrences that events have taken along. If the rule makes one there again, it has the id of [`EventId::of_occurrence_again`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<EventId>,
}

impl ChangeView {
    /// What is stored of an event of `user`. `series` is the record of a series, if it is there.
    pub fn event<'a>(
        user: UserId,
        record: Record,
        series: impl FnOnce(EventId) -> Option<&'a Record>,
    ) -> Self {
        let Record { event, role, is_deleted, .. } = record;
        let view = |event, recurs| EventView::new(user, Shown { event, recurs });
        match role {
            Role::Series(_) if is_deleted => Self::Series(Kept::gone(event.id)),
            _ if is_deleted => Self::Event(Kept::gone(event.id)),
            Role::Single => Self::Event(Kept::here(view(event, Recurs::No))),
            Role::Series(series) => {
                let (id, tag) = (event.id, Tag::of(event.id));
                let exceptions = series.exceptions.iter().map(|slot| series.id_of(id, *slot)).collect();
                let left = series.left.iter().map(|slot| EventId::of_occurrence(tag, *slot)).collect();
                let event = view(event, Recurs::Base(series.rule()));
                Self::Series(Kept::here(SeriesView { event, exceptions, left }))
            }
            Role::Exception { series: id, .. } => {
                let base = series(id).and_then(|base| Some((base, base.series()?)));
                let recurs = base.map_or(
                    Recurs::Occurrence { series: id, google_id: None, rule: [].into() },
                    |(base, series)| Recurs::occurrence_of(&base.event, series),
                );
                Self::Event(Kept::here(view(event, recurs)))
            }
        }
    }

    /// A priority of `user`.
    pub fn priority(user: UserId, priority: NamedPriority, is_deleted: bool) -> Self {
        Self::Priority(match is_deleted {
            true => Kept::gone(priority.id),
            false => Kept::here(PriorityView::new(user, priority)),
        })
    }

    /// A calendar of `user`.
    pub fn calendar(user: UserId, calendar: Calendar, is_deleted: bool) -> Self {
        Self::Calendar(match is_deleted {
            true => Kept::gone(calendar.id),
            false => Kept::here(CalendarView::new(user, calendar)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(text: &str) -> Option<usize> {
        ChangesQuery { limit: Some(text.into()), ..ChangesQuery::default() }.limit().ok()
    }

    #[test]
    fn a_page_is_bounded() {
        assert_eq!(ChangesQuery::default().limit().ok(), Some(USUAL));
        assert_eq!((limit("1"), limit("500"), limit("9999")), (Some(1), Some(LIMIT), Some(LIMIT)));
        for wrong in ["", "0", "-1", "x", "1.5", "99999999999999999999999"] {
            assert_eq!(limit(wrong), None, "{wrong}");
        }
    }
}
