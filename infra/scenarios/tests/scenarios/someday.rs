//! The someday lists: their order, their series, and the way to the grid and back.

use reqwest::Method;
use scenarios::{Browser, TestApp, id, someday, timed};
use serde_json::{Value, json};

const ALL: &str = "All%20Events";
/// What the web app sends for a list of weeks: six of them.
const WEEKS: &str = "RRULE:FREQ=WEEKLY;COUNT=6";

fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event[field].as_str().unwrap_or_default()
}

fn starts(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| text(event, "startDate")).collect()
}

fn series(number: u32, order: u32) -> Value {
    let mut event = someday(number, "Read", "2026-11-15", "2026-11-21", order);
    event["recurrence"] = json!({ "rule": [WEEKS] });
    event
}

/// The quarter that holds all of a list of weeks.
async fn quarter(browser: &Browser) -> Vec<Value> {
    browser.someday("2026-10-31T23:59:59Z", "2027-01-31T23:59:59Z").await
}

async fn put(browser: &Browser, event: &Value, query: &str) {
    let path = format!("/api/event/{}{query}", text(event, "_id"));
    browser.call(Method::PUT, &path, Some(event)).await.is(204);
}

#[tokio::test]
async fn someday_events_show_in_their_list_and_never_on_the_grid() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    browser.create(&someday(1, "Week", "2026-11-15", "2026-11-21", 0)).await.is(204);
    browser.create(&someday(2, "Month", "2026-11-01", "2026-11-30", 0)).await.is(204);
    let listed = browser.someday("2026-10-31T23:59:59-08:00", "2026-11-30T23:59:59-08:00").await;
    assert_eq!(listed.len(), 2);
    for event in &listed {
        assert_eq!((&event["isSomeday"], event.get("gEventId")), (&json!(true), None), "{event}");
        assert!(event["order"].is_number());
    }
    assert!(browser.grid().await.is_empty());
}

/// The web app has its own limit of nine; the former backend hid what was beyond eighteen.
#[tokio::test]
async fn a_long_list_is_shown_whole() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let events: Vec<Value> =
        (0..25).map(|number| someday(number, "Later", "2026-11-15", "2026-11-21", number)).collect();
    browser.create(&json!(events)).await.is(204);
    assert_eq!(quarter(&browser).await.len(), 25);
}

#[tokio::test]
async fn order_is_kept_on_create_on_edit_and_on_reorder() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    browser.create(&someday(1, "One", "2026-11-15", "2026-11-21", 3)).await.is(204);
    let mut read = browser.read(&id(1)).await.ok();
    assert_eq!(read["order"], 3);
    read["title"] = json!("Renamed");
    read.as_object_mut().unwrap().remove("order");
    put(&browser, &read, "?applyTo=This%20Event").await;
    assert_eq!(browser.read(&id(1)).await.ok()["order"], 3, "an edit that does not say it keeps it");
    read["order"] = json!(5);
    put(&browser, &read, "?applyTo=This%20Event").await;
    assert_eq!(browser.read(&id(1)).await.ok()["order"], 5);
    browser.reorder(&json!([{ "_id": id(1), "order": 0 }])).await.ok();
    assert_eq!(browser.read(&id(1)).await.ok()["order"], 0);
}

#[tokio::test]
async fn a_someday_series_shows_each_of_its_weeks_with_its_place() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    browser.create(&series(1, 2)).await.is(204);
    let listed = quarter(&browser).await;
    assert_eq!(
        starts(&listed),
        ["2026-11-15", "2026-11-22", "2026-11-29", "2026-12-06", "2026-12-13", "2026-12-20"]
    );
    for event in &listed {
        assert_eq!((&event["order"], text(event, "gEventId")), (&json!(2), ""), "{event}");
        assert_eq!(event["recurrence"], json!({ "eventId": id(1), "rule": [WEEKS] }));
        assert!(event.get("gRecurringEventId").is_none());
    }
    browser.reorder(&json!([{ "_id": listed[1]["_id"], "order": 7 }])).await.ok();
    let orders: Vec<Value> = quarter(&browser).await.iter().map(|event| event["order"].clone()).collect();
    assert_eq!(orders, [2, 7, 2, 2, 2, 2], "one week has its own place");
    let mut event = quarter(&browser).await[3].clone();
    event["title"] = json!("Read on");
    put(&browser, &event, "?applyTo=This%20Event").await;
    let titles: Vec<String> =
        quarter(&browser).await.iter().map(|event| text(event, "title").to_owned()).collect();
    assert_eq!(titles, ["Read", "Read", "Read", "Read on", "Read", "Read"]);
}

#[tokio::test]
async fn drag_series_to_someday() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let mut event = timed(1, "Meeting", "2026-11-16T09:00:00Z");
    event["recurrence"] = json!({ "rule": ["RRULE:FREQ=WEEKLY;COUNT=3"] });
    browser.create(&event).await.is(204);
    let shown = browser.grid().await;
    let mut dragged = shown[1].clone();
    for (field, value) in
        [("isSomeday", json!(true)), ("startDate", json!("2026-11-22")), ("endDate", json!("2026-11-28"))]
    {
        dragged[field] = value;
    }
    dragged["order"] = json!(0);
    put(&browser, &dragged, &format!("?applyTo={ALL}")).await;
    assert!(browser.grid().await.is_empty());
    let listed = quarter(&browser).await;
    assert_eq!(listed.len(), 3);
    for event in &listed {
        assert!(event.get("gEventId").is_none() && event.get("gRecurringEventId").is_none(), "{event}");
    }
    assert_eq!(starts(&listed), starts(&shown), "its dates are unchanged");
}

#[tokio::test]
async fn drag_someday_to_grid() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    browser.create(&series(1, 0)).await.is(204);
    let listed = quarter(&browser).await;
    // What the web app sends: new dates, no recurrence, no scope.
    let mut dragged = listed[2].clone();
    for (field, value) in [
        ("isSomeday", json!(false)),
        ("startDate", json!("2026-12-01T10:00:00-05:00")),
        ("endDate", json!("2026-12-01T11:00:00-05:00")),
    ] {
        dragged[field] = value;
    }
    dragged.as_object_mut().unwrap().remove("recurrence");
    put(&browser, &dragged, "").await;
    let grid = browser.grid().await;
    assert_eq!(starts(&grid), ["2026-12-01T10:00:00-05:00"]);
    assert!(grid[0].get("recurrence").is_none() && grid[0]["gEventId"].is_string());
    assert_eq!(quarter(&browser).await.len(), 5, "its week is free, the others stay");
}

#[tokio::test]
async fn delete_someday_recurring() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    browser.create(&series(1, 0)).await.is(204);
    let listed = quarter(&browser).await;
    let path = format!("/api/event/{}?applyTo={ALL}", text(&listed[3], "_id"));
    browser.call(Method::DELETE, &path, None).await.is(204);
    assert!(quarter(&browser).await.is_empty());
}

#[tokio::test]
async fn one_occurrence_is_put_aside_and_comes_back() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let mut event = timed(1, "Meeting", "2026-11-16T09:00:00Z");
    event["recurrence"] = json!({ "rule": ["RRULE:FREQ=WEEKLY;COUNT=3"] });
    browser.create(&event).await.is(204);
    let shown = browser.grid().await;
    let mut aside = shown[1].clone();
    for (field, value) in
        [("isSomeday", json!(true)), ("startDate", json!("2026-11-22")), ("endDate", json!("2026-11-28"))]
    {
        aside[field] = value;
    }
    put(&browser, &aside, "?applyTo=This%20Event").await;
    assert_eq!((browser.grid().await.len(), starts(&quarter(&browser).await)), (2, vec!["2026-11-22"]));
    put(&browser, &shown[1], "?applyTo=This%20Event").await;
    assert_eq!((browser.grid().await, quarter(&browser).await.len()).0.len(), 3);
    assert!(quarter(&browser).await.is_empty());
}

#[tokio::test]
async fn a_someday_event_dragged_to_the_grid_leaves_the_list_and_persists() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    browser.create(&someday(1, "Paint", "2026-11-15", "2026-11-21", 0)).await.is(204);
    let mut dragged = quarter(&browser).await[0].clone();
    for (field, value) in [
        ("isSomeday", json!(false)),
        ("startDate", json!("2026-11-18T10:00:00-05:00")),
        ("endDate", json!("2026-11-18T11:00:00-05:00")),
    ] {
        dragged[field] = value;
    }
    put(&browser, &dragged, "").await;
    assert!(quarter(&browser).await.is_empty());
    let grid = browser.grid().await;
    assert_eq!((starts(&grid), text(&grid[0], "_id")), (vec!["2026-11-18T10:00:00-05:00"], &*id(1)));
}
