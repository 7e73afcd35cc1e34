//! Runs the plans of the sync against Google and the store.
//!
//! A job is a hint that there may be something to do; what there is to do stands in the store and at Google. So a job may come twice,
//! late or out of order, and does nothing when nothing is left. Nothing is held in memory between two jobs.
//!
//! * [`translate`] is pure: what Google's event means. What to do about it is decided in [`domain::sync`].
//! * `calendars` knows which calendars are synced; [`listing`] reads Google's list of them.
//! * `import` (with `traversal` and `sweep`), `pull`, `push` (with `meet`, `moved` and `refuse`), `leave` and `watch` carry it out. Google is written to *before* our transaction, under deterministic ids and
//!   versions, so that a crash between the two is found and mended by doing the same again.
//! * `disconnect` takes leave when the user has ended the connection.
//! * `account` has the user's permission, `budget` how often Google may be called, `apply` the way of a page into the store.
//! * `delivery` knows which notifications have nothing left to say.

mod account;
mod apply;
mod budget;
mod calendars;
mod delivery;
mod destination;
mod disconnect;
pub mod due;
mod error;
mod import;
mod leave;
pub mod listing;
mod meet;
mod moved;
mod occurrence;
mod pull;
mod push;
pub mod queue;
mod reads;
mod refuse;
#[cfg(test)]
mod replay;
mod sweep;
pub mod translate;
mod traversal;
mod watch;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{GoogleStatus, Job, Notice, UserId};
use google::{Google, Reason, Vault};
use seam::{Clock, Random};
use store::{Due, Plan, Snapshot, Store};
use url::Url;

pub use budget::Pause;
pub use delivery::Delivery;
pub use error::Error;
pub use queue::Queue;
pub use watch::{NotificationAddress, hash_of_token};

use account::Account;
use delivery::Verdict;

/// For how long a running import may be believed to run without another sign of life.
pub const IMPORT_LEASE: TimeDelta = TimeDelta::minutes(15);
/// How often a job starts over at once because another was faster.
const ATTEMPTS: usize = 3;

/// What the runner works with. Cheap to clone.
#[derive(Clone)]
pub struct Sync {
    /// Where everything is.
    pub store: Store,
    /// The other side.
    pub google: Google,
    /// Opens the tokens.
    pub vault: Vault,
    /// Takes what is left to be done.
    pub queue: Queue,
    /// What time it is.
    pub clock: Clock,
    /// Ids and secrets of channels, jitter.
    pub random: Random,
    /// Where Google may send notifications; without it calendars are polled.
    pub notifications: Option<NotificationAddress>,
}

/// How hard to try.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// From when on a job hands what is left to a further message. Well before the function's time-out: the step that is under way is
    /// still done.
    pub until: DateTime<Utc>,
    /// When the step that is under way is broken off, as by a crash: before the function's time-out, which would take every other user's job
    /// of the batch with it.
    pub limit: DateTime<Utc>,
    /// Whether nobody will try again: what must not stay as it is, such as an import that seems to run, is then brought to an end.
    pub is_last_try: bool,
}

/// How a job may end that has not failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Done,
    /// The time is used up; a further message has to go on.
    Unfinished,
}

impl Sync {
    /// Does a job that no message asks for, or of whose messages the queue says nothing.
    ///
    /// # Errors
    /// As [`Sync::deliver`].
    pub async fn run(&self, job: &Job, effort: Effort) -> Result<(), Error> {
        Box::pin(self.deliver(job, None, effort)).await
    }

    /// Does a job that messages of the queue ask for, unless another has done so since they were sent.
    ///
    /// # Errors
    /// Any error; [`Error::is_retryable`] tells whether a later try can succeed. That the user has withdrawn access is not an error.
    /// [`Error::Later`] of [`Pause::Gathering`] concerns this job alone: others of the user need not wait for it.
    pub async fn deliver(&self, job: &Job, delivery: Option<Delivery>, effort: Effort) -> Result<(), Error> {
        let mut attempt = 1;
        loop {
            // Boxed, as are the layers of a call: unoptimised, so many of them are too much for the stack of a test's thread.
            match Box::pin(self.attempt(job, delivery, effort)).await {
                Err(Error::Superseded) if attempt < ATTEMPTS => attempt += 1,
                // The user left meanwhile: nothing is left to do.
                Err(Error::Disconnected) => return Ok(()),
                other => return other,
            }
        }
    }

    async fn attempt(&self, job: &Job, delivery: Option<Delivery>, effort: Effort) -> Result<(), Error> {
        if let Job::Disconnect { user } = job {
            return self.within(effort, Box::pin(self.disconnect(*user, effort.is_last_try))).await;
        }
        let Some(mut account) = self.account(job.user()).await? else { return Ok(()) };
        account.is_last_try = effort.is_last_try;
        let until = effort.until;
        if let (Job::Pull { .. }, Some(delivery)) = (job, delivery) {
            match delivery.verdict(account.pulled_from) {
                Verdict::IsRead => return Ok(()),
                Verdict::Waits(wait) => return Err(Error::Later { why: Pause::Gathering, wait }),
                Verdict::IsDue => {}
            }
        }
        let work = Box::pin(async {
            match job {
                Job::Import { is_repair, .. } => Box::pin(self.import(&mut account, *is_repair, until)).await,
                Job::Pull { .. } => Box::pin(self.pull_and_push(&mut account, delivery, until)).await,
                Job::Poll { .. } => Box::pin(self.poll(&mut account, until)).await,
                Job::Push { .. } => Box::pin(self.push(&mut account, until)).await,
                Job::RenewWatch { .. } => Box::pin(self.renew(&mut account, until)).await,
                // Above: there is no connection any more.
                Job::Disconnect { .. } => Ok(Progress::Done),
                Job::StopStray { channel, resource, .. } => {
                    self.stop_stray(&mut account, channel, resource).await?;
                    Box::pin(self.pull_and_push(&mut account, None, until)).await
                }
            }
        });
        match self.within(effort, work).await {
            Ok(Progress::Done) => Ok(()),
            Ok(Progress::Unfinished) => self.go_on(job).await,
            Err(error) if error.needs_reconnect() => self.revoked(&account).await,
            Err(Error::Google(error)) if error.concerns_everybody() => Err(self.open_breaker(&error).await?),
            Err(Error::Google(error)) if error.is(Reason::UserLimit) => self.pause_writes(&account).await,
            // It has got on, and so will its continuation.
            Err(Error::Later { why: Pause::Budget, .. }) if account.lease.is_some() => self.go_on(job).await,
            Err(error) => self.failed(job, &account, error, effort.is_last_try).await,
        }
    }

    /// Does work, and breaks it off at the limit.
    async fn within<T>(
        &self,
        effort: Effort,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let remaining = (effort.limit - self.clock.now()).to_std().unwrap_or_default();
        tokio::time::timeout(remaining, work).await.unwrap_or(Err(Error::OutOfTime))
    }

    /// What is to be done about a job that could not be done now.
    async fn failed(
        &self,
        job: &Job,
        account: &Account,
        error: Error,
        is_last_try: bool,
    ) -> Result<(), Error> {
        let is_import = matches!(job, Job::Import { .. });
        let is_final = match error {
            Error::Later { why: Pause::Budget | Pause::Project, .. } => false,
            _ => is_last_try || !error.is_retryable(),
        };
        if is_final && is_import {
            self.end_failed_import(account, &error).await?;
        }
        let is_throttled = matches!(error, Error::Later { why: Pause::Throttled, .. });
        if is_throttled && (is_import && is_final || Self::is_given_up(account)) {
            tracing::error!(user = %account.user, %error, "a job is given up");
            return Ok(());
        }
        Err(error)
    }

    /// Hands a job, or the rest of it, to a further message.
    ///
    /// # Errors
    /// Any error of the queue.
    pub async fn go_on(&self, job: &Job) -> Result<(), Error> {
        let unique = hex::encode(self.random.bytes::<16>());
        Ok(self.queue.send(job, &format!("on.{unique}")).await?)
    }

    /// Google has withdrawn our access. That is a state: nothing is deleted, nothing is called any more, and the user is told once.
    async fn revoked(&self, account: &Account) -> Result<(), Error> {
        let user = account.user;
        tracing::warn!(%user, "Google access was withdrawn");
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            let status = connected(snapshot)?;
            let status = GoogleStatus { is_revoked: true, import_until: None, ..status.clone() };
            let mut plan = plan_of(status, [Notice::GoogleRevoked]);
            plan.end_connection(&self.store, user, &account.connection.sealed_refresh)?;
            Ok(plan)
        };
        match self.store.mutate(user, &[], self.clock.now(), plan).await {
            // Connected anew meanwhile, or already known.
            Err(Error::Superseded | Error::Disconnected) => return Ok(()),
            other => other?,
        };
        for due in [Due::Renewal, Due::Poll] {
            self.store.unschedule(due, user).await?;
        }
        Ok(())
    }

    /// Whether the time of this job is used up.
    fn is_over(&self, until: DateTime<Utc>) -> bool {
        self.clock.now() >= until
    }
}

/// The state of the connection, which must stand: nothing is written in the name of one that has ended.
fn connected(snapshot: &Snapshot) -> Result<&GoogleStatus, Error> {
    snapshot.head.google.as_ref().filter(|status| status.stands()).ok_or(Error::Disconnected)
}

/// A plan that moves the state of the connection and tells of it.
fn plan_of(status: GoogleStatus, notices: impl IntoIterator<Item = Notice>) -> Plan {
    let mut plan = Plan::of([]);
    plan.google = Some(status);
    plan.notices.extend(notices);
    plan
}

/// For logs of this crate's callers: which user a job is about, and which job it is, without more.
pub fn describe(job: &Job) -> (&'static str, UserId) {
    let name = match job {
        Job::Import { .. } => "import",
        Job::Pull { .. } => "pull",
        Job::Poll { .. } => "poll",
        Job::Push { .. } => "push",
        Job::RenewWatch { .. } => "renew-watch",
        Job::Disconnect { .. } => "disconnect",
        Job::StopStray { .. } => "stop-stray",
    };
    (name, job.user())
}

/// Reads an address for notifications from the configuration.
///
/// # Errors
/// When it is no URL.
pub fn notification_address(text: &str) -> Result<Option<NotificationAddress>, url::ParseError> {
    Ok(NotificationAddress::new(Url::parse(text)?))
}
