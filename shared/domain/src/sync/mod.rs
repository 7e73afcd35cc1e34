//! What happens when an event changed here and at Google: pure functions from what is stored and what Google says to what has to be written.
//!
//! * [`policy`](self) is the table of who wins, which the code and its tests read alike (`policy.rs`).
//! * `merge` brings the fields of two versions together, `one` decides about one event, `family` about a series with its exceptions, `occurrence` about one of these.
//! * `outbound` is the other direction: what Google has to be told, and what its answer means.
//!
//! `model` is the test of the whole: two sides, what people do to both, and the runner as pure functions.
//!
//! Reading Google's JSON is for whoever talks to Google: here a version of Google's is a [`Copy`].

mod copy;
mod family;
mod merge;
#[cfg(test)]
mod model;
mod occurrence;
mod one;
mod outbound;
mod policy;

pub use self::copy::{Copy, Exception, Theirs};
pub use self::family::{Resolution, in_order, resolve, undeleted, unsent};
pub use self::merge::{Field, Merged, Rule, Shared, merge};
pub use self::one::{Conflict, Version};
pub use self::outbound::{Outbound, answered, is_as_sent, outbound, reaches_occurrences, relisted};
