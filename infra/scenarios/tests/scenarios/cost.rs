//! What requests cost in the store: the figures that the design promises, counted by the functions themselves.

use std::path::Path;
use std::time::Duration;

use local::Entry;
use reqwest::Method;
use scenarios::{Socket, TestApp, all_day, eventually, id, timed};
use serde_json::json;

use crate::google::{connected, lunch};

const PASSWORD: &str = "correct horse 1";
/// The header in which a list says where the log ended before it was read.
const CURSOR: &str = "x-meridian-cursor";

/// The newest invocation by this trigger, or of this function. The log line with its cost may come a moment after its answer.
async fn newest(app: &TestApp, name: &str) -> Entry {
    eventually(name, || async {
        let mut journal = app.cloud().journal().into_iter().rev();
        let is_meant = |entry: &Entry| entry.trigger == name || entry.function == name;
        journal.find(is_meant).filter(|entry| !entry.fields.is_empty())
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
        // Where the log ends, then all queries side by side.
        ("GET /api/event", 2),
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

/// Read units, write units and rounds of something, as `infra/deploy/cost.py` reckons with them.
fn reckoned(what: &str) -> [f64; 3] {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/cost.py");
    let table = std::fs::read_to_string(table).unwrap();
    let line = table.lines().find_map(|line| line.trim().strip_prefix(&format!("\"{what}\": (")));
    let numbers = line.unwrap_or_else(|| panic!("the table has no {what:?}")).split(", ");
    let numbers = numbers.map(|number| number.trim_end_matches("),"));
    Vec::from_iter(numbers.take(3).map(|number| number.parse().unwrap())).try_into().unwrap()
}

fn units(entry: &Entry) -> [f64; 3] {
    let rounds = u32::try_from(entry.round_trips().unwrap()).unwrap();
    [entry.read_units().unwrap(), entry.write_units().unwrap(), rounds.into()]
}

#[tokio::test]
async fn hearing_of_changes_costs_what_the_table_of_costs_reckons_with() {
    let app = TestApp::start_with(|options| {
        options.parameters.insert("StreamMode".to_owned(), "poll".to_owned());
    })
    .await;
    let browser = app.person().await;
    app.quiesce().await;
    app.cloud().clear_journal();
    let (mut socket, _) = Socket::open(&browser, None).await;
    let ticket = units(&newest(&app, "POST /api/realtime/ticket").await);
    assert_eq!(ticket, reckoned("a ticket is drawn"));
    assert_eq!(units(&newest(&app, "socket $connect").await), reckoned("a socket is opened"));

    app.quiesce().await;
    app.cloud().clear_journal();
    socket.say(json!({ "type": "ping", "cursor": socket.cursor })).await;
    socket.frame("PONG").await;
    let ping = reckoned("hello, or a ping with a cursor; nothing was missed");
    assert_eq!(units(&newest(&app, "socket $default").await), ping);

    browser.create(&timed(1, "Lunch", "2026-11-20T12:00:00Z")).await.is(204);
    socket.frame("EVENT_CHANGED").await;
    app.quiesce().await;
    // The records of a transaction come together or one by one; whoever has to be asked for is asked for once.
    let journal = app.cloud().journal();
    let fanned_out = journal.iter().filter(|entry| entry.function == "fanout").map(units);
    let sum = fanned_out.fold([0.0; 3], |sum, cost| [0, 1, 2].map(|at| sum[at] + cost[at]));
    assert_eq!(sum, reckoned("`fanout` asks who is connected"));

    drop(socket);
    assert_eq!(units(&newest(&app, "socket $disconnect").await), reckoned("a socket is closed"));

    let first = browser.stream().await;
    first.end().await;
    app.cloud().clear_journal();
    browser.resume(&first.cursor()).await.end().await;
    let opened = units(&newest(&app, "GET /api/events/stream").await);
    assert_eq!(opened, reckoned("a stream is opened again; nothing was missed"));
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

#[tokio::test]
async fn what_people_do_costs_what_the_table_of_costs_reckons_with() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let week =
        (0..100).map(|number| timed(number, "There", &format!("2026-11-{}T12:00:00Z", 15 + number % 7)));
    browser.create(&week.collect()).await.is(204);
    app.quiesce().await;
    app.cloud().clear_journal();
    browser.list("2026-11-15T00:00:00Z", "2026-11-21T23:59:59Z").await;
    assert_eq!(units(&newest(&app, "GET /api/event").await), reckoned("a week is listed (100 events)"));
    browser.put(&timed(7, "Edited", "2026-11-15T12:00:00Z")).await.is(204);
    let edit = newest(&app, &format!("PUT /api/event/{}", id(7))).await;
    assert_eq!(units(&edit), reckoned("an event is edited"));
    browser.metadata().await.ok();
    let metadata = newest(&app, "GET /api/user/metadata").await;
    assert_eq!(units(&metadata), reckoned("a small request, such as metadata"));
    app.tick("sweep").await;
    assert_eq!(units(&newest(&app, "sweep").await), reckoned("a schedule finds nothing due (`sweep`)"));
}

#[tokio::test]
async fn a_change_at_google_costs_what_the_table_of_costs_reckons_with() {
    let app = TestApp::start().await;
    let browser = connected(&app).await;
    // What was read when it was connected is long ago.
    app.advance(Duration::from_secs(10));
    app.cloud().clear_journal();
    app.google().create_event(browser.email(), "primary", lunch()).unwrap();
    app.quiesce().await;
    let told = newest(&app, "google-notification").await;
    assert_eq!(units(&told), reckoned("Google tells of a change (`google-notification`)"));
    let read = newest(&app, "sync-worker").await;
    assert_eq!(units(&read), reckoned("an event that is new at Google is read"));

    app.advance(Duration::from_secs(10));
    app.cloud().clear_journal();
    app.poll_google(&browser);
    app.quiesce().await;
    let asked = newest(&app, "sync-worker").await;
    assert_eq!(units(&asked), reckoned("Google is asked and nothing has changed"));
}

#[tokio::test]
async fn each_look_of_an_open_stream_costs_what_the_table_of_costs_reckons_with() {
    let app = TestApp::start_with(|options| {
        options.parameters.insert("StreamMode".to_owned(), "burst".to_owned());
    })
    .await;
    let browser = app.person().await;
    browser.create(&timed(1, "Lunch", "2026-11-20T12:00:00Z")).await.is(204);
    let cursor = browser.call(Method::GET, "/api/event?someday=true", None).await.header(CURSOR).to_owned();
    app.cloud().clear_journal();
    let stream = browser.resume(&cursor).await;
    stream.until("its first block", |blocks| blocks.first().map(drop)).await;
    // A burst lasts until twenty seconds after the last change. Some of them are enough.
    app.advance(Duration::from_secs(14));
    stream.end().await;
    let [reads, _, rounds] = units(&newest(&app, "GET /api/events/stream").await);
    let [opened, look] =
        ["a stream is opened again; nothing was missed", "an open stream looks, and nothing is new"];
    let [opened, look] = [opened, look].map(reckoned);
    let looks = (rounds - opened[2]) / look[2];
    assert!(looks > 3.0, "it looked {looks} times");
    assert_eq!(reads, opened[0] + looks * look[0]);
}
