//! How long a stream stays open. What it says does not depend on it.

use std::str::FromStr;
use std::time::Duration;

/// When a stream ends.
///
/// A stream that is held costs about four hundred times as much as an hour of a WebSocket, is billed after its client has gone, and keeps
/// one execution of the function busy. So the default holds it only while something happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Stays a little while something happens.
    #[default]
    Burst,
    /// Stays until just before the function's time-out.
    Hold,
    /// Ends when the backlog is told.
    Poll,
}

impl FromStr for Mode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "burst" => Ok(Self::Burst),
            "hold" => Ok(Self::Hold),
            "poll" => Ok(Self::Poll),
            _ => Err("must be burst, hold or poll"),
        }
    }
}

/// The times of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// When it ends.
    pub mode: Mode,
    /// How often the log is read while the stream is open: the longest that a change takes to be told.
    pub poll: Duration,
    /// How long a burst stays after the last thing that happened.
    pub linger: Duration,
    /// How long after a change its user counts as active. A client without a cursor is told of a change that recent: it may have
    /// closed one stream and opened this one in between, as the web app does when it refreshes its session.
    pub active: Duration,
    /// The longest silence.
    pub keepalive: Duration,
    /// How long before the function's time-out a stream ends: time for one more read of the log with its retries.
    pub margin: Duration,
    /// When the client shall connect again after a clean end.
    pub retry: Duration,
    /// When the client shall connect again after the log could not be read.
    pub retry_after_failure: Duration,
}

impl Policy {
    /// The usual times of a mode.
    pub const fn new(mode: Mode) -> Self {
        Self {
            mode,
            poll: Duration::from_secs(1),
            linger: Duration::from_secs(20),
            active: Duration::from_secs(60),
            keepalive: Duration::from_secs(25),
            margin: Duration::from_secs(10),
            retry: match mode {
                Mode::Burst | Mode::Poll => Duration::from_secs(5),
                // It ended because it had to, not because nothing happens.
                Mode::Hold => Duration::from_millis(500),
            },
            retry_after_failure: Duration::from_secs(5),
        }
    }

    /// The same with another interval between two reads of the log; at least a millisecond.
    pub fn polling_every(self, poll: Duration) -> Self {
        Self { poll: poll.max(Duration::from_millis(1)), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_read_from_configuration() {
        assert_eq!("burst".parse(), Ok(Mode::Burst));
        assert_eq!("HOLD".parse(), Ok(Mode::Hold));
        assert_eq!("poll".parse(), Ok(Mode::Poll));
        assert!("".parse::<Mode>().is_err());
    }

    #[test]
    fn no_silence_outlasts_a_proxy() {
        // CloudFront waits 60 s for an origin's next byte; a keepalive may come one poll and one read late.
        for mode in [Mode::Burst, Mode::Hold, Mode::Poll] {
            let policy = Policy::new(mode);
            assert!(policy.keepalive + policy.poll + policy.margin < Duration::from_secs(60));
        }
    }
}
