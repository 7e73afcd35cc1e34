//! The resources that the local cloud plays, as types.
//!
//! Only what changes behaviour is read; what has no meaning on one machine (roles, log groups, alarms) is passed over.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::intrinsics::{PhysicalIds, scalar};
use super::{Template, TemplateError};

/// A Lambda function of the template.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionSpec {
    /// Logical id, e.g. `GoogleNotification`.
    pub id: String,
    /// Name of the binary, of the function and of its folder, e.g. `google-notification`.
    pub name: String,
    /// MiB.
    pub memory: u32,
    /// Seconds an invocation may take.
    pub timeout: u64,
    /// Environments that may run at a time; `None` if nothing is reserved.
    pub reserved_concurrency: Option<usize>,
    /// The function's own URL, if it has one.
    pub url: Option<FunctionUrlSpec>,
    /// What triggers it.
    pub events: Vec<EventSpec>,
}

/// A function URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FunctionUrlSpec {
    /// Who may call it.
    pub auth_type: AuthType,
    /// Whether the answer is streamed.
    #[serde(default)]
    pub invoke_mode: InvokeMode,
}

/// Who may call a function URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AuthType {
    /// Everybody.
    None,
    /// Signed requests only.
    AwsIam,
}

/// How a function URL invokes its function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InvokeMode {
    /// The answer is complete before it is sent.
    #[default]
    Buffered,
    /// The answer is sent as it is written.
    ResponseStream,
}

/// Something that invokes a function.
#[derive(Debug, Clone, PartialEq)]
pub enum EventSpec {
    /// A route of the HTTP API.
    Http {
        /// Upper case; `ANY` for all.
        method: String,
        /// With `{name}`, `{name+}`, or `$default`.
        path: String,
    },
    /// A queue.
    Sqs(SqsSpec),
    /// A table's stream.
    Stream(StreamSpec),
    /// A schedule.
    Schedule(ScheduleSpec),
}

/// An SQS event source mapping.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SqsSpec {
    /// ARN of the queue.
    pub queue: String,
    /// Messages per invocation.
    #[serde(default = "ten")]
    pub batch_size: usize,
    /// Seconds to wait for a batch to fill.
    #[serde(default)]
    pub maximum_batching_window_in_seconds: u64,
    /// Holds `ReportBatchItemFailures` if failures are reported item by item.
    #[serde(default)]
    pub function_response_types: Vec<String>,
    /// Bounds the mapping's concurrency.
    #[serde(default)]
    pub scaling_config: ScalingConfig,
    /// Whether the mapping polls.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// Bounds of an SQS event source mapping.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ScalingConfig {
    /// Invocations at a time.
    pub maximum_concurrency: Option<usize>,
}

/// A DynamoDB stream event source mapping.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StreamSpec {
    /// ARN of the stream.
    pub stream: String,
    /// `TRIM_HORIZON` or `LATEST`.
    pub starting_position: String,
    /// Records per invocation.
    #[serde(default = "hundred")]
    pub batch_size: usize,
    /// Seconds to wait for a batch to fill.
    #[serde(default)]
    pub maximum_batching_window_in_seconds: u64,
    /// Whether a failed batch is split.
    #[serde(default)]
    pub bisect_batch_on_function_error: bool,
    /// Retries of a failed batch; -1 for no end.
    #[serde(default = "endless")]
    pub maximum_retry_attempts: i64,
    /// Holds `ReportBatchItemFailures` if the first failed record is reported.
    #[serde(default)]
    pub function_response_types: Vec<String>,
    /// Which records are handed over.
    #[serde(default)]
    pub filter_criteria: FilterCriteria,
    /// Where the address of a batch goes that was given up.
    #[serde(default)]
    pub destination_config: DestinationConfig,
    /// Whether the mapping polls.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// Event filters; a record passes if any of them matches.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FilterCriteria {
    /// The patterns, JSON in text.
    #[serde(default)]
    pub filters: Vec<Filter>,
}

/// One event filter.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Filter {
    /// An event pattern, JSON in text.
    pub pattern: String,
}

/// Destinations of an event source mapping.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DestinationConfig {
    /// Where failures go.
    pub on_failure: Option<OnFailure>,
}

/// A failure destination.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OnFailure {
    /// ARN of the queue.
    pub destination: String,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleSpec {
    /// Name of the event in the template, e.g. `Hourly`.
    pub name: String,
    /// `rate(…)` or `cron(…)`.
    pub expression: String,
    /// The payload, if the template gives one.
    pub input: Option<String>,
    /// Whether it fires by time.
    pub enabled: bool,
}

fn ten() -> usize {
    10
}

fn hundred() -> usize {
    100
}

fn yes() -> bool {
    true
}

fn endless() -> i64 {
    -1
}

/// Whether failures are reported item by item.
#[must_use]
pub fn reports_items(function_response_types: &[String]) -> bool {
    function_response_types.iter().any(|kind| kind == "ReportBatchItemFailures")
}

impl Template {
    /// Logical id and binary of every function, in the template's order of ids.
    ///
    /// # Errors
    /// If a function names no binary.
    pub fn functions(&self) -> Result<Vec<(String, String)>, TemplateError> {
        let ids = self.resources_of_type("AWS::Serverless::Function")?;
        ids.into_iter().map(|id| Ok((id.to_owned(), self.binary(id)?.to_owned()))).collect()
    }

    /// Reads one function. Queues, tables and URLs that its events name must have their physical ids.
    ///
    /// # Errors
    /// If a property is missing, of the wrong kind, or can't be evaluated.
    pub fn function(&self, id: &str, ids: &PhysicalIds) -> Result<FunctionSpec, TemplateError> {
        Ok(FunctionSpec {
            id: id.to_owned(),
            name: self.binary(id)?.to_owned(),
            memory: self.or_global(id, "MemorySize", ids)?.unwrap_or(128),
            timeout: self.or_global(id, "Timeout", ids)?.unwrap_or(3),
            reserved_concurrency: self.or_global(id, "ReservedConcurrentExecutions", ids)?,
            url: self.function_url(id, ids)?,
            events: self.events(id, ids)?,
        })
    }

    /// A function's own URL, if it has one.
    ///
    /// # Errors
    /// If the configuration is of the wrong kind.
    pub fn function_url(
        &self,
        id: &str,
        ids: &PhysicalIds,
    ) -> Result<Option<FunctionUrlSpec>, TemplateError> {
        match self.property(id, "FunctionUrlConfig", ids)? {
            Value::Null => Ok(None),
            value => typed(value, &format!("Resources.{id}.Properties.FunctionUrlConfig")).map(Some),
        }
    }

    /// A function's environment variables: those of `Globals`, then its own.
    ///
    /// # Errors
    /// If a variable can't be evaluated.
    pub fn environment(
        &self,
        id: &str,
        ids: &PhysicalIds,
    ) -> Result<BTreeMap<String, String>, TemplateError> {
        let at = format!("Resources.{id}.Properties.Environment.Variables");
        let global = self.function_global("Environment", ids)?;
        let own = self.property(id, "Environment.Variables", ids)?;
        let mut variables = BTreeMap::new();
        for map in [global["Variables"].as_object(), own.as_object()].into_iter().flatten() {
            for (name, value) in map {
                variables.insert(name.clone(), scalar(value, &format!("{at}.{name}"))?);
            }
        }
        Ok(variables)
    }

    fn binary(&self, id: &str) -> Result<&str, TemplateError> {
        self.resource(id)?["Metadata"]["BuildProperties"]["Binary"].as_str().ok_or_else(|| {
            TemplateError::invalid(format!("Resources.{id}.Metadata"), "names no `BuildProperties.Binary`")
        })
    }

    fn or_global<T: std::str::FromStr>(
        &self,
        id: &str,
        property: &str,
        ids: &PhysicalIds,
    ) -> Result<Option<T>, TemplateError> {
        let at = format!("Resources.{id}.Properties.{property}");
        let value = match self.property(id, property, ids)? {
            Value::Null => self.function_global(property, ids)?,
            own => own,
        };
        if value.is_null() {
            return Ok(None);
        }
        let text = scalar(&value, &at)?;
        text.parse().map(Some).map_err(|_| TemplateError::invalid(at, format!("`{text}` is not a number")))
    }

    fn events(&self, id: &str, ids: &PhysicalIds) -> Result<Vec<EventSpec>, TemplateError> {
        let declared = &self.resource(id)?["Properties"]["Events"];
        let names = declared.as_object().map(|events| events.keys().cloned().collect::<Vec<_>>());
        let mut events = Vec::new();
        for name in names.unwrap_or_default() {
            let kind = declared[&name]["Type"].as_str().unwrap_or_default();
            let properties = format!("Events.{name}.Properties");
            let at = format!("Resources.{id}.Properties.{properties}");
            events.push(match kind {
                "HttpApi" => http_event(
                    &self.property(id, &format!("{properties}.Method"), ids)?,
                    &self.property(id, &format!("{properties}.Path"), ids)?,
                    &at,
                )?,
                "SQS" => EventSpec::Sqs(typed(self.property(id, &properties, ids)?, &at)?),
                "DynamoDB" => EventSpec::Stream(typed(self.property(id, &properties, ids)?, &at)?),
                "ScheduleV2" | "Schedule" => {
                    EventSpec::Schedule(schedule(&name, &self.property(id, &properties, ids)?, &at)?)
                }
                other => {
                    return Err(TemplateError::invalid(
                        at,
                        format!("the local cloud has no event `{other}`"),
                    ));
                }
            });
        }
        Ok(events)
    }
}

fn http_event(method: &Value, path: &Value, at: &str) -> Result<EventSpec, TemplateError> {
    // SAM: an event without a path is the API's `$default` route.
    let path = path.as_str().unwrap_or("$default").to_owned();
    let method = match method {
        Value::Null => "ANY".to_owned(),
        value => scalar(value, at)?.to_uppercase(),
    };
    Ok(EventSpec::Http { method, path })
}

fn schedule(name: &str, properties: &Value, at: &str) -> Result<ScheduleSpec, TemplateError> {
    let expression = match (&properties["ScheduleExpression"], &properties["Schedule"]) {
        (Value::String(expression), _) | (Value::Null, Value::String(expression)) => expression.clone(),
        _ => return Err(TemplateError::invalid(at, "has no schedule expression")),
    };
    let is_off = properties["State"] == "DISABLED" || properties["Enabled"] == false;
    Ok(ScheduleSpec {
        name: name.to_owned(),
        expression,
        input: properties["Input"].as_str().map(str::to_owned),
        enabled: !is_off,
    })
}

/// CloudFormation takes `"10"` for 10 and `"true"` for true, and its own functions return text.
fn typed<T: DeserializeOwned>(value: Value, at: &str) -> Result<T, TemplateError> {
    serde_json::from_value(loosened(value)).map_err(|error| TemplateError::invalid(at, error.to_string()))
}

fn loosened(value: Value) -> Value {
    match value {
        Value::String(text) => match text.parse::<i64>() {
            Ok(number) => Value::from(number),
            Err(_) if text == "true" || text == "false" => Value::Bool(text == "true"),
            Err(_) => Value::String(text),
        },
        Value::Array(items) => items.into_iter().map(loosened).collect(),
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(key, value)| (key, loosened(value))).collect::<Map<_, _>>())
        }
        other => other,
    }
}
