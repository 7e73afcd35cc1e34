//! When the platform ends an invocation, and the answer that must come before.
//!
//! A function that is killed answers nothing, and its gateway's 503 has no CORS headers, which the web app takes for an unreachable backend.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::Extensions;
use http::request::Parts;
use lambda_http::RequestExt;
use seam::{Class, Clock};

use super::ApiError;

/// What is left of the invocation for sending the answer.
const RESERVE: Duration = Duration::from_millis(500);

/// When the invocation that a request belongs to is killed; none outside of Lambda. For handlers whose response outlives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(pub Option<DateTime<Utc>>);

impl Deadline {
    fn of(extensions: &Extensions) -> Self {
        let millis = extensions.lambda_context_ref().and_then(|context| i64::try_from(context.deadline).ok());
        Self(millis.and_then(DateTime::from_timestamp_millis))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Deadline {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}

/// Answers 503 when the handler has not answered shortly before the deadline. What it wrote by then stays written.
pub(super) async fn answer_in_time(request: Request, next: Next) -> Response {
    let Deadline(Some(deadline)) = Deadline::of(request.extensions()) else { return next.run(request).await };
    let remaining = (deadline - Clock::system().now()).to_std().unwrap_or_default().saturating_sub(RESERVE);
    match tokio::time::timeout(remaining, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            ApiError::of_class(Class::Transient, "the invocation's deadline came first").into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use lambda_http::Context;

    use super::*;

    async fn deadline(request: http::Request<()>) -> Option<DateTime<Utc>> {
        let Ok(Deadline(at)) = Deadline::from_request_parts(&mut request.into_parts().0, &()).await;
        at
    }

    #[tokio::test]
    async fn the_deadline_is_the_invocations() {
        let mut context = Context::default();
        context.deadline = 1_763_600_000_000;
        let within = http::Request::new(()).with_lambda_context(context);
        assert_eq!(deadline(within).await, DateTime::from_timestamp_millis(1_763_600_000_000));
        assert_eq!(deadline(http::Request::new(())).await, None);
    }
}
