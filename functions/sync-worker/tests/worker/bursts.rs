//! Many notifications at once.

use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::TimeDelta;
use domain::Job;
use seam::Random;
use sync_worker_function::handle;

use crate::world::{ANA, World};

/// A burst: the first is read at once, the ten that come next leave one of them behind, and the rest has nothing left to say.
#[tokio::test]
async fn of_many_notifications_that_come_at_once_one_is_read_and_one_after_it() {
    let world = World::start().await;
    world.connect_ana().await;
    world.pulls(0..1).await;
    assert_eq!(world.work().await, [1]);
    let first = world.now();
    assert_eq!(world.pulled_from().await, Some(first));

    world.clock.advance(Duration::from_millis(100));
    world.pulls(1..20).await;
    assert_eq!(world.work().await, [1; 10]);
    assert_eq!(world.pulled_from().await, Some(first), "nothing is read so soon");
    world.clock.advance(Duration::from_millis(1_999));
    assert!(world.receive().await.is_empty(), "what is behind the one that waits waits with it");
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(
        world.work().await,
        [2, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        "one stands for ten, and is not kept again"
    );
    assert_eq!(world.pulled_from().await, Some(world.now()));
    assert!(world.receive().await.is_empty());
    assert_eq!(world.now() - first, TimeDelta::milliseconds(2_100));
}

#[tokio::test]
async fn what_has_been_read_since_it_was_sent_is_done_and_nothing_is_noted() {
    let world = World::start().await;
    world.connect_ana().await;
    world.pulls(0..12).await;
    world.clock.advance(Duration::from_millis(500));
    assert_eq!(world.work().await, [1; 10]);
    let noted = world.pulled_from().await;
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.work().await, [1; 2]);
    assert_eq!(world.pulled_from().await, noted);
}

/// An edit of the user's own is sent, although a notification waits before it.
#[tokio::test]
async fn a_push_behind_a_notification_that_waits_is_done() {
    let world = World::start().await;
    world.connect_ana().await;
    world.worker.sync.store.note_pull(ANA, world.now()).await.unwrap();
    world.pulls(0..1).await;
    world.send(&Job::Push { user: ANA }, "push").await;
    world.pulls(1..2).await;
    let messages = world.receive().await;
    let newest = messages[2].id.clone();
    assert_eq!(world.finish(messages).await, std::slice::from_ref(&newest), "all but one are done");
    assert!(world.receive().await.is_empty());
    world.clock.advance(Duration::from_secs(2));
    let again = world.receive().await;
    assert_eq!(again.iter().map(|message| &message.id).collect::<Vec<_>>(), [&newest]);
    assert!(world.finish(again).await.is_empty());
}

#[tokio::test]
async fn a_notification_that_the_queue_does_not_take_back_is_read_at_once() {
    let world = World::start().await;
    world.connect_ana().await;
    world.worker.sync.store.note_pull(ANA, world.now()).await.unwrap();
    world.clock.advance(Duration::from_millis(100));
    world.pulls(0..2).await;
    // The messages come to the function by another way.
    world.outage.queue.store(true, Ordering::SeqCst);
    let messages = world.receive().await;
    assert!(handle(&world.worker, messages).await.is_empty());
    assert_eq!(world.pulled_from().await, Some(world.now()));
}

/// What fails after it has waited is tried again like anything else.
#[tokio::test]
async fn a_notification_that_has_waited_and_fails_is_tried_again() {
    let world = World::start().await;
    world.connect_ana().await;
    world.worker.sync.store.note_pull(ANA, world.now()).await.unwrap();
    world.pulls(0..1).await;
    assert_eq!(world.work().await, [1]);
    world.clock.advance(Duration::from_secs(2));
    world.outage.store.store(true, Ordering::SeqCst);
    assert_eq!(world.work().await, [2]);
    world.outage.store.store(false, Ordering::SeqCst);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.work().await, [3]);
    assert!(world.receive().await.is_empty());
}

/// Notifications in any number, while nothing happens or while the worker is at work, and a store that fails at any call: whatever was sent, a reading
/// has begun since, and they are few.
#[tokio::test]
async fn no_notification_is_without_a_reading_that_began_after_it_was_sent() {
    let world = World::start().await;
    world.connect_ana().await;
    let random = Random::seeded(20_261_120);
    let (mut sent, mut read, mut failures) = (0, world.now(), 0);
    for round in 0..60 {
        let (begun, notes) = (world.now(), world.outage.notes.load(Ordering::SeqCst));
        let mut last_sent = begun;
        for _ in 0..=random.below(9) {
            let (many, pause) = (u32::try_from(random.below(14)).unwrap(), random.below(1_500));
            let send = async {
                for _ in 0..random.below(40) {
                    tokio::task::yield_now().await;
                }
                world.clock.advance(Duration::from_millis(pause));
                world.pulls(sent..sent + many).await;
            };
            let (now, before) = (world.now(), world.outage.notes.load(Ordering::SeqCst));
            let fails_at = if random.below(4) == 0 { random.below(6) } else { 0 };
            world.outage.store_fails_at.store(fails_at.try_into().unwrap(), Ordering::SeqCst);
            tokio::join!(world.work(), send);
            world.outage.store_fails_at.store(0, Ordering::SeqCst);
            failures += usize::from(world.outage.store.swap(false, Ordering::SeqCst));
            if world.outage.notes.load(Ordering::SeqCst) > before {
                read = now;
            }
            sent += many;
            last_sent = if many > 0 { world.now() } else { last_sent };
        }
        loop {
            world.clock.advance(Duration::from_secs(1));
            let (now, before) = (world.now(), world.outage.notes.load(Ordering::SeqCst));
            world.work().await;
            if world.outage.notes.load(Ordering::SeqCst) > before {
                read = now;
            }
            if world.is_done().await {
                break;
            }
        }
        assert!(last_sent == begun || read >= last_sent, "round {round}: {read} is before {last_sent}");
        let seconds = usize::try_from((world.now() - begun).num_seconds()).unwrap();
        let readings = world.outage.notes.load(Ordering::SeqCst) - notes;
        assert!(readings <= 2 + seconds, "round {round}: {readings} readings in {seconds} s");
    }
    assert!(sent > 1_000 && failures > 20, "{sent} notifications, {failures} failures");
}
