//! The front of all routes: names the call, lets faults strike, writes the journal.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::calendar::Fields;
use crate::discovery::Question;
use crate::error::{OAuthRefusal, Refusal};
use crate::faults::{Call, Effect, Fault};
use crate::journal::{CREDENTIAL_IN_ADDRESS, Entry, body_without_secrets, has_credential, without_secrets};
use crate::oauth::identity::bearer;
use crate::state::{Google, World};

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
        ("POST", "/calendars/{calendar}/events/{event}/move") => "calendar.events.move",
        ("POST", "/calendars/{calendar}/events/import") => "calendar.events.import",
        ("GET", "/calendars/{calendar}") => "calendar.calendars.get",
        ("POST", "/calendars/{calendar}/acl/watch") => "calendar.acl.watch",
        ("POST", "/users/me/settings/watch") => "calendar.settings.watch",
        ("POST", "/channels/stop") => "calendar.channels.stop",
        _ => "unknown",
    }
}

/// The largest body that is read.
const LARGEST: usize = 16 * 1024 * 1024;
/// The call that makes an event.
const INSERT: &str = "calendar.events.insert";

/// Passes a request on, unless a fault strikes or a quota is used up, and notes what came of it.
pub(crate) async fn pass(State(google): State<Arc<Google>>, request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let operation = operation(request.method(), matched);
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST).await else {
        return Refusal::bad("uploadTooLarge", "Request is too large.").into_response();
    };
    let mut entry = begin(&google, operation, &parts, &body);
    let (fault, is_within) = {
        let World { faults, random, meter, .. } = &mut *google.world();
        let call = Call { operation, account: entry.account.as_deref(), path: &decoded(parts.uri.path()) };
        let metered = call.account.filter(|_| operation.starts_with("calendar."));
        let is_within = metered.is_none_or(|account| meter.count(operation, account, google.now()));
        (faults.take(&call, random), is_within)
    };
    entry.is_faulted = fault.is_some();
    let request = Request::from_parts(parts, Body::from(body));
    let response = match fault {
        _ if !is_within => {
            Refusal::of_reason(StatusCode::FORBIDDEN, "rateLimitExceeded", None).into_response()
        }
        None => next.run(request).await,
        Some(fault) => strike(fault, request, next).await,
    };
    entry.at = google.now();
    entry.status = response.extensions().get::<Dropped>().is_none().then(|| response.status().as_u16());
    google.world().journal.note(entry);
    response
}

fn begin(google: &Google, operation: &str, parts: &Parts, body: &[u8]) -> Entry {
    let raw = parts.uri.query().unwrap_or_default();
    let query = without_secrets(raw);
    let is_calendar = parts.uri.path().starts_with("/calendar/");
    let form = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(body).filter(|_| !is_calendar);
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let secret = bearer(&parts.headers).map(str::to_owned);
    let secret = secret.or_else(|| ["refresh_token", "code", "token"].into_iter().find_map(form));
    let account = secret.and_then(|secret| google.world().grants.owner(&secret).map(str::to_owned));
    let body: Option<Value> = serde_json::from_slice(body).ok().filter(|_| is_calendar);
    let stored = account.as_deref().and_then(|account| stored(google, account, parts.uri.path()));
    let query_pairs: Vec<_> = url::form_urlencoded::parse(raw.as_bytes()).into_owned().collect();
    let question =
        Question { operation, query: &query_pairs, body: body.as_ref(), stored: stored.as_deref() };
    let mut violations = if is_calendar { google.discovery.violations(&question) } else { Vec::new() };
    if let Some(account) = account.as_deref().filter(|_| operation == INSERT && !violations.is_empty()) {
        // A part of what was there before has what the whole had.
        let kept = kept(google, account, parts.uri.path());
        violations = google.discovery.violations(&Question { stored: kept.as_ref(), ..question });
    }
    if is_calendar && has_credential(&query_pairs) {
        violations.push(CREDENTIAL_IN_ADDRESS.to_owned());
    }
    Entry {
        at: google.now(),
        operation: operation.to_owned(),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        status: None,
        violations,
        account,
        send_updates: query.iter().find(|(name, _)| name == "sendUpdates").map(|(_, value)| value.clone()),
        if_match: text(&parts.headers, header::IF_MATCH),
        body: body.map(body_without_secrets),
        is_faulted: false,
        query,
    }
}

/// All members that the events of a calendar have.
fn kept(google: &Google, account: &str, path: &str) -> Option<Fields> {
    let calendar = path.strip_prefix("/calendar/v3/calendars/")?.strip_suffix("/events")?;
    let calendar = decoded(calendar);
    let calendar = if calendar == "primary" { account } else { &*calendar };
    let world = google.world();
    let events = world.books.get(calendar)?.events.values();
    Some(events.flat_map(|stored| (*stored.fields).clone()).collect())
}

/// The event that a path names, if it does and there is one.
fn stored(google: &Google, account: &str, path: &str) -> Option<Arc<Fields>> {
    let (calendar, event) = path.strip_prefix("/calendar/v3/calendars/")?.split_once("/events/")?;
    let (calendar, event) = (decoded(calendar), decoded(event));
    let calendar = if calendar == "primary" { account } else { &*calendar };
    google.world().books.get(calendar)?.event(&event).ok()
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
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
    match fault.effect {
        Effect::Delay => next.run(request).await,
        Effect::Cut => cut(next.run(request).await).await,
        Effect::Refuse { status, reason, is_done, message, retry_after } => {
            if is_done {
                // The effect is all that is wanted of it; the answer is what gets lost.
                drop(next.run(request).await);
            }
            refusal(status, &reason, message.as_deref(), retry_after, is_oauth)
        }
        Effect::Drop { is_done } => {
            if is_done {
                drop(next.run(request).await);
            }
            let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
            response.extensions_mut().insert(Dropped);
            response
        }
    }
}

/// Half of an answer, after which the connection breaks.
async fn cut(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let half = whole.slice(..whole.len() / 2);
    let broken = stream::once(async {
        // What is ready at once is sent together, and an error takes the rest with it: the half must be out first.
        tokio::task::yield_now().await;
        Err(std::io::Error::other("cut by a fault"))
    });
    Response::from_parts(parts, Body::from_stream(stream::iter([Ok(half)]).chain(broken)))
}

fn refusal(
    status: u16,
    reason: &str,
    message: Option<&str>,
    retry_after: Option<u32>,
    is_oauth: bool,
) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = match is_oauth {
        true => OAuthRefusal::new(status, reason, message.unwrap_or("Injected fault")).into_response(),
        false => Refusal::of_reason(status, reason, message).into_response(),
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
