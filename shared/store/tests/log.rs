//! The store against a table made from the bundle's own template: one log per user, gap-free, written all or nothing.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests fail by panicking, like the tests"
)]

#[path = "log/series.rs"]
mod series;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};
use domain::{
    Context, Draft, Event, EventId, Link, Notice, Origin, Priority, Scope, Shelf, Shown, Span, UserId, Views,
    Window,
};
use local::table::TestTable;
use seam::{Fault, Kind, Script, Seam};
use store::{Due, Error, Head, Plan, Profile, Reads, Snapshot, Store};

fn now() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn seam() -> Seam {
    Seam::new(Kind::Store, Duration::from_secs(5))
}

fn store_on(table: &TestTable, seam: Seam) -> Store {
    Store::new(table.client.clone(), &table.table_name, seam)
}

/// A user as sign-up leaves it, without the rest of sign-up.
async fn user_in(table: &TestTable) -> UserId {
    let user = UserId::new([7; 12]);
    let head = Head::new("epoch".into(), Profile::default(), now());
    let mut item = serde_dynamo::to_item::<_, std::collections::HashMap<_, _>>(head).unwrap();
    item.insert("pk".into(), AttributeValue::S(format!("U#{user}")));
    item.insert("sk".into(), AttributeValue::S("HEAD".into()));
    table.client.put_item().table_name(&table.table_name).set_item(Some(item)).send().await.unwrap();
    user
}

fn id(n: u8) -> EventId {
    EventId::new([n; 12])
}

fn draft(n: u8, start: &str, end: &str, is_someday: bool) -> Draft {
    let span = Span::new(start.parse().unwrap(), end.parse().unwrap()).unwrap();
    let all_day = span.is_all_day();
    let (priority, origin) = (Priority::Work, Origin::Compass);
    Draft::new(id(n), Some(format!("event {n}")), None, span, all_day, is_someday, priority, origin, None)
        .unwrap()
}

fn context() -> Context {
    Context { is_connected: true, zone: None, now: now() }
}

async fn save(store: &Store, user: UserId, draft: &Draft) -> u64 {
    save_in(store, user, draft, Scope::This).await
}

async fn save_in(store: &Store, user: UserId, draft: &Draft, scope: Scope) -> u64 {
    let plan = |snapshot: &Snapshot| {
        let steps = domain::save(&snapshot.records, draft, scope, &context());
        Ok::<_, Error>(Plan::steps(steps.unwrap()))
    };
    store.mutate(user, Reads::leading([draft.id()], scope), now(), plan).await.unwrap()
}

async fn delete(store: &Store, user: UserId, id: EventId) -> u64 {
    delete_in(store, user, id, Scope::This).await
}

async fn delete_in(store: &Store, user: UserId, id: EventId, scope: Scope) -> u64 {
    let plan = |snapshot: &Snapshot| {
        let steps = domain::delete(&snapshot.records, id, scope, &context());
        Ok::<_, Error>(Plan::steps(steps.unwrap()))
    };
    store.mutate(user, Reads::leading([id], scope), now(), plan).await.unwrap()
}

fn ids(shown: &[Shown]) -> Vec<EventId> {
    shown.iter().map(|shown| shown.event.id).collect()
}

#[tokio::test]
async fn a_window_finds_short_long_all_day_and_someday_events_where_they_are() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table, seam());
    let user = user_in(&table).await;
    for draft in [
        draft(1, "2026-11-20T09:00:00Z", "2026-11-20T10:00:00Z", false),
        draft(2, "2026-11-20T21:00:00-08:00", "2026-11-20T22:00:00-08:00", false),
        draft(3, "2026-11-01", "2026-12-01", false),
        draft(4, "2026-11-20", "2026-11-21", false),
        draft(5, "2026-11-25T09:00:00Z", "2026-11-25T10:00:00Z", false),
        draft(6, "2026-11-16", "2026-11-22", true),
        draft(7, "2026-10-01T09:00:00Z", "2026-10-03T10:00:00Z", false),
    ] {
        save(&store, user, &draft).await;
    }
    let day = Window::from_query("2026-11-20T00:00:00Z", "2026-11-20T23:59:59Z").unwrap();
    let (grid, bill) = seam::measured(store.list(user, Shelf::Grid, Some(&day))).await;
    assert_eq!(ids(&grid.unwrap()), [id(3), id(4), id(1), id(2)]);
    assert_eq!(bill.store_rounds, 1, "a list is one round of parallel queries");
    let month = Window::from_query("2026-10-31T23:59:59-08:00", "2026-11-30T23:59:59-08:00").unwrap();
    assert_eq!(ids(&store.list(user, Shelf::Someday, Some(&month)).await.unwrap()), [id(6)]);
    assert_eq!(store.list(user, Shelf::Grid, None).await.unwrap().len(), 6);
}

#[tokio::test]
async fn revs_are_gap_free_and_a_write_is_two_round_trips() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table, seam());
    let user = user_in(&table).await;
    for rev in 1..=3 {
        let lunch = draft(1, &format!("2026-11-20T0{rev}:00:00Z"), "2026-11-20T10:00:00Z", false);
        let (written, bill) = seam::measured(save(&store, user, &lunch)).await;
        assert_eq!((written, bill.store_rounds), (rev, 2));
    }
    let lunch = draft(1, "2026-11-20T03:00:00Z", "2026-11-20T10:00:00Z", false);
    assert_eq!(save(&store, user, &lunch).await, 3, "saving what is there already writes nothing");
    assert_eq!(delete(&store, user, id(1)).await, 4);
    assert_eq!(delete(&store, user, id(1)).await, 4, "deleting what is gone writes nothing");
    assert_eq!(store.list(user, Shelf::Grid, None).await.unwrap(), []);
    let changes = store.changes(user, 0).await.unwrap();
    assert_eq!((changes.upto, changes.views), (4, Views { is_grid: true, is_someday: false }));
    assert_eq!(store.changes(user, 4).await.unwrap().views, Views::default());
}

#[tokio::test]
async fn writers_at_the_same_time_all_commit_and_share_no_rev() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table, seam());
    let user = user_in(&table).await;
    let writes =
        (1..=8).map(|n| {
            let store = store.clone();
            async move {
                save(&store, user, &draft(n, "2026-11-20T09:00:00Z", "2026-11-20T10:00:00Z", false)).await
            }
        });
    let revs: BTreeSet<u64> = futures_util::future::join_all(writes).await.into_iter().collect();
    assert_eq!(revs, (1..=8).collect());
    assert_eq!(store.list(user, Shelf::Grid, None).await.unwrap().len(), 8);
}

struct Nth {
    operation: &'static str,
    fault: Mutex<Option<Fault>>,
    calls: AtomicUsize,
}

impl Script for Nth {
    fn next(&self, _: Kind, operation: &'static str) -> Option<Fault> {
        if operation != self.operation {
            return None;
        }
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.fault.lock().unwrap().take()
    }
}

#[tokio::test]
async fn an_acknowledged_write_is_there_whatever_happens_to_its_call() {
    for fault in [Fault::FailBefore, Fault::FailAfter, Fault::Repeat, Fault::Delay(Duration::from_millis(20))]
    {
        let table = TestTable::start().await.unwrap();
        let user = user_in(&table).await;
        let script = Nth {
            operation: "TransactWriteItems",
            fault: Mutex::new(Some(fault)),
            calls: AtomicUsize::new(0),
        };
        let script = Arc::new(script);
        let store = store_on(&table, seam().with_script(script.clone()));
        let rev = save(&store, user, &draft(1, "2026-11-20T09:00:00Z", "2026-11-20T10:00:00Z", false)).await;
        assert!(script.calls.load(Ordering::SeqCst) >= 1);
        assert_eq!(store.list(user, Shelf::Grid, None).await.unwrap().len(), 1, "{fault:?}");
        assert_eq!(store.head(user).await.unwrap().seq, rev, "{fault:?}");
    }
}

#[tokio::test]
async fn a_dirty_event_is_clean_once_its_own_change_is_settled_and_not_before() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table, seam());
    let user = user_in(&table).await;
    let lunch = draft(1, "2026-11-20T09:00:00Z", "2026-11-20T10:00:00Z", false);
    save(&store, user, &lunch).await;
    let dirty = store.dirty(user, 10).await.unwrap();
    let link = Link {
        id: id(1).into(),
        etag: "\"1\"".into(),
        updated_at: None,
        base: dirty[0].event.shared(),
        raw: "{}".into(),
    };
    save(&store, user, &draft(1, "2026-11-20T11:00:00Z", "2026-11-20T12:00:00Z", false)).await;
    store.settle(user, &dirty[0], Some(&link), now()).await.unwrap();
    let still_dirty = store.dirty(user, 10).await.unwrap();
    assert_eq!((still_dirty.len(), still_dirty[0].link.as_ref()), (1, Some(&link)));
    store.settle(user, &still_dirty[0], Some(&link), now()).await.unwrap();
    assert_eq!(store.dirty(user, 10).await.unwrap(), []);
    assert_eq!(
        store.changes(user, still_dirty[0].rev).await.unwrap().views,
        Views::default(),
        "no client can see it"
    );
    store.settle(user, &still_dirty[0], None, now()).await.unwrap();
    assert_eq!(store.record(user, id(1)).await.unwrap().unwrap().link, None);
    let mut purged = still_dirty[0].clone();
    purged.event.id = id(9);
    store.settle(user, &purged, None, now()).await.unwrap();
}

#[tokio::test]
async fn a_notice_is_part_of_the_log() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table, seam());
    let user = user_in(&table).await;
    let plan =
        |_: &Snapshot| Ok::<_, Error>(Plan::default().notice(Notice::ImportStarted).notice(Notice::Metadata));
    assert_eq!(store.mutate(user, &[], now(), plan).await.unwrap(), 2);
    let changes = store.changes(user, 0).await.unwrap();
    assert_eq!(changes.notices, [Notice::ImportStarted, Notice::Metadata]);
    assert_eq!(store.changes(user, 1).await.unwrap().notices, [Notice::Metadata]);
}

#[tokio::test]
async fn a_stranger_has_no_head_and_sees_nothing() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table, seam());
    let user = user_in(&table).await;
    save(&store, user, &draft(1, "2026-11-20T09:00:00Z", "2026-11-20T10:00:00Z", false)).await;
    let stranger = UserId::new([8; 12]);
    assert!(matches!(store.head(stranger).await, Err(Error::NoUser)));
    assert_eq!(store.record(stranger, id(1)).await.unwrap(), None);
    assert_eq!(store.list(stranger, Shelf::Grid, None).await.unwrap(), []);
}

#[tokio::test]
async fn a_tombstone_lives_its_time_however_old_the_event_was() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table, seam());
    let user = user_in(&table).await;
    save(&store, user, &draft(1, "2026-11-20T09:00:00Z", "2026-11-20T10:00:00Z", false)).await;
    // As a deletion that comes from Google: nobody edited the event for years.
    let much_later = now() + chrono::TimeDelta::days(1000);
    let plan = |snapshot: &Snapshot| {
        Ok::<_, Error>(Plan::of(snapshot.record(id(1)).map(|record| domain::Change::delete(record, false))))
    };
    store.mutate(user, &[id(1)], much_later, plan).await.unwrap();
    let expires_at = expiry(&table, user).await;
    assert_eq!(expires_at, Some((much_later + chrono::TimeDelta::days(30)).timestamp()));
}

/// When the table may forget event 1.
async fn expiry(table: &TestTable, user: UserId) -> Option<i64> {
    let item = table.client.get_item().table_name(&table.table_name);
    let item = item
        .key("pk", AttributeValue::S(format!("U#{user}")))
        .key("sk", AttributeValue::S(format!("E#{}", id(1))));
    item.send().await.unwrap().item.unwrap().get("expires_at").map(|at| at.as_n().unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_deletion_that_google_does_not_know_of_is_not_forgotten() {
    let table = TestTable::start().await.unwrap();
    let store = store_on(&table, seam());
    let user = user_in(&table).await;
    save(&store, user, &draft(1, "2026-11-20T09:00:00Z", "2026-11-20T10:00:00Z", false)).await;
    delete(&store, user, id(1)).await;
    assert_eq!(expiry(&table, user).await, None);
    // As when access is given back after months.
    let much_later = now() + chrono::TimeDelta::days(200);
    let [tombstone] = store.dirty(user, 10).await.unwrap().try_into().unwrap();
    store.settle(user, &tombstone, None, much_later).await.unwrap();
    assert_eq!(expiry(&table, user).await, Some((much_later + chrono::TimeDelta::days(30)).timestamp()));
    assert_eq!(store.dirty(user, 10).await.unwrap(), []);
}

/// Waits until the call has come that a script holds up, then does what somebody else does meanwhile.
async fn meanwhile<T>(script: &Nth, call: usize, work: impl Future<Output = T>) -> T {
    let come = async {
        while script.calls.load(Ordering::SeqCst) < call {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), come).await.unwrap();
    work.await
}

fn held_up(operation: &'static str) -> Arc<Nth> {
    let fault = Mutex::new(Some(Fault::Delay(Duration::from_millis(300))));
    Arc::new(Nth { operation, fault, calls: AtomicUsize::new(0) })
}

#[tokio::test]
async fn a_plan_made_from_an_older_event_than_its_head_is_made_anew() {
    let table = TestTable::start().await.unwrap();
    let user = user_in(&table).await;
    let lunch = draft(1, "2026-11-20T09:00:00Z", "2026-11-20T10:00:00Z", false);
    save(&store_on(&table, seam()), user, &lunch).await;
    let script = held_up("TransactWriteItems");
    let store = store_on(&table, seam().with_script(script.clone()));
    let seen = Mutex::new(Vec::new());
    let plan = |snapshot: &Snapshot| {
        let record = snapshot.record(id(1)).unwrap();
        seen.lock().unwrap().push(record.rev);
        Ok::<_, Error>(Plan::of([domain::Change::delete(record, false)]))
    };
    // What a batch read across a commit looks like: the event's rev moves on and `HEAD`, as it was read, does not.
    let move_on = table.client.update_item().table_name(&table.table_name);
    let move_on = move_on
        .key("pk", AttributeValue::S(format!("U#{user}")))
        .key("sk", AttributeValue::S(format!("E#{}", id(1))))
        .update_expression("SET #rev = :rev")
        .expression_attribute_names("#rev", "rev")
        .expression_attribute_values(":rev", AttributeValue::N("2".into()));
    let ids = [id(1)];
    let (written, moved) =
        tokio::join!(store.mutate(user, &ids, now(), plan), meanwhile(&script, 1, move_on.send()));
    moved.unwrap();
    written.unwrap();
    assert_eq!(*seen.lock().unwrap(), [1, 2]);
}

#[tokio::test]
async fn a_reader_that_meets_half_of_a_transaction_is_told_of_the_other_half() {
    let table = TestTable::start().await.unwrap();
    let user = user_in(&table).await;
    let put = |sk: &str, rev: u64, grid_rev: u64| {
        let (pk, number) = (format!("U#{user}"), |n: u64| AttributeValue::N(n.to_string()));
        let put = table.client.put_item().table_name(&table.table_name);
        put.item("pk", AttributeValue::S(pk))
            .item("sk", AttributeValue::S(sk.into()))
            .item("rev", number(rev))
            .item("grid_rev", number(grid_rev))
    };
    // The transaction of the revs 1 and 2, met while only its second half can be seen.
    put("N#2", 2, 0).send().await.unwrap();
    struct Second(AtomicUsize, Arc<Nth>);
    impl Script for Second {
        fn next(&self, kind: Kind, operation: &'static str) -> Option<Fault> {
            (self.0.fetch_add(1, Ordering::SeqCst) == 1).then(|| self.1.next(kind, operation)).flatten()
        }
    }
    let held = held_up("Query");
    let script = Arc::new(Second(AtomicUsize::new(0), held.clone()));
    let store = store_on(&table, seam().with_script(script));
    let later = async {
        put("E#1", 1, 1).send().await.unwrap();
        put("E#3", 3, 3).send().await.unwrap();
    };
    let (changes, ()) = tokio::join!(store.changes(user, 0), meanwhile(&held, 1, later));
    let changes = changes.unwrap();
    assert!(changes.views.is_grid);
    assert_eq!(changes.upto, 2, "what came later is told later");
}
