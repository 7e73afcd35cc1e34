//! Calendar, as a client meets it: consent → token → list → watch → notification → incremental list, and the refusals.

use std::time::Duration;

use crate::support::{App, EMAIL, Receiver, lunch, reason};
use fake_google::{Effect, Fault, ManualClock, Options, Paging, PushEffect, PushFault};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_change_by_the_user_reaches_a_watching_client() {
    let app = App::start().await;
    let mut receiver = Receiver::start(&[]).await;
    let (_, sync_token) = app.traverse("maxResults=10").await;
    let (status, channel) = app.watch("channel-1", &receiver.address).await;
    assert_eq!(status, 200, "{channel}");
    app.google.idle().await;
    let first = receiver.received.try_recv().unwrap();
    assert_eq!(first["x-goog-resource-state"], "sync");
    assert_eq!(first["x-goog-message-number"], "1");

    let event = app.google.create_event(EMAIL, "primary", lunch("userevent")).unwrap();
    app.google.idle().await;
    let second = receiver.received.try_recv().unwrap();
    assert_eq!(second["x-goog-resource-state"], "exists");
    assert_eq!(second["x-goog-channel-id"], "channel-1");
    assert_eq!(second["x-goog-channel-token"], "s3cret");
    assert_eq!(second["x-goog-resource-id"].to_str().unwrap(), channel["resourceId"]);
    assert_eq!(second["x-goog-resource-uri"].to_str().unwrap(), channel["resourceUri"]);
    assert_eq!(second["content-length"], "0");
    assert!(second["x-goog-channel-expiration"].to_str().unwrap().ends_with(" GMT"));

    let (delta, next) = app.traverse(&format!("maxResults=10&syncToken={sync_token}")).await;
    assert_eq!(delta, [event]);
    let (nothing, same) = app.traverse(&format!("syncToken={next}")).await;
    assert_eq!((nothing.len(), same), (0, next));
}

#[tokio::test]
async fn an_own_write_is_notified_too_and_a_stopped_channel_is_silent() {
    let app = App::start().await;
    let mut receiver = Receiver::start(&[]).await;
    let (_, channel) = app.watch("channel-1", &receiver.address).await;
    app.insert(lunch("event1")).await;
    app.google.idle().await;
    let mut states = receiver.states();
    states.sort();
    assert_eq!(states, ["exists", "sync"]);

    let stop = json!({"id": "channel-1", "resourceId": channel["resourceId"]});
    assert_eq!(app.call(Method::POST, "/channels/stop", stop.clone()).await.0, 204);
    assert_eq!(app.call(Method::POST, "/channels/stop", stop).await.0, 404);
    app.insert(lunch("event2")).await;
    app.google.idle().await;
    assert!(receiver.states().is_empty());
}

#[tokio::test]
async fn a_notification_is_retried_on_503_and_not_on_404() {
    let options = Options { push_backoff: Duration::from_millis(1), ..Options::default() };
    let app = App::start_with(options).await;
    let mut patient = Receiver::start(&[503, 500]).await;
    let mut lost = Receiver::start(&[404]).await;
    app.watch("patient", &patient.address).await;
    app.watch("lost", &lost.address).await;
    app.google.idle().await;
    assert_eq!((patient.states().len(), lost.states().len()), (3, 1));
    assert_eq!(app.google.deliveries().iter().filter(|delivery| delivery.is_delivered).count(), 1);
    assert_eq!(app.google.pending_pushes(), 0);
}

#[tokio::test]
async fn notifications_are_dropped_and_doubled_on_order() {
    let app = App::start().await;
    let mut receiver = Receiver::start(&[]).await;
    let fault = |effect| PushFault { channel: None, count: 1, effect };
    app.google.inject_push(fault(PushEffect::Drop));
    app.google.inject_push(fault(PushEffect::Duplicate));
    app.watch("channel-1", &receiver.address).await;
    app.insert(lunch("event1")).await;
    app.google.idle().await;
    assert_eq!(receiver.states(), ["exists", "exists"]);
}

#[tokio::test]
async fn a_channel_is_refused_for_the_reasons_google_has() {
    let app = App::start_with(Options { is_loopback_http_allowed: false, ..Options::default() }).await;
    let (status, body) = app.watch("channel-1", "http://127.0.0.1:1/hook").await;
    assert_eq!((status, reason(&body)), (StatusCode::BAD_REQUEST, "webhookUrlNotHttps"));

    let app = App::start().await;
    let receiver = Receiver::start(&[]).await;
    app.watch("channel-1", &receiver.address).await;
    let (status, body) = app.watch("channel-1", &receiver.address).await;
    assert_eq!((status, reason(&body)), (StatusCode::BAD_REQUEST, "channelIdNotUnique"));
    app.google.set_pushing(EMAIL, false).unwrap();
    let (_, body) = app.watch("channel-2", &receiver.address).await;
    assert_eq!(reason(&body), "pushNotSupportedForRequestedResource");
}

#[tokio::test]
async fn an_id_is_taken_by_live_and_deleted_events() {
    let app = App::start().await;
    app.insert(lunch("event1")).await;
    let insert = || app.call(Method::POST, "/calendars/primary/events", lunch("event1"));
    let (status, body) = insert().await;
    assert_eq!((status, reason(&body)), (StatusCode::CONFLICT, "duplicate"));
    let path = "/calendars/primary/events/event1?sendUpdates=none";
    assert_eq!(app.call(Method::DELETE, path, Value::Null).await.0, 204);
    assert_eq!(insert().await.0, 409);
    let (status, body) = app.call(Method::DELETE, path, Value::Null).await;
    assert_eq!((status, reason(&body)), (StatusCode::GONE, "deleted"));
    assert_eq!(app.get(path).await.1["status"], "cancelled");
    let journal = app.google.journal();
    let deletes: Vec<_> =
        journal.iter().filter(|entry| entry.operation == "calendar.events.delete").collect();
    assert_eq!(deletes.iter().map(|entry| entry.status).collect::<Vec<_>>(), [Some(204), Some(410)]);
    assert!(deletes.iter().all(|entry| entry.send_updates.as_deref() == Some("none")));
    assert!(deletes.iter().all(|entry| entry.account.as_deref() == Some(EMAIL)));
}

#[tokio::test]
async fn a_stale_etag_is_refused() {
    let app = App::start().await;
    let event = app.insert(lunch("event1")).await;
    let path = "/calendars/primary/events/event1";
    let headers = |etag: &Value| {
        let etag = HeaderValue::from_str(etag.as_str().unwrap()).unwrap();
        HeaderMap::from_iter([(header::IF_MATCH, etag)])
    };
    app.google.edit_event(EMAIL, "primary", "event1", json!({"summary": "Brunch"})).unwrap();
    let mut put = event.clone();
    put["location"] = "Here".into();
    let (status, body) = app.call_with(Method::PUT, path, put.clone(), headers(&event["etag"])).await;
    assert_eq!((status, reason(&body)), (StatusCode::PRECONDITION_FAILED, "conditionNotMet"));

    let (_, fresh) = app.get(path).await;
    let (status, body) = app.call_with(Method::PUT, path, put, headers(&fresh["etag"])).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(
        (&body["summary"], &body["location"], &body["xFuture"]["kept"]),
        (&json!("Lunch"), &json!("Here"), &json!(true))
    );
}

#[tokio::test]
async fn invalidated_sync_tokens_are_gone_also_in_mid_traversal() {
    let app = App::start().await;
    let (_, sync_token) = app.traverse("").await;
    app.insert(lunch("event1")).await;
    app.insert(lunch("event2")).await;
    let query = format!("/calendars/primary/events?maxResults=1&syncToken={sync_token}");
    let (_, first) = app.get(&query).await;
    app.google.invalidate_sync_tokens(EMAIL).unwrap();
    let (status, body) =
        app.get(&format!("{query}&pageToken={}", first["nextPageToken"].as_str().unwrap())).await;
    assert_eq!((status, reason(&body)), (StatusCode::GONE, "fullSyncRequired"));
    assert_eq!(body["error"]["errors"][0]["location"], "syncToken");
    let (_, fresh) = app.traverse("").await;
    assert_eq!(app.traverse(&format!("syncToken={fresh}")).await.0.len(), 0);
}

#[tokio::test]
async fn a_sync_token_is_bound_to_its_question() {
    let app = App::start().await;
    let (_, sync_token) = app.traverse("singleEvents=false&showDeleted=true").await;
    app.insert(lunch("event1")).await;
    app.insert(lunch("event2")).await;
    let list = async |query: String| app_get(&app, &query).await;
    let base = format!("syncToken={sync_token}&singleEvents=false");
    let first = list(format!("{base}&maxResults=1")).await.1;
    let page = first["nextPageToken"].as_str().unwrap();
    for query in [
        format!("{base}&timeMin=2026-01-01T00:00:00Z"),
        format!("{base}&q=Lunch"),
        format!("{base}&showDeleted=false"),
        format!("syncToken={sync_token}"),
        "syncToken=rubbish".to_owned(),
        format!("maxResults=1&singleEvents=false&pageToken={page}"),
        format!("{base}&maxResults=2&pageToken={page}"),
        "maxResults=0".to_owned(),
    ] {
        let (status, body) = list(query.clone()).await;
        assert_eq!(status, 400, "{query}: {body}");
    }
    let (status, body) = list("syncToken=rubbish".to_owned()).await;
    assert_eq!(
        (status, body["error"]["message"].as_str()),
        (StatusCode::BAD_REQUEST, Some("Invalid sync token value."))
    );
    assert_eq!(list(format!("{base}&maxResults=1&pageToken={page}")).await.0, 200);
}

async fn app_get(app: &App, query: &str) -> (StatusCode, Value) {
    app.get(&format!("/calendars/primary/events?{query}")).await
}

#[tokio::test]
async fn a_traversal_is_frozen_and_what_changes_meanwhile_comes_next() {
    let app = App::start().await;
    for n in 1..=3 {
        app.insert(lunch(&format!("event{n}"))).await;
    }
    app.google.set_paging(Paging { at_most: Some(1), starts_empty: true, ..Paging::default() });
    let (_, first) = app_get(&app, "maxResults=2").await;
    assert_eq!(first["items"], json!([]));
    app.google.edit_event(EMAIL, "primary", "event3", json!({"summary": "Late"})).unwrap();
    let (mut items, mut page) = (Vec::new(), first);
    while let Some(token) = page["nextPageToken"].as_str() {
        page = app_get(&app, &format!("maxResults=2&pageToken={token}")).await.1;
        items.extend(page["items"].as_array().unwrap().iter().map(|item| item["summary"].clone()));
    }
    assert_eq!(items, ["Lunch", "Lunch", "Lunch"]);
    app.google.set_paging(Paging::default());
    let (delta, _) = app.traverse(&format!("syncToken={}", page["nextSyncToken"].as_str().unwrap())).await;
    assert_eq!(delta.iter().map(|item| item["summary"].clone()).collect::<Vec<_>>(), ["Late"]);
}

#[tokio::test]
async fn deleted_events_are_in_a_delta_and_not_in_a_full_list() {
    let app = App::start().await;
    app.insert(lunch("event1")).await;
    let (_, sync_token) = app.traverse("").await;
    app.google.delete_event(EMAIL, "primary", "event1").unwrap();
    assert!(app.traverse("").await.0.is_empty());
    assert_eq!(app.traverse("showDeleted=true").await.0.len(), 1);
    let (delta, _) = app.traverse(&format!("syncToken={sync_token}")).await;
    assert_eq!(delta[0]["status"], "cancelled");
    assert!(delta[0].get("start").is_none());
}

#[tokio::test]
async fn the_calendar_list_has_the_primary_calendar_and_its_changes() {
    let app = App::start().await;
    let (_, body) = app.get("/users/me/calendarList").await;
    let primary = &body["items"][0];
    assert_eq!((&primary["id"], &primary["primary"]), (&json!(EMAIL), &json!(true)));
    assert_eq!((&primary["timeZone"], &primary["accessRole"]), (&json!("America/Chicago"), &json!("owner")));
    assert_eq!(&app.get("/users/me/calendarList/primary").await.1, primary);

    let id = app.google.create_calendar(EMAIL, "Choir").unwrap();
    let token = body["nextSyncToken"].as_str().unwrap();
    let (_, delta) = app.get(&format!("/users/me/calendarList?syncToken={token}")).await;
    assert_eq!(delta["items"].as_array().unwrap().len(), 1);
    app.google.share_calendar(&id, EMAIL, "reader").unwrap();
    let (status, body) = app.call(Method::POST, &format!("/calendars/{id}/events"), lunch("event1")).await;
    assert_eq!((status, reason(&body)), (StatusCode::FORBIDDEN, "requiredAccessLevel"));
    app.google.unlist_calendar(&id, EMAIL).unwrap();
    assert_eq!(app.get(&format!("/calendars/{id}/events")).await.0, 404);
    let (_, delta) = app.get(&format!("/users/me/calendarList?syncToken={token}")).await;
    assert_eq!(delta["items"][0]["deleted"], true);
}

#[tokio::test]
async fn a_write_may_happen_and_its_answer_be_lost() {
    let app = App::start().await;
    app.google.inject(Fault::drop_after_commit("calendar.events.insert"));
    let url = format!("{}/calendars/primary/events", app.google.calendar_url());
    let lost = app.http.post(url).bearer_auth(&app.access_token).json(&lunch("event1")).send().await;
    assert!(lost.is_err());
    assert_eq!(app.google.journal().last().unwrap().status, None);
    let (status, body) = app.call(Method::POST, "/calendars/primary/events", lunch("event1")).await;
    assert_eq!((status, reason(&body)), (StatusCode::CONFLICT, "duplicate"));
    assert_eq!(app.google.events(EMAIL, "primary").unwrap().len(), 1);
}

#[tokio::test]
async fn a_fault_refuses_as_ordered_and_then_lets_pass() {
    let app = App::start().await;
    let mut fault = Fault::refuse("calendar.events.*", StatusCode::FORBIDDEN, "rateLimitExceeded").times(2);
    if let Effect::Refuse { retry_after, .. } = &mut fault.effect {
        *retry_after = Some(7);
    }
    app.google.inject(fault);
    for _ in 0..2 {
        let (status, body) = app_get(&app, "").await;
        assert_eq!((status, reason(&body)), (StatusCode::FORBIDDEN, "rateLimitExceeded"));
        assert_eq!(body["error"]["errors"][0]["domain"], "usageLimits");
    }
    assert_eq!(app_get(&app, "").await.0, 200);
    assert_eq!(app.google.journal().iter().filter(|entry| entry.is_faulted).count(), 2);
}

#[tokio::test]
async fn channels_expire_on_the_clock() {
    let clock = ManualClock::new("2026-11-20T12:00:00Z".parse().unwrap());
    let app = App::start_with(Options { clock: clock.clock(), ..Options::default() }).await;
    let mut receiver = Receiver::start(&[]).await;
    app.watch("channel-1", &receiver.address).await;
    assert_eq!(app.google.channels().len(), 1);
    clock.advance(Duration::from_secs(7 * 24 * 3600));
    assert!(app.google.channels().is_empty());
    app.google.create_event(EMAIL, "primary", lunch("event1")).unwrap();
    app.google.idle().await;
    assert_eq!(receiver.states(), ["sync"]);
}

#[tokio::test]
async fn what_is_unknown_is_refused_in_googles_shape() {
    let app = App::start().await;
    for path in ["/nowhere", "/calendars/strange@example.com/events", "/calendars/primary/events/strange"] {
        let (status, body) = app.get(path).await;
        assert_eq!((status, reason(&body)), (StatusCode::NOT_FOUND, "notFound"), "{path}");
    }
    let (status, body) = app.call(Method::POST, "/calendars/primary/events", lunch("NOT-AN-ID")).await;
    assert_eq!((status, reason(&body)), (StatusCode::BAD_REQUEST, "invalid"));
}

#[tokio::test]
async fn a_shell_can_act_as_the_user() {
    let app = App::start().await;
    let url = format!("{}/_fake/accounts/{EMAIL}/calendars/primary/events", app.google.url());
    let made: Value =
        app.http.post(&url).json(&lunch("fromshell")).send().await.unwrap().json().await.unwrap();
    assert_eq!(made["summary"], "Lunch");
    let edit =
        app.http.patch(format!("{url}/fromshell")).json(&json!({"summary": "Tea"})).send().await.unwrap();
    assert_eq!(edit.status(), 200);
    assert_eq!(app.google.event(EMAIL, "primary", "fromshell").unwrap()["summary"], "Tea");
    assert_eq!(app.http.delete(format!("{url}/fromshell")).send().await.unwrap().status(), 204);
    let idle = app.http.get(format!("{}/_fake/idle", app.google.url())).send().await.unwrap();
    assert_eq!(idle.status(), 204);
}

#[tokio::test]
async fn a_window_keeps_restricting_the_sync_that_began_with_it() {
    let app = App::start().await;
    app.insert(lunch("event1")).await;
    let window = |from: &str, to: &str| format!("timeMin={from}T00:00:00Z&timeMax={to}T00:00:00Z");
    assert_eq!(app.traverse(&window("2026-01-06", "2026-01-07")).await.0.len(), 0);
    let (items, sync_token) = app.traverse(&window("2026-01-05", "2026-01-06")).await;
    assert_eq!(items.len(), 1);
    let mut outside = lunch("event2");
    outside["start"]["dateTime"] = "2027-01-05T12:00:00Z".into();
    outside["end"]["dateTime"] = "2027-01-05T13:00:00Z".into();
    app.insert(outside).await;
    assert_eq!(app.traverse(&format!("syncToken={sync_token}")).await.0.len(), 0);
    let (status, body) = app_get(&app, &window("2026-01-06", "2026-01-06")).await;
    assert_eq!((status, reason(&body)), (StatusCode::BAD_REQUEST, "timeRangeEmpty"));
}

#[tokio::test]
async fn an_answer_has_the_members_and_the_zone_that_were_asked_for() {
    let app = App::start().await;
    app.insert(lunch("event1")).await;
    let (_, body) = app_get(&app, "timeZone=UTC&fields=nextSyncToken,items(id,start)").await;
    let start = json!({"dateTime": "2026-01-05T18:00:00Z", "timeZone": "America/Chicago"});
    assert_eq!(body["items"], json!([{"id": "event1", "start": start}]));
    assert!(body["nextSyncToken"].is_string() && body.get("kind").is_none());
    assert_eq!(app_get(&app, "timeZone=Mars").await.0, 400);
}

#[tokio::test]
async fn a_delta_may_repeat_the_newest_change() {
    let app = App::start().await;
    app.insert(lunch("event1")).await;
    let (_, sync_token) = app.traverse("").await;
    app.google.set_paging(Paging { repeats_boundary: true, ..Paging::default() });
    let (delta, same) = app.traverse(&format!("syncToken={sync_token}")).await;
    assert_eq!((delta.len(), same), (1, sync_token));
}

#[tokio::test]
async fn an_event_is_found_by_its_private_mark() {
    let app = App::start().await;
    let mut marked = lunch("event1");
    marked["extendedProperties"] = json!({"private": {"mark": "m1"}});
    app.insert(marked).await;
    app.insert(lunch("event2")).await;
    for (query, found) in [
        ("privateExtendedProperty=mark%3Dm1", 1),
        ("privateExtendedProperty=mark%3Dm2", 0),
        ("iCalUID=event2%40google.com", 1),
    ] {
        let (_, body) = app_get(&app, query).await;
        assert_eq!(body["items"].as_array().unwrap().len(), found, "{query}");
        assert!(body.get("nextSyncToken").is_none(), "a filtered list is no start of a sync");
    }
}

#[tokio::test]
async fn a_reset_forgets_accounts_and_their_tokens() {
    let app = App::start().await;
    app.insert(lunch("event1")).await;
    app.google.reset();
    assert!(app.google.accounts().is_empty() && app.google.journal().is_empty());
    assert_eq!(app_get(&app, "").await.0, 401);
}

#[tokio::test]
async fn a_kept_state_outlives_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("google.json");
    let options = || Options { state: Some(state.clone()), ..Options::default() };
    let app = App::start_with(options()).await;
    let event = app.insert(lunch("event1")).await;
    let (_, sync_token) = app.traverse("").await;
    let App { google, access_token, .. } = app;
    drop(google);

    let app = App { access_token, ..App::start_with(options()).await };
    assert_eq!(app.traverse("").await.0, [event]);
    let (delta, same) = app.traverse(&format!("syncToken={sync_token}")).await;
    assert_eq!((delta.len(), same), (0, sync_token));
}
