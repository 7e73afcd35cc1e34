//! The template's queues in the in-process broker, behind the real SQS protocol.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use anyhow::Context;
use fake_sqs::{Broker, QueueSpec, queue_arn};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::clock::{Clock, QueueClock};
use crate::template::Template;
use crate::template::intrinsics::{PhysicalIds, scalar};

/// Attributes as CloudFormation and SQS name them alike.
const ATTRIBUTES: [&str; 8] = [
    "FifoQueue",
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "VisibilityTimeout",
    "DelaySeconds",
    "MessageRetentionPeriod",
    "MaximumMessageSize",
    "ReceiveMessageWaitTimeSeconds",
];

/// The running queues.
#[derive(Debug)]
pub(crate) struct Queues {
    pub(crate) broker: Broker,
    /// `http://127.0.0.1:<port>`.
    pub(crate) endpoint: String,
    /// Names of the queues that others name as their dead-letter queue or failure destination.
    pub(crate) dead_letter: Vec<String>,
    /// Names of those among them whose messages came from another queue and can be moved back.
    pub(crate) redrivable: Vec<String>,
}

/// Creates the queues of the template, serves them, and adds their names, ARNs and addresses to the physical ids.
pub(crate) async fn start(
    template: &Template,
    ids: &mut PhysicalIds,
    clock: Clock,
) -> anyhow::Result<Queues> {
    let logical: Vec<&str> = template.resources_of_type("AWS::SQS::Queue")?;
    for id in &logical {
        let name = name(template, id)?;
        ids.set_attribute(id, "Arn", queue_arn(&name));
        ids.set_attribute(id, "QueueName", name);
    }
    let mut specs = Vec::new();
    for id in &logical {
        specs.push(spec(template, id, ids)?);
    }
    let redrivable: Vec<String> =
        specs.iter().filter_map(|spec| Some(spec.redrive.as_ref()?.dead_letter_queue.clone())).collect();

    let broker = Broker::new(QueueClock::new(clock));
    broker.create_queues(specs).context("the template's queues")?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    tokio::spawn(fake_sqs::serve(listener, broker.clone()));
    for id in &logical {
        let url = broker.queue_url(&name(template, id)?);
        ids.set_attribute(id, "QueueUrl", url.clone());
        ids.set_ref(id, url);
    }
    Ok(Queues { broker, endpoint, dead_letter: redrivable.clone(), redrivable })
}

/// The name in an ARN.
pub(crate) fn name_of(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

fn name(template: &Template, id: &str) -> anyhow::Result<String> {
    let nothing = PhysicalIds::default();
    if let Value::String(name) = template.property(id, "QueueName", &nothing)? {
        return Ok(name);
    }
    let is_fifo = template.property(id, "FifoQueue", &nothing)? == true;
    Ok(format!("{id}{}", if is_fifo { ".fifo" } else { "" }))
}

fn spec(template: &Template, id: &str, ids: &PhysicalIds) -> anyhow::Result<QueueSpec> {
    let mut attributes = BTreeMap::new();
    for attribute in ATTRIBUTES {
        let value = template.property(id, attribute, ids)?;
        if !value.is_null() {
            attributes.insert(attribute.to_owned(), scalar(&value, id)?);
        }
    }
    let redrive = template.property(id, "RedrivePolicy", ids)?;
    if !redrive.is_null() {
        attributes.insert("RedrivePolicy".to_owned(), redrive.to_string());
    }
    QueueSpec::from_attributes(&name(template, id)?, &attributes).with_context(|| format!("Resources.{id}"))
}
