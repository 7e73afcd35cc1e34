//! The only reader of the system clock.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, TimeDelta, Utc};

/// What moves this process's system clock, if anything does. One for the process and not a kind of [`Clock`], so that no part of a function
/// can be forgotten and live in another time than the rest.
static OFFSET: OnceLock<Offset> = OnceLock::new();

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

    /// Has the system's clock be ahead, in this process and from now on, by the milliseconds written in `file`. The file is read whenever the
    /// clock is asked, so that whoever writes it moves the time of running processes. There is one such file for a process: a second call
    /// changes nothing.
    ///
    /// For a process that runs beside whoever writes the file, which the caller makes sure of.
    pub fn follow(file: PathBuf) {
        // The first file stays.
        let _ = OFFSET.set(Offset::new(file));
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
    Utc::now() + OFFSET.get().map_or(TimeDelta::zero(), Offset::read)
}

/// By how much a clock is ahead of the system's: a number in a file.
struct Offset {
    file: PathBuf,
    /// What was read last, in milliseconds.
    known: AtomicI64,
}

impl Offset {
    fn new(file: PathBuf) -> Self {
        Self { file, known: AtomicI64::new(0) }
    }

    /// What the file says, or said last: the time must not fall back because the file is gone.
    fn read(&self) -> TimeDelta {
        if let Some(millis) = millis_in(&self.file) {
            self.known.store(millis, Ordering::SeqCst);
        }
        TimeDelta::try_milliseconds(self.known.load(Ordering::SeqCst)).unwrap_or_default()
    }
}

fn millis_in(file: &Path) -> Option<i64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
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

    #[test]
    fn an_offset_is_what_its_file_says_and_stays_when_that_says_nothing() {
        let file = std::env::temp_dir().join(format!("meridian-offset-{}", std::process::id()));
        let offset = Offset::new(file.clone());
        assert_eq!(offset.read(), TimeDelta::zero());
        for (text, expected) in [("7200000\n", 7_200_000), ("", 7_200_000), ("x", 7_200_000), ("31", 31)] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(offset.read(), TimeDelta::milliseconds(expected), "{text:?}");
        }
        std::fs::remove_file(&file).unwrap();
        assert_eq!(offset.read(), TimeDelta::milliseconds(31));
    }
}
