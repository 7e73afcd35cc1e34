//! What becomes of a user's permission: access tokens that end, are asked for by many at once, or are lost on the way.

use std::time::Duration;

use chrono::TimeDelta;
use domain::{ConnectionState, GoogleStatus, Job, Notice};
use fake_google::{Fault as GoogleFault, Paging, Quirks, Rotation};
use futures_util::future::join_all;
use http::StatusCode;
use seam::{Fault, Kind};
use store::{Plan, Snapshot};

use crate::deeds::id;
use crate::world::{EMAIL, World};

const TOKEN: &str = "oauth.token";
const LIST: &str = "calendar.events.list";

fn unauthorized() -> GoogleFault {
    GoogleFault::refuse(LIST, StatusCode::UNAUTHORIZED, "authError")
}

async fn state(world: &World) -> ConnectionState {
    GoogleStatus::state(Some(&world.status().await), world.clock.now())
}

/// A connected user with an import of `pages` pages before it.
async fn with_pages(pages: usize) -> World {
    let world = World::connected().await;
    for n in 0..pages * 2 {
        world.google_event(&format!("event {n:02}"));
    }
    world.google.set_paging(Paging { at_most: Some(2), ..Paging::default() });
    world.google.clear_journal();
    world
}

fn page_tokens(world: &World) -> Vec<Option<String>> {
    let token = |query: Vec<(String, String)>| query.into_iter().find(|(name, _)| name == "pageToken");
    let lists = world.google.journal().into_iter().filter(|entry| entry.operation == LIST);
    lists.map(|entry| token(entry.query).map(|(_, token)| token)).collect()
}

/// Scenario 83.
#[tokio::test]
async fn an_access_token_that_ends_on_page_seven_costs_one_refresh_and_that_page_again() {
    let world = with_pages(8).await;
    world.google.inject(unauthorized().after(6));
    world.import().await;
    assert_eq!(world.titles().await.len(), 16);
    assert_eq!((world.calls(TOKEN), world.calls(LIST)), (1, 9));
    let tokens = page_tokens(&world);
    assert_eq!(tokens[6], tokens[7], "the same page");
}

/// Scenario 84.
#[tokio::test]
async fn ten_workers_that_need_a_new_access_token_ask_for_one() {
    let world = World::connected().await;
    world.import().await;
    world.google.expire_access_tokens(EMAIL);
    world.google.inject(GoogleFault::delay(TOKEN, Duration::from_millis(300)));
    world.google.clear_journal();
    let pull = Job::Pull { user: world.user };
    for result in join_all((0..10).map(|_| world.run(&pull))).await {
        result.unwrap();
    }
    assert_eq!(world.calls(TOKEN), 1);
}

#[tokio::test]
async fn a_worker_that_dies_while_it_asks_for_a_token_keeps_the_others_waiting_for_a_moment_only() {
    let world = World::connected().await;
    world.import().await;
    world.google.expire_access_tokens(EMAIL);
    let (now, seen) = (world.clock.now(), world.store.google(world.user).await.unwrap().unwrap().connection);
    let until = now + TimeDelta::seconds(40);
    assert!(world.store.claim_renewal(world.user, &seen, now, until).await.unwrap());
    assert!(!world.store.claim_renewal(world.user, &seen, now, until).await.unwrap(), "there is one");
    let pull = Job::Pull { user: world.user };
    let (result, ()) = tokio::join!(world.run(&pull), async { world.pass(TimeDelta::seconds(41)) });
    result.unwrap();
}

#[tokio::test]
async fn when_the_one_who_asks_gets_nothing_another_asks() {
    let world = World::connected().await;
    world.import().await;
    world.google.expire_access_tokens(EMAIL);
    let failure = GoogleFault::refuse(TOKEN, StatusCode::SERVICE_UNAVAILABLE, "internal_failure");
    world.google.inject(GoogleFault { delay_ms: 200, ..failure });
    world.google.clear_journal();
    let pull = Job::Pull { user: world.user };
    let results = join_all((0..5).map(|_| world.run(&pull))).await;
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1, "{results:?}");
    assert_eq!(world.calls(TOKEN), 2);
}

/// Scenario 85.
#[tokio::test]
async fn a_consent_that_ends_in_the_middle_of_an_import_stops_it_and_keeps_what_was_read() {
    let world = with_pages(5).await;
    world.save(id(1), "Ours").await;
    world.google.inject(unauthorized().after(3));
    world.google.inject(GoogleFault::refuse(TOKEN, StatusCode::BAD_REQUEST, "invalid_grant"));
    let job = Job::Import { user: world.user, is_repair: false };
    world.run(&job).await.unwrap();
    assert_eq!(state(&world).await, ConnectionState::ReconnectRequired);
    assert_eq!(world.titles().await.len(), 7, "three pages and what is ours");
    let calls = world.google.journal().len();
    for job in [job, Job::Pull { user: world.user }, Job::Push { user: world.user }] {
        world.run(&job).await.unwrap();
    }
    assert_eq!(world.google.journal().len(), calls, "no further calls");
    let notices = world.notices().await;
    assert_eq!(notices.iter().filter(|notice| **notice == Notice::GoogleRevoked).count(), 1);
    assert!(!notices.iter().any(|notice| matches!(notice, Notice::ImportEnded(_))));
}

/// Scenario 86.
#[tokio::test]
async fn a_token_endpoint_that_fails_or_is_silent_is_tried_again_and_revokes_nothing() {
    let world = World::connected().await;
    world.import().await;
    world.google.expire_access_tokens(EMAIL);
    let pull = Job::Pull { user: world.user };
    for fault in [
        GoogleFault::refuse(TOKEN, StatusCode::SERVICE_UNAVAILABLE, "internal_failure"),
        GoogleFault::refuse(TOKEN, StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
        GoogleFault::drop(TOKEN),
        GoogleFault::cut(TOKEN),
    ] {
        world.google.inject(fault.clone());
        let error = world.run(&pull).await.unwrap_err();
        assert!(error.is_retryable(), "{fault:?}: {error}");
        assert_ne!(state(&world).await, ConnectionState::ReconnectRequired);
        world.pass(TimeDelta::hours(1));
    }
    world.pull().await;
}

/// Scenario 90, where the old refresh token lives on for a while.
#[tokio::test]
async fn a_new_refresh_token_that_was_lost_in_a_crash_is_asked_for_again() {
    let world = World::connected().await;
    world.import().await;
    world.google.set_quirks(Quirks { rotation: Rotation::Overlapping, ..Quirks::default() });
    world.google.expire_access_tokens(EMAIL);
    lose_renewal(&world);
    assert!(world.run(&Job::Pull { user: world.user }).await.unwrap_err().is_retryable());
    world.google_event("Lunch");
    world.pull().await;
    assert_eq!(world.titles().await, ["Lunch"]);
}

/// Scenario 90, where it does not.
#[tokio::test]
async fn a_refresh_token_that_is_gone_for_good_is_said_and_not_passed_over() {
    let world = World::connected().await;
    world.import().await;
    world.google.set_quirks(Quirks { rotation: Rotation::Strict, ..Quirks::default() });
    world.google.expire_access_tokens(EMAIL);
    lose_renewal(&world);
    assert!(world.run(&Job::Pull { user: world.user }).await.is_err());
    world.pull().await;
    assert_eq!(state(&world).await, ConnectionState::ReconnectRequired);
}

/// The write of what a refresh brought fails; the claim before it does not.
fn lose_renewal(world: &World) {
    world.fail(Kind::Store, "UpdateItem", Fault::Delay(Duration::ZERO));
    world.fail(Kind::Store, "UpdateItem", Fault::FailBefore);
}

#[tokio::test]
async fn a_new_refresh_token_is_the_one_that_is_used_from_then_on() {
    let world = World::connected().await;
    world.import().await;
    world.google.set_quirks(Quirks { rotation: Rotation::Strict, ..Quirks::default() });
    for _ in 0..3 {
        world.pass(TimeDelta::hours(1));
        world.google_event("Lunch");
        world.pull().await;
    }
    assert_eq!(world.titles().await.len(), 3);
}

/// Scenario 97.
#[tokio::test]
async fn a_consent_of_a_project_that_is_being_tested_ends_after_a_week_like_any_other() {
    let world = World::connected().await;
    world.import().await;
    let week = Quirks { refresh_token_seconds: Some(604_800), ..Quirks::default() };
    world.google.set_quirks(week);
    world.connect().await;
    world.import().await;
    world.google_event("Lunch");
    world.pass(TimeDelta::days(6));
    world.pull().await;
    assert_eq!(world.titles().await, ["Lunch"]);
    world.pass(TimeDelta::days(2));
    world.pull().await;
    assert_eq!(
        (state(&world).await, world.titles().await),
        (ConnectionState::ReconnectRequired, vec!["Lunch".into()])
    );
}

/// Scenario 96.
#[tokio::test]
async fn withdrawing_and_giving_back_again_and_again_multiplies_nothing() {
    let world = World::connected().await;
    world.google_event("Theirs");
    world.import().await;
    world.save(id(1), "Ours").await;
    world.push().await;
    for _ in 0..10 {
        world.google.revoke_grants(EMAIL);
        world.pull().await;
        assert_eq!(state(&world).await, ConnectionState::ReconnectRequired);
        world.connect().await;
        world.import().await;
        world.push().await;
    }
    assert_eq!(world.titles_at_google(), ["Ours", "Theirs"]);
    assert_eq!(world.titles().await, ["Ours", "Theirs"]);
}

/// Scenario 120.
#[tokio::test]
async fn jobs_of_a_user_who_is_gone_do_nothing_and_ask_google_nothing() {
    let world = World::connected().await;
    world.import().await;
    world.save(id(1), "Lunch").await;
    world.forget_user().await;
    world.google.clear_journal();
    let user = world.user;
    for job in [
        Job::Push { user },
        Job::Pull { user },
        Job::Import { user, is_repair: true },
        Job::RenewWatch { user },
    ] {
        world.run(&job).await.unwrap();
    }
    assert!(world.google.journal().is_empty());
}

/// A scope that was taken from a grant, as far as Google tells.
#[tokio::test]
async fn a_missing_scope_asks_the_user_to_connect_again() {
    for body in ["insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"] {
        let world = World::connected().await;
        world.import().await;
        world.google.inject(GoogleFault::refuse(LIST, StatusCode::FORBIDDEN, body));
        world.pull().await;
        assert_eq!(state(&world).await, ConnectionState::ReconnectRequired, "{body}");
    }
}

/// The connection ends while a page is on its way; nothing of that page, nor of what would follow, is written on either side. Its channels
/// end with the permission: Google stops them, and what they still say is a job that does nothing.
#[tokio::test]
async fn a_connection_that_ends_while_an_import_runs_is_the_end_of_its_writing_on_both_sides() {
    let world = with_pages(4).await;
    world.save(id(1), "Ours").await;
    world.google.inject(GoogleFault::delay(LIST, Duration::from_millis(300)).after(1));
    let end = async {
        while world.calls(LIST) < 1 {
            tokio::task::yield_now().await;
        }
        let ended = |snapshot: &Snapshot| -> Result<Plan, store::Error> {
            let status = snapshot.head.google.clone().unwrap();
            Ok(Plan::default().google(GoogleStatus { is_revoked: true, import_until: None, ..status }))
        };
        world.store.mutate(world.user, &[], world.clock.now(), ended).await.unwrap();
        world.titles().await
    };
    let import = Job::Import { user: world.user, is_repair: false };
    let (outcome, before) = tokio::join!(world.run(&import), end);
    outcome.unwrap();
    assert_eq!(before, ["Ours", "event 00", "event 01"]);
    assert_eq!((world.titles().await, world.writes()), (before, 0));
    let calls = world.google.journal().len();
    assert_eq!(world.calls(LIST), 2, "the one that was on its way");
    let user = world.user;
    for job in [import, Job::Push { user }, Job::Pull { user }, Job::Poll { user }, Job::RenewWatch { user }]
    {
        world.run(&job).await.unwrap();
    }
    assert_eq!((world.google.journal().len(), world.writes()), (calls, 0));
}
