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

use tracing_subscriber::EnvFilter;

pub use env::{Env, MissingConfiguration};

/// What a function's `main` may end with.
pub type Error = lambda_runtime::Error;

/// Crates that at the finest levels log whole requests and responses: password hashes, tokens, cookies. By the beginning of their names.
const TALKATIVE: [&str; 6] = ["aws", "lambda", "hyper", "h2", "reqwest", "rustls"];

/// Logs JSON lines to standard output, as Lambda expects, from the level in `LOG_LEVEL` (default `info`) up. The level is for our own
/// crates: those below them say nothing finer than `info`.
pub fn trace(env: &mut Env) {
    let level = env.optional("LOG_LEVEL").unwrap_or_else(|| "info".into());
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(filter(&level))
        .init();
}

fn filter(level: &str) -> EnvFilter {
    let is_fine = ["debug", "trace"].iter().any(|fine| level.eq_ignore_ascii_case(fine));
    let capped = TALKATIVE.iter().filter(|_| is_fine).map(|name| format!(",{name}=info"));
    EnvFilter::new(level.to_owned() + &capped.collect::<String>())
}

#[cfg(test)]
mod tests {
    use tracing::level_filters::LevelFilter;
    use tracing::{Level, enabled};

    use super::*;

    #[test]
    fn the_finest_level_does_not_open_the_mouths_of_those_who_log_bodies() {
        for (level, ours, theirs) in [("trace", true, false), ("DEBUG", false, false), ("info", false, false)]
        {
            let subscriber = tracing_subscriber::fmt().with_env_filter(filter(level)).finish();
            tracing::subscriber::with_default(subscriber, || {
                assert_eq!(enabled!(target: "auth_function::reply", Level::TRACE), ours, "{level}");
                let client = enabled!(target: "aws_smithy_runtime::client::orchestrator", Level::TRACE);
                assert_eq!(client, theirs, "{level}");
                assert!(enabled!(target: "lambda_runtime::requests", Level::INFO), "{level}");
            });
        }
        assert_eq!(filter("warn").max_level_hint(), Some(LevelFilter::WARN));
    }
}
