//! A streamed answer on its way from the function to whoever asked.
//!
//! A client that leaves does not end it: as on Lambda, the function goes on to its own end, and its environment is busy
//! (and would be billed) until then.

use axum::body::Body;
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::answer::{Answer, Failure, Streaming};

/// Separates the prelude of a streamed HTTP answer from its body.
const DELIMITER: [u8; 8] = [0; 8];
/// Chunks that may wait for a slow client before the function has to wait as well.
const CHUNKS_AHEAD: usize = 64;

type Start = oneshot::Sender<Result<Answer, Failure>>;

/// Relays the body of a Runtime API `response` request until it ends.
pub(super) async fn relay(
    start: Start,
    done: oneshot::Sender<Result<(), Failure>>,
    is_http: bool,
    body: Body,
) {
    let mut relay = Relay::new(start);
    if !is_http {
        relay.begin(None);
    }
    let result = relay.run(body).await;
    relay.end(&result).await;
    // The pool stops waiting only after it has killed this environment.
    let _ = done.send(result);
}

struct Relay {
    /// Taken when the prelude is complete and the client can be answered.
    start: Option<(Start, mpsc::Receiver<std::io::Result<Bytes>>)>,
    chunks: mpsc::Sender<std::io::Result<Bytes>>,
    splitter: PreludeSplitter,
}

impl Relay {
    fn new(start: Start) -> Self {
        let (chunks, receiver) = mpsc::channel(CHUNKS_AHEAD);
        Self { start: Some((start, receiver)), chunks, splitter: PreludeSplitter::default() }
    }

    async fn run(&mut self, mut body: Body) -> Result<(), Failure> {
        let mut result = Ok(());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|broken| Failure::Exited(broken.to_string()))?;
            match frame.into_data() {
                Ok(chunk) => self.data(chunk).await?,
                Err(frame) => {
                    if let Some(failure) = frame.trailers_ref().and_then(reported) {
                        result = Err(failure);
                    }
                }
            }
        }
        if self.start.is_some() {
            return Err(Failure::Function {
                error_type: "Runtime.InvalidStream".to_owned(),
                message: "the stream ended before its prelude did".to_owned(),
            });
        }
        result
    }

    async fn data(&mut self, chunk: Bytes) -> Result<(), Failure> {
        if self.start.is_none() {
            self.pass(chunk).await;
            return Ok(());
        }
        if let Some((prelude, first)) = self.splitter.push(&chunk) {
            let prelude = serde_json::from_slice(&prelude).map_err(|error| Failure::Function {
                error_type: "Runtime.InvalidPrelude".to_owned(),
                message: error.to_string(),
            })?;
            self.begin(Some(prelude));
            self.pass(first).await;
        }
        Ok(())
    }

    fn begin(&mut self, prelude: Option<Value>) {
        if let Some((start, receiver)) = self.start.take() {
            // Nobody waits for the answer any more; the stream is drained all the same.
            let _ = start.send(Ok(Answer::Streaming(Streaming::new(prelude, receiver))));
        }
    }

    async fn pass(&self, chunk: Bytes) {
        if !chunk.is_empty() {
            // The client has left; the function does not know and goes on.
            let _ = self.chunks.send(Ok(chunk)).await;
        }
    }

    async fn end(self, result: &Result<(), Failure>) {
        let Err(failure) = result else { return };
        // As above: whoever would hear of it may have left.
        match self.start {
            Some((start, _)) => drop(start.send(Err(failure.clone()))),
            None => drop(self.chunks.send(Err(std::io::Error::other(failure.to_string()))).await),
        }
    }
}

/// The error that a function reports in the trailers of its stream.
fn reported(trailers: &HeaderMap) -> Option<Failure> {
    let error_type = trailers.get("lambda-runtime-function-error-type")?.to_str().ok()?.to_owned();
    let body = trailers.get("lambda-runtime-function-error-body").map(|body| STANDARD.decode(body));
    let message = match body {
        Some(Ok(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        _ => String::new(),
    };
    Some(Failure::Function { error_type, message })
}

/// Splits a streamed HTTP answer into prelude and body, however its chunks are cut.
#[derive(Debug, Default)]
struct PreludeSplitter {
    seen: BytesMut,
}

impl PreludeSplitter {
    /// Takes the next chunk; once the delimiter is complete, gives prelude and the body's first bytes.
    fn push(&mut self, chunk: &[u8]) -> Option<(Bytes, Bytes)> {
        self.seen.extend_from_slice(chunk);
        let at = self.seen.windows(DELIMITER.len()).position(|window| window == DELIMITER)?;
        let whole = std::mem::take(&mut self.seen).freeze();
        Some((whole.slice(..at), whole.slice(at + DELIMITER.len()..)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prelude_is_found_wherever_the_chunks_are_cut() {
        let whole = b"{\"statusCode\":200}\0\0\0\0\0\0\0\0data: 1\n";
        for cut in 0..whole.len() {
            let mut splitter = PreludeSplitter::default();
            let split = splitter.push(&whole[..cut]).map(|(prelude, body)| (prelude, body, true));
            let (prelude, body, is_early) = split.unwrap_or_else(|| {
                let (prelude, body) = splitter.push(&whole[cut..]).unwrap();
                (prelude, body, false)
            });
            assert_eq!(prelude, &b"{\"statusCode\":200}"[..]);
            let rest = if is_early { &whole[cut..] } else { &[][..] };
            assert_eq!([&body[..], rest].concat(), b"data: 1\n");
        }
    }

    #[test]
    fn a_body_may_hold_the_delimiter_again() {
        let mut splitter = PreludeSplitter::default();
        let (prelude, body) = splitter.push(b"{}\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0x").unwrap();
        assert_eq!((&prelude[..], &body[..]), (&b"{}"[..], &b"\0\0\0\0\0\0\0\0x"[..]));
    }
}
