//! The function on a queue whose clock is moved by hand, and a table. Nothing is connected to Google.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use domain::{GoogleStatus, Job, UserId};
use fake_sqs::{Broker, ManualClock};
use google::{Google, Vault};
use local::table::TestTable;
use runtime::sqs::Message;
use seam::{Clock, Fault, Kind, Random, Script, Seam};
use store::{Connection, NewUser, Plan, Profile, Snapshot, Store};
use sync::{Queue, Sync};
use sync_worker_function::{Worker, handle};

pub const ANA: UserId = UserId::new([1; 12]);
pub const BEN: UserId = UserId::new([2; 12]);

/// Which of them cannot be reached.
#[derive(Default)]
pub struct Outage {
    pub store: AtomicBool,
    pub queue: AtomicBool,
    /// After how many more calls the store goes out; 0 for never.
    pub store_fails_at: AtomicUsize,
    /// How often something was put into the store: without calls to Google, a reading is noted and nothing else is.
    pub notes: AtomicUsize,
}

impl Script for Outage {
    fn next(&self, kind: Kind, operation: &'static str) -> Option<Fault> {
        let is_out = match kind {
            Kind::Store => {
                let left = self.store_fails_at.load(Ordering::SeqCst);
                self.store_fails_at.store(left.saturating_sub(1), Ordering::SeqCst);
                if left == 1 {
                    self.store.store(true, Ordering::SeqCst);
                }
                &self.store
            }
            Kind::Queue => &self.queue,
            _ => return None,
        };
        let is_out = is_out.load(Ordering::SeqCst);
        if operation == "PutItem" && !is_out {
            self.notes.fetch_add(1, Ordering::SeqCst);
        }
        is_out.then_some(Fault::FailBefore)
    }
}

pub struct World {
    _table: TestTable,
    pub worker: Worker,
    pub client: aws_sdk_sqs::Client,
    pub url: String,
    pub clock: ManualClock,
    pub outage: Arc<Outage>,
}

impl World {
    pub async fn start() -> Self {
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
    pub async fn connect_ana(&self) {
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
    pub async fn work(&self) -> Vec<u32> {
        let messages = self.receive().await;
        let receives = messages.iter().map(|message| message.receive_count).collect();
        self.finish(messages).await;
        receives
    }

    /// Has the function do its work and forgets what it has done, as Lambda does. Returns the ids of what is left.
    pub async fn finish(&self, messages: Vec<Message<Job>>) -> Vec<String> {
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
    pub fn now(&self) -> DateTime<Utc> {
        let now = fake_sqs::Clock::now(&self.clock);
        DateTime::from_timestamp_millis(now.as_millis().try_into().unwrap()).unwrap()
    }

    /// Whether the queue holds nothing.
    pub async fn is_done(&self) -> bool {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let asked = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = asked.set_attribute_names(Some(names.to_vec())).send().await.unwrap();
        names.iter().all(|name| answer.attributes().unwrap()[name] == "0")
    }

    pub async fn pulled_from(&self) -> Option<DateTime<Utc>> {
        self.worker.sync.store.google(ANA).await.unwrap().unwrap().pulled_from
    }

    pub async fn pulls(&self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            self.send(&Job::Pull { user: ANA }, &format!("pull.{number}")).await;
        }
    }

    pub async fn send(&self, job: &Job, deduplication: &str) {
        self.worker.sync.queue.send(job, deduplication).await.unwrap();
    }

    pub async fn receive(&self) -> Vec<Message<Job>> {
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
