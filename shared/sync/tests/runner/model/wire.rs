//! What lies between the runner and Google, when it is not as it should be: requests are changed, made more than once, or answered by somebody else.

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// A request as it left the runner.
pub type Sent = http::Request<Bytes>;

/// What becomes of a request.
pub enum Fate {
    /// Google sees these in its place, in order; the first answer is the runner's.
    Passed(Vec<Sent>),
    /// Google sees nothing.
    Answered(StatusCode, Value),
}

/// Decides about each request.
pub type Wire = fn(Sent) -> Fate;

#[derive(Clone)]
struct End {
    google: String,
    wire: Wire,
    client: Client<HttpConnector, Body>,
}

/// Leads to Google's calendars at `address`. Returns the address at which it begins.
pub async fn laid(address: &str, wire: Wire) -> String {
    let address: url::Url = address.parse().unwrap();
    let google = address.origin().ascii_serialization();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let begin = format!("http://{}{}", listener.local_addr().unwrap(), address.path());
    let router = Router::new().fallback(carry).with_state(End { google, wire, client });
    tokio::spawn(async move { axum::serve(listener, router).await });
    begin
}

async fn carry(State(end): State<End>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let requests = match (end.wire)(http::Request::from_parts(head, body)) {
        Fate::Passed(requests) => requests,
        Fate::Answered(StatusCode::NO_CONTENT, _) => return StatusCode::NO_CONTENT.into_response(),
        Fate::Answered(status, body) => {
            return (status, [("content-type", "application/json")], body.to_string()).into_response();
        }
    };
    let mut answers = Vec::new();
    for request in requests {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = format!("{}{path}", end.google).parse().unwrap();
        // The length is that of what is sent now.
        head.headers.remove("content-length");
        let answer = end.client.request(http::Request::from_parts(head, body.into())).await;
        answers.push(
            answer.map_or_else(|_| StatusCode::BAD_GATEWAY.into_response(), |answer| answer.map(Body::new)),
        );
    }
    answers.swap_remove(0)
}

/// A call that nobody has asked for.
#[cfg(test)]
pub async fn get(address: &str) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    client.get(address.parse().unwrap()).await.unwrap();
}
