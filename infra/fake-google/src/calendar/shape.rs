//! The parameters that change only how an answer looks: `fields` (a mask of members) and `timeZone` (in which times are written).

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat};
use chrono_tz::Tz;
use http::header;
use serde_json::{Map, Value};

use crate::error::Refusal;

/// Brings the answer into the shape that the request asks for.
pub(crate) async fn shape(request: Request, next: Next) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let get = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let (zone, fields) = (get("timeZone").map(|name| name.parse::<Tz>()), get("fields"));
    let zone = match zone.transpose() {
        Ok(zone) => zone,
        Err(_) => {
            let message = "Invalid value for: timeZone";
            return Refusal::bad("invalid", message).at("parameter", "timeZone").into_response();
        }
    };
    let response = next.run(request).await;
    if (zone.is_none() && fields.is_none()) || !response.status().is_success() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let Ok(mut value) = serde_json::from_slice::<Value>(&bytes) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    if let Some(zone) = zone {
        write_in(zone, &mut value);
    }
    if let Some(fields) = fields {
        value = masked(value, &Mask::parse(&mut fields.as_str()));
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(value.to_string()))
}

/// Writes the times of events in a zone.
fn write_in(zone: Tz, value: &mut Value) {
    for event in value.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
        write_in(zone, event);
    }
    for name in ["start", "end", "originalStartTime"] {
        let Some(time) = value.get_mut(name).and_then(|point| point.get_mut("dateTime")) else { continue };
        if let Some(at) = time.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok()) {
            *time = at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, true).into();
        }
    }
}

/// Members that are wanted, each with the members that are wanted of it; all, if none is named.
struct Mask(Vec<(String, Mask)>);

impl Mask {
    /// Reads `a,b/c,d(e,f)` up to the end or a closing bracket.
    fn parse(text: &mut &str) -> Self {
        let mut members = Vec::new();
        loop {
            members.extend(Self::member(text));
            match text.strip_prefix(',') {
                Some(rest) => *text = rest,
                None => return Self(members),
            }
        }
    }

    /// Reads one name and what is wanted of it.
    fn member(text: &mut &str) -> Option<(String, Self)> {
        let end = text.find([',', '/', '(', ')']).unwrap_or(text.len());
        let name = text[..end].trim().to_owned();
        *text = &text[end..];
        let inner = if let Some(rest) = text.strip_prefix('/') {
            *text = rest;
            Self(Self::member(text).into_iter().collect())
        } else if let Some(rest) = text.strip_prefix('(') {
            *text = rest;
            let inner = Self::parse(text);
            *text = text.strip_prefix(')').unwrap_or(text);
            inner
        } else {
            Self(Vec::new())
        };
        (!name.is_empty()).then_some((name, inner))
    }
}

fn masked(value: Value, mask: &Mask) -> Value {
    if mask.0.is_empty() {
        return value;
    }
    match value {
        Value::Array(items) => items.into_iter().map(|item| masked(item, mask)).collect(),
        Value::Object(members) => {
            let wanted = |name: &str| mask.0.iter().find(|(wanted, _)| wanted == name || wanted == "*");
            let kept: Map<String, Value> = members
                .into_iter()
                .filter_map(|(name, value)| {
                    let (_, inner) = wanted(&name)?;
                    Some((name, masked(value, inner)))
                })
                .collect();
            Value::Object(kept)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mask_keeps_what_it_names() {
        let value = json!({
            "kind": "k", "nextSyncToken": "t",
            "items": [{"id": "a", "start": {"date": "d", "timeZone": "z"}, "end": {"date": "e"}, "creator": {"email": "m"}}],
        });
        for (mask, kept) in [
            ("kind", json!({"kind": "k"})),
            ("items/id,kind", json!({"kind": "k", "items": [{"id": "a"}]})),
            (
                "items(id,start/date),kind",
                json!({"kind": "k", "items": [{"id": "a", "start": {"date": "d"}}]}),
            ),
            (
                "items(creator(email),end)",
                json!({"items": [{"creator": {"email": "m"}, "end": {"date": "e"}}]}),
            ),
            ("items/start/date", json!({"items": [{"start": {"date": "d"}}]})),
        ] {
            assert_eq!(masked(value.clone(), &Mask::parse(&mut &*mask)), kept, "{mask}");
        }
        assert_eq!(masked(value.clone(), &Mask::parse(&mut "*")), value);
    }
}
