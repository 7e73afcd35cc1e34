//! Work that is done for a user after the request that caused it was answered.

use serde::{Deserialize, Serialize};

use crate::UserId;

/// A message of the `sync` queue. Its group is the user, so that one user's jobs run one after the other; each may be
/// delivered twice, late or after its reason is gone, and must then do nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case")]
pub enum Job {
    /// Read everything from Google: after connecting, or to repair.
    Import {
        /// Whose calendar.
        user: UserId,
        /// Whether the user asked for a repair.
        is_repair: bool,
    },
    /// Read what changed at Google.
    Pull {
        /// Whose calendars.
        user: UserId,
    },
    /// See which calendars there are and which the user wants, then read what changed: on the schedule, when Google tells of its list, or
    /// when the user has chosen.
    Poll {
        /// Whose calendars.
        user: UserId,
    },
    /// Send what changed here.
    Push {
        /// Whose calendar.
        user: UserId,
    },
    /// Replace watches that near their end.
    RenewWatch {
        /// Whose calendars.
        user: UserId,
    },
    /// Take leave of Google after the user has ended the connection: stop the channels, give the permission back, forget it.
    Disconnect {
        /// Whose connection.
        user: UserId,
    },
    /// Stop a channel that tells of changes and is not in use, unless it has come into use since; then read what changed.
    StopStray {
        /// Whose calendars.
        user: UserId,
        /// The channel's id.
        channel: String,
        /// What it watches, in Google's words.
        resource: String,
    },
}

impl Job {
    /// For whom it is done.
    pub fn user(&self) -> UserId {
        match self {
            Job::Import { user, .. }
            | Job::Pull { user }
            | Job::Poll { user }
            | Job::Push { user }
            | Job::RenewWatch { user }
            | Job::Disconnect { user }
            | Job::StopStray { user, .. } => *user,
        }
    }
}
