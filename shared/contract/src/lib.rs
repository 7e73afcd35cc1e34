//! What goes over the wire to the web app: requests, responses, error bodies, names of stream events.
//!
//! Shapes and spellings only. Turning a request into a domain value happens here too, so that no other crate sees an
//! unchecked field; what the value then does is `domain`'s.

pub mod auth;
pub mod calendar;
pub mod changes;
pub mod error;
pub mod event;
pub mod issue;
mod object;
mod page;
pub mod priority;
pub mod socket;
pub mod stream;
pub mod user;

pub use object::Object;

/// The web app's spelling of an instant: RFC 3339 in UTC, milliseconds, `Z` (an offset makes its schema throw).
pub fn timestamp(at: chrono::DateTime<chrono::Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
