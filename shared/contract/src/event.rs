//! Events on the wire.

use std::fmt;
use std::sync::Arc;

use domain::{
    Draft, EventId, EventTime, Origin, Priority, Recurrence, Recurs, Refusal, Repeat, Scope, Shelf, Shown,
    Span, UserId, Window, Zone,
};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::timestamp;

/// An event as the web app sends it: the whole of it, with keys of its user interface that are ignored.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct EventBody {
    #[serde(rename = "_id")]
    pub id: Option<String>,
    pub title: Option<String>,
    pub description: Option<String>,
    pub start_date: Option<String>,
    pub end_date: Option<String>,
    pub is_all_day: Option<bool>,
    pub is_someday: Option<bool>,
    pub priority: Option<Priority>,
    pub origin: Option<Origin>,
    pub order: Option<f64>,
    pub recurrence: Option<RecurrenceBody>,
    pub time_zone: Option<String>,
}

/// What makes an event a series (a rule), or part of one (the id of its series). A rule that is null or empty means that it is neither.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct RecurrenceBody {
    /// `None` when absent, `Some(None)` when null.
    #[serde(deserialize_with = "said")]
    pub rule: Option<Option<Vec<String>>>,
    pub event_id: Option<String>,
}

/// Tells a null from what is not there.
fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl RecurrenceBody {
    fn into_repeat(self) -> Result<Repeat, Refusal> {
        let lines = match self.rule {
            Some(Some(lines)) if !lines.is_empty() => Some(lines),
            Some(_) => return Ok(Repeat::Never),
            None => None,
        };
        let rule = lines.as_deref().map(Recurrence::parse).transpose()?;
        Ok(match (self.event_id, rule) {
            // An id that is none may be of anything.
            (Some(series), rule) => Repeat::Occurrence { series: series.parse().ok(), rule },
            (None, Some(rule)) => Repeat::Series(rule),
            (None, None) => Repeat::Unsaid,
        })
    }
}

/// `POST /api/event` takes one event or an array of them: the upload of events made before sign-up.
#[derive(Clone, Debug)]
pub struct OneOrMany(pub Vec<EventBody>);

impl<'de> Deserialize<'de> for OneOrMany {
    /// By the first token and not by trial, so that an error still says which field of which element is wrong.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event or an array of events")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneOrMany, A::Error> {
                EventBody::deserialize(MapAccessDeserializer::new(map)).map(|event| OneOrMany(vec![event]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<OneOrMany, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMany)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// Reads the `applyTo` parameter. `This Event` is meant also when it is absent, empty, or the text `undefined` that the web app may send for it.
///
/// # Errors
/// [`Refusal::BadField`] for any other text.
pub fn scope(text: Option<&str>) -> Result<Scope, Refusal> {
    match text.unwrap_or_default() {
        "" | "undefined" | "This Event" => Ok(Scope::This),
        "This and Following Events" => Ok(Scope::Following),
        "All Events" => Ok(Scope::All),
        _ => Err(Refusal::field("applyTo", "must be This Event, This and Following Events or All Events")),
    }
}

/// The query of `GET /api/event`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct ListQuery {
    pub start: Option<String>,
    pub end: Option<String>,
    pub someday: Option<String>,
    pub priorities: Option<String>,
}

impl ListQuery {
    /// Whether the someday lists are asked for. Any other value than `true` means the grid.
    pub fn shelf(&self) -> Shelf {
        if self.someday.as_deref() == Some("true") { Shelf::Someday } else { Shelf::Grid }
    }

    /// The window, when both of its ends are given.
    ///
    /// # Errors
    /// [`Refusal::BadField`] for an end that is no date.
    pub fn window(&self) -> Result<Option<Window>, Refusal> {
        match (self.start.as_deref(), self.end.as_deref()) {
            (Some(start), Some(end)) if !start.is_empty() && !end.is_empty() => {
                Window::from_query(start, end).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Whether an event of this priority is asked for; without a filter, every one is. The filter is a comma-separated list.
    pub fn wants(&self, priority: Priority) -> bool {
        let wanted = self.priorities.as_deref().unwrap_or_default();
        wanted.is_empty() || wanted.split(',').any(|name| name.trim() == priority.as_str())
    }
}

impl EventBody {
    /// The id the browser chose, if any.
    ///
    /// # Errors
    /// [`Refusal::BadId`] when it is not 24 hex digits.
    pub fn id(&self) -> Result<Option<EventId>, Refusal> {
        self.id.as_deref().map(EventId::from_wire).transpose()
    }

    /// Checks everything and gives the event its id.
    ///
    /// # Errors
    /// The first [`Refusal`] met.
    pub fn into_draft(self, id: EventId) -> Result<Draft, Refusal> {
        let repeat = self.recurrence.map_or(Ok(Repeat::Unsaid), RecurrenceBody::into_repeat)?;
        let zone = self.time_zone.as_deref().map(str::parse::<Zone>).transpose()?;
        let span = Span::new(time("startDate", self.start_date)?, time("endDate", self.end_date)?)?;
        let is_all_day = self.is_all_day.unwrap_or(span.is_all_day());
        let is_someday = self.is_someday.unwrap_or(false);
        let priority = self.priority.ok_or_else(|| Refusal::field("priority", "is required"))?;
        let origin = self.origin.ok_or_else(|| Refusal::field("origin", "is required"))?;
        let (title, description) = (self.title, self.description);
        let draft =
            Draft::new(id, title, description, span, is_all_day, is_someday, priority, origin, self.order)?;
        Ok(draft.repeating(repeat, zone))
    }
}

fn time(field: &'static str, text: Option<String>) -> Result<EventTime, Refusal> {
    let text = text.ok_or_else(|| Refusal::field(field, "is required"))?;
    text.parse().map_err(|refusal| match refusal {
        Refusal::BadField { problem, .. } => Refusal::field(field, problem),
        other => other,
    })
}

/// An event as the web app must get it back: no nulls, dates verbatim, `updatedAt` with `Z`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct EventView {
    #[serde(rename = "_id")]
    pub id: String,
    pub user: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub start_date: String,
    pub end_date: String,
    pub is_all_day: bool,
    pub is_someday: bool,
    pub priority: Priority,
    pub origin: Origin,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<serde_json::Number>,
    #[serde(rename = "gEventId", skip_serializing_if = "Option::is_none")]
    pub google_id: Option<String>,
    #[serde(rename = "gRecurringEventId", skip_serializing_if = "Option::is_none")]
    pub google_series_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<RecurrenceView>,
    pub updated_at: String,
}

/// What makes an event part of a series, for the wire: an occurrence has the id of its series, the series itself has none.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct RecurrenceView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    pub rule: Arc<[String]>,
}

impl EventView {
    /// An event of `user`, for the wire.
    pub fn new(user: UserId, Shown { event, recurs }: Shown) -> Self {
        let (google_series_id, recurrence) = match recurs {
            Recurs::No => (None, None),
            Recurs::Base(rule) => (None, Some(RecurrenceView { event_id: None, rule })),
            Recurs::Occurrence { series, google_id, rule } => {
                // A someday event has no copy at Google, whatever its series has.
                let google_id = google_id.filter(|_| !event.is_someday).map(|id| id.as_str().to_owned());
                (google_id, Some(RecurrenceView { event_id: Some(series.to_string()), rule }))
            }
        };
        Self {
            id: event.id.to_string(),
            user: user.to_string(),
            title: event.title,
            description: event.description,
            start_date: event.span.start().to_string(),
            end_date: event.span.end().to_string(),
            is_all_day: event.is_all_day,
            is_someday: event.is_someday,
            priority: event.priority,
            origin: event.origin,
            order: event.order.and_then(number),
            google_id: event.google_id.map(|id| id.as_str().to_owned()),
            google_series_id,
            recurrence,
            updated_at: timestamp(event.updated_at),
        }
    }
}

/// A whole number without a fraction, as it was sent.
fn number(order: f64) -> Option<serde_json::Number> {
    let whole = order as i64;
    if whole as f64 == order { Some(whole.into()) } else { serde_json::Number::from_f64(order) }
}

/// One element of `PUT /api/event/reorder`.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct OrderBody {
    #[serde(rename = "_id")]
    pub id: String,
    pub order: f64,
}

/// The answer of `PUT /api/event/reorder`, in the words of the database it once came from.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct Reordered {
    pub inserted_count: usize,
    pub matched_count: usize,
    pub modified_count: usize,
    pub deleted_count: usize,
    pub upserted_count: usize,
    pub upserted_ids: serde_json::Map<String, serde_json::Value>,
    pub inserted_ids: serde_json::Map<String, serde_json::Value>,
}

/// The body of `DELETE /api/event/deleteMany`. The key is one of a few: it once was any field of the database.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct DeleteManyBody {
    pub key: DeleteKey,
    pub ids: Vec<String>,
}

/// By what `deleteMany` may find events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum DeleteKey {
    /// Our id.
    #[serde(rename = "_id")]
    Id,
    /// Google's id.
    #[serde(rename = "gEventId")]
    GoogleId,
    /// Google's id of the series.
    #[serde(rename = "gRecurringEventId")]
    GoogleSeriesId,
}

/// The answer of `DELETE /api/event/deleteMany`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct DeletedMany {
    pub deleted_count: usize,
    pub errors: Vec<String>,
}

#[cfg(test)]
mod tests {
    use domain::{Context, Records};

    use super::*;

    const ID: &str = "6b0002000000000000000001";

    fn body(json: &str) -> EventBody {
        serde_json::from_str(json).unwrap()
    }

    /// The body the web app was seen to send, with keys of its user interface.
    const SEEN: &str = r#"{"_id":"6b0002000000000000000001","title":"First","description":"","startDate":"2026-11-16T09:00:00+00:00",
        "endDate":"2026-11-16T09:15:00+00:00","isAllDay":false,"isSomeday":false,"origin":"compass","priority":"unassigned",
        "user":"UNAUTHENTICATED_USER","position":{"isOverlapping":false,"initialX":null},"hasFlipped":false}"#;

    #[test]
    fn what_the_web_app_sends_comes_back_as_it_needs_it() {
        let body = body(SEEN);
        let draft = body.clone().into_draft(body.id().unwrap().unwrap()).unwrap();
        let now = chrono::DateTime::from_timestamp_millis(1_763_600_000_000).unwrap();
        let context = Context { is_connected: false, zone: None, now };
        let steps = domain::save(&Records::default(), &draft, Scope::This, &context).unwrap();
        let mut records = Records::default();
        records.apply(&steps);
        let shown = records.stored(draft.id()).shown().unwrap();
        let user = "75392a000000000000000000".parse().unwrap();
        insta::assert_json_snapshot!(EventView::new(user, shown), @r#"
        {
          "_id": "6b0002000000000000000001",
          "user": "75392a000000000000000000",
          "title": "First",
          "description": "",
          "startDate": "2026-11-16T09:00:00+00:00",
          "endDate": "2026-11-16T09:15:00+00:00",
          "isAllDay": false,
          "isSomeday": false,
          "priority": "unassigned",
          "origin": "compass",
          "gEventId": "6b0002000000000000000001",
          "updatedAt": "2025-11-20T00:53:20.000Z"
        }
        "#);
    }

    #[test]
    fn each_fault_is_named() {
        let base = r#""startDate":"2026-11-16","endDate":"2026-11-17","origin":"compass","priority":"self""#;
        for (json, message) in [
            (format!("{{{base},\"recurrence\":{{\"rule\":[\"RRULE:FREQ=NEVER\"]}}}}"), "recurrence.rule"),
            (format!("{{{base},\"timeZone\":\"Mars/Olympus\"}}"), "timeZone"),
            (r#"{"endDate":"2026-11-17"}"#.to_owned(), "startDate: is required"),
            (r#"{"startDate":"x","endDate":"2026-11-17"}"#.to_owned(), "startDate: \"x\" is neither"),
            (r#"{"startDate":"2026-11-18","endDate":"2026-11-17"}"#.to_owned(), "endDate must not be before"),
            (r#"{"startDate":"2026-11-16","endDate":"2026-11-17"}"#.to_owned(), "priority: is required"),
        ] {
            let refusal = body(&json).into_draft(ID.parse().unwrap()).unwrap_err().to_string();
            assert!(refusal.contains(message), "{json}: {refusal}");
        }
    }

    #[test]
    fn a_scope_that_is_not_said_is_this_event() {
        for text in [None, Some(""), Some("undefined"), Some("This Event")] {
            assert_eq!(scope(text), Ok(Scope::This));
        }
        assert_eq!(scope(Some("All Events")), Ok(Scope::All));
        assert!(scope(Some("all events")).is_err());
    }

    #[test]
    fn one_event_or_an_array_of_them_is_read() {
        let count = |json: &str| serde_json::from_str::<OneOrMany>(json).map(|bodies| bodies.0.len());
        assert_eq!(count(SEEN).unwrap(), 1);
        assert_eq!(count(&format!("[{SEEN},{SEEN}]")).unwrap(), 2);
        assert!(count("7").unwrap_err().to_string().contains("an event or an array of events"));
    }

    #[test]
    fn the_priority_filter_is_a_list() {
        let query = ListQuery { priorities: Some("work, self".into()), ..ListQuery::default() };
        assert!(
            query.wants(Priority::Work)
                && query.wants(Priority::Own)
                && !query.wants(Priority::Relationships)
        );
        assert!(ListQuery::default().wants(Priority::Relationships));
    }

    #[test]
    fn each_form_of_recurrence_has_its_meaning() {
        let base = r#""startDate":"2026-11-16","endDate":"2026-11-17","origin":"compass","priority":"self""#;
        let daily = || Recurrence::parse(&["RRULE:FREQ=DAILY".to_owned()]).unwrap();
        for (recurrence, repeat) in [
            ("null", Repeat::Unsaid),
            ("{}", Repeat::Unsaid),
            (r#"{"rule":null}"#, Repeat::Never),
            (r#"{"rule":[]}"#, Repeat::Never),
            (r#"{"rule":null,"eventId":"x"}"#, Repeat::Never),
            (r#"{"rule":["RRULE:FREQ=DAILY"]}"#, Repeat::Series(daily())),
            (
                r#"{"rule":["RRULE:FREQ=DAILY"],"eventId":"x"}"#,
                Repeat::Occurrence { series: None, rule: Some(daily()) },
            ),
            (r#"{"eventId":"x"}"#, Repeat::Occurrence { series: None, rule: None }),
        ] {
            let body = body(&format!("{{{base},\"recurrence\":{recurrence}}}"));
            assert_eq!(body.recurrence.map_or(Ok(Repeat::Unsaid), RecurrenceBody::into_repeat), Ok(repeat));
        }
    }
}
