//! A user of the bundle: their calendars, what waits in the queue for them, and what was noted about them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{GoogleStatus, Home, Job, Notice};
use fake_google::Watched;
use serde_json::{Value, json};
use store::{GoogleItems, Head, Plan, Snapshot};
use sync::{Delivery, IMPORT_LEASE, Pause};

use super::census::Census;
use super::flaw::Tampering;
use super::ledger::Write;
use super::luck::Stroke;
use super::record::{self, Coverage, Log, Run};
use super::step::Luck;
use crate::world::World;

/// How often the queue hands a message out, and for how long one in flight is out of sight.
const RECEIVES: u32 = 5;
const VISIBILITY: TimeDelta = TimeDelta::minutes(12);
/// The worker's waits before another try.
const FIRST_WAIT: i64 = 5;
const LONGEST_WAIT: i64 = 900;
/// What is watched beside the calendars.
const LIST: &str = "the list of calendars";
/// To whom the calendar belongs that others may read.
const OFFICE: &str = "office@example.com";

/// A calendar at Google that is synced.
#[derive(Clone, Debug)]
pub struct Place {
    /// As Google's user names it.
    pub calendar: String,
    pub home: Home,
    /// Who writes there when somebody does at Google.
    pub owner: &'static str,
    pub is_writable: bool,
}

struct Message {
    job: Job,
    sent_at: DateTime<Utc>,
    first_received_at: Option<DateTime<Utc>>,
    receives: u32,
    visible_at: DateTime<Utc>,
}

pub struct Person {
    pub world: World,
    /// The calendars that are synced, the primary one first.
    pub places: Vec<Place>,
    /// Another calendar of the account, which is not.
    pub elsewhere: String,
    /// What is to be done for this user. The queue does one thing at a time for each.
    queue: VecDeque<Message>,
    pub log: Log,
    pub writes: Vec<Write>,
    /// How many events the user knows to be put aside.
    parked: usize,
    tampering: Option<Tampering>,
}

impl Person {
    /// A connected user whose first import is waiting in the queue.
    pub async fn new(world: World, has_calendars: bool, tampering: Option<Tampering>) -> Self {
        let google = &world.google;
        let elsewhere = google.create_calendar(world.email, "elsewhere").unwrap();
        let unselected = [("selected".to_owned(), false.into())].into_iter().collect();
        google.edit_listing(&elsewhere, world.email, unselected).unwrap();
        let owner = world.email;
        let mut places =
            vec![Place { calendar: owner.to_owned(), home: Home::Primary, owner, is_writable: true }];
        if has_calendars {
            let own = google.create_calendar(world.email, "own").unwrap();
            google.create_account(fake_google::Account::new(OFFICE));
            let read = google.create_calendar(OFFICE, "read").unwrap();
            google.share_calendar(&read, world.email, "reader").unwrap();
            for (calendar, owner, is_writable) in [(own, owner, true), (read, OFFICE, false)] {
                let home = Home::Other(calendar.clone());
                places.push(Place { calendar, home, owner, is_writable });
            }
        }
        let (queue, log, writes) = (VecDeque::new(), Log::default(), Vec::new());
        let mut person = Self { world, places, elsewhere, queue, log, writes, parked: 0, tampering };
        person.select().await;
        person.enqueue(Job::Import { user: person.world.user, is_repair: false });
        person
    }

    /// Selects the further calendars, as if they had been listed before.
    async fn select(&self) {
        let (user, now) = (self.world.user, self.world.clock.now());
        let calendar = |place: &Place| {
            let role = if place.is_writable { "owner" } else { "reader" };
            let listed = json!({"id": place.calendar, "accessRole": role});
            let calendar = sync::listing::read(user, &serde_json::from_value(listed).unwrap(), now).unwrap();
            domain::calendar::Calendar { is_selected: true, ..calendar }
        };
        let calendars: Vec<_> = self.places.iter().skip(1).map(calendar).collect();
        if !calendars.is_empty() {
            self.world.store.put_calendars(user, &calendars, &BTreeSet::new(), now).await.unwrap();
        }
    }

    /// What Google keeps in the calendars that are synced, deleted events included.
    pub fn events(&self) -> Vec<(&Place, Value)> {
        let of = |place: &Place| self.world.google.events(place.owner, &place.calendar).unwrap();
        self.places.iter().flat_map(|place| of(place).into_iter().map(move |event| (place, event))).collect()
    }

    pub fn enqueue(&mut self, job: Job) {
        self.log.jobs.push(job.clone());
        let now = self.world.clock.now();
        self.queue.push_back(Message {
            job,
            sent_at: now,
            first_received_at: None,
            receives: 0,
            visible_at: now,
        });
    }

    /// When there is something to do next.
    pub fn next(&self) -> Option<DateTime<Utc>> {
        self.queue.front().map(|message| message.visible_at)
    }

    /// When the next job is handed out, and what is its name.
    pub fn next_job(&self) -> Option<(DateTime<Utc>, &'static str)> {
        self.queue.front().map(|message| (message.visible_at, sync::describe(&message.job).0))
    }

    /// The worker takes a message, if one is there to be taken.
    pub async fn work(&mut self, luck: Luck, stroke: &Stroke, census: &mut Census) {
        let place = usize::from(matches!(luck, Luck::OutOfOrder) && self.queue.len() > 1);
        let now = self.world.clock.now();
        let Some(mut message) = self.queue.remove(place) else { return };
        if now < message.visible_at {
            self.queue.insert(place, message);
            return;
        }
        message.receives += 1;
        message.first_received_at.get_or_insert(now);
        let outcome = self.note(&message, luck, stroke, census).await;
        if matches!(luck, Luck::Twice) && outcome.is_ok() {
            message.receives += 1;
            drop(self.note(&message, Luck::Good, stroke, census).await);
            message.receives -= 1;
        }
        let Err(failed) = outcome else { return };
        message.visible_at = now + failed.wait(message.receives);
        if message.receives < RECEIVES {
            self.queue.push_front(message);
        }
    }

    /// Runs a job, and notes what it did.
    async fn note(
        &mut self,
        message: &Message,
        luck: Luck,
        stroke: &Stroke,
        census: &mut Census,
    ) -> Result<(), Failed> {
        let (before, calls) = (self.head().await, self.world.google.calls("*"));
        let was_revoked = before.google.is_some_and(|status| status.is_revoked);
        let outcome = self.run(message, luck, stroke).await;
        let calls = self.world.google.calls("*") - calls;
        self.log.note_run(&Run {
            calls,
            // Few calls are few whatever there is.
            things: if calls > record::CALLS { self.events().len() } else { 0 },
            was_revoked,
            has_written: was_revoked && self.head().await.seq != before.seq,
        });
        census.ran(&message.job);
        if let Err(Failed::Error(error)) = &outcome {
            self.log.note_error(error);
        }
        outcome
    }

    async fn head(&self) -> Head {
        self.world.store.head(self.world.user).await.unwrap()
    }

    async fn run(&self, message: &Message, luck: Luck, stroke: &Stroke) -> Result<(), Failed> {
        let mut effort = self.world.effort(message.receives >= RECEIVES);
        stroke.arm(luck);
        if matches!(luck, Luck::Short | Luck::Cut(..)) || stroke.is_hurried() {
            effort.until = self.world.clock.now();
        }
        let delivery = message.first_received_at.map(|received_at| Delivery {
            sent_at: message.sent_at,
            received_at,
            is_repeated: message.receives > 1,
        });
        let outcome = tokio::select! {
            biased;
            () = stroke.death() => Err(Failed::Death),
            outcome = Box::pin(self.world.sync.deliver(&message.job, delivery, effort)) => {
                outcome.map_err(Failed::Error)
            }
        };
        let outcome = if stroke.disarm() { Err(Failed::Death) } else { outcome };
        if let Some(tampering) = self.tampering {
            tampering(self, &message.job).await;
        }
        outcome
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

    /// The user consents anew.
    pub async fn reconnect(&mut self) {
        self.world.connect().await;
        self.enqueue(Job::Import { user: self.world.user, is_repair: false });
    }

    /// Whether the web app shows what a repair is for: an import that failed as often as it was tried, or an event that Google has refused since the
    /// last repair was asked for.
    pub async fn is_to_repair(&mut self) -> bool {
        let is_parked = |issue: &store::Issue| matches!(issue.kind, store::IssueKind::Parked { .. });
        let issues = self.world.store.issues(self.world.user).await.unwrap();
        let parked = issues.iter().filter(|issue| is_parked(issue)).count();
        let is_news = std::mem::replace(&mut self.parked, parked) < parked;
        is_news || self.world.status().await.import == domain::ImportFlag::Errored
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

    /// What is known and open of the watches of each calendar that is synced.
    pub async fn coverage(&self, now: DateTime<Utc>) -> Vec<Coverage> {
        let items = self.world.store.google(self.world.user).await.unwrap();
        let Some(GoogleItems { calendars, list, .. }) = items else { return Vec::new() };
        let mut open = self.channels();
        let watches = calendars.into_iter().map(|state| (state.calendar, state.watch));
        let coverage = watches.chain([(LIST.to_owned(), list.watch)]).map(|(calendar, watch)| Coverage {
            known: watch.filter(|watch| now < watch.expires_at).map(|watch| watch.channel),
            open: open.remove(&calendar).unwrap_or_default(),
            calendar,
        });
        coverage.collect()
    }

    /// The channels that are open at Google for this user, by calendar.
    pub fn channels(&self) -> BTreeMap<String, Vec<String>> {
        let mut channels: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for channel in self.world.google.channels().into_iter().filter(|open| open.owner == self.world.email)
        {
            let watched = match channel.watched {
                Watched::Events { calendar } => calendar,
                _ => LIST.to_owned(),
            };
            channels.entry(watched).or_default().push(channel.id);
        }
        channels
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
            Self::Error(sync::Error::Later { why: Pause::Gathering, wait }) => {
                TimeDelta::from_std(*wait).unwrap()
            }
            Self::Error(error) if !error.is_retryable() => TimeDelta::seconds(1),
            Self::Error(error) => {
                let asked = error.retry_after().unwrap_or_default().as_secs();
                let grown = FIRST_WAIT * 4_i64.pow(receives.saturating_sub(1));
                TimeDelta::seconds(grown.max(i64::try_from(asked).unwrap()).min(LONGEST_WAIT))
            }
        }
    }
}
