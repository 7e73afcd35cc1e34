//! The user's lists: priorities, calendars, and the filter of events by priority.

use reqwest::Method;
use scenarios::{Browser, TestApp, all_day, someday, timed};
use serde_json::{Value, json};

const PRIORITIES: &str = "/api/priority";
const CALENDARS: &str = "/api/calendars";

fn names(listed: &Value) -> Vec<&str> {
    listed.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect()
}

fn calendar(at_google: &str) -> Value {
    json!({
        "user": "somebody", "backgroundColor": "#16a765", "color": "#000000", "timezone": "Europe/Vienna",
        "createdAt": "2025-10-03T08:00:00.000Z",
        "metadata": {
            "id": at_google, "etag": "\"1\"", "summary": "Ada", "accessRole": "owner",
            "conferenceProperties": { "allowedConferenceSolutionTypes": ["hangoutsMeet"] },
            "defaultReminders": [{ "method": "popup", "minutes": 10 }],
        },
    })
}

async fn by_priority(browser: &Browser, priorities: &str) -> Vec<String> {
    let window = "start=2026-11-01T00:00:00Z&end=2026-11-30T23:59:59Z";
    let path = format!("/api/event?{window}&priorities={priorities}");
    let listed = browser.call(Method::GET, &path, None).await.ok();
    let title = |event: &Value| event["title"].as_str().unwrap().to_owned();
    let mut titles: Vec<String> = listed.as_array().unwrap().iter().map(title).collect();
    titles.sort_unstable();
    titles
}

#[tokio::test]
async fn a_new_user_has_four_priorities_however_they_signed_up() {
    let app = TestApp::start().await;
    let by_password = app.person().await;
    let mut by_google = app.browser();
    by_google.sign_in_with_google(app.google(), "grace@example.com").await.is(200);
    for browser in [by_password, by_google] {
        let listed = browser.call(Method::GET, PRIORITIES, None).await.ok();
        assert_eq!(names(&listed), ["relationships", "self", "unassigned", "work"]);
        assert!(listed.as_array().unwrap().iter().all(|entry| entry["user"] == browser.user()), "{listed}");
    }
}

#[tokio::test]
async fn a_priority_is_made_once_renamed_and_deleted() {
    let app = TestApp::start().await;
    let (browser, stranger) = (app.person().await, app.person().await);
    let garden = json!({ "name": "garden" });
    let made = browser.call(Method::POST, PRIORITIES, Some(&garden)).await.ok();
    assert_eq!(browser.call(Method::POST, PRIORITIES, Some(&garden)).await.ok(), made);
    let path = format!("{PRIORITIES}/{}", made["_id"].as_str().unwrap());
    assert_eq!(browser.call(Method::GET, &path, None).await.ok(), made);

    let yard = json!({ "name": "yard" });
    stranger.call(Method::GET, &path, None).await.is(404);
    stranger.call(Method::PUT, &path, Some(&yard)).await.is(404);
    assert_eq!(stranger.call(Method::DELETE, &path, None).await.ok()["deletedCount"], 0);

    let renamed = browser.call(Method::PUT, &path, Some(&yard)).await.ok();
    assert_eq!(renamed, json!({ "_id": made["_id"], "name": "yard", "user": browser.user() }));
    for deleted in [1, 0] {
        let answer = browser.call(Method::DELETE, &path, None).await.ok();
        assert_eq!(answer, json!({ "acknowledged": true, "deletedCount": deleted }));
    }
    browser.call(Method::GET, &path, None).await.is(404);
    browser.call(Method::GET, &format!("{PRIORITIES}/work"), None).await.is(400);
    assert_eq!(names(&browser.call(Method::GET, PRIORITIES, None).await.ok()).len(), 4);
}

#[tokio::test]
async fn events_are_filtered_by_priority() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    // `unassigned`, `work` and `self`, in this order.
    let events = json!([
        timed(1, "Lunch", "2026-11-20T12:00:00Z"),
        all_day(2, "Fair", "2026-11-20", "2026-11-22"),
        someday(3, "Paint", "2026-11-15", "2026-11-21", 0),
    ]);
    browser.create(&events).await.is(204);
    for (filter, titles) in [
        ("", vec!["Fair", "Lunch"]),
        ("work", vec!["Fair"]),
        ("unassigned", vec!["Lunch"]),
        ("work,unassigned", vec!["Fair", "Lunch"]),
        ("work,%20unassigned", vec!["Fair", "Lunch"]),
        ("self", vec![]),
        ("relationships,garden", vec![]),
    ] {
        assert_eq!(by_priority(&browser, filter).await, titles, "{filter}");
    }
    for (filter, titles) in [("self&someday=true", vec!["Paint"]), ("work&someday=true", vec![])] {
        assert_eq!(by_priority(&browser, filter).await, titles, "{filter}");
    }
}

#[tokio::test]
async fn a_calendar_is_added_once_selected_and_its_users_alone() {
    let app = TestApp::start().await;
    let (browser, stranger) = (app.person().await, app.person().await);
    assert_eq!(browser.call(Method::GET, CALENDARS, None).await.ok(), json!({ "calendars": [] }));
    let added = browser.call(Method::POST, CALENDARS, Some(&calendar("ada@example.com"))).await.ok();
    assert_eq!(added["acknowledged"], true);
    let twice = browser.call(Method::POST, CALENDARS, Some(&with_name("Another"))).await.is(400);
    assert!(twice.json()["message"].as_str().unwrap().starts_with("metadata.id"), "{}", twice.text);

    let selection = json!([{ "id": added["insertedId"], "selected": false }]);
    let select = format!("{CALENDARS}/select");
    assert_eq!(stranger.call(Method::PUT, &select, Some(&selection)).await.ok(), true);
    assert_eq!(stranger.call(Method::GET, CALENDARS, None).await.ok(), json!({ "calendars": [] }));
    let listed = browser.call(Method::GET, CALENDARS, None).await.ok();
    assert_eq!(listed["calendars"][0]["selected"], true);
    assert_eq!(listed["calendars"][0]["user"], browser.user(), "whatever the body says");

    assert_eq!(browser.call(Method::PUT, &select, Some(&selection)).await.ok(), true);
    let listed = browser.call(Method::GET, CALENDARS, None).await.ok();
    assert_eq!(listed["calendars"][0]["selected"], false);
    browser.call(Method::PUT, &select, Some(&json!([]))).await.is(400);
}

fn with_name(summary: &str) -> Value {
    let mut calendar = calendar("ada@example.com");
    calendar["metadata"]["summary"] = json!(summary);
    calendar
}

#[tokio::test]
async fn a_change_of_a_list_is_told_to_no_view() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let stream = browser.stream().await;
    stream.frame("USER_METADATA").await;
    browser.call(Method::POST, PRIORITIES, Some(&json!({ "name": "garden" }))).await.ok();
    browser.call(Method::POST, CALENDARS, Some(&calendar("ada@example.com"))).await.ok();
    browser.create(&timed(1, "Lunch", "2026-11-20T12:00:00Z")).await.is(204);
    stream.frame("EVENT_CHANGED").await;
    assert_eq!(stream.names(), ["USER_METADATA", "EVENT_CHANGED"]);
}

#[tokio::test]
async fn a_null_in_the_metadata_takes_its_key_away_and_no_other() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let set = async |body: Value| browser.call(Method::POST, "/api/user/metadata", Some(&body)).await;
    set(json!({ "skipOnboarding": true, "timezone": "Europe/Vienna" })).await.ok();
    set(json!({ "timezone": null })).await.ok();
    let metadata = browser.metadata().await.ok();
    assert_eq!((&metadata["skipOnboarding"], metadata.get("timezone")), (&json!(true), None));
    for refused in [json!({ "sync": { "importGCal": "COMPLETED" } }), json!({ "google": null })] {
        set(refused).await.is(400);
    }
    assert_eq!(browser.metadata().await.ok(), metadata);
}
