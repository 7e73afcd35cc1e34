//! What the histories of a campaign have come through, so that none of it is left out unnoticed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write as _};

use domain::Job;
use store::{Issue, IssueKind};

use super::ledger::Side;
use super::luck::{Death, Deaths, EFFECTS};
use super::step::{Act, Cast, Trouble, What};

/// What must have happened at least once, each kind by the name under which it is counted.
const WANTED: &str = "
    cast: one; cast: two; cast: calendars
    Here: This; Here: Following; Here: All; There: This; There: Following; There: All
    Here: Create; Here: Title; Here: Description; Here: Shift; Here: Length; Here: TurnAllDay; Here: Rule; Here: Never
    Here: Other; Here: Delete; Here: Return
    There: Create; There: Title; There: Description; There: Shift; There: Length; There: TurnAllDay; There: Rule
    There: Other; There: Delete; There: Return; There: Move
    Work: Good; Work: Twice; Work: OutOfOrder; Work: Crash; Work: Doomed; Work: Lost; Work: Repeated; Work: Short
    Push: Dropped; Push: Duplicated; Push: Reordered; Push: Held; Push: Released
    Wait: Minutes; Wait: Hours; Wait: Days
    Account: AccessExpires; Account: Revoke; Account: Reconnect; Account: Repair
    trouble: RateLimit; trouble: UserRateLimit; trouble: TooManyRequests; trouble: WritesLocked; trouble: ProjectLimit
    trouble: ScopeMissing; trouble: Forbidden; trouble: Unavailable; trouble: Broken; trouble: Conflict; trouble: Stale
    trouble: Sequence; trouble: CommittedThenDropped; trouble: CommittedThenFailed; trouble: CommittedThenCut
    trouble: Dropped; trouble: TokenEndpoint; trouble: TokenRefused
    Google: TokenSpent; Google: PageTokensExpired; Google: Pages
    answer: 400; answer: 401; answer: 403; answer: 404; answer: 409; answer: 410; answer: 412; answer: 429; answer: 500
    answer: 503; answer: none
    job: Import; job: Pull; job: Poll; job: Push; job: RenewWatch; job: StopStray
    issue: Conflict; issue: TakenBack; issue: Parked
    notice: GoogleRevoked
";

/// How often each kind of thing has happened.
#[derive(Clone, Debug, Default)]
pub struct Census {
    counts: BTreeMap<String, u64>,
    deaths: Deaths,
}

/// The name of a variant, without what is in it.
fn name(value: &impl Debug) -> String {
    format!("{value:?}").split(['(', ' ', '{']).next().unwrap_or_default().to_owned()
}

impl Census {
    pub fn of(cast: Cast) -> Self {
        let mut census = Self::default();
        census.count(if cast.are_two { "cast: two" } else { "cast: one" });
        if cast.has_calendars {
            census.count("cast: calendars");
        }
        census
    }

    fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    /// A step was carried out, whatever came of it.
    pub fn stepped(&mut self, what: &What) {
        match what {
            // Counted when they were acknowledged.
            What::Here(_) | What::There(_) => {}
            What::Work(luck) => self.count(format!("Work: {}", name(luck))),
            What::Push(luck) => self.count(format!("Push: {}", name(luck))),
            What::Google(trouble) => self.count(format!("Google: {}", name(trouble))),
            What::Wait(span) => self.count(format!("Wait: {}", name(span))),
            What::Account(turn) => self.count(format!("Account: {}", name(turn))),
        }
    }

    /// Something was written and acknowledged.
    pub fn wrote(&mut self, side: Side, act: &Act) {
        self.count(format!("{side:?}: {:?}", act.scope));
        self.count(format!("{side:?}: {}", name(&act.change)));
    }

    /// A call met a fault.
    pub fn struck(&mut self, trouble: Trouble) {
        self.count(format!("trouble: {}", name(&trouble)));
    }

    /// A job ran, to whatever end.
    pub fn ran(&mut self, job: &Job) {
        self.count(format!("job: {}", name(job)));
    }

    /// What Google has answered.
    pub fn answered(&mut self, journal: &[fake_google::Entry]) {
        for entry in journal {
            let status = entry.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
            self.count(format!("answer: {status}"));
        }
    }

    /// What the user is told.
    pub fn told(&mut self, issues: &[Issue], notices: &[domain::Notice]) {
        for issue in issues {
            self.count(match issue.kind {
                IssueKind::Conflict { .. } => "issue: Conflict",
                IssueKind::TakenBack { .. } => "issue: TakenBack",
                IssueKind::UnknownZone { .. } => "issue: UnknownZone",
                IssueKind::Parked { .. } => "issue: Parked",
            });
        }
        for notice in notices {
            self.count(format!("notice: {}", name(notice)));
        }
    }

    /// The process has died.
    pub fn died(&mut self, deaths: Deaths) {
        for (death, count) in deaths {
            *self.deaths.entry(death).or_default() += count;
        }
    }

    pub fn add(&mut self, more: Self) {
        for (what, count) in more.counts {
            *self.counts.entry(what).or_default() += count;
        }
        self.died(more.deaths);
    }

    /// What should have happened in a large campaign and did not: a kind of step, fault or answer that never came, an effect of which the process never
    /// died, be it before or after.
    pub fn missing(&self) -> Vec<String> {
        let wanted: BTreeSet<&str> = WANTED.split([';', '\n']).map(str::trim).collect();
        let missing = wanted.into_iter().filter(|what| !what.is_empty() && !self.counts.contains_key(*what));
        let deaths =
            EFFECTS.iter().flat_map(|(_, effect)| [(*effect, Death::Before), (*effect, Death::After)]);
        let escaped = deaths.filter(|death| !self.deaths.contains_key(death));
        let escaped = escaped.map(|(effect, death)| format!("death: {death:?} {effect}"));
        missing.map(str::to_owned).chain(escaped).collect()
    }

    /// For people.
    pub fn report(&self) -> String {
        let mut text = String::new();
        for (what, count) in &self.counts {
            let _ = writeln!(text, "{count:>8} {what}");
        }
        for ((effect, death), count) in &self.deaths {
            let _ = writeln!(text, "{count:>8} death: {death:?} {effect}");
        }
        text
    }
}
