//! `events.import` and `events.move`: how events come from elsewhere and go elsewhere.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::book::Book;
use super::events::shown;
use super::{Caller, Fields, event, object, rules};
use crate::error::Refusal;
use crate::oauth::scopes::Access;
use crate::state::{Google, World};

/// `POST /calendars/{calendar}/events/import`: what has the UID already is replaced.
pub(crate) async fn import(
    State(google): State<Arc<Google>>,
    caller: Caller,
    Path(calendar): Path<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let given = object(&body)?;
    let uid = given.get("iCalUID").and_then(Value::as_str).filter(|uid| !uid.is_empty());
    let uid = uid.ok_or_else(|| Refusal::bad("required", "Missing iCal UID."))?.to_owned();
    rules::check_type(&given, |kind| kind == "default")?;
    let mut world = google.world();
    let calendar = caller.open(&world, &calendar, Access::WriteEvents)?;
    let new_id = format!("_{}", world.event_id());
    let import = |book: &mut Book, at| match book.with_uid(&uid) {
        Some(id) => {
            let mut given = given;
            given.entry("status").or_insert_with(|| "confirmed".into());
            book.replace(&id, given, None, at)
        }
        None => book.insert(&new_id, given, &caller.email, at),
    };
    google.write(&mut world, &calendar, import).map(|fields| shown(&fields))
}

#[derive(Deserialize)]
pub(crate) struct Destination {
    destination: String,
}

/// `POST /calendars/{calendar}/events/{event}/move`: the event keeps its id and gets another organizer; a stub stays behind.
pub(crate) async fn relocate(
    State(google): State<Arc<Google>>,
    caller: Caller,
    Path((calendar, id)): Path<(String, String)>,
    Query(Destination { destination }): Query<Destination>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let mut world = google.world();
    let from = caller.open(&world, &calendar, Access::WriteEvents)?;
    let to = caller.open(&world, &destination, Access::WriteEvents)?;
    let if_match = super::events::text(&headers, http::header::IF_MATCH);
    google.relocate(&mut world, &from, &to, &id, if_match).map(|fields| shown(&fields))
}

impl Google {
    /// Moves an event, with its exceptions, from one calendar to another.
    pub(crate) fn relocate(
        &self,
        world: &mut World,
        from: &str,
        to: &str,
        id: &str,
        if_match: Option<&str>,
    ) -> Result<Arc<Fields>, Refusal> {
        let event = world.books.get(from).ok_or_else(Refusal::not_found)?.fresh(id, if_match)?;
        if event::is_cancelled(&event) {
            return Err(Refusal::deleted());
        }
        rules::check_type(&event, |kind| kind == "default")?;
        if event::master_of(&event).is_some() {
            return Err(Refusal::bad("invalid", "Cannot move an instance of a recurring event."));
        }
        if from == to {
            return Ok(event);
        }
        let is_taken = |book: &Book| book.event(id).is_ok_and(|there| !event::is_cancelled(&there));
        if world.books.get(to).is_some_and(is_taken) {
            return Err(Refusal::duplicate());
        }
        let taken = self.write(world, from, |book, at| Ok(book.take_out(id, at)))?;
        self.write(world, to, |book, at| {
            book.put_in(taken, at);
            book.event(id)
        })
    }
}

impl Book {
    /// The id of the event, not an instance, that has the UID.
    fn with_uid(&self, uid: &str) -> Option<String> {
        let is_it = |fields: &Fields| {
            fields.get("iCalUID").is_some_and(|own| own == uid) && event::master_of(fields).is_none()
        };
        self.events.iter().find(|(_, stored)| is_it(&stored.fields)).map(|(id, _)| id.clone())
    }

    /// Takes an event out with its exceptions and leaves a stub.
    fn take_out(&mut self, id: &str, at: i64) -> Vec<Fields> {
        let mut ids = self.exceptions(id);
        ids.push(id.to_owned());
        let taken = ids.iter().filter_map(|id| self.events.remove(id)).map(|stored| (*stored.fields).clone());
        let taken = taken.collect();
        let stub = json!({"kind": "calendar#event", "id": id, "status": "cancelled"});
        let stub = stub.as_object().cloned().unwrap_or_default();
        self.keep(id, event::stamped(stub, at), at);
        taken
    }

    fn put_in(&mut self, events: Vec<Fields>, at: i64) {
        for mut fields in events {
            let Some(id) = fields.get("id").and_then(Value::as_str).map(str::to_owned) else { continue };
            fields.insert("organizer".to_owned(), json!({"email": self.owner, "self": true}));
            self.keep(&id, event::stamped(fields, at), at);
        }
    }
}
