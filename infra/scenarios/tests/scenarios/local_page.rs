//! The local cloud's page: what it is told, what it may do, and who may use it. How it looks is the browser test's affair.

use fake_sqs::NewMessage;
use reqwest::{Client, Method, RequestBuilder};
use scenarios::{TestApp, timed};
use serde_json::{Value, json};

const DEAD_LETTERS: &str = "SyncDeadLetterQueue.fifo";

fn ask(app: &TestApp, method: Method, path: &str) -> RequestBuilder {
    Client::new().request(method, format!("{}/_local{path}", app.cloud().url()))
}

/// What a new follower is told at once: the invocations so far and the state.
async fn told(app: &TestApp) -> (Vec<Value>, Value) {
    let mut feed = ask(app, Method::GET, "/feed").send().await.unwrap();
    let (mut text, mut calls) = (String::new(), Vec::new());
    loop {
        text.push_str(std::str::from_utf8(&feed.chunk().await.unwrap().unwrap()).unwrap());
        while let Some((block, rest)) = text.split_once("\n\n") {
            let data = block.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
            let data: Value = serde_json::from_str(data).unwrap();
            if block.contains("event: state") {
                return (calls, data);
            }
            calls.push(data);
            text = rest.to_owned();
        }
    }
}

#[tokio::test]
async fn the_page_is_told_of_invocations_with_their_cost_and_of_what_is_open() {
    let app = TestApp::start().await;
    let ada = app.person().await;
    ada.create(&timed(1, "Lunch", "2026-11-20T12:00:00Z")).await.is(204);
    let stream = ada.stream().await;
    stream.frame("USER_METADATA").await;
    app.quiesce().await;

    let (calls, state) = told(&app).await;
    let call = calls.iter().find(|call| call["trigger"] == "POST /api/event").unwrap();
    assert_eq!((&call["function"], &call["outcome"]), (&json!("event"), &json!("204")));
    assert!(call["ms"].as_f64() > Some(0.0) && call["writeUnits"].as_f64() > Some(0.0), "{call}");
    assert_eq!(state["streams"], json!([{ "function": "stream", "open": 1 }]));
    let names: Vec<_> = state["queues"].as_array().unwrap().iter().map(|queue| &queue["name"]).collect();
    assert!(names.contains(&&json!(DEAD_LETTERS)), "{names:?}");
}

#[tokio::test]
async fn the_log_of_a_user_is_shown_newest_first() {
    let app = TestApp::start().await;
    let ada = app.person().await;
    for (number, title) in [(1, "Lunch"), (2, "Tea")] {
        ada.create(&timed(number, title, "2026-11-20T12:00:00Z")).await.is(204);
    }
    let log = ask(&app, Method::GET, "/log").query(&[("email", ada.email())]).send().await.unwrap();
    let log: Value = log.json().await.unwrap();
    let entries = log["entries"].as_array().unwrap();
    let contents: Vec<_> = entries.iter().map(|entry| entry["content"].as_str().unwrap()).collect();
    assert_eq!(contents[..2], ["Tea", "Lunch"], "{log}");
    assert_eq!(entries[0]["rev"], log["seq"]);

    let nobody = ask(&app, Method::GET, "/log?email=nobody%40example.com").send().await.unwrap();
    assert_eq!(nobody.status(), 400);
}

#[tokio::test]
async fn dead_letters_go_back_where_they_came_from() {
    let app = TestApp::start().await;
    let queues = app.cloud().queues();
    let message = NewMessage::new("not a job").in_group("g").with_deduplication_id("d");
    queues.send(app.sync_queue(), message).unwrap();
    app.quiesce().await;
    let answer = ask(&app, Method::POST, &format!("/queues/{DEAD_LETTERS}/redrive")).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "moved": 1 }));

    let other =
        ask(&app, Method::POST, &format!("/queues/{}/redrive", app.sync_queue())).send().await.unwrap();
    assert_eq!(other.status(), 400);
}

#[tokio::test]
async fn pages_from_elsewhere_may_neither_look_nor_act() {
    let app = TestApp::start().await;
    let own = ask(&app, Method::GET, "").send().await.unwrap();
    assert_eq!(own.status(), 200);
    assert!(own.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));

    for path in ["/reset", "/clock/1", "/queues/x/redrive", "/google/reset"] {
        for (name, value) in
            [("origin", "http://localhost:9080"), ("sec-fetch-site", "cross-site"), ("host", "evil.example")]
        {
            let answer = ask(&app, Method::POST, path).header(name, value).send().await.unwrap();
            assert_eq!(answer.status(), 403, "{path} with {name}: {value}");
        }
    }
}
