//! What is done when Google has something else under an id than we thought: an update that is out of date, and an insert whose id is taken.
//!
//! An id is nearly always taken by an earlier try of ours whose answer was lost. Somebody may have deleted it there since: then it is deleted, unless it was edited here
//! after it was sent. That is told by the place in the log that a write carries, and by no clock. What was not written for the event keeps its id, and the
//! event gets another one.

use chrono::{DateTime, Utc};
use domain::sync::{self, Resolution, Theirs};
use domain::{GoogleEventId, Home, Link, Origin, Record, Records};
use google::{Reason, calendar};
use store::{FamilyOf, Plan, Reads, Snapshot};

use crate::account::Account;
use crate::apply::Page;
use crate::apply::issue;
use crate::destination::There;
use crate::push::{Sent, read, settled};
use crate::{Error, Sync, connected, translate};

/// How many ids are tried for an event.
const IDS: usize = 3;

/// What an insert has met under its id.
pub(crate) enum Taken {
    /// An earlier try of ours, perhaps deleted since.
    ByEarlierTry,
    /// An earlier try of ours, deleted since and not edited here: it is deleted here as well.
    Withdrawn,
    /// Something else; this is the next id to try.
    ByAnother(GoogleEventId),
}

impl Sync {
    /// What Google has under this id is not what we thought: look, and merge, revive or insert.
    pub(crate) async fn meet(
        &self,
        account: &mut Account,
        there: &There,
        record: &Record,
        id: &GoogleEventId,
    ) -> Result<Sent, Error> {
        match self.look_up(account, &there.calendar, id).await? {
            // Forgotten altogether: the next round inserts it.
            None => self.unlink(account, record.address()).await,
            Some(theirs) if theirs.is_cancelled() => self.bring_back(account, there, record, &theirs).await,
            Some(theirs) => self.merge(account, there, record, &theirs).await,
        }
    }

    /// What was met is deleted: revives it, unless it was moved, or nobody has edited it here.
    pub(crate) async fn bring_back(
        &self,
        account: &mut Account,
        there: &There,
        record: &Record,
        theirs: &calendar::Event,
    ) -> Result<Sent, Error> {
        let is_elsewhere = self.follow(account, record).await?;
        if is_elsewhere || self.is_over_by(account, there, record, theirs).await? {
            return Ok(Sent::Merged);
        }
        self.revive(account, there, record, theirs).await
    }

    /// Takes the deletion that was met: what went with an event has to be known before it is revived, because the answer to that may get lost. Whether
    /// nothing is left to revive.
    async fn is_over_by(
        &self,
        account: &Account,
        there: &There,
        record: &Record,
        theirs: &calendar::Event,
    ) -> Result<bool, Error> {
        let theirs = read(theirs, &there.home)?;
        self.apply(account.user, &Page::of(theirs), Origin::Google, |_: &mut Plan, _: &Snapshot| Ok(()))
            .await?;
        let now = self.store.records(account.user, [record.address()]).await?;
        Ok(now.get(record.address()).is_none_or(|now| now.rev != record.rev))
    }

    /// Deleted at Google while it was edited here: an edit beats a concurrent deletion.
    async fn revive(
        &self,
        account: &mut Account,
        there: &There,
        record: &Record,
        theirs: &calendar::Event,
    ) -> Result<Sent, Error> {
        let id = GoogleEventId::within(there.home.clone(), theirs.id.as_str());
        // A deleted event keeps what it had, if only for a while; if not, what it had when it was last read.
        let deleted = translate::as_if_live(theirs, &there.home).map(|copy| copy.link);
        let existing = deleted.as_ref().or(record.link.as_ref());
        let mut body = translate::body(&id, record, existing);
        body.recurring_event_id.clone_from(&theirs.recurring_event_id);
        body.original_start_time.clone_from(&theirs.original_start_time);
        let etag = theirs.etag.clone().unwrap_or_else(|| "*".to_owned());
        let answer = self
            .call(account, async |google, access| google.update(access, &there.calendar, &body, &etag).await)
            .await;
        match answer {
            Ok(answer) => settled(&answer, there, true),
            Err(error) if error.is(Reason::Stale) => Ok(Sent::Merged),
            Err(error) => Err(error),
        }
    }

    /// Looks what an insert has met under its id.
    pub(crate) async fn taken(
        &self,
        account: &mut Account,
        there: &There,
        record: &Record,
        id: &GoogleEventId,
    ) -> Result<Taken, Error> {
        Ok(match self.look_up(account, &there.calendar, id).await? {
            Some(found) if is_somebody_elses(&found, record) => {
                let (user, event) = (account.user, record.event.id);
                tracing::warn!(%user, %event, "the id of an event is taken by another");
                let (first, next) = (GoogleEventId::of(there.home.clone(), event), id.aside());
                if next.as_str().len() - first.as_str().len() >= IDS {
                    return Err(Error::Restless);
                }
                Taken::ByAnother(next)
            }
            Some(found) if found.is_cancelled() && is_last_written(&found, record) => {
                self.withdraw(account, record, &found, &there.home).await?;
                Taken::Withdrawn
            }
            _ => Taken::ByEarlierTry,
        })
    }

    /// Deletes here what somebody has deleted at Google before we knew that it had arrived there.
    async fn withdraw(
        &self,
        account: &Account,
        record: &Record,
        found: &calendar::Event,
        home: &Home,
    ) -> Result<(), Error> {
        let (address, now) = (record.address(), self.clock.now());
        let id = GoogleEventId::within(home.clone(), found.id.as_str());
        let known = translate::as_if_live(found, home).map(|copy| copy.link);
        let link = known.unwrap_or_else(|| Link::cancelled(id, &record.event));
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            connected(snapshot)?;
            let is_untouched = snapshot.records.get(address).is_some_and(|stored| stored.rev == record.rev);
            if !is_untouched {
                return Ok(Plan::default());
            }
            let Resolution { steps, conflicts, .. } = deleted_there(&snapshot.records, record, &link, now);
            let mut plan = Plan::steps(steps);
            for conflict in conflicts {
                plan.record_issue(&self.store, account.user, &issue(conflict, now))?;
            }
            Ok(plan)
        };
        let reads = Reads::at([address], [FamilyOf::Stored(record.event.id)]);
        self.store.mutate(account.user, reads, now, plan).await?;
        Ok(())
    }
}

/// As if we had heard that the event arrived, and then that it was deleted.
fn deleted_there(records: &Records, record: &Record, link: &Link, now: DateTime<Utc>) -> Resolution {
    let mut records = records.clone();
    records.insert(Record { link: Some(link.clone()), is_dirty: false, ..record.clone() });
    sync::resolve(&records, &Theirs::Gone(link.id.clone()), Origin::Google, now)
}

/// Whether a copy was not written for this event. Of a deleted one Google may have forgotten that.
fn is_somebody_elses(found: &calendar::Event, record: &Record) -> bool {
    let is_for = translate::written_for(found).map(|(event, _)| event);
    !found.is_cancelled() && is_for != Some(record.event.id)
}

/// Whether nothing has changed here since the copy was written.
fn is_last_written(found: &calendar::Event, record: &Record) -> bool {
    translate::written_for(found) == Some((record.event.id, Some(record.rev)))
}
