//! The walk over our own events that ends an import: what a calendar should have shown and did not is asked for one by one, and what Google never had,
//! or has refused, is sent to it once more.
//!
//! A list that comes out short deletes nothing. When it is much too short, not even the questions are asked: everything is read a second time, and the
//! operator is told.

use std::collections::BTreeSet;

use domain::sync::{self, Exception, Resolution, Theirs};
use domain::{Address, EventId, GoogleEventId, Home, Link, Origin, Record, Role, Tag};
use google::{Reason, calendar};
use store::{FamilyOf, Import, ListState, Plan, Position, Reads, Snapshot};

use crate::account::Account;
use crate::apply::issue;
use crate::import::leased;
use crate::{Error, Sync, connected, plan_of, reads, translate};

/// How many of our events one step of the walk looks at.
const STEP: usize = 40;
/// So many events may be missing whatever their part is.
const FEW: u32 = 20;

/// What an import has marked; read once per job.
#[derive(Default)]
pub(crate) struct Marks(Option<(u64, BTreeSet<EventId>)>);

impl Sync {
    /// A step of the walk over our own events; the last one ends the import.
    pub(crate) async fn walk(
        &self,
        account: &mut Account,
        import: &Import,
        marks: &mut Marks,
    ) -> Result<(), Error> {
        let records = self.store.records_after(account.user, import.after.as_ref(), STEP).await?;
        let Some(last) = records.last().map(|record| Position::at(account.user, record)) else {
            return self.end(account, import).await;
        };
        let seen = self.marks(account, import, marks).await?;
        let homes = homes(account, import);
        let expected: Vec<&Record> = records.iter().filter(|record| is_expected(record, &homes)).collect();
        let missing: Vec<&Record> =
            expected.iter().copied().filter(|record| !seen.contains(&record.mark())).collect();
        let next = Import {
            after: Some(last),
            expected: import.expected + count(&expected),
            missing: import.missing + count(&missing),
            ..import.clone()
        };
        if is_suspicious(&next) && !import.is_second {
            return self.read_again(account, import, &next).await;
        }
        let shown = records.iter().filter(|record| record.is_deleted && seen.contains(&record.mark()));
        let shown: Vec<Address> = shown.map(Record::address).collect();
        let confirmed = self.confirm_missing(account, &missing).await?;
        self.take_step(account, next, &records, (&confirmed, &shown)).await
    }

    /// Much too little was there: everything is read a second time before anything is believed to be gone.
    async fn read_again(&self, account: &mut Account, import: &Import, found: &Import) -> Result<(), Error> {
        let Import { expected, missing, .. } = *found;
        tracing::error!(
            alarm = "google", user = %account.user, expected, missing, "a calendar came out much too short, and is read a second time"
        );
        self.begin_again(account, &Import { is_second: true, ..import.clone() }).await
    }

    /// Writes down what follows from what was found: what is missing at Google, and what is shown there and deleted here.
    async fn take_step(
        &self,
        account: &mut Account,
        import: Import,
        records: &[Record],
        (missing, shown): (&[Theirs], &[Address]),
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let list = ListState { import: Some(import), ..account.list.clone() };
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            let mut plan = plan_of(leased(connected(snapshot)?, now), []);
            let mut current = snapshot.records.clone();
            for theirs in missing {
                let Resolution { steps, conflicts, .. } =
                    sync::resolve(&current, theirs, Origin::Google, now);
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
            for address in shown {
                plan.steps = plan.steps.then(sync::undeleted(&current, *address));
            }
            plan.put_list(&self.store, account.user, &list)?;
            Ok(plan)
        };
        self.store.mutate(account.user, walk_reads(records, missing), now, plan).await?;
        account.list = ListState { generation: list.generation + 1, ..list };
        Ok(())
    }

    /// All that this import has marked, in all of its calendars: an id says which calendar it is of.
    async fn marks<'a>(
        &self,
        account: &Account,
        import: &Import,
        marks: &'a mut Marks,
    ) -> Result<&'a BTreeSet<EventId>, Error> {
        let is_read = marks.0.as_ref().is_some_and(|(traversal, _)| *traversal == import.traversal);
        if !is_read {
            let mut seen = BTreeSet::new();
            for calendar in &import.read {
                seen.append(&mut self.store.marks(account.user, calendar, import.traversal).await?);
            }
            marks.0 = Some((import.traversal, seen));
        }
        Ok(&marks.0.get_or_insert_default().1)
    }

    /// Asks Google for each event that should have been seen and was not.
    async fn confirm_missing(
        &self,
        account: &mut Account,
        missing: &[&Record],
    ) -> Result<Vec<Theirs>, Error> {
        let mut confirmed = Vec::new();
        for record in missing {
            let Some(link) = &record.link else { continue };
            let Some(calendar) = account.calendar(link.id.home()) else { continue };
            let theirs = match self.look_up(account, &calendar, &link.id).await? {
                Some(event) => translate::read(&event, link.id.home()).ok(),
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
}

/// The calendars that were read, as ids name them.
fn homes(account: &Account, import: &Import) -> BTreeSet<Home> {
    let is_read = |calendar: &str| import.read.iter().any(|read| read == calendar);
    account
        .calendars
        .iter()
        .filter(|state| is_read(&state.calendar))
        .map(store::CalendarState::home)
        .collect()
}

/// Whether an event should have been seen when these calendars were read.
fn is_expected(record: &Record, homes: &BTreeSet<Home>) -> bool {
    let is_there = |link: &Link| homes.contains(link.id.home());
    let is_on_grid = record.live().is_some_and(|event| !event.is_someday);
    is_on_grid && !record.is_dirty && record.link.as_ref().is_some_and(is_there)
}

/// Whether so much is missing that it is rather the list that is wrong.
fn is_suspicious(import: &Import) -> bool {
    import.missing >= FEW && import.missing > import.expected / 2
}

fn count(records: &[&Record]) -> u32 {
    u32::try_from(records.len()).unwrap_or(u32::MAX)
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
