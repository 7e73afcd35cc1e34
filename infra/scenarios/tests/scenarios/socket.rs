//! What a page hears over a socket, through the real functions.

use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use scenarios::{Browser, TestApp, WEB_URL, eventually, id, rev, someday, timed};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const GRID: &str = "EVENT_CHANGED";
const SOMEDAY: &str = "SOMEDAY_EVENT_CHANGED";
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// A page's socket, and where its client is.
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) cursor: Option<String>,
}

async fn ticket(browser: &Browser) -> Value {
    browser.call(Method::POST, "/api/realtime/ticket", None).await.ok()
}

async fn connect(view: &Value, origin: &str) -> Result<Socket, Error> {
    let (url, ticket) = (view["url"].as_str().unwrap(), view["ticket"].as_str().unwrap());
    let mut request = format!("{url}?ticket={ticket}").into_client_request()?;
    request.headers_mut().insert("origin", origin.parse().unwrap());
    connect_async(request).await.map(|(stream, _)| Socket { stream, cursor: None })
}

fn status(refused: Result<Socket, Error>) -> u16 {
    match refused {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it is connected"),
    }
}

impl Socket {
    /// Connects from `cursor` on; returns what was missed, too.
    pub(crate) async fn open(browser: &Browser, cursor: Option<&str>) -> (Self, Vec<Value>) {
        let mut socket = connect(&ticket(browser).await, WEB_URL).await.unwrap();
        let missed = socket.hello(cursor).await;
        (socket, missed)
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.stream.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn hello(&mut self, cursor: Option<&str>) -> Vec<Value> {
        self.say(json!({ "type": "hello", "cursor": cursor })).await;
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await;
            if frame["type"] == "READY" {
                return frames;
            }
            frames.push(frame);
        }
    }

    /// The next frame; the client is then where it leads.
    async fn next(&mut self) -> Value {
        match tokio::time::timeout(PATIENCE, self.stream.next()).await.unwrap() {
            Some(Ok(Message::Text(text))) => {
                assert!(text.len() < 32 * 1024);
                let frame: Value = serde_json::from_str(&text).unwrap();
                let leads_to = frame["cursor"].as_str().or(frame["id"].as_str());
                self.cursor = leads_to.map(str::to_owned).or(self.cursor.take());
                frame
            }
            other => panic!("{other:?}"),
        }
    }

    /// Reads up to a frame of this name.
    pub(crate) async fn frame(&mut self, name: &str) -> Value {
        loop {
            let frame = self.next().await;
            if frame["type"] == name {
                return frame;
            }
        }
    }

    /// Whether the other side ends the connection.
    async fn is_closed(&mut self) -> bool {
        matches!(
            tokio::time::timeout(PATIENCE, self.stream.next()).await.unwrap(),
            None | Some(Ok(Message::Close(_)) | Err(_))
        )
    }
}

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
    let view = ticket(&browser).await;
    assert_eq!(status(connect(&view, "https://evil.example").await), 403);
    let _open = connect(&view, WEB_URL).await.unwrap();
    assert_eq!(status(connect(&view, WEB_URL).await), 401);
    let forged = json!({ "url": view["url"], "ticket": "guessed" });
    assert_eq!(status(connect(&forged, WEB_URL).await), 401);
}

#[tokio::test]
async fn signing_out_closes_the_sockets_of_the_session() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let (mut socket, _) = Socket::open(&browser, None).await;
    let ticket = ticket(&browser).await;
    browser.sign_out().await.is(200);
    assert_eq!(socket.frame("BYE").await, json!({ "type": "BYE" }));
    assert!(socket.is_closed().await);
    assert_eq!(status(connect(&ticket, WEB_URL).await), 401);
    eventually("no socket is open", || async { app.cloud().sockets().is_empty().then_some(()) }).await;
}

#[tokio::test]
async fn a_storm_of_reconnects_while_much_happens_misses_nothing() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let (socket, _) = Socket::open(&browser, None).await;
    let (mut cursor, start) = (socket.cursor.clone().unwrap(), socket.cursor.clone().unwrap());
    drop(socket);
    let mut told = std::collections::BTreeSet::new();
    for number in 0..20 {
        browser.create(&timed(number, "Event", "2026-11-20T12:00:00Z")).await.is(204);
        let (mut socket, missed) = Socket::open(&browser, Some(&cursor)).await;
        let mut seen = missed;
        browser.create(&timed(number + 100, "Event", "2026-11-20T12:00:00Z")).await.is(204);
        if number % 2 == 0 {
            seen.push(socket.frame(GRID).await);
        }
        for frame in &seen {
            let ids = frame["ids"].as_array().into_iter().flatten();
            told.extend(ids.map(|id| id.as_str().unwrap().to_owned()));
        }
        cursor = socket.cursor.clone().unwrap();
    }
    let (last, missed) = Socket::open(&browser, Some(&cursor)).await;
    for frame in &missed {
        let ids = frame["ids"].as_array().into_iter().flatten();
        told.extend(ids.map(|id| id.as_str().unwrap().to_owned()));
    }
    let expected: std::collections::BTreeSet<String> =
        (0..20).flat_map(|number| [id(number), id(number + 100)]).collect();
    assert_eq!(told, expected);
    assert_eq!(rev(last.cursor.as_deref().unwrap()), rev(&start) + 40);
}
