//! The batch handler with a real queue: what fails comes back, soon, and alone.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail by panicking, like the tests")]

mod bursts;
mod world;

use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::TimeDelta;
use domain::Job;
use store::Breaker;
use sync_worker_function::handle;

use world::{ANA, BEN, World};

#[tokio::test]
async fn jobs_of_users_who_are_gone_or_not_connected_are_nothing_to_do() {
    let world = World::start().await;
    world.send(&Job::Pull { user: ANA }, "1").await;
    world.send(&Job::Import { user: BEN, is_repair: true }, "2").await;
    let messages = world.receive().await;
    assert_eq!(messages.len(), 2);
    assert!(handle(&world.worker, messages).await.is_empty());
}

#[tokio::test]
async fn what_failed_for_a_passing_reason_comes_back_soon_with_all_that_waits_behind_it() {
    let world = World::start().await;
    world.send(&Job::Pull { user: ANA }, "1").await;
    world.send(&Job::Push { user: ANA }, "2").await;
    world.outage.store.store(true, Ordering::SeqCst);
    let messages = world.receive().await;
    let ids: Vec<String> = messages.iter().map(|message| message.id.clone()).collect();
    assert_eq!(handle(&world.worker, messages).await, ids);
    assert!(world.receive().await.is_empty());
    world.clock.advance(Duration::from_secs(8));
    let again = world.receive().await;
    assert_eq!(again.iter().map(|message| message.id.clone()).collect::<Vec<_>>(), ids);
    assert!(again.iter().all(|message| message.receive_count == 2));
    world.outage.store.store(false, Ordering::SeqCst);
    assert!(handle(&world.worker, again).await.is_empty());
}

#[tokio::test]
async fn a_job_that_only_waits_is_never_given_up_and_asks_no_more_often_than_it_must() {
    let world = World::start().await;
    world.connect_ana().await;
    let until = world.worker.sync.clock.now() + TimeDelta::hours(1);
    let refused = Breaker { reason: "dailyLimitExceeded".into(), trips: 1, until };
    world.worker.sync.store.open_breaker(&refused).await.unwrap();
    world.send(&Job::Pull { user: ANA }, "1").await;
    world.send(&Job::Push { user: ANA }, "2").await;
    let mut received = Vec::new();
    for _ in 0..11 {
        let counts = world.work().await;
        assert_eq!(counts.len(), 2, "both jobs are there: {received:?}");
        received.push(counts[0]);
        if counts[0] < 5 {
            assert!(world.receive().await.is_empty(), "not at once");
            world.clock.advance(Duration::from_secs(600));
            assert!(world.receive().await.is_empty(), "not before the quarter of an hour");
        }
        world.clock.advance(Duration::from_secs(600));
    }
    assert_eq!(received, [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1], "fresh messages take their place in time");
}

#[test]
fn the_samples_are_jobs() {
    for sample in [
        include_str!("../../../../events/sync-worker.jobs.json"),
        include_str!("../../../../events/sync-worker.jobs-renew-watch.json"),
    ] {
        let event: serde_json::Value = serde_json::from_str(sample).unwrap();
        for record in event["Records"].as_array().unwrap() {
            serde_json::from_str::<Job>(record["body"].as_str().unwrap()).unwrap();
        }
    }
}
