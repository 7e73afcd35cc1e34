//! AWS Lambda on one machine: processes of the real function binaries, and the Runtime API they speak.
//!
//! [`runtime_api`] is what one process talks to, [`environment`] is one process, [`pool`] is one function: it starts
//! environments on demand, reuses them, and turns a crash or a time-out into one failed invocation.

pub(crate) mod answer;
pub(crate) mod environment;
pub(crate) mod logs;
pub(crate) mod pool;
pub(crate) mod runtime_api;
mod streaming;

pub use answer::{Answer, Failure};
