//! What an event is.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{EventId, GoogleEventId, Home, Recurrence, Refusal, Shared, Span, Zone};

/// The longest title that is accepted from a browser. Google cuts at 1,024.
const TITLE_LIMIT: usize = 4_096;
/// The longest description that is accepted from a browser. Google cuts at 8,192; an item of the store holds 400 KB.
const DESCRIPTION_LIMIT: usize = 32_768;
/// The places in a list that are accepted from a browser, without their sign.
const ORDERS: std::ops::RangeInclusive<f64> = 1e-9..=1e15;

/// Where an event is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shelf {
    /// On the calendar grid.
    Grid,
    /// In the someday lists beside it.
    Someday,
}

/// How the user ranks an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it all")]
pub enum Priority {
    #[default]
    Unassigned,
    Work,
    #[serde(rename = "self")]
    Own,
    Relationships,
}

impl Priority {
    /// As it is written on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unassigned => "unassigned",
            Self::Work => "work",
            Self::Own => "self",
            Self::Relationships => "relationships",
        }
    }
}

/// Where an event came from first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Created in the web app.
    Compass,
    /// Created at Google and learnt from a change there.
    Google,
    /// Created at Google and learnt from a first import.
    GoogleImport,
    /// Not known.
    #[default]
    Unsure,
}

/// To which events of a series a request applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The one that is addressed.
    #[default]
    This,
    /// The one that is addressed, and all after it.
    Following,
    /// All.
    All,
}

/// What a browser says of an event's recurrence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    /// Nothing.
    #[default]
    Unsaid,
    /// That there shall be none.
    Never,
    /// That the event is a series with this rule.
    Series(Recurrence),
    /// That the event is an occurrence.
    Occurrence {
        /// Of which series, when it was read.
        series: Option<EventId>,
        /// With which rule, if it says so.
        rule: Option<Recurrence>,
    },
}

impl Repeat {
    /// The rule that is said of a series. What an occurrence says of the series that it came from says nothing about another, such as the one that
    /// took its place when the request was sent before.
    pub fn rule_of(&self, id: EventId) -> Option<&Recurrence> {
        match self {
            Self::Series(rule) => Some(rule),
            Self::Occurrence { series, rule } => {
                rule.as_ref().filter(|_| series.is_none_or(|series| series == id))
            }
            Self::Unsaid | Self::Never => None,
        }
    }
}

/// An event as a browser wants it: everything but what the server owns. Built by [`Draft::new`], so its limits hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    pub(crate) id: EventId,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) span: Span,
    pub(crate) is_all_day: bool,
    pub(crate) is_someday: bool,
    pub(crate) priority: Priority,
    pub(crate) origin: Origin,
    pub(crate) order: Option<f64>,
    pub(crate) repeat: Repeat,
    pub(crate) zone: Option<Zone>,
}

impl Draft {
    /// Checks the limits of a draft.
    ///
    /// # Errors
    /// [`Refusal::TooLong`] for a title or description beyond its limit, [`Refusal::BadField`] for an order that is out of bounds.
    #[expect(
        clippy::too_many_arguments,
        reason = "one argument per field of the wire format, named at the only call"
    )]
    pub fn new(
        id: EventId,
        title: Option<String>,
        description: Option<String>,
        span: Span,
        is_all_day: bool,
        is_someday: bool,
        priority: Priority,
        origin: Origin,
        order: Option<f64>,
    ) -> Result<Self, Refusal> {
        limit("title", title.as_deref(), TITLE_LIMIT)?;
        limit("description", description.as_deref(), DESCRIPTION_LIMIT)?;
        order.map_or(Ok(()), check_order)?;
        let (repeat, zone) = (Repeat::Unsaid, None);
        Ok(Self {
            id,
            title,
            description,
            span,
            is_all_day,
            is_someday,
            priority,
            origin,
            order,
            repeat,
            zone,
        })
    }

    /// The same, with what is said of its recurrence and of the zone in which it keeps its time.
    pub fn repeating(self, repeat: Repeat, zone: Option<Zone>) -> Self {
        Self { repeat, zone, ..self }
    }

    /// The id the browser chose, or the one drawn for it.
    pub fn id(&self) -> EventId {
        self.id
    }
}

/// Checks a place in a list. The bounds are far beyond any list, and within what the store can hold: it refuses numbers that a browser can
/// write.
///
/// # Errors
/// [`Refusal::BadField`] for a place out of bounds.
pub fn check_order(order: f64) -> Result<(), Refusal> {
    if order == 0.0 || ORDERS.contains(&order.abs()) {
        Ok(())
    } else {
        Err(Refusal::field("order", "must be 0 or a number between 1e-9 and 1e15, of either sign"))
    }
}

fn limit(field: &'static str, text: Option<&str>, limit: usize) -> Result<(), Refusal> {
    match text {
        Some(text) if text.chars().count() > limit => Err(Refusal::TooLong { field, limit }),
        _ => Ok(()),
    }
}

/// An event as it is stored and shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The browser's id, or the one derived from Google's.
    pub id: EventId,
    /// Never null on the wire: absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Free text; Google may send HTML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it is.
    #[serde(flatten)]
    pub span: Span,
    /// As the browser said; it need not follow from the span for a someday event.
    pub is_all_day: bool,
    /// Whether it waits in a someday list instead of standing on the grid.
    pub is_someday: bool,
    /// How the user ranks it.
    pub priority: Priority,
    /// Where it came from first.
    pub origin: Origin,
    /// Its place in a someday list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<f64>,
    /// Its id at Google; every event on the grid has one, connected or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub google_id: Option<GoogleEventId>,
    /// When it last changed, by our clock.
    pub updated_at: DateTime<Utc>,
}

impl Event {
    /// The calendar at Google that it belongs to, whether it has a copy there yet or not.
    pub fn home(&self) -> Home {
        self.google_id.as_ref().map(|id| id.home().clone()).unwrap_or_default()
    }

    /// Where it is shown.
    pub fn shelf(&self) -> Shelf {
        if self.is_someday { Shelf::Someday } else { Shelf::Grid }
    }

    /// The part that Google knows too.
    pub fn shared(&self) -> Shared {
        Shared {
            title: self.title.clone().filter(|title| !title.is_empty()),
            description: self.description.clone().filter(|text| !text.is_empty()),
            span: self.span.clone(),
            priority: self.priority,
            rule: None,
        }
    }

    /// The same event with the part that Google knows too replaced.
    pub fn overlaid(&self, shared: Shared) -> Self {
        let Shared { title, description, span, priority, .. } = shared;
        let is_all_day = if self.span == span { self.is_all_day } else { span.is_all_day() };
        Self { title, description, span, is_all_day, priority, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_the_store_could_not_hold_is_refused() {
        for order in [0.0, -0.0, 1.0, -7.0, 0.5, 1e15] {
            assert_eq!(check_order(order), Ok(()), "{order}");
        }
        for order in [1e126, -1e126, 1e-131, f64::MIN_POSITIVE, f64::INFINITY, f64::NAN] {
            assert!(check_order(order).is_err(), "{order}");
        }
    }
}
