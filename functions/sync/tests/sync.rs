//! The function in process, on a table made from the bundle's own template.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail by panicking, like the tests")]

use std::collections::BTreeSet;
use std::time::Duration;

use auth::test_support::{cookie, verifier};
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::QueueAttributeName;
use axum::Router;
use axum::body::Body;
use chrono::{DateTime, TimeDelta, Utc};
use domain::sync::Version;
use domain::{
    Address, Draft, EventId, Field, GoogleStatus, ImportFlag, ImportOperation, ImportStatus, Job, Notice,
    Origin, Priority, Recurrence, Repeat, Scope, Span, Tag, UserId,
};
use fake_sqs::Broker;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use local::table::TestTable;
use runtime::http::{SameSite, Web, service};
use seam::{Clock, Kind, Seam};
use serde_json::{Value, json};
use store::{Due, Error, Issue, IssueKind, NewUser, Plan, Profile, Reads, Snapshot, Store};
use sync::{Queue, hash_of_token};
use sync_function::{Imports, Maintenance, router};
use tower::ServiceExt;

const ANA: UserId = UserId::new([1; 12]);
const QUEUE: &str = "sync.fifo";
const OPERATOR: &str = "the operator's secret";

fn now() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

struct World {
    _table: TestTable,
    broker: Broker,
    store: Store,
    router: Router,
}

impl World {
    async fn start(status: Option<GoogleStatus>) -> Self {
        let table = TestTable::start().await.unwrap();
        let seam = Seam::new(Kind::Store, Duration::from_secs(5));
        let store = Store::new(table.client.clone(), &table.table_name, seam);
        let (email, epoch) = (&"ana@example.com".parse().unwrap(), "epoch".to_owned());
        let (profile, password_hash, google_sub, session) = (Profile::default(), None, None, None);
        let new = NewUser { id: ANA, email, epoch, profile, password_hash, google_sub, session };
        store.create_user(new, now()).await.unwrap();
        let plan = |_: &Snapshot| -> Result<Plan, Error> {
            let mut plan = Plan::of([]);
            plan.google.clone_from(&status);
            Ok(plan)
        };
        store.mutate(ANA, &[], now(), plan).await.unwrap();
        let (queue, broker) = queue().await;
        let clock = Clock::fixed(now());
        let token_hash = Some(hash_of_token(OPERATOR));
        let maintenance = Maintenance { store: store.clone(), queue, clock: clock.clone(), token_hash };
        let imports = Imports { store: store.clone(), verifier: verifier(), clock };
        let web = Web::new("http://localhost:9080".parse().unwrap(), [], SameSite::Lax);
        Self { _table: table, broker, store, router: service(router(imports, maintenance), &web) }
    }

    async fn ask(&self, body: Value) -> (StatusCode, Value) {
        let request = Request::post("/api/sync/import-gcal")
            .header("cookie", cookie(ANA, now()))
            .body(Body::from(body.to_string()))
            .unwrap();
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (parts.status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn maintain(&self, token: Option<&str>) -> (StatusCode, Value) {
        let mut request = Request::post("/api/sync/maintain-all");
        if let Some(token) = token {
            request = request.header("x-comp-token", token);
        }
        let request = request.body(Body::empty()).unwrap();
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (parts.status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    fn jobs(&self) -> Vec<Job> {
        let waiting = self.broker.peek(QUEUE).unwrap();
        waiting.iter().map(|message| serde_json::from_str(&message.body).unwrap()).collect()
    }

    async fn schedule(&self, due: Due, minutes: i64) {
        let plan = |_: &Snapshot| -> Result<Plan, Error> {
            let mut plan = Plan::of([]);
            plan.schedule(&self.store, due, ANA, now() + TimeDelta::minutes(minutes))?;
            Ok(plan)
        };
        self.store.mutate(ANA, &[], now(), plan).await.unwrap();
    }

    async fn issues(&self, user: UserId, query: &str) -> (StatusCode, Value) {
        let request = Request::get(format!("/api/sync/issues{query}"))
            .header("cookie", cookie(user, now()))
            .body(Body::empty())
            .unwrap();
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (parts.status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// Notes that an event was put aside, `minutes` after noon.
    async fn park(&self, event: u8, minutes: i64) {
        let kind = IssueKind::Parked { reason: format!("reason {event}") };
        self.record(Issue {
            event: EventId::new([event; 12]),
            kind,
            at: now() + TimeDelta::minutes(minutes),
        })
        .await;
    }

    async fn record(&self, issue: Issue) {
        let plan = |_: &Snapshot| -> Result<Plan, Error> {
            let mut plan = Plan::of([]);
            plan.record_issue(&self.store, ANA, &issue)?;
            Ok(plan)
        };
        self.store.mutate(ANA, &[], now(), plan).await.unwrap();
    }

    async fn notices(&self) -> Vec<Notice> {
        self.store.changes(ANA, 0).await.unwrap().notices
    }
}

async fn queue() -> (Queue, Broker) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let broker = Broker::new(fake_sqs::SystemClock::default());
    tokio::spawn(fake_sqs::serve(listener, broker.clone()));
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .endpoint_url(&endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let client = aws_sdk_sqs::Client::from_conf(config);
    let create = client.create_queue().queue_name(QUEUE).attributes(QueueAttributeName::FifoQueue, "true");
    let url = create.send().await.unwrap().queue_url.unwrap();
    (Queue::at(client, url), broker)
}

fn status(import: ImportFlag) -> GoogleStatus {
    GoogleStatus {
        is_revoked: false,
        is_disconnected: false,
        import,
        import_until: None,
        watched_until: None,
        is_polled: false,
        writes_paused_until: None,
    }
}

#[tokio::test]
async fn a_repair_is_asked_for_in_the_users_log_and_shown_at_once() {
    let world = World::start(Some(status(ImportFlag::Completed))).await;
    assert_eq!(world.ask(json!({"force": true})).await.0, StatusCode::NO_CONTENT);
    assert_eq!(world.notices().await, [Notice::Wanted(Job::Import { user: ANA, is_repair: true })]);
    let google = world.store.head(ANA).await.unwrap().google.unwrap();
    assert!(google.is_importing(now()));
}

#[tokio::test]
async fn an_import_that_runs_or_is_done_is_not_begun_again() {
    for (import, body, operation) in [
        (
            GoogleStatus::connected(now() + TimeDelta::minutes(1)),
            json!({"force": true}),
            ImportOperation::Repair,
        ),
        (status(ImportFlag::Completed), json!({}), ImportOperation::Incremental),
    ] {
        let world = World::start(Some(import)).await;
        assert_eq!(world.ask(body).await.0, StatusCode::NO_CONTENT);
        let notices = world.notices().await;
        let [Notice::ImportEnded(outcome)] = notices.as_slice() else { panic!("{notices:?}") };
        assert_eq!((outcome.operation, outcome.status), (operation, ImportStatus::Ignored));
    }
}

#[tokio::test]
async fn an_import_that_is_long_dead_can_be_begun_again() {
    let world = World::start(Some(GoogleStatus::connected(now() - TimeDelta::minutes(1)))).await;
    assert_eq!(world.ask(json!({"force": true})).await.0, StatusCode::NO_CONTENT);
    assert!(matches!(world.notices().await.as_slice(), [Notice::Wanted(_)]));
}

#[tokio::test]
async fn who_is_not_connected_is_told_so_and_who_was_is_asked_to_reconnect() {
    let (code, body) = World::start(None).await.ask(json!({"force": true})).await;
    assert_eq!(code, StatusCode::BAD_REQUEST);
    assert_eq!(body["result"], "User has not connected Google Calendar");
    let revoked = GoogleStatus { is_revoked: true, ..status(ImportFlag::Completed) };
    let (code, body) = World::start(Some(revoked)).await.ask(json!({"force": true})).await;
    assert_eq!((code, body["code"].as_str()), (StatusCode::GONE, Some("GOOGLE_REVOKED")));
}

#[tokio::test]
async fn a_force_that_is_no_boolean_is_refused() {
    let world = World::start(Some(status(ImportFlag::Completed))).await;
    for body in [json!({"force": "yes"}), json!({"force": null}), json!("force")] {
        assert_eq!(world.ask(body).await.0, StatusCode::BAD_REQUEST);
    }
    assert!(world.notices().await.is_empty());
}

#[tokio::test]
async fn issues_are_listed_newest_first_page_by_page() {
    let world = World::start(None).await;
    assert_eq!(world.issues(ANA, "").await, (StatusCode::OK, json!({"issues": []})));
    for (event, minutes) in [(1, 5), (2, 1), (3, 9), (1, 7)] {
        world.park(event, minutes).await;
    }
    let (_, all) = world.issues(ANA, "").await;
    let reasons = |page: &Value| {
        let issues = page["issues"].as_array().unwrap().clone();
        issues.into_iter().map(|issue| issue["reason"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(reasons(&all), ["reason 3", "reason 1", "reason 1", "reason 2"]);
    assert_eq!(
        all["issues"][0],
        json!({"eventId": "030303030303030303030303", "at": "2026-11-20T12:09:00.000Z", "kind": "PARKED", "reason": "reason 3"})
    );
    let (mut query, mut walked) = ("?limit=2".to_owned(), Vec::new());
    loop {
        let (status, page) = world.issues(ANA, &query).await;
        assert_eq!(status, StatusCode::OK);
        walked.push(reasons(&page));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=2&after={}", next.replace('#', "%23"));
    }
    assert_eq!(walked, [vec!["reason 3", "reason 1"], vec!["reason 1", "reason 2"]]);
}

#[tokio::test]
async fn a_lost_version_is_shown_whole_and_says_what_lost_in_it() {
    let world = World::start(Some(status(ImportFlag::Completed))).await;
    let time = |text: &str| text.parse().unwrap();
    let span = Span::new(time("2026-11-24T09:00:00Z"), time("2026-11-24T10:00:00Z")).unwrap();
    let id = EventId::new([5; 12]);
    let title = Some("Ours".to_owned());
    let rule = ["RRULE:FREQ=WEEKLY;COUNT=3".to_owned()];
    let draft = Draft::new(id, title, None, span, false, false, Priority::Work, Origin::Compass, None)
        .unwrap()
        .repeating(Repeat::Series(Recurrence::parse(&rule).unwrap()), None);
    let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
        let context = snapshot.head.context(now());
        Ok(Plan::steps(domain::save(&snapshot.records, &draft, Scope::This, &context).unwrap()))
    };
    world.store.mutate(ANA, Reads::leading([id], Scope::This), now(), plan).await.unwrap();
    let address = Address::Series(Tag::of(id));
    let records = world.store.records(ANA, [address]).await.unwrap();
    let lost = Box::new(Version::of(records.get(address).unwrap()));
    let kind = IssueKind::Conflict { lost, fields: vec![Field::Title, Field::Rule] };
    world.record(Issue { event: id, kind, at: now() }).await;
    let (_, page) = world.issues(ANA, "").await;
    let issue = &page["issues"][0];
    assert_eq!((&issue["kind"], &issue["fields"]), (&json!("CONFLICT"), &json!(["title", "rule"])));
    assert_eq!(issue["lost"]["recurrence"]["rule"], json!(rule));
    assert_eq!(
        (&issue["lost"]["title"], &issue["lost"]["startDate"]),
        (&json!("Ours"), &json!("2026-11-24T09:00:00Z"))
    );
}

#[tokio::test]
async fn two_issues_of_one_event_at_once_are_two() {
    let world = World::start(None).await;
    let said = |reason: &str| Issue {
        event: EventId::new([1; 12]),
        kind: IssueKind::Parked { reason: reason.into() },
        at: now(),
    };
    world.record(said("one")).await;
    world.record(said("another")).await;
    world.record(said("one")).await;
    let (_, first) = world.issues(ANA, "?limit=1").await;
    let next = first["next"].as_str().unwrap().replace('#', "%23");
    let (_, second) = world.issues(ANA, &format!("?limit=1&after={next}")).await;
    let reasons: BTreeSet<&str> =
        [&first, &second].map(|page| page["issues"][0]["reason"].as_str().unwrap()).into();
    assert_eq!((reasons, &second["next"]), (BTreeSet::from(["one", "another"]), &Value::Null));
}

#[tokio::test]
async fn a_zone_that_nobody_knows_is_named() {
    let world = World::start(Some(status(ImportFlag::Completed))).await;
    let kind = IssueKind::UnknownZone { zone: "Mars/Olympus".to_owned() };
    world.record(Issue { event: EventId::new([5; 12]), kind, at: now() }).await;
    let (_, page) = world.issues(ANA, "").await;
    let issue = json!({"eventId": "050505050505050505050505", "at": "2026-11-20T12:00:00.000Z", "kind": "UNKNOWN_ZONE", "zone": "Mars/Olympus"});
    assert_eq!(page["issues"], json!([issue]));
}

#[tokio::test]
async fn issues_are_their_users_alone_and_say_when_writing_is_paused() {
    let until = now() + TimeDelta::hours(1);
    let paused = GoogleStatus { writes_paused_until: Some(until), ..status(ImportFlag::Completed) };
    let world = World::start(Some(paused)).await;
    world.park(1, 0).await;
    let (_, page) = world.issues(ANA, "").await;
    assert_eq!(page["writesPausedUntil"], "2026-11-20T13:00:00Z");
    let (_, page) = world.issues(UserId::new([2; 12]), "").await;
    assert!(page["issues"].as_array().is_none_or(Vec::is_empty), "{page}");
    let bare = Request::get("/api/sync/issues").body(Body::empty()).unwrap();
    assert_eq!(world.router.clone().oneshot(bare).await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_limit_or_a_place_that_is_none_is_refused() {
    let world = World::start(None).await;
    for query in ["?limit=0", "?limit=x", "?limit=-1", "?after=x", "?after=U%23foreign"] {
        assert_eq!(world.issues(ANA, query).await.0, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn the_operator_has_done_what_is_due_and_nobody_else() {
    let world = World::start(Some(status(ImportFlag::Completed))).await;
    world.schedule(Due::Renewal, -1).await;
    world.schedule(Due::Poll, -1).await;
    for token in [None, Some(""), Some("a guess")] {
        let (status, body) = world.maintain(token).await;
        assert_eq!((status, &body["result"]), (StatusCode::FORBIDDEN, &json!("Compass Verification Failed")));
    }
    assert!(world.jobs().is_empty());
    let done = json!({"deleted": 0, "ignored": 0, "pruned": 0, "revoked": 0, "refreshed": 1, "resynced": 1});
    assert_eq!(world.maintain(Some(OPERATOR)).await, (StatusCode::OK, done));
    assert_eq!(world.jobs(), [Job::RenewWatch { user: ANA }, Job::Poll { user: ANA }]);
    let (_, again) = world.maintain(Some(OPERATOR)).await;
    assert_eq!((&again["refreshed"], &again["resynced"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn what_is_not_due_yet_waits() {
    let world = World::start(Some(status(ImportFlag::Completed))).await;
    world.schedule(Due::Poll, 1).await;
    assert_eq!(world.maintain(Some(OPERATOR)).await.1["resynced"], 0);
    assert!(world.jobs().is_empty());
}
