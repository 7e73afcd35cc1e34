//! The local cloud's own time, and the one place that asks the system for it.
//!
//! The cloud has one clock: that of the services it plays, of its functions' processes and of the fake Google. It can be moved forward, so
//! that what happens after an hour or a week can be seen at once. The processes follow through a file (`CLOCK_OFFSET_FILE`), which the
//! runtime honours on this machine only.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use fake_sqs::SystemClock;
use tempfile::TempDir;
use tokio::sync::watch;

/// File inside the data directory. What is kept there was written in the time it holds, which must not run backwards.
const OFFSET: &str = "clock.offset";

/// The cloud's clock: the system's, and ahead of it by as much as it was moved. Clones share their time.
#[derive(Clone, Debug)]
pub(crate) struct Clock(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    ahead: watch::Sender<Duration>,
    file: PathBuf,
    /// Holds the file of a cloud that keeps nothing.
    _directory: Option<TempDir>,
}

impl Clock {
    /// A clock whose offset is kept in the data directory; without one it is the system's until it is moved.
    pub(crate) fn new(data: Option<&Path>) -> anyhow::Result<Self> {
        let directory = if data.is_none() { Some(tempfile::tempdir()?) } else { None };
        let home = directory.as_ref().map(TempDir::path).or(data).context("no directory for the clock")?;
        let file = home.join(OFFSET);
        let ahead = match std::fs::read_to_string(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            read => read?.trim().parse().with_context(|| file.display().to_string())?,
        };
        let ahead = watch::Sender::new(Duration::from_millis(ahead));
        let clock = Self(Arc::new(Shared { ahead, file, _directory: directory }));
        clock.write(clock.ahead())?;
        Ok(clock)
    }

    /// The file that the functions' processes read.
    pub(crate) fn file(&self) -> &Path {
        &self.0.file
    }

    /// Now.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        system_now() + self.ahead()
    }

    /// By how much it is ahead of the system's.
    pub(crate) fn ahead(&self) -> Duration {
        *self.0.ahead.borrow()
    }

    /// Moves it forward, to the millisecond, and wakes whoever waits for a time that has come now. The processes are moved first, so that
    /// whatever happens because of it finds them there.
    pub(crate) fn advance(&self, by: Duration) -> anyhow::Result<()> {
        let mut written = Ok(());
        self.0.ahead.send_if_modified(|ahead| {
            let next = *ahead + by;
            written = self.write(next);
            if written.is_ok() {
                *ahead = next;
            }
            written.is_ok()
        });
        written
    }

    /// The file takes the old one's place whole: its readers see one number or the other.
    fn write(&self, ahead: Duration) -> anyhow::Result<()> {
        let new = self.0.file.with_extension("new");
        let written = std::fs::write(&new, ahead.as_millis().to_string());
        written
            .and_then(|()| std::fs::rename(&new, &self.0.file))
            .with_context(|| self.0.file.display().to_string())
    }

    /// Waits until it is `at`, by itself or by hand.
    pub(crate) async fn reaches(&self, at: DateTime<Utc>) {
        self.wait(|| (at - self.now()).to_std().unwrap_or_default()).await;
    }

    /// Waits until no time is left, which is asked anew whenever the clock was moved.
    async fn wait(&self, left: impl Fn() -> Duration) {
        // From before the question: no move between question and wait is missed.
        let mut ahead = self.0.ahead.subscribe();
        loop {
            let left = left();
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = pause(left) => {}
                // The sender is ours, so it lives.
                _ = ahead.changed() => {}
            }
        }
    }
}

/// The clock as the table sees it, for the time to live of its items.
impl dynoxide::storage_backend::Clock for Clock {
    fn now_unix_secs(&self) -> u64 {
        u64::try_from(self.now().timestamp()).unwrap_or_default()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        Duration::from_micros(u64::try_from(self.now().timestamp_micros()).unwrap_or_default()).as_secs_f64()
    }
}

/// The clock as the queues see it: it can be waited on.
#[derive(Debug)]
pub(crate) struct QueueClock {
    system: SystemClock,
    clock: Clock,
}

impl QueueClock {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { system: SystemClock::new(), clock }
    }
}

impl fake_sqs::Clock for QueueClock {
    fn now(&self) -> Duration {
        self.system.now() + self.clock.ahead()
    }

    fn sleep_until(&self, at: Duration) -> fake_sqs::Sleep<'_> {
        Box::pin(self.clock.wait(move || at.saturating_sub(self.now())))
    }
}

#[expect(clippy::disallowed_methods, reason = "the local cloud plays AWS, whose clock is the real one")]
fn system_now() -> DateTime<Utc> {
    Utc::now()
}

/// Waits for a duration of the machine's own time, which nobody moves: before a retry, which spares the machine.
#[expect(clippy::disallowed_methods, reason = "the local cloud's own waits are about time itself")]
pub(crate) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

#[cfg(test)]
mod tests {
    use fake_sqs::Clock as _;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn whoever_waits_for_a_time_wakes_when_the_clock_is_moved_there() {
        let clock = Clock::new(None).unwrap();
        let queues = QueueClock::new(clock.clone());
        let (at, there) = (queues.now() + 2 * HOUR, clock.now() + 2 * HOUR);
        let waiter = tokio::spawn({
            let clock = clock.clone();
            async move { tokio::join!(clock.reaches(there), queues.sleep_until(at)) }
        });
        tokio::task::yield_now().await;
        clock.advance(HOUR).unwrap();
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        clock.advance(HOUR).unwrap();
        waiter.await.unwrap();
    }

    #[test]
    fn the_time_goes_on_from_where_a_kept_cloud_had_moved_it() {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::new(Some(directory.path())).unwrap();
        clock.advance(HOUR).unwrap();
        clock.advance(Duration::from_millis(5)).unwrap();
        assert_eq!(std::fs::read_to_string(clock.file()).unwrap(), "3600005");
        let again = Clock::new(Some(directory.path())).unwrap();
        assert_eq!(again.ahead(), HOUR + Duration::from_millis(5));
        let begun = system_now();
        assert!(again.now() - begun >= chrono::TimeDelta::hours(1));
    }

    #[test]
    fn a_cloud_that_keeps_nothing_leaves_nothing() {
        let clock = Clock::new(None).unwrap();
        let file = clock.file().to_owned();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "0");
        drop(clock);
        assert!(!file.exists());
    }
}
