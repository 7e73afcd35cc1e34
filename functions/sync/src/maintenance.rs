//! `POST /api/sync/maintain-all`: has everything done that is due, for whoever keeps a clock of their own. The schedules do the same; two at
//! once do no harm.

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use runtime::http::ApiError;
use seam::Clock;
use serde::Serialize;
use store::{Due, Store};
use subtle::ConstantTimeEq;
use sync::due::Schedule;
use sync::{Queue, hash_of_token};

/// The header that carries the operator's secret.
const HEADER: &str = "x-comp-token";

/// What it takes.
#[derive(Clone, Debug)]
pub struct Maintenance {
    /// Knows what is due.
    pub store: Store,
    /// Takes the jobs.
    pub queue: Queue,
    /// What time it is.
    pub clock: Clock,
    /// SHA-256 of the operator's secret, in hex; without one nobody may ask.
    pub token_hash: Option<String>,
}

/// The members that the contract names. Of these, the first four never happen here: no user is deleted, and no watch is taken away, because
/// somebody was not seen for a while.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    deleted: u32,
    ignored: u32,
    pruned: u32,
    revoked: u32,
    /// Users whose watches are to be replaced.
    refreshed: u32,
    /// Users whose calendars are to be read.
    resynced: u32,
}

/// The handler.
pub async fn maintain_all(
    State(maintenance): State<Maintenance>,
    headers: HeaderMap,
) -> Result<Json<Report>, ApiError> {
    if !maintenance.is_operator(&headers) {
        let (result, message) = ("Compass Verification Failed", "You don't have permission to do that");
        return Err(ApiError::new(StatusCode::FORBIDDEN, result, message));
    }
    let refreshed = maintenance.enqueue(Due::Renewal).await?;
    let resynced = maintenance.enqueue(Due::Poll).await?;
    Ok(Json(Report { refreshed, resynced, ..Report::default() }))
}

impl Maintenance {
    /// In constant time, also when there is no secret.
    fn is_operator(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let known = self.token_hash.as_deref().unwrap_or_default();
        hash_of_token(given).as_bytes().ct_eq(known.as_bytes()).into()
    }

    async fn enqueue(&self, due: Due) -> Result<u32, ApiError> {
        let Self { store, queue, clock, .. } = self.clone();
        let schedule = Schedule { due, store, queue, clock };
        schedule.enqueue_due().await.map_err(|error| ApiError::of_class(error.class(), error))
    }
}
