//! What Google will not take. A single event that it refuses is put aside. Edits in a calendar that may not be written to are taken back, and kept for the
//! user to read.
//!
//! The event becomes again what Google has, by the same rules by which a change of Google's is taken: as if what was edited here had been agreed, and
//! Google had since gone back to its own version. What Google never had goes.

use chrono::{DateTime, Utc};
use domain::sync::{self, Copy, Exception, Theirs, Version};
use domain::{Address, Change, Origin, Record, Records, Role, Series, Slot, Steps, Tag, Views};
use store::{Issue, IssueKind, Plan, Reads, Snapshot};

use crate::account::Account;
use crate::leave::unversioned;
use crate::{Error, Sync, connected, reads};

impl Sync {
    /// Takes an edit back, unless it has been replaced by another one.
    pub(crate) async fn refuse(&self, account: &Account, record: &Record, reason: &str) -> Result<(), Error> {
        let (address, now) = (record.address(), self.clock.now());
        tracing::info!(user = %account.user, event = %record.event.id, reason, "an edit is taken back");
        let theirs = last_agreed(record);
        let series = match record.role {
            Role::Exception { series, .. } => Some(Address::Series(Tag::of(series))),
            Role::Single | Role::Series(_) => None,
        };
        let reads = theirs.as_ref().map_or_else(Reads::default, |theirs| reads::of([theirs]));
        let reads = reads.and([address].into_iter().chain(series), []);
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            connected(snapshot)?;
            let stored = snapshot.records.get(address).filter(|stored| stored.rev == record.rev);
            let Some(stored) = stored.filter(|stored| stored.is_dirty) else { return Ok(Plan::default()) };
            let mut plan = Plan::steps(taken_back(&snapshot.records, stored, theirs.as_ref(), now));
            let (lost, reason) = (Box::new(Version::of(stored)), reason.to_owned());
            let kind = IssueKind::TakenBack { lost, reason };
            plan.record_issue(&self.store, account.user, &Issue { event: stored.event.id, kind, at: now })?;
            Ok(plan)
        };
        self.store.mutate(account.user, reads, now, plan).await?;
        Ok(())
    }

    /// Has the user read why an edit does not reach Google, although it is tried again at each poll: once, so at the time of the edit.
    pub(crate) async fn tell_of(
        &self,
        account: &Account,
        address: Address,
        error: &Error,
    ) -> Result<(), Error> {
        let reason = error.to_string();
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            connected(snapshot)?;
            let mut plan = Plan::default();
            if let Some(record) = snapshot.records.get(address).filter(|record| record.is_dirty) {
                let kind = IssueKind::Parked { reason: reason.clone() };
                let issue = Issue { event: record.event.id, kind, at: record.event.updated_at };
                plan.record_issue(&self.store, account.user, &issue)?;
            }
            Ok(plan)
        };
        self.store.mutate(account.user, Reads::at([address], []), self.clock.now(), plan).await?;
        Ok(())
    }

    /// Puts an event aside that Google refuses: it is kept here and not tried again until it changes.
    pub(crate) async fn park(
        &self,
        account: &Account,
        record: &Record,
        error: &google::Error,
    ) -> Result<(), Error> {
        let (event, at) = (record.event.id, self.clock.now());
        tracing::warn!(user = %account.user, %event, %error, "Google refuses an event");
        let kind = IssueKind::Parked { reason: error.to_string() };
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            connected(snapshot)?;
            let mut plan = Plan::default();
            plan.record_issue(&self.store, account.user, &Issue { event, kind: kind.clone(), at })?;
            Ok(plan)
        };
        self.store.mutate(account.user, &[], at, plan).await?;
        Ok(self.store.settle(account.user, record, record.link.as_ref(), at).await?)
    }
}

/// What Google had last, as far as we know, as if it said so now; nothing of what it has no copy of.
fn last_agreed(record: &Record) -> Option<Theirs> {
    let link = record.link.clone()?;
    let Role::Exception { slot, .. } = record.role else {
        if !link.has_copy() {
            return None;
        }
        return Some(Theirs::Live(Box::new(Copy { link, origin: None })));
    };
    let (id, text) = (link.id.clone(), link.id.as_str());
    let series = text.rsplit_once('_').map_or(text, |(series, _)| series);
    let series = domain::GoogleEventId::within(link.id.home().clone(), series);
    // A cancelled occurrence has no version.
    let copy = link.has_copy().then_some(Copy { link, origin: None });
    Some(Theirs::Exception(Box::new(Exception { id, series, slot, copy })))
}

fn taken_back(records: &Records, stored: &Record, theirs: Option<&Theirs>, now: DateTime<Utc>) -> Steps {
    let Some((link, theirs)) = stored.link.as_ref().zip(theirs) else { return unmade(records, stored) };
    let mut event = stored.event.clone();
    (event.is_someday, event.google_id) = (false, Some(link.id.clone()));
    let agreed = domain::Link { base: stored.shared(), ..unversioned(link) };
    let back = Record { event, is_dirty: false, ..stored.clone() };
    let agreed = Record { link: Some(agreed), ..back.clone() };
    let mut records = records.clone();
    records.insert(agreed);
    let mut steps = sync::resolve(&records, theirs, Origin::Google, now).steps;
    let before = stored.live().map(Views::of).unwrap_or_default();
    let mut is_own = false;
    for change in [&mut steps.prepare, &mut steps.commit, &mut steps.clean].into_iter().flatten() {
        if change.record.address() == stored.address() {
            change.views = change.views.union(before);
            is_own = true;
        }
    }
    if !is_own {
        // It is as it was, which no client can see; or it was put aside, and lies there again.
        let change = Change::new(Some(stored), back);
        let views = if stored.event.is_someday { change.views } else { Views::default() };
        steps.commit.push(Change { views, ..change });
    }
    steps
}

/// The end of what Google never had: an exception leaves its occurrence as the series makes it.
fn unmade(records: &Records, stored: &Record) -> Steps {
    let mut steps = Steps { commit: vec![Change::delete(stored, false)], ..Steps::default() };
    if let Role::Exception { series, slot } = stored.role {
        let base = records.get(Address::Series(Tag::of(series))).filter(|base| base.event.id == series);
        steps.commit.extend(base.and_then(|base| unlisted(base, slot)));
    }
    steps
}

/// A series without one of the slots that it lists.
fn unlisted(base: &Record, slot: Slot) -> Option<Change> {
    let mut series: Series = base.series().filter(|series| series.exceptions.contains(&slot))?.clone();
    series.exceptions.remove(&slot);
    let record = Record { role: Role::Series(series), ..base.clone() };
    Some(Change { record, views: Views::of(&base.event) })
}
