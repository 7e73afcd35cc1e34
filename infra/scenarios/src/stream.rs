//! An open event stream, read as it comes.
//!
//! A reader of its own and not an EventSource library, because such a library hides what has to be shown: comments, frames
//! without an `id:`, and the last block that only moves the cursor.

use std::sync::{Arc, Mutex};

use local::Transcript;
use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::wait::PATIENCE;

/// One block of the stream, up to its empty line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// `id:`, the cursor.
    pub id: Option<String>,
    /// `event:`; none of a comment, and of a block that only says `id:` or `retry:`.
    pub event: Option<String>,
    /// `data:`.
    pub data: String,
    /// `retry:`, in milliseconds.
    pub retry: Option<u64>,
    /// A line that begins with a colon.
    pub comment: Option<String>,
}

impl Frame {
    /// The data as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn parse(block: &str) -> Self {
        let mut frame = Self::default();
        for line in block.trim_end().lines() {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match field {
                "" => frame.comment = Some(value),
                "id" => frame.id = Some(value),
                "event" => frame.event = Some(value),
                "data" => frame.data.push_str(&value),
                "retry" => frame.retry = value.parse().ok(),
                _ => panic!("a stream has no field {field:?}: {block:?}"),
            }
        }
        frame
    }
}

/// How far a cursor is: `epoch.rev`, what the server notes beside it, and the seal.
///
/// # Panics
/// If it is none of ours.
#[must_use]
pub fn rev(cursor: &str) -> u64 {
    let place = cursor.split('.').nth(1).unwrap_or_default();
    let rev = place.split(['-', '~', '_']).next().unwrap_or_default();
    rev.parse().unwrap_or_else(|error| panic!("{cursor}: {error}"))
}

#[derive(Debug, Default)]
struct Seen {
    frames: Vec<Frame>,
    is_over: bool,
}

/// A stream that is read in the background until it ends or is dropped.
#[derive(Debug)]
pub struct EventStream {
    /// The status of the answer.
    pub status: u16,
    /// The headers of the answer.
    pub headers: HeaderMap,
    seen: Arc<Mutex<Seen>>,
    changes: watch::Receiver<()>,
    reading: JoinHandle<()>,
}

impl EventStream {
    pub(crate) async fn open(request: RequestBuilder, transcript: Transcript) -> Self {
        let response = request.send().await.unwrap_or_else(|error| panic!("the stream: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (changed, changes) = watch::channel(());
        let reading = tokio::spawn(read(response, Arc::clone(&seen), changed, transcript));
        Self { status, headers, seen, changes, reading }
    }

    /// All blocks so far.
    pub fn blocks(&self) -> Vec<Frame> {
        self.seen.lock().expect("the frames").frames.clone()
    }

    /// The named frames so far: those that the web app listens to.
    pub fn frames(&self) -> Vec<Frame> {
        self.blocks().into_iter().filter(|frame| frame.event.is_some()).collect()
    }

    /// Names of the frames so far.
    pub fn names(&self) -> Vec<String> {
        self.blocks().into_iter().filter_map(|frame| frame.event).collect()
    }

    /// How many frames of this name came so far.
    pub fn count(&self, name: &str) -> usize {
        self.names().iter().filter(|known| *known == name).count()
    }

    /// The newest cursor: what EventSource would send as `Last-Event-ID`.
    ///
    /// # Panics
    /// If there was none yet.
    pub fn cursor(&self) -> String {
        let newest = self.blocks().into_iter().rev().find_map(|frame| frame.id);
        newest.expect("the stream has said a cursor")
    }

    /// How far the newest cursor is. No client looks into a cursor; a test may.
    ///
    /// # Panics
    /// If there was none yet.
    pub fn rev(&self) -> u64 {
        rev(&self.cursor())
    }

    /// Waits until `condition` holds of the blocks so far, and gives its result.
    ///
    /// # Panics
    /// If it does not within a minute, or the stream ends before.
    pub async fn until<T>(&self, what: &str, condition: impl Fn(&[Frame]) -> Option<T>) -> T {
        let mut changes = self.changes.clone();
        let waiting = async {
            loop {
                changes.mark_unchanged();
                {
                    let seen = self.seen.lock().expect("the frames");
                    if let Some(result) = condition(&seen.frames) {
                        return result;
                    }
                    assert!(!seen.is_over, "the stream ended before {what}: {:#?}", seen.frames);
                }
                // An error means that the reader is gone; the next look says that the stream is over.
                let _ = changes.changed().await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(result) => result,
            Err(_) => panic!("waited in vain for {what}: {:#?}", self.blocks()),
        }
    }

    /// Waits for a frame of this name, and gives the first.
    pub async fn frame(&self, name: &str) -> Frame {
        self.nth(name, 1).await
    }

    /// Waits for the `number`th frame of this name; 1 is the first.
    pub async fn nth(&self, name: &str, number: usize) -> Frame {
        let is_named = |frame: &&Frame| frame.event.as_deref() == Some(name);
        self.until(name, |frames| frames.iter().filter(is_named).nth(number - 1).cloned()).await
    }

    /// Waits until the cursor is as far as this one.
    pub async fn until_cursor(&self, cursor: &str) {
        let is_there = |frame: &Frame| frame.id.as_deref().is_some_and(|id| rev(id) == rev(cursor));
        self.until(cursor, |frames| frames.iter().any(is_there).then_some(())).await;
    }

    /// Waits until the backend ends the stream.
    pub async fn end(&self) {
        let mut changes = self.changes.clone();
        let waiting = async {
            while !self.seen.lock().expect("the frames").is_over {
                // As in `until`.
                let _ = changes.changed().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the stream ends");
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn read(
    mut response: reqwest::Response,
    seen: Arc<Mutex<Seen>>,
    changed: watch::Sender<()>,
    transcript: Transcript,
) {
    let mut text = String::new();
    // A break is an end, too: a browser makes no difference.
    while let Ok(Some(chunk)) = response.chunk().await {
        text.push_str(std::str::from_utf8(&chunk).expect("no chunk ends within a character"));
        while let Some(end) = text.find("\n\n") {
            let block: String = text.drain(..end + 2).collect();
            seen.lock().expect("the frames").frames.push(Frame::parse(&block));
            transcript.add(block);
            changed.send_replace(());
        }
    }
    seen.lock().expect("the frames").is_over = true;
    changed.send_replace(());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_read_line_by_line() {
        let frame = Frame::parse("id: ab.7\nevent: IMPORT_GCAL_END\ndata: {\"a\":1}\n\n");
        assert_eq!((frame.id.as_deref(), frame.event.as_deref()), (Some("ab.7"), Some("IMPORT_GCAL_END")));
        assert_eq!((frame.json(), frame.comment), (serde_json::json!({ "a": 1 }), None));
        assert_eq!(Frame::parse(": keepalive\n\n").comment.as_deref(), Some("keepalive"));
        assert_eq!(Frame::parse("id: ab.7\nretry: 5000\n\n").retry, Some(5_000));
    }
}
