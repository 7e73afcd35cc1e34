//! The handlers, in the order of the route table.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use contract::event::{
    DeleteManyBody, DeletedMany, EventBody, EventView, ListQuery, OneOrMany, OrderBody, Reordered, scope,
};
use domain::{Context, Draft, EventId, Records, Scope, Stored};
use http::StatusCode;
use runtime::http::{ApiError, Body, Listed, Path, Query, Reader, Session, no_content};
use serde::Deserialize;

use crate::{Events, batch};

/// `GET /api/event`: the events of a window, as a bare array.
pub async fn list(
    State(events): State<Events>,
    reader: Reader,
    Query(query): Query<ListQuery>,
) -> Result<Listed<Vec<EventView>>, ApiError> {
    let window = query.window()?;
    let user = reader.user;
    let listed = events.store.list(user, query.shelf(), window.as_ref()).await?;
    let wanted = listed.into_iter().filter(|shown| query.wants(shown.event.priority));
    Ok(reader.told(wanted.map(|shown| EventView::new(user, shown)).collect()))
}

/// `POST /api/event`: one event or an array of them; sent twice, they are there once.
pub async fn create(
    State(events): State<Events>,
    Session { user, .. }: Session,
    Body(OneOrMany(bodies)): Body<OneOrMany>,
) -> Result<Response, ApiError> {
    let now = events.clock.now();
    let drafts = batch::drafts(bodies, &events.random, now)?;
    events.store.save_all::<ApiError>(user, &drafts, now).await?;
    Ok(no_content())
}

/// `PUT /api/event/reorder`: new places in the someday lists. Ids that are not the user's are skipped.
pub async fn reorder(
    State(events): State<Events>,
    Session { user, .. }: Session,
    Body(orders): Body<Vec<OrderBody>>,
) -> Result<Json<Reordered>, ApiError> {
    let orders = batch::orders(orders)?;
    let plan = |records: &Records, (id, order): &(EventId, f64), context: &Context| {
        Ok::<_, ApiError>(domain::reorder(records, *id, *order, context))
    };
    let matched_count = events.store.apply(user, &orders, Scope::This, events.clock.now(), plan).await?;
    Ok(Json(Reordered { matched_count, modified_count: matched_count, ..Reordered::default() }))
}

/// `DELETE /api/event/deleteMany`: by our ids or Google's. The id of a series means all of it.
pub async fn delete_many(
    State(events): State<Events>,
    Session { user, .. }: Session,
    Body(body): Body<DeleteManyBody>,
) -> Result<Json<DeletedMany>, ApiError> {
    let ids = batch::ids(&body)?;
    let plan = |records: &Records, id: &EventId, context: &Context| {
        let scope = match records.stored(*id) {
            Stored::Series(_) => Scope::All,
            _ => Scope::This,
        };
        Ok::<_, ApiError>(domain::delete(records, *id, scope, context)?)
    };
    let deleted_count = events.store.apply(user, &ids, Scope::This, events.clock.now(), plan).await?;
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
    let shown = events.store.stored(user, id).await?.shown().ok_or_else(|| {
        let tried = format!("Tried with user: {user} and _id: {id}");
        ApiError::new(StatusCode::NOT_FOUND, "Event not found", tried)
    })?;
    Ok(Json(EventView::new(user, shown)))
}

/// The query of a change to one event.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChangeQuery {
    apply_to: Option<String>,
}

/// `PUT /api/event/{id}`: replaces the event or the part of its series that is in scope, or creates it.
pub async fn replace(
    State(events): State<Events>,
    Session { user, .. }: Session,
    Path(id): Path<String>,
    Query(query): Query<ChangeQuery>,
    Body(body): Body<EventBody>,
) -> Result<Response, ApiError> {
    let scope = scope(query.apply_to.as_deref())?;
    let draft = body.into_draft(EventId::from_wire(&id)?)?;
    let plan = |records: &Records, draft: &Draft, context: &Context| {
        Ok::<_, ApiError>(domain::save(records, draft, scope, context)?)
    };
    events.store.apply(user, &[draft], scope, events.clock.now(), plan).await?;
    Ok(no_content())
}

/// `DELETE /api/event/{id}`: what is gone already is 204 too, because a 404 would sign the user out.
pub async fn delete(
    State(events): State<Events>,
    Session { user, .. }: Session,
    Path(id): Path<String>,
    Query(query): Query<ChangeQuery>,
) -> Result<Response, ApiError> {
    let scope = scope(query.apply_to.as_deref())?;
    let id = EventId::from_wire(&id)?;
    let plan = |records: &Records, id: &EventId, context: &Context| {
        Ok::<_, ApiError>(domain::delete(records, *id, scope, context)?)
    };
    events.store.apply(user, &[id], scope, events.clock.now(), plan).await?;
    Ok(no_content())
}
