//! Serving a router under Lambda: CORS, limits, errors, measuring.

mod body;
mod cors;
mod deadline;
mod error;
mod measure;
mod session;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::any;
use tower_http::catch_panic::CatchPanicLayer;

pub use body::{Body, Path, Query};
pub use cors::{SameSite, Web};
pub use deadline::Deadline;
pub use error::{ApiError, no_content};
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
        .layer(CatchPanicLayer::custom(|_| axum::response::IntoResponse::into_response(ApiError::panicked())))
        .layer(axum::Extension(web.clone()))
        .layer(web.clone().layer())
        .layer(axum::middleware::map_response(cors::preflight_is_204))
}

/// Serves a router whose responses are sent whole.
///
/// # Errors
/// Only when the Lambda runtime itself fails.
pub async fn run(router: Router, web: &Web) -> Result<(), Error> {
    lambda_http::run(measure::Measured::new(service(router, web))).await
}

/// Serves a router whose responses are streamed.
///
/// # Errors
/// Only when the Lambda runtime itself fails.
pub async fn run_streaming(router: Router, web: &Web) -> Result<(), Error> {
    lambda_http::run_with_streaming_response(measure::Measured::new(service(router, web))).await
}
