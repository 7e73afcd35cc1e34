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
