//! Requests about many events at once: parsed whole before anything is written, written a transaction at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use contract::event::{DeleteKey, DeleteManyBody, EventBody, OrderBody};
use domain::{Context, Draft, EventId, GoogleEventId, Records, Refusal, Scope, Steps, UserId};
use http::StatusCode;
use runtime::http::ApiError;
use seam::Random;
use store::{Plan, Reads, Snapshot};

use crate::Events;

/// How many events of a request are written together: each may be an exception, which changes its series too.
const PART: usize = Plan::LIMIT / 2;

/// All elements as drafts, or the first refusal with the element's place. An id that comes twice means its last element.
pub fn drafts(bodies: Vec<EventBody>, random: &Random) -> Result<Vec<Draft>, ApiError> {
    let many = bodies.len() > 1;
    let mut drafts = BTreeMap::new();
    for (place, body) in bodies.into_iter().enumerate() {
        let draft =
            body.id().and_then(|id| body.into_draft(id.unwrap_or_else(|| EventId::new(random.bytes()))));
        let draft = draft.map_err(|refusal| match many {
            true => ApiError::bad_request(format!("[{place}]: {refusal}")),
            false => refusal.into(),
        })?;
        drafts.insert(draft.id(), draft);
    }
    Ok(drafts.into_values().collect())
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

impl Events {
    /// Applies what `plan` makes of each of `items`, one on top of the other, and says how many of them changed something.
    pub async fn apply<T: Named + Sync>(
        &self,
        user: UserId,
        items: &[T],
        scope: Scope,
        plan: impl Fn(&Records, &T, &Context) -> Result<Steps, Refusal> + Sync,
    ) -> Result<usize, ApiError> {
        let now = self.clock.now();
        let mut changed = 0;
        for part in items.chunks(PART) {
            // A plan may be made more than once; the last one is the one that was written.
            let count = AtomicUsize::new(0);
            let all = |snapshot: &Snapshot| {
                let context = snapshot.head.context(now);
                let mut records = snapshot.records.clone();
                let mut steps = Steps::none();
                count.store(0, Ordering::Relaxed);
                for item in part {
                    let next = plan(&records, item, &context)?;
                    if !next.is_empty() {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    records.apply(&next);
                    steps = steps.then(next);
                }
                Ok::<_, ApiError>(Plan::steps(steps))
            };
            let reads = Reads::leading(part.iter().map(Named::id), scope);
            self.store.mutate(user, reads, now, all).await?;
            changed += count.into_inner();
        }
        Ok(changed)
    }
}
