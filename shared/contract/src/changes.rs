//! `GET /api/changes`: the log of a user, for clients that keep a copy of the calendar.

use domain::{EventId, Record, Recurs, Refusal, Role, Series, Shown, Tag, UserId};
use serde::{Deserialize, Serialize};

use crate::event::EventView;

/// The header in which a list of events says from which cursor on its client has to be told: where the log ended before the list was read.
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
        let Some(text) = self.limit.as_deref() else { return Ok(USUAL) };
        match text.parse::<usize>() {
            Ok(limit) if limit > 0 => Ok(limit.min(LIMIT)),
            _ => Err(Refusal::field("limit", "must be a positive number")),
        }
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

/// Something that changed.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum ChangeView {
    /// An event as it is now. One that stands in for an occurrence of a series says which series, and counts as long as the series lists it among its
    /// exceptions.
    Event(Box<EventView>),
    /// A series as it is now: the event it is made from, with its rule. Its occurrences are the client's to compute.
    Series {
        /// The event.
        #[serde(flatten)]
        event: Box<EventView>,
        /// Occurrences that the rule makes and that are not shown as it makes them: another event stands in for each, or it is cancelled.
        exceptions: Vec<EventId>,
    },
    /// An event that is gone.
    Tombstone {
        /// Its id.
        #[serde(rename = "_id")]
        id: String,
        /// Always true.
        deleted: bool,
    },
}

impl ChangeView {
    /// What is stored of an event of `user`, for the wire. `series` is the record of a series, if it is there.
    pub fn new<'a>(user: UserId, record: Record, series: impl FnOnce(EventId) -> Option<&'a Record>) -> Self {
        let Record { event, role, is_deleted, .. } = record;
        let view = |event, recurs| Box::new(EventView::new(user, Shown { event, recurs }));
        match role {
            _ if is_deleted => Self::Tombstone { id: event.id.to_string(), deleted: true },
            Role::Single => Self::Event(view(event, Recurs::No)),
            Role::Series(series) => {
                let exceptions = exceptions(event.id, &series);
                Self::Series { event: view(event, Recurs::Base(series.rule())), exceptions }
            }
            Role::Exception { series: id, .. } => {
                let base = series(id).and_then(|base| Some((base, base.series()?)));
                let recurs = base.map_or(
                    Recurs::Occurrence { series: id, google_id: None, rule: [].into() },
                    |(base, series)| Recurs::occurrence_of(&base.event, series),
                );
                Self::Event(view(event, recurs))
            }
        }
    }
}

fn exceptions(id: EventId, series: &Series) -> Vec<EventId> {
    series.exceptions.iter().map(|slot| EventId::of_occurrence(Tag::of(id), *slot)).collect()
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
