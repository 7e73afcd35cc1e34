//! What one invocation cost: outside calls, rounds of them, and the capacity units DynamoDB reported.
//!
//! The meter is task-local, because one process may serve several invocations at once and each must pay its own bill.

use std::future::Future;
use std::sync::{Arc, Mutex};

use crate::Kind;

/// The bill of one invocation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    /// Calls to the store.
    pub store_calls: u32,
    /// Rounds of store calls one after the other; calls made side by side are one round.
    pub store_rounds: u32,
    /// Calls to the queue.
    pub queue_calls: u32,
    /// Calls to Google.
    pub google_calls: u32,
    /// Calls to the mail service.
    pub mail_calls: u32,
    /// Calls to API Gateway's connections.
    pub socket_calls: u32,
    /// Read units that DynamoDB reported.
    pub read_units: f64,
    /// Write units that DynamoDB reported.
    pub write_units: f64,
    in_flight: u32,
}

/// Keeps the ledger of one invocation. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Mutex<Ledger>>);

tokio::task_local! {
    static METER: Meter;
}

impl Meter {
    /// Bills everything that `work` does to this meter.
    pub async fn scope<F: Future>(&self, work: F) -> F::Output {
        METER.scope(self.clone(), work).await
    }

    /// The same for one step of a body that is polled after its handler has returned.
    pub fn sync_scope<T>(&self, step: impl FnOnce() -> T) -> T {
        METER.sync_scope(self.clone(), step)
    }

    /// The bill so far.
    pub fn ledger(&self) -> Ledger {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ledger> {
        // A poisoned lock still guards sound numbers.
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Runs `work` and returns its answer with what it cost.
pub async fn measured<F: Future>(work: F) -> (F::Output, Ledger) {
    let meter = Meter::default();
    let output = meter.scope(work).await;
    (output, meter.ledger())
}

/// Notes capacity units in the current invocation's ledger; does nothing outside of one.
pub fn record(read_units: f64, write_units: f64) {
    update(|ledger| {
        ledger.read_units += read_units;
        ledger.write_units += write_units;
    });
}

pub(crate) fn begin(kind: Kind) {
    update(|ledger| match kind {
        Kind::Store => {
            ledger.store_calls += 1;
            if ledger.in_flight == 0 {
                ledger.store_rounds += 1;
            }
            ledger.in_flight += 1;
        }
        Kind::Queue => ledger.queue_calls += 1,
        Kind::Google => ledger.google_calls += 1,
        Kind::Mail => ledger.mail_calls += 1,
        Kind::Socket => ledger.socket_calls += 1,
    });
}

pub(crate) fn end(kind: Kind) {
    if kind == Kind::Store {
        update(|ledger| ledger.in_flight = ledger.in_flight.saturating_sub(1));
    }
}

fn update(change: impl FnOnce(&mut Ledger)) {
    // Outside of an invocation (start-up, most unit tests) there is nothing to bill: that is not an error.
    METER.try_with(|meter| change(&mut meter.lock())).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_side_by_side_are_one_round() {
        let ((), ledger) = measured(async {
            begin(Kind::Store);
            begin(Kind::Store);
            end(Kind::Store);
            end(Kind::Store);
            begin(Kind::Store);
            end(Kind::Store);
            record(1.5, 2.0);
        })
        .await;
        assert_eq!((ledger.store_calls, ledger.store_rounds), (3, 2));
        assert_eq!((ledger.read_units, ledger.write_units), (1.5, 2.0));
    }

    #[tokio::test]
    async fn outside_of_an_invocation_nothing_is_billed() {
        record(1.0, 1.0);
        assert_eq!(measured(async {}).await.1, Ledger::default());
    }

    #[test]
    fn a_body_polled_later_is_billed_to_its_invocation() {
        let meter = Meter::default();
        meter.sync_scope(|| record(0.5, 0.0));
        meter.sync_scope(|| record(0.5, 0.0));
        assert_eq!(meter.ledger().read_units, 1.0);
    }
}
