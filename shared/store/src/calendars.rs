//! `C#<provider>#<hash of its id there>`: the user's list of calendars.
//!
//! The key is made of what makes a calendar this one, so it is there once, whoever writes it. Not to be confused with `G#C#<calendar>`, which says how far the
//! sync of a calendar is.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::UserId;
use domain::calendar::{self, Calendar, Provider};

use crate::lists::{Entry, Revision};
use crate::{CONNECTION, Error, Head, Store};

impl Entry for Calendar {
    const LIST: &'static str = "C#";

    fn key(&self) -> String {
        let Calendar { listing, .. } = self;
        format!("{}#{}", listing.provider.as_str(), calendar::fingerprint(&listing.id))
    }
}

impl Store {
    /// The user's calendars: the first one first, then by when they came. One query.
    ///
    /// Which of them are to be read from their provider, [`Calendar::is_synced`] tells.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn calendars(&self, user: UserId) -> Result<Vec<Calendar>, Error> {
        let mut calendars: Vec<Calendar> = self.entries(user).await?;
        calendars.sort_by_key(|calendar| (!calendar.is_primary, calendar.created_at, calendar.id));
        Ok(calendars)
    }

    /// Takes in what a provider lists: the truth about these calendars, but not about what the user chose. Those with ids in `gone` it has no more.
    /// Told twice, it writes nothing the second time. Calendars that are not named stay as they are.
    ///
    /// # Errors
    /// [`Error::Condition`] of [`CONNECTION`] when the user's connection has ended: what it has brought is not written any more. [`Error::NoUser`] when
    /// there is no such user, or any error of the store.
    pub async fn put_calendars(
        &self,
        user: UserId,
        listed: &[Calendar],
        gone: &BTreeSet<String>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let plan = |head: &Head, known: &[Calendar]| {
            if head.google.as_ref().is_some_and(|status| !status.stands()) {
                return Err(Error::Condition(CONNECTION));
            }
            let put = calendar::learn(known, listed.to_vec(), now);
            let removed = calendar::withdraw(known, Provider::Google, gone);
            Ok((Revision { removed, ..Revision::put(put) }, ()))
        };
        self.revise_under(user, now, plan).await
    }
}
