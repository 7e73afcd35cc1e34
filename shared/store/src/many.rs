//! Requests about many events at once: written in as few transactions as hold them, each filled as far as it goes.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use domain::{Context, Draft, EventId, Records, Refusal, Scope, Steps, UserId};

use crate::unfinished::Work;
use crate::{Error, Plan, Reads, Snapshot, Store};

/// What a request names: an id, and with it perhaps more.
pub trait Named {
    /// The id.
    fn id(&self) -> EventId;
}

impl Named for EventId {
    fn id(&self) -> EventId {
        *self
    }
}

impl Named for Draft {
    fn id(&self) -> EventId {
        Draft::id(self)
    }
}

impl Named for (EventId, f64) {
    fn id(&self) -> EventId {
        self.0
    }
}

/// What came of a part of a request.
#[derive(Clone, Copy, Default)]
struct Outcome {
    /// How many of its items the transaction had room for.
    taken: usize,
    /// How many of them changed something.
    changed: usize,
}

impl Store {
    /// Applies what `plan` makes of each of `items`, one on top of the other, and says how many of them changed something. Each id comes once.
    ///
    /// # Errors
    /// The plan's own error, [`Error::NoUser`] when there is no such user, or any error of the store. What was written before stays.
    pub async fn apply<T: Named, E: From<Error>>(
        &self,
        user: UserId,
        items: &[T],
        scope: Scope,
        now: DateTime<Utc>,
        plan: impl Fn(&Records, &T, &Context) -> Result<Steps, E>,
    ) -> Result<usize, E> {
        let (mut left, mut changed) = (items, 0);
        while !left.is_empty() {
            let outcome = self.apply_some(user, left, scope, now, false, &plan).await?;
            changed += outcome.changed;
            left = left.get(outcome.taken..).unwrap_or_default();
        }
        Ok(changed)
    }

    /// Saves these drafts, each id once: all of them in the end, also when the function is killed between two transactions. None when it says no.
    ///
    /// # Errors
    /// A refusal of one of the drafts; of many only of one that depends on what is stored, so check them before. Else as [`Store::apply`].
    pub async fn save_all<E: From<Error> + From<Refusal>>(
        &self,
        user: UserId,
        drafts: &[Draft],
        now: DateTime<Utc>,
    ) -> Result<(), E> {
        let save = |records: &Records, draft: &Draft, context: &Context| {
            Ok::<_, E>(domain::save(records, draft, Scope::This, context)?)
        };
        let is_at_once = drafts.len() <= Plan::LIMIT && {
            let outcome = self.apply_some(user, drafts, Scope::This, now, true, &save).await?;
            outcome.taken == drafts.len()
        };
        if is_at_once {
            return Ok(());
        }
        let note = self.note(user, Work::save(drafts)?, now).await?;
        self.table.transact(note.begin(self)?).await?;
        self.apply(user, drafts, Scope::This, now, save).await?;
        Ok(self.forget(&note).await?)
    }

    /// One transaction, of as many of the first items as it has room for; the first of them is always among them. If all must be among them and are
    /// not, nothing is written and none is taken.
    async fn apply_some<T: Named, E: From<Error>>(
        &self,
        user: UserId,
        items: &[T],
        scope: Scope,
        now: DateTime<Utc>,
        must_be_all: bool,
        plan: &impl Fn(&Records, &T, &Context) -> Result<Steps, E>,
    ) -> Result<Outcome, E> {
        let items = &items[..items.len().min(Plan::LIMIT)];
        // A plan may be made more than once; the last one is the one that was written.
        let outcome = Mutex::new(Outcome::default());
        let all = |snapshot: &Snapshot| {
            let context = snapshot.head.context(now);
            let mut records = snapshot.records.clone();
            let (mut steps, mut planned) = (Steps::none(), Outcome::default());
            for item in items {
                let next = plan(&records, item, &context)?;
                if planned.taken > 0 && !Plan::holds(&steps, &next) {
                    break;
                }
                planned.taken += 1;
                planned.changed += usize::from(!next.is_empty());
                records.apply(&next);
                steps = steps.then(next);
            }
            if must_be_all && planned.taken < items.len() {
                (steps, planned) = (Steps::none(), Outcome::default());
            }
            *outcome.lock().unwrap_or_else(PoisonError::into_inner) = planned;
            Ok::<_, E>(Plan::steps(steps))
        };
        let reads = Reads::leading(items.iter().map(Named::id), scope);
        // Boxed, because the compiler gives up on a future of so many layers.
        Box::pin(self.mutate(user, reads, now, all)).await?;
        Ok(outcome.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}
