//! Series, instances and exceptions, as a client meets them.

use fake_google::{Quirks, Scope};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{App, EMAIL, reason};

const SERIES: &str = "/calendars/primary/events/series";
const THIRD: &str = "series_20260307T153000Z";

/// Daily at 09:30 in Chicago from 5 March 2026; the clocks change on the 8th.
fn stand_up() -> Value {
    json!({
        "id": "series", "summary": "Stand-up", "location": "Here", "recurrence": ["RRULE:FREQ=DAILY;COUNT=6"],
        "start": {"dateTime": "2026-03-05T09:30:00", "timeZone": "America/Chicago"},
        "end": {"dateTime": "2026-03-05T09:45:00", "timeZone": "America/Chicago"},
    })
}

async fn app() -> App {
    let app = App::start().await;
    app.insert(stand_up()).await;
    app
}

async fn patch(app: &App, id: &str, patch: Value) -> Value {
    let (status, body) = app.call(Method::PATCH, &format!("/calendars/primary/events/{id}"), patch).await;
    assert_eq!(status, 200, "{body}");
    body
}

async fn instances(app: &App, query: &str) -> Vec<Value> {
    let (status, body) = app.get(&format!("{SERIES}/instances?{query}")).await;
    assert_eq!(status, 200, "{body}");
    body["items"].as_array().unwrap().clone()
}

fn ids(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn instances_keep_the_time_of_day_and_count_as_their_slots() {
    let app = app().await;
    let all = instances(&app, "").await;
    assert_eq!(
        ids(&all),
        [
            "series_20260305T153000Z",
            "series_20260306T153000Z",
            "series_20260307T153000Z",
            "series_20260308T143000Z",
            "series_20260309T143000Z",
            "series_20260310T143000Z",
        ]
    );
    assert_eq!(all[3]["start"]["dateTime"], "2026-03-08T09:30:00-05:00");
    assert_eq!(all[3]["recurringEventId"], "series");
    assert!(all[3].get("recurrence").is_none());
    let window = "timeMin=2026-03-06T15:45:00Z&timeMax=2026-03-08T14:30:00Z";
    assert_eq!(ids(&instances(&app, window).await), ["series_20260306T153000Z", THIRD]);
    let (_, page) = app.get(&format!("{SERIES}/instances?maxResults=4")).await;
    let token = page["nextPageToken"].as_str().unwrap();
    assert_eq!(instances(&app, &format!("maxResults=4&pageToken={token}")).await.len(), 2);
    assert_eq!(instances(&app, "originalStart=2026-03-07T15:30:00Z").await.len(), 1);
    assert_eq!(app.get(&format!("/calendars/primary/events/{THIRD}")).await.1, all[2]);
    let strange =
        ["series_20260307T153001Z", "series_20260307", "series_20260311T143000Z", "other_20260307T153000Z"];
    for id in strange {
        assert_eq!(app.get(&format!("/calendars/primary/events/{id}")).await.0, 404, "{id}");
    }
}

#[tokio::test]
async fn days_have_instances_of_days() {
    let app = App::start().await;
    let given = json!({
        "id": "series", "recurrence": ["RRULE:FREQ=WEEKLY;UNTIL=20260321"],
        "start": {"date": "2026-03-07"}, "end": {"date": "2026-03-10"},
    });
    app.insert(given).await;
    let all = instances(&app, "").await;
    assert_eq!(ids(&all), ["series_20260307", "series_20260314", "series_20260321"]);
    assert_eq!(
        (&all[1]["end"], &all[1]["originalStartTime"]),
        (&json!({"date": "2026-03-17"}), &json!({"date": "2026-03-14"}))
    );
}

#[tokio::test]
async fn a_moved_instance_stays_where_its_slot_was() {
    let app = app().await;
    let moved = json!({
        "start": {"dateTime": "2026-03-09T20:00:00Z"}, "end": {"dateTime": "2026-03-09T21:00:00Z"},
    });
    let exception = patch(&app, THIRD, moved).await;
    assert_eq!((&exception["sequence"], &exception["id"]), (&json!(1), &json!(THIRD)));
    assert_eq!(exception["originalStartTime"]["dateTime"], "2026-03-07T09:30:00-06:00");
    assert_eq!(exception["etag"], app.get(SERIES).await.1["etag"]);
    let window = "timeMin=2026-03-09T00:00:00Z&timeMax=2026-03-10T00:00:00Z";
    let query = format!("/calendars/primary/events?singleEvents=true&orderBy=startTime&{window}");
    let (_, page) = app.get(&query).await;
    let found = page["items"].as_array().unwrap();
    assert!(page.get("nextSyncToken").is_none(), "an ordered list is no start of a sync");
    assert_eq!(ids(found), ["series_20260309T143000Z", THIRD]);
    let (full, _) = app.traverse("").await;
    assert_eq!(ids(&full), [THIRD, "series"], "exceptions come first");
}

#[tokio::test]
async fn a_cancelled_instance_is_told_with_its_slot_and_can_be_restored() {
    let app = app().await;
    let (_, sync_token) = app.traverse("").await;
    let path = format!("/calendars/primary/events/{THIRD}");
    assert_eq!(app.call(Method::DELETE, &path, Value::Null).await.0, 204);
    let (status, body) = app.call(Method::DELETE, &path, Value::Null).await;
    assert_eq!((status, reason(&body)), (StatusCode::GONE, "deleted"));
    assert_eq!(instances(&app, "").await.len(), 5);
    assert_eq!(instances(&app, "showDeleted=true").await.len(), 6);
    let (full, _) = app.traverse("").await;
    assert_eq!(full[0]["status"], "cancelled");
    let mut members: Vec<&str> = full[0].as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["etag", "id", "kind", "originalStartTime", "recurringEventId", "status"]);
    assert_eq!(app.traverse(&format!("syncToken={sync_token}")).await.0.len(), 2);

    app.google.restore_event(EMAIL, "primary", THIRD).unwrap();
    let (delta, _) = app.traverse(&format!("syncToken={sync_token}")).await;
    assert_eq!((ids(&delta), &delta[0]["status"]), (vec![THIRD, "series"], &json!("confirmed")));
    assert_eq!(instances(&app, "").await.len(), 6);
    assert_eq!(app.google.dump(EMAIL, "primary").unwrap().len(), 1, "nothing is left of it");
}

#[tokio::test]
async fn an_exception_inherits_what_it_had_in_common_and_vanishes_with_its_slot() {
    let app = app().await;
    patch(&app, THIRD, json!({"summary": "Retro"})).await;
    patch(&app, "series", json!({"summary": "Daily", "location": "There"})).await;
    let exception = app.google.event(EMAIL, "primary", THIRD).unwrap();
    assert_eq!((&exception["summary"], &exception["location"]), (&json!("Retro"), &json!("There")));
    let (_, sync_token) = app.traverse("").await;
    patch(&app, "series", json!({"recurrence": ["RRULE:FREQ=DAILY;COUNT=2"]})).await;
    let (delta, _) = app.traverse(&format!("syncToken={sync_token}")).await;
    assert_eq!(ids(&delta), ["series"]);
    assert_eq!(app.get(&format!("/calendars/primary/events/{THIRD}")).await.0, 404);

    app.google.set_quirks(Quirks { tells_dropped_exceptions: true, ..Quirks::default() });
    patch(&app, "series_20260306T153000Z", json!({"summary": "Retro"})).await;
    let (_, sync_token) = app.traverse("").await;
    patch(&app, "series", json!({"recurrence": null})).await;
    let (delta, _) = app.traverse(&format!("syncToken={sync_token}")).await;
    assert_eq!(delta.iter().filter(|item| item["status"] == "cancelled").count(), 1);
}

#[tokio::test]
async fn a_change_of_an_instance_makes_the_series_new_to_a_stale_writer() {
    let app = app().await;
    let (_, series) = app.get(SERIES).await;
    patch(&app, THIRD, json!({"summary": "Retro"})).await;
    let headers = HeaderMap::from_iter([(
        header::IF_MATCH,
        HeaderValue::from_str(series["etag"].as_str().unwrap()).unwrap(),
    )]);
    let (status, body) = app.call_with(Method::PUT, SERIES, series, headers).await;
    assert_eq!((status, reason(&body)), (StatusCode::PRECONDITION_FAILED, "conditionNotMet"));
}

#[tokio::test]
async fn a_series_is_split_again_and_at_its_first_instance_replaced() {
    let app = app().await;
    let edit = |id: &str, title: &str| {
        app.google.edit_series(EMAIL, "primary", id, Scope::Following, json!({"summary": title})).unwrap()
    };
    let second = edit("series_20260307T153000Z", "Second");
    assert_eq!(second["id"], "series_R20260307T153000");
    assert_eq!(second["recurrence"], json!(["RRULE:FREQ=DAILY;COUNT=4"]));
    let third = edit("series_R20260307T153000_20260309T143000Z", "Third");
    assert_eq!(third["id"], "series_R20260309T143000");
    let seen = |from: &str| {
        let at = |text: &str| text.parse().unwrap();
        let found = app.google.occurrences(EMAIL, "primary", at(from), at("2027-01-01T00:00:00Z")).unwrap();
        found.iter().map(|item| item["summary"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(seen("2026-01-01T00:00:00Z"), ["Stand-up", "Stand-up", "Second", "Second", "Third", "Third"]);
    let again = edit("series_R20260309T143000_20260309T143000Z", "Same place");
    assert_eq!(again["id"], third["id"]);
    let replaced = edit("series_20260305T153000Z", "First");
    assert_eq!(replaced["id"], "series_R20260305T153000");
    assert_eq!(app.google.event(EMAIL, "primary", "series").unwrap()["status"], "cancelled");
    assert_eq!(
        seen("2026-01-01T00:00:00Z"),
        ["First", "First", "Second", "Second", "Same place", "Same place"]
    );
}

#[tokio::test]
async fn all_events_move_by_the_clock_with_what_was_split_off() {
    let app = app().await;
    let following = json!({"summary": "Second"});
    app.google.edit_series(EMAIL, "primary", "series_20260308T143000Z", Scope::Following, following).unwrap();
    patch(&app, THIRD, json!({"summary": "Retro"})).await;
    let moved = json!({
        "start": {"dateTime": "2026-03-06T18:00:00Z"}, "end": {"dateTime": "2026-03-06T19:00:00Z"},
    });
    app.google.edit_series(EMAIL, "primary", "series_20260306T153000Z", Scope::All, moved).unwrap();
    let at = |text: &str| text.parse().unwrap();
    let found = app
        .google
        .occurrences(EMAIL, "primary", at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"))
        .unwrap();
    let starts: Vec<&str> = found.iter().map(|item| item["start"]["dateTime"].as_str().unwrap()).collect();
    assert_eq!(starts[2..4], ["2026-03-07T12:00:00-06:00", "2026-03-08T12:00:00-05:00"]);
    assert_eq!(
        (starts.len(), &found[2]["summary"]),
        (6, &json!("Stand-up")),
        "the exception has lost its slot"
    );

    app.google.delete_series(EMAIL, "primary", "series_20260306T180000Z", Scope::All).unwrap();
    assert!(app.google.dump(EMAIL, "primary").unwrap().is_empty());
}

#[tokio::test]
async fn deleting_this_and_following_only_ends_the_series() {
    let app = app().await;
    patch(&app, THIRD, json!({"summary": "Retro"})).await;
    patch(&app, "series_20260309T143000Z", json!({"summary": "Late"})).await;
    let (_, sync_token) = app.traverse("").await;
    app.google.delete_series(EMAIL, "primary", "series_20260308T143000Z", Scope::Following).unwrap();
    let (delta, _) = app.traverse(&format!("syncToken={sync_token}")).await;
    assert_eq!(ids(&delta), [THIRD, "series"]);
    assert_eq!(delta[1]["recurrence"], json!(["RRULE:FREQ=DAILY;UNTIL=20260308T055959Z"]));
    assert_eq!(delta[1]["sequence"], 0);
    assert_eq!(instances(&app, "").await.len(), 3);
}

#[tokio::test]
async fn an_expanded_list_has_instances_and_no_series() {
    let app = app().await;
    app.google.delete_event(EMAIL, "primary", THIRD).unwrap();
    let (full, sync_token) = app.traverse("singleEvents=true&maxResults=2").await;
    assert_eq!(full.len(), 5);
    assert!(full.iter().all(|item| item.get("recurrence").is_none() && item["recurringEventId"] == "series"));
    patch(&app, "series", json!({"summary": "New"})).await;
    let (delta, _) = app.traverse(&format!("singleEvents=true&maxResults=2&syncToken={sync_token}")).await;
    assert_eq!(delta.len(), 6, "with the cancelled one");
}

#[tokio::test]
async fn a_series_lies_in_a_window_if_an_instance_does() {
    let app = app().await;
    for (window, found) in [
        ("timeMin=2026-03-10T14:40:00Z", 1),
        ("timeMin=2026-03-10T14:45:00Z", 0),
        ("timeMax=2026-03-05T15:30:00Z", 0),
        ("timeMin=2026-03-06T16:00:00Z&timeMax=2026-03-07T15:00:00Z", 0),
    ] {
        assert_eq!(app.traverse(window).await.0.len(), found, "{window}");
    }
}

#[tokio::test]
async fn the_dump_has_one_spelling() {
    let app = app().await;
    patch(&app, "series", json!({"recurrence": ["rrule:COUNT=6;INTERVAL=1;FREQ=DAILY".to_uppercase()]}))
        .await;
    let dump = app.google.dump(EMAIL, "primary").unwrap();
    assert_eq!(dump["series"]["recurrence"], json!(["RRULE:COUNT=6;FREQ=DAILY"]));
    assert_eq!(dump["series"]["start"], json!(["2026-03-05T15:30:00Z", "America/Chicago"]));
    patch(&app, THIRD, json!({"summary": "Retro"})).await;
    patch(&app, THIRD, json!({"summary": "Stand-up"})).await;
    assert_eq!(app.google.dump(EMAIL, "primary").unwrap().len(), 1);
}
