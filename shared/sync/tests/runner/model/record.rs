//! What is noted while a history runs, and what must hold of that: the invariants that are about calls, secrets and time.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use domain::Job;
use fake_google::Entry;
use store::Issue;

use super::invariants::{Verdict, must};

/// How many calls to Google a job may make beside those for each thing that is stored or lies there.
const CALLS: usize = 40;
const CALLS_EACH: usize = 12;
/// How old a channel may grow that nothing of ours knows: Google ends it by then.
const RENEWAL_CYCLE: TimeDelta = TimeDelta::days(7);
/// How long it may take at most from the end of all trouble to rest: a message that waits as long as the queue lets it, a park of an hour, a poll.
const REST: TimeDelta = TimeDelta::hours(4);

/// What a history has noted.
#[derive(Default)]
pub struct Log {
    /// All jobs that were ever asked for.
    pub jobs: Vec<Job>,
    /// What went wrong, in the order in which it did.
    pub errors: Vec<String>,
    /// Tokens and the secrets of channels.
    pub secrets: BTreeSet<String>,
    /// The most calls of one job, and how many things it had to do with.
    pub busiest: (usize, usize),
    /// How many calls there were before the run.
    calls: usize,
    /// Calls that were made although it was known that access had been withdrawn.
    pub calls_after_revocation: usize,
    /// When each channel was first seen.
    pub channels: BTreeMap<String, DateTime<Utc>>,
    /// How long it took from the end of all trouble to rest.
    pub rest: TimeDelta,
}

impl Log {
    /// A run is over; so many calls were made in all, since the journal was cleared.
    pub fn note_run(&mut self, calls: usize, things: usize, was_revoked: bool) {
        let made = calls.checked_sub(self.calls).unwrap_or(calls);
        self.calls = calls;
        let calls = made;
        if calls.saturating_sub(CALLS_EACH * things)
            > self.busiest.0.saturating_sub(CALLS_EACH * self.busiest.1)
        {
            self.busiest = (calls, things);
        }
        if was_revoked {
            self.calls_after_revocation += calls;
        }
    }
}

/// Bounded work: what a job asks of Google grows with what there is to do, and no minute holds more than Google allows.
pub fn i10_work_is_bounded(log: &Log, breaches: usize) -> Verdict {
    let (calls, things) = log.busiest;
    must(calls <= CALLS + CALLS_EACH * things, || {
        format!("I10: {calls} calls of a job over {things} things")
    })?;
    must(breaches == 0, || format!("I10: {breaches} calls beyond Google's quota"))
}

/// No guest is mailed by a background sync.
pub fn i13_nobody_is_mailed(journal: &[Entry]) -> Verdict {
    let is_write = |entry: &&Entry| {
        let writes = ["insert", "update", "patch", "delete", "move"];
        writes.iter().any(|method| entry.operation == format!("calendar.events.{method}"))
    };
    let wrong = journal.iter().filter(is_write).find(|entry| entry.send_updates.as_deref() != Some("none"));
    must(wrong.is_none(), || format!("I13: a write that may send mail: {wrong:?}"))
}

/// No token, and no secret of a channel, where others can read it.
pub fn i14_no_secret_is_told(log: &Log, journal: &[Entry], issues: &[Issue], notices: &str) -> Verdict {
    must(log.secrets.len() > 2, || "I14: no secrets were planted".into())?;
    let told =
        [format!("{:?}", log.jobs), format!("{:?}", log.errors), format!("{issues:?}"), notices.to_owned()];
    let urls = journal.iter().map(|entry| format!("{} {:?} {:?}", entry.path, entry.query, entry.body));
    for text in told.into_iter().chain(urls) {
        let secret = log.secrets.iter().find(|secret| text.contains(secret.as_str()));
        must(secret.is_none(), || format!("I14: a secret is told: {text}"))?;
    }
    Ok(())
}

/// Liveness: with the faults over, rest comes by itself and soon.
pub fn i15_rest_comes_soon(log: &Log) -> Verdict {
    must(log.rest <= REST, || format!("I15: it took {} to come to rest", log.rest))
}

/// Withdrawn access: no call is made once it is known.
pub fn i16_who_has_left_is_left_alone(log: &Log) -> Verdict {
    let calls = log.calls_after_revocation;
    must(calls == 0, || format!("I16: {calls} calls to Google after it was known that access was withdrawn"))
}

/// Coverage: each calendar is watched by one or two channels or is polled, and no channel that nobody knows has grown old.
pub fn i17_every_calendar_is_covered(
    log: &Log,
    (open, known, is_polled): (&[String], &[String], bool),
    now: DateTime<Utc>,
) -> Verdict {
    let live = known.iter().filter(|known| open.contains(known)).count();
    must(live == known.len(), || format!("I17: a watch that we rely on has ended: {known:?} of {open:?}"))?;
    must(is_polled, || "I17: nothing is due that would find a lost notification".into())?;
    let is_old = |id: &&String| {
        let age = log.channels.get(*id).map(|seen| now - *seen);
        !known.contains(id) && age.is_some_and(|age| age > RENEWAL_CYCLE)
    };
    let orphan = open.iter().find(is_old);
    must(orphan.is_none(), || format!("I17: an orphan has grown old: {orphan:?}"))
}

/// The planner comes to an end: no event is written and merged for ever.
pub fn i20_no_event_keeps_changing(log: &Log) -> Verdict {
    let restless = sync::Error::Restless.to_string();
    let found = log.errors.iter().find(|error| **error == restless);
    must(found.is_none(), || "I20: an event did not come to rest".into())
}

/// Isolation: what is asked of Google with a user's token is about that user's calendars.
pub fn i9_a_token_is_used_for_its_own_calendars(
    journal: &[Entry],
    email: &str,
    others: &[String],
) -> Verdict {
    let path = |id: &str| -> String { url::form_urlencoded::byte_serialize(id.as_bytes()).collect() };
    let own: Vec<String> = others.iter().map(String::as_str).chain([email, "primary"]).map(path).collect();
    for entry in journal.iter().filter(|entry| entry.path.contains("/calendars/")) {
        let id = entry.path.split("/calendars/").nth(1).and_then(|rest| rest.split('/').next());
        let is_own = id.is_some_and(|id| own.iter().any(|own| own == id || own.replace("%40", "@") == id));
        must(is_own && entry.account.as_deref().is_none_or(|account| account == email), || {
            format!("I9: a call about somebody else's calendar: {entry:?}")
        })?;
    }
    Ok(())
}
