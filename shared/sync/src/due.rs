//! From what is due to jobs: the whole work of the functions that run on a schedule, which differ in nothing but what they look for.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Job, UserId};
use futures_util::future::join_all;
use seam::Clock;
use store::{Due, DueRow, Store};

use crate::{Error, Queue};

/// How long a calendar that sends notifications may be silent before it is asked: some notifications are lost.
pub const SILENCE: TimeDelta = TimeDelta::hours(1);
/// How often a calendar that sends none is asked.
pub const POLL: TimeDelta = TimeDelta::minutes(5);
/// When a renewal is asked for again that did not take place.
const RENEWAL: TimeDelta = TimeDelta::hours(1);
/// The most rows of a shard that one run of a schedule takes; the rest stays due.
const LIMIT: usize = 500;

/// Finds what of one kind is due and has it done: what concerns Google is enqueued for `sync-worker`.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// What it looks for.
    pub due: Due,
    /// Knows when.
    pub store: Store,
    /// Takes the jobs.
    pub queue: Queue,
    /// What time it is.
    pub clock: Clock,
}

impl Schedule {
    /// One run. Two at once do no harm: each row is claimed by one of them.
    ///
    /// # Errors
    /// The first error; everything else is enqueued all the same, and what is not is due again.
    pub async fn run(&self) -> Result<(), Error> {
        let jobs = self.enqueue_due().await?;
        tracing::info!(due = ?self.due, jobs, "saw to what was due");
        Ok(())
    }

    /// A run, without telling of it. Returns of how many rows something was done.
    ///
    /// # Errors
    /// As [`Schedule::run`].
    pub async fn enqueue_due(&self) -> Result<u32, Error> {
        let now = self.clock.now();
        let shards = join_all((0..self.due.shards()).map(|shard| self.enqueue_shard(shard, now))).await;
        shards.into_iter().try_fold(0, |sum, enqueued| Ok(sum + enqueued?))
    }

    /// The part of a run that is about one shard.
    ///
    /// # Errors
    /// As [`Schedule::run`].
    pub async fn enqueue_shard(&self, shard: u8, now: DateTime<Utc>) -> Result<u32, Error> {
        let (mut enqueued, mut failed) = (0, None);
        for row in self.store.due(self.due, shard, now, LIMIT).await? {
            match self.enqueue(&row, now).await {
                Ok(true) => enqueued += 1,
                Ok(false) => {}
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(enqueued), Err)
    }

    /// Claims a row, then enqueues its job: should that fail, the row is due again in time. What is unfinished needs no Google and is ended at once.
    async fn enqueue(&self, row: &DueRow, now: DateTime<Utc>) -> Result<bool, Error> {
        let user = row.user;
        let next = match self.due {
            Due::Renewal => Some((Job::RenewWatch { user }, RENEWAL)),
            Due::Poll => self.poll(user, now).await?,
            Due::Unfinished => return Ok(self.store.finish(row, now).await?),
        };
        let Some((job, wait)) = next else {
            self.store.unschedule(self.due, user).await?;
            return Ok(false);
        };
        if !self.store.claim(self.due, row, now + wait).await? {
            return Ok(false);
        }
        let name = crate::describe(&job).0;
        self.queue.send(&job, &format!("due.{name}.{user}.{}", now.timestamp())).await?;
        Ok(true)
    }

    /// What is to be done when a user's calendars have been silent for long, and for how long they may be silent after that; `None` when nobody
    /// is connected any more. Who has ended the connection has no such row, unless the job that takes leave of Google was lost.
    async fn poll(&self, user: UserId, now: DateTime<Utc>) -> Result<Option<(Job, TimeDelta)>, Error> {
        let head = match self.store.head(user).await {
            Err(store::Error::NoUser) => return Ok(None),
            other => other?,
        };
        Ok(match head.google {
            Some(status) if status.is_disconnected => Some((Job::Disconnect { user }, SILENCE)),
            Some(status) if status.stands() => {
                let is_watched = status.watched_until.is_some_and(|until| now < until);
                let wait = if is_watched && !status.is_polled { SILENCE } else { POLL };
                Some((Job::Poll { user }, wait))
            }
            _ => None,
        })
    }
}
