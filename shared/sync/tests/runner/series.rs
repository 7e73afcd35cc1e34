//! Series, their exceptions and splits, on either side.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Draft, EventId, GoogleEventId, Origin, Priority, Recurrence, Repeat, Scope, Shelf, Slot, Span, Tag,
    Window,
};
use fake_google::Paging;
use seam::{Fault, Kind};
use serde_json::{Value, json};
use store::{Error, IssueKind, Plan, Reads, Snapshot};

use crate::deeds::id;
use crate::world::{EMAIL, World};

const FROM: &str = "2026-11-20T00:00:00Z";
const TO: &str = "2026-12-06T00:00:00Z";

/// What a person sees: when, and what.
pub type Seen = Vec<(DateTime<Utc>, String)>;

impl World {
    pub async fn seen_here(&self) -> Seen {
        let window = Window::from_query(FROM, TO).unwrap();
        let shown = self.store.list(self.user, Shelf::Grid, Some(&window)).await.unwrap();
        let (from, to): (DateTime<Utc>, DateTime<Utc>) = (FROM.parse().unwrap(), TO.parse().unwrap());
        let seen = shown
            .into_iter()
            .map(|shown| (shown.event.span.start().instant(), shown.event.title.unwrap_or_default()));
        let mut seen: Seen = seen.filter(|(at, _)| (from..to).contains(at)).collect();
        seen.sort();
        seen
    }

    pub fn seen_at_google(&self) -> Seen {
        let occurrences =
            self.google.occurrences(EMAIL, "primary", FROM.parse().unwrap(), TO.parse().unwrap()).unwrap();
        let start = |event: &Value| event["start"]["dateTime"].as_str().unwrap().parse().unwrap();
        let title = |event: &Value| event["summary"].as_str().unwrap_or_default().to_owned();
        let mut seen: Seen = occurrences.iter().map(|event| (start(event), title(event))).collect();
        seen.sort();
        seen
    }

    /// Both sides show the same, and two more polls change nothing on either.
    pub async fn is_at_rest(&self, occurrences: usize) {
        let seen = self.seen_here().await;
        assert_eq!(seen, self.seen_at_google());
        assert_eq!(seen.len(), occurrences, "{seen:?}");
        let (seq, writes) = (self.seq().await, self.writes());
        self.pull().await;
        self.pull().await;
        assert_eq!((self.seq().await, self.writes()), (seq, writes), "two more polls are nothing");
        assert_eq!(seen, self.seen_here().await);
    }

    pub fn series_at_google(&self, title: &str) -> String {
        self.series_in("primary", title)
    }

    pub fn series_in(&self, calendar: &str, title: &str) -> String {
        self.pass(TimeDelta::seconds(1));
        let event = json!({
            "summary": title, "recurrence": ["RRULE:FREQ=DAILY;COUNT=10"], "location": "Room 1",
            "start": {"dateTime": "2026-11-23T09:00:00-08:00", "timeZone": "America/Los_Angeles"},
            "end": {"dateTime": "2026-11-23T10:00:00-08:00", "timeZone": "America/Los_Angeles"}
        });
        self.google.create_event(EMAIL, calendar, event).unwrap()["id"].as_str().unwrap().to_owned()
    }

    pub async fn save_draft(
        &self,
        id: EventId,
        title: &str,
        hour: u32,
        day: u32,
        repeat: Repeat,
        scope: Scope,
    ) {
        self.pass(TimeDelta::seconds(1));
        let time = |hour: u32| format!("2026-11-{day}T{hour:02}:00:00-08:00").parse().unwrap();
        let span = Span::new(time(hour), time(hour + 1)).unwrap();
        let (title, now) = (Some(title.to_owned()), self.clock.now());
        let draft =
            Draft::new(id, title, None, span, false, false, Priority::Work, Origin::Compass, None).unwrap();
        let draft = draft.repeating(repeat, Some("America/Los_Angeles".parse().unwrap()));
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            let context = snapshot.head.context(now);
            Ok(Plan::steps(domain::save(&snapshot.records, &draft, scope, &context).unwrap()))
        };
        self.store.mutate(self.user, Reads::leading([id], scope), now, plan).await.unwrap();
    }

    pub async fn save_series(&self, id: EventId, title: &str) {
        let rule = Recurrence::parse(&["RRULE:FREQ=DAILY;COUNT=10".to_owned()]).unwrap();
        self.save_draft(id, title, 9, 23, Repeat::Series(rule), Scope::This).await;
    }

    /// Saves the occurrence of a day, an hour later.
    pub async fn edit_occurrence(&self, series: EventId, day: u32, title: &str, scope: Scope) {
        let repeat = Repeat::Occurrence { series: Some(series), rule: None };
        self.save_draft(occurrence(series, day), title, 10, day, repeat, scope).await;
    }

    pub async fn delete_in(&self, id: EventId, scope: Scope) {
        self.pass(TimeDelta::seconds(1));
        let now = self.clock.now();
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            let context = snapshot.head.context(now);
            Ok(Plan::steps(domain::delete(&snapshot.records, id, scope, &context).unwrap()))
        };
        self.store.mutate(self.user, Reads::leading([id], scope), now, plan).await.unwrap();
    }
}

pub fn occurrence(series: EventId, day: u32) -> EventId {
    let slot = Slot::of(&format!("2026-11-{day}T09:00:00-08:00").parse().unwrap()).unwrap();
    EventId::of_occurrence(Tag::of(series), slot)
}

pub fn instance(series: &str, day: u32) -> String {
    format!("{series}_202611{day}T170000Z")
}

#[tokio::test]
async fn a_series_of_googles_comes_with_its_exceptions_whatever_the_pages() {
    for page in [1, 2, 100] {
        let world = World::connected().await;
        let daily = world.series_at_google("Daily");
        world.edit_at_google(&instance(&daily, 24), json!({"summary": "Moved",
            "start": {"dateTime": "2026-11-24T15:00:00-08:00"}, "end": {"dateTime": "2026-11-24T16:00:00-08:00"}}));
        world.google.delete_event(EMAIL, "primary", &instance(&daily, 25)).unwrap();
        world.google.set_paging(Paging {
            at_most: Some(page),
            starts_empty: true,
            repeats_boundary: page > 1,
        });
        world.import().await;
        world.is_at_rest(9).await;
        assert_eq!(world.writes(), 0);
        world.run(&domain::Job::Import { user: world.user, is_repair: true }).await.unwrap();
        world.is_at_rest(9).await;
    }
}

#[tokio::test]
async fn every_kind_of_edit_at_google_arrives() {
    let world = World::connected().await;
    let daily = world.series_at_google("Daily");
    world.import().await;
    world.is_at_rest(10).await;
    let edit = |id: String, scope, patch| {
        world.pass(TimeDelta::seconds(1));
        world.google.edit_series(EMAIL, "primary", &id, scope, patch).unwrap();
    };
    edit(instance(&daily, 24), fake_google::Scope::This, json!({"summary": "One"}));
    world.pull().await;
    world.is_at_rest(10).await;
    world.google.delete_series(EMAIL, "primary", &instance(&daily, 25), fake_google::Scope::This).unwrap();
    world.pull().await;
    world.is_at_rest(9).await;
    edit(instance(&daily, 28), fake_google::Scope::Following, json!({"summary": "Rest"}));
    world.pull().await;
    world.is_at_rest(9).await;
    edit(daily.clone(), fake_google::Scope::All, json!({"description": "for all"}));
    world.pull().await;
    world.is_at_rest(9).await;
    world.google.restore_event(EMAIL, "primary", &instance(&daily, 25)).unwrap();
    world.pull().await;
    world.is_at_rest(10).await;
    world.google.delete_series(EMAIL, "primary", &daily, fake_google::Scope::All).unwrap();
    world.pull().await;
    world.is_at_rest(0).await;
    assert_eq!(world.writes(), 0);
}

#[tokio::test]
async fn a_series_of_ours_goes_to_google_with_its_exceptions() {
    let world = World::connected().await;
    world.import().await;
    world.save_series(id(1), "Daily").await;
    world.push().await;
    world.is_at_rest(10).await;
    assert_eq!(world.at_google(&id(1).to_string())["start"]["timeZone"], "America/Los_Angeles");
    world.edit_occurrence(id(1), 24, "Later", Scope::This).await;
    world.delete_in(occurrence(id(1), 25), Scope::This).await;
    world.push().await;
    world.is_at_rest(9).await;
    world.edit_occurrence(id(1), 24, "Later still", Scope::This).await;
    world.push().await;
    world.is_at_rest(9).await;
    world.delete_in(id(1), Scope::All).await;
    world.push().await;
    world.is_at_rest(0).await;
}

#[tokio::test]
async fn a_series_and_its_exceptions_that_go_in_one_push_go_in_order() {
    let world = World::connected().await;
    world.import().await;
    world.save_series(id(1), "Daily").await;
    world.edit_occurrence(id(1), 24, "Later", Scope::This).await;
    world.delete_in(occurrence(id(1), 25), Scope::This).await;
    world.push().await;
    world.is_at_rest(9).await;
    assert_eq!(world.calls("calendar.events.insert"), 1);
}

#[tokio::test]
async fn a_split_here_is_two_series_there_also_when_its_answers_are_lost() {
    for fault in [None, Some("events.update"), Some("events.insert")] {
        let world = World::connected().await;
        world.import().await;
        world.save_series(id(1), "Daily").await;
        world.push().await;
        world.edit_occurrence(id(1), 27, "Rest", Scope::Following).await;
        if let Some(operation) = fault {
            world.fail(Kind::Google, operation, Fault::FailAfter);
            assert!(world.try_push().await.is_err());
        }
        world.push().await;
        world.is_at_rest(10).await;
        assert!(world.seen_here().await.iter().any(|(_, title)| title == "Rest"));
    }
}

#[tokio::test]
async fn a_single_event_becomes_a_series_under_its_id_and_back() {
    let world = World::connected().await;
    world.import().await;
    world.save(id(1), "Lunch").await;
    world.push().await;
    world.save_series(id(1), "Lunch").await;
    world.push().await;
    world.is_at_rest(10).await;
    world.save_draft(id(1), "Lunch", 9, 23, Repeat::Never, Scope::All).await;
    world.push().await;
    world.is_at_rest(1).await;
    assert_eq!(world.calls("calendar.events.insert"), 1);
}

#[tokio::test]
async fn a_series_of_googles_that_is_edited_here_keeps_what_we_do_not_know() {
    let world = World::connected().await;
    let daily = world.series_at_google("Daily");
    world.import().await;
    let series = EventId::of_google(&GoogleEventId::new(daily.as_str()));
    world.edit_occurrence(series, 24, "Later", Scope::All).await;
    world.edit_at_google(&daily, json!({"description": "theirs"}));
    world.push().await;
    world.is_at_rest(10).await;
    let copy = world.at_google(&daily);
    assert_eq!((copy["location"].as_str(), copy["summary"].as_str()), (Some("Room 1"), Some("Later")));
    assert_eq!(copy["description"], "theirs");
}

#[tokio::test]
async fn a_rule_that_we_cannot_read_is_told_and_touched_on_neither_side() {
    let world = World::connected().await;
    world.google_event("Lunch");
    let odd = json!({
        "id": "odd00", "summary": "Odd", "recurrence": ["RRULE:FREQ=SECONDLY;INTERVAL=7"],
        "start": {"dateTime": "2026-11-23T09:00:00Z", "timeZone": "UTC"},
        "end": {"dateTime": "2026-11-23T10:00:00Z", "timeZone": "UTC"}
    });
    world.google.plant(EMAIL, "primary", [odd]).unwrap();
    world.import().await;
    assert_eq!(world.titles().await, ["Lunch"]);
    let issues = world.store.issues(world.user).await.unwrap();
    assert!(matches!(issues.as_slice(), [issue] if matches!(issue.kind, IssueKind::Parked { .. })));
    world.push().await;
    assert_eq!(world.writes(), 0);
}

#[tokio::test]
async fn a_series_of_googles_that_is_split_here_keeps_what_we_do_not_know_in_both_parts() {
    let world = World::connected().await;
    let daily = world.series_at_google("Daily");
    world.edit_at_google(
        &daily,
        json!({"xFuture": {"deep": true}, "attendees": [{"email": "eve@example.com"}]}),
    );
    world.import().await;
    let series = EventId::of_google(&GoogleEventId::new(daily.as_str()));
    world.edit_occurrence(series, 27, "Rest", Scope::Following).await;
    world.push().await;
    let events = world.google.events(EMAIL, "primary").unwrap();
    let titles: Vec<&Value> = events.iter().map(|event| &event["summary"]).collect();
    assert_eq!(titles.len(), 2, "{titles:?}");
    for event in &events {
        assert_eq!(
            (&event["location"], &event["xFuture"]["deep"]),
            (&json!("Room 1"), &json!(true)),
            "{event:#}"
        );
        assert_eq!(event["attendees"][0]["email"], "eve@example.com");
    }
    assert_ne!(events[0]["iCalUID"], events[1]["iCalUID"]);
    world.is_at_rest(10).await;
}
