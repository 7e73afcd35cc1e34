//! The page under `/_local`: what runs, what waits, what changed, who listens, and a hand in the fake Google's calendars.
//!
//! It belongs to the local cloud and to nobody else: no function serves it or knows of it. Three files without a build step, one event stream
//! ([`feed`]), and a few questions that depend on what is being looked at. Only this machine's own pages may use it ([`guard`]).

mod feed;
mod guard;
mod log;
mod state;

use std::sync::{Arc, Weak};

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use crate::cloud::Inner;
use crate::control::with;

pub(crate) use guard::guard;

const HTML: &str = include_str!("page.html");
const CSS: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// The page loads what it is made of from here and nothing else from anywhere, and nobody puts it into a frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; form-action 'none'; \
                      base-uri 'none'; frame-ancestors 'none'";

pub(crate) fn router(cloud: Weak<Inner>) -> Router {
    Router::new()
        .route("/", get(async || asset("text/html; charset=utf-8", HTML)))
        .route("/page.css", get(async || asset("text/css; charset=utf-8", CSS)))
        .route("/page.js", get(async || asset("text/javascript; charset=utf-8", SCRIPT)))
        .route("/feed", get(feed::feed))
        .route("/log", get(log::log))
        .route("/queues/{name}/redrive", post(redrive))
        .with_state(cloud)
}

/// What follows the slash that people type, too.
pub(crate) async fn without_slash() -> Redirect {
    Redirect::permanent("/_local")
}

/// The binary is the version: a browser asks anew after each start.
fn asset(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, text).into_response()
}

/// Moves the messages of a dead-letter queue back to where they came from; says how many.
async fn redrive(State(cloud): State<Weak<Inner>>, Path(name): Path<String>) -> Response {
    with(&cloud, async |cloud: Arc<Inner>| {
        let moved = cloud.queues.broker.redrive(&name, None)?;
        Ok((StatusCode::OK, Json(json!({ "moved": moved }))).into_response())
    })
    .await
}
