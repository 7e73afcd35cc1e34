//! Reading everything from Google: after connecting, on the user's request, because a sync token is spent, or because the user has selected one more
//! calendar.
//!
//! Nothing is ever wiped. One calendar after the other is read ([`crate::traversal`]), which marks what it sees; afterwards a walk over our own
//! events ([`crate::sweep`]) confirms, one by one at Google, what has no mark, and finds what Google never had, to be sent. Each page and each step
//! of the walk is committed with a checkpoint, so that a further message, or another try, goes on where this one ended. While it runs it holds a
//! lease, renewed with every page: a crash cannot leave `IMPORTING` behind.
//!
//! It costs one call for the list of calendars, one for each page of 2,500 events, and one for each watch.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{GoogleStatus, ImportFlag, ImportOperation, ImportOutcome, ImportStatus, Notice};
use seam::Class;
use store::{CalendarState, Due, Import, ListState, Plan, Snapshot};

use crate::account::Account;
use crate::calendars::is_unread;
use crate::sweep::Marks;
use crate::{Error, IMPORT_LEASE, Progress, Sync, connected, plan_of};

/// How old an import may be that is gone on with. What an older one has marked is no news any more.
const RESUMABLE: TimeDelta = TimeDelta::hours(6);
/// What the web app shows when a repair failed; the second text when Google asked us to slow down.
const FAILED: &str = "Google Calendar repair failed. Please try again.";
const LIMITED: &str =
    "Google Calendar repair hit a Google API limit. Please wait a few minutes and try again.";

impl Sync {
    pub(crate) async fn import(
        &self,
        account: &mut Account,
        is_repair: bool,
        until: DateTime<Utc>,
    ) -> Result<Progress, Error> {
        match account.status.import {
            // A second delivery: the import has ended.
            ImportFlag::Completed | ImportFlag::Errored => return Ok(Progress::Done),
            ImportFlag::Importing | ImportFlag::Restart => {}
        }
        if self.is_resumable(account, is_repair) {
            self.adopt_list(account).await?;
        } else {
            self.read_list(account).await?;
            self.adopt_list(account).await?;
            self.begin(account, is_repair).await?;
        }
        self.go_through(account, until).await
    }

    /// Whether the import that is stored is the one that is asked for: one that died long ago is not, nor one that read less.
    fn is_resumable(&self, account: &Account, is_repair: bool) -> bool {
        let now = self.clock.now();
        let stored = account.list.import.as_ref();
        stored.is_some_and(|import| import.is_repair == is_repair && now < import.begun_at + RESUMABLE)
    }

    async fn begin(&self, account: &mut Account, is_repair: bool) -> Result<(), Error> {
        let now = self.clock.now();
        let is_pending = |state: &&CalendarState| !state.is_leaving() && (is_repair || is_unread(state));
        let pending = account.calendars.iter().filter(is_pending).map(|state| state.calendar.clone());
        let import = Import {
            traversal: account.list.generation + 1,
            begun_at: now,
            is_repair,
            is_second: false,
            restarts: 0,
            pending: pending.collect(),
            read: Vec::new(),
            events: 0,
            after: None,
            expected: 0,
            missing: 0,
        };
        let list = ListState { import: Some(import), ..account.list.clone() };
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            let status = leased(connected(snapshot)?, now);
            let mut plan = plan_of(status, [Notice::ImportStarted]);
            plan.put_list(&self.store, account.user, &list)?;
            Ok(plan)
        };
        self.store.mutate(account.user, &[], now, plan).await?;
        account.status = leased(&account.status, now);
        account.list = ListState { generation: list.generation + 1, ..list };
        Ok(())
    }

    /// Begins an import again, with marks of its own: what was seen before may be gone since.
    pub(crate) async fn begin_again(&self, account: &mut Account, import: &Import) -> Result<(), Error> {
        let again = Import {
            traversal: account.list.generation + 1,
            pending: import.read.iter().chain(&import.pending).cloned().collect(),
            read: Vec::new(),
            events: 0,
            after: None,
            expected: 0,
            missing: 0,
            ..import.clone()
        };
        let list = ListState { import: Some(again), ..account.list.clone() };
        self.put_list(account, list).await
    }

    async fn go_through(&self, account: &mut Account, until: DateTime<Utc>) -> Result<Progress, Error> {
        // First the watches, then the reading: what changes while we read is told to us.
        self.watch_all(account).await?;
        let mut marks = Marks::default();
        while let Some(import) = account.list.import.clone() {
            match import.pending.first() {
                Some(calendar) => self.read_more(account, &import, calendar).await?,
                None => self.walk(account, &import, &mut marks).await?,
            }
            if account.list.import.is_some() && self.is_over(until) {
                return Ok(Progress::Unfinished);
            }
        }
        Ok(Progress::Done)
    }

    pub(crate) async fn end(&self, account: &mut Account, import: &Import) -> Result<(), Error> {
        let list = ListState { import: None, ..account.list.clone() };
        let outcome = ImportOutcome {
            operation: operation(import.is_repair),
            status: ImportStatus::Completed,
            message: None,
            events_count: Some(import.events),
            calendars_count: Some(u32::try_from(import.read.len()).unwrap_or(u32::MAX)),
        };
        // What could not be sent before has no message any more that says so.
        let to_send = Notice::Wanted(domain::Job::Push { user: account.user });
        let poll_at = self.next_poll(account);
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            let status = connected(snapshot)?.clone();
            let status = GoogleStatus { import: ImportFlag::Completed, import_until: None, ..status };
            let mut plan = plan_of(status, [Notice::ImportEnded(outcome.clone()), to_send.clone()]);
            plan.put_list(&self.store, account.user, &list)?;
            plan.schedule(&self.store, Due::Poll, account.user, poll_at)?;
            Ok(plan)
        };
        self.store.mutate(account.user, &[], self.clock.now(), plan).await?;
        account.list = ListState { generation: list.generation + 1, ..list };
        Ok(())
    }

    /// An import that nobody will try again is over, and the user is told.
    pub(crate) async fn end_failed_import(&self, account: &Account, error: &Error) -> Result<(), Error> {
        let message = if error.class() == Class::Throttled { LIMITED } else { FAILED };
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            let Some(status) = &snapshot.head.google else { return Ok(Plan::default()) };
            if !status.stands() || status.import != ImportFlag::Importing {
                return Ok(Plan::default());
            }
            let is_repair = is_repair(account);
            let outcome = ImportOutcome {
                operation: operation(is_repair),
                status: ImportStatus::Errored,
                message: Some(message.to_owned()),
                events_count: None,
                calendars_count: None,
            };
            let status = GoogleStatus { import: ImportFlag::Errored, import_until: None, ..status.clone() };
            Ok(plan_of(status, [Notice::ImportEnded(outcome)]))
        };
        self.store.mutate(account.user, &[], self.clock.now(), plan).await?;
        Ok(())
    }
}

fn is_repair(account: &Account) -> bool {
    match &account.list.import {
        Some(import) => import.is_repair,
        // It was at no page yet: calendars that were read before are being repaired.
        None => account.calendars.iter().any(|state| state.sync_token.is_some()),
    }
}

fn operation(is_repair: bool) -> ImportOperation {
    if is_repair { ImportOperation::Repair } else { ImportOperation::Incremental }
}

/// The state of a connection whose import shows a sign of life at `now`.
pub(crate) fn leased(status: &GoogleStatus, now: DateTime<Utc>) -> GoogleStatus {
    let import_until = Some(now + IMPORT_LEASE);
    GoogleStatus { import: ImportFlag::Importing, import_until, ..status.clone() }
}
