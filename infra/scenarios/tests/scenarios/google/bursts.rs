//! Notifications that come many at a time, late, twice and out of order. The queue goes by its own times, as on AWS.

use std::time::{Duration, Instant};

use fake_google::{Fault, PushEffect, PushFault, Watched};
use futures_util::future::join_all;
use scenarios::{Browser, TestApp};
use serde_json::json;

use super::{assert_at_rest, connected, lunch, miss_next_notification, notify};

/// How many there are at once.
const MANY: u64 = 20;
/// Above all numbers that Google has used by then.
const FIRST_NUMBER: u64 = 1_000;

async fn app_with_real_redelivery() -> TestApp {
    TestApp::start_with(|options| options.redelivery = None).await
}

/// How often it was asked what has changed.
fn readings(app: &TestApp) -> u64 {
    let journal = app.google().journal();
    let is_reading = |entry: &&fake_google::Entry| {
        entry.operation == "calendar.events.list" && entry.query.iter().any(|(name, _)| name == "syncToken")
    };
    journal.iter().filter(is_reading).count().try_into().unwrap()
}

/// A reading that is under way and one that comes after it. While notifications keep coming, one more each second at most.
fn most_readings(told_within: Duration) -> u64 {
    2 + told_within.as_secs()
}

/// The id, the secret and the resource of the channel of the user's own calendar.
fn channel(app: &TestApp, browser: &Browser) -> (String, String, String) {
    let google = app.google();
    let is_meant = |channel: &fake_google::Channel| {
        channel.owner == browser.email() && matches!(channel.watched, Watched::Events { .. })
    };
    let channel = google.channels().into_iter().find(is_meant).unwrap();
    let token = google.channel_token(&channel.id).unwrap();
    (channel.id, token, channel.resource_id)
}

/// Has something done for many messages at once; returns what came of it, and the time within which half of them were answered.
async fn at_once<T>(act: impl AsyncFn(u64) -> T) -> (Vec<T>, Duration) {
    let timed = |number| {
        let act = &act;
        async move {
            let asked = Instant::now();
            (act(number).await, asked.elapsed())
        }
    };
    let done = join_all((FIRST_NUMBER..FIRST_NUMBER + MANY).map(timed)).await;
    let (done, mut times): (Vec<_>, Vec<_>) = done.into_iter().unzip();
    times.sort_unstable();
    let median = times[times.len() / 2];
    (done, median)
}

#[tokio::test]
async fn twenty_notifications_in_a_second_cost_two_readings_and_miss_nothing() {
    let app = app_with_real_redelivery().await;
    let browser = connected(&app).await;
    let google = app.google();
    let (id, token, resource) = channel(&app, &browser);
    let stream = browser.stream().await;
    stream.frame("USER_METADATA").await;
    app.quiesce().await;
    let before = stream.count("EVENT_CHANGED");
    google.clear_journal();

    // The first time environments are started; the second time tells what this machine can do when nothing is kept.
    let ignored = async |number| notify(&app, &id, "wrong", &resource, number).await;
    at_once(ignored).await;
    let (_, possible) = at_once(ignored).await;
    let begun = Instant::now();
    let (answers, median) = at_once(async |number| {
        if number == FIRST_NUMBER + MANY - 1 {
            // Of what has changed the last of them is the only one to tell.
            miss_next_notification(google);
            google.create_event(browser.email(), "primary", lunch()).unwrap();
        }
        notify(&app, &id, &token, &resource, number).await
    })
    .await;
    let told_within = begun.elapsed();
    assert_eq!(answers, vec![(200, "PROCESSED".to_owned()); answers.len()]);
    let limit = Duration::from_secs(1).max(4 * possible);
    assert!(median < limit, "answered within {median:?}; what is ignored within {possible:?}");

    stream.nth("EVENT_CHANGED", before + 1).await;
    app.quiesce().await;
    assert_eq!(browser.titles().await, ["Lunch"]);
    let (read, most) = (readings(&app), most_readings(told_within));
    assert!((1..=most).contains(&read), "{read} readings of what was told in {told_within:?}");
    assert_eq!(stream.count("EVENT_CHANGED"), before + 1, "it is applied once");
    assert!(app.cloud().queues().depth("SyncDeadLetterQueue.fifo").unwrap().is_empty());
    assert_at_rest(&app, &browser).await;
}

#[tokio::test]
async fn notifications_in_a_burst_late_or_out_of_order_end_in_the_same_state() {
    let app = app_with_real_redelivery().await;
    let browser = connected(&app).await;
    let (google, email) = (app.google(), browser.email());
    google.inject_push(PushFault { channel: None, count: 3, effect: PushEffect::Delay { by_ms: 300 } });
    google.inject_push(PushFault { channel: None, count: 3, effect: PushEffect::Duplicate });
    google.clear_journal();
    let begun = Instant::now();
    let mut expected = Vec::new();
    for number in 0..30 {
        let mut event = lunch();
        event["summary"] = json!(format!("Event {number:02}"));
        let created = google.create_event(email, "primary", event).unwrap();
        if number % 3 == 0 {
            google.delete_event(email, "primary", created["id"].as_str().unwrap()).unwrap();
        } else {
            expected.push(format!("Event {number:02}"));
        }
    }
    app.quiesce().await;
    assert_eq!(browser.titles().await, expected);
    let (read, most) = (readings(&app), most_readings(begun.elapsed()));
    assert!((1..=most).contains(&read), "{read} readings of forty changes in {:?}", begun.elapsed());
    assert_at_rest(&app, &browser).await;
}

/// How many invocations of a function were under way at once, at most. Of each the last moments do not count: its answer is there a little before it is
/// over.
fn peak(app: &TestApp, function: &str) -> usize {
    let journal = app.cloud().journal();
    let invocations: Vec<_> = journal
        .iter()
        .filter(|entry| entry.function == function)
        .map(|entry| {
            let duration = chrono::TimeDelta::from_std(entry.duration).unwrap();
            (entry.at - duration, entry.at - duration / 4)
        })
        .collect();
    let at_once = |moment| invocations.iter().filter(|(from, to)| (*from..*to).contains(&moment)).count();
    invocations.iter().map(|(from, _)| at_once(*from)).max().unwrap_or(0)
}

/// 13, in small: a message at a time and two workers, where the template has ten and twenty. Google is slow, so all would be at work at once.
#[tokio::test]
async fn a_storm_of_many_calendars_is_worked_off_by_as_many_workers_as_the_template_allows() {
    const PEOPLE: usize = 6;
    let path = std::env::temp_dir().join(format!("meridian-storm-{}.yaml", std::process::id()));
    let app = TestApp::start_with(|options| {
        let template = std::fs::read_to_string(&options.template).unwrap();
        let smaller = template.replace("BatchSize: 10\n", "BatchSize: 1\n");
        let smaller = smaller.replace("MaximumConcurrency: 20\n", "MaximumConcurrency: 2\n");
        assert_eq!(template.len() - smaller.len(), 2, "both are there once");
        std::fs::write(&path, smaller).unwrap();
        options.template = path.clone();
    })
    .await;
    std::fs::remove_file(&path).unwrap();
    let mut people = Vec::new();
    for _ in 0..PEOPLE {
        people.push(connected(&app).await);
    }
    app.advance(Duration::from_secs(10));
    app.cloud().clear_journal();
    app.google().inject(Fault::delay("calendar.events.list", Duration::from_millis(300)).times(99));
    for browser in &people {
        app.google().create_event(browser.email(), "primary", lunch()).unwrap();
    }
    app.quiesce().await;
    for browser in &people {
        assert_eq!(browser.titles().await, ["Lunch"]);
    }
    assert_eq!(peak(&app, "sync-worker"), 2);
    // That Google's quota was kept is asked at the end of every test.
}
