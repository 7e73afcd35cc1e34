//! The page's event stream: `invocation` for each that ends, from the first that is remembered on, and `state` whenever something moves.

use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use serde::Serialize;
use tokio::sync::watch;

use super::state::Shown;
use crate::clock;
use crate::cloud::Inner;
use crate::gateway::message;
use crate::journal::Entry;

/// Events for one who comes anew: as many invocations as the page has room for.
const BACKLOG: u64 = 500;
/// How long changes are gathered before they are told: as fast as one reads.
const GATHERING: Duration = Duration::from_millis(100);

/// Follows the cloud until either side ends. A browser that comes back says what it has seen last.
pub(super) async fn feed(State(cloud): State<Weak<Inner>>, headers: HeaderMap) -> Response {
    let Some(inner) = cloud.upgrade() else {
        return message(StatusCode::SERVICE_UNAVAILABLE, "the local cloud is stopping");
    };
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    // The ids of another run are not ours.
    let recorded = inner.journal.recorded();
    let next = seen.filter(|seen| *seen <= recorded).unwrap_or(recorded.saturating_sub(BACKLOG));
    let follower = Follower {
        cloud,
        next,
        activity: inner.activity.subscribe(),
        queues: inner.queues.broker.changes(),
        is_first: true,
    };
    Sse::new(events(follower)).keep_alive(KeepAlive::default()).into_response()
}

struct Follower {
    cloud: Weak<Inner>,
    /// How many invocations it has been told of.
    next: u64,
    activity: watch::Receiver<u64>,
    queues: watch::Receiver<u64>,
    is_first: bool,
}

fn events(follower: Follower) -> impl Stream<Item = Result<Event, Infallible>> {
    use futures_util::StreamExt;
    let batches = stream::unfold(follower, |mut follower| async {
        let batch = follower.batch().await?;
        Some((stream::iter(batch.into_iter().map(Ok)), follower))
    });
    batches.flatten()
}

impl Follower {
    /// What has happened since the last batch, once something has; `None` when the cloud has ended.
    async fn batch(&mut self) -> Option<Vec<Event>> {
        if !std::mem::take(&mut self.is_first) {
            tokio::select! {
                moved = self.activity.changed() => moved.ok()?,
                moved = self.queues.changed() => moved.ok()?,
            }
            clock::pause(GATHERING).await;
        }
        // Before the look: what moves after it is told next time.
        self.activity.mark_unchanged();
        self.queues.mark_unchanged();
        let cloud: Arc<Inner> = self.cloud.upgrade()?;
        let (entries, next) = cloud.journal.since(self.next);
        let first = next - entries.len() as u64;
        self.next = next;
        let mut events = Vec::with_capacity(entries.len() + 1);
        for (index, entry) in entries.iter().enumerate() {
            let event = Event::default().event("invocation").id((first + index as u64 + 1).to_string());
            events.extend(event.json_data(Call::of(entry)));
        }
        events.extend(Event::default().event("state").json_data(Shown::of(&cloud)));
        Some(events)
    }
}

/// An invocation as the page shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Call<'a> {
    at: chrono::DateTime<chrono::Utc>,
    function: &'a str,
    trigger: &'a str,
    ms: f64,
    read_units: Option<f64>,
    write_units: Option<f64>,
    outcome: String,
    is_failed: bool,
    is_cold: bool,
}

impl<'a> Call<'a> {
    fn of(entry: &'a Entry) -> Self {
        Self {
            at: entry.at,
            function: &entry.function,
            trigger: &entry.trigger,
            ms: entry.duration.as_secs_f64() * 1_000.0,
            read_units: entry.read_units(),
            write_units: entry.write_units(),
            outcome: entry.outcome(),
            is_failed: !entry.is_ok() || entry.status.is_some_and(|status| status >= 500),
            is_cold: entry.is_cold,
        }
    }
}
