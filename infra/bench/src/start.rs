//! What it costs to start a function, and what memory it needs after many invocations.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::routing::any;
use local::Cloud;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc;

use crate::{median, process};

/// How long a function may take to ask for its first event.
const PATIENCE: Duration = Duration::from_secs(20);

/// Measures functions and prints a table.
///
/// # Errors
/// If a function cannot be started or invoked.
pub async fn report(
    cloud: &Cloud,
    binaries: &Path,
    functions: &[String],
    token: &str,
    starts: usize,
    invocations: usize,
) -> anyhow::Result<()> {
    println!(
        "\n| function | binary, MB | CPU to first `next`, ms | peak memory after {invocations} invocations, MB |"
    );
    println!("|---|---|---|---|");
    for function in functions {
        let binary = binaries.join(function);
        let size = std::fs::metadata(&binary)?.len() as f64 / 1e6;
        invoke(cloud, function, token, invocations).await?;
        // A streamed answer may end a moment after its client has it all; then the next invocation meets a second process.
        let pids: Vec<u32> = cloud.processes(function)?.iter().map(|process| process.pid).collect();
        let pid = *pids.first().with_context(|| format!("{function} has no process"))?;
        let peaks = pids.into_iter().map(process::peak_megabytes).collect::<anyhow::Result<Vec<f64>>>()?;
        let peak = peaks.into_iter().fold(0.0, f64::max);
        let environment = process::environment(pid)?;
        let mut starts_ms = Vec::new();
        for _ in 0..starts {
            starts_ms.push(cpu_to_first_next(&binary, environment.clone()).await?.as_secs_f64() * 1e3);
        }
        println!("| `{function}` | {size:.1} | {:.1} | {peak:.1} |", median(starts_ms));
    }
    Ok(())
}

/// Invokes a function again and again on a sample event, one after the other.
async fn invoke(cloud: &Cloud, function: &str, token: &str, invocations: usize) -> anyhow::Result<()> {
    let event = sample(function, token)?;
    for _ in 0..invocations {
        cloud.invoke(function, &event).await?;
    }
    Ok(())
}

/// The sample event that is typical of a function; of one with few samples, the first. The session in it is replaced by a valid one.
fn sample(function: &str, token: &str) -> anyhow::Result<Value> {
    let typical = match function {
        "auth" => "auth.sign-in.json",
        "event" => "event.list.json",
        _ => "",
    };
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
    let prefix = if typical.is_empty() { format!("{function}.") } else { typical.to_owned() };
    let mut names: Vec<String> = std::fs::read_dir(&directory)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(&prefix))
        .collect();
    names.sort();
    let name = names.first().with_context(|| format!("events/ has no sample for {function}"))?;
    let mut event: Value = serde_json::from_slice(&std::fs::read(directory.join(name))?)?;
    if event["cookies"].is_array() {
        event["cookies"] = json!([format!("sAccessToken={token}")]);
    }
    Ok(event)
}

/// Starts a function under a Runtime API that never answers, and reads its CPU time when it asks for its first event.
async fn cpu_to_first_next(binary: &Path, environment: BTreeMap<String, String>) -> anyhow::Result<Duration> {
    let (asked, mut asks) = mpsc::channel::<()>(1);
    let wait = move || {
        let asked = asked.clone();
        async move {
            // A second ask finds the channel full, and is of no interest.
            let _ = asked.try_send(());
            std::future::pending::<()>().await;
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let server = tokio::spawn(axum::serve(listener, Router::new().fallback(any(wait))).into_future());
    let mut child = Command::new(binary)
        .env_clear()
        .envs(environment)
        .env("AWS_LAMBDA_RUNTIME_API", address)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let pid = child.id().context("the function ended at once")?;
    tokio::time::timeout(PATIENCE, asks.recv()).await.context("the function never asked for an event")?;
    let cpu = process::cpu(pid)?;
    child.kill().await?;
    server.abort();
    Ok(cpu)
}
