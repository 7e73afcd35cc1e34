//! Running a function on a queue.

use std::str::FromStr;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use chrono::{DateTime, Utc};
use lambda_runtime::{LambdaEvent, service_fn};
use seam::Meter;
use serde::de::DeserializeOwned;

use crate::{Error, invocation};

/// A message of the queue.
#[derive(Clone, Debug)]
pub struct Message<T> {
    /// By which the queue knows it.
    pub id: String,
    /// By which this delivery of it is known to the queue.
    pub receipt: String,
    /// How often it was handed out, this time included.
    pub receive_count: u32,
    /// When it was sent, by the queue's clock.
    pub sent_at: Option<DateTime<Utc>>,
    /// When it was handed out for the first time, by the queue's clock.
    pub first_received_at: Option<DateTime<Utc>>,
    /// What it says.
    pub body: T,
}

/// Hands each batch to `handler`, which returns the ids of the messages that it could not do. Those, and no others, are delivered
/// again, and end in the dead-letter queue when that does not help.
///
/// A message that cannot be read fails alone, with its reason in the log.
///
/// # Errors
/// Only when the Lambda runtime itself fails.
pub async fn run<T, F>(handler: impl Fn(Vec<Message<T>>) -> F) -> Result<(), Error>
where
    T: DeserializeOwned,
    F: Future<Output = Vec<String>>,
{
    let handler = &handler;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        let meter = Meter::default();
        let (messages, mut failed) = parse(event.payload);
        failed.extend(meter.scope(handler(messages)).await);
        let outcome = if failed.is_empty() { "ok" } else { "partial" };
        invocation::log(&event.context.request_id, outcome, &meter.ledger());
        Ok::<_, Error>(response(failed))
    }))
    .await
}

fn parse<T: DeserializeOwned>(event: SqsEvent) -> (Vec<Message<T>>, Vec<String>) {
    let (mut messages, mut failed) = (Vec::new(), Vec::new());
    for record in event.records {
        let receive_count = attribute(&record, "ApproximateReceiveCount").unwrap_or(1);
        let sent_at = time(&record, "SentTimestamp");
        let first_received_at = time(&record, "ApproximateFirstReceiveTimestamp");
        let id = record.message_id.unwrap_or_default();
        let receipt = record.receipt_handle.unwrap_or_default();
        match serde_json::from_str(record.body.as_deref().unwrap_or_default()) {
            Ok(body) => {
                messages.push(Message { id, receipt, receive_count, sent_at, first_received_at, body });
            }
            Err(error) => {
                tracing::error!(message_id = id, %error, "a message cannot be read");
                failed.push(id);
            }
        }
    }
    (messages, failed)
}

fn attribute<T: FromStr>(record: &SqsMessage, name: &str) -> Option<T> {
    record.attributes.get(name)?.parse().ok()
}

fn time(record: &SqsMessage, name: &str) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(attribute(record, name)?)
}

fn response(failed: Vec<String>) -> SqsBatchResponse {
    let failures = failed.into_iter().map(|id| {
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = id;
        failure
    });
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failures.collect();
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_cannot_be_read_fails_alone() {
        let event: SqsEvent = serde_json::from_str(
            r#"{"Records":[{"messageId":"1","body":"7","attributes":{"ApproximateReceiveCount":"3"}},{"messageId":"2","body":"{"}]}"#,
        )
        .unwrap();
        let (messages, failed) = parse::<u32>(event);
        assert_eq!((messages[0].id.as_str(), messages[0].receive_count, messages[0].body), ("1", 3, 7));
        assert_eq!((messages.len(), failed), (1, vec!["2".to_owned()]));
    }

    #[test]
    fn the_queue_tells_when_a_message_was_sent_and_first_handed_out() {
        let event: SqsEvent = serde_json::from_str(
            r#"{"Records":[{"body":"1","attributes":{"SentTimestamp":"1795168800000","ApproximateFirstReceiveTimestamp":"1795168800025"}},{"body":"2","attributes":{}}]}"#,
        )
        .unwrap();
        let (messages, _) = parse::<u32>(event);
        let times: Vec<_> =
            messages.iter().map(|message| (message.sent_at, message.first_received_at)).collect();
        let at = |millis: i64| DateTime::from_timestamp_millis(1_795_168_800_000 + millis);
        assert_eq!(times, [(at(0), at(25)), (None, None)]);
    }
}
