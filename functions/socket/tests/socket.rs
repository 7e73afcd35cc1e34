//! The function in process, on a table made from the bundle's own template, with a gateway that delivers into a list.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail by panicking, like the tests")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth::ticket::SocketTicket;
use chrono::{DateTime, TimeDelta, Utc};
use contract::auth::SessionHandle;
use domain::{Notice, UserId};
use local::table::TestTable;
use realtime::socket::{LIMIT, Post, PostError};
use runtime::http::{SameSite, Web};
use runtime::socket::{Event, Kind};
use seam::{Clock, Kind as Side, Random, Seam};
use serde_json::{Value, json};
use socket_function::Sockets;
use store::{CursorKey, Error, NewUser, Plan, Profile, Session, Snapshot, SocketId, Store, Ticket};

const ANA: UserId = UserId::new([1; 12]);
const BEN: UserId = UserId::new([2; 12]);
const WEB: &str = "http://localhost:9080";

fn now() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn handle(user: UserId) -> SessionHandle {
    SessionHandle::new([user.as_bytes()[0]; 16])
}

/// What was delivered to whom, and who is gone.
#[derive(Clone, Default)]
struct Gateway {
    delivered: Arc<Mutex<Vec<(String, Value)>>>,
    closed: Arc<Mutex<Vec<String>>>,
    gone: Arc<Mutex<BTreeSet<String>>>,
}

impl Post for Gateway {
    async fn post(&self, id: &SocketId, frame: &str) -> Result<(), PostError> {
        if self.gone.lock().unwrap().contains(id.as_str()) {
            return Err(PostError::Gone);
        }
        assert!(frame.len() < 32 * 1024);
        let frame = serde_json::from_str(frame).unwrap();
        self.delivered.lock().unwrap().push((id.as_str().to_owned(), frame));
        Ok(())
    }

    async fn close(&self, id: &SocketId) -> Result<(), PostError> {
        self.closed.lock().unwrap().push(id.as_str().to_owned());
        Ok(())
    }
}

struct World {
    sockets: Sockets<Gateway>,
    gateway: Gateway,
    store: Store,
    clock: Clock,
    _table: TestTable,
}

impl World {
    async fn start() -> Self {
        let table = TestTable::start().await.unwrap();
        let seam = Seam::new(Side::Store, Duration::from_secs(5));
        let store = Store::new(table.client.clone(), &table.table_name, seam);
        for (user, epoch, email) in [(ANA, "aa", "ana@example.com"), (BEN, "bb", "ben@example.com")] {
            let session = Session::begin(now(), now() + TimeDelta::days(100));
            let new = NewUser {
                id: user,
                epoch: epoch.into(),
                email: &email.parse().unwrap(),
                profile: Profile::default(),
                password_hash: None,
                google_sub: None,
                session: Some((handle(user), session)),
            };
            store.create_user(new, now()).await.unwrap();
        }
        let (gateway, clock) = (Gateway::default(), Clock::fixed(now()));
        let web = Web::new(WEB.parse().unwrap(), [], SameSite::Lax);
        let sockets = Sockets {
            store: store.clone(),
            cursors: cursors(),
            web,
            posts: gateway.clone(),
            clock: clock.clone(),
        };
        Self { sockets, gateway, store, clock, _table: table }
    }

    async fn ticket(&self, user: UserId) -> String {
        let ticket = SocketTicket::draw(&Random::system());
        let expires_at = self.clock.now() + TimeDelta::minutes(1);
        let epoch = self.store.head(user).await.unwrap().epoch;
        let permission = Ticket { user, session: handle(user), epoch, expires_at };
        self.store.allow_socket(&ticket.hash(), &permission).await.unwrap();
        ticket.as_str().to_owned()
    }

    async fn happens(&self, id: &str, kind: Kind) -> u16 {
        self.sockets.handle(Event { id: SocketId::new(id), kind }).await
    }

    async fn connect(&self, id: &str, origin: Option<&str>, ticket: Option<&str>) -> u16 {
        let (origin, ticket) = (origin.map(str::to_owned), ticket.map(str::to_owned));
        self.happens(id, Kind::Connect { origin, ticket }).await
    }

    async fn connected(&self, user: UserId, id: &str) {
        let ticket = self.ticket(user).await;
        assert_eq!(self.connect(id, Some(WEB), Some(&ticket)).await, 200);
    }

    async fn say(&self, id: &str, message: Value) -> Vec<Value> {
        self.gateway.delivered.lock().unwrap().clear();
        assert_eq!(self.happens(id, Kind::Message(message.to_string())).await, 200);
        let delivered = self.gateway.delivered.lock().unwrap();
        assert!(delivered.iter().all(|(to, _)| to == id));
        delivered.iter().map(|(_, frame)| frame.clone()).collect()
    }

    async fn notice(&self, user: UserId) {
        let plan = |_: &Snapshot| Ok::<_, Error>(Plan::default().notice(Notice::Metadata));
        self.store.mutate(user, &[], now(), plan).await.unwrap();
    }

    async fn known(&self, user: UserId) -> usize {
        self.store.sockets(user).await.unwrap().len()
    }
}

fn cursors() -> CursorKey {
    CursorKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap()
}

fn names(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_ticket_opens_one_connection_from_a_page_of_ours_within_its_minute() {
    let world = World::start().await;
    let ticket = world.ticket(ANA).await;
    assert_eq!(world.connect("c1", None, Some(&ticket)).await, 403);
    assert_eq!(world.connect("c1", Some("https://evil.example"), Some(&ticket)).await, 403);
    for wrong in [None, Some(""), Some("guessed")] {
        assert_eq!(world.connect("c1", Some(WEB), wrong).await, 401);
    }
    assert_eq!(world.known(ANA).await, 0);
    assert_eq!(world.connect("c1", Some(WEB), Some(&ticket)).await, 200);
    assert_eq!(world.connect("c2", Some(WEB), Some(&ticket)).await, 401);
    assert_eq!(world.known(ANA).await, 1);

    let late = world.ticket(ANA).await;
    world.clock.set(now() + TimeDelta::minutes(1));
    assert_eq!(world.connect("c3", Some(WEB), Some(&late)).await, 401);
}

#[tokio::test]
async fn of_two_connects_with_one_ticket_at_the_same_time_one_succeeds() {
    let world = World::start().await;
    let ticket = world.ticket(ANA).await;
    let connect = |id: &'static str| world.connect(id, Some(WEB), Some(&ticket));
    let mut answers =
        <[u16; 4]>::from(tokio::join!(connect("c1"), connect("c2"), connect("c3"), connect("c4")));
    answers.sort_unstable();
    assert_eq!(answers, [200, 401, 401, 401]);
    assert_eq!(world.known(ANA).await, 1);
}

#[tokio::test]
async fn a_client_says_where_it_is_and_gets_what_it_missed_from_the_log() {
    let world = World::start().await;
    world.connected(ANA, "c1").await;
    let fresh = world.say("c1", json!({ "type": "hello" })).await;
    assert_eq!(names(&fresh), ["RESET", "READY"]);
    let cursor = fresh[1]["id"].clone();
    world.notice(ANA).await;
    world.notice(ANA).await;
    let missed = world.say("c1", json!({ "type": "hello", "cursor": cursor })).await;
    assert_eq!(names(&missed), ["USER_METADATA", "READY"]);
    assert_eq!(missed[0]["after"], cursor);
    let cursor = missed[1]["id"].clone();
    assert_eq!(names(&world.say("c1", json!({ "type": "ping", "cursor": cursor })).await), ["PONG"]);
    assert_eq!(names(&world.say("c1", json!({ "type": "ping" })).await), ["PONG"]);
    assert_eq!(names(&world.say("c1", json!({ "type": "subscribe" })).await), ["ERROR"]);
}

#[tokio::test]
async fn a_cursor_of_somebody_else_is_a_reset() {
    let world = World::start().await;
    world.connected(ANA, "a").await;
    world.connected(BEN, "b").await;
    world.notice(ANA).await;
    let anas = world.say("a", json!({ "type": "hello" })).await[0]["id"].clone();
    for foreign in [anas, json!("bb.0"), json!("none.0"), json!("")] {
        let answer = world.say("b", json!({ "type": "hello", "cursor": foreign })).await;
        assert_eq!(names(&answer), ["RESET", "READY"]);
        let cursor = cursors().of(BEN).open(answer[0]["id"].as_str().unwrap()).unwrap();
        assert_eq!(cursor.epoch, "bb");
    }
}

#[tokio::test]
async fn a_session_that_ended_is_told_so_and_its_connection_closed() {
    let world = World::start().await;
    world.connected(ANA, "c1").await;
    let ticket = world.ticket(ANA).await;
    world.store.end_session(ANA, handle(ANA)).await.unwrap();
    assert_eq!(names(&world.say("c1", json!({ "type": "ping" })).await), ["BYE"]);
    assert_eq!(*world.gateway.closed.lock().unwrap(), ["c1"]);
    assert_eq!(world.known(ANA).await, 0);
    assert_eq!(world.connect("c2", Some(WEB), Some(&ticket)).await, 401);
}

#[tokio::test]
async fn a_user_with_too_many_connections_loses_the_oldest_and_nobody_else_does() {
    let world = World::start().await;
    world.connected(BEN, "bens").await;
    let mut later = now();
    for number in 0..LIMIT + 2 {
        world.connected(ANA, &format!("c{number}")).await;
        later += TimeDelta::seconds(1);
        world.clock.set(later);
    }
    assert_eq!(*world.gateway.closed.lock().unwrap(), ["c0", "c1"]);
    assert_eq!((world.known(ANA).await, world.known(BEN).await), (LIMIT, 1));
}

#[tokio::test]
async fn what_is_gone_is_forgotten_and_what_is_forgotten_is_closed() {
    let world = World::start().await;
    world.connected(ANA, "c1").await;
    world.connected(ANA, "c2").await;
    world.gateway.gone.lock().unwrap().insert("c1".into());
    assert_eq!(world.say("c1", json!({ "type": "hello" })).await, [] as [Value; 0]);
    assert_eq!(world.known(ANA).await, 1);
    assert_eq!(world.happens("c2", Kind::Disconnect).await, 200);
    assert_eq!(world.happens("c2", Kind::Disconnect).await, 200);
    assert_eq!(world.known(ANA).await, 0);
    assert_eq!(world.say("c2", json!({ "type": "ping" })).await, [] as [Value; 0]);
    assert_eq!(*world.gateway.closed.lock().unwrap(), ["c2"]);
}

#[tokio::test]
async fn the_samples_are_understood() {
    for (sample, expected) in [
        (include_str!("../../../events/socket.connect.json"), "connect"),
        (include_str!("../../../events/socket.default.json"), "message"),
        (include_str!("../../../events/socket.disconnect.json"), "disconnect"),
    ] {
        let event = runtime::socket::read(serde_json::from_str(sample).unwrap()).unwrap();
        assert_eq!(event.id.as_str(), "TAbCdcOFvHcCIhw=");
        let kind = match event.kind {
            Kind::Connect { origin, ticket } => {
                assert!(origin.as_deref() == Some(WEB) && ticket.is_some());
                "connect"
            }
            Kind::Message(text) => {
                assert!(text.contains("hello"));
                "message"
            }
            Kind::Disconnect => "disconnect",
        };
        assert_eq!(kind, expected);
    }
}
