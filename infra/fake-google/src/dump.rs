//! The state of a calendar in a form that can be compared: what two sides must agree on after they have been synchronized, and nothing else.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::calendar::book::Book;
use crate::calendar::recurrence::{self, Pattern};
use crate::calendar::time::{Moment, moment};
use crate::calendar::{Fields, event, instance, open};
use crate::error::Refusal;
use crate::oauth::scopes::Access;
use crate::state::Google;

/// Members that are Google's own bookkeeping, or are said elsewhere.
const LEFT_OUT: &[&str] =
    &["kind", "etag", "id", "htmlLink", "created", "updated", "sequence", "iCalUID", "creator", "organizer"];

impl Google {
    /// The live events of a calendar by id, and of each series its exceptions by id, in canonical form: instants in UTC, rules in one
    /// spelling, empty members left out, no bookkeeping. An exception that differs in nothing from its series is left out, and one that is
    /// cancelled is just that.
    ///
    /// # Errors
    /// If there is no such calendar.
    pub fn dump(&self, email: &str, calendar: &str) -> Result<BTreeMap<String, Value>, Refusal> {
        let world = self.world();
        let calendar = open(&world, email, calendar, Access::ReadEvents)?;
        Ok(dump(world.books.get(&calendar).ok_or_else(Refusal::not_found)?))
    }
}

fn dump(book: &Book) -> BTreeMap<String, Value> {
    let mut dumped = BTreeMap::new();
    for (id, stored) in &book.events {
        let fields = &*stored.fields;
        let form = match event::master_of(fields) {
            Some(series) => exception(book, series, fields),
            None => (!event::is_cancelled(fields)).then(|| canonical(book, fields)),
        };
        dumped.extend(form.map(|form| (id.clone(), form)));
    }
    dumped
}

/// `None` of an exception that tells nothing.
fn exception(book: &Book, series: &str, fields: &Fields) -> Option<Value> {
    let series = &book.events.get(series)?.fields;
    let pattern = book.pattern(series).filter(|_| !event::is_cancelled(series))?;
    let slot = instance::slot_of(fields, book.zone).filter(|slot| pattern.has(*slot))?;
    if event::is_cancelled(fields) {
        return Some(json!({"status": "cancelled"}));
    }
    let form = canonical(book, fields);
    let plain = canonical(book, &instance::unchanged(series, &pattern, slot, book.zone));
    (form != plain).then_some(form)
}

fn canonical(book: &Book, fields: &Fields) -> Value {
    let mut form = Map::new();
    for (name, value) in fields.iter().filter(|(name, _)| !LEFT_OUT.contains(&name.as_str())) {
        let value = match name.as_str() {
            "start" | "end" => point(book, fields, name),
            "originalStartTime" => continue,
            "recurrence" => recurrence_of(book, fields),
            "attendees" => by_email(value),
            _ => value.clone(),
        };
        if !is_empty(&value) {
            form.insert(name.clone(), value);
        }
    }
    Value::Object(form)
}

/// A day, or an instant in UTC; of a series also the zone it recurs in.
fn point(book: &Book, fields: &Fields, name: &str) -> Value {
    let which = if name == "start" { "start" } else { "end" };
    match moment(fields, which, book.zone) {
        Err(_) => Value::Null,
        Ok(Moment::Day(day)) => day.to_string().into(),
        Ok(Moment::Instant(at)) => {
            let text = at.to_utc().format("%Y-%m-%dT%H:%M:%SZ").to_string();
            match (
                which,
                recurrence::is_series(fields),
                fields.get("start").and_then(|start| start.get("timeZone")),
            ) {
                ("start", true, Some(zone)) => json!([text, zone]),
                _ => text.into(),
            }
        }
    }
}

/// Upper case, the parts of a rule in order, its end as the last instant or day that it includes, the lines in order.
fn recurrence_of(book: &Book, fields: &Fields) -> Value {
    let pattern = Pattern::of(fields, book.zone).ok();
    let mut lines: Vec<String> = recurrence::lines(fields)
        .iter()
        .map(|line| pattern.as_ref().map_or_else(|| line.clone(), |pattern| pattern.canonical(line)))
        .collect();
    lines.sort();
    lines.into()
}

fn by_email(attendees: &Value) -> Value {
    let mut attendees = attendees.as_array().cloned().unwrap_or_default();
    attendees.sort_by_key(|attendee| attendee["email"].to_string());
    attendees.into()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}
