//! The user's profile and metadata on the wire.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::{ConnectionState, GoogleStatus, ImportFlag};
use serde::{Deserialize, Deserializer, Serialize};

/// `GET /api/user/profile`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct ProfileView {
    #[serde(rename = "_id")]
    pub id: String,
    pub first_name: String,
    pub last_name: String,
    pub name: String,
    pub email: String,
    pub locale: String,
    pub user_id: String,
    /// Empty when there is none.
    pub picture: String,
}

/// `GET /api/user/metadata`, and the data of `USER_METADATA`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct MetadataView {
    #[serde(flatten)]
    pub settings: Settings,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncFlags>,
    pub google: GoogleView,
}

impl MetadataView {
    /// The metadata of a user with these settings and this connection.
    pub fn new(settings: Settings, google: Option<&GoogleStatus>, now: DateTime<Utc>) -> Self {
        let google = google.filter(|status| !status.is_disconnected);
        let sync = google.map(|status| SyncFlags { import: status.import, incremental: status.import });
        let connection_state = GoogleStatus::state(google, now);
        let paused = google.filter(|status| status.are_writes_paused(now));
        let writes_paused_until = paused.and_then(|status| status.writes_paused_until);
        Self { settings, sync, google: GoogleView { connection_state, writes_paused_until } }
    }
}

/// The part of the metadata that tells of Google.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct GoogleView {
    pub connection_state: ConnectionState,
    /// Not in the contract: until when Google takes no more writes of this user. The web app ignores it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writes_paused_until: Option<DateTime<Utc>>,
}

/// The two flags of the import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct SyncFlags {
    #[serde(rename = "importGCal")]
    pub import: ImportFlag,
    #[serde(rename = "incrementalGCalSync")]
    pub incremental: ImportFlag,
}

/// What a browser keeps with us of its metadata: an allow-list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Whether the introduction was dismissed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_onboarding: Option<bool>,
    /// The user's time zone, an IANA name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

/// `POST /api/user/metadata`: a key that is absent stays as it is, one that is null goes, any other is replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the fields are those of the settings")]
pub struct SettingsChange {
    #[serde(deserialize_with = "named")]
    pub skip_onboarding: Option<Option<bool>>,
    #[serde(deserialize_with = "named")]
    pub timezone: Option<Option<Tz>>,
}

/// A key that is there, be it with null.
fn named<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl SettingsChange {
    /// The settings after the change.
    pub fn apply(self, stored: Settings) -> Settings {
        let timezone = self.timezone.map(|zone| zone.map(|zone| zone.name().to_owned()));
        Settings {
            skip_onboarding: self.skip_onboarding.unwrap_or(stored.skip_onboarding),
            timezone: timezone.unwrap_or(stored.timezone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_key_stays_a_null_goes_and_a_value_replaces() {
        let stored = Settings { skip_onboarding: Some(true), timezone: Some("Europe/Vienna".into()) };
        let after =
            |change: &str| serde_json::from_str::<SettingsChange>(change).unwrap().apply(stored.clone());
        assert_eq!(after("{}"), stored);
        assert_eq!(after(r#"{"timezone":null}"#), Settings { timezone: None, ..stored.clone() });
        let moved = Settings { timezone: Some("Asia/Calcutta".into()), skip_onboarding: None };
        assert_eq!(after(r#"{"timezone":"Asia/Calcutta","skipOnboarding":null}"#), moved);
        for refused in
            [r#"{"timezone":"Mars/Olympus"}"#, r#"{"timezone":""}"#, r#"{"sync":{}}"#, r#"{"google":null}"#]
        {
            assert!(serde_json::from_str::<SettingsChange>(refused).is_err(), "{refused}");
        }
    }
}
