//! The actions on queues.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{done, queue_of_url};
use crate::broker::Broker;
use crate::error::{Error, Result};
use crate::spec::{QueueSpec, queue_of_arn};

/// Any action that names a queue and nothing else.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Target {
    #[serde(default)]
    queue_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Create {
    #[serde(default)]
    queue_name: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    #[serde(default)]
    queue_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    #[serde(default)]
    queue_name_prefix: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetAttributes {
    #[serde(default)]
    queue_url: String,
    #[serde(default)]
    attribute_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetAttributes {
    #[serde(default)]
    queue_url: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StartMessageMoveTask {
    #[serde(default)]
    source_arn: String,
    destination_arn: Option<String>,
}

/// An existing queue is answered as if created, if every attribute that the request names has the value it asks for.
pub(super) fn create(broker: &Broker, request: Create) -> Result<Value> {
    let name = request.queue_name;
    let spec = QueueSpec::from_attributes(&name, &request.attributes)?;
    match broker.attributes(&name) {
        Ok(existing) => {
            let wanted = spec.attributes();
            let different = request.attributes.into_keys().find(|key| wanted.get(key) != existing.get(key));
            if let Some(different) = different {
                return Err(Error::QueueNameExists(different));
            }
        }
        Err(_) => broker.create_queue(spec)?,
    }
    Ok(json!({ "QueueUrl": broker.queue_url(&name) }))
}

pub(super) fn delete(broker: &Broker, request: Target) -> Result<Value> {
    broker.delete_queue(queue_of_url(&request.queue_url)?)?;
    done()
}

pub(super) fn purge(broker: &Broker, request: Target) -> Result<Value> {
    broker.purge(queue_of_url(&request.queue_url)?)?;
    done()
}

pub(super) fn get_url(broker: &Broker, request: Named) -> Result<Value> {
    broker.depth(&request.queue_name)?;
    Ok(json!({ "QueueUrl": broker.queue_url(&request.queue_name) }))
}

pub(super) fn list(broker: &Broker, request: List) -> Result<Value> {
    let names = broker.queues().into_iter().filter(|name| name.starts_with(&request.queue_name_prefix));
    let urls: Vec<_> = names.map(|name| broker.queue_url(&name)).collect();
    Ok(if urls.is_empty() { json!({}) } else { json!({ "QueueUrls": urls }) })
}

pub(super) fn get_attributes(broker: &Broker, request: GetAttributes) -> Result<Value> {
    let mut attributes = broker.attributes(queue_of_url(&request.queue_url)?)?;
    let names = request.attribute_names;
    if let Some(unknown) = names.iter().find(|name| !is_queue_attribute(name)) {
        return Err(Error::InvalidAttributeName(unknown.clone()));
    }
    if !names.iter().any(|name| name == "All") {
        attributes.retain(|name, _| names.contains(name));
    }
    Ok(if attributes.is_empty() { json!({}) } else { json!({ "Attributes": attributes }) })
}

pub(super) fn set_attributes(broker: &Broker, request: SetAttributes) -> Result<Value> {
    broker.set_attributes(queue_of_url(&request.queue_url)?, &request.attributes)?;
    done()
}

/// The move is over when it is answered: on one machine nothing would be won by pacing it.
pub(super) fn start_message_move_task(broker: &Broker, request: StartMessageMoveTask) -> Result<Value> {
    let source = queue_of_arn(&request.source_arn).ok_or(Error::ResourceNotFound("SourceArn"))?;
    let destination = match &request.destination_arn {
        Some(arn) => Some(queue_of_arn(arn).ok_or(Error::ResourceNotFound("DestinationArn"))?),
        None => None,
    };
    broker.redrive(source, destination)?;
    Ok(json!({ "TaskHandle": uuid::Uuid::new_v4().to_string() }))
}

fn is_queue_attribute(name: &str) -> bool {
    const KNOWN: [&str; 22] = [
        "All",
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesDelayed",
        "ApproximateNumberOfMessagesNotVisible",
        "ContentBasedDeduplication",
        "CreatedTimestamp",
        "DeduplicationScope",
        "DelaySeconds",
        "FifoQueue",
        "FifoThroughputLimit",
        "KmsDataKeyReusePeriodSeconds",
        "KmsMasterKeyId",
        "LastModifiedTimestamp",
        "MaximumMessageSize",
        "MessageRetentionPeriod",
        "Policy",
        "QueueArn",
        "ReceiveMessageWaitTimeSeconds",
        "RedriveAllowPolicy",
        "RedrivePolicy",
        "SqsManagedSseEnabled",
        "VisibilityTimeout",
    ];
    KNOWN.contains(&name)
}
