//! CloudFormation's intrinsic functions, as many as the template needs.
//!
//! An unknown function is an error that names its path: guessing would run something else than what deploys.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::TemplateError;

/// The region every local resource lives in.
pub const REGION: &str = "us-east-1";
/// The account every local resource belongs to.
pub const ACCOUNT: &str = "000000000000";
const STACK: &str = "local";

/// What `!Ref` and `!GetAtt` of resources lead to in the running cloud.
///
/// The cloud fills it while it creates its resources (a table's name, a queue's address, a function URL); properties
/// that name a resource which does not exist yet can't be evaluated.
#[derive(Debug, Default, Clone)]
pub struct PhysicalIds {
    refs: BTreeMap<String, String>,
    attributes: BTreeMap<(String, String), String>,
}

impl PhysicalIds {
    /// Sets what `!Ref id` is.
    pub fn set_ref(&mut self, id: &str, value: impl Into<String>) {
        self.refs.insert(id.to_owned(), value.into());
    }

    /// Sets what `!GetAtt id.attribute` is.
    pub fn set_attribute(&mut self, id: &str, attribute: &str, value: impl Into<String>) {
        self.attributes.insert((id.to_owned(), attribute.to_owned()), value.into());
    }

    /// What `!Ref id` is, if the resource exists.
    pub fn get_ref(&self, id: &str) -> Option<&str> {
        self.refs.get(id).map(String::as_str)
    }

    /// What `!GetAtt id.attribute` is, if the resource exists.
    pub fn get_attribute(&self, id: &str, attribute: &str) -> Option<&str> {
        self.attributes.get(&(id.to_owned(), attribute.to_owned())).map(String::as_str)
    }
}

/// Everything an intrinsic function may look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) parameters: &'a BTreeMap<String, Value>,
    pub(super) conditions: Option<&'a Value>,
    pub(super) mappings: Option<&'a Value>,
    pub(super) ids: &'a PhysicalIds,
}

type Evaluated = Result<Value, TemplateError>;

impl Scope<'_> {
    /// Whether a resource's own `Condition` lets it exist.
    pub(super) fn exists(&self, id: &str, resource: &Value) -> Result<bool, TemplateError> {
        match resource["Condition"].as_str() {
            Some(name) => self.condition(name, &format!("Resources.{id}.Condition")),
            None => Ok(true),
        }
    }

    /// Evaluates a tree; `AWS::NoValue` removes the key or item it stands in.
    pub(super) fn evaluate(&self, value: &Value, at: &str) -> Evaluated {
        Ok(self.evaluate_optional(value, at)?.unwrap_or(Value::Null))
    }

    fn evaluate_optional(&self, value: &Value, at: &str) -> Result<Option<Value>, TemplateError> {
        match value {
            Value::Array(items) => {
                let mut evaluated = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    evaluated.extend(self.evaluate_optional(item, &format!("{at}[{index}]"))?);
                }
                Ok(Some(Value::Array(evaluated)))
            }
            Value::Object(map) => match intrinsic(map) {
                Some((name, argument)) => self.call(name, argument, at),
                None => self.evaluate_map(map, at).map(Some),
            },
            plain => Ok(Some(plain.clone())),
        }
    }

    fn evaluate_map(&self, map: &Map<String, Value>, at: &str) -> Evaluated {
        let mut evaluated = Map::new();
        for (key, value) in map {
            if let Some(value) = self.evaluate_optional(value, &format!("{at}.{key}"))? {
                evaluated.insert(key.clone(), value);
            }
        }
        Ok(Value::Object(evaluated))
    }

    fn call(&self, name: &str, argument: &Value, at: &str) -> Result<Option<Value>, TemplateError> {
        let value = match name {
            "Ref" => return self.reference(text(argument, at)?, at),
            "Fn::If" => return self.choose(argument, at),
            "Fn::GetAtt" => self.attribute(argument, at)?,
            "Fn::Sub" => self.substitute(argument, at)?,
            "Fn::Join" => self.join(argument, at)?,
            "Fn::Split" => self.split(argument, at)?,
            "Fn::Select" => self.select(argument, at)?,
            "Fn::FindInMap" => self.find_in_map(argument, at)?,
            "Condition" | "Fn::Equals" | "Fn::Not" | "Fn::And" | "Fn::Or" => {
                Value::Bool(self.truth(name, argument, at)?)
            }
            _ => {
                return Err(TemplateError::invalid(at, format!("`{name}` is not known to the local cloud")));
            }
        };
        Ok(Some(value))
    }

    fn reference(&self, name: &str, at: &str) -> Result<Option<Value>, TemplateError> {
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        let found = pseudo_parameter(name)
            .map(Value::from)
            .or_else(|| self.parameters.get(name).cloned())
            .or_else(|| self.ids.get_ref(name).map(Value::from));
        found.map(Some).ok_or_else(|| TemplateError::invalid(at, format!("`!Ref {name}` leads nowhere")))
    }

    fn attribute(&self, argument: &Value, at: &str) -> Evaluated {
        let (id, attribute) = match argument {
            Value::String(path) => path.split_once('.').unwrap_or((path, "")),
            _ => {
                let [id, attribute] = arguments(argument, at)?;
                (text(id, at)?, text(attribute, at)?)
            }
        };
        self.ids
            .get_attribute(id, attribute)
            .map(Value::from)
            .ok_or_else(|| TemplateError::invalid(at, format!("`!GetAtt {id}.{attribute}` leads nowhere")))
    }

    fn choose(&self, argument: &Value, at: &str) -> Result<Option<Value>, TemplateError> {
        let [condition, yes, no] = arguments(argument, at)?;
        let chosen = if self.condition(text(condition, at)?, at)? { yes } else { no };
        self.evaluate_optional(chosen, at)
    }

    fn substitute(&self, argument: &Value, at: &str) -> Evaluated {
        let (pattern, locals) = match argument {
            Value::String(pattern) => (pattern.as_str(), Map::new()),
            _ => {
                let [pattern, locals] = arguments(argument, at)?;
                let locals = self.evaluate(locals, at)?.as_object().cloned().unwrap_or_default();
                (text(pattern, at)?, locals)
            }
        };
        let mut out = String::new();
        let mut rest = pattern;
        while let Some(start) = rest.find("${") {
            out.push_str(&rest[..start]);
            let Some(length) = rest[start..].find('}') else {
                return Err(TemplateError::invalid(at, "a `${` is never closed"));
            };
            let name = &rest[start + 2..start + length];
            out.push_str(&self.placeholder(name, &locals, at)?);
            rest = &rest[start + length + 1..];
        }
        out.push_str(rest);
        Ok(Value::String(out))
    }

    fn placeholder(
        &self,
        name: &str,
        locals: &Map<String, Value>,
        at: &str,
    ) -> Result<String, TemplateError> {
        if let Some(literal) = name.strip_prefix('!') {
            return Ok(format!("${{{literal}}}"));
        }
        if let Some(value) = locals.get(name) {
            return scalar(value, at);
        }
        let value = match name.split_once('.') {
            Some(_) => Some(self.attribute(&Value::from(name), at)?),
            None => self.reference(name, at)?,
        };
        value.map_or(Ok(String::new()), |value| scalar(&value, at))
    }

    fn join(&self, argument: &Value, at: &str) -> Evaluated {
        let [separator, items] = arguments(argument, at)?;
        let items = self.list(items, at)?;
        let parts = items.iter().map(|item| scalar(item, at)).collect::<Result<Vec<_>, _>>()?;
        Ok(Value::String(parts.join(text(separator, at)?)))
    }

    fn split(&self, argument: &Value, at: &str) -> Evaluated {
        let [separator, source] = arguments(argument, at)?;
        let source = scalar(&self.evaluate(source, at)?, at)?;
        Ok(source.split(text(separator, at)?).map(Value::from).collect())
    }

    fn select(&self, argument: &Value, at: &str) -> Evaluated {
        let [index, items] = arguments(argument, at)?;
        let position: usize = scalar(&self.evaluate(index, at)?, at)?
            .parse()
            .map_err(|_| TemplateError::invalid(at, "`!Select` needs a number first"))?;
        let items = self.list(items, at)?;
        items
            .get(position)
            .cloned()
            .ok_or_else(|| TemplateError::invalid(at, format!("the list has no item {position}")))
    }

    fn find_in_map(&self, argument: &Value, at: &str) -> Evaluated {
        let [map, first, second] = arguments(argument, at)?;
        let mut node = self.mappings.unwrap_or(&Value::Null);
        for key in [map, first, second] {
            node = &node[scalar(&self.evaluate(key, at)?, at)?];
        }
        if node.is_null() {
            return Err(TemplateError::invalid(at, "`!FindInMap` finds nothing"));
        }
        Ok(node.clone())
    }

    fn list(&self, value: &Value, at: &str) -> Result<Vec<Value>, TemplateError> {
        match self.evaluate(value, at)? {
            Value::Array(items) => Ok(items),
            _ => Err(TemplateError::invalid(at, "a list is needed")),
        }
    }

    fn condition(&self, name: &str, at: &str) -> Result<bool, TemplateError> {
        let definition = self.conditions.map_or(&Value::Null, |conditions| &conditions[name]);
        if definition.is_null() {
            return Err(TemplateError::invalid(at, format!("there is no condition `{name}`")));
        }
        self.holds(definition, &format!("Conditions.{name}"))
    }

    fn holds(&self, value: &Value, at: &str) -> Result<bool, TemplateError> {
        match self.evaluate(value, at)? {
            Value::Bool(truth) => Ok(truth),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            _ => Err(TemplateError::invalid(at, "neither true nor false")),
        }
    }

    fn truth(&self, name: &str, argument: &Value, at: &str) -> Result<bool, TemplateError> {
        match name {
            "Condition" => self.condition(text(argument, at)?, at),
            "Fn::Equals" => {
                let [left, right] = arguments(argument, at)?;
                Ok(scalar(&self.evaluate(left, at)?, at)? == scalar(&self.evaluate(right, at)?, at)?)
            }
            "Fn::Not" => {
                let [operand] = arguments(argument, at)?;
                Ok(!self.holds(operand, at)?)
            }
            _ => {
                let operands = argument.as_array().map_or(&[][..], Vec::as_slice);
                let truths =
                    operands.iter().map(|operand| self.holds(operand, at)).collect::<Result<Vec<_>, _>>()?;
                Ok(if name == "Fn::And" { truths.iter().all(|t| *t) } else { truths.iter().any(|t| *t) })
            }
        }
    }
}

fn intrinsic(map: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = map.iter().next()?;
    let is_one = map.len() == 1 && (name == "Ref" || name.starts_with("Fn::"));
    // `Condition` is a function only as `!Condition name`; in a policy statement it is a mapping.
    let is_condition = map.len() == 1 && name == "Condition" && argument.is_string();
    (is_one || is_condition).then_some((name.as_str(), argument))
}

fn pseudo_parameter(name: &str) -> Option<&'static str> {
    Some(match name {
        "AWS::Region" => REGION,
        "AWS::AccountId" => ACCOUNT,
        "AWS::Partition" => "aws",
        "AWS::StackName" => STACK,
        "AWS::StackId" => "arn:aws:cloudformation:us-east-1:000000000000:stack/local/0",
        "AWS::URLSuffix" => "amazonaws.com",
        _ => return None,
    })
}

fn arguments<'v, const N: usize>(argument: &'v Value, at: &str) -> Result<[&'v Value; N], TemplateError> {
    let items: Vec<&Value> = argument.as_array().map(|items| items.iter().collect()).unwrap_or_default();
    let found = items.len();
    items.try_into().map_err(|_| TemplateError::invalid(at, format!("needs {N} arguments, has {found}")))
}

fn text<'v>(value: &'v Value, at: &str) -> Result<&'v str, TemplateError> {
    value.as_str().ok_or_else(|| TemplateError::invalid(at, "plain text is needed"))
}

/// CloudFormation's view of a scalar: everything is text.
pub(crate) fn scalar(value: &Value, at: &str) -> Result<String, TemplateError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        _ => Err(TemplateError::invalid(at, "a single value is needed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Template;

    fn evaluate(yaml: &str) -> Result<Value, TemplateError> {
        let text = format!(
            "Parameters:\n  Stage: {{Type: String, Default: dev}}\n  Names: {{Type: CommaDelimitedList, Default: 'a, b'}}\n\
             Conditions:\n  IsDev: !Equals [!Ref Stage, dev]\n  IsOdd: !Not [!Condition IsDev]\n\
             Resources:\n  It:\n    Type: Thing\n    Properties:\n      Value: {yaml}\n"
        );
        let mut ids = PhysicalIds::default();
        ids.set_ref("Table", "meridian-table");
        ids.set_attribute("Url", "FunctionUrl", "http://127.0.0.1:9/");
        Template::parse(&text, &BTreeMap::new())?.property("It", "Value", &ids)
    }

    #[test]
    fn short_and_long_forms_mean_the_same() {
        assert_eq!(evaluate("!Ref Table").unwrap(), "meridian-table");
        assert_eq!(evaluate("{Ref: Table}").unwrap(), "meridian-table");
        assert_eq!(evaluate("!GetAtt Url.FunctionUrl").unwrap(), "http://127.0.0.1:9/");
        assert_eq!(evaluate("{'Fn::GetAtt': [Url, FunctionUrl]}").unwrap(), "http://127.0.0.1:9/");
    }

    #[test]
    fn substitution_reads_parameters_resources_attributes_and_locals() {
        let value =
            evaluate("!Sub ['${Stage}/${Table}/${Url.FunctionUrl}${x}${!y}', {x: !Ref 'AWS::Region'}]");
        assert_eq!(value.unwrap(), "dev/meridian-table/http://127.0.0.1:9/us-east-1${y}");
    }

    #[test]
    fn functions_nest() {
        let host = evaluate("!Select [2, !Split ['/', !GetAtt Url.FunctionUrl]]").unwrap();
        assert_eq!(host, "127.0.0.1:9");
        assert_eq!(evaluate("!Join ['-', [!Ref Stage, 7]]").unwrap(), "dev-7");
        assert_eq!(evaluate("!Join ['-', !Ref Names]").unwrap(), "a-b");
    }

    #[test]
    fn a_condition_chooses_and_no_value_removes() {
        assert_eq!(evaluate("!If [IsDev, 1, 2]").unwrap(), 1);
        assert_eq!(evaluate("!If [IsOdd, 1, 2]").unwrap(), 2);
        assert_eq!(
            evaluate("{a: !If [IsOdd, 1, !Ref 'AWS::NoValue'], b: 1}").unwrap(),
            serde_json::json!({"b": 1})
        );
    }

    #[test]
    fn an_unknown_function_is_an_error_that_names_its_path() {
        let error = evaluate("{inner: !Cidr [a, b]}").unwrap_err().to_string();
        assert_eq!(error, "Resources.It.Properties.Value.inner: `Fn::Cidr` is not known to the local cloud");
    }

    #[test]
    fn a_reference_to_nothing_is_an_error_that_names_it() {
        let error = evaluate("!Ref Nobody").unwrap_err().to_string();
        assert_eq!(error, "Resources.It.Properties.Value: `!Ref Nobody` leads nowhere");
    }
}
