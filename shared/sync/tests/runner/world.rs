//! Everything the runner touches, real or as real as it gets: the store on the template's table, the fake Google, the fake queue.

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
use domain::{
    Draft, Event, EventId, GoogleStatus, Job, Notice, Origin, Priority, Record, Scope, Shelf, Span, UserId,
};
use dynoxide::actions::describe_table::DescribeTableRequest;
use dynoxide::actions::get_records::GetRecordsRequest;
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::streams::shard_id;
use fake_google::{ConsentRequest, Options, Server};
use fake_sqs::Broker;
use google::{Config, Google, Sealed, Secret, Vault};
use local::table::TestTable;
use seam::{Clock, Fault, Kind, Random, Script, Seam};
use serde_json::{Value, json};
use store::{Connection, Error, Head, Plan, Profile, Reads, SealedAccess, Snapshot, Store};
use sync::{Effort, IMPORT_LEASE, Queue, Sync};

pub const EMAIL: &str = "ada@example.com";
const QUEUE: &str = "sync.fifo";
const SCOPES: &str = "openid https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/calendar.readonly https://www.googleapis.com/auth/calendar.events";
const REDIRECT: &str = "http://localhost:9080/auth/google/callback";

/// An item before and after a change; empty where there is none.
pub type Images = (serde_dynamo::Item, serde_dynamo::Item);

/// All that is logged and all errors, of every test of this binary.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
    log
});

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What holds of every test, whatever it is about. A test that has failed already is not asked.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let bodies = self.broker.peek(QUEUE).unwrap().into_iter().map(|message| message.body);
        let texts: Vec<String> = bodies.chain([LOG.text()]).collect();
        for secret in self.google.secrets() {
            assert!(
                texts.iter().all(|text| !text.contains(&secret)),
                "{secret} is in a log, an error or a queue"
            );
        }
        assert!(self.google.violations().is_empty(), "{:#?}", self.google.violations());
        assert!(self.google.quota_breaches().is_empty(), "{:#?}", self.google.quota_breaches());
    }
}

/// Faults in the order of the calls they name, and how often each call was made.
#[derive(Default)]
pub struct Faults {
    faults: Mutex<VecDeque<(Kind, &'static str, Fault)>>,
    calls: Mutex<HashMap<&'static str, usize>>,
}

impl Script for Faults {
    fn next(&self, kind: Kind, operation: &'static str) -> Option<Fault> {
        *self.calls.lock().unwrap().entry(operation).or_default() += 1;
        let mut faults = self.faults.lock().unwrap();
        let is_next = faults.front().is_some_and(|(k, o, _)| (*k, *o) == (kind, operation));
        if is_next { faults.pop_front().map(|(_, _, fault)| fault) } else { None }
    }
}

pub struct World {
    pub google: Server,
    pub sync: Sync,
    pub store: Store,
    pub clock: Clock,
    pub user: UserId,
    broker: Broker,
    faults: Arc<Faults>,
    table: TestTable,
}

impl World {
    /// A connected user whose first import was asked for and has not run.
    pub async fn connected() -> Self {
        Self::ordered(None).await
    }

    /// The same where Google may send notifications.
    pub async fn watched() -> Self {
        Self::ordered(Some("http://127.0.0.1:9/")).await
    }

    /// One whose faults are those that the test orders.
    async fn ordered(notifications: Option<&str>) -> Self {
        let faults = Arc::new(Faults::default());
        let mut world = Self::start(notifications, faults.clone()).await;
        world.faults = faults;
        world
    }

    /// One that is told of changes at this address, if any, and whose calls meet what `script` says.
    pub async fn start(notifications: Option<&str>, script: Arc<dyn Script>) -> Self {
        LazyLock::force(&LOG);
        let clock = Clock::fixed("2026-11-20T12:00:00Z".parse().unwrap());
        let table = TestTable::start().await.unwrap();
        let follow = clock.clone();
        let options =
            Options { clock: fake_google::Clock::new(move || follow.now()), seed: 7, ..Options::default() };
        let google = Server::start(options).await.unwrap();
        let seam = |kind| Seam::new(kind, Duration::from_secs(10)).with_script(script.clone());
        let store = Store::new(table.client.clone(), &table.table_name, seam(Kind::Store));
        let random = Random::seeded(3);
        let (queue, broker) = queue(seam(Kind::Queue)).await;
        let vault = STANDARD.encode([9; 32]).parse::<Vault>().unwrap().with_random(random.clone());
        let sync = Sync {
            store: store.clone(),
            google: Google::new(Some(config(&google)), seam(Kind::Google), clock.clone()),
            vault,
            queue,
            clock: clock.clone(),
            random,
            notifications: notifications.and_then(|text| sync::notification_address(text).unwrap()),
        };
        let user = user_in(&table, &clock).await;
        let world = Self { google, sync, store, clock, user, broker, faults: Arc::default(), table };
        world.connect().await;
        world
    }

    /// As the connect route does it.
    pub async fn connect(&self) {
        let request = ConsentRequest { is_prompted: true, ..ConsentRequest::new(EMAIL, SCOPES, REDIRECT) };
        let code = Secret::new(self.google.consent(request));
        let grant = self.sync.google.oauth().unwrap().exchange(&code, REDIRECT, None).await.unwrap();
        assert_eq!(grant.identity.email.as_deref(), Some(EMAIL));
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

    /// The user is deleted, as far as jobs can tell.
    pub async fn forget_user(&self) {
        let key = |name: &str| AttributeValue::S(name.to_owned());
        let table = &self.table;
        let delete = table.client.delete_item().table_name(&table.table_name);
        let user = format!("U#{}", self.user);
        delete.key("pk", key(&user)).key("sk", key("HEAD")).send().await.unwrap();
    }

    /// Lets time pass.
    pub fn pass(&self, time: TimeDelta) {
        self.clock.set(self.clock.now() + time);
    }

    pub async fn run(&self, job: &Job) -> Result<(), sync::Error> {
        self.try_with(job, self.effort(false)).await
    }

    /// A try after which there is none.
    pub async fn run_last(&self, job: &Job) -> Result<(), sync::Error> {
        self.try_with(job, self.effort(true)).await
    }

    async fn try_with(&self, job: &Job, effort: Effort) -> Result<(), sync::Error> {
        let result = self.sync.run(job, effort).await;
        if let Err(error) = &result {
            writeln!(LOG.clone(), "{error} {error:?}").unwrap();
        }
        result
    }

    pub fn effort(&self, is_last_try: bool) -> Effort {
        let now = self.clock.now();
        Effort { until: now + TimeDelta::seconds(80), limit: now + TimeDelta::seconds(105), is_last_try }
    }

    pub async fn import(&self) {
        self.run(&Job::Import { user: self.user, is_repair: false }).await.unwrap();
    }

    pub async fn pull(&self) {
        self.run(&Job::Pull { user: self.user }).await.unwrap();
    }

    pub async fn push(&self) {
        self.run(&Job::Push { user: self.user }).await.unwrap();
    }

    pub async fn try_push(&self) -> Result<(), sync::Error> {
        self.run(&Job::Push { user: self.user }).await
    }

    pub fn fail(&self, kind: Kind, operation: &'static str, fault: Fault) {
        self.faults.faults.lock().unwrap().push_back((kind, operation, fault));
    }

    /// How often a call has left the process.
    pub fn left(&self, operation: &'static str) -> usize {
        self.faults.calls.lock().unwrap().get(operation).copied().unwrap_or_default()
    }

    /// Waits until all faults that were ordered have struck.
    pub async fn struck(&self) {
        while !self.faults.faults.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    /// An event made by hand at Google; returns its id.
    pub fn google_event(&self, title: &str) -> String {
        self.pass(TimeDelta::seconds(1));
        let event = json!({
            "summary": title,
            "start": {"dateTime": "2026-11-23T09:00:00-08:00", "timeZone": "America/Los_Angeles"},
            "end": {"dateTime": "2026-11-23T10:00:00-08:00", "timeZone": "America/Los_Angeles"}
        });
        let event = self.google.create_event(EMAIL, "primary", event).unwrap();
        event["id"].as_str().unwrap().to_owned()
    }

    pub fn edit_at_google(&self, id: &str, patch: Value) {
        self.pass(TimeDelta::seconds(1));
        self.google.edit_event(EMAIL, "primary", id, patch).unwrap();
    }

    /// Somebody takes an event out of the bin.
    pub fn restore_at_google(&self, id: &str) {
        self.pass(TimeDelta::seconds(1));
        self.google.restore_event(EMAIL, "primary", id).unwrap();
    }

    pub fn at_google(&self, id: &str) -> Value {
        self.google.event(EMAIL, "primary", id).unwrap()
    }

    /// Titles of the events that live at Google, sorted.
    pub fn titles_at_google(&self) -> Vec<String> {
        let events = self.google.events(EMAIL, "primary").unwrap();
        let live = events.iter().filter(|event| event["status"] != "cancelled");
        let mut titles: Vec<String> =
            live.map(|event| event["summary"].as_str().unwrap_or_default().to_owned()).collect();
        titles.sort();
        titles
    }

    /// Titles of the events on the grid here, sorted.
    pub async fn titles(&self) -> Vec<String> {
        let events = self.store.list(self.user, Shelf::Grid, None).await.unwrap();
        let mut titles: Vec<String> =
            events.into_iter().map(|shown| shown.event.title.unwrap_or_default()).collect();
        titles.sort();
        titles
    }

    pub async fn record(&self, id: EventId) -> Record {
        self.store.record(self.user, id).await.unwrap().unwrap()
    }

    pub async fn event(&self, id: EventId) -> Event {
        self.record(id).await.event
    }

    /// Saves an event as the web app does.
    pub async fn save(&self, id: EventId, title: &str) {
        self.save_on(id, title, false).await;
    }

    pub async fn save_on(&self, id: EventId, title: &str, is_someday: bool) {
        self.pass(TimeDelta::seconds(1));
        let time = |text: &str| text.parse().unwrap();
        let span = Span::new(time("2026-11-24T09:00:00-08:00"), time("2026-11-24T10:00:00-08:00")).unwrap();
        let (title, now) = (Some(title.to_owned()), self.clock.now());
        let draft =
            Draft::new(id, title, None, span, false, is_someday, Priority::Work, Origin::Compass, None)
                .unwrap();
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            let context = snapshot.head.context(now);
            Ok(Plan::steps(domain::save(&snapshot.records, &draft, Scope::This, &context).unwrap()))
        };
        self.store.mutate(self.user, Reads::leading([id], Scope::This), now, plan).await.unwrap();
    }

    pub async fn delete(&self, id: EventId) {
        self.pass(TimeDelta::seconds(1));
        let now = self.clock.now();
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            let context = snapshot.head.context(now);
            Ok(Plan::steps(domain::delete(&snapshot.records, id, Scope::This, &context).unwrap()))
        };
        self.store.mutate(self.user, Reads::leading([id], Scope::This), now, plan).await.unwrap();
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

    /// The tokens of the connection.
    pub async fn secrets(&self) -> Vec<String> {
        let Some(items) = self.store.google(self.user).await.unwrap() else { return Vec::new() };
        let access = items.connection.access.map(|access| access.sealed);
        let sealed = access.into_iter().chain([items.connection.sealed_refresh]);
        let opened = sealed.map(|sealed| self.sync.vault.open(self.user, &Sealed::from(sealed)).unwrap());
        opened.map(|secret| secret.expose().to_owned()).collect()
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

    /// Whether any test has logged this.
    pub fn has_logged(&self, text: &str) -> bool {
        LOG.text().contains(text)
    }

    /// How many calls of a method Google has seen.
    pub fn calls(&self, operation: &str) -> usize {
        self.google.journal().iter().filter(|entry| entry.operation == operation).count()
    }

    /// How many writes Google has seen since the journal was cleared.
    pub fn writes(&self) -> usize {
        ["insert", "update", "patch", "delete"]
            .iter()
            .map(|method| self.calls(&format!("calendar.events.{method}")))
            .sum()
    }
}

pub fn id(n: u8) -> EventId {
    EventId::new([n; 12])
}

fn config(google: &Server) -> Config {
    Config::read(|name| match name {
        "GOOGLE_CLIENT_ID" => Some(google.client_id().to_owned()),
        "GOOGLE_CLIENT_SECRET" => Some(google.client_secret().to_owned()),
        "GOOGLE_OAUTH_TOKEN_URL" => Some(google.token_url()),
        "GOOGLE_OAUTH_REVOKE_URL" => Some(google.revoke_url()),
        "GOOGLE_JWKS_URL" => Some(google.jwks_url()),
        "GOOGLE_CALENDAR_URL" => Some(google.calendar_url()),
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
async fn user_in(table: &TestTable, clock: &Clock) -> UserId {
    let user = UserId::new([7; 12]);
    let head = Head::new("epoch".into(), Profile::default(), clock.now());
    let mut item = serde_dynamo::to_item::<_, HashMap<_, _>>(head).unwrap();
    item.insert("pk".into(), AttributeValue::S(format!("U#{user}")));
    item.insert("sk".into(), AttributeValue::S("HEAD".into()));
    table.client.put_item().table_name(&table.table_name).set_item(Some(item)).send().await.unwrap();
    user
}
