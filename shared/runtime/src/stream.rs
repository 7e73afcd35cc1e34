//! Running a function on the stream of the table.

use aws_lambda_events::dynamodb::Event;
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use lambda_runtime::{LambdaEvent, service_fn};
use seam::Meter;

use crate::{Error, invocation};

/// A change of an item.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its place in the stream.
    pub sequence_number: String,
    /// The item before; empty when it was created.
    pub old: serde_dynamo::Item,
    /// The item after; empty when it was deleted.
    pub new: serde_dynamo::Item,
}

/// Hands each batch to `handler`, which returns the sequence number of the first record that it could not do, if any. The stream is
/// delivered again from there.
///
/// # Errors
/// Only when the Lambda runtime itself fails.
pub async fn run<F>(handler: impl Fn(Vec<Record>) -> F) -> Result<(), Error>
where
    F: Future<Output = Option<String>>,
{
    let handler = &handler;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Event>| async move {
        let meter = Meter::default();
        let failed = meter.scope(handler(records(event.payload))).await;
        let outcome = if failed.is_none() { "ok" } else { "partial" };
        invocation::log(&event.context.request_id, outcome, &meter.ledger());
        Ok::<_, Error>(response(failed))
    }))
    .await
}

fn records(event: Event) -> Vec<Record> {
    event
        .records
        .into_iter()
        .map(|record| Record {
            sequence_number: record.change.sequence_number.unwrap_or_default(),
            old: record.change.old_image,
            new: record.change.new_image,
        })
        .collect()
}

fn response(failed: Option<String>) -> DynamoDbEventResponse {
    let failures = failed.into_iter().map(|sequence_number| {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = Some(sequence_number);
        failure
    });
    let mut response = DynamoDbEventResponse::default();
    response.batch_item_failures = failures.collect();
    response
}
