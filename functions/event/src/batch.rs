//! Requests about many events at once: checked whole before anything is written, written a transaction at a time, and taken back when they
//! cannot be finished. So whoever asked sees all of it or nothing, and may ask again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use contract::event::{DeleteKey, DeleteManyBody, EventBody, OrderBody};
use domain::{Context, Draft, Event, EventId, GoogleEventId, Records, Refusal, Scope, Steps, Stored, UserId};
use http::StatusCode;
use runtime::http::ApiError;
use seam::Random;
use store::{Plan, Reads, Snapshot};

use crate::Events;

/// All elements as drafts, or the first refusal with the element's place. An id that comes twice means its last element.
pub fn drafts(bodies: Vec<EventBody>, random: &Random, now: DateTime<Utc>) -> Result<Vec<Draft>, ApiError> {
    let many = bodies.len() > 1;
    let mut drafts = BTreeMap::new();
    for (place, body) in bodies.into_iter().enumerate() {
        let draft =
            draft(body, random).and_then(|draft| if many { plannable(draft, now) } else { Ok(draft) });
        let draft = draft.map_err(|refusal| match many {
            true => ApiError::bad_request(format!("[{place}]: {refusal}")),
            false => refusal.into(),
        })?;
        drafts.insert(draft.id(), draft);
    }
    Ok(drafts.into_values().collect())
}

fn draft(body: EventBody, random: &Random) -> Result<Draft, Refusal> {
    let id = body.id()?.unwrap_or_else(|| EventId::new(random.bytes()));
    body.into_draft(id)
}

/// A draft of which a plan can be made where nothing is stored: what is wrong with the last of many shows before the first is written.
fn plannable(draft: Draft, now: DateTime<Utc>) -> Result<Draft, Refusal> {
    let context = Context { is_connected: false, zone: None, now };
    domain::save(&Records::default(), &draft, Scope::This, &context)?;
    Ok(draft)
}

/// The places to give, by event.
pub fn orders(bodies: Vec<OrderBody>) -> Result<Vec<(EventId, f64)>, ApiError> {
    if bodies.is_empty() {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "No events to reorder", "Request is malformed"));
    }
    let place = |body: &OrderBody| {
        domain::check_order(body.order)?;
        Ok::<_, Refusal>((EventId::from_wire(&body.id)?, body.order))
    };
    let orders: Result<BTreeMap<EventId, f64>, _> = bodies.iter().map(place).collect();
    Ok(orders?.into_iter().collect())
}

/// The events that a `deleteMany` names, each once.
pub fn ids(body: &DeleteManyBody) -> Result<Vec<EventId>, ApiError> {
    let parse = |text: &String| match body.key {
        DeleteKey::Id => EventId::from_wire(text),
        DeleteKey::GoogleId | DeleteKey::GoogleSeriesId => {
            Ok(EventId::of_google(&GoogleEventId::new(text.as_str())))
        }
    };
    let ids: Result<BTreeSet<EventId>, _> = body.ids.iter().map(parse).collect();
    Ok(ids?.into_iter().collect())
}

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
#[derive(Default)]
struct Outcome {
    /// How many of its items the transaction had room for.
    taken: usize,
    /// How many of them changed something.
    changed: usize,
    /// What was not there before.
    created: Vec<EventId>,
}

impl Events {
    /// Applies what `plan` makes of each of `items`, one on top of the other, and says how many of them changed something. What the request has
    /// created is taken back should a later part of it fail.
    pub async fn apply<T: Named + Sync>(
        &self,
        user: UserId,
        items: &[T],
        scope: Scope,
        plan: impl Fn(&Records, &T, &Context) -> Result<Steps, Refusal> + Sync,
    ) -> Result<usize, ApiError> {
        let now = self.clock.now();
        let (mut changed, mut created) = (0, Vec::new());
        let mut left = items;
        while !left.is_empty() {
            let (outcome, done) = self.apply_some(user, left, scope, now, &plan).await;
            changed += outcome.changed;
            // Also of a part that failed: its answer may be all that was lost.
            created.extend(outcome.created);
            if let Err(error) = done {
                if outcome.taken < items.len() && !created.is_empty() {
                    self.take_back(user, &created, now).await;
                }
                return Err(error);
            }
            left = left.get(outcome.taken..).unwrap_or_default();
        }
        Ok(changed)
    }

    /// One transaction, of as many of the first items as it has room for. The first of them is always among them.
    async fn apply_some<T: Named + Sync>(
        &self,
        user: UserId,
        items: &[T],
        scope: Scope,
        now: DateTime<Utc>,
        plan: impl Fn(&Records, &T, &Context) -> Result<Steps, Refusal> + Sync,
    ) -> (Outcome, Result<(), ApiError>) {
        let items = &items[..items.len().min(Plan::LIMIT)];
        // A plan may be made more than once; the last one is the one that was written.
        let outcome = Mutex::new(Outcome::default());
        let all = |snapshot: &Snapshot| {
            let context = snapshot.head.context(now);
            let mut records = snapshot.records.clone();
            let (mut steps, mut planned) = (Steps::none(), Outcome::default());
            for item in items {
                let next = plan(&records, item, &context)?;
                if planned.taken > 0 && steps.len() + next.len() > Plan::LIMIT {
                    break;
                }
                planned.taken += 1;
                if !next.is_empty() {
                    planned.changed += 1;
                    if matches!(records.stored(item.id()), Stored::Nothing(_)) {
                        planned.created.push(item.id());
                    }
                }
                records.apply(&next);
                steps = steps.then(next);
            }
            *outcome.lock().unwrap_or_else(PoisonError::into_inner) = planned;
            Ok::<_, ApiError>(Plan::steps(steps))
        };
        let reads = Reads::leading(items.iter().map(Named::id), scope);
        let done = self.store.mutate(user, reads, now, all).await;
        (outcome.into_inner().unwrap_or_else(PoisonError::into_inner), done.map(drop))
    }

    /// Deletes what a request had created at `written` before it failed, unless somebody has changed it since. Best effort: what is left is an
    /// event that its user sees and can delete, and a repeated request finds it.
    async fn take_back(&self, user: UserId, created: &[EventId], written: DateTime<Utc>) {
        let is_ours = |event: &Event| event.updated_at == written;
        let plan = |records: &Records, id: &EventId, context: &Context| {
            let is_untouched = match records.stored(*id) {
                Stored::Single(record) => is_ours(&record.event),
                Stored::Series(family) => is_ours(&family.base.event),
                _ => false,
            };
            if is_untouched { domain::delete(records, *id, Scope::All, context) } else { Ok(Steps::none()) }
        };
        tracing::error!(%user, events = created.len(), "a request failed half-way and is taken back");
        let mut left = created;
        while !left.is_empty() {
            let (outcome, done) = self.apply_some(user, left, Scope::All, self.clock.now(), plan).await;
            if let Err(error) = done {
                tracing::error!(%user, events = left.len(), ?error, "what is left of a failed request cannot be taken back");
                return;
            }
            left = left.get(outcome.taken..).unwrap_or_default();
        }
    }
}
