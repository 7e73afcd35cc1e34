//! What tests do with a world, and what they look at.

use std::io::Write;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use domain::{Draft, Event, EventId, Job, Origin, Priority, Record, Scope, Shelf, Span};
use seam::{Fault, Kind};
use serde_json::{Value, json};
use store::{Error, Plan, Reads, Snapshot};
use sync::Effort;

use crate::world::{EMAIL, Faults, Log, QUEUE, World};

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

    /// A message that no function of ours has sent.
    pub fn slip_in(&self, body: &str) {
        let message = fake_sqs::NewMessage::new(body).in_group("g").with_deduplication_id("d");
        self.broker.send(QUEUE, message).unwrap();
    }

    /// The user is deleted, as far as jobs can tell.
    pub async fn forget_user(&self) {
        let key = |name: &str| AttributeValue::S(name.to_owned());
        let table = &self.table;
        let delete = table.client.delete_item().table_name(&table.table_name);
        let user = format!("U#{}", self.user);
        delete.key("pk", key(&user)).key("sk", key("HEAD")).send().await.unwrap();
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
            writeln!(Log, "{error} {error:?}").unwrap();
        }
        result
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
        self.save_whole(id, title, None, usual_span(), is_someday).await;
    }

    pub async fn save_at(&self, id: EventId, title: &str, span: Span) {
        self.save_whole(id, title, None, span, false).await;
    }

    pub async fn save_described(&self, id: EventId, title: &str, description: &str) {
        self.save_whole(id, title, Some(description.to_owned()), usual_span(), false).await;
    }

    async fn save_whole(
        &self,
        id: EventId,
        title: &str,
        description: Option<String>,
        span: Span,
        is_someday: bool,
    ) {
        self.pass(TimeDelta::seconds(1));
        let (title, now) = (Some(title.to_owned()), self.clock.now());
        let is_all_day = span.start().as_str().len() == "2026-11-24".len();
        let draft = Draft::new(
            id,
            title,
            description,
            span,
            is_all_day,
            is_someday,
            Priority::Work,
            Origin::Compass,
            None,
        )
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

    /// Whether this was logged.
    pub fn has_logged(&self, text: &str) -> bool {
        Log::text().contains(text)
    }
}

fn usual_span() -> Span {
    let time = |text: &str| text.parse().unwrap();
    Span::new(time("2026-11-24T09:00:00-08:00"), time("2026-11-24T10:00:00-08:00")).unwrap()
}

pub fn id(n: u8) -> EventId {
    EventId::new([n; 12])
}

#[expect(clippy::disallowed_methods, reason = "how far a test goes is said from outside")]
pub fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}
