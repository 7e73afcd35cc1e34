//! The deployment template, read as the local cloud's only configuration.
//!
//! What runs locally is what deploys: routes, URLs, queues, tables, schedules and environment variables come from
//! `template.yaml` and from nowhere else. Nothing here starts anything; [`Template`] is the parsed document,
//! [`intrinsics`] evaluates `!Ref` and its kin, [`resources`] turns resources into types.

mod document;
pub mod intrinsics;
pub mod resources;
pub mod socket;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use intrinsics::{PhysicalIds, Scope};

/// Why a template can't be used. Every variant that has one names the path inside the template.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The file can't be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file asked for.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// The file is not YAML.
    #[error("not a YAML document: {0}")]
    Syntax(#[from] serde_yaml_ng::Error),
    /// A value is missing or of the wrong kind.
    #[error("{at}: {problem}")]
    Invalid {
        /// Where in the template, e.g. `Resources.Api.Properties`.
        at: String,
        /// What is wrong there.
        problem: String,
    },
}

impl TemplateError {
    pub(crate) fn invalid(at: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid { at: at.into(), problem: problem.into() }
    }
}

/// A parsed template with the values of its parameters.
#[derive(Debug, Clone)]
pub struct Template {
    document: Map<String, Value>,
    parameters: BTreeMap<String, Value>,
}

impl Template {
    /// Reads the template at `path`; `overrides` take the place of parameter defaults.
    ///
    /// # Errors
    /// If the file is unreadable, no YAML, or a parameter has neither default nor override.
    pub fn load(path: &Path, overrides: &BTreeMap<String, String>) -> Result<Self, TemplateError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| TemplateError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, overrides)
    }

    /// Like [`Template::load`], from text.
    ///
    /// # Errors
    /// As [`Template::load`].
    pub fn parse(text: &str, overrides: &BTreeMap<String, String>) -> Result<Self, TemplateError> {
        let document = document::read(text)?;
        let parameters = parameter_values(&document, overrides)?;
        Ok(Self { document, parameters })
    }

    /// The logical ids of all resources of a type whose `Condition`, if any, holds.
    ///
    /// # Errors
    /// If a condition can't be evaluated.
    pub fn resources_of_type(&self, kind: &str) -> Result<Vec<&str>, TemplateError> {
        let nothing = PhysicalIds::default();
        let scope = self.scope(&nothing);
        let mut found = Vec::new();
        for (id, resource) in self.resources() {
            if resource["Type"] == kind && scope.exists(id, resource)? {
                found.push(id.as_str());
            }
        }
        Ok(found)
    }

    /// The resource with this logical id, unevaluated.
    ///
    /// # Errors
    /// If there is none.
    pub fn resource(&self, id: &str) -> Result<&Value, TemplateError> {
        self.resources()
            .get(id)
            .ok_or_else(|| TemplateError::invalid("Resources", format!("there is no `{id}`")))
    }

    /// Evaluates `Properties.<property>` of a resource; absent properties are `null`.
    ///
    /// `property` may lead further down with dots (`DistributionConfig.Origins.0.DomainName`), so that a neighbour which
    /// names a resource the local cloud does not play need not be evaluated.
    ///
    /// # Errors
    /// If the resource is missing or an intrinsic function can't be evaluated.
    pub fn property(&self, id: &str, property: &str, ids: &PhysicalIds) -> Result<Value, TemplateError> {
        let raw = descend(&self.resource(id)?["Properties"], property);
        self.scope(ids).evaluate(raw, &format!("Resources.{id}.Properties.{property}"))
    }

    /// How many items the list `Properties.<property>` of a resource has, without evaluating them.
    ///
    /// # Errors
    /// If the resource is missing.
    pub fn count(&self, id: &str, property: &str) -> Result<usize, TemplateError> {
        Ok(descend(&self.resource(id)?["Properties"], property).as_array().map_or(0, Vec::len))
    }

    /// Evaluates `Globals.Function.<property>`; absent properties are `null`.
    ///
    /// # Errors
    /// If an intrinsic function can't be evaluated.
    pub fn function_global(&self, property: &str, ids: &PhysicalIds) -> Result<Value, TemplateError> {
        let raw = self.document.get("Globals").map_or(&Value::Null, |globals| &globals["Function"][property]);
        self.scope(ids).evaluate(raw, &format!("Globals.Function.{property}"))
    }

    /// The names of the template's parameters.
    pub fn parameter_names(&self) -> impl Iterator<Item = &str> {
        self.parameters.keys().map(String::as_str)
    }

    fn resources(&self) -> &Map<String, Value> {
        static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        self.document.get("Resources").and_then(Value::as_object).unwrap_or(&NONE)
    }

    fn scope<'a>(&'a self, ids: &'a PhysicalIds) -> Scope<'a> {
        Scope {
            parameters: &self.parameters,
            conditions: self.document.get("Conditions"),
            mappings: self.document.get("Mappings"),
            ids,
        }
    }
}

fn descend<'v>(value: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(value, |node, key| match key.parse::<usize>() {
        Ok(index) => &node[index],
        Err(_) => &node[key],
    })
}

fn parameter_values(
    document: &Map<String, Value>,
    overrides: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Value>, TemplateError> {
    let mut values = BTreeMap::new();
    let declared = document.get("Parameters").and_then(Value::as_object);
    for (name, declaration) in declared.into_iter().flatten() {
        let text = match (overrides.get(name), &declaration["Default"]) {
            (Some(value), _) => value.clone(),
            (None, Value::String(value)) => value.clone(),
            (None, Value::Null) => {
                return Err(TemplateError::invalid(
                    format!("Parameters.{name}"),
                    "has no default and no local value",
                ));
            }
            (None, other) => other.to_string(),
        };
        values.insert(name.clone(), typed(declaration, text));
    }
    Ok(values)
}

/// A list parameter is an array to the functions that take it apart; every other parameter is text.
fn typed(declaration: &Value, text: String) -> Value {
    let kind = declaration["Type"].as_str().unwrap_or("String");
    if kind == "CommaDelimitedList" || kind.starts_with("List<") {
        text.split(',').map(|part| Value::from(part.trim())).collect()
    } else {
        Value::from(text)
    }
}
