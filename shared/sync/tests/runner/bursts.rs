//! Many notifications at once: which of them have something left to say, and what becomes of the others.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::Job;
use fake_google::{Fault as GoogleFault, Paging};
use http::StatusCode;
use sync::{Delivery, Effort, Error, Pause};

use crate::deeds::id;
use crate::model::luck::Stroke;
use crate::model::step::Luck;
use crate::world::World;

const INSERT: &str = "calendar.events.insert";
const LIST: &str = "calendar.events.list";

/// A notification that is handed out for the first time, so many milliseconds from now. The queue's clock is the world's.
fn told(world: &World, sent: i64, received: i64) -> Delivery {
    let at = |millis| world.clock.now() + TimeDelta::milliseconds(millis);
    Delivery { sent_at: at(sent), received_at: at(received), is_repeated: false }
}

/// The same notification, handed out once more.
fn again(delivery: Delivery) -> Delivery {
    Delivery { is_repeated: true, ..delivery }
}

async fn hear(world: &World, delivery: Delivery) -> Result<(), Error> {
    let job = Job::Pull { user: world.user };
    world.sync.deliver(&job, Some(delivery), world.effort(false)).await
}

/// For how long it waits.
fn wait(outcome: Result<(), Error>) -> Duration {
    let wait = match &outcome {
        Err(Error::Later { why: Pause::Gathering, wait }) => Some(*wait),
        _ => None,
    };
    assert!(wait.is_some(), "it waits: {outcome:?}");
    wait.unwrap_or_default()
}

async fn pulled_from(world: &World) -> Option<DateTime<Utc>> {
    world.store.google(world.user).await.unwrap().unwrap().pulled_from
}

async fn imported() -> World {
    let world = World::connected().await;
    world.import().await;
    world.google.clear_journal();
    world
}

#[tokio::test]
async fn a_notification_that_was_sent_before_a_reading_began_costs_no_call_and_changes_nothing() {
    let world = imported().await;
    world.google_event("Lunch");
    let first = told(&world, 0, 600);
    hear(&world, first).await.unwrap();
    assert_eq!((world.calls("*"), world.titles().await), (1, vec!["Lunch".to_owned()]));
    let before = (world.seq().await, world.store.google(world.user).await.unwrap());
    for covered in [told(&world, -3_000, 700), told(&world, 50, 700), again(told(&world, 100, 90_000))] {
        hear(&world, covered).await.unwrap();
    }
    assert_eq!(world.calls("*"), 1, "Google is not asked");
    assert_eq!((world.seq().await, world.store.google(world.user).await.unwrap()), before);
}

#[tokio::test]
async fn what_is_told_while_a_reading_is_under_way_is_read_once_more_and_only_once() {
    let world = imported().await;
    for n in 0..5 {
        world.google_event(&format!("event {n}"));
    }
    world.google.set_paging(Paging { at_most: Some(2), ..Paging::default() });
    let first = told(&world, 0, 10);
    let told_of_it = told(&world, 1_020, 1_060);
    let meanwhile = async {
        while world.calls(LIST) == 0 {
            tokio::task::yield_now().await;
        }
        // A second later.
        world.google_event("meanwhile");
    };
    let (outcome, ()) = tokio::join!(hear(&world, first), meanwhile);
    outcome.unwrap();
    world.google.set_paging(Paging::default());

    world.google.clear_journal();
    let wait = wait(hear(&world, told_of_it).await);
    assert_eq!(wait, Duration::from_secs(1), "until two seconds after the reading began");
    assert_eq!(world.calls("*"), 0);
    // It comes again, and with it what was sent since.
    world.pass(TimeDelta::from_std(wait).unwrap());
    let together = again(Delivery { received_at: world.clock.now(), ..told_of_it });
    hear(&world, together).await.unwrap();
    assert_eq!(world.calls(LIST), 1);
    assert_eq!(world.titles().await, world.titles_at_google());
    // What is left behind it has nothing to add.
    hear(&world, Delivery { is_repeated: false, ..together }).await.unwrap();
    assert_eq!(world.calls(LIST), 1);
}

#[tokio::test]
async fn a_message_that_comes_again_is_not_kept_waiting_again() {
    let world = imported().await;
    hear(&world, told(&world, 0, 10)).await.unwrap();
    let late = told(&world, 100, 1_500);
    assert_eq!(wait(hear(&world, late).await), Duration::from_secs(1));
    world.google_event("Lunch");
    hear(&world, again(late)).await.unwrap();
    assert_eq!(world.titles().await, ["Lunch"]);
    let at_leisure = told(&world, 60_000, 60_010);
    hear(&world, at_leisure).await.unwrap();
    assert_eq!(world.calls(LIST), 3);
    assert_eq!(pulled_from(&world).await, Some(at_leisure.received_at));
}

/// Dies at each of its calls. What was sent before it is handed out afterwards, and nobody polls.
#[tokio::test]
async fn a_worker_that_dies_between_the_reading_and_the_note_of_it_loses_no_notification() {
    let mut noted = 0;
    for is_after in [false, true] {
        for call in 0.. {
            let stroke = Stroke::new();
            let world = World::start(None, stroke.clone()).await;
            world.import().await;
            world.save(id(1), "Ours").await;
            for n in 0..3 {
                world.google_event(&format!("event {n}"));
            }
            world.google.set_paging(Paging { at_most: Some(2), ..Paging::default() });
            let (first, second) = (told(&world, 0, 1_000), told(&world, 100, 1_000));
            stroke.arm(Luck::Crash(call, is_after));
            tokio::select! {
                biased;
                () = stroke.death() => {}
                result = hear(&world, first) => drop(result),
            }
            let has_died = stroke.disarm();
            if pulled_from(&world).await.is_some() {
                assert_eq!(world.titles().await, world.titles_at_google(), "call {call}: noted too early");
                noted += u32::from(has_died);
            }
            hear(&world, again(second)).await.unwrap();
            assert_eq!(world.titles().await.len(), 4, "call {call}");
            assert_eq!(world.titles().await, world.titles_at_google(), "call {call}");
            hear(&world, again(first)).await.unwrap();
            assert_eq!(world.titles().await, world.titles_at_google(), "call {call}");
            if !has_died {
                break;
            }
        }
    }
    assert_eq!(noted, 1, "it has died when everything was done and noted, and not told so");
}

#[tokio::test]
async fn a_reading_that_goes_on_where_another_ended_is_no_reading_of_what_was_told_before_it() {
    let world = imported().await;
    for n in 0..5 {
        world.google_event(&format!("event {n}"));
    }
    world.google.set_paging(Paging { at_most: Some(2), ..Paging::default() });
    let hurried = Effort { until: world.clock.now(), ..world.effort(false) };
    let first = told(&world, 0, 1_000);
    world.sync.deliver(&Job::Pull { user: world.user }, Some(first), hurried).await.unwrap();
    assert_eq!(world.take_jobs(), [Job::Pull { user: world.user }], "the rest");
    assert_eq!(pulled_from(&world).await, None, "it has not come to its end");
    hear(&world, told(&world, 1_000, 2_000)).await.unwrap();
    assert_eq!(world.titles().await.len(), 5);
    assert_eq!(pulled_from(&world).await, None, "it began before that message came");
    let whole = told(&world, 2_000, 3_000);
    hear(&world, whole).await.unwrap();
    assert_eq!(pulled_from(&world).await, Some(whole.received_at));
}

#[tokio::test]
async fn only_a_reading_of_all_calendars_after_which_nothing_is_left_to_send_is_noted() {
    let world = World::connected().await;
    world.google_event("Lunch");
    world.google_event("Dinner");
    world.google.set_paging(Paging { at_most: Some(1), ..Paging::default() });
    let hurried = Effort { until: world.clock.now(), ..world.effort(false) };
    world.sync.run(&Job::Import { user: world.user, is_repair: false }, hurried).await.unwrap();
    world.google.clear_journal();
    hear(&world, told(&world, 0, 10)).await.unwrap();
    assert_eq!(pulled_from(&world).await, None, "an import has begun to read the calendar");
    assert_eq!(world.calls(LIST), 0);
    world.import().await;

    world.save(id(1), "Ours").await;
    world.google.inject(GoogleFault::refuse(INSERT, StatusCode::SERVICE_UNAVAILABLE, "backendError"));
    hear(&world, told(&world, 0, 10)).await.unwrap_err();
    assert_eq!(pulled_from(&world).await, None, "an edit is not there yet");
    hear(&world, again(told(&world, 0, 10))).await.unwrap();
    let noted = pulled_from(&world).await;
    assert!(noted.is_some());
    assert_eq!(world.titles_at_google(), ["Dinner", "Lunch", "Ours"]);

    world.pass(TimeDelta::seconds(10));
    world.google.inject(GoogleFault::invalid_sync_token());
    hear(&world, told(&world, 0, 10)).await.unwrap();
    assert_eq!(pulled_from(&world).await, noted, "a repair has to read it");
    hear(&world, told(&world, 0, 10)).await.unwrap();
    world.repair().await;
    assert_eq!(world.titles().await, world.titles_at_google());
}

#[tokio::test]
async fn jobs_that_nobody_was_told_of_neither_wait_nor_note_anything() {
    let world = imported().await;
    let user = world.user;
    hear(&world, told(&world, 0, 1_000)).await.unwrap();
    let noted = pulled_from(&world).await;
    for job in [Job::Poll { user }, Job::Push { user }, Job::RenewWatch { user }] {
        world.google.clear_journal();
        let delivery = Some(told(&world, 0, 1_100));
        world.sync.deliver(&job, delivery, world.effort(false)).await.unwrap();
        assert_eq!(world.calls(LIST), usize::from(!matches!(job, Job::Push { .. })), "{job:?}");
        assert_eq!(pulled_from(&world).await, noted, "{job:?}");
    }
}
