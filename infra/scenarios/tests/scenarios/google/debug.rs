//! The debug routes of the former backend, which the local cloud has and nobody else.

use std::path::Path;

use reqwest::Method;
use scenarios::{Answer, Browser, TestApp, timed};
use serde_json::{Value, json};

use super::{connected, lunch};

const DEMO: &str = "/api/event-change-demo";
const SECRET: &str = "the-operators-secret";

async fn app() -> TestApp {
    TestApp::start_with(|options| {
        options.parameters.insert("MaintenanceToken".to_owned(), SECRET.to_owned());
    })
    .await
}

/// Asks as the operator, with the browser's session.
async fn ask(browser: &Browser, path: &str, body: Option<Value>) -> Answer {
    let request = browser.request(Method::POST, path).header("x-comp-token", SECRET);
    browser.send(request.body(body.unwrap_or_default().to_string())).await
}

fn debug(path: &str) -> String {
    format!("/api/sync/debug/{path}")
}

#[tokio::test]
async fn the_debug_routes_do_what_they_say_for_whoever_knows_the_secret() {
    let app = app().await;
    let browser = connected(&app).await;
    let user = browser.user();

    app.google().inject_push(fake_google::PushFault {
        channel: None,
        count: 1,
        effect: fake_google::PushEffect::Drop,
    });
    app.google().create_event(browser.email(), "primary", lunch()).unwrap();
    let read = ask(&browser, &debug(&format!("import-incremental/{user}")), None).await.ok();
    assert_eq!(
        (&read[0]["created"], &read[0]["updated"], &read[0]["deleted"]),
        (&json!(1), &json!(0), &json!(0))
    );
    assert_eq!(browser.titles().await, ["Lunch"]);

    let sync = ask(&browser, &debug(&format!("refresh/{user}")), None).await.ok();
    assert_eq!(sync["google"]["events"][0]["nextSyncToken"], read[0]["nextSyncToken"]);

    app.google().clear_journal();
    let dry = ask(&browser, &debug(&format!("maintain/{user}?dry=true")), None).await.ok();
    assert_eq!(dry["ignore"][0]["payload"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&dry["ignored"], &dry["resynced"], &dry["user"]),
        (&json!(0), &json!(0), &json!(browser.email()))
    );
    assert!(app.google().journal().is_empty(), "nothing is done");
    let done = ask(&browser, &debug(&format!("maintain/{user}")), None).await.ok();
    assert_eq!((&done["ignored"], &done["refreshed"], &done["resynced"]), (&json!(2), &json!(0), &json!(1)));
    assert!(app.google().calls("calendar.events.list") > 0);
}

#[tokio::test]
async fn channels_are_stopped_and_opened_again_by_the_debug_routes() {
    let app = app().await;
    let browser = connected(&app).await;
    let calendar = browser.email().to_owned();
    let channels = || app.google().channels().len();
    assert_eq!(
        ask(&browser, &debug("start"), Some(json!({ "calendarId": calendar }))).await.ok(),
        json!({ "acknowledged": false })
    );

    let stopped = ask(&browser, &debug(&format!("stop-all/{}", browser.user())), None).await.ok();
    assert_eq!((stopped.as_array().unwrap().len(), channels()), (2, 0));
    let again = ask(&browser, &debug(&format!("stop-all/{}", browser.user())), None).await.ok();
    assert_eq!(again, json!([]));

    let started = ask(&browser, &debug("start"), Some(json!({ "calendarId": calendar }))).await.ok();
    assert_eq!((&started["acknowledged"], channels()), (&json!(true), 2));
    let open = app.google().channels();
    let channel = open.iter().find(|channel| started["insertedId"] == channel.id.as_str()).unwrap();
    let wanted = json!({ "channelId": channel.id, "resourceId": channel.resource_id });
    assert_eq!(ask(&browser, &debug("stop"), Some(wanted.clone())).await.ok(), wanted);
    assert_eq!(channels(), 1);
    let gone = ask(&browser, &debug("stop"), Some(wanted)).await.is(200);
    assert!(gone.text.is_empty(), "{gone:?}");
}

/// It publishes a change where there is none: the page asks again and finds everything as it was.
#[tokio::test]
async fn the_demo_of_a_change_makes_the_pages_of_its_user_ask_again_and_nobody_elses() {
    let app = app().await;
    let (browser, other) = (app.person().await, app.person().await);
    let events = json!([timed(1, "Lunch", "2026-11-20T12:00:00Z"), timed(2, "Tea", "2026-11-20T16:00:00Z")]);
    for person in [&browser, &other] {
        person.create(&events).await.is(204);
    }
    app.quiesce().await;
    let (stream, others) = (browser.stream().await, other.stream().await);
    stream.frame("USER_METADATA").await;
    others.frame("USER_METADATA").await;
    let (before, told, others_told) =
        (browser.grid().await, stream.count("EVENT_CHANGED"), others.count("EVENT_CHANGED"));

    ask(&browser, DEMO, None).await.is(500);
    app.cloud().set_demo_user(browser.user().parse().unwrap());
    assert_eq!(ask(&browser, DEMO, None).await.is(200).text, "OK");
    stream.nth("EVENT_CHANGED", told + 1).await;
    assert_eq!(ask(&browser, DEMO, None).await.is(200).text, "OK");
    stream.nth("EVENT_CHANGED", told + 2).await;
    assert_eq!(browser.grid().await, before);
    // Its own frame is the next one that the other one hears.
    other.delete(&scenarios::id(1)).await.is(204);
    others.nth("EVENT_CHANGED", others_told + 1).await;
    assert_eq!((others.count("EVENT_CHANGED"), stream.count("EVENT_CHANGED")), (others_told + 1, told + 2));
}

/// Deployed, nothing answers there but the route of whatever is unknown.
#[tokio::test]
async fn no_function_and_no_route_of_the_template_knows_the_debug_routes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (mut unread, mut read) =
        (vec![root.join("functions"), root.join("shared"), root.join("template.yaml")], 0);
    while let Some(path) = unread.pop() {
        if path.is_dir() {
            unread.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|kind| kind == "rs" || kind == "yaml") {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(
                !text.contains("event-change-demo") && !text.contains("/api/sync/debug"),
                "{}",
                path.display()
            );
            read += 1;
        }
    }
    assert!(read > 100, "{read} files");
}

#[tokio::test]
async fn without_the_secret_the_debug_routes_are_closed() {
    let app = app().await;
    let browser = app.person().await;
    let user = browser.user();
    let paths = ["import-incremental", "maintain", "refresh", "stop-all"]
        .map(|name| debug(&format!("{name}/{user}")));
    let paths = paths.into_iter().chain(["start", "stop"].map(debug)).chain([DEMO.to_owned()]);
    for path in paths {
        let refused = browser.call(Method::POST, &path, Some(&json!({}))).await.is(403).json();
        assert_eq!(refused["result"], "Compass Verification Failed", "{path}");
    }
    let unconnected = ask(&browser, &debug(&format!("refresh/{user}")), None).await.is(400).json();
    assert_eq!(unconnected["result"], "User has not connected Google Calendar");
    ask(&browser, &debug("refresh/nobody"), None).await.is(400);
    ask(&browser, &debug("refresh/ffffffffffffffffffffffff"), None).await.is(404);
    let stranger = app.browser();
    ask(&stranger, &debug("start"), Some(json!({ "calendarId": "primary" }))).await.is(401);
    let closed = TestApp::start().await;
    let nobody = closed.browser();
    ask(&nobody, &debug("refresh/ffffffffffffffffffffffff"), None).await.is(403);
}
