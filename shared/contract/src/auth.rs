//! Authentication on the wire: the FDI shapes of the web app's session library.

mod email;
mod form;
mod google;
mod outcome;

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use domain::UserId;
use serde::{Deserialize, Serialize};

pub use email::{BadEmail, Email};
pub use form::{FieldError, Form, Malformed, PasswordReset, Rejected, SignIn, SignUp, field};
pub use google::GoogleCode;
pub use outcome::{Done, LoginMethod, Outcome, ThirdParty, UserView, Webauthn};

/// Names a session of a user; on the wire a UUID. It is no secret: nothing opens with it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionHandle(uuid::Uuid);

impl SessionHandle {
    /// From random bytes, of which six bits are overwritten by the UUID's version and variant (RFC 9562 §5.4).
    pub fn new(random: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(random).into_uuid())
    }

    /// From [`SessionHandle::as_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(uuid::Uuid::from_bytes(bytes))
    }

    /// The bytes of the UUID.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SessionHandle {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

/// The payload of an access token, also sent as `up` of the `front-token`. The web app writes `sub` into its events and corrects its clock by `iat`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct AccessPayload {
    /// Seconds since the epoch, unlike the `ate` of the front token.
    pub iat: i64,
    /// Seconds since the epoch.
    pub exp: i64,
    pub sub: UserId,
    #[serde(rename = "tId")]
    pub tenant_id: String,
    pub rsub: UserId,
    pub session_handle: SessionHandle,
    /// SHA-256 of the refresh token that belongs to this one, in hex: it makes two payloads of one second differ.
    pub refresh_token_hash1: String,
    pub parent_refresh_token_hash1: Option<String>,
    pub anti_csrf_token: Option<String>,
    pub iss: String,
}

impl AccessPayload {
    /// The payload for a session of the one tenant there is.
    pub fn new(
        user: UserId,
        handle: SessionHandle,
        refresh_hash: String,
        issuer: String,
        issued_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Self {
        Self {
            iat: issued_at.timestamp(),
            exp: expires_at.timestamp(),
            sub: user,
            tenant_id: TENANT.into(),
            rsub: user,
            session_handle: handle,
            refresh_token_hash1: refresh_hash,
            parent_refresh_token_hash1: None,
            anti_csrf_token: None,
            iss: issuer,
        }
    }
}

/// The `front-token` header, before its base64: what the web app's session library knows of its session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct FrontToken<'a> {
    pub uid: UserId,
    /// When the access token expires, in milliseconds since the epoch.
    pub ate: i64,
    pub up: &'a AccessPayload,
}

impl<'a> FrontToken<'a> {
    /// The front token that goes with an access token.
    pub fn new(payload: &'a AccessPayload) -> Self {
        Self { uid: payload.sub, ate: payload.exp.saturating_mul(1000), up: payload }
    }
}

/// The only tenant.
const TENANT: &str = "public";
