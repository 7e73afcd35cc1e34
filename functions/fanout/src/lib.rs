//! `fanout`: turns committed changes into messages of the `sync` queue, and into frames for whoever is connected.
//!
//! The stream of the table is the outbox: nothing is written and published in two steps. A record may come twice, and a batch may be split
//! or grow before it comes again; the queue recognises repetitions by an id that is made from the log, and so do clients. Open streams need no
//! help from here, they read the log themselves.

mod batch;
mod push;

use domain::Job;
use futures_util::future::join;
use futures_util::{StreamExt, stream};
use realtime::socket::Post;
use runtime::stream::Record;
use store::CursorKey;
use sync::Queue;

use crate::batch::{Batch, Delivery};
pub use crate::push::Registry;

/// How many users' messages are under way at the same time.
const CONCURRENCY: usize = 8;

/// Where jobs go.
pub trait Outbox: Sync {
    /// Why a job could not be sent.
    type Error: std::error::Error;

    /// Sends a job. One whose `deduplication_id` was seen in the last five minutes is accepted and not delivered again.
    fn send(&self, job: &Job, deduplication_id: &str)
    -> impl Future<Output = Result<(), Self::Error>> + Send;
}

impl Outbox for Queue {
    type Error = sync::queue::Error;

    async fn send(&self, job: &Job, deduplication_id: &str) -> Result<(), Self::Error> {
        Queue::send(self, job, deduplication_id).await
    }
}

/// Where everything goes.
pub struct Fanout<O, R, P> {
    /// Takes jobs.
    pub outbox: O,
    /// Knows who is connected.
    pub registry: R,
    /// Sends to them.
    pub posts: P,
    /// Seals cursors.
    pub cursors: CursorKey,
}

impl<O: Outbox, R: Registry, P: Post> Fanout<O, R, P> {
    /// Delivers what the records of a batch ask for. Returns the sequence number of the first record that is not yet
    /// dealt with, from which on the stream has to deliver again.
    pub async fn handle(&self, records: Vec<Record>) -> Option<String> {
        let numbers: Vec<String> = records.iter().map(|record| record.sequence_number.clone()).collect();
        let Batch { deliveries, news, poison } = Batch::read(records);
        let jobs = stream::iter(deliveries.into_values())
            .map(|deliveries| self.send_in_order(deliveries))
            .buffer_unordered(CONCURRENCY)
            .filter_map(std::future::ready)
            .collect::<Vec<usize>>();
        let (unsent, untold) = join(jobs, self.push(news)).await;
        let first = unsent.into_iter().chain(untold).chain(poison).min()?;
        numbers.into_iter().nth(first)
    }

    /// Sends one user's jobs one after the other, so that they stay in the order of the log. Returns the first record whose job could not be sent;
    /// those after it wait for the next delivery.
    async fn send_in_order(&self, deliveries: Vec<Delivery>) -> Option<usize> {
        for delivery in deliveries {
            if let Err(error) = self.outbox.send(&delivery.job, &delivery.deduplication_id()).await {
                tracing::warn!(user = %delivery.job.user(), rev = delivery.newest, %error, "a job could not be sent");
                return Some(delivery.first);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
