//! A user's keys never reach another user's data: every route, tried by a stranger.

use std::collections::BTreeSet;

use local::template::Template;
use reqwest::Method;
use scenarios::{Browser, TestApp, WEB_URL, id, someday, timed};
use serde_json::{Value, json};

/// Routes that serve whoever asks, and why.
const PUBLIC: [(&str, &str); 15] = [
    ("GET", "/api/health"),
    ("GET", "/api/config"),
    ("OPTIONS", "/{proxy+}"),
    // No route: 404 for everybody.
    ("ANY", "$default"),
    // The ways to a session.
    ("POST", "/api/signup"),
    ("POST", "/api/signin"),
    ("POST", "/api/signinup"),
    ("POST", "/api/session/refresh"),
    ("POST", "/api/user/password/reset/token"),
    ("POST", "/api/user/password/reset"),
    ("GET", "/api/emailpassword/email/exists"),
    ("GET", "/api/signup/email/exists"),
    // Google's own key is the channel's token.
    ("POST", "/api/sync/gcal/notifications"),
    ("POST", "/"),
    // The operator's is a secret of its own.
    ("POST", "/api/sync/maintain-all"),
];

/// Method and path of every HTTP route of the template.
fn routes() -> BTreeSet<(String, String)> {
    let mut parameters = local::keys::Keys::generate().unwrap().parameters().clone();
    for (name, value) in [("WebUrl", WEB_URL), ("MailFrom", "no-reply@example.com")] {
        parameters.insert(name.to_owned(), value.to_owned());
    }
    let template = Template::load(&local::table::repository_template(), &parameters).unwrap();
    let functions = template.functions().unwrap();
    let events = functions.iter().flat_map(|(id, _)| {
        let events = &template.resource(id).unwrap()["Properties"]["Events"];
        events.as_object().into_iter().flatten().map(|(_, event)| event.clone()).collect::<Vec<_>>()
    });
    let text = |event: &Value, key: &str| event["Properties"][key].as_str().unwrap_or("ANY").to_owned();
    events
        .filter(|event| event["Type"] == "HttpApi")
        .map(|event| (text(&event, "Method"), text(&event, "Path")))
        .collect()
}

/// A person with an event on the grid and one in the someday list.
async fn victim(app: &TestApp) -> Browser {
    let browser = app.person().await;
    let events = json!([
        timed(1, "Secret", "2026-11-20T12:00:00Z"),
        someday(2, "Plan", "2026-11-15", "2026-11-21", 0),
    ]);
    browser.create(&events).await.is(204);
    browser
}

async fn all_of(browser: &Browser) -> (Vec<Value>, Vec<Value>, Value, Value) {
    (
        browser.grid().await,
        browser.someday("2026-10-31T23:59:59Z", "2026-11-30T23:59:59Z").await,
        browser.profile().await.ok(),
        browser.metadata().await.ok(),
    )
}

#[tokio::test]
async fn without_a_session_every_route_but_the_public_ones_is_closed() {
    let app = TestApp::start().await;
    let victim = victim(&app).await;
    let before = all_of(&victim).await;
    let stranger = app.browser();
    let mut closed = 0;
    for (method, path) in routes() {
        if PUBLIC.contains(&(method.as_str(), path.as_str())) {
            continue;
        }
        let method: Method = method.parse().unwrap();
        let path = path.replace("{id}", &id(1));
        let body = json!({ "key": "_id", "ids": [id(1)], "force": true });
        let answer = stranger.call(method, &path, Some(&body)).await;
        assert_eq!((answer.status, answer.json()), (401, json!({ "message": "unauthorised" })), "{path}");
        closed += 1;
    }
    assert!(closed >= 12, "{closed} routes");
    assert_eq!(stranger.stream().await.status, 401);
    assert_eq!(all_of(&victim).await, before);
}

#[tokio::test]
async fn a_stranger_gets_nothing_and_changes_nothing_by_any_route() {
    let app = TestApp::start().await;
    let victim = victim(&app).await;
    let before = all_of(&victim).await;
    let stranger = app.person().await;
    let first = victim.stream().await;
    first.frame("USER_METADATA").await;
    let stream = victim.resume(&first.cursor()).await;
    stream.frame("USER_METADATA").await;

    for number in [1, 2] {
        let missing = stranger.read(&id(number)).await;
        assert!(missing.status == 404 && !missing.text.contains("Secret"), "{}", missing.text);
        stranger.delete(&id(number)).await.is(204);
    }
    let reordered = stranger.reorder(&json!([{ "_id": id(2), "order": 7 }])).await.ok();
    assert_eq!(reordered["matchedCount"], 0);
    for key in ["_id", "gEventId"] {
        let deleted = stranger.delete_many(&json!({ "key": key, "ids": [id(1), id(2)] })).await.ok();
        assert_eq!(deleted["deletedCount"], 0);
    }
    let (grid, someday, profile, metadata) = all_of(&stranger).await;
    assert_eq!((grid.len(), someday.len()), (0, 0));
    assert_eq!((&profile["userId"], &profile["email"]), (&json!(stranger.user()), &json!(stranger.email())));
    assert_eq!(metadata["google"]["connectionState"], "NOT_CONNECTED");
    stranger.repair_google().await.is(400);
    let settings = json!({ "timezone": "Asia/Tokyo" });
    stranger.call(Method::POST, "/api/user/metadata", Some(&settings)).await.ok();

    // An id names an event of whoever uses it: the stranger has one of that id now, and the victim still his own.
    let mut event = timed(1, "Mine", "2026-11-20T12:00:00Z");
    event["user"] = json!(victim.user());
    stranger.create(&event).await.is(204);
    stranger.put(&event).await.is(204);
    assert_eq!(stranger.read(&id(1)).await.ok()["user"], stranger.user());
    stranger.sign_out().await.is(200);

    assert_eq!(all_of(&victim).await, before);
    // The victim's stream is alive, and heard of none of it.
    victim.create(&someday_plan()).await.is(204);
    stream.frame("SOMEDAY_EVENT_CHANGED").await;
    assert_eq!(stream.names(), ["USER_METADATA", "SOMEDAY_EVENT_CHANGED"]);
}

/// What only the victim may see: names of his things, and who he is.
fn secrets(victim: &Browser) -> [String; 4] {
    ["Secret".to_owned(), "Plan".to_owned(), victim.user(), victim.email().to_owned()]
}

#[tokio::test]
async fn every_route_of_the_template_tells_a_stranger_nothing_of_an_id_that_is_not_his() {
    let app = TestApp::start().await;
    let victim = victim(&app).await;
    let priorities = victim.call(Method::GET, "/api/priority", None).await.ok();
    let calendar = json!({
        "backgroundColor": "#16a765", "color": "#000000",
        "metadata": {
            "id": "secret@example.com", "etag": "1", "summary": "Secret", "provider": "google", "accessRole": "owner",
            "conferenceProperties": { "allowedConferenceSolutionTypes": [] }, "defaultReminders": [],
        },
    });
    let calendar = victim.call(Method::POST, "/api/calendars", Some(&calendar)).await.ok();
    let everything = async || {
        let lists = ["/api/priority", "/api/calendars", "/api/changes"];
        let mut read = Vec::new();
        for path in lists {
            read.push(victim.call(Method::GET, path, None).await.ok());
        }
        (all_of(&victim).await, read)
    };
    let before = everything().await;
    let cursor = before.1[2]["cursor"].as_str().unwrap().to_owned();

    let stranger = app.person().await;
    let secrets = secrets(&victim);
    let foreign = [json!(id(1)), json!(id(2)), priorities[0]["_id"].clone(), calendar["insertedId"].clone()];
    let mut tried = 0;
    for (method, path) in routes() {
        if PUBLIC.contains(&(method.as_str(), path.as_str())) || path == "/api/signout" {
            continue;
        }
        let method: Method = method.parse().unwrap();
        for id in &foreign {
            let path = path.replace("{id}", id.as_str().unwrap());
            let bodies = [
                json!({ "_id": id, "name": "mine", "key": "_id", "ids": [id], "title": "mine" }),
                json!([{ "_id": id, "id": id, "order": 7, "selected": false }]),
            ];
            for body in bodies {
                let path = format!("{path}?cursor={cursor}");
                let body = Some(&body).filter(|_| method != Method::GET);
                let answer = stranger.call(method.clone(), &path, body).await;
                assert!(answer.status < 500, "{method} {path}: {} {}", answer.status, answer.text);
                for secret in &secrets {
                    assert!(!answer.text.contains(secret), "{method} {path} tells {secret}: {}", answer.text);
                }
                tried += 1;
            }
        }
    }
    assert!(tried >= 12 * 8, "{tried} requests");
    assert_eq!(everything().await, before);
}

fn someday_plan() -> Value {
    someday(3, "Another plan", "2026-11-15", "2026-11-21", 1)
}

#[tokio::test]
async fn a_cursor_of_somebody_else_tells_nothing_of_him() {
    let app = TestApp::start().await;
    let (victim, stranger) = (victim(&app).await, app.person().await);
    let stream = victim.stream().await;
    stream.frame("USER_METADATA").await;
    let resumed = stranger.resume(&stream.cursor()).await;
    let metadata = resumed.frame("USER_METADATA").await;
    assert_eq!(metadata.json(), stranger.metadata().await.ok());
    let own = stranger.stream().await;
    own.frame("USER_METADATA").await;
    assert_eq!(resumed.rev(), own.rev());
}
