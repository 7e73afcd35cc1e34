//! Event sources with real processes: queues, the table's stream, schedules.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use fake_sqs::NewMessage;
use local::Cloud;
use serde_json::{Value, json};

use crate::{PATIENCE, cloud};

fn send(cloud: &Cloud, group: &str, body: &Value) {
    let id = uuid::Uuid::new_v4().to_string();
    let message = NewMessage::new(body.to_string()).in_group(group).with_deduplication_id(id);
    cloud.queues().send("Queue.fifo", message).unwrap();
}

async fn put(cloud: &Cloud, key: &str, attributes: &[(&str, AttributeValue)]) {
    let mut put = cloud.dynamo().put_item().table_name(cloud.table_name());
    put = put.item("pk", AttributeValue::S(key.to_owned()));
    for (name, value) in attributes {
        put = put.item(*name, value.clone());
    }
    put.send().await.unwrap();
}

fn rev(number: u32) -> (&'static str, AttributeValue) {
    ("rev", AttributeValue::N(number.to_string()))
}

fn body(wish: &Value) -> (&'static str, AttributeValue) {
    ("body", AttributeValue::S(wish.to_string()))
}

fn event(title: &str) -> Value {
    let time = json!({ "dateTime": "2026-11-20T12:00:00Z" });
    json!({ "summary": title, "start": time, "end": { "dateTime": "2026-11-20T13:00:00Z" } })
}

fn triggers(cloud: &Cloud, function: &str) -> Vec<(String, bool)> {
    let journal = cloud.journal();
    let entries = journal.iter().filter(|entry| entry.function == function);
    entries.map(|entry| (entry.trigger.clone(), entry.is_ok())).collect()
}

#[tokio::test]
async fn a_message_is_processed_once_and_gone() {
    let cloud = cloud().await;
    send(&cloud, "a", &json!({}));
    cloud.quiesce(PATIENCE).await.unwrap();
    assert_eq!(triggers(&cloud, "worker"), [("queue Queue.fifo ×1".to_owned(), true)]);
}

#[tokio::test]
async fn only_what_failed_in_a_batch_comes_again() {
    let cloud = cloud().await;
    send(&cloud, "a", &json!({ "failures": 1 }));
    send(&cloud, "b", &json!({}));
    cloud.quiesce(PATIENCE).await.unwrap();
    let deliveries: usize = triggers(&cloud, "worker")
        .iter()
        .map(|(name, _)| name.rsplit('×').next().unwrap().parse::<usize>().unwrap())
        .sum();
    assert_eq!(deliveries, 3);
    assert!(cloud.queues().depth("DeadQueue.fifo").unwrap().is_empty());
}

#[tokio::test]
async fn a_message_that_keeps_failing_ends_in_the_dead_letter_queue() {
    let cloud = cloud().await;
    send(&cloud, "a", &json!({ "do": "exit" }));
    cloud.quiesce(PATIENCE).await.unwrap();
    assert_eq!(triggers(&cloud, "worker").len(), 2);
    assert_eq!(cloud.queues().peek("DeadQueue.fifo").unwrap().len(), 1);
    assert!(cloud.queues().depth("Queue.fifo").unwrap().is_empty());
}

#[tokio::test]
async fn the_stream_hands_over_what_the_filter_lets_pass() {
    let cloud = cloud().await;
    put(&cloud, "1", &[]).await;
    put(&cloud, "2", &[rev(1)]).await;
    put(&cloud, "2", &[rev(1)]).await;
    put(&cloud, "2", &[rev(2)]).await;
    cloud.quiesce(PATIENCE).await.unwrap();
    let records: usize = triggers(&cloud, "fanout")
        .iter()
        .map(|(name, _)| name.rsplit('×').next().unwrap().parse::<usize>().unwrap())
        .sum();
    assert_eq!(records, 2, "neither the item without rev nor the put that changed nothing");
}

#[tokio::test]
async fn a_record_that_keeps_failing_is_put_aside_and_its_neighbours_pass() {
    let cloud = cloud().await;
    put(&cloud, "1", &[rev(1)]).await;
    put(&cloud, "2", &[rev(2), body(&json!({ "failures": 9 }))]).await;
    put(&cloud, "3", &[rev(3)]).await;
    cloud.quiesce(PATIENCE).await.unwrap();
    let given_up = cloud.queues().peek("StreamDeadQueue").unwrap();
    assert_eq!(given_up.len(), 1);
    let address: Value = serde_json::from_str(&given_up[0].body).unwrap();
    assert_eq!(address["DDBStreamBatchInfo"]["batchSize"], 1);
    assert!(!given_up[0].body.contains("failures"), "the record itself must not be in the queue");
}

#[tokio::test]
async fn a_crash_while_a_record_is_processed_loses_nothing() {
    let cloud = cloud().await;
    put(&cloud, "1", &[rev(1), body(&json!({ "do": "exit" }))]).await;
    cloud.quiesce(PATIENCE).await.unwrap();
    assert_eq!(triggers(&cloud, "fanout").len(), 2);
    assert_eq!(cloud.queues().peek("StreamDeadQueue").unwrap().len(), 1);
}

#[tokio::test]
async fn expired_items_go_when_the_sweep_is_asked_for() {
    let cloud = cloud().await;
    put(&cloud, "1", &[rev(1), ("expires_at", AttributeValue::N("1".to_owned()))]).await;
    assert_eq!(cloud.expire_items().unwrap(), 1);
    cloud.quiesce(PATIENCE).await.unwrap();
    let journal = triggers(&cloud, "fanout");
    assert!(journal.len() <= 1, "the removal has no new image: {journal:?}");
}

/// Waits for that many invocations of a function to have ended.
async fn ended(cloud: &Cloud, function: &str, count: usize) {
    let waiting = async {
        while triggers(cloud, function).len() < count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

#[tokio::test]
async fn moving_the_clock_moves_the_functions_the_queues_the_table_and_google() {
    const HOUR: Duration = Duration::from_secs(3_600);
    let mut options = crate::options();
    options.redelivery = Some(HOUR);
    let cloud = Cloud::start(options).await.unwrap();
    send(&cloud, "a", &json!({ "failures": 1 }));
    ended(&cloud, "worker", 1).await;
    let within_the_hour = cloud.now().timestamp() + 3_000;
    put(&cloud, "1", &[("expires_at", AttributeValue::N(within_the_hour.to_string()))]).await;
    assert_eq!(cloud.expire_items().unwrap(), 0);
    let variables = crate::invoke(&cloud, "web", json!({ "do": "environment" })).await.unwrap();
    let file = variables["CLOCK_OFFSET_FILE"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(file).unwrap(), "0");
    let google = cloud.google().unwrap();
    google.create_account(fake_google::Account::new("ada@example.com"));
    google.create_event("ada@example.com", "primary", event("Before")).unwrap();

    cloud.advance(HOUR).unwrap();
    assert_eq!(std::fs::read_to_string(file).unwrap(), "3600000");
    assert_eq!(cloud.expire_items().unwrap(), 1);
    cloud.quiesce(PATIENCE).await.unwrap();
    assert_eq!(triggers(&cloud, "worker").len(), 2, "the message is visible again");
    google.create_event("ada@example.com", "primary", event("After")).unwrap();
    let events = google.events("ada@example.com", "primary").unwrap();
    let created = |event: &Value| event["created"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>();
    let (before, after) = (created(&events[0]).unwrap(), created(&events[1]).unwrap());
    assert!((after - before).abs() >= chrono::TimeDelta::minutes(59), "{before} {after}");
    let path = format!("{}/_local/clock/60000", cloud.url());
    reqwest::Client::new().post(path).send().await.unwrap().error_for_status().unwrap();
    assert_eq!(std::fs::read_to_string(file).unwrap(), "3660000");
}

#[tokio::test]
async fn a_schedule_fires_when_the_clock_is_moved_past_its_time() {
    let mut options = crate::options();
    options.runs_by_time = true;
    let cloud = Cloud::start(options).await.unwrap();
    cloud.advance(Duration::from_secs(1_800)).unwrap();
    cloud.quiesce(PATIENCE).await.unwrap();
    assert!(triggers(&cloud, "timer").is_empty());
    cloud.advance(Duration::from_secs(1_801)).unwrap();
    ended(&cloud, "timer", 1).await;
}

#[tokio::test]
async fn a_schedule_fires_by_hand_under_either_name() {
    let cloud = cloud().await;
    cloud.tick("timer").await.unwrap();
    cloud.tick("Hourly").await.unwrap();
    assert!(cloud.tick("nobody").await.is_err());
    cloud.quiesce(PATIENCE).await.unwrap();
    assert_eq!(triggers(&cloud, "timer").len(), 2);
}

#[tokio::test]
async fn patience_that_ends_names_what_is_busy() {
    let cloud = cloud().await;
    let url = format!("{}/web/1", cloud.url());
    let busy =
        tokio::spawn(reqwest::Client::new().post(url).json(&json!({ "do": "wait", "ms": 1500 })).send());
    while cloud.processes("web").unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let error = cloud.quiesce(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(error.to_string(), "still busy: 1 invocations of web");
    busy.await.unwrap().unwrap();
}

#[tokio::test]
async fn reset_empties_everything() {
    let cloud = cloud().await;
    send(&cloud, "a", &json!({ "do": "exit" }));
    put(&cloud, "1", &[rev(1)]).await;
    cloud.quiesce(PATIENCE).await.unwrap();
    cloud.reset().await.unwrap();
    assert!(cloud.journal().is_empty());
    assert!(cloud.queues().depth("DeadQueue.fifo").unwrap().is_empty());
    let left = cloud.dynamo().get_item().table_name(cloud.table_name());
    let left = left.key("pk", AttributeValue::S("1".to_owned())).send().await.unwrap();
    assert!(left.item().is_none());
    put(&cloud, "2", &[rev(1)]).await;
    cloud.quiesce(PATIENCE).await.unwrap();
    assert_eq!(triggers(&cloud, "fanout").len(), 1, "the stream of the new table is followed");
}

#[tokio::test]
async fn with_a_data_directory_table_keys_and_position_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let start = async || {
        let mut options = crate::options();
        options.data = Some(directory.path().to_owned());
        Cloud::start(options).await.unwrap()
    };
    let cloud = start().await;
    put(&cloud, "1", &[rev(1)]).await;
    cloud.quiesce(PATIENCE).await.unwrap();
    drop(cloud);

    let cloud = start().await;
    cloud.quiesce(PATIENCE).await.unwrap();
    let kept = cloud.dynamo().get_item().table_name(cloud.table_name());
    let kept = kept.key("pk", AttributeValue::S("1".to_owned())).send().await.unwrap();
    assert!(kept.item().is_some());
    assert!(triggers(&cloud, "fanout").is_empty(), "what was handed over is not handed over again");
}
