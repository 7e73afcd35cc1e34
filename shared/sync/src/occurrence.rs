//! Sending an exception of a series: to the occurrence that Google makes of the series.

use std::ops::RangeInclusive;

use chrono::Datelike;
use domain::sync::relisted;
use domain::{Address, Event, GoogleEventId, Home, Link, Record, Role, Series};
use store::{Plan, Reads, Snapshot};

use crate::account::Account;
use crate::destination::There;
use crate::push::{Sent, read, unmergeable};
use crate::{Error, Sync, connected};

/// When occurrences are. Of an id that is no occurrence's, the part that would say when says something else: nothing has to be looked up for most.
const PLAUSIBLE: RangeInclusive<i32> = 1970..=2200;

/// How often what was split off is looked for in what that was split off.
const SPLITS: usize = 3;

impl Sync {
    /// Makes an exception of an occurrence that, as far as we know, is as Google's series makes it; or cancels it.
    pub(crate) async fn make_exception(
        &self,
        account: &mut Account,
        there: &There,
        record: &Record,
        base: Option<&Record>,
        id: &GoogleEventId,
    ) -> Result<Sent, Error> {
        let is_wanted = record.live().is_some_and(|event| !event.is_someday);
        let Some(found) = self.look_up(account, &there.calendar, id).await? else {
            return match self.is_behind(account, base).await? {
                true => Ok(Sent::Merged),
                false if is_wanted => {
                    Err(Error::Google(unmergeable("the series at Google has no such occurrence")))
                }
                false => Ok(Sent::told(None)),
            };
        };
        if found.is_cancelled() {
            return match is_wanted {
                true => self.bring_back(account, there, record, &found).await,
                false => Ok(Sent::gone(&Link::cancelled(id.clone(), &record.event))),
            };
        }
        let theirs = read(&found, &there.home)?;
        let Some(copy) = theirs.copy() else { return Ok(Sent::Merged) };
        let made = base.and_then(|base| made_by_series(record, base));
        // Made by the series, or by an earlier try of ours whose answer was lost.
        let mut is_untouched = [made.as_ref(), Some(&record.event)].into_iter().flatten();
        match (is_untouched.any(|event| copy.link.base.is_same(&event.shared())), is_wanted) {
            (true, true) => self.update(account, there, record, &copy.link).await,
            (true, false) => self.delete(account, there, record, &copy.link).await,
            // Nearly always the series has changed, and its occurrences with it: that is no exception, and must not be stored as one.
            (false, _) => match self.is_behind(account, base).await? {
                true => Ok(Sent::Merged),
                false => self.merge(account, there, record, &found).await,
            },
        }
    }

    /// Reads what changed; whether that concerns this series.
    async fn is_behind(&self, account: &mut Account, base: Option<&Record>) -> Result<bool, Error> {
        Box::pin(self.catch_up(account)).await?;
        let Some(base) = base else { return Ok(false) };
        let address = base.address();
        let records = self.store.records(account.user, [address]).await?;
        Ok(records.get(address).map(|now| &now.link) != Some(&base.link))
    }

    /// Has a series count an exception again that Google was never told it had lost.
    pub(crate) async fn relist(&self, account: &Account, address: Address) -> Result<Sent, Error> {
        let series = match address {
            Address::Exception(tag, _) => Some(Address::Series(tag)),
            Address::Single(_) | Address::Series(_) => None,
        };
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            connected(snapshot)?;
            Ok(Plan::steps(relisted(&snapshot.records, address)))
        };
        let reads = Reads::at([address].into_iter().chain(series), []);
        self.store.mutate(account.user, reads, self.clock.now(), plan).await?;
        Ok(Sent::Merged)
    }

    /// What Google has of the series that an event was split off, if it was: what begins with an occurrence bears that one's id.
    pub(crate) async fn whole_of(
        &self,
        account: &Account,
        record: &Record,
        home: &Home,
    ) -> Result<Option<Link>, Error> {
        let mut id = record.event.id;
        for _ in 0..SPLITS {
            let (tag, slot) = id.as_occurrence();
            if !PLAUSIBLE.contains(&slot.instant().year()) {
                return Ok(None);
            }
            let address = Address::Series(tag);
            let records = self.store.records(account.user, [address]).await?;
            let Some(whole) = records.get(address) else { return Ok(None) };
            if let Some(link) = &whole.link {
                return Ok(Some(link.clone()).filter(|link| link.id.home() == home));
            }
            // Split off itself, and not sent yet.
            id = whole.event.id;
        }
        Ok(None)
    }

    /// Looks for a copy of what is not meant for Google any more, and of which an insert may have been done that was never answered.
    pub(crate) async fn seek(
        &self,
        account: &mut Account,
        there: &There,
        record: &Record,
        id: &GoogleEventId,
    ) -> Result<Sent, Error> {
        let found = self.look_up(account, &there.calendar, id).await?;
        let Some(found) = found.filter(|found| !found.is_cancelled()) else {
            return Ok(Sent::told(record.link.clone()));
        };
        self.merge(account, there, record, &found).await?;
        let address = record.address();
        let now = self.store.records(account.user, [address]).await?;
        // What an occurrence has become that left its series bears its id: then the copy is not this one's.
        let is_other = now.get(address).is_some_and(|now| now.link.is_none() && now.rev == record.rev);
        Ok(if is_other { Sent::told(None) } else { Sent::Merged })
    }
}

/// The occurrence as its series makes it.
fn made_by_series(exception: &Record, base: &Record) -> Option<Event> {
    let Role::Exception { slot, .. } = exception.role else { return None };
    base.series().map(|series: &Series| series.occurrence(&base.event, slot))
}
