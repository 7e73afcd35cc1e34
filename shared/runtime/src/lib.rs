//! The way into the bundle: the only crate that names `lambda_http` and `lambda_runtime`.
//!
//! It reads the environment, sets up logging and the AWS clients, turns errors into responses (the one place that writes an
//! error body), runs a function's router or batch handler under the Lambda runtime, and logs one line per invocation with what it cost.

pub mod aws;
mod env;
pub mod http;
mod invocation;
pub mod schedule;
pub mod socket;
pub mod sqs;
pub mod stream;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub use env::{Env, MissingConfiguration};

/// What a function's `main` may end with.
pub type Error = lambda_runtime::Error;

/// Crates that at the finest levels log whole requests and responses: password hashes, tokens, cookies. By the beginning of their names.
const TALKATIVE: [&str; 6] = ["aws", "lambda", "hyper", "h2", "reqwest", "rustls"];

/// Logs JSON lines to standard output, as Lambda expects, from the level in `LOG_LEVEL` (default `info`) up. The level is for our own
/// crates: those below them say nothing finer than `info`.
pub fn trace(env: &mut Env) {
    let level = env.parse_or("LOG_LEVEL", LevelFilter::INFO);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_current_span(false)
        .with_span_list(false);
    tracing_subscriber::registry().with(lines).with(filter(level)).init();
}

fn filter(level: LevelFilter) -> Targets {
    let theirs = level.min(LevelFilter::INFO);
    Targets::new().with_default(level).with_targets(TALKATIVE.map(|name| (name, theirs)))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn the_finest_level_does_not_open_the_mouths_of_those_who_log_bodies() {
        for (level, ours) in [("trace", true), ("DEBUG", false), ("info", false)] {
            let filter = filter(level.parse().unwrap());
            assert_eq!(filter.would_enable("auth_function::reply", &Level::TRACE), ours, "{level}");
            for theirs in ["aws_smithy_runtime::client::orchestrator", "lambda_runtime::requests"] {
                assert!(!filter.would_enable(theirs, &Level::DEBUG), "{level}");
                assert!(filter.would_enable(theirs, &Level::INFO), "{level}");
            }
        }
    }

    #[test]
    fn a_coarse_level_is_for_everybody() {
        let filter = filter(LevelFilter::WARN);
        for target in ["auth_function::reply", "lambda_runtime::requests"] {
            assert!(!filter.would_enable(target, &Level::INFO) && filter.would_enable(target, &Level::WARN));
        }
    }
}
