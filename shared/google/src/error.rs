//! What can go wrong with Google, told apart by its reason and not by its status.
//!
//! A 403 may mean "slow down", "come back tomorrow", "not yours" or "ask the user again"; a 410 may mean that an event is deleted or that a
//! sync token is spent. So the body decides.

use std::time::Duration;

use seam::{Class, Interrupted};
use serde::Deserialize;

/// A failed call to Google. Never holds a token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This installation has no Google client.
    #[error("Google is not configured")]
    NotConfigured,
    /// The data key is not 32 bytes of base64.
    #[error("the token encryption key is not 32 bytes of base64")]
    BadKey,
    /// A sealed token does not open: other key, other user, or damage.
    #[error("a sealed token does not open")]
    Unsealable,
    /// No answer in time.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// Google cannot be reached.
    #[error("{operation}: Google cannot be reached: {reason}")]
    Unreachable {
        /// The operation.
        operation: &'static str,
        /// What the client says, without addresses.
        reason: String,
    },
    /// An answer does not have the shape that Google documents.
    #[error("{operation}: the answer cannot be read: {reason}")]
    Unreadable {
        /// The operation.
        operation: &'static str,
        /// Where it departs from it.
        reason: String,
    },
    /// The user, or Google on their behalf, withdrew our access (`invalid_grant`).
    #[error("Google access was withdrawn")]
    Revoked,
    /// An authorization code is wrong, spent or expired.
    #[error("the authorization code was refused")]
    BadCode,
    /// Google does not accept our client id or secret: the operator's to mend, no fault of the user's.
    #[error("Google refuses our OAuth client")]
    BadClient,
    /// Another refusal of the token endpoint.
    #[error("the token endpoint refused: {0}")]
    OAuth(String),
    /// An id token that must not be believed.
    #[error("the id token was refused: {0}")]
    BadIdToken(&'static str),
    /// The Calendar API refused.
    #[error("{operation} was refused with {status}: {reason:?} ({message})")]
    Refused {
        /// The operation, as Google names it.
        operation: &'static str,
        /// Why.
        reason: Reason,
        /// The HTTP status.
        status: u16,
        /// Google's words, shortened.
        message: String,
        /// How long Google wants us to wait.
        retry_after: Option<Duration>,
    },
}

/// Why the Calendar API refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The access token is not accepted (any more).
    Unauthorized,
    /// The user did not grant what this needs.
    MissingScope,
    /// The sync token is spent: read everything anew.
    SyncTokenGone,
    /// The page token is spent: begin the traversal anew.
    PageTokenGone,
    /// An event with this id exists, or did.
    Duplicate,
    /// Our `If-Match` is stale, or Google was busy with the same event.
    Stale,
    /// The event is deleted already.
    AlreadyDeleted,
    /// There is no such thing, or we may not see it.
    NotFound,
    /// Too fast.
    Throttled,
    /// The user's calendar takes no more writes for hours.
    UserLimit,
    /// The project's quota is used up.
    ProjectLimit,
    /// The API is not enabled for the project.
    NotEnabled,
    /// Not ours to change.
    Forbidden,
    /// This resource sends no notifications: poll it.
    PushNotSupported,
    /// The channel's id is taken.
    ChannelTaken,
    /// Google does not accept our notification address.
    BadAddress,
    /// The request is wrong and will stay wrong.
    Invalid,
    /// Google failed; a write may have happened.
    Backend,
}

impl Reason {
    fn class(self) -> Class {
        match self {
            Self::Duplicate
            | Self::Stale
            | Self::SyncTokenGone
            | Self::PageTokenGone
            | Self::ChannelTaken => Class::Conflict,
            Self::MissingScope | Self::AlreadyDeleted | Self::NotFound => Class::Gone,
            Self::Throttled | Self::UserLimit | Self::ProjectLimit => Class::Throttled,
            Self::Unauthorized | Self::Backend => Class::Transient,
            Self::Forbidden | Self::PushNotSupported | Self::Invalid => Class::Caller,
            Self::NotEnabled | Self::BadAddress => Class::Bug,
        }
    }
}

impl Error {
    /// How the caller must react.
    pub fn class(&self) -> Class {
        match self {
            Self::Interrupted(interrupted) => interrupted.class(),
            Self::Unreachable { .. } => Class::Transient,
            Self::Revoked => Class::Gone,
            Self::BadCode | Self::BadIdToken(_) => Class::Caller,
            Self::Refused { reason, .. } => reason.class(),
            Self::NotConfigured
            | Self::BadKey
            | Self::Unsealable
            | Self::Unreadable { .. }
            | Self::BadClient
            | Self::OAuth(_) => Class::Bug,
        }
    }

    /// Why the Calendar API refused, if it did.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Refused { reason, .. } => Some(*reason),
            _ => None,
        }
    }

    /// Whether the Calendar API refused for this reason.
    pub fn is(&self, reason: Reason) -> bool {
        self.reason() == Some(reason)
    }

    /// How long Google wants us to wait, if it says.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the project or our client is refused, whoever the user is: only the operator can mend that.
    pub fn concerns_everybody(&self) -> bool {
        let is_refused = || matches!(self.reason(), Some(Reason::ProjectLimit | Reason::NotEnabled));
        matches!(self, Self::BadClient) || is_refused()
    }

    /// Whether only the user can give us access again.
    pub fn needs_reconnect(&self) -> bool {
        matches!(self, Self::Revoked) || self.is(Reason::MissingScope)
    }

    /// From an answer of the Calendar API that is no success.
    pub(crate) fn from_answer(
        operation: &'static str,
        status: u16,
        retry_after: Option<Duration>,
        body: &[u8],
    ) -> Self {
        // A proxy's answer has no such body: the status must do then.
        let said = serde_json::from_slice::<Body>(body).map(|body| body.error).unwrap_or_default();
        let reason = reason(status, &said);
        let message = said.message.chars().take(200).collect();
        Self::Refused { operation, reason, status, message, retry_after }
    }
}

#[derive(Deserialize)]
struct Body {
    error: Said,
}

#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<Named>,
    #[serde(default)]
    details: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    reason: String,
}

fn reason(status: u16, said: &Said) -> Reason {
    let names = said.errors.iter().chain(&said.details).map(|named| named.reason.as_str());
    names.filter_map(|name| named(status, name, &said.message)).next().unwrap_or(match status {
        400 => invalid(&said.message),
        401 => Reason::Unauthorized,
        404 => Reason::NotFound,
        409 | 412 => Reason::Stale,
        410 => Reason::AlreadyDeleted,
        429 => Reason::Throttled,
        403 => Reason::Forbidden,
        500.. => Reason::Backend,
        _ => Reason::Invalid,
    })
}

/// What Google's name of a reason means; `None` for one that says nothing beyond the status.
fn named(status: u16, name: &str, message: &str) -> Option<Reason> {
    Some(match name {
        "authError" => Reason::Unauthorized,
        "insufficientPermissions" | "ACCESS_TOKEN_SCOPE_INSUFFICIENT" => Reason::MissingScope,
        "fullSyncRequired" | "updatedMinTooLongAgo" => Reason::SyncTokenGone,
        "duplicate" => Reason::Duplicate,
        "conditionNotMet" | "conflict" => Reason::Stale,
        "deleted" => Reason::AlreadyDeleted,
        "notFound" => Reason::NotFound,
        "rateLimitExceeded" | "userRateLimitExceeded" => Reason::Throttled,
        "quotaExceeded" => Reason::UserLimit,
        "dailyLimitExceeded" | "variableTermLimitExceeded" => Reason::ProjectLimit,
        "accessNotConfigured" => Reason::NotEnabled,
        "forbidden" | "requiredAccessLevel" | "forbiddenForNonOrganizer" | "forbiddenForServiceAccounts" => {
            Reason::Forbidden
        }
        "pushNotSupportedForRequestedResource" => Reason::PushNotSupported,
        "channelIdNotUnique" => Reason::ChannelTaken,
        "webhookUrlNotHttps" | "webhookUrlUnauthorized" => Reason::BadAddress,
        "backendError" | "internalError" => Reason::Backend,
        _ if status == 400 => invalid(message),
        _ => return None,
    })
}

/// A 400 whose reason is a generic `invalid`: three of them have a meaning that only the text tells.
fn invalid(message: &str) -> Reason {
    let message = message.to_ascii_lowercase();
    let is_about = |what: &str| message.contains(what);
    if is_about("sync token") {
        Reason::SyncTokenGone
    } else if is_about("page token") {
        Reason::PageTokenGone
    } else if is_about("invalid sequence value") {
        Reason::Stale
    } else {
        Reason::Invalid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, reason: &str, message: &str) -> Error {
        let body = serde_json::json!({
            "error": { "code": status, "message": message, "errors": [{ "domain": "global", "reason": reason }] }
        });
        Error::from_answer("events.list", status, None, body.to_string().as_bytes())
    }

    #[test]
    fn the_reason_decides_and_not_the_status() {
        for (status, name, message, reason, class) in [
            (400, "invalid", "Invalid value", Reason::Invalid, Class::Caller),
            (400, "required", "Missing end time.", Reason::Invalid, Class::Caller),
            (400, "invalid", "Invalid sync token value.", Reason::SyncTokenGone, Class::Conflict),
            (400, "invalid", "Invalid page token value.", Reason::PageTokenGone, Class::Conflict),
            (400, "invalid", "Invalid sequence value. …", Reason::Stale, Class::Conflict),
            (400, "pushNotSupportedForRequestedResource", "", Reason::PushNotSupported, Class::Caller),
            (400, "channelIdNotUnique", "", Reason::ChannelTaken, Class::Conflict),
            (400, "webhookUrlNotHttps", "", Reason::BadAddress, Class::Bug),
            (401, "authError", "Invalid Credentials", Reason::Unauthorized, Class::Transient),
            (401, "webhookUrlUnauthorized", "", Reason::BadAddress, Class::Bug),
            (403, "rateLimitExceeded", "", Reason::Throttled, Class::Throttled),
            (403, "userRateLimitExceeded", "", Reason::Throttled, Class::Throttled),
            (429, "rateLimitExceeded", "", Reason::Throttled, Class::Throttled),
            (403, "quotaExceeded", "Calendar usage limits exceeded.", Reason::UserLimit, Class::Throttled),
            (403, "dailyLimitExceeded", "", Reason::ProjectLimit, Class::Throttled),
            (403, "accessNotConfigured", "", Reason::NotEnabled, Class::Bug),
            (403, "insufficientPermissions", "", Reason::MissingScope, Class::Gone),
            (403, "forbiddenForNonOrganizer", "", Reason::Forbidden, Class::Caller),
            (403, "somethingNew", "", Reason::Forbidden, Class::Caller),
            (404, "notFound", "Not Found", Reason::NotFound, Class::Gone),
            (
                409,
                "duplicate",
                "The requested identifier already exists.",
                Reason::Duplicate,
                Class::Conflict,
            ),
            (409, "conflict", "", Reason::Stale, Class::Conflict),
            (410, "fullSyncRequired", "", Reason::SyncTokenGone, Class::Conflict),
            (410, "updatedMinTooLongAgo", "", Reason::SyncTokenGone, Class::Conflict),
            (410, "deleted", "Resource has been deleted", Reason::AlreadyDeleted, Class::Gone),
            (412, "conditionNotMet", "Precondition Failed", Reason::Stale, Class::Conflict),
            (500, "internalError", "", Reason::Backend, Class::Transient),
            (503, "backendError", "", Reason::Backend, Class::Transient),
        ] {
            let error = answer(status, name, message);
            assert_eq!((error.reason(), error.class()), (Some(reason), class), "{status} {name} {message}");
        }
    }

    #[test]
    fn the_newer_shape_of_a_missing_scope_is_understood() {
        let body = br#"{"error":{"code":403,"message":"Request had insufficient authentication scopes.",
            "status":"PERMISSION_DENIED","details":[{"reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}"#;
        let error = Error::from_answer("events.list", 403, None, body);
        assert!(error.is(Reason::MissingScope) && error.needs_reconnect());
    }

    #[test]
    fn without_googles_body_the_status_must_do() {
        for (status, reason) in [
            (502, Reason::Backend),
            (429, Reason::Throttled),
            (403, Reason::Forbidden),
            (410, Reason::AlreadyDeleted),
        ] {
            assert!(Error::from_answer("events.get", status, None, b"<html>").is(reason), "{status}");
        }
    }

    #[test]
    fn only_a_withdrawn_grant_is_the_users_to_mend() {
        assert_eq!(Error::Revoked.class(), Class::Gone);
        assert!(Error::Revoked.needs_reconnect());
        assert_eq!(Error::BadClient.class(), Class::Bug);
        assert!(!Error::BadClient.needs_reconnect());
    }

    #[test]
    fn what_concerns_everybody_is_the_operators_to_mend() {
        assert!(Error::BadClient.concerns_everybody());
        for reason in ["dailyLimitExceeded", "variableTermLimitExceeded", "accessNotConfigured"] {
            assert!(answer(403, reason, "").concerns_everybody(), "{reason}");
        }
        for reason in ["rateLimitExceeded", "quotaExceeded", "forbidden", "insufficientPermissions"] {
            assert!(!answer(403, reason, "").concerns_everybody(), "{reason}");
        }
        assert!(!Error::Revoked.concerns_everybody());
    }
}
