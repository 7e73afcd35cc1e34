//! `stream`: tells an open tab what changed, as server-sent events.
//!
//! A browser's EventSource never comes back after an answer other than 200, and cannot refresh a token. So everything but a missing
//! session is answered with 200, what cannot be served ends cleanly and asks the client to come back, and an access token that has
//! expired is good enough while its session lives.

use std::convert::Infallible;
use std::sync::Arc;

use auth::access::Verifier;
use auth::request::{Stranger, identify};
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use domain::UserId;
use futures_util::StreamExt;
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};
use realtime::{Hub, Opening, Policy, UserLog, excuse, follow};
use runtime::http::{ApiError, Deadline, is_cross_site};
use seam::Clock;
use store::{CursorKey, Store};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Proxies of the nginx family hold a response back until it is whole, unless this says no.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What the function needs.
#[derive(Clone, FromRef)]
pub struct Streams {
    /// Where the logs are.
    pub store: Store,
    /// Knows a valid session.
    pub verifier: Verifier,
    /// Seals the ids of frames.
    pub cursors: CursorKey,
    /// For the expiry of tokens, and for what counts as recent.
    pub clock: Clock,
    /// How long streams last.
    pub policy: Policy,
    /// One reader a user for all streams that this process serves.
    pub hub: Arc<Hub<UserLog>>,
}

impl Streams {
    /// Streams that last as `policy` says.
    pub fn new(store: Store, verifier: Verifier, cursors: CursorKey, clock: Clock, policy: Policy) -> Self {
        Self { store, verifier, cursors, clock, policy, hub: Arc::new(Hub::new(policy.poll)) }
    }
}

/// The route.
pub fn router(streams: Streams) -> Router {
    Router::new().route("/api/events/stream", get(open)).with_state(streams)
}

async fn open(
    State(streams): State<Streams>,
    Deadline(deadline): Deadline,
    headers: HeaderMap,
    listener: Listener,
) -> Response {
    let last_event_id = headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or_default());
    let Listener::Known(user) = listener else {
        return event_stream(Body::from(excuse(&streams.policy)));
    };
    let opening = Opening::new(streams.policy, streams.cursors.of(user), last_event_id, deadline);
    let log = streams.hub.log(user, || UserLog::new(streams.store, user));
    let blocks = follow(log, opening, &streams.clock);
    event_stream(Body::from_stream(blocks.map(Ok::<_, Infallible>)))
}

fn event_stream(body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
        (ACCEL_BUFFERING, "no"),
    ];
    (headers, body).into_response()
}

/// Whose stream it is.
enum Listener {
    /// This user's.
    Known(UserId),
    /// Not to be found out just now: the token has expired and the store does not answer.
    Unclear,
}

impl FromRequestParts<Streams> for Listener {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, streams: &Streams) -> Result<Self, ApiError> {
        let is_cross_site = is_cross_site(parts);
        let now = streams.clock.now();
        match identify(&streams.verifier, &parts.method, &parts.headers, is_cross_site, now) {
            Ok(access) => Ok(Self::Known(access.user)),
            Err(Stranger::Expired(access)) => match streams.store.session(access.user, access.handle).await {
                Ok(Some(session)) if session.is_alive(now) => Ok(Self::Known(access.user)),
                Ok(_) => Err(ApiError::session("unauthorised")),
                Err(error) => {
                    tracing::warn!(%error, "a session could not be looked up");
                    Ok(Self::Unclear)
                }
            },
            Err(stranger) => Err(ApiError::session(stranger.message())),
        }
    }
}
