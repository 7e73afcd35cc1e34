//! How this Google behaves where the real one has behaved in more than one way.

use serde::{Deserialize, Serialize};

/// What a refresh of an access token does to the refresh token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rotation {
    /// It stays, as Google mostly does.
    #[default]
    Never,
    /// There is a new one, and the old one lives on for a while.
    Overlapping,
    /// There is a new one, and the old one is dead.
    Strict,
}

/// Habits, all of them off by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Quirks {
    /// An exception whose slot is gone is told as cancelled once more, instead of vanishing in silence.
    pub tells_dropped_exceptions: bool,
    /// Texts are trimmed and their HTML is rewritten, so that a client reads something else than it wrote.
    pub rewrites_texts: bool,
    /// Lists end without a sync token.
    pub withholds_sync_token: bool,
    /// Page tokens have expired by the time that they are used.
    pub spends_page_tokens: bool,
    /// Full lists have no items, as if the calendar were empty.
    pub hides_events: bool,
    /// A delta tells of each event its version before last as well, and after the last one.
    pub repeats_older: bool,
    /// A stopped channel gets one more notification.
    pub stop_lags: bool,
    /// Channels live no longer than so many seconds, whatever is asked for.
    pub channel_seconds: Option<i64>,
    /// What becomes of refresh tokens.
    pub rotation: Rotation,
    /// Refresh tokens die after so many seconds: seven days in a project that is being tested.
    pub refresh_token_seconds: Option<i64>,
}
