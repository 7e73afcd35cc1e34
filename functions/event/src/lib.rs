//! `event`: the user's events. Each handler parses, lets `domain` plan, writes once, and answers; Google is never called here.

mod batch;
mod handlers;

use auth::access::Verifier;
use axum::Router;
use axum::extract::FromRef;
use axum::routing::{delete, get, put};
use seam::{Clock, Random};
use store::{CursorKey, Store};

/// What the handlers need.
#[derive(Clone, FromRef)]
pub struct Events {
    /// Where events are.
    pub store: Store,
    /// Knows a valid session.
    pub verifier: Verifier,
    /// Seals the cursors of lists.
    pub cursors: CursorKey,
    /// For time stamps.
    pub clock: Clock,
    /// For ids that a browser did not choose.
    pub random: Random,
}

/// The routes.
pub fn router(events: Events) -> Router {
    Router::new()
        .route("/api/event", get(handlers::list).post(handlers::create))
        .route("/api/event/reorder", put(handlers::reorder))
        .route("/api/event/deleteMany", delete(handlers::delete_many))
        .route("/api/event/{id}", get(handlers::read).put(handlers::replace).delete(handlers::delete))
        .with_state(events)
}
