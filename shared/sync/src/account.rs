//! A user's permission at Google, for the length of a job.

use std::time::Duration;

use backon::{ConstantBuilder, Retryable};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{GoogleStatus, Home, UserId};
use google::oauth::AccessToken;
use google::{Reason, Sealed, Secret, calendar};
use store::{Budget, CalendarState, Connection, GoogleItems, ListState, SealedAccess};

use crate::budget::Lease;
use crate::{Error, Sync};

/// An access token with less than this part of its life left is renewed first.
const FRESH_PART: i32 = 5;
/// For how long one worker may be the only one who asks for a new access token: longer than the call can take.
const RENEWAL: TimeDelta = TimeDelta::seconds(40);
/// How often, and how many times, the others look whether it is there: less long than a step may take. What is not there by then is worth
/// another try of the job.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const LOOKS: usize = 100;
/// How often a worker waits for another one that then has failed.
const ROUNDS: usize = 3;

/// A connected user.
pub(crate) struct Account {
    pub user: UserId,
    pub status: GoogleStatus,
    pub connection: Connection,
    pub calendars: Vec<CalendarState>,
    pub list: ListState,
    /// What the user's calls come to.
    pub budget: Budget,
    /// When the last reading of what changed began that is known to have come to its end.
    pub pulled_from: Option<DateTime<Utc>>,
    /// What is left of the calls that were granted to this job; none before the first.
    pub lease: Option<Lease>,
    /// Opened in this job.
    access: Option<Secret>,
    /// Whether nobody will try again what fails now.
    pub is_last_try: bool,
    /// Whether something was sent in this job, so that what was read of the connection is old by now.
    has_sent: bool,
}

impl Account {
    /// An account as it is stored.
    pub fn new(user: UserId, status: GoogleStatus, items: GoogleItems) -> Self {
        let GoogleItems { connection, calendars, list, budget, pulled_from } = items;
        Self {
            user,
            status,
            connection,
            calendars,
            list,
            budget,
            pulled_from,
            lease: None,
            access: None,
            is_last_try: false,
            has_sent: false,
        }
    }

    /// The state of a calendar as it now is.
    pub fn keep(&mut self, state: &CalendarState) {
        match self.calendars.iter_mut().find(|known| known.calendar == state.calendar) {
            Some(known) => known.clone_from(state),
            None => self.calendars.push(state.clone()),
        }
    }

    /// Google's id of a calendar that is synced, or was until now.
    pub fn calendar(&self, home: &Home) -> Option<String> {
        let state = self.calendars.iter().find(|state| state.home() == *home)?;
        Some(state.calendar.clone())
    }
}

impl Sync {
    /// The user's account; `None` when there is none or the connection has ended: then Google must not be called at all.
    pub(crate) async fn account(&self, user: UserId) -> Result<Option<Account>, Error> {
        let (head, items, breaker) =
            tokio::join!(self.store.head(user), self.store.google(user), self.store.breaker());
        let head = match head {
            // Deleted while the job was queued.
            Err(store::Error::NoUser) => return Ok(None),
            other => other?,
        };
        let Some(status) = head.google.filter(GoogleStatus::stands) else { return Ok(None) };
        let Some(items) = items? else { return Ok(None) };
        self.pass_breaker(breaker?)?;
        Ok(Some(Account::new(user, status, items)))
    }

    /// Makes sure, before each event that is sent but the first, that the connection still stands: it may have ended since the one before, and a
    /// job may have many to send. One read.
    pub(crate) async fn confirm_connected(&self, account: &mut Account) -> Result<(), Error> {
        if std::mem::replace(&mut account.has_sent, true) {
            let head = self.store.head(account.user).await?;
            head.google.filter(GoogleStatus::stands).ok_or(Error::Disconnected)?;
        }
        Ok(())
    }

    /// Calls Google within the user's budget and with a valid access token. One that Google no longer accepts is renewed, once.
    pub(crate) async fn call<T>(
        &self,
        account: &mut Account,
        call: impl AsyncFn(&calendar::Client, &Secret) -> Result<T, google::Error>,
    ) -> Result<T, Error> {
        let client = self.google.calendar()?;
        let access = Box::pin(self.access(account)).await?;
        Box::pin(self.spend(account)).await?;
        let answer = match Box::pin(call(client, &access)).await {
            Err(error) if error.is(Reason::Unauthorized) => {
                let access = Box::pin(self.refresh(account)).await?;
                Box::pin(self.spend(account)).await?;
                Box::pin(call(client, &access)).await
            }
            other => other,
        };
        Box::pin(self.heed(account, answer)).await
    }

    async fn access(&self, account: &mut Account) -> Result<Secret, Error> {
        if let Some(access) = &account.access {
            return Ok(access.clone());
        }
        match self.stored_access(account)? {
            Some(access) => Ok(access),
            None => self.refresh(account).await,
        }
    }

    /// The access token that is stored, if it is still good.
    fn stored_access(&self, account: &mut Account) -> Result<Option<Secret>, Error> {
        let now = self.clock.now();
        let stored = account.connection.access.as_ref().filter(|access| is_fresh(access, now));
        let Some(stored) = stored else { return Ok(None) };
        let access = self.vault.open(account.user, &Sealed::from(stored.sealed.clone()))?;
        account.access = Some(access.clone());
        Ok(Some(access))
    }

    /// An access token in place of the one that is known, which is none, old, or refused. However many workers need one, one of them asks
    /// Google, and the others wait until it is stored.
    async fn refresh(&self, account: &mut Account) -> Result<Secret, Error> {
        let (user, seen) = (account.user, account.connection.clone());
        for _ in 0..ROUNDS {
            let now = self.clock.now();
            if self.store.claim_renewal(user, &seen, now, now + RENEWAL).await? {
                let renewed = self.obtain(account).await;
                if renewed.is_err() {
                    self.store.release_renewal(user, &seen).await?;
                }
                return renewed;
            }
            account.connection = self.renewed_by_another(user, &seen).await?;
            if account.connection.access != seen.access
                && let Some(access) = self.stored_access(account)?
            {
                return Ok(access);
            }
        }
        Err(Error::RenewalPending)
    }

    /// The connection as soon as it is another one than what was seen, or nobody asks for a new token any more.
    async fn renewed_by_another(&self, user: UserId, seen: &Connection) -> Result<Connection, Error> {
        let look = || async {
            let stored = self.store.renewal(user).await?.ok_or(Error::Disconnected)?;
            let is_pending = stored.connection == *seen && stored.is_pending(self.clock.now());
            if is_pending { Err(Error::RenewalPending) } else { Ok(stored.connection) }
        };
        let again = ConstantBuilder::default().with_delay(LOOK_AGAIN).with_max_times(LOOKS);
        look.retry(again).when(|error| matches!(error, Error::RenewalPending)).await
    }

    /// Makes a new access token and stores it, with the refresh token if Google rotated it, before it is used.
    async fn obtain(&self, account: &mut Account) -> Result<Secret, Error> {
        let used = account.connection.sealed_refresh.clone();
        let refresh = self.vault.open(account.user, &Sealed::from(used.clone()))?;
        let renewed = self.google.oauth()?.refresh(&refresh).await?;
        if let Some(rotated) = &renewed.refresh {
            account.connection.sealed_refresh = self.vault.seal(account.user, rotated)?.into();
        }
        let AccessToken { secret, expires_at } = renewed.access;
        let sealed = self.vault.seal(account.user, &secret)?.into();
        account.connection.access = Some(SealedAccess { sealed, issued_at: self.clock.now(), expires_at });
        self.store.renew_connection(account.user, &used, &account.connection).await?;
        account.access = Some(secret.clone());
        Ok(secret)
    }
}

fn is_fresh(access: &SealedAccess, now: DateTime<Utc>) -> bool {
    let life = access.expires_at - access.issued_at;
    access.expires_at - now > life / FRESH_PART
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_token_is_renewed_before_it_ends() {
        let issued_at = DateTime::from_timestamp(1_763_600_000, 0).unwrap();
        let access =
            SealedAccess { sealed: "v1.".into(), issued_at, expires_at: issued_at + TimeDelta::minutes(60) };
        assert!(is_fresh(&access, issued_at + TimeDelta::minutes(47)));
        assert!(!is_fresh(&access, issued_at + TimeDelta::minutes(48)));
        assert!(!is_fresh(&access, issued_at + TimeDelta::minutes(90)));
    }
}
