//! What kind of failure an error is. Decided once, by the error; used three times: HTTP status, queue retry, log level.

/// The class of an error, from the point of view of whoever must react to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The request is wrong and will stay wrong: a 4xx, never retried.
    Caller,
    /// Somebody else was faster: read again, plan again.
    Conflict,
    /// What the call was about no longer exists, or access to it was withdrawn.
    Gone,
    /// The other side asks us to slow down: retry later.
    Throttled,
    /// A passing fault of the world: retry soon, a bounded number of times.
    Transient,
    /// A fault of ours or of the set-up: retrying cannot help, somebody must look.
    Bug,
}

impl Class {
    /// Whether doing the same thing again later can succeed.
    pub fn is_retryable(self) -> bool {
        matches!(self, Class::Conflict | Class::Throttled | Class::Transient)
    }
}
