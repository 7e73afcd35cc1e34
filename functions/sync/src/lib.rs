//! `sync`: a user asks for an import or a repair.
//!
//! The asking is an entry of the user's log, written in one transaction with the state that it leads to; the stream carries it to the
//! worker. So an answer of 204 is a promise that is kept.

use auth::access::Verifier;
use axum::Router;
use axum::extract::{FromRef, State};
use axum::response::Response;
use axum::routing::post;
use chrono::{DateTime, Utc};
use contract::error::Code;
use domain::{GoogleStatus, ImportFlag, ImportOperation, ImportOutcome, ImportStatus, Job, Notice, UserId};
use http::StatusCode;
use runtime::http::{ApiError, Body, Session, no_content};
use seam::Clock;
use serde::Deserialize;
use store::{Plan, Snapshot, Store};
use sync::IMPORT_LEASE;

/// What the handler needs.
#[derive(Clone, FromRef)]
pub struct Imports {
    /// Where the state of the connection is.
    pub store: Store,
    /// Knows a valid session.
    pub verifier: Verifier,
    /// For the lease.
    pub clock: Clock,
}

/// The route.
pub fn router(imports: Imports) -> Router {
    Router::new().route("/api/sync/import-gcal", post(import)).with_state(imports)
}

#[derive(Deserialize)]
struct ImportRequest {
    /// Whether to repair what has been imported before.
    #[serde(default)]
    force: bool,
}

async fn import(
    State(imports): State<Imports>,
    session: Session,
    Body(request): Body<ImportRequest>,
) -> Result<Response, ApiError> {
    let now = imports.clock.now();
    let plan = |snapshot: &Snapshot| plan(session.user, snapshot, request.force, now);
    imports.store.mutate(session.user, &[], now, plan).await?;
    Ok(no_content())
}

fn plan(user: UserId, snapshot: &Snapshot, is_repair: bool, now: DateTime<Utc>) -> Result<Plan, ApiError> {
    let status = snapshot.head.google.as_ref().ok_or_else(not_connected)?;
    if status.is_revoked {
        return Err(revoked());
    }
    let mut plan = Plan::of([]);
    let is_imported = status.import == ImportFlag::Completed && !is_repair;
    if is_imported || status.is_importing(now) {
        plan.notices.push(Notice::ImportEnded(ignored(user, is_repair)));
    } else {
        let import_until = Some(now + IMPORT_LEASE);
        plan.google = Some(GoogleStatus { import: ImportFlag::Importing, import_until, ..status.clone() });
        plan.notices.push(Notice::Wanted(Job::Import { user, is_repair }));
    }
    Ok(plan)
}

fn ignored(user: UserId, is_repair: bool) -> ImportOutcome {
    let message = format!("User {user} gcal import is in progress or completed, ignoring this request");
    ImportOutcome {
        operation: if is_repair { ImportOperation::Repair } else { ImportOperation::Incremental },
        status: ImportStatus::Ignored,
        message: Some(message),
        events_count: None,
        calendars_count: None,
    }
}

fn not_connected() -> ApiError {
    let (result, message) =
        ("User has not connected Google Calendar", "User is missing a Google refresh token");
    ApiError::new(StatusCode::BAD_REQUEST, result, message)
}

fn revoked() -> ApiError {
    let (result, message) = ("Import failed", "Google access was revoked. Please connect again.");
    ApiError::new(StatusCode::GONE, result, message).code(Code::GoogleRevoked)
}
