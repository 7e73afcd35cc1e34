//! The routes of `priority` in process, on a table made from the bundle's own template.

use std::time::Duration;

use auth::test_support::{cookie, verifier};
use axum::body::Body;
use chrono::{DateTime, Utc};
use domain::UserId;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use local::table::TestTable;
use runtime::http::{SameSite, Web, service};
use seam::{Clock, Kind, Seam};
use serde_json::{Value, json};
use store::{Cursor, CursorKey, NewUser, Profile, Store};
use tower::ServiceExt;

use super::{Priorities, router};

struct TestApp {
    router: axum::Router,
    store: Store,
    _table: TestTable,
}

fn now() -> DateTime<Utc> {
    "2026-11-20T10:00:00Z".parse().unwrap()
}

fn ada() -> UserId {
    "66aa01bb02cc03dd04ee05ff".parse().unwrap()
}

fn eve() -> UserId {
    "66ee01bb02cc03dd04ee05ff".parse().unwrap()
}

fn cursors() -> CursorKey {
    CursorKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap()
}

impl TestApp {
    async fn start() -> Self {
        let table = TestTable::start().await.unwrap();
        let seam = Seam::new(Kind::Store, Duration::from_secs(5));
        let store = Store::new(table.client.clone(), &table.table_name, seam);
        let web = Web::new("http://localhost:9080".parse().unwrap(), [], SameSite::Lax);
        let cursors = cursors();
        let clock = Clock::fixed(now());
        let state = Priorities { store: store.clone(), verifier: verifier(), cursors, clock };
        Self { router: service(router(state), &web), store, _table: table }
    }

    async fn with_people() -> Self {
        let app = Self::start().await;
        for (id, email) in [(ada(), "ada@example.com"), (eve(), "eve@example.com")] {
            let new = NewUser {
                id,
                epoch: "e".into(),
                email: &email.parse().unwrap(),
                profile: Profile { email: email.into(), ..Profile::default() },
                password_hash: None,
                google_sub: None,
                session: None,
            };
            app.store.create_user(new, now()).await.unwrap();
        }
        app
    }

    async fn seq(&self) -> u64 {
        self.store.head(ada()).await.unwrap().seq
    }

    async fn send(&self, method: Method, path: &str, body: impl ToString) -> (StatusCode, Value) {
        self.send_as(ada(), method, path, body).await
    }

    async fn send_as(
        &self,
        user: UserId,
        method: Method,
        path: &str,
        body: impl ToString,
    ) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::COOKIE, cookie(user, now()))
            .body(Body::from(body.to_string()))
            .unwrap();
        self.answer(request).await
    }

    /// The cursor in the header of a list.
    async fn cursor(&self, path: &str) -> Cursor {
        let cookie = cookie(ada(), now());
        let request = Request::get(path).header(header::COOKIE, cookie).body(Body::empty()).unwrap();
        let headers = self.router.clone().oneshot(request).await.unwrap().into_parts().0.headers;
        assert_eq!(headers[header::ACCESS_CONTROL_EXPOSE_HEADERS], "x-meridian-cursor");
        cursors().of(ada()).open(headers["x-meridian-cursor"].to_str().unwrap()).unwrap()
    }

    async fn answer(&self, request: Request<Body>) -> (StatusCode, Value) {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, serde_json::from_slice(&body).unwrap())
    }
}

#[tokio::test]
async fn a_new_user_finds_four_priorities() {
    let app = TestApp::with_people().await;
    let (status, listed) = app.send(Method::GET, "/api/priority", "").await;
    assert_eq!(status, StatusCode::OK);
    let entries = listed.as_array().unwrap();
    let names: Vec<&str> = entries.iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["relationships", "self", "unassigned", "work"]);
    for entry in entries {
        assert_eq!(entry.as_object().unwrap().keys().collect::<Vec<_>>(), ["_id", "name", "user"]);
        assert_eq!(entry["user"], ada().to_string());
        let path = format!("/api/priority/{}", entry["_id"].as_str().unwrap());
        assert_eq!(app.send(Method::GET, &path, "").await, (StatusCode::OK, entry.clone()));
        let (status, _) = app.send_as(eve(), Method::GET, &path, "").await;
        assert_eq!(status, StatusCode::NOT_FOUND, "it is nobody else's");
    }
}

#[tokio::test]
async fn a_name_is_made_once_whoever_asks_for_it_again() {
    let app = TestApp::with_people().await;
    let (status, made) = app.send(Method::POST, "/api/priority", json!({ "name": " garden " })).await;
    assert_eq!((status, &made["name"], &made["user"]), (StatusCode::OK, &json!("garden"), &json!(ada())));
    let seq = app.seq().await;
    for again in [json!({ "name": "garden" }), made.clone(), json!({ "name": "garden", "user": eve() })] {
        assert_eq!(app.send(Method::POST, "/api/priority", again).await, (StatusCode::OK, made.clone()));
    }
    assert_eq!((app.seq().await, seq), (1, 1));
    assert_eq!(app.cursor("/api/priority").await, Cursor::new("e", 1));
    let chosen = json!({ "_id": "0123456789abcdef01234567", "name": "chosen" });
    let (_, made) = app.send(Method::POST, "/api/priority", &chosen).await;
    assert_eq!(made["_id"], chosen["_id"]);
    assert_eq!(app.send_as(eve(), Method::GET, "/api/priority", "").await.1.as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_priority_is_renamed_and_keeps_its_id() {
    let app = TestApp::with_people().await;
    let (_, garden) = app.send(Method::POST, "/api/priority", json!({ "name": "garden" })).await;
    let path = format!("/api/priority/{}", garden["_id"].as_str().unwrap());
    let (status, renamed) = app.send(Method::PUT, &path, json!({ "name": "allotment" })).await;
    assert_eq!(
        (status, &renamed["name"], &renamed["_id"]),
        (StatusCode::OK, &json!("allotment"), &garden["_id"])
    );
    let other = json!({ "name": "yard", "user": eve(), "_id": "0123456789abcdef01234567" });
    let (_, renamed) = app.send(Method::PUT, &path, other).await;
    assert_eq!((&renamed["_id"], &renamed["user"]), (&garden["_id"], &json!(ada())), "the path says which");
    assert_eq!(app.send(Method::PUT, &path, "{}").await, (StatusCode::OK, renamed.clone()));
    assert_eq!(app.send(Method::GET, &path, "").await, (StatusCode::OK, renamed));
    let (status, _) = app.send(Method::PUT, &path, json!({ "name": "work" })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    // The former name is free again, and its new bearer is another one.
    let (_, again) = app.send(Method::POST, "/api/priority", json!({ "name": "garden" })).await;
    assert_ne!(again["_id"], garden["_id"]);
}

#[tokio::test]
async fn what_is_deleted_is_gone_and_may_be_deleted_again() {
    let app = TestApp::with_people().await;
    let (_, garden) = app.send(Method::POST, "/api/priority", json!({ "name": "garden" })).await;
    let path = format!("/api/priority/{}", garden["_id"].as_str().unwrap());
    let deleted = |count: u8| (StatusCode::OK, json!({ "acknowledged": true, "deletedCount": count }));
    assert_eq!(app.send_as(eve(), Method::DELETE, &path, "").await, deleted(0));
    assert_eq!(app.send(Method::DELETE, &path, "").await, deleted(1));
    assert_eq!(app.send(Method::DELETE, &path, "").await, deleted(0));
    for (method, body) in [(Method::GET, ""), (Method::PUT, r#"{"name":"yard"}"#)] {
        assert_eq!(app.send(method, &path, body).await.0, StatusCode::NOT_FOUND);
    }
    assert_eq!(app.send(Method::GET, "/api/priority", "").await.1.as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn what_is_wrong_is_said_and_nothing_is_written() {
    let app = TestApp::with_people().await;
    let long = json!({ "name": "x".repeat(101) }).to_string();
    for (body, says) in [
        ("", "not JSON"),
        ("[]", "expected an object"),
        (r#"["garden"]"#, "expected an object"),
        ("{}", "name"),
        (r#"{"name":null}"#, "name"),
        (r#"{"name":7}"#, "name"),
        (r#"{"name":"  "}"#, "must not be empty"),
        (r#"{"name":"a","_id":"1"}"#, "24 hexadecimal digits"),
        (r#"{"name":"a","color":"red"}"#, "color"),
        (&long, "100 characters"),
    ] {
        let (status, answer) = app.send(Method::POST, "/api/priority", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(answer["message"].as_str().unwrap().contains(says), "{body}: {answer}");
    }
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let (status, answer) = app.send(method.clone(), "/api/priority/work", r#"{"name":"a"}"#).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{method}");
        assert_eq!(answer["message"], "The priority id must be 24 hexadecimal digits");
    }
    assert_eq!(app.seq().await, 0);
}

#[tokio::test]
async fn every_route_needs_a_session_of_a_user_who_exists() {
    let app = TestApp::with_people().await;
    let one = "/api/priority/0123456789abcdef01234567";
    for (method, path) in [
        (Method::GET, "/api/priority"),
        (Method::POST, "/api/priority"),
        (Method::GET, one),
        (Method::PUT, one),
        (Method::DELETE, one),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let answer = app.answer(request).await;
        assert_eq!(answer, (StatusCode::UNAUTHORIZED, json!({ "message": "unauthorised" })), "{path}");
    }
    let gone = "0123456789abcdef01234567".parse().unwrap();
    let (status, _) = app.send_as(gone, Method::POST, "/api/priority", r#"{"name":"a"}"#).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}
