//! The Lambda Runtime API (version 2018-06-01) as one process sees it.
//!
//! Every environment has a port of its own, so a process can only ever see its own invocations. One invocation is
//! delivered at a time; its answer is taken whole or as a stream.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::answer::{Answer, Failure};
use super::streaming;
use crate::clock::Clock;
use crate::template::intrinsics::{ACCOUNT, REGION};

/// What Lambda takes as a buffered answer: 6 MB and a little for the envelope.
const ANSWER_LIMIT: usize = 6 * 1024 * 1024 + 100 * 1024;
const HTTP_STREAM: &str = "application/vnd.awslambda.http-integration-response";

/// An invocation on its way into the process.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) request_id: String,
    pub(crate) payload: Bytes,
    /// Told once the process has fetched it.
    pub(crate) delivered: oneshot::Sender<()>,
    pub(crate) answer: oneshot::Sender<Result<Answer, Failure>>,
    /// Told once the answer is complete; for a stream, that is its end.
    pub(crate) done: oneshot::Sender<Result<(), Failure>>,
}

/// What the pool holds of a [`Call`].
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) delivered: oneshot::Receiver<()>,
    pub(crate) answer: oneshot::Receiver<Result<Answer, Failure>>,
    pub(crate) done: oneshot::Receiver<Result<(), Failure>>,
}

impl Call {
    pub(crate) fn new(request_id: &str, payload: Bytes) -> (Self, Delivery) {
        let (delivered, delivered_receiver) = oneshot::channel();
        let (answer, answer_receiver) = oneshot::channel();
        let (done, done_receiver) = oneshot::channel();
        let call = Self { request_id: request_id.to_owned(), payload, delivered, answer, done };
        let delivery =
            Delivery { delivered: delivered_receiver, answer: answer_receiver, done: done_receiver };
        (call, delivery)
    }
}

#[derive(Debug)]
struct Pending {
    request_id: String,
    answer: oneshot::Sender<Result<Answer, Failure>>,
    done: oneshot::Sender<Result<(), Failure>>,
}

/// The Runtime API of one environment.
#[derive(Debug)]
pub(crate) struct RuntimeApi {
    function: String,
    timeout: std::time::Duration,
    clock: Clock,
    calls: tokio::sync::Mutex<mpsc::Receiver<Call>>,
    pending: Mutex<Option<Pending>>,
    init_error: Mutex<Option<String>>,
    is_closed: AtomicBool,
}

impl RuntimeApi {
    /// The API and the way in for invocations.
    pub(crate) fn new(
        function: &str,
        timeout: std::time::Duration,
        clock: Clock,
    ) -> (Arc<Self>, mpsc::Sender<Call>) {
        let (sender, receiver) = mpsc::channel(1);
        let api = Self {
            function: function.to_owned(),
            timeout,
            clock,
            calls: tokio::sync::Mutex::new(receiver),
            pending: Mutex::default(),
            init_error: Mutex::default(),
            is_closed: AtomicBool::new(false),
        };
        (Arc::new(api), sender)
    }

    pub(crate) fn router(self: Arc<Self>) -> Router {
        let version = "/2018-06-01/runtime";
        Router::new()
            .route(&format!("{version}/invocation/next"), get(next))
            .route(&format!("{version}/invocation/{{id}}/response"), post(response))
            .route(&format!("{version}/invocation/{{id}}/error"), post(error))
            .route(&format!("{version}/init/error"), post(init_error))
            .with_state(self)
    }

    /// What the process said before it gave up on starting.
    pub(crate) fn init_error(&self) -> Option<String> {
        self.init_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The process is gone: whoever waits for its answer waits in vain.
    pub(crate) fn abandon(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.pending().take();
    }

    fn take(&self, request_id: &str) -> Option<Pending> {
        self.pending().take_if(|pending| pending.request_id == request_id)
    }

    fn pending(&self) -> std::sync::MutexGuard<'_, Option<Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn next(State(api): State<Arc<RuntimeApi>>) -> Response {
    let Some(call) = api.calls.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    // The process has died while it was asking: dropping the call tells the pool that nobody got it.
    if api.is_closed.load(Ordering::SeqCst) {
        return StatusCode::GONE.into_response();
    }
    let request_id = call.request_id.clone();
    *api.pending() = Some(Pending { request_id: call.request_id, answer: call.answer, done: call.done });
    // Whoever waited for the delivery has given up on this environment; it will be killed.
    let _ = call.delivered.send(());

    let now = api.clock.now();
    let deadline = now + api.timeout;
    let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", api.function);
    let trace = format!("Root=1-{:08x}-{:.24};Sampled=0", now.timestamp(), request_id.replace('-', ""));
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", request_id),
        ("lambda-runtime-deadline-ms", deadline.timestamp_millis().to_string()),
        ("lambda-runtime-invoked-function-arn", arn),
        ("lambda-runtime-trace-id", trace),
    ];
    (headers, call.payload).into_response()
}

async fn response(
    State(api): State<Arc<RuntimeApi>>,
    Path(request_id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(pending) = api.take(&request_id) else {
        return unknown_request();
    };
    if headers.get("lambda-runtime-function-response-mode").is_some_and(|mode| mode == "streaming") {
        let is_http = headers.get("content-type").is_some_and(|kind| kind == HTTP_STREAM);
        streaming::relay(pending.answer, pending.done, is_http, body).await;
        return accepted();
    }
    let outcome = match body.collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(broken) => Err(Failure::Exited(broken.to_string())),
    };
    let outcome = outcome.and_then(|bytes| match bytes.len() {
        size if size > ANSWER_LIMIT => Err(Failure::TooLarge(size)),
        _ => Ok(bytes),
    });
    let is_too_large = matches!(outcome, Err(Failure::TooLarge(_)));
    settle(pending, outcome.map(Answer::Buffered));
    if is_too_large {
        let problem = "Exceeded maximum allowed payload size (6291556 bytes).";
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", problem);
    }
    accepted()
}

async fn error(State(api): State<Arc<RuntimeApi>>, Path(request_id): Path<String>, body: Bytes) -> Response {
    let Some(pending) = api.take(&request_id) else {
        return unknown_request();
    };
    settle(pending, Err(reported(&body)));
    accepted()
}

async fn init_error(State(api): State<Arc<RuntimeApi>>, body: Bytes) -> Response {
    *api.init_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(reported(&body).to_string());
    accepted()
}

fn settle(pending: Pending, outcome: Result<Answer, Failure>) {
    let done = outcome.as_ref().map(|_| ()).map_err(Clone::clone);
    // Both are awaited by the pool, which gives up on them only after it has killed this environment.
    let _ = pending.answer.send(outcome);
    let _ = pending.done.send(done);
}

fn reported(body: &[u8]) -> Failure {
    let report: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |key: &str| report[key].as_str().unwrap_or("unknown").to_owned();
    Failure::Function { error_type: text("errorType"), message: text("errorMessage") }
}

fn accepted() -> Response {
    (StatusCode::ACCEPTED, Json(json!({ "status": "OK" }))).into_response()
}

fn unknown_request() -> Response {
    refusal(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
}

fn refusal(status: StatusCode, kind: &str, message: &str) -> Response {
    (status, Json(json!({ "errorType": kind, "errorMessage": message }))).into_response()
}
