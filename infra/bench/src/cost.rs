//! What a request costs: store round trips, capacity units, CPU time.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use local::Cloud;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::{median, process};

/// Events in the calendar while it is measured.
const EVENTS: usize = 100;

/// A kind of request.
struct Kind {
    name: &'static str,
    function: &'static str,
    method: Method,
    /// The path and the body of the n-th request.
    request: fn(usize) -> (String, Value),
    /// How many are made, as a share of what was asked for.
    share: usize,
}

const KINDS: [Kind; 7] = [
    Kind {
        name: "sign-in",
        function: "auth",
        method: Method::POST,
        request: |_| {
            (
                "/api/signin".into(),
                json!({"formFields": [field("email", EMAIL), field("password", PASSWORD)]}),
            )
        },
        share: 10,
    },
    Kind {
        name: "metadata",
        function: "user",
        method: Method::GET,
        request: |_| ("/api/user/metadata".into(), Value::Null),
        share: 1,
    },
    Kind {
        name: "list of a week",
        function: "event",
        method: Method::GET,
        request: |_| (WEEK.into(), Value::Null),
        share: 1,
    },
    Kind {
        name: "create",
        function: "event",
        method: Method::POST,
        request: |n| ("/api/event".into(), event(EVENTS + n, "Created")),
        share: 1,
    },
    Kind {
        name: "edit",
        function: "event",
        method: Method::PUT,
        request: |n| (format!("/api/event/{}", id(EVENTS + n)), event(EVENTS + n, "Edited")),
        share: 1,
    },
    Kind {
        name: "delete",
        function: "event",
        method: Method::DELETE,
        request: |n| (format!("/api/event/{}", id(EVENTS + n)), Value::Null),
        share: 1,
    },
    Kind {
        name: "preflight",
        function: "config",
        method: Method::OPTIONS,
        request: |_| ("/api/event".into(), Value::Null),
        share: 1,
    },
];

const EMAIL: &str = "ada@example.com";
/// How long the cloud may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(300);
/// As in the sample of a sign-in.
const PASSWORD: &str = "correct horse 1";
const WEEK: &str = "/api/event?start=2026-11-15T00:00:00Z&end=2026-11-21T23:59:59Z";

/// Somebody who has signed up.
pub struct User {
    /// What holds the session.
    pub client: Client,
    /// The access token.
    pub token: String,
}

/// What a kind of request costs: medians, but for the CPU time, which is a mean.
pub struct Cost {
    /// Rounds of calls to the store, one after the other.
    pub trips: f64,
    /// Read units.
    pub read_units: f64,
    /// Write units.
    pub write_units: f64,
    /// CPU time of the function, in milliseconds.
    pub cpu_ms: f64,
    /// From request to answer, in milliseconds.
    pub latency_ms: f64,
}

/// Method, path and body.
pub type Request = (Method, String, Value);

/// Signs somebody up and fills a calendar.
///
/// # Errors
/// If a request fails.
pub async fn with_calendar(cloud: &Cloud) -> anyhow::Result<User> {
    let user = sign_up(cloud, EMAIL).await?;
    let calendar: Vec<Value> = (0..EVENTS).map(|n| event(n, "There")).collect();
    send(cloud, &user.client, &(Method::POST, "/api/event".into(), json!(calendar))).await?;
    Ok(user)
}

/// Signs somebody up.
///
/// # Errors
/// If the request fails.
pub async fn sign_up(cloud: &Cloud, email: &str) -> anyhow::Result<User> {
    let client = Client::builder().cookie_store(true).build()?;
    let form =
        json!({"formFields": [field("name", "Ada"), field("email", email), field("password", PASSWORD)]});
    let response = send(cloud, &client, &(Method::POST, "/api/signup".into(), form)).await?;
    let cookies = response.headers().get_all("set-cookie").iter().filter_map(|cookie| cookie.to_str().ok());
    let token = cookies
        .filter_map(|cookie| cookie.strip_prefix("sAccessToken=")?.split(';').next())
        .next()
        .context("sign-up set no access token")?
        .to_owned();
    Ok(User { client, token })
}

/// Measures every kind of request and prints a table.
///
/// # Errors
/// If a request fails.
pub async fn report(cloud: &Cloud, user: &User, requests: usize) -> anyhow::Result<()> {
    println!(
        "\n| request ({EVENTS} events in the calendar) | store round trips | read units | write units | CPU, ms |"
    );
    println!("|---|---|---|---|---|");
    for kind in &KINDS {
        measure(cloud, &user.client, kind, requests.div_ceil(kind.share)).await?;
    }
    Ok(())
}

async fn measure(cloud: &Cloud, client: &Client, kind: &Kind, requests: usize) -> anyhow::Result<()> {
    let request = |n| {
        let (path, body) = (kind.request)(n);
        (kind.method.clone(), path, body)
    };
    // One to start the function.
    send(cloud, client, &request(0)).await?;
    let cost = cost_of(cloud, client, kind.function, (0..requests).map(request)).await?;
    let Cost { trips, read_units, write_units, cpu_ms, .. } = cost;
    println!("| {} | {trips} | {read_units} | {write_units} | {cpu_ms:.2} |", kind.name);
    Ok(())
}

/// What these requests to a function cost, which has started.
///
/// # Errors
/// If a request fails.
pub async fn cost_of(
    cloud: &Cloud,
    client: &Client,
    function: &str,
    requests: impl Iterator<Item = Request>,
) -> anyhow::Result<Cost> {
    let pid = cloud.processes(function)?.first().context("the function has no process")?.pid;
    cloud.clear_journal();
    let before = process::cpu(pid)?;
    let mut latencies = Vec::new();
    for request in requests {
        let started = Instant::now();
        send(cloud, client, &request).await?.bytes().await?;
        latencies.push(started.elapsed().as_secs_f64() * 1e3);
    }
    let cpu_ms = (process::cpu(pid)? - before).as_secs_f64() * 1e3 / latencies.len() as f64;
    cloud.quiesce(PATIENCE).await?;
    let journal = cloud.journal();
    let of = |value: fn(&local::Entry) -> f64| {
        median(journal.iter().filter(|entry| entry.function == function).map(value).collect())
    };
    Ok(Cost {
        trips: of(|entry| entry.round_trips().unwrap_or_default() as f64),
        read_units: of(|entry| entry.read_units().unwrap_or_default()),
        write_units: of(|entry| entry.write_units().unwrap_or_default()),
        cpu_ms,
        latency_ms: median(latencies),
    })
}

/// Sends a request that must succeed.
///
/// # Errors
/// If it does not.
pub async fn send(cloud: &Cloud, client: &Client, request: &Request) -> anyhow::Result<Response> {
    let (method, path, body) = request;
    let mut request = client.request(method.clone(), format!("{}{path}", cloud.url()));
    if !body.is_null() {
        request = request.json(body);
    }
    let response = request.send().await?;
    let status = response.status();
    if !status.is_success() {
        bail!("{method} {path} answered {status}: {}", response.text().await?);
    }
    Ok(response)
}

fn field(id: &str, value: &str) -> Value {
    json!({"id": id, "value": value})
}

fn id(n: usize) -> String {
    format!("{n:024x}")
}

fn event(n: usize, title: &str) -> Value {
    let (day, hour) = (15 + n % 7, n % 23);
    json!({"_id": id(n), "title": title, "description": "", "priority": "work", "origin": "compass",
        "startDate": format!("2026-11-{day}T{hour:02}:00:00Z"), "endDate": format!("2026-11-{day}T{hour:02}:30:00Z")})
}
