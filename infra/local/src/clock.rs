//! The local cloud's own time: the one place that asks the system for it.

use chrono::{DateTime, Utc};

/// Now.
#[expect(clippy::disallowed_methods, reason = "the local cloud plays AWS, whose clock is the real one")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// Waits for a duration: for schedules and time-outs, which are about time itself.
#[expect(clippy::disallowed_methods, reason = "schedules, retries and visibility are about time itself")]
pub(crate) async fn pause(duration: std::time::Duration) {
    tokio::time::sleep(duration).await;
}
