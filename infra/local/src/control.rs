//! The running cloud's own endpoints under `/_local`, for the command line and for shells.
//!
//! They exist in the local cloud only: no function knows them.

use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

use crate::cloud::Inner;
use crate::gateway::message;

pub(crate) fn router(cloud: Weak<Inner>) -> Router {
    Router::new()
        .route("/mails", get(mails))
        .route("/tick/{name}", post(tick))
        .route("/clock/{millis}", post(clock))
        .route("/reset", post(reset))
        .with_state(cloud)
}

/// Mails that functions have sent, oldest first.
async fn mails(State(cloud): State<Weak<Inner>>) -> Response {
    with(&cloud, async |cloud| Ok(Json(cloud.mailbox.mails()).into_response())).await
}

/// Fires a schedule; 204 once its run has ended well.
async fn tick(State(cloud): State<Weak<Inner>>, Path(name): Path<String>) -> Response {
    with(&cloud, async |cloud| {
        cloud.tick(&name).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

/// Moves the clock forward; 204 once everybody follows.
async fn clock(State(cloud): State<Weak<Inner>>, Path(millis): Path<u64>) -> Response {
    with(&cloud, async |cloud| {
        cloud.advance(Duration::from_millis(millis))?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

/// Empties the cloud; 204 once that is done.
async fn reset(State(cloud): State<Weak<Inner>>) -> Response {
    with(&cloud, async |cloud| {
        cloud.reset().await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

/// Acts on the cloud while it is there; what goes wrong is a 400 that says what.
pub(crate) async fn with(
    cloud: &Weak<Inner>,
    act: impl AsyncFnOnce(Arc<Inner>) -> anyhow::Result<Response>,
) -> Response {
    let Some(cloud) = cloud.upgrade() else {
        return message(StatusCode::SERVICE_UNAVAILABLE, "the local cloud is stopping");
    };
    match act(cloud).await {
        Ok(response) => response,
        Err(error) => message(StatusCode::BAD_REQUEST, &format!("{error:#}")),
    }
}
