//! The wire protocol: AWS JSON 1.0, one POST per action, the action named in `X-Amz-Target`.
//!
//! No semantics here: requests become calls on the [`Broker`], its answers and refusals become JSON. Signatures are not
//! checked, whoever reaches the port may call. An error carries its shape in `__type` and its code in the header
//! `x-amzn-query-error`; without the header SDKs see a nameless error.

mod batch;
mod messages;
mod queues;

use std::future::Future;
use std::io;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::serve::ListenerExt;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::broker::Broker;
use crate::error::{Error, Result};

/// A batch of 1 MiB whose every byte JSON escapes to six, with room to spare.
const LARGEST_REQUEST: usize = 8 * 1024 * 1024;

/// Serves the broker on this listener until the future is dropped; queue URLs lead here from the call on, even before
/// the future is first polled.
///
/// # Errors
/// The listener's own, from asking its address or from accepting.
pub fn serve(listener: TcpListener, broker: Broker) -> impl Future<Output = io::Result<()>> + Send {
    let address = listener.local_addr().map(|address| broker.set_endpoint(format!("http://{address}")));
    let router =
        Router::new().fallback(handle).layer(DefaultBodyLimit::max(LARGEST_REQUEST)).with_state(broker);
    let listener = listener.tap_io(|stream| {
        // Only latency depends on it: a connection that refuses the option still works.
        let _ = stream.set_nodelay(true);
    });
    async move {
        address?;
        axum::serve(listener, router).await
    }
}

async fn handle(State(broker): State<Broker>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    match act(&broker, &headers, &body).await {
        Ok(answer) => respond(StatusCode::OK, &answer),
        Err(error) => refuse(&error),
    }
}

async fn act(broker: &Broker, headers: &HeaderMap, body: &[u8]) -> Result<Value> {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    match target.strip_prefix("AmazonSQS.").unwrap_or_default() {
        "CreateQueue" => queues::create(broker, read(body)?),
        "DeleteQueue" => queues::delete(broker, read(body)?),
        "GetQueueAttributes" => queues::get_attributes(broker, read(body)?),
        "GetQueueUrl" => queues::get_url(broker, read(body)?),
        "ListQueues" => queues::list(broker, read(body)?),
        "PurgeQueue" => queues::purge(broker, read(body)?),
        "SetQueueAttributes" => queues::set_attributes(broker, read(body)?),
        "StartMessageMoveTask" => queues::start_message_move_task(broker, read(body)?),
        "SendMessage" => messages::send(broker, read(body)?),
        "ReceiveMessage" => messages::receive(broker, read(body)?).await,
        "DeleteMessage" => messages::delete(broker, read(body)?),
        "ChangeMessageVisibility" => messages::change_visibility(broker, read(body)?),
        "SendMessageBatch" => batch::send(broker, read(body)?),
        "DeleteMessageBatch" => batch::delete(broker, read(body)?),
        "ChangeMessageVisibilityBatch" => batch::change_visibility(broker, read(body)?),
        _ => Err(Error::InvalidAction(target.to_owned())),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| Error::Serialization(error.to_string()))
}

/// The answer of an action that has nothing to say.
fn done() -> Result<Value> {
    Ok(json!({}))
}

/// The name of the queue that a URL leads to. Only the path is looked at: the host may be an alias of ours.
fn queue_of_url(url: &str) -> Result<&str> {
    match url.rsplit('/').next() {
        Some(name) if !name.is_empty() => Ok(name),
        _ => Err(Error::MissingParameter("QueueUrl")),
    }
}

fn refuse(error: &Error) -> Response<Body> {
    let answer = json!({ "__type": error.shape(), "message": error.to_string() });
    let mut response = respond(StatusCode::BAD_REQUEST, &answer);
    if let Ok(value) = HeaderValue::from_str(&format!("{};Sender", error.code())) {
        response.headers_mut().insert("x-amzn-query-error", value);
    }
    response
}

fn respond(status: StatusCode, answer: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(answer.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    if let Ok(id) = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}
