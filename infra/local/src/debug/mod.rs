//! The debug routes of the former backend: `/api/sync/debug/…` and `/api/event-change-demo`.
//!
//! They exist in the local cloud only: no function knows them, and the template routes nothing to them. Whoever asks needs the operator's secret (the
//! parameter `MaintenanceToken`); without one they are closed. What is to be done goes the way of everything else: an entry of the user's log asks for it,
//! and the answer is given when the cloud has come to rest.

mod routes;

use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Context;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use domain::{GoogleStatus, Job, Notice, UserId};
use seam::{Kind, Seam};
use serde_json::{Value, json};
use store::{GoogleItems, Plan, Snapshot, Store};

use crate::cloud::Inner;
use crate::control::with;
use crate::table;

/// The header that carries the operator's secret.
const SECRET: &str = "x-comp-token";
/// The table is in the same process.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long the work of a request may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The routes; `secret` is the operator's.
pub(crate) fn router(cloud: Weak<Inner>, secret: Option<String>) -> Router {
    let guard = from_fn(move |request: Request, next: Next| {
        let is_known = secret.as_deref().is_some_and(|secret| is_operator(request.headers(), secret));
        async move { if is_known { next.run(request).await } else { Refused::Stranger.into_response() } }
    });
    Router::new()
        .route("/api/event-change-demo", post(routes::demo))
        .route("/api/sync/debug/import-incremental/{user}", post(routes::import_incremental))
        .route("/api/sync/debug/maintain/{user}", post(routes::maintain))
        .route("/api/sync/debug/refresh/{user}", post(routes::refresh))
        .route("/api/sync/debug/start", post(routes::start))
        .route("/api/sync/debug/stop", post(routes::stop))
        .route("/api/sync/debug/stop-all/{user}", post(routes::stop_all))
        .layer(guard)
        .with_state(cloud)
}

fn is_operator(headers: &HeaderMap, secret: &str) -> bool {
    headers.get(SECRET).is_some_and(|given| given.as_bytes() == secret.as_bytes())
}

/// Why nothing is done, in the words of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Stranger,
    NoSession,
    BadId,
    Unknown,
    NotConnected,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, result, message) = match self {
            Self::Stranger => (403, "Compass Verification Failed", "You don't have permission to do that"),
            Self::NoSession => (401, "No session", "There is no session"),
            Self::BadId => (400, "Invalid user id", "User has an invalid value"),
            Self::Unknown => (404, "User not found", "User not found"),
            Self::NotConnected => {
                (400, "User has not connected Google Calendar", "User is missing a Google refresh token")
            }
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(json!({ "result": result, "message": message }))).into_response()
    }
}

/// A user who is connected to Google, or has been.
struct Account {
    cloud: Arc<Inner>,
    store: Store,
    user: UserId,
    status: GoogleStatus,
}

impl Account {
    async fn open(cloud: Arc<Inner>, user: &str) -> anyhow::Result<Result<Self, Refused>> {
        let Ok(user) = user.parse::<UserId>() else { return Ok(Err(Refused::BadId)) };
        let store = store(&cloud)?;
        let head = match store.head(user).await {
            Err(store::Error::NoUser) => return Ok(Err(Refused::Unknown)),
            other => other?,
        };
        let Some(status) = head.google.filter(GoogleStatus::stands) else {
            return Ok(Err(Refused::NotConnected));
        };
        Ok(Ok(Self { cloud, store, user, status }))
    }

    async fn items(&self) -> anyhow::Result<GoogleItems> {
        self.store.google(self.user).await?.context("the user has no connection")
    }

    /// Has jobs done, with what `adjust` adds to the plan that asks for them.
    async fn have_done(
        &self,
        jobs: impl IntoIterator<Item = Job>,
        adjust: impl Fn(&mut Plan) -> Result<(), store::Error>,
    ) -> anyhow::Result<()> {
        let wanted: Vec<Notice> = jobs.into_iter().map(Notice::Wanted).collect();
        let plan = |_: &Snapshot| -> Result<Plan, store::Error> {
            let mut plan = Plan::default();
            adjust(&mut plan)?;
            plan.notices.extend(wanted.iter().cloned());
            Ok(plan)
        };
        self.store.mutate(self.user, &[], self.cloud.clock.now(), plan).await?;
        Ok(self.cloud.quiesce(PATIENCE).await?)
    }
}

fn store(cloud: &Inner) -> anyhow::Result<Store> {
    let table = cloud.tables.first().context("the template has no table")?;
    let client = table::client(&cloud.dynamo.endpoint);
    Ok(Store::new(client, &table.name, Seam::new(Kind::Store, DEADLINE)))
}

/// Acts for the user whom a path names.
async fn for_user(
    cloud: &Weak<Inner>,
    user: &str,
    act: impl AsyncFnOnce(&Account) -> anyhow::Result<Value>,
) -> Response {
    with(cloud, async |cloud| {
        Ok(match Account::open(cloud, user).await? {
            Ok(account) => Json(act(&account).await?).into_response(),
            Err(refused) => refused.into_response(),
        })
    })
    .await
}

/// Acts for the user whose session it is, as the bundle's own function says.
async fn for_session(
    cloud: &Weak<Inner>,
    headers: &HeaderMap,
    act: impl AsyncFnOnce(&Account) -> anyhow::Result<Response>,
) -> Response {
    with(cloud, async |cloud| {
        let Some(user) = session(&cloud, headers).await? else {
            return Ok(Refused::NoSession.into_response());
        };
        match Account::open(cloud, &user).await? {
            Ok(account) => act(&account).await,
            Err(refused) => Ok(refused.into_response()),
        }
    })
    .await
}

async fn session(cloud: &Inner, headers: &HeaderMap) -> anyhow::Result<Option<String>> {
    let url = format!("http://localhost:{}/api/user/profile", cloud.front_port);
    let given = |name: header::HeaderName| headers.get(&name).cloned().map(|value| (name, value));
    let given = [given(header::COOKIE), given(header::AUTHORIZATION)].into_iter().flatten().collect();
    let answer = reqwest::Client::new().get(url).headers(given).send().await?;
    if !answer.status().is_success() {
        return Ok(None);
    }
    let profile: Value = serde_json::from_slice(&answer.bytes().await?)?;
    Ok(profile["userId"].as_str().map(str::to_owned))
}
