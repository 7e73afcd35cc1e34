//! `events.get`, `insert`, `update`, `patch` and `delete`.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, StatusCode, header};
use serde_json::Value;

use super::book::Book;
use super::channels::Watched;
use super::{Caller, Fields, event, object, rules};
use crate::error::Refusal;
use crate::oauth::scopes::Access;
use crate::state::{Google, World};

/// `GET /calendars/{calendar}/events/{event}`; deleted ones are shown as well.
pub(crate) async fn get(
    State(google): State<Arc<Google>>,
    caller: Caller,
    Path((calendar, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let world = google.world();
    let calendar = caller.open(&world, &calendar, Access::ReadEvents)?;
    let fields = world.books.get(&calendar).ok_or_else(Refusal::not_found)?.event(&id)?;
    let etag = fields.get("etag").and_then(Value::as_str).unwrap_or_default();
    if text(&headers, header::IF_NONE_MATCH) == Some(etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag.to_owned())]).into_response());
    }
    Ok(shown(&fields))
}

/// `POST /calendars/{calendar}/events`.
pub(crate) async fn insert(
    State(google): State<Arc<Google>>,
    caller: Caller,
    Path(calendar): Path<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let mut given = object(&body)?;
    rules::check_type(&given, |kind| kind != "fromGmail")?;
    // Clients make no instances: a series has them, and they are changed under their ids.
    given.retain(|name, _| !matches!(name.as_str(), "recurringEventId" | "originalStartTime"));
    let mut world = google.world();
    let calendar = caller.open(&world, &calendar, Access::WriteEvents)?;
    let id = chosen_id(&given)?.unwrap_or_else(|| world.event_id());
    google
        .write(&mut world, &calendar, |book, at| book.insert(&id, given, &caller.email, at))
        .map(|fields| shown(&fields))
}

/// `PUT /calendars/{calendar}/events/{event}`: what is left out is lost.
pub(crate) async fn update(
    State(google): State<Arc<Google>>,
    caller: Caller,
    Path((calendar, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let given = object(&body)?;
    let mut world = google.world();
    let calendar = caller.open(&world, &calendar, Access::WriteEvents)?;
    let if_match = text(&headers, header::IF_MATCH);
    google
        .write(&mut world, &calendar, |book, at| book.replace(&id, given, if_match, at))
        .map(|fields| shown(&fields))
}

/// `PATCH /calendars/{calendar}/events/{event}`.
pub(crate) async fn patch(
    State(google): State<Arc<Google>>,
    caller: Caller,
    Path((calendar, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let given = object(&body)?;
    let mut world = google.world();
    let calendar = caller.open(&world, &calendar, Access::WriteEvents)?;
    let if_match = text(&headers, header::IF_MATCH);
    google
        .write(&mut world, &calendar, |book, at| book.patch(&id, given, if_match, at))
        .map(|fields| shown(&fields))
}

/// `DELETE /calendars/{calendar}/events/{event}`.
pub(crate) async fn delete(
    State(google): State<Arc<Google>>,
    caller: Caller,
    Path((calendar, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    let mut world = google.world();
    let calendar = caller.open(&world, &calendar, Access::WriteEvents)?;
    let if_match = text(&headers, header::IF_MATCH);
    google.write(&mut world, &calendar, |book, at| book.delete(&id, if_match, at))?;
    Ok(StatusCode::NO_CONTENT)
}

/// The id that the client chose for a new event.
fn chosen_id(given: &Fields) -> Result<Option<String>, Refusal> {
    match given.get("id") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) if event::is_valid_id(id) => Ok(Some(id.clone())),
        Some(_) => Err(Refusal::bad("invalid", "Invalid resource id value.")),
    }
}

pub(super) fn shown(fields: &Fields) -> Response {
    let etag = fields.get("etag").and_then(Value::as_str).unwrap_or_default().to_owned();
    ([(header::ETAG, etag)], Json(fields)).into_response()
}

pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl Google {
    /// The one way an event changes: a new commit, then a notification on every channel that watches the calendar.
    pub(crate) fn write<T>(
        &self,
        world: &mut World,
        calendar: &str,
        change: impl FnOnce(&mut Book, i64) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let at = world.commit_at(self.now());
        let World { books, quirks, .. } = &mut *world;
        let book = books.get_mut(calendar).ok_or_else(Refusal::not_found)?;
        book.tells_dropped_exceptions = quirks.tells_dropped_exceptions;
        book.rewrites_texts = quirks.rewrites_texts;
        let changed = change(book, at)?;
        self.announce(
            world,
            |channel| matches!(&channel.watched, Watched::Events { calendar: id } if id == calendar),
        );
        Ok(changed)
    }
}
