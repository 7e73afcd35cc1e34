//! `google-notification`: Google says that a calendar has changed. Verify, enqueue, answer; nothing else.
//!
//! A notification is only a hint, so one that cannot be believed is dropped without a word: an unknown channel, a wrong token and a strange
//! resource get the same answer in the same time. Google tries again on a 503 and on nothing else, so that is what it
//! gets when the hint could not be kept.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use domain::Job;
use http::{HeaderMap, StatusCode};
use runtime::http::ApiError;
use seam::{Class, Clock};
use store::{Channel, Store};
use subtle::ConstantTimeEq;
use sync::{Queue, hash_of_token};

/// What the function needs.
#[derive(Clone, Debug)]
pub struct Notifications {
    /// Knows the channels.
    pub store: Store,
    /// Takes the jobs.
    pub queue: Queue,
    /// Whether a channel has ended.
    pub clock: Clock,
}

/// The routes: the function's own address, and the one under which the web app's former backend was known to Google.
pub fn router(notifications: Notifications) -> Router {
    Router::new()
        .route("/", post(receive))
        .route("/api/sync/gcal/notifications", post(receive))
        .with_state(notifications)
}

/// What a notification says, all of it in headers.
struct Notification<'a> {
    channel: &'a str,
    token: &'a str,
    resource: &'a str,
    state: &'a str,
    /// Grows with every notification of a channel; tells a repeated delivery from a further change.
    number: Option<u64>,
}

/// The longest id of a channel that Google knows. A longer one is nobody's, and the store would not take it for a key.
const LONGEST_ID: usize = 64;

impl<'a> Notification<'a> {
    fn read(headers: &'a HeaderMap) -> Option<Self> {
        let header = |name: &str| headers.get(name)?.to_str().ok().filter(|value| !value.is_empty());
        Some(Self {
            channel: header("x-goog-channel-id").filter(|id| id.len() <= LONGEST_ID)?,
            token: header("x-goog-channel-token")?,
            resource: header("x-goog-resource-id")?,
            state: header("x-goog-resource-state")?,
            number: header("x-goog-message-number").and_then(|number| number.parse().ok()),
        })
    }

    /// What has to be done about it. A channel that is not in use is to be stopped, unless it has come into use meanwhile: its opening is noted after
    /// Google has opened it. What Google says exists no more may be a calendar that is on the user's list no more, and a
    /// change of that list may be any.
    fn job(&self, channel: &Channel) -> Job {
        let user = channel.user;
        if channel.is_replaced || channel.resource_id.is_none() {
            let (channel, resource) = (channel.channel.clone(), self.resource.to_owned());
            return Job::StopStray { user, channel, resource };
        }
        let is_of_list = channel.calendar.is_none();
        if is_of_list || self.state == "not_exists" { Job::Poll { user } } else { Job::Pull { user } }
    }

    /// Whether it comes from whom we asked to send it. The token is compared in constant time, also when there is no channel.
    fn is_from(&self, channel: Option<&Channel>, now: i64) -> bool {
        let expected = channel.map(|channel| channel.token_hash.as_str()).unwrap_or_default();
        let is_token_right = hash_of_token(self.token).as_bytes().ct_eq(expected.as_bytes());
        let is_fit = channel.is_some_and(|channel| {
            // Before Google's answer is stored, the resource is not known yet.
            let is_resource_right = channel.resource_id.as_ref().is_none_or(|known| known == self.resource);
            is_resource_right && now < channel.expires_at
        });
        bool::from(is_token_right) && is_fit
    }
}

async fn receive(State(function): State<Notifications>, headers: HeaderMap) -> Result<Response, ApiError> {
    let Some(notification) = Notification::read(&headers) else {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "Notification Failed", "Not Authorized"));
    };
    match notification.state {
        // The channel was opened; nothing has changed.
        "sync" => Ok(said("INITIALIZED")),
        "exists" | "not_exists" => function.take(&notification).await,
        _ => Err(ApiError::new(StatusCode::FORBIDDEN, "Notification Failed", "Invalid notification payload")),
    }
}

impl Notifications {
    async fn take(&self, notification: &Notification<'_>) -> Result<Response, ApiError> {
        let now = self.clock.now();
        let channel = self.store.channel(notification.channel).await.map_err(unkept)?;
        if !notification.is_from(channel.as_ref(), now.timestamp()) {
            return Ok(said("IGNORED"));
        }
        let Some(channel) = channel else { return Ok(said("IGNORED")) };
        let number = notification.number.unwrap_or_else(|| now.timestamp_millis().unsigned_abs());
        let job = notification.job(&channel);
        let deduplication = format!("google.{}.{number}", channel.channel);
        self.queue.send(&job, &deduplication).await.map_err(unkept)?;
        Ok(said("PROCESSED"))
    }
}

/// 503, whatever went wrong: Google tries again on that.
fn unkept(error: impl std::fmt::Display) -> ApiError {
    ApiError::of_class(Class::Transient, error)
}

fn said(text: &'static str) -> Response {
    (StatusCode::OK, text).into_response()
}
