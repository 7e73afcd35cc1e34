//! What requests cost in calendars of very different size, and a week with very many series.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{Change, Context, Draft, EventId, Origin, Priority, Records, Scope, Span, UserId};
use local::Cloud;
use reqwest::Method;
use seam::{Kind, Seam};
use serde_json::{Value, json};
use store::{Error, Plan, Store};

use crate::cost::{self, Cost, Request, User};
use crate::plot;

/// How many other events are in the calendar.
const SIZES: [usize; 5] = [0, 100, 1_000, 10_000, 100_000];
/// Events in the week that is listed.
const IN_WEEK: usize = 20;
/// Series that reach into it.
const SERIES: usize = 5;
/// Series of the week that is full of them.
const MANY_SERIES: usize = 200;
const WEEK: &str = "/api/event?start=2026-11-15T00:00:00Z&end=2026-11-21T23:59:59Z";
/// What people have in their calendars.
const RULES: [&str; 4] =
    ["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "FREQ=WEEKLY;INTERVAL=2", "FREQ=MONTHLY;BYDAY=2TU"];
/// How long the cloud may take to come to rest after a calendar was filled.
const PATIENCE: Duration = Duration::from_secs(600);

/// What was measured with so many other events in the calendar.
pub struct Row {
    /// How many.
    pub others: usize,
    /// The list of a week.
    pub list: Cost,
    /// The creation of an event.
    pub create: Cost,
    /// The edit of an event.
    pub edit: Cost,
}

/// Measures calendars of up to `most` events, prints tables, and draws the first one.
///
/// # Errors
/// If a request or a write fails.
pub async fn report(cloud: &Cloud, most: usize, requests: usize, plot: Option<&Path>) -> anyhow::Result<()> {
    let user = cost::sign_up(cloud, "size@example.com").await?;
    cost::send(cloud, &user.client, &week(IN_WEEK, SERIES)).await?;
    let (owner, store) = (id_of(&user)?, store(cloud));
    println!(
        "\n| other events | list of a week: read units | ms | CPU ms | create: write units | ms | CPU ms | edit: write units | ms | CPU ms |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let (mut rows, mut there) = (Vec::new(), 0);
    for others in SIZES.into_iter().filter(|size| *size <= most) {
        fill(&store, owner, there..others).await?;
        there = others;
        cloud.quiesce(PATIENCE).await?;
        let row = measure(cloud, &user, others, requests).await?;
        let cells = [
            (&row.list, row.list.read_units),
            (&row.create, row.create.write_units),
            (&row.edit, row.edit.write_units),
        ];
        let cells =
            cells.map(|(cost, units)| format!("{units} | {:.1} | {:.2}", cost.latency_ms, cost.cpu_ms));
        println!("| {others} | {} |", cells.join(" | "));
        rows.push(row);
    }
    if let Some(file) = plot {
        plot::draw(file, &rows)?;
    }
    full_week(cloud, requests).await
}

/// A week that 200 series reach into.
async fn full_week(cloud: &Cloud, requests: usize) -> anyhow::Result<()> {
    println!("\n| list of a week with | events listed | read units | ms | CPU ms |");
    println!("|---|---|---|---|---|");
    for (name, email, singles, series) in
        [("nothing", "none@example.com", 0, 0), ("200 series", "series@example.com", 0, MANY_SERIES)]
    {
        let user = cost::sign_up(cloud, email).await?;
        cost::send(cloud, &user.client, &week(singles, series)).await?;
        let listed: Vec<Value> = cost::send(cloud, &user.client, &list()).await?.json().await?;
        let cost = cost::cost_of(cloud, &user.client, "event", (0..requests).map(|_| list())).await?;
        let Cost { read_units, latency_ms, cpu_ms, .. } = cost;
        println!("| {name} | {} | {read_units} | {latency_ms:.1} | {cpu_ms:.2} |", listed.len());
    }
    Ok(())
}

async fn measure(cloud: &Cloud, user: &User, others: usize, requests: usize) -> anyhow::Result<Row> {
    let client = &user.client;
    // In a week of their own, so that the one that is listed stays as it is.
    let saved = |method: Method, n: usize, title: &str| -> Request {
        let path =
            if method == Method::PUT { format!("/api/event/{}", id(1, n)) } else { "/api/event".into() };
        (method, path, event(&id(1, n), title, "2031-05-05T09:00:00Z", "2031-05-05T10:00:00Z"))
    };
    cost::send(cloud, client, &list()).await?;
    let list = cost::cost_of(cloud, client, "event", (0..requests).map(|_| list())).await?;
    // Another id each time: what is sent twice is an edit.
    let first = others + SIZES.len();
    let numbers = move || (first..).take(requests);
    let create =
        cost::cost_of(cloud, client, "event", numbers().map(|n| saved(Method::POST, n, "Created"))).await?;
    let edit =
        cost::cost_of(cloud, client, "event", numbers().map(|n| saved(Method::PUT, n, "Edited"))).await?;
    Ok(Row { others, list, create, edit })
}

fn list() -> Request {
    (Method::GET, WEEK.into(), Value::Null)
}

/// An upload of single events in the week, and of series that began before it.
fn week(singles: usize, series: usize) -> Request {
    let single = |n: usize| {
        let at = |minute| format!("2026-11-{}T{:02}:{minute}:00Z", 15 + n % 7, 8 + n % 10);
        event(&id(2, n), "In the week", &at("00"), &at("45"))
    };
    let series = (0..series).map(|n| {
        let mut event = event(&id(3, n), "Series", "2024-01-02T09:00:00+01:00", "2024-01-02T10:00:00+01:00");
        event["timeZone"] = json!("Europe/Berlin");
        event["recurrence"] = json!({"rule": [format!("RRULE:{}", RULES[n % RULES.len()])]});
        event
    });
    (Method::POST, "/api/event".into(), (0..singles).map(single).chain(series).collect())
}

fn id(kind: u8, n: usize) -> String {
    format!("{kind:02x}{n:022x}")
}

fn event(id: &str, title: &str, start: &str, end: &str) -> Value {
    json!({"_id": id, "title": title, "description": "", "priority": "work", "origin": "compass", "startDate": start, "endDate": end})
}

/// The user whose access token it is.
fn id_of(user: &User) -> anyhow::Result<UserId> {
    let payload = user.token.split('.').nth(1).context("an access token has a payload")?;
    let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?;
    Ok(payload["sub"].as_str().context("an access token says whose it is")?.parse()?)
}

fn store(cloud: &Cloud) -> Store {
    Store::new(cloud.dynamo(), cloud.table_name(), Seam::new(Kind::Store, Duration::from_secs(60)))
}

/// Writes the events with these numbers, as many at once as can be.
async fn fill(store: &Store, user: UserId, numbers: std::ops::Range<usize>) -> anyhow::Result<()> {
    let now: DateTime<Utc> = "2026-11-20T12:00:00Z".parse()?;
    let numbers: Vec<usize> = numbers.collect();
    for part in numbers.chunks(Plan::LIMIT) {
        let changes = part.iter().map(|n| other(*n, now)).collect::<anyhow::Result<Vec<_>>>()?.concat();
        store.mutate(user, &[], now, |_| Ok::<_, Error>(Plan::of(changes.clone()))).await?;
    }
    Ok(())
}

/// One of the other events: three a day, before the week that is listed and after it in turn.
fn other(n: usize, now: DateTime<Utc>) -> anyhow::Result<Vec<Change>> {
    let away = TimeDelta::hours(24 * 30 + 8 * i64::try_from(n / 2)?);
    let start = if n.is_multiple_of(2) { now - away } else { now + away };
    let time = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%M:%SZ").to_string().parse();
    let span = Span::new(time(start)?, time(start + TimeDelta::hours(1))?)?;
    let (title, origin) = (Some(format!("Another event, number {n}")), Origin::Compass);
    let id: EventId = id(4, n).parse()?;
    let draft = Draft::new(id, title, None, span, false, false, Priority::Work, origin, None)?;
    let context = Context { is_connected: false, zone: None, now };
    Ok(domain::save(&Records::default(), &draft, Scope::This, &context)?.into_changes().collect())
}
