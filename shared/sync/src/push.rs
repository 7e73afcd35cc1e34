//! Sending what changed here to Google: from `dirty`, in the order of the commits, each event as it now is.
//!
//! Google is written to first, under an id that follows from ours and the version we know; then its answer becomes the new base. A
//! crash in between is found by the next try: the insert meets its own id, the update its own version.

use chrono::{DateTime, Utc};
use domain::{Event, EventId, GoogleEventId, Link, Origin, Record, Role};
use google::{Reason, calendar};
use seam::Class;
use store::{Issue, IssueKind, Plan, Snapshot};

use crate::account::Account;
use crate::translate::{self, Theirs};
use crate::{Error, Progress, Sync, connected};

/// How many dirty events are read at a time.
const BATCH: usize = 50;
/// How often one event is fetched, merged and written again before it is left for later.
const ROUNDS: usize = 5;

/// How many events may be in trouble before it is Google that is.
const TROUBLES: usize = 3;

/// What became of one try to send an event.
enum Sent {
    /// Google has what we have.
    Settled(Option<Box<Link>>),
    /// Google has something else; it has been merged, and what is stored is to be read again.
    Merged,
}

impl Sync {
    pub(crate) async fn push(&self, account: &mut Account, until: DateTime<Utc>) -> Result<Progress, Error> {
        let Some(calendar) = account.calendars.first().map(|state| state.calendar.clone()) else {
            // Nothing was read yet; the import will find what is to be sent.
            return Ok(Progress::Done);
        };
        // Left for later, so that one event does not hold up the rest; the job fails with the last one's error when the rest is done.
        let mut left: Vec<(EventId, Error)> = Vec::new();
        loop {
            let mut dirty = self.store.dirty(account.user, BATCH).await?;
            // Series and their exceptions wait in the index: Google learns of single events only.
            dirty.retain(|record| record.role == Role::Single);
            dirty.retain(|record| left.iter().all(|(id, _)| *id != record.event.id));
            if dirty.is_empty() {
                return left.pop().map_or(Ok(Progress::Done), |(_, error)| Err(error));
            }
            for record in dirty {
                let id = record.event.id;
                match self.push_one(account, &calendar, record).await {
                    Err(error) if error.may_concern_one_event() && left.len() + 1 < TROUBLES => {
                        tracing::warn!(user = %account.user, event = %id, %error, "an event is left for later");
                        left.push((id, error));
                    }
                    other => other?,
                }
                if self.is_over(until) {
                    return Ok(Progress::Unfinished);
                }
            }
        }
    }

    /// Sends one event. What Google will never take is put aside with its reason: it must not hold up the rest.
    async fn push_one(&self, account: &mut Account, calendar: &str, record: Record) -> Result<(), Error> {
        let id = record.event.id;
        let mut current = Some(record);
        for _ in 0..ROUNDS {
            let Some(record) = current.filter(|record| record.is_dirty) else { return Ok(()) };
            match self.send(account, calendar, &record).await {
                Ok(Sent::Settled(link)) => {
                    self.store.settle(account.user, &record, link.as_deref(), self.clock.now()).await?;
                    return Ok(());
                }
                Ok(Sent::Merged) => current = self.store.record(account.user, id).await?,
                Err(Error::Google(error)) if error.class() == Class::Caller => {
                    return self.park(account, &record, &error).await;
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::Restless)
    }

    async fn send(&self, account: &mut Account, calendar: &str, record: &Record) -> Result<Sent, Error> {
        match (record.live().filter(|event| !event.is_someday), &record.link) {
            (Some(event), None) => self.insert(account, calendar, event).await,
            (Some(event), Some(link)) => self.update(account, calendar, event, link).await,
            (None, link) => self.delete(account, calendar, record, link.as_ref()).await,
        }
    }

    async fn insert(&self, account: &mut Account, calendar: &str, event: &Event) -> Result<Sent, Error> {
        let id = GoogleEventId::from(event.id);
        let body = translate::write(&id, event, None);
        let answer =
            self.call(account, async |google, access| google.insert(access, calendar, &body).await).await;
        match answer {
            Ok(answer) => settled(&answer),
            Err(error) if error.is(Reason::Duplicate) => {
                // An earlier try of ours, perhaps deleted since.
                self.meet(account, calendar, event, &id).await
            }
            Err(error) => Err(error),
        }
    }

    async fn update(
        &self,
        account: &mut Account,
        calendar: &str,
        event: &Event,
        link: &Link,
    ) -> Result<Sent, Error> {
        let body = translate::write(&link.id, event, Some(link));
        let answer = self
            .call(account, async |google, access| google.update(access, calendar, &body, &link.etag).await)
            .await;
        match answer {
            Ok(answer) => settled(&answer),
            Err(error) if is_out_of_date(&error) => self.meet(account, calendar, event, &link.id).await,
            Err(error) => Err(error),
        }
    }

    /// What Google has under this id is not what we thought: look, and merge, revive or insert.
    async fn meet(
        &self,
        account: &mut Account,
        calendar: &str,
        event: &Event,
        id: &GoogleEventId,
    ) -> Result<Sent, Error> {
        match self.look_up(account, calendar, id).await? {
            // Forgotten altogether: the next round inserts it.
            None => self.unlink(account, event.id).await,
            Some(theirs) if theirs.is_cancelled() => self.revive(account, calendar, event, &theirs).await,
            Some(theirs) => self.merge(account, &theirs).await,
        }
    }

    /// Deleted at Google while it was edited here: an edit beats a concurrent deletion.
    async fn revive(
        &self,
        account: &mut Account,
        calendar: &str,
        event: &Event,
        theirs: &calendar::Event,
    ) -> Result<Sent, Error> {
        let body = translate::write(&GoogleEventId::new(theirs.id.as_str()), event, None);
        let etag = theirs.etag.clone().unwrap_or_else(|| "*".to_owned());
        let answer = self
            .call(account, async |google, access| google.update(access, calendar, &body, &etag).await)
            .await;
        match answer {
            Ok(answer) => settled(&answer),
            Err(error) if error.is(Reason::Stale) => Ok(Sent::Merged),
            Err(error) => Err(error),
        }
    }

    async fn merge(&self, account: &Account, theirs: &calendar::Event) -> Result<Sent, Error> {
        let theirs = translate::read(theirs).map_err(|_| Error::Google(unmergeable()))?;
        self.apply(account.user, &[theirs], Origin::Google, |_: &mut Plan, _: &Snapshot| Ok(())).await?;
        Ok(Sent::Merged)
    }

    async fn delete(
        &self,
        account: &mut Account,
        calendar: &str,
        record: &Record,
        link: Option<&Link>,
    ) -> Result<Sent, Error> {
        // Without a link there may still be a copy: an insert whose answer was lost.
        let id = link.map_or_else(|| GoogleEventId::from(record.event.id), |link| link.id.clone());
        let etag = link.map(|link| link.etag.as_str());
        let answer = self
            .call(account, async |google, access| google.delete(access, calendar, id.as_str(), etag).await)
            .await;
        // A tombstone remembers the version it ended, to tell a late echo from a restored event; a someday event starts anew.
        let remembered = || Sent::Settled(link.filter(|_| record.is_deleted).cloned().map(Box::new));
        match answer {
            Ok(()) => Ok(remembered()),
            Err(error) if error.is(Reason::AlreadyDeleted) || error.is(Reason::NotFound) => Ok(remembered()),
            Err(error) if error.is(Reason::Stale) => match self.look_up(account, calendar, &id).await? {
                Some(theirs) if !theirs.is_cancelled() => self.merge(account, &theirs).await,
                _ => Ok(remembered()),
            },
            Err(error) => Err(error),
        }
    }

    /// Forgets a copy that Google has forgotten.
    async fn unlink(&self, account: &Account, id: EventId) -> Result<Sent, Error> {
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            connected(snapshot)?;
            let change = snapshot.record(id).filter(|record| record.link.is_some()).map(|record| {
                let record = Record { link: None, ..record.clone() };
                domain::Change { record, views: domain::Views::default() }
            });
            Ok(Plan::of(change))
        };
        self.store.mutate(account.user, &[id], self.clock.now(), plan).await?;
        Ok(Sent::Merged)
    }

    /// Puts an event aside that Google refuses: it is kept here and not tried again until it changes.
    async fn park(&self, account: &Account, record: &Record, error: &google::Error) -> Result<(), Error> {
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

/// The base that a write's answer makes.
fn settled(answer: &calendar::Event) -> Result<Sent, Error> {
    match translate::read(answer) {
        Ok(Theirs::Live(copy)) => Ok(Sent::Settled(Some(Box::new(copy.link)))),
        _ => Err(Error::Google(unmergeable())),
    }
}

/// Whether Google has something else than we thought.
fn is_out_of_date(error: &Error) -> bool {
    error.is(Reason::Stale) || error.is(Reason::NotFound) || error.is(Reason::AlreadyDeleted)
}

/// A single event of ours has become something that this version cannot merge, such as a series.
fn unmergeable() -> google::Error {
    google::Error::Refused {
        operation: "merge",
        reason: Reason::Forbidden,
        status: 0,
        message: "the event at Google is no single event any more".to_owned(),
        retry_after: None,
    }
}
