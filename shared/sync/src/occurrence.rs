//! Sending an exception of a series: to the occurrence that Google makes of the series.

use domain::{Event, GoogleEventId, Record, Role, Series};

use crate::account::Account;
use crate::destination::There;
use crate::push::{Sent, read, unmergeable};
use crate::{Error, Sync};

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
        let found = match self.look_up(account, &there.calendar, id).await? {
            Some(found) => found,
            None if is_wanted => {
                return Err(Error::Google(unmergeable("the series at Google has no such occurrence")));
            }
            None => return Ok(Sent::gone(record, id)),
        };
        if found.is_cancelled() {
            return match is_wanted {
                true => self.revive(account, there, record, &found).await,
                false => Ok(Sent::gone(record, id)),
            };
        }
        let theirs = read(&found, &there.home)?;
        let Some(copy) = theirs.copy() else { return Ok(Sent::Merged) };
        let made = base.and_then(|base| made_by_series(record, base));
        // Made by the series, or by an earlier try of ours whose answer was lost.
        let mut is_untouched = [made.as_ref(), Some(&record.event)].into_iter().flatten();
        match (is_untouched.any(|event| copy.link.base.is_same(&event.shared())), is_wanted) {
            (true, true) => self.update(account, there, record, &copy.link).await,
            (true, false) => self.delete(account, there, record, id, &copy.link.etag).await,
            (false, _) => {
                // Nearly always the series has changed, and its occurrences with it: that is no exception, and must not be stored as one.
                let known = base.map(|base| (base.address(), &base.link));
                Box::pin(self.catch_up(account)).await?;
                if let Some((of_series, known)) = known {
                    let records = self.store.records(account.user, [of_series]).await?;
                    if records.get(of_series).map(|now| &now.link) != Some(known) {
                        return Ok(Sent::Merged);
                    }
                }
                self.merge(account, there, record, &found).await
            }
        }
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
        let Some(found) = found.filter(|found| !found.is_cancelled()) else { return Ok(Sent::told(None)) };
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
