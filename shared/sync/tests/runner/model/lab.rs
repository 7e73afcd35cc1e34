//! The bundle in one process: what the stream, the queue, the schedules and the address for notifications do between the runner's jobs is done
//! here by hand, one thing at a time, so that a history can be repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{ImportFlag, Job, UserId};
use http::{HeaderMap, StatusCode};
use store::{Channel, Committed, Due, SHARDS};
use sync::due::{SILENCE, Schedule};
use sync::hash_of_token;

use super::census::Census;
use super::flaw::Flaw;
use super::invariants::{Verdict, must};
use super::luck::{Deaths, Stroke};
use super::person::Person;
use super::step::{Cast, Luck, Trouble, Turn};
use super::trouble::{self, Ordered};
use super::wire;
use crate::world::World;

/// Where what is due for a user lies: the users are the same in all histories.
static SHARD_OF: Mutex<BTreeMap<UserId, u8>> = Mutex::new(BTreeMap::new());

/// By then a new channel is renewed.
const RENEWAL: TimeDelta = TimeDelta::days(6);

type Inbox = Arc<Mutex<Vec<HeaderMap>>>;

pub struct Lab {
    pub people: Vec<Person>,
    stroke: Arc<Stroke>,
    inbox: Inbox,
    /// What the queue has seen in five minutes.
    known: BTreeSet<String>,
    /// Position in the table's stream.
    position: Option<String>,
    /// The troubles that Google was told to make.
    ordered: Vec<Ordered>,
    pub census: Census,
}

impl Lab {
    /// Connected users whose first imports are waiting in the queue.
    pub async fn new(cast: Cast) -> Self {
        Self::flawed(cast, Flaw::default()).await
    }

    /// The same in a world of which something is wrong.
    pub async fn flawed(cast: Cast, flaw: Flaw) -> Self {
        let inbox = Inbox::default();
        let address = listen(inbox.clone()).await;
        let stroke = Stroke::new();
        let (google, clock) = crate::world::google().await;
        let calendars = match flaw.wire {
            Some(wire) => wire::laid(&google.calendar_url(), wire).await,
            None => google.calendar_url(),
        };
        let first = World::around(google, clock, &calendars, Some(&address), stroke.clone()).await;
        stroke.keep(first.clock.clone());
        let second = if cast.are_two { Some(first.beside().await) } else { None };
        let mut people = Vec::new();
        for world in [Some(first), second].into_iter().flatten() {
            people.push(Person::new(world, cast.has_calendars, flaw.tampering).await);
        }
        Self {
            people,
            stroke,
            inbox,
            known: BTreeSet::new(),
            position: None,
            ordered: Vec::new(),
            census: Census::of(cast),
        }
    }

    /// What is everybody's: any of the users will do.
    pub fn world(&self) -> &World {
        &self.people[0].world
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.world().clock.now()
    }

    /// What follows from what was done: the stream's records become jobs, notifications too.
    pub async fn settle(&mut self) {
        self.world().google.idle().await;
        let heard = std::mem::take(&mut *self.inbox.lock().unwrap());
        for headers in heard {
            self.hear(&headers).await;
        }
        let position = self.position.take();
        let (records, position) = self.world().records_after(position);
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
        let sent = self.world().take_jobs();
        sent.into_iter().for_each(|job| self.enqueue(job));
    }

    fn enqueue(&mut self, job: Job) {
        let user = job.user();
        if let Some(person) = self.people.iter_mut().find(|person| person.world.user == user) {
            person.enqueue(job);
        }
    }

    /// As `google-notification` does it.
    async fn hear(&mut self, headers: &HeaderMap) {
        let text = |name: &str| headers[name].to_str().unwrap();
        if text("x-goog-resource-state") == "sync" {
            return;
        }
        let (id, resource) = (text("x-goog-channel-id"), text("x-goog-resource-id"));
        let Some(channel) = self.world().store.channel(id).await.unwrap() else { return };
        let is_right = channel.token_hash == hash_of_token(text("x-goog-channel-token"))
            && channel.resource_id.as_deref().is_none_or(|known| known == resource)
            && self.now().timestamp() < channel.expires_at;
        let is_new = self.known.insert(format!("{id}.{}", text("x-goog-message-number")));
        if is_right && is_new {
            let job = job(&channel, resource);
            self.note_stray(&job);
            self.enqueue(job);
        }
    }

    fn note_stray(&mut self, job: &Job) {
        let Job::StopStray { user, channel, .. } = job else { return };
        if let Some(person) = self.people.iter_mut().find(|person| person.world.user == *user) {
            person.log.strays.insert(channel.clone());
        }
    }

    /// The worker takes a message of this user's, if one is there to be taken.
    pub async fn work(&mut self, who: usize, luck: Luck) {
        let Self { people, stroke, census, .. } = self;
        people[who].work(luck, stroke, census).await;
    }

    /// Works until a job of this name is the next one of the user's. Whether it comes to one.
    pub async fn come_to(&mut self, who: usize, job: &str) -> bool {
        self.settle().await;
        while let Some((then, next)) = self.people[who].next_job() {
            self.world().pass((then - self.now()).max(TimeDelta::zero()));
            if next == job {
                return true;
            }
            self.work(who, Luck::Good).await;
            self.settle().await;
        }
        false
    }

    /// Of what the process has died so far.
    pub fn deaths(&self) -> Deaths {
        self.stroke.deaths()
    }

    /// Sees that whatever is lost from here on will be found.
    pub async fn look_around(&self) -> Verdict {
        for who in 0..self.people.len() {
            let status = self.people[who].world.status().await;
            let is_at_rest = status.import == ImportFlag::Completed && !status.is_revoked;
            let is_found = !is_at_rest || self.is_due(who, Due::Poll, SILENCE).await;
            must(is_found, || "I17: nothing is due that would find a lost notification".into())?;
        }
        Ok(())
    }

    /// Works until nothing is left to do for anybody, however long the queue has to wait.
    pub async fn drain(&mut self) {
        self.settle().await;
        loop {
            let waiting = self.people.iter().enumerate();
            let waiting = waiting.filter_map(|(who, person)| Some((person.next()?, who)));
            let Some((then, who)) = waiting.min() else { return };
            let wait = (then - self.now()).max(TimeDelta::zero());
            self.world().pass(wait);
            self.work(who, Luck::Good).await;
            self.settle().await;
        }
    }

    /// Both schedules fire.
    pub async fn tick(&mut self) {
        for due in [Due::Renewal, Due::Poll] {
            let mut is_due = false;
            for who in 0..self.people.len() {
                is_due |= self.is_due(who, due, TimeDelta::zero()).await;
            }
            if is_due {
                let world = self.world();
                let (store, queue) = (world.store.clone(), world.sync.queue.clone());
                let schedule = Schedule { due, store, queue, clock: world.clock.clone() };
                for shard in self.shards() {
                    schedule.enqueue_shard(shard, self.now()).await.unwrap();
                }
            }
        }
        self.settle().await;
    }

    /// Whether something is due for a user within some time.
    pub async fn is_due(&self, who: usize, due: Due, within: TimeDelta) -> bool {
        let (user, until) = (self.people[who].world.user, self.now() + within);
        let known = SHARD_OF.lock().unwrap().get(&user).copied();
        for shard in known.map_or(0..SHARDS, |shard| shard..shard + 1) {
            let rows = self.world().store.due(due, shard, until, 10).await.unwrap();
            if rows.iter().any(|row| row.user == user) {
                SHARD_OF.lock().unwrap().insert(user, shard);
                return true;
            }
        }
        false
    }

    /// The shards in which something can be due.
    fn shards(&self) -> BTreeSet<u8> {
        let known = SHARD_OF.lock().unwrap();
        self.people.iter().filter_map(|person| known.get(&person.world.user).copied()).collect()
    }

    pub fn trouble(&mut self, who: usize, trouble: Trouble, number: u16) {
        let ordered = trouble::order(&self.people[who].world, trouble, number);
        self.ordered.extend(ordered);
    }

    /// Everything that is in the queue meets what trouble and what bad luck there is left, and so do renewals if that takes them.
    pub async fn exhaust(&mut self) {
        self.drain().await;
        if self.stroke.is_doomed() {
            self.world().pass(RENEWAL);
            self.tick().await;
            self.drain().await;
        }
        self.stroke.calm();
    }

    /// The end of all trouble at Google.
    pub fn clear_faults(&mut self) {
        let google = &self.people[0].world.google;
        let waiting = google.faults();
        for ordered in self.ordered.drain(..).filter(|ordered| ordered.has_struck(&waiting)) {
            self.census.struck(ordered.0);
        }
        google.clear_faults();
    }

    pub async fn turn(&mut self, who: usize, turn: Turn) {
        let world = &self.people[who].world;
        match turn {
            Turn::AccessExpires => world.google.expire_access_tokens(world.email),
            Turn::Revoke => {
                world.google.revoke_grants(world.email);
                world.google.expire_access_tokens(world.email);
            }
            Turn::Reconnect => {
                self.clear_faults();
                self.people[who].reconnect().await;
            }
            Turn::Repair => self.people[who].ask_for_repair().await,
        }
    }

    /// Something is wrong with it, which has been found out.
    pub fn condemn(&self) {
        self.people.iter().for_each(|person| person.world.is_condemned.set(true));
    }

    /// What was counted, with the calls at which the process died.
    pub fn census(mut self) -> Census {
        self.census.died(self.stroke.deaths());
        self.census
    }
}

/// What is to be done about a notification of a channel that is known.
fn job(channel: &Channel, resource: &str) -> Job {
    let user = channel.user;
    if channel.is_replaced || channel.resource_id.is_none() {
        return Job::StopStray { user, channel: channel.channel.clone(), resource: resource.to_owned() };
    }
    if channel.calendar.is_none() { Job::Poll { user } } else { Job::Pull { user } }
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
