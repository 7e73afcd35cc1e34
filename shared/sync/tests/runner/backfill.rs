//! What was here before Google was, and what Google sends that is like nothing of ours.

use domain::{EventId, GoogleEventId, ImportFlag, Job};
use fake_google::{Fault as GoogleFault, Paging, Quirks};
use http::StatusCode;
use serde_json::json;

use crate::deeds::id;
use crate::world::{EMAIL, World};

const LIST: &str = "calendar.events.list";
const INSERT: &str = "calendar.events.insert";

/// 111: half of it is sent when the worker dies, once before and once after Google's commit.
#[tokio::test]
async fn a_backfill_that_dies_half_way_goes_on_and_sends_each_event_once() {
    let world = World::connected().await;
    for n in 1..=40 {
        world.save(id(n), &format!("event {n:02}")).await;
    }
    world.import().await;
    for (sent, fault) in [(10, GoogleFault::cut(INSERT)), (10, GoogleFault::drop_after_commit(INSERT))] {
        // One that fails is left for later; as many as fail together are Google's fault, and end the job.
        world.google.inject(fault.after(sent).times(3));
        world.try_push().await.unwrap_err();
        world.google.clear_faults();
    }
    assert!(world.titles_at_google().len() < 40);
    world.push().await;
    let titles = world.titles_at_google();
    assert_eq!((titles.len(), &titles), (40, &world.titles().await));
    let seq = world.seq().await;
    world.google.clear_journal();
    world.pull().await;
    assert_eq!((world.seq().await, world.writes()), (seq, 0));
}

/// 112.
#[tokio::test]
async fn the_same_meeting_on_both_sides_before_connecting_stays_two_and_is_sent_once() {
    let world = World::connected().await;
    world.google_event("Meeting");
    world.save(id(1), "Meeting").await;
    world.import().await;
    world.push().await;
    world.google.clear_journal();
    for _ in 0..2 {
        world.poll().await;
    }
    assert_eq!(world.titles().await, ["Meeting", "Meeting"]);
    assert_eq!((world.titles_at_google(), world.writes()), (world.titles().await, 0));
}

/// 114.
#[tokio::test]
async fn events_of_every_type_are_shown_and_an_edit_of_one_makes_no_loop() {
    let world = World::connected().await;
    let types = ["birthday", "focusTime", "outOfOffice", "workingLocation", "fromGmail"];
    let events = types.map(|kind| {
        json!({
            "id": format!("type{}", kind.to_lowercase()), "summary": kind, "eventType": kind,
            "start": {"dateTime": "2026-11-24T09:00:00Z"}, "end": {"dateTime": "2026-11-24T10:00:00Z"}
        })
    });
    world.google.plant(EMAIL, "primary", events).unwrap();
    world.import().await;
    let mut expected = types.to_vec();
    expected.sort_unstable();
    assert_eq!(world.titles().await, expected);
    world.google.clear_journal();
    for kind in types {
        let event = EventId::of_google(&GoogleEventId::new(format!("type{}", kind.to_lowercase())));
        world.save(event, &format!("{kind}, edited")).await;
    }
    for _ in 0..3 {
        world.push().await;
        world.poll().await;
    }
    assert_eq!(world.writes(), types.len(), "each is tried once");
    let issues = world.store.issues(world.user).await.unwrap();
    for kind in types {
        let there = format!("type{}", kind.to_lowercase());
        let event = EventId::of_google(&GoogleEventId::new(there.as_str()));
        let record = world.record(event).await;
        let is_sent = world.at_google(&there)["summary"] == format!("{kind}, edited").as_str();
        let is_told = issues.iter().any(|issue| issue.event == event);
        assert!(!record.is_dirty && is_sent != is_told, "{kind}: it is taken, or put aside with its reason");
        assert_eq!(record.event.title, Some(format!("{kind}, edited")), "and kept either way");
    }
    assert!(
        issues.iter().any(|issue| issue.event == EventId::of_google(&GoogleEventId::new("typefromgmail")))
    );
}

fn refused(method: &str) -> GoogleFault {
    GoogleFault::refuse(&format!("calendar.events.{method}"), StatusCode::BAD_REQUEST, "invalid")
}

impl World {
    /// As the user asks for it, or a spent token; and what it finds to send is sent.
    async fn repair_and_push(&self) {
        self.google.invalidate_sync_tokens(EMAIL).unwrap();
        self.pull().await;
        self.run(&Job::Import { user: self.user, is_repair: true }).await.unwrap();
        self.push().await;
    }
}

/// 113: an insert, an update and a deletion were refused, and one event waits to be sent.
#[tokio::test]
async fn a_repair_keeps_unsent_edits_and_tries_once_more_what_google_has_refused() {
    let world = World::connected().await;
    let (edited, deleted) = (world.google_event("Theirs"), world.google_event("Unwanted"));
    world.import().await;
    let here = |there: &str| EventId::of_google(&GoogleEventId::new(there));
    for method in ["insert", "update", "delete"] {
        match method {
            "insert" => world.save(id(1), "Made here").await,
            "update" => world.save(here(&edited), "Edited here").await,
            _ => world.delete(here(&deleted)).await,
        }
        world.google.inject(refused(method));
        world.push().await;
    }
    assert_eq!(world.store.issues(world.user).await.unwrap().len(), 3);
    world.google.clear_journal();
    world.poll().await;
    world.push().await;
    assert_eq!((world.writes(), world.titles_at_google()), (0, vec!["Theirs".into(), "Unwanted".into()]));

    // Google would take them now. Before the repair has come to its end one more is made.
    world.google.invalidate_sync_tokens(EMAIL).unwrap();
    world.pull().await;
    world.save(id(2), "Unsent").await;
    world.run(&Job::Import { user: world.user, is_repair: true }).await.unwrap();
    world.push().await;
    assert_eq!(world.titles_at_google(), ["Edited here", "Made here", "Unsent"]);
    assert_eq!((world.titles().await, world.writes()), (world.titles_at_google(), 4));
    world.google.clear_journal();
    world.repair_and_push().await;
    assert_eq!(world.writes(), 0, "nothing is left to be tried");
}

/// The copy of an event that was put aside is deleted, or Google has refused to delete it.
#[tokio::test]
async fn a_repair_sends_of_what_was_put_aside_only_a_deletion_that_google_has_refused() {
    let world = World::connected().await;
    world.import().await;
    for n in [1, 2] {
        world.save(id(n), "Lunch").await;
        world.push().await;
        world.save_on(id(n), "Lunch", true).await;
        if n == 2 {
            world.google.inject(refused("delete"));
        }
        world.push().await;
    }
    assert_eq!(world.titles_at_google(), ["Lunch"], "what was refused is there still");
    world.google.clear_journal();
    world.repair_and_push().await;
    assert_eq!((world.titles_at_google(), world.writes()), (vec![], 1));
    world.repair_and_push().await;
    assert_eq!(
        (world.writes(), world.calls("calendar.events.get")),
        (1, 0),
        "nothing is left to be said or asked"
    );
    assert!(world.event(id(1)).await.is_someday && world.event(id(2)).await.is_someday);
}

/// 113: what is refused for good costs one call for each repair.
#[tokio::test]
async fn what_google_refuses_again_is_put_aside_again() {
    let world = World::connected().await;
    let edited = world.google_event("Theirs");
    world.import().await;
    world.save(EventId::of_google(&GoogleEventId::new(edited.as_str())), "Edited here").await;
    world.google.inject(refused("update").forever());
    for tries in 1..=3 {
        if tries == 1 {
            world.push().await
        } else {
            world.repair_and_push().await
        }
        world.poll().await;
        assert_eq!(world.calls("calendar.events.update"), tries);
    }
    assert_eq!(
        (world.titles().await, world.titles_at_google()),
        (vec!["Edited here".into()], vec!["Theirs".into()])
    );
}

/// 119.
#[tokio::test]
async fn every_kind_of_text_comes_and_goes_as_it_is() {
    let world = World::connected().await;
    let html = format!("<b>{}</b>", "fünf & sechs ".repeat(600));
    let texts = ["👩‍👩‍👧‍👦 Zoë", "\u{202b}שלום עולם\u{202c}", "nothing\u{0}ness", &"t".repeat(1_024)];
    for (n, text) in texts.iter().enumerate() {
        let event = world.google_event("plain");
        world.edit_at_google(&event, json!({"summary": text, "description": html}));
        world.save(id(u8::try_from(n).unwrap() + 1), text).await;
    }
    world.import().await;
    world.push().await;
    world.pull().await;
    let mut expected: Vec<String> = texts.iter().chain(&texts).map(|text| (*text).to_owned()).collect();
    expected.sort();
    assert_eq!((world.titles().await, world.titles_at_google()), (expected.clone(), expected));
    world.google.clear_journal();
    world.poll().await;
    assert_eq!(world.writes(), 0);
}

/// 27: without a sync token there is nothing to go on from.
#[tokio::test]
async fn a_last_page_without_a_sync_token_ends_the_import_after_its_tries_and_never_loops() {
    let world = World::connected().await;
    world.google_event("Lunch");
    world.google.set_quirks(Quirks { withholds_sync_token: true, ..Quirks::default() });
    let job = Job::Import { user: world.user, is_repair: false };
    world.google.clear_journal();
    assert!(world.run(&job).await.unwrap_err().is_retryable());
    world.run_last(&job).await.unwrap_err();
    assert_eq!((world.calls(LIST), world.status().await.import), (2, ImportFlag::Errored));
    world.pull().await;
    assert_eq!(world.calls(LIST), 2, "nobody asks before the next poll, or before somebody wants a repair");
    world.google.set_quirks(Quirks::default());
    world.run(&Job::Poll { user: world.user }).await.unwrap();
    world.run(&job).await.unwrap();
    assert_eq!(
        (world.titles().await, world.status().await.import),
        (vec!["Lunch".to_owned()], ImportFlag::Completed)
    );
}

/// 26: the fake refuses a page that is asked for in other words than the first.
#[tokio::test]
async fn each_page_of_a_pull_is_asked_for_with_the_same_sync_token() {
    let world = World::connected().await;
    world.import().await;
    for n in 0..6 {
        world.google_event(&format!("event {n}"));
    }
    world.google.set_paging(Paging { at_most: Some(2), ..Paging::default() });
    world.google.clear_journal();
    world.pull().await;
    let asked: Vec<_> = world.google.journal().into_iter().filter(|entry| entry.operation == LIST).collect();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|entry| entry.status == Some(StatusCode::OK.as_u16())));
    let tokens: Vec<_> = asked
        .iter()
        .map(|entry| entry.query.iter().find(|(name, _)| name == "syncToken").map(|(_, token)| token.clone()))
        .collect();
    assert!(tokens[0].is_some() && tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
}
