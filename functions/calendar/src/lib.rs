//! `calendar`: the user's list of calendars. What a client adds to it is kept and shown, and grants nothing: which calendars are synced, the provider's own
//! list decides.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use auth::access::Verifier;
use axum::extract::{FromRef, State};
use axum::routing::{get, put};
use axum::{Json, Router};
use contract::Object;
use contract::calendar::{CalendarBody, CalendarView, CalendarsView, InsertedCalendar, SelectionBody};
use domain::calendar::{self, Calendar};
use domain::{CalendarId, Job, Notice};
use runtime::http::{ApiError, Body, Listed, Reader, Session};
use seam::Clock;
use store::{CursorKey, Revision, Store};

/// What the handlers need.
#[derive(Clone, FromRef)]
pub struct Calendars {
    /// Where calendars are.
    pub store: Store,
    /// Knows a valid session.
    pub verifier: Verifier,
    /// Seals the cursor of the list.
    pub cursors: CursorKey,
    /// For time stamps.
    pub clock: Clock,
}

/// The routes.
pub fn router(calendars: Calendars) -> Router {
    Router::new()
        .route("/api/calendars", get(list).post(create))
        .route("/api/calendars/select", put(select))
        .with_state(calendars)
}

/// `GET /api/calendars`.
async fn list(State(calendars): State<Calendars>, reader: Reader) -> Result<Listed<CalendarsView>, ApiError> {
    let user = reader.user;
    let listed = calendars.store.calendars(user).await?;
    let calendars = listed.into_iter().map(|calendar| CalendarView::new(user, calendar)).collect();
    Ok(reader.told(CalendarsView { calendars }))
}

/// `POST /api/calendars`: one more calendar.
async fn create(
    State(calendars): State<Calendars>,
    Session { user, .. }: Session,
    Body(Object(body)): Body<Object<CalendarBody>>,
) -> Result<Json<InsertedCalendar>, ApiError> {
    let now = calendars.clock.now();
    let calendar = body.into_calendar(user, now);
    let plan = |known: &[Calendar]| {
        let added = calendar::add(known, calendar.clone())?;
        let is_new = !known.contains(&added);
        Ok::<_, ApiError>((Revision::put(is_new.then_some(added)), ()))
    };
    calendars.store.revise(user, now, plan).await?;
    Ok(Json(InsertedCalendar { acknowledged: true, inserted_id: calendar.id }))
}

/// `PUT /api/calendars/select`: which calendars the user wants to see. Those that are not in the list are skipped. What it means for the sync is found out
/// by the job that is asked for with it.
async fn select(
    State(calendars): State<Calendars>,
    Session { user, .. }: Session,
    Body(selections): Body<Vec<Object<SelectionBody>>>,
) -> Result<Json<bool>, ApiError> {
    if selections.is_empty() {
        return Err(ApiError::bad_request("At least one calendar must be named"));
    }
    let now = calendars.clock.now();
    let wanted: BTreeMap<CalendarId, bool> =
        selections.into_iter().map(|Object(selection)| (selection.id, selection.selected)).collect();
    let plan = |known: &[Calendar]| {
        let changed = calendar::select(known, &wanted, now);
        let is_provided = changed.iter().any(|calendar| calendar.is_confirmed);
        let notices = is_provided.then_some(Notice::Wanted(Job::Poll { user })).into_iter().collect();
        Ok::<_, ApiError>((Revision { notices, ..Revision::put(changed) }, ()))
    };
    calendars.store.revise(user, now, plan).await?;
    Ok(Json(true))
}
