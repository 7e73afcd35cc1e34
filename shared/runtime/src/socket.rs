//! Running a function on the routes of a WebSocket API.

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use lambda_runtime::{LambdaEvent, service_fn};
use seam::Meter;
use serde::Serialize;
use store::SocketId;

use crate::{Error, invocation};

/// In whose query parameter a client shows its ticket.
const TICKET: &str = "ticket";

/// Something that happened on a connection.
#[derive(Clone)]
pub struct Event {
    /// On which one.
    pub id: SocketId,
    /// What.
    pub kind: Kind,
}

/// What can happen on a connection. May hold a ticket, so it is not `Debug`.
#[derive(Clone)]
pub enum Kind {
    /// Somebody wants to connect.
    Connect {
        /// The page that asks, as its browser says.
        origin: Option<String>,
        /// What it shows.
        ticket: Option<String>,
    },
    /// The client has sent a message.
    Message(String),
    /// The connection is closed.
    Disconnect,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    status_code: u16,
}

/// Hands each event to `handler`, which returns a status: for a connect, any but 200 refuses it with this status.
///
/// # Errors
/// Only when the Lambda runtime itself fails.
pub async fn run<F: Future<Output = u16>>(handler: impl Fn(Event) -> F) -> Result<(), Error> {
    let handler = &handler;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<ApiGatewayWebsocketProxyRequest>| async move {
        let meter = Meter::default();
        let status_code = match read(event.payload) {
            Some(event) => meter.scope(handler(event)).await,
            None => 400,
        };
        invocation::log(&event.context.request_id, &status_code.to_string(), &meter.ledger());
        Ok::<_, Error>(Response { status_code })
    }))
    .await
}

/// Reads an event of API Gateway. None without a connection.
pub fn read(request: ApiGatewayWebsocketProxyRequest) -> Option<Event> {
    let id = SocketId::new(request.request_context.connection_id?);
    let kind = match request.request_context.event_type.as_deref() {
        Some("CONNECT") => Kind::Connect {
            origin: request.headers.get("origin").and_then(|origin| origin.to_str().ok()).map(str::to_owned),
            ticket: request.query_string_parameters.first(TICKET).map(str::to_owned),
        },
        Some("DISCONNECT") => Kind::Disconnect,
        // A message in binary form is none that we know: it is answered like any other that cannot be read.
        _ => Kind::Message(request.body.filter(|_| !request.is_base64_encoded).unwrap_or_default()),
    };
    Some(Event { id, kind })
}
