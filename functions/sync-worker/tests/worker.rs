//! The batch handler with a real queue: what fails comes back, soon, and alone.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail by panicking, like the tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
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

/// Which of them cannot be reached.
#[derive(Default)]
struct Outage {
    store: AtomicBool,
    queue: AtomicBool,
}

impl Script for Outage {
    fn next(&self, kind: Kind, _: &'static str) -> Option<Fault> {
        let is_out = match kind {
            Kind::Store => &self.store,
            Kind::Queue => &self.queue,
            _ => return None,
        };
        is_out.load(Ordering::SeqCst).then_some(Fault::FailBefore)
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

    /// Has the function do what is received. Returns how often each message was received.
    async fn work(&self) -> Vec<u32> {
        let messages = self.receive().await;
        let receives = messages.iter().map(|message| message.receive_count).collect();
        self.finish(messages).await;
        receives
    }

    /// Has the function do its work and forgets what it has done, as Lambda does. Returns the ids of what is left.
    async fn finish(&self, messages: Vec<Message<Job>>) -> Vec<String> {
        let known: Vec<_> = messages.iter().map(|m| (m.id.clone(), m.receipt.clone())).collect();
        let failed = handle(&self.worker, messages).await;
        for (id, receipt) in &known {
            if !failed.contains(id) {
                let delete = self.client.delete_message().queue_url(&self.url).receipt_handle(receipt);
                delete.send().await.unwrap();
            }
        }
        failed
    }

    /// What time it is for the queue.
    fn now(&self) -> DateTime<Utc> {
        let now = fake_sqs::Clock::now(&self.clock);
        DateTime::from_timestamp_millis(now.as_millis().try_into().unwrap()).unwrap()
    }

    async fn pulled_from(&self) -> Option<DateTime<Utc>> {
        self.worker.sync.store.google(ANA).await.unwrap().unwrap().pulled_from
    }

    async fn pulls(&self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            self.send(&Job::Pull { user: ANA }, &format!("pull.{number}")).await;
        }
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
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await
            .unwrap();
        let message = |message: &aws_sdk_sqs::types::Message| {
            let attributes = message.attributes().unwrap();
            let number = |name| attributes[&name].parse::<i64>().unwrap();
            let time = |name| DateTime::from_timestamp_millis(number(name));
            let receives = number(MessageSystemAttributeName::ApproximateReceiveCount);
            Message {
                id: message.message_id().unwrap().to_owned(),
                receipt: message.receipt_handle().unwrap().to_owned(),
                receive_count: receives.try_into().unwrap(),
                sent_at: time(MessageSystemAttributeName::SentTimestamp),
                first_received_at: time(MessageSystemAttributeName::ApproximateFirstReceiveTimestamp),
                body: serde_json::from_str(message.body().unwrap()).unwrap(),
            }
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
    world.outage.store.store(true, Ordering::SeqCst);
    let messages = world.receive().await;
    let ids: Vec<String> = messages.iter().map(|message| message.id.clone()).collect();
    assert_eq!(handle(&world.worker, messages).await, ids);
    assert!(world.receive().await.is_empty());
    world.clock.advance(Duration::from_secs(8));
    let again = world.receive().await;
    assert_eq!(again.iter().map(|message| message.id.clone()).collect::<Vec<_>>(), ids);
    assert!(again.iter().all(|message| message.receive_count == 2));
    world.outage.store.store(false, Ordering::SeqCst);
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

/// A burst: the first is read at once, the ten that come next leave one of them behind, and the rest has nothing left to say.
#[tokio::test]
async fn of_many_notifications_that_come_at_once_one_is_read_and_one_after_it() {
    let world = World::start().await;
    world.connect_ana().await;
    world.pulls(0..1).await;
    assert_eq!(world.work().await, [1]);
    let first = world.now();
    assert_eq!(world.pulled_from().await, Some(first));

    world.clock.advance(Duration::from_millis(100));
    world.pulls(1..20).await;
    assert_eq!(world.work().await, [1; 10]);
    assert_eq!(world.pulled_from().await, Some(first), "nothing is read so soon");
    world.clock.advance(Duration::from_millis(1_999));
    assert!(world.receive().await.is_empty(), "what is behind the one that waits waits with it");
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(
        world.work().await,
        [2, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        "one stands for ten, and is not kept again"
    );
    assert_eq!(world.pulled_from().await, Some(world.now()));
    assert!(world.receive().await.is_empty());
    assert_eq!(world.now() - first, TimeDelta::milliseconds(2_100));
}

#[tokio::test]
async fn what_has_been_read_since_it_was_sent_is_done_and_nothing_is_noted() {
    let world = World::start().await;
    world.connect_ana().await;
    world.pulls(0..12).await;
    world.clock.advance(Duration::from_millis(500));
    assert_eq!(world.work().await, [1; 10]);
    let noted = world.pulled_from().await;
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.work().await, [1; 2]);
    assert_eq!(world.pulled_from().await, noted);
}

/// An edit of the user's own is sent, although a notification waits before it.
#[tokio::test]
async fn a_push_behind_a_notification_that_waits_is_done() {
    let world = World::start().await;
    world.connect_ana().await;
    world.worker.sync.store.note_pull(ANA, world.now()).await.unwrap();
    world.pulls(0..1).await;
    world.send(&Job::Push { user: ANA }, "push").await;
    world.pulls(1..2).await;
    let messages = world.receive().await;
    let newest = messages[2].id.clone();
    assert_eq!(world.finish(messages).await, [newest.clone()], "all but one are done");
    assert!(world.receive().await.is_empty());
    world.clock.advance(Duration::from_secs(2));
    let again = world.receive().await;
    assert_eq!(again.iter().map(|message| &message.id).collect::<Vec<_>>(), [&newest]);
    assert!(world.finish(again).await.is_empty());
}

#[tokio::test]
async fn a_notification_that_the_queue_does_not_take_back_is_read_at_once() {
    let world = World::start().await;
    world.connect_ana().await;
    world.worker.sync.store.note_pull(ANA, world.now()).await.unwrap();
    world.clock.advance(Duration::from_millis(100));
    world.pulls(0..2).await;
    // The messages come to the function by another way.
    world.outage.queue.store(true, Ordering::SeqCst);
    let messages = world.receive().await;
    assert!(handle(&world.worker, messages).await.is_empty());
    assert_eq!(world.pulled_from().await, Some(world.now()));
}

/// What fails after it has waited is tried again like anything else.
#[tokio::test]
async fn a_notification_that_has_waited_and_fails_is_tried_again() {
    let world = World::start().await;
    world.connect_ana().await;
    world.worker.sync.store.note_pull(ANA, world.now()).await.unwrap();
    world.pulls(0..1).await;
    assert_eq!(world.work().await, [1]);
    world.clock.advance(Duration::from_secs(2));
    world.outage.store.store(true, Ordering::SeqCst);
    assert_eq!(world.work().await, [2]);
    world.outage.store.store(false, Ordering::SeqCst);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.work().await, [3]);
    assert!(world.receive().await.is_empty());
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
