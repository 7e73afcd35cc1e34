//! What can go wrong in a sync.

use std::time::Duration;

use seam::Class;

use crate::budget::Pause;
use crate::queue;

/// A job could not be done, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store.
    #[error(transparent)]
    Store(store::Error),
    /// Google.
    #[error(transparent)]
    Google(#[from] google::Error),
    /// The queue.
    #[error(transparent)]
    Queue(#[from] queue::Error),
    /// Another worker, or an earlier try of this one whose answer was lost, was faster: what was read is no longer so.
    #[error("the state of the sync moved on meanwhile")]
    Superseded,
    /// The user is no longer connected: nothing may be written in the name of a connection that has ended.
    #[error("the connection has ended")]
    Disconnected,
    /// Google's last page came without a sync token.
    #[error("the last page has no sync token")]
    NoSyncToken,
    /// An event of ours could not be brought to rest within a bounded number of rounds.
    #[error("an event keeps changing at Google while it is written")]
    Restless,
    /// A step took so long that it was broken off.
    #[error("the time was up in the middle of a step")]
    OutOfTime,
    /// Google is not to be called for a while. Nothing has failed.
    #[error("{why}; to be tried again in {} s", wait.as_secs())]
    Later {
        /// Why not.
        why: Pause,
        /// For how long.
        wait: Duration,
    },
    /// Another worker asks for a new access token and does not get it.
    #[error("another worker's new access token is not there yet")]
    RenewalPending,
    /// More changes than fit into one transaction: the same with fewer.
    #[error("too many changes for one transaction")]
    TooLarge,
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Condition(store::GENERATION | store::CONNECTION) => Self::Superseded,
            error => Self::Store(error),
        }
    }
}

impl Error {
    /// How the caller must react.
    pub fn class(&self) -> Class {
        match self {
            Self::Store(error) => error.class(),
            Self::Google(error) => error.class(),
            Self::Queue(error) => error.class(),
            Self::Superseded => Class::Conflict,
            Self::Disconnected => Class::Gone,
            Self::Later { .. } => Class::Throttled,
            Self::NoSyncToken | Self::Restless | Self::OutOfTime | Self::RenewalPending => Class::Transient,
            Self::TooLarge => Class::Bug,
        }
    }

    /// How long the other side wants us to wait, if it says.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Google(error) => error.retry_after(),
            Self::Later { wait, .. } => Some(*wait),
            _ => None,
        }
    }

    /// Whether the job must be tried again before anything else is done for the user.
    pub fn is_retryable(&self) -> bool {
        self.class().is_retryable()
    }

    /// Whether the job only has to wait: however often that is so, it has not failed.
    pub fn is_wait(&self) -> bool {
        matches!(self, Self::Later { .. })
    }

    /// Whether this may be the fault of the one event that was sent, so that others are worth a try.
    pub(crate) fn may_concern_one_event(&self) -> bool {
        matches!(self, Self::Restless | Self::Google(google::Error::Unreadable { .. }))
            || self.is(google::Reason::Backend)
    }

    pub(crate) fn is(&self, reason: google::Reason) -> bool {
        matches!(self, Self::Google(error) if error.is(reason))
    }

    pub(crate) fn needs_reconnect(&self) -> bool {
        matches!(self, Self::Google(error) if error.needs_reconnect())
    }
}
