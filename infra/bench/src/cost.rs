//! What a request costs: store round trips, capacity units, CPU time.

use std::time::Duration;

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
/// As in the sample of a sign-in.
const PASSWORD: &str = "correct horse 1";
const WEEK: &str = "/api/event?start=2026-11-15T00:00:00Z&end=2026-11-21T23:59:59Z";

/// Somebody with a calendar.
pub struct User {
    client: Client,
    /// The access token.
    pub token: String,
}

/// Signs somebody up and fills a calendar.
///
/// # Errors
/// If a request fails.
pub async fn sign_up(cloud: &Cloud) -> anyhow::Result<User> {
    let client = Client::builder().cookie_store(true).build()?;
    let form =
        json!({"formFields": [field("name", "Ada"), field("email", EMAIL), field("password", PASSWORD)]});
    let response = send(cloud, &client, &Method::POST, "/api/signup", &form).await?;
    let cookies = response.headers().get_all("set-cookie").iter().filter_map(|cookie| cookie.to_str().ok());
    let token = cookies
        .filter_map(|cookie| cookie.strip_prefix("sAccessToken=")?.split(';').next())
        .next()
        .context("sign-up set no access token")?
        .to_owned();
    let calendar: Vec<Value> = (0..EVENTS).map(|n| event(n, "There")).collect();
    send(cloud, &client, &Method::POST, "/api/event", &json!(calendar)).await?;
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
    // One to start the function.
    let (path, body) = (kind.request)(0);
    send(cloud, client, &kind.method, &path, &body).await?;
    let pid = cloud.processes(kind.function)?.first().context("the function has no process")?.pid;
    cloud.clear_journal();
    let before = process::cpu(pid)?;
    for n in 0..requests {
        let (path, body) = (kind.request)(n);
        send(cloud, client, &kind.method, &path, &body).await?;
    }
    let cpu = (process::cpu(pid)? - before).as_secs_f64() * 1e3 / requests as f64;
    cloud.quiesce(Duration::from_secs(30)).await?;
    let journal = cloud.journal();
    let of = |value: fn(&local::Entry) -> f64| {
        median(journal.iter().filter(|entry| entry.function == kind.function).map(value).collect())
    };
    let trips = of(|entry| entry.round_trips().unwrap_or_default() as f64);
    let (read, write) = (
        of(|entry| entry.read_units().unwrap_or_default()),
        of(|entry| entry.write_units().unwrap_or_default()),
    );
    println!("| {} | {trips} | {read} | {write} | {cpu:.2} |", kind.name);
    Ok(())
}

async fn send(
    cloud: &Cloud,
    client: &Client,
    method: &Method,
    path: &str,
    body: &Value,
) -> anyhow::Result<Response> {
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
