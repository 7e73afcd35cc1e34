//! The one way to change what clients can see: read, plan, write all of it under `HEAD`, or start over.

use backon::{ExponentialBuilder, Retryable};
use chrono::{DateTime, Utc};
use domain::{Address, Change, EventId, Record, Records, Rev, Tag, UserId};
use futures_util::future::{try_join, try_join_all};
use seam::Class;

use crate::item::{self, EventItem};
use crate::key::{self, Key};
use crate::plan::{FamilyOf, HeadPlan, Plan, Reads, Snapshot};
use crate::table::{Expression, Query, Write, sort_key};
use crate::unfinished::Work;
use crate::{Error, Head, Store};

/// How often a plan is made anew when somebody else was faster.
const ATTEMPTS: usize = 10;

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

    /// As [`Store::mutate`], for what changes no event: reads and writes `HEAD`, and what goes with it.
    ///
    /// # Errors
    /// As [`Store::mutate`].
    pub async fn mutate_head<E: From<Error>>(
        &self,
        user: UserId,
        now: DateTime<Utc>,
        plan: impl Fn(&Head) -> Result<HeadPlan, E>,
    ) -> Result<Rev, E> {
        persist(|| async {
            let head = self.head(user).await.map_err(Failed::Store)?;
            let plan = plan(&head).map_err(Failed::Plan)?;
            self.commit_head(user, &head, plan, now).await.map_err(Failed::Store)
        })
        .await
    }

    pub(crate) async fn commit_head(
        &self,
        user: UserId,
        head: &Head,
        plan: HeadPlan,
        now: DateTime<Utc>,
    ) -> Result<Rev, Error> {
        if plan.is_empty_but_for_steps() {
            return Ok(head.seq);
        }
        Ok(self.seal(user, head, head.clone(), Vec::new(), plan, now).await?.seq)
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
        if plan.fits() {
            return Ok(self.write(user, snapshot, plan, now).await?.seq);
        }
        let prepare = std::mem::take(&mut plan.steps.prepare);
        let clean = std::mem::take(&mut plan.steps.clean);
        let mut snapshot = snapshot.clone();
        for part in Plan::parts(prepare) {
            snapshot.head = self.write(user, &snapshot, Plan::of(part), now).await?;
        }
        if clean.is_empty() {
            return Ok(self.write(user, &snapshot, plan, now).await?.seq);
        }
        // Once the plan is committed, it is cleaned up also should this function be killed.
        let note = self.note(user, Work::clean(&clean)?, now).await?;
        plan.also.extend(note.begin(self)?);
        let mut seq = self.write(user, &snapshot, plan, now).await?.seq;
        for part in Plan::parts(clean) {
            seq = self.clean(user, &part, now).await?;
        }
        self.forget(&note).await?;
        Ok(seq)
    }

    /// Writes a part of what is left after a commit. What somebody else has changed since it was planned is his.
    pub(crate) async fn clean(
        &self,
        user: UserId,
        changes: &[Change],
        now: DateTime<Utc>,
    ) -> Result<Rev, Error> {
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
        let (steps, rest) = plan.split();
        let mut next = snapshot.head.clone();
        let mut writes = Vec::new();
        for change in steps.into_changes() {
            next.seq += 1;
            let mut record = change.record;
            record.rev = next.seq;
            record.seen = record.seen.at(next.seq, change.views);
            let stored = snapshot.records.get(record.address());
            writes.push(item::write_record(&self.table, user, &record, stored, now)?);
        }
        self.seal(user, &snapshot.head, next, writes, rest, now).await
    }

    /// The rest of a transaction, and the transaction. `next` is the head after the changes of `writes`.
    async fn seal(
        &self,
        user: UserId,
        old: &Head,
        mut next: Head,
        mut writes: Vec<Write>,
        plan: HeadPlan,
        now: DateTime<Utc>,
    ) -> Result<Head, Error> {
        writes.extend(plan.also);
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
