//! `calendarList.list` and `calendarList.get`: the calendars an account has on its list.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde_json::{Value, json};

use super::book::{Book, Listed};
use super::question::{Pairs, Question};
use super::{Caller, Fields, event};
use crate::error::Refusal;
use crate::oauth::scopes::Access;
use crate::state::{Google, World};

/// `GET /users/me/calendarList`.
pub(crate) async fn list(
    State(google): State<Arc<Google>>,
    caller: Caller,
    Query(pairs): Query<Pairs>,
) -> Result<Json<Value>, Refusal> {
    caller.require(Access::ReadCalendarList)?;
    let question = Question::parse(pairs, 100, 250, &["minAccessRole"])?;
    let resource = resource(&caller.email);
    question.check_sync_token(&resource, 0)?;
    let mut world = google.world();
    let World { traversals, paging, lists, books, .. } = &mut *world;
    let page = traversals.page(&question, &resource, paging, || {
        let after = question.sync_token.as_ref().map(|token| token.cursor);
        let list = lists.get(&caller.email).into_iter().flatten();
        let newest = list.clone().map(|(_, entry)| entry.changed).max().unwrap_or_default();
        let entries = list
            .filter(|(_, entry)| after.map_or(entry.is_listed(&question), |after| entry.changed > after))
            .filter_map(|(id, entry)| Some(Arc::new(resource_of(id, entry, books.get(id)?))));
        Ok((entries.collect(), Some(question.next_sync_token(&resource, 0, newest))))
    })?;
    let items: Vec<Value> = page.items.iter().map(|fields| Value::Object((**fields).clone())).collect();
    Ok(Json(page.finish(json!({"kind": "calendar#calendarList", "etag": "\"p0\"", "items": items}))))
}

/// `GET /users/me/calendarList/{calendar}`.
pub(crate) async fn entry(
    State(google): State<Arc<Google>>,
    caller: Caller,
    Path(calendar): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let world = google.world();
    let id = caller.open(&world, &calendar, Access::ReadCalendarList)?;
    let listed =
        world.lists.get(&caller.email).and_then(|list| list.get(&id)).ok_or_else(Refusal::not_found)?;
    let book = world.books.get(&id).ok_or_else(Refusal::not_found)?;
    Ok(Json(Value::Object(resource_of(&id, listed, book))))
}

/// `GET /calendars/{calendar}`.
pub(crate) async fn get(
    State(google): State<Arc<Google>>,
    caller: Caller,
    Path(calendar): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let world = google.world();
    let id = caller.open(&world, &calendar, Access::ReadCalendar)?;
    let book = world.books.get(&id).ok_or_else(Refusal::not_found)?;
    Ok(Json(json!({
        "kind": "calendar#calendar",
        "etag": event::etag(book.newest),
        "id": id,
        "summary": book.summary,
        "timeZone": book.zone.name(),
        "conferenceProperties": {"allowedConferenceSolutionTypes": ["hangoutsMeet"]},
    })))
}

/// Roles, each of which includes those before it.
const ROLES: &[&str] = &["none", "freeBusyReader", "reader", "writerWithoutPrivateAccess", "writer", "owner"];

impl Listed {
    /// Is it on a full list?
    fn is_listed(&self, question: &Question) -> bool {
        let rank = |role: &str| ROLES.iter().position(|known| *known == role);
        let is_high = question.get("minAccessRole").is_none_or(|least| rank(&self.role) >= rank(least));
        let is_hidden = self.extra.get("hidden").is_some_and(|hidden| hidden == true);
        is_high && (!self.is_removed || question.shows_deleted) && (!is_hidden || question.is("showHidden"))
    }
}

/// Sync tokens of a calendar list name the account; no calendar has such an id.
fn resource(email: &str) -> String {
    format!("list of {email}")
}

fn resource_of(id: &str, listed: &Listed, book: &Book) -> Fields {
    let mut entry = Fields::new();
    let mut set = |name: &str, value: Value| entry.insert(name.to_owned(), value);
    set("kind", "calendar#calendarListEntry".into());
    set("etag", event::etag(listed.changed).into());
    set("id", id.into());
    if listed.is_removed {
        set("deleted", true.into());
        return entry;
    }
    set("summary", book.summary.clone().into());
    set("timeZone", book.zone.name().into());
    set("colorId", "14".into());
    set("backgroundColor", "#9fe1e7".into());
    set("foregroundColor", "#000000".into());
    set("accessRole", listed.role.clone().into());
    set("defaultReminders", json!([{"method": "popup", "minutes": 30}]));
    set("conferenceProperties", json!({"allowedConferenceSolutionTypes": ["hangoutsMeet"]}));
    if listed.is_selected {
        set("selected", true.into());
    }
    if listed.is_primary {
        set("primary", true.into());
    }
    entry.extend(listed.extra.clone());
    entry
}
