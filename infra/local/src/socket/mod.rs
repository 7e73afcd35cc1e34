//! The WebSocket API: connections held here, functions invoked for what happens on them.
//!
//! A client's handshake is put to `$connect`, whose answer admits or refuses it; each message goes to the route that it names, each on its
//! own, so that nothing but the client keeps them in order; and every connection that was admitted ends with `$disconnect`. Functions answer
//! through `@connections` ([`management`]), which is served on the same port.
//!
//! Framing is the library's. What is API Gateway's own is here: its events ([`event`]), its quotas, its words for what goes wrong.

mod connections;
mod event;
mod management;
mod selection;
mod session;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::oneshot;

pub(crate) use connections::Connections;
use connections::Identity;
pub use connections::Socket;
use event::{Context, Message, request_id};

use crate::clock::Clock;
use crate::lambda::pool::{Patience, Pool};
use crate::lambda::{Answer, Failure};
use crate::template::socket::SocketSpec;

/// Physical id of the API.
pub(crate) const API_ID: &str = "socket";

/// API Gateway's quota on a message, in bytes, in both directions.
const MESSAGE_LIMIT: usize = 128 * 1024;
/// API Gateway's quota on a frame that a client sends, in bytes.
const FRAME_LIMIT: usize = 32 * 1024;

/// API Gateway's quotas on a connection's time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Without messages.
    idle: Duration,
    /// In all.
    life: Duration,
}

impl Limits {
    /// Ten minutes and two hours, divided by a number.
    pub(crate) fn divided_by(divisor: u32) -> Self {
        let divisor = divisor.max(1);
        Self {
            idle: Duration::from_secs(10 * 60) / divisor,
            life: Duration::from_secs(2 * 60 * 60) / divisor,
        }
    }
}

/// A WebSocket API that runs.
#[derive(Debug)]
pub(crate) struct SocketApi {
    pub(crate) spec: SocketSpec,
    pub(crate) pools: HashMap<String, Arc<Pool>>,
    pub(crate) port: u16,
    /// Where browsers connect.
    pub(crate) url: String,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) connections: Connections,
}

impl SocketApi {
    /// Handshakes, and `@connections`.
    pub(crate) fn router(self: Arc<Self>) -> Router {
        management::routes().fallback(handshake).with_state(self)
    }

    /// A client may name the stage, as it must on AWS, or leave it out.
    fn serves(&self, path: &str) -> bool {
        let path = path.trim_matches('/');
        path.is_empty() || path == self.spec.stage
    }

    async fn invoke(&self, route: &str, event: &Value) -> Option<Result<Answer, Failure>> {
        let pool = self.pools.get(&self.spec.routes.get(route)?.function)?;
        Some(pool.invoke(event.to_string().into(), format!("socket {route}"), Patience::Refused).await)
    }

    /// Puts a handshake to `$connect`: whether the client may come in, and with which subprotocol. Without such a route everybody may.
    async fn admit(&self, event: &Value) -> Result<Option<HeaderValue>, StatusCode> {
        let answer = match self.invoke("$connect", event).await {
            None => return Ok(None),
            Some(Ok(answer)) => answer.collect().await,
            Some(Err(Failure::Throttled(_))) => return Err(StatusCode::TOO_MANY_REQUESTS),
            Some(Err(_)) => return Err(StatusCode::BAD_GATEWAY),
        };
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let status = answer["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok());
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        match status {
            Some(status) if status.is_success() => Ok(protocol(&answer["headers"])),
            Some(status) => Err(status),
            None => Err(StatusCode::BAD_GATEWAY),
        }
    }

    /// Takes a message to its function; answers the client if that fails, or if the route is one with answers.
    async fn deliver(&self, context: &Context, message: Message) -> Option<String> {
        let named = message.text().and_then(|text| selection::select(&self.spec.selection, text));
        // The routes of API Gateway itself are not for clients to name.
        let named = named.filter(|key| !key.starts_with('$') && self.spec.routes.contains_key(key));
        let route = named.as_deref().unwrap_or("$default");
        let event = context.message(route, &message, self.clock.now());
        match self.invoke(route, &event).await {
            None => Some(complaint("Forbidden", context)),
            Some(Err(_)) => Some(complaint("Internal server error", context)),
            Some(Ok(answer)) if self.spec.routes.get(route).is_some_and(|route| route.has_response) => {
                let answer: Value = serde_json::from_slice(&answer.collect().await).unwrap_or_default();
                answer["body"].as_str().map(str::to_owned)
            }
            Some(Ok(_)) => None,
        }
    }

    /// Tells the function that a connection which it had admitted is over. Nobody is there to hear of a failure, which the journal has.
    async fn disconnect(&self, context: &Context, code: u16, reason: &str) {
        let event = context.disconnect(code, reason, self.clock.now());
        drop(self.invoke("$disconnect", &event).await);
    }
}

async fn handshake(
    State(api): State<Arc<SocketApi>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let now = api.clock.now();
    let context = Context {
        connection_id: request_id(),
        stage: api.spec.stage.clone(),
        domain: text("host").to_owned(),
        connected_at: now,
        identity: Identity { source_ip: client.ip().to_string(), user_agent: text("user-agent").to_owned() },
    };
    if !api.serves(uri.path()) {
        return refusal(StatusCode::FORBIDDEN, &context);
    }
    let mut upgrade = match upgrade {
        Ok(upgrade) => upgrade.max_frame_size(FRAME_LIMIT).max_message_size(MESSAGE_LIMIT),
        Err(rejection) => return rejection.into_response(),
    };
    let event = context.connect(&headers, uri.query().unwrap_or_default(), api.port, now);
    let (sender, admitted) = oneshot::channel();
    tokio::spawn(admission(Arc::clone(&api), context.clone(), event, sender));
    match admitted.await.unwrap_or(Err(StatusCode::SERVICE_UNAVAILABLE)) {
        Err(status) => refusal(status, &context),
        Ok(protocol) => {
            if let Some(protocol) = protocol {
                upgrade.set_selected_protocol(protocol);
            }
            let (left, late) = (Arc::clone(&api), context.clone());
            upgrade
                .on_failed_upgrade(move |_| {
                    tokio::spawn(async move { session::Ending::LOST.tell(&left, &late).await });
                })
                .on_upgrade(move |socket| session::run(api, context, socket))
        }
    }
}

/// A task of its own: a client that leaves meanwhile ends the handshake, but not the function, which is then told that nobody came.
async fn admission(
    api: Arc<SocketApi>,
    context: Context,
    event: Value,
    handshake: oneshot::Sender<Result<Option<HeaderValue>, StatusCode>>,
) {
    let admitted = api.admit(&event).await;
    if let Err(Ok(_)) = handshake.send(admitted) {
        session::Ending::LOST.tell(&api, &context).await;
    }
}

/// The only header of `$connect`'s answer that reaches the client.
fn protocol(headers: &Value) -> Option<HeaderValue> {
    let named =
        headers.as_object()?.iter().find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-protocol"));
    HeaderValue::try_from(named?.1.as_str()?).ok()
}

fn refusal(status: StatusCode, context: &Context) -> Response {
    let words = match status {
        StatusCode::BAD_GATEWAY => "Internal server error",
        status => status.canonical_reason().unwrap_or("Refused"),
    };
    (status, Json(complaint_body(words, context))).into_response()
}

fn complaint(words: &str, context: &Context) -> String {
    complaint_body(words, context).to_string()
}

fn complaint_body(words: &str, context: &Context) -> Value {
    json!({ "message": words, "connectionId": context.connection_id, "requestId": request_id() })
}
