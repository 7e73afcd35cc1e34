//! Event patterns: which records an event source hands over.
//!
//! An object in a pattern descends, an array lists what a value may be. As many operators as are documented for event
//! source mappings and used here; another one is an error when the cloud starts, not a filter that lets everything pass.

use anyhow::{Context, bail};
use serde_json::Value;

use crate::template::resources::FilterCriteria;

/// The patterns of one mapping; a record passes if any of them matches, or if there are none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filters(Vec<Value>);

impl Filters {
    pub(crate) fn parse(criteria: &FilterCriteria) -> anyhow::Result<Self> {
        let patterns = criteria.filters.iter().map(|filter| {
            let pattern = serde_json::from_str(&filter.pattern)
                .with_context(|| format!("the pattern `{}` is no JSON", filter.pattern))?;
            check(&pattern)?;
            Ok(pattern)
        });
        Ok(Self(patterns.collect::<anyhow::Result<_>>()?))
    }

    pub(crate) fn pass(&self, record: &Value) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| matches(pattern, Some(record)))
    }
}

fn check(pattern: &Value) -> anyhow::Result<()> {
    match pattern {
        Value::Object(fields) => fields.values().try_for_each(check),
        Value::Array(choices) => choices.iter().try_for_each(check_choice),
        other => bail!("`{other}` in an event pattern stands outside an array"),
    }
}

fn check_choice(choice: &Value) -> anyhow::Result<()> {
    let Value::Object(operator) = choice else { return Ok(()) };
    match operator.iter().next() {
        Some((name, argument)) => match name.as_str() {
            "exists" if argument.is_boolean() => Ok(()),
            "prefix" | "suffix" | "equals-ignore-case" if argument.is_string() => Ok(()),
            "anything-but" => Ok(()),
            _ => bail!("the local cloud does not know the event pattern `{choice}`"),
        },
        None => bail!("an event pattern holds an empty object"),
    }
}

fn matches(pattern: &Value, value: Option<&Value>) -> bool {
    match pattern {
        Value::Object(fields) => {
            fields.iter().all(|(name, inner)| matches(inner, value.and_then(|value| value.get(name))))
        }
        Value::Array(choices) => choices.iter().any(|choice| allows(choice, value)),
        _ => false,
    }
}

fn allows(choice: &Value, value: Option<&Value>) -> bool {
    let Some((operator, argument)) = choice.as_object().and_then(|operator| operator.iter().next()) else {
        return value == Some(choice);
    };
    let text = value.and_then(Value::as_str);
    let wanted = argument.as_str().unwrap_or_default();
    match operator.as_str() {
        // `exists` is about leaves: a branch of the record does not count.
        "exists" => value.is_some_and(|value| !value.is_object()) == (argument == true),
        "prefix" => text.is_some_and(|text| text.starts_with(wanted)),
        "suffix" => text.is_some_and(|text| text.ends_with(wanted)),
        "equals-ignore-case" => text.is_some_and(|text| text.eq_ignore_ascii_case(wanted)),
        "anything-but" => value.is_some_and(|value| !excluded(argument, value)),
        _ => false,
    }
}

fn excluded(argument: &Value, value: &Value) -> bool {
    match argument {
        Value::Array(choices) => choices.contains(value),
        Value::Object(_) => allows(argument, Some(value)),
        single => single == value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::template::resources::Filter;

    fn filters(patterns: &[&str]) -> anyhow::Result<Filters> {
        let filters = patterns.iter().map(|pattern| Filter { pattern: (*pattern).to_owned() }).collect();
        Filters::parse(&FilterCriteria { filters })
    }

    fn passes(pattern: &str, record: Value) -> bool {
        filters(&[pattern]).unwrap().pass(&record)
    }

    #[test]
    fn a_new_image_with_the_attribute_passes() {
        let pattern = r#"{"dynamodb":{"NewImage":{"rev":{"N":[{"exists":true}]}}}}"#;
        assert!(passes(pattern, json!({"dynamodb": {"NewImage": {"rev": {"N": "7"}}}})));
        assert!(!passes(pattern, json!({"dynamodb": {"NewImage": {"sk": {"S": "HEAD"}}}})));
        assert!(!passes(pattern, json!({"dynamodb": {"OldImage": {"rev": {"N": "7"}}}})));
    }

    #[test]
    fn values_prefixes_and_exclusions_are_understood() {
        assert!(passes(r#"{"eventName":["INSERT","MODIFY"]}"#, json!({"eventName": "MODIFY"})));
        assert!(!passes(r#"{"eventName":["INSERT"]}"#, json!({"eventName": "REMOVE"})));
        assert!(passes(r#"{"k":[{"prefix":"E#"}]}"#, json!({"k": "E#1"})));
        assert!(!passes(r#"{"k":[{"anything-but":["HEAD"]}]}"#, json!({"k": "HEAD"})));
        assert!(passes(r#"{"k":[{"anything-but":{"prefix":"S#"}}]}"#, json!({"k": "E#1"})));
        assert!(passes(r#"{"k":[{"exists":false}]}"#, json!({})));
    }

    #[test]
    fn any_filter_will_do_and_none_lets_everything_pass() {
        let either = filters(&[r#"{"a":[1]}"#, r#"{"b":[2]}"#]).unwrap();
        assert!(either.pass(&json!({"b": 2})) && !either.pass(&json!({"c": 3})));
        assert!(filters(&[]).unwrap().pass(&json!({})));
    }

    #[test]
    fn an_unknown_operator_is_an_error() {
        let error = filters(&[r#"{"a":[{"cidr":"10.0.0.0/8"}]}"#]).unwrap_err().to_string();
        assert!(error.contains("cidr"), "{error}");
    }
}
