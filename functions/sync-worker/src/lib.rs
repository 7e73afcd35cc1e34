//! `sync-worker`: does all work against Google, one user at a time.
//!
//! A queue group is a user, so nobody else works for a user meanwhile. The jobs of a batch are folded: a job is a hint, and two of the same
//! kind are one. A job that failed for a passing reason comes back after a while, with everything that waits behind it; one that
//! failed for good is delivered a few times more, fast, and ends in the dead-letter queue with its reason in the log, and does not hold
//! up its neighbours. A notification that comes while another has just been seen to waits alone, for a second or two.

mod configuration;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Job, UserId};
use futures_util::future::join_all;
use runtime::sqs::Message;
use sync::{Delivery, Effort, Error, Pause, Sync, describe};

/// How long a batch may work before its jobs hand the rest to further messages; the function itself has two minutes.
const BUDGET: TimeDelta = TimeDelta::seconds(80);
/// When what is still at work is broken off: a time-out of the function would have the whole batch rest for the queue's visibility time-out.
const LIMIT: TimeDelta = TimeDelta::seconds(105);
/// How often the queue hands a message out before it goes to the dead-letter queue.
const RECEIVES: u32 = 5;
/// The first and the longest wait before another try.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(900);
/// The wait before another delivery of what cannot succeed.
const HOPELESS_WAIT: Duration = Duration::from_secs(1);

/// What the function works with.
#[derive(Clone)]
pub struct Worker {
    /// Does the jobs.
    pub sync: Sync,
}

/// Does a batch; returns the ids of the messages that are to come again.
pub async fn handle(worker: &Worker, messages: Vec<Message<Job>>) -> Vec<String> {
    let batch = Batch {
        begun: worker.sync.clock.now(),
        received_at: messages.iter().filter_map(|message| message.first_received_at).max(),
    };
    let mut users: BTreeMap<UserId, Vec<Message<Job>>> = BTreeMap::new();
    for message in messages {
        users.entry(message.body.user()).or_default().push(message);
    }
    let work = users.into_values().map(|messages| worker.work(messages, batch));
    join_all(work).await.into_iter().flatten().collect()
}

/// What is the same for all messages that came together.
#[derive(Clone, Copy)]
struct Batch {
    /// When the work began.
    begun: DateTime<Utc>,
    /// When they were handed out, or before that, by the queue's clock.
    received_at: Option<DateTime<Utc>>,
}

impl Batch {
    /// What the queue knows of some of its messages.
    fn delivery(&self, messages: &[Message<Job>]) -> Option<Delivery> {
        let sent_at = messages.iter().map(|message| message.sent_at).collect::<Option<Vec<_>>>()?;
        let is_repeated = messages.iter().any(|message| message.receive_count > 1);
        Some(Delivery { sent_at: sent_at.into_iter().max()?, received_at: self.received_at?, is_repeated })
    }
}

impl Worker {
    /// Does one user's messages, in order.
    async fn work(&self, messages: Vec<Message<Job>>, batch: Batch) -> Vec<String> {
        let mut jobs = fold(messages).into_iter();
        let mut failed = Vec::new();
        while let Some((job, messages)) = jobs.next() {
            let receives = messages.iter().map(|message| message.receive_count).max().unwrap_or(1);
            let (until, limit) = (batch.begun + BUDGET, batch.begun + LIMIT);
            let effort = Effort { until, limit, is_last_try: receives >= RECEIVES };
            let delivery = batch.delivery(&messages);
            let mut outcome = self.sync.deliver(&job, delivery, effort).await;
            if let Err(Error::Later { why: Pause::Gathering, wait }) = outcome {
                if let Some(newest) = self.put_off(&messages, wait).await {
                    failed.push(newest);
                    continue;
                }
                let at_once = delivery.map(|delivery| Delivery { is_repeated: true, ..delivery });
                outcome = self.sync.deliver(&job, at_once, effort).await;
            }
            let Err(error) = outcome else { continue };
            log(&job, receives, &error);
            if !error.is_retryable() {
                failed.extend(self.give_back(messages, HOPELESS_WAIT).await);
                continue;
            }
            // What waits behind it would meet the same, and must not overtake it in the queue.
            let waiting: Vec<_> = std::iter::once((job, messages)).chain(jobs.by_ref()).collect();
            let is_used_up = |(_, messages): &(Job, Vec<Message<Job>>)| {
                messages.iter().any(|message| message.receive_count >= RECEIVES)
            };
            if error.is_wait() && waiting.iter().any(is_used_up) {
                failed.extend(self.begin_anew(waiting).await);
                continue;
            }
            let all = waiting.into_iter().flat_map(|(_, messages)| messages).collect();
            failed.extend(self.give_back(all, self.wait(receives, &error)).await);
        }
        failed
    }

    /// Has the newest of messages that ask for the same handed out again after `wait`, and returns its id: what the others ask for it does, too. `None`
    /// when the queue does not listen: it would rest for the queue's visibility time-out, so it had better be done at once.
    async fn put_off(&self, messages: &[Message<Job>], wait: Duration) -> Option<String> {
        let newest = messages.iter().max_by_key(|message| message.sent_at)?;
        match self.sync.queue.retry_in(&newest.receipt, wait).await {
            Ok(()) => Some(newest.id.clone()),
            Err(error) => {
                tracing::warn!(%error, "a notification is seen to sooner than it had to be");
                None
            }
        }
    }

    /// Has fresh messages take the place of those that the queue would give up: they have waited, and not failed. A job that cannot be sent
    /// anew stays in its old messages.
    async fn begin_anew(&self, waiting: Vec<(Job, Vec<Message<Job>>)>) -> Vec<String> {
        let mut failed = Vec::new();
        for (job, messages) in waiting {
            if let Err(error) = self.sync.go_on(&job).await {
                tracing::error!(%error, "a job that waits could not be sent anew");
                failed.extend(messages.into_iter().map(|message| message.id));
            }
        }
        failed
    }

    /// Has messages handed out again after `wait`; without it they would rest for the queue's visibility time-out.
    async fn give_back(&self, messages: Vec<Message<Job>>, wait: Duration) -> Vec<String> {
        let returned =
            join_all(messages.iter().map(|message| self.sync.queue.retry_in(&message.receipt, wait)));
        for error in returned.await.into_iter().filter_map(Result::err) {
            tracing::warn!(%error, "a message will come back later than it should");
        }
        messages.into_iter().map(|message| message.id).collect()
    }

    /// Grows with each try, is never shorter than what the other side asks for, and differs a little from user to user. One who only waits for his
    /// own turn waits as long as that takes.
    fn wait(&self, receives: u32, error: &Error) -> Duration {
        let wish = error.retry_after().unwrap_or_default().min(LONGEST_WAIT);
        if let Error::Later { why: Pause::Budget | Pause::Throttled, .. } = error {
            // The queue counts whole seconds.
            return wish + Duration::from_secs(1);
        }
        let grown = FIRST_WAIT.saturating_mul(4_u32.saturating_pow(receives.saturating_sub(1)));
        let wait = grown.min(LONGEST_WAIT).max(wish);
        let jitter = self.sync.random.below(u64::try_from(wait.as_millis() / 4).unwrap_or(0));
        wait + Duration::from_millis(jitter)
    }
}

/// The different jobs in the order in which they were first asked for, each with the messages that ask for it.
fn fold(messages: Vec<Message<Job>>) -> Vec<(Job, Vec<Message<Job>>)> {
    let mut folded: Vec<(Job, Vec<Message<Job>>)> = Vec::new();
    for message in messages {
        match folded.iter_mut().find(|(job, _)| *job == message.body) {
            Some((_, messages)) => messages.push(message),
            None => folded.push((message.body.clone(), vec![message])),
        }
    }
    folded
}

fn log(job: &Job, receives: u32, error: &Error) {
    let (name, user) = describe(job);
    let class = error.class();
    if error.is_wait() {
        tracing::info!(job = name, %user, receives, %error, "a job waits");
    } else if error.is_retryable() && receives < RECEIVES {
        tracing::warn!(job = name, %user, receives, ?class, %error, "a job failed and will be tried again");
    } else {
        tracing::error!(job = name, %user, receives, ?class, %error, "a job failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, body: Job) -> Message<Job> {
        Message {
            id: id.into(),
            receipt: id.into(),
            receive_count: 1,
            sent_at: None,
            first_received_at: None,
            body,
        }
    }

    #[test]
    fn jobs_of_the_same_kind_are_one_and_keep_their_place() {
        let user = UserId::new([1; 12]);
        let (pull, push) = (Job::Pull { user }, Job::Push { user });
        let folded =
            fold(vec![message("1", pull.clone()), message("2", push.clone()), message("3", pull.clone())]);
        let ids: Vec<(Job, Vec<String>)> = folded
            .into_iter()
            .map(|(job, messages)| (job, messages.into_iter().map(|message| message.id).collect()))
            .collect();
        assert_eq!(ids, [(pull, vec!["1".to_owned(), "3".to_owned()]), (push, vec!["2".to_owned()])]);
    }
}
