//! A user's permission at Google, for the length of a job.

use chrono::{DateTime, Utc};
use domain::{GoogleStatus, Home, UserId};
use google::oauth::AccessToken;
use google::{Reason, Sealed, Secret, calendar};
use store::{CalendarState, Connection, ListState, SealedAccess};

use crate::{Error, Sync};

/// An access token with less than this part of its life left is renewed first.
const FRESH_PART: i32 = 5;

/// A connected user.
pub(crate) struct Account {
    pub user: UserId,
    pub status: GoogleStatus,
    pub connection: Connection,
    pub calendars: Vec<CalendarState>,
    pub list: ListState,
    /// Opened in this job.
    access: Option<Secret>,
}

impl Account {
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
    /// The user's account; `None` when there is none or its access was withdrawn: then Google must not be called at all.
    pub(crate) async fn account(&self, user: UserId) -> Result<Option<Account>, Error> {
        let (head, items) = tokio::join!(self.store.head(user), self.store.google(user));
        let head = match head {
            // Deleted while the job was queued.
            Err(store::Error::NoUser) => return Ok(None),
            other => other?,
        };
        let Some(status) = head.google.filter(|status| !status.is_revoked) else { return Ok(None) };
        Ok(items?.map(|items| Account {
            user,
            status,
            connection: items.connection,
            calendars: items.calendars,
            list: items.list,
            access: None,
        }))
    }

    /// Calls Google with a valid access token. One that Google no longer accepts is renewed, once.
    pub(crate) async fn call<T>(
        &self,
        account: &mut Account,
        call: impl AsyncFn(&calendar::Client, &Secret) -> Result<T, google::Error>,
    ) -> Result<T, Error> {
        let client = self.google.calendar()?;
        let access = self.access(account).await?;
        match call(client, &access).await {
            Err(error) if error.is(Reason::Unauthorized) => {
                let access = self.refresh(account).await?;
                Ok(call(client, &access).await?)
            }
            other => Ok(other?),
        }
    }

    async fn access(&self, account: &mut Account) -> Result<Secret, Error> {
        if let Some(access) = &account.access {
            return Ok(access.clone());
        }
        let now = self.clock.now();
        let stored = account.connection.access.as_ref().filter(|access| is_fresh(access, now));
        let Some(stored) = stored else { return self.refresh(account).await };
        let access = self.vault.open(account.user, &Sealed::from(stored.sealed.clone()))?;
        account.access = Some(access.clone());
        Ok(access)
    }

    /// Makes a new access token and stores it, with the refresh token if Google rotated it, before it is used.
    async fn refresh(&self, account: &mut Account) -> Result<Secret, Error> {
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
