//! What the fake answers when it refuses, in the two shapes Google has: Calendar's nested error and OAuth's flat one.

use std::path::PathBuf;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, StatusCode, header};
use serde_json::{Value, json};

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port could not be opened.
    #[error("cannot listen: {0}")]
    Listen(#[from] std::io::Error),
    /// The client that delivers notifications could not be made.
    #[error("cannot make the client that delivers notifications: {0}")]
    Client(#[from] reqwest::Error),
    /// A signing key could not be read.
    #[error("cannot read a signing key: {0}")]
    Key(String),
    /// The rules for requests could not be read.
    #[error("cannot read the discovery document: {0}")]
    Discovery(#[from] serde_json::Error),
    /// The kept state could not be read or written.
    #[error("cannot keep the state in {}: {source}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
}

/// A Calendar refusal, as Google words it.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{status} {reason}: {message}")]
pub struct Refusal {
    /// HTTP status.
    pub status: StatusCode,
    /// The machine-readable reason, such as `fullSyncRequired`.
    pub reason: String,
    /// The text for people.
    pub message: String,
    /// What is to blame: the kind (`parameter`, `header`) and the name.
    location: Option<(&'static str, &'static str)>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, reason: &str, message: impl Into<String>) -> Self {
        Self { status, reason: reason.to_owned(), message: message.into(), location: None }
    }

    /// The part of Google that refuses.
    fn domain(&self) -> &'static str {
        match self.reason.as_str() {
            "fullSyncRequired"
            | "updatedMinTooLongAgo"
            | "timeRangeEmpty"
            | "forbiddenForNonOrganizer"
            | "eventTypeRestriction" => "calendar",
            "rateLimitExceeded"
            | "userRateLimitExceeded"
            | "quotaExceeded"
            | "dailyLimitExceeded"
            | "accessNotConfigured" => "usageLimits",
            _ => "global",
        }
    }

    /// Newer front-end errors, those of authentication, name a canonical status and a detail reason too.
    fn canonical(&self) -> Option<(&'static str, &'static str)> {
        match (self.status, self.reason.as_str()) {
            (StatusCode::UNAUTHORIZED, "required") => Some(("UNAUTHENTICATED", "CREDENTIALS_MISSING")),
            (StatusCode::UNAUTHORIZED, "authError") => Some(("UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED")),
            (StatusCode::FORBIDDEN, "insufficientPermissions") => {
                Some(("PERMISSION_DENIED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"))
            }
            _ => None,
        }
    }

    pub(crate) fn bad(reason: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason, message)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "notFound", "Not Found")
    }

    pub(crate) fn deleted() -> Self {
        Self::new(StatusCode::GONE, "deleted", "Resource has been deleted")
    }

    pub(crate) fn duplicate() -> Self {
        Self::new(StatusCode::CONFLICT, "duplicate", "The requested identifier already exists.")
    }

    pub(crate) fn stale_etag() -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "conditionNotMet", "Precondition Failed")
            .at("header", "If-Match")
    }

    pub(crate) fn full_sync_required() -> Self {
        let message = "Sync token is no longer valid, a full sync is required.";
        Self::new(StatusCode::GONE, "fullSyncRequired", message).at("parameter", "syncToken")
    }

    pub(crate) fn updated_min_too_long_ago() -> Self {
        let message = "The requested minimum modification time lies too far in the past.";
        Self::new(StatusCode::GONE, "updatedMinTooLongAgo", message).at("parameter", "updatedMin")
    }

    pub(crate) fn no_credentials() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "required", "Login Required.").at("header", "Authorization")
    }

    pub(crate) fn bad_credentials() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "authError", "Invalid Credentials").at("header", "Authorization")
    }

    pub(crate) fn missing_scope() -> Self {
        let message = "Request had insufficient authentication scopes.";
        Self::new(StatusCode::FORBIDDEN, "insufficientPermissions", message)
    }

    /// Names the parameter or header that is to blame.
    pub(crate) fn at(mut self, kind: &'static str, name: &'static str) -> Self {
        self.location = Some((kind, name));
        self
    }

    /// The refusal that Google gives for `reason`, in its words where they are known.
    pub(crate) fn of_reason(status: StatusCode, reason: &str, message: Option<&str>) -> Self {
        const MESSAGES: &[(&str, &str)] = &[
            ("rateLimitExceeded", "Rate Limit Exceeded"),
            ("userRateLimitExceeded", "User Rate Limit Exceeded"),
            ("quotaExceeded", "Calendar usage limits exceeded."),
            ("dailyLimitExceeded", "Daily Limit Exceeded"),
            ("forbidden", "Forbidden"),
            (
                "forbiddenForNonOrganizer",
                "Shared properties can only be changed by the organizer of the event.",
            ),
            ("backendError", "Backend Error"),
            ("internalError", "Internal Error"),
            ("notFound", "Not Found"),
            ("authError", "Invalid Credentials"),
            ("conflict", "Conflict"),
            ("webhookUrlUnauthorized", "Unauthorized WebHook callback channel"),
        ];
        let known = MESSAGES.iter().find(|(known, _)| *known == reason).map(|(_, message)| *message);
        match (reason, message) {
            ("fullSyncRequired", None) => Self::full_sync_required(),
            ("conditionNotMet", None) => Self::stale_etag(),
            ("duplicate", None) => Self::duplicate(),
            ("deleted", None) => Self::deleted(),
            _ => {
                let message =
                    message.or(known).map_or_else(|| format!("Injected fault: {reason}"), str::to_owned);
                Self::new(status, reason, message)
            }
        }
    }

    fn body(&self) -> Value {
        let mut item = json!({"domain": self.domain(), "reason": self.reason, "message": self.message});
        if let Some((kind, name)) = self.location {
            item["locationType"] = kind.into();
            item["location"] = name.into();
        }
        let mut error = json!({"code": self.status.as_u16(), "message": self.message, "errors": [item]});
        if let Some((status, detail)) = self.canonical() {
            error["status"] = status.into();
            error["details"] = json!([{
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": detail,
                "domain": "googleapis.com",
                "metadata": {"service": "calendar-json.googleapis.com"},
            }]);
        }
        json!({"error": error})
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.body())).into_response()
    }
}

/// An OAuth refusal (RFC 6749 §5.2), with Google's habit of a terse description.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{error}: {description}")]
pub(crate) struct OAuthRefusal {
    pub(crate) status: StatusCode,
    pub(crate) error: String,
    pub(crate) description: String,
}

impl OAuthRefusal {
    pub(crate) fn new(status: StatusCode, error: &str, description: &str) -> Self {
        Self { status, error: error.to_owned(), description: description.to_owned() }
    }

    pub(crate) fn bad(error: &str, description: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, description)
    }
}

impl IntoResponse for OAuthRefusal {
    fn into_response(self) -> Response {
        const NO_STORE: (HeaderName, &str) = (header::CACHE_CONTROL, "no-store");
        let body = json!({"error": self.error, "error_description": self.description});
        (self.status, [NO_STORE], Json(body)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_the_nested_shape_with_its_location() {
        assert_eq!(
            Refusal::full_sync_required().body(),
            json!({"error": {
                "code": 410,
                "message": "Sync token is no longer valid, a full sync is required.",
                "errors": [{
                    "domain": "calendar",
                    "reason": "fullSyncRequired",
                    "message": "Sync token is no longer valid, a full sync is required.",
                    "locationType": "parameter",
                    "location": "syncToken",
                }],
            }})
        );
    }

    #[test]
    fn a_missing_scope_names_the_canonical_reason_too() {
        let body = Refusal::missing_scope().body();
        assert_eq!(body["error"]["status"], "PERMISSION_DENIED");
        assert_eq!(body["error"]["details"][0]["reason"], "ACCESS_TOKEN_SCOPE_INSUFFICIENT");
    }
}
