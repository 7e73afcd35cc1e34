//! The user's profile and metadata on the wire.

use chrono::{DateTime, Utc};
use domain::{ConnectionState, GoogleStatus, ImportFlag};
use serde::{Deserialize, Serialize};

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
        let sync = google.map(|status| SyncFlags { import: status.import, incremental: status.import });
        Self { settings, sync, google: GoogleView { connection_state: GoogleStatus::state(google, now) } }
    }
}

/// The part of the metadata that tells of Google.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct GoogleView {
    pub connection_state: ConnectionState,
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

/// What a browser may write of its metadata: an allow-list. Merged into what is stored, key by key.
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

impl Settings {
    /// These settings with every key that `newer` names replaced.
    pub fn merged(self, newer: Settings) -> Self {
        Self {
            skip_onboarding: newer.skip_onboarding.or(self.skip_onboarding),
            timezone: newer.timezone.or(self.timezone),
        }
    }
}
