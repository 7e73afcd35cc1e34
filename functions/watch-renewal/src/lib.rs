//! `watch-renewal`: has watches replaced that near their end. A channel of Google's cannot be prolonged.
//!
//! It only finds what is due and enqueues it; the work is `sync-worker`'s.

use seam::Clock;
use store::{Due, Store};
use sync::{Error, Queue};

/// What the function needs.
#[derive(Clone, Debug)]
pub struct Renewals {
    /// Knows what is due.
    pub store: Store,
    /// Takes the jobs.
    pub queue: Queue,
    /// What time it is.
    pub clock: Clock,
}

impl Renewals {
    /// One run of the schedule. Two at once do no harm: each row is claimed by one of them.
    ///
    /// # Errors
    /// The first error; everything else is enqueued all the same, and what is not is due again.
    pub async fn run(&self) -> Result<(), Error> {
        let jobs = sync::due::enqueue_due(&self.store, &self.queue, Due::Renewal, self.clock.now()).await?;
        tracing::info!(jobs, "enqueued what was due");
        Ok(())
    }
}
