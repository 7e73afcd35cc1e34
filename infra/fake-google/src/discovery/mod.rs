//! Is a request one that Google's discovery document allows? What is not is noted in the journal, not refused: the real service
//! overlooks much of it, and a client is to be told all the same.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The document, reduced to what requests can break.
#[derive(Deserialize)]
pub(crate) struct Discovery {
    /// Parameters that every method has.
    parameters: BTreeMap<String, Schema>,
    methods: BTreeMap<String, Method>,
    schemas: BTreeMap<String, Schema>,
}

#[derive(Deserialize)]
struct Method {
    parameters: BTreeMap<String, Schema>,
    /// Name of the schema of the body.
    request: Option<String>,
}

/// A JSON schema, of the kind that discovery documents use; of a parameter, its text is what is described.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Schema {
    #[serde(rename = "type")]
    kind: Option<String>,
    format: Option<String>,
    #[serde(rename = "enum")]
    values: Vec<String>,
    #[serde(rename = "$ref")]
    reference: Option<String>,
    minimum: Option<String>,
    maximum: Option<String>,
    required: bool,
    repeated: bool,
    properties: BTreeMap<String, Schema>,
    items: Option<Box<Schema>>,
    additional_properties: Option<Box<Schema>>,
}

/// A request to be checked.
pub(crate) struct Question<'a> {
    /// The method by Google's name.
    pub operation: &'a str,
    pub query: &'a [(String, String)],
    /// `None` if there is no body, or none that is JSON.
    pub body: Option<&'a Value>,
    /// What the server holds under the address: members that came from there may go back.
    pub stored: Option<&'a Map<String, Value>>,
}

impl Discovery {
    pub(crate) fn load() -> Result<Self, serde_json::Error> {
        serde_json::from_str(include_str!("calendar.v3.json"))
    }

    /// What is wrong with a request, in words; nothing for what is not of Calendar.
    pub(crate) fn violations(&self, question: &Question<'_>) -> Vec<String> {
        let mut wrong = Vec::new();
        let Some(method) = self.methods.get(question.operation) else {
            if question.operation == "unknown" {
                wrong.push("there is no such method".to_owned());
            }
            return wrong;
        };
        self.check_query(method, question.query, &mut wrong);
        match (&method.request, question.body) {
            (Some(name), Some(body)) => {
                let schema = Schema { reference: Some(name.clone()), ..Schema::default() };
                self.check(&schema, body, "", question.stored, &mut wrong);
            }
            (None, Some(_)) => wrong.push("the method takes no body".to_owned()),
            (_, None) => {}
        }
        wrong
    }

    fn check_query(&self, method: &Method, query: &[(String, String)], wrong: &mut Vec<String>) {
        for (n, (name, value)) in query.iter().enumerate() {
            let Some(schema) = method.parameters.get(name).or_else(|| self.parameters.get(name)) else {
                wrong.push(format!("unknown parameter {name}"));
                continue;
            };
            if !schema.repeated && query[..n].iter().any(|(earlier, _)| earlier == name) {
                wrong.push(format!("parameter {name} is given twice"));
            }
            if !schema.allows_text(value) {
                wrong.push(format!("parameter {name} has a value that it cannot have"));
            }
        }
        let is_given = |name: &String| query.iter().any(|(given, _)| given == name);
        let missing = method.parameters.iter().filter(|(name, schema)| schema.required && !is_given(name));
        wrong.extend(missing.map(|(name, _)| format!("parameter {name} is missing")));
    }

    fn check(
        &self,
        schema: &Schema,
        value: &Value,
        path: &str,
        stored: Option<&Map<String, Value>>,
        wrong: &mut Vec<String>,
    ) {
        let referred = schema.reference.as_ref().and_then(|name| self.schemas.get(name));
        let schema = referred.unwrap_or(schema);
        match (value, schema.kind.as_deref()) {
            (Value::Null, _) => {}
            (Value::Object(members), Some("object")) => {
                for (name, value) in members {
                    let path = format!("{path}/{name}");
                    let known = schema.properties.get(name).or(schema.additional_properties.as_deref());
                    let inner = stored.and_then(|stored| stored.get(name));
                    match known {
                        Some(schema) => {
                            self.check(schema, value, &path, inner.and_then(Value::as_object), wrong);
                        }
                        None if inner.is_some() => {}
                        None => wrong.push(format!("unknown member {path}")),
                    }
                }
            }
            (Value::Array(values), Some("array")) => {
                for value in values {
                    schema.items.iter().for_each(|items| self.check(items, value, path, None, wrong));
                }
            }
            (value, _) if schema.allows(value) => {}
            _ => wrong.push(format!("{path} is not of its type")),
        }
    }
}

impl Schema {
    fn allows(&self, value: &Value) -> bool {
        match (self.kind.as_deref(), value) {
            (Some("string"), Value::String(text)) => self.allows_text(text),
            // 64-bit numbers are strings in JSON; a number is read as well.
            (Some("string"), Value::Number(number)) => {
                self.is_number() && self.allows_text(&number.to_string())
            }
            (Some("boolean"), Value::Bool(_)) | (Some("number"), Value::Number(_)) => true,
            (Some("integer"), Value::Number(number)) => self.allows_text(&number.to_string()),
            (Some("any"), _) => true,
            _ => false,
        }
    }

    fn is_number(&self) -> bool {
        matches!(self.format.as_deref(), Some("int64" | "uint64"))
    }

    fn allows_text(&self, text: &str) -> bool {
        let is_typed = match (self.kind.as_deref(), self.format.as_deref()) {
            (Some("boolean"), _) => matches!(text, "true" | "false"),
            (Some("integer"), _) | (_, Some("int64" | "uint64")) => text.parse().is_ok_and(|n| self.has(n)),
            (_, Some("date")) => NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok(),
            // The offset may be missing where a zone is named beside it.
            (_, Some("date-time")) => {
                DateTime::parse_from_rfc3339(text).is_ok() || text.parse::<NaiveDateTime>().is_ok()
            }
            _ => true,
        };
        is_typed && (self.values.is_empty() || self.values.iter().any(|value| value == text))
    }

    fn has(&self, number: i64) -> bool {
        let bound = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<i64>().ok());
        bound(&self.minimum).is_none_or(|least| number >= least)
            && bound(&self.maximum).is_none_or(|most| number <= most)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn violations(operation: &str, query: &str, body: Option<Value>, stored: Option<Value>) -> Vec<String> {
        let query: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let stored = stored.as_ref().and_then(Value::as_object);
        let question = Question { operation, query: &query, body: body.as_ref(), stored };
        Discovery::load().unwrap().violations(&question)
    }

    #[test]
    fn parameters_are_known_typed_and_complete() {
        let list = |query| violations("calendar.events.list", query, None, None);
        let fine = "maxResults=2500&singleEvents=false&syncToken=x&eventTypes=default&eventTypes=birthday&fields=items";
        assert_eq!(list(fine), Vec::<String>::new());
        assert_eq!(list("limit=1"), ["unknown parameter limit"]);
        assert_eq!(list("singleEvents=0"), ["parameter singleEvents has a value that it cannot have"]);
        assert_eq!(list("maxResults=0"), ["parameter maxResults has a value that it cannot have"]);
        assert_eq!(list("timeMin=today"), ["parameter timeMin has a value that it cannot have"]);
        assert_eq!(list("q=a&q=b"), ["parameter q is given twice"]);
        let update = violations("calendar.events.update", "sendUpdates=nobody", None, None);
        assert_eq!(update, ["parameter sendUpdates has a value that it cannot have"]);
        assert_eq!(violations("calendar.events.move", "", None, None), ["parameter destination is missing"]);
    }

    #[test]
    fn members_are_known_and_typed_and_foreign_ones_may_go_back() {
        let update = |body, stored| violations("calendar.events.update", "", Some(body), stored);
        let event = json!({
            "summary": "S", "sequence": 1, "start": {"date": "2026-01-01"}, "attendees": [{"email": "a", "self": true}],
            "extendedProperties": {"private": {"mark": "m"}}, "end": {"dateTime": "2026-01-01T00:00:00", "timeZone": "UTC"},
            "description": null,
        });
        assert_eq!(update(event, None), Vec::<String>::new());
        assert_eq!(update(json!({"title": "S"}), None), ["unknown member /title"]);
        assert_eq!(update(json!({"start": {"day": 1}}), None), ["unknown member /start/day"]);
        assert_eq!(update(json!({"summary": 1}), None), ["/summary is not of its type"]);
        assert_eq!(update(json!({"xFuture": 1}), Some(json!({"xFuture": 0}))), Vec::<String>::new());
        let watch = json!({"id": "c", "type": "web_hook", "expiration": "1", "params": {"ttl": "60"}});
        assert_eq!(violations("calendar.events.watch", "", Some(watch), None), Vec::<String>::new());
        assert_eq!(
            violations("calendar.events.list", "", Some(json!({})), None),
            ["the method takes no body"]
        );
    }
}
