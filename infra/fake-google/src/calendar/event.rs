//! The Event resource: which members a client sets, which the server sets, and what a change does to it. Pure: JSON in, JSON out.
//!
//! Events are kept as the JSON objects they arrived as, so that a member nobody here knows survives.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::recurrence::Pattern;
use super::{Fields, rules, time};
use crate::error::Refusal;

/// The moment and the calendar of a change.
#[derive(Clone, Copy)]
pub(crate) struct Commit<'a> {
    /// µs since the epoch; unique, and the source of the etag.
    pub at: i64,
    /// Zone of the calendar.
    pub zone: Tz,
    /// Owner of the calendar.
    pub owner: &'a str,
    /// Who acts; becomes the creator of what is new.
    pub author: &'a str,
    /// Are texts brought into Google's own form?
    pub rewrites_texts: bool,
}

/// Members a client cannot set: dropped from what it sends, kept from what was there.
const SERVER_SET: &[&str] = &["kind", "etag", "id", "htmlLink", "created", "updated", "creator", "organizer"];
/// Members fixed when an event comes into being.
const IMMUTABLE: &[&str] = &["iCalUID", "recurringEventId", "originalStartTime", "eventType"];

/// The etag of what was last changed at `at`: twice the microseconds, in quotes, as recorded from the real service.
pub(crate) fn etag(at: i64) -> String {
    format!("\"{}\"", at.saturating_mul(2))
}

/// Is this an id that a client may choose: 5 to 1024 digits of base32hex?
pub(crate) fn is_valid_id(id: &str) -> bool {
    (5..=1024).contains(&id.len()) && id.bytes().all(|byte| matches!(byte, b'a'..=b'v' | b'0'..=b'9'))
}

pub(crate) fn is_cancelled(fields: &Fields) -> bool {
    fields.get("status").is_some_and(|status| status == "cancelled")
}

pub(crate) fn master_of(fields: &Fields) -> Option<&str> {
    fields.get("recurringEventId").and_then(Value::as_str)
}

/// A new event out of what was sent for it.
pub(crate) fn created(id: &str, mut given: Fields, commit: Commit<'_>) -> Result<Fields, Refusal> {
    given.retain(|name, value| !SERVER_SET.contains(&name.as_str()) && !value.is_null());
    let instant = instant(commit.at);
    let person = |email: &str| json!({"email": email, "self": email == commit.owner});
    given.insert("kind".to_owned(), "calendar#event".into());
    given.insert("id".to_owned(), id.into());
    given.insert("htmlLink".to_owned(), format!("https://www.google.com/calendar/event?eid={id}").into());
    given.insert(
        "created".to_owned(),
        instant.to_rfc3339_opts(SecondsFormat::Secs, true).replace('Z', ".000Z").into(),
    );
    given.insert("creator".to_owned(), person(commit.author));
    given.insert("organizer".to_owned(), person(commit.owner));
    // All parts of a series have the UID of the series.
    let uid = format!("{}@google.com", master_of(&given).unwrap_or(id));
    given.entry("iCalUID").or_insert_with(|| uid.into());
    given.entry("eventType").or_insert_with(|| "default".into());
    given.entry("reminders").or_insert_with(|| json!({"useDefault": true}));
    settled(given, 0, commit)
}

/// An event as it is given; only what is missing comes from here. A cancelled instance needs no time but its original one. Zones may have names that
/// no client could write: calendars hold such events, which came by other ways.
pub(crate) fn planted(id: &str, mut given: Fields, commit: Commit<'_>) -> Result<Fields, Refusal> {
    if is_cancelled(&given) && !given.contains_key("start") {
        let point = given.get("originalStartTime").cloned();
        let point = point.unwrap_or_else(|| json!({"date": instant(commit.at).date_naive().to_string()}));
        let end =
            match point.get("date").and_then(Value::as_str).and_then(|day| day.parse::<NaiveDate>().ok()) {
                Some(day) => json!({"date": day.succ_opt().unwrap_or(day).to_string()}),
                None => point.clone(),
            };
        given.insert("start".to_owned(), point);
        given.insert("end".to_owned(), end);
    }
    let verbatim: Vec<(String, Value)> = ["creator", "organizer", "created", "htmlLink"]
        .into_iter()
        .filter_map(|name| given.get(name).map(|value| (name.to_owned(), value.clone())))
        .collect();
    let strange = ["start", "end"].map(|which| {
        let name = given.get_mut(which)?.get_mut("timeZone")?;
        let is_strange = name.as_str().is_some_and(|name| name.parse::<Tz>().is_err());
        is_strange.then(|| (which, std::mem::replace(name, json!("Etc/UTC"))))
    });
    let mut fields = created(id, given, commit)?;
    fields.extend(verbatim);
    for (which, name) in strange.into_iter().flatten() {
        if let Some(time) = fields.get_mut(which) {
            time["timeZone"] = name;
        }
    }
    Ok(fields)
}

/// `previous` with everything that a client may set replaced by `given`.
pub(crate) fn replaced(previous: &Fields, mut given: Fields, commit: Commit<'_>) -> Result<Fields, Refusal> {
    if is_cancelled(previous)
        && !given.get("status").is_some_and(|status| status == "confirmed" || status == "tentative")
    {
        return Err(Refusal::deleted());
    }
    given.retain(|name, value| {
        let name = name.as_str();
        !SERVER_SET.contains(&name) && !IMMUTABLE.contains(&name) && !value.is_null()
    });
    if master_of(previous).is_some() {
        // An instance has no recurrence of its own; Google drops what is sent.
        given.remove("recurrence");
    }
    for name in SERVER_SET.iter().chain(IMMUTABLE) {
        if let Some(value) = previous.get(*name) {
            given.insert((*name).to_owned(), value.clone());
        }
    }
    let current = sequence(previous);
    if given.get("sequence").and_then(Value::as_i64).is_some_and(|sent| sent < current) {
        let message = "Invalid sequence value. The specified sequence number is below the current sequence number of \
                       the resource. Re-fetch the resource and use its sequence number on the following request.";
        return Err(Refusal::bad("invalid", message));
    }
    let mut settled = settled(given, current, commit)?;
    rules::check_change(previous, &settled)?;
    let is_moved =
        ["start", "end", "recurrence"].iter().any(|name| settled.get(*name) != previous.get(*name));
    if is_moved {
        let next = sequence(&settled).max(current + 1);
        settled.insert("sequence".to_owned(), next.into());
    }
    // `updated` is about what guests see: a change of reminders alone leaves it.
    let is_same = |name: &&String| settled.get(*name) == previous.get(*name);
    let mut names = settled.keys().chain(previous.keys());
    if names.all(|name| matches!(name.as_str(), "reminders" | "etag" | "updated") || is_same(&name))
        && let Some(updated) = previous.get("updated")
    {
        settled.insert("updated".to_owned(), updated.clone());
    }
    Ok(settled)
}

/// `previous` with `patch` merged in (RFC 7396): null removes, arrays are replaced whole.
pub(crate) fn patched(previous: &Fields, patch: Fields, commit: Commit<'_>) -> Result<Fields, Refusal> {
    let mut merged = previous.clone();
    merge(&mut merged, patch);
    replaced(previous, merged, commit)
}

fn merge(target: &mut Fields, patch: Fields) {
    for (name, value) in patch {
        match (target.get_mut(&name), value) {
            (_, Value::Null) => {
                target.remove(&name);
            }
            (Some(Value::Object(inner)), Value::Object(patch)) => merge(inner, patch),
            (_, value) => {
                target.insert(name, value);
            }
        }
    }
}

/// `previous`, deleted. The calendar's owner keeps the details, so that the event can be revived.
pub(crate) fn cancelled(previous: &Fields, commit: Commit<'_>) -> Fields {
    let mut fields = previous.clone();
    fields.insert("status".to_owned(), "cancelled".into());
    stamped(fields, commit.at)
}

/// The form an event has in a list: of a cancelled one, only what Google guarantees.
pub(crate) fn listed(fields: &Fields) -> Value {
    const TOMBSTONE: &[&str] = &["kind", "etag", "id", "status", "recurringEventId", "originalStartTime"];
    if !is_cancelled(fields) {
        return Value::Object(fields.clone());
    }
    let kept = fields.iter().filter(|(name, _)| TOMBSTONE.contains(&name.as_str()));
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// Checks what a client may send and brings it into Google's form.
fn settled(mut fields: Fields, sequence: i64, commit: Commit<'_>) -> Result<Fields, Refusal> {
    check_recurrence(&fields)?;
    rules::bound_properties(&mut fields)?;
    time::normalise(&mut fields, commit.zone)?;
    if fields.get("recurrence").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        fields.remove("recurrence");
    }
    Pattern::of(&fields, commit.zone)?;
    for name in ["summary", "description", "location"] {
        if let Some(Value::String(text)) = fields.get_mut(name).filter(|_| commit.rewrites_texts) {
            *text = rewritten(text);
        }
        if fields.get(name).is_some_and(|text| text == "") {
            fields.remove(name);
        }
    }
    for guest in fields.get_mut("attendees").and_then(Value::as_array_mut).into_iter().flatten() {
        let is_self = guest.get("email").is_some_and(|email| email == commit.owner);
        if let Some(guest) = guest.as_object_mut() {
            guest.entry("responseStatus").or_insert_with(|| "needsAction".into());
            if is_self {
                guest.insert("self".to_owned(), true.into());
            }
        }
    }
    let status = fields.entry("status").or_insert_with(|| "confirmed".into());
    if !matches!(status.as_str(), Some("confirmed" | "tentative" | "cancelled")) {
        return Err(Refusal::bad("invalid", "Invalid value for: status"));
    }
    if !fields.get("sequence").is_some_and(Value::is_i64) {
        fields.insert("sequence".to_owned(), sequence.into());
    }
    Ok(stamped(fields, commit.at))
}

/// A text as Google's editor would leave it.
fn rewritten(text: &str) -> String {
    text.replace('\r', "").replace("<br/>", "<br>").replace("<br />", "<br>").trim().to_owned()
}

fn check_recurrence(fields: &Fields) -> Result<(), Refusal> {
    let Some(recurrence) = fields.get("recurrence") else { return Ok(()) };
    let is_line = |line: &Value| {
        let name = line.as_str().and_then(|line| line.split([':', ';']).next());
        name.is_some_and(|name| matches!(name, "RRULE" | "EXRULE" | "RDATE" | "EXDATE"))
    };
    let lines = recurrence.as_array().filter(|lines| lines.iter().all(is_line));
    let lines = lines.ok_or_else(|| Refusal::bad("invalid", "Invalid recurrence rule."))?;
    let start = fields.get("start").and_then(Value::as_object);
    let is_timed_without_zone = start.is_some_and(|start| {
        start.get("dateTime").is_some_and(Value::is_string)
            && !start.get("timeZone").is_some_and(Value::is_string)
    });
    if !lines.is_empty() && is_timed_without_zone {
        return Err(Refusal::bad("required", "Missing time zone definition for start time."));
    }
    Ok(())
}

/// `fields` as of the commit `at`.
pub(crate) fn stamped(mut fields: Fields, at: i64) -> Fields {
    fields.insert("etag".to_owned(), etag(at).into());
    fields.insert("updated".to_owned(), instant(at).to_rfc3339_opts(SecondsFormat::Millis, true).into());
    fields
}

fn sequence(fields: &Fields) -> i64 {
    fields.get("sequence").and_then(Value::as_i64).unwrap_or(0)
}

fn instant(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(at: i64) -> Commit<'static> {
        let owner = "ada@example.com";
        Commit { at, zone: chrono_tz::UTC, owner, author: owner, rewrites_texts: false }
    }

    fn fields(value: Value) -> Fields {
        value.as_object().cloned().unwrap()
    }

    fn lunch() -> Fields {
        let given = json!({
            "summary": "Lunch", "description": "", "xFuture": {"a": 1}, "etag": "mine",
            "start": {"dateTime": "2026-01-05T12:00:00Z"}, "end": {"dateTime": "2026-01-05T13:00:00Z"},
        });
        created("abcde", fields(given), commit(1_742_825_385_090_351)).unwrap()
    }

    #[test]
    fn a_new_event_gets_what_the_server_sets_and_keeps_what_it_does_not_know() {
        let event = lunch();
        assert_eq!(event["etag"], "\"3485650770180702\"");
        assert_eq!(event["updated"], "2025-03-24T14:09:45.090Z");
        assert_eq!(event["iCalUID"], "abcde@google.com");
        assert_eq!(event["organizer"], json!({"email": "ada@example.com", "self": true}));
        assert_eq!(event["xFuture"], json!({"a": 1}));
        assert_eq!((&event["sequence"], &event["status"]), (&json!(0), &json!("confirmed")));
        assert!(!event.contains_key("description"));
    }

    #[test]
    fn replacing_loses_what_is_left_out_and_a_move_counts_up() {
        let mut given = lunch();
        given.remove("xFuture");
        given["start"]["dateTime"] = "2026-01-05T11:30:00Z".into();
        given["iCalUID"] = "other".into();
        let event = replaced(&lunch(), given, commit(9)).unwrap();
        assert!(!event.contains_key("xFuture"));
        assert_eq!((&event["sequence"], &event["iCalUID"]), (&json!(1), &json!("abcde@google.com")));
    }

    #[test]
    fn a_patch_merges_and_null_removes() {
        let event =
            patched(&lunch(), fields(json!({"xFuture": {"b": 2}, "summary": null})), commit(9)).unwrap();
        assert_eq!(event["xFuture"], json!({"a": 1, "b": 2}));
        assert!(!event.contains_key("summary"));
        assert_eq!(event["sequence"], 0);
    }

    #[test]
    fn a_timed_event_becomes_all_day_only_if_the_time_is_nulled() {
        let days = |extra: Value| {
            let mut patch = fields(json!({"start": {"date": "2026-01-05"}, "end": {"date": "2026-01-06"}}));
            merge(&mut patch, fields(extra));
            patch
        };
        assert!(patched(&lunch(), days(json!({})), commit(9)).is_err());
        let mut patch = days(json!({}));
        patch["start"]["dateTime"] = Value::Null;
        patch["end"]["dateTime"] = Value::Null;
        assert_eq!(patched(&lunch(), patch, commit(9)).unwrap()["start"], json!({"date": "2026-01-05"}));
    }

    #[test]
    fn a_deleted_event_is_revived_only_by_a_status() {
        let gone = cancelled(&lunch(), commit(9));
        assert_eq!(
            patched(&gone, fields(json!({"summary": "x"})), commit(10)).unwrap_err().reason,
            "deleted"
        );
        let revived = patched(&gone, fields(json!({"status": "confirmed"})), commit(10)).unwrap();
        assert_eq!((&revived["status"], &revived["summary"]), (&json!("confirmed"), &json!("Lunch")));
    }

    #[test]
    fn a_deleted_event_is_listed_with_only_what_is_guaranteed() {
        let listed = listed(&cancelled(&lunch(), commit(9)));
        assert_eq!(
            listed,
            json!({"kind": "calendar#event", "etag": "\"18\"", "id": "abcde", "status": "cancelled"})
        );
    }

    #[test]
    fn guests_and_reminders_are_kept_as_google_keeps_them() {
        let guests = json!({"attendees": [{"email": "ada@example.com"}, {"email": "bob@example.com"}]});
        let event = patched(&lunch(), fields(guests), commit(9)).unwrap();
        assert_eq!(event["attendees"][0]["self"], true);
        assert_eq!(
            event["attendees"][1],
            json!({"email": "bob@example.com", "responseStatus": "needsAction"})
        );
        let reminded =
            patched(&event, fields(json!({"reminders": {"useDefault": false}})), commit(10)).unwrap();
        assert_eq!((&reminded["updated"], &reminded["etag"]), (&event["updated"], &json!("\"20\"")));
        let busy = Commit { rewrites_texts: true, ..commit(11) };
        let text = patched(&event, fields(json!({"summary": " Tea\r\n", "location": " "})), busy).unwrap();
        assert_eq!((&text["summary"], text.get("location")), (&json!("Tea"), None));
    }

    #[test]
    fn a_lower_sequence_is_refused() {
        let mut given = lunch();
        given["sequence"] = 2.into();
        let event = replaced(&lunch(), given.clone(), commit(9)).unwrap();
        given["sequence"] = 1.into();
        assert!(
            replaced(&event, given, commit(10)).unwrap_err().message.starts_with("Invalid sequence value")
        );
    }

    #[test]
    fn a_series_needs_the_zone_it_is_expanded_in() {
        let mut given = lunch();
        given.insert("recurrence".to_owned(), json!(["RRULE:FREQ=DAILY"]));
        given.insert("start".to_owned(), json!({"dateTime": "2026-01-05T12:00:00Z"}));
        assert_eq!(created("abcde", given, commit(1)).unwrap_err().reason, "required");
    }

    #[test]
    fn ids_are_base32hex() {
        assert!(is_valid_id("abcdev0123456789") && is_valid_id(&"a".repeat(1024)));
        assert!(
            !is_valid_id("abcd")
                && !is_valid_id("ABCDE")
                && !is_valid_id("abcdw")
                && !is_valid_id(&"a".repeat(1025))
        );
    }
}
