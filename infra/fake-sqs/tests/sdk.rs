//! The wire protocol, judged by the client that will speak it: the unmodified AWS SDK.
#![expect(clippy::expect_used, reason = "helpers of tests, outside a test function")]

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageAttributeValue,
    MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
};
use fake_sqs::{Broker, ManualClock, queue_arn, serve};
use tokio::net::TcpListener;

struct Bench {
    client: Client,
    broker: Broker,
    clock: ManualClock,
    endpoint: String,
}

async fn bench() -> Bench {
    let clock = ManualClock::new(Duration::from_secs(1_700_000_000));
    let broker = Broker::new(clock.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(serve(listener, broker.clone()));
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .endpoint_url(&endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Bench { client: Client::from_conf(config), broker, clock, endpoint }
}

/// Creates a FIFO queue with deduplication by content; returns its URL.
async fn fifo(client: &Client, name: &str) -> String {
    let created = client
        .create_queue()
        .queue_name(name)
        .attributes(QueueAttributeName::FifoQueue, "true")
        .attributes(QueueAttributeName::ContentBasedDeduplication, "true")
        .send()
        .await
        .expect("created");
    created.queue_url.expect("has a URL")
}

async fn receive(client: &Client, url: &str, max: i32) -> Vec<aws_sdk_sqs::types::Message> {
    let received = client
        .receive_message()
        .queue_url(url)
        .max_number_of_messages(max)
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .message_attribute_names("All")
        .send()
        .await
        .expect("received");
    received.messages.unwrap_or_default()
}

fn text(data_type: &str, value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type(data_type).string_value(value).build().expect("complete")
}

#[tokio::test]
async fn a_message_travels_with_its_attributes_and_is_deleted() {
    let Bench { client, broker, endpoint, .. } = bench().await;
    let url = fifo(&client, "sync.fifo").await;
    assert_eq!(url, format!("{endpoint}/000000000000/sync.fifo"));
    let blob = MessageAttributeValue::builder().data_type("Binary").binary_value(Blob::new([0, 255]));
    let sent = client
        .send_message()
        .queue_url(&url)
        .message_body("grüße")
        .message_group_id("user")
        .message_attributes("timestamp", text("Number", "1493147359900"))
        .message_attributes("blob", blob.build().expect("complete"))
        .send()
        .await
        .expect("sent");
    assert_eq!(sent.sequence_number.as_ref().map(String::len), Some(20));

    let messages = receive(&client, &url, 10).await;
    let [message] = messages.as_slice() else { panic!("one message, not {messages:?}") };
    assert_eq!(message.body(), Some("grüße"));
    assert_eq!(message.md5_of_body(), sent.md5_of_message_body());
    assert_eq!(message.md5_of_message_attributes(), sent.md5_of_message_attributes());
    let attributes = message.message_attributes().expect("told");
    assert_eq!(attributes["timestamp"].string_value(), Some("1493147359900"));
    assert_eq!(attributes["blob"].binary_value(), Some(&Blob::new([0, 255])));
    let system = message.attributes().expect("told");
    assert_eq!(system[&MessageSystemAttributeName::MessageGroupId], "user");
    assert_eq!(system[&MessageSystemAttributeName::ApproximateReceiveCount], "1");

    let handle = message.receipt_handle().expect("told");
    client.delete_message().queue_url(&url).receipt_handle(handle).send().await.expect("deleted");
    assert!(broker.depth("sync.fifo").expect("exists").is_empty());
}

#[tokio::test]
async fn errors_reach_the_sdk_with_their_names() {
    let Bench { client, endpoint, .. } = bench().await;
    let nowhere = format!("{endpoint}/000000000000/nowhere");
    let error =
        client.send_message().queue_url(&nowhere).message_body("x").send().await.expect_err("no queue");
    assert_eq!(error.code(), Some("AWS.SimpleQueueService.NonExistentQueue"));
    assert!(error.into_service_error().is_queue_does_not_exist());

    let url = fifo(&client, "sync.fifo").await;
    let error = client.send_message().queue_url(&url).message_body("x").send().await.expect_err("no group");
    assert_eq!(error.code(), Some("MissingParameter"));
    let delete = client.delete_message().queue_url(&url).receipt_handle("nonsense").send().await;
    assert!(delete.expect_err("no handle").into_service_error().is_receipt_handle_is_invalid());
    let other = client
        .create_queue()
        .queue_name("sync.fifo")
        .attributes(QueueAttributeName::FifoQueue, "true")
        .attributes(QueueAttributeName::VisibilityTimeout, "7")
        .send()
        .await;
    assert!(other.expect_err("differs").into_service_error().is_queue_name_exists());
    let tags = client.list_queue_tags().queue_url(&url).send().await;
    assert_eq!(tags.expect_err("not imitated").code(), Some("InvalidAction"));
}

#[tokio::test]
async fn a_message_over_one_mebibyte_is_refused_and_one_of_it_is_not() {
    let Bench { client, .. } = bench().await;
    let url = fifo(&client, "sync.fifo").await;
    let send = |length: usize| {
        client.send_message().queue_url(&url).message_group_id("a").message_body("\"".repeat(length)).send()
    };
    send(fake_sqs::MAXIMUM_SIZE).await.expect("fits");
    let error = send(fake_sqs::MAXIMUM_SIZE + 1).await.expect_err("too long");
    assert_eq!(error.code(), Some("InvalidParameterValue"));
}

fn entry(id: &str, body: &str, group: Option<&str>) -> SendMessageBatchRequestEntry {
    let entry = SendMessageBatchRequestEntry::builder().id(id).message_body(body);
    entry.set_message_group_id(group.map(str::to_owned)).build().expect("complete")
}

#[tokio::test]
async fn an_entry_of_a_batch_fails_alone() {
    let Bench { client, broker, .. } = bench().await;
    let url = fifo(&client, "sync.fifo").await;
    let sent = client
        .send_message_batch()
        .queue_url(&url)
        .entries(entry("a", "1", Some("user")))
        .entries(entry("b", "2", None))
        .entries(entry("c", "3", Some("user")))
        .send()
        .await
        .expect("answered");
    assert_eq!(sent.successful().iter().map(|it| it.id()).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(
        sent.failed().iter().map(|it| (it.id(), it.code())).collect::<Vec<_>>(),
        [("b", "MissingParameter")]
    );

    let messages = receive(&client, &url, 10).await;
    let handles: Vec<_> = messages.iter().filter_map(|message| message.receipt_handle()).collect();
    let visibility = ChangeMessageVisibilityBatchRequestEntry::builder();
    client
        .change_message_visibility_batch()
        .queue_url(&url)
        .entries(
            visibility.id("1").receipt_handle(handles[1]).visibility_timeout(0).build().expect("complete"),
        )
        .send()
        .await
        .expect("answered");
    let depth = broker.depth("sync.fifo").expect("exists");
    assert_eq!((depth.visible, depth.in_flight), (1, 1));
    let deletion = |id: &str, handle: &str| {
        DeleteMessageBatchRequestEntry::builder().id(id).receipt_handle(handle).build().expect("complete")
    };
    let deleted = client
        .delete_message_batch()
        .queue_url(&url)
        .entries(deletion("0", handles[0]))
        .entries(deletion("1", handles[1]))
        .send()
        .await
        .expect("answered");
    assert_eq!((deleted.successful().len(), deleted.failed().len()), (1, 1));
}

#[tokio::test]
async fn a_malformed_batch_is_refused_whole() {
    let Bench { client, broker, .. } = bench().await;
    let url = fifo(&client, "sync.fifo").await;
    let send = |entries: Vec<SendMessageBatchRequestEntry>| {
        client.send_message_batch().queue_url(&url).set_entries(Some(entries)).send()
    };
    let twins = vec![entry("a", "1", Some("u")), entry("a", "2", Some("u"))];
    assert!(send(twins).await.expect_err("same ids").into_service_error().is_batch_entry_ids_not_distinct());
    assert!(send(vec![]).await.expect_err("empty").into_service_error().is_empty_batch_request());
    let many = (0..11).map(|n| entry(&n.to_string(), "x", Some("u"))).collect();
    assert!(
        send(many).await.expect_err("eleven").into_service_error().is_too_many_entries_in_batch_request()
    );
    let half = "x".repeat(fake_sqs::MAXIMUM_SIZE / 2 + 1);
    let long = vec![entry("a", &half, Some("u")), entry("b", &half, Some("u"))];
    assert!(send(long).await.expect_err("long").into_service_error().is_batch_request_too_long());
    assert!(broker.depth("sync.fifo").expect("exists").is_empty());
}

#[tokio::test]
async fn a_long_poll_over_the_wire_gets_a_message_without_time_passing() {
    let Bench { client, broker, .. } = bench().await;
    let url = fifo(&client, "sync.fifo").await;
    let poll = tokio::spawn(client.receive_message().queue_url(&url).wait_time_seconds(20).send());
    let message = fake_sqs::NewMessage::new("x").in_group("user");
    broker.send("sync.fifo", message).expect("sent");
    // The manual clock stands still: only the arrival can end the poll.
    let received = poll.await.expect("ended").expect("received");
    assert_eq!(received.messages().len(), 1);
}

#[tokio::test]
async fn dead_letters_are_listed_told_and_moved_back() {
    let Bench { client, broker, clock, .. } = bench().await;
    let dead = fifo(&client, "dead.fifo").await;
    let url = fifo(&client, "sync.fifo").await;
    let policy = format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":1}}"#, queue_arn("dead.fifo"));
    client
        .set_queue_attributes()
        .queue_url(&url)
        .attributes(QueueAttributeName::RedrivePolicy, &policy)
        .send()
        .await
        .expect("set");
    let told = client
        .get_queue_attributes()
        .queue_url(&url)
        .attribute_names(QueueAttributeName::All)
        .send()
        .await
        .expect("told");
    let told = told.attributes().expect("some");
    assert_eq!(told[&QueueAttributeName::QueueArn], queue_arn("sync.fifo"));
    assert_eq!(told[&QueueAttributeName::RedrivePolicy], policy);

    let send = client.send_message().queue_url(&url).message_body("x").message_group_id("user").send();
    send.await.expect("sent");
    assert_eq!(receive(&client, &url, 1).await.len(), 1);
    clock.advance(Duration::from_secs(30));
    assert!(receive(&client, &url, 1).await.is_empty());
    let letters = receive(&client, &dead, 1).await;
    let source =
        &letters[0].attributes().expect("told")[&MessageSystemAttributeName::DeadLetterQueueSourceArn];
    assert_eq!(source, &queue_arn("sync.fifo"));

    clock.advance(Duration::from_secs(30));
    let moved =
        client.start_message_move_task().source_arn(queue_arn("dead.fifo")).send().await.expect("moved");
    assert!(moved.task_handle().is_some());
    assert_eq!(broker.depth("sync.fifo").expect("exists").visible, 1);
    client.purge_queue().queue_url(&url).send().await.expect("purged");
    assert!(broker.depth("sync.fifo").expect("exists").is_empty());
}

#[tokio::test]
async fn queues_are_found_listed_and_deleted_by_name() {
    let Bench { client, broker, .. } = bench().await;
    let url = fifo(&client, "sync.fifo").await;
    fifo(&client, "other.fifo").await;
    let found = client.get_queue_url().queue_name("sync.fifo").send().await.expect("found");
    assert_eq!(found.queue_url(), Some(url.as_str()));
    let listed = client.list_queues().queue_name_prefix("s").send().await.expect("listed");
    assert_eq!(listed.queue_urls(), std::slice::from_ref(&url));
    client.delete_queue().queue_url(&url).send().await.expect("deleted");
    let missing = client.get_queue_url().queue_name("sync.fifo").send().await;
    assert!(missing.expect_err("gone").into_service_error().is_queue_does_not_exist());
    assert_eq!(broker.queues(), ["other.fifo"]);
}
