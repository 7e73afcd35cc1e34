//! The local cloud: Meridian's bundle on one machine, without containers and without an account.
//!
//! It interprets the deployment template, starts the real function binaries and speaks the Lambda Runtime API to them,
//! so what runs locally is what deploys. AWS is played by small, faithful stand-ins: an embedded DynamoDB
//! ([`table`]), a queue on the SQS protocol, an HTTP API and function URLs, schedules, mail; Google by `fake-google`.
//!
//! [`Cloud`] is the whole; tests start it in process, the binary `local` from the command line. It is a tool, not a part
//! of the product: no function and no shared crate depends on it outside tests.

mod activity;
pub mod builder;
pub mod cli;
mod clock;
mod cloud;
mod console;
mod control;
mod database;
mod debug;
mod gateway;
mod google;
mod journal;
pub mod keys;
mod lambda;
mod mail;
mod page;
mod queues;
mod server;
mod socket;
mod sources;
pub mod table;
pub mod template;

pub use cloud::{Cloud, Options, StillBusy};
pub use console::{Output, Transcript};
pub use google::Google;
pub use journal::Entry;
pub use lambda::pool::Process;
pub use mail::Mail;
pub use socket::Socket;

/// A variable of the environment the local cloud was started in.
#[expect(
    clippy::disallowed_methods,
    reason = "the local cloud is configured from outside, not by the functions' loader"
)]
pub(crate) fn outside(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
