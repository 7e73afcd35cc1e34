//! `health`: whether the API and its store answer. For probes; needs no session.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use seam::Clock;
use serde::Serialize;
use store::Store;

/// What the function needs.
#[derive(Clone, Debug)]
pub struct Health {
    /// Pinged by each probe.
    pub store: Store,
    /// For the time stamp.
    pub clock: Clock,
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
    timestamp: String,
}

/// The route.
pub fn router(health: Health) -> Router {
    Router::new().route("/api/health", get(probe)).with_state(health)
}

async fn probe(State(health): State<Health>) -> Response {
    let (code, status) = match health.store.ping().await {
        Ok(()) => (StatusCode::OK, "ok"),
        Err(error) => {
            tracing::error!(%error, "the store does not answer");
            (StatusCode::INTERNAL_SERVER_ERROR, "error")
        }
    };
    let timestamp = contract::timestamp(health.clock.now());
    (code, Json(Report { status, timestamp })).into_response()
}
