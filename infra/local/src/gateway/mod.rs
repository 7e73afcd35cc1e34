//! The ways in over HTTP: the HTTP API, function URLs, and the distribution that puts them behind one host.
//!
//! All of them turn a request into an event of payload format 2.0 ([`payload`]) and a function's answer back into a
//! response ([`response`]); they differ in routing and in their words for what goes wrong.

pub(crate) mod distribution;
pub(crate) mod function_url;
pub(crate) mod http_api;
pub(crate) mod payload;
pub(crate) mod response;
pub(crate) mod routes;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::json;

/// A request that has arrived whole.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) source_ip: String,
}

/// A response made here, not by a function.
pub(crate) fn message(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({ "message": text }))).into_response()
}

impl Incoming {
    /// Reads a request; answers in its place if it can't be passed on.
    ///
    /// A `Host` that is no authority is refused here, because the functions' HTTP adapter panics on it; on AWS no such
    /// request gets past the edge either.
    pub(crate) async fn read(
        request: Request<Body>,
        source_ip: String,
        body_limit: usize,
    ) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let host = parts.headers.get("host").map_or(Some(""), |host| host.to_str().ok());
        let is_authority = host.is_some_and(|host| host.parse::<axum::http::uri::Authority>().is_ok());
        if !is_authority {
            return Err(message(StatusCode::BAD_REQUEST, "Bad Request"));
        }
        let body = match Limited::new(body, body_limit).collect().await {
            Ok(whole) => whole.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"));
            }
            Err(_) => return Err(message(StatusCode::BAD_REQUEST, "Bad Request")),
        };
        Ok(Self { method: parts.method, uri: parts.uri, headers: parts.headers, body, source_ip })
    }

    pub(crate) fn path(&self) -> &str {
        self.uri.path()
    }
}
