//! The one way to change what clients can see: read, plan, write all of it under `HEAD`, or start over.

use std::collections::BTreeSet;

use backon::{ExponentialBuilder, Retryable};
use chrono::{DateTime, Utc};
use contract::user::Settings;
use domain::{
    Address, Change, EventId, GoogleStatus, Notice, Record, Records, Rev, Scope, Steps, Stored, Tag, UserId,
};
use futures_util::future::{try_join, try_join_all};
use seam::Class;

use crate::item::{self, EventItem};
use crate::key::{self, Key};
use crate::lists::EntryWrite;
use crate::table::{Expression, Item, Query, TRANSACTION_LIMIT, Write};
use crate::{Error, Head, Profile, Store};

/// How often a plan is made anew when somebody else was faster.
const ATTEMPTS: usize = 10;

/// What a plan has to know beside `HEAD`.
#[derive(Clone, Debug, Default)]
pub struct Reads {
    addresses: Vec<Address>,
    /// Ids that may lead to a series, of which the scope may ask for all exceptions.
    leading: Vec<(EventId, Scope)>,
    /// Series of which all exceptions are read.
    families: Vec<FamilyOf>,
}

/// Whose exceptions are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyOf {
    /// Those of the series with this id, whether the series itself is stored or not.
    Any(EventId),
    /// Those of the series with this id, if it is stored and not deleted.
    Stored(EventId),
}

impl Reads {
    /// Whatever these ids lead to, with all that a request of this scope may change.
    pub fn leading(ids: impl IntoIterator<Item = EventId>, scope: Scope) -> Self {
        let leading: Vec<_> = ids.into_iter().map(|id| (id, scope)).collect();
        let addresses = leading.iter().flat_map(|(id, _)| Stored::addresses(*id));
        Self { addresses: addresses.collect(), leading, families: Vec::new() }
    }

    /// What lies in these places, and the exceptions of these series.
    pub fn at(
        addresses: impl IntoIterator<Item = Address>,
        families: impl IntoIterator<Item = FamilyOf>,
    ) -> Self {
        // A batch must not name an item twice.
        let addresses: BTreeSet<Address> = addresses.into_iter().collect();
        let families = families.into_iter().collect();
        Self { addresses: addresses.into_iter().collect(), leading: Vec::new(), families }
    }

    /// These, and those.
    pub fn and(
        self,
        addresses: impl IntoIterator<Item = Address>,
        families: impl IntoIterator<Item = FamilyOf>,
    ) -> Self {
        let both =
            Self::at(self.addresses.into_iter().chain(addresses), self.families.into_iter().chain(families));
        Self { leading: self.leading, ..both }
    }
}

/// What is stored of these as single events.
impl From<&[EventId]> for Reads {
    fn from(ids: &[EventId]) -> Self {
        Self { addresses: ids.iter().map(|id| Address::Single(*id)).collect(), ..Self::default() }
    }
}

impl<const N: usize> From<&[EventId; N]> for Reads {
    fn from(ids: &[EventId; N]) -> Self {
        ids.as_slice().into()
    }
}

impl From<&Vec<EventId>> for Reads {
    fn from(ids: &Vec<EventId>) -> Self {
        ids.as_slice().into()
    }
}

/// What a plan is made from. DynamoDB may read a batch across a commit; a plan made from such a mixture is refused when it is written, and made anew.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The user's head.
    pub head: Head,
    /// What was read of the user's events.
    pub records: Records,
}

impl Snapshot {
    /// Of the head alone.
    pub(crate) fn of(head: Head) -> Self {
        Self { head, records: Records::default() }
    }

    /// What is stored of a single event, tombstones included.
    pub fn record(&self, id: EventId) -> Option<&Record> {
        self.records.get(Address::Single(id))
    }
}

/// What shall be written, in one transaction if it fits into one ([`Steps`] says how it is split if not). An empty plan writes nothing.
#[derive(Default)]
pub struct Plan {
    /// Next states of events.
    pub steps: Steps,
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
        Self::steps(Steps { commit: changes.into_iter().collect(), ..Steps::default() })
    }

    /// A plan of these steps only.
    pub fn steps(steps: Steps) -> Self {
        Self { steps, ..Self::default() }
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
        self.steps.is_empty()
            && self.notices.is_empty()
            && self.entries.is_empty()
            && self.also.is_empty()
            && self.settings.is_none()
            && self.profile.is_none()
            && self.google.is_none()
    }
}

impl Store {
    /// Reads `HEAD` and what else is asked for, lets `plan` decide, and writes what it says in one transaction. When somebody else wrote in between,
    /// all of it is done again, so `plan` must be a pure function of the snapshot.
    ///
    /// Returns the newest rev.
    ///
    /// # Errors
    /// The plan's own error, [`Error::NoUser`] when there is no such user, or any error of the store.
    pub async fn mutate<E: From<Error>>(
        &self,
        user: UserId,
        reads: impl Into<Reads>,
        now: DateTime<Utc>,
        plan: impl Fn(&Snapshot) -> Result<Plan, E>,
    ) -> Result<Rev, E> {
        let reads = reads.into();
        persist(|| async {
            let snapshot = self.snapshot(user, &reads).await.map_err(Failed::Store)?;
            let plan = plan(&snapshot).map_err(Failed::Plan)?;
            self.commit(user, &snapshot, plan, now).await.map_err(Failed::Store)
        })
        .await
    }

    async fn snapshot(&self, user: UserId, reads: &Reads) -> Result<Snapshot, Error> {
        let mut snapshot = self.read(user, &reads.addresses).await?;
        // What is read after `HEAD` may be newer, but then `HEAD` has moved and the plan will be made anew.
        let beyond = reads.leading.iter().filter_map(|(id, scope)| {
            let stored = snapshot.records.stored(*id);
            let family = stored.family().filter(|_| domain::reaches_beyond(&stored, *scope))?;
            Some((family.base.event.id, *id))
        });
        let families = beyond.map(|(series, id)| self.family(user, series, id));
        let wanted = reads.families.iter().filter_map(|family| match family {
            FamilyOf::Any(id) => Some(Tag::of(*id)),
            FamilyOf::Stored(id) => {
                let tag = Tag::of(*id);
                snapshot.records.get(Address::Series(tag)).and_then(Record::series).map(|_| tag)
            }
        });
        let exceptions = wanted.map(|tag| self.exceptions(user, tag));
        let (families, exceptions) = try_join(try_join_all(families), try_join_all(exceptions)).await?;
        for record in families.into_iter().chain(exceptions).flatten() {
            snapshot.records.insert(record);
        }
        Ok(snapshot)
    }

    /// `HEAD` and what lies in these places, in one round.
    async fn read(&self, user: UserId, addresses: &[Address]) -> Result<Snapshot, Error> {
        let places = addresses.iter().map(|address| key::record(user, *address));
        let keys: Vec<Key> = std::iter::once(key::head(user)).chain(places).collect();
        let mut head = None;
        let mut records = Records::default();
        for item in self.table.batch_get(&keys).await? {
            if sort_key(&item) == Some(key::HEAD) {
                head = Some(serde_dynamo::from_item(item)?);
            } else {
                records.insert(serde_dynamo::from_item::<_, EventItem>(item)?.into());
            }
        }
        Ok(Snapshot { head: head.ok_or(Error::NoUser)?, records })
    }

    /// All that a request on `id`, which leads to `series`, may change beside what the id itself leads to.
    async fn family(&self, user: UserId, series: EventId, id: EventId) -> Result<Vec<Record>, Error> {
        let own = async {
            let item = self.table.get::<EventItem>(&key::event(user, series)).await?;
            Ok(item.map(Record::from))
        };
        let mut tags = vec![Tag::of(series), Tag::of(id)];
        tags.dedup();
        let exceptions = tags.into_iter().map(|tag| self.exceptions(user, tag));
        let (own, exceptions) = try_join(own, try_join_all(exceptions)).await?;
        Ok(own.into_iter().chain(exceptions.into_iter().flatten()).collect())
    }

    /// All that is stored of a series' exceptions, tombstones included.
    pub(crate) async fn exceptions(&self, user: UserId, tag: Tag) -> Result<Vec<Record>, Error> {
        let (first, last) = key::exceptions(tag);
        let condition = Expression::new("pk = :pk AND sk BETWEEN :first AND :last")
            .value(":pk", key::user(user))?
            .value(":first", first)?
            .value(":last", last)?;
        let items: Vec<EventItem> = self.table.query(Query { index: None, condition, limit: None }).await?;
        Ok(items.into_iter().map(Record::from).collect())
    }

    pub(crate) async fn commit(
        &self,
        user: UserId,
        snapshot: &Snapshot,
        mut plan: Plan,
        now: DateTime<Utc>,
    ) -> Result<Rev, Error> {
        if plan.is_empty() {
            return Ok(snapshot.head.seq);
        }
        if plan.steps.len() + plan.notices.len() <= Plan::LIMIT {
            return Ok(self.write(user, snapshot, plan, now).await?.seq);
        }
        let prepare = std::mem::take(&mut plan.steps.prepare);
        let clean = std::mem::take(&mut plan.steps.clean);
        let mut snapshot = snapshot.clone();
        for part in prepare.chunks(Plan::LIMIT) {
            snapshot.head = self.write(user, &snapshot, Plan::of(part.iter().cloned()), now).await?;
        }
        let mut seq = self.write(user, &snapshot, plan, now).await?.seq;
        for part in clean.chunks(Plan::LIMIT) {
            seq = self.clean(user, part, now).await?;
        }
        Ok(seq)
    }

    /// Writes a part of what is left after a commit. What somebody else has changed since it was planned is his.
    async fn clean(&self, user: UserId, changes: &[Change], now: DateTime<Utc>) -> Result<Rev, Error> {
        let addresses: Vec<Address> = changes.iter().map(|change| change.record.address()).collect();
        let attempt = || async {
            let snapshot = self.read(user, &addresses).await?;
            let is_untouched = |change: &&Change| {
                let stored = snapshot.records.get(change.record.address());
                stored.map_or(0, |record| record.rev) == change.record.rev
            };
            let plan = Plan::of(changes.iter().filter(is_untouched).cloned());
            if plan.is_empty() {
                return Ok(snapshot.head.seq);
            }
            Ok(self.write(user, &snapshot, plan, now).await?.seq)
        };
        attempt.retry(back_off()).when(is_worth_another_plan).await
    }

    /// One transaction. Returns the new head.
    async fn write(
        &self,
        user: UserId,
        snapshot: &Snapshot,
        plan: Plan,
        now: DateTime<Utc>,
    ) -> Result<Head, Error> {
        let old = &snapshot.head;
        let mut next = old.clone();
        let mut writes = plan.also;
        for change in plan.steps.into_changes() {
            next.seq += 1;
            let mut record = change.record;
            record.rev = next.seq;
            record.seen = record.seen.at(next.seq, change.views);
            let stored = snapshot.records.get(record.address());
            writes.push(item::write_record(&self.table, user, &record, stored, now)?);
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
        Ok(next)
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

/// A conflict is worth another plan at once, and so is a fault before anything was written. After a write whose answer was lost a plan would be made
/// on its own result.
fn is_worth_another_plan(error: &Error) -> bool {
    match error {
        Error::Conflict => true,
        Error::Unanswered { .. } => false,
        error => matches!(error.class(), Class::Transient | Class::Throttled),
    }
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
