//! `priority`: the user's list of priorities. No screen of the web app shows it; each change is one entry of the user's log all the same.

#[cfg(test)]
mod tests;

use auth::access::Verifier;
use axum::extract::{FromRef, State};
use axum::routing::get;
use axum::{Json, Router};
use contract::Object;
use contract::priority::{DeletedPriority, PriorityBody, PriorityChange, PriorityView};
use domain::PriorityId;
use domain::priority::{self, NamedPriority};
use http::StatusCode;
use runtime::http::{ApiError, Body, Listed, Path, Reader, Session};
use seam::Clock;
use store::{CursorKey, Revision, Store};

/// What the handlers need.
#[derive(Clone, FromRef)]
pub struct Priorities {
    /// Where priorities are.
    pub store: Store,
    /// Knows a valid session.
    pub verifier: Verifier,
    /// Seals the cursor of the list.
    pub cursors: CursorKey,
    /// For the log.
    pub clock: Clock,
}

/// The routes.
pub fn router(priorities: Priorities) -> Router {
    Router::new()
        .route("/api/priority", get(list).post(create))
        .route("/api/priority/{id}", get(read).put(rename).delete(delete))
        .with_state(priorities)
}

/// `GET /api/priority`: a bare array, by name.
async fn list(
    State(priorities): State<Priorities>,
    reader: Reader,
) -> Result<Listed<Vec<PriorityView>>, ApiError> {
    let user = reader.user;
    let listed = priorities.store.priorities(user).await?;
    Ok(reader.told(listed.into_iter().map(|entry| PriorityView::new(user, entry)).collect()))
}

/// `POST /api/priority`: the priority of this name, which is made unless it is there.
async fn create(
    State(priorities): State<Priorities>,
    Session { user, .. }: Session,
    Body(Object(body)): Body<Object<PriorityBody>>,
) -> Result<Json<PriorityView>, ApiError> {
    let plan = |known: &[NamedPriority]| {
        let entry = priority::upsert(user, known, body.id, body.name.clone())?;
        Ok::<_, ApiError>((difference(known, &entry), entry))
    };
    let entry = priorities.store.revise(user, priorities.clock.now(), plan).await?;
    Ok(Json(PriorityView::new(user, entry)))
}

/// `GET /api/priority/{id}`.
async fn read(
    State(priorities): State<Priorities>,
    Session { user, .. }: Session,
    Path(id): Path<String>,
) -> Result<Json<PriorityView>, ApiError> {
    let id = id.parse()?;
    let entry = priorities.store.priority(user, id).await?.ok_or_else(|| unknown(id))?;
    Ok(Json(PriorityView::new(user, entry)))
}

/// `PUT /api/priority/{id}`: gives it another name. Its id stays.
async fn rename(
    State(priorities): State<Priorities>,
    Session { user, .. }: Session,
    Path(id): Path<String>,
    Body(Object(change)): Body<Object<PriorityChange>>,
) -> Result<Json<PriorityView>, ApiError> {
    let id: PriorityId = id.parse()?;
    let plan = |known: &[NamedPriority]| {
        let entry = priority::rename(known, id, change.name.clone())?.ok_or_else(|| unknown(id))?;
        Ok::<_, ApiError>((difference(known, &entry), entry))
    };
    let entry = priorities.store.revise(user, priorities.clock.now(), plan).await?;
    Ok(Json(PriorityView::new(user, entry)))
}

/// `DELETE /api/priority/{id}`: what is gone already is no error.
async fn delete(
    State(priorities): State<Priorities>,
    Session { user, .. }: Session,
    Path(id): Path<String>,
) -> Result<Json<DeletedPriority>, ApiError> {
    let id: PriorityId = id.parse()?;
    let plan = |known: &[NamedPriority]| {
        let removed: Vec<NamedPriority> = known.iter().filter(|entry| entry.id == id).cloned().collect();
        let deleted_count = removed.len();
        Ok::<_, ApiError>((Revision { removed, ..Revision::none() }, deleted_count))
    };
    let deleted_count = priorities.store.revise(user, priorities.clock.now(), plan).await?;
    Ok(Json(DeletedPriority { acknowledged: true, deleted_count }))
}

/// What has to be written for the list to have this entry.
fn difference(known: &[NamedPriority], entry: &NamedPriority) -> Revision<NamedPriority> {
    if known.contains(entry) { Revision::none() } else { Revision::put([entry.clone()]) }
}

/// No screen asks for a priority, so there is no web app that this 404 could sign out.
fn unknown(id: PriorityId) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "Priority not found", format!("There is no priority {id}"))
}
