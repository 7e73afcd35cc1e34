//! Series as the web app shows and edits them: the worked outcomes of each scope, far windows, zones.

use reqwest::Method;
use scenarios::{Answer, Browser, TestApp, all_day, id, timed};
use serde_json::{Value, json};

const THIS: &str = "This%20Event";
const FOLLOWING: &str = "This%20and%20Following%20Events";
const ALL: &str = "All%20Events";
/// Mondays, ten times from the 16th of November 2026.
const WEEKLY: &str = "RRULE:FREQ=WEEKLY;COUNT=10";

fn repeating(mut event: Value, rule: &str) -> Value {
    event["recurrence"] = json!({ "rule": [rule] });
    event
}

fn meeting(rule: &str) -> Value {
    repeating(timed(1, "Meeting", "2026-11-16T09:00:00Z"), rule)
}

/// `PUT` of what was read, with a scope.
async fn put(browser: &Browser, event: &Value, scope: &str) {
    let path = format!("/api/event/{}?applyTo={scope}", event["_id"].as_str().unwrap());
    browser.call(Method::PUT, &path, Some(event)).await.is(204);
}

async fn delete(browser: &Browser, event: &Value, scope: &str) -> Answer {
    let path = format!("/api/event/{}?applyTo={scope}", event["_id"].as_str().unwrap());
    browser.call(Method::DELETE, &path, None).await.is(204)
}

/// The same event with other fields.
fn with(event: &Value, fields: &Value) -> Value {
    let mut event = event.clone();
    for (field, value) in fields.as_object().unwrap() {
        event[field] = value.clone();
    }
    event
}

fn times(start: &str, end: &str) -> Value {
    json!({ "startDate": start, "endDate": end })
}

fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event[field].as_str().unwrap_or_default()
}

fn starts(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| text(event, "startDate")).collect()
}

fn ids(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| text(event, "_id")).collect()
}

fn titles(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| text(event, "title")).collect()
}

/// From November to March, by start.
async fn winter(browser: &Browser) -> Vec<Value> {
    browser.list("2026-11-01T00:00:00Z", "2027-03-31T23:59:59Z").await
}

async fn week(browser: &Browser) -> Vec<Value> {
    browser.list("2026-11-15T00:00:00Z", "2026-11-21T23:59:59Z").await
}

/// Somebody with one series.
async fn with_series(app: &TestApp, event: &Value) -> Browser {
    let browser = app.person().await;
    assert_eq!(browser.create(event).await.is(204).text, "");
    browser
}

#[tokio::test]
async fn create_weekly_ten_times() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting(WEEKLY)).await;
    let shown = winter(&browser).await;
    assert_eq!(shown.len(), 10);
    assert_eq!((starts(&shown)[0], starts(&shown)[9]), ("2026-11-16T09:00:00Z", "2027-01-18T09:00:00+00:00"));
    for event in &shown {
        // Its own id, and what the web app is strict about.
        assert_eq!((text(event, "_id").len(), text(event, "_id") != id(1)), (24, true));
        assert_eq!(event["recurrence"], json!({ "eventId": id(1), "rule": [WEEKLY] }));
        assert_eq!(event["gRecurringEventId"], id(1));
        let slot = text(event, "startDate")[..10].replace('-', "");
        assert_eq!(event["gEventId"], format!("{}_{slot}T090000Z", id(1)));
        assert!(text(event, "updatedAt").ends_with('Z') && event["isSomeday"] == false);
        assert!(event.as_object().unwrap().values().all(|value| !value.is_null()), "{event}");
    }
    let mut unique = ids(&shown);
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), 10);
    assert_eq!(ids(&shown), ids(&winter(&browser).await), "an occurrence keeps its id");
}

#[tokio::test]
async fn edit_one_instance_title_this_event() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting(WEEKLY)).await;
    let before = winter(&browser).await;
    put(&browser, &with(&before[2], &json!({ "title": "Only this" })), THIS).await;
    let after = winter(&browser).await;
    assert_eq!((ids(&after), starts(&after)), (ids(&before), starts(&before)));
    let renamed: Vec<usize> = (0..10).filter(|place| titles(&after)[*place] == "Only this").collect();
    assert_eq!(renamed, [2]);
    assert_eq!(after[2]["recurrence"], before[2]["recurrence"], "it stays an occurrence");
}

#[tokio::test]
async fn move_one_instance_this_event() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting(WEEKLY)).await;
    let before = winter(&browser).await;
    put(&browser, &with(&before[1], &times("2026-11-25T15:00:00+01:00", "2026-11-25T16:00:00+01:00")), THIS)
        .await;
    let after = winter(&browser).await;
    let moved = after.iter().find(|event| event["_id"] == before[1]["_id"]).unwrap();
    assert_eq!(text(moved, "startDate"), "2026-11-25T15:00:00+01:00", "as it was written");
    assert_eq!(moved["gEventId"], before[1]["gEventId"]);
    assert_eq!(after.len(), 10);
}

#[tokio::test]
async fn edit_title_all_events() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting(WEEKLY)).await;
    let before = winter(&browser).await;
    put(&browser, &with(&before[4], &json!({ "title": "All", "priority": "work" })), ALL).await;
    let after = winter(&browser).await;
    assert_eq!((ids(&after), starts(&after)), (ids(&before), starts(&before)));
    assert!(after.iter().all(|event| event["title"] == "All" && event["priority"] == "work"));
}

/// The former backend changed nothing here; ours moves the series.
#[tokio::test]
async fn edit_time_all_events() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting(WEEKLY)).await;
    let before = winter(&browser).await;
    put(&browser, &with(&before[3], &times("2026-12-07T11:00:00+00:00", "2026-12-07T12:30:00+00:00")), ALL)
        .await;
    let after = winter(&browser).await;
    assert_eq!(after.len(), 10);
    for (old, new) in before.iter().zip(&after) {
        assert_eq!(text(new, "startDate")[..10], text(old, "startDate")[..10]);
        assert_eq!(
            (&text(new, "startDate")[11..16], &text(new, "endDate")[11..16]),
            ("11:00", "12:30"),
            "{new}"
        );
    }
}

#[tokio::test]
async fn change_rule_all_events() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting(WEEKLY)).await;
    let before = winter(&browser).await;
    let rule = json!({ "eventId": id(1), "rule": ["RRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=3"] });
    put(&browser, &with(&before[2], &json!({ "recurrence": rule })), ALL).await;
    let after = winter(&browser).await;
    let days: Vec<&str> = starts(&after).into_iter().map(|start| &start[..10]).collect();
    assert_eq!(days, ["2026-11-16", "2026-11-30", "2026-12-14"]);
    let kept = [0, 2, 4].map(|place| ids(&before)[place]);
    assert_eq!(ids(&after), kept, "an occurrence that is left keeps its id");
}

#[tokio::test]
async fn rule_null_all_events() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting(WEEKLY)).await;
    let before = winter(&browser).await;
    let event = with(&before[2], &json!({ "recurrence": { "rule": null, "eventId": id(1) } }));
    put(&browser, &event, ALL).await;
    let after = winter(&browser).await;
    assert_eq!(starts(&after), [text(&before[2], "startDate")], "one event, at the dates that were sent");
    assert_eq!(ids(&after), [id(1)]);
    assert!(after[0].get("recurrence").is_none() && after[0].get("gRecurringEventId").is_none());
}

#[tokio::test]
async fn edit_title_this_and_following() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting("RRULE:FREQ=WEEKLY")).await;
    let before = winter(&browser).await;
    put(&browser, &with(&before[4], &json!({ "title": "From here" })), FOLLOWING).await;
    let after = winter(&browser).await;
    assert_eq!(starts(&after).len(), starts(&before).len());
    assert_eq!(titles(&after)[..4], ["Meeting"; 4]);
    assert!(titles(&after)[4..].iter().all(|title| *title == "From here"), "{:?}", titles(&after));
    assert_ne!(after[4]["recurrence"]["eventId"], after[3]["recurrence"]["eventId"]);
    assert!(after[3]["recurrence"]["rule"][0].as_str().unwrap().contains("UNTIL="));
    // The former backend ended the tail after two years; an endless one stays endless.
    assert_eq!(after[4]["recurrence"]["rule"], json!(["RRULE:FREQ=WEEKLY"]));
    let far = browser.list("2526-11-01T00:00:00Z", "2526-11-30T23:59:59Z").await;
    assert!(far.len() >= 4 && far.iter().all(|event| event["title"] == "From here"));
    // Sent again, it changes nothing.
    put(&browser, &with(&before[4], &json!({ "title": "From here" })), FOLLOWING).await;
    assert_eq!(titles(&winter(&browser).await), titles(&after));
}

#[tokio::test]
async fn this_and_following_at_the_first_means_all() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting(WEEKLY)).await;
    let before = winter(&browser).await;
    put(&browser, &with(&before[0], &json!({ "title": "All" })), FOLLOWING).await;
    let after = winter(&browser).await;
    assert_eq!((titles(&after), ids(&after)), (vec!["All"; 10], ids(&before)));
    assert!(after.iter().all(|event| event["recurrence"]["eventId"] == id(1)));
}

#[tokio::test]
async fn delete_this_and_following() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting(WEEKLY)).await;
    let before = winter(&browser).await;
    for _ in 0..2 {
        delete(&browser, &before[3], FOLLOWING).await;
        assert_eq!(ids(&winter(&browser).await), ids(&before)[..3]);
    }
}

#[tokio::test]
async fn delete_this_event() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting(WEEKLY)).await;
    let before = winter(&browser).await;
    for _ in 0..2 {
        delete(&browser, &before[3], THIS).await;
        let after = winter(&browser).await;
        assert_eq!((after.len(), ids(&after).contains(&ids(&before)[3])), (9, false));
    }
    assert_eq!(browser.read(text(&before[3], "_id")).await.status, 404);
}

#[tokio::test]
async fn delete_all_events() {
    let app = TestApp::start().await;
    for by_occurrence in [true, false] {
        let browser = with_series(&app, &meeting(WEEKLY)).await;
        let before = winter(&browser).await;
        put(&browser, &with(&before[1], &json!({ "title": "Own" })), THIS).await;
        let target = if by_occurrence { before[1].clone() } else { json!({ "_id": id(1) }) };
        delete(&browser, &target, ALL).await;
        assert!(winter(&browser).await.is_empty());
        assert_eq!(browser.read(&id(1)).await.status, 404);
    }
}

#[tokio::test]
async fn weekly_on_chosen_weekdays_shows_on_exactly_those_days_indefinitely() {
    let app = TestApp::start().await;
    let rule = "RRULE:FREQ=WEEKLY;INTERVAL=1;WKST=SU;BYDAY=MO,WE";
    let browser = with_series(&app, &meeting(rule)).await;
    for (start, end, days) in [
        ("2026-11-15", "2026-11-21", ["2026-11-16", "2026-11-18"]),
        ("2036-11-16", "2036-11-22", ["2036-11-17", "2036-11-19"]),
        ("9999-12-19", "9999-12-25", ["9999-12-20", "9999-12-22"]),
    ] {
        let shown = browser.list(&format!("{start}T00:00:00Z"), &format!("{end}T23:59:59Z")).await;
        let on: Vec<&str> = starts(&shown).into_iter().map(|start| &start[..10]).collect();
        assert_eq!(on, days);
    }
}

#[tokio::test]
async fn daily_with_end_date_shows_up_to_and_including_the_end_date() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting("RRULE:FREQ=DAILY;INTERVAL=1;UNTIL=20261119T235959Z")).await;
    let shown = winter(&browser).await;
    let days: Vec<&str> = starts(&shown).into_iter().map(|start| &start[..10]).collect();
    assert_eq!(days, ["2026-11-16", "2026-11-17", "2026-11-18", "2026-11-19"]);
}

#[tokio::test]
async fn this_event_changes_only_that_instance() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting("RRULE:FREQ=DAILY")).await;
    let before = week(&browser).await;
    let changed = json!({ "title": "Other", "description": "own", "priority": "self" });
    put(
        &browser,
        &with(&with(&before[1], &changed), &times("2026-11-17T20:00:00Z", "2026-11-17T21:00:00Z")),
        THIS,
    )
    .await;
    let after = week(&browser).await;
    let without_changed = |events: &[Value]| -> Vec<(String, String)> {
        let others = events.iter().filter(|event| event["_id"] != before[1]["_id"]);
        others.map(|event| (text(event, "startDate").into(), text(event, "title").into())).collect()
    };
    assert_eq!(without_changed(&after), without_changed(&before));
    assert_eq!(titles(&after).iter().filter(|title| **title == "Other").count(), 1);
}

#[tokio::test]
async fn this_and_following_changes_that_and_later_and_leaves_the_earlier() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting("RRULE:FREQ=DAILY;COUNT=6")).await;
    let before = week(&browser).await;
    let later = times("2026-11-18T14:00:00Z", "2026-11-18T15:00:00Z");
    put(&browser, &with(&before[2], &later), FOLLOWING).await;
    let after = week(&browser).await;
    let hours: Vec<&str> = starts(&after).into_iter().map(|start| &start[8..13]).collect();
    assert_eq!(hours, ["16T09", "17T09", "18T14", "19T14", "20T14", "21T14"], "six in all, as before");
}

#[tokio::test]
async fn all_events_changes_every_instance_past_and_future() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting("RRULE:FREQ=DAILY")).await;
    let shown = browser.list("2030-06-01T00:00:00Z", "2030-06-01T23:59:59Z").await;
    put(&browser, &with(&shown[0], &json!({ "title": "Every one" })), ALL).await;
    for day in ["2026-11-16", "2030-06-01", "2300-01-01"] {
        let shown = browser.list(&format!("{day}T00:00:00Z"), &format!("{day}T23:59:59Z")).await;
        assert_eq!(titles(&shown), ["Every one"], "{day}");
    }
}

/// The web app's text speaks of "this and later instances" as standalone events. What follows becomes one event, at the time of the one that was
/// edited: an endless tail has no end of copies. The earlier ones stay a series.
#[tokio::test]
async fn removing_recurrence_this_and_following_leaves_one_event_and_the_earlier_instances() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting("RRULE:FREQ=DAILY")).await;
    let before = week(&browser).await;
    let event =
        with(&before[3], &json!({ "title": "Single", "recurrence": { "rule": null, "eventId": id(1) } }));
    put(&browser, &event, FOLLOWING).await;
    let after = winter(&browser).await;
    assert_eq!(titles(&after), ["Meeting", "Meeting", "Meeting", "Single"]);
    assert_eq!(starts(&after), starts(&before)[..4]);
    assert!(after[3].get("recurrence").is_none());
    assert!(after[2]["recurrence"]["rule"].is_array());
}

#[tokio::test]
async fn removing_recurrence_all_events_turns_the_series_into_one_event() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting("RRULE:FREQ=DAILY")).await;
    let before = week(&browser).await;
    put(&browser, &with(&before[0], &json!({ "recurrence": { "rule": null, "eventId": id(1) } })), ALL).await;
    assert_eq!(starts(&winter(&browser).await), ["2026-11-16T09:00:00Z"]);
}

#[tokio::test]
async fn delete_this_event_removes_only_that_occurrence() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting("RRULE:FREQ=DAILY")).await;
    let before = week(&browser).await;
    delete(&browser, &before[2], THIS).await;
    let after = week(&browser).await;
    let expected: Vec<&str> = ids(&before).into_iter().filter(|id| *id != ids(&before)[2]).collect();
    assert_eq!(ids(&after), expected);
}

#[tokio::test]
async fn delete_this_and_following_leaves_the_one_before() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting("RRULE:FREQ=DAILY")).await;
    let before = week(&browser).await;
    delete(&browser, &before[1], FOLLOWING).await;
    assert_eq!(ids(&winter(&browser).await), ids(&before)[..1]);
    assert!(browser.list("2100-01-01T00:00:00Z", "2100-01-31T00:00:00Z").await.is_empty());
}

#[tokio::test]
async fn delete_all_events_removes_the_series() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting("RRULE:FREQ=DAILY")).await;
    let before = week(&browser).await;
    delete(&browser, &before[5], ALL).await;
    assert!(browser.grid().await.is_empty());
}

#[tokio::test]
async fn duplicating_a_series_creates_an_independent_series() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting("RRULE:FREQ=DAILY;COUNT=3")).await;
    let read = week(&browser).await[0].clone();
    let mut copy =
        with(&read, &json!({ "_id": id(2), "recurrence": { "rule": read["recurrence"]["rule"] } }));
    for field in ["gEventId", "gRecurringEventId", "updatedAt"] {
        copy.as_object_mut().unwrap().remove(field);
    }
    browser.create(&copy).await.is(204);
    let of_copy = |events: &[Value]| -> Vec<Value> {
        events.iter().filter(|event| event["recurrence"]["eventId"] == id(2)).cloned().collect()
    };
    let both = week(&browser).await;
    assert_eq!((both.len(), of_copy(&both).len()), (6, 3));
    put(&browser, &with(&of_copy(&both)[1], &json!({ "title": "Copy" })), ALL).await;
    delete(&browser, &read, ALL).await;
    assert_eq!(titles(&week(&browser).await), ["Copy"; 3]);
}

#[tokio::test]
async fn an_endless_series_is_endless_and_begins_where_it_begins() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting("RRULE:FREQ=DAILY")).await;
    for year in [2026, 2027, 2126, 2526, 9998] {
        let (start, end) = (format!("{year}-11-20T00:00:00Z"), format!("{year}-11-22T23:59:59Z"));
        assert_eq!(browser.list(&start, &end).await.len(), 3, "{year}");
    }
    assert!(
        browser.list("2026-11-01T00:00:00Z", "2026-11-15T23:59:59Z").await.is_empty(),
        "nothing before its start"
    );
}

#[tokio::test]
async fn an_all_day_series_keeps_its_days() {
    let app = TestApp::start().await;
    let event = repeating(all_day(1, "Rent", "2026-11-30", "2026-12-01"), "RRULE:FREQ=MONTHLY;BYMONTHDAY=-1");
    let browser = with_series(&app, &event).await;
    let shown = winter(&browser).await;
    let days: Vec<(&str, &str)> =
        shown.iter().map(|event| (text(event, "startDate"), text(event, "endDate"))).collect();
    assert_eq!(
        days,
        [
            ("2026-11-30", "2026-12-01"),
            ("2026-12-31", "2027-01-01"),
            ("2027-01-31", "2027-02-01"),
            ("2027-02-28", "2027-03-01"),
            ("2027-03-31", "2027-04-01"),
        ]
    );
    assert!(shown.iter().all(|event| event["isAllDay"] == true));
    assert_eq!(shown[1]["gEventId"], format!("{}_20261231", id(1)));
    put(&browser, &with(&shown[2], &json!({ "title": "Rent rises" })), FOLLOWING).await;
    delete(&browser, &winter(&browser).await[3], THIS).await;
    let after = winter(&browser).await;
    assert_eq!(titles(&after), ["Rent", "Rent", "Rent rises", "Rent rises"]);
}

/// One hour each day over a change of the clocks, as it is shown on both sides of it.
async fn over_a_change(app: &TestApp, zone: Option<&str>, start: &str, days: [&str; 2]) -> [String; 2] {
    let browser = app.person().await;
    if let Some(zone) = zone {
        let body = json!({ "timezone": zone });
        browser.call(Method::POST, "/api/user/metadata", Some(&body)).await.ok();
    }
    browser.create(&repeating(timed(1, "Standup", start), "RRULE:FREQ=DAILY")).await.is(204);
    let mut shown = Vec::new();
    for day in days {
        let events = browser.list(&format!("{day}T00:00:00Z"), &format!("{day}T23:59:59Z")).await;
        let on_day = events.iter().find(|event| text(event, "startDate").starts_with(day)).unwrap();
        shown.push(text(on_day, "startDate").to_owned());
    }
    [shown[0].clone(), shown[1].clone()]
}

#[tokio::test]
async fn wall_clock_time_is_constant_over_dst_in_the_users_zone() {
    let app = TestApp::start().await;
    for (zone, start, days, expected) in [
        (
            "Europe/Berlin",
            "2026-03-20T09:00:00+01:00",
            ["2026-03-28", "2026-03-29"],
            ["2026-03-28T09:00:00+01:00", "2026-03-29T09:00:00+02:00"],
        ),
        (
            "America/New_York",
            "2026-10-20T09:00:00-04:00",
            ["2026-10-31", "2026-11-01"],
            ["2026-10-31T09:00:00-04:00", "2026-11-01T09:00:00-05:00"],
        ),
        // Half an hour of summer.
        (
            "Australia/Lord_Howe",
            "2026-03-20T09:00:00+11:00",
            ["2026-04-04", "2026-04-05"],
            ["2026-04-04T09:00:00+11:00", "2026-04-05T09:00:00+10:30"],
        ),
    ] {
        assert_eq!(over_a_change(&app, Some(zone), start, days).await, expected, "{zone}");
    }
}

#[tokio::test]
async fn a_client_that_says_no_zone_keeps_its_offset_and_one_whose_user_says_one_keeps_that() {
    let app = TestApp::start().await;
    let days = ["2026-03-28", "2026-03-29"];
    assert_eq!(
        over_a_change(&app, None, "2026-03-20T08:00:00Z", days).await,
        ["2026-03-28T08:00:00+00:00", "2026-03-29T08:00:00+00:00"]
    );
    assert_eq!(
        over_a_change(&app, None, "2026-03-20T09:00:00+01:00", days).await,
        ["2026-03-28T09:00:00+01:00", "2026-03-29T09:00:00+01:00"]
    );
    assert_eq!(
        over_a_change(&app, Some("Europe/Berlin"), "2026-03-20T08:00:00Z", days).await,
        ["2026-03-28T09:00:00+01:00", "2026-03-29T09:00:00+02:00"]
    );
}

#[tokio::test]
async fn the_zone_of_the_event_comes_before_that_of_the_user() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let body = json!({ "timezone": "Europe/Berlin" });
    browser.call(Method::POST, "/api/user/metadata", Some(&body)).await.ok();
    let mut event = repeating(timed(1, "Call", "2026-03-05T09:00:00-05:00"), "RRULE:FREQ=DAILY");
    event["timeZone"] = json!("America/New_York");
    browser.create(&event).await.is(204);
    let shown = browser.list("2026-03-08T00:00:00Z", "2026-03-08T23:59:59Z").await;
    assert_eq!(starts(&shown), ["2026-03-08T09:00:00-04:00"]);
}

#[tokio::test]
async fn a_series_and_its_occurrences_are_read_by_their_ids() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting(WEEKLY)).await;
    let base = browser.read(&id(1)).await.ok();
    assert_eq!(base["recurrence"], json!({ "rule": [WEEKLY] }), "the series itself has no eventId");
    assert_eq!((text(&base, "_id"), text(&base, "startDate")), (&*id(1), "2026-11-16T09:00:00Z"));
    let shown = winter(&browser).await;
    assert_eq!(browser.read(ids(&shown)[3]).await.ok(), shown[3]);
    put(&browser, &with(&shown[3], &json!({ "title": "Own" })), THIS).await;
    assert_eq!(browser.read(ids(&shown)[3]).await.ok()["title"], "Own");
    // The last digit of an occurrence's id is a second: there is none at the next.
    let mut never = ids(&shown)[3].to_owned();
    let last = if never.ends_with('0') { "1" } else { "0" };
    never.replace_range(23.., last);
    assert_eq!(browser.read(&never).await.status, 404);
}

#[tokio::test]
async fn priorities_filter_occurrences_by_their_own() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting("RRULE:FREQ=DAILY;COUNT=3")).await;
    let shown = week(&browser).await;
    put(&browser, &with(&shown[1], &json!({ "priority": "self" })), THIS).await;
    for (priorities, count) in [("self", 1), ("unassigned", 2), ("self,unassigned", 3), ("work", 0)] {
        let path =
            format!("/api/event?start=2026-11-15T00:00:00Z&end=2026-11-21T23:59:59Z&priorities={priorities}");
        let listed = browser.call(Method::GET, &path, None).await.ok();
        assert_eq!(listed.as_array().unwrap().len(), count, "{priorities}");
    }
}

#[tokio::test]
async fn delete_many_takes_occurrences_and_whole_series() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting(WEEKLY)).await;
    browser.create(&repeating(timed(2, "Other", "2026-11-17T09:00:00Z"), WEEKLY)).await.is(204);
    let shown = winter(&browser).await;
    let of_first: Vec<&Value> = shown.iter().filter(|event| event["title"] == "Meeting").collect();
    let body = json!({ "key": "_id", "ids": [of_first[0]["_id"], of_first[4]["_id"], id(2)] });
    assert_eq!(browser.delete_many(&body).await.ok(), json!({ "deletedCount": 3, "errors": [] }));
    let left = winter(&browser).await;
    assert_eq!(titles(&left), ["Meeting"; 8]);
    let body = json!({ "key": "gRecurringEventId", "ids": [id(1)] });
    assert_eq!(browser.delete_many(&body).await.ok()["deletedCount"], 1);
    assert!(winter(&browser).await.is_empty());
}

#[tokio::test]
async fn a_scope_that_is_undefined_is_this_event() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting("RRULE:FREQ=DAILY;COUNT=5")).await;
    let shown = week(&browser).await;
    put(&browser, &with(&shown[1], &json!({ "title": "Own" })), "undefined").await;
    delete(&browser, &shown[3], "undefined").await;
    assert_eq!(titles(&week(&browser).await), ["Meeting", "Own", "Meeting", "Meeting"]);
}

#[tokio::test]
async fn a_rule_of_null_or_nothing_on_create_makes_a_single_event() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    for (number, rule) in [(1, json!(null)), (2, json!([]))] {
        let mut event = timed(number, "Single", "2026-11-16T09:00:00Z");
        event["recurrence"] = json!({ "rule": rule });
        browser.create(&event).await.is(204);
    }
    let shown = browser.grid().await;
    assert_eq!(shown.len(), 2);
    assert!(shown.iter().all(|event| event.get("recurrence").is_none()));
}

#[tokio::test]
async fn an_event_becomes_a_series_and_keeps_its_id_as_that_of_the_series() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    browser.create(&timed(1, "Meeting", "2026-11-16T09:00:00Z")).await.is(204);
    let mut read = browser.read(&id(1)).await.ok();
    read["recurrence"] = json!({ "rule": ["RRULE:FREQ=DAILY;INTERVAL=1"] });
    put(&browser, &read, THIS).await;
    let shown = week(&browser).await;
    assert_eq!(shown.len(), 6);
    assert!(shown.iter().all(|event| event["recurrence"]["eventId"] == id(1) && event["_id"] != id(1)));
}

#[tokio::test]
async fn undoing_the_deletion_of_a_series_or_an_occurrence_brings_it_back() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting("RRULE:FREQ=DAILY;COUNT=5")).await;
    let before = week(&browser).await;
    delete(&browser, &before[2], THIS).await;
    put(&browser, &before[2], THIS).await;
    assert_eq!(ids(&week(&browser).await), ids(&before));
    let base = browser.read(&id(1)).await.ok();
    delete(&browser, &before[0], ALL).await;
    browser.create(&base).await.is(204);
    assert_eq!((ids(&week(&browser).await), titles(&week(&browser).await)), (ids(&before), titles(&before)));
}

#[tokio::test]
async fn exceptions_stay_with_the_side_of_a_split_they_belong_to() {
    let app = TestApp::start().await;
    let browser = with_series(&app, &meeting("RRULE:FREQ=DAILY;COUNT=6")).await;
    let before = week(&browser).await;
    put(&browser, &with(&before[1], &times("2026-11-17T18:00:00Z", "2026-11-17T19:00:00Z")), THIS).await;
    put(&browser, &with(&before[4], &times("2026-11-20T18:00:00Z", "2026-11-20T19:00:00Z")), THIS).await;
    delete(&browser, &before[5], THIS).await;
    put(&browser, &with(&before[3], &json!({ "title": "Tail" })), FOLLOWING).await;
    let after = week(&browser).await;
    let lines: Vec<(&str, &str)> =
        after.iter().map(|event| (&text(event, "startDate")[8..13], text(event, "title"))).collect();
    assert_eq!(
        lines,
        [
            ("16T09", "Meeting"),
            ("17T18", "Meeting"),
            ("18T09", "Meeting"),
            ("19T09", "Tail"),
            ("20T18", "Tail")
        ]
    );
}
