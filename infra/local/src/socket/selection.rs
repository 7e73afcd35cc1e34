//! Route selection expressions: what of a message names its route.
//!
//! API Gateway knows `$request.body.<path>` and the same in braces between other text (`${request.body.kind}/v1`). A message that is no JSON,
//! or has nothing at the path, names no route.

use serde_json::Value;

/// The route key that a message names, if it names one.
pub(super) fn select(expression: &str, message: &str) -> Option<String> {
    let body: Value = serde_json::from_str(message).ok()?;
    if !expression.contains("${") {
        return match expression.strip_prefix('$') {
            Some(path) => look_up(path, &body),
            None => Some(expression.to_owned()),
        };
    }
    let mut key = String::new();
    let mut rest = expression;
    while let Some((before, after)) = rest.split_once("${") {
        let (path, tail) = after.split_once('}')?;
        key.push_str(before);
        key.push_str(&look_up(path, &body)?);
        rest = tail;
    }
    key.push_str(rest);
    Some(key)
}

fn look_up(path: &str, body: &Value) -> Option<String> {
    let path = path.strip_prefix("request.body.")?;
    let found = path.split('.').try_fold(body, |node, name| node.get(name))?;
    match found {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(found.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::select;

    #[test]
    fn a_message_names_its_route() {
        let message = r#"{"type":"ping","meta":{"version":2},"list":[]}"#;
        let found = |expression| select(expression, message);
        assert_eq!(found("$request.body.type").as_deref(), Some("ping"));
        assert_eq!(found("${request.body.type}").as_deref(), Some("ping"));
        assert_eq!(found("${request.body.type}/v${request.body.meta.version}").as_deref(), Some("ping/v2"));
        assert_eq!(found("always").as_deref(), Some("always"));
        assert_eq!(found("$request.body.action"), None);
        assert_eq!(found("$request.body.list"), None);
    }

    #[test]
    fn what_is_no_json_names_none() {
        for message in ["", "ping", "{", "\"type\"", "[1]"] {
            assert_eq!(select("$request.body.type", message), None, "{message}");
        }
    }
}
