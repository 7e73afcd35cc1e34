//! Everything the runner touches, real or as real as it gets: the store on the template's table, the fake Google, the fake queue.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::QueueAttributeName;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use domain::{GoogleStatus, Job, Notice, UserId};
use dynoxide::actions::describe_table::DescribeTableRequest;
use dynoxide::actions::get_records::GetRecordsRequest;
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::streams::shard_id;
use fake_google::{ConsentRequest, Options, Server};
use fake_sqs::Broker;
use google::{Config, Google, Secret, Vault};
use local::table::TestTable;
use seam::{Clock, Fault, Kind, Random, Script, Seam};
use serde_json::Value;
use store::{Connection, Error, Head, Plan, Profile, SealedAccess, Snapshot, Store};
use sync::{Effort, IMPORT_LEASE, Queue, Sync};

pub const EMAIL: &str = "ada@example.com";
pub const OTHER_EMAIL: &str = "bob@example.com";
pub const QUEUE: &str = "sync.fifo";
const SCOPES: &str = "openid https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/calendar.readonly https://www.googleapis.com/auth/calendar.events";
const REDIRECT: &str = "http://localhost:9080/auth/google/callback";

/// An item before and after a change; empty where there is none.
pub type Images = (serde_dynamo::Item, serde_dynamo::Item);

thread_local! {
    /// All that was logged, and all errors, of the world that this thread is about.
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The subscriber, once for the process.
static IS_LOGGED: LazyLock<()> = LazyLock::new(|| {
    tracing_subscriber::fmt().with_ansi(false).with_writer(|| Log).init();
});

pub struct Log;

impl Log {
    pub fn text() -> String {
        LOG.with_borrow(|log| String::from_utf8_lossy(log).into_owned())
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.with_borrow_mut(|log| log.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What holds of every test, whatever it is about. A test that has failed already is not asked.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() || self.is_condemned.get() {
            return;
        }
        assert_eq!(self.leak(), None, "a secret is where it should not be");
        assert!(self.google.violations().is_empty(), "{:#?}", self.google.violations());
        assert!(self.google.quota_breaches().is_empty(), "{:#?}", self.google.quota_breaches());
    }
}

/// Faults in the order of the calls they name, and how often each call was made.
#[derive(Default)]
pub struct Faults {
    pub faults: Mutex<VecDeque<(Kind, &'static str, Fault)>>,
    pub calls: Mutex<HashMap<&'static str, usize>>,
}

impl Script for Faults {
    fn next(&self, kind: Kind, operation: &'static str) -> Option<Fault> {
        *self.calls.lock().unwrap().entry(operation).or_default() += 1;
        let mut faults = self.faults.lock().unwrap();
        let is_next = faults.front().is_some_and(|(k, o, _)| (*k, *o) == (kind, operation));
        if is_next { faults.pop_front().map(|(_, _, fault)| fault) } else { None }
    }
}

/// A user and all that there is around one.
pub struct World {
    pub google: Arc<Server>,
    pub sync: Sync,
    pub store: Store,
    pub clock: Clock,
    pub user: UserId,
    /// Of the user's account at Google.
    pub email: &'static str,
    pub broker: Broker,
    /// Whether it has been found out that something is wrong: then it is not asked what holds of every test.
    pub is_condemned: Cell<bool>,
    #[allow(dead_code, reason = "only tests of one thing order faults")]
    pub faults: Arc<Faults>,
    pub table: Arc<TestTable>,
}

impl World {
    /// One that is told of changes at this address, if any, and whose calls meet what `script` says.
    pub async fn start(notifications: Option<&str>, script: Arc<dyn Script>) -> Self {
        let (google, clock) = google().await;
        let calendars = google.calendar_url();
        Self::around(google, clock, &calendars, notifications, script).await
    }

    /// The same around a Google whose calendars are called at this address.
    pub async fn around(
        google: Arc<Server>,
        clock: Clock,
        calendars: &str,
        notifications: Option<&str>,
        script: Arc<dyn Script>,
    ) -> Self {
        LazyLock::force(&IS_LOGGED);
        LOG.take();
        let table = Arc::new(TestTable::start().await.unwrap());
        let seam = |kind| Seam::new(kind, Duration::from_secs(10)).with_script(script.clone());
        let store = Store::new(table.client.clone(), &table.table_name, seam(Kind::Store));
        let random = Random::seeded(3);
        let (queue, broker) = queue(seam(Kind::Queue)).await;
        let vault = STANDARD.encode([9; 32]).parse::<Vault>().unwrap().with_random(random.clone());
        let sync = Sync {
            store: store.clone(),
            google: Google::new(Some(config(&google, calendars)), seam(Kind::Google), clock.clone()),
            vault,
            queue,
            clock: clock.clone(),
            random,
            notifications: notifications.and_then(|text| sync::notification_address(text).unwrap()),
        };
        let user = user_in(&table, &clock, 7).await;
        let faults = Arc::default();
        let world = Self {
            google,
            sync,
            store,
            clock,
            user,
            email: EMAIL,
            broker,
            is_condemned: Cell::default(),
            faults,
            table,
        };
        world.connect().await;
        world
    }

    /// Another user in the same world, connected to an account of their own.
    #[allow(dead_code, reason = "only the model has two users")]
    pub async fn beside(&self) -> Self {
        let user = user_in(&self.table, &self.clock, 8).await;
        let world = Self {
            google: self.google.clone(),
            sync: self.sync.clone(),
            store: self.store.clone(),
            clock: self.clock.clone(),
            user,
            email: OTHER_EMAIL,
            broker: self.broker.clone(),
            is_condemned: Cell::default(),
            faults: self.faults.clone(),
            table: self.table.clone(),
        };
        world.connect().await;
        world
    }

    /// As the connect route does it.
    pub async fn connect(&self) {
        let request =
            ConsentRequest { is_prompted: true, ..ConsentRequest::new(self.email, SCOPES, REDIRECT) };
        let code = Secret::new(self.google.consent(request));
        let grant = self.sync.google.oauth().unwrap().exchange(&code, REDIRECT, None).await.unwrap();
        assert_eq!(grant.identity.email.as_deref(), Some(self.email));
        let seal = |secret: &Secret| String::from(self.sync.vault.seal(self.user, secret).unwrap());
        let (now, expires_at) = (self.clock.now(), grant.access.expires_at);
        let connection = Connection {
            sub: grant.identity.sub.clone(),
            email: grant.identity.email.clone(),
            picture: None,
            scopes: grant.scopes.clone(),
            sealed_refresh: seal(grant.refresh.as_ref().expect("a first consent brings one")),
            access: Some(SealedAccess { sealed: seal(&grant.access.secret), issued_at: now, expires_at }),
        };
        let plan = |_: &Snapshot| -> Result<Plan, Error> {
            let mut plan = Plan::default();
            plan.google = Some(GoogleStatus::connected(now + IMPORT_LEASE));
            plan.put_connection(&self.store, self.user, &connection)?;
            Ok(plan)
        };
        self.store.mutate(self.user, &[], now, plan).await.unwrap();
    }

    /// Lets time pass.
    pub fn pass(&self, time: TimeDelta) {
        self.clock.set(self.clock.now() + time);
    }

    /// A text with one of Google's secrets in it that is in a log, an error, a queue, or has ever been in the table.
    pub fn leak(&self) -> Option<String> {
        let bodies = self.broker.peek(QUEUE).unwrap().into_iter().map(|message| message.body);
        let mut texts = bodies.chain([Log::text()]).chain(self.table.values().unwrap());
        let secrets = self.google.secrets();
        texts.find(|text| secrets.iter().any(|secret| text.contains(secret)))
    }

    pub fn effort(&self, is_last_try: bool) -> Effort {
        let now = self.clock.now();
        Effort { until: now + TimeDelta::seconds(80), limit: now + TimeDelta::seconds(105), is_last_try }
    }

    pub async fn status(&self) -> GoogleStatus {
        self.store.head(self.user).await.unwrap().google.unwrap()
    }

    /// The newest rev: stands still when nothing was written that a client could see.
    pub async fn seq(&self) -> u64 {
        self.store.head(self.user).await.unwrap().seq
    }

    pub async fn notices(&self) -> Vec<Notice> {
        self.store.changes(self.user, 0).await.unwrap().notices
    }

    /// The jobs in the queue, in order.
    pub fn jobs(&self) -> Vec<Job> {
        let waiting = self.broker.peek(QUEUE).unwrap();
        waiting.iter().map(|message| serde_json::from_str(&message.body).unwrap()).collect()
    }

    /// The same, and the queue is empty then.
    pub fn take_jobs(&self) -> Vec<Job> {
        let jobs = self.jobs();
        self.broker.purge(QUEUE).unwrap();
        jobs
    }

    /// What the table's stream has behind a position (its beginning without one), as images before and after, and the position behind that.
    pub fn records_after(&self, position: Option<String>) -> (Vec<Images>, Option<String>) {
        let name = &self.table.table_name;
        let position = position.unwrap_or_else(|| {
            let stream =
                self.table.database.describe_table(DescribeTableRequest { table_name: name.clone() });
            let stream_arn = stream.unwrap().table.latest_stream_arn.unwrap();
            let shard_iterator_type = "TRIM_HORIZON".to_owned();
            let shard_id = shard_id(name);
            let asked =
                GetShardIteratorRequest { stream_arn, shard_id, shard_iterator_type, sequence_number: None };
            self.table.database.get_shard_iterator(asked).unwrap().shard_iterator.unwrap()
        });
        let asked = GetRecordsRequest { shard_iterator: position, limit: None };
        let answer = self.table.database.get_records(asked).unwrap();
        let image = |record: &Value, which: &str| -> serde_dynamo::Item {
            let image = &record["dynamodb"][which];
            if image.is_null() { Default::default() } else { serde_json::from_value(image.clone()).unwrap() }
        };
        let records = answer.records.iter().map(|record| serde_json::to_value(record).unwrap());
        let images = records.map(|record| (image(&record, "OldImage"), image(&record, "NewImage")));
        (images.collect(), answer.next_shard_iterator)
    }

    /// How many calls of a method Google has seen.
    pub fn calls(&self, operation: &str) -> usize {
        self.google.calls(operation)
    }

    /// How many writes Google has seen since the journal was cleared.
    pub fn writes(&self) -> usize {
        ["insert", "update", "patch", "delete"]
            .iter()
            .map(|method| self.calls(&format!("calendar.events.{method}")))
            .sum()
    }
}

/// A Google with a clock that a test moves.
pub async fn google() -> (Arc<Server>, Clock) {
    let clock = Clock::fixed("2026-11-20T12:00:00Z".parse().unwrap());
    let follow = clock.clone();
    let options =
        Options { clock: fake_google::Clock::new(move || follow.now()), seed: 7, ..Options::default() };
    (Arc::new(Server::start(options).await.unwrap()), clock)
}

fn config(google: &Server, calendars: &str) -> Config {
    Config::read(|name| match name {
        "GOOGLE_CLIENT_ID" => Some(google.client_id().to_owned()),
        "GOOGLE_CLIENT_SECRET" => Some(google.client_secret().to_owned()),
        "GOOGLE_OAUTH_TOKEN_URL" => Some(google.token_url()),
        "GOOGLE_OAUTH_REVOKE_URL" => Some(google.revoke_url()),
        "GOOGLE_JWKS_URL" => Some(google.jwks_url()),
        "GOOGLE_CALENDAR_URL" => Some(calendars.to_owned()),
        _ => None,
    })
    .unwrap()
    .unwrap()
}

async fn queue(seam: Seam) -> (Queue, Broker) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let broker = Broker::new(fake_sqs::SystemClock::default());
    tokio::spawn(fake_sqs::serve(listener, broker.clone()));
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
        .queue_name(QUEUE)
        .attributes(QueueAttributeName::FifoQueue, "true")
        .send()
        .await
        .unwrap();
    (Queue::new(client, created.queue_url.unwrap(), seam), broker)
}

/// A user as sign-up leaves it, without the rest of sign-up.
async fn user_in(table: &TestTable, clock: &Clock, number: u8) -> UserId {
    let user = UserId::new([number; 12]);
    let head = Head::new("epoch".into(), Profile::default(), clock.now());
    let mut item = serde_dynamo::to_item::<_, HashMap<_, _>>(head).unwrap();
    item.insert("pk".into(), AttributeValue::S(format!("U#{user}")));
    item.insert("sk".into(), AttributeValue::S("HEAD".into()));
    table.client.put_item().table_name(&table.table_name).set_item(Some(item)).send().await.unwrap();
    user
}
