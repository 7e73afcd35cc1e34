//! Calendar v3: who may call, and the table of its routes. Each method of the reference is one handler in the module of its resource.

pub(crate) mod book;
pub(crate) mod calendars;
pub(crate) mod channels;
pub(crate) mod cursor;
mod cut;
pub(crate) mod event;
pub(crate) mod events;
mod filter;
pub(crate) mod instance;
pub(crate) mod list;
pub(crate) mod question;
pub(crate) mod recurrence;
mod rules;
pub(crate) mod scope;
pub(crate) mod series;
mod shape;
pub(crate) mod time;
mod transfer;
pub(crate) mod traversal;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use http::StatusCode;
use http::request::Parts;
use serde_json::{Map, Value};

use crate::error::Refusal;
use crate::oauth::identity::bearer;
use crate::oauth::scopes::{Access, Scopes};
use crate::state::{Google, World};

/// The members of a resource.
pub(crate) type Fields = Map<String, Value>;

pub(crate) fn routes() -> Router<Arc<Google>> {
    Router::new()
        .route("/users/me/calendarList", get(calendars::list))
        .route("/users/me/calendarList/watch", post(channels::watch_calendar_list))
        .route("/users/me/calendarList/{calendar}", get(calendars::entry))
        .route("/calendars/{calendar}/events", get(list::list).post(events::insert))
        .route("/calendars/{calendar}", get(calendars::get))
        .route("/calendars/{calendar}/events/import", post(transfer::import))
        .route("/calendars/{calendar}/events/{event}/move", post(transfer::relocate))
        .route("/calendars/{calendar}/acl/watch", post(channels::watch_acl))
        .route("/users/me/settings/watch", post(channels::watch_settings))
        .route("/calendars/{calendar}/events/watch", post(channels::watch_events))
        .route(
            "/calendars/{calendar}/events/{event}",
            get(events::get).put(events::update).patch(events::patch).delete(events::delete),
        )
        .route("/calendars/{calendar}/events/{event}/instances", get(list::instances))
        .route("/channels/stop", post(channels::stop))
        .layer(from_fn(shape::shape))
}

/// The account and scopes behind a request's access token.
pub(crate) struct Caller {
    pub email: String,
    scopes: Scopes,
}

impl FromRequestParts<Arc<Google>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, google: &Arc<Google>) -> Result<Self, Refusal> {
        let token = bearer(&parts.headers).ok_or_else(Refusal::no_credentials)?;
        let world = google.world();
        let holder = world.grants.access(token, google.now()).ok_or_else(Refusal::bad_credentials)?;
        Ok(Self { email: holder.email.clone(), scopes: holder.scopes.clone() })
    }
}

impl Caller {
    /// Refuses a caller whose token does not cover `access`.
    pub(crate) fn require(&self, access: Access) -> Result<(), Refusal> {
        self.scopes.allow(access).then_some(()).ok_or_else(Refusal::missing_scope)
    }

    /// The id of the calendar that `name` means to this caller, who must have it on the list, and may write if that is wanted.
    pub(crate) fn open(&self, world: &World, name: &str, access: Access) -> Result<String, Refusal> {
        self.require(access)?;
        open(world, &self.email, name, access)
    }
}

/// As [`Caller::open`], for whoever acts without a token.
pub(crate) fn open(world: &World, email: &str, name: &str, access: Access) -> Result<String, Refusal> {
    let id = if name == "primary" { email } else { name };
    let listed = world.lists.get(email).and_then(|list| list.get(id)).filter(|entry| !entry.is_removed);
    let listed = listed.ok_or_else(Refusal::not_found)?;
    if access == Access::WriteEvents
        && !matches!(listed.role.as_str(), "owner" | "writer" | "writerWithoutPrivateAccess")
    {
        let message = "You need to have writer access to this calendar.";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "requiredAccessLevel", message));
    }
    Ok(id.to_owned())
}

/// The request body, which must be a JSON object; nothing counts as an empty one.
pub(crate) fn object(body: &[u8]) -> Result<Fields, Refusal> {
    if body.is_empty() {
        return Ok(Fields::new());
    }
    serde_json::from_slice(body).map_err(|_| Refusal::bad("parseError", "Parse Error"))
}
