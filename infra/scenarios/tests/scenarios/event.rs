//! Events as the web app keeps them.

use scenarios::{TestApp, all_day, id, someday, timed};
use serde_json::{Value, json};

fn titles(events: &[Value]) -> Vec<&str> {
    let mut titles: Vec<&str> = events.iter().map(|event| event["title"].as_str().unwrap()).collect();
    titles.sort_unstable();
    titles
}

#[tokio::test]
async fn what_was_sent_comes_back_as_it_was_written() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    for event in [
        timed(1, "In Los Angeles", "2026-11-20T21:00:00-08:00"),
        timed(2, "In Kolkata", "2026-11-20T09:00:00+05:30"),
        timed(3, "In UTC", "2026-11-20T09:00:00Z"),
        all_day(4, "A day", "2026-11-20", "2026-11-21"),
    ] {
        assert_eq!(browser.create(&event).await.is(204).text, "");
        let read = browser.read(event["_id"].as_str().unwrap()).await.ok();
        for field in [
            "_id",
            "title",
            "description",
            "startDate",
            "endDate",
            "isAllDay",
            "isSomeday",
            "origin",
            "priority",
        ] {
            assert_eq!(read[field], event[field], "{field} of {event}");
        }
        assert_eq!(read["user"], browser.user());
        assert!(read["updatedAt"].as_str().unwrap().ends_with('Z'), "{read}");
        assert!(read.as_object().unwrap().values().all(|value| !value.is_null()), "{read}");
        assert!(read.get("position").is_none() && read.get("hasFlipped").is_none(), "{read}");
    }
}

#[tokio::test]
async fn a_day_is_a_day_on_the_wall_and_on_the_globe() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let events = json!([
        timed(1, "evening west", "2026-11-20T21:00:00-08:00"),
        timed(2, "morning east", "2026-11-20T02:00:00+05:30"),
        all_day(3, "whole day", "2026-11-20", "2026-11-21"),
        all_day(4, "whole month", "2026-11-01", "2026-12-01"),
        timed(5, "another day", "2026-11-23T12:00:00Z"),
    ]);
    browser.create(&events).await.is(204);
    let day = browser.list("2026-11-20T00:00:00Z", "2026-11-20T23:59:59Z").await;
    assert_eq!(titles(&day), ["evening west", "morning east", "whole day", "whole month"]);
    // The plus sign of an offset arrives as a space.
    let week = browser.list("2026-11-14T00:00:00+05:30", "2026-11-21T23:59:59+05:30").await;
    assert_eq!(titles(&week), ["evening west", "morning east", "whole day", "whole month"]);
}

#[tokio::test]
async fn an_event_sent_twice_is_there_once() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let events: Vec<Value> =
        (0..120).map(|number| timed(number, &format!("Event {number}"), "2026-11-20T09:00:00Z")).collect();
    let events = Value::Array(events);
    browser.create(&events).await.is(204);
    browser.create(&events).await.is(204);
    assert_eq!(browser.grid().await.len(), 120);
}

#[tokio::test]
async fn an_edit_replaces_the_whole_event_and_makes_one_that_is_not_there() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let mut event = timed(1, "Lunch", "2026-11-20T12:00:00Z");
    event["description"] = json!("with Grace");
    browser.create(&event).await.is(204);
    let mut read = browser.read(&id(1)).await.ok();
    read["title"] = json!("Dinner");
    read["startDate"] = json!("2026-11-20T19:00:00+01:00");
    read["endDate"] = json!("2026-11-20T20:00:00+01:00");
    read.as_object_mut().unwrap().remove("description");
    assert_eq!(browser.put(&read).await.is(204).text, "");
    let edited = browser.read(&id(1)).await.ok();
    assert_eq!(edited["startDate"], "2026-11-20T19:00:00+01:00");
    assert_eq!((&edited["title"], edited.get("description")), (&json!("Dinner"), None));

    browser.put(&timed(2, "New", "2026-11-20T12:00:00Z")).await.is(204);
    assert_eq!(browser.titles().await, ["Dinner", "New"]);
}

#[tokio::test]
async fn what_is_deleted_stays_deleted_and_may_be_deleted_again() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    browser.create(&timed(1, "Lunch", "2026-11-20T12:00:00Z")).await.is(204);
    for _ in 0..2 {
        assert_eq!(browser.delete(&id(1)).await.is(204).text, "");
    }
    assert!(browser.grid().await.is_empty());
    assert_eq!(browser.read(&id(1)).await.status, 404);
    let never = browser.delete(&id(99)).await;
    assert_eq!(never.status, 204);
}

#[tokio::test]
async fn the_someday_lists_keep_their_order() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    for number in 0..3 {
        let event = someday(number, &format!("Someday {number}"), "2026-11-15", "2026-11-21", number);
        browser.create(&event).await.is(204);
    }
    let orders = json!([{ "_id": id(0), "order": 2 }, { "_id": id(2), "order": 0 }]);
    let reordered = browser.reorder(&orders).await.ok();
    assert_eq!(
        reordered,
        json!({
            "insertedCount": 0, "matchedCount": 2, "modifiedCount": 2, "deletedCount": 0, "upsertedCount": 0,
            "upsertedIds": {}, "insertedIds": {},
        })
    );
    let events = browser.someday("2026-10-31T23:59:59-08:00", "2026-11-30T23:59:59-08:00").await;
    let mut orders: Vec<(&str, u64)> = events
        .iter()
        .map(|event| (event["title"].as_str().unwrap(), event["order"].as_u64().unwrap()))
        .collect();
    orders.sort_unstable();
    assert_eq!(orders, [("Someday 0", 2), ("Someday 1", 1), ("Someday 2", 0)]);
    assert!(browser.grid().await.is_empty());
}

#[tokio::test]
async fn an_event_moves_between_the_grid_and_someday() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let month = ("2026-10-31T23:59:59Z", "2026-11-30T23:59:59Z");
    browser.create(&timed(1, "Paint", "2026-11-20T12:00:00Z")).await.is(204);
    browser.put(&someday(1, "Paint", "2026-11-15", "2026-11-21", 0)).await.is(204);
    assert_eq!((browser.grid().await.len(), browser.someday(month.0, month.1).await.len()), (0, 1));
    browser.put(&timed(1, "Paint", "2026-11-20T12:00:00Z")).await.is(204);
    assert_eq!((browser.grid().await.len(), browser.someday(month.0, month.1).await.len()), (1, 0));
}

#[tokio::test]
async fn many_are_deleted_by_a_field_on_the_allow_list_only() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let events = json!([timed(1, "One", "2026-11-20T09:00:00Z"), timed(2, "Two", "2026-11-20T10:00:00Z")]);
    browser.create(&events).await.is(204);
    for key in ["user", "$where", "title"] {
        browser.delete_many(&json!({ "key": key, "ids": [browser.user()] })).await.is(400);
    }
    let body = json!({ "key": "_id", "ids": [id(1), id(7)] });
    let deleted = browser.delete_many(&body).await.ok();
    assert_eq!(deleted, json!({ "deletedCount": 1, "errors": ["Only deleted 1/2 events"] }));
    assert_eq!(browser.titles().await, ["Two"]);
}

#[tokio::test]
async fn parallel_writes_of_one_user_all_arrive() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let events: Vec<Value> =
        (0..8).map(|number| timed(number, &format!("Event {number}"), "2026-11-20T09:00:00Z")).collect();
    let answers = futures_util::future::join_all(events.iter().map(|event| browser.create(event))).await;
    assert!(answers.iter().all(|answer| answer.status == 204), "{answers:#?}");
    assert_eq!(browser.grid().await.len(), 8);
}

/// The event as the web app reads it again after a reload.
async fn reloaded(app: &TestApp, browser: &scenarios::Browser, id: &str) -> Value {
    // A reload meets a process that knows nothing of what was before.
    app.cloud().kill_environments("event").await.unwrap();
    let listed = browser.list("2026-11-15T00:00:00-08:00", "2026-11-22T23:59:59-08:00").await;
    listed.into_iter().find(|event| event["_id"] == id).unwrap()
}

#[tokio::test]
async fn a_saved_event_appears_at_its_start_and_persists_after_reload() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    browser.create(&timed(1, "Dentist", "2026-11-18T10:00:00-08:00")).await.is(204);
    let event = reloaded(&app, &browser, &id(1)).await;
    assert_eq!(
        (&event["title"], &event["startDate"]),
        (&json!("Dentist"), &json!("2026-11-18T10:00:00-08:00"))
    );
}

#[tokio::test]
async fn an_all_day_event_has_no_time_fields_and_persists() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    browser.create(&all_day(1, "Holiday", "2026-11-18", "2026-11-19")).await.is(204);
    let event = reloaded(&app, &browser, &id(1)).await;
    assert_eq!((&event["startDate"], &event["endDate"]), (&json!("2026-11-18"), &json!("2026-11-19")));
    assert_eq!(event["isAllDay"], true);
}

#[tokio::test]
async fn editing_title_time_and_priority_persists() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    browser.create(&timed(1, "Dentist", "2026-11-18T10:00:00-08:00")).await.is(204);
    for (field, value) in
        [("title", "Doctor"), ("endDate", "2026-11-18T11:30:00-08:00"), ("priority", "work")]
    {
        let mut event = reloaded(&app, &browser, &id(1)).await;
        event[field] = json!(value);
        browser.put(&event).await.is(204);
        assert_eq!(reloaded(&app, &browser, &id(1)).await[field], value);
    }
}

#[tokio::test]
async fn each_priority_of_the_menu_persists() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    browser.create(&timed(1, "Dentist", "2026-11-18T10:00:00-08:00")).await.is(204);
    for priority in ["work", "self", "relationships", "unassigned"] {
        let mut event = reloaded(&app, &browser, &id(1)).await;
        event["priority"] = json!(priority);
        browser.put(&event).await.is(204);
        assert_eq!(reloaded(&app, &browser, &id(1)).await["priority"], priority);
    }
}

#[tokio::test]
async fn dragging_and_resizing_persist_and_the_start_cannot_pass_the_end() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    browser.create(&timed(1, "Dentist", "2026-11-18T10:00:00-08:00")).await.is(204);
    for (start, end) in [
        ("2026-11-19T12:00:00-08:00", "2026-11-19T12:45:00-08:00"),
        ("2026-11-19T11:30:00-08:00", "2026-11-19T12:45:00-08:00"),
        ("2026-11-19T11:30:00-08:00", "2026-11-19T15:00:00-08:00"),
    ] {
        let mut event = reloaded(&app, &browser, &id(1)).await;
        (event["startDate"], event["endDate"]) = (json!(start), json!(end));
        browser.put(&event).await.is(204);
        let moved = reloaded(&app, &browser, &id(1)).await;
        assert_eq!((&moved["startDate"], &moved["endDate"]), (&json!(start), &json!(end)));
    }
    let mut event = reloaded(&app, &browser, &id(1)).await;
    event["startDate"] = json!("2026-11-19T16:00:00-08:00");
    browser.put(&event).await.is(400);
    assert_eq!(reloaded(&app, &browser, &id(1)).await["startDate"], "2026-11-19T11:30:00-08:00");
}

#[tokio::test]
async fn a_duplicate_is_independent_of_its_original() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let mut event = timed(1, "Dentist", "2026-11-18T10:00:00-08:00");
    event["description"] = json!("the tooth");
    browser.create(&event).await.is(204);
    let mut copy = reloaded(&app, &browser, &id(1)).await;
    copy["_id"] = json!(id(2));
    browser.create(&copy).await.is(204);
    browser.delete(&id(1)).await.is(204);
    let copy = reloaded(&app, &browser, &id(2)).await;
    for field in ["title", "description", "startDate", "endDate", "priority"] {
        assert_eq!(copy[field], event[field], "{field}");
    }
}

#[tokio::test]
async fn undo_after_delete_restores_the_event_with_all_its_properties() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let mut event = timed(1, "Dentist", "2026-11-18T10:00:00-08:00");
    (event["description"], event["priority"]) = (json!("the tooth"), json!("self"));
    browser.create(&event).await.is(204);
    let mut before = reloaded(&app, &browser, &id(1)).await;
    browser.delete(&id(1)).await.is(204);
    browser.create(&before).await.is(204);
    let mut after = reloaded(&app, &browser, &id(1)).await;
    for event in [&mut before, &mut after] {
        event.as_object_mut().unwrap().remove("updatedAt");
    }
    assert_eq!(after, before);
}

/// The upload of what was made before sign-up, and the answer in the time that API Gateway has.
#[tokio::test]
async fn five_thousand_events_are_uploaded_in_one_request() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let event = |number: u32| {
        let start =
            format!("2026-{:02}-{:02}T{:02}:00:00Z", number / 28 % 12 + 1, number % 28 + 1, number % 23);
        timed(number, &format!("Event {number}"), &start)
    };
    let events: Vec<Value> = (0..5_000).map(event).collect();
    let started = std::time::Instant::now();
    browser.create(&json!(events)).await.is(204);
    let took = started.elapsed();
    assert_eq!(browser.grid().await.len(), 5_000);
    assert!(took < std::time::Duration::from_secs(29), "{took:?}");
}

#[tokio::test]
async fn of_an_upload_with_one_bad_event_nothing_is_written() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let mut events: Vec<Value> =
        (0..300).map(|number| timed(number, "Event", "2026-11-20T09:00:00Z")).collect();
    // A rule that is well formed, and makes no occurrence.
    events[299]["recurrence"] = json!({ "rule": ["RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"] });
    let answer = browser.create(&json!(events)).await.is(400);
    assert!(
        answer.json()["message"].as_str().unwrap().starts_with("[299]: recurrence.rule"),
        "{}",
        answer.text
    );
    assert!(browser.grid().await.is_empty());
}
