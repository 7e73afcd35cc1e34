//! `P#<id>`: the user's list of priorities.

use chrono::{DateTime, Utc};
use domain::priority::{self, NamedPriority};
use domain::{PriorityId, UserId};

use crate::lists::{Entry, EntryWrite};
use crate::{Error, Store};

impl Entry for NamedPriority {
    const LIST: &'static str = "P#";

    fn key(&self) -> String {
        self.id.to_string()
    }
}

impl Store {
    /// The user's priorities, by name. One query.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn priorities(&self, user: UserId) -> Result<Vec<NamedPriority>, Error> {
        let mut priorities: Vec<NamedPriority> = self.entries(user).await?;
        priorities.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(priorities)
    }

    /// One of them. One read.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn priority(&self, user: UserId, id: PriorityId) -> Result<Option<NamedPriority>, Error> {
        self.entry(user, &id.to_string()).await
    }

    /// What a new user finds.
    pub(crate) fn default_priorities(&self, user: UserId, now: DateTime<Utc>) -> Vec<EntryWrite> {
        let write = |entry: NamedPriority| self.write_entry(user, entry, false, None, now);
        priority::defaults(user).map(write).into()
    }
}
