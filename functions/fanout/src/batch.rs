//! What a batch of stream records asks for: pure, so that every order, repetition and split of the stream can be tried.

use std::collections::BTreeMap;

use domain::{Job, Rev, UserId};
use runtime::stream::Record;
use store::LogEntry;

/// A batch, read. Records are known by their position in it.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// What is to be delivered, by user; for each user in the order of the log.
    pub deliveries: BTreeMap<UserId, Vec<Delivery>>,
    /// The first record that cannot be read. Nothing of it or after it is delivered.
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

impl Delivery {
    /// By which the queue recognises a repetition. Made from the newest entry: a message with this id was sent after that entry was committed,
    /// so whatever it suppresses was answered. With any earlier entry, a batch that grew before it was delivered again would lose
    /// its tail.
    pub fn deduplication_id(&self) -> String {
        format!("log.{}.{}", self.job.user(), self.newest)
    }
}

impl Batch {
    /// Reads the records of a batch up to the first one that cannot be read.
    pub fn read(records: Vec<Record>) -> Self {
        let mut batch = Self::default();
        for (position, record) in records.into_iter().enumerate() {
            match LogEntry::from_images(record.old, record.new) {
                Ok(Some(entry)) => batch.add(position, entry),
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(record.sequence_number, %error, "a stream record cannot be read");
                    batch.poison = Some(position);
                    break;
                }
            }
        }
        batch
    }

    fn add(&mut self, position: usize, entry: LogEntry) {
        let Some(job) = entry.job else { return };
        let deliveries = self.deliveries.entry(entry.user).or_default();
        match deliveries.iter_mut().find(|delivery| delivery.job == job) {
            Some(delivery) => delivery.newest = delivery.newest.max(entry.rev),
            None => deliveries.push(Delivery { job, newest: entry.rev, first: position }),
        }
    }
}
