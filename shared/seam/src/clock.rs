//! The only reader of the system clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};

/// Tells the time: the system's, or one that a test moves by hand.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands at `at` until it is moved with [`Clock::set`].
    pub fn fixed(at: DateTime<Utc>) -> Self {
        Self(Some(Arc::new(AtomicI64::new(at.timestamp_millis()))))
    }

    /// The current instant, to the millisecond: no stored or sent time of ours is finer.
    pub fn now(&self) -> DateTime<Utc> {
        let millis = match &self.0 {
            Some(fixed) => fixed.load(Ordering::SeqCst),
            None => system_now().timestamp_millis(),
        };
        DateTime::from_timestamp_millis(millis).unwrap_or_default()
    }

    /// Moves a fixed clock, for all its clones. Does nothing to the system's.
    pub fn set(&self, at: DateTime<Utc>) {
        if let Some(fixed) = &self.0 {
            fixed.store(at.timestamp_millis(), Ordering::SeqCst);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one home of the system clock")]
fn system_now() -> DateTime<Utc> {
    Utc::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_moves_only_by_hand_and_for_all_clones() {
        let start = DateTime::from_timestamp_millis(1_000).expect("valid");
        let clock = Clock::fixed(start);
        let clone = clock.clone();
        assert_eq!(clone.now(), start);
        clock.set(start + chrono::TimeDelta::hours(1));
        assert_eq!(clone.now() - start, chrono::TimeDelta::hours(1));
    }
}
