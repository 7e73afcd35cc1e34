//! Sessions for the tests of whatever checks one: a key pair that everybody knows, and what is signed with it.
//!
//! Behind the feature `test-support`, which only development dependencies switch on.
#![expect(clippy::unwrap_used, reason = "for tests")]

use chrono::{DateTime, TimeDelta, Utc};
use contract::auth::{AccessPayload, SessionHandle};
use domain::UserId;

use crate::access::{Signer, Verifier};

/// The private key of RFC 8032 §7.1, test 1.
pub const SEED: &str = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
/// The public key that belongs to it.
pub const PUBLIC: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/// Believes what [`SEED`] has signed.
#[must_use]
pub fn verifier() -> Verifier {
    Verifier::from_base64(PUBLIC).unwrap()
}

/// An access token for a session of a user.
#[must_use]
pub fn access_token(
    user: UserId,
    session: SessionHandle,
    issued_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> String {
    let issuer = "http://localhost/api".to_owned();
    let payload = AccessPayload::new(user, session, String::new(), issuer, issued_at, expires_at);
    Signer::from_base64(SEED).unwrap().sign(&payload).unwrap()
}

/// The `Cookie` header of a user who is signed in at this time.
#[must_use]
pub fn cookie(user: UserId, now: DateTime<Utc>) -> String {
    let token = access_token(user, SessionHandle::new([1; 16]), now, now + TimeDelta::hours(1));
    format!("sAccessToken={token}")
}
