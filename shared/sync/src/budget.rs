//! How often Google may be called, and when not at all.
//!
//! Google lets a user's apps make 600 calls in any minute. What was granted in which ten seconds stands in the store, and a job takes a few calls
//! at a time, for ten seconds: so no minute ever sees more calls than eight such parts were granted, and most jobs cost one write.
//!
//! Nobody waits here. A job whose user has no calls left, or whom Google has found too fast, goes back to the queue for as long as that
//! lasts, and holds up nobody but its user. When Google refuses the whole project, or our client, everybody's jobs go back, and the operator is
//! told.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{GoogleStatus, Notice};
use google::Reason;
use store::{Breaker, Budget, Due, Plan, Snapshot};

use crate::account::Account;
use crate::{Error, Sync, connected, plan_of};

/// The calls that Google grants a user in a minute.
const PER_MINUTE: u32 = 600;
/// The parts of time in which grants are counted, in seconds. A grant is good for as long.
const PART: i64 = 10;
/// How many parts a minute and a grant's life can touch.
const PARTS: i64 = 8;
/// How many calls a job is granted at first, and at most, at a time.
const FEW: u32 = 5;
const MANY: u32 = 50;

/// How long Google is left alone when it finds a user too fast for the first time; doubled each further time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(900);
/// How long Google's own wish may be.
const LONGEST_WISH: Duration = Duration::from_secs(3_600);
/// After so many refusals in a row a job is given up: what it was to do is found by the sweep.
const TOO_MANY: u32 = 12;

/// How often a change of the budget is made anew because another worker was faster.
const ATTEMPTS: usize = 20;

/// For how long nothing is written to a calendar that takes no more writes.
const WRITE_PAUSE: TimeDelta = TimeDelta::hours(1);

/// How long the project is left alone when it is refused for the first time; doubled each further time.
const FIRST_BREAK: TimeDelta = TimeDelta::minutes(5);
const LONGEST_BREAK: TimeDelta = TimeDelta::hours(1);
/// A refusal so long after the last one is a new story.
const BREAKS_REMEMBERED: TimeDelta = TimeDelta::hours(2);

/// Why Google is not called for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// The user's calls of this minute are spent.
    Budget,
    /// Google has found the user too fast.
    Throttled,
    /// Google refuses the project, or our client.
    Project,
    /// What changed has just been read: further notifications are read together.
    Gathering,
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Budget => "the user's calls of this minute are spent",
            Self::Throttled => "Google has found the user too fast",
            Self::Project => "Google refuses the project",
            Self::Gathering => "what changed has just been read",
        })
    }
}

/// Calls that a job may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    granted: u32,
    left: u32,
    until: DateTime<Utc>,
}

impl Lease {
    /// One call, if there is one left.
    fn take(&mut self, now: DateTime<Utc>) -> bool {
        let is_good = self.left > 0 && now < self.until;
        if is_good {
            self.left -= 1;
        }
        is_good
    }

    /// How many calls to ask for next: more if these were used up, and fewer if they were too many for their time.
    fn next(&self) -> u32 {
        if self.left == 0 { self.granted.saturating_mul(4).min(MANY) } else { FEW }
    }
}

/// The part of time that `now` is in.
fn part(now: DateTime<Utc>) -> i64 {
    now.timestamp().div_euclid(PART)
}

/// Notes up to `wanted` calls as granted. Returns how many; if none are left, how long until there are some.
fn grant(budget: &mut Budget, now: DateTime<Utc>, wanted: u32) -> Result<u32, Duration> {
    let current = part(now);
    // Whoever writes this has a clock of his own.
    budget.grants.retain(|(part, _)| (current - part).abs() < PARTS);
    let spent: u32 = budget.grants.iter().map(|(_, calls)| calls).sum();
    let granted = wanted.min(PER_MINUTE.saturating_sub(spent));
    if granted == 0 {
        let oldest = budget.grants.iter().map(|(part, _)| *part).min().unwrap_or(current);
        let free_at = DateTime::from_timestamp((oldest + PARTS) * PART, 0).unwrap_or(now);
        return Err((free_at - now).to_std().unwrap_or_default());
    }
    match budget.grants.iter_mut().find(|(part, _)| *part == current) {
        Some((_, calls)) => *calls += granted,
        None => budget.grants.push((current, granted)),
    }
    Ok(granted)
}

/// How long to leave Google alone after so many refusals in a row, without jitter.
fn pause(throttles: u32, wish: Option<Duration>) -> Duration {
    let grown = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(throttles.saturating_sub(1)));
    grown.min(LONGEST_PAUSE).max(wish.unwrap_or_default().min(LONGEST_WISH))
}

/// The next break after `last`.
fn next_break(last: Option<&Breaker>, reason: String, now: DateTime<Utc>) -> Breaker {
    let trips = last.filter(|last| now < last.until + BREAKS_REMEMBERED).map_or(1, |last| last.trips + 1);
    let doubled = 2_i32.saturating_pow(trips.saturating_sub(1).min(8));
    Breaker { reason, trips, until: now + (FIRST_BREAK * doubled).min(LONGEST_BREAK) }
}

impl Sync {
    /// Pays for one call.
    pub(crate) async fn spend(&self, account: &mut Account) -> Result<(), Error> {
        let now = self.clock.now();
        if account.lease.as_mut().is_some_and(|lease| lease.take(now)) {
            return Ok(());
        }
        let wanted = account.lease.map_or(FEW, |lease| lease.next());
        let granted =
            self.change_budget(account, |budget| match budget.closed_until.filter(|until| now < *until) {
                Some(until) => Err(later(Pause::Throttled, until - now)),
                None => grant(budget, now, wanted).map_err(|wait| Error::Later { why: Pause::Budget, wait }),
            });
        let granted = granted.await?;
        let until = now + TimeDelta::seconds(PART);
        account.lease = Some(Lease { granted, left: granted.saturating_sub(1), until });
        Ok(())
    }

    /// What an answer means for the calls to come.
    pub(crate) async fn heed<T>(
        &self,
        account: &mut Account,
        answer: Result<T, google::Error>,
    ) -> Result<T, Error> {
        match answer {
            Ok(answer) => {
                if account.budget.throttles > 0 {
                    self.change_budget(account, |budget| {
                        (budget.throttles, budget.closed_until) = (0, None);
                        Ok(())
                    })
                    .await?;
                }
                Ok(answer)
            }
            Err(error) if error.is(Reason::Throttled) => Err(self.slow_down(account, &error).await?),
            Err(error) => Err(error.into()),
        }
    }

    /// Leaves Google alone for a while that grows with each refusal in a row, and differs a little from user to user.
    async fn slow_down(&self, account: &mut Account, error: &google::Error) -> Result<Error, Error> {
        let now = self.clock.now();
        let wait = self.change_budget(account, |budget| {
            budget.throttles = budget.throttles.saturating_add(1);
            let wait = pause(budget.throttles, error.retry_after());
            let most = u64::try_from(wait.as_millis() / 4).unwrap_or(0);
            let wait = wait + Duration::from_millis(self.random.below(most));
            budget.closed_until = TimeDelta::from_std(wait).ok().map(|wait| now + wait);
            Ok(wait)
        });
        let wait = wait.await?;
        tracing::warn!(user = %account.user, throttles = account.budget.throttles, %error, "Google asks us to slow down");
        Ok(Error::Later { why: Pause::Throttled, wait })
    }

    /// Changes what is stored of the user's calls, on top of what others have stored meanwhile.
    async fn change_budget<T>(
        &self,
        account: &mut Account,
        change: impl Fn(&mut Budget) -> Result<T, Error>,
    ) -> Result<T, Error> {
        for _ in 0..ATTEMPTS {
            let mut budget = account.budget.clone();
            let result = change(&mut budget)?;
            match self.store.put_budget(account.user, &mut budget, self.clock.now()).await {
                Ok(()) => {
                    account.budget = budget;
                    return Ok(result);
                }
                Err(store::Error::Condition(store::BUDGET)) => {
                    account.budget = self.store.budget(account.user).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Superseded)
    }

    /// Whether a job that Google found too fast again and again is given up.
    pub(crate) fn is_given_up(account: &Account) -> bool {
        account.budget.throttles >= TOO_MANY
    }

    /// The user's calendar takes no more writes for hours: none are tried until the sweep comes by after that.
    pub(crate) async fn pause_writes(&self, account: &Account) -> Result<(), Error> {
        let (user, now) = (account.user, self.clock.now());
        let until = now + WRITE_PAUSE;
        tracing::warn!(%user, %until, "Google takes no more writes of a user");
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            let writes_paused_until = Some(until);
            let status = GoogleStatus { writes_paused_until, ..connected(snapshot)?.clone() };
            let mut plan = plan_of(status, [Notice::Metadata]);
            plan.schedule(&self.store, Due::Poll, user, until)?;
            Ok(plan)
        };
        self.store.mutate(user, &[], now, plan).await?;
        Ok(())
    }

    /// Lets a job pass unless the project is refused just now.
    pub(crate) fn pass_breaker(&self, breaker: Option<Breaker>) -> Result<(), Error> {
        let now = self.clock.now();
        match breaker.filter(|breaker| now < breaker.until) {
            Some(breaker) => Err(later(Pause::Project, breaker.until - now)),
            None => Ok(()),
        }
    }

    /// Google refuses the project, or our client: everybody's jobs wait, nobody's state changes, and the operator is told. (`alarm` is what
    /// the metric filter of the template looks for.)
    pub(crate) async fn open_breaker(&self, error: &google::Error) -> Result<Error, Error> {
        let now = self.clock.now();
        let last = self.store.breaker().await?;
        let breaker = next_break(last.as_ref(), error.to_string(), now);
        self.store.open_breaker(&breaker).await?;
        tracing::error!(alarm = "google", trips = breaker.trips, until = %breaker.until, %error, "Google refuses the project");
        Ok(later(Pause::Project, breaker.until - now))
    }
}

fn later(why: Pause, wait: TimeDelta) -> Error {
    Error::Later { why, wait: wait.to_std().unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_763_600_000 + seconds, 0).unwrap()
    }

    #[test]
    fn a_user_gets_what_google_grants_and_is_then_told_how_long_to_wait() {
        let mut budget = Budget::default();
        assert_eq!(grant(&mut budget, at(0), 590), Ok(590));
        assert_eq!(grant(&mut budget, at(5), MANY), Ok(10), "what is left");
        assert_eq!(grant(&mut budget, at(6), MANY), Err(Duration::from_secs(74)));
        assert_eq!(grant(&mut budget, at(80), MANY), Ok(MANY));
        assert_eq!(budget.grants.len(), 1, "what is over is forgotten");
    }

    proptest! {
        /// Each call is made as late as its grant allows, which is the worst that a job can do.
        #[test]
        fn no_minute_sees_more_calls_than_google_grants(steps in prop::collection::vec((0_i64..30, 1_u32..200, 0_i64..PART), 1..80)) {
            let (mut budget, mut now, mut calls) = (Budget::default(), 0, Vec::new());
            for (pause, wanted, delay) in steps {
                now += pause;
                if let Ok(granted) = grant(&mut budget, at(now), wanted) {
                    calls.push((now + delay, granted));
                }
            }
            for (end, _) in &calls {
                let in_minute = calls.iter().filter(|(made, _)| (end - 59..=*end).contains(made));
                prop_assert!(in_minute.map(|(_, granted)| granted).sum::<u32>() <= PER_MINUTE);
            }
        }
    }

    #[test]
    fn grants_grow_while_they_are_used_up_in_time() {
        let mut lease = Lease { granted: FEW, left: 1, until: at(10) };
        assert!(!lease.take(at(10)), "its time is over");
        assert_eq!(lease.next(), FEW);
        assert!(lease.take(at(9)));
        assert!(!lease.take(at(9)));
        assert_eq!(lease.next(), 20);
        assert_eq!(Lease { granted: 20, ..lease }.next(), MANY);
    }

    #[test]
    fn pauses_grow_to_a_bound_and_are_never_shorter_than_google_wants() {
        let pauses: Vec<u64> = (1..=9).map(|throttles| pause(throttles, None).as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 900]);
        assert_eq!(pause(1, Some(Duration::from_secs(30))).as_secs(), 30);
        assert_eq!(pause(3, Some(Duration::from_secs(1))).as_secs(), 20);
        assert_eq!(pause(1, Some(Duration::from_secs(100_000))), LONGEST_WISH);
    }

    #[test]
    fn breaks_grow_while_the_project_stays_refused() {
        let mut last = None;
        let mut now = at(0);
        let mut minutes = Vec::new();
        for _ in 0..6 {
            let next = next_break(last.as_ref(), "dailyLimitExceeded".into(), now);
            minutes.push((next.until - now).num_minutes());
            now = next.until;
            last = Some(next);
        }
        assert_eq!(minutes, [5, 10, 20, 40, 60, 60]);
        let fresh = next_break(last.as_ref(), "accessNotConfigured".into(), now + TimeDelta::hours(3));
        assert_eq!(fresh.trips, 1);
    }
}
