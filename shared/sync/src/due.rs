//! From what is due to jobs: the whole work of the two schedules.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Job, UserId};
use futures_util::future::join_all;
use store::{Due, DueRow, SHARDS, Store};

use crate::{Error, Queue};

/// How long a calendar that sends notifications may be silent before it is asked: some notifications are lost.
pub const SILENCE: TimeDelta = TimeDelta::hours(1);
/// How often a calendar that sends none is asked.
pub const POLL: TimeDelta = TimeDelta::minutes(5);
/// When a renewal is asked for again that did not take place.
const RENEWAL: TimeDelta = TimeDelta::hours(1);
/// The most rows of a shard that one run of a schedule takes; the rest stays due.
const LIMIT: usize = 500;

/// Enqueues a job for everything of a kind that is due at `now`; returns how many.
///
/// # Errors
/// The first error; the other rows are enqueued all the same.
pub async fn enqueue_due(store: &Store, queue: &Queue, due: Due, now: DateTime<Utc>) -> Result<u32, Error> {
    let shards = (0..SHARDS).map(|shard| enqueue_shard(store, queue, due, shard, now));
    join_all(shards).await.into_iter().try_fold(0, |sum, enqueued| Ok(sum + enqueued?))
}

async fn enqueue_shard(
    store: &Store,
    queue: &Queue,
    due: Due,
    shard: u8,
    now: DateTime<Utc>,
) -> Result<u32, Error> {
    let (mut enqueued, mut failed) = (0, None);
    for row in store.due(due, shard, now, LIMIT).await? {
        match enqueue(store, queue, due, &row, now).await {
            Ok(true) => enqueued += 1,
            Ok(false) => {}
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(enqueued), Err)
}

/// Claims a row, then enqueues its job: should that fail, the row is due again in time.
async fn enqueue(
    store: &Store,
    queue: &Queue,
    due: Due,
    row: &DueRow,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let user = row.user;
    let (job, wait) = match due {
        Due::Renewal => (Job::RenewWatch { user }, Some(RENEWAL)),
        Due::Poll => (Job::Pull { user }, silence(store, user, now).await?),
    };
    let Some(wait) = wait else {
        store.unschedule(due, user).await?;
        return Ok(false);
    };
    if !store.claim(due, row, now + wait).await? {
        return Ok(false);
    }
    let name = crate::describe(&job).0;
    queue.send(&job, &format!("due.{name}.{}", now.timestamp())).await?;
    Ok(true)
}

/// How long a user's calendar may be silent; `None` when nobody is connected any more.
async fn silence(store: &Store, user: UserId, now: DateTime<Utc>) -> Result<Option<TimeDelta>, Error> {
    let head = match store.head(user).await {
        Err(store::Error::NoUser) => return Ok(None),
        other => other?,
    };
    let status = head.google.filter(|status| !status.is_revoked);
    Ok(status
        .map(|status| if status.watched_until.is_some_and(|until| now < until) { SILENCE } else { POLL }))
}
