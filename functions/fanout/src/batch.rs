//! What a batch of stream records asks for: pure, so that every order, repetition and split of the stream can be tried.

use std::collections::{BTreeMap, HashSet};

use contract::auth::SessionHandle;
use domain::{Job, Rev, UserId};
use runtime::stream::Record;
use store::{Committed, LogEntry};

/// A batch, read. Records are known by their position in it.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Jobs to be put on the queue, by user; for each user in the order of the log.
    pub deliveries: BTreeMap<UserId, Vec<Delivery>>,
    /// What the user's open connections have to hear of.
    pub news: BTreeMap<UserId, News>,
    /// The first record that cannot be read. The others do not wait for it.
    pub poison: Option<usize>,
}

/// A job to be put on the queue, once for all the records of the batch that ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// The job.
    pub job: Job,
    /// The newest log entry that it answers.
    pub newest: Rev,
    /// The first record that asks for it.
    pub first: usize,
}

/// What the connections of one user have to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct News {
    /// New entries of the log.
    pub entries: Vec<LogEntry>,
    /// Sessions that have ended.
    pub ended: HashSet<SessionHandle>,
    /// The first record that is about it.
    pub first: usize,
}

impl Delivery {
    /// By which the queue recognises a repetition. Made from the newest entry: a message with this id was sent after that entry was committed,
    /// so whatever it suppresses was answered. With any earlier entry, a batch that grew before it was delivered again would lose
    /// its tail.
    pub fn deduplication_id(&self) -> String {
        format!("log.{}.{}", self.job.user(), self.newest)
    }
}

impl News {
    fn beginning_at(first: usize) -> Self {
        Self { entries: Vec::new(), ended: HashSet::new(), first }
    }
}

impl Batch {
    /// Reads the records of a batch.
    pub fn read(records: Vec<Record>) -> Self {
        let mut batch = Self::default();
        for (position, record) in records.into_iter().enumerate() {
            match Committed::from_images(record.old, record.new) {
                Ok(Some(committed)) => batch.add(position, committed),
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(record.sequence_number, %error, "a stream record cannot be read");
                    batch.poison.get_or_insert(position);
                }
            }
        }
        batch
    }

    fn add(&mut self, position: usize, committed: Committed) {
        let (Committed::Entry(LogEntry { user, .. }) | Committed::SessionEnded { user, .. }) = committed;
        let news = self.news.entry(user).or_insert_with(|| News::beginning_at(position));
        match committed {
            Committed::Entry(entry) => {
                news.entries.push(entry.clone());
                self.deliver(position, entry);
            }
            Committed::SessionEnded { session, .. } => {
                news.ended.insert(session);
            }
        }
    }

    fn deliver(&mut self, position: usize, entry: LogEntry) {
        let Some(job) = entry.job else { return };
        let deliveries = self.deliveries.entry(entry.user).or_default();
        match deliveries.iter_mut().find(|delivery| delivery.job == job) {
            Some(delivery) => delivery.newest = delivery.newest.max(entry.rev),
            None => deliveries.push(Delivery { job, newest: entry.rev, first: position }),
        }
    }
}
