//! `bench`: measures what the documents claim, with the real release binaries in the local cloud, and prints it as Markdown.
//!
//! CPU time, not wall time: it is what Lambda bills and what a shared machine disturbs least. A time is the median of many runs.

mod calendar;
mod cost;
mod import;
mod plot;
mod process;
mod rules;
mod start;
mod uploads;

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
    /// Measures this function's start and memory, or this part (requests, rules, calendar, uploads, import), and nothing else. May be given more than once.
    #[arg(long, value_name = "FUNCTION|PART")]
    only: Vec<String>,
    /// The most events of the parts `calendar` and `import`.
    #[arg(long, default_value_t = 100_000)]
    events: usize,
    /// Where the part `calendar` draws what it has measured.
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

/// What can be measured beside the start of functions.
const PARTS: [&str; 5] = ["requests", "rules", "calendar", "uploads", "import"];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let (parts, only): (Vec<String>, Vec<String>) =
        arguments.only.iter().cloned().partition(|name| PARTS.contains(&name.as_str()));
    let is_partial = !arguments.only.is_empty();
    let wants = |part: &str| !is_partial || parts.iter().any(|wanted| wanted == part);
    // A second provider in the dependency tree leaves the choice to us; that one is already chosen is fine.
    drop(rustls::crypto::ring::default_provider().install_default());
    eprintln!("building the functions for release; this takes minutes the first time");
    let asked =
        ASKED.iter().filter(|_| wants("requests")).chain(IMPORTING.iter().filter(|_| wants("import")));
    let asked = asked.map(|name| (*name).to_owned());
    let to_build = is_partial.then(|| only.iter().cloned().chain(asked).collect());
    let functions = tokio::task::spawn_blocking(move || build(to_build)).await??;
    print_machine(&functions)?;

    let mut options = Options::new(functions.clone());
    // A stream that is held would make each invocation of `stream` last for seconds.
    options.parameters.insert("StreamMode".to_owned(), "poll".to_owned());
    let cloud = Cloud::start(options).await?;
    let user = cost::with_calendar(&cloud).await?;
    let measured = measured(&cloud, only, is_partial)?;
    if !measured.is_empty() {
        let (starts, invocations) = (arguments.starts, arguments.invocations);
        start::report(&cloud, &functions, &measured, &user.token, starts, invocations).await?;
    }
    if wants("requests") {
        cost::report(&cloud, &user, arguments.requests).await?;
    }
    if wants("rules") {
        rules::report(&cloud).await?;
    }
    if wants("uploads") {
        uploads::report(&cloud).await?;
    }
    if wants("import") {
        import::report(&cloud, arguments.events).await?;
    }
    if wants("calendar") {
        calendar::report(&cloud, arguments.events, arguments.requests, arguments.plot.as_deref()).await?;
    }
    Ok(())
}

/// What a measurement takes beside the function that is measured: somebody who has signed up and has events, and what hears of them.
const SURROUNDINGS: [&str; 3] = ["auth", "event", "fanout"];
/// What else is asked for requests.
const ASKED: [&str; 2] = ["user", "config"];
/// What else an import takes.
const IMPORTING: [&str; 3] = ["sync-worker", "google-notification", "realtime"];

/// Builds all functions, or those that it takes to measure some.
fn build(only: Option<Vec<String>>) -> anyhow::Result<PathBuf> {
    let Some(only) = only else { return builder::functions(true) };
    let names: Vec<String> = SURROUNDINGS.iter().map(|name| (*name).to_owned()).chain(only).collect();
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
fn measured(cloud: &Cloud, only: Vec<String>, is_partial: bool) -> anyhow::Result<Vec<String>> {
    let all: Vec<String> = cloud.functions().map(str::to_owned).collect();
    if let Some(unknown) = only.iter().find(|name| !all.contains(name)) {
        bail!("the template has no function `{unknown}`; it has {}", all.join(", "));
    }
    Ok(if is_partial { only } else { all })
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
