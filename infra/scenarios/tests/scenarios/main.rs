//! What the bundle must show, end to end: one test per promise, each in a world of its own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "also the helpers beside the tests are tests")]

mod auth;
mod cost;
mod event;
mod faults;
mod google;
mod input;
mod isolation;
mod leaks;
mod lists;
mod live;
mod local_page;
mod samples;
mod schedules;
mod series;
mod socket;
mod socket_gateway;
mod someday;
mod storm;
mod wire;
mod workspace;
