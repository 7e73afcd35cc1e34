//! Lists of a user that are short enough to be read whole: priorities (`P#…`) and calendars (`C#…`).
//!
//! A rule about a list speaks of all of it: a name is there once, one calendar is the first. So a change is planned on the whole list.
//! Its entries have revs like events, and tombstones, so that the log tells of them; no view of the web app shows them, so they have no
//! `grid_rev` or `someday_rev`, and no frame is sent.

use chrono::{DateTime, Utc};
use domain::{Notice, Rev, UserId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::head::HISTORY;
use crate::key;
use crate::mutate::{Failed, persist};
use crate::table::{Expression, OnCondition, Query, Write};
use crate::{Error, Head, HeadPlan, Plan, Store};

/// The write of an entry, once its rev is known.
pub(crate) type EntryWrite = Box<dyn FnOnce(Rev) -> Result<Write, Error> + Send>;

/// What stands in a list: one item each.
pub trait Entry: Clone + Serialize + DeserializeOwned + Send + 'static {
    /// With what the sort keys of the list begin.
    const LIST: &'static str;

    /// What tells entries of the list apart: the rest of the sort key.
    fn key(&self) -> String;
}

/// What becomes of a list.
pub struct Revision<T> {
    /// Entries that are new or different.
    pub put: Vec<T>,
    /// Entries that go. Known by their key.
    pub removed: Vec<T>,
    /// What clients are told beside them, and what has to be done because of them.
    pub notices: Vec<Notice>,
}

impl<T> Revision<T> {
    /// Nothing changes.
    pub fn none() -> Self {
        Self::put([])
    }

    /// Entries that are new or different, and none that goes.
    pub fn put(entries: impl IntoIterator<Item = T>) -> Self {
        Self { put: entries.into_iter().collect(), removed: Vec::new(), notices: Vec::new() }
    }

    /// An entry that goes.
    pub fn removal(entry: T) -> Self {
        Self { removed: vec![entry], ..Self::none() }
    }
}

/// An entry as it lies in the table.
#[derive(Serialize, Deserialize)]
pub(crate) struct EntryItem<T> {
    pub rev: Rev,
    pub entry: T,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_deleted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

impl Store {
    /// The entries of a list. One query.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn entries<T: Entry>(&self, user: UserId) -> Result<Vec<T>, Error> {
        Ok(live(&self.list_items(user).await?))
    }

    /// The entry under this key. One read.
    pub(crate) async fn entry<T: Entry>(&self, user: UserId, key: &str) -> Result<Option<T>, Error> {
        let item: Option<EntryItem<T>> = self.table.get(&key::entry(user, T::LIST, key)).await?;
        Ok(item.filter(|item| !item.is_deleted).map(|item| item.entry))
    }

    /// Reads a list, lets `plan` decide, and writes what it says; when somebody else wrote in between, all of it is done again. A revision of more
    /// than [`Plan::LIMIT`] entries is carried out part by part, in the order given, and planned anew for each; so a plan must come to an end.
    ///
    /// Returns what the plan returned beside its (last) revision.
    ///
    /// # Errors
    /// The plan's own error, [`Error::NoUser`] when there is no such user, or any error of the store.
    pub async fn revise<T: Entry, R, E: From<Error>>(
        &self,
        user: UserId,
        now: DateTime<Utc>,
        plan: impl Fn(&[T]) -> Result<(Revision<T>, R), E>,
    ) -> Result<R, E> {
        self.revise_under(user, now, |_, entries| plan(entries)).await
    }

    /// As [`Store::revise`], for a plan that depends on `HEAD`, too.
    pub(crate) async fn revise_under<T: Entry, R, E: From<Error>>(
        &self,
        user: UserId,
        now: DateTime<Utc>,
        plan: impl Fn(&Head, &[T]) -> Result<(Revision<T>, R), E>,
    ) -> Result<R, E> {
        loop {
            let (outcome, is_whole) = persist(|| async {
                // In this order: whoever commits after the head was read changes it, and whatever was committed before is in the list.
                let head = self.head(user).await.map_err(Failed::Store)?;
                let items = self.list_items(user).await.map_err(Failed::Store)?;
                let (revision, outcome) = plan(&head, &live(&items)).map_err(Failed::Plan)?;
                let notices = revision.notices.clone();
                let (writes, is_whole) = self.entry_writes(user, &items, revision, now);
                // With the last part.
                let notices = if is_whole { notices } else { Vec::new() };
                let plan = HeadPlan { entries: writes, notices, ..HeadPlan::default() };
                self.commit_head(user, &head, plan, now).await.map_err(Failed::Store)?;
                Ok((outcome, is_whole))
            })
            .await?;
            if is_whole {
                return Ok(outcome);
            }
        }
    }

    async fn list_items<T: Entry>(&self, user: UserId) -> Result<Vec<EntryItem<T>>, Error> {
        let condition = Expression::new("pk = :pk AND begins_with(sk, :list)")
            .value(":pk", key::user(user))?
            .value(":list", T::LIST)?;
        self.table.query(Query { index: None, condition, limit: None }).await
    }

    /// The writes of a revision, as many as one transaction holds, and whether they are all.
    fn entry_writes<T: Entry>(
        &self,
        user: UserId,
        items: &[EntryItem<T>],
        revision: Revision<T>,
        now: DateTime<Utc>,
    ) -> (Vec<EntryWrite>, bool) {
        let put = revision.put.into_iter().map(|entry| (entry, false));
        let changes: Vec<(T, bool)> =
            put.chain(revision.removed.into_iter().map(|entry| (entry, true))).collect();
        let is_whole = changes.len() <= Plan::LIMIT;
        let writes = changes.into_iter().take(Plan::LIMIT).map(|(entry, is_deleted)| {
            let read = items.iter().find(|item| item.entry.key() == entry.key()).map(|item| item.rev);
            self.write_entry(user, entry, is_deleted, read, now)
        });
        (writes.collect(), is_whole)
    }

    /// The write that brings an entry, or its tombstone, in place of what was read under its key.
    pub(crate) fn write_entry<T: Entry>(
        &self,
        user: UserId,
        entry: T,
        is_deleted: bool,
        read: Option<Rev>,
        now: DateTime<Utc>,
    ) -> EntryWrite {
        let table = self.table.clone();
        Box::new(move |rev| {
            let unchanged = match read {
                Some(read) => Expression::new("#rev = :read").name("#rev", "rev").value(":read", read)?,
                None => Expression::new("attribute_not_exists(pk)"),
            };
            let key = key::entry(user, T::LIST, &entry.key());
            let expires_at = is_deleted.then(|| (now + HISTORY).timestamp());
            let item = key.with(EntryItem { rev, entry, is_deleted, expires_at });
            Write::put(&table, item, Some(unchanged), OnCondition::Retry)
        })
    }
}

fn live<T: Entry>(items: &[EntryItem<T>]) -> Vec<T> {
    items.iter().filter(|item| !item.is_deleted).map(|item| item.entry.clone()).collect()
}
