//! `G#PULL`: from when on what changed at Google has been read for a user. What it means is decided by whoever asks.

use chrono::{DateTime, TimeDelta, Utc};
use domain::UserId;
use serde::{Deserialize, Serialize};

use crate::key::{self, Key};
use crate::table::Expression;
use crate::{Error, Store};

/// The name that a write without a condition goes by.
const PULL: &str = "pull";

/// How long it is kept: nothing that waits for longer is spared a reading.
const REMEMBERED: TimeDelta = TimeDelta::days(1);

/// What is stored.
#[derive(Serialize, Deserialize)]
pub(crate) struct Pull {
    /// When the last reading that has come to its end began.
    pub pulled_from: DateTime<Utc>,
    /// Seconds since the epoch.
    expires_at: i64,
}

impl Store {
    /// Notes that all that had changed at Google before `begun_at` is stored here. Only for a reading that is over: whoever finds the note
    /// reads nothing. Of two that are noted at once either may be the one that is remembered. One write.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn note_pull(&self, user: UserId, begun_at: DateTime<Utc>) -> Result<(), Error> {
        let key = Key::new(key::user(user), "G#PULL");
        let pull = Pull { pulled_from: begun_at, expires_at: (begun_at + REMEMBERED).timestamp() };
        self.table.put(key.with(pull), Expression::default(), PULL).await
    }
}
