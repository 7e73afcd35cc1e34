//! `@connections`: how functions reach a client. The signature of a request is believed.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use chrono::SecondsFormat;
use serde_json::json;

use super::connections::{Connection, Order};
use super::{MESSAGE_LIMIT, SocketApi};

/// The routes, with the stage in front as on AWS, or without: SDKs append to whatever endpoint they are given.
pub(super) fn routes() -> Router<Arc<SocketApi>> {
    let methods = || get(look).post(post).delete(end);
    Router::new()
        .route("/@connections/{id}", methods())
        .route("/{stage}/@connections/{id}", methods())
        // The quota is checked here, in API Gateway's words.
        .layer(DefaultBodyLimit::disable())
}

/// A path with or without its stage.
#[derive(Debug, serde::Deserialize)]
struct Target {
    id: String,
}

/// Sends a client a message; answers once it is on its way.
async fn post(State(api): State<Arc<SocketApi>>, Path(target): Path<Target>, data: Bytes) -> Response {
    if data.len() > MESSAGE_LIMIT {
        return error(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLargeException", "Message too long");
    }
    let Ok(text) = String::from_utf8(data.into()) else {
        return error(StatusCode::BAD_REQUEST, "BadRequestException", "The message is not UTF-8");
    };
    ordered(&api, &target, Order::Send(text), StatusCode::OK).await
}

/// Ends a connection.
async fn end(State(api): State<Arc<SocketApi>>, Path(target): Path<Target>) -> Response {
    let close = Order::Close(1000, "Connection Closed Normally");
    ordered(&api, &target, close, StatusCode::NO_CONTENT).await
}

/// Tells what is known of a connection.
async fn look(State(api): State<Arc<SocketApi>>, Path(target): Path<Target>) -> Response {
    api.connections.find(&target.id).map_or_else(gone, |connection| Json(known(&connection)).into_response())
}

fn known(connection: &Connection) -> serde_json::Value {
    let at = |time: chrono::DateTime<chrono::Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
    json!({
        "connectedAt": at(connection.connected_at),
        "lastActiveAt": at(connection.last_active_at()),
        "identity": connection.identity,
    })
}

async fn ordered(api: &SocketApi, target: &Target, order: Order, done: StatusCode) -> Response {
    match api.connections.find(&target.id) {
        Some(connection) if connection.order(order).await => done.into_response(),
        _ => gone(),
    }
}

fn gone() -> Response {
    error(StatusCode::GONE, "GoneException", "Gone")
}

fn error(status: StatusCode, kind: &'static str, words: &str) -> Response {
    (status, [("x-amzn-errortype", kind)], Json(json!({ "message": words }))).into_response()
}
