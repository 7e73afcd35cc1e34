//! What is due becomes a job, once, whatever else happens.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Job, UserId};
use seam::{Fault, Kind};
use store::{Due, Plan, SHARDS, Snapshot};
use sync::due::Schedule;

use crate::world::{EMAIL, World};

impl World {
    fn schedule(&self, due: Due) -> Schedule {
        let (store, queue, clock) = (self.store.clone(), self.sync.queue.clone(), self.clock.clone());
        Schedule { due, store, queue, clock }
    }

    async fn enqueue(&self, due: Due) -> u32 {
        self.schedule(due).enqueue_due().await.unwrap()
    }

    /// Has the watches of people be due at a time.
    async fn renew_at(&self, at: DateTime<Utc>, people: &[UserId]) {
        let plan = |_: &Snapshot| -> Result<Plan, store::Error> {
            let mut plan = Plan::default();
            for person in people {
                plan.schedule(&self.store, Due::Renewal, *person, at)?;
            }
            Ok(plan)
        };
        self.store.mutate(self.user, &[], self.clock.now(), plan).await.unwrap();
    }
}

fn person(n: u8) -> UserId {
    UserId::new([n; 12])
}

#[tokio::test]
async fn a_watched_calendar_is_asked_after_an_hour_of_silence() {
    let world = World::watched().await;
    world.import().await;
    world.pass(TimeDelta::minutes(59));
    assert_eq!(world.enqueue(Due::Poll).await, 0);
    world.pass(TimeDelta::minutes(2));
    assert_eq!(world.enqueue(Due::Poll).await, 1);
    assert_eq!(world.jobs(), [Job::Poll { user: world.user }]);
    assert_eq!(world.enqueue(Due::Poll).await, 0, "it is claimed");
    world.pass(TimeDelta::minutes(61));
    assert_eq!(world.enqueue(Due::Poll).await, 1, "nothing was heard of it since");
}

#[tokio::test]
async fn what_was_heard_of_a_calendar_puts_its_poll_off() {
    let world = World::watched().await;
    world.import().await;
    world.pass(TimeDelta::minutes(50));
    world.google_event("Lunch");
    world.pull().await;
    world.pass(TimeDelta::minutes(50));
    assert_eq!(world.enqueue(Due::Poll).await, 0);
    world.pass(TimeDelta::minutes(11));
    assert_eq!(world.enqueue(Due::Poll).await, 1);
}

#[tokio::test]
async fn a_calendar_that_cannot_be_watched_is_asked_every_five_minutes() {
    let world = World::watched().await;
    world.google.set_pushing(EMAIL, false).unwrap();
    world.import().await;
    for _ in 0..3 {
        assert_eq!(world.enqueue(Due::Poll).await, 0);
        world.pass(TimeDelta::minutes(6));
        assert_eq!(world.enqueue(Due::Poll).await, 1);
    }
}

#[tokio::test]
async fn a_calendar_whose_watch_has_ended_unrenewed_is_asked_every_five_minutes() {
    let world = World::watched().await;
    world.import().await;
    world.pass(TimeDelta::days(8));
    assert_eq!(world.enqueue(Due::Poll).await, 1);
    world.pass(TimeDelta::minutes(6));
    assert_eq!(world.enqueue(Due::Poll).await, 1);
}

#[tokio::test]
async fn nobody_is_asked_for_who_has_left() {
    let world = World::connected().await;
    world.import().await;
    world.pass(TimeDelta::minutes(6));
    assert_eq!(world.enqueue(Due::Poll).await, 1);
    world.pass(TimeDelta::minutes(6));
    world.google.revoke_grants(EMAIL);
    world.google.expire_access_tokens(EMAIL);
    world.pull().await;
    assert_eq!(world.enqueue(Due::Poll).await, 0);
    // A row that was left behind, of somebody whose access was withdrawn and of somebody who is gone.
    let plan = |_: &Snapshot| -> Result<Plan, store::Error> {
        let mut plan = Plan::default();
        plan.schedule(&world.store, Due::Poll, world.user, world.clock.now())?;
        plan.schedule(&world.store, Due::Poll, person(9), world.clock.now())?;
        Ok(plan)
    };
    world.store.mutate(world.user, &[], world.clock.now(), plan).await.unwrap();
    assert_eq!(world.enqueue(Due::Poll).await, 0);
    for shard in 0..SHARDS {
        let left = world.store.due(Due::Poll, shard, world.clock.now(), 10).await.unwrap();
        assert_eq!(left, [], "and the row is gone");
    }
}

#[tokio::test]
async fn a_watch_is_renewed_by_the_job_of_its_first_due_date() {
    let world = World::watched().await;
    world.import().await;
    let first = world.channels();
    assert_eq!(world.enqueue(Due::Renewal).await, 0);
    world.pass(TimeDelta::days(5));
    let end = world.clock.now() + TimeDelta::days(2);
    while world.enqueue(Due::Renewal).await == 0 {
        world.pass(TimeDelta::minutes(20));
        assert!(world.clock.now() < end, "it is due before its end");
    }
    assert_eq!(world.jobs(), [Job::RenewWatch { user: world.user }]);
    world.run(&Job::RenewWatch { user: world.user }).await.unwrap();
    let second = world.channels();
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first, second);
    world.pass(TimeDelta::days(5));
    assert_eq!(world.enqueue(Due::Renewal).await, 0, "the new one has a date of its own");
}

#[tokio::test]
async fn everybody_is_found_in_whichever_shard() {
    let world = World::connected().await;
    let people: Vec<UserId> = (100..140).map(person).collect();
    world.renew_at(world.clock.now(), &people).await;
    assert_eq!(world.enqueue(Due::Renewal).await, 40);
    let mut found: Vec<UserId> = world.jobs().iter().map(Job::user).collect();
    found.sort_unstable();
    assert_eq!(found, people);
}

#[tokio::test]
async fn of_two_runs_at_once_one_enqueues_each() {
    let world = World::connected().await;
    let people: Vec<UserId> = (100..120).map(person).collect();
    world.renew_at(world.clock.now(), &people).await;
    let (one, other) = tokio::join!(world.enqueue(Due::Renewal), world.enqueue(Due::Renewal));
    assert_eq!((one + other, world.jobs().len()), (20, 20));
}

#[tokio::test]
async fn a_job_that_cannot_be_enqueued_holds_up_no_other_and_is_due_again() {
    let world = World::connected().await;
    // In one shard, so that they come one after the other.
    let people = [person(16), person(32), person(48)];
    world.renew_at(world.clock.now(), &people).await;
    world.fail(Kind::Queue, "SendMessage", Fault::FailBefore);
    world.schedule(Due::Renewal).enqueue_due().await.unwrap_err();
    assert_eq!(world.jobs().len(), 2);
    assert_eq!(world.enqueue(Due::Renewal).await, 0);
    world.pass(TimeDelta::minutes(61));
    assert_eq!(world.enqueue(Due::Renewal).await, 3);
}
