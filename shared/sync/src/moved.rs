//! An event that was moved to another calendar at Google while it was edited here.
//!
//! Google leaves a deleted stub in the one calendar and puts a copy with the same id into the other. An event that nobody edited here needs nothing: its
//! end here and its copy there are told like any others, and an event's id follows from where it lies. But an edit must not revive the stub: it goes
//! where the event went, and is merged with what it meets there.

use domain::sync::{self, Conflict, Resolution, Theirs};
use domain::{
    Address, Change, EventId, GoogleEventId, Home, Link, Origin, Record, Records, Role, Steps, Tag,
};
use google::calendar;
use store::{FamilyOf, Plan, Snapshot};

use crate::account::Account;
use crate::apply::issue;
use crate::leave::unversioned;
use crate::push::read;
use crate::{Error, Sync, connected, reads};

impl Sync {
    /// Takes an edit after its event, if that has been moved to another calendar that is synced. Whether it has.
    pub(crate) async fn follow(&self, account: &mut Account, record: &Record) -> Result<bool, Error> {
        let Some(link) = record.link.clone().filter(|_| record.live().is_some()) else { return Ok(false) };
        if matches!(record.role, Role::Exception { .. }) {
            return Ok(false);
        }
        let others: Vec<(String, Home)> = account
            .calendars
            .iter()
            .filter(|state| !state.is_parked && !state.is_leaving() && state.home() != *link.id.home())
            .map(|state| (state.calendar.clone(), state.home()))
            .collect();
        for (calendar, home) in others {
            let there = GoogleEventId::within(home, link.id.as_str());
            let found = self.look_up(account, &calendar, &there).await?;
            if let Some(found) = found.filter(|found| !found.is_cancelled()) {
                self.transfer(account, record, &found, there.home()).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn transfer(
        &self,
        account: &Account,
        record: &Record,
        found: &calendar::Event,
        home: &Home,
    ) -> Result<(), Error> {
        let theirs = read(found, home)?;
        let (address, now) = (record.address(), self.clock.now());
        let reads = reads::of([&theirs]).and([address], [FamilyOf::Stored(record.event.id)]);
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            connected(snapshot)?;
            let stored = snapshot.records.get(address).filter(|stored| stored.rev == record.rev);
            let Some((stored, link)) = stored.and_then(|stored| Some((stored, stored.link.as_ref()?))) else {
                return Ok(Plan::default());
            };
            let mut records = snapshot.records.clone();
            records.insert(carried(&snapshot.records, stored, link, &theirs));
            let Resolution { steps, conflicts, .. } = sync::resolve(&records, &theirs, Origin::Google, now);
            let left = Record { link: Some(unversioned(link)), ..stored.clone() };
            let mut plan = Plan::steps(
                steps.then(Steps { commit: vec![Change::delete(&left, false)], ..Steps::default() }),
            );
            let lost = unsent_exceptions(&snapshot.records, stored.event.id);
            for conflict in conflicts.into_iter().chain(lost) {
                plan.record_issue(&self.store, account.user, &issue(conflict, now))?;
            }
            Ok(plan)
        };
        self.store.mutate(account.user, reads, now, plan).await?;
        Ok(())
    }
}

/// The edited event where it is now: with what was agreed before, so that the edit and whatever was changed there are merged.
fn carried(records: &Records, stored: &Record, link: &Link, theirs: &Theirs) -> Record {
    let id: EventId = theirs.id();
    let mut event = stored.event.clone();
    (event.id, event.google_id) = (id, Some(theirs.google_id().clone()));
    let link = Link { id: theirs.google_id().clone(), ..unversioned(link) };
    let address = match stored.role {
        Role::Series(_) => Address::Series(Tag::of(id)),
        Role::Single | Role::Exception { .. } => Address::Single(id),
    };
    let (rev, seen) = records.get(address).map(|there| (there.rev, there.seen)).unwrap_or_default();
    Record { rev, seen, is_dirty: true, ..Record::new(event, stored.role.clone(), Some(link)) }
}

/// Edits of occurrences that stay behind with the stub of their series.
fn unsent_exceptions(records: &Records, id: EventId) -> Vec<Conflict> {
    let is_lost = |record: &&Record| {
        matches!(record.role, Role::Exception { series, .. } if series == id)
            && record.is_dirty
            && !record.is_deleted
    };
    let lost = records.iter().filter(is_lost);
    lost.map(|record| Conflict::of(record, Vec::new())).collect()
}
