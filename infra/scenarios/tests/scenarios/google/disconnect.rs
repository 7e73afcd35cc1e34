//! The user ends the connection.

use std::time::Duration;

use fake_google::{Account, Fault, Paging};
use scenarios::{TestApp, eventually, timed};
use serde_json::json;

use super::{assert_at_rest, connected, lunch, titles_at_google, writes};

const LIST: &str = "calendar.events.list";
const REVOKE: &str = "oauth.revoke";

#[tokio::test]
async fn a_user_who_disconnects_while_an_import_runs_hears_of_it_at_once_and_google_is_left_alone() {
    let app = TestApp::start().await;
    let (browser, google) = (app.person().await, app.google());
    google.create_account(Account::new(browser.email()));
    for n in 0..6 {
        let mut event = lunch();
        event["summary"] = json!(format!("Lunch {n}"));
        google.create_event(browser.email(), "primary", event).unwrap();
    }
    google.set_paging(Paging { at_most: Some(2), ..Paging::default() });
    browser.create(&timed(1, "Ours", "2026-11-20T15:00:00Z")).await.is(204);
    let stream = browser.stream().await;
    google.inject(Fault::delay(LIST, Duration::from_secs(1)).after(1));
    browser.connect_google(google).await.ok();
    eventually("the first page is here", || async { (browser.grid().await.len() == 3).then_some(()) }).await;

    assert_eq!(browser.disconnect_google().await.is(204).text, "");
    assert_eq!(browser.connection_state().await, "NOT_CONNECTED");
    assert!(browser.metadata().await.ok().get("sync").is_none());
    let before = browser.titles().await;
    app.quiesce().await;
    let is_told = |frame: &scenarios::Frame| {
        frame.event.as_deref() == Some("USER_METADATA")
            && frame.json()["google"]["connectionState"] == "NOT_CONNECTED"
    };
    let times = || stream.frames().iter().filter(|frame| is_told(frame)).count();
    eventually("the page is told once more", || async { (times() > 1).then_some(()) }).await;
    assert_eq!(stream.count("GOOGLE_REVOKED"), 0);
    assert_eq!((browser.titles().await, before.len()), (before, 3), "nothing of the second page");
    assert_eq!((google.calls(LIST), writes(&app)), (2, vec![]));
    assert_eq!((google.channels().len(), google.calls(REVOKE)), (0, 1));

    // From now on this is a calendar like that of anybody who never connected.
    google.clear_journal();
    browser.create(&timed(2, "Ours, later", "2026-11-20T16:00:00Z")).await.is(204);
    google.create_event(browser.email(), "primary", lunch()).unwrap();
    app.advance(Duration::from_secs(7_200));
    browser.refresh().await.is(200);
    app.tick("sweep").await;
    app.tick("watch-renewal").await;
    app.quiesce().await;
    assert!(google.journal().is_empty(), "{:#?}", google.journal());
    assert_eq!(browser.repair_google().await.status, 400);
    browser.disconnect_google().await.is(204);

    browser.connect_google(google).await.ok();
    app.quiesce().await;
    let all =
        ["Lunch", "Lunch 0", "Lunch 1", "Lunch 2", "Lunch 3", "Lunch 4", "Lunch 5", "Ours", "Ours, later"];
    assert_eq!(
        (browser.titles().await, titles_at_google(&app, &browser)),
        (all.map(String::from).to_vec(), all.map(String::from).to_vec())
    );
    assert_at_rest(&app, &browser).await;
}

#[tokio::test]
async fn a_connection_at_rest_is_ended_whole_and_begun_anew_without_a_double() {
    let app = TestApp::start().await;
    let browser = connected(&app).await;
    let google = app.google();
    google.create_event(browser.email(), "primary", lunch()).unwrap();
    browser.create(&timed(1, "Ours", "2026-11-20T15:00:00Z")).await.is(204);
    app.quiesce().await;
    assert!(!google.channels().is_empty());
    browser.disconnect_google().await.is(204);
    app.quiesce().await;
    assert_eq!((google.channels().len(), google.calls(REVOKE)), (0, 1));
    assert_eq!(browser.titles().await, ["Lunch", "Ours"]);
    browser.connect_google(google).await.ok();
    app.quiesce().await;
    assert_eq!(browser.connection_state().await, "HEALTHY");
    assert_eq!(browser.titles().await, ["Lunch", "Ours"]);
    assert_eq!(titles_at_google(&app, &browser), ["Lunch", "Ours"]);
    assert_at_rest(&app, &browser).await;
}
