//! Sending what changed here to Google: from `dirty`, in the order of the commits, each event as it now is.
//!
//! A series is one event there. An exception is written to the occurrence that Google makes of the series, so its series goes first; a cancelled one
//! is deleted there.
//!
//! Google is written to first, under an id that follows from ours and the version we know; then its answer becomes the new base. A
//! crash in between is found by the next try: the insert meets its own id, the update its own version.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::sync::{Outbound, Theirs, answered, is_as_sent, outbound, reaches_occurrences};
use domain::{Address, GoogleEventId, Home, Link, Origin, Record, Role, Tag};
use google::{Reason, calendar};
use seam::Class;
use store::{FamilyOf, Plan, Reads, Snapshot};

use crate::account::Account;
use crate::apply::Page;
use crate::destination::{Destination, READ_ONLY, There, destination};
use crate::meet::Taken;
use crate::{Error, Progress, Sync, connected, translate};

/// How many dirty events are read at a time.
const BATCH: usize = 50;
/// How often one event is fetched, merged and written again before it is left for later.
const ROUNDS: usize = 5;

/// How many events may be in trouble before it is Google that is.
const TROUBLES: usize = 3;

/// What became of an event that was to be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pushed {
    /// Nothing is left to send.
    IsAtRest,
    /// It cannot be sent for now.
    Waits,
}

/// What became of one try to send an event.
pub(crate) enum Sent {
    /// Google has what we have, in this version; `is_anew` if it has only had it since.
    Settled { link: Option<Box<Link>>, is_anew: bool },
    /// Google has something else; it has been merged, and what is stored is to be read again.
    Merged,
}

impl Sent {
    pub(crate) fn told(link: Option<Link>) -> Self {
        Self::Settled { link: link.map(Box::new), is_anew: false }
    }

    /// Google has no copy any more. The version that ended is remembered, to tell a late echo from a restored event.
    pub(crate) fn gone(known: &Link) -> Self {
        Self::told(Some(known.clone().deleted()))
    }
}

impl Sync {
    pub(crate) async fn push(&self, account: &mut Account, until: DateTime<Utc>) -> Result<Progress, Error> {
        if account.status.are_writes_paused(self.clock.now()) {
            // The sweep comes by when that is over.
            return Ok(Progress::Done);
        }
        if account.calendars.is_empty() {
            // Nothing was read yet; the import will find what is to be sent.
            return Ok(Progress::Done);
        }
        // Left for later, so that one event does not hold up the rest; the job fails with the last one's error when the rest is done.
        let mut left: Vec<(Address, Error)> = Vec::new();
        // Nowhere to go for now: the calendar cannot be reached, or there is none.
        let mut waiting: BTreeSet<Address> = BTreeSet::new();
        loop {
            let mut dirty = self.store.dirty(account.user, BATCH + left.len() + waiting.len()).await?;
            dirty.retain(|record| left.iter().all(|(address, _)| *address != record.address()));
            dirty.retain(|record| !waiting.contains(&record.address()));
            // A series is written before its exceptions are; what is beyond the batch they fetch themselves.
            dirty.sort_by_key(|record| matches!(record.role, Role::Exception { .. }));
            if dirty.is_empty() {
                return left.pop().map_or(Ok(Progress::Done), |(_, error)| Err(error));
            }
            for record in dirty {
                let (id, address) = (record.event.id, record.address());
                match Box::pin(self.push_one(account, record)).await {
                    Ok(Pushed::Waits) => drop(waiting.insert(address)),
                    Err(error) if error.may_concern_one_event() && left.len() + 1 < TROUBLES => {
                        tracing::warn!(user = %account.user, event = %id, %error, "an event is left for later");
                        if account.is_last_try {
                            self.tell_of(account, address, &error).await?;
                        }
                        left.push((address, error));
                    }
                    other => drop(other?),
                }
                if self.is_over(until) {
                    return Ok(Progress::Unfinished);
                }
            }
        }
    }

    /// Sends one event, or exception. What Google will never take is put aside with its reason: it must not hold up the rest.
    async fn push_one(&self, account: &mut Account, record: Record) -> Result<Pushed, Error> {
        let Role::Exception { series, .. } = record.role else {
            return Box::pin(self.bring_to_rest(account, record, None)).await;
        };
        let of_series = Address::Series(Tag::of(series));
        if let Some(series) = self.store.records(account.user, [of_series]).await?.get(of_series)
            && series.is_dirty
            && Box::pin(self.bring_to_rest(account, series.clone(), None)).await? == Pushed::Waits
        {
            return Ok(Pushed::Waits);
        }
        // As they are now: a merge of the series may have changed them.
        let address = record.address();
        let records = self.store.records(account.user, [of_series, address]).await?;
        let Some(record) = records.get(address).filter(|record| record.is_dirty) else {
            return Ok(Pushed::IsAtRest);
        };
        Box::pin(self.bring_to_rest(account, record.clone(), records.get(of_series))).await
    }

    async fn bring_to_rest(
        &self,
        account: &mut Account,
        record: Record,
        base: Option<&Record>,
    ) -> Result<Pushed, Error> {
        let address = record.address();
        let (mut current, mut base) = (Some(record), base.cloned());
        for _ in 0..ROUNDS {
            let Some(record) = current.filter(|record| record.is_dirty) else { return Ok(Pushed::IsAtRest) };
            let there = match destination(account, &record, base.as_ref()) {
                Destination::There(there) => there,
                Destination::Nowhere => return Ok(Pushed::Waits),
                Destination::Refused(reason) => return self.take_back(account, &record, reason).await,
            };
            match Box::pin(self.send(account, &there, &record, base.as_ref())).await {
                Ok(Sent::Settled { link, is_anew }) => {
                    self.settle(account, &record, link.as_deref(), is_anew).await?;
                    return Ok(Pushed::IsAtRest);
                }
                Ok(Sent::Merged) => {
                    let of_series = base.as_ref().map(Record::address);
                    let places = [address].into_iter().chain(of_series);
                    let records = self.store.records(account.user, places).await?;
                    current = records.get(address).cloned();
                    base = of_series.and_then(|of_series| records.get(of_series)).cloned();
                }
                Err(Error::Google(error)) if error.class() == Class::Caller => {
                    if error.is(Reason::Forbidden)
                        && self.is_read_only_now(account, &record, base.as_ref()).await?
                    {
                        return self.take_back(account, &record, READ_ONLY).await;
                    }
                    self.park(account, &record, &error).await?;
                    return Ok(Pushed::IsAtRest);
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::Restless)
    }

    async fn take_back(&self, account: &Account, record: &Record, reason: &str) -> Result<Pushed, Error> {
        self.refuse(account, record, reason).await?;
        if record.is_deleted && matches!(record.role, Role::Series(_)) {
            // Its exceptions ended with it, and only Google knows them any more.
            self.ask_for_import(account, true).await?;
        }
        Ok(Pushed::IsAtRest)
    }

    /// Does what is to be done at Google; `base` is the series that the event is an exception of.
    async fn send(
        &self,
        account: &mut Account,
        there: &There,
        record: &Record,
        base: Option<&Record>,
    ) -> Result<Sent, Error> {
        self.confirm_connected(account).await?;
        match outbound(record, base, &there.home) {
            Outbound::Nothing => Ok(Sent::told(None)),
            Outbound::Relist => self.relist(account, record.address()).await,
            Outbound::Insert(id) => self.insert(account, there, record, &id).await,
            Outbound::Update(link) => self.update(account, there, record, &link).await,
            Outbound::Exception(id) => self.make_exception(account, there, record, base, &id).await,
            Outbound::Delete(link) => self.delete(account, there, record, &link).await,
            Outbound::Seek(id) => self.seek(account, there, record, &id).await,
        }
    }

    async fn insert(
        &self,
        account: &mut Account,
        there: &There,
        record: &Record,
        id: &GoogleEventId,
    ) -> Result<Sent, Error> {
        let whole = self.whole_of(account, record, &there.home).await?;
        let mut id = id.clone();
        loop {
            let body = match &whole {
                Some(whole) => translate::part(&id, record, whole),
                None => translate::body(&id, record, None),
            };
            let answer = self
                .call(account, async |google, access| google.insert(access, &there.calendar, &body).await)
                .await;
            match answer {
                Ok(answer) => return settled(&answer, there, true),
                Err(error) if error.is(Reason::Duplicate) => {}
                Err(error) => return Err(error),
            }
            match Box::pin(self.taken(account, there, record, &id)).await? {
                Taken::ByAnother(next) => id = next,
                Taken::Withdrawn => return Ok(Sent::Merged),
                Taken::ByEarlierTry => return Box::pin(self.meet(account, there, record, &id)).await,
            }
        }
    }

    pub(crate) async fn update(
        &self,
        account: &mut Account,
        there: &There,
        record: &Record,
        link: &Link,
    ) -> Result<Sent, Error> {
        if !link.has_copy() {
            // It left our view with its calendar, and we know no version any more.
            return Box::pin(self.meet(account, there, record, &link.id)).await;
        }
        let body = translate::body(&link.id, record, Some(link));
        let answer = self
            .call(account, async |google, access| {
                google.update(access, &there.calendar, &body, &link.etag).await
            })
            .await;
        match answer {
            Ok(answer) => settled(&answer, there, false),
            Err(error) if is_out_of_date(&error) => {
                Box::pin(self.meet(account, there, record, &link.id)).await
            }
            Err(error) => Err(error),
        }
    }

    /// Merges what was looked up. Somebody may have edited occurrences of a series, which its next write would take away unseen: what changed is
    /// read first.
    pub(crate) async fn merge(
        &self,
        account: &mut Account,
        there: &There,
        record: &Record,
        theirs: &calendar::Event,
    ) -> Result<Sent, Error> {
        let theirs = read(theirs, &there.home)?;
        let is_series = theirs.copy().is_some_and(|copy| copy.link.base.rule.is_some());
        if is_series || reaches_occurrences(record) {
            // On the heap: sending is deep enough as it is.
            Box::pin(self.catch_up(account)).await?;
        }
        self.apply(account.user, &Page::of(theirs), Origin::Google, |_: &mut Plan, _: &Snapshot| Ok(()))
            .await?;
        Ok(Sent::Merged)
    }

    /// Deletes the copy of which this version is known.
    pub(crate) async fn delete(
        &self,
        account: &mut Account,
        there: &There,
        record: &Record,
        known: &Link,
    ) -> Result<Sent, Error> {
        let (id, etag) = (known.id.as_str(), Some(known.etag.as_str()));
        let answer = self
            .call(account, async |google, access| google.delete(access, &there.calendar, id, etag).await)
            .await;
        match answer {
            Ok(()) => Ok(Sent::gone(known)),
            Err(error) if is_gone(&error) => Ok(Sent::gone(known)),
            Err(error) if error.is(Reason::Stale) => {
                match self.look_up(account, &there.calendar, &known.id).await? {
                    Some(theirs) if !theirs.is_cancelled() => {
                        self.merge(account, there, record, &theirs).await
                    }
                    _ => Ok(Sent::gone(known)),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Notes what Google has now. Nearly always it has what was sent, and no client can see anything.
    async fn settle(
        &self,
        account: &Account,
        sent: &Record,
        link: Option<&Link>,
        is_anew: bool,
    ) -> Result<(), Error> {
        let (user, now) = (account.user, self.clock.now());
        if is_as_sent(sent, link, is_anew) {
            return Ok(self.store.settle(user, sent, link, now).await?);
        }
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            connected(snapshot)?;
            Ok(Plan::steps(answered(&snapshot.records, sent, link, is_anew, now)))
        };
        let is_family = matches!(sent.role, Role::Series(_));
        let family = is_family.then_some(FamilyOf::Stored(sent.event.id));
        self.store.mutate(user, Reads::at([sent.address()], family), now, plan).await?;
        Ok(())
    }

    /// Forgets a copy that Google has forgotten.
    pub(crate) async fn unlink(&self, account: &Account, address: Address) -> Result<Sent, Error> {
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
}

pub(crate) fn read(theirs: &calendar::Event, home: &Home) -> Result<Theirs, Error> {
    translate::read(theirs, home).map_err(|reason| Error::Google(unmergeable(&reason.to_string())))
}

/// The base that a write's answer makes.
pub(crate) fn settled(answer: &calendar::Event, there: &There, is_anew: bool) -> Result<Sent, Error> {
    match read(answer, &there.home)?.copy() {
        Some(copy) => Ok(Sent::Settled { link: Some(Box::new(copy.link.clone())), is_anew }),
        None => Err(Error::Google(unmergeable("the answer to a write is a deleted event"))),
    }
}

/// Whether there is nothing left to delete.
pub(crate) fn is_gone(error: &Error) -> bool {
    error.is(Reason::NotFound) || error.is(Reason::AlreadyDeleted)
}

/// Whether Google has something else than we thought.
fn is_out_of_date(error: &Error) -> bool {
    error.is(Reason::Stale) || is_gone(error)
}

/// An event of ours has become something at Google that this version cannot merge.
pub(crate) fn unmergeable(message: &str) -> google::Error {
    google::Error::Refused {
        operation: "merge",
        reason: Reason::Forbidden,
        status: 0,
        message: message.to_owned(),
        retry_after: None,
    }
}
