//! The calls to DynamoDB that the rest of the crate is made of. Each leaves through the seam and is billed.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConsumedCapacity, Delete, KeysAndAttributes, Put, ReturnConsumedCapacity,
    TransactWriteItem, Update,
};
use backon::{ExponentialBuilder, Retryable};
use seam::{Class, Seam};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::Error;
use crate::key::Key;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// The sort key of an item that was read whole.
pub(crate) fn sort_key(item: &Item) -> Option<&str> {
    item.get("sk")?.as_s().ok().map(String::as_str)
}

/// The most keys of one `BatchGetItem`.
const BATCH_GET_LIMIT: usize = 100;
/// How often unprocessed keys of a `BatchGetItem` are asked for again.
const BATCH_GET_ROUNDS: usize = 5;
/// The most writes of one `TransactWriteItems`.
pub(crate) const TRANSACTION_LIMIT: usize = 100;

#[derive(Clone, Debug)]
pub(crate) struct Table {
    client: Client,
    name: String,
    seam: Seam,
}

/// One write of a transaction, and what it means when its condition fails.
pub(crate) struct Write {
    item: TransactWriteItem,
    on_condition: OnCondition,
}

/// What a failed condition means.
#[derive(Clone, Copy)]
pub(crate) enum OnCondition {
    /// Read and plan again.
    Retry,
    /// The caller is told, with this name.
    Refuse(&'static str),
}

/// An expression with its names and values, for conditions and updates.
#[derive(Clone, Default)]
pub(crate) struct Expression {
    pub text: String,
    pub names: HashMap<String, String>,
    pub values: Item,
}

impl Expression {
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    pub fn name(mut self, placeholder: &str, name: &str) -> Self {
        self.names.insert(placeholder.into(), name.into());
        self
    }

    pub fn value(mut self, placeholder: &str, value: impl Serialize) -> Result<Self, Error> {
        self.values.insert(placeholder.into(), serde_dynamo::to_attribute_value(value)?);
        Ok(self)
    }
}

/// A query of one partition of the table or of one of its indexes.
pub(crate) struct Query {
    pub index: Option<&'static str>,
    pub condition: Expression,
    /// Stop after this many items; `None` reads to the end.
    pub limit: Option<usize>,
}

impl Write {
    pub fn put(
        table: &Table,
        item: impl Serialize,
        condition: Option<Expression>,
        on: OnCondition,
    ) -> Result<Self, Error> {
        let condition = condition.unwrap_or_default();
        let put = Put::builder()
            .table_name(&table.name)
            .set_item(Some(serde_dynamo::to_item(item)?))
            .set_condition_expression(some(condition.text))
            .set_expression_attribute_names(some_map(condition.names))
            .set_expression_attribute_values(some_map(condition.values))
            .build()
            .map_err(built)?;
        Ok(Self { item: TransactWriteItem::builder().put(put).build(), on_condition: on })
    }

    /// `update` holds the update expression; `condition` adds its own names and values to it.
    pub fn update(
        table: &Table,
        key: &Key,
        update: Expression,
        condition: Expression,
        on: OnCondition,
    ) -> Result<Self, Error> {
        let mut names = update.names;
        names.extend(condition.names);
        let mut values = update.values;
        values.extend(condition.values);
        let update = Update::builder()
            .table_name(&table.name)
            .set_key(Some(key_item(key)))
            .update_expression(update.text)
            .set_condition_expression(some(condition.text))
            .set_expression_attribute_names(some_map(names))
            .set_expression_attribute_values(some_map(values))
            .build()
            .map_err(built)?;
        Ok(Self { item: TransactWriteItem::builder().update(update).build(), on_condition: on })
    }

    pub fn delete(table: &Table, key: &Key) -> Result<Self, Error> {
        Self::delete_if(table, key, Expression::default(), OnCondition::Retry)
    }

    /// Deletes an item that fulfils a condition.
    pub fn delete_if(
        table: &Table,
        key: &Key,
        condition: Expression,
        on: OnCondition,
    ) -> Result<Self, Error> {
        let delete = Delete::builder()
            .table_name(&table.name)
            .set_key(Some(key_item(key)))
            .set_condition_expression(some(condition.text))
            .set_expression_attribute_names(some_map(condition.names))
            .set_expression_attribute_values(some_map(condition.values))
            .build()
            .map_err(built)?;
        Ok(Self { item: TransactWriteItem::builder().delete(delete).build(), on_condition: on })
    }
}

impl Table {
    pub fn new(client: Client, name: String, seam: Seam) -> Self {
        Self { client, name, seam }
    }

    /// Reads one item, consistently.
    pub async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, Error> {
        let output = self
            .seam
            .call("GetItem", || async {
                self.client
                    .get_item()
                    .table_name(&self.name)
                    .set_key(Some(key_item(key)))
                    .consistent_read(true)
                    .return_consumed_capacity(ReturnConsumedCapacity::Total)
                    .send()
                    .await
                    .map_err(|error| Error::from_sdk("GetItem", "", error))
            })
            .await?;
        bill_read(output.consumed_capacity());
        Ok(output.item.map(serde_dynamo::from_item).transpose()?)
    }

    /// Reads many items at once, consistently, in no order; keys that do not exist are left out. A key may come twice, as that of a series does
    /// when two of its occurrences are asked for: DynamoDB would refuse it.
    pub async fn batch_get(&self, keys: &[Key]) -> Result<Vec<Item>, Error> {
        let keys: Vec<&Key> = keys.iter().collect::<HashSet<_>>().into_iter().collect();
        let chunks = keys.chunks(BATCH_GET_LIMIT).map(|chunk| self.batch_get_chunk(chunk));
        Ok(futures_util::future::try_join_all(chunks).await?.into_iter().flatten().collect())
    }

    async fn batch_get_chunk(&self, keys: &[&Key]) -> Result<Vec<Item>, Error> {
        let mut pending: Vec<Item> = keys.iter().map(|key| key_item(key)).collect();
        let mut items = Vec::with_capacity(keys.len());
        for _ in 0..BATCH_GET_ROUNDS {
            let request = KeysAndAttributes::builder()
                .set_keys(Some(std::mem::take(&mut pending)))
                .consistent_read(true)
                .build()
                .map_err(built)?;
            let output = self
                .seam
                .call("BatchGetItem", || async {
                    self.client
                        .batch_get_item()
                        .request_items(&self.name, request.clone())
                        .return_consumed_capacity(ReturnConsumedCapacity::Total)
                        .send()
                        .await
                        .map_err(|error| Error::from_sdk("BatchGetItem", "", error))
                })
                .await?;
            output.consumed_capacity().iter().for_each(|capacity| bill_read(Some(capacity)));
            items.extend(output.responses.into_iter().flatten().flat_map(|(_, items)| items));
            pending = output
                .unprocessed_keys
                .into_iter()
                .flatten()
                .flat_map(|(_, unprocessed)| unprocessed.keys)
                .collect();
            if pending.is_empty() {
                return Ok(items);
            }
        }
        Err(Error::Throttled { operation: "BatchGetItem" })
    }

    /// Reads a range, consistently, in key order, page after page.
    pub async fn query<T: DeserializeOwned>(&self, query: Query) -> Result<Vec<T>, Error> {
        let mut items: Vec<T> = Vec::new();
        let mut start = None;
        loop {
            let remaining = query.limit.map(|limit| limit.saturating_sub(items.len()));
            let output = self
                .seam
                .call("Query", || async {
                    self.client
                        .query()
                        .table_name(&self.name)
                        .set_index_name(query.index.map(str::to_owned))
                        .key_condition_expression(&query.condition.text)
                        .set_expression_attribute_names(some_map(query.condition.names.clone()))
                        .set_expression_attribute_values(some_map(query.condition.values.clone()))
                        .set_limit(remaining.and_then(|limit| i32::try_from(limit).ok()))
                        .set_exclusive_start_key(start.clone())
                        .consistent_read(true)
                        .return_consumed_capacity(ReturnConsumedCapacity::Total)
                        .send()
                        .await
                        .map_err(|error| Error::from_sdk("Query", "", error))
                })
                .await?;
            bill_read(output.consumed_capacity());
            for item in output.items.unwrap_or_default() {
                items.push(serde_dynamo::from_item(item)?);
            }
            start = output.last_evaluated_key;
            if start.is_none() || query.limit.is_some_and(|limit| items.len() >= limit) {
                return Ok(items);
            }
        }
    }

    /// Updates one item. `refused` names the condition, should it fail.
    pub async fn update(
        &self,
        key: &Key,
        update: Expression,
        condition: Expression,
        refused: &'static str,
    ) -> Result<(), Error> {
        let mut names = update.names;
        names.extend(condition.names);
        let mut values = update.values;
        values.extend(condition.values);
        let output = self
            .seam
            .call("UpdateItem", || async {
                self.client
                    .update_item()
                    .table_name(&self.name)
                    .set_key(Some(key_item(key)))
                    .update_expression(&update.text)
                    .set_condition_expression(some(condition.text.clone()))
                    .set_expression_attribute_names(some_map(names.clone()))
                    .set_expression_attribute_values(some_map(values.clone()))
                    .return_consumed_capacity(ReturnConsumedCapacity::Total)
                    .send()
                    .await
                    .map_err(|error| Error::from_sdk("UpdateItem", refused, error))
            })
            .await?;
        bill_write(output.consumed_capacity());
        Ok(())
    }

    /// Writes one item. `refused` names the condition, should it fail.
    pub async fn put(
        &self,
        item: impl Serialize,
        condition: Expression,
        refused: &'static str,
    ) -> Result<(), Error> {
        let item: Item = serde_dynamo::to_item(item)?;
        let output = self
            .seam
            .call("PutItem", || async {
                self.client
                    .put_item()
                    .table_name(&self.name)
                    .set_item(Some(item.clone()))
                    .set_condition_expression(some(condition.text.clone()))
                    .set_expression_attribute_names(some_map(condition.names.clone()))
                    .set_expression_attribute_values(some_map(condition.values.clone()))
                    .return_consumed_capacity(ReturnConsumedCapacity::Total)
                    .send()
                    .await
                    .map_err(|error| Error::from_sdk("PutItem", refused, error))
            })
            .await?;
        bill_write(output.consumed_capacity());
        Ok(())
    }

    /// Deletes one item; one that is not there is already deleted.
    pub async fn delete(&self, key: &Key) -> Result<(), Error> {
        let output = self
            .seam
            .call("DeleteItem", || async {
                self.client
                    .delete_item()
                    .table_name(&self.name)
                    .set_key(Some(key_item(key)))
                    .return_consumed_capacity(ReturnConsumedCapacity::Total)
                    .send()
                    .await
                    .map_err(|error| Error::from_sdk("DeleteItem", "", error))
            })
            .await?;
        bill_write(output.consumed_capacity());
        Ok(())
    }

    /// Makes all writes or none.
    pub async fn transact(&self, writes: Vec<Write>) -> Result<(), Error> {
        let (items, meanings): (Vec<_>, Vec<_>) =
            writes.into_iter().map(|write| (write.item, write.on_condition)).unzip();
        // DynamoDB carries out a request with a token it knows only once (for ten minutes), so a lost answer can be asked for again.
        let token = Uuid::new_v4().to_string();
        // Boxed, because the compiler gives up on a future of so many layers.
        let attempt = || Box::pin(self.transact_once(&items, &meanings, &token));
        let is_lost = |error: &Error| error.class() == Class::Transient;
        attempt.retry(again()).when(is_lost).await.map_err(|error| match is_lost(&error) {
            true => Error::Unanswered { operation: "TransactWriteItems", reason: error.to_string() },
            false => error,
        })
    }

    async fn transact_once(
        &self,
        items: &[TransactWriteItem],
        meanings: &[OnCondition],
        token: &str,
    ) -> Result<(), Error> {
        let output = self
            .seam
            .call("TransactWriteItems", || async {
                self.client
                    .transact_write_items()
                    .set_transact_items(Some(items.to_vec()))
                    .client_request_token(token)
                    .return_consumed_capacity(ReturnConsumedCapacity::Total)
                    .send()
                    .await
                    .map_err(|error| match error.as_service_error() {
                        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                            let codes = cancelled.cancellation_reasons().iter().map(|reason| reason.code());
                            cancellation(codes, meanings)
                        }
                        _ => Error::from_sdk("TransactWriteItems", "", error),
                    })
            })
            .await?;
        output.consumed_capacity().iter().for_each(|capacity| bill_write(Some(capacity)));
        Ok(())
    }
}

/// How a transaction whose answer was lost is asked for again.
fn again() -> ExponentialBuilder {
    ExponentialBuilder::default().with_min_delay(Duration::from_millis(20)).with_max_times(3).with_jitter()
}

/// The error of a cancelled transaction: a refusal the caller asked to hear of comes before a reason to retry.
fn cancellation<'a>(codes: impl Iterator<Item = Option<&'a str>>, meanings: &[OnCondition]) -> Error {
    let mut error = None;
    for (code, meaning) in codes.zip(meanings) {
        match (code.unwrap_or("None"), meaning) {
            ("ConditionalCheckFailed", OnCondition::Refuse(name)) => return Error::Condition(name),
            ("ConditionalCheckFailed" | "TransactionConflict", _) => error = Some(Error::Conflict),
            ("ThrottlingError" | "ProvisionedThroughputExceeded", _) => {
                error.get_or_insert(Error::Throttled { operation: "TransactWriteItems" });
            }
            ("None", _) => {}
            (code, _) => {
                error.get_or_insert(Error::Refused {
                    operation: "TransactWriteItems",
                    reason: code.to_owned(),
                });
            }
        }
    }
    error.unwrap_or(Error::Conflict)
}

fn key_item(key: &Key) -> Item {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(key.pk.clone())),
        ("sk".to_owned(), AttributeValue::S(key.sk.clone())),
    ])
}

/// A builder of ours left out a required member: a fault of this module.
fn built(error: aws_sdk_dynamodb::error::BuildError) -> Error {
    Error::Refused { operation: "build", reason: error.to_string() }
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn some_map<V>(map: HashMap<String, V>) -> Option<HashMap<String, V>> {
    Some(map).filter(|map| !map.is_empty())
}

fn bill_read(capacity: Option<&ConsumedCapacity>) {
    seam::record(capacity.and_then(ConsumedCapacity::capacity_units).unwrap_or_default(), 0.0);
}

fn bill_write(capacity: Option<&ConsumedCapacity>) {
    seam::record(0.0, capacity.and_then(ConsumedCapacity::capacity_units).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_comes_before_a_reason_to_retry() {
        let meanings = [OnCondition::Retry, OnCondition::Refuse("email")];
        let cancelled = |codes: [&'static str; 2]| cancellation(codes.into_iter().map(Some), &meanings);
        assert!(matches!(
            cancelled(["ConditionalCheckFailed", "ConditionalCheckFailed"]),
            Error::Condition("email")
        ));
        assert!(matches!(cancelled(["ConditionalCheckFailed", "None"]), Error::Conflict));
        assert!(matches!(cancelled(["None", "TransactionConflict"]), Error::Conflict));
        assert!(matches!(cancelled(["ThrottlingError", "None"]), Error::Throttled { .. }));
        assert!(matches!(cancelled(["ItemCollectionSizeLimitExceeded", "None"]), Error::Refused { .. }));
    }
}
