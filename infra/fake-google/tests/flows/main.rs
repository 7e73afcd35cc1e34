//! The fake as its clients meet it, over HTTP.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail by panicking, like the tests")]

mod calendar;
mod calendars;
mod faults;
mod oauth;
mod recordings;
mod series;
mod support;
