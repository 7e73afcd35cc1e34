//! What the queue knows of a message, and what that spares: a burst of notifications costs one reading that is under way and one that
//! comes after it, however many messages there are.
//!
//! All times are the queue's own, so no worker's clock decides anything. A reading begins after its messages were handed out, and is noted when it has
//! come to its end, never before: whatever dies in between leaves the messages as they were.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// How long after the beginning of a reading the next one begins at the earliest. Google tells of each change; what people or programs change at once is
/// told within a second or so.
const GATHERING: TimeDelta = TimeDelta::seconds(2);
/// How far the clocks of two machines of the queue may be apart. A message is younger than it says by no more than that.
const SKEW: TimeDelta = TimeDelta::milliseconds(500);

/// What the queue says of the messages that ask for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When the newest of them was sent.
    pub sent_at: DateTime<Utc>,
    /// When they were handed out, or before that: of all messages that came along, the newest time at which one was handed out for the first time.
    pub received_at: DateTime<Utc>,
    /// Whether one of them was handed out before: it has waited, or failed.
    pub is_repeated: bool,
}

/// What is to be done about a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// What it tells of has been read.
    IsRead,
    /// More may be on their way: they are read together.
    Waits(Duration),
    /// It is read now.
    IsDue,
}

impl Delivery {
    /// What is to be done when the last reading began at `pulled_from`, if any is known. Nothing waits twice, so nothing waits for long.
    pub(crate) fn verdict(&self, pulled_from: Option<DateTime<Utc>>) -> Verdict {
        let Some(pulled_from) = pulled_from else { return Verdict::IsDue };
        if self.sent_at + SKEW <= pulled_from {
            return Verdict::IsRead;
        }
        let wait = pulled_from + GATHERING - self.received_at;
        if self.is_repeated || wait <= TimeDelta::zero() {
            return Verdict::IsDue;
        }
        // By another machine's clock it may have been handed out before that reading. The queue counts whole seconds.
        let millis = wait.min(GATHERING).num_milliseconds().unsigned_abs();
        Verdict::Waits(Duration::from_secs(millis.div_ceil(1_000)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_763_600_000_000 + millis).unwrap()
    }

    /// The verdict on a message when the last reading began at 0.
    fn verdict(sent: i64, received: i64, is_repeated: bool) -> Verdict {
        Delivery { sent_at: at(sent), received_at: at(received), is_repeated }.verdict(Some(at(0)))
    }

    fn waits(seconds: u64) -> Verdict {
        Verdict::Waits(Duration::from_secs(seconds))
    }

    #[test]
    fn what_was_sent_before_a_reading_began_is_read_and_what_came_soon_after_waits_once() {
        for (sent, received, is_repeated, expected) in [
            // Long before, and handed out whenever.
            (-60_000, -50_000, true, Verdict::IsRead),
            (-2_000, 100, false, Verdict::IsRead),
            (-500, 100_000, true, Verdict::IsRead),
            // So shortly before that it may have been after.
            (-499, 100, false, waits(2)),
            (0, 0, false, waits(2)),
            // While it was under way, or soon after.
            (50, 100, false, waits(2)),
            (900, 999, false, waits(2)),
            (900, 1_000, false, waits(1)),
            (1_990, 1_999, false, waits(1)),
            // It has waited, or was tried.
            (50, 100, true, Verdict::IsDue),
            (50, 2_100, true, Verdict::IsDue),
            // Later.
            (50, 2_000, false, Verdict::IsDue),
            (3_600_000, 3_600_010, false, Verdict::IsDue),
            // Clocks of the queue that are apart keep nobody waiting for longer.
            (-300, -400, false, waits(2)),
        ] {
            let found = verdict(sent, received, is_repeated);
            assert_eq!(found, expected, "sent {sent} received {received} repeated {is_repeated}");
        }
    }

    #[test]
    fn without_a_reading_that_is_known_everything_is_due() {
        for is_repeated in [false, true] {
            let delivery = Delivery { sent_at: at(0), received_at: at(10), is_repeated };
            assert_eq!(delivery.verdict(None), Verdict::IsDue);
        }
    }
}
