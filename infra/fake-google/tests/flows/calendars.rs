//! Several calendars: import, move, roles, lists.

use crate::support::{App, EMAIL, Receiver, lunch, reason};
use http::StatusCode;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn an_import_replaces_what_has_its_uid() {
    let app = App::start().await;
    let mut event = lunch("x");
    event.as_object_mut().unwrap().remove("id");
    let import =
        async |event: &Value| app.call(Method::POST, "/calendars/primary/events/import", event.clone()).await;
    assert_eq!(reason(&import(&event).await.1), "required");
    event["iCalUID"] = "from@elsewhere".into();
    let (_, first) = import(&event).await;
    assert!(first["id"].as_str().unwrap().starts_with('_'));
    event["summary"] = "Dinner".into();
    let (_, second) = import(&event).await;
    assert_eq!((&second["id"], &second["summary"]), (&first["id"], &json!("Dinner")));
    event["eventType"] = "focusTime".into();
    assert_eq!(reason(&import(&event).await.1), "eventTypeRestriction");
}

#[tokio::test]
async fn a_moved_event_keeps_its_id_and_leaves_a_stub() {
    let app = App::start().await;
    let other = app.google.create_calendar(EMAIL, "Choir").unwrap();
    let mut series = lunch("series");
    series["recurrence"] = json!(["RRULE:FREQ=DAILY;COUNT=3"]);
    series["start"]["timeZone"] = "America/Chicago".into();
    app.insert(series).await;
    let exception = "series_20260106T180000Z";
    app.google.edit_event(EMAIL, "primary", exception, json!({"summary": "Late"})).unwrap();
    let (_, sync_token) = app.traverse("").await;
    let path = format!("/calendars/primary/events/series/move?destination={other}");
    let (status, moved) = app.call(Method::POST, &path, Value::Null).await;
    assert_eq!((status, &moved["id"]), (StatusCode::OK, &json!("series")), "{moved}");
    assert_eq!(moved["organizer"], json!({"email": EMAIL, "self": true}));
    let (delta, _) = app.traverse(&format!("syncToken={sync_token}")).await;
    assert_eq!((delta.len(), &delta[0]["status"], delta[0].get("start")), (1, &json!("cancelled"), None));
    assert_eq!(app.google.event(EMAIL, &other, exception).unwrap()["summary"], "Late");
    assert_eq!(reason(&app.call(Method::POST, &path, Value::Null).await.1), "deleted");
    let back = format!("/calendars/{other}/events/series/move?destination={EMAIL}");
    assert_eq!(app.call(Method::POST, &back, Value::Null).await.0, 200);
    assert_eq!(app.traverse("").await.0.len(), 2);
    let instance = format!("/calendars/primary/events/{exception}/move?destination={other}");
    assert_eq!(reason(&app.call(Method::POST, &instance, Value::Null).await.1), "invalid");
}

#[tokio::test]
async fn a_guest_changes_only_the_own_copy() {
    let app = App::start().await;
    let mut invitation = lunch("invited");
    invitation["organizer"] = json!({"email": "boss@example.com", "self": false});
    app.google.plant(EMAIL, "primary", [invitation]).unwrap();
    let patch =
        async |patch: Value| app.call(Method::PATCH, "/calendars/primary/events/invited", patch).await;
    assert_eq!(reason(&patch(json!({"summary": "Mine"})).await.1), "forbiddenForNonOrganizer");
    let (status, event) = patch(json!({"colorId": "4"})).await;
    assert_eq!((status, &event["organizer"]["email"]), (StatusCode::OK, &json!("boss@example.com")));
    let insert = async |kind: &str| {
        let mut event = lunch("other");
        event["eventType"] = kind.into();
        app.call(Method::POST, "/calendars/primary/events", event).await
    };
    assert_eq!(reason(&insert("fromGmail").await.1), "eventTypeRestriction");
    assert_eq!(insert("focusTime").await.0, 200);
}

#[tokio::test]
async fn the_list_tells_of_titles_colours_roles_and_deletion() {
    let app = App::start().await;
    let mut receiver = Receiver::start(&[]).await;
    let other = app.google.create_calendar(EMAIL, "Choir").unwrap();
    let watch = json!({"id": "list", "type": "web_hook", "address": receiver.address});
    assert_eq!(app.call(Method::POST, "/users/me/calendarList/watch", watch).await.0, 200);
    let path = format!("/calendars/{other}/events/watch");
    let watch = json!({"id": "events", "type": "web_hook", "address": receiver.address});
    assert_eq!(app.call(Method::POST, &path, watch).await.0, 200);
    app.google.idle().await;
    assert_eq!(receiver.states(), ["sync", "sync"]);

    let list = async |query: &str| app.get(&format!("/users/me/calendarList?{query}")).await.1;
    let token = list("").await["nextSyncToken"].as_str().unwrap().to_owned();
    app.google.edit_calendar(&other, Some("Big choir"), None).unwrap();
    let patch = json!({"selected": false, "colorId": "3", "hidden": true}).as_object().cloned().unwrap();
    app.google.edit_listing(&other, EMAIL, patch).unwrap();
    let delta = list(&format!("syncToken={token}")).await;
    let entry = &delta["items"][0];
    assert_eq!((&entry["summary"], &entry["colorId"]), (&json!("Big choir"), &json!("3")));
    assert!(entry.get("selected").is_none());
    assert_eq!(list("").await["items"].as_array().unwrap().len(), 1);
    assert_eq!(list("showHidden=true").await["items"].as_array().unwrap().len(), 2);
    app.google.share_calendar(&other, EMAIL, "reader").unwrap();
    assert_eq!(list("showHidden=true&minAccessRole=writer").await["items"].as_array().unwrap().len(), 1);
    assert_eq!(app.get(&format!("/calendars/{other}")).await.1["summary"], "Big choir");

    app.google.idle().await;
    receiver.states();
    app.google.delete_calendar(&other).unwrap();
    app.google.idle().await;
    let mut states = receiver.states();
    states.sort();
    assert_eq!(states, ["exists", "not_exists"]);
    assert_eq!(app.get(&format!("/calendars/{other}/events")).await.0, 404);
    assert_eq!(list(&format!("syncToken={token}")).await["items"][0]["deleted"], true);
}

#[tokio::test]
async fn a_big_calendar_is_listed_in_pages_of_2500() {
    let app = App::start().await;
    app.google.populate(EMAIL, "primary", 5_000, 10).unwrap();
    app.google.clear_journal();
    let (items, sync_token) = app.traverse("maxResults=9999").await;
    assert_eq!((items.len(), app.google.calls("calendar.events.list")), (5_010, 3));
    assert!(app.traverse(&format!("maxResults=9999&syncToken={sync_token}")).await.0.is_empty());
}

#[tokio::test]
async fn a_shell_reaches_what_tests_reach() {
    let app = App::start().await;
    let url = |path: &str| format!("{}/_fake/{path}", app.google.url());
    let post =
        async |path: &str, body: Value| app.http.post(url(path)).json(&body).send().await.unwrap().status();
    let calendar = format!("accounts/{EMAIL}/calendars/primary");
    let mut series = lunch("series");
    series["recurrence"] = json!(["RRULE:FREQ=DAILY;COUNT=3"]);
    series["start"]["timeZone"] = "America/Chicago".into();
    assert_eq!(post(&format!("{calendar}/plant"), json!([series])).await, 204);
    let instance = url(&format!("{calendar}/events/series_20260106T180000Z"));
    let edit = app.http.patch(format!("{instance}?scope=following")).json(&json!({"summary": "New"}));
    assert_eq!(edit.send().await.unwrap().status(), 200);
    let query = "from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z";
    let seen: Vec<Value> = app
        .http
        .get(url(&format!("{calendar}/occurrences?{query}")))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        seen.iter().map(|event| event["summary"].clone()).collect::<Vec<_>>(),
        ["Lunch", "New", "New"]
    );
    let dump: Value =
        app.http.get(url(&format!("{calendar}/dump"))).send().await.unwrap().json().await.unwrap();
    assert_eq!(dump.as_object().unwrap().len(), 2);
    for (path, body) in [
        ("quirks", json!({"rotation": "strict"})),
        ("quota", json!({"isEnforced": true})),
        ("clock", json!({"seconds": 3600})),
        ("push-faults/release", json!({})),
        ("faults", json!({"operation": "x", "probability": 0.5, "effect": {"kind": "cut"}})),
    ] {
        assert_eq!(post(path, body).await, 204, "{path}");
    }
    assert_eq!(app.get("/users/me/calendarList").await.0, 401, "an hour has passed");
}
