//! `events.list` and `events.instances`: full and incremental reads, in pages.
//!
//! A traversal is frozen when its first page is asked for: later changes belong to the next incremental read. Every page of it
//! must be asked for with the very same question, sync token included, because Google documents anything else as undefined and
//! clients have lost changes by it; the fake answers 400 so that a test sees it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::book::{Book, Stored};
use super::filter::{Filter, Window};
use super::instance::{self, slot_of};
use super::question::{NOT_WITH_SYNC_TOKEN, Pairs, Question};
use super::time::moment;
use super::traversal::{Frozen, Page};
use super::{Caller, Fields, event, recurrence};
use crate::error::Refusal;
use crate::oauth::scopes::Access;
use crate::quirks::Quirks;
use crate::state::{Google, World};

/// Endless series are expanded for so long from now, if nobody says until when.
const HORIZON: TimeDelta = TimeDelta::days(2 * 366);

/// `GET /calendars/{calendar}/events`.
pub(crate) async fn list(
    State(google): State<Arc<Google>>,
    caller: Caller,
    Path(calendar): Path<String>,
    Query(pairs): Query<Pairs>,
) -> Result<Json<Value>, Refusal> {
    let mut world = google.world();
    let id = caller.open(&world, &calendar, Access::ReadEvents)?;
    let question = Question::parse(pairs, 250, 2500, NOT_WITH_SYNC_TOKEN)?;
    if question.get("orderBy") == Some("startTime") && !question.is("singleEvents") {
        let message = "The requested ordering is not available for the particular query.";
        return Err(Refusal::bad("badRequest", message).at("parameter", "orderBy"));
    }
    let now = google.now();
    let World { books, traversals, paging, quirks, .. } = &mut *world;
    let book = books.get(&id).ok_or_else(Refusal::not_found)?;
    question.check_sync_token(&id, book.generation)?;
    let repeats = paging.repeats_boundary;
    let page = traversals.page(&question, &id, paging, || {
        begin(book, &id, &question, repeats, now).map(|frozen| distorted(frozen, book, &question, quirks))
    })?;
    if quirks.spends_page_tokens {
        traversals.expire();
    }
    Ok(answer(&world, &caller, &id, page))
}

/// `GET /calendars/{calendar}/events/{event}/instances`.
pub(crate) async fn instances(
    State(google): State<Arc<Google>>,
    caller: Caller,
    Path((calendar, series)): Path<(String, String)>,
    Query(pairs): Query<Pairs>,
) -> Result<Json<Value>, Refusal> {
    let mut world = google.world();
    let id = caller.open(&world, &calendar, Access::ReadEvents)?;
    let question = Question::parse(pairs, 250, 2500, &[])?;
    let now = google.now();
    let World { books, traversals, paging, .. } = &mut *world;
    let book = books.get(&id).ok_or_else(Refusal::not_found)?;
    let resource = format!("{id}/{series}");
    let page =
        traversals.page(&question, &resource, paging, || begin_instances(book, &series, &question, now))?;
    Ok(answer(&world, &caller, &id, page))
}

fn answer(world: &World, caller: &Caller, id: &str, page: Page) -> Json<Value> {
    let book = &world.books[id];
    let lists = &world.lists;
    let role =
        lists.get(&caller.email).and_then(|list| list.get(id)).map_or("reader", |entry| entry.role.as_str());
    let items: Vec<Value> = page.items.iter().map(|fields| event::listed(fields)).collect();
    let updated = DateTime::from_timestamp_micros(book.newest).unwrap_or_default();
    Json(page.finish(json!({
        "kind": "calendar#events",
        "etag": format!("\"p{}\"", book.newest),
        "summary": book.summary,
        "description": "",
        "updated": updated.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        "timeZone": book.zone.name(),
        "accessRole": role,
        "defaultReminders": [{"method": "popup", "minutes": 30}],
        "items": items,
    })))
}

/// Freezes what the question asks for.
fn begin(
    book: &Book,
    id: &str,
    question: &Question,
    repeats_boundary: bool,
    now: DateTime<Utc>,
) -> Result<Frozen, Refusal> {
    let filter = Filter::parse(book, question, repeats_boundary, now)?;
    let mut found = match question.is("singleEvents") {
        true => expanded(book, &filter, now),
        false => whole(book, &filter, question.get("orderBy").is_none()),
    };
    if question.get("orderBy") == Some("startTime") {
        found.sort_by_key(|fields| moment(fields, "start", book.zone).ok().map(instance::instant));
    }
    let is_partial = NOT_WITH_SYNC_TOKEN
        .iter()
        .any(|name| !matches!(*name, "timeMin" | "timeMax") && question.get(name).is_some());
    let next = question.next_sync_token(id, book.generation, book.newest);
    Ok((found, (!is_partial).then_some(next)))
}

/// What bad habits make of a list.
fn distorted((mut items, mut next): Frozen, book: &Book, question: &Question, quirks: &Quirks) -> Frozen {
    let is_delta = question.sync_token.is_some();
    if quirks.hides_events && !is_delta {
        items.clear();
    }
    if quirks.repeats_older && is_delta {
        let before = |fields: &Arc<Fields>| {
            let id = fields.get("id").and_then(Value::as_str)?;
            book.events.get(id)?.before.clone()
        };
        let older: Vec<Arc<Fields>> = items.iter().filter_map(before).collect();
        items.extend(older);
    }
    if quirks.withholds_sync_token {
        next = None;
    }
    (items, next)
}

/// Singles, series and exceptions as they are kept. Exceptions come before their series: Google promises no order, and this is the one
/// that clients forget. But a client may ask for the order of change.
fn whole(book: &Book, filter: &Filter<'_>, has_exceptions_first: bool) -> Vec<Arc<Fields>> {
    let is_meant = |stored: &&Stored| {
        filter.is_changed(stored) && filter.fits(&stored.fields) && filter.window.has(book, &stored.fields)
    };
    let mut found: Vec<&Stored> = book.events.values().filter(is_meant).collect();
    found.sort_by_key(|stored| {
        (has_exceptions_first && stored.fields.contains_key("recurrence"), stored.changed)
    });
    found.into_iter().map(|stored| Arc::clone(&stored.fields)).collect()
}

/// Singles and instances; of series only that they were deleted.
fn expanded(book: &Book, filter: &Filter<'_>, now: DateTime<Utc>) -> Vec<Arc<Fields>> {
    let mut found = Vec::new();
    let mut changed: Vec<(&String, &Stored)> =
        book.events.iter().filter(|(_, stored)| filter.is_changed(stored)).collect();
    changed.sort_by_key(|(_, stored)| stored.changed);
    for (id, stored) in changed {
        if recurrence::is_series(&stored.fields) && !event::is_cancelled(&stored.fields) {
            let from = filter.window.from.unwrap_or(DateTime::<Utc>::MIN_UTC);
            let instances = book.instances(id, from, filter.window.to.unwrap_or(now + HORIZON));
            found.extend(
                instances
                    .into_iter()
                    .filter(|fields| filter.fits(fields) && filter.window.holds(book, fields)),
            );
        } else if event::master_of(&stored.fields).is_none()
            && filter.fits(&stored.fields)
            && filter.window.holds(book, &stored.fields)
        {
            found.push(Arc::clone(&stored.fields));
        }
    }
    found
}

/// Freezes the instances of a series, in the order of their slots.
fn begin_instances(
    book: &Book,
    series: &str,
    question: &Question,
    now: DateTime<Utc>,
) -> Result<Frozen, Refusal> {
    let fields = book.event(series)?;
    if event::is_cancelled(&fields) || !recurrence::is_series(&fields) {
        return Err(Refusal::not_found());
    }
    // Unlike in a list, the lower bound is inclusive.
    let window = Window::parse(question, (None, None))?;
    let from = window.from.unwrap_or(DateTime::<Utc>::MIN_UTC);
    let mut found = book.instances(series, from, window.to.unwrap_or(now + HORIZON));
    let original = question.get("originalStart");
    found.retain(|fields| {
        let is_before = window.to.is_none_or(|to| {
            moment(fields, "start", book.zone).is_ok_and(|start| instance::instant(start) < to)
        });
        let is_original = original.is_none_or(|wanted| is_original_start(book, fields, wanted));
        is_before && is_original && (question.shows_deleted || !event::is_cancelled(fields))
    });
    found.sort_by_key(|fields| slot_of(fields, book.zone));
    Ok((found, None))
}

fn is_original_start(book: &Book, fields: &Fields, wanted: &str) -> bool {
    let slot = slot_of(fields, book.zone);
    let day = slot.map(|slot| slot.date_naive().to_string());
    let instant = DateTime::parse_from_rfc3339(wanted).ok().map(|at| at.to_utc());
    day.as_deref() == Some(wanted) || (instant.is_some() && slot == instant)
}
