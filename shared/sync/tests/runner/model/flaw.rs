//! What is wrong with the world in which a history is carried out: nothing, but for the tests that show that an invariant can fail.

use domain::Job;
use futures_util::future::LocalBoxFuture;

use super::person::Person;
use super::wire::Wire;

/// Something that is done to a user's world when the worker has run a job of theirs.
pub type Tampering = for<'a> fn(&'a Person, &'a Job) -> LocalBoxFuture<'a, ()>;

#[derive(Clone, Copy, Default)]
pub struct Flaw {
    /// On the way to Google.
    pub wire: Option<Wire>,
    /// As if the worker had done it, or as if the store had.
    pub tampering: Option<Tampering>,
}
