//! `bench`: measures what the documents claim, with the real release binaries in the local cloud, and prints it as Markdown.
//!
//! CPU time, not wall time: it is what Lambda bills and what a shared machine disturbs least. A time is the median of many runs.

mod cost;
mod process;
mod start;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Parser;
use local::builder::{self, Progress, Target};
use local::{Cloud, Options};

/// Measures the functions of the bundle and prints tables in Markdown.
#[derive(Parser)]
struct Arguments {
    /// Starts of each function; the median counts.
    #[arg(long, default_value_t = 15)]
    starts: usize,
    /// Invocations of each function before its peak memory is read.
    #[arg(long, default_value_t = 2_000)]
    invocations: usize,
    /// Requests of each kind whose cost is taken; sign-ins are a tenth of it.
    #[arg(long, default_value_t = 200)]
    requests: usize,
    /// Measures this function's start and memory, and nothing else. May be given more than once.
    #[arg(long, value_name = "FUNCTION")]
    only: Vec<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let is_partial = !arguments.only.is_empty();
    // A second provider in the dependency tree leaves the choice to us; that one is already chosen is fine.
    drop(rustls::crypto::ring::default_provider().install_default());
    eprintln!("building the functions for release; this takes minutes the first time");
    let only = arguments.only.clone();
    let functions = tokio::task::spawn_blocking(move || build(&only)).await??;
    print_machine(&functions)?;

    let mut options = Options::new(functions.clone());
    // A stream that is held would make each invocation of `stream` last for seconds.
    options.parameters.insert("StreamMode".to_owned(), "poll".to_owned());
    let cloud = Cloud::start(options).await?;
    let user = cost::sign_up(&cloud).await?;
    let (starts, invocations) = (arguments.starts, arguments.invocations);
    let measured = measured(&cloud, arguments.only)?;
    start::report(&cloud, &functions, &measured, &user.token, starts, invocations).await?;
    if !is_partial {
        cost::report(&cloud, &user, arguments.requests).await?;
    }
    Ok(())
}

/// What a measurement takes beside the function that is measured: somebody who has signed up and has events, and what hears of them.
const SURROUNDINGS: [&str; 3] = ["auth", "event", "fanout"];

/// Builds all functions, or those that it takes to measure some.
fn build(only: &[String]) -> anyhow::Result<PathBuf> {
    if only.is_empty() {
        return builder::functions(true);
    }
    let names: Vec<String> =
        SURROUNDINGS.iter().map(|name| (*name).to_owned()).chain(only.to_vec()).collect();
    builder::run(Target::Binaries(&names), true, &mut Messages)
}

/// What the compiler has to say, and nothing else.
struct Messages;

impl Progress for Messages {
    fn unit(&mut self, _name: &str) {}

    fn message(&mut self, text: &str) {
        eprint!("{text}");
    }
}

/// The functions to measure: those that are asked for, else all.
fn measured(cloud: &Cloud, only: Vec<String>) -> anyhow::Result<Vec<String>> {
    let all: Vec<String> = cloud.functions().map(str::to_owned).collect();
    if let Some(unknown) = only.iter().find(|name| !all.contains(name)) {
        bail!("the template has no function `{unknown}`; it has {}", all.join(", "));
    }
    Ok(if only.is_empty() { all } else { only })
}

fn print_machine(functions: &Path) -> anyhow::Result<()> {
    let first_line = |program: &str, arguments: &[&str]| -> anyhow::Result<String> {
        let output = std::process::Command::new(program).args(arguments).current_dir(functions).output();
        let output = output.with_context(|| format!("cannot run {program}"))?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
    };
    let cpus = std::thread::available_parallelism()?;
    let load = std::fs::read_to_string("/proc/loadavg")?;
    println!("Machine: {cpus} cores, load {}", load.split(' ').take(3).collect::<Vec<_>>().join(" "));
    println!("Compiler: {}", first_line("rustc", &["--version"])?);
    println!("Commit: {}", first_line("git", &["describe", "--always", "--dirty"])?);
    Ok(())
}

/// The middle of some numbers; 0 of none.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}
