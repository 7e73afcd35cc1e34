//! A function that does what its event says, for the tests of the local cloud: a real process with the real runtime, so
//! that crashes, hangs and streams are real ones too.
//!
//! Started under a name that ends in `stream` it streams; otherwise it answers whole, or works through a batch.

use std::time::Duration;

use lambda_runtime::streaming::Body;
use lambda_runtime::{Error, LambdaEvent, StreamResponse, service_fn};
use serde_json::{Map, Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if std::env::args().next().is_some_and(|name| name.ends_with("stream")) {
        return lambda_runtime::run(service_fn(stream)).await;
    }
    lambda_runtime::run(service_fn(answer)).await
}

#[expect(clippy::panic, reason = "a test asks for a function that panics")]
async fn answer(event: LambdaEvent<Value>) -> Result<Value, Error> {
    if event.payload["requestContext"]["connectionId"].is_string() {
        return converse(&event).await;
    }
    let id = &event.context.request_id;
    println!("{}", json!({ "level": "INFO", "message": "invocation", "request_id": id, "read_units": 1.5 }));
    if let Some(records) = event.payload["Records"].as_array() {
        return Ok(batch(records));
    }
    let command = command(&event.payload);
    match command["do"].as_str().unwrap_or_default() {
        "exit" => std::process::exit(3),
        "hang" => std::future::pending().await,
        "fail" => Err("as told".into()),
        "panic" => panic!("as told"),
        "wait" => {
            wait(&command["ms"]).await;
            Ok(json!({ "pid": std::process::id() }))
        }
        "environment" => {
            let variables: Map<_, _> =
                std::env::vars().map(|(name, value)| (name, Value::from(value))).collect();
            Ok(Value::Object(variables))
        }
        "answer" => Ok(command["answer"].clone()),
        _ => Ok(json!({ "pid": std::process::id(), "event": event.payload })),
    }
}

/// Admits, or does what a query or a message says; the event itself is in the log.
async fn converse(event: &LambdaEvent<Value>) -> Result<Value, Error> {
    let id = &event.context.request_id;
    println!("{}", json!({ "message": "invocation", "request_id": id, "event": event.payload }));
    let query = &event.payload["queryStringParameters"];
    wait(&query["ms"].as_str().and_then(|ms| ms.parse::<u64>().ok()).into()).await;
    let command = if query.is_null() { command(&event.payload) } else { query.clone() };
    if command["do"] == "fail" {
        return Err("as told".into());
    }
    let status = command["status"].as_str().unwrap_or("200");
    Ok(json!({ "statusCode": status.parse::<u16>()?, "body": event.payload.to_string() }))
}

/// What to do: the event itself, or the body of an HTTP event.
fn command(event: &Value) -> Value {
    match event["body"].as_str() {
        Some(body) => serde_json::from_str(body).unwrap_or_default(),
        None => event.clone(),
    }
}

/// Fails the records that ask for it, as often as they ask for it.
fn batch(records: &[Value]) -> Value {
    let mut failures = Vec::new();
    for record in records {
        let body = record["body"].as_str().or(record["dynamodb"]["NewImage"]["body"]["S"].as_str());
        let wish: Value = body.and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
        if wish["do"] == "exit" {
            std::process::exit(3);
        }
        let id = record["messageId"].as_str().or(record["dynamodb"]["SequenceNumber"].as_str());
        let count = record["attributes"]["ApproximateReceiveCount"].as_str().unwrap_or("1");
        let count: u64 = count.parse().unwrap_or(1);
        if count <= wish["failures"].as_u64().unwrap_or_default() {
            failures.push(json!({ "itemIdentifier": id }));
        }
    }
    json!({ "batchItemFailures": failures })
}

async fn stream(event: LambdaEvent<Value>) -> Result<StreamResponse<Body>, Error> {
    let command = command(&event.payload);
    let (mut sender, body) = Body::channel();
    tokio::spawn(async move {
        for index in 0..command["chunks"].as_u64().unwrap_or_default() {
            if sender.send_data(format!("chunk {index}\n").into()).await.is_err() {
                return;
            }
            wait(&command["ms"]).await;
        }
        if command["do"] == "exit" {
            std::process::exit(3);
        }
    });
    let mut response = StreamResponse::from(body);
    response.metadata_prelude.cookies = vec!["a=1".to_owned(), "b=2".to_owned()];
    response.metadata_prelude.headers.insert("x-probe", "yes".parse()?);
    Ok(response)
}

#[expect(clippy::disallowed_methods, reason = "the test asks for a function that takes time")]
async fn wait(ms: &Value) {
    tokio::time::sleep(Duration::from_millis(ms.as_u64().unwrap_or_default())).await;
}
