//! The front of all routes: names the call, lets faults strike, writes the journal.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::error::{OAuthRefusal, Refusal};
use crate::faults::{Effect, Fault};
use crate::journal::{Entry, without_secrets};
use crate::oauth::identity::bearer;
use crate::state::Google;

/// Marks an answer that is not to be sent: the connection closes instead.
#[derive(Clone, Copy)]
pub(crate) struct Dropped;

/// The method by Google's name: the id of its discovery document for Calendar, `oauth.…` for the rest.
fn operation(method: &Method, path: &str) -> &'static str {
    let Some(path) = path.strip_prefix("/calendar/v3") else {
        return match (method.as_str(), path) {
            ("GET", "/o/oauth2/v2/auth") => "oauth.authorize",
            ("POST", "/o/oauth2/v2/auth") => "oauth.consent",
            (_, "/token") => "oauth.token",
            (_, "/revoke") => "oauth.revoke",
            (_, "/oauth2/v3/certs") => "oauth.certs",
            (_, "/.well-known/openid-configuration") => "oauth.configuration",
            (_, "/v1/userinfo") => "oauth.userinfo",
            _ => "unknown",
        };
    };
    match (method.as_str(), path) {
        ("GET", "/users/me/calendarList") => "calendar.calendarList.list",
        ("POST", "/users/me/calendarList/watch") => "calendar.calendarList.watch",
        ("GET", "/users/me/calendarList/{calendar}") => "calendar.calendarList.get",
        ("GET", "/calendars/{calendar}/events") => "calendar.events.list",
        ("POST", "/calendars/{calendar}/events") => "calendar.events.insert",
        ("POST", "/calendars/{calendar}/events/watch") => "calendar.events.watch",
        ("GET", "/calendars/{calendar}/events/{event}") => "calendar.events.get",
        ("PUT", "/calendars/{calendar}/events/{event}") => "calendar.events.update",
        ("PATCH", "/calendars/{calendar}/events/{event}") => "calendar.events.patch",
        ("DELETE", "/calendars/{calendar}/events/{event}") => "calendar.events.delete",
        ("GET", "/calendars/{calendar}/events/{event}/instances") => "calendar.events.instances",
        ("POST", "/channels/stop") => "calendar.channels.stop",
        _ => "unknown",
    }
}

/// Passes a request on, unless a fault strikes, and notes what came of it.
pub(crate) async fn pass(State(google): State<Arc<Google>>, request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let operation = operation(request.method(), matched);
    let mut entry = begin(&google, operation, &request);
    let fault = google.world().faults.take(operation, entry.account.as_deref());
    entry.is_faulted = fault.is_some();
    let response = match fault {
        None => next.run(request).await,
        Some(fault) => strike(fault, request, next).await,
    };
    entry.at = google.now();
    entry.status = response.extensions().get::<Dropped>().is_none().then(|| response.status().as_u16());
    google.world().journal.note(entry);
    response
}

fn begin(google: &Google, operation: &str, request: &Request) -> Entry {
    let query = without_secrets(request.uri().query().unwrap_or_default());
    let token = bearer(request.headers());
    Entry {
        at: google.now(),
        operation: operation.to_owned(),
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        status: None,
        account: token.and_then(|token| google.world().grants.owner(token).map(str::to_owned)),
        send_updates: query.iter().find(|(name, _)| name == "sendUpdates").map(|(_, value)| value.clone()),
        if_match: text(request.headers(), header::IF_MATCH),
        is_faulted: false,
        query,
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

#[expect(clippy::disallowed_methods, reason = "the delay is the fault that was asked for")]
async fn strike(fault: Fault, request: Request, next: Next) -> Response {
    if fault.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await;
    }
    let is_oauth = !request.uri().path().starts_with("/calendar/");
    if matches!(fault.effect, Effect::Delay) {
        return next.run(request).await;
    }
    if matches!(fault.effect, Effect::Refuse { is_done: true, .. } | Effect::Drop { is_done: true }) {
        // The effect is all that is wanted of it; the answer is what gets lost.
        drop(next.run(request).await);
    }
    match fault.effect {
        Effect::Refuse { status, reason, retry_after, .. } => refusal(status, &reason, retry_after, is_oauth),
        Effect::Delay | Effect::Drop { .. } => {
            let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
            response.extensions_mut().insert(Dropped);
            response
        }
    }
}

fn refusal(status: u16, reason: &str, retry_after: Option<u32>, is_oauth: bool) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = match is_oauth {
        true => OAuthRefusal::new(status, reason, "Injected fault").into_response(),
        false if reason == "fullSyncRequired" => Refusal::full_sync_required().into_response(),
        false => Refusal::new(status, reason, format!("Injected fault: {reason}")).into_response(),
    };
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Has the state written after every request that may have changed it.
pub(crate) async fn keep(State(google): State<Arc<Google>>, request: Request, next: Next) -> Response {
    let is_reading = request.method().is_safe();
    let response = next.run(request).await;
    if let Some(snapshot) = google.snapshot.as_ref().filter(|_| !is_reading) {
        snapshot.wish();
    }
    response
}

/// What is not there is refused in Google's shape.
pub(crate) async fn not_found() -> Refusal {
    Refusal::not_found()
}
