//! Deliveries: notifications are really posted, in the background, and retried on the four statuses on which Google retries.
//!
//! A message is pending from the change that caused it until it has been answered or given up, so that a test can wait for quiet
//! instead of for time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::calendar::channels::Channel;
use crate::error::Error;
use crate::faults::PushFate;

/// Attempts after the first.
const RETRIES: usize = 5;
/// How long a receiver may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Deliveries that are remembered.
const KEPT: usize = 10_000;

/// What a message says about the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceState {
    /// The channel is open.
    Sync,
    /// Something changed.
    Exists,
    /// The resource is gone.
    NotExists,
}

impl ResourceState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Exists => "exists",
            Self::NotExists => "not_exists",
        }
    }
}

/// One notification on one channel.
#[derive(Clone)]
pub(crate) struct Message {
    pub channel: Channel,
    pub state: ResourceState,
    pub number: u64,
}

impl Message {
    /// The headers that carry it; the body is empty.
    fn headers(&self) -> HeaderMap {
        let channel = &self.channel;
        let expiration = channel.expires_at.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let fields = [
            ("x-goog-channel-id", Some(channel.id.clone())),
            ("x-goog-channel-token", channel.token.clone()),
            ("x-goog-channel-expiration", Some(expiration)),
            ("x-goog-resource-id", Some(channel.resource_id.clone())),
            ("x-goog-resource-uri", Some(channel.resource_uri.clone())),
            ("x-goog-resource-state", Some(self.state.as_str().to_owned())),
            ("x-goog-message-number", Some(self.number.to_string())),
        ];
        let header = |(name, value): (&'static str, Option<String>)| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(&value?).ok()?))
        };
        fields.into_iter().filter_map(header).collect()
    }
}

/// A delivery that is over.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Id of the channel.
    pub channel: String,
    /// `X-Goog-Message-Number`.
    pub number: u64,
    /// `X-Goog-Resource-State`.
    pub state: ResourceState,
    /// Status of the last answer; `None` if there was none.
    pub status: Option<u16>,
    /// Did the receiver take it?
    pub is_delivered: bool,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("answered {0}")]
    Answered(u16),
    #[error(transparent)]
    Unreachable(#[from] reqwest::Error),
}

impl Failure {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Answered(500 | 502 | 503 | 504) | Self::Unreachable(_))
    }

    fn status(&self) -> Option<u16> {
        match self {
            Self::Answered(status) => Some(*status),
            Self::Unreachable(_) => None,
        }
    }
}

/// The deliveries under way and those that are over.
#[derive(Clone)]
pub(crate) struct Pushes {
    client: reqwest::Client,
    runtime: Handle,
    stop: CancellationToken,
    backoff: Duration,
    pending: Arc<watch::Sender<usize>>,
    over: Arc<Mutex<Vec<Delivery>>>,
}

/// Counts one delivery as pending for as long as it lives, however it ends.
struct Pending(Arc<watch::Sender<usize>>);

impl Pending {
    fn count(pending: &Arc<watch::Sender<usize>>) -> Self {
        pending.send_modify(|count| *count += 1);
        Self(Arc::clone(pending))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Pushes {
    /// Deliveries that run on the current runtime until `stop`; the first retry comes after about `backoff`.
    pub(crate) fn new(stop: CancellationToken, backoff: Duration) -> Result<Self, Error> {
        // The receivers are local; a proxy or a redirect would be a mistake.
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .user_agent("APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)")
            .build()?;
        let (pending, over) = (Arc::new(watch::Sender::new(0)), Arc::default());
        Ok(Self { client, runtime: Handle::current(), stop, backoff, pending, over })
    }

    /// Posts a message in the background, as often and as late as `fate` wants, and after it those that waited for it.
    pub(crate) fn send(&self, message: Message, fate: &PushFate, mut after: Vec<Message>) {
        for _ in 0..fate.copies {
            let (pushes, message, delay) = (self.clone(), message.clone(), fate.delay);
            let after = std::mem::take(&mut after);
            let pending = Pending::count(&self.pending);
            self.runtime.spawn(async move {
                let _pending = pending;
                let deliver = async {
                    pushes.deliver(message, delay).await;
                    for message in after {
                        pushes.deliver(message, Duration::ZERO).await;
                    }
                };
                pushes.stop.run_until_cancelled(deliver).await;
            });
        }
    }

    /// How many messages are neither answered nor given up.
    pub(crate) fn pending(&self) -> usize {
        *self.pending.borrow()
    }

    /// Waits until nothing is pending.
    pub(crate) async fn idle(&self) {
        // The sender is our own field, so the channel cannot have closed.
        let _ = self.pending.subscribe().wait_for(|count| *count == 0).await;
    }

    pub(crate) fn over(&self) -> Vec<Delivery> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[expect(clippy::disallowed_methods, reason = "the delay is the fault that was asked for")]
    async fn deliver(&self, message: Message, delay: Duration) {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let backoff = ExponentialBuilder::default().with_min_delay(self.backoff).with_max_times(RETRIES);
        let result = (|| self.post(&message)).retry(backoff).when(Failure::is_transient).await;
        if let Err(failure) = &result {
            tracing::warn!(channel = message.channel.id, number = message.number, %failure, "notification lost");
        }
        let status = result.as_ref().map_or_else(Failure::status, |status| Some(*status));
        self.note(Delivery {
            channel: message.channel.id,
            number: message.number,
            state: message.state,
            status,
            is_delivered: result.is_ok(),
        });
    }

    async fn post(&self, message: &Message) -> Result<u16, Failure> {
        let request =
            self.client.post(&message.channel.address).headers(message.headers()).header("content-length", 0);
        match request.send().await?.status().as_u16() {
            status @ (102 | 200 | 201 | 202 | 204) => Ok(status),
            status => Err(Failure::Answered(status)),
        }
    }

    fn note(&self, delivery: Delivery) {
        let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        if over.len() == KEPT {
            over.remove(0);
        }
        over.push(delivery);
    }
}
