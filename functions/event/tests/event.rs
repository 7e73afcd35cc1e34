//! The function in process, on a table made from the bundle's own template.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail by panicking, like the tests")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth::test_support::{cookie, verifier};
use axum::Router;
use axum::body::Body;
use chrono::{DateTime, Utc};
use domain::UserId;
use event_function::{Events, router};
use http::response::Parts;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use local::table::TestTable;
use runtime::http::{SameSite, Web, service};
use seam::{Clock, Fault, Kind, Random, Script, Seam};
use serde_json::{Value, json};
use store::{Cursor, CursorKey, Due, NewUser, Plan, Profile, Store};
use tower::ServiceExt;

const ANA: UserId = UserId::new([1; 12]);
const BEN: UserId = UserId::new([2; 12]);
const DAY: &str = "/api/event?start=2026-11-20T00:00:00Z&end=2026-11-20T23:59:59Z";

fn now() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn hours(n: i64) -> DateTime<Utc> {
    now() + chrono::TimeDelta::hours(n)
}

/// What happens to the transactions that come, in order; to those after them, nothing. And what was called.
#[derive(Default)]
struct Transactions {
    faults: Mutex<VecDeque<Option<Fault>>>,
    calls: Mutex<Vec<&'static str>>,
}

impl Transactions {
    /// So many pass, and then one is tried in vain until the store gives up.
    fn fail_after(&self, passing: usize, fault: Fault) {
        const TRIES: usize = 4;
        let faults = std::iter::repeat_n(None, passing).chain(std::iter::repeat_n(Some(fault), TRIES));
        self.faults.lock().unwrap().extend(faults);
    }
}

impl Script for Transactions {
    fn next(&self, _: Kind, operation: &'static str) -> Option<Fault> {
        self.calls.lock().unwrap().push(operation);
        let is_transaction = operation == "TransactWriteItems";
        is_transaction.then(|| self.faults.lock().unwrap().pop_front()).flatten().flatten()
    }
}

struct World {
    _table: TestTable,
    store: Store,
    router: Router,
}

impl World {
    /// Two users without events.
    async fn start() -> Self {
        Self::start_with(Arc::default()).await
    }

    /// The same, where the script says what happens to transactions once they are there.
    async fn start_with(script: Arc<Transactions>) -> Self {
        let table = TestTable::start().await.unwrap();
        let seam = Seam::new(Kind::Store, Duration::from_secs(5)).with_script(script.clone());
        let store = Store::new(table.client.clone(), &table.table_name, seam);
        for (id, email) in [(ANA, "ana@example.com"), (BEN, "ben@example.com")] {
            let (email, epoch) = (&email.parse().unwrap(), "epoch".to_owned());
            let (profile, password_hash, google_sub, session) = (Profile::default(), None, None, None);
            let new = NewUser { id, email, epoch, profile, password_hash, google_sub, session };
            store.create_user(new, now()).await.unwrap();
        }
        let (clock, random) = (Clock::fixed(now()), Random::seeded(7));
        let events = Events { store: store.clone(), verifier: verifier(), cursors: cursors(), clock, random };
        let web = Web::new("http://localhost:9080".parse().unwrap(), [], SameSite::Lax);
        Self { _table: table, store, router: service(router(events), &web) }
    }

    /// Ends what was left unfinished, as the sweep does at that time.
    async fn sweep(&self, at: DateTime<Utc>) {
        for row in self.store.due(Due::Unfinished, 0, at, 10).await.unwrap() {
            self.store.finish(&row, at).await.unwrap();
        }
    }

    /// For how many users the sweep would look at that time.
    async fn left_to_sweep(&self, at: DateTime<Utc>) -> usize {
        self.store.due(Due::Unfinished, 0, at, 10).await.unwrap().len()
    }

    async fn send(&self, user: UserId, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        let (parts, body) = self.answer(user, method, path, body).await;
        (parts.status, body)
    }

    async fn answer(&self, user: UserId, method: &str, path: &str, body: &Value) -> (Parts, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("cookie", cookie(user, now()))
            .body(Body::from(if body.is_null() { String::new() } else { body.to_string() }))
            .unwrap();
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        (parts, body)
    }

    async fn titles(&self, user: UserId, path: &str) -> Vec<String> {
        let (status, body) = self.send(user, "GET", path, &Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let title = |event: &Value| event["title"].as_str().unwrap().to_owned();
        body.as_array().unwrap().iter().map(title).collect()
    }
}

fn cursors() -> CursorKey {
    CursorKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap()
}

fn id(n: u8) -> String {
    domain::EventId::new([n; 12]).to_string()
}

fn event(n: u8, title: &str) -> Value {
    json!({"_id": id(n), "title": title, "startDate": "2026-11-20T09:00:00Z", "endDate": "2026-11-20T10:00:00Z",
        "priority": "work", "origin": "compass", "user": "UNAUTHENTICATED_USER", "hasFlipped": false})
}

#[tokio::test]
async fn a_list_says_where_the_log_ended_before_it_was_read() {
    let script = Arc::new(Transactions::default());
    let world = World::start_with(script.clone()).await;
    for rev in 0..3 {
        script.calls.lock().unwrap().clear();
        let (parts, listed) = world.answer(ANA, "GET", DAY, &Value::Null).await;
        assert_eq!(listed.as_array().unwrap().len(), usize::from(rev));
        let cursor = parts.headers["x-meridian-cursor"].to_str().unwrap();
        assert_eq!(cursors().of(ANA).open(cursor).unwrap(), Cursor::new("epoch", u64::from(rev)));
        assert_eq!(parts.headers["access-control-expose-headers"], "x-meridian-cursor");
        // What is committed between the two is told again, never missed.
        let calls = script.calls.lock().unwrap().clone();
        assert_eq!((calls[0], calls.iter().filter(|call| **call == "GetItem").count()), ("GetItem", 1));
        assert_eq!(
            world.send(ANA, "POST", "/api/event", &event(rev, "Lunch")).await.0,
            StatusCode::NO_CONTENT
        );
    }
    let (parts, _) = world.answer(ANA, "POST", "/api/event", &event(1, "Lunch")).await;
    assert!(!parts.headers.contains_key("x-meridian-cursor"));
    assert!(!parts.headers.contains_key("access-control-expose-headers"));
}

#[tokio::test]
async fn an_event_is_created_replaced_read_and_deleted() {
    let world = World::start().await;
    let path = format!("/api/event/{}", id(1));
    let empty = (StatusCode::NO_CONTENT, Value::Null);
    assert_eq!(world.send(ANA, "POST", "/api/event", &event(1, "Lunch")).await, empty);
    assert_eq!(
        world.send(ANA, "POST", "/api/event", &event(1, "Lunch")).await,
        empty,
        "sent twice, it is there once"
    );
    assert_eq!(world.titles(ANA, DAY).await, ["Lunch"]);
    for (scope, title) in [("", "A"), ("?applyTo=undefined", "B"), ("?applyTo=All%20Events", "C")] {
        assert_eq!(world.send(ANA, "PUT", &format!("{path}{scope}"), &event(1, title)).await, empty);
        assert_eq!(world.titles(ANA, DAY).await, [title]);
    }
    let (status, body) = world.send(ANA, "GET", &path, &Value::Null).await;
    assert_eq!((status, body["user"].as_str()), (StatusCode::OK, Some(ANA.to_string().as_str())));
    for _ in 0..2 {
        assert_eq!(world.send(ANA, "DELETE", &path, &Value::Null).await, empty, "what is gone is 204 too");
    }
    assert_eq!(world.titles(ANA, DAY).await, [""; 0]);
    assert_eq!(world.send(ANA, "GET", &path, &Value::Null).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_upload_is_written_whole_or_refused_with_the_place_of_what_is_wrong() {
    let world = World::start().await;
    let many: Vec<Value> = (1..=200).map(|n| event(n, &n.to_string())).collect();
    assert_eq!(world.send(ANA, "POST", "/api/event", &json!(many)).await.0, StatusCode::NO_CONTENT);
    assert_eq!(world.titles(ANA, DAY).await.len(), 200);
    let bad = json!([event(201, "good"), {"_id": id(202)}]);
    let (status, body) = world.send(ANA, "POST", "/api/event", &bad).await;
    assert_eq!(
        (status, body["message"].as_str()),
        (StatusCode::BAD_REQUEST, Some("[1]: startDate: is required"))
    );
    assert_eq!(world.titles(ANA, DAY).await.len(), 200);
}

#[tokio::test]
async fn a_rule_without_occurrence_at_the_end_of_an_upload_keeps_its_beginning_out() {
    let world = World::start().await;
    let mut many: Vec<Value> = (1..=100).map(|n| event(n, "good")).collect();
    many[99]["recurrence"] = json!({"rule": ["RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"]});
    let (status, body) = world.send(ANA, "POST", "/api/event", &json!(many)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body["message"].as_str().unwrap().starts_with("[99]: recurrence.rule"), "{body}");
    assert_eq!(world.titles(ANA, DAY).await, [""; 0]);
}

/// An upload of 150 events, the last of them a series.
fn upload() -> Value {
    let mut many: Vec<Value> = (1..=150).map(|n| event(n, "upload")).collect();
    many[149]["recurrence"] = json!({"rule": ["RRULE:FREQ=WEEKLY"]});
    json!(many)
}

#[tokio::test]
async fn of_an_upload_that_fails_before_it_begins_there_is_nothing() {
    let script = Arc::new(Transactions::default());
    let world = World::start_with(script.clone()).await;
    script.fail_after(0, Fault::FailBefore);
    let (status, body) = world.send(ANA, "POST", "/api/event", &upload()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    world.sweep(hours(1)).await;
    assert_eq!(world.titles(ANA, DAY).await, [""; 0]);
}

#[tokio::test]
async fn an_upload_that_was_cut_off_is_ended_by_a_repetition_or_by_the_sweep() {
    // Cut off before a transaction, or after it so that only its answer is lost.
    for fault in [Fault::FailBefore, Fault::FailAfter] {
        for is_repeated in [false, true] {
            let script = Arc::new(Transactions::default());
            let world = World::start_with(script.clone()).await;
            world.send(ANA, "POST", "/api/event", &event(1, "before")).await;
            // One begins it, and one saves the first of it.
            script.fail_after(2, fault);
            let (status, body) = world.send(ANA, "POST", "/api/event", &upload()).await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{fault:?}: {body}");
            assert!(
                (1..150).contains(&world.titles(ANA, "/api/event").await.len()) || fault == Fault::FailAfter
            );
            if is_repeated {
                let done = world.send(ANA, "POST", "/api/event", &upload()).await;
                assert_eq!(done, (StatusCode::NO_CONTENT, Value::Null));
            }
            world.sweep(hours(1)).await;
            assert_eq!(world.titles(ANA, DAY).await, ["upload"; 150], "{fault:?} {is_repeated}");
            let left = world.left_to_sweep(hours(9)).await;
            assert_eq!(left, 0, "{fault:?}: it is ended once");
        }
    }
}

#[tokio::test]
async fn an_upload_that_has_just_begun_is_left_to_its_function() {
    let script = Arc::new(Transactions::default());
    let world = World::start_with(script.clone()).await;
    script.fail_after(2, Fault::FailBefore);
    world.send(ANA, "POST", "/api/event", &upload()).await;
    let there = world.titles(ANA, DAY).await.len();
    // Something before it was due, so the sweep meets it early.
    let at = now() + chrono::TimeDelta::seconds(20);
    world
        .store
        .mutate(ANA, &[], now(), |_| {
            let mut plan = Plan::default();
            plan.schedule(&world.store, Due::Unfinished, ANA, now())?;
            Ok::<_, store::Error>(plan)
        })
        .await
        .unwrap();
    world.sweep(at).await;
    assert_eq!(world.titles(ANA, DAY).await.len(), there);
    world.sweep(hours(1)).await;
    assert_eq!(world.titles(ANA, DAY).await.len(), 150);
}

#[tokio::test]
async fn what_was_done_since_an_upload_was_cut_off_is_not_undone_by_the_sweep() {
    let script = Arc::new(Transactions::default());
    let world = World::start_with(script.clone()).await;
    script.fail_after(2, Fault::FailBefore);
    world.send(ANA, "POST", "/api/event", &upload()).await;
    let there = world.titles(ANA, DAY).await.len();
    assert!((3..148).contains(&there), "{there}");
    // Of what was saved, one is edited and one deleted; of what was not, one is made otherwise, and one made and deleted.
    for n in [1, 149] {
        world.send(ANA, "PUT", &format!("/api/event/{}", id(n)), &event(n, "mine")).await;
    }
    world.send(ANA, "POST", "/api/event", &event(148, "gone")).await;
    for n in [2, 148] {
        world.send(ANA, "DELETE", &format!("/api/event/{}", id(n)), &Value::Null).await;
    }
    world.sweep(hours(1)).await;
    let mut titles = world.titles(ANA, DAY).await;
    titles.sort_unstable();
    let expected: Vec<&str> = ["mine"; 2].into_iter().chain(["upload"; 146]).collect();
    assert_eq!(titles, expected);
}

/// The texts are long, so fewer events fit into a transaction than by their number.
#[tokio::test]
async fn an_upload_of_few_events_and_nearly_four_megabytes_is_written() {
    let world = World::start().await;
    let mut many: Vec<Value> = (1..=60).map(|n| event(n, "long")).collect();
    for event in &mut many {
        event["description"] = json!("\u{1d11e}".repeat(17_000));
    }
    let body = json!(many);
    assert!((4_000_000..4 << 20).contains(&body.to_string().len()), "{}", body.to_string().len());
    assert_eq!(world.send(ANA, "POST", "/api/event", &body).await, (StatusCode::NO_CONTENT, Value::Null));
    assert_eq!(world.titles(ANA, DAY).await, ["long"; 60]);
}

#[tokio::test]
async fn a_plus_that_became_a_space_is_no_error_and_priorities_filter() {
    let world = World::start().await;
    world.send(ANA, "POST", "/api/event", &event(1, "Lunch")).await;
    let week = "/api/event?start=2026-11-14T00:00:00+05:30&end=2026-11-21T23:59:59+05:30";
    assert_eq!(world.titles(ANA, week).await, ["Lunch"]);
    assert_eq!(world.titles(ANA, &format!("{DAY}&priorities=self")).await, [""; 0]);
    assert_eq!(world.titles(ANA, &format!("{DAY}&priorities=self,work")).await, ["Lunch"]);
    assert_eq!(world.titles(ANA, &format!("{DAY}&someday=true")).await, [""; 0]);
}

#[tokio::test]
async fn someday_events_keep_the_places_they_are_given() {
    let world = World::start().await;
    let someday = |n, order: i64| {
        json!({"_id": id(n), "title": n.to_string(), "startDate": "2026-11-15", "endDate": "2026-11-21",
        "priority": "work", "origin": "compass", "isSomeday": true, "order": order})
    };
    world.send(ANA, "POST", "/api/event", &json!([someday(1, 0), someday(2, 1)])).await;
    let orders = json!([{"_id": id(1), "order": 1}, {"_id": id(2), "order": 0}, {"_id": id(3), "order": 2}]);
    let (status, body) = world.send(ANA, "PUT", "/api/event/reorder", &orders).await;
    assert_eq!(
        (status, &body["matchedCount"], &body["insertedIds"]),
        (StatusCode::OK, &json!(2), &json!({}))
    );
    let list = "/api/event?someday=true&start=2026-10-31T23:59:59-08:00&end=2026-11-30T23:59:59-08:00";
    let (_, body) = world.send(ANA, "GET", list, &Value::Null).await;
    let orders: Vec<&Value> = body.as_array().unwrap().iter().map(|event| &event["order"]).collect();
    assert_eq!(orders, [&json!(1), &json!(0)]);
}

#[tokio::test]
async fn delete_many_takes_two_keys_and_no_other() {
    let world = World::start().await;
    world.send(ANA, "POST", "/api/event", &json!([event(1, "A"), event(2, "B"), event(3, "C")])).await;
    let delete = |key: &str, ids: Value| json!({"key": key, "ids": ids});
    let (status, body) =
        world.send(ANA, "DELETE", "/api/event/deleteMany", &delete("_id", json!([id(1), id(9)]))).await;
    assert_eq!(
        (status, body),
        (StatusCode::OK, json!({"deletedCount": 1, "errors": ["Only deleted 1/2 events"]}))
    );
    let (_, body) =
        world.send(ANA, "DELETE", "/api/event/deleteMany", &delete("gEventId", json!([id(2)]))).await;
    assert_eq!(body, json!({"deletedCount": 1, "errors": []}));
    let (status, _) =
        world.send(ANA, "DELETE", "/api/event/deleteMany", &delete("user", json!([id(3)]))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(world.titles(ANA, DAY).await, ["C"]);
}

#[tokio::test]
async fn what_is_wrong_is_a_400_with_a_message() {
    let world = World::start().await;
    let path = format!("/api/event/{}", id(1));
    let with = |field: &str, value: Value| {
        let mut event = event(1, "Lunch");
        event[field] = value;
        event
    };
    for (method, path, body) in [
        ("POST", "/api/event", with("endDate", json!("2026-11-19T10:00:00Z"))),
        ("POST", "/api/event", with("endDate", json!("2026-11-21"))),
        ("POST", "/api/event", with("startDate", json!(7))),
        ("POST", "/api/event", with("priority", json!("urgent"))),
        ("POST", "/api/event", with("title", json!("x".repeat(1 << 20)))),
        ("POST", "/api/event", with("_id", json!("nonsense"))),
        ("POST", "/api/event", with("recurrence", json!({"rule": ["RRULE:FREQ=SECONDLY"]}))),
        ("POST", "/api/event", json!(7)),
        ("PUT", "/api/event/nonsense", event(1, "Lunch")),
        ("PUT", format!("{path}?applyTo=Some").as_str(), event(1, "Lunch")),
        ("DELETE", "/api/event/nonsense", Value::Null),
        ("PUT", "/api/event/reorder", json!([])),
        ("PUT", "/api/event/reorder", json!([{"_id": id(1)}])),
        ("PUT", "/api/event/reorder", json!([{"_id": id(1), "order": 1e126}])),
        ("POST", "/api/event", with("order", json!(1e126))),
        ("GET", "/api/event?start=yesterday&end=today", Value::Null),
    ] {
        let (status, body) = world.send(ANA, method, path, &body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{method} {path} {body}");
        assert!(
            body["message"].as_str().is_some_and(|message| !message.is_empty()) && body["result"].is_string()
        );
    }
    assert_eq!(world.titles(ANA, "/api/event").await, [""; 0]);
}

#[tokio::test]
async fn a_strangers_event_is_as_good_as_none() {
    let world = World::start().await;
    let path = format!("/api/event/{}", id(1));
    world.send(ANA, "POST", "/api/event", &event(1, "Ana's")).await;
    assert_eq!(world.titles(BEN, DAY).await, [""; 0]);
    assert_eq!(world.send(BEN, "GET", &path, &Value::Null).await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.send(BEN, "DELETE", &path, &Value::Null).await.0, StatusCode::NO_CONTENT);
    assert_eq!(world.send(BEN, "PUT", &path, &event(1, "Ben's")).await.0, StatusCode::NO_CONTENT);
    assert_eq!(world.titles(ANA, DAY).await, ["Ana's"]);
    assert_eq!(world.titles(BEN, DAY).await, ["Ben's"]);
}
