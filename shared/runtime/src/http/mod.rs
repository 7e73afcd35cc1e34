//! Serving a router under Lambda: CORS, limits, errors, measuring.

mod body;
mod cors;
mod deadline;
mod error;
mod headers;
mod listed;
mod measure;
mod session;

use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, map_response};
use axum::response::IntoResponse;
use axum::routing::any;
use axum::{Extension, Router};
use tower_http::catch_panic::CatchPanicLayer;

pub use body::{Body, Path, Query, RawBody};
pub use cors::{SameSite, Web};
pub use deadline::Deadline;
pub use error::{ApiError, no_content};
pub use listed::{Listed, Reader};
pub use session::{Session, is_cross_site};

use crate::Error;

/// The largest request body, in bytes. A Lambda may be called with 6 MB, of which the event's envelope and the escaping of the
/// body in it take a part.
pub const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// The router with everything that all functions share around it. Tests of a function call this too.
pub fn service(router: Router, web: &Web) -> Router {
    router
        .fallback(any(|| async { ApiError::not_found() }))
        .method_not_allowed_fallback(|| async { ApiError::not_found() })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn(deadline::answer_in_time))
        .layer(CatchPanicLayer::custom(|_| ApiError::panicked().into_response()))
        .layer(Extension(web.clone()))
        .layer(web.clone().layer())
        .layer(map_response(cors::preflight_is_204))
        .layer(map_response(headers::harden))
}

/// Serves a router whose responses are sent whole.
///
/// # Errors
/// Only when the Lambda runtime itself fails.
pub async fn run(router: Router, web: &Web) -> Result<(), Error> {
    lambda_http::run(measure::Measured::new(service(router, web))).await
}

/// Serves a router whose responses are streamed; several at a time where the platform says so (`AWS_LAMBDA_MAX_CONCURRENCY`).
///
/// # Errors
/// Only when the Lambda runtime itself fails.
pub async fn run_streaming(router: Router, web: &Web) -> Result<(), Error> {
    lambda_http::run_with_streaming_response_concurrent(measure::Measured::new(service(router, web))).await
}

#[cfg(test)]
mod tests {
    use auth::access::Verifier;
    use axum::body::Body as AxumBody;
    use axum::extract::FromRef;
    use axum::routing::{get, post};
    use http::{Request, StatusCode, header};
    use http_body_util::BodyExt;
    use seam::Clock;
    use tower::ServiceExt;

    use super::*;

    /// The public key of RFC 8032 §7.1, test 1.
    const PUBLIC_KEY: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    #[derive(Clone)]
    struct State;

    impl FromRef<State> for Verifier {
        fn from_ref(_: &State) -> Self {
            Self::from_base64(PUBLIC_KEY).unwrap()
        }
    }

    impl FromRef<State> for Clock {
        fn from_ref(_: &State) -> Self {
            Self::system()
        }
    }

    async fn send(
        request: http::request::Builder,
        body: impl Into<AxumBody>,
    ) -> (http::response::Parts, String) {
        let web = Web::new("http://localhost:9080".parse().unwrap(), [], SameSite::Lax);
        let router = Router::new()
            .route("/api/numbers", post(async |Body(numbers): Body<Vec<u32>>| numbers.len().to_string()))
            .route("/api/guarded", get(async |_: Session| "in"))
            .route("/api/panic", get(async || -> &'static str { panic!("as the test wants") }))
            .with_state(State);
        let request = request.header(header::ORIGIN, "http://localhost:9080").body(body.into()).unwrap();
        let (parts, body) = service(router, &web).oneshot(request).await.unwrap().into_parts();
        (parts, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    fn allowed(parts: &http::response::Parts) -> bool {
        parts
            .headers
            .get(header::ACCESS_CONTROL_ALLOW_ORIGIN)
            .is_some_and(|origin| origin == "http://localhost:9080")
    }

    #[tokio::test]
    async fn a_body_that_cannot_be_read_says_where_and_one_that_is_too_large_is_413() {
        let large = format!("[{}1]", "1,".repeat(BODY_LIMIT / 2));
        for (body, status, says) in [
            ("[1,2]", StatusCode::OK, "2"),
            ("[1,", StatusCode::BAD_REQUEST, "The body is not JSON"),
            ("", StatusCode::BAD_REQUEST, "The body is not JSON"),
            ("[1] x", StatusCode::BAD_REQUEST, "The body is not JSON"),
            ("[1,-2]", StatusCode::BAD_REQUEST, "[1]: invalid value"),
            (large.as_str(), StatusCode::PAYLOAD_TOO_LARGE, "must not be larger than 4194304 bytes"),
        ] {
            let (parts, answer) = send(Request::post("/api/numbers"), body.to_owned()).await;
            assert_eq!(parts.status, status, "{answer}");
            assert!(answer.contains(says), "{answer}");
            assert!(allowed(&parts));
        }
    }

    #[tokio::test]
    async fn no_session_is_a_401_that_a_browser_may_read_and_that_clears_nothing() {
        let (parts, body) = send(Request::get("/api/guarded"), "").await;
        assert_eq!(
            (parts.status, body.as_str()),
            (StatusCode::UNAUTHORIZED, r#"{"message":"unauthorised"}"#)
        );
        assert!(allowed(&parts) && !parts.headers.contains_key(header::SET_COOKIE));
        assert!(!parts.headers.contains_key("front-token"));
    }

    #[tokio::test]
    async fn a_panic_is_a_500_in_json_that_a_browser_may_read() {
        let (parts, body) = send(Request::get("/api/panic"), "").await;
        assert_eq!(parts.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(body, r#"{"result":"Request failed","message":"Something went wrong."}"#);
        assert!(allowed(&parts));
    }

    #[tokio::test]
    async fn every_response_carries_the_security_headers() {
        let (parts, _) = send(Request::get("/api/nothing"), "").await;
        assert_eq!(parts.headers["x-content-type-options"], "nosniff");
        assert_eq!(parts.headers["strict-transport-security"], "max-age=15552000; includeSubDomains");
    }
}
