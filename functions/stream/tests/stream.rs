//! The function in process, on a table made from the bundle's own template.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests fail by panicking, like the tests"
)]

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use auth::access::{Signer, Verifier};
use auth::test_support::{PUBLIC, SEED};
use axum::body::Body;
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use contract::auth::{AccessPayload, SessionHandle};
use domain::{Draft, EventId, Notice, Origin, Priority, Scope, Span, UserId};
use eventsource_stream::{Event, Eventsource};
use futures_util::{Stream, StreamExt};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use local::table::TestTable;
use realtime::{Mode, Policy};
use runtime::http::{SameSite, Web, service};
use seam::{Clock, Fault, Kind, Script, Seam};
use store::{CursorKey, Error, NewUser, Plan, Profile, Session, Snapshot, Store};
use stream_function::{Streams, router};
use tower::ServiceExt;

const WEB: &str = "http://localhost:9080";

const ANA: UserId = UserId::new([1; 12]);
const BEN: UserId = UserId::new([2; 12]);

fn now() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

/// Fails every call to the store from the given one on.
#[derive(Default)]
struct Outage {
    from: AtomicUsize,
    calls: AtomicUsize,
}

impl Script for Outage {
    fn next(&self, _: Kind, _: &'static str) -> Option<Fault> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        (call >= self.from.load(Ordering::SeqCst)).then_some(Fault::FailBefore)
    }
}

struct World {
    _table: TestTable,
    store: Store,
    outage: Arc<Outage>,
    streams: Streams,
}

impl World {
    /// Two users to whom nothing has happened.
    async fn start(mode: Mode) -> Self {
        let table = TestTable::start().await.unwrap();
        let outage = Arc::new(Outage { from: usize::MAX.into(), ..Outage::default() });
        let seam = Seam::new(Kind::Store, Duration::from_secs(5));
        let store = Store::new(table.client.clone(), &table.table_name, seam.clone());
        let watched = Store::new(table.client.clone(), &table.table_name, seam.with_script(outage.clone()));
        let policy = Policy { linger: Duration::from_millis(500), ..Policy::new(mode) }
            .polling_every(Duration::from_millis(10));
        let verifier = Verifier::from_base64(PUBLIC).unwrap();
        let streams = Streams::new(watched, verifier, cursors(), Clock::fixed(now()), policy);
        for (user, epoch, email) in [(ANA, "aa", "ana@example.com"), (BEN, "bb", "ben@example.com")] {
            let email = email.parse().unwrap();
            let new = NewUser {
                id: user,
                epoch: epoch.into(),
                email: &email,
                profile: Profile::default(),
                password_hash: None,
                google_sub: None,
                session: None,
            };
            store.create_user(new, now() - TimeDelta::days(1)).await.unwrap();
        }
        Self { _table: table, store, outage, streams }
    }

    /// Saves an event an hour ago, so that its user does not count as active for it.
    async fn save(&self, user: UserId, number: u8, is_someday: bool) -> u64 {
        let span = Span::new("2026-11-20".parse().unwrap(), "2026-11-21".parse().unwrap()).unwrap();
        let (id, priority, origin) = (EventId::new([number; 12]), Priority::Work, Origin::Compass);
        let draft = Draft::new(id, None, None, span, true, is_someday, priority, origin, None).unwrap();
        let at = now() - TimeDelta::hours(1);
        let plan = |snapshot: &Snapshot| {
            let steps = domain::save(&snapshot.records, &draft, Scope::This, &snapshot.head.context(at));
            Ok::<_, Error>(Plan::steps(steps.unwrap()))
        };
        self.store.mutate(user, &[id], at, plan).await.unwrap()
    }

    async fn notice(&self, user: UserId, notice: Notice) {
        let plan = |_: &Snapshot| {
            let mut plan = Plan::default();
            plan.notices.push(notice.clone());
            Ok::<_, Error>(plan)
        };
        self.store.mutate(user, &[], now() - TimeDelta::hours(1), plan).await.unwrap();
    }

    async fn send(&self, token: Option<String>, last_event_id: Option<&str>) -> Response {
        let mut request = Request::get("/api/events/stream").header("origin", WEB);
        if let Some(token) = token {
            request = request.header("cookie", format!("sAccessToken={token}"));
        }
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", sealed(ANA, id));
        }
        self.answer(request).await
    }

    async fn answer(&self, request: http::request::Builder) -> Response {
        let web = Web::new(WEB.parse().unwrap(), [], SameSite::Lax);
        let service = service(router(self.streams.clone()), &web);
        service.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn text(&self, token: Option<String>, last_event_id: Option<&str>) -> (StatusCode, String) {
        let response = self.send(token, last_event_id).await;
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn connect(&self, user: UserId, last_event_id: Option<&str>) -> Tab {
        let response = self.send(Some(token(user, now() + TimeDelta::hours(1))), last_event_id).await;
        assert_eq!(response.status(), StatusCode::OK);
        let events = response.into_body().into_data_stream().eventsource().map(Result::unwrap);
        Tab { user, events: Box::pin(events) }
    }
}

/// What a browser dispatches.
struct Tab {
    user: UserId,
    events: Pin<Box<dyn Stream<Item = Event>>>,
}

impl Tab {
    async fn next(&mut self) -> (String, String) {
        let next = tokio::time::timeout(Duration::from_secs(5), self.events.next());
        let event = next.await.unwrap().unwrap_or_else(|| panic!("the stream has ended"));
        (event.event, plain(self.user, &event.id))
    }

    /// Everything up to the end of the stream.
    async fn rest(self) -> Vec<(String, String)> {
        self.events.map(|event| (event.event, plain(self.user, &event.id))).collect().await
    }
}

fn cursors() -> CursorKey {
    CursorKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap()
}

/// A cursor as the user's client has it; garbage as it is.
fn sealed(user: UserId, cursor: &str) -> String {
    cursor.parse().map_or(cursor.to_owned(), |cursor| cursors().of(user).seal(&cursor))
}

/// An id with its seal broken off.
fn plain(user: UserId, id: &str) -> String {
    cursors().of(user).open(id).unwrap_or_else(|| panic!("{id} is not sealed")).to_string()
}

fn told(name: &str, id: &str) -> (String, String) {
    (name.to_owned(), id.to_owned())
}

fn handle() -> SessionHandle {
    SessionHandle::new([9; 16])
}

fn token(user: UserId, expires_at: DateTime<Utc>) -> String {
    let issued_at = expires_at - TimeDelta::hours(1);
    let payload = AccessPayload::new(
        user,
        handle(),
        String::new(),
        "http://localhost/api".into(),
        issued_at,
        expires_at,
    );
    Signer::from_base64(SEED).unwrap().sign(&payload).unwrap()
}

fn valid() -> Option<String> {
    Some(token(ANA, now() + TimeDelta::minutes(1)))
}

fn expired() -> Option<String> {
    Some(token(ANA, now() - TimeDelta::minutes(1)))
}

#[tokio::test]
async fn a_first_connect_gets_the_metadata_as_an_event_stream_for_the_web_app() {
    let world = World::start(Mode::Poll).await;
    let response = world.send(valid(), None).await;
    assert_eq!(response.status(), StatusCode::OK);
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-cache"),
        ("x-accel-buffering", "no"),
        ("access-control-allow-origin", WEB),
        ("access-control-allow-credentials", "true"),
    ] {
        assert_eq!(response.headers()[name], value, "{name}");
    }
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let (id, end) = (sealed(ANA, "aa.0-0-1"), sealed(ANA, "aa.0"));
    let expected = format!(
        "id: {id}\nevent: USER_METADATA\ndata: {{\"google\":{{\"connectionState\":\"NOT_CONNECTED\"}}}}\n\n\
         id: {end}\nretry: 5000\n\n"
    );
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_change_is_told_to_every_open_stream_of_its_user_and_to_no_other() {
    let world = World::start(Mode::Hold).await;
    let (mut first, mut second) = (world.connect(ANA, None).await, world.connect(ANA, None).await);
    let mut stranger = world.connect(BEN, None).await;
    assert_eq!(first.next().await, told("USER_METADATA", "aa.0-0-1"));
    assert_eq!(second.next().await, told("USER_METADATA", "aa.0-0-1"));
    assert_eq!(stranger.next().await, told("USER_METADATA", "bb.0-0-1"));
    world.save(ANA, 1, false).await;
    assert_eq!(first.next().await, told("EVENT_CHANGED", "aa.1-0-2"));
    assert_eq!(second.next().await, told("EVENT_CHANGED", "aa.1-0-2"));
    world.save(ANA, 1, true).await;
    assert_eq!(first.next().await, told("EVENT_CHANGED", "aa.1~2~2"));
    assert_eq!(first.next().await, told("SOMEDAY_EVENT_CHANGED", "aa.2-1-6"));
    world.notice(BEN, Notice::Metadata).await;
    assert_eq!(stranger.next().await, told("USER_METADATA", "bb.1-0-1"));
}

#[tokio::test]
async fn a_stream_cut_while_fifty_changes_happen_is_told_of_them_in_one_frame_per_view() {
    let world = World::start(Mode::Hold).await;
    let mut open = world.connect(ANA, None).await;
    assert_eq!(open.next().await, told("USER_METADATA", "aa.0-0-1"));
    let mut rev = 0;
    for number in 0..50 {
        rev = world.save(ANA, number % 20, number % 3 == 0).await;
    }
    let mut again = world.connect(ANA, Some("aa.0")).await;
    assert_eq!(again.next().await, told("USER_METADATA", &format!("aa.0~{rev}~1")));
    assert_eq!(again.next().await, told("EVENT_CHANGED", &format!("aa.0~{rev}~3")));
    assert_eq!(again.next().await, told("SOMEDAY_EVENT_CHANGED", &format!("aa.{rev}-0-7")));
    // The one that stayed open ends at the same place.
    while !open.next().await.1.starts_with(&format!("aa.{rev}-")) {}
}

#[tokio::test]
async fn a_cursor_that_is_not_this_logs_is_a_reset() {
    let world = World::start(Mode::Poll).await;
    world.save(ANA, 1, false).await;
    for foreign in ["bb.0", "aa.7", "1.41", "nonsense", "none.0"] {
        let frames = world.connect(ANA, Some(foreign)).await.rest().await;
        let expected = [
            told("USER_METADATA", "none.0~1~1"),
            told("EVENT_CHANGED", "none.0~1~3"),
            told("SOMEDAY_EVENT_CHANGED", "aa.1-0-7"),
        ];
        assert_eq!(frames, expected, "{foreign}");
    }
}

#[tokio::test]
async fn a_cursor_that_was_not_given_to_this_user_is_a_reset_and_costs_no_query() {
    let world = World::start(Mode::Poll).await;
    world.save(ANA, 1, false).await;
    let genuine = cursors().of(BEN).seal(&"aa.0".parse().unwrap());
    for forged in ["aa.0", "none.0", "aa.0.AAAAAAAAAAAAAAAA", &genuine] {
        let (response, ledger) = seam::measured(async {
            let request = Request::get("/api/events/stream")
                .header("cookie", format!("sAccessToken={}", valid().unwrap()))
                .header("last-event-id", forged);
            world.answer(request).await.into_body().collect().await.unwrap().to_bytes()
        })
        .await;
        let text = String::from_utf8(response.to_vec()).unwrap();
        for name in ["USER_METADATA", "EVENT_CHANGED", "SOMEDAY_EVENT_CHANGED"] {
            assert!(text.contains(&format!("event: {name}\n")), "{forged}: {text}");
        }
        assert_eq!(ledger.store_calls, 1, "{forged}");
    }
}

#[tokio::test]
async fn an_idle_client_that_comes_back_costs_one_round_of_two_reads() {
    let world = World::start(Mode::Burst).await;
    world.save(ANA, 1, false).await;
    let (frames, ledger) =
        seam::measured(async { world.connect(ANA, Some("aa.1")).await.rest().await }).await;
    assert_eq!(frames, [told("USER_METADATA", "aa.1-1-1")]);
    assert_eq!((ledger.store_calls, ledger.store_rounds, ledger.write_units), (2, 1, 0.0));
}

#[tokio::test]
async fn a_stranger_is_told_so_in_json() {
    let world = World::start(Mode::Poll).await;
    let (status, body) = world.text(None, None).await;
    assert_eq!((status, body.as_str()), (StatusCode::UNAUTHORIZED, r#"{"message":"unauthorised"}"#));
    let forged = format!("{}x", token(ANA, now() + TimeDelta::hours(1)));
    let (status, body) = world.text(Some(forged), None).await;
    assert_eq!((status, body.as_str()), (StatusCode::UNAUTHORIZED, r#"{"message":"try refresh token"}"#));
}

#[tokio::test]
async fn a_token_that_expired_is_good_while_its_session_lives() {
    let world = World::start(Mode::Poll).await;
    assert_eq!(world.text(expired(), None).await.0, StatusCode::UNAUTHORIZED);

    let session = Session::begin(now() - TimeDelta::days(1), now() + TimeDelta::days(99));
    world.store.begin_session(ANA, handle(), &session).await.unwrap();
    let (status, body) = world.text(expired(), None).await;
    assert!(status == StatusCode::OK && body.contains("USER_METADATA"), "{status} {body}");

    let over = Session { expires_at: now(), ..session };
    world.store.begin_session(ANA, handle(), &over).await.unwrap();
    assert_eq!(world.text(expired(), None).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn while_the_store_is_away_the_client_is_asked_to_come_back_and_never_refused() {
    let world = World::start(Mode::Hold).await;
    world.outage.from.store(0, Ordering::SeqCst);
    for token in [valid(), expired()] {
        for last_event_id in [None, Some("aa.0")] {
            let answer = world.text(token.clone(), last_event_id).await;
            assert_eq!(answer, (StatusCode::OK, "retry: 5000\n\n".into()));
        }
    }
}

#[tokio::test]
async fn a_stream_whose_store_goes_away_ends_where_it_is() {
    let world = World::start(Mode::Hold).await;
    world.outage.from.store(3, Ordering::SeqCst);
    let (status, body) = world.text(valid(), None).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.ends_with(&format!("id: {}\nretry: 5000\n\n", sealed(ANA, "aa.0"))), "{body}");
}

#[tokio::test]
async fn a_burst_ends_soon_after_the_last_change() {
    let world = World::start(Mode::Burst).await;
    let mut tab = world.connect(ANA, None).await;
    assert_eq!(tab.next().await, told("USER_METADATA", "aa.0-0-1"));
    world.save(ANA, 1, false).await;
    let frames = tokio::time::timeout(Duration::from_secs(5), tab.rest()).await.unwrap();
    assert_eq!(frames, [told("EVENT_CHANGED", "aa.1-0-2")]);
}
