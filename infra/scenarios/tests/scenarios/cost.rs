//! What requests cost in the store: the figures that the design promises, counted by the functions themselves.

use local::Entry;
use reqwest::Method;
use scenarios::{TestApp, all_day, eventually, id, timed};

const PASSWORD: &str = "correct horse 1";

/// What the newest invocation by this trigger cost. Its log line may come a moment after its answer.
async fn newest(app: &TestApp, trigger: &str) -> Entry {
    eventually(trigger, || async {
        let mut journal = app.cloud().journal().into_iter().rev();
        journal.find(|entry| entry.trigger == trigger).filter(|entry| !entry.fields.is_empty())
    })
    .await
}

async fn rounds(app: &TestApp, trigger: &str) -> u64 {
    newest(app, trigger).await.round_trips().unwrap()
}

#[tokio::test]
async fn a_request_goes_to_the_store_as_often_as_it_must() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    for number in 0..20 {
        browser.create(&timed(number, "Event", "2026-11-20T12:00:00Z")).await.is(204);
    }
    browser.create(&all_day(20, "Month", "2026-11-01", "2026-12-01")).await.is(204);
    app.cloud().clear_journal();

    browser.list("2026-11-14T00:00:00Z", "2026-11-21T23:59:59Z").await;
    browser.create(&timed(21, "Event", "2026-11-20T12:00:00Z")).await.is(204);
    browser.put(&timed(21, "Edited", "2026-11-20T12:00:00Z")).await.is(204);
    browser.delete(&id(21)).await.is(204);
    browser.metadata().await.ok();
    browser.profile().await.ok();
    app.browser().sign_in(browser.email(), PASSWORD).await.ok();
    browser.refresh().await.is(200);
    let event = format!("/api/event/{}", id(21));
    for (trigger, most) in [
        ("GET /api/event", 1),
        ("POST /api/event", 2),
        (&*format!("PUT {event}"), 2),
        (&*format!("DELETE {event}"), 2),
        ("GET /api/user/metadata", 1),
        ("GET /api/user/profile", 1),
        ("POST /api/signin", 2),
        ("POST /api/session/refresh", 1),
    ] {
        let rounds = rounds(&app, trigger).await;
        assert!(rounds >= 1 && rounds <= most, "{trigger}: {rounds} rounds");
    }
}

#[tokio::test]
async fn whoever_has_no_session_costs_no_read() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    browser.set_access_token(&app.expired(&browser.access_token().unwrap()));
    app.cloud().clear_journal();
    let path = "/api/event?start=2026-11-14&end=2026-11-21";
    browser.call(Method::GET, path, None).await.is(401);
    app.browser().metadata().await.is(401);
    app.browser().refresh().await.is(401);
    for trigger in ["GET /api/event", "GET /api/user/metadata", "POST /api/session/refresh"] {
        let entry = newest(&app, trigger).await;
        assert_eq!(
            (entry.round_trips(), entry.read_units(), entry.write_units()),
            (Some(0), Some(0.0), Some(0.0))
        );
    }
}
