//! One reader of a user's log for all streams of that user in a process.
//!
//! All streams of a process wake up at the same ticks. The first of a user's streams that does reads the log; the others find what it read. So
//! what an open tab costs is its share of one query a tick, and a change is told no later than by a stream that reads for itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use domain::{Rev, UserId};
use store::{Changes, Error, Head};
use tokio::time::Instant;

use crate::follow::Log;

/// The readers of a process.
#[derive(Debug)]
pub struct Hub<L> {
    began: Instant,
    poll: Duration,
    readers: Mutex<HashMap<UserId, Weak<Reader<L>>>>,
}

/// A user's log, read together with the other streams of the user in this process.
#[derive(Debug)]
pub struct SharedLog<L> {
    began: Instant,
    reader: Arc<Reader<L>>,
}

#[derive(Debug)]
struct Reader<L> {
    log: L,
    /// For how long something that was read counts as read just now: less than a tick, more than it takes all streams to wake up.
    window: Duration,
    read: tokio::sync::Mutex<Read>,
}

/// What was read last.
#[derive(Debug, Default)]
struct Read {
    changes: Option<(Instant, Rev, Changes)>,
    head: Option<(Instant, Head)>,
}

impl<L: Log> Hub<L> {
    /// For streams that read every `poll`.
    pub fn new(poll: Duration) -> Self {
        Self { began: Instant::now(), poll, readers: Mutex::default() }
    }

    /// The log of `user`, which `open` opens if no stream of the user has it open.
    pub fn log(&self, user: UserId, open: impl FnOnce() -> L) -> SharedLog<L> {
        // A poisoned lock still guards a sound map.
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let reader = readers.get(&user).and_then(Weak::upgrade).unwrap_or_else(|| {
            readers.retain(|_, reader| reader.strong_count() > 0);
            let (window, read) = (self.poll / 2, tokio::sync::Mutex::default());
            let reader = Arc::new(Reader { log: open(), window, read });
            readers.insert(user, Arc::downgrade(&reader));
            reader
        });
        SharedLog { began: self.began, reader }
    }
}

impl<L: Log> Log for SharedLog<L> {
    async fn head(&self) -> Result<Head, Error> {
        self.reader.log.head().await
    }

    async fn changes(&self, rev: Rev) -> Result<Changes, Error> {
        self.reader.log.changes(rev).await
    }

    async fn news(&self, rev: Rev) -> Result<Changes, Error> {
        let Reader { log, window, read } = self.reader.as_ref();
        // Held while it is read, so that the others wait for it.
        let mut read = read.lock().await;
        if let Some((at, after, changes)) = &read.changes
            && at.elapsed() < *window
        {
            if *after == rev {
                return Ok(changes.clone());
            }
            if changes.upto == rev {
                return Ok(Changes { upto: rev, ..Changes::default() });
            }
        }
        let at = Instant::now();
        let changes = log.changes(rev).await?;
        read.changes = Some((at, rev, changes.clone()));
        Ok(changes)
    }

    async fn head_with_news(&self) -> Result<Head, Error> {
        let Reader { log, read, .. } = self.reader.as_ref();
        let mut read = read.lock().await;
        let changes_at = read.changes.as_ref().map(|(at, ..)| *at);
        if let Some((at, head)) = &read.head
            && Some(*at) > changes_at
        {
            return Ok(head.clone());
        }
        // After the changes also by the clock, which may stand still for a moment.
        let at = Instant::now().max(changes_at.map_or_else(Instant::now, |at| at + Duration::from_nanos(1)));
        let head = log.head().await?;
        read.head = Some((at, head.clone()));
        Ok(head)
    }

    fn first_tick(&self, poll: Duration) -> Instant {
        let ticks = self.began.elapsed().as_nanos().checked_div(poll.as_nanos()).unwrap_or_default();
        // Streams do not live for so many ticks that their number would not fit.
        self.began + poll.saturating_mul(u32::try_from(ticks + 1).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use chrono::{DateTime, TimeDelta, Utc};
    use domain::{Notice, Views};
    use futures_util::StreamExt;
    use futures_util::future::join_all;
    use seam::Clock;
    use store::{CursorKey, Profile};

    use super::*;
    use crate::{Mode, Opening, Policy, follow};

    const NOW: DateTime<Utc> = DateTime::from_timestamp_millis(1_763_600_000_000).unwrap();

    /// A log in which something happens five seconds after the start.
    #[derive(Clone, Default)]
    struct Counted {
        began: Option<Instant>,
        heads: Arc<AtomicUsize>,
        reads: Arc<AtomicUsize>,
    }

    impl Log for Counted {
        async fn head(&self) -> Result<Head, Error> {
            self.heads.fetch_add(1, Ordering::SeqCst);
            Ok(Head { seq: 1, ..Head::new("ab".into(), Profile::default(), NOW - TimeDelta::hours(1)) })
        }

        async fn changes(&self, rev: Rev) -> Result<Changes, Error> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            let is_over = self.began.unwrap().elapsed() > Duration::from_secs(5);
            let views = Views { is_grid: true, is_someday: false };
            Ok(match (rev, is_over) {
                (1, true) => {
                    Changes { upto: 3, views, notices: vec![Notice::Metadata], ..Changes::default() }
                }
                _ => Changes { upto: rev, ..Changes::default() },
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_user_costs_does_not_depend_on_the_number_of_open_streams() {
        let key = CursorKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
        let policy = Policy::new(Mode::Hold);
        let hub = Hub::new(policy.poll);
        let logs: Vec<Counted> =
            (0..10).map(|_| Counted { began: Some(Instant::now()), ..Counted::default() }).collect();
        let streams = (0..1_000_usize).map(|number| {
            let user = UserId::new([u8::try_from(number % 10).unwrap(); 12]);
            let log = hub.log(user, || logs[number % 10].clone());
            let deadline = Some(NOW + TimeDelta::seconds(20));
            let opening = Opening::new(policy, key.of(user), None, deadline);
            follow(log, opening, &Clock::fixed(NOW)).collect::<Vec<Bytes>>()
        });
        let told = join_all(streams).await;
        for chunks in told {
            let text: String = chunks.iter().map(|chunk| std::str::from_utf8(chunk).unwrap()).collect();
            assert_eq!(text.matches("event: EVENT_CHANGED").count(), 1, "{text}");
            assert_eq!(text.matches("event: USER_METADATA").count(), 2, "{text}");
        }
        for log in logs {
            // Ten seconds until the margin, one read each; a head for each stream that opens, and one with the news.
            assert_eq!(log.reads.load(Ordering::SeqCst), 10);
            assert_eq!(log.heads.load(Ordering::SeqCst), 101);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_log_that_nobody_follows_is_let_go() {
        let hub = Hub::new(Duration::from_secs(1));
        let opened = AtomicUsize::new(0);
        let open = || {
            opened.fetch_add(1, Ordering::SeqCst);
            Counted::default()
        };
        let (first, second) = (hub.log(UserId::new([1; 12]), open), hub.log(UserId::new([1; 12]), open));
        assert_eq!(opened.load(Ordering::SeqCst), 1);
        drop((first, second));
        drop(hub.log(UserId::new([2; 12]), open));
        assert_eq!(hub.readers.lock().unwrap().len(), 1);
        drop(hub.log(UserId::new([1; 12]), open));
        assert_eq!(opened.load(Ordering::SeqCst), 3);
    }
}
