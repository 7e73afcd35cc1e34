//! The environment, read once at start. A function that is set up wrongly says everything that is wrong, and does not start.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use seam::Clock;
use url::{Host, Url};

/// Typed access to the environment variables of the process.
#[derive(Debug)]
pub struct Env {
    read: fn(&str) -> Option<String>,
    problems: Vec<String>,
}

/// Everything that is wrong with the environment. Never contains a value: it may be a secret.
#[derive(Debug, thiserror::Error)]
#[error("wrong configuration: {}", .0.join("; "))]
pub struct MissingConfiguration(Vec<String>);

impl Env {
    /// The environment of this process. On a machine whose local cloud moves the time, the process's clock moves with it from here on.
    pub fn from_process() -> Self {
        let mut env = Self { read: read_process, problems: Vec::new() };
        if let Some(file) = env.clock_offset() {
            Clock::follow(file);
        }
        env
    }

    /// The file in which a local cloud writes how far its clock is ahead. Only a process whose table is on its own machine is part of one:
    /// any other does not start, rather than let a file tell it what time it is.
    fn clock_offset(&mut self) -> Option<PathBuf> {
        let file = self.optional("CLOCK_OFFSET_FILE")?;
        if self.optional("AWS_ENDPOINT_URL_DYNAMODB").is_some_and(|endpoint| is_loopback(&endpoint)) {
            return Some(file.into());
        }
        self.problem("CLOCK_OFFSET_FILE is for the local cloud");
        None
    }

    /// A variable that must be set; empty if it is not, and [`Env::finish`] will say so.
    pub fn required(&mut self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.problems.push(format!("{name} is not set"));
            String::new()
        })
    }

    /// A variable that may be missing; an empty one is.
    pub fn optional(&mut self, name: &str) -> Option<String> {
        (self.read)(name).filter(|value| !value.trim().is_empty())
    }

    /// A variable that must be set and read as a `T`. `None` if not, and [`Env::finish`] will say so.
    pub fn parse<T: FromStr>(&mut self, name: &str) -> Option<T>
    where
        T::Err: Display,
    {
        let text = self.optional(name);
        if text.is_none() {
            self.problems.push(format!("{name} is not set"));
        }
        self.parse_text(name, text?)
    }

    /// A variable that may be missing, and otherwise must read as a `T`.
    pub fn parse_or<T: FromStr>(&mut self, name: &str, default: T) -> T
    where
        T::Err: Display,
    {
        match self.optional(name) {
            Some(text) => self.parse_text(name, text).unwrap_or(default),
            None => default,
        }
    }

    /// A variable that must be set and that `read` understands. `None` if not, and [`Env::finish`] will say so.
    pub fn parse_with<T, E: Display>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.required(name);
        if text.is_empty() {
            return None;
        }
        read(&text).map_err(|error| self.problems.push(format!("{name}: {error}"))).ok()
    }

    fn parse_text<T: FromStr>(&mut self, name: &str, text: String) -> Option<T>
    where
        T::Err: Display,
    {
        text.parse().map_err(|error| self.problems.push(format!("{name}: {error}"))).ok()
    }

    /// Notes something else that is wrong with the configuration. `problem` must not contain a secret.
    pub fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`MissingConfiguration`] with everything that was wrong.
    pub fn finish(self) -> Result<(), MissingConfiguration> {
        if self.problems.is_empty() { Ok(()) } else { Err(MissingConfiguration(self.problems)) }
    }

    /// Ends the reading and hands out a value that is there when nothing was wrong with it.
    ///
    /// # Errors
    /// [`MissingConfiguration`] with everything that was wrong.
    pub fn finish_with<T>(self, value: Option<T>) -> Result<T, MissingConfiguration> {
        self.finish()?;
        value.ok_or_else(|| MissingConfiguration(vec!["a value is missing".into()]))
    }

    /// An environment for tests.
    pub fn from_reader(read: fn(&str) -> Option<String>) -> Self {
        Self { read, problems: Vec::new() }
    }
}

fn is_loopback(endpoint: &str) -> bool {
    match Url::parse(endpoint).ok().as_ref().and_then(Url::host) {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    }
}

#[expect(clippy::disallowed_methods, reason = "the one home of the process environment")]
pub(crate) fn read_process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_said_at_once_and_no_value_is() {
        let mut env = Env::from_reader(|name| match name {
            "PORT" => Some("secret".into()),
            "BLANK" => Some(" ".into()),
            "GOOD" => Some("7".into()),
            _ => None,
        });
        assert_eq!(env.parse::<u16>("GOOD"), Some(7));
        assert_eq!(env.parse_or::<u16>("ABSENT", 3), 3);
        assert_eq!(env.parse::<u16>("PORT"), None);
        env.required("BLANK");
        let message = env.finish().unwrap_err().to_string();
        assert_eq!(message, "wrong configuration: PORT: invalid digit found in string; BLANK is not set");
    }

    #[test]
    fn only_a_process_with_its_table_on_the_same_machine_lets_a_file_move_its_clock() {
        let offset = |read: fn(&str) -> Option<String>| {
            let mut env = Env::from_reader(read);
            (env.clock_offset(), env.finish().is_ok())
        };
        assert_eq!(offset(|_| None), (None, true));
        let local = offset(|name| match name {
            "CLOCK_OFFSET_FILE" => Some("/tmp/offset".into()),
            "AWS_ENDPOINT_URL_DYNAMODB" => Some("http://127.0.0.1:8000".into()),
            _ => None,
        });
        assert_eq!(local, (Some("/tmp/offset".into()), true));
        assert_eq!(offset(|name| (name == "CLOCK_OFFSET_FILE").then(|| "/tmp/offset".into())), (None, false));
        let elsewhere = offset(|name| match name {
            "CLOCK_OFFSET_FILE" => Some("/tmp/offset".into()),
            "AWS_ENDPOINT_URL_DYNAMODB" => Some("https://dynamodb.eu-central-1.amazonaws.com".into()),
            _ => None,
        });
        assert_eq!(elsewhere, (None, false));
    }
}
