//! The routes in process, on a table made from the bundle's own template.

use std::collections::BTreeSet;
use std::time::Duration;

use auth::test_support::{cookie, verifier};
use axum::body::Body;
use chrono::{DateTime, TimeDelta, Utc};
use contract::calendar::CalendarBody;
use domain::calendar::Calendar;
use domain::priority::NamedPriority;
use domain::{Draft, EventId, Notice, Origin, Priority, Recurrence, Repeat, Scope, Slot, Span, Tag};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use local::table::TestTable;
use runtime::http::{SameSite, Web, service};
use seam::{Kind, Seam};
use serde_json::{Value, json};
use store::{Error, NewUser, Plan, Profile, Reads, Revision, Snapshot};
use tower::ServiceExt;

use super::*;

const ANA: UserId = UserId::new([1; 12]);
const BEN: UserId = UserId::new([2; 12]);

fn now() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

struct World {
    store: Store,
    clock: Clock,
    router: Router,
    _table: TestTable,
}

impl World {
    async fn start() -> Self {
        let table = TestTable::start().await.unwrap();
        let seam = Seam::new(Kind::Store, Duration::from_secs(5));
        let store = Store::new(table.client.clone(), &table.table_name, seam);
        for (user, epoch, email) in [(ANA, "aa", "ana@example.com"), (BEN, "bb", "ben@example.com")] {
            let new = NewUser {
                id: user,
                epoch: epoch.into(),
                email: &email.parse().unwrap(),
                profile: Profile::default(),
                password_hash: None,
                google_sub: None,
                session: None,
            };
            store.create_user(new, now()).await.unwrap();
        }
        let clock = Clock::fixed(now());
        let cursors = CursorKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
        let socket = "wss://socket.example/live".parse().unwrap();
        let random = Random::seeded(7);
        let realtime = Realtime {
            store: store.clone(),
            verifier: verifier(),
            cursors,
            clock: clock.clone(),
            random,
            socket,
        };
        let web = Web::new("http://localhost:9080".parse().unwrap(), [], SameSite::Lax);
        Self { store, clock, router: service(router(realtime), &web), _table: table }
    }

    async fn send(&self, user: Option<UserId>, method: Method, path: &str) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(user) = user {
            request = request.header("cookie", cookie(user, self.clock.now()));
        }
        let request = request.body(Body::empty()).unwrap();
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, serde_json::from_slice(&body).unwrap())
    }

    async fn changes(&self, user: UserId, cursor: Option<&str>, limit: usize) -> Value {
        let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let path = format!("/api/changes?limit={limit}{cursor}");
        let (status, body) = self.send(Some(user), Method::GET, &path).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    /// All that follows a cursor, page after page: changes, and the cursor then.
    async fn follow(&self, user: UserId, cursor: Option<&str>, limit: usize) -> (Vec<Value>, String) {
        let (mut all, mut cursor) = (Vec::new(), cursor.map(str::to_owned));
        loop {
            let page = self.changes(user, cursor.as_deref(), limit).await;
            all.extend(page["changes"].as_array().unwrap().clone());
            let next = page["cursor"].as_str().unwrap().to_owned();
            if page["hasMore"] == false {
                return (all, next);
            }
            assert_ne!(Some(&next), cursor.as_ref(), "a page leads nowhere");
            cursor = Some(next);
        }
    }

    async fn save(&self, user: UserId, number: u8, title: &str, rule: Option<&str>) {
        let time = |text: &str| text.parse().unwrap();
        let span = Span::new(time("2026-11-20T09:00:00Z"), time("2026-11-20T10:00:00Z")).unwrap();
        let (priority, origin) = (Priority::Work, Origin::Compass);
        let title = Some(title.to_owned());
        let draft = Draft::new(id(number), title, None, span, false, false, priority, origin, None).unwrap();
        let draft = match rule {
            Some(rule) => {
                draft.repeating(Repeat::Series(Recurrence::parse(&[rule.to_owned()]).unwrap()), None)
            }
            None => draft,
        };
        self.put(user, &draft, Scope::This).await;
    }

    async fn put(&self, user: UserId, draft: &Draft, scope: Scope) {
        let at = self.clock.now();
        let plan = |snapshot: &Snapshot| {
            let steps = domain::save(&snapshot.records, draft, scope, &snapshot.head.context(at));
            Ok::<_, Error>(Plan::steps(steps.unwrap()))
        };
        self.store.mutate(user, Reads::leading([draft.id()], scope), at, plan).await.unwrap();
    }

    async fn delete(&self, user: UserId, number: u8) {
        let at = self.clock.now();
        let plan = |snapshot: &Snapshot| {
            let context = snapshot.head.context(at);
            let steps = domain::delete(&snapshot.records, id(number), Scope::This, &context);
            Ok::<_, Error>(Plan::steps(steps.unwrap()))
        };
        self.store.mutate(user, &[id(number)], at, plan).await.unwrap();
    }

    async fn notice(&self, user: UserId) {
        let plan = |_: &Snapshot| Ok::<_, Error>(Plan::default().notice(Notice::Metadata));
        self.store.mutate(user, &[], self.clock.now(), plan).await.unwrap();
    }
}

/// As Google lists it.
fn calendar() -> Calendar {
    let body = json!({
        "backgroundColor": "#16a765", "color": "#000000",
        "metadata": {
            "id": "ana@example.com", "etag": "1", "summary": "Ana", "provider": "google", "accessRole": "owner",
            "conferenceProperties": { "allowedConferenceSolutionTypes": [] }, "defaultReminders": [],
        },
    });
    serde_json::from_value::<CalendarBody>(body).unwrap().into_calendar(ANA, now())
}

fn id(number: u8) -> EventId {
    EventId::new([number; 12])
}

/// The events among changes.
fn events(changes: &[Value]) -> Vec<&Value> {
    changes.iter().filter(|change| ["event", "series"].contains(&change["kind"].as_str().unwrap())).collect()
}

/// A copy of the calendar as a client keeps one: titles by id.
fn apply(copy: &mut std::collections::BTreeMap<String, String>, changes: &[Value]) {
    for change in events(changes) {
        let id = change["_id"].as_str().unwrap().to_owned();
        if change["deleted"] == true {
            copy.remove(&id);
        } else {
            copy.insert(id, change["title"].as_str().unwrap().to_owned());
        }
    }
}

#[tokio::test]
async fn a_ticket_is_good_for_a_minute_and_is_drawn_anew_each_time() {
    let world = World::start().await;
    let (status, view) = world.send(Some(ANA), Method::POST, "/api/realtime/ticket").await;
    assert_eq!(
        (status, &view["url"], &view["expiresIn"]),
        (StatusCode::OK, &json!("wss://socket.example/live"), &json!(60))
    );
    let text = view["ticket"].as_str().unwrap();
    let hash = SocketTicket::from_wire(text).hash();
    let ticket = world.store.ticket(&hash, now()).await.unwrap().unwrap();
    assert_eq!((ticket.user, ticket.epoch.as_str()), (ANA, "aa"));
    assert_eq!(world.store.ticket(&hash, now() + TimeDelta::minutes(1)).await.unwrap(), None);
    let (_, second) = world.send(Some(ANA), Method::POST, "/api/realtime/ticket").await;
    assert_ne!(second["ticket"], view["ticket"]);
}

#[tokio::test]
async fn every_route_needs_a_session() {
    let world = World::start().await;
    for (method, path) in [(Method::POST, "/api/realtime/ticket"), (Method::GET, "/api/changes")] {
        let answer = world.send(None, method, path).await;
        assert_eq!(answer, (StatusCode::UNAUTHORIZED, json!({ "message": "unauthorised" })));
    }
}

#[tokio::test]
async fn a_copy_that_follows_the_log_page_by_page_is_what_is_stored() {
    let world = World::start().await;
    let mut copy = std::collections::BTreeMap::new();
    for number in 0..10 {
        world.save(ANA, number, &format!("event {number}"), None).await;
    }
    let (changes, cursor) = world.follow(ANA, None, 3).await;
    apply(&mut copy, &changes);
    assert_eq!(copy.len(), 10);
    world.delete(ANA, 3).await;
    world.notice(ANA).await;
    world.save(ANA, 4, "edited", None).await;
    world.save(ANA, 4, "edited twice", None).await;
    world.save(ANA, 11, "new", None).await;
    let (changes, cursor) = world.follow(ANA, Some(&cursor), 2).await;
    // Each once, as it is now, in the order of the log.
    let kinds: Vec<&str> = changes.iter().map(|change| change["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["event", "metadata", "event", "event"]);
    let events = events(&changes);
    let ids: Vec<&str> = events.iter().map(|change| change["_id"].as_str().unwrap()).collect();
    assert_eq!(ids, [id(3).to_string(), id(4).to_string(), id(11).to_string()]);
    assert_eq!(*events[0], json!({ "kind": "event", "_id": id(3).to_string(), "deleted": true }));
    apply(&mut copy, &changes);
    assert_eq!(copy.get(&id(4).to_string()).unwrap(), "edited twice");
    assert_eq!((copy.len(), copy.contains_key(&id(3).to_string())), (10, false));
    assert_eq!(world.follow(ANA, Some(&cursor), 2).await.0, [] as [Value; 0]);
}

#[tokio::test]
async fn a_copy_that_is_begun_while_others_write_is_complete_too() {
    let world = World::start().await;
    for number in 0..6 {
        world.save(ANA, number, "first", None).await;
    }
    let first = world.changes(ANA, None, 2).await;
    // What was told already goes; what was not told yet changes; something new comes.
    world.delete(ANA, 0).await;
    world.save(ANA, 5, "second", None).await;
    world.save(ANA, 7, "new", None).await;
    let mut copy = std::collections::BTreeMap::new();
    apply(&mut copy, first["changes"].as_array().unwrap());
    apply(&mut copy, &world.follow(ANA, first["cursor"].as_str(), 2).await.0);
    let expected = [(1, "first"), (2, "first"), (3, "first"), (4, "first"), (5, "second"), (7, "new")];
    let expected = expected.map(|(number, title)| (id(number).to_string(), title.to_owned()));
    assert_eq!(copy, expected.into());
}

#[tokio::test]
async fn what_ends_as_one_thing_and_lives_on_as_another_stays_in_the_copy() {
    let never = |draft: Draft| draft.repeating(Repeat::Never, None);
    for limit in [1, 2, 100] {
        let world = World::start().await;
        world.save(ANA, 1, "Standup", Some("RRULE:FREQ=DAILY;COUNT=5")).await;
        let slot = Slot::at("2026-11-23T09:00:00Z".parse().unwrap()).unwrap();
        let fourth = EventId::of_occurrence(Tag::of(id(1)), slot);
        let at = |start: &str, end: &str| Span::new(start.parse().unwrap(), end.parse().unwrap()).unwrap();
        let alone = |title: &str, span: Span| {
            let (priority, origin) = (Priority::Work, Origin::Compass);
            let title = Some(title.to_owned());
            Draft::new(fourth, title, None, span, false, false, priority, origin, None).unwrap()
        };
        let later = at("2026-11-23T15:00:00Z", "2026-11-23T16:00:00Z");
        let occurrence = Repeat::Occurrence { series: Some(id(1)), rule: None };
        world.put(ANA, &alone("Long standup", later.clone()).repeating(occurrence, None), Scope::This).await;
        let (changes, cursor) = world.follow(ANA, None, limit).await;
        let mut copy = std::collections::BTreeMap::new();
        apply(&mut copy, &changes);
        assert_eq!(copy.len(), 2, "the series and its exception");

        // The exception ends with its slot, and what takes its place takes its id along.
        world.put(ANA, &never(alone("Party", later)), Scope::Following).await;
        let (changes, cursor) = world.follow(ANA, Some(&cursor), limit).await;
        apply(&mut copy, &changes);
        assert_eq!(copy.get(&fourth.to_string()).map(String::as_str), Some("Party"), "{changes:#?}");
        let series = changes.iter().find(|change| change["kind"] == "series").unwrap();
        assert_eq!(series["left"], json!([fourth.to_string()]));

        // A series that becomes an event under its id.
        world.save(ANA, 1, "Kick-off", None).await;
        let (changes, _) = world.follow(ANA, Some(&cursor), limit).await;
        apply(&mut copy, &changes);
        assert_eq!(copy.into_values().collect::<Vec<_>>(), ["Kick-off", "Party"]);
        let (mut anew, (changes, _)) =
            (std::collections::BTreeMap::new(), world.follow(ANA, None, limit).await);
        apply(&mut anew, &changes);
        assert_eq!(anew.into_values().collect::<Vec<_>>(), ["Kick-off", "Party"]);
    }
}

#[tokio::test]
async fn a_series_is_told_once_with_its_rule() {
    let world = World::start().await;
    world.save(ANA, 1, "Standup", Some("RRULE:FREQ=DAILY;COUNT=5")).await;
    let (changes, _) = world.follow(ANA, None, 10).await;
    let events = events(&changes);
    assert_eq!((events.len(), &events[0]["kind"]), (1, &json!("series")));
    assert_eq!(events[0]["recurrence"]["rule"], json!(["RRULE:FREQ=DAILY;COUNT=5"]));
    assert_eq!(events[0]["exceptions"], json!([]));
}

#[tokio::test]
async fn a_copy_holds_priorities_calendars_and_the_metadata_too() {
    let world = World::start().await;
    let (changes, cursor) = world.follow(ANA, None, 1).await;
    let kinds: Vec<&str> = changes.iter().map(|change| change["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["metadata", "priority", "priority", "priority", "priority"]);
    assert_eq!(changes[0]["google"]["connectionState"], "NOT_CONNECTED");
    let mut names: Vec<&str> = changes[1..].iter().map(|change| change["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["relationships", "self", "unassigned", "work"]);

    let known = world.store.priorities(ANA).await.unwrap();
    let (gone, at) = (known[0].clone(), world.clock.now());
    let plan = |_: &[NamedPriority]| Ok::<_, Error>((Revision::removal(gone.clone()), ()));
    world.store.revise(ANA, at, plan).await.unwrap();
    world.store.put_calendars(ANA, &[calendar()], &BTreeSet::new(), at).await.unwrap();
    world.notice(ANA).await;
    let (changes, cursor) = world.follow(ANA, Some(&cursor), 1).await;
    assert_eq!(changes[0], json!({ "kind": "priority", "_id": gone.id, "deleted": true }));
    assert_eq!(
        (&changes[1]["kind"], &changes[1]["metadata"]["summary"]),
        (&json!("calendar"), &json!("Ana"))
    );
    assert_eq!((&changes[2]["kind"], changes.len()), (&json!("metadata"), 3));
    assert_eq!(world.follow(ANA, Some(&cursor), 1).await.0, [] as [Value; 0]);
}

#[tokio::test]
async fn a_cursor_that_was_made_up_or_is_somebody_elses_is_a_reset_and_never_data() {
    let world = World::start().await;
    world.save(ANA, 1, "secret", None).await;
    world.save(BEN, 2, "mine", None).await;
    let (_, anas) = world.follow(ANA, None, 10).await;
    for foreign in [anas.as_str(), "aa.0", "bb.0", "none.0", "x", "", "%00", "bb.0.AAAAAAAAAAAAAAAA"] {
        let page = world.changes(BEN, Some(foreign), 10).await;
        assert_eq!((&page["reset"], &page["changes"]), (&json!(true), &json!([])), "{foreign}");
        // From where the answer leads, everything follows.
        let (changes, _) = world.follow(BEN, page["cursor"].as_str(), 10).await;
        assert_eq!(events(&changes).len(), 1, "{foreign}");
    }
}

#[tokio::test]
async fn a_cursor_that_outlived_the_history_is_a_reset() {
    let world = World::start().await;
    world.save(ANA, 1, "old", None).await;
    let (_, cursor) = world.follow(ANA, None, 10).await;
    world.save(ANA, 2, "older than the history, too, soon", None).await;
    assert_eq!(world.changes(ANA, Some(&cursor), 10).await["reset"], false);
    world.clock.set(now() + TimeDelta::days(31));
    assert_eq!(world.changes(ANA, Some(&cursor), 10).await["reset"], true);
    assert_eq!(events(&world.follow(ANA, None, 1).await.0).len(), 2);
}

#[tokio::test]
async fn a_limit_that_is_no_number_is_refused() {
    let world = World::start().await;
    for limit in ["0", "-1", "many"] {
        let (status, _) = world.send(Some(ANA), Method::GET, &format!("/api/changes?limit={limit}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{limit}");
    }
}
