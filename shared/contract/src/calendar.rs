//! The list of calendars on the wire.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::calendar::{Calendar, Color, Listing, id_of};
use domain::{CalendarId, UserId};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::object::from_object;
use crate::timestamp;

/// `POST /api/calendars`: a whole calendar. Instants are texts of RFC 3339; the owner is whoever has the session, whatever the body says.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct CalendarBody {
    #[serde(rename = "_id")]
    pub id: Option<CalendarId>,
    #[serde(rename = "user")]
    _user: Option<IgnoredAny>,
    pub background_color: Color,
    pub color: Color,
    pub selected: Option<bool>,
    pub primary: Option<bool>,
    pub timezone: Option<Tz>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "from_object")]
    pub metadata: Listing,
}

impl CalendarBody {
    /// The calendar it tells of. Without an id it gets one that is made from its place at the provider.
    pub fn into_calendar(self, user: UserId, now: DateTime<Utc>) -> Calendar {
        let listing = self.metadata;
        Calendar {
            id: self.id.unwrap_or_else(|| id_of(user, listing.provider, &listing.id)),
            background_color: self.background_color,
            color: self.color,
            is_selected: self.selected.unwrap_or(true),
            is_primary: self.primary.unwrap_or(false),
            is_confirmed: false,
            time_zone: self.timezone,
            created_at: self.created_at.unwrap_or(now),
            updated_at: self.updated_at,
            listing,
        }
    }
}

/// A calendar, as `GET /api/calendars` answers it: no nulls, instants with `Z`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct CalendarView {
    #[serde(rename = "_id")]
    pub id: CalendarId,
    pub user: UserId,
    pub background_color: Color,
    pub color: Color,
    pub selected: bool,
    pub primary: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<Tz>,
    pub created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    pub metadata: Listing,
}

impl CalendarView {
    /// A calendar of `user`, for the wire.
    pub fn new(user: UserId, calendar: Calendar) -> Self {
        Self {
            id: calendar.id,
            user,
            background_color: calendar.background_color,
            color: calendar.color,
            selected: calendar.is_selected,
            primary: calendar.is_primary,
            timezone: calendar.time_zone,
            created_at: timestamp(calendar.created_at),
            updated_at: calendar.updated_at.map(timestamp),
            metadata: calendar.listing,
        }
    }
}

/// The answer of `GET /api/calendars`.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct CalendarsView {
    pub calendars: Vec<CalendarView>,
}

/// The answer of `POST /api/calendars`, in the words of the database it once came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct InsertedCalendar {
    pub acknowledged: bool,
    pub inserted_id: CalendarId,
}

/// One element of `PUT /api/calendars/select`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct SelectionBody {
    pub id: CalendarId,
    pub selected: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const USER: UserId = UserId::new([1; 12]);

    fn now() -> DateTime<Utc> {
        "2026-11-20T12:00:00Z".parse().unwrap()
    }

    fn body() -> Value {
        json!({
            "backgroundColor": "#16A765", "color": "#000000",
            "metadata": {
                "id": "ada@example.com", "etag": "\"1\"", "summary": "Ada", "accessRole": "owner",
                "conferenceProperties": { "allowedConferenceSolutionTypes": ["hangoutsMeet"] },
                "defaultReminders": [{ "method": "popup", "minutes": 10 }],
            },
        })
    }

    fn read(body: Value) -> Result<CalendarBody, serde_json::Error> {
        serde_json::from_value(body)
    }

    fn view(body: Value) -> Value {
        let calendar = read(body).unwrap().into_calendar(USER, now());
        serde_json::to_value(CalendarView::new(USER, calendar)).unwrap()
    }

    #[test]
    fn a_short_body_gets_the_defaults() {
        let view = view(body());
        assert_eq!((&view["selected"], &view["primary"]), (&json!(true), &json!(false)));
        assert_eq!(view["createdAt"], "2026-11-20T12:00:00.000Z");
        assert_eq!(
            (&view["metadata"]["provider"], &view["metadata"]["primary"]),
            (&json!("google"), &json!(false))
        );
        assert_eq!(view["user"], json!(USER.to_string()));
        for absent in ["timezone", "updatedAt"] {
            assert!(view.get(absent).is_none(), "{absent}");
        }
    }

    #[test]
    fn a_full_body_comes_back_as_it_was() {
        let mut full = body();
        for (field, value) in [
            ("_id", json!("66aa01bb02cc03dd04ee05ff")),
            ("user", json!(USER.to_string())),
            ("selected", json!(false)),
            ("primary", json!(true)),
            ("timezone", json!("Europe/Vienna")),
            ("createdAt", json!("2025-10-03T08:00:00.000Z")),
            ("updatedAt", json!("2025-10-04T08:00:00.000Z")),
        ] {
            full[field] = value;
        }
        for (field, value) in [
            ("provider", json!("google")),
            ("primary", json!(true)),
            ("summaryOverride", json!("Mine")),
            ("description", json!("All of it")),
            ("location", json!("Vienna")),
            ("notificationSettings", json!({ "notifications": [{ "type": "agenda", "method": "email" }] })),
        ] {
            full["metadata"][field] = value;
        }
        assert_eq!(view(full.clone()), full);
    }

    #[test]
    fn what_is_missing_wrong_or_unknown_is_refused_by_name() {
        for (path, value, named) in [
            ("/color", json!("red"), "#rrggbb"),
            ("/selected", json!("yes"), "boolean"),
            ("/createdAt", json!("yesterday"), "invalid"),
            ("/timezone", json!("Mars/Olympus"), "Mars/Olympus"),
            ("/_id", json!("1"), "24 hexadecimal digits"),
            ("/isAdmin", json!(true), "isAdmin"),
            ("/metadata", json!(["a"]), "an object"),
            ("/metadata/accessRole", json!("god"), "god"),
            ("/metadata/provider", json!("outlook"), "outlook"),
            ("/metadata/id", json!(7), "a string"),
            ("/metadata/secret", json!(7), "secret"),
            ("/metadata/defaultReminders", json!([{ "method": "popup", "minutes": -1 }]), "-1"),
            ("/metadata/conferenceProperties", json!({}), "allowedConferenceSolutionTypes"),
        ] {
            let mut body = body();
            let (parent, field) = path.rsplit_once('/').unwrap();
            body.pointer_mut(parent).unwrap()[field] = value;
            let error = read(body).unwrap_err().to_string();
            assert!(error.contains(named), "{path}: {error}");
        }
        for missing in ["backgroundColor", "color", "metadata"] {
            let mut body = body();
            body.as_object_mut().unwrap().remove(missing);
            assert!(read(body).unwrap_err().to_string().contains(missing), "{missing}");
        }
    }
}
