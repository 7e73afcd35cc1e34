//! Calendar's resources, as far as we read them. What we do not know is kept in `extra` and sent back as it came: a write replaces the whole
//! event, and attachments, conferences or members of next year must survive it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Members that we have no name for.
pub type Extra = Map<String, Value>;

/// Google: Events resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The only member that a deleted event is sure to have.
    pub id: String,
    /// `confirmed`, `tentative` or `cancelled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The version, for `If-Match`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Text, perhaps HTML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its first moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<When>,
    /// The first moment after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<When>,
    /// When its main data last changed, by Google's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<DateTime<Utc>>,
    /// RRULE, EXRULE, RDATE and EXDATE lines of a series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<Vec<String>>,
    /// The series an occurrence belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurring_event_id: Option<String>,
    /// Where the series' rule put the occurrence, wherever it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_start_time: Option<When>,
    /// `default`, `birthday`, `focusTime`, `fromGmail`, `outOfOffice`, `workingLocation`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// What applications keep with the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_properties: Option<ExtendedProperties>,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Event {
    /// Whether it is deleted.
    pub fn is_cancelled(&self) -> bool {
        self.status.as_deref() == Some("cancelled")
    }

    /// Whether it is a series or one of a series' occurrences.
    pub fn is_recurring(&self) -> bool {
        self.recurrence.is_some() || self.recurring_event_id.is_some()
    }

    /// A property that only our project's copy of the event has.
    pub fn private(&self, key: &str) -> Option<&str> {
        self.extended_properties.as_ref()?.private.get(key)?.as_str()
    }
}

/// A date, or a date-time with an offset or a zone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct When {
    /// `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// RFC 3339; the offset may be missing when there is a zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_time: Option<String>,
    /// An IANA name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Google: `extendedProperties`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExtendedProperties {
    /// Seen on this copy of the event only.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub private: Extra,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A page of `events.list`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventPage {
    /// May be empty although more follows.
    #[serde(default)]
    pub items: Vec<Event>,
    /// Where to go on; absent on the last page only.
    pub next_page_token: Option<String>,
    /// What the next incremental list begins from; on the last page only.
    pub next_sync_token: Option<String>,
    /// The calendar's zone.
    pub time_zone: Option<String>,
}

/// Google: CalendarList resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// The calendar.
    pub id: String,
    /// Whether it is the account's own. Absent means no.
    #[serde(default, rename = "primary")]
    pub is_primary: bool,
    /// `owner`, `writer`, `reader`, `freeBusyReader`, …
    #[serde(default)]
    pub access_role: String,
    /// An IANA name.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// Whether it was taken off the list.
    #[serde(default, rename = "deleted")]
    pub is_deleted: bool,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A page of `calendarList.list`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CalendarPage {
    /// The calendars.
    #[serde(default)]
    pub items: Vec<Listed>,
    /// Where to go on; absent on the last page only.
    pub next_page_token: Option<String>,
    /// What the next incremental list begins from; on the last page only.
    pub next_sync_token: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_do_not_know_survives_a_round_trip() {
        let sent = serde_json::json!({
            "id": "abc", "status": "confirmed", "etag": "\"1\"", "summary": "Lunch", "updated": "2026-11-20T09:00:00.123Z",
            "start": { "dateTime": "2026-11-20T09:00:00-08:00", "timeZone": "America/Los_Angeles", "xFuture": 1 },
            "end": { "dateTime": "2026-11-20T10:00:00-08:00" },
            "extendedProperties": { "private": { "a": "b" }, "shared": { "c": "d" } },
            "conferenceData": { "entryPoints": [{ "uri": "https://meet.example" }] }, "xFuture": { "deep": [1, 2, null] }
        });
        let event: Event = serde_json::from_value(sent.clone()).unwrap();
        assert_eq!(event.private("a"), Some("b"));
        assert_eq!(serde_json::to_value(event).unwrap(), sent);
    }

    #[test]
    fn a_deleted_event_has_little_more_than_an_id() {
        let event: Event =
            serde_json::from_str(r#"{"kind":"calendar#event","id":"a","status":"cancelled"}"#).unwrap();
        assert!(event.is_cancelled() && !event.is_recurring());
    }
}
