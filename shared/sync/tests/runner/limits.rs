//! What a sync does when Google, or we ourselves, say that it is enough for now.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{ImportFlag, Job, Notice};
use fake_google::Fault as GoogleFault;
use futures_util::future::join_all;
use http::StatusCode;
use store::{Budget, IssueKind};
use sync::{Error, Pause};

use crate::deeds::id;
use crate::world::World;

const INSERT: &str = "calendar.events.insert";
const LIST: &str = "calendar.events.list";
const UPDATE: &str = "calendar.events.update";

/// Why and for how long a job has to wait.
fn wait(error: &Error) -> (Pause, TimeDelta) {
    let wait = match error {
        Error::Later { why, wait } => Some((*why, TimeDelta::from_std(*wait).unwrap())),
        _ => None,
    };
    wait.expect("the job only waits")
}

/// All but `left` of the calls of a minute are spent.
async fn spend_all_but(world: &World, left: u32) {
    let mut budget = world.store.budget(world.user).await.unwrap();
    budget.grants = vec![(world.clock.now().timestamp() / 10, 600 - left)];
    world.store.put_budget(world.user, &mut budget, world.clock.now()).await.unwrap();
}

async fn budget(world: &World) -> Budget {
    world.store.budget(world.user).await.unwrap()
}

/// Has the push wait as long as it wants to, again and again. Returns when it was told to wait, and how long.
async fn push_through(world: &World) -> Vec<(Pause, TimeDelta)> {
    let mut waits = Vec::new();
    while let Err(error) = world.try_push().await {
        waits.push(wait(&error));
        world.pass(wait(&error).1);
        assert!(waits.len() < 50, "{waits:?}");
    }
    waits
}

#[tokio::test]
async fn a_job_whose_calls_are_spent_hands_on_what_is_left_and_the_next_one_waits_its_turn() {
    let world = World::connected().await;
    world.import().await;
    for n in 1..=7 {
        world.save(id(n), &format!("event {n}")).await;
    }
    spend_all_but(&world, 4).await;
    world.google.clear_journal();
    world.push().await;
    assert_eq!((world.calls(INSERT), world.jobs().last()), (4, Some(&Job::Push { user: world.user })));
    let (why, time) = wait(&world.try_push().await.unwrap_err());
    assert_eq!(why, Pause::Budget);
    assert!(time > TimeDelta::seconds(60) && time <= TimeDelta::seconds(80), "{time}");
    assert_eq!(world.calls(INSERT), 4, "nobody asks Google meanwhile");
    world.pass(time);
    world.push().await;
    assert_eq!(world.titles_at_google().len(), 7);
}

#[tokio::test]
async fn hundreds_of_edits_stay_within_what_google_grants() {
    let world = World::connected().await;
    world.import().await;
    spend_all_but(&world, 60).await;
    for n in 1..=100 {
        world.save(id(n), &format!("event {n}")).await;
    }
    let mut jobs = 0;
    loop {
        match world.try_push().await {
            Ok(()) if world.titles_at_google().len() == 100 => break,
            Ok(()) => {}
            Err(error) => world.pass(wait(&error).1),
        }
        jobs += 1;
        assert!(jobs < 20);
    }
    assert!(world.google.quota_breaches().is_empty());
}

#[tokio::test]
async fn an_import_whose_calls_are_spent_has_not_failed_even_on_its_last_try() {
    let world = World::connected().await;
    spend_all_but(&world, 0).await;
    let job = Job::Import { user: world.user, is_repair: false };
    assert_eq!(wait(&world.run_last(&job).await.unwrap_err()).0, Pause::Budget);
    assert_eq!(world.status().await.import, ImportFlag::Importing);
    world.pass(TimeDelta::seconds(80));
    world.import().await;
    assert_eq!(world.status().await.import, ImportFlag::Completed);
}

/// Scenario 44.
#[tokio::test]
async fn refusals_in_a_row_are_waited_for_ever_longer_and_the_write_is_made_once() {
    let world = World::connected().await;
    world.import().await;
    world.save(id(1), "Lunch").await;
    let refuse = |status, reason| GoogleFault::refuse(INSERT, status, reason);
    world.google.inject(refuse(StatusCode::FORBIDDEN, "rateLimitExceeded").times(4));
    world.google.inject(refuse(StatusCode::FORBIDDEN, "userRateLimitExceeded").times(1));
    world.google.inject(refuse(StatusCode::TOO_MANY_REQUESTS, "rateLimitExceeded").times(2));
    world.google.inject(refuse(StatusCode::TOO_MANY_REQUESTS, "rateLimitExceeded").retry_after(1_200));
    world.google.clear_journal();
    let waits = push_through(&world).await;
    assert!(waits.iter().all(|(why, _)| *why == Pause::Throttled), "{waits:?}");
    let waits: Vec<TimeDelta> = waits.into_iter().map(|(_, wait)| wait).collect();
    assert_eq!(waits.len(), 8);
    for (n, wait) in waits.iter().take(7).enumerate() {
        let least = TimeDelta::seconds(5 << n);
        assert!((least..=least * 5 / 4).contains(wait), "try {n}: {wait}");
    }
    assert!(waits[7] >= TimeDelta::seconds(1_200), "Google's own wish: {}", waits[7]);
    assert!(waits.iter().sum::<TimeDelta>() < TimeDelta::hours(1));
    assert_eq!((world.calls(INSERT), world.titles_at_google()), (9, vec!["Lunch".to_owned()]));
    assert_eq!(budget(&world).await.throttles, 0, "forgotten as soon as it is over");
}

#[tokio::test]
async fn waits_differ_a_little_so_that_users_do_not_come_back_together() {
    let waits = join_all((0..2).map(async |_| {
        let world = World::connected().await;
        world.import().await;
        let limited = GoogleFault::refuse(LIST, StatusCode::FORBIDDEN, "rateLimitExceeded");
        world.google.inject(limited.times(2));
        let mut waits = Vec::new();
        for _ in 0..2 {
            let error = world.run(&Job::Pull { user: world.user }).await.unwrap_err();
            waits.push(wait(&error).1);
            world.pass(wait(&error).1);
        }
        waits
    }))
    .await;
    let fraction = |wait: &TimeDelta| wait.num_milliseconds() % 1_000;
    assert!(waits.iter().flatten().any(|wait| fraction(wait) != 0), "{waits:?}");
}

#[tokio::test]
async fn while_google_wants_to_be_left_alone_nothing_is_asked_of_it() {
    let world = World::connected().await;
    world.import().await;
    let limited = GoogleFault::refuse(LIST, StatusCode::TOO_MANY_REQUESTS, "rateLimitExceeded");
    world.google.inject(limited.retry_after(60));
    let pull = Job::Pull { user: world.user };
    let (_, time) = wait(&world.run(&pull).await.unwrap_err());
    world.google.clear_journal();
    assert_eq!(wait(&world.run(&pull).await.unwrap_err()).0, Pause::Throttled);
    // The import has ended, so it has nothing to ask.
    world.run(&Job::Import { user: world.user, is_repair: true }).await.unwrap();
    world.save(id(1), "Lunch").await;
    assert_eq!(wait(&world.try_push().await.unwrap_err()).0, Pause::Throttled);
    assert!(world.google.journal().is_empty());
    world.pass(time);
    world.push().await;
    assert_eq!(world.titles_at_google(), ["Lunch"]);
}

#[tokio::test]
async fn a_job_that_google_refuses_for_hours_is_given_up_and_the_edit_waits_for_the_sweep() {
    let world = World::connected().await;
    world.import().await;
    world.save(id(1), "Lunch").await;
    world.google.inject(GoogleFault::refuse(INSERT, StatusCode::FORBIDDEN, "rateLimitExceeded").forever());
    world.google.clear_journal();
    push_through(&world).await;
    let calls = world.calls(INSERT);
    assert!(calls <= 12, "{calls}");
    assert!(world.record(id(1)).await.is_dirty);
    world.google.clear_faults();
    world.pass(TimeDelta::hours(1));
    world.pull().await;
    assert_eq!(world.titles_at_google(), ["Lunch"]);
}

/// Scenario 46.
#[tokio::test]
async fn a_calendar_that_takes_no_more_writes_is_read_on_and_written_again_an_hour_later() {
    let world = World::connected().await;
    world.import().await;
    world.save(id(1), "Ours").await;
    world.google.inject(GoogleFault::refuse(INSERT, StatusCode::FORBIDDEN, "quotaExceeded"));
    world.google.clear_journal();
    world.push().await;
    let until = world.status().await.writes_paused_until.unwrap();
    assert!(until >= world.clock.now() + TimeDelta::hours(1));
    assert!(world.notices().await.contains(&Notice::Metadata), "the user is told");
    world.save(id(2), "Ours too").await;
    world.google_event("Theirs");
    for _ in 0..3 {
        world.push().await;
        world.pull().await;
    }
    assert_eq!(world.calls(INSERT), 1, "nothing is tried meanwhile");
    assert_eq!(world.titles().await, ["Ours", "Ours too", "Theirs"]);
    world.pass(TimeDelta::hours(1));
    world.pull().await;
    assert_eq!(world.titles_at_google(), ["Ours", "Ours too", "Theirs"]);
}

async fn everybody_waits(fault: GoogleFault) {
    let world = World::connected().await;
    world.import().await;
    let status = world.status().await;
    world.google.expire_access_tokens(crate::world::EMAIL);
    world.google.inject(fault.forever());
    let pull = Job::Pull { user: world.user };
    let (why, time) = wait(&world.run_last(&pull).await.unwrap_err());
    assert_eq!((why, time), (Pause::Project, TimeDelta::minutes(5)));
    let calls = world.google.journal().len();
    for _ in 0..3 {
        assert_eq!(wait(&world.run_last(&pull).await.unwrap_err()).0, Pause::Project);
    }
    assert_eq!(world.google.journal().len(), calls, "Google is asked once for everybody");
    assert_eq!(world.status().await, status, "users are untouched");
    world.pass(time);
    let (_, time) = wait(&world.run(&pull).await.unwrap_err());
    assert_eq!(time, TimeDelta::minutes(10));
    world.google.clear_faults();
    world.pass(time);
    world.google_event("Lunch");
    world.pull().await;
    assert_eq!(world.titles().await, ["Lunch"]);
}

#[tokio::test]
async fn a_refused_project_has_everybody_wait_and_no_state_change() {
    for reason in ["dailyLimitExceeded", "variableTermLimitExceeded", "accessNotConfigured"] {
        everybody_waits(GoogleFault::refuse(LIST, StatusCode::FORBIDDEN, reason)).await;
    }
}

/// Scenario 87.
#[tokio::test]
async fn a_client_secret_that_google_refuses_is_the_operators_matter_and_no_users() {
    everybody_waits(GoogleFault::refuse("oauth.token", StatusCode::UNAUTHORIZED, "invalid_client")).await;
}

#[tokio::test]
async fn an_import_outlives_a_refused_project() {
    let world = World::connected().await;
    world.google_event("Lunch");
    world.google.inject(GoogleFault::refuse(LIST, StatusCode::FORBIDDEN, "dailyLimitExceeded"));
    let job = Job::Import { user: world.user, is_repair: false };
    let error = world.run_last(&job).await.unwrap_err();
    assert_eq!(world.status().await.import, ImportFlag::Importing);
    world.pass(wait(&error).1);
    world.import().await;
    assert_eq!(
        (world.status().await.import, world.titles().await),
        (ImportFlag::Completed, vec!["Lunch".into()])
    );
}

/// Scenario 48.
#[tokio::test]
async fn one_event_of_a_hundred_that_google_refuses_is_put_aside_and_the_others_arrive() {
    let world = World::connected().await;
    world.import().await;
    for n in 1..=100 {
        world.save(id(n), &format!("event {n}")).await;
    }
    world.google.inject(GoogleFault::refuse(INSERT, StatusCode::BAD_REQUEST, "invalid").after(41));
    world.push().await;
    assert_eq!(world.titles_at_google().len(), 99);
    let issues = world.store.issues(world.user).await.unwrap();
    let [issue] = issues.as_slice() else { panic!("{issues:?}") };
    let IssueKind::Parked { reason } = &issue.kind else { panic!("{issue:?}") };
    assert!(reason.contains("events.insert was refused with 400"), "{reason}");
    world.google.clear_journal();
    world.push().await;
    assert_eq!(world.writes(), 0, "it is not tried again");
}

/// Scenario 38.
#[tokio::test]
async fn an_edit_that_is_always_stale_has_so_many_tries_is_told_to_the_user_once_and_is_sent_when_it_can_be()
{
    let world = World::connected().await;
    world.import().await;
    world.save(id(1), "Lunch").await;
    world.push().await;
    world.save(id(1), "Brunch").await;
    let stale = GoogleFault::refuse(UPDATE, StatusCode::PRECONDITION_FAILED, "conditionNotMet");
    world.google.inject(stale.times(15));
    world.google.clear_journal();
    let push = Job::Push { user: world.user };
    assert!(world.run(&push).await.unwrap_err().is_retryable());
    assert_eq!(world.calls(UPDATE), 5);
    assert!(world.store.issues(world.user).await.unwrap().is_empty(), "there is another try");
    for tries in [10, 15] {
        world.run_last(&push).await.unwrap_err();
        assert_eq!(world.calls(UPDATE), tries);
        let issues = world.store.issues(world.user).await.unwrap();
        let [issue] = issues.as_slice() else { panic!("{issues:?}") };
        let IssueKind::Parked { reason } = &issue.kind else { panic!("{issue:?}") };
        assert!(reason.contains("keeps changing at Google"), "{reason}");
    }
    world.run(&Job::Poll { user: world.user }).await.unwrap();
    assert_eq!(world.at_google(&id(1).to_string())["summary"], "Brunch");
}

/// Scenario 50.
#[tokio::test]
async fn a_write_with_too_low_a_sequence_is_made_again_on_what_google_has() {
    let world = World::connected().await;
    world.import().await;
    world.save(id(1), "Lunch").await;
    world.push().await;
    world.edit_at_google(&id(1).to_string(), serde_json::json!({"location": "Here"}));
    world.save(id(1), "Brunch").await;
    world.google.inject(GoogleFault::invalid_sequence("calendar.events.update"));
    world.push().await;
    let copy = world.at_google(&id(1).to_string());
    assert_eq!((copy["summary"].as_str(), copy["location"].as_str()), (Some("Brunch"), Some("Here")));
    assert!(!world.record(id(1)).await.is_dirty);
}

#[tokio::test]
async fn a_day_later_a_budget_is_only_a_memory() {
    let world = World::connected().await;
    world.import().await;
    let before: DateTime<Utc> = world.clock.now();
    world.pass(TimeDelta::days(1));
    world.pull().await;
    let parts = budget(&world).await.grants;
    assert!(parts.iter().all(|(part, _)| *part * 10 > before.timestamp()), "{parts:?}");
    assert_eq!(parts.len(), 1);
}
