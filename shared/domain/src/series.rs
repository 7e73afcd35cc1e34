//! Series: one stored event and a rule, from which every occurrence is computed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    Event, EventId, EventTime, GoogleEventId, Pattern, Recurrence, Refusal, Shelf, Slot, Span, Tag, Window,
    Zone,
};

/// The most occurrences of one series that a list holds: two years of days. No view of the web app comes near.
const LISTED: usize = 730;
/// The days in which a series that recurs daily has as many.
const LISTED_DAYS: i64 = 730;

/// What makes a stored event a series. The event is its pattern: the id is the series', the span that of its start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Where its wall-clock time stays the same.
    pub zone: Zone,
    /// How it recurs.
    pub recurrence: Recurrence,
    /// Its last slot; none when it is endless. Known when the rule is written, so that reading need not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Slot>,
    /// Slots whose occurrence is stored on its own, or is cancelled. What is stored for a slot that is not listed here does not count.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty", with = "joined")]
    pub exceptions: BTreeSet<Slot>,
    /// Slots whose occurrence left the series and took its id along. If the slot has one again, because the rule was prolonged or somebody at Google
    /// has brought it back, that one has an id of its own.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty", with = "joined")]
    pub left: BTreeSet<Slot>,
}

/// What a stored event is in the calendar.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Role {
    /// It stands for itself.
    #[default]
    Single,
    /// Its occurrences are shown instead of it.
    Series(Series),
    /// It stands in for the occurrence in a slot, whenever its own time is.
    Exception {
        /// Of which series.
        series: EventId,
        /// In which slot.
        slot: Slot,
    },
}

/// An event as it is shown, with what the client is told of its series.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The event.
    pub event: Event,
    /// How it recurs.
    pub recurs: Recurs,
}

/// What a client is told of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum Recurs {
    /// The event is no part of one.
    No,
    /// The event is the series itself; the lines of its rule.
    Base(Arc<[String]>),
    /// The event is an occurrence, computed or not.
    Occurrence {
        /// The series.
        series: EventId,
        /// The series' id at Google.
        google_id: Option<GoogleEventId>,
        /// The lines of its rule.
        rule: Arc<[String]>,
    },
}

impl Series {
    /// A series that starts as `event` does.
    ///
    /// # Errors
    /// [`Refusal::BadField`] when the rule makes no occurrence.
    pub fn new(
        event: &Event,
        zone: Zone,
        recurrence: Recurrence,
        exceptions: BTreeSet<Slot>,
    ) -> Result<Self, Refusal> {
        let pattern = Pattern::new(event.span.start(), zone, &recurrence);
        if pattern.first().is_none() {
            return Err(Refusal::field("recurrence.rule", "makes no occurrence"));
        }
        let last = pattern.last();
        Ok(Self { zone, recurrence, last, exceptions, left: BTreeSet::new() })
    }

    /// The id of its occurrence in a slot. `series` is its own.
    pub fn id_of(&self, series: EventId, slot: Slot) -> EventId {
        self.tagged_id(Tag::of(series), slot)
    }

    fn tagged_id(&self, tag: Tag, slot: Slot) -> EventId {
        match self.left.contains(&slot) {
            true => EventId::of_occurrence_again(tag, slot),
            false => EventId::of_occurrence(tag, slot),
        }
    }

    /// What its slots are computed from. `event` is the series' own.
    pub fn pattern<'a>(&'a self, event: &'a Event) -> Pattern<'a> {
        let pattern = Pattern::new(event.span.start(), self.zone, &self.recurrence);
        Pattern { last: self.last, ..pattern }
    }

    /// The span that the pattern gives to a slot: that of the series' start verbatim in its own, elsewhere as long and at the same time on
    /// the wall.
    pub fn span(&self, event: &Event, slot: Slot) -> Span {
        if Slot::of(event.span.start()) == Some(slot) {
            return event.span.clone();
        }
        let start = match slot.date() {
            Some(date) => EventTime::from(date),
            None => EventTime::from(self.zone.localize(slot.instant())),
        };
        Span::lasting(start, event.span.length(), &self.zone)
    }

    /// The occurrence in a slot as the pattern makes it, whether or not the slot has an exception.
    pub fn occurrence(&self, event: &Event, slot: Slot) -> Event {
        self.tagged(Tag::of(event.id), event, slot)
    }

    /// The occurrence in a slot of the series with this tag, which is known so that it need not be computed for each.
    fn tagged(&self, tag: Tag, event: &Event, slot: Slot) -> Event {
        let google_id = event.google_id.as_ref().map(|id| id.of_occurrence(slot));
        let id = self.tagged_id(tag, slot);
        Event { id, google_id, span: self.span(event, slot), ..event.clone() }
    }

    /// The occurrences without an exception that overlap the window, or without one the first ones.
    pub fn occurrences(&self, event: &Event, window: Option<&Window>) -> Vec<Event> {
        let is_date = event.span.is_all_day();
        let (from, to) = match window {
            Some(window) => window.slots(is_date, event.span.length()),
            None => Slot::ends(is_date),
        };
        let pattern = self.pattern(event);
        // In a range of centuries (all of them overlap when each lasts so long) no more than are listed are looked for. In that of a view it is
        // cheaper to take all.
        let slots = match (to.instant() - from.instant()).num_days() {
            ..=LISTED_DAYS => pattern.slots(from, to),
            _ => pattern.first_slots(from, to, LISTED),
        };
        let tag = Tag::of(event.id);
        slots
            .into_iter()
            .take(LISTED)
            .filter(|slot| !self.exceptions.contains(slot))
            .map(|slot| self.tagged(tag, event, slot))
            .filter(|event| window.is_none_or(|window| window.overlaps(&event.span)))
            .collect()
    }

    /// When its last occurrence ends; none when it is endless.
    pub fn end(&self, event: &Event) -> Option<chrono::DateTime<chrono::Utc>> {
        self.last.map(|slot| {
            slot.instant()
                .checked_add_signed(event.span.length())
                .unwrap_or(chrono::DateTime::<chrono::Utc>::MAX_UTC)
        })
    }

    /// The lines of its rule, to be shared by its occurrences.
    pub fn rule(&self) -> Arc<[String]> {
        self.recurrence.lines().into()
    }
}

/// What a shelf shows in a window, given what is stored there. The series of every exception is among it, also one that itself stands on the other
/// shelf.
pub fn show(
    stored: impl IntoIterator<Item = (Event, Role)>,
    shelf: Shelf,
    window: Option<&Window>,
) -> Vec<Shown> {
    let (mut shown, mut families, mut exceptions) = (Vec::new(), BTreeMap::new(), Vec::new());
    let is_wanted =
        |event: &Event| event.shelf() == shelf && window.is_none_or(|window| window.overlaps(&event.span));
    for (event, role) in stored {
        match role {
            Role::Single if is_wanted(&event) => shown.push(Shown { event, recurs: Recurs::No }),
            Role::Exception { series, slot } if is_wanted(&event) => exceptions.push((event, series, slot)),
            Role::Single | Role::Exception { .. } => {}
            Role::Series(series) => {
                let recurs = Recurs::occurrence_of(&event, &series);
                families.insert(event.id, (event, series, recurs));
            }
        }
    }
    for (event, series, slot) in exceptions {
        if let Some((_, series, recurs)) = families.get(&series)
            && series.exceptions.contains(&slot)
        {
            shown.push(Shown { event, recurs: recurs.clone() });
        }
    }
    for (event, series, recurs) in families.values().filter(|(event, ..)| event.shelf() == shelf) {
        let occurrences = series.occurrences(event, window).into_iter();
        shown.extend(occurrences.map(|event| Shown { event, recurs: recurs.clone() }));
    }
    shown
}

impl Recurs {
    /// What a client is told with an occurrence of this series.
    pub fn occurrence_of(event: &Event, series: &Series) -> Self {
        Self::Occurrence { series: event.id, google_id: event.google_id.clone(), rule: series.rule() }
    }
}

/// Slots as one text: ten digits each, in order.
mod joined {
    use super::{BTreeSet, Deserialize, Deserializer, Serializer, Slot};

    pub fn serialize<S: Serializer>(slots: &BTreeSet<Slot>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&slots.iter().map(Slot::to_string).collect::<String>())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<Slot>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let slots =
            text.as_bytes().chunks(10).map(|digits| std::str::from_utf8(digits).unwrap_or_default().parse());
        slots.collect::<Result<_, _>>().map_err(serde::de::Error::custom)
    }
}
