//! Requests about many events at once, checked whole before anything is written.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use contract::event::{DeleteKey, DeleteManyBody, EventBody, OrderBody};
use domain::{Context, Draft, EventId, GoogleEventId, Records, Refusal, Scope};
use http::StatusCode;
use runtime::http::ApiError;
use seam::Random;

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
