//! The loop that reads the log of a user and moves the machine.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::{Rev, UserId};
use futures_util::{Stream, future};
use seam::{Class, Clock};
use store::{Changes, Head, Seal, Store};
use tokio::time::{Instant, MissedTickBehavior};

use crate::block::{Block, come_back_in};
use crate::policy::Policy;
use crate::session::{Next, Opening, Session};

/// The log of one user, as a stream reads it. One implementation reads the store; another may share one reader between many streams.
pub trait Log: Send + Sync + 'static {
    /// The user's head.
    fn head(&self) -> impl Future<Output = Result<Head, store::Error>> + Send;

    /// Everything after `rev`.
    fn changes(&self, rev: Rev) -> impl Future<Output = Result<Changes, store::Error>> + Send;

    /// Everything after `rev` as of this tick, which another stream may have read.
    fn news(&self, rev: Rev) -> impl Future<Output = Result<Changes, store::Error>> + Send {
        self.changes(rev)
    }

    /// A head that was read after the news.
    fn head_with_news(&self) -> impl Future<Output = Result<Head, store::Error>> + Send {
        self.head()
    }

    /// When a stream that reads every `poll` does so for the first time.
    fn first_tick(&self, poll: Duration) -> Instant {
        Instant::now() + poll
    }
}

/// The log of a user in the store.
#[derive(Clone, Debug)]
pub struct UserLog {
    store: Store,
    user: UserId,
}

impl UserLog {
    /// The log of `user`.
    pub fn new(store: Store, user: UserId) -> Self {
        Self { store, user }
    }
}

impl Log for UserLog {
    async fn head(&self) -> Result<Head, store::Error> {
        self.store.head(self.user).await
    }

    async fn changes(&self, rev: Rev) -> Result<Changes, store::Error> {
        self.store.changes(self.user, rev).await
    }
}

/// Why a stream ended before its time.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("a block could not be written: {0}")]
    Json(#[from] serde_json::Error),
}

impl Failure {
    fn log(&self) {
        let class = match self {
            Self::Store(error) => error.class(),
            Self::Json(_) => Class::Bug,
        };
        if class.is_retryable() {
            tracing::warn!(error = %self, "a stream ended early");
        } else {
            tracing::error!(error = %self, "a stream ended early");
        }
    }
}

/// Follows `log` for one client; each item is written at once. Never fails: a stream whose log cannot be read ends and asks the client to
/// come back, because a browser that is answered with an error never does.
pub fn follow<L: Log>(
    log: L,
    opening: Opening,
    clock: &Clock,
) -> impl Stream<Item = Bytes> + Send + 'static + use<L> {
    let time = Time { opened_at: clock.now(), since: Instant::now() };
    async_stream::stream! {
        let (poll, failed, seal) = (opening.policy().poll, opening.failed(), opening.seal().clone());
        let mut session = match open(&log, opening, time).await {
            Ok((session, text)) => {
                yield text;
                session
            }
            Err(failure) => {
                yield last_words(&failure, &seal, &failed);
                return;
            }
        };
        let mut ticks = tokio::time::interval_at(log.first_tick(poll), poll);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let after = match session.next(time.now()) {
                Next::Read(after) => after,
                Next::End(block) => {
                    yield end(&seal, &block);
                    return;
                }
            };
            ticks.tick().await;
            match read(&log, after, &mut session, &seal, time).await {
                Ok(text) if text.is_empty() => {}
                Ok(text) => yield text,
                Err(failure) => {
                    yield last_words(&failure, &seal, &session.failed());
                    return;
                }
            }
        }
    }
}

/// All that is written to a stream that cannot be followed just now.
pub fn excuse(policy: &Policy) -> Bytes {
    come_back_in(policy.retry_after_failure).into()
}

async fn open(log: &impl Log, opening: Opening, time: Time) -> Result<(Session, Bytes), Failure> {
    let backlog = async {
        match opening.backlog_after() {
            Some(rev) => log.changes(rev).await.map(Some),
            None => Ok(None),
        }
    };
    let (head, backlog) = future::try_join(log.head(), backlog).await?;
    let seal = opening.seal().clone();
    let (session, blocks) = opening.answer(&head, backlog, time.now());
    Ok((session, text(&seal, &blocks)?))
}

async fn read(
    log: &impl Log,
    after: Rev,
    session: &mut Session,
    seal: &Seal,
    time: Time,
) -> Result<Bytes, Failure> {
    let changes = log.news(after).await?;
    // After the changes, so that it is at least as new as they are.
    let head = if session.needs_head(&changes) { Some(log.head_with_news().await?) } else { None };
    Ok(text(seal, &session.told(&changes, head.as_ref(), time.now()))?)
}

fn text(seal: &Seal, blocks: &[Block]) -> Result<Bytes, serde_json::Error> {
    let mut text = String::new();
    blocks.iter().try_for_each(|block| block.write(seal, &mut text))?;
    Ok(text.into())
}

fn last_words(failure: &Failure, seal: &Seal, block: &Block) -> Bytes {
    failure.log();
    end(seal, block)
}

fn end(seal: &Seal, block: &Block) -> Bytes {
    // Should the last block have no text, the end of the stream says as much; the browser comes back in its own time.
    text(seal, std::slice::from_ref(block)).unwrap_or_default()
}

/// The time of a stream: when it was opened by the clock, and how long ago that is by a timer that nobody sets back.
#[derive(Clone, Copy, Debug)]
struct Time {
    opened_at: DateTime<Utc>,
    since: Instant,
}

impl Time {
    fn now(self) -> DateTime<Utc> {
        self.opened_at + self.since.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use domain::Views;
    use futures_util::StreamExt;
    use store::{CursorKey, Profile};

    use super::*;
    use crate::policy::Mode;

    const NOW: DateTime<Utc> = DateTime::from_timestamp_millis(1_763_600_000_000).unwrap();

    /// A log whose changes are scripted, one answer per read; the last one is repeated.
    #[derive(Clone, Default)]
    struct Script {
        is_head_broken: bool,
        answers: Arc<Mutex<VecDeque<Option<Changes>>>>,
        reads: Arc<Mutex<Vec<Rev>>>,
    }

    impl Script {
        fn of(answers: impl IntoIterator<Item = Option<Rev>>) -> Self {
            let views = Views { is_grid: true, is_someday: false };
            let changes = |upto| Changes { upto, views, ..Changes::default() };
            let answers = answers.into_iter().map(|answer| answer.map(changes)).collect();
            Self { answers: Arc::new(Mutex::new(answers)), ..Self::default() }
        }
    }

    fn unavailable() -> store::Error {
        store::Error::Throttled { operation: "Query" }
    }

    impl Log for Script {
        async fn head(&self) -> Result<Head, store::Error> {
            let head = Head { seq: 1, ..Head::new("ab".into(), Profile::default(), DateTime::UNIX_EPOCH) };
            if self.is_head_broken { Err(unavailable()) } else { Ok(head) }
        }

        async fn changes(&self, rev: Rev) -> Result<Changes, store::Error> {
            self.reads.lock().unwrap().push(rev);
            let nothing = Changes { upto: rev, ..Changes::default() };
            self.answers.lock().unwrap().pop_front().unwrap_or(Some(nothing)).ok_or_else(unavailable)
        }
    }

    fn seal() -> Seal {
        CursorKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
            .unwrap()
            .of(UserId::new([1; 12]))
    }

    /// A chunk whose ids have their seal broken off.
    fn plain(chunk: String) -> String {
        let line = |line: &str| match line.strip_prefix("id: ") {
            Some(id) => format!("id: {}\n", seal().open(id).unwrap()),
            None => format!("{line}\n"),
        };
        chunk.lines().map(line).collect()
    }

    async fn all(log: Script, mode: Mode, last_event_id: Option<&str>) -> (Vec<String>, Duration) {
        let deadline = NOW + chrono::TimeDelta::seconds(60);
        let last_event_id = last_event_id.map(|id| seal().seal(&id.parse().unwrap()));
        let opening = Opening::new(Policy::new(mode), seal(), last_event_id.as_deref(), Some(deadline));
        let started = Instant::now();
        let chunks = follow(log, opening, &Clock::fixed(NOW)).collect::<Vec<Bytes>>().await;
        let text = |chunk: Bytes| plain(String::from_utf8(chunk.to_vec()).unwrap());
        (chunks.into_iter().map(text).collect(), started.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn the_log_is_read_once_per_interval_from_where_the_client_is() {
        let log = Script::of([Some(1), Some(5)]);
        let (chunks, _) = all(log.clone(), Mode::Hold, Some("ab.1")).await;
        assert_eq!(chunks[1], "id: ab.5-1-2\nevent: EVENT_CHANGED\ndata: {}\n\n");
        assert_eq!(chunks[2..], [": keepalive\n\n", "id: ab.5\nretry: 500\n\n"]);
        let reads = log.reads.lock().unwrap();
        assert_eq!((reads[..4].to_vec(), reads.len()), (vec![1, 1, 5, 5], 51));
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_clients_burst_costs_one_read_of_the_log() {
        let log = Script::of([Some(1)]);
        let (chunks, time) = all(log.clone(), Mode::Burst, Some("ab.1")).await;
        assert_eq!((log.reads.lock().unwrap().len(), time), (1, Duration::ZERO));
        assert_eq!(chunks.last().unwrap(), "id: ab.1\nretry: 5000\n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn a_log_that_cannot_be_read_ends_the_stream_and_asks_the_client_back() {
        let broken = Script { is_head_broken: true, ..Script::default() };
        assert_eq!(all(broken, Mode::Hold, None).await.0, ["retry: 5000\n\n"]);
        let backlog = Script::of([None]);
        assert_eq!(all(backlog, Mode::Hold, Some("ab.1")).await.0, ["retry: 5000\n\n"]);
        let later = Script::of([Some(5), None]);
        let (chunks, time) = all(later, Mode::Hold, None).await;
        assert_eq!(chunks.last().unwrap(), "id: ab.5\nretry: 5000\n\n");
        assert_eq!(time, Duration::from_secs(2));
    }
}
