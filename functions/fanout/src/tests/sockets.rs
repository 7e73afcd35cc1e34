//! What connections get.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::DateTime;
use contract::auth::SessionHandle;
use realtime::socket::PostError;
use serde_json::{Value, json};
use store::{Socket, SocketId};

use super::*;

/// Who is connected.
#[derive(Default)]
pub(super) struct Connected {
    sockets: Mutex<BTreeMap<SocketId, Socket>>,
    lookups: AtomicUsize,
}

impl Connected {
    fn of(sockets: impl IntoIterator<Item = (UserId, &'static str, u8)>) -> Self {
        let socket = |(user, id, session): (UserId, &str, u8)| socket(user, id, session);
        let sockets = sockets.into_iter().map(socket).map(|socket| (socket.id.clone(), socket)).collect();
        Self { sockets: Mutex::new(sockets), ..Self::default() }
    }
}

impl Registry for Connected {
    async fn sockets(&self, user: UserId) -> Result<Vec<Socket>, store::Error> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let all = self.sockets.lock().unwrap();
        Ok(all.values().filter(|socket| socket.user == user).cloned().collect())
    }

    async fn disconnect(&self, user: UserId, id: &SocketId) -> Result<(), store::Error> {
        let forgotten = self.sockets.lock().unwrap().remove(id);
        assert_eq!(forgotten.map(|socket| socket.user), Some(user));
        Ok(())
    }
}

/// API Gateway: what it delivered, and what it does to some connections.
#[derive(Default)]
pub(super) struct Gateway {
    delivered: Mutex<Vec<(String, Value)>>,
    closed: Mutex<Vec<String>>,
    gone: BTreeSet<String>,
    busy: BTreeSet<String>,
    forbidden: BTreeSet<String>,
    delay: Duration,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

impl Gateway {
    fn to(&self, id: &str) -> Vec<Value> {
        let delivered = self.delivered.lock().unwrap();
        delivered.iter().filter(|(to, _)| to == id).map(|(_, frame)| frame.clone()).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "a gateway that takes its time")]
impl Post for Gateway {
    async fn post(&self, id: &SocketId, frame: &str) -> Result<(), PostError> {
        let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(under_way, Ordering::SeqCst);
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        let id = id.as_str().to_owned();
        if self.gone.contains(&id) {
            return Err(PostError::Gone);
        }
        if self.busy.contains(&id) {
            return Err(PostError::Throttled { operation: "PostToConnection" });
        }
        if self.forbidden.contains(&id) {
            return Err(PostError::Refused { operation: "PostToConnection", reason: "no".into() });
        }
        self.delivered.lock().unwrap().push((id, serde_json::from_str(frame).unwrap()));
        Ok(())
    }

    async fn close(&self, id: &SocketId) -> Result<(), PostError> {
        self.closed.lock().unwrap().push(id.as_str().to_owned());
        Ok(())
    }
}

pub(super) fn cursors() -> CursorKey {
    CursorKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap()
}

fn handle(number: u8) -> SessionHandle {
    SessionHandle::new([number; 16])
}

fn socket(user: UserId, id: &str, session: u8) -> Socket {
    let expires_at = DateTime::UNIX_EPOCH;
    Socket { id: SocketId::new(id), user, session: handle(session), epoch: "ab".into(), expires_at }
}

fn fanout(registry: Connected, posts: Gateway) -> Fanout<FakeQueue, Connected, Gateway> {
    Fanout { outbox: FakeQueue::default(), registry, posts, cursors: cursors() }
}

/// An event saved on the grid.
fn saved(number: usize, user: UserId, rev: Rev) -> Record {
    let id = "66aa01bb02cc03dd04ee05ff";
    let image = json!({
        "pk": format!("U#{user}"), "sk": format!("E#{id}"), "rev": rev, "grid_rev": rev, "someday_rev": 0,
        "event": { "id": id },
    });
    record(number, json!({}), image)
}

fn signed_out(number: usize, user: UserId, session: u8) -> Record {
    let old = json!({ "pk": format!("U#{user}"), "sk": format!("S#{}", handle(session)), "generation": 1 });
    record(number, old, json!({}))
}

fn sealed(user: UserId, cursor: &str) -> String {
    cursors().of(user).seal(&cursor.parse().unwrap())
}

#[tokio::test]
async fn every_connection_of_a_user_is_told_of_a_change_and_no_other() {
    let connected = Connected::of([(ANA, "a1", 1), (ANA, "a2", 2), (BEN, "b1", 3)]);
    let fanout = fanout(connected, Gateway::default());
    assert_eq!(fanout.handle(vec![saved(1, ANA, 41), saved(2, ANA, 42)]).await, None);
    let expected = json!({
        "type": "EVENT_CHANGED", "id": sealed(ANA, "ab.42-40-2"), "cursor": sealed(ANA, "ab.42"), "after": sealed(ANA, "ab.40"),
        "ids": ["66aa01bb02cc03dd04ee05ff"],
    });
    assert_eq!(fanout.posts.to("a1"), std::slice::from_ref(&expected));
    assert_eq!(fanout.posts.to("a2"), [expected]);
    assert_eq!(fanout.posts.to("b1"), [] as [Value; 0]);
}

#[tokio::test]
async fn a_second_delivery_sends_the_same_frame_with_the_same_id() {
    let fanout = fanout(Connected::of([(ANA, "a1", 1)]), Gateway::default());
    for _ in 0..2 {
        assert_eq!(fanout.handle(vec![saved(1, ANA, 41)]).await, None);
    }
    let frames = fanout.posts.to("a1");
    assert_eq!((frames.len(), &frames[0]), (2, &frames[1]));
}

#[tokio::test]
async fn nobody_is_looked_up_for_what_no_client_sees() {
    let fanout = fanout(Connected::of([(ANA, "a1", 1)]), Gateway::default());
    assert_eq!(fanout.handle(vec![wanted(1, ANA, 41, Job::Pull { user: ANA })]).await, None);
    assert_eq!(fanout.registry.lookups.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_connection_that_is_gone_is_forgotten_in_the_same_pass() {
    let gone = BTreeSet::from(["a1".to_owned()]);
    let connected = Connected::of([(ANA, "a1", 1), (ANA, "a2", 1)]);
    let fanout = fanout(connected, Gateway { gone, ..Gateway::default() });
    assert_eq!(fanout.handle(vec![saved(1, ANA, 41)]).await, None);
    let left: Vec<SocketId> = fanout.registry.sockets.lock().unwrap().keys().cloned().collect();
    assert_eq!(left, [SocketId::new("a2")]);
    assert_eq!(fanout.posts.to("a2").len(), 1);
}

#[tokio::test]
async fn when_the_gateway_is_busy_the_record_comes_again_and_others_are_told_meanwhile() {
    let busy = BTreeSet::from(["a1".to_owned()]);
    let connected = Connected::of([(ANA, "a1", 1), (ANA, "a2", 1), (BEN, "b1", 2)]);
    let fanout = fanout(connected, Gateway { busy, ..Gateway::default() });
    let records = vec![saved(1, BEN, 7), saved(2, ANA, 41), saved(3, BEN, 8)];
    assert_eq!(fanout.handle(records).await, Some("2".into()));
    assert_eq!((fanout.posts.to("a2").len(), fanout.posts.to("b1").len()), (1, 1));
}

#[tokio::test]
async fn what_the_gateway_refuses_for_good_is_not_tried_again() {
    let forbidden = BTreeSet::from(["a1".to_owned()]);
    let fanout = fanout(Connected::of([(ANA, "a1", 1)]), Gateway { forbidden, ..Gateway::default() });
    assert_eq!(fanout.handle(vec![saved(1, ANA, 41)]).await, None);
}

#[tokio::test]
async fn a_session_that_ends_closes_its_connections_and_no_others() {
    let fanout = fanout(Connected::of([(ANA, "a1", 1), (ANA, "a2", 2)]), Gateway::default());
    assert_eq!(fanout.handle(vec![signed_out(1, ANA, 1), saved(2, ANA, 41)]).await, None);
    assert_eq!(fanout.posts.to("a1"), [json!({ "type": "BYE" })]);
    assert_eq!(*fanout.posts.closed.lock().unwrap(), ["a1"]);
    let left: Vec<SocketId> = fanout.registry.sockets.lock().unwrap().keys().cloned().collect();
    assert_eq!(left, [SocketId::new("a2")]);
    assert_eq!(fanout.posts.to("a2")[0]["type"], "EVENT_CHANGED");
}

#[tokio::test]
async fn a_thousand_connections_are_told_within_a_second_and_the_gone_ones_forgotten() {
    let names: Vec<&'static str> = (0..1_000).map(|n| &*format!("c{n}").leak()).collect();
    let gone = names.iter().step_by(50).map(|name| (*name).to_owned()).collect();
    let connected = Connected::of(names.iter().map(|name| (ANA, *name, 1)));
    let posts = Gateway { gone, delay: Duration::from_millis(15), ..Gateway::default() };
    let fanout = fanout(connected, posts);
    let begun = Instant::now();
    assert_eq!(fanout.handle(vec![saved(1, ANA, 41)]).await, None);
    let took = begun.elapsed();
    assert_eq!(fanout.posts.delivered.lock().unwrap().len(), 980);
    assert_eq!(fanout.registry.sockets.lock().unwrap().len(), 980);
    assert!(fanout.posts.most.load(Ordering::SeqCst) <= 64);
    assert!(took < Duration::from_secs(1), "{took:?}");
}
