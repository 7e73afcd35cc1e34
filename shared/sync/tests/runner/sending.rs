//! What Google makes of what it is sent, and what it was never sent.

use chrono::TimeDelta;
use domain::{Notice, Scope};
use fake_google::{Fault as GoogleFault, Quirks};
use serde_json::json;

use crate::world::{EMAIL, World, id};

#[tokio::test]
async fn what_google_writes_in_another_way_is_taken_over_once_and_not_sent_again() {
    let world = World::connected().await;
    world.import().await;
    world.google.set_quirks(Quirks { rewrites_texts: true, ..Quirks::default() });
    world.save(id(1), "  Lunch ").await;
    world.push().await;
    assert_eq!(world.titles_at_google(), ["Lunch"]);
    let record = world.record(id(1)).await;
    assert_eq!(record.event.title.as_deref(), Some("Lunch"), "as Google has it");
    assert!(!record.is_dirty && record.link.unwrap().base.is_same(&record.event.shared()));
    let (seq, writes) = (world.seq().await, world.writes());
    for _ in 0..2 {
        world.pull().await;
        world.push().await;
    }
    assert_eq!((world.seq().await, world.writes()), (seq, writes), "no echo goes round");
}

#[tokio::test]
async fn what_is_deleted_on_both_sides_is_gone_and_no_conflict() {
    let world = World::connected().await;
    world.import().await;
    world.save(id(1), "Lunch").await;
    world.push().await;
    world.google.delete_event(EMAIL, "primary", &id(1).to_string()).unwrap();
    world.delete(id(1)).await;
    world.push().await;
    world.pull().await;
    assert!(world.titles_at_google().is_empty() && world.titles().await.is_empty());
    assert!(!world.record(id(1)).await.is_dirty);
    assert!(world.store.issues(world.user).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_event_made_edited_and_deleted_before_it_was_sent_leaves_nothing_at_google() {
    let world = World::connected().await;
    world.import().await;
    for title in ["a", "b", "c", "d", "e"] {
        world.save(id(1), title).await;
    }
    world.delete(id(1)).await;
    let writes = world.writes();
    world.push().await;
    world.push().await;
    assert!(world.titles_at_google().is_empty());
    assert!(world.writes() <= writes + 1, "edits that were overtaken are not sent");
    assert!(!world.record(id(1)).await.is_dirty);
}

#[tokio::test]
async fn a_hundred_drags_of_one_event_are_one_write() {
    let world = World::connected().await;
    world.import().await;
    for n in 0..100 {
        world.save(id(1), &format!("drag {n}")).await;
    }
    let writes = world.writes();
    world.push().await;
    assert_eq!(world.writes(), writes + 1);
    assert_eq!(world.titles_at_google(), ["drag 99"]);
}

#[tokio::test]
async fn an_edit_at_google_of_what_was_deleted_before_its_insert_was_answered_lives_on() {
    let world = World::connected().await;
    world.import().await;
    world.save(id(1), "Lunch").await;
    world.google.inject(GoogleFault::drop_after_commit("calendar.events.insert"));
    assert!(world.try_push().await.is_err());
    world.edit_at_google(&id(1).to_string(), json!({"summary": "Long lunch"}));
    world.delete(id(1)).await;
    world.push().await;
    assert_eq!(
        (world.titles_at_google(), world.titles().await),
        (vec!["Long lunch".to_owned()], vec!["Long lunch".to_owned()])
    );
    assert_eq!(world.store.issues(world.user).await.unwrap().len(), 1, "the deletion lost");
}

#[tokio::test]
async fn a_series_that_lives_again_is_read_anew_with_its_exceptions() {
    let world = World::connected().await;
    world.import().await;
    let series = world
        .google
        .create_event(
            EMAIL,
            "primary",
            json!({
                "summary": "Daily", "recurrence": ["RRULE:FREQ=DAILY;COUNT=5"],
                "start": {"dateTime": "2026-11-23T09:00:00-08:00", "timeZone": "America/Los_Angeles"},
                "end": {"dateTime": "2026-11-23T10:00:00-08:00", "timeZone": "America/Los_Angeles"}
            }),
        )
        .unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    world.edit_at_google(&format!("{series}_20261124T170000Z"), json!({"summary": "Moved"}));
    world.pull().await;
    let ours = domain::EventId::of_google(&domain::GoogleEventId::new(series.as_str()));
    world.pass(TimeDelta::seconds(1));
    let now = world.clock.now();
    let plan = |snapshot: &store::Snapshot| -> Result<store::Plan, store::Error> {
        let context = snapshot.head.context(now);
        Ok(store::Plan::steps(domain::delete(&snapshot.records, ours, Scope::All, &context).unwrap()))
    };
    world.store.mutate(world.user, store::Reads::leading([ours], Scope::All), now, plan).await.unwrap();
    assert!(world.titles().await.is_empty());
    world.edit_at_google(&series, json!({"location": "Room 2", "summary": "Renamed"}));
    world.pull().await;
    let wanted = world.notices().await.into_iter().filter_map(|notice| match notice {
        Notice::Wanted(job) if matches!(job, domain::Job::Import { is_repair: true, .. }) => Some(job),
        _ => None,
    });
    for job in wanted.collect::<Vec<_>>() {
        world.run(&job).await.unwrap();
    }
    assert_eq!(world.titles().await, ["Moved", "Renamed", "Renamed", "Renamed", "Renamed"]);
}
