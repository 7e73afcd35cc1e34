//! How fast a calendar comes over from Google, and in how many calls: a new connection to a fake Google that takes its time for each page.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use fake_google::{Fault, Server};
use local::Cloud;
use reqwest::Method;
use serde_json::Value;

use crate::cost::{self, User};
use crate::process;

/// Single events and series at Google.
const CALENDARS: [(usize, usize); 8] =
    [(250, 0), (200, 50), (2_500, 0), (2_300, 200), (10_000, 200), (25_000, 0), (24_800, 200), (99_800, 200)];
/// Google's events to a page.
const PAGE: usize = 2_500;
/// How long Google takes for a page.
const PAGE_TIME: Duration = Duration::from_millis(50);
/// How long an import may take.
const PATIENCE: Duration = Duration::from_secs(1_800);
const WORKER: &str = "sync-worker";
const LIST: &str = "calendar.events.list";

/// Prints a table.
///
/// # Errors
/// If an import fails, or costs other calls than one for the list of calendars, one for each page and one for each watch.
pub async fn report(cloud: &Cloud, most: usize) -> anyhow::Result<()> {
    println!(
        "\n| single events | series | calls to Google | seconds | CPU seconds of the worker | events a CPU second | its peak memory, MB |"
    );
    println!("|---|---|---|---|---|---|---|");
    let google = cloud.google().context("there is a fake Google")?;
    google.inject(Fault::delay(LIST, PAGE_TIME).forever());
    for (number, (singles, series)) in
        CALENDARS.into_iter().enumerate().filter(|(_, (singles, _))| *singles <= most)
    {
        let email = format!("import{number}@example.com");
        let user = cost::sign_up(cloud, &email).await?;
        // The calendars of an account are there once it has been spoken of.
        let consent = scenarios::consent(google, &email);
        google.populate(&email, "primary", singles, series)?;
        google.clear_journal();
        // A worker of its own: the peak is that of this import.
        cloud.kill_environments(WORKER).await?;
        let begun = Instant::now();
        cost::send(cloud, &user.client, &(Method::POST, "/api/auth/google/connect".into(), consent)).await?;
        cloud.quiesce(PATIENCE).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let (cpu, peak) = usage(cloud)?;
        let (events, calls) = (singles + series, calls(google));
        let watches = google.channels().iter().filter(|channel| channel.owner == email).count();
        is_exact(calls, &[events], watches)?;
        ensure!(is_there(cloud, &user, events).await?, "{email} does not see all of {events} events");
        let rate = events as f64 / cpu.as_secs_f64();
        println!(
            "| {singles} | {series} | {calls} | {seconds:.1} | {:.2} | {rate:.0} | {peak:.1} |",
            cpu.as_secs_f64()
        );
    }
    google.clear_faults();
    Ok(())
}

/// Whether an import of calendars with so many events each was as many calls as it must be.
fn is_exact(calls: usize, events: &[usize], watches: usize) -> anyhow::Result<()> {
    let pages: usize = events.iter().map(|events| events.div_ceil(PAGE).max(1)).sum();
    let expected = 1 + pages + watches;
    ensure!(calls == expected, "calendars of {events:?} events took {calls} calls and not {expected}");
    Ok(())
}

/// All calls to the calendar's API.
fn calls(google: &Server) -> usize {
    google.calls("calendar.*")
}

/// CPU time of the worker's processes since they started, and the most memory that one of them had, in megabytes.
fn usage(cloud: &Cloud) -> anyhow::Result<(Duration, f64)> {
    let (mut cpu, mut peak) = (Duration::ZERO, 0.0_f64);
    for process in cloud.processes(WORKER)? {
        cpu += process::cpu(process.pid)?;
        peak = peak.max(process::peak_megabytes(process.pid)?);
    }
    Ok((cpu, peak))
}

/// Whether the walk through all changes, as a new client makes it, meets so many events.
async fn is_there(cloud: &Cloud, user: &User, events: usize) -> anyhow::Result<bool> {
    let (mut cursor, mut seen) = (String::new(), 0);
    loop {
        let path = format!("/api/changes?limit=500&cursor={cursor}");
        let page: Value =
            cost::send(cloud, &user.client, &(Method::GET, path, Value::Null)).await?.json().await?;
        let changes = page["changes"].as_array().context("a page has changes")?;
        let is_event =
            |change: &&Value| ["event", "series"].contains(&change["kind"].as_str().unwrap_or_default());
        seen += changes.iter().filter(is_event).count();
        cursor = page["cursor"].as_str().context("a page has a cursor")?.to_owned();
        if page["hasMore"] != true {
            return Ok(seen == events);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_too_many_or_too_few_is_a_failure() {
        for (events, calls) in
            [(vec![250], 4), (vec![0], 4), (vec![2_500], 4), (vec![2_501], 5), (vec![25_000], 13)]
        {
            assert!(is_exact(calls, &events, 2).is_ok(), "{events:?}");
            assert!(
                is_exact(calls + 1, &events, 2).is_err() && is_exact(calls - 1, &events, 2).is_err(),
                "{events:?}"
            );
        }
        assert!(is_exact(1 + 1 + 2 + 4, &[2_500, 2_501], 3).is_err());
        assert!(is_exact(1 + 1 + 2 + 3, &[2_500, 2_501], 3).is_ok());
    }
}
