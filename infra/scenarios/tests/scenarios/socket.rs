//! What a page hears over a socket, through the real functions.

use reqwest::Method;
use scenarios::{Socket, TestApp, WEB_URL, eventually, id, rev, someday, timed};
use serde_json::{Value, json};

const GRID: &str = "EVENT_CHANGED";
const SOMEDAY: &str = "SOMEDAY_EVENT_CHANGED";

fn names(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_socket_of_the_user_hears_of_a_change_and_nobody_else() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.person().await, app.person().await);
    let (mut one, fresh) = Socket::open(&ada, None).await;
    assert_eq!(names(&fresh), ["RESET"]);
    let (mut two, _) = Socket::open(&ada, None).await;
    let (mut other, _) = Socket::open(&bob, None).await;
    ada.create(&timed(1, "Lunch", "2026-11-20T12:00:00Z")).await.is(204);
    let told = one.frame(GRID).await;
    assert_eq!(told["ids"], json!([id(1)]));
    // The same frame, whoever holds the connection.
    assert_eq!(two.frame(GRID).await["id"], told["id"]);
    // Bob's socket is alive, and the first thing it hears of is his own.
    bob.create(&someday(1, "Paint", "2026-11-15", "2026-11-21", 0)).await.is(204);
    assert_eq!(other.next().await["type"], SOMEDAY);
    // And it has nothing to do with which environment of a function answered: each of them was another process.
    one.say(json!({ "type": "ping", "cursor": one.cursor })).await;
    assert_eq!(one.next().await["type"], "PONG");
}

#[tokio::test]
async fn a_socket_that_was_away_while_much_happened_is_told_each_name_once() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let (first, _) = Socket::open(&browser, None).await;
    let cursor = first.cursor.clone().unwrap();
    drop(first);
    for number in 0..20 {
        browser.create(&timed(number, "Event", "2026-11-20T12:00:00Z")).await.is(204);
    }
    browser.create(&someday(50, "Paint", "2026-11-15", "2026-11-21", 0)).await.is(204);
    let (back, missed) = Socket::open(&browser, Some(&cursor)).await;
    assert_eq!(names(&missed), [GRID, SOMEDAY]);
    assert_eq!(missed[0]["ids"].as_array().unwrap().len(), 20);
    assert_eq!(rev(back.cursor.as_deref().unwrap()), rev(&cursor) + 21);
    // What was told is not told again, and the cursor of a socket is good for the log and for a stream, too.
    let (again, missed) = Socket::open(&browser, back.cursor.as_deref()).await;
    assert_eq!((missed.len(), &again.cursor), (0, &back.cursor));
    let path = format!("/api/changes?cursor={cursor}");
    let changes = browser.call(Method::GET, &path, None).await.ok();
    assert_eq!((changes["changes"].as_array().unwrap().len(), &changes["reset"]), (21, &json!(false)));
    let stream = browser.resume(&cursor).await;
    stream.frame(GRID).await;
    stream.frame(SOMEDAY).await;
}

#[tokio::test]
async fn only_a_ticket_and_a_page_of_ours_open_a_socket() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    app.browser().call(Method::POST, "/api/realtime/ticket", None).await.is(401);
    let view = Socket::ticket(&browser).await;
    assert_eq!(Socket::connect(&browser, &view, "https://evil.example").await.err(), Some(403));
    let _open = Socket::connect(&browser, &view, WEB_URL).await.unwrap();
    assert_eq!(Socket::connect(&browser, &view, WEB_URL).await.err(), Some(401));
    let forged = json!({ "url": view["url"], "ticket": "guessed" });
    assert_eq!(Socket::connect(&browser, &forged, WEB_URL).await.err(), Some(401));
}

#[tokio::test]
async fn signing_out_closes_the_sockets_of_the_session() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let (mut socket, _) = Socket::open(&browser, None).await;
    let ticket = Socket::ticket(&browser).await;
    browser.sign_out().await.is(200);
    assert_eq!(socket.frame("BYE").await, json!({ "type": "BYE" }));
    socket.ending().await;
    assert_eq!(Socket::connect(&browser, &ticket, WEB_URL).await.err(), Some(401));
    eventually("no socket is open", || async { app.cloud().sockets().is_empty().then_some(()) }).await;
}
