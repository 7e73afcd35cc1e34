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
        /// Whose calendar.
        user: UserId,
    },
    /// Send what changed here.
    Push {
        /// Whose calendar.
        user: UserId,
    },
    /// Replace a watch that nears its end.
    RenewWatch {
        /// Whose calendar.
        user: UserId,
    },
}

impl Job {
    /// For whom it is done.
    pub fn user(&self) -> UserId {
        match self {
            Job::Import { user, .. } | Job::Pull { user } | Job::Push { user } | Job::RenewWatch { user } => {
                *user
            }
        }
    }
}
