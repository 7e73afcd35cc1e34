//! The command line: run the cloud, or do one thing with it.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::builder::{self, Progress, Target};
use crate::cloud::{Cloud, Options};
use crate::console::Output;
use crate::google::Google;
use crate::keys::Keys;
use crate::{outside, server};

/// Runs Meridian on this machine: builds the functions, starts everything the template names, and a fake Google.
///
/// Environment: WEB_URL is the web app's origin (default http://localhost:9080). If GOOGLE_OAUTH_TOKEN_URL and its kin
/// (GOOGLE_OAUTH_TOKEN_URL, GOOGLE_OAUTH_REVOKE_URL, GOOGLE_JWKS_URL, GOOGLE_CALENDAR_URL, GOOGLE_CLIENT_ID,
/// GOOGLE_CLIENT_SECRET) are set, the functions talk to that Google and no fake is started.
#[derive(Debug, Parser)]
#[command(name = "local", version, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    /// Port of the front door, or where to find the running cloud
    #[arg(long, default_value_t = 3000, global = true)]
    port: u16,
    /// Port of the WebSocket API
    #[arg(long, default_value_t = 3001, global = true)]
    socket_port: u16,
    /// Make the time limits of sockets shorter: API Gateway's two hours, and ten minutes without a message, divided by this
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), global = true)]
    socket_limits_divided_by: u32,
    /// Directory that keeps table, keys and Google's accounts from one run to the next [default: memory only]
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
    /// Build and run the functions optimised, as they deploy
    #[arg(long, global = true)]
    release: bool,
    /// Sets a parameter of the template, e.g. StreamMode=hold; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter, global = true)]
    parameter: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Invoke one function once with an event from a file, and print its answer
    Invoke {
        /// Name of the function, e.g. event
        function: String,
        /// JSON file, e.g. events/event.create.json
        file: PathBuf,
    },
    /// Fire a schedule of the running cloud now, and wait for the end of its run
    Tick {
        /// Name of the function, e.g. sweep, or of the event in the template
        name: String,
    },
    /// Move the clock of the running cloud forward, and with it its functions and the fake Google
    Clock {
        /// By how much, e.g. +2h, +31s or "+6d 1h"
        #[arg(value_parser = ahead)]
        by: Duration,
    },
    /// Empty the running cloud: table, queues, mails and the fake Google
    Reset,
    /// Print fresh values for the key parameters of a deployment
    Keys,
}

/// Does what the command line says.
///
/// # Errors
/// In words for the person who typed it.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    // Fails only if the process has a provider already, which will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let common = arguments.common;
    match arguments.command {
        None => serve(common).await,
        Some(Command::Invoke { function, file }) => invoke(common, &function, &file).await,
        Some(Command::Tick { name }) => control(common.port, &format!("tick/{name}")).await,
        Some(Command::Clock { by }) => control(common.port, &format!("clock/{}", by.as_millis())).await,
        Some(Command::Reset) => control(common.port, "reset").await,
        Some(Command::Keys) => {
            for (name, value) in Keys::generate()?.parameters() {
                print(format_args!("{name}={value}"))?;
            }
            Ok(())
        }
    }
}

async fn serve(common: Common) -> anyhow::Result<()> {
    // Before the build: nobody wants to wait for one and then learn that the port is taken.
    drop(server::bind_front(common.port, server::FRONT).await?);
    drop(server::bind_front(common.socket_port, server::SOCKET).await?);
    let names = function_names()?;
    let directory = built(&names, common.release)?;
    let cloud = Cloud::start(common.options(directory, Output::Stdout)).await?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    for (name, address) in addresses(&cloud) {
        print(format_args!("{name:<20} {address}"))?;
    }
    print(format_args!("Meridian is ready on {}", cloud.url()))?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    drop(cloud);
    Ok(())
}

async fn invoke(mut common: Common, function: &str, file: &Path) -> anyhow::Result<()> {
    let names = function_names()?;
    if !names.iter().any(|name| name == function) {
        bail!("the template has no function `{function}`; it has {}", names.join(", "));
    }
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let event: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
    let directory = built(&[function.to_owned()], common.release)?;
    (common.port, common.socket_port) = (0, 0);
    let cloud = Cloud::start(common.options(directory, Output::Stderr)).await?;
    let answer = cloud.invoke(function, &event).await?;
    match serde_json::from_slice::<Value>(&answer) {
        Ok(answer) => print(format_args!("{answer:#}")),
        Err(_) => print(String::from_utf8_lossy(&answer)),
    }
}

/// Asks the running cloud to do something.
async fn control(port: u16, path: &str) -> anyhow::Result<()> {
    let answer = reqwest::Client::new().post(format!("http://localhost:{port}/_local/{path}")).send().await;
    let answer = answer.with_context(|| {
        format!(
            "no local cloud answers on port {port}; start one with `cargo run --bin local`, or say --port"
        )
    })?;
    if answer.status().is_success() {
        return Ok(());
    }
    let body: Value = answer.json().await.unwrap_or_default();
    bail!("{}", body["message"].as_str().unwrap_or("what answers there is not the local cloud"))
}

impl Common {
    fn options(self, functions: PathBuf, output: Output) -> Options {
        let mut options = Options::new(functions);
        options.port = self.port;
        options.socket_port = self.socket_port;
        options.socket_limits_divided_by = self.socket_limits_divided_by;
        options.google = Google::from_environment();
        options.data = self.data;
        options.parameters = BTreeMap::from_iter(self.parameter);
        options.runs_by_time = true;
        options.output = output;
        if let Some(origin) = outside("WEB_URL") {
            options.web_url = origin;
        }
        options
    }
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn ahead(text: &str) -> Result<Duration, String> {
    let by = text.strip_prefix('+').ok_or("must begin with +: the time runs forward only")?;
    humantime::parse_duration(by).map_err(|error| error.to_string())
}

fn function_names() -> anyhow::Result<Vec<String>> {
    Ok(crate::table::repository()?.functions()?.into_iter().map(|(_, name)| name).collect())
}

fn addresses(cloud: &Cloud) -> Vec<(&str, String)> {
    let mut addresses: Vec<_> =
        cloud.function_urls().iter().map(|(name, address)| (name.as_str(), address.clone())).collect();
    addresses.sort();
    addresses.extend(cloud.socket_url().map(|url| ("sockets", url)));
    addresses.push(("DynamoDB", cloud.dynamo_endpoint().to_owned()));
    addresses.push(("SQS", cloud.queue_endpoint().to_owned()));
    addresses.push(("watch it", format!("{}/_local", cloud.url())));
    addresses.push(("mails", format!("{}/_local/mails", cloud.url())));
    addresses.push(match cloud.google() {
        Some(google) => ("Google (fake)", google.url().to_owned()),
        None => ("Google", "as given by GOOGLE_… in the environment".to_owned()),
    });
    addresses
}

fn print(line: impl std::fmt::Display) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("standard output is closed")
}

fn built(names: &[String], is_release: bool) -> anyhow::Result<PathBuf> {
    let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {elapsed} {wide_msg}")?;
    if !std::io::stderr().is_terminal() {
        // The bar shows on terminals only.
        eprintln!("building {} functions", names.len());
    }
    let bar = ProgressBar::new(builder::expected_units()).with_style(style).with_prefix("building");
    let directory = builder::run(Target::Binaries(names), is_release, &mut Bar(&bar));
    bar.finish_and_clear();
    directory
}

/// A bar on the terminal; compiler errors above it.
struct Bar<'a>(&'a ProgressBar);

impl Progress for Bar<'_> {
    fn unit(&mut self, name: &str) {
        self.0.inc(1);
        self.0.set_message(name.to_owned());
    }

    fn message(&mut self, text: &str) {
        self.0.suspend(|| eprint!("{text}"));
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_parameter_is_a_name_and_a_value() {
        assert_eq!(parameter("A=b=c"), Ok(("A".to_owned(), "b=c".to_owned())));
        assert!(parameter("A").is_err());
    }

    #[test]
    fn the_clock_is_moved_forward_by_a_duration() {
        assert_eq!(ahead("+2h"), Ok(Duration::from_secs(7_200)));
        assert_eq!(ahead("+6d 1h 31s"), Ok(Duration::from_secs(522_031)));
        for bad in ["2h", "-2h", "+", "+2", "+2 parsecs"] {
            assert!(ahead(bad).is_err(), "{bad}");
        }
    }
}
