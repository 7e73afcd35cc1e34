//! What it costs to send very many events in one request.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use local::Cloud;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{cost, median, process};

/// How many events a request has. API Gateway takes requests of 10 MB and waits thirty seconds for the answer.
const SIZES: [usize; 4] = [100, 500, 1_000, 5_000];
const TIMES: usize = 3;
/// How long the cloud may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(600);

/// Prints a table: how long the answer takes, and what it costs.
///
/// # Errors
/// If a request fails, or not all of its events are there afterwards.
pub async fn report(cloud: &Cloud) -> anyhow::Result<()> {
    println!("\n| events in one request | ms until the answer | CPU ms | store round trips | write units |");
    println!("|---|---|---|---|---|");
    for size in SIZES {
        let user = cost::sign_up(cloud, &format!("upload{size}@example.com")).await?;
        let (mut times, mut cpu_ms, mut trips, mut units) = (vec![], vec![], 0, 0.0);
        for time in 0..TIMES {
            let body: Value = (0..size).map(|n| event(time * size + n)).collect();
            cloud.clear_journal();
            let pid = cloud.processes("event")?.first().context("the function has no process")?.pid;
            let (begun, before) = (Instant::now(), process::cpu(pid)?);
            cost::send(cloud, &user.client, &(Method::POST, "/api/event".into(), body)).await?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
            cpu_ms.push((process::cpu(pid)? - before).as_secs_f64() * 1e3);
            cloud.quiesce(PATIENCE).await?;
            let journal = cloud.journal();
            let entry = journal.iter().find(|entry| entry.function == "event").context("it was invoked")?;
            trips = entry.round_trips().unwrap_or_default();
            units = entry.write_units().unwrap_or_default();
        }
        let all = (Method::GET, "/api/event".into(), Value::Null);
        let listed: Vec<Value> = cost::send(cloud, &user.client, &all).await?.json().await?;
        ensure!(listed.len() == TIMES * size, "{} events of {} are listed", listed.len(), TIMES * size);
        println!("| {size} | {:.0} | {:.0} | {trips} | {units} |", median(times), median(cpu_ms));
    }
    Ok(())
}

fn event(n: usize) -> Value {
    let at =
        |minute: u8| format!("2026-{:02}-{:02}T{:02}:{minute:02}:00Z", n % 12 + 1, n / 12 % 28 + 1, n % 23);
    json!({"_id": format!("dd{n:022x}"), "title": format!("Uploaded {n}"), "description": "As many as there are.",
        "priority": "work", "origin": "compass", "startDate": at(0), "endDate": at(30)})
}
