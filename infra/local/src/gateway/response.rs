//! A function's answer as an HTTP response, by the rules of payload format 2.0.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, SET_COOKIE};
use axum::http::{HeaderMap, Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

use crate::lambda::answer::Streaming;

/// The answer is not one that payload format 2.0 knows; AWS calls this an internal error.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("malformed answer: {0}")]
pub(crate) struct Malformed(&'static str);

/// A whole answer. One without `statusCode` is a body of its own: 200, JSON.
pub(crate) fn buffered(answer: &Bytes, default_type: &'static str) -> Result<Response<Body>, Malformed> {
    let Ok(value) = serde_json::from_slice::<Value>(answer) else {
        return Err(Malformed("no JSON"));
    };
    let Some(status) = value.get("statusCode") else {
        let body = value.as_str().map_or_else(|| answer.clone(), |text| Bytes::from(text.to_owned()));
        return with_head(StatusCode::OK, HeaderMap::new(), Some("application/json"), Body::from(body));
    };
    let body = body(&value)?;
    // What has no body has no type.
    let default_type = (!body.is_empty()).then_some(default_type);
    with_head(self::status(status)?, headers(&value)?, default_type, Body::from(body))
}

/// An answer that is still being written.
pub(crate) fn streaming(mut answer: Streaming) -> Result<Response<Body>, Malformed> {
    let prelude = answer.prelude.take().unwrap_or_default();
    let status = prelude.get("statusCode").map_or(Ok(StatusCode::OK), status)?;
    with_head(status, headers(&prelude)?, Some("application/octet-stream"), answer.into_body())
}

fn with_head(
    status: StatusCode,
    mut headers: HeaderMap,
    default_type: Option<&'static str>,
    body: Body,
) -> Result<Response<Body>, Malformed> {
    if let Some(kind) = default_type {
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

fn status(value: &Value) -> Result<StatusCode, Malformed> {
    let number = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    number
        .and_then(|number| u16::try_from(number).ok())
        .and_then(|number| StatusCode::from_u16(number).ok())
        .ok_or(Malformed("statusCode is no HTTP status"))
}

fn headers(value: &Value) -> Result<HeaderMap, Malformed> {
    let mut headers = HeaderMap::new();
    for (name, values) in value["headers"].as_object().into_iter().flatten() {
        let name = HeaderName::try_from(name.as_str()).map_err(|_| Malformed("a header's name"))?;
        // The connection's own headers are the front's affair.
        if ["content-length", "transfer-encoding", "connection"].contains(&name.as_str()) {
            continue;
        }
        let values = values.as_array().map_or(std::slice::from_ref(values), Vec::as_slice);
        for value in values {
            headers.append(&name, header_value(value)?);
        }
    }
    for cookie in value["cookies"].as_array().into_iter().flatten() {
        headers.append(SET_COOKIE, header_value(cookie)?);
    }
    Ok(headers)
}

fn header_value(value: &Value) -> Result<HeaderValue, Malformed> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        _ => return Err(Malformed("a header's value")),
    };
    HeaderValue::try_from(text).map_err(|_| Malformed("a header's value"))
}

fn body(value: &Value) -> Result<Bytes, Malformed> {
    let text = match &value["body"] {
        Value::Null => return Ok(Bytes::new()),
        Value::String(text) => text,
        _ => return Err(Malformed("body is not text")),
    };
    if value["isBase64Encoded"] == true {
        return STANDARD.decode(text).map(Bytes::from).map_err(|_| Malformed("body is no base64"));
    }
    Ok(Bytes::from(text.clone()))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn parts(answer: &'static str) -> (u16, HeaderMap, String) {
        let response = buffered(&Bytes::from(answer), "text/plain").unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn every_cookie_is_a_header_of_its_own() {
        let answer =
            r#"{"statusCode":201,"headers":{"X-A":"1","x-n":2},"cookies":["a=1","b=2"],"body":"hi"}"#;
        let (status, headers, body) = parts(answer).await;
        assert_eq!((status, body.as_str()), (201, "hi"));
        assert_eq!(headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
        assert_eq!((&headers["x-a"], &headers["x-n"]), (&HeaderValue::from(1), &HeaderValue::from(2)));
        assert_eq!(headers["content-type"], "text/plain");
    }

    #[tokio::test]
    async fn a_binary_body_is_decoded() {
        let answer = r#"{"statusCode":200,"isBase64Encoded":true,"body":"aGk="}"#;
        assert_eq!(parts(answer).await.2, "hi");
    }

    #[tokio::test]
    async fn an_answer_without_status_is_the_body() {
        let (status, headers, body) = parts(r#"{"a":1}"#).await;
        assert_eq!((status, body.as_str()), (200, r#"{"a":1}"#));
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(parts(r#""text""#).await.2, "text");
    }

    #[tokio::test]
    async fn an_answer_without_body_has_no_type() {
        let (status, headers, body) = parts(r#"{"statusCode":204,"headers":{}}"#).await;
        assert_eq!((status, headers.is_empty(), body.as_str()), (204, true, ""));
    }

    #[test]
    fn nonsense_is_malformed() {
        for answer in [r#"{"statusCode":"x"}"#, r#"{"statusCode":200,"body":{}}"#, "no"] {
            assert!(buffered(&Bytes::from(answer), "text/plain").is_err(), "{answer}");
        }
    }
}
