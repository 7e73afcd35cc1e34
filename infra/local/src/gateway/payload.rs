//! A request as an event of payload format 2.0, which the HTTP API and function URLs share.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::Incoming;
use crate::template::intrinsics::ACCOUNT;

/// What the front sets itself; values that a client sends are dropped, as AWS drops them.
const OWN_HEADERS: [&str; 3] = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-port"];

/// What the event says about the way in.
#[derive(Debug)]
pub(crate) struct Origin<'a> {
    /// Id of the API or of the URL.
    pub(crate) api_id: &'a str,
    /// `$default` for function URLs.
    pub(crate) route_key: &'a str,
    /// Decoded path variables.
    pub(crate) parameters: BTreeMap<String, String>,
    /// Port that the request came in on.
    pub(crate) port: u16,
    /// When it came.
    pub(crate) at: DateTime<Utc>,
}

/// Builds the event.
pub(crate) fn event(incoming: &Incoming, origin: Origin<'_>) -> Value {
    let host = incoming.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    let agent = incoming.headers.get("user-agent").and_then(|agent| agent.to_str().ok());
    let query = incoming.uri.query().unwrap_or_default();
    let (body, is_base64) = body(incoming);
    let mut event = json!({
        "version": "2.0",
        "routeKey": origin.route_key,
        "rawPath": incoming.path(),
        "rawQueryString": query,
        "headers": headers(incoming, origin.port),
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": origin.api_id,
            "domainName": host,
            "domainPrefix": host.split(['.', ':']).next(),
            "http": {
                "method": incoming.method.as_str(),
                "path": incoming.path(),
                "protocol": "HTTP/1.1",
                "sourceIp": incoming.source_ip,
                "userAgent": agent.unwrap_or_default(),
            },
            "requestId": uuid::Uuid::new_v4().to_string(),
            "routeKey": origin.route_key,
            "stage": "$default",
            "time": origin.at.format("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": origin.at.timestamp_millis(),
        },
        "isBase64Encoded": is_base64,
    });
    let optional = [
        ("cookies", cookies(&incoming.headers)),
        ("queryStringParameters", query_parameters(query)),
        ("pathParameters", parameters(origin.parameters)),
        ("body", body),
    ];
    for (name, value) in optional {
        if !value.is_null() {
            event[name] = value;
        }
    }
    event
}

/// Lower case, one value each: several are joined with commas. Cookies have a field of their own.
fn headers(incoming: &Incoming, port: u16) -> Value {
    let mut headers = Map::new();
    for name in incoming.headers.keys() {
        if name == "cookie" || OWN_HEADERS.contains(&name.as_str()) {
            continue;
        }
        let values = incoming.headers.get_all(name).iter();
        let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        headers.insert(name.as_str().to_owned(), Value::from(values.join(",")));
    }
    headers.insert("x-forwarded-for".to_owned(), Value::from(incoming.source_ip.as_str()));
    headers.insert("x-forwarded-proto".to_owned(), Value::from("http"));
    headers.insert("x-forwarded-port".to_owned(), Value::from(port.to_string()));
    Value::Object(headers)
}

fn cookies(headers: &HeaderMap) -> Value {
    let lines = headers.get_all("cookie").iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
    let cookies: Vec<Value> = lines
        .flat_map(|line| line.split(';').map(|cookie| cookie.trim().to_owned()).collect::<Vec<_>>())
        .filter(|cookie| !cookie.is_empty())
        .map(Value::from)
        .collect();
    if cookies.is_empty() { Value::Null } else { Value::Array(cookies) }
}

fn query_parameters(query: &str) -> Value {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in pairs {
        joined
            .entry(name)
            .and_modify(|values| {
                values.push(',');
                values.push_str(&value);
            })
            .or_insert(value);
    }
    parameters(joined)
}

fn parameters(parameters: BTreeMap<String, String>) -> Value {
    if parameters.is_empty() { Value::Null } else { json!(parameters) }
}

/// Text as text, everything else in base64; a body without a declared text type counts as binary.
fn body(incoming: &Incoming) -> (Value, bool) {
    if incoming.body.is_empty() {
        return (Value::Null, false);
    }
    let is_encoded = incoming.headers.contains_key("content-encoding");
    match std::str::from_utf8(&incoming.body) {
        Ok(text) if !is_encoded && is_text(&incoming.headers) => (Value::from(text), false),
        _ => (Value::from(STANDARD.encode(&incoming.body)), true),
    }
}

fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"].contains(&kind.as_str())
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn incoming(request: axum::http::request::Builder, body: &'static [u8]) -> Incoming {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Incoming {
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            body: body.into(),
            source_ip: "127.0.0.1".to_owned(),
        }
    }

    fn event_of(request: axum::http::request::Builder, body: &'static [u8]) -> Value {
        let parameters = BTreeMap::from([("id".to_owned(), "1".to_owned())]);
        let origin = Origin {
            api_id: "api",
            route_key: "GET /a/{id}",
            parameters,
            port: 3000,
            at: DateTime::UNIX_EPOCH,
        };
        event(&incoming(request, body), origin)
    }

    #[test]
    fn cookies_leave_the_headers_and_own_headers_replace_the_clients() {
        let request = Request::get("http://h/a/1")
            .header("host", "localhost:3000")
            .header("cookie", "a=1; b=2")
            .header("cookie", "c=3")
            .header("x-forwarded-for", "6.6.6.6")
            .header("x-twice", "1")
            .header("x-twice", "2");
        let event = event_of(request, b"");
        assert_eq!(event["cookies"], json!(["a=1", "b=2", "c=3"]));
        let expected = json!({
            "host": "localhost:3000",
            "x-twice": "1,2",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-proto": "http",
            "x-forwarded-port": "3000",
        });
        assert_eq!(event["headers"], expected);
        assert_eq!(event.get("body"), None);
    }

    #[test]
    fn the_query_is_passed_raw_and_decoded() {
        let event = event_of(Request::get("/a/1?x=a%20b&y=1&x=c+d"), b"");
        assert_eq!(event["rawQueryString"], "x=a%20b&y=1&x=c+d");
        assert_eq!(event["queryStringParameters"], json!({ "x": "a b,c d", "y": "1" }));
        assert_eq!(event["pathParameters"], json!({ "id": "1" }));
        assert_eq!(event["rawPath"], "/a/1");
    }

    #[test]
    fn text_stays_text_and_the_rest_is_base64() {
        let json =
            event_of(Request::post("/").header("content-type", "application/json; charset=utf-8"), b"{}");
        assert_eq!((&json["body"], &json["isBase64Encoded"]), (&json!("{}"), &json!(false)));
        let binary = event_of(Request::post("/").header("content-type", "image/png"), b"{}");
        assert_eq!((&binary["body"], &binary["isBase64Encoded"]), (&json!("e30="), &json!(true)));
    }
}
