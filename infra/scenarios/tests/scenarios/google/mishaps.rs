//! Answers that are lost, messages that come twice, workers that die: the end is the same.

use std::time::Duration;

use fake_google::{Account, Fault, Paging, PushEffect, PushFault};
use http::StatusCode;
use scenarios::{TestApp, eventually, id, someday, timed};
use serde_json::json;

use super::{
    DELETE, INSERT, UPDATE, assert_at_rest, at_google, connected, lunch, miss_next_notification,
    titles_at_google, writes,
};

#[tokio::test]
async fn a_second_delivery_of_the_same_message_changes_nothing() {
    let app = TestApp::start().await;
    let browser = connected(&app).await;
    app.google().clear_journal();
    app.cloud().queues().deliver_twice(app.sync_queue()).unwrap();
    browser.create(&timed(1, "Lunch", "2026-11-20T12:00:00Z")).await.is(204);
    app.quiesce().await;
    assert_eq!(titles_at_google(&app, &browser), ["Lunch"]);
    assert_eq!(writes(&app), [INSERT]);

    app.cloud().queues().deliver_twice(app.sync_queue()).unwrap();
    app.google().inject_push(PushFault { channel: None, count: 1, effect: PushEffect::Duplicate });
    app.google().create_event(browser.email(), "primary", lunch()).unwrap();
    app.quiesce().await;
    assert_eq!(browser.titles().await, ["Lunch", "Lunch"]);
    assert_at_rest(&app, &browser).await;
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_not_repeated_at_google() {
    let app = TestApp::start().await;
    let browser = connected(&app).await;
    let google = app.google();
    google.inject(Fault::drop_after_commit(INSERT));
    let mut event = timed(1, "Lunch", "2026-11-20T12:00:00Z");
    browser.create(&event).await.is(204);
    app.quiesce().await;
    assert_eq!(titles_at_google(&app, &browser), ["Lunch"]);

    google.inject(Fault::drop_after_commit(UPDATE));
    event["title"] = json!("Late lunch");
    browser.put(&event).await.is(204);
    app.quiesce().await;
    assert_eq!(titles_at_google(&app, &browser), ["Late lunch"]);

    google.inject(Fault::drop_after_commit(DELETE));
    browser.delete(&id(1)).await.is(204);
    app.quiesce().await;
    assert!(at_google(&app, &browser).is_empty() && browser.grid().await.is_empty());
    assert!(google.faults().is_empty(), "every fault struck");
    assert_at_rest(&app, &browser).await;
}

#[tokio::test]
async fn what_google_refuses_for_a_while_is_done_later() {
    let app = TestApp::start().await;
    let browser = connected(&app).await;
    let google = app.google();
    google.inject(Fault::refuse(INSERT, StatusCode::SERVICE_UNAVAILABLE, "backendError").times(2));
    google.inject(Fault::refuse("calendar.events.list", StatusCode::FORBIDDEN, "rateLimitExceeded"));
    browser.create(&timed(1, "Ours", "2026-11-20T12:00:00Z")).await.is(204);
    google.create_event(browser.email(), "primary", lunch()).unwrap();
    app.quiesce().await;
    assert_eq!(titles_at_google(&app, &browser), ["Lunch", "Ours"]);
    assert_eq!(browser.titles().await, ["Lunch", "Ours"]);
    assert_at_rest(&app, &browser).await;
}

#[tokio::test]
async fn a_sync_token_that_google_forgot_costs_no_event_of_either_side() {
    let app = TestApp::start().await;
    let browser = connected(&app).await;
    let (google, email) = (app.google(), browser.email());
    let gone = google.create_event(email, "primary", lunch()).unwrap();
    browser.create(&timed(1, "Ours", "2026-11-20T15:00:00Z")).await.is(204);
    browser.create(&someday(2, "Paint", "2026-11-15", "2026-11-21", 0)).await.is(204);
    app.quiesce().await;
    google.invalidate_sync_tokens(email).unwrap();
    miss_next_notification(google);
    google.delete_event(email, "primary", gone["id"].as_str().unwrap()).unwrap();
    let mut tea = lunch();
    tea["summary"] = json!("Tea");
    google.create_event(email, "primary", tea).unwrap();
    app.quiesce().await;
    assert_eq!(browser.titles().await, ["Ours", "Tea"]);
    assert_eq!(titles_at_google(&app, &browser), ["Ours", "Tea"]);
    assert_eq!(browser.someday("2026-10-31T23:59:59Z", "2026-11-30T23:59:59Z").await.len(), 1);
    assert_at_rest(&app, &browser).await;
}

#[tokio::test]
async fn an_import_whose_worker_dies_is_finished_and_never_leaves_importing_behind() {
    let app = TestApp::start().await;
    let (browser, google) = (app.person().await, app.google());
    google.create_account(Account::new(browser.email()));
    let mut expected = Vec::new();
    for number in 0..40 {
        let mut event = lunch();
        event["summary"] = json!(format!("Event {number:02}"));
        google.create_event(browser.email(), "primary", event).unwrap();
        expected.push(format!("Event {number:02}"));
    }
    google.set_paging(Paging { at_most: Some(4), ..Paging::default() });
    let lists = || google.journal().iter().filter(|entry| entry.operation == "calendar.events.list").count();
    browser.connect_google(google).await.ok();
    for page in [2, 5, 8] {
        scenarios::eventually("another page", || async { (lists() >= page).then_some(()) }).await;
        app.cloud().kill_environments("sync-worker").await.unwrap();
    }
    app.quiesce().await;
    assert_eq!(browser.connection_state().await, "HEALTHY");
    assert_eq!(browser.titles().await, expected);
    assert_at_rest(&app, &browser).await;
}

#[tokio::test]
async fn a_slow_calendar_does_not_hold_up_another_user() {
    let app = TestApp::start().await;
    let (slow, quick) = (connected(&app).await, connected(&app).await);
    let google = app.google();
    google.inject(Fault::delay("calendar.events.*", Duration::from_secs(5)).of(slow.email()).times(2));
    google.create_event(slow.email(), "primary", lunch()).unwrap();
    let stream = quick.stream().await;
    stream.frame("USER_METADATA").await;
    // A page that has just been loaded may be told of what was shortly before.
    let before = stream.count("EVENT_CHANGED");
    google.create_event(quick.email(), "primary", lunch()).unwrap();
    stream.nth("EVENT_CHANGED", before + 1).await;
    assert_eq!(quick.titles().await, ["Lunch"]);
    assert!(slow.titles().await.is_empty(), "the slow one is still under way");
    app.quiesce().await;
    assert_eq!(slow.titles().await, ["Lunch"]);
}

#[tokio::test]
async fn a_user_whom_google_finds_too_fast_holds_up_nobody_else() {
    let app = TestApp::start().await;
    let (ada, ben) = (connected(&app).await, connected(&app).await);
    let too_fast = Fault::refuse(INSERT, StatusCode::TOO_MANY_REQUESTS, "rateLimitExceeded");
    app.google().inject(too_fast.retry_after(3_000).of(ada.email()));
    ada.create(&timed(1, "Ada's", "2026-11-20T12:00:00Z")).await.is(204);
    eventually("Google refuses", || async { app.google().faults().is_empty().then_some(()) }).await;
    ben.create(&timed(1, "Ben's", "2026-11-20T12:00:00Z")).await.is(204);
    eventually("Ben's event", || async { (titles_at_google(&app, &ben) == ["Ben's"]).then_some(()) }).await;
    assert!(at_google(&app, &ada).is_empty(), "hers waits as long as Google wants");
    app.advance(Duration::from_secs(4_000));
    eventually("Ada's event", || async { (titles_at_google(&app, &ada) == ["Ada's"]).then_some(()) }).await;
}
