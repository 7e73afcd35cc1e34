//! Google's list of calendars in our terms. Pure.
//!
//! What cannot be read of an entry is left out or stands at its default: a list is never refused because of what Google adds to it.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use domain::UserId;
use domain::calendar::{
    AccessRole, Calendar, Color, ConferenceProperties, ConferenceSolution, Listing, Notification,
    NotificationSettings, Provider, Reminder, id_of,
};
use google::calendar::Listed;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The colours of a calendar for which Google names none: those of its own first choice.
const BACKGROUND: &str = "#9fc6e7";
const FOREGROUND: &str = "#000000";

/// An entry of the list as a calendar of the user's. One that is new to us is selected if it is their primary one.
///
/// `None` when it has no colour, which cannot be.
pub fn read(user: UserId, listed: &Listed, now: DateTime<Utc>) -> Option<Calendar> {
    let extra = |name: &str| listed.extra.get(name);
    let text = |name: &str| extra(name).and_then(Value::as_str).map(str::to_owned);
    let color = |name: &str, otherwise: &str| {
        let named = text(name).and_then(|color| Color::try_from(color).ok());
        named.or_else(|| Color::try_from(otherwise.to_owned()).ok())
    };
    let listing = Listing {
        id: listed.id.clone(),
        etag: text("etag").unwrap_or_default(),
        summary: text("summary").unwrap_or_else(|| listed.id.clone()),
        provider: Provider::Google,
        summary_override: text("summaryOverride"),
        description: text("description"),
        location: text("location"),
        access_role: role(&listed.access_role),
        is_primary: listed.is_primary,
        conference_properties: ConferenceProperties {
            allowed_conference_solution_types: conferences(extra("conferenceProperties")),
        },
        default_reminders: each::<Reminder>(extra("defaultReminders")),
        notification_settings: extra("notificationSettings").map(|settings| NotificationSettings {
            notifications: each::<Notification>(settings.get("notifications")),
        }),
    };
    Some(Calendar {
        id: id_of(user, Provider::Google, &listed.id),
        background_color: color("backgroundColor", BACKGROUND)?,
        color: color("foregroundColor", FOREGROUND)?,
        is_selected: listed.is_primary,
        is_primary: listed.is_primary,
        is_confirmed: true,
        time_zone: listed.time_zone.as_deref().and_then(|zone| chrono_tz::Tz::from_str(zone).ok()),
        created_at: now,
        updated_at: None,
        listing,
    })
}

/// A role of which we know nothing allows nothing but to see when somebody is busy.
fn role(name: &str) -> AccessRole {
    match name {
        "owner" => AccessRole::Owner,
        "writer" | "writerWithoutPrivateAccess" => AccessRole::Writer,
        "reader" => AccessRole::Reader,
        _ => AccessRole::FreeBusyReader,
    }
}

fn conferences(properties: Option<&Value>) -> Vec<ConferenceSolution> {
    each(properties.and_then(|properties| properties.get("allowedConferenceSolutionTypes")))
}

/// What can be read of an array.
fn each<T: DeserializeOwned>(array: Option<&Value>) -> Vec<T> {
    let values = array.and_then(Value::as_array).into_iter().flatten();
    values.filter_map(|value| serde_json::from_value(value.clone()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Calendar {
        let listed: Listed = serde_json::from_value(value).unwrap();
        super::read(UserId::new([1; 12]), &listed, DateTime::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn an_entry_is_read_whole() {
        let calendar = read(json!({
            "kind": "calendar#calendarListEntry", "etag": "\"1\"", "id": "ada@example.com", "summary": "Ada",
            "summaryOverride": "Me", "timeZone": "Europe/Berlin", "colorId": "14", "backgroundColor": "#9fe1e7",
            "foregroundColor": "#000001", "selected": true, "accessRole": "owner", "primary": true,
            "defaultReminders": [{"method": "popup", "minutes": 30}],
            "notificationSettings": {"notifications": [{"type": "eventCreation", "method": "email"}]},
            "conferenceProperties": {"allowedConferenceSolutionTypes": ["hangoutsMeet"]}
        }));
        assert_eq!(calendar.time_zone, Some(chrono_tz::Europe::Berlin));
        assert_eq!(String::from(calendar.background_color.clone()), "#9fe1e7");
        assert!(calendar.is_primary && calendar.is_synced());
        let listing = &calendar.listing;
        assert_eq!((listing.summary_override.as_deref(), listing.default_reminders.len()), (Some("Me"), 1));
        assert_eq!(listing.conference_properties.allowed_conference_solution_types.len(), 1);
        assert_eq!(listing.notification_settings.as_ref().unwrap().notifications.len(), 1);
    }

    #[test]
    fn what_nobody_knows_yet_is_left_out_and_no_other_calendar_is_selected_unasked() {
        let calendar = read(json!({
            "id": "b", "accessRole": "soothsayer", "selected": true, "timeZone": "Mars/Olympus",
            "backgroundColor": "red", "conferenceProperties": {"allowedConferenceSolutionTypes": ["hologram"]},
            "defaultReminders": [{"method": "sms", "minutes": 5}, {"method": "email", "minutes": 10}]
        }));
        assert_eq!((calendar.listing.summary.as_str(), calendar.time_zone), ("b", None));
        assert!(!calendar.listing.access_role.can_write() && !calendar.is_selected);
        assert_eq!(calendar.listing.default_reminders.len(), 1);
        assert_eq!(calendar.listing.conference_properties, ConferenceProperties::default());
    }

    #[test]
    fn of_the_roles_two_may_write() {
        for (name, can_write) in [
            ("owner", true),
            ("writer", true),
            ("writerWithoutPrivateAccess", true),
            ("reader", false),
            ("freeBusyReader", false),
            ("", false),
        ] {
            assert_eq!(role(name).can_write(), can_write, "{name}");
        }
    }
}
