//! Reading everything from Google: after connecting, on the user's request, or because the sync token is spent.
//!
//! Nothing is ever wiped. A traversal marks what it sees; afterwards a walk over our own events confirms, one by one at Google, what has no
//! mark, and finds what Google never had, to be sent. Each page and each step of the walk is committed with a
//! checkpoint, so that a further message, or another try, goes on where this one ended. While it runs it holds a lease, renewed with
//! every page: a crash cannot leave `IMPORTING` behind.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::sync::{self, Exception, Resolution, Theirs};
use domain::{
    Address, EventId, GoogleEventId, GoogleStatus, ImportFlag, ImportOperation, ImportOutcome, ImportStatus,
    Job, Link, Notice, Origin, Record, Role, Tag,
};
use google::calendar::{EventPage, Traversal};
use google::{Reason, calendar};
use seam::Class;
use store::{CalendarState, Checkpoint, Due, FamilyOf, Plan, Position, Reads, Snapshot};

use crate::account::Account;
use crate::apply::{Page, issue};
use crate::{Error, IMPORT_LEASE, Progress, Sync, connected, plan_of, reads, translate};

/// The calendar that is read.
const PRIMARY: &str = "primary";
/// How many of our events one step of the walk looks at.
const STEP: usize = 40;
/// What the web app shows when a repair failed; the second text when Google asked us to slow down.
const FAILED: &str = "Google Calendar repair failed. Please try again.";
const LIMITED: &str =
    "Google Calendar repair hit a Google API limit. Please wait a few minutes and try again.";

/// What a traversal has come to.
#[derive(Clone, Copy)]
struct Tally {
    traversal: u64,
    pages: u32,
    events: u32,
    is_repair: bool,
}

impl Sync {
    pub(crate) async fn import(
        &self,
        account: &mut Account,
        is_repair: bool,
        until: DateTime<Utc>,
    ) -> Result<Progress, Error> {
        let running = account
            .calendars
            .iter()
            .find(|state| state.checkpoint.as_ref().is_some_and(Checkpoint::is_import));
        let state = match (account.status.import, running.cloned()) {
            // A second delivery: the import has ended.
            (ImportFlag::Completed | ImportFlag::Errored, _) => return Ok(Progress::Done),
            (ImportFlag::Importing | ImportFlag::Restart, Some(state)) => state,
            (ImportFlag::Importing | ImportFlag::Restart, None) => {
                let state = self.primary(account).await?;
                self.begin(account, state, is_repair).await?
            }
        };
        self.go_through(account, state, until).await
    }

    /// Asks for everything to be read anew, because the sync token is spent. The asking is a write: it is done once, and not lost.
    pub(crate) async fn ask_for_repair(&self, account: &Account) -> Result<(), Error> {
        let (user, now) = (account.user, self.clock.now());
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            let status = connected(snapshot)?;
            if status.is_importing(now) {
                return Ok(Plan::default());
            }
            let wanted = Notice::Wanted(Job::Import { user, is_repair: true });
            Ok(plan_of(leased(status, now), [wanted]))
        };
        self.store.mutate(user, &[], now, plan).await?;
        Ok(())
    }

    /// The state of the user's primary calendar, as it is stored or new.
    async fn primary(&self, account: &mut Account) -> Result<CalendarState, Error> {
        let listed =
            self.call(account, async |google, access| google.calendar(access, PRIMARY).await).await?;
        let stored = account.calendars.iter().find(|state| state.calendar == listed.id).cloned();
        let mut state = stored.unwrap_or_else(|| CalendarState::new(listed.id));
        state.time_zone = listed.time_zone;
        Ok(state)
    }

    async fn begin(
        &self,
        account: &mut Account,
        mut state: CalendarState,
        is_repair: bool,
    ) -> Result<CalendarState, Error> {
        let traversal = state.generation + 1;
        state.checkpoint = Some(Checkpoint::Full { traversal, page: None, pages: 0, events: 0, is_repair });
        let now = self.clock.now();
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            let status = leased(connected(snapshot)?, now);
            let mut plan = plan_of(status, [Notice::ImportStarted]);
            plan.put_calendar(&self.store, account.user, &state)?;
            Ok(plan)
        };
        self.store.mutate(account.user, &[], now, plan).await?;
        account.status = leased(&account.status, now);
        Ok(CalendarState { generation: state.generation + 1, ..state })
    }

    async fn go_through(
        &self,
        account: &mut Account,
        mut state: CalendarState,
        until: DateTime<Utc>,
    ) -> Result<Progress, Error> {
        // First the watch, then the reading: what changes while we read is told to us.
        self.watch(account, &mut state).await?;
        let mut marks = None;
        loop {
            match state.checkpoint.clone() {
                Some(Checkpoint::Full { traversal, page, pages, events, is_repair }) => {
                    let tally = Tally { traversal, pages, events, is_repair };
                    self.read_page(account, &mut state, page, tally).await?;
                }
                Some(Checkpoint::Sweep { traversal, pages, events, is_repair, after }) => {
                    let tally = Tally { traversal, pages, events, is_repair };
                    let seen = match marks.take() {
                        Some(seen) => seen,
                        None => self.store.marks(account.user, &state.calendar, traversal).await?,
                    };
                    self.walk(account, &mut state, after, &seen, tally).await?;
                    marks = Some(seen);
                }
                Some(Checkpoint::Delta { .. }) | None => return Ok(Progress::Done),
            }
            if state.checkpoint.is_some() && self.is_over(until) {
                return Ok(Progress::Unfinished);
            }
        }
    }

    async fn read_page(
        &self,
        account: &mut Account,
        state: &mut CalendarState,
        page_token: Option<String>,
        tally: Tally,
    ) -> Result<(), Error> {
        let calendar = state.calendar.clone();
        let traversal = Traversal { sync_token: None, page_token };
        let page = self
            .call(account, async |google, access| google.events(access, &calendar, &traversal).await)
            .await;
        match page {
            Err(error) if error.is(Reason::PageTokenGone) && traversal.page_token.is_some() => {
                // Begin again; what is marked stays marked.
                let Tally { traversal, pages, events, is_repair } = tally;
                state.checkpoint = Some(Checkpoint::Full { traversal, page: None, pages, events, is_repair });
                Ok(())
            }
            other => self.take_page(account, state, other?, tally).await,
        }
    }

    async fn take_page(
        &self,
        account: &mut Account,
        state: &mut CalendarState,
        page: EventPage,
        tally: Tally,
    ) -> Result<(), Error> {
        let sorted = Page::sort_out(&page.items);
        self.park_unreadable(account.user, &sorted).await?;
        let Tally { traversal, pages, events, is_repair } = tally;
        let (pages, events) = (pages + 1, events + sorted.live);
        let mut next = state.clone();
        match page.next_page_token {
            Some(token) => {
                let page = Some(token);
                next.checkpoint = Some(Checkpoint::Full { traversal, page, pages, events, is_repair });
            }
            None => {
                next.sync_token = Some(page.next_sync_token.ok_or(Error::NoSyncToken)?);
                next.checkpoint =
                    Some(Checkpoint::Sweep { traversal, pages, events, is_repair, after: None });
            }
        }
        let now = self.clock.now();
        let unreadable = sorted.unreadable.iter().map(|entry| entry.id);
        let seen: Vec<EventId> = sorted.events.iter().map(Theirs::id).chain(unreadable).collect();
        let origin = if is_repair { Origin::Google } else { Origin::GoogleImport };
        let mark = (state.calendar.as_str(), traversal, pages);
        self.apply(account.user, &sorted.events, origin, |plan: &mut Plan, snapshot: &Snapshot| {
            plan.google = Some(leased(connected(snapshot)?, now));
            plan.mark(&self.store, account.user, mark, &seen, now)?;
            Ok(plan.put_calendar(&self.store, account.user, &next)?)
        })
        .await?;
        next.generation += 1;
        *state = next;
        Ok(())
    }

    /// A step of the walk over our own events; the last one ends the import.
    async fn walk(
        &self,
        account: &mut Account,
        state: &mut CalendarState,
        after: Option<Position>,
        seen: &BTreeSet<EventId>,
        tally: Tally,
    ) -> Result<(), Error> {
        let records = self.store.records_after(account.user, after.as_ref(), STEP).await?;
        let Some(last) = records.last().map(|record| Position::at(account.user, record)) else {
            return self.end(account, state, tally).await;
        };
        let missing = self.confirm_missing(account, &state.calendar, &records, seen).await?;
        let Tally { traversal, pages, events, is_repair } = tally;
        let mut next = state.clone();
        next.checkpoint = Some(Checkpoint::Sweep { traversal, pages, events, is_repair, after: Some(last) });
        let now = self.clock.now();
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            let mut plan = plan_of(leased(connected(snapshot)?, now), []);
            let mut current = snapshot.records.clone();
            for theirs in &missing {
                let Resolution { steps, conflicts } = sync::resolve(&current, theirs, Origin::Google, now);
                current.apply(&steps);
                plan.steps = plan.steps.then(steps);
                for conflict in conflicts {
                    plan.record_issue(&self.store, account.user, &issue(conflict, now))?;
                }
            }
            for address in records.iter().map(Record::address) {
                let steps = sync::unsent(&current, address);
                current.apply(&steps);
                plan.steps = plan.steps.then(steps);
            }
            plan.put_calendar(&self.store, account.user, &next)?;
            Ok(plan)
        };
        self.store.mutate(account.user, walk_reads(&records, &missing), now, plan).await?;
        next.generation += 1;
        *state = next;
        Ok(())
    }

    /// Asks Google for each event that should have been seen and was not: a list that came out short deletes nothing.
    async fn confirm_missing(
        &self,
        account: &mut Account,
        calendar: &str,
        records: &[Record],
        seen: &BTreeSet<EventId>,
    ) -> Result<Vec<Theirs>, Error> {
        let mut confirmed = Vec::new();
        let unseen = records
            .iter()
            .filter(|record| record.live().is_some() && !record.is_dirty && !seen.contains(&record.event.id));
        for record in unseen {
            let Some(link) = &record.link else { continue };
            let found = self.look_up(account, calendar, &link.id).await?;
            let theirs = match found {
                Some(event) => translate::read(&event).ok(),
                None => self.forgotten(account, record, link).await?,
            };
            confirmed.extend(theirs);
        }
        Ok(confirmed)
    }

    /// What it means that Google knows nothing of a copy.
    async fn forgotten(
        &self,
        account: &Account,
        record: &Record,
        link: &Link,
    ) -> Result<Option<Theirs>, Error> {
        let Role::Exception { series, slot } = record.role else {
            return Ok(Some(Theirs::Gone(link.id.clone())));
        };
        let address = Address::Series(Tag::of(series));
        let records = self.store.records(account.user, [address]).await?;
        let series = records.get(address).and_then(|record| record.link.as_ref());
        // Without its series at Google an exception is nothing there either way.
        Ok(series.map(|series| {
            let exception = Exception { id: link.id.clone(), series: series.id.clone(), slot, copy: None };
            Theirs::Exception(Box::new(exception))
        }))
    }

    /// An event as Google has it now; `None` when there is none.
    pub(crate) async fn look_up(
        &self,
        account: &mut Account,
        calendar: &str,
        id: &GoogleEventId,
    ) -> Result<Option<calendar::Event>, Error> {
        let found = self
            .call(account, async |google, access| google.event(access, calendar, id.as_str()).await)
            .await;
        match found {
            Err(error) if error.is(Reason::NotFound) || error.is(Reason::AlreadyDeleted) => Ok(None),
            other => other.map(Some),
        }
    }

    async fn end(&self, account: &mut Account, state: &mut CalendarState, tally: Tally) -> Result<(), Error> {
        let mut next = state.clone();
        next.checkpoint = None;
        let outcome = ImportOutcome {
            operation: operation(tally.is_repair),
            status: ImportStatus::Completed,
            message: None,
            events_count: Some(tally.events),
            calendars_count: Some(1),
        };
        // What could not be sent before has no message any more that says so.
        let to_send = Notice::Wanted(Job::Push { user: account.user });
        let poll_at = self.next_poll(&next);
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            let status = connected(snapshot)?.clone();
            let status = GoogleStatus { import: ImportFlag::Completed, import_until: None, ..status };
            let mut plan = plan_of(status, [Notice::ImportEnded(outcome.clone()), to_send.clone()]);
            plan.put_calendar(&self.store, account.user, &next)?;
            plan.schedule(&self.store, Due::Poll, account.user, poll_at)?;
            Ok(plan)
        };
        self.store.mutate(account.user, &[], self.clock.now(), plan).await?;
        next.generation += 1;
        *state = next;
        Ok(())
    }

    /// An import that nobody will try again is over, and the user is told.
    pub(crate) async fn end_failed_import(&self, account: &Account, error: &Error) -> Result<(), Error> {
        let message = if error.class() == Class::Throttled { LIMITED } else { FAILED };
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            let Some(status) = &snapshot.head.google else { return Ok(Plan::default()) };
            if status.is_revoked || status.import != ImportFlag::Importing {
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

/// What a step of the walk has to know: what it looks at, with the series of exceptions, and the exceptions of series that were never sent.
fn walk_reads(records: &[Record], missing: &[Theirs]) -> Reads {
    let series = records.iter().filter_map(|record| match record.role {
        Role::Exception { series, .. } => Some(Address::Series(Tag::of(series))),
        Role::Single | Role::Series(_) => None,
    });
    let unsent = records.iter().filter(|record| record.series().is_some() && record.link.is_none());
    reads::of(missing).and(
        records.iter().map(Record::address).chain(series),
        unsent.map(|record| FamilyOf::Stored(record.event.id)),
    )
}

fn is_repair(account: &Account) -> bool {
    account.calendars.iter().any(|state| match state.checkpoint {
        Some(Checkpoint::Full { is_repair, .. } | Checkpoint::Sweep { is_repair, .. }) => is_repair,
        // It was at no page yet: a calendar that was read before is being repaired.
        Some(Checkpoint::Delta { .. }) | None => state.sync_token.is_some(),
    })
}

fn operation(is_repair: bool) -> ImportOperation {
    if is_repair { ImportOperation::Repair } else { ImportOperation::Incremental }
}

/// The state of a connection whose import shows a sign of life at `now`.
fn leased(status: &GoogleStatus, now: DateTime<Utc>) -> GoogleStatus {
    let import_until = Some(now + IMPORT_LEASE);
    GoogleStatus { import: ImportFlag::Importing, import_until, ..status.clone() }
}
