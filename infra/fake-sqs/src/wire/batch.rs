//! The actions on batches: each entry succeeds or fails by itself, the batch fails only if it is malformed.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::messages::{WireMessage, change_one_visibility, delete_one};
use super::queue_of_url;
use crate::broker::Broker;
use crate::error::{Error, Result};
use crate::message::MAXIMUM_SIZE;

const MAXIMUM_ENTRIES: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Batch<T> {
    #[serde(default)]
    queue_url: String,
    #[serde(default = "Vec::new")]
    entries: Vec<Entry<T>>,
}

#[derive(Deserialize)]
struct Entry<T> {
    #[serde(rename = "Id", default)]
    id: String,
    #[serde(flatten)]
    item: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteEntry {
    #[serde(default)]
    receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct VisibilityEntry {
    #[serde(default)]
    receipt_handle: String,
    visibility_timeout: Option<i64>,
}

#[derive(Serialize)]
struct Successful<T> {
    #[serde(rename = "Id")]
    id: String,
    #[serde(flatten)]
    answer: T,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    id: String,
    sender_fault: bool,
    code: &'static str,
    message: String,
}

#[derive(Serialize)]
struct Nothing {}

pub(super) fn send(broker: &Broker, batch: Batch<WireMessage>) -> Result<Value> {
    let queue = queue_of_url(&batch.queue_url)?;
    check(&batch.entries, "SendMessageBatch")?;
    // Read whole before anything is sent: the size cap holds for all entries together.
    let read: Vec<_> = batch.entries.into_iter().map(|entry| (entry.id, entry.item.into_message())).collect();
    let size = read.iter().filter_map(|(_, entry)| Some(entry.as_ref().ok()?.0.size())).sum();
    if size > MAXIMUM_SIZE {
        return Err(Error::BatchRequestTooLong(size));
    }
    broker.depth(queue)?;
    Ok(collect(read, |entry| {
        let (message, answer) = entry?;
        Ok(answer.of(broker.send(queue, message)?))
    }))
}

pub(super) fn delete(broker: &Broker, batch: Batch<DeleteEntry>) -> Result<Value> {
    let queue = queue_of_url(&batch.queue_url)?;
    check(&batch.entries, "DeleteMessageBatch")?;
    broker.depth(queue)?;
    Ok(collect(pairs(batch.entries), |entry| {
        delete_one(broker, queue, &entry.receipt_handle)?;
        Ok(Nothing {})
    }))
}

pub(super) fn change_visibility(broker: &Broker, batch: Batch<VisibilityEntry>) -> Result<Value> {
    let queue = queue_of_url(&batch.queue_url)?;
    check(&batch.entries, "ChangeMessageVisibilityBatch")?;
    broker.depth(queue)?;
    Ok(collect(pairs(batch.entries), |entry| {
        change_one_visibility(broker, queue, &entry.receipt_handle, entry.visibility_timeout)?;
        Ok(Nothing {})
    }))
}

fn check<T>(entries: &[Entry<T>], action: &'static str) -> Result<()> {
    if entries.is_empty() {
        return Err(Error::EmptyBatchRequest(action));
    }
    if entries.len() > MAXIMUM_ENTRIES {
        return Err(Error::TooManyEntriesInBatchRequest(entries.len()));
    }
    let mut seen = HashSet::new();
    for Entry { id, .. } in entries {
        let is_accepted = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !matches!(id.len(), 1..=80) || !id.chars().all(is_accepted) {
            return Err(Error::InvalidBatchEntryId);
        }
        if !seen.insert(id) {
            return Err(Error::BatchEntryIdsNotDistinct(id.clone()));
        }
    }
    Ok(())
}

fn pairs<T>(entries: Vec<Entry<T>>) -> Vec<(String, T)> {
    entries.into_iter().map(|entry| (entry.id, entry.item)).collect()
}

fn collect<T, A: Serialize>(entries: Vec<(String, T)>, act: impl Fn(T) -> Result<A>) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, entry) in entries {
        match act(entry) {
            Ok(answer) => successful.push(Successful { id, answer }),
            Err(error) => {
                failed.push(Failed { id, sender_fault: true, code: error.code(), message: error.to_string() })
            }
        }
    }
    json!({ "Successful": successful, "Failed": failed })
}
