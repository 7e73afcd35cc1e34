//! What becomes of an event, on either side: what it holds that we do not know, another shape, another time, and the end of a part of it.

use domain::{EventId, GoogleEventId, Span};
use fake_google::{Quirks, Scope};
use serde_json::{Value, json};

use crate::deeds::id;
use crate::series::instance;
use crate::world::{EMAIL, World};

fn here(there: &str) -> EventId {
    EventId::of_google(&GoogleEventId::new(there))
}

fn at(day: u32, hour: u32) -> Value {
    json!({"dateTime": format!("2026-11-{day}T{hour:02}:00:00-08:00"), "timeZone": "America/Los_Angeles"})
}

/// 54.
#[tokio::test]
async fn fields_that_we_do_not_know_survive_our_edit() {
    let world = World::connected().await;
    let there = world.google_event("Lunch");
    let unknown = json!({
        "xFuture": {"deep": [1, 2.5, null, "ä"]},
        "location": "Here",
        "attachments": [{"fileUrl": "https://drive.example.com/1", "title": "Menu", "mimeType": "text/plain"}],
        "conferenceData": {"conferenceId": "aaa-bbbb-ccc", "entryPoints": [{"entryPointType": "video", "uri": "https://meet.example.com/aaa"}]},
        "labels": {"colour": ["a", "b"]}
    });
    world.edit_at_google(&there, unknown.clone());
    let before = world.at_google(&there);
    world.import().await;
    world.save(here(&there), "Brunch").await;
    world.push().await;
    let after = world.at_google(&there);
    assert_eq!(after["summary"], "Brunch");
    for name in unknown.as_object().unwrap().keys() {
        assert!(before[name] == unknown[name], "{name}: {before}");
        assert_eq!(after[name].to_string(), before[name].to_string(), "{name}, to the byte");
    }
}

/// 53, of texts that Google keeps in another form.
#[tokio::test]
async fn a_description_that_google_rewrites_is_taken_over_and_an_empty_one_is_none() {
    let world = World::connected().await;
    world.google.set_quirks(Quirks { rewrites_texts: true, ..Quirks::default() });
    world.import().await;
    for (n, description) in [(1, " <B>Bring</B> cake<br> "), (2, "")] {
        world.save_described(id(n), "Lunch", description).await;
    }
    world.push().await;
    for n in [1, 2] {
        let (record, copy) = (world.record(id(n)).await, world.at_google(&id(n).to_string()));
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        assert_eq!(
            record.event.description.clone().filter(|text| !text.is_empty()),
            text(&copy["description"]),
            "as Google has it"
        );
        assert!(!record.is_dirty);
    }
    let (seq, writes) = (world.seq().await, world.writes());
    for _ in 0..2 {
        world.pull().await;
        world.push().await;
    }
    assert_eq!((world.seq().await, world.writes(), writes), (seq, 2, 2), "each is written once");
}

/// 59, 67, 68: what is moved, ended or given another rule.
#[tokio::test]
async fn what_moves_or_ends_at_google_moves_or_ends_here() {
    let world = World::connected().await;
    let daily = world.series_at_google("Daily");
    world.import().await;
    world.edit_at_google(&instance(&daily, 24), json!({"start": at(26, 15), "end": at(26, 16)}));
    world.pull().await;
    world.is_at_rest(10).await;
    let before = world.seen_here().await;
    let on = |day: &str| before.iter().filter(|(at, _)| at.date_naive() == day.parse().unwrap()).count();
    assert_eq!((on("2026-11-24"), on("2026-11-26")), (0, 2), "on another day, and not at its slot");

    world.google.delete_series(EMAIL, "primary", &instance(&daily, 30), Scope::Following).unwrap();
    world.pull().await;
    world.is_at_rest(7).await;
    assert_eq!(world.seen_here().await, before[..7], "what was before it is as it was");

    let other = world.series_at_google("Other");
    world.pull().await;
    world.is_at_rest(17).await;
    let all = json!({"start": at(23, 11), "end": at(23, 13), "recurrence": ["RRULE:FREQ=DAILY;INTERVAL=2;COUNT=3"]});
    world.google.edit_series(EMAIL, "primary", &other, Scope::All, all).unwrap();
    world.pull().await;
    world.is_at_rest(10).await;
    let starts: Vec<String> = world
        .seen_here()
        .await
        .into_iter()
        .filter(|(_, title)| title == "Other")
        .map(|(at, _)| at.to_rfc3339())
        .collect();
    assert_eq!(
        starts,
        ["2026-11-23T19:00:00+00:00", "2026-11-25T19:00:00+00:00", "2026-11-27T19:00:00+00:00"]
    );
    assert_eq!(world.writes(), 0);
}

/// 70, on Google's side.
#[tokio::test]
async fn a_single_event_becomes_a_series_at_google_and_back_under_its_id() {
    let world = World::connected().await;
    let there = world.google_event("Lunch");
    world.import().await;
    for _ in 0..2 {
        world.edit_at_google(&there, json!({"recurrence": ["RRULE:FREQ=DAILY;COUNT=4"]}));
        world.pull().await;
        world.is_at_rest(4).await;
        world.edit_at_google(&there, json!({"recurrence": null}));
        world.pull().await;
        world.is_at_rest(1).await;
        assert_eq!(world.event(here(&there)).await.title.as_deref(), Some("Lunch"));
    }
    assert_eq!(world.writes(), 0);
}

/// 72, at Google, which takes no event that has both members.
#[tokio::test]
async fn a_change_between_timed_and_all_day_is_taken_by_google_and_comes_back_as_it_was() {
    let world = World::connected().await;
    world.import().await;
    let hours = ("2026-11-24T09:00:00-08:00", "2026-11-24T10:00:00-08:00");
    let days = ("2026-11-24", "2026-11-26");
    for (start, end) in [hours, days, hours, days] {
        let span = Span::new(start.parse().unwrap(), end.parse().unwrap()).unwrap();
        world.save_at(id(1), "Lunch", span.clone()).await;
        world.push().await;
        let copy = world.at_google(&id(1).to_string());
        for which in ["start", "end"] {
            let has = |member: &str| copy[which][member].is_string();
            assert_eq!(
                (has("date"), has("dateTime")),
                ((start, end) == days, (start, end) == hours),
                "{copy}"
            );
        }
        world.pull().await;
        let record = world.record(id(1)).await;
        assert_eq!((record.event.span, record.is_dirty), (span, false));
    }
    assert!(world.store.issues(world.user).await.unwrap().is_empty());
}
