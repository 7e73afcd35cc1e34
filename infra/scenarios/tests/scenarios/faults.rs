//! Processes that die and messages that cannot be done.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fake_sqs::NewMessage;
use scenarios::{TestApp, id, timed};
use serde_json::Value;

const DEAD_LETTERS: &str = "SyncDeadLetterQueue.fifo";

fn ids(events: &[Value]) -> BTreeSet<String> {
    events.iter().map(|event| event["_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_killed_process_loses_no_acknowledged_write_and_is_one_failed_request() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let is_over = AtomicBool::new(false);
    let writing = async {
        let (mut acknowledged, mut failed) = (BTreeSet::new(), 0);
        for number in 0..60 {
            let answer = browser.create(&timed(number, "Event", "2026-11-20T12:00:00Z")).await;
            match answer.status {
                204 => {
                    acknowledged.insert(id(number));
                }
                status => {
                    assert!((500..600).contains(&status), "{status}: {}", answer.text);
                    assert!(answer.json()["message"].is_string(), "{}", answer.text);
                    failed += 1;
                }
            }
        }
        is_over.store(true, Ordering::Relaxed);
        (acknowledged, failed)
    };
    let killing = async {
        let mut killed = 0;
        while !is_over.load(Ordering::Relaxed) {
            let running = app.cloud().journal().len();
            // Between two kills something shall happen, or no write would ever get through.
            scenarios::eventually("another invocation", || async {
                (app.cloud().journal().len() > running + 2 || is_over.load(Ordering::Relaxed)).then_some(())
            })
            .await;
            killed += app.cloud().kill_environments("event").await.unwrap();
        }
        killed
    };
    let ((acknowledged, failed), killed) = tokio::join!(writing, killing);
    assert!(killed > 3, "{killed} processes were killed");
    // A kill costs the one request that its process was at, at most.
    assert!(failed <= killed, "{failed} requests failed of {killed} kills");
    let listed = ids(&browser.grid().await);
    let lost: Vec<_> = acknowledged.difference(&listed).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[tokio::test]
async fn an_upload_whose_function_is_killed_is_ended_by_the_sweep() {
    const MANY: u32 = 2_000;
    let app = TestApp::start().await;
    let browser = app.person().await;
    let events: Value = (0..MANY).map(|number| timed(number, "Event", "2026-11-20T12:00:00Z")).collect();
    let killing = async {
        scenarios::eventually("the first of the upload", || async {
            (!browser.grid().await.is_empty()).then_some(())
        })
        .await;
        app.cloud().kill_environments("event").await.unwrap();
    };
    let (answer, ()) = tokio::join!(browser.create(&events), killing);
    assert!((500..600).contains(&answer.status), "{}: {}", answer.status, answer.text);
    assert!(browser.grid().await.len() < MANY as usize, "it was killed too late to show anything");
    app.advance(Duration::from_secs(120));
    app.tick("sweep").await;
    assert_eq!(browser.grid().await.len(), MANY as usize);
}

#[tokio::test]
async fn a_message_that_cannot_be_read_ends_in_the_dead_letter_queue_and_holds_nobody_up() {
    let app = TestApp::start().await;
    let (browser, google) = (app.person().await, app.google());
    browser.connect_google(google).await.ok();
    app.quiesce().await;
    let queues = app.cloud().queues();
    let other = app.person().await;
    // In a group of its own, and in the one of a user, whose other work waits for it and then goes on.
    for group in [other.user(), browser.user()] {
        let message =
            NewMessage::new("not a job").in_group(&group).with_deduplication_id(format!("poison-{group}"));
        queues.send(app.sync_queue(), message).unwrap();
    }
    browser.create(&timed(1, "Lunch", "2026-11-20T12:00:00Z")).await.is(204);
    app.quiesce().await;
    let dead: Vec<String> =
        queues.peek(DEAD_LETTERS).unwrap().into_iter().map(|message| message.body).collect();
    assert_eq!(dead, ["not a job", "not a job"]);
    let events = google.events(browser.email(), "primary").unwrap();
    assert_eq!(events.iter().map(|event| &event["summary"]).collect::<Vec<_>>(), ["Lunch"]);
}

#[tokio::test]
async fn a_worker_that_dies_at_its_work_does_it_once_all_the_same() {
    let app = TestApp::start().await;
    let (browser, google) = (app.person().await, app.google());
    browser.connect_google(google).await.ok();
    app.quiesce().await;
    for number in 0..12 {
        browser.create(&timed(number, &format!("Event {number}"), "2026-11-20T12:00:00Z")).await.is(204);
        let function = if number % 2 == 0 { "sync-worker" } else { "fanout" };
        app.cloud().kill_environments(function).await.unwrap();
    }
    app.quiesce().await;
    let mut titles: Vec<String> = google
        .events(browser.email(), "primary")
        .unwrap()
        .iter()
        .map(|event| event["summary"].as_str().unwrap().to_owned())
        .collect();
    titles.sort_unstable();
    assert_eq!(titles, browser.titles().await);
}

#[tokio::test]
async fn a_process_that_dies_between_requests_costs_nothing() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    for function in ["event", "user", "auth", "config", "health"] {
        app.cloud().kill_environments(function).await.unwrap();
    }
    browser.metadata().await.ok();
    browser.refresh().await.is(200);
    browser.create(&timed(1, "Lunch", "2026-11-20T12:00:00Z")).await.is(204);
    assert_eq!(browser.titles().await, ["Lunch"]);
}
