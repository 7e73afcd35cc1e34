//! The bundle in one process: what the stream, the queue, the schedules and the address for notifications do between the runner's jobs is done
//! here by hand, one thing at a time, so that a history can be repeated.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{GoogleStatus, Job, Notice};
use fake_google::Fault;
use http::{HeaderMap, StatusCode};
use store::{Committed, Due, Plan, SHARDS, Snapshot};
use sync::due::Schedule;
use sync::{IMPORT_LEASE, hash_of_token};

use super::luck::Stroke;
use super::record::Log;
use super::step::{Luck, PushLuck, Trouble, Turn};
use crate::world::{EMAIL, World};

/// How often the queue hands a message out, and for how long one in flight is out of sight.
const RECEIVES: u32 = 5;
const VISIBILITY: TimeDelta = TimeDelta::minutes(12);
/// The worker's waits before another try.
const FIRST_WAIT: i64 = 5;
const LONGEST_WAIT: i64 = 900;

/// Where what is due for the user lies, once it is known.
static SHARD: OnceLock<u8> = OnceLock::new();

struct Message {
    job: Job,
    receives: u32,
    visible_at: DateTime<Utc>,
}

type Inbox = Arc<Mutex<Vec<HeaderMap>>>;

pub struct Lab {
    pub world: World,
    /// Another calendar of the account, which is not synced.
    pub elsewhere: String,
    stroke: Arc<Stroke>,
    queue: VecDeque<Message>,
    inbox: Inbox,
    /// What the queue has seen in five minutes.
    known: BTreeSet<String>,
    /// Position in the table's stream.
    position: Option<String>,
    pub log: Log,
}

impl Lab {
    /// A connected user whose first import is waiting in the queue.
    pub async fn new() -> Self {
        let inbox = Inbox::default();
        let address = listen(inbox.clone()).await;
        let stroke = Stroke::new();
        let world = World::start(Some(&address), stroke.clone()).await;
        let elsewhere = world.google.create_calendar(EMAIL, "elsewhere").unwrap();
        let unselected = [("selected".to_owned(), false.into())].into_iter().collect();
        world.google.edit_listing(&elsewhere, EMAIL, unselected).unwrap();
        let mut lab = Self {
            world,
            elsewhere,
            stroke,
            queue: VecDeque::new(),
            inbox,
            known: BTreeSet::new(),
            position: None,
            log: Log::default(),
        };
        lab.enqueue(Job::Import { user: lab.world.user, is_repair: false });
        lab
    }

    fn enqueue(&mut self, job: Job) {
        self.log.jobs.push(job.clone());
        self.queue.push_back(Message { job, receives: 0, visible_at: self.world.clock.now() });
    }

    /// What follows from what was done: the stream's records become jobs, notifications too.
    pub async fn settle(&mut self) {
        self.world.google.idle().await;
        let heard = std::mem::take(&mut *self.inbox.lock().unwrap());
        for headers in heard {
            self.hear(&headers).await;
        }
        let (records, position) = self.world.records_after(self.position.take());
        self.position = position;
        // As `fanout` does it: one job of a kind for a batch.
        let mut wanted: Vec<Job> = Vec::new();
        // The template's filter of the stream lets through what has a rev.
        for (old, new) in records.into_iter().filter(|(_, new)| new.contains_key("rev")) {
            if let Some(Committed::Entry(entry)) = Committed::from_images(old, new).unwrap()
                && let Some(job) = entry.job
                && !wanted.contains(&job)
            {
                wanted.push(job);
            }
        }
        wanted.into_iter().for_each(|job| self.enqueue(job));
        // What the runner sent itself.
        let sent = self.world.take_jobs();
        sent.into_iter().for_each(|job| self.enqueue(job));
    }

    /// As `google-notification` does it.
    async fn hear(&mut self, headers: &HeaderMap) {
        let text = |name: &str| headers[name].to_str().unwrap();
        self.log.secrets.insert(text("x-goog-channel-token").to_owned());
        if text("x-goog-resource-state") == "sync" {
            return;
        }
        let id = text("x-goog-channel-id");
        let Some(channel) = self.world.store.channel(id).await.unwrap() else { return };
        let is_right = channel.token_hash == hash_of_token(text("x-goog-channel-token"))
            && channel.resource_id.as_deref().is_none_or(|known| known == text("x-goog-resource-id"));
        let is_new = self.known.insert(format!("{id}.{}", text("x-goog-message-number")));
        if is_right && is_new {
            let user = channel.user;
            self.enqueue(if channel.calendar.is_none() { Job::Poll { user } } else { Job::Pull { user } });
        }
    }

    /// The worker takes a message, if one is there to be taken.
    pub async fn work(&mut self, luck: Luck) {
        let place = usize::from(matches!(luck, Luck::OutOfOrder) && self.queue.len() > 1);
        let now = self.world.clock.now();
        let Some(mut message) = self.queue.remove(place) else { return };
        if now < message.visible_at {
            self.queue.insert(place, message);
            return;
        }
        message.receives += 1;
        let was_revoked = self.world.status().await.is_revoked;
        let outcome = self.run(&message.job, message.receives, luck).await;
        let (calls, things) = (self.world.google.calls("*"), self.things());
        self.log.note_run(calls, things, was_revoked);
        if matches!(luck, Luck::Twice) && outcome.is_ok() {
            let again = self.run(&message.job, message.receives + 1, Luck::Good).await;
            self.note(&again);
        }
        self.note(&outcome);
        let Err(failed) = outcome else { return };
        message.visible_at = now + failed.wait(message.receives);
        if message.receives < RECEIVES {
            self.queue.push_front(message);
        }
    }

    /// How much there is at Google.
    fn things(&self) -> usize {
        self.world.google.events(EMAIL, "primary").unwrap().len()
    }

    /// Every job again that was ever asked for.
    pub fn repeat_all(&mut self) {
        let mut jobs: Vec<Job> = Vec::new();
        for job in std::mem::take(&mut self.log.jobs) {
            if !jobs.contains(&job) {
                jobs.push(job);
            }
        }
        jobs.into_iter().for_each(|job| self.enqueue(job));
    }

    /// Notes the channels that are open, and what nobody may be told.
    pub async fn look_around(&mut self) {
        let now = self.world.clock.now();
        for channel in self.world.google.channels() {
            self.log.channels.entry(channel.id).or_insert(now);
        }
        self.log.secrets.extend(self.world.secrets().await);
    }

    fn note(&mut self, outcome: &Result<(), Failed>) {
        if let Err(Failed::Error(error)) = outcome {
            self.log.errors.push(error.to_string());
        }
    }

    async fn run(&self, job: &Job, receives: u32, luck: Luck) -> Result<(), Failed> {
        let mut effort = self.world.effort(receives >= RECEIVES);
        if matches!(luck, Luck::Short) {
            effort.until = self.world.clock.now();
        }
        self.stroke.arm(luck);
        let outcome = tokio::select! {
            biased;
            () = self.stroke.death() => Err(Failed::Death),
            outcome = self.world.sync.run(job, effort) => outcome.map_err(Failed::Error),
        };
        if self.stroke.disarm() { Err(Failed::Death) } else { outcome }
    }

    /// Works until nothing is left to do, however long the queue has to wait.
    pub async fn drain(&mut self) {
        self.settle().await;
        while let Some(first) = self.queue.front() {
            let (now, then) = (self.world.clock.now(), first.visible_at);
            self.world.pass((then - now).max(TimeDelta::zero()));
            self.work(Luck::Good).await;
            self.settle().await;
        }
    }

    /// Both schedules fire.
    pub async fn tick(&mut self) {
        for due in [Due::Renewal, Due::Poll] {
            if !self.is_due(due, TimeDelta::zero()).await {
                continue;
            }
            let (store, queue) = (self.world.store.clone(), self.world.sync.queue.clone());
            let schedule = Schedule { due, store, queue, clock: self.world.clock.clone() };
            schedule.enqueue_due().await.unwrap();
        }
        self.settle().await;
    }

    /// Whether a poll of the user's calendars is due at some time.
    pub async fn is_polled(&self) -> bool {
        self.is_due(Due::Poll, TimeDelta::days(365)).await
    }

    async fn is_due(&self, due: Due, within: TimeDelta) -> bool {
        let until = self.world.clock.now() + within;
        let shards = SHARD.get().map_or(0..SHARDS, |shard| *shard..shard + 1);
        for shard in shards {
            let rows = self.world.store.due(due, shard, until, 10).await.unwrap();
            if rows.iter().any(|row| row.user == self.world.user) {
                // The user is the same in all worlds.
                SHARD.get_or_init(|| shard);
                return true;
            }
        }
        false
    }

    pub fn push_luck(&self, luck: PushLuck) {
        use fake_google::{PushEffect, PushFault};
        let effect = match luck {
            PushLuck::Dropped => PushEffect::Drop,
            PushLuck::Duplicated => PushEffect::Duplicate,
            PushLuck::Reordered => PushEffect::Reorder,
            PushLuck::Held => PushEffect::Hold,
            PushLuck::Released => return self.world.google.release_pushes(),
        };
        self.world.google.inject_push(PushFault { channel: None, count: 1, effect });
    }

    pub fn trouble(&self, trouble: Trouble, number: u16) {
        let google = &self.world.google;
        let some = 1 + u32::from(number % 3);
        let refuse = |operation, status, reason| Fault::refuse(operation, status, reason);
        let fault = match trouble {
            Trouble::Throttled => match number % 3 {
                0 => refuse("calendar.*", StatusCode::FORBIDDEN, "rateLimitExceeded"),
                1 => refuse("calendar.*", StatusCode::FORBIDDEN, "userRateLimitExceeded"),
                _ => refuse("calendar.*", StatusCode::TOO_MANY_REQUESTS, "rateLimitExceeded").retry_after(30),
            },
            Trouble::WritesLocked => return self.lock_writes(),
            Trouble::Unavailable => {
                refuse("calendar.*", StatusCode::SERVICE_UNAVAILABLE, "backendError").times(some)
            }
            Trouble::Stale => {
                refuse("calendar.events.update", StatusCode::PRECONDITION_FAILED, "conditionNotMet")
            }
            Trouble::CommittedThenDropped => Fault::drop_after_commit(write(number)),
            Trouble::CommittedThenFailed => {
                let (status, reason) = (StatusCode::SERVICE_UNAVAILABLE, "backendError");
                Fault::refuse_after_commit(write(number), status, reason)
            }
            Trouble::TokenEndpoint => {
                refuse("oauth.token", StatusCode::SERVICE_UNAVAILABLE, "internal_failure").times(some)
            }
            Trouble::TokenSpent => return google.invalidate_sync_tokens(EMAIL).unwrap(),
            Trouble::TokenRefused => Fault::invalid_sync_token(),
            Trouble::PageTokensExpired => return google.expire_page_tokens(),
            Trouble::Pages(at_most) => {
                let (starts_empty, repeats_boundary) = (number.is_multiple_of(2), number.is_multiple_of(3));
                let at_most = Some(usize::from(at_most));
                return google.set_paging(fake_google::Paging { at_most, starts_empty, repeats_boundary });
            }
        };
        google.inject(fault);
    }

    fn lock_writes(&self) {
        for method in ["insert", "update", "delete"] {
            let operation = format!("calendar.events.{method}");
            self.world.google.inject(Fault::refuse(&operation, StatusCode::FORBIDDEN, "quotaExceeded"));
        }
    }

    pub async fn turn(&mut self, turn: Turn) {
        match turn {
            Turn::AccessExpires => self.world.google.expire_access_tokens(EMAIL),
            Turn::Revoke => {
                self.world.google.revoke_grants(EMAIL);
                self.world.google.expire_access_tokens(EMAIL);
            }
            Turn::Reconnect => self.reconnect().await,
            Turn::Repair => self.ask_for_repair().await,
        }
    }

    /// The user consents anew.
    pub async fn reconnect(&mut self) {
        self.world.google.clear_faults();
        self.world.connect().await;
        self.enqueue(Job::Import { user: self.world.user, is_repair: false });
    }

    /// As the route does it.
    pub async fn ask_for_repair(&self) {
        let (user, now) = (self.world.user, self.world.clock.now());
        let plan = |snapshot: &Snapshot| -> Result<Plan, store::Error> {
            let status = snapshot.head.google.as_ref();
            let status = status.filter(|status| !status.is_revoked && !status.is_importing(now));
            let Some(status) = status else { return Ok(Plan::default()) };
            let import_until = Some(now + IMPORT_LEASE);
            let google =
                GoogleStatus { import: domain::ImportFlag::Importing, import_until, ..status.clone() };
            let wanted = Notice::Wanted(Job::Import { user, is_repair: true });
            Ok(Plan::default().google(google).notice(wanted))
        };
        self.world.store.mutate(user, &[], now, plan).await.unwrap();
    }
}

/// Why a run brought no end.
enum Failed {
    Death,
    Error(sync::Error),
}

impl Failed {
    /// When the message is handed out again.
    fn wait(&self, receives: u32) -> TimeDelta {
        match self {
            Self::Death => VISIBILITY,
            Self::Error(error) if !error.is_retryable() => TimeDelta::seconds(1),
            Self::Error(error) => {
                let asked = error.retry_after().unwrap_or_default().as_secs();
                let grown = FIRST_WAIT * 4_i64.pow(receives.saturating_sub(1));
                TimeDelta::seconds(grown.max(i64::try_from(asked).unwrap()).min(LONGEST_WAIT))
            }
        }
    }
}

/// Some call that writes.
fn write(number: u16) -> &'static str {
    ["calendar.events.insert", "calendar.events.update", "calendar.events.delete"][usize::from(number) % 3]
}

/// Takes notifications. They are looked at when the history has come to it.
async fn listen(inbox: Inbox) -> String {
    async fn receive(State(inbox): State<Inbox>, headers: HeaderMap) -> StatusCode {
        inbox.lock().unwrap().push(headers);
        StatusCode::OK
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let router = Router::new().route("/", post(receive)).with_state(inbox);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}
