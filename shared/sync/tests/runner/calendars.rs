//! Several calendars: which are synced, what becomes of one that is not any more, and that none holds up another.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use domain::calendar::{self, Calendar};
use domain::{EventId, GoogleEventId, Home, ImportOutcome, Job, Notice, Scope};
use fake_google::Fault;
use http::StatusCode;
use serde_json::{Map, Value, json};
use store::{GoogleItems, IssueKind, Revision};

use crate::deeds::id;
use crate::series::occurrence;
use crate::world::{EMAIL, World};

const LIST: &str = "calendar.events.list";
const LIST_OF_CALENDARS: &str = "calendar.calendarList.list";

impl World {
    /// A further calendar at Google, of which we know nothing yet.
    pub fn calendar(&self, name: &str) -> String {
        self.google.create_calendar(EMAIL, name).unwrap()
    }

    /// An event made by hand in a calendar at Google; returns its id there.
    pub fn event_in(&self, calendar: &str, title: &str) -> String {
        self.pass(TimeDelta::seconds(1));
        let event = json!({
            "summary": title,
            "start": {"dateTime": "2026-11-23T12:00:00Z"},
            "end": {"dateTime": "2026-11-23T13:00:00Z"}
        });
        let event = self.google.create_event(EMAIL, calendar, event).unwrap();
        event["id"].as_str().unwrap().to_owned()
    }

    pub async fn known(&self, calendar: &str) -> Option<Calendar> {
        let known = self.store.calendars(self.user).await.unwrap();
        known.into_iter().find(|known| known.listing.id == calendar)
    }

    /// Chooses as `PUT /api/calendars/select` does.
    pub async fn choose(&self, calendar: &str, is_selected: bool) {
        let wanted = BTreeMap::from([(self.known(calendar).await.unwrap().id, is_selected)]);
        let now = self.clock.now();
        let plan = |known: &[Calendar]| {
            let changed = calendar::select(known, &wanted, now);
            Ok::<_, store::Error>((Revision::put(changed), ()))
        };
        self.store.revise(self.user, now, plan).await.unwrap();
    }

    pub async fn poll(&self) {
        self.run(&Job::Poll { user: self.user }).await.unwrap();
    }

    /// Everything that is asked for, as the queue would hand it out.
    pub async fn settle(&self) {
        for _ in 0..4 {
            self.poll().await;
            self.import().await;
        }
    }

    /// A calendar that is selected and read.
    pub async fn selected(&self, name: &str) -> String {
        let calendar = self.calendar(name);
        self.poll().await;
        self.choose(&calendar, true).await;
        self.settle().await;
        calendar
    }

    fn titles_in(&self, calendar: &str) -> Vec<String> {
        let events = self.google.events(EMAIL, calendar).unwrap();
        let live = events.iter().filter(|event| event["status"] != "cancelled");
        let mut titles: Vec<String> =
            live.map(|event| event["summary"].as_str().unwrap_or_default().to_owned()).collect();
        titles.sort();
        titles
    }

    async fn states(&self) -> Vec<String> {
        let items = self.store.google(self.user).await.unwrap().unwrap();
        items.calendars.into_iter().map(|state| state.calendar).collect()
    }

    async fn taken_back(&self) -> Vec<(EventId, Option<String>)> {
        let issues = self.store.issues(self.user).await.unwrap();
        let lost = issues.into_iter().filter_map(|issue| match issue.kind {
            IssueKind::TakenBack { lost, .. } => Some((issue.event, lost.event.title)),
            _ => None,
        });
        lost.collect()
    }
}

fn id_in(calendar: &str, there: &str) -> EventId {
    EventId::of_google(&GoogleEventId::within(Home::Other(calendar.to_owned()), there))
}

fn patch(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[tokio::test]
async fn a_fresh_connection_reads_the_primary_calendar_and_another_one_when_it_is_selected() {
    let world = World::connected().await;
    let work = world.calendar("Work");
    world.google_event("Lunch");
    let meeting = world.event_in(&work, "Meeting");
    world.import().await;
    assert_eq!(world.titles().await, ["Lunch"]);
    assert!(!world.known(&work).await.unwrap().is_selected);

    world.choose(&work, true).await;
    world.google.clear_journal();
    world.poll().await;
    world.import().await;
    assert_eq!(world.titles().await, ["Lunch", "Meeting"]);
    assert_eq!(world.record(id_in(&work, &meeting)).await.link.unwrap().id.home(), &Home::Other(work));
    // The poll's one of the primary calendar, and the import's one of the new one: the primary is not read again.
    assert_eq!(world.calls(LIST), 2);
    let ended = world.notices().await.into_iter().filter_map(|notice| match notice {
        Notice::ImportEnded(ImportOutcome { calendars_count, events_count, .. }) => {
            Some((calendars_count, events_count))
        }
        _ => None,
    });
    assert_eq!(ended.collect::<Vec<_>>(), [(Some(1), Some(1)), (Some(1), Some(1))]);
}

#[tokio::test]
async fn the_same_id_in_two_calendars_is_two_events() {
    let world = World::connected().await;
    let work = world.selected("Work").await;
    let here = world.google_event("Mine");
    let mut invited = world.at_google(&here);
    invited["summary"] = "Invited".into();
    world.google.plant(EMAIL, &work, [invited]).unwrap();
    world.poll().await;
    assert_eq!(world.titles().await, ["Invited", "Mine"]);
    let (mine, invited) = (EventId::of_google(&GoogleEventId::new(here.as_str())), id_in(&work, &here));
    world.save(mine, "Renamed").await;
    world.push().await;
    assert_eq!(
        (world.titles_at_google(), world.titles_in(&work)),
        (vec!["Renamed".into()], vec!["Invited".into()])
    );
    world.google.delete_event(EMAIL, "primary", &here).unwrap();
    world.poll().await;
    assert_eq!(world.titles().await, ["Invited"]);
    assert!(world.record(invited).await.live().is_some());
}

#[tokio::test]
async fn an_edit_goes_to_the_calendar_of_its_event_and_a_new_event_to_the_primary_one() {
    let world = World::connected().await;
    let work = world.selected("Work").await;
    let meeting = world.event_in(&work, "Meeting");
    world.poll().await;
    world.save(id_in(&work, &meeting), "Postponed").await;
    world.save(id(1), "New").await;
    world.push().await;
    assert_eq!(
        (world.titles_in(&work), world.titles_at_google()),
        (vec!["Postponed".into()], vec!["New".into()])
    );
    world.delete(id_in(&work, &meeting)).await;
    world.push().await;
    assert!(world.titles_in(&work).is_empty());
}

#[tokio::test]
async fn without_the_primary_calendar_a_new_event_goes_to_the_first_that_takes_it_and_without_any_it_waits() {
    let world = World::connected().await;
    world.import().await;
    world.choose(EMAIL, false).await;
    world.settle().await;
    world.save(id(1), "Waits").await;
    world.push().await;
    assert!(world.record(id(1)).await.is_dirty && world.titles_at_google().is_empty());
    let work = world.selected("Work").await;
    world.push().await;
    assert_eq!((world.titles_in(&work), world.titles_at_google()), (vec!["Waits".into()], vec![]));
    world.google.clear_journal();
    let seq = world.seq().await;
    world.poll().await;
    assert_eq!((world.writes(), world.seq().await), (0, seq), "its echo is known for what it is");
    assert_eq!(world.titles().await, ["Waits"]);
}

#[tokio::test]
async fn an_unselected_calendar_leaves_our_view_and_nothing_is_deleted_at_google() {
    let world = World::watched().await;
    let work = world.selected("Work").await;
    let (meeting, review) = (world.event_in(&work, "Meeting"), world.event_in(&work, "Review"));
    world.google_event("Lunch");
    world.poll().await;
    world.save(id_in(&work, &review), "Review, edited").await;
    assert_eq!(world.channels().len(), 2);

    world.choose(&work, false).await;
    world.poll().await;
    assert_eq!(world.titles().await, ["Lunch"]);
    assert_eq!(world.titles_in(&work), ["Meeting", "Review, edited"], "what was unsent is sent first");
    assert_eq!((world.states().await, world.channels().len()), (vec![EMAIL.to_owned()], 1));
    let seq = world.seq().await;
    world.google.clear_journal();
    world.event_in(&work, "Not ours to see");
    world.poll().await;
    assert_eq!((world.seq().await, world.writes()), (seq, 0));

    world.choose(&work, true).await;
    world.settle().await;
    assert_eq!(world.titles().await, ["Lunch", "Meeting", "Not ours to see", "Review, edited"]);
    assert!(world.record(id_in(&work, &meeting)).await.live().is_some(), "under the id that it had");
    assert_eq!(world.writes(), 0);
}

#[tokio::test]
async fn a_series_and_its_exceptions_leave_and_come_back_as_they_were() {
    let world = World::connected().await;
    let work = world.selected("Work").await;
    let daily = json!({
        "summary": "Daily", "recurrence": ["RRULE:FREQ=DAILY;COUNT=4"],
        "start": {"dateTime": "2026-11-23T12:00:00Z", "timeZone": "UTC"},
        "end": {"dateTime": "2026-11-23T13:00:00Z", "timeZone": "UTC"}
    });
    let daily = world.google.create_event(EMAIL, &work, daily).unwrap()["id"].as_str().unwrap().to_owned();
    let moved = json!({"summary": "Moved"});
    world.google.edit_event(EMAIL, &work, &format!("{daily}_20261124T120000Z"), moved).unwrap();
    world.google.delete_event(EMAIL, &work, &format!("{daily}_20261125T120000Z")).unwrap();
    world.poll().await;
    let before = world.titles().await;
    assert_eq!(before, ["Daily", "Daily", "Moved"]);
    world.choose(&work, false).await;
    world.settle().await;
    assert!(world.titles().await.is_empty());
    world.choose(&work, true).await;
    world.settle().await;
    assert_eq!(world.titles().await, before);
}

#[tokio::test]
async fn the_list_is_kept_in_step_and_a_calendar_that_is_gone_takes_its_events_along() {
    let world = World::watched().await;
    let work = world.selected("Work").await;
    world.event_in(&work, "Meeting");
    world.poll().await;
    let renamed = patch(json!({"summaryOverride": "Job", "backgroundColor": "#123456"}));
    world.google.edit_listing(&work, EMAIL, renamed).unwrap();
    let added = world.calendar("Family");
    world.poll().await;
    let known = world.known(&work).await.unwrap();
    assert_eq!(known.listing.summary_override.as_deref(), Some("Job"));
    assert_eq!(String::from(known.background_color), "#123456");
    assert!(!world.known(&added).await.unwrap().is_selected);

    world.save(id(3), "Ours").await;
    world.google.delete_calendar(&work).unwrap();
    world.poll().await;
    assert_eq!(world.known(&work).await, None);
    assert_eq!((world.titles().await, world.states().await), (vec!["Ours".into()], vec![EMAIL.to_owned()]));
    assert_eq!(world.channels().len(), 1);
}

#[tokio::test]
async fn two_polls_of_calendars_that_have_not_changed_write_nothing_on_either_side() {
    let world = World::watched().await;
    let work = world.selected("Work").await;
    world.event_in(&work, "Meeting");
    world.google_event("Lunch");
    world.poll().await;
    world.poll().await;
    let (seq, before) = (world.seq().await, world.store.google(world.user).await.unwrap().unwrap());
    world.google.clear_journal();
    for _ in 0..2 {
        world.poll().await;
    }
    assert_eq!((world.seq().await, world.writes()), (seq, 0));
    let after = world.store.google(world.user).await.unwrap().unwrap();
    // The calls themselves are counted.
    assert_eq!(after, GoogleItems { budget: after.budget.clone(), ..before });
    assert_eq!((world.calls(LIST_OF_CALENDARS), world.calls(LIST)), (2, 4));
}

#[tokio::test]
async fn an_edit_in_a_calendar_that_became_read_only_is_taken_back_and_kept_to_be_read() {
    let world = World::connected().await;
    let work = world.selected("Work").await;
    let meetings = ["One", "Two", "Three"].map(|title| (title, world.event_in(&work, title)));
    world.poll().await;
    world.google.edit_listing(&work, EMAIL, patch(json!({"accessRole": "reader"}))).unwrap();
    for (title, meeting) in &meetings {
        world.save(id_in(&work, meeting), &format!("{title}, edited")).await;
    }
    world.google.clear_journal();
    world.push().await;
    // The first one is refused, which has the list read; the others are not even sent.
    assert_eq!((world.writes(), world.calls(LIST_OF_CALENDARS)), (1, 1));
    assert_eq!(world.titles().await, ["One", "Three", "Two"]);
    let mut kept: Vec<_> = world.taken_back().await.into_iter().map(|(_, title)| title.unwrap()).collect();
    kept.sort();
    assert_eq!(kept, ["One, edited", "Three, edited", "Two, edited"]);
    world.google.clear_journal();
    let seq = world.seq().await;
    world.poll().await;
    assert_eq!((world.writes(), world.seq().await), (0, seq), "no storm");

    world.delete(id_in(&work, &meetings[0].1)).await;
    world.push().await;
    assert_eq!((world.titles().await, world.writes()), (vec!["One".into(), "Three".into(), "Two".into()], 0));
}

#[tokio::test]
async fn a_calendar_that_may_not_be_read_is_parked_and_holds_up_no_other() {
    let world = World::connected().await;
    let work = world.selected("Work").await;
    world.event_in(&work, "Meeting");
    world.poll().await;
    let forbidden = Fault::refuse(LIST, StatusCode::FORBIDDEN, "forbidden").at(&work).forever();
    world.google.inject(forbidden);
    world.google_event("Lunch");
    world.google.clear_journal();
    world.pull().await;
    assert_eq!(world.titles().await, ["Lunch", "Meeting"], "nothing of it is deleted");
    assert_eq!(world.calls(LIST_OF_CALENDARS), 1, "the list is asked first");
    world.google.clear_journal();
    world.pull().await;
    assert_eq!((world.calls(LIST), world.calls(LIST_OF_CALENDARS)), (1, 0), "it is left alone");
    world.google.clear_faults();
    world.event_in(&work, "Later");
    world.poll().await;
    assert_eq!(world.titles().await, ["Later", "Lunch", "Meeting"], "it is tried with the list");
}

#[tokio::test]
async fn an_event_that_is_moved_to_another_calendar_is_there_once_and_takes_an_edit_along() {
    let world = World::connected().await;
    let work = world.selected("Work").await;
    let (clean, edited) = (world.google_event("Clean"), world.google_event("Edited"));
    world.poll().await;
    world.save(EventId::of_google(&GoogleEventId::new(edited.as_str())), "Edited here").await;
    for moved in [&clean, &edited] {
        world.pass(TimeDelta::seconds(1));
        world.google.move_event(EMAIL, "primary", &work, moved).unwrap();
    }
    world.google.edit_event(EMAIL, &work, &edited, json!({"description": "there"})).unwrap();
    world.push().await;
    world.poll().await;
    world.poll().await;
    assert_eq!(world.titles().await, ["Clean", "Edited here"]);
    assert_eq!(
        (world.titles_in(&work), world.titles_at_google()),
        (vec!["Clean".into(), "Edited here".into()], vec![])
    );
    let copy = world.google.event(EMAIL, &work, &edited).unwrap();
    assert_eq!(copy["description"], "there");
    let there = world.record(id_in(&work, &edited)).await;
    assert!(!there.is_dirty && there.live().is_some());
}

#[tokio::test]
async fn a_series_that_is_split_here_stays_in_its_calendar_with_both_parts() {
    let world = World::connected().await;
    let work = world.selected("Work").await;
    let daily = world.series_in(&work, "Daily");
    world.poll().await;
    world.edit_occurrence(id_in(&work, &daily), 27, "Rest", Scope::Following).await;
    world.edit_occurrence(id_in(&work, &daily), 24, "One", Scope::This).await;
    world.push().await;
    assert_eq!(
        (world.titles_in(&work), world.titles_at_google()),
        (vec!["Daily".into(), "One".into(), "Rest".into()], vec![])
    );
    let (seq, seen) = (world.seq().await, world.seen_here().await);
    world.google.clear_journal();
    world.poll().await;
    assert_eq!((world.seq().await, world.writes()), (seq, 0));
    assert_eq!((world.seen_here().await, seen.len()), (seen, 10));
}

#[tokio::test]
async fn whatever_is_done_to_a_series_that_may_only_be_read_is_taken_back() {
    let world = World::connected().await;
    let work = world.selected("Work").await;
    let daily = world.series_in(&work, "Daily");
    world
        .google
        .edit_event(EMAIL, &work, &format!("{daily}_20261125T170000Z"), json!({"summary": "Theirs"}))
        .unwrap();
    world.google.edit_listing(&work, EMAIL, patch(json!({"accessRole": "reader"}))).unwrap();
    world.poll().await;
    let (series, before) = (id_in(&work, &daily), world.seen_here().await);
    assert_eq!(before.len(), 10);
    for step in 0..5 {
        match step {
            0 => world.edit_occurrence(series, 24, "One", Scope::This).await,
            1 => world.edit_occurrence(series, 25, "Ours", Scope::This).await,
            2 => world.edit_occurrence(series, 27, "Rest", Scope::Following).await,
            3 => world.delete_in(occurrence(series, 26), Scope::This).await,
            _ => world.delete_in(series, Scope::All).await,
        }
        assert_ne!(world.seen_here().await, before, "step {step}");
        world.google.clear_journal();
        world.push().await;
        world.push().await;
        // Which is asked for where Google has to be read again.
        world.run(&Job::Import { user: world.user, is_repair: true }).await.unwrap();
        assert_eq!(world.seen_here().await, before, "step {step}");
        assert_eq!(world.writes(), 0);
        assert!(!world.taken_back().await.is_empty());
    }
}
