//! Requests about many events at once: parsed whole before anything is written, written a transaction at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, Utc};
use contract::event::{DeleteKey, DeleteManyBody, EventBody, OrderBody};
use domain::{Change, Draft, EventId, GoogleEventId, Refusal, UserId};
use http::StatusCode;
use runtime::http::ApiError;
use seam::Random;
use store::{Plan, Snapshot, Store};

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
        DeleteKey::GoogleId => Ok(EventId::of_google(&GoogleEventId::new(text.as_str()))),
    };
    let ids: Result<BTreeSet<EventId>, _> = body.ids.iter().map(parse).collect();
    Ok(ids?.into_iter().collect())
}

/// Applies the changes that `plan` makes of what is stored of `ids`, and says how many there were.
pub async fn apply(
    store: &Store,
    user: UserId,
    ids: &[EventId],
    now: DateTime<Utc>,
    plan: impl Fn(&Snapshot) -> Vec<Change> + Send + Sync,
) -> Result<usize, ApiError> {
    // A plan may be made more than once; the last one is the one that was written.
    let count = AtomicUsize::new(0);
    let counted = |snapshot: &Snapshot| {
        let changes = plan(snapshot);
        count.store(changes.len(), Ordering::Relaxed);
        Ok::<_, ApiError>(Plan::of(changes))
    };
    store.mutate(user, ids, now, counted).await?;
    Ok(count.into_inner())
}
