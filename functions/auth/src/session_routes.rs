//! Keeping a session, and ending it.

use auth::cookie::{Carried, REFRESH};
use auth::request::is_own_page;
use auth::session::{LIFETIME, Presented, Verdict, judge};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use contract::auth::Outcome;
use http::{HeaderMap, Method};
use runtime::http::{ApiError, Session};
use serde::Serialize;
use store::Rotation;

use crate::Auth;
use crate::reply::{Caller, Refused};

/// `{}`, all that the session library wants of a refresh.
#[derive(Serialize)]
struct Nothing {}

/// `POST /api/signout`: ends the session that asks for it.
pub async fn sign_out(
    State(auth): State<Auth>,
    caller: Caller,
    session: Session,
) -> Result<Response, Refused> {
    auth.store.end_session(session.user, session.handle).await?;
    caller.take(Json(Outcome::ok()))
}

/// `POST /api/session/refresh`: rotates. The first call of every new browser comes here without a token, and must get a 401.
pub async fn refresh(
    State(auth): State<Auth>,
    caller: Caller,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    if caller.scope.is_cross_site && !is_own_page(&method, &headers) {
        return Err(ApiError::session("unauthorised").into());
    }
    let presented = match REFRESH.read(&headers) {
        Carried::One(token) => auth.issuer.read(&token),
        Carried::Nothing | Carried::Several => None,
    };
    let Some(presented) = presented else { return caller.take(ApiError::session("unauthorised")) };
    let now = auth.clock.now();
    let Presented { user, handle, generation } = presented;
    match auth.store.rotate_session(user, handle, generation, now, now + LIFETIME).await? {
        Rotation::Done => {
            let next = Presented { generation: generation.saturating_add(1), ..presented };
            caller.give(&auth, next, now + LIFETIME, Json(Nothing {}))
        }
        Rotation::Refused(stored) => refused(&auth, &caller, presented, stored).await,
    }
}

/// A token that did not rotate: a repetition, a copy, or a thing of the past.
async fn refused(
    auth: &Auth,
    caller: &Caller,
    presented: Presented,
    stored: Option<store::Session>,
) -> Result<Response, Refused> {
    let Some(stored) = stored else { return caller.take(ApiError::session("unauthorised")) };
    let now = auth.clock.now();
    match judge(presented.generation, stored.generation, stored.rotated_at, stored.expires_at, now) {
        Verdict::Repeat => {
            let current = Presented { generation: stored.generation, ..presented };
            caller.give(auth, current, stored.expires_at, Json(Nothing {}))
        }
        Verdict::Theft => {
            tracing::warn!(user = %presented.user, session = %presented.handle, "a spent refresh token came again");
            auth.store.end_session(presented.user, presented.handle).await?;
            caller.take(ApiError::session("token theft detected"))
        }
        Verdict::Over => caller.take(ApiError::session("unauthorised")),
    }
}
