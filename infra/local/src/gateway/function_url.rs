//! A function's own URL, buffered or streaming.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};

use super::payload::{self, Origin};
use super::{Incoming, response};
use crate::lambda::answer::{Answer, Failure};
use crate::lambda::pool::{Patience, Pool};
use crate::template::resources::{AuthType, FunctionUrlSpec, InvokeMode};

/// Lambda's quota on the payload of a synchronous invocation.
const BODY_LIMIT: usize = 6 * 1024 * 1024;

/// One function URL.
#[derive(Debug)]
pub(crate) struct FunctionUrl {
    pub(crate) spec: FunctionUrlSpec,
    pub(crate) pool: Arc<Pool>,
    pub(crate) port: u16,
}

impl FunctionUrl {
    /// A request that came straight to the URL: with `AWS_IAM` it must be signed (the signature itself is believed).
    pub(crate) async fn handle(&self, request: Request<Body>, source_ip: String) -> Response<Body> {
        let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let is_signed = authorization.is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256"));
        if self.spec.auth_type == AuthType::AwsIam && !is_signed {
            return refusal(StatusCode::FORBIDDEN, "Forbidden");
        }
        self.handle_signed(request, source_ip).await
    }

    /// A request that the distribution has signed.
    pub(crate) async fn handle_signed(&self, request: Request<Body>, source_ip: String) -> Response<Body> {
        let incoming = match Incoming::read(request, source_ip, BODY_LIMIT).await {
            Ok(incoming) => incoming,
            Err(refusal) => return refusal,
        };
        let origin = Origin {
            api_id: "url",
            route_key: "$default",
            parameters: BTreeMap::new(),
            port: self.port,
            at: self.pool.clock().now(),
        };
        let event = payload::event(&incoming, origin).to_string();
        let trigger = format!("{} {}", incoming.method, incoming.path());
        match self.pool.invoke(event.into(), trigger, Patience::Refused).await {
            Ok(answer) => self.answer(answer).await,
            Err(Failure::Throttled(_)) => refusal(StatusCode::TOO_MANY_REQUESTS, "Rate Exceeded."),
            Err(Failure::Stopping) => refusal(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
            Err(_) => failed(),
        }
    }

    async fn answer(&self, answer: Answer) -> Response<Body> {
        let response = match (answer, self.spec.invoke_mode) {
            (Answer::Streaming(streaming), InvokeMode::ResponseStream) => response::streaming(streaming),
            // A URL in the wrong mode sees prelude and body as one text, which is no answer it knows.
            (Answer::Streaming(_), InvokeMode::Buffered) => return failed(),
            (Answer::Buffered(answer), _) => response::buffered(&answer, "application/json"),
        };
        response.unwrap_or_else(|_| failed())
    }
}

fn failed() -> Response<Body> {
    refusal(StatusCode::BAD_GATEWAY, "Internal Server Error")
}

/// Function URLs write `Message` with a capital letter, and the words of a failed function as plain text.
fn refusal(status: StatusCode, text: &str) -> Response<Body> {
    use axum::response::IntoResponse;
    match status {
        StatusCode::BAD_GATEWAY => (status, text.to_owned()).into_response(),
        _ => (status, axum::Json(serde_json::json!({ "Message": text }))).into_response(),
    }
}
