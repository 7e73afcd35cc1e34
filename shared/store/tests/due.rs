//! What is due, against a table made from the bundle's own template: found by its time, claimed by one.

#![expect(clippy::unwrap_used, reason = "a test ends with the first thing that is not as it should be")]

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::UserId;
use local::table::TestTable;
use seam::{Kind, Seam};
use store::{Due, DueRow, Error, NewUser, Plan, Profile, SHARDS, Store};

/// All in the first shard but the last one.
const ADA: UserId = UserId::new([16; 12]);
const BEN: UserId = UserId::new([32; 12]);
const CLEO: UserId = UserId::new([48; 12]);
const DORA: UserId = UserId::new([1; 12]);

fn now() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn minutes(n: i64) -> DateTime<Utc> {
    now() + TimeDelta::minutes(n)
}

struct World {
    store: Store,
    _table: TestTable,
}

impl World {
    async fn start() -> Self {
        let table = TestTable::start().await.unwrap();
        let seam = Seam::new(Kind::Store, Duration::from_secs(5));
        let store = Store::new(table.client.clone(), &table.table_name, seam);
        let new = NewUser {
            id: ADA,
            epoch: "epoch".into(),
            email: &"ada@example.com".parse().unwrap(),
            profile: Profile::default(),
            password_hash: None,
            google_sub: None,
            session: None,
        };
        store.create_user(new, now()).await.unwrap();
        Self { store, _table: table }
    }

    async fn schedule(&self, due: Due, dates: &[(UserId, DateTime<Utc>)]) {
        let plan = |_: &_| -> Result<Plan, Error> {
            let mut plan = Plan::default();
            for (user, at) in dates {
                plan.schedule(&self.store, due, *user, *at)?;
            }
            Ok(plan)
        };
        self.store.mutate(ADA, &[], now(), plan).await.unwrap();
    }

    async fn rows(&self, due: Due, at: DateTime<Utc>, limit: usize) -> Vec<DueRow> {
        self.store.due(due, 0, at, limit).await.unwrap()
    }

    async fn due(&self, due: Due, at: DateTime<Utc>) -> Vec<UserId> {
        self.rows(due, at, 10).await.iter().map(|row| row.user).collect()
    }
}

#[tokio::test]
async fn what_is_longest_overdue_comes_first_and_no_more_than_was_asked_for() {
    let world = World::start().await;
    world.schedule(Due::Poll, &[(ADA, minutes(-1)), (BEN, minutes(-3)), (CLEO, minutes(1))]).await;
    assert_eq!(world.due(Due::Poll, now()).await, [BEN, ADA]);
    assert_eq!(world.due(Due::Poll, minutes(1)).await, [BEN, ADA, CLEO]);
    let first: Vec<UserId> = world.rows(Due::Poll, now(), 1).await.iter().map(|row| row.user).collect();
    assert_eq!(first, [BEN]);
}

#[tokio::test]
async fn a_user_has_one_date_of_a_kind_and_the_last_one_counts() {
    let world = World::start().await;
    world.schedule(Due::Poll, &[(ADA, minutes(-1))]).await;
    world.schedule(Due::Renewal, &[(ADA, minutes(5))]).await;
    world.schedule(Due::Poll, &[(ADA, minutes(10))]).await;
    assert_eq!(world.due(Due::Poll, minutes(9)).await, []);
    assert_eq!(world.due(Due::Poll, minutes(10)).await, [ADA]);
    assert_eq!(world.due(Due::Renewal, minutes(4)).await, []);
    assert_eq!(world.due(Due::Renewal, minutes(5)).await, [ADA]);
}

#[tokio::test]
async fn of_two_who_claim_a_row_one_has_it_and_it_is_due_again_at_its_next_date() {
    let world = World::start().await;
    world.schedule(Due::Poll, &[(ADA, now())]).await;
    let rows = world.rows(Due::Poll, now(), 10).await;
    let claim = || world.store.claim(Due::Poll, &rows[0], minutes(60));
    let (one, other) = tokio::join!(claim(), claim());
    assert!(one.unwrap() != other.unwrap());
    assert_eq!(world.due(Due::Poll, minutes(59)).await, []);
    assert_eq!(world.due(Due::Poll, minutes(60)).await, [ADA]);
}

#[tokio::test]
async fn a_row_that_was_moved_or_taken_away_meanwhile_cannot_be_claimed() {
    let world = World::start().await;
    world.schedule(Due::Poll, &[(ADA, now()), (BEN, now())]).await;
    let rows = world.rows(Due::Poll, now(), 10).await;
    world.schedule(Due::Poll, &[(ADA, minutes(30))]).await;
    world.store.unschedule(Due::Poll, BEN).await.unwrap();
    for row in &rows {
        assert!(!world.store.claim(Due::Poll, row, minutes(60)).await.unwrap());
    }
    assert_eq!(world.due(Due::Poll, minutes(60)).await, [ADA], "and a claim brings nothing back");
    world.store.unschedule(Due::Poll, BEN).await.unwrap();
}

#[tokio::test]
async fn each_user_is_in_one_shard() {
    let world = World::start().await;
    let people = [ADA, BEN, CLEO, DORA];
    world.schedule(Due::Renewal, &people.map(|user| (user, now()))).await;
    let mut found = Vec::new();
    for shard in 0..SHARDS {
        let rows = world.store.due(Due::Renewal, shard, now(), 10).await.unwrap();
        found.extend(rows.iter().map(|row| (shard, row.user)));
    }
    found.sort_unstable();
    assert_eq!(found, [(0, ADA), (0, BEN), (0, CLEO), (1, DORA)]);
}
