//! What Google makes of what it is sent, and what it was never sent.

use chrono::TimeDelta;
use domain::{EventId, GoogleEventId, Job, Notice, Scope};
use fake_google::{Fault as GoogleFault, Quirks};
use http::StatusCode;
use serde_json::{Value, json};
use store::IssueKind;

use crate::deeds::id;
use crate::world::{EMAIL, World};

const INSERT: &str = "calendar.events.insert";

/// An event was saved here and sent, and the answer was lost.
async fn with_lost_insert(title: &str) -> World {
    let world = World::connected().await;
    world.import().await;
    world.save(id(1), title).await;
    world.google.inject(GoogleFault::drop_after_commit(INSERT));
    assert!(world.try_push().await.is_err());
    world
}

/// Two more polls and pushes are nothing.
async fn is_at_rest(world: &World) {
    let (seq, writes) = (world.seq().await, world.writes());
    for _ in 0..2 {
        world.pull().await;
        world.push().await;
    }
    assert_eq!((world.seq().await, world.writes()), (seq, writes));
    assert_eq!(world.titles().await, world.titles_at_google());
}

/// 34: its id is taken by what somebody has deleted there meanwhile.
#[tokio::test]
async fn what_was_deleted_at_google_before_its_insert_was_answered_stays_deleted() {
    for is_told_first in [false, true] {
        let world = with_lost_insert("Lunch").await;
        world.google.delete_event(EMAIL, "primary", &id(1).to_string()).unwrap();
        if is_told_first {
            world.pull().await;
        }
        world.push().await;
        assert!(world.titles().await.is_empty() && world.titles_at_google().is_empty());
        let record = world.record(id(1)).await;
        assert!(record.is_deleted && !record.is_dirty);
        assert!(world.store.issues(world.user).await.unwrap().is_empty(), "nothing was lost");
        is_at_rest(&world).await;
        world.restore_at_google(&id(1).to_string());
        world.pull().await;
        assert_eq!(world.titles().await, ["Lunch"], "until somebody restores it");
    }
}

/// 34: with an edit that the deletion did not know of.
#[tokio::test]
async fn an_edit_after_an_insert_that_was_not_answered_beats_its_deletion_at_google() {
    let world = with_lost_insert("Lunch").await;
    world.google.delete_event(EMAIL, "primary", &id(1).to_string()).unwrap();
    world.save(id(1), "Brunch").await;
    world.push().await;
    assert_eq!(world.titles_at_google(), ["Brunch"]);
    is_at_rest(&world).await;
}

/// What we have deleted there ourselves is no deletion of Google's, though nothing in it has changed since.
#[tokio::test]
async fn an_event_that_went_to_someday_and_came_back_as_it_was_stays() {
    let world = World::connected().await;
    world.import().await;
    for is_someday in [false, true, false] {
        world.save_on(id(1), "Lunch", is_someday).await;
        world.push().await;
    }
    assert_eq!(world.titles_at_google(), ["Lunch"]);
    is_at_rest(&world).await;
}

/// 35: the id is taken by an event that has nothing to do with ours.
#[tokio::test]
async fn an_event_whose_id_is_taken_by_another_is_sent_once_under_another_id() {
    let world = World::connected().await;
    world.import().await;
    let foreign = json!({
        "id": id(1).to_string(), "summary": "Foreign",
        "start": {"dateTime": "2026-11-23T12:00:00Z"}, "end": {"dateTime": "2026-11-23T13:00:00Z"}
    });
    world.google.plant(EMAIL, "primary", [foreign.clone()]).unwrap();
    world.save(id(1), "Ours").await;
    world.google.inject(GoogleFault::drop_after_commit(INSERT).after(1));
    assert!(world.try_push().await.is_err(), "the answer of the second id is lost, too");
    world.push().await;
    assert_eq!(world.titles_at_google(), ["Foreign", "Ours"]);
    assert_eq!(world.at_google(&id(1).to_string())["summary"], "Foreign");
    assert!(world.has_logged("the id of an event is taken by another"));
    world.save(id(1), "Ours, later").await;
    world.push().await;
    world.pull().await;
    assert_eq!(world.titles_at_google(), ["Foreign", "Ours, later"]);
    assert_eq!(world.event(id(1)).await.title.as_deref(), Some("Ours, later"));
    assert!(world.store.issues(world.user).await.unwrap().is_empty());
}

/// 42: the job of a deletion comes before that of the insert, and both come again.
#[tokio::test]
async fn jobs_in_any_order_end_the_same_and_nothing_is_made_after_its_deletion() {
    let world = World::connected().await;
    let gone = world.google_event("Gone");
    world.import().await;
    world.save(id(1), "Withdrawn").await;
    world.save(id(2), "Kept").await;
    world.delete(EventId::of_google(&GoogleEventId::new(gone.as_str()))).await;
    world.delete(id(1)).await;
    let user = world.user;
    // As they were asked for: insert, insert, delete, delete; all of them say the same, and the last one comes first.
    for job in [Job::Push { user }, Job::Pull { user }, Job::Push { user }, Job::Poll { user }] {
        world.run(&job).await.unwrap();
    }
    assert_eq!(world.calls(INSERT), 1);
    assert_eq!(world.titles_at_google(), ["Kept"]);
    is_at_rest(&world).await;
}

/// 49: Google does what it is asked to, and says that it has failed.
#[tokio::test]
async fn a_write_that_was_done_and_answered_with_503_has_one_effect() {
    let world = World::connected().await;
    world.import().await;
    let failed = |method: &str| {
        let operation = format!("calendar.events.{method}");
        GoogleFault::refuse_after_commit(&operation, StatusCode::SERVICE_UNAVAILABLE, "backendError")
    };
    for (method, title) in [("insert", "Lunch"), ("update", "Brunch")] {
        world.save(id(1), title).await;
        world.google.inject(failed(method));
        assert!(world.try_push().await.unwrap_err().is_retryable());
        world.push().await;
        assert_eq!(world.titles_at_google(), [title]);
        assert!(!world.record(id(1)).await.is_dirty);
    }
    world.delete(id(1)).await;
    world.google.inject(failed("delete"));
    assert!(world.try_push().await.unwrap_err().is_retryable());
    world.push().await;
    assert!(world.titles_at_google().is_empty() && !world.record(id(1)).await.is_dirty);
    assert!(world.store.issues(world.user).await.unwrap().is_empty(), "no try was in conflict with another");
    is_at_rest(&world).await;
}

/// 55: a sync mails nobody.
#[tokio::test]
async fn an_edit_of_an_event_with_guests_mails_nobody_and_keeps_them() {
    let world = World::connected().await;
    let meeting = world.google_event("Meeting");
    let guests =
        json!([{"email": "bob@example.com", "responseStatus": "accepted"}, {"email": "cy@example.com"}]);
    world.edit_at_google(&meeting, json!({"attendees": guests}));
    let guests = world.at_google(&meeting)["attendees"].clone();
    world.import().await;
    let here = EventId::of_google(&GoogleEventId::new(meeting.as_str()));
    world.google.clear_journal();
    world.save(here, "Long meeting").await;
    world.push().await;
    let copy = world.at_google(&meeting);
    assert_eq!((&copy["summary"], &copy["attendees"]), (&json!("Long meeting"), &guests));
    world.delete(here).await;
    world.push().await;
    assert!(world.titles_at_google().is_empty());
    let writes: Vec<_> = world.google.journal().into_iter().filter(|entry| entry.method != "GET").collect();
    assert_eq!(writes.len(), 2);
    assert!(writes.iter().all(|entry| entry.send_updates.as_deref() == Some("none")), "{writes:?}");
}

/// An event to which the user is a guest.
fn invitation(name: &str) -> Value {
    json!({
        "id": name, "summary": "Theirs", "organizer": {"email": "bob@example.com", "self": false},
        "attendees": [{"email": "bob@example.com", "organizer": true}, {"email": EMAIL, "self": true}],
        "start": {"dateTime": "2026-11-24T09:00:00-08:00"}, "end": {"dateTime": "2026-11-24T10:00:00-08:00"}
    })
}

/// 56: what belongs to the user's own copy is taken, what is the organizer's is refused and told.
#[tokio::test]
async fn of_a_guests_copy_the_priority_is_sent_and_an_edit_of_what_is_shared_is_told_and_not_tried_again() {
    let world = World::connected().await;
    world.google.plant(EMAIL, "primary", [invitation("invited1"), invitation("invited2")]).unwrap();
    world.import().await;
    let here = |name: &str| EventId::of_google(&GoogleEventId::new(name));
    // As it was but for the priority.
    world.save(here("invited1"), "Theirs").await;
    world.push().await;
    assert_eq!(world.at_google("invited1")["extendedProperties"]["private"]["priority"], "work");
    assert!(world.store.issues(world.user).await.unwrap().is_empty());

    world.save(here("invited2"), "Mine").await;
    world.push().await;
    assert_eq!(world.at_google("invited2")["summary"], "Theirs");
    assert_eq!(
        world.event(here("invited2")).await.title.as_deref(),
        Some("Mine"),
        "nothing that was written is lost"
    );
    let issues = world.store.issues(world.user).await.unwrap();
    let [issue] = issues.as_slice() else { panic!("{issues:?}") };
    let IssueKind::Parked { reason } = &issue.kind else { panic!("{issue:?}") };
    assert!(reason.contains("403"), "{reason}");
    world.google.clear_journal();
    for _ in 0..2 {
        world.push().await;
        world.pull().await;
    }
    assert_eq!(world.writes(), 0);
}

/// 57: nothing is lost, nothing is made twice, and what was first made is first there.
#[tokio::test]
async fn what_was_edited_while_google_was_down_arrives_in_order_when_it_is_back() {
    let world = World::connected().await;
    world.import().await;
    let down = GoogleFault::refuse("calendar.*", StatusCode::SERVICE_UNAVAILABLE, "backendError").forever();
    world.google.inject(down);
    for n in 1..=12 {
        world.save(id(n), &format!("event {n:02}")).await;
        assert!(world.try_push().await.unwrap_err().is_retryable());
        world.pass(TimeDelta::minutes(5));
    }
    world.delete(id(12)).await;
    world.google.clear_faults();
    world.google.clear_journal();
    world.push().await;
    let inserted = world.google.journal().into_iter().filter(|entry| entry.operation == INSERT);
    let titles: Vec<_> = inserted.map(|entry| entry.body.unwrap()["summary"].clone()).collect();
    assert_eq!(titles, (1..=11).map(|n| json!(format!("event {n:02}"))).collect::<Vec<_>>());
    is_at_rest(&world).await;
}

/// 58: every drag asks for a job of its own; the queue hands out ten at a time, which are one.
#[tokio::test]
async fn a_thousand_quick_drags_of_one_event_are_a_tenth_as_many_writes_and_the_last_one_stays() {
    let world = World::connected().await;
    world.import().await;
    world.google.clear_journal();
    for n in 1..=1_000 {
        world.save(id(1), &format!("drag {n}")).await;
        if n % 10 == 0 {
            world.push().await;
        }
    }
    assert_eq!(world.writes(), 100);
    assert_eq!(world.titles_at_google(), ["drag 1000"]);
    is_at_rest(&world).await;
}

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
