//! The HTTP API: routes to functions, and API Gateway's own answers when there is none or it fails.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};

use super::payload::{self, Origin};
use super::routes::Routes;
use super::{Incoming, message, response};
use crate::lambda::answer::{Answer, Failure};
use crate::lambda::pool::{Patience, Pool};

/// API Gateway's quota on a payload.
const BODY_LIMIT: usize = 10 * 1024 * 1024;
/// API Gateway's quota on an integration's time; the function goes on.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);

/// One HTTP API.
#[derive(Debug)]
pub(crate) struct HttpApi {
    /// Physical id.
    pub(crate) id: String,
    pub(crate) routes: Routes,
    pub(crate) pools: HashMap<String, Arc<Pool>>,
    /// Port of the front that leads here.
    pub(crate) port: u16,
}

impl HttpApi {
    pub(crate) async fn handle(&self, request: Request<Body>, source_ip: String) -> Response<Body> {
        let mut response = match Incoming::read(request, source_ip, BODY_LIMIT).await {
            Ok(incoming) => self.invoke(&incoming).await,
            Err(refusal) => refusal,
        };
        if let Ok(id) = uuid::Uuid::new_v4().simple().to_string()[..16].parse() {
            response.headers_mut().insert("apigw-requestid", id);
        }
        response
    }

    async fn invoke(&self, incoming: &Incoming) -> Response<Body> {
        let Some(matched) = self.routes.find(incoming.method.as_str(), incoming.path()) else {
            return message(StatusCode::NOT_FOUND, "Not Found");
        };
        let Some(pool) = self.pools.get(&matched.route.function) else {
            return internal_error();
        };
        let route_key = matched.route.key();
        let origin = Origin {
            api_id: &self.id,
            route_key: &route_key,
            parameters: matched.parameters,
            port: self.port,
            at: pool.clock().now(),
        };
        let event = payload::event(incoming, origin).to_string();
        let trigger = format!("{} {}", incoming.method, incoming.path());
        let invocation = pool.invoke(event.into(), trigger, Patience::Refused);
        match tokio::time::timeout(INTEGRATION_TIMEOUT, invocation).await {
            Ok(Ok(Answer::Buffered(answer))) => {
                response::buffered(&answer, "text/plain; charset=utf-8").unwrap_or_else(|_| internal_error())
            }
            // The HTTP API can't stream: it would take prelude and body for one malformed answer.
            Ok(Ok(Answer::Streaming(_))) => internal_error(),
            Ok(Err(Failure::Throttled(_) | Failure::Stopping)) | Err(_) => {
                message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
            }
            Ok(Err(_)) => internal_error(),
        }
    }
}

fn internal_error() -> Response<Body> {
    message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
}
