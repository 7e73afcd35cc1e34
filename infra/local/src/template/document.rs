//! YAML to one plain tree: the short forms (`!Ref x`, `!GetAtt a.b`) become the long ones (`{"Ref": "x"}`,
//! `{"Fn::GetAtt": ["a", "b"]}`), so that everything after this reads a single notation.

use serde_json::{Map, Value};
use serde_yaml_ng::Value as Yaml;

use super::TemplateError;

/// Parses the template's text.
pub(super) fn read(text: &str) -> Result<Map<String, Value>, TemplateError> {
    let yaml: Yaml = serde_yaml_ng::from_str(text)?;
    match plain(yaml, "")? {
        Value::Object(map) => Ok(map),
        _ => Err(TemplateError::invalid("template", "is not a mapping")),
    }
}

fn plain(yaml: Yaml, at: &str) -> Result<Value, TemplateError> {
    match yaml {
        Yaml::Null => Ok(Value::Null),
        Yaml::Bool(value) => Ok(Value::Bool(value)),
        Yaml::Number(number) => plain_number(&number, at),
        Yaml::String(text) => Ok(Value::String(text)),
        Yaml::Sequence(items) => items
            .into_iter()
            .enumerate()
            .map(|(index, item)| plain(item, &format!("{at}[{index}]")))
            .collect(),
        Yaml::Mapping(mapping) => {
            let mut map = Map::new();
            for (key, value) in mapping {
                let key = plain_key(&key, at)?;
                let value = plain(value, &join(at, &key))?;
                map.insert(key, value);
            }
            Ok(Value::Object(map))
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let name = tag.trim_start_matches('!');
            let argument = plain(tagged.value, &join(at, &tag))?;
            Ok(Value::Object(Map::from_iter([long_form(name, argument)])))
        }
    }
}

fn plain_number(number: &serde_yaml_ng::Number, at: &str) -> Result<Value, TemplateError> {
    serde_json::to_value(number).map_err(|error| TemplateError::invalid(at, error.to_string()))
}

fn plain_key(key: &Yaml, at: &str) -> Result<String, TemplateError> {
    match key {
        Yaml::String(text) => Ok(text.clone()),
        Yaml::Number(number) => Ok(number.to_string()),
        Yaml::Bool(value) => Ok(value.to_string()),
        _ => Err(TemplateError::invalid(at, "a key is neither text nor a number")),
    }
}

fn long_form(name: &str, argument: Value) -> (String, Value) {
    match (name, argument) {
        ("Ref" | "Condition", argument) => (name.to_owned(), argument),
        ("GetAtt", Value::String(path)) => {
            let parts = path.split_once('.').map_or(vec![path.as_str()], |(id, rest)| vec![id, rest]);
            ("Fn::GetAtt".to_owned(), Value::from(parts))
        }
        (name, argument) => (format!("Fn::{name}"), argument),
    }
}

fn join(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}
