//! The administration over HTTP, under `/_fake`, in JSON. The table in the crate's documentation lists it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::ConsentRequest;
use crate::calendar::channels::Channel;
use crate::calendar::scope::Scope;
use crate::error::Refusal;
use crate::faults::{Fault, PushFault};
use crate::journal::Entry;
use crate::push::Delivery;
use crate::quirks::Quirks;
use crate::quota::Quota;
use crate::state::{Account, Google, Paging};

type Shared = State<Arc<Google>>;
type Answer<T> = Result<Json<T>, Refusal>;
const DONE: StatusCode = StatusCode::NO_CONTENT;

pub(crate) fn routes() -> Router<Arc<Google>> {
    Router::new()
        .route("/reset", post(reset))
        .route("/accounts", get(accounts).post(create_account))
        .route("/accounts/{email}/expire-tokens", post(expire_tokens))
        .route("/accounts/{email}/revoke", post(revoke))
        .route("/accounts/{email}/calendars", post(create_calendar))
        .route(
            "/accounts/{email}/calendars/{calendar}",
            post(share_calendar).patch(edit_listing).delete(unlist_calendar),
        )
        .route("/accounts/{email}/calendars/{calendar}/events", get(events).post(create_event))
        .route(
            "/accounts/{email}/calendars/{calendar}/events/{event}",
            get(event).patch(edit_event).delete(delete_event),
        )
        .route("/accounts/{email}/calendars/{calendar}/events/{event}/restore", post(restore_event))
        .route("/accounts/{email}/calendars/{calendar}/plant", post(plant))
        .route("/accounts/{email}/calendars/{calendar}/populate", post(populate))
        .route("/accounts/{email}/calendars/{calendar}/events/{event}/move", post(move_event))
        .route("/accounts/{email}/calendars/{calendar}/dump", get(dump))
        .route("/accounts/{email}/calendars/{calendar}/occurrences", get(occurrences))
        .route("/calendars/{calendar}", patch(edit_calendar).delete(delete_calendar))
        .route("/calendars/{calendar}/invalidate-sync-tokens", post(invalidate_sync_tokens))
        .route("/calendars/{calendar}/pushing", post(set_pushing))
        .route("/consent", post(consent))
        .route("/keys/rotate", post(rotate_keys))
        .route("/faults", get(faults).post(inject).delete(clear_faults))
        .route("/push-faults", post(inject_push))
        .route("/push-faults/release", post(release_pushes))
        .route("/paging", post(set_paging))
        .route("/quirks", post(set_quirks))
        .route("/quota", get(quota).post(set_quota))
        .route("/clock", post(advance))
        .route("/page-tokens/expire", post(expire_page_tokens))
        .route("/violations", get(violations))
        .route("/journal", get(journal).delete(clear_journal))
        .route("/channels", get(channels))
        .route("/deliveries", get(deliveries))
        .route("/idle", get(idle))
        // A calendar comes as a whole.
        .layer(DefaultBodyLimit::disable())
}

async fn reset(State(google): Shared) -> StatusCode {
    google.reset();
    DONE
}

async fn accounts(State(google): Shared) -> Json<Vec<Account>> {
    Json(google.accounts())
}

async fn create_account(State(google): Shared, Json(account): Json<Account>) -> Json<Account> {
    Json(google.create_account(account))
}

async fn expire_tokens(State(google): Shared, Path(email): Path<String>) -> StatusCode {
    google.expire_access_tokens(&email);
    DONE
}

async fn revoke(State(google): Shared, Path(email): Path<String>) -> Json<Value> {
    Json(json!({"isRevoked": google.revoke_grants(&email)}))
}

#[derive(Deserialize)]
struct NewCalendar {
    summary: String,
}

async fn create_calendar(
    State(google): Shared,
    Path(email): Path<String>,
    Json(calendar): Json<NewCalendar>,
) -> Answer<Value> {
    let id = google.create_calendar(&email, &calendar.summary)?;
    Ok(Json(json!({"id": id})))
}

#[derive(Deserialize)]
struct Share {
    role: String,
}

async fn share_calendar(
    State(google): Shared,
    Path((email, calendar)): Path<(String, String)>,
    Json(share): Json<Share>,
) -> Result<StatusCode, Refusal> {
    google.share_calendar(&calendar, &email, &share.role).map(|()| DONE)
}

async fn unlist_calendar(
    State(google): Shared,
    Path((email, calendar)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    google.unlist_calendar(&calendar, &email).map(|()| DONE)
}

async fn events(
    State(google): Shared,
    Path((email, calendar)): Path<(String, String)>,
) -> Answer<Vec<Value>> {
    google.events(&email, &calendar).map(Json)
}

async fn create_event(
    State(google): Shared,
    Path((email, calendar)): Path<(String, String)>,
    Json(event): Json<Value>,
) -> Answer<Value> {
    google.create_event(&email, &calendar, event).map(Json)
}

async fn event(
    State(google): Shared,
    Path((email, calendar, id)): Path<(String, String, String)>,
) -> Answer<Value> {
    google.event(&email, &calendar, &id).map(Json)
}

#[derive(Deserialize)]
struct Scoped {
    #[serde(default)]
    scope: Scope,
}

async fn edit_event(
    State(google): Shared,
    Path((email, calendar, id)): Path<(String, String, String)>,
    Query(Scoped { scope }): Query<Scoped>,
    Json(patch): Json<Value>,
) -> Answer<Value> {
    google.edit_series(&email, &calendar, &id, scope, patch).map(Json)
}

async fn delete_event(
    State(google): Shared,
    Path((email, calendar, id)): Path<(String, String, String)>,
    Query(Scoped { scope }): Query<Scoped>,
) -> Result<StatusCode, Refusal> {
    google.delete_series(&email, &calendar, &id, scope).map(|()| DONE)
}

async fn restore_event(
    State(google): Shared,
    Path((email, calendar, id)): Path<(String, String, String)>,
) -> Answer<Value> {
    google.restore_event(&email, &calendar, &id).map(Json)
}

async fn plant(
    State(google): Shared,
    Path((email, calendar)): Path<(String, String)>,
    Json(events): Json<Vec<Value>>,
) -> Result<StatusCode, Refusal> {
    google.plant(&email, &calendar, events).map(|()| DONE)
}

#[derive(Deserialize)]
struct Population {
    #[serde(default)]
    singles: usize,
    #[serde(default)]
    series: usize,
}

async fn populate(
    State(google): Shared,
    Path((email, calendar)): Path<(String, String)>,
    Json(Population { singles, series }): Json<Population>,
) -> Result<StatusCode, Refusal> {
    google.populate(&email, &calendar, singles, series).map(|()| DONE)
}

#[derive(Deserialize)]
struct Move {
    destination: String,
}

async fn move_event(
    State(google): Shared,
    Path((email, calendar, id)): Path<(String, String, String)>,
    Json(wanted): Json<Move>,
) -> Answer<Value> {
    google.move_event(&email, &calendar, &wanted.destination, &id).map(Json)
}

async fn dump(
    State(google): Shared,
    Path((email, calendar)): Path<(String, String)>,
) -> Answer<BTreeMap<String, Value>> {
    google.dump(&email, &calendar).map(Json)
}

#[derive(Deserialize)]
struct Between {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

async fn occurrences(
    State(google): Shared,
    Path((email, calendar)): Path<(String, String)>,
    Query(Between { from, to }): Query<Between>,
) -> Answer<Vec<Value>> {
    google.occurrences(&email, &calendar, from, to).map(Json)
}

async fn edit_listing(
    State(google): Shared,
    Path((email, calendar)): Path<(String, String)>,
    Json(patch): Json<Map<String, Value>>,
) -> Result<StatusCode, Refusal> {
    google.edit_listing(&calendar, &email, patch).map(|()| DONE)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CalendarPatch {
    summary: Option<String>,
    time_zone: Option<Tz>,
}

async fn edit_calendar(
    State(google): Shared,
    Path(calendar): Path<String>,
    Json(patch): Json<CalendarPatch>,
) -> Result<StatusCode, Refusal> {
    google.edit_calendar(&calendar, patch.summary.as_deref(), patch.time_zone).map(|()| DONE)
}

async fn delete_calendar(State(google): Shared, Path(calendar): Path<String>) -> Result<StatusCode, Refusal> {
    google.delete_calendar(&calendar).map(|()| DONE)
}

async fn invalidate_sync_tokens(
    State(google): Shared,
    Path(calendar): Path<String>,
) -> Result<StatusCode, Refusal> {
    google.invalidate_sync_tokens(&calendar).map(|()| DONE)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pushing {
    is_pushing: bool,
}

async fn set_pushing(
    State(google): Shared,
    Path(calendar): Path<String>,
    Json(pushing): Json<Pushing>,
) -> Result<StatusCode, Refusal> {
    google.set_pushing(&calendar, pushing.is_pushing).map(|()| DONE)
}

async fn consent(State(google): Shared, Json(request): Json<ConsentRequest>) -> Json<Value> {
    Json(json!({"code": google.consent(request)}))
}

async fn rotate_keys(State(google): Shared) -> StatusCode {
    google.rotate_keys();
    DONE
}

async fn faults(State(google): Shared) -> Json<Vec<Fault>> {
    Json(google.faults())
}

async fn inject(State(google): Shared, Json(fault): Json<Fault>) -> StatusCode {
    google.inject(fault);
    DONE
}

async fn clear_faults(State(google): Shared) -> StatusCode {
    google.clear_faults();
    DONE
}

async fn inject_push(State(google): Shared, Json(fault): Json<PushFault>) -> StatusCode {
    google.inject_push(fault);
    DONE
}

async fn release_pushes(State(google): Shared) -> StatusCode {
    google.release_pushes();
    DONE
}

async fn set_quirks(State(google): Shared, Json(quirks): Json<Quirks>) -> StatusCode {
    google.set_quirks(quirks);
    DONE
}

async fn quota(State(google): Shared) -> Json<Value> {
    Json(json!({"busiestMinute": google.busiest_minute(), "breaches": google.quota_breaches()}))
}

async fn set_quota(State(google): Shared, Json(quota): Json<Quota>) -> StatusCode {
    google.set_quota(quota);
    DONE
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Advance {
    seconds: u64,
}

async fn advance(State(google): Shared, Json(Advance { seconds }): Json<Advance>) -> StatusCode {
    google.advance(Duration::from_secs(seconds));
    DONE
}

async fn set_paging(State(google): Shared, Json(paging): Json<Paging>) -> StatusCode {
    google.set_paging(paging);
    DONE
}

async fn expire_page_tokens(State(google): Shared) -> StatusCode {
    google.expire_page_tokens();
    DONE
}

async fn violations(State(google): Shared) -> Json<Vec<Entry>> {
    Json(google.violations())
}

async fn journal(State(google): Shared) -> Json<Vec<Entry>> {
    Json(google.journal())
}

async fn clear_journal(State(google): Shared) -> StatusCode {
    google.clear_journal();
    DONE
}

async fn channels(State(google): Shared) -> Json<Vec<Channel>> {
    Json(google.channels())
}

async fn deliveries(State(google): Shared) -> Json<Vec<Delivery>> {
    Json(google.deliveries())
}

async fn idle(State(google): Shared) -> StatusCode {
    google.idle().await;
    DONE
}
