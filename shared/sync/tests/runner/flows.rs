//! What a sync does when nothing fails.

use chrono::TimeDelta;
use domain::{
    EventId, GoogleEventId, ImportFlag, ImportOperation, ImportOutcome, ImportProgress, ImportStatus, Job,
    Notice, Origin,
};
use fake_google::{Fault as GoogleFault, Paging};
use serde_json::json;
use store::{Due, SHARDS};
use sync::Effort;

use crate::deeds::id;
use crate::world::{EMAIL, World};

#[tokio::test]
async fn a_first_import_brings_all_events_and_tells_of_it() {
    let world = World::connected().await;
    let lunch = world.google_event("Lunch");
    world.google_event("Dinner");
    let series = json!({
        "summary": "Daily", "recurrence": ["RRULE:FREQ=DAILY"],
        "start": {"dateTime": "2026-11-23T09:00:00Z", "timeZone": "UTC"},
        "end": {"dateTime": "2026-11-23T10:00:00Z", "timeZone": "UTC"}
    });
    world.google.create_event(EMAIL, "primary", series).unwrap();
    world.import().await;

    let titles = world.titles().await;
    assert_eq!((titles.first().unwrap().as_str(), titles.last().unwrap().as_str()), ("Daily", "Lunch"));
    let event = world.event(EventId::of_google(&GoogleEventId::new(lunch))).await;
    // Verbatim, that is, as Google writes it: in the offset of the calendar.
    assert_eq!(event.span.start().as_str(), "2026-11-23T17:00:00Z");
    assert_eq!(event.origin, Origin::GoogleImport);
    let status = world.status().await;
    assert_eq!((status.import, status.import_until), (ImportFlag::Completed, None));
    let ended = Notice::ImportEnded(ImportOutcome {
        operation: ImportOperation::Incremental,
        status: ImportStatus::Completed,
        message: None,
        events_count: Some(3),
        calendars_count: Some(1),
    });
    let push = Notice::Wanted(Job::Push { user: world.user });
    let progress = Notice::ImportProgress(ImportProgress { done: 3, calendars: 1 });
    assert_eq!(world.notices().await, [Notice::ImportStarted, progress, ended, push]);
}

#[tokio::test]
async fn a_second_delivery_of_the_import_changes_nothing() {
    let world = World::connected().await;
    world.google_event("Lunch");
    world.import().await;
    let (seq, calls) = (world.seq().await, world.google.journal().len());
    world.import().await;
    assert_eq!((world.seq().await, world.google.journal().len()), (seq, calls));
}

#[tokio::test]
async fn many_pages_some_of_them_empty_come_out_the_same() {
    let world = World::connected().await;
    for n in 0..25 {
        world.google_event(&format!("event {n:02}"));
    }
    world.google.set_paging(Paging { at_most: Some(4), starts_empty: true, repeats_boundary: true });
    world.import().await;
    assert_eq!(world.titles().await.len(), 25);
    for n in 25..40 {
        world.google_event(&format!("event {n:02}"));
    }
    world.pull().await;
    assert_eq!(world.titles().await, world.titles_at_google());
    let seq = world.seq().await;
    world.pull().await;
    world.pull().await;
    assert_eq!(world.seq().await, seq);
    assert_eq!(world.writes(), 0);
}

#[tokio::test]
async fn what_changes_at_google_arrives() {
    let world = World::connected().await;
    let (lunch, dinner) = (world.google_event("Lunch"), world.google_event("Dinner"));
    world.import().await;
    world.edit_at_google(&lunch, json!({"summary": "Brunch"}));
    world.google.delete_event(EMAIL, "primary", &dinner).unwrap();
    world.google_event("Breakfast");
    world.pull().await;
    assert_eq!(world.titles().await, ["Breakfast", "Brunch"]);
    let seq = world.seq().await;
    world.pull().await;
    assert_eq!(world.seq().await, seq, "a second delivery changes nothing");
}

#[tokio::test]
async fn what_changes_here_arrives_once_and_its_echo_changes_nothing() {
    let world = World::connected().await;
    world.import().await;
    world.save(id(1), "Lunch").await;
    world.push().await;
    world.push().await;
    assert_eq!(world.titles_at_google(), ["Lunch"]);
    assert_eq!(world.calls("calendar.events.insert"), 1);
    let copy = world.at_google(&id(1).to_string());
    assert_eq!(copy["extendedProperties"]["private"]["priority"], "work");

    world.save(id(1), "Brunch").await;
    world.push().await;
    assert_eq!(world.titles_at_google(), ["Brunch"]);

    let (seq, writes) = (world.seq().await, world.writes());
    world.pull().await;
    world.pull().await;
    assert_eq!((world.seq().await, world.writes()), (seq, writes), "the echo is nothing");
    assert!(
        world.google.journal().iter().all(|entry| entry.send_updates.as_deref().unwrap_or("none") == "none")
    );

    world.delete(id(1)).await;
    world.push().await;
    world.push().await;
    assert!(world.titles_at_google().is_empty());
    assert_eq!(world.calls("calendar.events.delete"), 1);
    world.pull().await;
    assert!(world.record(id(1)).await.is_deleted);
}

#[tokio::test]
async fn events_made_before_connecting_survive_and_are_sent() {
    let world = World::connected().await;
    world.google_event("Theirs");
    world.save(id(1), "Ours").await;
    world.push().await;
    world.import().await;
    world.push().await;
    assert_eq!(world.titles().await, ["Ours", "Theirs"]);
    assert_eq!(world.titles_at_google(), ["Ours", "Theirs"]);
}

#[tokio::test]
async fn an_event_moved_to_someday_leaves_google_and_comes_back() {
    let world = World::connected().await;
    world.import().await;
    world.save_on(id(2), "Someday", true).await;
    world.push().await;
    assert!(world.titles_at_google().is_empty(), "someday events are never sent");
    world.save(id(1), "Lunch").await;
    world.push().await;
    world.save_on(id(1), "Lunch", true).await;
    world.push().await;
    assert!(world.titles_at_google().is_empty());
    world.pull().await;
    assert!(world.event(id(1)).await.is_someday);
    world.save(id(1), "Lunch again").await;
    world.push().await;
    world.pull().await;
    assert_eq!(world.titles_at_google(), ["Lunch again"]);
    assert_eq!(world.titles().await, ["Lunch again"]);
}

#[tokio::test]
async fn an_event_of_googles_that_went_to_someday_and_came_back_at_once_stays() {
    let world = World::connected().await;
    let theirs = world.google_event("Lunch");
    world.import().await;
    let id = EventId::of_google(&GoogleEventId::new(theirs.as_str()));
    world.save_on(id, "Lunch", true).await;
    world.push().await;
    world.save(id, "Lunch").await;
    world.push().await;
    // The list tells of it as it is: the copy that was deleted lives again.
    world.pull().await;
    assert_eq!(
        (world.titles().await, world.titles_at_google()),
        (vec!["Lunch".into()], vec!["Lunch".into()])
    );
    // And again, as from a sync token that is older.
    world.pull().await;
    assert!(!world.record(id).await.is_deleted);
}

#[tokio::test]
async fn what_was_put_aside_and_is_restored_at_google_goes_back_with_what_was_made_of_it() {
    let world = World::connected().await;
    let theirs = world.google_event("Lunch");
    world.import().await;
    let id = EventId::of_google(&GoogleEventId::new(theirs.as_str()));
    world.save_on(id, "Lunch", true).await;
    world.push().await;
    world.pull().await;
    world.save_on(id, "Dinner", true).await;
    assert!(!world.record(id).await.is_dirty, "a someday event is none of Google's business");
    world.restore_at_google(&theirs);
    world.pull().await;
    world.push().await;
    assert!(!world.event(id).await.is_someday);
    assert_eq!(world.titles_at_google(), ["Dinner"]);
    assert_eq!(world.titles().await, ["Dinner"]);
}

#[tokio::test]
async fn edits_of_different_fields_merge_and_of_the_same_field_the_loser_is_recorded() {
    let world = World::connected().await;
    world.import().await;
    world.save(id(1), "Lunch").await;
    world.push().await;
    let google_id = id(1).to_string();

    world.save(id(1), "Brunch").await;
    world.edit_at_google(&google_id, json!({"description": "Bring cake"}));
    world.push().await;
    let copy = world.at_google(&google_id);
    assert_eq!(
        (copy["summary"].as_str(), copy["description"].as_str()),
        (Some("Brunch"), Some("Bring cake"))
    );
    assert_eq!(world.event(id(1)).await.description.as_deref(), Some("Bring cake"));
    assert!(world.store.issues(world.user).await.unwrap().is_empty());

    world.save(id(1), "Ours").await;
    world.edit_at_google(&google_id, json!({"summary": "Theirs"}));
    world.push().await;
    world.pull().await;
    assert_eq!(
        (world.titles().await, world.titles_at_google()),
        (vec!["Theirs".into()], vec!["Theirs".into()])
    );
    assert_eq!(world.store.issues(world.user).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_concurrent_edit_beats_a_deletion_on_either_side() {
    let world = World::connected().await;
    world.import().await;
    for n in [1, 2] {
        world.save(id(n), &format!("event {n}")).await;
    }
    world.push().await;

    world.save(id(1), "edited here").await;
    world.google.delete_event(EMAIL, "primary", &id(1).to_string()).unwrap();
    world.delete(id(2)).await;
    world.edit_at_google(&id(2).to_string(), json!({"summary": "edited there"}));
    world.pull().await;
    world.push().await;
    world.pull().await;
    assert_eq!(world.titles().await, ["edited here", "edited there"]);
    assert_eq!(world.titles_at_google(), ["edited here", "edited there"]);
}

#[tokio::test]
async fn a_spent_sync_token_leads_to_a_repair_that_keeps_local_edits_and_finds_deletions() {
    let world = World::connected().await;
    let (kept, gone) = (world.google_event("kept"), world.google_event("gone"));
    world.import().await;
    world.google.invalidate_sync_tokens(EMAIL).unwrap();
    world.google.delete_event(EMAIL, "primary", &gone).unwrap();
    world.edit_at_google(&kept, json!({"summary": "changed"}));
    world.save(id(1), "unsent").await;
    world.pull().await;

    let repair = Job::Import { user: world.user, is_repair: true };
    assert!(world.notices().await.contains(&Notice::Wanted(repair.clone())));
    world.run(&repair).await.unwrap();
    world.push().await;
    assert_eq!(world.titles().await, ["changed", "unsent"]);
    assert_eq!(world.titles_at_google(), ["changed", "unsent"]);
    assert_eq!(world.status().await.import, ImportFlag::Completed);
    let seq = world.seq().await;
    world.pull().await;
    assert_eq!(world.seq().await, seq);
}

fn only_channel(world: &World) -> String {
    let mut ids = world.channels();
    assert_eq!(ids.len(), 1);
    ids.remove(0)
}

#[tokio::test]
async fn a_watch_is_opened_before_the_import_and_replaced_before_it_ends() {
    let world = World::watched().await;
    world.import().await;
    let first = only_channel(&world);
    let items = world.store.google(world.user).await.unwrap().unwrap();
    let watch = items.calendars[0].watch.clone().unwrap();
    assert_eq!(watch.channel, first);
    let known = world.store.channel(&watch.channel).await.unwrap().unwrap();
    assert_eq!((known.user, known.resource_id), (world.user, Some(watch.resource_id)));
    assert_eq!(world.status().await.watched_until, Some(watch.expires_at));

    world.pass(TimeDelta::days(6));
    let mut due = Vec::new();
    for shard in 0..SHARDS {
        due.extend(world.store.due(Due::Renewal, shard, world.clock.now(), 10).await.unwrap());
    }
    let [row] = due.try_into().unwrap();
    assert_eq!(row.user, world.user);
    let next = world.clock.now() + TimeDelta::hours(1);
    assert!(world.store.claim(Due::Renewal, &row, next).await.unwrap());
    assert!(!world.store.claim(Due::Renewal, &row, next).await.unwrap(), "two runs do not both take it");

    world.run(&Job::RenewWatch { user: world.user }).await.unwrap();
    let second = only_channel(&world);
    assert_ne!(second, first);
    assert_eq!(world.store.channel(&first).await.unwrap(), None);
    assert!(world.store.channel(&second).await.unwrap().is_some());
}

#[tokio::test]
async fn who_connects_again_is_watched_under_the_new_consent() {
    let world = World::watched().await;
    world.import().await;
    let before = only_channel(&world);
    world.pass(TimeDelta::hours(2));
    for due in [Due::Renewal, Due::Poll] {
        world.store.unschedule(due, world.user).await.unwrap();
    }
    world.connect().await;
    world.import().await;
    assert_ne!(only_channel(&world), before);
    let watched_until = world.status().await.watched_until.unwrap();
    let mut due = Vec::new();
    for shard in 0..SHARDS {
        due.extend(world.store.due(Due::Renewal, shard, watched_until, 10).await.unwrap());
    }
    assert_eq!(due.len(), 1, "its renewal is on the calendar");
}

#[tokio::test]
async fn a_calendar_that_sends_no_notifications_is_polled() {
    let world = World::watched().await;
    world.google.set_pushing(EMAIL, false).unwrap();
    world.google_event("Lunch");
    world.import().await;
    assert_eq!(world.titles().await, ["Lunch"]);
    assert_eq!(world.status().await.watched_until, None);
    world.pass(TimeDelta::minutes(6));
    let mut due = Vec::new();
    for shard in 0..SHARDS {
        due.extend(world.store.due(Due::Poll, shard, world.clock.now(), 10).await.unwrap());
    }
    assert_eq!(due.len(), 1);
}

#[tokio::test]
async fn a_job_whose_time_is_up_goes_on_in_a_further_message() {
    let world = World::connected().await;
    for n in 0..6 {
        world.google_event(&format!("event {n}"));
    }
    world.google.set_paging(Paging { at_most: Some(2), ..Paging::default() });
    let hurried = Effort { until: world.clock.now(), ..world.effort(false) };
    let mut rounds = 0;
    while world.status().await.import != ImportFlag::Completed {
        world.sync.run(&Job::Import { user: world.user, is_repair: false }, hurried).await.unwrap();
        rounds += 1;
        assert!(rounds < 10, "each makes progress");
    }
    assert!(rounds > 2);
    assert_eq!(world.titles().await.len(), 6);
    assert_eq!(world.notices().await.iter().filter(|n| **n == Notice::ImportStarted).count(), 1);
}

#[tokio::test]
async fn what_was_left_to_send_is_sent_with_the_next_poll() {
    let world = World::connected().await;
    world.import().await;
    world.save(id(1), "Lunch").await;
    world.pull().await;
    assert_eq!(world.titles_at_google(), ["Lunch"]);
}

#[tokio::test]
async fn what_is_logged_is_looked_at_for_secrets() {
    let world = World::connected().await;
    world.import().await;
    world.google.inject(GoogleFault::refuse(
        "calendar.events.list",
        http::StatusCode::FORBIDDEN,
        "rateLimitExceeded",
    ));
    assert!(world.run(&Job::Pull { user: world.user }).await.is_err());
    assert!(world.has_logged("Google asks us to slow down"), "the log is read");
    assert!(world.google.secrets().len() > 3, "there is something to look for");
}

/// At the end of each test; and it does see what it looks for.
#[tokio::test]
async fn a_secret_in_a_log_an_item_or_a_message_is_found() {
    let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    for place in ["log", "item", "item that is gone", "message"] {
        let world = World::connected().await;
        world.import().await;
        assert_eq!(world.leak(), None);
        let secret = world.google.secrets().swap_remove(1);
        let told = format!("Bearer {secret}!");
        let key =
            |sk: &str| [("pk", text("U#leaky")), ("sk", text(sk))].map(|(name, key)| (name.into(), key));
        match place {
            "log" => tracing::warn!(header = told, "a request was refused"),
            "message" => world.slip_in(&told),
            _ => {
                let (table, item) =
                    (&world.table, key("E#1").into_iter().chain([("why".into(), text(&told))]));
                let put = table.client.put_item().table_name(&table.table_name);
                put.set_item(Some(item.collect())).send().await.unwrap();
            }
        }
        if place.ends_with("gone") {
            let delete = world.table.client.delete_item().table_name(&world.table.table_name);
            delete.set_key(Some(key("E#1").into())).send().await.unwrap();
        }
        assert!(world.leak().is_some_and(|leak| leak.contains(&told)), "{place}");
        world.is_condemned.set(true);
    }
}
