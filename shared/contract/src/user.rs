//! The user's profile and metadata on the wire.

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

/// What the web app shows of the connection to Google.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConnectionState {
    /// A connect button.
    NotConnected,
    /// Access was withdrawn: connect again.
    ReconnectRequired,
    /// A spinner.
    Importing,
    /// All is well.
    Healthy,
    /// A repair button.
    Attention,
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

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the values are those of the wire")]
pub enum ImportFlag {
    Restart,
    Importing,
    Completed,
    Errored,
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
