//! The routes of `user` in process, on a table made from the bundle's own template.

use std::time::Duration;

use auth::test_support::{cookie, verifier};
use axum::body::Body;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{GoogleStatus, UserId};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use local::table::TestTable;
use runtime::http::{SameSite, Web, service};
use seam::{Clock, Kind, Seam};
use store::{NewUser, Plan, Profile, Store};
use tower::ServiceExt;

use super::{Users, router};

struct TestApp {
    router: axum::Router,
    store: Store,
    clock: Clock,
    _table: TestTable,
}

fn now() -> DateTime<Utc> {
    "2026-11-20T10:00:00Z".parse().unwrap()
}

fn ada() -> UserId {
    "66aa01bb02cc03dd04ee05ff".parse().unwrap()
}

impl TestApp {
    async fn start() -> Self {
        let table = TestTable::start().await.unwrap();
        let seam = Seam::new(Kind::Store, Duration::from_secs(5));
        let store = Store::new(table.client.clone(), &table.table_name, seam);
        let clock = Clock::fixed(now());
        let web = Web::new("http://localhost:9080".parse().unwrap(), [], SameSite::Lax);
        let users = Users { store: store.clone(), verifier: verifier(), clock: clock.clone() };
        Self { router: service(router(users), &web), store, clock, _table: table }
    }

    async fn with_ada() -> Self {
        let app = Self::start().await;
        let profile = Profile {
            email: "ada@example.com".into(),
            name: "Ada Lovelace".into(),
            first_name: "Ada".into(),
            last_name: "Lovelace".into(),
            locale: "not provided".into(),
            picture: String::new(),
        };
        let new = NewUser {
            id: ada(),
            epoch: "e".into(),
            email: &"ada@example.com".parse().unwrap(),
            profile,
            password_hash: None,
            google_sub: None,
            session: None,
        };
        app.store.create_user(new, now()).await.unwrap();
        app
    }

    async fn send(&self, method: Method, path: &str, body: &str) -> (StatusCode, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::COOKIE, cookie(ada(), now()))
            .body(Body::from(body.to_owned()))
            .unwrap();
        self.answer(request).await
    }

    async fn answer(&self, request: Request<Body>) -> (StatusCode, String) {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        (parts.status, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }
}

#[tokio::test]
async fn the_profile_is_the_users() {
    let app = TestApp::with_ada().await;
    let (status, body) = app.send(Method::GET, "/api/user/profile", "").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        body,
        r#"{"_id":"66aa01bb02cc03dd04ee05ff","firstName":"Ada","lastName":"Lovelace","name":"Ada Lovelace","email":"ada@example.com","locale":"not provided","userId":"66aa01bb02cc03dd04ee05ff","picture":""}"#
    );
}

#[tokio::test]
async fn the_profile_of_a_user_who_is_gone_is_a_404_and_all_else_no_session() {
    let app = TestApp::start().await;
    let gone = app.send(Method::GET, "/api/user/profile", "").await;
    assert_eq!(gone, (StatusCode::NOT_FOUND, "{}".into()));
    for (method, body) in [(Method::GET, ""), (Method::POST, r#"{"skipOnboarding":true}"#)] {
        let (status, _) = app.send(method, "/api/user/metadata", body).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn metadata_is_merged_key_by_key_and_other_tabs_are_told_of_changes_only() {
    let app = TestApp::with_ada().await;
    let path = "/api/user/metadata";
    let fresh = app.send(Method::GET, path, "").await;
    assert_eq!(fresh, (StatusCode::OK, r#"{"google":{"connectionState":"NOT_CONNECTED"}}"#.into()));
    let (status, _) = app.send(Method::POST, path, r#"{"skipOnboarding":true}"#).await;
    assert_eq!(status, StatusCode::OK);
    let (_, body) = app.send(Method::POST, path, r#"{"timezone":"Europe/Vienna"}"#).await;
    let merged =
        r#"{"skipOnboarding":true,"timezone":"Europe/Vienna","google":{"connectionState":"NOT_CONNECTED"}}"#;
    assert_eq!(body, merged);
    assert_eq!(app.send(Method::GET, path, "").await.1, merged);
    assert_eq!(app.store.head(ada()).await.unwrap().seq, 2);
    app.send(Method::POST, path, r#"{"timezone":"Europe/Vienna"}"#).await;
    assert_eq!(app.store.head(ada()).await.unwrap().seq, 2);
    let (_, body) = app.send(Method::POST, path, r#"{"timezone":null}"#).await;
    assert_eq!(body, r#"{"skipOnboarding":true,"google":{"connectionState":"NOT_CONNECTED"}}"#);
    assert_eq!(app.send(Method::GET, path, "").await.1, body);
}

#[tokio::test]
async fn metadata_takes_no_key_and_no_zone_that_it_does_not_know() {
    let app = TestApp::with_ada().await;
    for (body, expected) in [
        (r#"{"sync":{"importGCal":"COMPLETED"}}"#, "sync"),
        (r#"{"timezone":"Mars/Olympus"}"#, "timezone"),
        (r#"{"timezone":7}"#, "timezone"),
        (r#"{"timezone":""}"#, "timezone"),
        (r#"{"timezone":"europe/vienna"}"#, "timezone"),
        (r#"{"google":{"connectionState":"HEALTHY"}}"#, "google"),
        (r#"{"theme":"dark"}"#, "theme"),
        (r#"{"skipOnboarding":"yes"}"#, "skipOnboarding"),
        ("[]", "expected an object"),
        ("{", "not JSON"),
        ("", "not JSON"),
    ] {
        let (status, answer) = app.send(Method::POST, "/api/user/metadata", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(answer.contains(expected), "{body}: {answer}");
    }
    assert_eq!(app.store.head(ada()).await.unwrap().seq, 0);
}

#[tokio::test]
async fn the_state_of_google_is_that_of_the_moment() {
    let app = TestApp::with_ada().await;
    let lease = now() + TimeDelta::minutes(10);
    let plan = |_: &store::Snapshot| {
        let mut plan = Plan::default();
        plan.google = Some(GoogleStatus::connected(lease));
        Ok::<_, store::Error>(plan)
    };
    app.store.mutate(ada(), &[], now(), plan).await.unwrap();
    let (_, body) = app.send(Method::GET, "/api/user/metadata", "").await;
    assert_eq!(
        body,
        r#"{"sync":{"importGCal":"IMPORTING","incrementalGCalSync":"IMPORTING"},"google":{"connectionState":"IMPORTING"}}"#
    );
    app.clock.set(lease);
    let (_, body) = app.send(Method::GET, "/api/user/metadata", "").await;
    assert!(body.contains(r#""connectionState":"ATTENTION""#), "{body}");
}

#[tokio::test]
async fn every_route_needs_a_session() {
    let app = TestApp::with_ada().await;
    for (method, path) in [
        (Method::GET, "/api/user/profile"),
        (Method::GET, "/api/user/metadata"),
        (Method::POST, "/api/user/metadata"),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let answer = app.answer(request).await;
        assert_eq!(answer, (StatusCode::UNAUTHORIZED, r#"{"message":"unauthorised"}"#.into()), "{path}");
    }
}
