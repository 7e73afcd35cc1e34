//! What the rules cost that make an implementation search: each question that a request can ask of them.

use local::Cloud;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cost::{self, Request};

/// Rules without a near occurrence, with very many, or with a count or an end that lies far away.
const RULES: [&str; 11] = [
    "FREQ=DAILY",
    "FREQ=YEARLY;INTERVAL=65535",
    "FREQ=DAILY;INTERVAL=65535",
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO;INTERVAL=7",
    "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=1",
    "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=12",
    "FREQ=DAILY;COUNT=4000000000",
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;COUNT=4000000000",
    "FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23;COUNT=4000000000",
    "FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=0,6,12,18;BYSETPOS=1,-1,366,-366;UNTIL=99991231T000000Z",
    "FREQ=DAILY;BYDAY=MO;INTERVAL=7;UNTIL=99991231T000000Z",
];
const ID: &str = "0000000000000000000000aa";
/// How often each request is made.
const TIMES: usize = 5;

/// Prints a table: the CPU time of each request on an event with each rule.
///
/// # Errors
/// If a request fails.
pub async fn report(cloud: &Cloud) -> anyhow::Result<()> {
    let user = cost::sign_up(cloud, "rules@example.com").await?;
    println!("\n| rule | create, CPU ms | list of a week | list of all | end it in 2030 | delete |");
    println!("|---|---|---|---|---|---|");
    for rule in RULES {
        let mut row = Vec::new();
        for request in requests(rule) {
            // Each is made on a series that is there, and is as it was made.
            let mut cpu_ms = 0.0;
            for _ in 0..TIMES {
                cost::send(cloud, &user.client, &create(rule)).await?;
                let once = std::iter::once(request.clone());
                cpu_ms += cost::cost_of(cloud, &user.client, "event", once).await?.cpu_ms / TIMES as f64;
            }
            row.push(format!("{cpu_ms:.2}"));
        }
        println!("| `{}` | {} |", shortened(rule), row.join(" | "));
    }
    Ok(())
}

fn requests(rule: &str) -> [Request; 5] {
    let path = format!("/api/event/{ID}");
    let mut ended = body(rule);
    ended["recurrence"]["rule"] = json!([format!("RRULE:{};UNTIL=20300101T000000Z", without_end(rule))]);
    [
        create(rule),
        (Method::GET, "/api/event?start=2026-11-15T00:00:00Z&end=2026-11-21T23:59:59Z".into(), Value::Null),
        (Method::GET, "/api/event".into(), Value::Null),
        (Method::PUT, format!("{path}?applyTo=All%20Events"), ended),
        (Method::DELETE, format!("{path}?applyTo=All%20Events"), Value::Null),
    ]
}

fn create(rule: &str) -> Request {
    (Method::POST, "/api/event".into(), body(rule))
}

fn body(rule: &str) -> Value {
    json!({"_id": ID, "title": "Rule", "priority": "work", "origin": "compass", "startDate": "2001-01-01T09:00:00Z",
        "endDate": "2001-01-01T10:00:00Z", "recurrence": {"rule": [format!("RRULE:{rule}")]}})
}

fn without_end(rule: &str) -> String {
    let is_end = |part: &&str| part.starts_with("COUNT=") || part.starts_with("UNTIL=");
    rule.split(';').filter(|part| !is_end(part)).collect::<Vec<_>>().join(";")
}

fn shortened(rule: &str) -> String {
    if rule.len() > 60 { format!("{}…", &rule[..60]) } else { rule.to_owned() }
}
