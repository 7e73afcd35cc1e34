//! The batch handler with a real queue: what fails comes back, soon, and alone.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail by panicking, like the tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{Job, UserId};
use fake_sqs::{Broker, ManualClock};
use google::{Google, Vault};
use local::table::TestTable;
use runtime::sqs::Message;
use seam::{Clock, Fault, Kind, Random, Script, Seam};
use store::Store;
use sync::{Queue, Sync};
use sync_worker_function::{Worker, handle};

const ANA: UserId = UserId::new([1; 12]);
const BEN: UserId = UserId::new([2; 12]);

/// While it is set, the store cannot be reached.
#[derive(Default)]
struct Outage(AtomicBool);

impl Script for Outage {
    fn next(&self, kind: Kind, _: &'static str) -> Option<Fault> {
        (kind == Kind::Store && self.0.load(Ordering::SeqCst)).then_some(Fault::FailBefore)
    }
}

struct World {
    _table: TestTable,
    worker: Worker,
    client: aws_sdk_sqs::Client,
    url: String,
    clock: ManualClock,
    outage: Arc<Outage>,
}

impl World {
    async fn start() -> Self {
        let table = TestTable::start().await.unwrap();
        let outage = Arc::new(Outage::default());
        let seam = |kind| Seam::new(kind, Duration::from_secs(5)).with_script(outage.clone());
        let store = Store::new(table.client.clone(), &table.table_name, seam(Kind::Store));
        let clock = ManualClock::new(Duration::from_secs(1_700_000_000));
        let (client, url) = sqs(clock.clone()).await;
        let sync = Sync {
            store,
            google: Google::new(None, seam(Kind::Google), Clock::system()),
            vault: STANDARD.encode([9; 32]).parse::<Vault>().unwrap(),
            queue: Queue::new(client.clone(), &url, seam(Kind::Queue)),
            clock: Clock::system(),
            random: Random::seeded(1),
            notifications: None,
        };
        Self { _table: table, worker: Worker { sync }, client, url, clock, outage }
    }

    async fn send(&self, job: &Job, deduplication: &str) {
        self.worker.sync.queue.send(job, deduplication).await.unwrap();
    }

    async fn receive(&self) -> Vec<Message<Job>> {
        let received = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(10)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .send()
            .await
            .unwrap();
        let message = |message: &aws_sdk_sqs::types::Message| Message {
            id: message.message_id().unwrap().to_owned(),
            receipt: message.receipt_handle().unwrap().to_owned(),
            receive_count: message.attributes().unwrap()
                [&MessageSystemAttributeName::ApproximateReceiveCount]
                .parse()
                .unwrap(),
            body: serde_json::from_str(message.body().unwrap()).unwrap(),
        };
        received.messages().iter().map(message).collect()
    }
}

async fn sqs(clock: ManualClock) -> (aws_sdk_sqs::Client, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(fake_sqs::serve(listener, Broker::new(clock)));
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .endpoint_url(&endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let client = aws_sdk_sqs::Client::from_conf(config);
    let created = client
        .create_queue()
        .queue_name("sync.fifo")
        .attributes(QueueAttributeName::FifoQueue, "true")
        .attributes(QueueAttributeName::VisibilityTimeout, "720")
        .send()
        .await
        .unwrap();
    (client, created.queue_url.unwrap())
}

#[tokio::test]
async fn jobs_of_users_who_are_gone_or_not_connected_are_nothing_to_do() {
    let world = World::start().await;
    world.send(&Job::Pull { user: ANA }, "1").await;
    world.send(&Job::Import { user: BEN, is_repair: true }, "2").await;
    let messages = world.receive().await;
    assert_eq!(messages.len(), 2);
    assert!(handle(&world.worker, messages).await.is_empty());
}

#[tokio::test]
async fn what_failed_for_a_passing_reason_comes_back_soon_with_all_that_waits_behind_it() {
    let world = World::start().await;
    world.send(&Job::Pull { user: ANA }, "1").await;
    world.send(&Job::Push { user: ANA }, "2").await;
    world.outage.0.store(true, Ordering::SeqCst);
    let messages = world.receive().await;
    let ids: Vec<String> = messages.iter().map(|message| message.id.clone()).collect();
    assert_eq!(handle(&world.worker, messages).await, ids);
    assert!(world.receive().await.is_empty());
    world.clock.advance(Duration::from_secs(8));
    let again = world.receive().await;
    assert_eq!(again.iter().map(|message| message.id.clone()).collect::<Vec<_>>(), ids);
    assert!(again.iter().all(|message| message.receive_count == 2));
    world.outage.0.store(false, Ordering::SeqCst);
    assert!(handle(&world.worker, again).await.is_empty());
}

#[test]
fn the_samples_are_jobs() {
    for sample in [
        include_str!("../../../events/sync-worker.jobs.json"),
        include_str!("../../../events/sync-worker.jobs-renew-watch.json"),
    ] {
        let event: serde_json::Value = serde_json::from_str(sample).unwrap();
        for record in event["Records"].as_array().unwrap() {
            serde_json::from_str::<Job>(record["body"].as_str().unwrap()).unwrap();
        }
    }
}
