//! The running cloud's own endpoints under `/_local`, for the command line and for shells.
//!
//! They exist in the local cloud only: no function knows them.

use std::sync::Weak;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use crate::cloud::Inner;

pub(crate) fn router(cloud: Weak<Inner>) -> Router {
    Router::new().route("/mails", get(mails)).with_state(cloud)
}

async fn mails(State(cloud): State<Weak<Inner>>) -> Response {
    match cloud.upgrade() {
        Some(cloud) => Json(cloud.mailbox.mails()).into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
