//! What it costs to send very many events in one request.

use anyhow::ensure;
use local::Cloud;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cost::{self, Cost};

/// How many events a request has. API Gateway takes requests of 10 MB and waits thirty seconds for the answer.
const SIZES: [usize; 4] = [100, 500, 1_000, 5_000];
const TIMES: usize = 3;

/// Prints a table: how long the answer takes, and what it costs.
///
/// # Errors
/// If a request fails, or not all of its events are there afterwards.
pub async fn report(cloud: &Cloud) -> anyhow::Result<()> {
    println!("\n| events in one request | ms until the answer | CPU ms | store round trips | write units |");
    println!("|---|---|---|---|---|");
    for size in SIZES {
        let user = cost::sign_up(cloud, &format!("upload{size}@example.com")).await?;
        let upload = |time| {
            let body: Value = (0..size).map(|n| event(time * size + n)).collect();
            (Method::POST, "/api/event".into(), body)
        };
        let Cost { trips, write_units, cpu_ms, latency_ms, .. } =
            cost::cost_of(cloud, &user.client, "event", (0..TIMES).map(upload)).await?;
        let all = (Method::GET, "/api/event".into(), Value::Null);
        let listed: Vec<Value> = cost::send(cloud, &user.client, &all).await?.json().await?;
        ensure!(listed.len() == TIMES * size, "{} events of {} are listed", listed.len(), TIMES * size);
        println!("| {size} | {latency_ms:.0} | {cpu_ms:.0} | {trips} | {write_units} |");
    }
    Ok(())
}

fn event(n: usize) -> Value {
    let at =
        |minute: u8| format!("2026-{:02}-{:02}T{:02}:{minute:02}:00Z", n % 12 + 1, n / 12 % 28 + 1, n % 23);
    json!({"_id": format!("dd{n:022x}"), "title": format!("Uploaded {n}"), "description": "As many as there are.",
        "priority": "work", "origin": "compass", "startDate": at(0), "endDate": at(30)})
}
