//! The handlers, in the order of the route table.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use contract::event::{
    DeleteManyBody, DeletedMany, EventBody, EventView, ListQuery, OneOrMany, OrderBody, Reordered, Scope,
};
use domain::EventId;
use http::StatusCode;
use runtime::http::{ApiError, Body, Path, Query, Session, no_content};
use serde::Deserialize;
use store::Plan;

use crate::{Events, batch};

/// `GET /api/event`: the events of a window, as a bare array.
pub async fn list(
    State(events): State<Events>,
    Session { user, .. }: Session,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<EventView>>, ApiError> {
    let window = query.window()?;
    let listed = events.store.list(user, query.shelf(), window.as_ref()).await?;
    let wanted = listed.into_iter().filter(|event| query.wants(event.priority));
    Ok(Json(wanted.map(|event| EventView::new(user, event)).collect()))
}

/// `POST /api/event`: one event or an array of them; sent twice, they are there once.
pub async fn create(
    State(events): State<Events>,
    Session { user, .. }: Session,
    Body(OneOrMany(bodies)): Body<OneOrMany>,
) -> Result<Response, ApiError> {
    let drafts = batch::drafts(bodies, &events.random)?;
    let now = events.clock.now();
    for part in drafts.chunks(Plan::LIMIT) {
        let ids: Vec<EventId> = part.iter().map(domain::Draft::id).collect();
        let plan = |snapshot: &store::Snapshot| {
            let connected = snapshot.head.is_connected();
            let save =
                |draft: &domain::Draft| domain::save(snapshot.record(draft.id()), draft, connected, now);
            Ok::<_, ApiError>(Plan::of(part.iter().map(save)))
        };
        events.store.mutate(user, &ids, now, plan).await?;
    }
    Ok(no_content())
}

/// `PUT /api/event/reorder`: new places in the someday lists. Ids that are not the user's are skipped.
pub async fn reorder(
    State(events): State<Events>,
    Session { user, .. }: Session,
    Body(orders): Body<Vec<OrderBody>>,
) -> Result<Json<Reordered>, ApiError> {
    let orders = batch::orders(orders)?;
    let now = events.clock.now();
    let mut matched_count = 0;
    for part in orders.chunks(Plan::LIMIT) {
        let ids: Vec<EventId> = part.iter().map(|(id, _)| *id).collect();
        matched_count += batch::apply(&events.store, user, &ids, now, |snapshot| {
            part.iter().filter_map(|(id, order)| domain::reorder(snapshot.record(*id), *order)).collect()
        })
        .await?;
    }
    Ok(Json(Reordered { matched_count, modified_count: matched_count, ..Reordered::default() }))
}

/// `DELETE /api/event/deleteMany`: by our ids or Google's.
pub async fn delete_many(
    State(events): State<Events>,
    Session { user, .. }: Session,
    Body(body): Body<DeleteManyBody>,
) -> Result<Json<DeletedMany>, ApiError> {
    let now = events.clock.now();
    let ids = batch::ids(&body)?;
    let mut deleted_count = 0;
    for part in ids.chunks(Plan::LIMIT) {
        deleted_count += batch::apply(&events.store, user, part, now, |snapshot| {
            let connected = snapshot.head.is_connected();
            part.iter().filter_map(|id| domain::delete(snapshot.record(*id), connected, now)).collect()
        })
        .await?;
    }
    let asked = body.ids.len();
    let missing = (deleted_count < asked).then(|| format!("Only deleted {deleted_count}/{asked} events"));
    Ok(Json(DeletedMany { deleted_count, errors: missing.into_iter().collect() }))
}

/// `GET /api/event/{id}`.
pub async fn read(
    State(events): State<Events>,
    Session { user, .. }: Session,
    Path(id): Path<String>,
) -> Result<Json<EventView>, ApiError> {
    let id = EventId::from_wire(&id)?;
    let record = events.store.record(user, id).await?.filter(|record| !record.is_deleted);
    let record = record.ok_or_else(|| {
        let tried = format!("Tried with user: {user} and _id: {id}");
        ApiError::new(StatusCode::NOT_FOUND, "Event not found", tried)
    })?;
    Ok(Json(EventView::new(user, record.event)))
}

/// The query of a change to one event.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChangeQuery {
    apply_to: Option<String>,
}

/// `PUT /api/event/{id}`: replaces the event, or creates it. A single event is the whole of its series, so every scope means it.
pub async fn replace(
    State(events): State<Events>,
    Session { user, .. }: Session,
    Path(id): Path<String>,
    Query(query): Query<ChangeQuery>,
    Body(body): Body<EventBody>,
) -> Result<Response, ApiError> {
    Scope::from_query(query.apply_to.as_deref())?;
    let id = EventId::from_wire(&id)?;
    let draft = body.into_draft(id)?;
    let now = events.clock.now();
    let plan = |snapshot: &store::Snapshot| {
        let change = domain::save(snapshot.record(id), &draft, snapshot.head.is_connected(), now);
        Ok::<_, ApiError>(Plan::of([change]))
    };
    events.store.mutate(user, &[id], now, plan).await?;
    Ok(no_content())
}

/// `DELETE /api/event/{id}`: what is gone already is 204 too, because a 404 would sign the user out.
pub async fn delete(
    State(events): State<Events>,
    Session { user, .. }: Session,
    Path(id): Path<String>,
    Query(query): Query<ChangeQuery>,
) -> Result<Response, ApiError> {
    Scope::from_query(query.apply_to.as_deref())?;
    let id = EventId::from_wire(&id)?;
    let now = events.clock.now();
    let plan = |snapshot: &store::Snapshot| {
        let change = domain::delete(snapshot.record(id), snapshot.head.is_connected(), now);
        Ok::<_, ApiError>(Plan::of(change))
    };
    events.store.mutate(user, &[id], now, plan).await?;
    Ok(no_content())
}
