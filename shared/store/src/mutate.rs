//! The one way to change what clients can see: read, plan, write all of it under `HEAD`, or start over.

use std::collections::BTreeMap;

use backon::{ExponentialBuilder, Retryable};
use chrono::{DateTime, Utc};
use contract::user::Settings;
use domain::{Change, EventId, GoogleStatus, Notice, Record, Rev, UserId};
use seam::Class;

use crate::item::{self, EventItem};
use crate::key::{self, Key};
use crate::lists::EntryWrite;
use crate::table::{Item, TRANSACTION_LIMIT, Write};
use crate::{Error, Head, Profile, Store};

/// How often a plan is made anew when somebody else was faster.
const ATTEMPTS: usize = 10;

/// What a plan is made from. DynamoDB may read a batch across a commit; a plan made from such a mixture is refused when it is written, and made anew.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The user's head.
    pub head: Head,
    records: BTreeMap<EventId, Record>,
}

impl Snapshot {
    /// Of the head alone.
    pub(crate) fn of(head: Head) -> Self {
        Self { head, records: BTreeMap::new() }
    }

    /// What is stored of an event, tombstones included.
    pub fn record(&self, id: EventId) -> Option<&Record> {
        self.records.get(&id)
    }
}

/// What shall be written, in one transaction. An empty plan writes nothing.
#[derive(Default)]
pub struct Plan {
    /// Next states of events.
    pub changes: Vec<Change>,
    /// What clients are told beside them.
    pub notices: Vec<Notice>,
    /// The user's settings, if they change.
    pub settings: Option<Settings>,
    /// The user's profile, if it changes.
    pub profile: Option<Profile>,
    /// The connection to Google, if its state changes.
    pub google: Option<GoogleStatus>,
    /// Entries of the user's lists, each of which gets a rev.
    pub(crate) entries: Vec<EntryWrite>,
    /// Items that no client sees and that must change with the rest.
    pub(crate) also: Vec<Write>,
}

impl Plan {
    /// A plan of changes to events only.
    pub fn of(changes: impl IntoIterator<Item = Change>) -> Self {
        Self { changes: changes.into_iter().collect(), ..Self::default() }
    }

    /// Also tells clients of this.
    pub fn notice(mut self, notice: Notice) -> Self {
        self.notices.push(notice);
        self
    }

    /// Also sets the state of the connection to Google.
    pub fn google(self, google: GoogleStatus) -> Self {
        Self { google: Some(google), ..self }
    }

    /// Also sets the user's settings.
    pub fn settings(self, settings: Settings) -> Self {
        Self { settings: Some(settings), ..self }
    }

    /// The most changes and notices that fit into one transaction beside `HEAD` and a few private items.
    pub const LIMIT: usize = TRANSACTION_LIMIT - 10;

    fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && self.notices.is_empty()
            && self.entries.is_empty()
            && self.also.is_empty()
            && self.settings.is_none()
            && self.profile.is_none()
            && self.google.is_none()
    }
}

impl Store {
    /// Reads `HEAD` and the events named, lets `plan` decide, and writes what it says in one transaction. When somebody else wrote in between,
    /// all of it is done again, so `plan` must be a pure function of the snapshot.
    ///
    /// Returns the newest rev.
    ///
    /// # Errors
    /// The plan's own error, [`Error::NoUser`] when there is no such user, or any error of the store.
    pub async fn mutate<E: From<Error>>(
        &self,
        user: UserId,
        ids: &[EventId],
        now: DateTime<Utc>,
        plan: impl Fn(&Snapshot) -> Result<Plan, E>,
    ) -> Result<Rev, E> {
        persist(|| async {
            let snapshot = self.snapshot(user, ids).await.map_err(Failed::Store)?;
            let plan = plan(&snapshot).map_err(Failed::Plan)?;
            self.commit(user, &snapshot, plan, now).await.map_err(Failed::Store)
        })
        .await
    }

    async fn snapshot(&self, user: UserId, ids: &[EventId]) -> Result<Snapshot, Error> {
        let keys: Vec<Key> =
            std::iter::once(key::head(user)).chain(ids.iter().map(|id| key::event(user, *id))).collect();
        let mut head = None;
        let mut records = BTreeMap::new();
        for item in self.table.batch_get(&keys).await? {
            match sort_key(&item).and_then(item::event_id) {
                Some(id) => {
                    records.insert(id, serde_dynamo::from_item::<_, EventItem>(item)?.into());
                }
                None => head = Some(serde_dynamo::from_item(item)?),
            }
        }
        Ok(Snapshot { head: head.ok_or(Error::NoUser)?, records })
    }

    pub(crate) async fn commit(
        &self,
        user: UserId,
        snapshot: &Snapshot,
        plan: Plan,
        now: DateTime<Utc>,
    ) -> Result<Rev, Error> {
        let old = &snapshot.head;
        if plan.is_empty() {
            return Ok(old.seq);
        }
        let mut next = old.clone();
        let mut writes = plan.also;
        for change in plan.changes {
            next.seq += 1;
            let mut record = change.record;
            record.rev = next.seq;
            record.seen = record.seen.at(next.seq, change.views);
            writes.push(item::write_event(
                &self.table,
                user,
                &record,
                snapshot.record(record.event.id),
                now,
            )?);
        }
        for entry in plan.entries {
            next.seq += 1;
            writes.push(entry(next.seq)?);
        }
        for notice in &plan.notices {
            next.seq += 1;
            writes.push(item::write_notice(&self.table, user, next.seq, notice, now)?);
        }
        if next.seq > old.seq {
            next.changed_at = now;
            next.marks = old.marks_after(now);
        }
        next.settings = plan.settings.unwrap_or(next.settings);
        next.profile = plan.profile.unwrap_or(next.profile);
        next.google = plan.google.or(next.google);
        writes.push(item::write_head(&self.table, user, old, &next)?);
        self.table.transact(writes).await?;
        Ok(next.seq)
    }
}

/// Why an attempt to read, plan and write came to nothing.
pub(crate) enum Failed<E> {
    /// The plan says no; another one would say the same.
    Plan(E),
    /// The store did not do it.
    Store(Error),
}

/// Attempts until the store has done it, or another plan would not help.
pub(crate) async fn persist<T, E: From<Error>, F: Future<Output = Result<T, Failed<E>>>>(
    attempt: impl FnMut() -> F,
) -> Result<T, E> {
    let done = attempt
        .retry(back_off())
        .when(|failed| matches!(failed, Failed::Store(error) if is_worth_another_plan(error)))
        .await;
    done.map_err(|failed| match failed {
        Failed::Plan(error) => error,
        Failed::Store(error) => error.into(),
    })
}

/// A conflict is worth another plan at once; a fault of the world is too, because a plan that was already carried out is carried out
/// again with the same result.
fn is_worth_another_plan(error: &Error) -> bool {
    matches!(error, Error::Conflict) || matches!(error.class(), Class::Transient | Class::Throttled)
}

fn back_off() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(std::time::Duration::from_millis(5))
        .with_max_delay(std::time::Duration::from_millis(400))
        .with_max_times(ATTEMPTS)
        .with_jitter()
}

fn sort_key(item: &Item) -> Option<&str> {
    item.get("sk")?.as_s().ok().map(String::as_str)
}
