//! The way into the bundle: the only crate that names `lambda_http` and `lambda_runtime`.
//!
//! It reads the environment, sets up logging and the AWS clients, turns errors into responses (the one place that writes an
//! error body), runs a function's router or batch handler under the Lambda runtime, and logs one line per invocation with what it cost.

pub mod aws;
mod env;
pub mod http;
mod invocation;
pub mod schedule;
pub mod sqs;
pub mod stream;

pub use env::{Env, MissingConfiguration};

/// What a function's `main` may end with.
pub type Error = lambda_runtime::Error;

/// Logs JSON lines to standard output, as Lambda expects, from the level in `LOG_LEVEL` (default `info`) up.
pub fn trace(env: &mut Env) {
    let level = env.optional("LOG_LEVEL").unwrap_or_else(|| "info".into());
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(tracing_subscriber::EnvFilter::new(level))
        .init();
}
