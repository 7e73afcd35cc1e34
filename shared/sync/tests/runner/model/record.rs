//! What is noted while a history runs, and what must hold of that: the invariants that are about calls, secrets and time.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use domain::Job;
use fake_google::{CREDENTIAL_IN_ADDRESS, Entry};
use sync::Pause;

use super::invariants::{Verdict, must};

/// How many calls to Google a job may make beside those for each thing that is stored or lies there.
pub const CALLS: usize = 40;
const CALLS_EACH: usize = 12;
/// How long it may take at most from the end of all trouble to rest: a message that waits as long as the queue lets it, a park of an hour, a poll.
const REST: TimeDelta = TimeDelta::hours(4);

/// What has been noted about a user.
#[derive(Default)]
pub struct Log {
    /// All jobs that were ever asked for.
    pub jobs: Vec<Job>,
    /// What went wrong, in the order in which it did, as people and as we read it.
    pub errors: Vec<String>,
    /// Whether a job waited because Google had found the user too fast.
    pub was_throttled: bool,
    /// Whether an event did not come to rest.
    pub is_restless: bool,
    /// The most calls of one job, and how many things it had to do with.
    busiest: (usize, usize),
    /// Calls that were made, and changes that were written, although it was known that access had been withdrawn.
    after_revocation: (usize, usize),
    /// The channels that have spoken when nobody relied on them.
    pub strays: BTreeSet<String>,
}

/// What a run did.
pub struct Run {
    /// Calls of Google.
    pub calls: usize,
    /// How much there is at Google.
    pub things: usize,
    /// Whether it was known that access had been withdrawn when it began.
    pub was_revoked: bool,
    /// Whether it then changed something all the same.
    pub has_written: bool,
}

impl Log {
    pub fn note_run(&mut self, run: &Run) {
        let surplus = |(calls, things): (usize, usize)| calls.saturating_sub(CALLS_EACH * things);
        if surplus((run.calls, run.things)) > surplus(self.busiest) {
            self.busiest = (run.calls, run.things);
        }
        if run.was_revoked {
            self.after_revocation.0 += run.calls;
            self.after_revocation.1 += usize::from(run.has_written);
        }
    }

    pub fn note_error(&mut self, error: &sync::Error) {
        self.errors.push(format!("{error} {error:?}"));
        self.was_throttled |= matches!(error, sync::Error::Later { why: Pause::Throttled, .. });
        self.is_restless |= matches!(error, sync::Error::Restless);
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

/// No code, no token and no secret of a channel where others can read it. `told` is what others can.
pub fn i14_no_secret_is_told(secrets: &[String], told: &[String], journal: &[Entry]) -> Verdict {
    must(secrets.len() > 2, || "I14: no secrets were planted".into())?;
    // The journal itself leaves credentials out.
    let is_open = |entry: &&Entry| entry.violations.iter().any(|why| why.contains(CREDENTIAL_IN_ADDRESS));
    let open = journal.iter().find(is_open);
    must(open.is_none(), || format!("I14: a credential is in an address: {open:?}"))?;
    for text in told {
        let secret = secrets.iter().find(|secret| text.contains(secret.as_str()));
        must(secret.is_none(), || format!("I14: a secret is told: {text}"))?;
    }
    Ok(())
}

/// Liveness: with the faults over, rest comes by itself and soon.
pub fn i15_rest_comes_soon(rest: TimeDelta) -> Verdict {
    must(rest <= REST, || format!("I15: it took {rest} to come to rest"))
}

/// Withdrawn access: no call is made once it is known, and nothing changes here.
pub fn i16_who_has_left_is_left_alone(log: &Log) -> Verdict {
    let (calls, changes) = log.after_revocation;
    must(calls == 0, || {
        format!("I16: {calls} calls to Google after it was known that access was withdrawn")
    })?;
    must(changes == 0, || {
        format!("I16: {changes} jobs changed something after it was known that access was withdrawn")
    })
}

/// What is known and open of the watches of one calendar.
pub struct Coverage {
    pub calendar: String,
    /// The channel on which we rely.
    pub known: Option<String>,
    /// The channels that Google has open.
    pub open: Vec<String>,
}

/// Coverage: each calendar is watched by a channel that is open, or is polled often, and a channel on which nobody relies is stopped when it has spoken, if
/// Google lets it be. (One that keeps silent harms nobody, and Google ends it within seven days.)
pub fn i17_every_calendar_is_covered(
    log: &Log,
    calendars: &[Coverage],
    is_polled: bool,
    journal: &[Entry],
) -> Verdict {
    must(is_polled, || "I17: nothing is due soon that would find a lost notification".into())?;
    for Coverage { calendar, known, open } in calendars {
        must(known.as_ref().is_none_or(|known| open.contains(known)), || {
            format!("I17: a watch of {calendar} that we rely on has ended: {known:?} of {open:?}")
        })?;
        let is_stray = |id: &&String| known.as_ref() != Some(*id) && log.strays.contains(*id);
        let stray = open.iter().filter(is_stray).find(|id| !was_refused(journal, id));
        must(stray.is_none(), || format!("I17: a stray of {calendar} has spoken and is open: {stray:?}"))?;
    }
    Ok(())
}

/// Whether Google would not stop a channel when it was asked to.
fn was_refused(journal: &[Entry], channel: &str) -> bool {
    let is_it = |entry: &&Entry| entry.body.as_ref().is_some_and(|body| body["id"] == *channel);
    let stops = journal.iter().filter(|entry| entry.operation == "calendar.channels.stop").filter(is_it);
    stops.into_iter().any(|entry| entry.status.is_none_or(|status| status >= 400))
}

/// The planner comes to an end: no event is written and merged for ever.
pub fn i20_no_event_keeps_changing(log: &Log) -> Verdict {
    must(!log.is_restless, || "I20: an event did not come to rest".into())
}

/// Isolation: what is asked of Google with a user's token is about that user's calendars, and nobody waits for another one's faults.
pub fn i9_a_user_is_alone(log: &Log, journal: &[Entry], email: &str, own: &[String]) -> Verdict {
    let path = |id: &str| -> String { url::form_urlencoded::byte_serialize(id.as_bytes()).collect() };
    let own: Vec<String> = own.iter().map(String::as_str).chain([email, "primary"]).map(path).collect();
    let is_of = |entry: &&Entry| entry.account.as_deref() == Some(email);
    for entry in journal.iter().filter(is_of).filter(|entry| entry.path.contains("/calendars/")) {
        let id = entry.path.split("/calendars/").nth(1).and_then(|rest| rest.split('/').next());
        let is_own = id.is_some_and(|id| own.iter().any(|own| own == id || own.replace("%40", "@") == id));
        must(is_own, || format!("I9: a call about somebody else's calendar: {entry:?}"))?;
    }
    // With a token that has just expired Google does not say whose it was.
    let may_be_of = |entry: &&Entry| entry.account.as_deref().is_none_or(|account| account == email);
    let is_refusal = |entry: &Entry| matches!(entry.status, Some(403 | 429));
    let was_refused = journal.iter().filter(may_be_of).any(is_refusal);
    must(was_refused || !log.was_throttled, || {
        format!("I9: {email} waits though Google has never found them too fast")
    })
}
