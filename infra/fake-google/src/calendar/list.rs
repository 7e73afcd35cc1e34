//! `events.list`: full and incremental reads, in pages.
//!
//! A traversal is frozen when its first page is asked for: later changes belong to the next incremental read. Every page of it
//! must be asked for with the very same question, sync token included, because Google documents anything else as undefined and
//! clients have lost changes by it; the fake answers 400 so that a test sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use http::StatusCode;
use serde_json::{Value, json};

use super::book::{Book, Stored};
use super::cursor::{PageToken, SyncToken};
use super::time::moment;
use super::{Caller, Fields, event};
use crate::error::Refusal;
use crate::oauth::scopes::Access;
use crate::state::{Google, Paging, World};

/// Parameters that Google refuses beside a sync token.
const NOT_WITH_SYNC_TOKEN: &[&str] = &[
    "iCalUID",
    "orderBy",
    "privateExtendedProperty",
    "q",
    "sharedExtendedProperty",
    "timeMin",
    "timeMax",
    "updatedMin",
];
/// Parameters that must be the same in every request of one sync.
const QUESTION: &[&str] = &[
    "alwaysIncludeEmail",
    "eventTypes",
    "maxAttendees",
    "showHiddenInvitations",
    "singleEvents",
    "timeZone",
];
/// Frozen traversals that are kept; older ones have expired.
const TRAVERSALS: usize = 1000;

pub(crate) type Pairs = Vec<(String, String)>;

/// A parsed question.
pub(crate) struct Question {
    pairs: Pairs,
    page_size: usize,
    page_token: Option<PageToken>,
    pub sync_token: Option<SyncToken>,
    shows_deleted: bool,
}

impl Question {
    /// Reads the parameters that every list has in common.
    pub(crate) fn parse(
        mut pairs: Pairs,
        default_size: usize,
        largest: usize,
        forbidden: &[&str],
    ) -> Result<Self, Refusal> {
        pairs.sort();
        let get = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let sync_token = get("syncToken").map(SyncToken::decode).transpose()?;
        let page_token = get("pageToken").map(PageToken::decode).transpose()?;
        if sync_token.is_some() {
            if let Some(name) = forbidden.iter().find(|name| get(name).is_some()) {
                let message = format!("Sync token cannot be used with the parameter: {name}.");
                return Err(Refusal::bad("badRequest", message).at("parameter", "syncToken"));
            }
            if get("showDeleted") == Some("false") {
                let message = "Sync token cannot be used with showDeleted=false.";
                return Err(Refusal::bad("badRequest", message).at("parameter", "syncToken"));
            }
        }
        let page_size = match get("maxResults").map(str::parse::<usize>) {
            None => default_size,
            Some(Ok(size)) if size >= 1 => size.min(largest),
            Some(_) => {
                return Err(
                    Refusal::bad("invalid", "Invalid value for: maxResults").at("parameter", "maxResults")
                );
            }
        };
        let shows_deleted = sync_token.is_some() || get("showDeleted") == Some("true");
        Ok(Self { page_size, page_token, sync_token, shows_deleted, pairs })
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// What must not change within a sync.
    fn of_sync(&self) -> String {
        self.text(|name| QUESTION.contains(&name))
    }

    /// What must not change within a traversal: everything but the place in it.
    fn of_traversal(&self) -> String {
        self.text(|name| name != "pageToken")
    }

    fn text(&self, is_wanted: impl Fn(&str) -> bool) -> String {
        let wanted = self.pairs.iter().filter(|(name, _)| is_wanted(name));
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(wanted).finish()
    }

    fn instant(&self, name: &'static str, window: Option<&String>) -> Result<Option<DateTime<Utc>>, Refusal> {
        let Some(text) = self.get(name).or(window.map(String::as_str)) else { return Ok(None) };
        let instant = DateTime::parse_from_rfc3339(text).map(|instant| Some(instant.to_utc()));
        instant.map_err(|_| Refusal::bad("badRequest", "Bad Request").at("parameter", name))
    }

    /// Refuses a sync token of another resource, another question or a past generation.
    pub(crate) fn check_sync_token(&self, resource: &str, generation: u64) -> Result<(), Refusal> {
        let Some(token) = &self.sync_token else { return Ok(()) };
        if token.resource != resource {
            return Err(SyncToken::invalid());
        }
        if token.generation != generation {
            return Err(Refusal::full_sync_required());
        }
        if token.question != self.of_sync() {
            let message = "Sync token was issued for a request with other parameters.";
            return Err(Refusal::bad("badRequest", message).at("parameter", "syncToken"));
        }
        Ok(())
    }

    /// The token that the last page ends with.
    pub(crate) fn next_sync_token(&self, resource: &str, generation: u64, cursor: i64) -> SyncToken {
        let window = match &self.sync_token {
            Some(token) => token.window.clone(),
            None => (self.get("timeMin").map(str::to_owned), self.get("timeMax").map(str::to_owned)),
        };
        SyncToken { cursor, generation, resource: resource.to_owned(), question: self.of_sync(), window }
    }
}

/// A list as it was when its first page was asked for.
pub(crate) struct Traversal {
    resource: String,
    question: String,
    items: Vec<Arc<Fields>>,
    /// `None` where Google gives none: ordered or filtered lists.
    next_sync_token: Option<SyncToken>,
}

/// A page of a traversal, and how it goes on.
pub(crate) struct Page {
    pub items: Vec<Arc<Fields>>,
    next: Option<(&'static str, String)>,
}

impl Page {
    /// Writes `nextPageToken` or `nextSyncToken`: never both.
    pub(crate) fn finish(self, mut answer: Value) -> Value {
        if let Some((name, token)) = self.next {
            answer[name] = token.into();
        }
        answer
    }
}

/// The traversals under way.
#[derive(Default)]
pub(crate) struct Traversals {
    frozen: BTreeMap<u64, Traversal>,
    newest: u64,
}

impl Traversals {
    /// Forgets all: page tokens given out so far have expired.
    pub(crate) fn expire(&mut self) {
        self.frozen.clear();
    }

    /// The page asked for, of the traversal it belongs to or of the one that `begin` freezes.
    pub(crate) fn page(
        &mut self,
        question: &Question,
        resource: &str,
        paging: &Paging,
        begin: impl FnOnce() -> Result<(Vec<Arc<Fields>>, Option<SyncToken>), Refusal>,
    ) -> Result<Page, Refusal> {
        let (id, offset) = match &question.page_token {
            Some(token) => (token.traversal, token.offset),
            None => {
                let (items, next_sync_token) = begin()?;
                let (resource, question) = (resource.to_owned(), question.of_traversal());
                (self.freeze(Traversal { resource, question, items, next_sync_token }), 0)
            }
        };
        let traversal = self.frozen.get(&id).ok_or_else(PageToken::invalid)?;
        if traversal.resource != resource || traversal.question != question.of_traversal() {
            return Err(PageToken::invalid());
        }
        let is_empty = paging.starts_empty && question.page_token.is_none() && !traversal.items.is_empty();
        let size =
            if is_empty { 0 } else { question.page_size.min(paging.at_most.unwrap_or(usize::MAX).max(1)) };
        let end = traversal.items.len().min(offset.saturating_add(size));
        let items = traversal.items.get(offset..end).ok_or_else(PageToken::invalid)?.to_vec();
        let next = if end < traversal.items.len() {
            Some(("nextPageToken", PageToken { traversal: id, offset: end }.encode()))
        } else {
            traversal.next_sync_token.as_ref().map(|token| ("nextSyncToken", token.encode()))
        };
        Ok(Page { items, next })
    }

    fn freeze(&mut self, traversal: Traversal) -> u64 {
        self.newest += 1;
        self.frozen.insert(self.newest, traversal);
        if self.frozen.len() > TRAVERSALS {
            self.frozen.pop_first();
        }
        self.newest
    }
}

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
    refuse_unsupported(&question)?;
    let World { books, traversals, paging, lists, .. } = &mut *world;
    let book = books.get(&id).ok_or_else(Refusal::not_found)?;
    question.check_sync_token(&id, book.generation)?;
    let page =
        traversals.page(&question, &id, paging, || begin(book, &id, &question, paging.repeats_boundary))?;
    let role =
        lists.get(&caller.email).and_then(|list| list.get(&id)).map_or("reader", |entry| entry.role.as_str());
    let items: Vec<Value> = page.items.iter().map(|fields| event::listed(fields)).collect();
    let updated = DateTime::from_timestamp_micros(book.newest).unwrap_or_default();
    Ok(Json(page.finish(json!({
        "kind": "calendar#events",
        "etag": format!("\"p{}\"", book.newest),
        "summary": book.summary,
        "description": "",
        "updated": updated.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        "timeZone": book.zone.name(),
        "accessRole": role,
        "defaultReminders": [{"method": "popup", "minutes": 30}],
        "items": items,
    }))))
}

/// Expansion is not played yet; a wrong answer would be worse than none.
fn refuse_unsupported(question: &Question) -> Result<(), Refusal> {
    if question.get("singleEvents") == Some("true") {
        let message = "The fake does not expand series: singleEvents=true is not supported.";
        return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "notImplemented", message));
    }
    if question.get("orderBy") == Some("startTime") {
        let message = "The requested ordering is not available for the particular query.";
        return Err(Refusal::bad("badRequest", message).at("parameter", "orderBy"));
    }
    Ok(())
}

/// Freezes what the question asks for.
fn begin(
    book: &Book,
    id: &str,
    question: &Question,
    repeats_boundary: bool,
) -> Result<(Vec<Arc<Fields>>, Option<SyncToken>), Refusal> {
    let filter = Filter::parse(book, question, repeats_boundary)?;
    let mut found: Vec<&Stored> = book.events.values().filter(|stored| filter.has(stored)).collect();
    // Exceptions come before their series: Google promises no order, and this is the one that clients forget. But a client may
    // ask for the order of change.
    let is_by_update = question.get("orderBy") == Some("updated");
    found.sort_by_key(|stored| (!is_by_update && stored.fields.contains_key("recurrence"), stored.changed));
    let is_partial = NOT_WITH_SYNC_TOKEN
        .iter()
        .any(|name| !matches!(*name, "timeMin" | "timeMax") && question.get(name).is_some());
    let next = question.next_sync_token(id, book.generation, book.newest);
    Ok((found.into_iter().map(|stored| Arc::clone(&stored.fields)).collect(), (!is_partial).then_some(next)))
}

/// Which events a question is about.
struct Filter<'a> {
    book: &'a Book,
    question: &'a Question,
    /// Only changes later than this commit.
    after: Option<i64>,
    /// Only events that end after the first and begin before the second.
    window: (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    updated_min: Option<DateTime<Utc>>,
}

impl<'a> Filter<'a> {
    fn parse(book: &'a Book, question: &'a Question, repeats_boundary: bool) -> Result<Self, Refusal> {
        let token = question.sync_token.as_ref();
        let kept = token.map(|token| (token.window.0.as_ref(), token.window.1.as_ref())).unwrap_or_default();
        let window = (question.instant("timeMin", kept.0)?, question.instant("timeMax", kept.1)?);
        if let (Some(from), Some(to)) = window
            && to <= from
        {
            return Err(Refusal::bad("timeRangeEmpty", "The specified time range is empty.")
                .at("parameter", "timeMax"));
        }
        let after = token.map(|token| token.cursor - i64::from(repeats_boundary));
        Ok(Self { book, question, after, window, updated_min: question.instant("updatedMin", None)? })
    }

    fn has(&self, stored: &Stored) -> bool {
        let fields = &*stored.fields;
        self.after.is_none_or(|after| stored.changed > after)
            && self.updated_min.is_none_or(|least| stored.changed >= least.timestamp_micros())
            && (self.shows(fields))
            && self.is_in_window(fields, self.book.zone)
            && self.question.all("iCalUID").all(|uid| fields.get("iCalUID").is_some_and(|own| own == uid))
            && self.question.all("privateExtendedProperty").all(|pair| has_property(fields, "private", pair))
            && self.question.all("sharedExtendedProperty").all(|pair| has_property(fields, "shared", pair))
            && self.question.all("q").all(|words| mentions(fields, words))
    }

    /// Of the cancelled, a full list shows only the exceptions of live series.
    fn shows(&self, fields: &Fields) -> bool {
        let is_exception_of_live = || {
            let master = event::master_of(fields).and_then(|id| self.book.events.get(id));
            master.is_some_and(|master| !event::is_cancelled(&master.fields))
        };
        let is_change = self.question.shows_deleted || self.updated_min.is_some();
        is_change || !event::is_cancelled(fields) || is_exception_of_live()
    }

    /// A series counts from its first start on: whether an occurrence falls into the window is not looked at.
    fn is_in_window(&self, fields: &Fields, zone: Tz) -> bool {
        let at = |which| moment(fields, which, zone).ok().map(|moment| moment.instant(zone).to_utc());
        let ends = at("end").filter(|_| !fields.contains_key("recurrence"));
        let is_after = self.window.0.is_none_or(|from| ends.is_none_or(|end| end > from));
        is_after && self.window.1.is_none_or(|to| at("start").is_none_or(|start| start < to))
    }
}

fn has_property(fields: &Fields, kind: &str, pair: &str) -> bool {
    let Some((name, value)) = pair.split_once('=') else { return false };
    let properties = fields.get("extendedProperties").and_then(|all| all.get(kind));
    properties.and_then(|all| all.get(name)).is_some_and(|own| own == value)
}

fn mentions(fields: &Fields, words: &str) -> bool {
    let words = words.to_lowercase();
    let texts = ["summary", "description", "location"].map(|name| fields.get(name).and_then(Value::as_str));
    texts.into_iter().flatten().any(|text| text.to_lowercase().contains(&words))
}
