//! What an invocation comes back with.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// A successful invocation's answer.
#[derive(Debug)]
pub enum Answer {
    /// The whole answer.
    Buffered(Bytes),
    /// An answer that is still being written.
    Streaming(Streaming),
}

/// A streamed answer.
#[derive(Debug)]
pub struct Streaming {
    /// Status, headers and cookies, if the function sent an HTTP prelude.
    pub prelude: Option<Value>,
    body: mpsc::Receiver<std::io::Result<Bytes>>,
}

impl Streaming {
    pub(crate) fn new(prelude: Option<Value>, body: mpsc::Receiver<std::io::Result<Bytes>>) -> Self {
        Self { prelude, body }
    }

    /// The body as it is written; ends in an error if the function fails in the middle.
    pub fn into_body(self) -> Body {
        Body::from_stream(ReceiverStream::new(self.body))
    }
}

impl Answer {
    /// The HTTP status that the answer asks for, if it is one to an HTTP request.
    pub(crate) fn status(&self) -> Option<u16> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Head {
            status_code: Option<u16>,
        }
        let head = match self {
            Self::Buffered(bytes) => serde_json::from_slice::<Head>(bytes).ok()?,
            Self::Streaming(streaming) => Head::deserialize(streaming.prelude.as_ref()?).ok()?,
        };
        head.status_code
    }

    /// The whole answer, waiting for a stream's end; a broken stream counts up to where it broke.
    pub async fn collect(self) -> Bytes {
        match self {
            Self::Buffered(bytes) => bytes,
            Self::Streaming(streaming) => {
                let mut chunks = ReceiverStream::new(streaming.body);
                let mut whole = BytesMut::new();
                while let Some(Ok(chunk)) = chunks.next().await {
                    whole.extend_from_slice(&chunk);
                }
                whole.freeze()
            }
        }
    }
}

/// Why an invocation failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The function reported an error, or panicked.
    #[error("{error_type}: {message}")]
    Function {
        /// As the function names it.
        error_type: String,
        /// Its words.
        message: String,
    },
    /// The process ended during the invocation.
    #[error("Runtime.ExitError: the process ended ({0})")]
    Exited(String),
    /// The process did not ask for its first event, or ended before.
    #[error("Runtime.InitError: {0}")]
    Init(String),
    /// The invocation took longer than the template allows; its process was killed.
    #[error("Sandbox.Timedout: task timed out after {0} seconds")]
    TimedOut(u64),
    /// The answer is larger than Lambda takes.
    #[error("Function.ResponseSizeTooLarge: {0} bytes")]
    TooLarge(usize),
    /// All environments that the template reserves are busy.
    #[error("TooManyRequestsException: all {0} reserved environments are busy")]
    Throttled(usize),
    /// The cloud is stopping.
    #[error("the local cloud is stopping")]
    Stopping,
}
