//! From a write to the frame that tells of it, over a socket and over a stream, with the clocks that these have on AWS: the table's stream is looked at four
//! times a second, a user's log once.
//!
//! `cargo run -p scenarios --example latency -- 200` makes that many edits, and prints a table beside the floor: what the clock alone costs.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a measurement ends with the first thing that is not as it should be"
)]

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use scenarios::{Browser, TestApp, WEB_URL, rev, timed};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Between two looks of Lambda at the stream of a table.
const TABLE: Duration = Duration::from_millis(250);
/// Between two looks of an open stream at the log.
const LOG: Duration = Duration::from_secs(1);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(browser: &Browser) -> Socket {
    let view = browser.call(Method::POST, "/api/realtime/ticket", None).await.ok();
    let address = format!("{}?ticket={}", view["url"].as_str().unwrap(), view["ticket"].as_str().unwrap());
    let mut request = address.into_client_request().unwrap();
    request.headers_mut().insert("origin", WEB_URL.parse().unwrap());
    let (mut socket, _) = connect_async(request).await.unwrap();
    socket.send(Message::text(r#"{"type":"hello"}"#)).await.unwrap();
    until(&mut socket, "READY").await;
    socket
}

/// Reads up to a frame of this name.
async fn until(socket: &mut Socket, name: &str) {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                if serde_json::from_str::<Value>(&text).unwrap()["type"] == name {
                    return;
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

fn print(name: &str, mut times: Vec<Duration>, clock: Duration) {
    times.sort();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_millis();
    let floor = |share: u32| (clock * share / 100).as_millis();
    println!("| {name} | {} | {} | {} | {} |", at(50), floor(50), at(99), floor(99));
}

#[tokio::main]
async fn main() {
    let edits: u32 = std::env::args().nth(1).map_or(100, |number| number.parse().unwrap());
    let app = TestApp::start_with(|options| {
        options.stream_poll = Some(TABLE);
        options.variables.insert("STREAM_POLL_MILLIS".to_owned(), LOG.as_millis().to_string());
    })
    .await;
    let browser = app.person().await;
    let mut socket = open(&browser).await;
    let stream = browser.stream().await;
    stream.frame("USER_METADATA").await;
    let (mut pushed, mut streamed) = (Vec::new(), Vec::new());
    for number in 0..edits {
        // Edits come at any time of the clocks.
        let event = timed(number % 20, &format!("Edit {number}"), "2026-11-20T12:00:00Z");
        let before = stream.rev();
        let begun = Instant::now();
        browser.create(&event).await.is(204);
        let written = begun.elapsed();
        let by_socket = async {
            until(&mut socket, "EVENT_CHANGED").await;
            begun.elapsed()
        };
        let by_stream = async {
            let is_newer = |id: &Option<String>| id.as_deref().is_some_and(|id| rev(id) > before);
            stream
                .until("a newer frame", |frames| frames.iter().any(|frame| is_newer(&frame.id)).then_some(()))
                .await;
            begun.elapsed()
        };
        let (one, two) = tokio::join!(by_socket, by_stream);
        pushed.push(one.saturating_sub(written));
        streamed.push(two.saturating_sub(written));
    }
    println!("| transport | p50, ms | floor | p99, ms | floor |");
    println!("|---|---|---|---|---|");
    print("WebSocket, `fanout` behind a table stream at 4 Hz", pushed, TABLE);
    print("stream, log read every second", streamed, LOG);
}
