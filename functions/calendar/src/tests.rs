//! The routes of `calendar` in process, on a table made from the bundle's own template.

use std::collections::BTreeSet;
use std::time::Duration;

use auth::test_support::{cookie, verifier};
use axum::body::Body;
use chrono::{DateTime, Utc};
use domain::{Job, Notice, UserId};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use local::table::TestTable;
use runtime::http::{SameSite, Web, service};
use seam::{Clock, Kind, Seam};
use serde_json::{Value, json};
use store::{Cursor, CursorKey, NewUser, Profile, Store};
use tower::ServiceExt;

use super::{Calendars, router};

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
        let state = Calendars { store: store.clone(), verifier: verifier(), cursors, clock };
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

const PATH: &str = "/api/calendars";
const SELECT: &str = "/api/calendars/select";

fn calendar(at_google: &str) -> Value {
    json!({
        "backgroundColor": "#16a765", "color": "#000000", "timezone": "Europe/Vienna",
        "createdAt": "2025-10-03T08:00:00.000Z",
        "metadata": {
            "id": at_google, "etag": "\"1\"", "summary": "Ada", "provider": "google", "accessRole": "owner",
            "conferenceProperties": { "allowedConferenceSolutionTypes": ["hangoutsMeet"] },
            "defaultReminders": [{ "method": "popup", "minutes": 10 }],
        },
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut calendar = calendar("ada@example.com");
    let (parent, field) = field.rsplit_once('/').unwrap();
    calendar.pointer_mut(parent).unwrap()[field] = value;
    calendar
}

impl TestApp {
    async fn add(&self, calendar: Value) -> String {
        let (status, answer) = self.send(Method::POST, PATH, calendar).await;
        assert_eq!((status, &answer["acknowledged"]), (StatusCode::OK, &json!(true)), "{answer}");
        answer["insertedId"].as_str().unwrap().to_owned()
    }

    async fn listed(&self) -> Vec<Value> {
        let (status, mut answer) = self.send(Method::GET, PATH, "").await;
        assert_eq!(status, StatusCode::OK);
        answer["calendars"].take().as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn a_calendar_that_was_added_is_listed_to_its_user_and_to_nobody_else() {
    let app = TestApp::with_people().await;
    assert_eq!(app.send(Method::GET, PATH, "").await, (StatusCode::OK, json!({ "calendars": [] })));
    let mut sent = calendar("ada@example.com");
    sent["user"] = json!(eve());
    let id = app.add(sent).await;
    let listed = app.listed().await;
    let mut expected = calendar("ada@example.com");
    for (field, value) in
        [("_id", json!(id)), ("user", json!(ada())), ("selected", json!(true)), ("primary", json!(false))]
    {
        expected[field] = value;
    }
    expected["metadata"]["primary"] = json!(false);
    assert_eq!(listed, [expected]);
    let of_eve = app.send_as(eve(), Method::GET, PATH, "").await;
    assert_eq!(of_eve, (StatusCode::OK, json!({ "calendars": [] })));
    assert_eq!(app.seq().await, 1, "it is an entry of the log");
    assert_eq!(app.cursor(PATH).await, Cursor::new("e", 1));
}

#[tokio::test]
async fn what_a_client_adds_grants_nothing() {
    let app = TestApp::with_people().await;
    app.add(calendar("boss@example.com")).await;
    let stored = app.store.calendars(ada()).await.unwrap();
    assert!(stored[0].is_selected && !stored[0].is_synced());
    // No word for it is on the wire, either.
    for field in ["/is_confirmed", "/isConfirmed", "/confirmed"] {
        let (status, _) = app.send(Method::POST, PATH, with(field, json!(true))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{field}");
    }
}

#[tokio::test]
async fn a_calendar_is_there_once_and_one_is_the_first() {
    let app = TestApp::with_people().await;
    let id = app.add(with("/primary", json!(true))).await;
    assert_eq!(app.add(with("/primary", json!(true))).await, id, "its answer may have got lost");
    for (calendar, field) in [
        (calendar("ada@example.com"), "metadata.id"),
        (
            {
                let mut other = calendar("b");
                other["primary"] = json!(true);
                other
            },
            "primary",
        ),
        (
            {
                let mut other = calendar("b");
                other["_id"] = json!(id);
                other
            },
            "_id",
        ),
    ] {
        let (status, answer) = app.send(Method::POST, PATH, calendar).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(answer["message"].as_str().unwrap().starts_with(field), "{answer}");
    }
    app.add(calendar("b")).await;
    assert_eq!(app.listed().await.len(), 2);
    let (status, _) = app.send_as(eve(), Method::POST, PATH, with("/primary", json!(true))).await;
    assert_eq!(status, StatusCode::OK, "another user has a first calendar of their own");
}

#[tokio::test]
async fn a_selection_changes_what_is_named_and_skips_what_is_not_there() {
    let app = TestApp::with_people().await;
    let (a, b) = (app.add(calendar("a")).await, app.add(calendar("b")).await);
    let body = json!([
        { "id": a, "selected": false },
        { "id": "0123456789abcdef01234567", "selected": true },
    ]);
    assert_eq!(app.send(Method::PUT, SELECT, &body).await, (StatusCode::OK, json!(true)));
    let listed = app.listed().await;
    let of = |id: &str| listed.iter().find(|calendar| calendar["_id"] == id).unwrap();
    assert_eq!(
        (&of(&a)["selected"], &of(&a)["updatedAt"]),
        (&json!(false), &json!("2026-11-20T10:00:00.000Z"))
    );
    assert_eq!((&of(&b)["selected"], of(&b).get("updatedAt")), (&json!(true), None));
    let seq = app.seq().await;
    assert_eq!(app.send(Method::PUT, SELECT, &body).await, (StatusCode::OK, json!(true)));
    let stranger = app.send_as(eve(), Method::PUT, SELECT, json!([{ "id": b, "selected": false }])).await;
    assert_eq!(stranger, (StatusCode::OK, json!(true)));
    assert_eq!((app.seq().await, app.listed().await), (seq, listed));
}

#[tokio::test]
async fn a_selection_of_what_google_lists_asks_for_a_poll_once_and_of_anything_else_for_nothing() {
    let app = TestApp::with_people().await;
    let (listed, claimed) = (app.add(calendar("a")).await, app.add(calendar("b")).await);
    let known = app.store.calendars(ada()).await.unwrap();
    let at_google = known.into_iter().find(|calendar| calendar.listing.id == "a").unwrap();
    app.store.put_calendars(ada(), &[at_google], &BTreeSet::new(), now()).await.unwrap();
    let wanted = async || app.store.changes(ada(), 0).await.unwrap().notices;
    app.send(Method::PUT, SELECT, &json!([{ "id": claimed, "selected": false }])).await;
    assert_eq!(wanted().await, []);
    for _ in 0..2 {
        app.send(Method::PUT, SELECT, &json!([{ "id": listed, "selected": false }])).await;
        assert_eq!(wanted().await, [Notice::Wanted(Job::Poll { user: ada() })]);
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_field_and_nothing_is_written() {
    let app = TestApp::with_people().await;
    for (field, value) in [
        ("/color", json!("red")),
        ("/backgroundColor", json!("#12345")),
        ("/backgroundColor", json!(null)),
        ("/selected", json!("yes")),
        ("/primary", json!(1)),
        ("/timezone", json!("Mars/Olympus")),
        ("/createdAt", json!("yesterday")),
        ("/createdAt", json!({ "$date": 0 })),
        ("/updatedAt", json!(1_795_168_800)),
        ("/_id", json!("1")),
        ("/isAdmin", json!(true)),
        ("/metadata", json!(null)),
        ("/metadata", json!([])),
        ("/metadata/id", json!("")),
        ("/metadata/id", json!({ "$ne": null })),
        ("/metadata/summary", json!("x".repeat(2_000))),
        ("/metadata/provider", json!("outlook")),
        ("/metadata/accessRole", json!("god")),
        ("/metadata/defaultReminders", json!([{ "method": "popup", "minutes": 40_321 }])),
        ("/metadata/defaultReminders", json!([{ "method": "sms", "minutes": 1 }])),
        ("/metadata/conferenceProperties", json!({ "allowedConferenceSolutionTypes": ["zoom"] })),
        ("/metadata/notificationSettings", json!({ "notifications": [{ "type": "x", "method": "email" }] })),
    ] {
        let (status, answer) = app.send(Method::POST, PATH, with(field, value)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{field}: {answer}");
        let path = field.trim_start_matches('/').replace('/', ".");
        assert!(answer["message"].as_str().unwrap().contains(&path), "{field}: {answer}");
    }
    for (method, path, body, says) in [
        (Method::POST, PATH, "", "not JSON"),
        (Method::POST, PATH, "[]", "expected an object"),
        (Method::POST, PATH, "{}", "backgroundColor"),
        (Method::PUT, SELECT, "[]", "At least one"),
        (Method::PUT, SELECT, "{}", "expected a sequence"),
        (Method::PUT, SELECT, "[[]]", "expected an object"),
        (Method::PUT, SELECT, r#"[{"id":"1","selected":true}]"#, "24 hexadecimal digits"),
        (Method::PUT, SELECT, r#"[{"id":"0123456789abcdef01234567"}]"#, "selected"),
        (Method::PUT, SELECT, r#"[{"id":"0123456789abcdef01234567","selected":1}]"#, "[0].selected"),
    ] {
        let (status, answer) = app.send(method, path, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(answer["message"].as_str().unwrap().contains(says), "{body}: {answer}");
    }
    assert_eq!((app.seq().await, app.listed().await.len()), (0, 0));
}

#[tokio::test]
async fn every_route_needs_a_session_of_a_user_who_exists() {
    let app = TestApp::with_people().await;
    for (method, path) in [(Method::GET, PATH), (Method::POST, PATH), (Method::PUT, SELECT)] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let answer = app.answer(request).await;
        assert_eq!(answer, (StatusCode::UNAUTHORIZED, json!({ "message": "unauthorised" })), "{path}");
    }
    let gone = "0123456789abcdef01234567".parse().unwrap();
    let (status, _) = app.send_as(gone, Method::POST, PATH, calendar("a")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}
