//! `sync`: a user asks for an import or a repair, and for what went wrong.
//!
//! The asking is an entry of the user's log, written in one transaction with the state that it leads to; the stream carries it to the
//! worker. So an answer of 204 is a promise that is kept.

mod maintenance;

use auth::access::Verifier;
use axum::extract::{FromRef, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use contract::error::Code;
use contract::issue::{self, IssueKindView, IssueView, IssuesQuery, IssuesView};
use domain::{
    GoogleStatus, ImportFlag, ImportOperation, ImportOutcome, ImportStatus, Job, Notice, Refusal, UserId,
};
use futures_util::future::try_join;
use http::{StatusCode, header};
use runtime::http::{ApiError, Body, Query, Session, no_content};
use seam::Clock;
use serde::Deserialize;
use store::{Head, HeadPlan, Issue, IssueKind, IssuePlace, Store};
use sync::IMPORT_LEASE;

pub use maintenance::Maintenance;

/// What the handlers of users' requests need.
#[derive(Clone, FromRef)]
pub struct Imports {
    /// Where the state of the connection is.
    pub store: Store,
    /// Knows a valid session.
    pub verifier: Verifier,
    /// For the lease.
    pub clock: Clock,
}

/// The routes.
pub fn router(imports: Imports, maintenance: Maintenance) -> Router {
    let operators = Router::new()
        .route("/api/sync/maintain-all", post(maintenance::maintain_all))
        .with_state(maintenance);
    Router::new()
        .route("/api/sync/import-gcal", post(import))
        .route("/api/sync/issues", get(issues))
        .with_state(imports)
        .merge(operators)
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
    let plan = |head: &Head| plan(session.user, head, request.force, now);
    imports.store.mutate_head(session.user, now, plan).await?;
    Ok(no_content())
}

/// `GET /api/sync/issues`: versions that lost a conflict, and what was put aside.
async fn issues(
    State(imports): State<Imports>,
    Session { user, .. }: Session,
    Query(query): Query<IssuesQuery>,
) -> Result<Response, ApiError> {
    let limit = query.limit()?;
    let after = query
        .after
        .as_deref()
        .map(str::parse::<IssuePlace>)
        .transpose()
        .map_err(|_| Refusal::field("after", "must be what `next` of another answer said"))?;
    let store = &imports.store;
    // One more tells whether there are more.
    let stored = store.issues_after(user, after.as_ref(), Some(limit + 1));
    let (head, mut stored) = try_join(store.head(user), stored).await?;
    let has_more = stored.len() > limit;
    stored.truncate(limit);
    let next = stored.last().filter(|_| has_more).map(|last| IssuePlace::of(last).to_string());
    let paused = head.google.filter(|status| status.are_writes_paused(imports.clock.now()));
    let view = IssuesView {
        issues: stored.into_iter().map(|issue| view(user, issue)).collect(),
        next,
        writes_paused_until: paused.and_then(|status| status.writes_paused_until),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}

fn view(user: UserId, Issue { event, kind, at }: Issue) -> IssueView {
    let what = match kind {
        IssueKind::Conflict { lost, fields } => {
            IssueKindView::Conflict { lost: issue::lost(user, *lost), fields }
        }
        IssueKind::TakenBack { lost, reason } => {
            IssueKindView::TakenBack { lost: issue::lost(user, *lost), reason }
        }
        IssueKind::UnknownZone { zone } => IssueKindView::UnknownZone { zone },
        IssueKind::Parked { reason } => IssueKindView::Parked { reason },
    };
    IssueView::new(event, at, what)
}

fn plan(user: UserId, head: &Head, is_repair: bool, now: DateTime<Utc>) -> Result<HeadPlan, ApiError> {
    let status = head.google.as_ref().filter(|status| !status.is_disconnected).ok_or_else(not_connected)?;
    if status.is_revoked {
        return Err(revoked());
    }
    let mut plan = HeadPlan::default();
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
