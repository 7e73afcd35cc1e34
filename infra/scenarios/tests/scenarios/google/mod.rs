//! Two calendars that agree: ours and Google's.

mod bursts;
mod conflicts;
mod debug;
mod disconnect;
mod flows;
mod mishaps;
mod refusals;

use fake_google::{PushEffect, PushFault, Server};
use scenarios::{Browser, TestApp};
use serde_json::{Value, json};

const INSERT: &str = "calendar.events.insert";
const UPDATE: &str = "calendar.events.update";
const DELETE: &str = "calendar.events.delete";

/// A person whose calendar is connected and imported.
pub(crate) async fn connected(app: &TestApp) -> Browser {
    let browser = app.person().await;
    browser.connect_google(app.google()).await.ok();
    app.quiesce().await;
    assert_eq!(browser.connection_state().await, "HEALTHY");
    browser
}

pub(crate) fn lunch() -> Value {
    json!({
        "summary": "Lunch",
        "start": { "dateTime": "2026-11-20T12:00:00-06:00", "timeZone": "America/Chicago" },
        "end": { "dateTime": "2026-11-20T13:00:00-06:00", "timeZone": "America/Chicago" },
    })
}

/// The events that live in Google's calendar.
fn at_google(app: &TestApp, browser: &Browser) -> Vec<Value> {
    let mut events = app.google().events(browser.email(), "primary").unwrap();
    events.retain(|event| event["status"] != "cancelled");
    events
}

fn titles_at_google(app: &TestApp, browser: &Browser) -> Vec<String> {
    let title = |event: &Value| event["summary"].as_str().unwrap_or_default().to_owned();
    let mut titles: Vec<String> = at_google(app, browser).iter().map(title).collect();
    titles.sort_unstable();
    titles
}

/// The calls that change events, in order.
fn writes(app: &TestApp) -> Vec<String> {
    let journal = app.google().journal();
    let is_write =
        |operation: &str| operation.starts_with("calendar.events.") && !operation.ends_with(".watch");
    journal
        .into_iter()
        .filter(|entry| is_write(&entry.operation) && entry.method != "GET")
        .map(|entry| entry.operation)
        .collect()
}

/// Nothing moves any more, however often it is looked at.
async fn assert_at_rest(app: &TestApp, browser: &Browser) {
    app.quiesce().await;
    let stream = browser.stream().await;
    stream.frame("USER_METADATA").await;
    let (cursor, before) = (stream.cursor(), browser.grid().await);
    app.google().clear_journal();
    for _ in 0..2 {
        app.tick("sweep").await;
        app.tick("watch-renewal").await;
        app.quiesce().await;
        // What the sweep would enqueue once the calendar had been silent for long.
        app.poll_google(browser);
        app.quiesce().await;
    }
    let has_asked = app.google().journal().iter().any(|entry| entry.operation == "calendar.events.list");
    assert!(has_asked, "the worker asked Google what changed");
    assert_eq!(writes(app), Vec::<String>::new());
    assert_eq!(browser.grid().await, before);
    let again = browser.stream().await;
    again.frame("USER_METADATA").await;
    assert_eq!(again.cursor(), cursor);
}

async fn notify(app: &TestApp, channel: &str, token: &str, resource: &str, number: u64) -> (u16, String) {
    let url = app.cloud().function_url("google-notification").unwrap();
    let request = reqwest::Client::new().post(url);
    let request = request.header("x-goog-channel-id", channel).header("x-goog-channel-token", token);
    let request = request.header("x-goog-resource-id", resource).header("x-goog-resource-state", "exists");
    let request = request.header("x-goog-message-number", number.to_string());
    let request = request.header("x-goog-resource-uri", "https://example.com");
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The next change in Google is one that we are not told of.
pub(crate) fn miss_next_notification(google: &Server) {
    google.inject_push(PushFault { channel: None, count: 1, effect: PushEffect::Drop });
}
