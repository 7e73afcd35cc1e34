//! A naive calendar, to compare plans with: it knows no slots, no exceptions and no steps, but copies every occurrence up to a horizon into a
//! list and edits the copies, as the table of meanings says in words.
//!
//! It shares with the rules what is tested elsewhere: zones, the ids of occurrences, and whether two rules mean the same.

mod acts;
mod group;
mod history;
mod naive;
mod rules;

pub(crate) use self::acts::as_shown;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::{
    Draft, EventId, EventTime, Priority, Recurrence, Recurs, Repeat, Scope, Shelf, Shown, Slot, Span, Tag,
    Window, Zone,
};

/// What a request may change beside the time.
#[derive(Clone, Debug, Default, PartialEq)]
struct Fields {
    title: Option<String>,
    description: Option<String>,
    priority: Priority,
    is_someday: bool,
    order: Option<f64>,
}

/// One line of a view.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    is_all_day: bool,
    id: EventId,
    fields: Fields,
    series: Option<EventId>,
}

/// A copy of an occurrence.
#[derive(Clone, Debug)]
struct Copied {
    /// Where the rule put it, on the wall.
    clock: NaiveDateTime,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// As its series.
    Plain,
    /// Edited on its own.
    Own(Fields, Span),
    Cancelled,
}

/// A series: what the next plain copy would be like, and the copies.
#[derive(Clone, Debug)]
struct Group {
    id: EventId,
    zone: Zone,
    fields: Fields,
    span: Span,
    copies: Vec<Copied>,
}

/// What an id leads to; of an occurrence, its place in the list of copies.
#[derive(Clone, Copy, Debug)]
enum Found {
    Single,
    Series,
    Occurrence(EventId, usize),
    Former(EventId),
    Nothing,
}

#[derive(Clone, Debug, Default)]
struct Naive {
    singles: BTreeMap<EventId, (Fields, Span)>,
    series: BTreeMap<EventId, Group>,
    /// What has ever been a series.
    ever_series: BTreeSet<EventId>,
    /// What has ever stood for itself.
    ever: BTreeSet<EventId>,
    /// Ids of occurrences that have left their series under them.
    taken_along: BTreeSet<EventId>,
}

/// The rule makes no occurrence.
#[derive(Debug, PartialEq)]
struct Empty;

/// What a request is taken with: the user's zone, and the rule that a series is shown with.
struct Around<'a> {
    zone: Zone,
    rule_of: &'a dyn Fn(EventId) -> Recurrence,
    /// The id for what leaves a series at a slot, which the request named by this id or not.
    id_apart: &'a dyn Fn(EventId, Slot, Option<EventId>) -> EventId,
}

impl Fields {
    fn of(draft: &Draft, order: Option<f64>) -> Self {
        Self {
            title: draft.title.clone(),
            description: draft.description.clone(),
            priority: draft.priority,
            is_someday: draft.is_someday,
            order: draft.order.or(order),
        }
    }

    /// Takes over what differs between what was shown and the draft.
    fn take(&mut self, shown: &Self, draft: &Draft) {
        if draft.title != shown.title {
            self.title.clone_from(&draft.title);
        }
        if draft.description != shown.description {
            self.description.clone_from(&draft.description);
        }
        if draft.priority != shown.priority {
            self.priority = draft.priority;
        }
        if draft.is_someday != shown.is_someday {
            self.is_someday = draft.is_someday;
        }
        if draft.order.is_some() && draft.order != shown.order {
            self.order = draft.order;
        }
    }
}

impl Row {
    fn new(id: EventId, fields: &Fields, span: &Span, series: Option<EventId>) -> Self {
        let (start, end) = (span.start().instant(), span.end().instant());
        Self { start, end, is_all_day: span.is_all_day(), id, fields: fields.clone(), series }
    }

    fn of(shown: &Shown) -> Self {
        let Shown { event, recurs } = shown;
        assert_eq!(event.is_all_day, event.span.is_all_day(), "{event:?}");
        let series = match recurs {
            Recurs::Occurrence { series, .. } => Some(*series),
            Recurs::No => None,
            Recurs::Base(_) => panic!("a view never shows a series itself"),
        };
        let fields = Fields {
            title: event.title.clone(),
            description: event.description.clone(),
            priority: event.priority,
            is_someday: event.is_someday,
            order: event.order,
        };
        Self::new(event.id, &fields, &event.span, series)
    }
}
