//! The body of every error, whatever its status.

use serde::{Deserialize, Serialize};

/// `{result, message, code?}`. The web app shows `message` in a few places and decides on `code`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What did not happen, in a few words.
    pub result: String,
    /// Why, for a person.
    pub message: String,
    /// A stable name, where the web app decides on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
}

/// The error codes that the web app knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// Google withdrew our access (410).
    GoogleRevoked,
    /// The Google account belongs to another user (409).
    GoogleAccountAlreadyConnected,
    /// The Google account has another email address (409).
    GoogleConnectEmailMismatch,
    /// This deployment has no Google client (503).
    GoogleNotConfigured,
}
