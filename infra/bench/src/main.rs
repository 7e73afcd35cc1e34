//! `bench`: measures what the documents claim, with the real release binaries in the local cloud, and prints it as Markdown.
//!
//! CPU time, not wall time: it is what Lambda bills and what a shared machine disturbs least. A time is the median of many runs.

mod cost;
mod process;
mod start;

use std::path::Path;

use anyhow::Context;
use clap::Parser;
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
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    // A second provider in the dependency tree leaves the choice to us; that one is already chosen is fine.
    drop(rustls::crypto::ring::default_provider().install_default());
    eprintln!("building the functions for release; this takes minutes the first time");
    let functions = tokio::task::spawn_blocking(|| local::builder::functions(true)).await??;
    print_machine(&functions)?;

    let mut options = Options::new(functions.clone());
    // A stream that is held would make each invocation of `stream` last for seconds.
    options.parameters.insert("StreamMode".to_owned(), "poll".to_owned());
    let cloud = Cloud::start(options).await?;
    let user = cost::sign_up(&cloud).await?;
    start::report(&cloud, &functions, &user.token, arguments.starts, arguments.invocations).await?;
    cost::report(&cloud, &user, arguments.requests).await
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
