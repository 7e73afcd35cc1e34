//! The user ends the connection: at any point of an import, while Google is out of order, and for a while only.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use domain::{ConnectionState, GoogleStatus, Job, Notice};
use fake_google::{Fault as GoogleFault, Paging};
use http::StatusCode;
use seam::{Fault, Kind, Script};
use serde_json::json;
use store::{Due, Error, Plan, SHARDS, Snapshot};
use sync::due::{SILENCE, Schedule};
use tokio::sync::Notify;

use crate::deeds::id;
use crate::world::{EMAIL, World};

const REVOKE: &str = "oauth.revoke";
const STOP: &str = "calendar.channels.stop";
const ADDRESS: &str = "http://127.0.0.1:9/";

/// Holds a worker up before one of its calls, so that somebody else can do something first.
#[derive(Default)]
struct Gate {
    /// How many calls pass before that; none when all do.
    left: Mutex<Option<usize>>,
    reached: Notify,
}

impl Script for Gate {
    fn next(&self, _: Kind, _: &'static str) -> Option<Fault> {
        let mut left = self.left.lock().unwrap();
        let is_here = *left == Some(0);
        *left = left.and_then(|left| left.checked_sub(1));
        is_here.then(|| {
            self.reached.notify_one();
            Fault::Delay(Duration::from_millis(1))
        })
    }
}

impl World {
    /// As the disconnect route does it.
    pub async fn disconnect(&self) {
        let (user, now) = (self.user, self.clock.now());
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            let mut plan = Plan::default();
            plan.google = snapshot.head.google.as_ref().map(GoogleStatus::disconnected);
            plan.notices.extend([Notice::Metadata, Notice::Wanted(Job::Disconnect { user })]);
            plan.schedule(&self.store, Due::Poll, user, now + SILENCE)?;
            Ok(plan)
        };
        self.store.mutate(user, &[], now, plan).await.unwrap();
    }

    async fn state(&self) -> ConnectionState {
        let head = self.store.head(self.user).await.unwrap();
        GoogleStatus::state(head.google.as_ref(), self.clock.now())
    }

    async fn is_permission_kept(&self) -> bool {
        self.store.google(self.user).await.unwrap().is_some()
    }

    async fn take_leave(&self) {
        self.run(&Job::Disconnect { user: self.user }).await.unwrap();
    }

    /// Whatever else may still be in the queue is done, and asks Google nothing.
    async fn assert_silent(&self) {
        let calls = self.google.journal().len();
        let user = self.user;
        for job in [
            Job::Import { user, is_repair: false },
            Job::Import { user, is_repair: true },
            Job::Pull { user },
            Job::Push { user },
            Job::Poll { user },
            Job::RenewWatch { user },
        ] {
            self.run(&job).await.unwrap();
        }
        assert_eq!(self.google.journal().len(), calls);
    }

    /// The dates that are left of a user's.
    async fn dates(&self) -> usize {
        let mut dates = 0;
        for due in [Due::Poll, Due::Renewal] {
            for shard in 0..SHARDS {
                dates += self.store.due(due, shard, self.clock.now(), 10).await.unwrap().len();
            }
        }
        dates
    }
}

/// Scenario 95. Before each call of an import the user disconnects, and the import goes on to that call as if it did not know.
#[tokio::test]
async fn a_user_who_disconnects_at_any_point_of_an_import_is_left_alone_on_both_sides() {
    for call in 0.. {
        let gate = Arc::new(Gate::default());
        let world = World::start(Some(ADDRESS), gate.clone()).await;
        world.save(id(1), "Ours").await;
        for n in 0..5 {
            world.google_event(&format!("event {n}"));
        }
        world.google.set_paging(Paging { at_most: Some(2), ..Paging::default() });
        world.google.clear_journal();
        let job = Job::Import { user: world.user, is_repair: false };
        *gate.left.lock().unwrap() = Some(call);
        let mut import = Box::pin(world.run(&job));
        let is_met = tokio::select! {
            biased;
            () = gate.reached.notified() => true,
            outcome = &mut import => {
                outcome.unwrap();
                false
            }
        };
        if !is_met {
            assert!(call > 40, "an import makes more calls than {call}");
            break;
        }
        world.disconnect().await;
        let (seq, titles) = (world.seq().await, world.titles().await);
        import.await.unwrap();
        assert_eq!(
            (world.seq().await, world.titles().await, world.writes()),
            (seq, titles.clone(), 0),
            "call {call}"
        );
        assert_eq!(world.state().await, ConnectionState::NotConnected, "call {call}");
        world.assert_silent().await;

        world.take_leave().await;
        assert!(world.google.channels().is_empty(), "call {call}");
        assert_eq!((world.calls(REVOKE), world.is_permission_kept().await), (1, false), "call {call}");
        world.take_leave().await;
        world.assert_silent().await;
        assert_eq!((world.titles().await, world.writes()), (titles, 0), "call {call}");

        world.connect().await;
        world.import().await;
        world.push().await;
        let all = ["Ours", "event 0", "event 1", "event 2", "event 3", "event 4"];
        assert_eq!(
            (world.titles().await, world.titles_at_google()),
            (all.map(str::to_owned).to_vec(), all.map(str::to_owned).to_vec())
        );
    }
}

/// A write that has left cannot be called back. There is none after it, and the other side's answer to it, which nobody has noted, doubles nothing.
#[tokio::test]
async fn a_user_who_disconnects_at_any_point_of_a_push_is_followed_by_the_write_that_is_under_way_at_most() {
    let mut followed = BTreeSet::new();
    for call in 0.. {
        let gate = Arc::new(Gate::default());
        let world = World::start(None, gate.clone()).await;
        world.import().await;
        world.save(id(1), "Ours").await;
        world.save(id(2), "Ours, too").await;
        let job = Job::Push { user: world.user };
        *gate.left.lock().unwrap() = Some(call);
        let mut push = Box::pin(world.run(&job));
        let is_met = tokio::select! {
            biased;
            () = gate.reached.notified() => true,
            outcome = &mut push => {
                outcome.unwrap();
                false
            }
        };
        if !is_met {
            break;
        }
        world.disconnect().await;
        world.google.clear_journal();
        push.await.unwrap();
        followed.insert(world.writes());
        world.take_leave().await;
        world.assert_silent().await;
        world.connect().await;
        world.import().await;
        world.push().await;
        assert_eq!(world.titles_at_google(), ["Ours", "Ours, too"], "call {call}");
        assert_eq!(world.titles().await, ["Ours", "Ours, too"], "call {call}");
    }
    assert_eq!(followed, BTreeSet::from([0, 1]));
}

#[tokio::test]
async fn what_both_sides_did_while_they_were_apart_comes_together_and_nothing_is_doubled() {
    let world = World::watched().await;
    let lunch = world.google_event("Lunch");
    let dinner = world.google_event("Dinner");
    world.import().await;
    world.save(id(1), "Ours").await;
    world.save(id(2), "Ours, too").await;
    world.push().await;
    world.disconnect().await;
    world.take_leave().await;
    assert_eq!(world.titles().await, ["Dinner", "Lunch", "Ours", "Ours, too"], "they stay");

    world.save(id(1), "Ours, edited").await;
    world.delete(id(2)).await;
    world.save(id(3), "New").await;
    world.edit_at_google(&lunch, json!({"summary": "Late lunch"}));
    world.google.delete_event(EMAIL, "primary", &dinner).unwrap();
    world.google_event("Theirs, new");
    world.assert_silent().await;

    world.connect().await;
    world.import().await;
    world.push().await;
    let all = ["Late lunch", "New", "Ours, edited", "Theirs, new"];
    assert_eq!(world.titles().await, all);
    assert_eq!(world.titles_at_google(), all);
    assert!(world.store.issues(world.user).await.unwrap().is_empty());
    assert_eq!(world.state().await, ConnectionState::Healthy);
    assert_eq!(world.google.channels().len(), 2, "of the calendar, and of the list");
}

#[tokio::test]
async fn what_google_does_not_hear_is_said_again_and_the_tokens_are_forgotten_in_any_case() {
    let refused = |operation| GoogleFault::refuse(operation, StatusCode::SERVICE_UNAVAILABLE, "backendError");
    for operation in [STOP, REVOKE] {
        let world = World::watched().await;
        world.import().await;
        world.disconnect().await;
        let job = Job::Disconnect { user: world.user };
        world.google.inject(refused(operation));
        assert!(world.run(&job).await.unwrap_err().is_retryable(), "{operation}");
        assert!(world.is_permission_kept().await, "{operation}");
        world.run(&job).await.unwrap();
        assert!(world.google.channels().is_empty());
        assert!(!world.is_permission_kept().await);
        assert_eq!(
            world.calls(STOP),
            if operation == STOP { 3 } else { 2 },
            "each once, but for the failed one"
        );

        let world = World::watched().await;
        world.import().await;
        world.disconnect().await;
        world.google.inject(refused(operation));
        world.run_last(&Job::Disconnect { user: world.user }).await.unwrap();
        assert!(!world.is_permission_kept().await, "{operation}");
        assert!(world.has_logged("Google could not be told that a connection has ended"));
    }
}

#[tokio::test]
async fn a_permission_that_google_has_withdrawn_before_is_forgotten_like_any_other() {
    let world = World::watched().await;
    world.import().await;
    world.google.revoke_grants(EMAIL);
    world.pull().await;
    assert_eq!(world.state().await, ConnectionState::ReconnectRequired);
    world.disconnect().await;
    world.take_leave().await;
    assert_eq!(
        (world.state().await, world.is_permission_kept().await),
        (ConnectionState::NotConnected, false)
    );
}

/// Google would take back the new consent together with the old one.
#[tokio::test]
async fn who_has_connected_anew_before_google_was_told_stays_connected() {
    let world = World::watched().await;
    world.google_event("Lunch");
    world.import().await;
    world.disconnect().await;
    world.connect().await;
    world.take_leave().await;
    assert_eq!(world.calls(REVOKE), 0);
    world.import().await;
    world.google_event("Dinner");
    world.pull().await;
    assert_eq!(world.titles().await, ["Dinner", "Lunch"]);
    assert_eq!(world.state().await, ConnectionState::Healthy);
}

#[tokio::test]
async fn a_leave_whose_message_was_lost_is_taken_when_the_sweep_comes_by() {
    let world = World::watched().await;
    world.import().await;
    world.disconnect().await;
    let (store, queue, clock) = (world.store.clone(), world.sync.queue.clone(), world.clock.clone());
    let sweep = Schedule { due: Due::Poll, store, queue, clock };
    assert_eq!(sweep.enqueue_due().await.unwrap(), 0, "the message has its time");
    world.pass(TimeDelta::hours(1));
    assert_eq!(sweep.enqueue_due().await.unwrap(), 1);
    let jobs = world.take_jobs();
    assert_eq!(jobs, [Job::Disconnect { user: world.user }]);
    world.run(&jobs[0]).await.unwrap();
    assert!(!world.is_permission_kept().await);
    world.pass(TimeDelta::days(8));
    assert_eq!((sweep.enqueue_due().await.unwrap(), world.dates().await), (0, 0), "and that is all");
}

#[tokio::test]
async fn a_user_who_is_gone_takes_no_leave() {
    let world = World::watched().await;
    world.import().await;
    world.disconnect().await;
    world.forget_user().await;
    world.google.clear_journal();
    world.take_leave().await;
    assert!(world.google.journal().is_empty());
}
