//! A hundred reconnects of an event stream and of a socket while two hundred changes happen, through the real functions. The line to the socket's client
//! loses posts, doubles them and lets them overtake each other. Nothing is missed.
//!
//! The same with thousands of random storms, and a model in place of the functions: `shared/realtime/tests/storm.rs`.

use std::collections::{BTreeSet, HashMap};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use scenarios::{Browser, EventStream, Frame, Socket, TestApp, WEB_URL, id, rev, someday, timed};
use serde_json::{Value, json};

const RECONNECTS: u32 = 100;
const CHANGES: u32 = 2 * RECONNECTS;
const GRID: &str = "EVENT_CHANGED";
const SOMEDAY: &str = "SOMEDAY_EVENT_CHANGED";
const RESET: &str = "RESET";

/// What a page shows of both views: fetched when it was told to, and at no other time.
#[derive(Clone, Debug, Default, PartialEq)]
struct Views {
    grid: Vec<Value>,
    someday: Vec<Value>,
}

impl Views {
    async fn fetch(&mut self, name: &str, browser: &Browser) {
        if [GRID, RESET].contains(&name) {
            self.grid = browser.grid().await;
        }
        if [SOMEDAY, RESET].contains(&name) {
            self.someday = browser.someday("2026-11-15", "2026-11-21").await;
        }
    }

    async fn of(browser: &Browser) -> Self {
        let mut views = Self::default();
        views.fetch(RESET, browser).await;
        views
    }
}

/// A line that is bad: one post of seven is lost, one comes twice, one is overtaken by the next.
struct Line {
    chance: StdRng,
    overtaken: Option<Value>,
    /// How often it did anything.
    faults: usize,
}

impl Line {
    /// What comes out of it when this goes in.
    fn pass(&mut self, frame: Value) -> Vec<Value> {
        let fate = self.chance.random_range(0..7);
        self.faults += usize::from(fate < 3);
        let mut out = match fate {
            0 => vec![],
            1 => vec![frame.clone(), frame],
            2 => return self.overtaken.replace(frame).into_iter().collect(),
            _ => vec![frame],
        };
        out.extend(self.overtaken.take());
        out
    }
}

/// A client of the socket, written as its documentation tells to.
#[derive(Default)]
struct Client {
    cursor: Option<String>,
    /// Whether a hello waits for its `READY`.
    is_waiting: bool,
    /// Whether a frame has shown that something is missing.
    is_behind: bool,
    views: Views,
    seen: HashMap<(String, String), Value>,
    duplicates: usize,
}

impl Client {
    async fn receive(&mut self, frame: &Value, browser: &Browser) {
        let text = |name: &str| frame[name].as_str().map(str::to_owned);
        let (name, id, after) = (text("type").unwrap(), text("id"), text("after"));
        let is_answered = name == "READY";
        if !is_answered && !self.is_known(id.as_deref().unwrap(), &name, frame) {
            self.views.fetch(&name, browser).await;
        }
        let leads_to = text("cursor").or(id);
        if name == RESET || after == self.cursor {
            self.cursor = leads_to;
        } else if leads_to != self.cursor {
            self.is_behind = true;
        }
        self.is_waiting &= !is_answered;
    }

    /// Whether a frame has come before, which its id tells.
    fn is_known(&mut self, id: &str, name: &str, frame: &Value) -> bool {
        let mut frame = frame.clone();
        // Where the client was is not what the frame says.
        frame.as_object_mut().unwrap().remove("after");
        let known = self.seen.insert((id.to_owned(), name.to_owned()), frame.clone());
        self.duplicates += usize::from(known.is_some());
        assert!(
            known.as_ref().is_none_or(|known| *known == frame),
            "two frames of one id: {known:?}, {frame}"
        );
        known.is_some()
    }

    /// Says hello; returns whether the line let the whole answer through as it was.
    async fn hello(&mut self, socket: &mut Socket, line: &mut Line, browser: &Browser) -> bool {
        (self.is_waiting, self.is_behind) = (true, false);
        socket.say(json!({ "type": "hello", "cursor": self.cursor })).await;
        let answer = socket.until("READY").await;
        let said: Vec<&str> =
            scenarios::answer(&answer).into_iter().map(|frame| text(frame, "type")).collect();
        let names: BTreeSet<&&str> = said.iter().collect();
        assert_eq!(said.len(), names.len(), "a name is said twice in one catch-up: {said:?}");
        let faults = line.faults;
        for frame in answer {
            self.hear(frame, line, browser).await;
        }
        line.faults == faults && !self.is_behind
    }

    async fn hear(&mut self, frame: Value, line: &mut Line, browser: &Browser) {
        for frame in line.pass(frame) {
            self.receive(&frame, browser).await;
        }
    }
}

/// A page with an `EventSource`.
#[derive(Default)]
struct Tab {
    last_event_id: Option<String>,
    views: Views,
}

impl Tab {
    async fn open(&self, browser: &Browser) -> EventStream {
        match &self.last_event_id {
            Some(id) => browser.resume(id).await,
            None => browser.stream().await,
        }
    }

    /// Takes what has come; returns the names in it.
    async fn take(&mut self, stream: &EventStream, browser: &Browser) -> Vec<String> {
        let mut names = Vec::new();
        for Frame { id, event, .. } in stream.blocks() {
            if let Some(name) = event {
                self.views.fetch(&name, browser).await;
                names.push(name);
            }
            self.last_event_id = id.or(self.last_event_id.take());
        }
        names
    }
}

fn text<'a>(frame: &'a Value, name: &str) -> &'a str {
    frame[name].as_str().unwrap_or_default()
}

async fn change(browser: &Browser, number: u32) {
    let grid = |number, title| timed(number, title, "2026-11-20T12:00:00Z");
    let answer = match number % 4 {
        0 => browser.create(&grid(number, "Event")).await,
        1 => browser.create(&someday(number, "Someday", "2026-11-15", "2026-11-21", 0)).await,
        2 => browser.put(&grid(number - 2, "Edited")).await,
        _ => browser.delete(&id(number - 2)).await,
    };
    answer.is(204);
}

#[tokio::test]
async fn a_storm_of_reconnects_while_much_happens_misses_nothing() {
    // A stream that is held would go on when its client has left, as on Lambda: a hundred of them.
    let app = TestApp::start_with(|options| {
        options.parameters.insert("StreamMode".to_owned(), "poll".to_owned());
    })
    .await;
    let browser = app.person().await;
    let mut line = Line { chance: StdRng::seed_from_u64(7), overtaken: None, faults: 0 };
    let (mut client, mut tab) = (Client::default(), Tab::default());
    let (mut whole_answers, mut start) = (0, None);
    for round in 0..RECONNECTS {
        let mut socket = Socket::connect(&browser, &Socket::ticket(&browser).await, WEB_URL).await.unwrap();
        // What was overtaken on the last connection went with it.
        line.overtaken = None;
        let stream = tab.open(&browser).await;
        let is_whole = client.hello(&mut socket, &mut line, &browser).await;
        let newest = rev(socket.cursor.as_deref().unwrap());
        start.get_or_insert(newest);
        let truth = Views::of(&browser).await;
        if is_whole {
            whole_answers += 1;
            assert_eq!(client.views, truth, "the socket's client after reconnect {round}");
        }
        // Every other stream is cut as soon as it has said anything.
        let is_there =
            |frame: &Frame| frame.id.as_deref().is_some_and(|id| round % 2 == 1 || rev(id) >= newest);
        stream.until("the backlog", |blocks| blocks.iter().any(is_there).then_some(())).await;
        let names = tab.take(&stream, &browser).await;
        let once: BTreeSet<&String> = names.iter().collect();
        assert_eq!(once.len(), names.len(), "a name is said twice in one catch-up: {names:?}");
        if round % 2 == 0 {
            assert_eq!(tab.views, truth, "the tab after reconnect {round}");
        }
        change(&browser, 2 * round).await;
        if round % 3 != 0 {
            let frame = socket.next().await;
            client.hear(frame, &mut line, &browser).await;
            if client.is_behind && !client.is_waiting {
                client.hello(&mut socket, &mut line, &browser).await;
            }
        }
        // What is told of this one is on its way when both connections break.
        change(&browser, 2 * round + 1).await;
    }
    // The line holds. A hello shows what is missing.
    let truth = Views::of(&browser).await;
    let (mut socket, missed) = Socket::open(&browser, client.cursor.as_deref()).await;
    for frame in &missed {
        client.receive(frame, &browser).await;
    }
    assert_eq!(client.views, truth);
    assert_eq!(rev(socket.cursor.as_deref().unwrap()), start.unwrap() + u64::from(CHANGES));
    assert!(socket.hello(socket.cursor.clone().as_deref()).await.is_empty());
    let stream = tab.open(&browser).await;
    stream.until_cursor(socket.cursor.as_deref().unwrap()).await;
    tab.take(&stream, &browser).await;
    assert_eq!(tab.views, truth);
    let happened = (line.faults, client.duplicates, whole_answers);
    assert!(happened.0 > 20 && happened.1 > 5 && happened.2 > 20, "the storm was a breeze: {happened:?}");
}
