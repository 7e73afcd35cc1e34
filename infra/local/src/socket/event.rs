//! What API Gateway tells a function about a WebSocket connection: the three events, of which a message's has no headers.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::API_ID;
use super::connections::Identity;

/// A connection, as every event names it.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) connection_id: String,
    pub(super) stage: String,
    /// Host and port that the client asked for.
    pub(super) domain: String,
    pub(super) connected_at: DateTime<Utc>,
    pub(super) identity: Identity,
}

impl Context {
    /// A client asks to be connected. `query` is as it came.
    pub(super) fn connect(&self, headers: &HeaderMap, query: &str, port: u16, now: DateTime<Utc>) -> Value {
        let mut event = self.event("$connect", "CONNECT", now);
        let mut headers = sent(headers);
        headers.push(("X-Forwarded-For".to_owned(), self.identity.source_ip.clone()));
        headers.push(("X-Forwarded-Port".to_owned(), port.to_string()));
        headers.push(("X-Forwarded-Proto".to_owned(), "http".to_owned()));
        (event["headers"], event["multiValueHeaders"]) = single_and_multiple(headers);
        let query: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        if !query.is_empty() {
            (event["queryStringParameters"], event["multiValueQueryStringParameters"]) =
                single_and_multiple(query);
        }
        event
    }

    /// A client sent something.
    pub(super) fn message(&self, route: &str, message: &Message, now: DateTime<Utc>) -> Value {
        let mut event = self.event(route, "MESSAGE", now);
        event["requestContext"]["messageId"] = request_id().into();
        match message {
            Message::Text(text) => event["body"] = Value::from(text.as_str()),
            Message::Binary(bytes) => {
                event["body"] = Value::from(STANDARD.encode(bytes));
                event["isBase64Encoded"] = Value::Bool(true);
            }
        }
        event
    }

    /// The connection is over.
    pub(super) fn disconnect(&self, code: u16, reason: &str, now: DateTime<Utc>) -> Value {
        let mut event = self.event("$disconnect", "DISCONNECT", now);
        let headers =
            [("Host", self.domain.as_str()), ("x-api-key", ""), ("X-Forwarded-For", ""), ("x-restapi", "")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        (event["headers"], event["multiValueHeaders"]) = single_and_multiple(headers);
        event["requestContext"]["disconnectStatusCode"] = code.into();
        event["requestContext"]["disconnectReason"] = reason.into();
        event
    }

    fn event(&self, route: &str, kind: &str, now: DateTime<Utc>) -> Value {
        let request_id = request_id();
        json!({
            "requestContext": {
                "routeKey": route,
                "eventType": kind,
                "extendedRequestId": request_id,
                "requestTime": now.format("%d/%b/%Y:%H:%M:%S +0000").to_string(),
                "messageDirection": "IN",
                "stage": self.stage,
                "connectedAt": self.connected_at.timestamp_millis(),
                "requestTimeEpoch": now.timestamp_millis(),
                "identity": { "sourceIp": self.identity.source_ip, "userAgent": self.identity.user_agent },
                "requestId": request_id,
                "domainName": self.domain,
                "connectionId": self.connection_id,
                "apiId": API_ID,
            },
            "isBase64Encoded": false,
        })
    }
}

/// What a client sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    Text(String),
    Binary(Vec<u8>),
}

impl Message {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }
}

/// An id of the form that API Gateway gives connections, requests and messages.
pub(super) fn request_id() -> String {
    let bytes = uuid::Uuid::new_v4().into_bytes();
    base64::engine::general_purpose::URL_SAFE.encode(&bytes[..11])
}

/// The client's headers in the order they came. API Gateway passes their names as they were written; our HTTP server has put them into lower
/// case, so that they are given back in the usual way of writing, and no function comes to rely on lower case.
fn sent(headers: &HeaderMap) -> Vec<(String, String)> {
    let is_own = |name: &str| name.starts_with("x-forwarded-") || name == "connection" || name == "upgrade";
    let pairs = headers.iter().filter(|(name, _)| !is_own(name.as_str()));
    pairs
        .map(|(name, value)| (usual(name.as_str()), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

fn usual(name: &str) -> String {
    let words = name.split('-').map(|word| match word {
        "websocket" => "WebSocket".to_owned(),
        _ => {
            let mut letters = word.chars();
            letters
                .next()
                .map_or(String::new(), |first| first.to_ascii_uppercase().to_string() + letters.as_str())
        }
    });
    words.collect::<Vec<_>>().join("-")
}

/// Values by name: of several the last, and all of them.
fn single_and_multiple(pairs: Vec<(String, String)>) -> (Value, Value) {
    let (mut single, mut multiple) = (Map::new(), Map::new());
    for (name, value) in pairs {
        let all = multiple.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(all) = all {
            all.push(Value::from(value.as_str()));
        }
        single.insert(name, Value::from(value));
    }
    (Value::Object(single), Value::Object(multiple))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        Context {
            connection_id: "abc=".to_owned(),
            stage: "live".to_owned(),
            domain: "localhost:3001".to_owned(),
            connected_at: DateTime::UNIX_EPOCH,
            identity: Identity { source_ip: "127.0.0.1".to_owned(), user_agent: "probe".to_owned() },
        }
    }

    #[test]
    fn a_connect_has_headers_and_query_in_both_forms() {
        let mut headers = HeaderMap::new();
        headers.insert("sec-websocket-key", "k".parse().unwrap());
        headers.insert("origin", "http://a".parse().unwrap());
        headers.insert("x-forwarded-for", "6.6.6.6".parse().unwrap());
        let event = context().connect(&headers, "ticket=a%20b&x=1&x=2", 3001, DateTime::UNIX_EPOCH);
        assert_eq!(event["headers"]["Sec-WebSocket-Key"], "k");
        assert_eq!(event["multiValueHeaders"]["Origin"], json!(["http://a"]));
        assert_eq!(event["headers"]["X-Forwarded-For"], "127.0.0.1");
        assert_eq!(event["queryStringParameters"], json!({ "ticket": "a b", "x": "2" }));
        assert_eq!(event["multiValueQueryStringParameters"]["x"], json!(["1", "2"]));
        assert_eq!(event["requestContext"]["eventType"], "CONNECT");
        assert_eq!(event.get("body"), None);
    }

    #[test]
    fn a_message_has_a_body_and_no_headers() {
        let text = context().message("ping", &Message::Text("{}".to_owned()), DateTime::UNIX_EPOCH);
        assert_eq!((&text["body"], &text["isBase64Encoded"]), (&json!("{}"), &json!(false)));
        assert_eq!(text["requestContext"]["routeKey"], "ping");
        assert!(text["requestContext"]["messageId"].is_string());
        assert_eq!(text.get("headers"), None);
        let binary = context().message("$default", &Message::Binary(vec![0, 255]), DateTime::UNIX_EPOCH);
        assert_eq!((&binary["body"], &binary["isBase64Encoded"]), (&json!("AP8="), &json!(true)));
    }

    #[test]
    fn a_disconnect_says_why() {
        let event = context().disconnect(1001, "Going away", DateTime::UNIX_EPOCH);
        assert_eq!(event["requestContext"]["disconnectStatusCode"], 1001);
        assert_eq!(event["requestContext"]["disconnectReason"], "Going away");
        assert_eq!(event["headers"]["Host"], "localhost:3001");
    }
}
