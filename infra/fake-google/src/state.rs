//! Everything the fake Google knows, behind one lock, and the handle that the routes, the administration and the deliveries share.
//!
//! One lock, because every answer must be of one moment: a list, its sync token and the notification of a write never disagree.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rand::distr::{Alphanumeric, SampleString};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use tokio_util::sync::CancellationToken;

use crate::calendar::book::{Book, Listed};
use crate::calendar::channels::Channels;
use crate::calendar::traversal::Traversals;
use crate::clock::Clock;
use crate::discovery::Discovery;
use crate::error::Error;
use crate::faults::Faults;
use crate::journal::Journal;
use crate::oauth::grants::Grants;
use crate::oauth::keys::Keys;
use crate::push::{Message, Pushes};
use crate::quirks::Quirks;
use crate::quota::Meter;
use crate::server::Options;
use crate::snapshot::Snapshot;

/// The client that may ask for tokens: the "OAuth client" of a Google project.
pub(crate) struct Client {
    pub id: String,
    pub secret: String,
    /// Registered addresses; none means that any is accepted.
    pub redirect_uris: Vec<String>,
}

/// A Google account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Its address; also the id of its primary calendar.
    pub email: String,
    /// The subject of its id tokens. Made from the address when empty.
    #[serde(default)]
    pub sub: String,
    /// Full name, told to clients with the `profile` scope.
    #[serde(default)]
    pub name: Option<String>,
    /// Address of a picture, told to clients with the `profile` scope.
    #[serde(default)]
    pub picture: Option<String>,
    /// IANA zone of the primary calendar.
    #[serde(default = "default_zone")]
    pub time_zone: chrono_tz::Tz,
    /// Has the address been verified?
    #[serde(default = "yes")]
    pub is_verified: bool,
}

impl Account {
    /// An account in UTC without name and picture.
    pub fn new(email: impl Into<String>) -> Self {
        Self {
            email: email.into(),
            sub: String::new(),
            name: None,
            picture: None,
            time_zone: default_zone(),
            is_verified: true,
        }
    }
}

fn default_zone() -> chrono_tz::Tz {
    chrono_tz::UTC
}

fn yes() -> bool {
    true
}

/// How lists are cut into pages; what a client must cope with although Google rarely does it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Paging {
    /// No page has more items than this, whatever was asked for.
    pub at_most: Option<usize>,
    /// Every traversal of more than nothing begins with an empty page.
    pub starts_empty: bool,
    /// A delta repeats the newest change that the client has already had.
    pub repeats_boundary: bool,
}

/// All state.
pub(crate) struct World {
    /// The newest commit, µs since the epoch; no two commits share one.
    pub newest: i64,
    pub random: StdRng,
    /// Every secret that was ever drawn or given to us: none of them belongs into a log.
    pub secrets: Vec<String>,
    pub keys: Keys,
    pub accounts: BTreeMap<String, Account>,
    pub grants: Grants,
    /// Calendars by id.
    pub books: BTreeMap<String, Book>,
    /// What each account has on its calendar list: by account, then calendar id.
    pub lists: BTreeMap<String, BTreeMap<String, Listed>>,
    pub traversals: Traversals,
    pub paging: Paging,
    pub quirks: Quirks,
    pub meter: Meter,
    pub channels: Channels,
    /// Notifications that wait for the next one on their channel (`true`) or for the test.
    pub held: Vec<(Message, bool)>,
    pub faults: Faults,
    pub journal: Journal,
}

impl World {
    pub(crate) fn new(seed: u64) -> Result<Self, Error> {
        Ok(Self {
            newest: 0,
            random: StdRng::seed_from_u64(seed),
            secrets: Vec::new(),
            keys: Keys::load()?,
            accounts: BTreeMap::new(),
            grants: Grants::default(),
            books: BTreeMap::new(),
            lists: BTreeMap::new(),
            traversals: Traversals::default(),
            paging: Paging::default(),
            quirks: Quirks::default(),
            meter: Meter::default(),
            held: Vec::new(),
            channels: Channels::default(),
            faults: Faults::default(),
            journal: Journal::default(),
        })
    }

    /// Forgets everything but the keys and the time of the newest commit: nothing from before is valid or comes again.
    pub(crate) fn reset(&mut self) {
        self.accounts.clear();
        self.grants = Grants::default();
        self.books.clear();
        self.lists.clear();
        self.traversals.expire();
        self.paging = Paging::default();
        self.quirks = Quirks::default();
        self.meter = Meter::default();
        self.held.clear();
        self.channels = Channels::default();
        self.faults.clear();
        self.journal.clear();
    }

    /// The instant of a new commit: now, but later than every commit before it.
    pub(crate) fn commit_at(&mut self, now: DateTime<Utc>) -> i64 {
        self.newest = now.timestamp_micros().max(self.newest + 1);
        self.newest
    }

    /// Unguessable text of `length` letters and digits.
    pub(crate) fn secret(&mut self, length: usize) -> String {
        let secret = Alphanumeric.sample_string(&mut self.random, length);
        self.secrets.push(secret.clone());
        secret
    }

    /// An event id as Google makes them: 26 base32hex digits.
    pub(crate) fn event_id(&mut self) -> String {
        const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
        (0..26).map(|_| char::from(DIGITS[self.random.random_range(0..32)])).collect()
    }

    /// The account, made on the spot if there is none, with its primary calendar.
    pub(crate) fn open_account(&mut self, mut account: Account, now: DateTime<Utc>) -> Account {
        if let Some(existing) = self.accounts.get(&account.email) {
            return existing.clone();
        }
        if account.sub.is_empty() {
            account.sub = subject(&account.email);
        }
        let at = self.commit_at(now);
        self.books
            .insert(account.email.clone(), Book::new(&account.email, &account.email, account.time_zone, at));
        let entry = Listed {
            role: "owner".to_owned(),
            is_primary: true,
            is_selected: true,
            is_removed: false,
            changed: at,
            extra: Map::new(),
        };
        self.lists.entry(account.email.clone()).or_default().insert(account.email.clone(), entry);
        self.accounts.insert(account.email.clone(), account.clone());
        account
    }
}

/// 21 digits like Google's, the same for the same address.
fn subject(email: &str) -> String {
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(email.as_bytes());
    let digits: String = hash.iter().take(20).map(|byte| char::from(b'0' + byte % 10)).collect();
    format!("1{digits}")
}

/// A running fake: its state and what surrounds it. [`crate::Server`] gives access to it; the administration is its methods.
pub struct Google {
    world: Mutex<World>,
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    /// How far this server's time is ahead of the clock, µs.
    ahead: AtomicI64,
    pub(crate) discovery: Discovery,
    pub(crate) pushes: Pushes,
    /// Where it listens, without a slash at the end.
    pub(crate) url: String,
    pub(crate) is_loopback_http_allowed: bool,
    /// Where the state is kept, if it is.
    pub(crate) snapshot: Option<Snapshot>,
}

impl Google {
    pub(crate) fn new(options: Options, url: String, stop: CancellationToken) -> Result<Self, Error> {
        let mut world = World::new(options.seed)?;
        let snapshot = options.state.map(Snapshot::new);
        if let Some(snapshot) = &snapshot {
            snapshot.restore(&mut world)?;
        }
        Ok(Self {
            world: Mutex::new(world),
            client: Client {
                id: options.client_id,
                secret: options.client_secret,
                redirect_uris: options.redirect_uris,
            },
            clock: options.clock,
            ahead: AtomicI64::new(0),
            discovery: Discovery::load()?,
            pushes: Pushes::new(stop, options.push_backoff)?,
            url,
            is_loopback_http_allowed: options.is_loopback_http_allowed,
            snapshot,
        })
    }

    /// The state, alone. A panic of another holder leaves nothing half-written that matters to a fake.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now() + TimeDelta::microseconds(self.ahead.load(Ordering::SeqCst))
    }

    /// Moves this server's time forward, and no other's: tokens, channels and deletions age.
    pub fn advance(&self, by: Duration) {
        self.ahead.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_of_an_address_is_stable_and_numeric() {
        assert_eq!(subject("ada@example.com"), subject("ada@example.com"));
        assert_ne!(subject("ada@example.com"), subject("bob@example.com"));
        assert_eq!(subject("ada@example.com").len(), 21);
        assert!(subject("ada@example.com").bytes().all(|byte| byte.is_ascii_digit()));
    }
}
