//! A page's socket, and where its client is.

use futures_util::{SinkExt, StreamExt};
use local::Transcript;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::app::WEB_URL;
use crate::browser::Browser;
use crate::wait::PATIENCE;

/// The quota on a frame of ours, in bytes.
const FRAME_LIMIT: usize = 32 * 1024;

/// An open socket.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    transcript: Transcript,
    /// Where the last frame led.
    pub cursor: Option<String>,
}

impl Socket {
    /// `POST /api/realtime/ticket`.
    pub async fn ticket(browser: &Browser) -> Value {
        browser.call(Method::POST, "/api/realtime/ticket", None).await.ok()
    }

    /// Connects with a ticket from a page of this origin, or says with which status that was refused.
    ///
    /// # Panics
    /// If it fails in any other way.
    pub async fn connect(browser: &Browser, ticket: &Value, origin: &str) -> Result<Self, u16> {
        let text = |name: &str| ticket[name].as_str().expect("a ticket");
        let url = format!("{}?ticket={}", text("url"), text("ticket"));
        let mut request = url.into_client_request().expect("an address");
        request.headers_mut().insert("origin", origin.parse().expect("an origin"));
        match connect_async(request).await {
            Ok((stream, _)) => Ok(Self { stream, transcript: browser.transcript.clone(), cursor: None }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Connects from `cursor` on; returns what was missed, too.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn open(browser: &Browser, cursor: Option<&str>) -> (Self, Vec<Value>) {
        let mut socket =
            Self::connect(browser, &Self::ticket(browser).await, WEB_URL).await.expect("it is let in");
        let missed = socket.hello(cursor).await;
        (socket, missed)
    }

    /// Sends a message.
    ///
    /// # Panics
    /// If the connection has ended.
    pub async fn say(&mut self, message: Value) {
        self.stream.send(Message::text(message.to_string())).await.expect("an open socket");
    }

    /// Says where the client is; returns what it missed.
    pub async fn hello(&mut self, cursor: Option<&str>) -> Vec<Value> {
        self.say(json!({ "type": "hello", "cursor": cursor })).await;
        answer(&self.until("READY").await).into_iter().cloned().collect()
    }

    /// The next frame; the client is then where it leads.
    ///
    /// # Panics
    /// If none comes within a minute, or one that is too long.
    pub async fn next(&mut self) -> Value {
        match tokio::time::timeout(PATIENCE, self.stream.next()).await {
            Ok(Some(Ok(Message::Text(text)))) => {
                assert!(text.len() < FRAME_LIMIT, "a frame of {} bytes", text.len());
                self.transcript.add(text.to_string());
                let frame: Value = serde_json::from_str(&text).expect("a frame is JSON");
                self.cursor = leads_to(&frame).map(str::to_owned).or(self.cursor.take());
                frame
            }
            other => panic!("no frame, but {other:?}"),
        }
    }

    /// The frames up to and with one of this name.
    pub async fn until(&mut self, name: &str) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await;
            let is_last = frame["type"] == name;
            frames.push(frame);
            if is_last {
                return frames;
            }
        }
    }

    /// Reads up to a frame of this name.
    pub async fn frame(&mut self, name: &str) -> Value {
        self.until(name).await.pop().expect("the last of them")
    }

    /// Ends it, as a page does that is closed.
    ///
    /// # Panics
    /// If it has ended already.
    pub async fn close(mut self) {
        self.stream.close(None).await.expect("an open socket");
    }

    /// Waits for the other side to end it; the code that it gives, if it gives one.
    ///
    /// # Panics
    /// If it sends another frame instead.
    pub async fn ending(&mut self) -> Option<u16> {
        match tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("the socket ends") {
            Some(Ok(Message::Close(frame))) => frame.map(|frame| frame.code.into()),
            None | Some(Err(_)) => None,
            Some(Ok(other)) => panic!("{other:?}"),
        }
    }
}

/// Of the frames up to a `READY` those that answer the hello: each leads to where the next one begins, and the last one to the `READY`. What was
/// changed just before may be pushed in between.
pub fn answer(frames: &[Value]) -> Vec<&Value> {
    let Some((ready, frames)) = frames.split_last() else { return Vec::new() };
    let mut at = ready["after"].as_str();
    let mut answer = Vec::new();
    for frame in frames.iter().rev() {
        if at.is_some() && leads_to(frame) == at {
            at = frame["after"].as_str();
            answer.push(frame);
        }
    }
    answer.reverse();
    answer
}

fn leads_to(frame: &Value) -> Option<&str> {
    frame["cursor"].as_str().or(frame["id"].as_str())
}
