//! From a write to the frame that tells of it, over a socket and over a stream, with the clocks that these have on AWS: the table's stream is looked at four
//! times a second, a user's log once.
//!
//! `cargo run -p scenarios --example latency -- 200` makes that many edits, and prints a table beside the floor: what the clock alone costs.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement ends with the first thing that is not as it should be"
)]
#![expect(clippy::disallowed_methods, reason = "when an edit is made is a part of what is measured")]

use std::time::{Duration, Instant};

use scenarios::{Socket, TestApp, rev, timed};

/// Between two looks of Lambda at the stream of a table.
const TABLE: Duration = Duration::from_millis(250);
/// Between two looks of an open stream at the log.
const LOG: Duration = Duration::from_secs(1);

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
    let (mut socket, _) = Socket::open(&browser, None).await;
    let stream = browser.stream().await;
    stream.frame("USER_METADATA").await;
    let (mut pushed, mut streamed) = (Vec::new(), Vec::new());
    for number in 0..edits {
        // People edit at any time of the clocks; at once after a frame would be just after a look.
        tokio::time::sleep(LOG.mul_f64(rand::random())).await;
        let event = timed(number % 20, &format!("Edit {number}"), "2026-11-20T12:00:00Z");
        let before = stream.rev();
        let begun = Instant::now();
        browser.create(&event).await.is(204);
        let written = begun.elapsed();
        let by_socket = async {
            // A frame may come twice: one of an edit before says nothing of this one.
            while socket.cursor.as_deref().is_none_or(|cursor| rev(cursor) <= before) {
                socket.next().await;
            }
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
