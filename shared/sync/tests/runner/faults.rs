//! What a sync does when something fails, before or after it had its effect.

use std::time::Duration;

use chrono::TimeDelta;
use domain::{ConnectionState, GoogleStatus, ImportFlag, ImportStatus, Job, Notice};
use fake_google::{Entry, Fault as GoogleFault, Paging, Quirks};
use http::StatusCode;
use seam::{Fault, Kind};
use serde_json::json;
use store::IssueKind;
use sync::Effort;

use crate::deeds::id;
use crate::world::{EMAIL, World};

#[tokio::test]
async fn an_insert_whose_answer_was_lost_makes_one_event() {
    let world = World::connected().await;
    world.import().await;
    world.save(id(1), "Lunch").await;
    world.google.inject(GoogleFault::drop_after_commit("calendar.events.insert"));
    assert!(world.try_push().await.unwrap_err().is_retryable());
    world.push().await;
    assert_eq!(world.titles_at_google(), ["Lunch"]);
    assert!(!world.record(id(1)).await.is_dirty);
}

#[tokio::test]
async fn a_crash_after_googles_commit_and_before_ours_is_mended_by_the_next_try() {
    let world = World::connected().await;
    world.import().await;
    for title in ["Lunch", "Brunch"] {
        world.save(id(1), title).await;
        world.fail(Kind::Store, "UpdateItem", Fault::FailBefore);
        assert!(world.try_push().await.is_err());
        assert!(world.record(id(1)).await.is_dirty);
        world.push().await;
        assert_eq!(world.titles_at_google(), [title]);
        assert!(!world.record(id(1)).await.is_dirty);
    }
    world.delete(id(1)).await;
    world.fail(Kind::Store, "UpdateItem", Fault::FailBefore);
    assert!(world.try_push().await.is_err());
    world.push().await;
    assert!(world.titles_at_google().is_empty());
    assert!(!world.record(id(1)).await.is_dirty);
    assert!(world.store.issues(world.user).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_echo_of_an_insert_may_come_before_its_answer_is_stored() {
    let world = World::connected().await;
    world.import().await;
    world.save(id(1), "Lunch").await;
    world.google.inject(GoogleFault::drop_after_commit("calendar.events.insert"));
    assert!(world.try_push().await.is_err());
    world.pull().await;
    assert!(!world.record(id(1)).await.is_dirty, "matched by its id");
    world.push().await;
    assert_eq!(
        (world.titles().await, world.titles_at_google()),
        (vec!["Lunch".into()], vec!["Lunch".into()])
    );
}

#[tokio::test]
async fn an_insert_that_was_lost_and_then_deleted_leaves_nothing_at_google() {
    let world = World::connected().await;
    world.import().await;
    world.save(id(1), "Lunch").await;
    world.google.inject(GoogleFault::drop_after_commit("calendar.events.insert"));
    assert!(world.try_push().await.is_err());
    world.delete(id(1)).await;
    world.push().await;
    world.pull().await;
    assert!(world.titles_at_google().is_empty() && world.titles().await.is_empty());
}

#[tokio::test]
async fn every_call_made_twice_ends_the_same() {
    let world = World::connected().await;
    world.google_event("Theirs");
    world.import().await;
    world.save(id(1), "Ours").await;
    world.fail(Kind::Google, "events.insert", Fault::Repeat);
    world.push().await;
    world.save(id(1), "Ours too").await;
    world.fail(Kind::Google, "events.update", Fault::Repeat);
    world.push().await;
    assert_eq!(world.titles_at_google(), ["Ours too", "Theirs"]);
    world.delete(id(1)).await;
    world.fail(Kind::Google, "events.delete", Fault::Repeat);
    world.push().await;
    assert_eq!(world.titles_at_google(), ["Theirs"]);
    assert!(!world.record(id(1)).await.is_dirty);
}

#[tokio::test]
async fn a_store_write_whose_answer_was_lost_is_not_done_twice() {
    let world = World::connected().await;
    world.google_event("Lunch");
    for _ in 0..3 {
        world.fail(Kind::Store, "TransactWriteItems", Fault::FailAfter);
    }
    world.import().await;
    assert_eq!(world.titles().await, ["Lunch"]);
    let ends = |notices: Vec<Notice>| notices.iter().filter(|n| matches!(n, Notice::ImportEnded(_))).count();
    assert_eq!(ends(world.notices().await), 1);
    assert_eq!(world.status().await.import, ImportFlag::Completed);
}

#[tokio::test]
async fn an_import_that_was_cut_goes_on_at_its_page() {
    let world = World::connected().await;
    for n in 0..12 {
        world.google_event(&format!("event {n:02}"));
    }
    world.google.set_paging(Paging { at_most: Some(4), ..Paging::default() });
    world.google.inject(
        GoogleFault::refuse("calendar.events.list", StatusCode::SERVICE_UNAVAILABLE, "backendError").after(2),
    );
    let job = Job::Import { user: world.user, is_repair: false };
    assert!(world.run(&job).await.unwrap_err().is_retryable());
    assert_eq!(world.titles().await.len(), 8);
    let stored = world.store.google(world.user).await.unwrap().unwrap();
    assert_eq!(stored.calendars[0].sync_token, None, "the token is never ahead of the data");
    world.google.clear_journal();
    world.import().await;
    assert_eq!(world.titles().await.len(), 12);
    assert_eq!(world.calls("calendar.events.list"), 1);
    let starts = world.notices().await.iter().filter(|n| **n == Notice::ImportStarted).count();
    assert_eq!(starts, 1);
}

#[tokio::test]
async fn a_spent_page_token_begins_the_traversal_anew() {
    let world = World::connected().await;
    world.import().await;
    for n in 0..6 {
        world.google_event(&format!("event {n}"));
    }
    world.google.set_paging(Paging { at_most: Some(2), ..Paging::default() });
    world.google.inject(
        GoogleFault::refuse("calendar.events.list", StatusCode::SERVICE_UNAVAILABLE, "backendError").after(1),
    );
    assert!(world.run(&Job::Pull { user: world.user }).await.is_err());
    world.google.expire_page_tokens();
    world.pull().await;
    assert_eq!(world.titles().await.len(), 6);
    let asked = |entry: &Entry| {
        let value =
            |name: &str| entry.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        Some((value("syncToken")?, value("pageToken")))
    };
    let lists: Vec<_> = world.google.journal().iter().filter_map(asked).collect();
    let anew = lists.iter().rposition(|(_, page)| page.is_none()).unwrap();
    assert!(anew > 0 && lists.iter().all(|(token, _)| *token == lists[0].0), "from the old token: {lists:?}");
}

/// 18: for a pull and for an import.
#[tokio::test]
async fn page_tokens_that_are_always_spent_end_the_job_after_a_few_traversals() {
    const LIST: &str = "calendar.events.list";
    for is_import in [false, true] {
        let world = World::connected().await;
        if !is_import {
            world.import().await;
        }
        for n in 0..6 {
            world.google_event(&format!("event {n}"));
        }
        world.google.set_paging(Paging { at_most: Some(2), ..Paging::default() });
        world.google.set_quirks(Quirks { spends_page_tokens: true, ..Quirks::default() });
        world.google.clear_journal();
        let user = world.user;
        let job = if is_import { Job::Import { user, is_repair: false } } else { Job::Pull { user } };
        assert!(world.run(&job).await.unwrap_err().is_retryable());
        assert_eq!(world.calls(LIST), 8, "a first page and a second that is refused, four times");
        let stored = world.store.google(user).await.unwrap().unwrap();
        assert_eq!(
            stored.calendars[0].sync_token.is_some(),
            !is_import,
            "the token is never ahead of the data"
        );
        world.google.set_quirks(Quirks::default());
        world.run(&job).await.unwrap();
        world.pull().await;
        assert_eq!(world.titles().await.len(), 6);
    }
}

/// 18: what a traversal has seen before it had to begin again may be gone since.
#[tokio::test]
async fn an_import_whose_page_token_was_spent_finds_what_was_deleted_meanwhile() {
    let world = World::connected().await;
    let events: Vec<String> = (0..6).map(|n| world.google_event(&format!("event {n}"))).collect();
    world.import().await;
    world.google.set_paging(Paging { at_most: Some(2), ..Paging::default() });
    world.google.invalidate_sync_tokens(EMAIL).unwrap();
    world.pull().await;
    world.google.inject(
        GoogleFault::refuse("calendar.events.list", StatusCode::SERVICE_UNAVAILABLE, "backendError").after(1),
    );
    let repair = Job::Import { user: world.user, is_repair: true };
    world.run(&repair).await.unwrap_err();
    world.google.expire_page_tokens();
    world.google.delete_event(EMAIL, "primary", &events[0]).unwrap();
    world.run(&repair).await.unwrap();
    assert_eq!(world.titles().await, world.titles_at_google());
    assert_eq!(world.titles().await.len(), 5);
}

#[tokio::test]
async fn what_a_repair_does_not_see_is_looked_up_before_it_is_deleted() {
    let world = World::connected().await;
    let (series, gone) = (world.google_event("becomes a series"), world.google_event("gone"));
    world.import().await;
    // The repair sees the one, which is a series by now, and asks for the other.
    world.edit_at_google(&series, json!({"recurrence": ["RRULE:FREQ=DAILY"]}));
    world.google.delete_event(EMAIL, "primary", &gone).unwrap();
    world.google.invalidate_sync_tokens(EMAIL).unwrap();
    world.pull().await;
    world.google.clear_journal();
    world.run(&Job::Import { user: world.user, is_repair: true }).await.unwrap();
    let mut titles = world.titles().await;
    titles.dedup();
    assert_eq!(titles, ["becomes a series"]);
    assert_eq!(world.calls("calendar.events.get"), 1);
}

#[tokio::test]
async fn an_expired_access_token_is_renewed_once_and_the_call_repeated() {
    let world = World::connected().await;
    world.import().await;
    world.google.expire_access_tokens(EMAIL);
    world.google_event("Lunch");
    world.google.clear_journal();
    world.pull().await;
    assert_eq!(world.titles().await, ["Lunch"]);
    assert_eq!(world.calls("oauth.token"), 1);
    world.pull().await;
    assert_eq!(world.calls("oauth.token"), 1, "it is kept");
    world.pass(TimeDelta::minutes(50));
    world.pull().await;
    assert_eq!(world.calls("oauth.token"), 2, "and renewed before it ends");
}

#[tokio::test]
async fn a_withdrawn_consent_is_a_state_and_deletes_nothing() {
    let world = World::connected().await;
    world.google_event("Theirs");
    world.import().await;
    world.google.revoke_grants(EMAIL);
    world.save(id(1), "Ours").await;
    world.push().await;
    let status = world.status().await;
    assert_eq!(GoogleStatus::state(Some(&status), world.clock.now()), ConnectionState::ReconnectRequired);
    assert_eq!(world.titles().await, ["Ours", "Theirs"]);
    let calls = world.google.journal().len();
    world.pull().await;
    world.push().await;
    assert_eq!(world.google.journal().len(), calls, "no further calls");
    let told = world.notices().await.iter().filter(|n| **n == Notice::GoogleRevoked).count();
    assert_eq!(told, 1);

    world.connect().await;
    world.import().await;
    world.push().await;
    assert_eq!(
        (world.titles().await, world.titles_at_google()),
        (vec!["Ours".into(), "Theirs".into()], vec!["Ours".into(), "Theirs".into()])
    );
}

#[tokio::test]
async fn a_failing_token_endpoint_is_no_revocation() {
    let world = World::connected().await;
    world.import().await;
    world.google.expire_access_tokens(EMAIL);
    world.google.inject(GoogleFault::refuse(
        "oauth.token",
        StatusCode::SERVICE_UNAVAILABLE,
        "internal_failure",
    ));
    let error = world.run(&Job::Pull { user: world.user }).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(!world.status().await.is_revoked);
}

#[tokio::test]
async fn an_event_that_google_refuses_is_put_aside_and_holds_nothing_up() {
    let world = World::connected().await;
    world.import().await;
    world.save(id(1), "poison").await;
    world.save(id(2), "good").await;
    world.google.inject(GoogleFault::refuse("calendar.events.insert", StatusCode::BAD_REQUEST, "invalid"));
    world.push().await;
    assert_eq!(world.titles_at_google(), ["good"]);
    let issues = world.store.issues(world.user).await.unwrap();
    assert!(matches!(issues.as_slice(), [issue] if matches!(issue.kind, IssueKind::Parked { .. })));
    world.save(id(1), "mended").await;
    world.push().await;
    assert_eq!(world.titles_at_google(), ["good", "mended"]);
}

#[tokio::test]
async fn throttling_is_worth_another_try_and_the_last_one_ends_the_import_with_a_reason() {
    let world = World::connected().await;
    let limited = || GoogleFault::refuse("calendar.events.list", StatusCode::FORBIDDEN, "rateLimitExceeded");
    let job = Job::Import { user: world.user, is_repair: false };
    world.google.inject(limited());
    assert!(world.run(&job).await.unwrap_err().is_retryable());
    assert_eq!(world.status().await.import, ImportFlag::Importing);
    world.pass(TimeDelta::minutes(1));
    world.google.inject(limited());
    world.run_last(&job).await.unwrap();
    assert_eq!(world.status().await.import, ImportFlag::Errored);
    let notices = world.notices().await;
    let Some(Notice::ImportEnded(outcome)) = notices.last() else { panic!("{notices:?}") };
    assert_eq!(outcome.status, ImportStatus::Errored);
    assert!(outcome.message.as_ref().is_some_and(|message| message.contains("limit")));
}

#[tokio::test]
async fn a_crash_cannot_leave_an_import_running_for_ever() {
    let world = World::connected().await;
    world.google.inject(GoogleFault::refuse(
        "calendar.events.list",
        StatusCode::SERVICE_UNAVAILABLE,
        "backendError",
    ));
    assert!(world.run(&Job::Import { user: world.user, is_repair: false }).await.is_err());
    let state = |status: GoogleStatus| GoogleStatus::state(Some(&status), world.clock.now());
    assert_eq!(state(world.status().await), ConnectionState::Importing);
    world.pass(TimeDelta::minutes(16));
    assert_eq!(state(world.status().await), ConnectionState::Attention);
    world.import().await;
    assert_eq!(state(world.status().await), ConnectionState::Healthy);
}

#[tokio::test]
async fn a_stale_version_is_fetched_merged_and_written_again() {
    let world = World::connected().await;
    world.import().await;
    world.save(id(1), "Lunch").await;
    world.push().await;
    world.edit_at_google(&id(1).to_string(), json!({"location": "Here"}));
    world.save(id(1), "Brunch").await;
    world.push().await;
    let copy = world.at_google(&id(1).to_string());
    assert_eq!((copy["summary"].as_str(), copy["location"].as_str()), (Some("Brunch"), Some("Here")));
    world.edit_at_google(&id(1).to_string(), json!({"location": "There"}));
    world.delete(id(1)).await;
    world.push().await;
    assert!(world.titles_at_google().is_empty());
}

#[tokio::test]
async fn a_step_that_takes_too_long_is_broken_off_and_the_last_try_ends_the_import() {
    let world = World::connected().await;
    let job = Job::Import { user: world.user, is_repair: false };
    let short = TimeDelta::milliseconds(300);
    let effort = Effort { limit: world.clock.now() + short, ..world.effort(false) };
    world.fail(Kind::Google, "events.list", Fault::Delay(Duration::from_secs(8)));
    assert!(world.sync.run(&job, effort).await.unwrap_err().is_retryable());
    assert_eq!(world.status().await.import, ImportFlag::Importing);
    world.fail(Kind::Google, "events.list", Fault::Delay(Duration::from_secs(8)));
    world.sync.run(&job, Effort { is_last_try: true, ..effort }).await.unwrap_err();
    assert_eq!(world.status().await.import, ImportFlag::Errored);
}

#[tokio::test]
async fn an_event_in_trouble_does_not_hold_up_its_neighbours() {
    let world = World::connected().await;
    world.import().await;
    world.save(id(1), "Trouble").await;
    world.save(id(2), "Neighbour").await;
    let failure = GoogleFault::refuse("calendar.events.insert", StatusCode::BAD_GATEWAY, "backendError");
    world.google.inject(failure);
    assert!(world.try_push().await.unwrap_err().is_retryable());
    assert_eq!(world.titles_at_google(), ["Neighbour"]);
    world.push().await;
    assert_eq!(world.titles_at_google(), ["Neighbour", "Trouble"]);
}
