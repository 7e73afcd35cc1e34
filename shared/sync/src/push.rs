//! Sending what changed here to Google: from `dirty`, in the order of the commits, each event as it now is.
//!
//! A series is one event there. An exception is written to the occurrence that Google makes of the series, so its series goes first; a cancelled one
//! is deleted there.
//!
//! Google is written to first, under an id that follows from ours and the version we know; then its answer becomes the new base. A
//! crash in between is found by the next try: the insert meets its own id, the update its own version.

use chrono::{DateTime, Utc};
use domain::sync::Theirs;
use domain::{Address, Event, GoogleEventId, Link, Origin, Record, Role, Series, Tag};
use google::{Reason, calendar};
use seam::Class;
use store::{Issue, IssueKind, Plan, Reads, Snapshot};

use crate::account::Account;
use crate::{Error, Progress, Sync, connected, translate};

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
        let mut left: Vec<(Address, Error)> = Vec::new();
        loop {
            let mut dirty = self.store.dirty(account.user, BATCH).await?;
            dirty.retain(|record| left.iter().all(|(address, _)| *address != record.address()));
            // A series is written before its exceptions are; what is beyond the batch they fetch themselves.
            dirty.sort_by_key(|record| matches!(record.role, Role::Exception { .. }));
            if dirty.is_empty() {
                return left.pop().map_or(Ok(Progress::Done), |(_, error)| Err(error));
            }
            for record in dirty {
                let (id, address) = (record.event.id, record.address());
                match self.push_one(account, &calendar, record).await {
                    Err(error) if error.may_concern_one_event() && left.len() + 1 < TROUBLES => {
                        tracing::warn!(user = %account.user, event = %id, %error, "an event is left for later");
                        left.push((address, error));
                    }
                    other => other?,
                }
                if self.is_over(until) {
                    return Ok(Progress::Unfinished);
                }
            }
        }
    }

    /// Sends one event, or exception. What Google will never take is put aside with its reason: it must not hold up the rest.
    async fn push_one(&self, account: &mut Account, calendar: &str, record: Record) -> Result<(), Error> {
        let Role::Exception { series, .. } = record.role else {
            return self.bring_to_rest(account, calendar, record, None).await;
        };
        let of_series = Address::Series(Tag::of(series));
        if let Some(series) = self.store.records(account.user, [of_series]).await?.get(of_series)
            && series.is_dirty
        {
            self.bring_to_rest(account, calendar, series.clone(), None).await?;
        }
        // As they are now: a merge of the series may have changed them.
        let address = record.address();
        let records = self.store.records(account.user, [of_series, address]).await?;
        let Some(record) = records.get(address).filter(|record| record.is_dirty) else { return Ok(()) };
        let base = records.get(of_series).filter(|base| base.event.id == series && is_at_google(base));
        match base.filter(|base| counts(base, record)) {
            Some(base) => self.bring_to_rest(account, calendar, record.clone(), Some(base)).await,
            // Google has no such occurrence, and learns of that from the series.
            None => {
                Ok(self.store.settle(account.user, record, record.link.as_ref(), self.clock.now()).await?)
            }
        }
    }

    async fn bring_to_rest(
        &self,
        account: &mut Account,
        calendar: &str,
        record: Record,
        base: Option<&Record>,
    ) -> Result<(), Error> {
        let address = record.address();
        let mut current = Some(record);
        for _ in 0..ROUNDS {
            let Some(record) = current.filter(|record| record.is_dirty) else { return Ok(()) };
            match self.send(account, calendar, &record, base).await {
                Ok(Sent::Settled(link)) => {
                    self.store.settle(account.user, &record, link.as_deref(), self.clock.now()).await?;
                    return Ok(());
                }
                Ok(Sent::Merged) => {
                    current = self.store.records(account.user, [address]).await?.get(address).cloned();
                }
                Err(Error::Google(error)) if error.class() == Class::Caller => {
                    return self.park(account, &record, &error).await;
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::Restless)
    }

    async fn send(
        &self,
        account: &mut Account,
        calendar: &str,
        record: &Record,
        base: Option<&Record>,
    ) -> Result<Sent, Error> {
        let is_wanted = record.live().is_some_and(|event| !event.is_someday);
        match (is_wanted, &record.link, base) {
            (true, Some(link), _) => self.update(account, calendar, record, link).await,
            (true, None, Some(base)) => self.make_exception(account, calendar, record, base).await,
            (true, None, None) => self.insert(account, calendar, record).await,
            (false, link, base) => self.delete(account, calendar, record, link.as_ref(), base).await,
        }
    }

    /// Makes an exception of an occurrence that, as far as we know, is as Google's series makes it.
    async fn make_exception(
        &self,
        account: &mut Account,
        calendar: &str,
        record: &Record,
        base: &Record,
    ) -> Result<Sent, Error> {
        let id = id_at_google(record, Some(base));
        let Some(found) = self.look_up(account, calendar, &id).await? else {
            return Err(Error::Google(unmergeable("the series at Google has no such occurrence")));
        };
        if found.is_cancelled() {
            return self.revive(account, calendar, record, &found).await;
        }
        let theirs = read(&found)?;
        let Some(copy) = theirs.copy() else { return Ok(Sent::Merged) };
        let made = made_by_series(record, base);
        // Made by the series, or by an earlier try of ours whose answer was lost.
        let is_untouched = [made.as_ref(), Some(&record.event)].into_iter().flatten();
        let mut is_untouched = is_untouched.map(|event| copy.link.base.is_same(&event.shared()));
        match is_untouched.any(|is_same| is_same) {
            true => self.update(account, calendar, record, &copy.link).await,
            false => self.merge(account, &found).await,
        }
    }

    async fn insert(&self, account: &mut Account, calendar: &str, record: &Record) -> Result<Sent, Error> {
        let id = GoogleEventId::from(record.event.id);
        let body = translate::write(&id, &record.event, record.shared().rule.as_ref(), None);
        let answer =
            self.call(account, async |google, access| google.insert(access, calendar, &body).await).await;
        match answer {
            Ok(answer) => settled(&answer),
            Err(error) if error.is(Reason::Duplicate) => {
                // An earlier try of ours, perhaps deleted since.
                self.meet(account, calendar, record, &id).await
            }
            Err(error) => Err(error),
        }
    }

    async fn update(
        &self,
        account: &mut Account,
        calendar: &str,
        record: &Record,
        link: &Link,
    ) -> Result<Sent, Error> {
        let body = translate::write(&link.id, &record.event, record.shared().rule.as_ref(), Some(link));
        let answer = self
            .call(account, async |google, access| google.update(access, calendar, &body, &link.etag).await)
            .await;
        match answer {
            Ok(answer) => settled(&answer),
            Err(error) if is_out_of_date(&error) => self.meet(account, calendar, record, &link.id).await,
            Err(error) => Err(error),
        }
    }

    /// What Google has under this id is not what we thought: look, and merge, revive or insert.
    async fn meet(
        &self,
        account: &mut Account,
        calendar: &str,
        record: &Record,
        id: &GoogleEventId,
    ) -> Result<Sent, Error> {
        match self.look_up(account, calendar, id).await? {
            // Forgotten altogether: the next round inserts it.
            None => self.unlink(account, record.address()).await,
            Some(theirs) if theirs.is_cancelled() => self.revive(account, calendar, record, &theirs).await,
            Some(theirs) => self.merge(account, &theirs).await,
        }
    }

    /// Deleted at Google while it was edited here: an edit beats a concurrent deletion.
    async fn revive(
        &self,
        account: &mut Account,
        calendar: &str,
        record: &Record,
        theirs: &calendar::Event,
    ) -> Result<Sent, Error> {
        let id = GoogleEventId::new(theirs.id.as_str());
        let mut body = translate::write(&id, &record.event, record.shared().rule.as_ref(), None);
        body.recurring_event_id.clone_from(&theirs.recurring_event_id);
        body.original_start_time.clone_from(&theirs.original_start_time);
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
        let theirs = read(theirs)?;
        self.apply(account.user, &[theirs], Origin::Google, |_: &mut Plan, _: &Snapshot| Ok(())).await?;
        Ok(Sent::Merged)
    }

    async fn delete(
        &self,
        account: &mut Account,
        calendar: &str,
        record: &Record,
        link: Option<&Link>,
        base: Option<&Record>,
    ) -> Result<Sent, Error> {
        // Without a link there may still be a copy: an insert whose answer was lost.
        let id = id_at_google(record, base);
        let etag = link.map(|link| link.etag.as_str()).filter(|etag| !etag.is_empty());
        let answer = self
            .call(account, async |google, access| google.delete(access, calendar, id.as_str(), etag).await)
            .await;
        // A tombstone remembers the version it ended, to tell a late echo from a restored event; a someday event starts anew.
        // So does a cancelled occurrence, which is thereby known to be Google's too.
        let known = link.cloned().or_else(|| base.map(|_| Link::cancelled(id.clone(), &record.event)));
        let remembered = || Sent::Settled(known.clone().filter(|_| record.is_deleted).map(Box::new));
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
    async fn unlink(&self, account: &Account, address: Address) -> Result<Sent, Error> {
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            connected(snapshot)?;
            let change = snapshot.records.get(address).filter(|record| record.link.is_some()).map(|record| {
                let record = Record { link: None, ..record.clone() };
                domain::Change { record, views: domain::Views::default() }
            });
            Ok(Plan::of(change))
        };
        let reads = Reads::at([address], []);
        self.store.mutate(account.user, reads, self.clock.now(), plan).await?;
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

/// Whether Google has, or had, a copy of a series.
fn is_at_google(base: &Record) -> bool {
    base.link.is_some() && base.live().is_some_and(|event| !event.is_someday)
}

/// Whether a series lists the slot of an exception.
fn counts(base: &Record, exception: &Record) -> bool {
    match exception.role {
        Role::Exception { slot, .. } => base.series().is_some_and(|series| series.exceptions.contains(&slot)),
        Role::Single | Role::Series(_) => false,
    }
}

/// The occurrence as its series makes it.
fn made_by_series(exception: &Record, base: &Record) -> Option<Event> {
    let Role::Exception { slot, .. } = exception.role else { return None };
    base.series().map(|series: &Series| series.occurrence(&base.event, slot))
}

/// The id of an event's copy: as we know it, or as it must be.
fn id_at_google(record: &Record, base: Option<&Record>) -> GoogleEventId {
    if let Some(link) = &record.link {
        return link.id.clone();
    }
    let series = base.and_then(|base| base.link.as_ref());
    match (&record.role, series) {
        (Role::Exception { slot, .. }, Some(series)) => series.id.of_occurrence(*slot),
        _ => GoogleEventId::from(record.event.id),
    }
}

fn read(theirs: &calendar::Event) -> Result<Theirs, Error> {
    translate::read(theirs).map_err(|reason| Error::Google(unmergeable(&reason.to_string())))
}

/// The base that a write's answer makes.
fn settled(answer: &calendar::Event) -> Result<Sent, Error> {
    match read(answer)?.copy() {
        Some(copy) => Ok(Sent::Settled(Some(Box::new(copy.link.clone())))),
        None => Err(Error::Google(unmergeable("the answer to a write is a deleted event"))),
    }
}

/// Whether Google has something else than we thought.
fn is_out_of_date(error: &Error) -> bool {
    error.is(Reason::Stale) || error.is(Reason::NotFound) || error.is(Reason::AlreadyDeleted)
}

/// An event of ours has become something at Google that this version cannot merge.
fn unmergeable(message: &str) -> google::Error {
    google::Error::Refused {
        operation: "merge",
        reason: Reason::Forbidden,
        status: 0,
        message: message.to_owned(),
        retry_after: None,
    }
}
