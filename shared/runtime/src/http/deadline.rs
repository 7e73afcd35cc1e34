//! When the platform ends an invocation, for handlers that must have ended before.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use chrono::{DateTime, Utc};
use http::request::Parts;
use lambda_http::RequestExt;

/// When the invocation that a request belongs to is killed; none outside of Lambda.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(pub Option<DateTime<Utc>>);

impl<S: Send + Sync> FromRequestParts<S> for Deadline {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let millis = parts.lambda_context_ref().and_then(|context| i64::try_from(context.deadline).ok());
        Ok(Self(millis.and_then(DateTime::from_timestamp_millis)))
    }
}
