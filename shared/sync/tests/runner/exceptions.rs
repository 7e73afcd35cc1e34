//! What becomes of exceptions: before their series is known, through repairs, renamings and splits, on either side.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{EventId, GoogleEventId, Repeat, Scope};
use serde_json::json;

use crate::deeds::id;
use crate::series::{instance, occurrence};
use crate::world::{EMAIL, World};

/// At Google: an occurrence is cancelled, the next one moved.
fn with_exceptions(world: &World) -> String {
    let daily = world.series_at_google("Daily");
    world.google.delete_event(EMAIL, "primary", &instance(&daily, 25)).unwrap();
    world.edit_at_google(
        &instance(&daily, 26),
        json!({"start": {"dateTime": "2026-11-26T15:00:00-08:00"}, "end": {"dateTime": "2026-11-26T16:00:00-08:00"}}),
    );
    daily
}

/// How many of those that are seen here are called so.
async fn called(world: &World, title: &str) -> usize {
    world.seen_here().await.iter().filter(|(_, seen)| seen == title).count()
}

/// 25: a moved occurrence, of whose series nothing was ever heard.
#[tokio::test]
async fn an_exception_whose_series_is_not_known_waits_for_it_and_is_not_lost() {
    let world = World::connected().await;
    world.import().await;
    let at = |hour: u32| json!({"dateTime": format!("2026-11-24T{hour}:00:00-08:00"), "timeZone": "America/Los_Angeles"});
    let (series, slot) = ("lateseries0", "lateseries0_20261124T170000Z");
    let moved = json!({
        "id": slot, "summary": "Moved", "recurringEventId": series, "start": at(15), "end": at(16),
        "originalStartTime": {"dateTime": "2026-11-24T09:00:00-08:00", "timeZone": "America/Los_Angeles"}
    });
    world.google.plant(EMAIL, "primary", [moved]).unwrap();
    world.pull().await;
    assert!(world.seen_here().await.is_empty(), "without its series it has no place");
    assert!(world.store.issues(world.user).await.unwrap().is_empty());
    let daily = json!({
        "id": series, "summary": "Daily", "recurrence": ["RRULE:FREQ=DAILY;COUNT=3"],
        "start": {"dateTime": "2026-11-23T09:00:00-08:00", "timeZone": "America/Los_Angeles"},
        "end": {"dateTime": "2026-11-23T10:00:00-08:00", "timeZone": "America/Los_Angeles"}
    });
    world.google.plant(EMAIL, "primary", [daily]).unwrap();
    world.pull().await;
    world.is_at_rest(3).await;
    assert_eq!((called(&world, "Moved").await, called(&world, "Daily").await), (1, 2));
}

/// 60.
#[tokio::test]
async fn an_occurrence_that_is_cancelled_stays_cancelled_after_a_repair() {
    let world = World::connected().await;
    with_exceptions(&world);
    world.import().await;
    world.is_at_rest(9).await;
    let seen = world.seen_here().await;
    world.google.invalidate_sync_tokens(EMAIL).unwrap();
    world.pull().await;
    world.run(&domain::Job::Import { user: world.user, is_repair: true }).await.unwrap();
    world.is_at_rest(9).await;
    assert_eq!((world.seen_here().await, world.writes()), (seen, 0));
}

/// 61.
#[tokio::test]
async fn a_series_that_is_renamed_leaves_its_exceptions_where_they_are() {
    let world = World::connected().await;
    let daily = with_exceptions(&world);
    world.import().await;
    let times = async || world.seen_here().await.into_iter().map(|(at, _)| at).collect::<Vec<_>>();
    let before = times().await;
    world.edit_at_google(&daily, json!({"summary": "Renamed"}));
    world.pull().await;
    world.is_at_rest(9).await;
    assert_eq!(times().await, before);
    assert_eq!(called(&world, "Renamed").await, 9);
    // Here as there.
    let series = EventId::of_google(&GoogleEventId::new(daily.as_str()));
    let repeat = Repeat::Occurrence { series: Some(series), rule: None };
    world.save_draft(occurrence(series, 24), "Again", 9, 24, repeat, Scope::All).await;
    world.push().await;
    world.is_at_rest(9).await;
    assert_eq!(times().await, before);
    assert_eq!(called(&world, "Again").await, 9);
}

/// 68.
#[tokio::test]
async fn exceptions_that_google_drops_when_their_series_gets_other_times_and_another_rule_are_gone() {
    let world = World::connected().await;
    let daily = with_exceptions(&world);
    world.import().await;
    world.is_at_rest(9).await;
    let at = |hour: u32| json!({"dateTime": format!("2026-11-23T{hour}:00:00-08:00"), "timeZone": "America/Los_Angeles"});
    let weekly = json!({"recurrence": ["RRULE:FREQ=WEEKLY;COUNT=2"], "start": at(11), "end": at(12)});
    world.edit_at_google(&daily, weekly);
    world.pull().await;
    world.is_at_rest(2).await;
    world.run(&domain::Job::Import { user: world.user, is_repair: true }).await.unwrap();
    world.is_at_rest(2).await;
}

/// 62.
#[tokio::test]
async fn an_occurrence_that_google_takes_out_of_the_bin_is_there_once() {
    let world = World::connected().await;
    let daily = with_exceptions(&world);
    world.import().await;
    world.is_at_rest(9).await;
    world.google.restore_event(EMAIL, "primary", &instance(&daily, 25)).unwrap();
    world.pull().await;
    world.is_at_rest(10).await;
    world.google.invalidate_sync_tokens(EMAIL).unwrap();
    world.pull().await;
    world.run(&domain::Job::Import { user: world.user, is_repair: true }).await.unwrap();
    world.is_at_rest(10).await;
}

/// 64.
#[tokio::test]
async fn a_series_that_google_splits_twice_and_at_its_first_occurrence_has_no_gap_and_no_double() {
    let world = World::connected().await;
    let daily = with_exceptions(&world);
    world.import().await;
    let split = |id: String, title: &str| {
        world.pass(TimeDelta::seconds(1));
        let patch = json!({"summary": title});
        let new =
            world.google.edit_series(EMAIL, "primary", &id, fake_google::Scope::Following, patch).unwrap();
        new["id"].as_str().unwrap().to_owned()
    };
    let second = split(instance(&daily, 27), "Second");
    world.pull().await;
    world.is_at_rest(9).await;
    let third = split(instance(&second, 30), "Third");
    assert!(second != daily && third != second && third.contains("_R"));
    world.pull().await;
    world.is_at_rest(9).await;
    assert_eq!(
        (called(&world, "Daily").await, called(&world, "Second").await, called(&world, "Third").await),
        (3, 3, 3)
    );
    split(instance(&second, 27), "First of the second");
    world.pull().await;
    world.is_at_rest(9).await;
    split(instance(&daily, 23), "First of all");
    world.pull().await;
    // A split at the first occurrence takes the whole series' place; its exceptions end with it.
    world.is_at_rest(10).await;
    assert_eq!((called(&world, "Daily").await, called(&world, "Second").await, world.writes()), (0, 0, 0));
    assert_eq!(called(&world, "First of all").await, 4);
}

/// 66: an occurrence behind the cut goes with the new series and keeps what the edit does not speak of, its time; a cancelled one stays cancelled.
#[tokio::test]
async fn a_split_here_takes_the_exceptions_behind_it_along() {
    let world = World::connected().await;
    world.import().await;
    world.save_series(id(1), "Daily").await;
    world.edit_occurrence(id(1), 24, "Before", Scope::This).await;
    world.edit_occurrence(id(1), 29, "Behind", Scope::This).await;
    world.delete_in(occurrence(id(1), 30), Scope::This).await;
    world.push().await;
    world.is_at_rest(9).await;
    let repeat = Repeat::Occurrence { series: Some(id(1)), rule: None };
    world.save_draft(occurrence(id(1), 27), "Rest", 9, 27, repeat, Scope::Following).await;
    world.push().await;
    world.is_at_rest(9).await;
    let count = async |title| called(&world, title).await;
    assert_eq!((count("Daily").await, count("Before").await), (3, 1));
    assert_eq!((count("Rest").await, count("Behind").await), (5, 0));
    let behind = ("2026-11-29T18:00:00Z".parse::<DateTime<Utc>>().unwrap(), "Rest".to_owned());
    assert!(world.seen_here().await.contains(&behind));
}
