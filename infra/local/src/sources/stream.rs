//! The DynamoDB stream event source mapping: records in order, in batches, with retries that block the shard until they
//! succeed or are given up.
//!
//! The embedded database has one shard a stream, and a put that changes nothing leaves a record that AWS would not
//! write; such records are dropped here.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use dynoxide::Database;
use dynoxide::actions::get_records::{GetRecordsRequest, GetRecordsResponse};
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use fake_sqs::{Broker, NewMessage};
use serde_json::{Value, json};

use super::filter::Filters;
use super::{BatchOutcome, batch_outcome};
use crate::activity::Activity;
use crate::clock;
use crate::console::Console;
use crate::lambda::answer::Failure;
use crate::lambda::pool::{Patience, Pool};
use crate::queues;
use crate::template::intrinsics::{ACCOUNT, REGION};
use crate::template::resources::{StreamSpec, reports_items};

/// How long a write that no invocation made (a test's own client) may go unnoticed. Writes of functions are noticed at
/// once, because the end of an invocation is.
const POLL: Duration = Duration::from_millis(25);
/// Records that one look returns.
const PAGE: usize = 1_000;

/// One running mapping.
pub(crate) struct Mapping {
    pub(crate) function: String,
    pub(crate) spec: StreamSpec,
    pub(crate) table: String,
    pub(crate) filters: Filters,
    pub(crate) database: Database,
    pub(crate) broker: Broker,
    pub(crate) pool: Arc<Pool>,
    pub(crate) retry_after: Duration,
    /// Between two looks at the stream; `None` looks whenever something has happened.
    pub(crate) poll: Option<Duration>,
    pub(crate) activity: Activity,
    pub(crate) console: Console,
    /// File that keeps the position; `None` starts anew with the table.
    pub(crate) kept_in: Option<PathBuf>,
    /// Iterator behind the last record that is dealt with.
    pub(crate) position: Mutex<String>,
}

/// Records that are tried together.
#[derive(Debug)]
struct Batch {
    records: Vec<Value>,
    retries: i64,
}

/// Where a mapping starts: where it stopped, if that is kept, else where its template says.
pub(crate) fn first_position(
    database: &Database,
    spec: &StreamSpec,
    table: &str,
    kept_in: Option<&PathBuf>,
) -> anyhow::Result<String> {
    if let Some(path) = kept_in.filter(|path| path.exists()) {
        return std::fs::read_to_string(path).with_context(|| path.display().to_string());
    }
    let request = GetShardIteratorRequest {
        stream_arn: spec.stream.clone(),
        shard_id: dynoxide::streams::shard_id(table),
        shard_iterator_type: spec.starting_position.clone(),
        sequence_number: None,
    };
    let answer = database.get_shard_iterator(request).map_err(|error| anyhow!("{}: {error}", spec.stream))?;
    answer.shard_iterator.context("the stream has no shard")
}

impl Mapping {
    /// Follows the stream until the runtime ends.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut activity = self.activity.subscribe();
        let mut ticks = self.poll.map(tokio::time::interval);
        loop {
            activity.mark_unchanged();
            match self.look(PAGE) {
                Ok(page) if page.records.is_empty() => {}
                Ok(page) => {
                    self.hand_over(&page).await;
                    self.advance(page.next_shard_iterator);
                    continue;
                }
                Err(error) => self.console.line(format_args!("stream of {}: {error:#}", self.table)),
            }
            match &mut ticks {
                Some(ticks) => {
                    ticks.tick().await;
                }
                None => {
                    // Either will do; the cloud's activity ends only with the cloud.
                    let _ = tokio::time::timeout(POLL, activity.changed()).await;
                }
            }
        }
    }

    /// Whether records wait that have not been dealt with.
    pub(crate) fn is_behind(&self) -> bool {
        self.look(1).is_ok_and(|page| !page.records.is_empty())
    }

    fn look(&self, limit: usize) -> anyhow::Result<GetRecordsResponse> {
        let shard_iterator = self.position.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let request = GetRecordsRequest { shard_iterator, limit: Some(limit) };
        self.database.get_records(request).map_err(|error| anyhow!("{error}"))
    }

    fn advance(&self, next: Option<String>) {
        let Some(next) = next else { return };
        if let Some(path) = &self.kept_in
            && let Err(error) = std::fs::write(path, &next)
        {
            self.console.line(format_args!("{}: {error}", path.display()));
        }
        *self.position.lock().unwrap_or_else(PoisonError::into_inner) = next;
        self.activity.moved();
    }

    async fn hand_over(&self, page: &GetRecordsResponse) {
        let records: Vec<Value> = page
            .records
            .iter()
            .filter_map(|record| serde_json::to_value(record).ok())
            .filter(|record| record["dynamodb"]["OldImage"] != record["dynamodb"]["NewImage"])
            .filter(|record| self.filters.pass(record))
            .map(|mut record| {
                record["eventSourceARN"] = Value::from(self.spec.stream.as_str());
                record["awsRegion"] = Value::from(REGION);
                record
            })
            .collect();
        let mut waiting: VecDeque<Batch> = records
            .chunks(self.spec.batch_size.max(1))
            .map(|records| Batch { records: records.to_vec(), retries: 0 })
            .collect();
        while let Some(batch) = waiting.pop_front() {
            self.attempt(batch, &mut waiting).await;
        }
    }

    /// Tries a batch; what failed goes back to the front, whole, halved, or from its first failure on.
    async fn attempt(&self, mut batch: Batch, waiting: &mut VecDeque<Batch>) {
        let (processed, failure) = self.invoke(&batch.records).await;
        let Some(failure) = failure else { return };
        batch.records.drain(..processed);
        if self.spec.bisect_batch_on_function_error && batch.records.len() > 1 {
            let second = batch.records.split_off(batch.records.len() / 2);
            waiting.push_front(Batch { records: second, retries: batch.retries });
            waiting.push_front(batch);
            return;
        }
        let limit = self.spec.maximum_retry_attempts;
        if limit >= 0 && batch.retries >= limit {
            self.give_up(&batch, &failure);
            return;
        }
        clock::pause(self.retry_after).await;
        waiting.push_front(Batch { records: batch.records, retries: batch.retries + 1 });
    }

    /// How many records from the front were processed, and the failure if they were not all.
    async fn invoke(&self, records: &[Value]) -> (usize, Option<Failure>) {
        let event = json!({ "Records": records }).to_string();
        let trigger = format!("stream {} ×{}", self.table, records.len());
        let answer = match self.pool.invoke(event.into(), trigger, Patience::Waits).await {
            Err(failure) => return (0, Some(failure)),
            Ok(answer) => answer.collect().await,
        };
        if !reports_items(&self.spec.function_response_types) {
            return (records.len(), None);
        }
        let position = |id: &str| records.iter().position(|record| sequence_number(record) == id);
        let processed = match batch_outcome(&answer, |id| position(id).is_some()) {
            BatchOutcome::Complete => return (records.len(), None),
            BatchOutcome::Failed => 0,
            // Records after the first failure are tried again as well: a shard is worked off in order.
            BatchOutcome::Partial(failed) => failed.iter().filter_map(|id| position(id)).min().unwrap_or(0),
        };
        let failure = Failure::Function {
            error_type: "batchItemFailures".to_owned(),
            message: format!("{} of {} records processed", processed, records.len()),
        };
        (processed, Some(failure))
    }

    /// Leaves the address of the records (never the records) where the template wants it, and goes on.
    fn give_up(&self, batch: &Batch, failure: &Failure) {
        let (first, last) = (batch.records.first(), batch.records.last());
        self.console.line(format_args!(
            "stream of {}: gave up {} records: {failure}",
            self.table,
            batch.records.len()
        ));
        let Some(destination) = &self.spec.destination_config.on_failure else { return };
        let body = json!({
            "requestContext": {
                "requestId": uuid::Uuid::new_v4().to_string(),
                "functionArn": format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", self.function),
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": batch.retries + 1,
            },
            "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
            "version": "1.0",
            "timestamp": self.pool.clock().now().to_rfc3339(),
            "DDBStreamBatchInfo": {
                "shardId": dynoxide::streams::shard_id(&self.table),
                "startSequenceNumber": first.map(sequence_number),
                "endSequenceNumber": last.map(sequence_number),
                "approximateArrivalOfFirstRecord": first.map(|record| &record["dynamodb"]["ApproximateCreationDateTime"]),
                "approximateArrivalOfLastRecord": last.map(|record| &record["dynamodb"]["ApproximateCreationDateTime"]),
                "batchSize": batch.records.len(),
                "streamArn": self.spec.stream,
            },
        });
        let queue = queues::name_of(&destination.destination);
        if let Err(error) = self.broker.send(queue, NewMessage::new(body.to_string())) {
            self.console.line(format_args!("stream of {}: {queue}: {error}", self.table));
        }
    }
}

fn sequence_number(record: &Value) -> &str {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default()
}
