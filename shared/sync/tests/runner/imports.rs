//! What an import costs, what makes it go on, and what it does not believe.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use domain::{ConnectionState, GoogleStatus, ImportFlag, Job};
use fake_google::{Fault as GoogleFault, Paging, Quirks};
use http::StatusCode;
use serde_json::json;
use sync::Effort;

use crate::deeds::id;
use crate::world::{EMAIL, World};

const LIST: &str = "calendar.events.list";

impl World {
    /// How often Google was called, by method, since the journal was cleared.
    fn bill(&self) -> BTreeMap<String, usize> {
        let mut bill = BTreeMap::new();
        for entry in self.google.journal() {
            *bill.entry(entry.operation).or_default() += 1;
        }
        bill
    }

    pub async fn repair(&self) {
        let job = Job::Import { user: self.user, is_repair: true };
        self.run(&job).await.unwrap();
    }

    /// As the route does it on the user's request, or a spent token.
    async fn ask_for_repair(&self) {
        self.google.invalidate_sync_tokens(EMAIL).unwrap();
        self.pull().await;
    }
}

/// One for the list of calendars, one for each page of each calendar, one for each watch, of which the list has one, too; and nothing else.
#[tokio::test]
async fn an_import_costs_one_call_for_the_list_one_for_each_page_and_one_for_each_watch() {
    for (singles, series, pages) in [(250, 0, 1), (200, 50, 1), (2_300, 200, 1), (2_400, 200, 2)] {
        let world = World::watched().await;
        world.google.populate(EMAIL, "primary", singles, series).unwrap();
        world.google.clear_journal();
        // However slow the machine is: it is calls that are counted.
        let later = world.clock.now() + TimeDelta::hours(1);
        let effort = Effort { until: later, limit: later, is_last_try: false };
        world.sync.run(&Job::Import { user: world.user, is_repair: false }, effort).await.unwrap();
        let expected = BTreeMap::from([
            ("calendar.calendarList.list".to_owned(), 1),
            (LIST.to_owned(), pages),
            ("calendar.events.watch".to_owned(), 1),
            ("calendar.calendarList.watch".to_owned(), 1),
        ]);
        assert_eq!(world.bill(), expected, "{singles} events, {series} series");
    }
}

#[tokio::test]
async fn an_import_of_several_calendars_costs_the_sum_and_counts_them() {
    let world = World::watched().await;
    let others = ["Work", "Family"].map(|name| world.calendar(name));
    world.import().await;
    for (calendar, count) in others.iter().zip([7, 3]) {
        world.google.populate(EMAIL, calendar, count, 1).unwrap();
        world.choose(calendar, true).await;
    }
    world.google.set_paging(Paging { at_most: Some(3), ..Paging::default() });
    world.poll().await;
    world.google.clear_journal();
    world.import().await;
    let expected = BTreeMap::from([
        ("calendar.calendarList.list".to_owned(), 1),
        (LIST.to_owned(), 3 + 2),
        ("calendar.events.watch".to_owned(), 2),
    ]);
    assert_eq!(world.bill(), expected);
    assert_eq!(world.status().await.import, ImportFlag::Completed);
    assert_eq!(world.channels().len(), 3);
}

#[tokio::test]
async fn an_import_that_is_cut_at_every_page_comes_to_its_end_in_as_many_messages() {
    let world = World::connected().await;
    let work = world.calendar("Work");
    world.import().await;
    world.google.populate(EMAIL, "primary", 6, 1).unwrap();
    world.google.populate(EMAIL, &work, 5, 0).unwrap();
    world.choose(&work, true).await;
    world.ask_for_repair().await;
    world.google.set_paging(Paging { at_most: Some(2), ..Paging::default() });
    world.google.clear_journal();
    let job = Job::Import { user: world.user, is_repair: true };
    let mut messages = 0;
    while world.status().await.import == ImportFlag::Importing {
        // The time is up before it begins: each message does one step.
        let now = world.clock.now();
        let effort = Effort { until: now, limit: now + TimeDelta::seconds(105), is_last_try: false };
        world.sync.run(&job, effort).await.unwrap();
        messages += 1;
        assert!(messages < 30, "it gets on");
    }
    assert_eq!(world.bill()[LIST], 4 + 3, "no page is read twice");
    let titles = world.titles().await;
    assert_eq!(titles.iter().filter(|title| title.starts_with("single")).count(), 11);
}

/// 28: nothing is believed to be gone because one list was empty.
#[tokio::test]
async fn an_empty_list_where_hundreds_were_deletes_nothing_and_is_read_again() {
    let world = World::connected().await;
    const MANY: usize = 500;
    world.google.populate(EMAIL, "primary", MANY, 0).unwrap();
    world.import().await;
    world.google.set_quirks(Quirks { hides_events: true, ..Quirks::default() });
    world.ask_for_repair().await;
    world.google.clear_journal();
    let seen = world.titles().await;
    world.repair().await;
    assert!(world.has_logged("a calendar came out much too short"), "the operator is told");
    assert_eq!(world.bill()[LIST], 2, "everything is read a second time");
    assert_eq!(world.bill()["calendar.events.get"], MANY, "and then asked for one by one");
    assert_eq!((world.titles().await, seen.len()), (seen, MANY), "they are all still there");
    assert_eq!(world.writes(), 0);
}

#[tokio::test]
async fn what_is_really_gone_goes_after_the_second_reading() {
    let world = World::connected().await;
    world.google.populate(EMAIL, "primary", 60, 0).unwrap();
    world.import().await;
    for event in world.google.events(EMAIL, "primary").unwrap().iter().take(50) {
        world.google.delete_event(EMAIL, "primary", event["id"].as_str().unwrap()).unwrap();
    }
    world.ask_for_repair().await;
    world.google.clear_journal();
    world.repair().await;
    assert_eq!((world.titles().await.len(), world.bill()[LIST]), (10, 2));
}

#[tokio::test]
async fn edits_made_while_an_import_runs_are_kept_and_sent() {
    let world = World::connected().await;
    for n in 0..6 {
        world.google_event(&format!("event {n}"));
    }
    world.google.set_paging(Paging { at_most: Some(2), ..Paging::default() });
    let refusal = GoogleFault::refuse(LIST, StatusCode::SERVICE_UNAVAILABLE, "backendError").after(1);
    world.google.inject(refusal);
    let job = Job::Import { user: world.user, is_repair: false };
    world.run(&job).await.unwrap_err();
    world.save(id(1), "Meanwhile").await;
    let early = world.google.events(EMAIL, "primary").unwrap()[0]["id"].as_str().unwrap().to_owned();
    world.edit_at_google(&early, json!({"summary": "renamed meanwhile"}));
    world.import().await;
    world.push().await;
    world.pull().await;
    assert_eq!(world.titles().await, world.titles_at_google());
    assert_eq!(world.titles().await.len(), 7);
    assert!(world.titles().await.contains(&"renamed meanwhile".to_owned()));
}

/// 109: two at once, and once more.
#[tokio::test]
async fn an_import_at_the_same_time_as_another_ends_as_one_and_ids_stay() {
    let world = World::connected().await;
    world.google.populate(EMAIL, "primary", 12, 1).unwrap();
    world.google.set_paging(Paging { at_most: Some(3), ..Paging::default() });
    let job = Job::Import { user: world.user, is_repair: false };
    let (one, other) = tokio::join!(world.run(&job), world.run(&job));
    for outcome in [one, other] {
        assert!(outcome.is_ok() || outcome.unwrap_err().is_retryable());
    }
    world.import().await;
    let status = world.status().await;
    assert_eq!(GoogleStatus::state(Some(&status), world.clock.now()), ConnectionState::Healthy);
    let ids = async || {
        let records = world.store.records_after(world.user, None, 100).await.unwrap();
        records.into_iter().map(|record| record.event.id).collect::<Vec<_>>()
    };
    let before = ids().await;
    assert_eq!(before.len(), 13);
    world.ask_for_repair().await;
    world.repair().await;
    assert_eq!(ids().await, before);
}

/// 31.
#[tokio::test]
async fn an_unchanged_calendar_that_is_polled_a_hundred_times_is_written_to_by_nobody() {
    let world = World::connected().await;
    world.google_event("Lunch");
    world.import().await;
    world.poll().await;
    let (seq, before) = (world.seq().await, world.store.google(world.user).await.unwrap().unwrap());
    world.google.clear_journal();
    for _ in 0..100 {
        world.poll().await;
    }
    assert_eq!((world.seq().await, world.writes()), (seq, 0));
    let after = world.store.google(world.user).await.unwrap().unwrap();
    // The calls themselves are counted.
    assert_eq!(after, store::GoogleItems { budget: after.budget.clone(), ..before });
}

/// 15: the second page says that the token is spent.
#[tokio::test]
async fn a_token_that_is_spent_in_the_middle_of_a_pull_leads_to_a_repair() {
    let world = World::connected().await;
    world.import().await;
    for n in 0..6 {
        world.google_event(&format!("event {n}"));
    }
    world.save(id(1), "Unsent").await;
    world.google.set_paging(Paging { at_most: Some(2), ..Paging::default() });
    let spent = GoogleFault::refuse(LIST, StatusCode::GONE, "fullSyncRequired").after(1);
    world.google.inject(spent);
    let token =
        async || world.store.google(world.user).await.unwrap().unwrap().calendars[0].sync_token.clone();
    let before = token().await;
    world.pull().await;
    assert_eq!(token().await, before, "a traversal that was broken off moves nothing");
    assert_eq!(world.status().await.import, ImportFlag::Importing);
    world.repair().await;
    world.push().await;
    assert_eq!(world.titles().await, world.titles_at_google());
    assert_eq!(world.titles().await.len(), 7);
}

/// 16.
#[tokio::test]
async fn a_sync_token_that_google_cannot_read_leads_to_a_repair() {
    let world = World::connected().await;
    world.google_event("Lunch");
    let gone = world.google_event("Gone");
    world.import().await;
    world.google.delete_event(EMAIL, "primary", &gone).unwrap();
    world.save(id(1), "Unsent").await;
    world.google.inject(GoogleFault::invalid_sync_token());
    world.pull().await;
    assert_eq!(world.status().await.import, ImportFlag::Importing);
    world.repair().await;
    world.push().await;
    assert_eq!(world.titles().await, ["Lunch", "Unsent"]);
    assert_eq!(world.titles_at_google(), ["Lunch", "Unsent"]);
}

/// 22.
#[tokio::test]
async fn what_changes_while_pages_are_read_is_right_after_the_next_pull() {
    let world = World::connected().await;
    world.import().await;
    let events: Vec<String> = (0..6).map(|n| world.google_event(&format!("event {n}"))).collect();
    world.google.set_paging(Paging { at_most: Some(2), ..Paging::default() });
    let refusal = GoogleFault::refuse(LIST, StatusCode::SERVICE_UNAVAILABLE, "backendError").after(2);
    world.google.inject(refusal);
    world.run(&Job::Pull { user: world.user }).await.unwrap_err();
    world.edit_at_google(&events[0], json!({"summary": "read already"}));
    world.edit_at_google(&events[5], json!({"summary": "not read yet"}));
    world.pull().await;
    world.pull().await;
    assert_eq!(world.titles().await, world.titles_at_google());
}
