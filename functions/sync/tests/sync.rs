//! The function in process, on a table made from the bundle's own template.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail by panicking, like the tests")]

use std::time::Duration;

use auth::test_support::{cookie, verifier};
use axum::Router;
use axum::body::Body;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{GoogleStatus, ImportFlag, ImportOperation, ImportStatus, Job, Notice, UserId};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use local::table::TestTable;
use runtime::http::{SameSite, Web, service};
use seam::{Clock, Kind, Seam};
use serde_json::{Value, json};
use store::{Error, NewUser, Plan, Profile, Snapshot, Store};
use sync_function::{Imports, router};
use tower::ServiceExt;

const ANA: UserId = UserId::new([1; 12]);

fn now() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

struct World {
    _table: TestTable,
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
        let imports = Imports { store: store.clone(), verifier: verifier(), clock: Clock::fixed(now()) };
        let web = Web::new("http://localhost:9080".parse().unwrap(), [], SameSite::Lax);
        Self { _table: table, store, router: service(router(imports), &web) }
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

    async fn notices(&self) -> Vec<Notice> {
        self.store.changes(ANA, 0).await.unwrap().notices
    }
}

fn status(import: ImportFlag) -> GoogleStatus {
    GoogleStatus { is_revoked: false, import, import_until: None, watched_until: None, is_polled: false }
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
