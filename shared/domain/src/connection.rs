//! The state of a user's connection to Google, as far as the web app sees it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What the web app shows of the connection to Google.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConnectionState {
    /// A connect button.
    NotConnected,
    /// Access was withdrawn: connect again.
    ReconnectRequired,
    /// A spinner.
    Importing,
    /// All is well.
    Healthy,
    /// A repair button.
    Attention,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ImportFlag {
    /// It shall start anew.
    Restart,
    /// It runs.
    Importing,
    /// It has ended well.
    Completed,
    /// It has failed.
    Errored,
}

/// A summary of the connection, kept with the user so that one read answers every question the routes have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoogleStatus {
    /// Whether Google withdrew our access. Data and edits are kept.
    pub is_revoked: bool,
    /// Whether the user has ended the connection. Data and edits are kept, for the day on which they connect again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_disconnected: bool,
    /// The import.
    pub import: ImportFlag,
    /// Until when a running import may be believed to run: a crash cannot leave `IMPORTING` behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import_until: Option<DateTime<Utc>>,
    /// Until when Google tells us of changes in every calendar of which it does; absent when we do not ask it to and poll instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched_until: Option<DateTime<Utc>>,
    /// Whether there is a calendar of whose changes Google does not tell, so that it has to be asked often.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_polled: bool,
    /// Until when Google takes no more writes of this user; what is to be written waits here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes_paused_until: Option<DateTime<Utc>>,
}

impl GoogleStatus {
    /// A fresh connection whose first import was asked for.
    pub fn connected(import_until: DateTime<Utc>) -> Self {
        Self {
            is_revoked: false,
            is_disconnected: false,
            import: ImportFlag::Importing,
            import_until: Some(import_until),
            watched_until: None,
            is_polled: false,
            writes_paused_until: None,
        }
    }

    /// The same after the user has ended it. What Google has granted and told of is of no more use.
    pub fn disconnected(&self) -> Self {
        Self {
            is_disconnected: true,
            import_until: None,
            watched_until: None,
            is_polled: false,
            writes_paused_until: None,
            ..self.clone()
        }
    }

    /// Whether the connection stands: nothing is read, written or asked in the name of one that has ended, whoever has ended it.
    pub fn stands(&self) -> bool {
        !self.is_revoked && !self.is_disconnected
    }

    /// Whether Google takes no writes of this user at the moment.
    pub fn are_writes_paused(&self, now: DateTime<Utc>) -> bool {
        self.writes_paused_until.is_some_and(|until| now < until)
    }

    /// Whether an import runs and may be believed.
    pub fn is_importing(&self, now: DateTime<Utc>) -> bool {
        self.import == ImportFlag::Importing && self.import_until.is_some_and(|until| now < until)
    }

    /// What the web app shall show; the first rule that fits.
    pub fn state(status: Option<&Self>, now: DateTime<Utc>) -> ConnectionState {
        let Some(status) = status.filter(|status| !status.is_disconnected) else {
            return ConnectionState::NotConnected;
        };
        let is_unwatched = status.watched_until.is_some_and(|until| until <= now);
        if status.is_revoked {
            ConnectionState::ReconnectRequired
        } else if status.is_importing(now) {
            ConnectionState::Importing
        } else if status.import == ImportFlag::Completed && !is_unwatched {
            ConnectionState::Healthy
        } else {
            ConnectionState::Attention
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_decides() {
        let now = DateTime::from_timestamp_millis(1_763_600_000_000).unwrap();
        let (before, after) = (now - chrono::TimeDelta::hours(1), now + chrono::TimeDelta::hours(1));
        let importing = GoogleStatus::connected(after);
        let completed = GoogleStatus { import: ImportFlag::Completed, ..importing.clone() };
        for (status, expected) in [
            (None, ConnectionState::NotConnected),
            (Some(importing.clone()), ConnectionState::Importing),
            (
                Some(GoogleStatus { is_revoked: true, ..importing.clone() }),
                ConnectionState::ReconnectRequired,
            ),
            (Some(importing.disconnected()), ConnectionState::NotConnected),
            (
                Some(GoogleStatus { is_revoked: true, ..importing.disconnected() }),
                ConnectionState::NotConnected,
            ),
            (
                Some(GoogleStatus { import_until: Some(before), ..importing.clone() }),
                ConnectionState::Attention,
            ),
            (
                Some(GoogleStatus { import: ImportFlag::Restart, ..importing.clone() }),
                ConnectionState::Attention,
            ),
            (Some(GoogleStatus { import: ImportFlag::Errored, ..importing }), ConnectionState::Attention),
            (Some(completed.clone()), ConnectionState::Healthy),
            (
                Some(GoogleStatus { watched_until: Some(after), ..completed.clone() }),
                ConnectionState::Healthy,
            ),
            (Some(GoogleStatus { watched_until: Some(before), ..completed }), ConnectionState::Attention),
        ] {
            assert_eq!(GoogleStatus::state(status.as_ref(), now), expected, "{status:?}");
        }
    }
}
