//! The actions on single messages.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{done, queue_of_url};
use crate::broker::Broker;
use crate::digest::{md5_of_attributes, md5_of_body};
use crate::error::{Error, Result};
use crate::message::{AttributeValue, MessageAttribute, NewMessage, Received, Sent};

/// A message attribute as it travels, either way.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct WireAttribute {
    data_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<String>,
    /// Base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Send {
    #[serde(default)]
    queue_url: String,
    #[serde(flatten)]
    message: WireMessage,
}

/// What `SendMessage` and an entry of `SendMessageBatch` share.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireMessage {
    #[serde(default)]
    message_body: String,
    delay_seconds: Option<i64>,
    #[serde(default)]
    message_attributes: BTreeMap<String, WireAttribute>,
    #[serde(default)]
    message_system_attributes: BTreeMap<String, WireAttribute>,
    message_deduplication_id: Option<String>,
    message_group_id: Option<String>,
}

/// The answer to a message sent; the digests let the sender compare.
#[derive(Serialize)]
pub(super) struct WireSent {
    #[serde(rename = "MessageId")]
    message_id: String,
    #[serde(rename = "MD5OfMessageBody")]
    md5_of_body: String,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_attributes: Option<String>,
    #[serde(rename = "MD5OfMessageSystemAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_system_attributes: Option<String>,
    #[serde(rename = "SequenceNumber", skip_serializing_if = "Option::is_none")]
    sequence_number: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Receive {
    #[serde(default)]
    queue_url: String,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
    /// The former name of `MessageSystemAttributeNames`; both count.
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
}

#[derive(Serialize)]
struct WireReceived {
    #[serde(rename = "MessageId")]
    message_id: String,
    #[serde(rename = "ReceiptHandle")]
    receipt_handle: String,
    #[serde(rename = "Body")]
    body: String,
    #[serde(rename = "MD5OfBody")]
    md5_of_body: String,
    #[serde(rename = "Attributes", skip_serializing_if = "BTreeMap::is_empty")]
    system_attributes: BTreeMap<&'static str, String>,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_attributes: Option<String>,
    #[serde(rename = "MessageAttributes", skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, WireAttribute>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Delete {
    #[serde(default)]
    queue_url: String,
    #[serde(default)]
    receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChangeVisibility {
    #[serde(default)]
    queue_url: String,
    #[serde(default)]
    receipt_handle: String,
    visibility_timeout: Option<i64>,
}

impl WireMessage {
    /// The message, and the answer it will get but for what only the queue knows.
    pub(super) fn into_message(self) -> Result<(NewMessage, WireSent)> {
        let attributes = read_attributes(self.message_attributes)?;
        let system_attributes = read_attributes(self.message_system_attributes)?;
        let answer = WireSent {
            message_id: String::new(),
            md5_of_body: md5_of_body(&self.message_body),
            md5_of_attributes: md5_of_attributes(&attributes),
            md5_of_system_attributes: md5_of_attributes(&system_attributes),
            sequence_number: None,
        };
        let message = NewMessage {
            body: self.message_body,
            attributes,
            trace_header: trace_header(system_attributes)?,
            group_id: self.message_group_id,
            deduplication_id: self.message_deduplication_id,
            delay: self.delay_seconds.map(|delay| seconds("DelaySeconds", delay)).transpose()?,
        };
        Ok((message, answer))
    }
}

impl WireSent {
    pub(super) fn of(self, sent: Sent) -> Self {
        Self { message_id: sent.message_id, sequence_number: sent.sequence_number, ..self }
    }
}

impl TryFrom<WireAttribute> for MessageAttribute {
    type Error = Error;

    fn try_from(wire: WireAttribute) -> Result<Self> {
        let value = match (wire.string_value, wire.binary_value) {
            (Some(text), None) => AttributeValue::Text(text),
            (None, Some(base64)) => {
                let bytes = STANDARD.decode(base64);
                AttributeValue::Binary(bytes.map_err(|error| Error::Serialization(error.to_string()))?)
            }
            _ => {
                let reason = "The message attribute must have exactly one of StringValue and BinaryValue.";
                return Err(Error::parameter("MessageAttributes", wire.data_type, reason));
            }
        };
        Ok(Self { data_type: wire.data_type, value })
    }
}

impl From<MessageAttribute> for WireAttribute {
    fn from(attribute: MessageAttribute) -> Self {
        let (string_value, binary_value) = match attribute.value {
            AttributeValue::Text(text) => (Some(text), None),
            AttributeValue::Binary(bytes) => (None, Some(STANDARD.encode(bytes))),
        };
        Self { data_type: attribute.data_type, string_value, binary_value }
    }
}

pub(super) fn send(broker: &Broker, request: Send) -> Result<Value> {
    let queue = queue_of_url(&request.queue_url)?;
    let (message, answer) = request.message.into_message()?;
    Ok(json!(answer.of(broker.send(queue, message)?)))
}

pub(super) async fn receive(broker: &Broker, request: Receive) -> Result<Value> {
    let queue = queue_of_url(&request.queue_url)?;
    let asked = request.max_number_of_messages.unwrap_or(1);
    let max = usize::try_from(asked).unwrap_or_default();
    let visibility = request.visibility_timeout.map(|it| seconds("VisibilityTimeout", it)).transpose()?;
    let wait = request.wait_time_seconds.map(|it| seconds("WaitTimeSeconds", it)).transpose()?;
    let received = broker.receive(queue, max, visibility, wait).await?;
    let mut system_names = request.attribute_names;
    system_names.extend(request.message_system_attribute_names);
    let messages: Vec<_> = received
        .into_iter()
        .map(|message| write_received(message, &system_names, &request.message_attribute_names))
        .collect();
    Ok(if messages.is_empty() { json!({}) } else { json!({ "Messages": messages }) })
}

pub(super) fn delete(broker: &Broker, request: Delete) -> Result<Value> {
    let queue = queue_of_url(&request.queue_url)?;
    delete_one(broker, queue, &request.receipt_handle)?;
    done()
}

pub(super) fn delete_one(broker: &Broker, queue: &str, receipt_handle: &str) -> Result<()> {
    if receipt_handle.is_empty() {
        return Err(Error::MissingParameter("ReceiptHandle"));
    }
    broker.delete(queue, receipt_handle)
}

pub(super) fn change_visibility(broker: &Broker, request: ChangeVisibility) -> Result<Value> {
    let queue = queue_of_url(&request.queue_url)?;
    change_one_visibility(broker, queue, &request.receipt_handle, request.visibility_timeout)?;
    done()
}

pub(super) fn change_one_visibility(
    broker: &Broker,
    queue: &str,
    receipt_handle: &str,
    timeout: Option<i64>,
) -> Result<()> {
    if receipt_handle.is_empty() {
        return Err(Error::MissingParameter("ReceiptHandle"));
    }
    let timeout = timeout.ok_or(Error::MissingParameter("VisibilityTimeout"))?;
    broker.change_visibility(queue, receipt_handle, seconds("VisibilityTimeout", timeout)?)
}

fn write_received(message: Received, system_names: &[String], names: &[String]) -> WireReceived {
    let md5_of_body = message.md5_of_body();
    let mut attributes = message.attributes;
    attributes.retain(|name, _| names.iter().any(|pattern| selects(pattern, name)));
    let mut system_attributes = message.system_attributes;
    system_attributes.retain(|name, _| system_names.iter().any(|wanted| wanted == "All" || wanted == name));
    WireReceived {
        message_id: message.message_id,
        receipt_handle: message.receipt_handle,
        body: message.body,
        md5_of_body,
        system_attributes,
        // Of the attributes that are told, not of all that were sent.
        md5_of_attributes: md5_of_attributes(&attributes),
        attributes: attributes.into_iter().map(|(name, attribute)| (name, attribute.into())).collect(),
    }
}

/// `All` and `.*` select every attribute, `prefix.*` those that begin with the prefix.
fn selects(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix(".*") {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == "All" || pattern == name,
    }
}

fn read_attributes(wire: BTreeMap<String, WireAttribute>) -> Result<BTreeMap<String, MessageAttribute>> {
    wire.into_iter().map(|(name, attribute)| Ok((name, attribute.try_into()?))).collect()
}

/// `AWSTraceHeader` is the only system attribute that a sender may set.
fn trace_header(attributes: BTreeMap<String, MessageAttribute>) -> Result<Option<String>> {
    let mut trace_header = None;
    for (name, attribute) in attributes {
        match (name.as_str(), attribute.value) {
            ("AWSTraceHeader", AttributeValue::Text(text)) => trace_header = Some(text),
            _ => {
                return Err(Error::parameter(
                    "MessageSystemAttributes",
                    name,
                    "It can't be set by a sender.",
                ));
            }
        }
    }
    Ok(trace_header)
}

fn seconds(name: &'static str, value: i64) -> Result<Duration> {
    let seconds = u64::try_from(value).map_err(|_| Error::parameter(name, value, "Must not be negative."))?;
    Ok(Duration::from_secs(seconds))
}
