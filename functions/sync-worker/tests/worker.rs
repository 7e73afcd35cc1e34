//! The batch handler with a real queue: what fails comes back, soon, and alone.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail by panicking, like the tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use domain::{GoogleStatus, Job, UserId};
use fake_sqs::{Broker, ManualClock};
use google::{Google, Vault};
use local::table::TestTable;
use runtime::sqs::Message;
use seam::{Clock, Fault, Kind, Random, Script, Seam};
use store::{Breaker, Connection, NewUser, Plan, Profile, Snapshot, Store};
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

    /// Ana is connected, as far as can be told before Google is called.
    async fn connect_ana(&self) {
        let (store, now) = (&self.worker.sync.store, self.worker.sync.clock.now());
        let (email, epoch) = (&"ana@example.com".parse().unwrap(), "epoch".to_owned());
        let (profile, password_hash, google_sub, session) = (Profile::default(), None, None, None);
        let new = NewUser { id: ANA, email, epoch, profile, password_hash, google_sub, session };
        store.create_user(new, now).await.unwrap();
        let connection = Connection {
            sub: "ana".into(),
            email: None,
            picture: None,
            scopes: Vec::new(),
            sealed_refresh: "v1.".into(),
            access: None,
        };
        let plan = |_: &Snapshot| -> Result<Plan, store::Error> {
            let mut plan = Plan::of([]).google(GoogleStatus::connected(now));
            plan.put_connection(store, ANA, &connection)?;
            Ok(plan)
        };
        store.mutate(ANA, &[], now, plan).await.unwrap();
    }

    /// Has the function do what is received, and forgets what it has done, as Lambda does. Returns how often each was received.
    async fn work(&self) -> Vec<u32> {
        let messages = self.receive().await;
        let known: Vec<_> =
            messages.iter().map(|m| (m.id.clone(), m.receipt.clone(), m.receive_count)).collect();
        let failed = handle(&self.worker, messages).await;
        for (id, receipt, _) in &known {
            if !failed.contains(id) {
                let delete = self.client.delete_message().queue_url(&self.url).receipt_handle(receipt);
                delete.send().await.unwrap();
            }
        }
        known.into_iter().map(|(_, _, receives)| receives).collect()
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

#[tokio::test]
async fn a_job_that_only_waits_is_never_given_up_and_asks_no_more_often_than_it_must() {
    let world = World::start().await;
    world.connect_ana().await;
    let until = world.worker.sync.clock.now() + TimeDelta::hours(1);
    let refused = Breaker { reason: "dailyLimitExceeded".into(), trips: 1, until };
    world.worker.sync.store.open_breaker(&refused).await.unwrap();
    world.send(&Job::Pull { user: ANA }, "1").await;
    world.send(&Job::Push { user: ANA }, "2").await;
    let mut received = Vec::new();
    for _ in 0..11 {
        let counts = world.work().await;
        assert_eq!(counts.len(), 2, "both jobs are there: {received:?}");
        received.push(counts[0]);
        if counts[0] < 5 {
            assert!(world.receive().await.is_empty(), "not at once");
            world.clock.advance(Duration::from_secs(600));
            assert!(world.receive().await.is_empty(), "not before the quarter of an hour");
        }
        world.clock.advance(Duration::from_secs(600));
    }
    assert_eq!(received, [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1], "fresh messages take their place in time");
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
