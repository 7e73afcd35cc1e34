//! Both sides at once: no edit is lost, and both end the same.

use fake_google::Fault;
use http::StatusCode;
use reqwest::Method;
use scenarios::TestApp;
use serde_json::json;

use super::{
    UPDATE, assert_at_rest, at_google, connected, lunch, miss_next_notification, titles_at_google, writes,
};

#[tokio::test]
async fn edits_of_different_fields_on_both_sides_at_once_are_both_kept() {
    let app = TestApp::start().await;
    let browser = connected(&app).await;
    let (google, email) = (app.google(), browser.email());
    let created = google.create_event(email, "primary", lunch()).unwrap();
    app.quiesce().await;
    let mut event = browser.grid().await.remove(0);

    // Our push meets an event that has moved on meanwhile, which we have not been told of.
    miss_next_notification(google);
    google
        .edit_event(email, "primary", created["id"].as_str().unwrap(), json!({ "description": "Theirs" }))
        .unwrap();
    event["title"] = json!("Ours");
    browser.put(&event).await.is(204);
    app.quiesce().await;
    let there = &at_google(&app, &browser)[0];
    let here = &browser.grid().await[0];
    assert_eq!((&there["summary"], &there["description"]), (&json!("Ours"), &json!("Theirs")));
    assert_eq!((&here["title"], &here["description"]), (&json!("Ours"), &json!("Theirs")));
    assert_at_rest(&app, &browser).await;
}

#[tokio::test]
async fn an_edit_beats_a_delete_on_the_other_side() {
    let app = TestApp::start().await;
    let browser = connected(&app).await;
    let (google, email) = (app.google(), browser.email());
    let created = google.create_event(email, "primary", lunch()).unwrap();
    app.quiesce().await;
    let mut event = browser.grid().await.remove(0);
    miss_next_notification(google);
    google.delete_event(email, "primary", created["id"].as_str().unwrap()).unwrap();
    event["title"] = json!("Still wanted");
    browser.put(&event).await.is(204);
    app.quiesce().await;
    assert_eq!(titles_at_google(&app, &browser), ["Still wanted"]);
    assert_eq!(browser.titles().await, ["Still wanted"]);
    assert_at_rest(&app, &browser).await;
}

#[tokio::test]
async fn a_delete_here_and_an_edit_in_google_leave_the_edit() {
    let app = TestApp::start().await;
    let browser = connected(&app).await;
    let (google, email) = (app.google(), browser.email());
    let created = google.create_event(email, "primary", lunch()).unwrap();
    app.quiesce().await;
    let event = browser.grid().await.remove(0);
    miss_next_notification(google);
    let patch = json!({ "summary": "Still wanted" });
    google.edit_event(email, "primary", created["id"].as_str().unwrap(), patch).unwrap();
    browser.delete(event["_id"].as_str().unwrap()).await.is(204);
    app.quiesce().await;
    assert_eq!(titles_at_google(&app, &browser), ["Still wanted"]);
    assert_eq!(browser.titles().await, ["Still wanted"]);
    assert_at_rest(&app, &browser).await;
}

#[tokio::test]
async fn of_two_edits_of_one_field_the_later_one_wins_on_both_sides() {
    let app = TestApp::start().await;
    let browser = connected(&app).await;
    let (google, email) = (app.google(), browser.email());
    let created = google.create_event(email, "primary", lunch()).unwrap();
    app.quiesce().await;
    let mut event = browser.grid().await.remove(0);
    let theirs = |title: &str| {
        miss_next_notification(google);
        let patch = json!({ "summary": title });
        google.edit_event(email, "primary", created["id"].as_str().unwrap(), patch).unwrap();
    };
    theirs("Theirs, earlier");
    google.clear_journal();
    event["title"] = json!("Ours, later");
    browser.put(&event).await.is(204);
    app.quiesce().await;
    assert_eq!(writes(&app), [UPDATE, UPDATE], "one that was refused, and one more");
    assert_eq!(titles_at_google(&app, &browser), ["Ours, later"]);
    assert_eq!(browser.titles().await, ["Ours, later"]);

    // The other way round: our push is held up until theirs is there.
    google.inject(Fault::refuse(UPDATE, StatusCode::SERVICE_UNAVAILABLE, "backendError"));
    event["title"] = json!("Ours, earlier");
    browser.put(&event).await.is(204);
    scenarios::eventually("the push to fail", || async { google.faults().is_empty().then_some(()) }).await;
    theirs("Theirs, later");
    app.quiesce().await;
    assert_eq!(titles_at_google(&app, &browser), ["Theirs, later"]);
    assert_eq!(browser.titles().await, ["Theirs, later"]);
    let issues = browser.call(Method::GET, "/api/sync/issues", None).await.ok();
    let newest = &issues["issues"][0];
    assert_eq!((&newest["kind"], &newest["fields"]), (&json!("CONFLICT"), &json!(["title"])), "{issues}");
    assert_eq!(newest["lost"]["title"], "Ours, earlier", "what lost can be read");
    let stranger = app.person().await;
    let none = stranger.call(Method::GET, "/api/sync/issues", None).await.ok();
    assert_eq!(none, json!({ "issues": [] }));
    assert_at_rest(&app, &browser).await;
}
