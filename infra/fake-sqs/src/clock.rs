//! Time as the queues see it: a clock that can be read and waited on.
//!
//! Visibility time-outs, delays and the deduplication window are all waits, so a clock that can only be read (as
//! [`seam::Clock`]) is not enough: a long poll has to wake when a test moves the time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// A future of [`Clock::sleep_until`].
pub type Sleep<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A source of time. Instants are durations since the Unix epoch.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current instant.
    fn now(&self) -> Duration;

    /// Completes once [`Clock::now`] has reached `at`.
    fn sleep_until(&self, at: Duration) -> Sleep<'_>;
}

/// The system's time, anchored at its creation and monotonic from there on: a stepped wall clock must not make a message
/// visible twice.
#[derive(Clone, Debug)]
pub struct SystemClock {
    epoch: Duration,
    started: Instant,
}

impl SystemClock {
    /// A clock that starts at the system's current time.
    pub fn new() -> Self {
        let millis = seam::Clock::system().now().timestamp_millis();
        Self {
            epoch: Duration::from_millis(u64::try_from(millis).unwrap_or_default()),
            started: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.epoch + self.started.elapsed()
    }

    fn sleep_until(&self, at: Duration) -> Sleep<'_> {
        Box::pin(tokio::time::sleep_until(self.started + at.saturating_sub(self.epoch)))
    }
}

/// A clock that stands still until a test moves it. Clones share their time.
#[derive(Clone, Debug)]
pub struct ManualClock(watch::Sender<Duration>);

impl ManualClock {
    /// A clock standing at `at` after the Unix epoch.
    pub fn new(at: Duration) -> Self {
        Self(watch::Sender::new(at))
    }

    /// Moves the time forward by `by` and wakes whoever waited for it.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now += by);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        *self.0.borrow()
    }

    fn sleep_until(&self, at: Duration) -> Sleep<'_> {
        let mut time = self.0.subscribe();
        Box::pin(async move {
            // The only error is a dropped sender, and `self` holds one for as long as this future lives.
            let _ = time.wait_for(|now| *now >= at).await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_on_a_manual_clock_wakes_only_once_its_time_has_come() {
        let clock = ManualClock::new(Duration::from_secs(10));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(Duration::from_secs(12)).await }
        });
        clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        sleeper.await.expect("the sleeper ends");
    }

    #[tokio::test(start_paused = true)]
    async fn the_system_clock_sleeps_until_an_instant_since_the_epoch() {
        let clock = SystemClock::new();
        let wake_at = clock.now() + Duration::from_secs(30);
        clock.sleep_until(wake_at).await;
        assert!(clock.now() >= wake_at);
    }
}
