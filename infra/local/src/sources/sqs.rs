//! The SQS event source mapping: batches of messages to a function, deletion of what it processed.
//!
//! Order inside a FIFO group is the queue's doing (a group with a message in flight hands out no other); a function that
//! fails in the middle of a group reports that message and all later ones of the group, as AWS asks for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fake_sqs::{AttributeValue, Broker, MessageAttribute, Received};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use super::{BatchOutcome, batch_outcome};
use crate::clock;
use crate::console::Console;
use crate::lambda::pool::{Patience, Pool};
use crate::queues;
use crate::template::intrinsics::REGION;
use crate::template::resources::{SqsSpec, reports_items};

/// Messages that one receive can return.
const RECEIVE_LIMIT: usize = 10;
/// The longest that one receive can wait.
const LONG_POLL: Duration = Duration::from_secs(20);
/// Invocations at a time if the template does not bound them.
const CONCURRENCY: usize = 10;

/// One running mapping.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    pub(crate) spec: SqsSpec,
    pub(crate) broker: Broker,
    pub(crate) pool: Arc<Pool>,
    /// After how long a failed message is handed out again; without, when its visibility time-out is over, or when the function said.
    pub(crate) redelivery: Option<Duration>,
    pub(crate) console: Console,
}

impl Mapping {
    /// Polls until the runtime ends.
    pub(crate) async fn run(self) {
        let limit = self.spec.scaling_config.maximum_concurrency.unwrap_or(CONCURRENCY);
        let permits = Arc::new(Semaphore::new(limit));
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            let batch = match self.gather().await {
                Ok(batch) => batch,
                Err(error) => {
                    self.console.line(format_args!("queue {}: {error}", self.queue()));
                    clock::pause(Duration::from_secs(1)).await;
                    continue;
                }
            };
            if batch.is_empty() {
                continue;
            }
            let mapping = self.clone();
            tokio::spawn(async move {
                mapping.process(batch).await;
                drop(permit);
            });
        }
    }

    fn queue(&self) -> &str {
        queues::name_of(&self.spec.queue)
    }

    /// Waits for a batch: for its first message, then for more as long as the batching window lasts.
    async fn gather(&self) -> fake_sqs::Result<Vec<Received>> {
        let wanted = self.spec.batch_size.max(1);
        let mut batch =
            self.broker.receive(self.queue(), wanted.min(RECEIVE_LIMIT), None, Some(LONG_POLL)).await?;
        let window = Duration::from_secs(self.spec.maximum_batching_window_in_seconds);
        let until = tokio::time::Instant::now() + window;
        while !batch.is_empty() && batch.len() < wanted {
            let more = (wanted - batch.len()).min(RECEIVE_LIMIT);
            let left = until.saturating_duration_since(tokio::time::Instant::now()).min(LONG_POLL);
            let received = self.broker.receive(self.queue(), more, None, Some(left)).await?;
            if received.is_empty() && left < LONG_POLL {
                break;
            }
            batch.extend(received);
        }
        Ok(batch)
    }

    async fn process(&self, batch: Vec<Received>) {
        let records: Vec<Value> = batch.iter().map(|message| self.record(message)).collect();
        let event = json!({ "Records": records }).to_string();
        self.console.note(&event);
        let trigger = format!("queue {} ×{}", self.queue(), batch.len());
        let outcome = match self.pool.invoke(event.into(), trigger, Patience::Waits).await {
            Err(_) => BatchOutcome::Failed,
            Ok(_) if !reports_items(&self.spec.function_response_types) => BatchOutcome::Complete,
            Ok(answer) => {
                let is_known = |id: &str| batch.iter().any(|message| message.message_id == id);
                batch_outcome(&answer.collect().await, is_known)
            }
        };
        for message in &batch {
            let has_failed = match &outcome {
                BatchOutcome::Complete => false,
                BatchOutcome::Failed => true,
                BatchOutcome::Partial(failed) => failed.contains(&message.message_id),
            };
            self.settle(message, has_failed);
        }
    }

    fn settle(&self, message: &Received, has_failed: bool) {
        let handle = &message.receipt_handle;
        let settled = match (has_failed, self.redelivery) {
            (true, Some(redelivery)) => self.broker.change_visibility(self.queue(), handle, redelivery),
            (true, None) => Ok(()),
            (false, _) => self.broker.delete(self.queue(), handle),
        };
        if let Err(error) = settled {
            // Its visibility has run out meanwhile: it will be handed out again, as it would be on AWS.
            self.console.line(format_args!("queue {}: {}: {error}", self.queue(), message.message_id));
        }
    }

    fn record(&self, message: &Received) -> Value {
        json!({
            "messageId": message.message_id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": message.system_attributes,
            "messageAttributes": attributes(&message.attributes),
            "md5OfBody": message.md5_of_body(),
            "eventSource": "aws:sqs",
            "eventSourceARN": self.spec.queue,
            "awsRegion": REGION,
        })
    }
}

fn attributes(attributes: &BTreeMap<String, MessageAttribute>) -> Value {
    let events = attributes.iter().map(|(name, attribute)| {
        let mut event = json!({
            "dataType": attribute.data_type, "stringListValues": [], "binaryListValues": [],
        });
        match &attribute.value {
            AttributeValue::Text(text) => event["stringValue"] = Value::from(text.as_str()),
            AttributeValue::Binary(bytes) => {
                use base64::Engine;
                event["binaryValue"] = base64::engine::general_purpose::STANDARD.encode(bytes).into();
            }
        }
        (name.clone(), event)
    });
    Value::Object(events.collect::<Map<_, _>>())
}
