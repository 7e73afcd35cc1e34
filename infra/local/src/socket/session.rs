//! One connection, from its admission to its end.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message as Wire, WebSocket};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Error as WireError;

use super::SocketApi;
use super::connections::{Connection, Order};
use super::event::{Context, Message};

/// How long a client may take to answer that it is closing, too.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long a client may take to make room for a message. One that reads nothing at all must not hold up whoever posts, or the cloud's end.
const STALL: Duration = Duration::from_secs(10);

/// How a connection ended, as `$disconnect` is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ending {
    code: u16,
    reason: String,
}

impl Ending {
    /// Without a word.
    pub(super) const LOST: Self = Self { code: 1006, reason: String::new() };

    fn new(code: u16, reason: &str) -> Self {
        Self { code, reason: reason.to_owned() }
    }

    pub(super) async fn tell(&self, api: &SocketApi, context: &Context) {
        api.disconnect(context, self.code, &self.reason).await;
    }
}

/// Serves a connection that was admitted, and tells its end.
pub(super) async fn run(api: Arc<SocketApi>, context: Context, mut socket: WebSocket) {
    let (connection, orders) = api.connections.open(&context);
    let ending = converse(&api, &context, &mut socket, &connection, orders).await;
    // First, so that nobody who hears of the end can still post.
    api.connections.close(&context.connection_id);
    drop(socket);
    ending.tell(&api, &context).await;
    api.connections.told();
}

async fn converse(
    api: &Arc<SocketApi>,
    context: &Context,
    socket: &mut WebSocket,
    connection: &Arc<Connection>,
    mut orders: mpsc::Receiver<Order>,
) -> Ending {
    let end_of_life = context.connected_at + api.limits.life;
    loop {
        let end_of_silence = connection.last_active_at() + api.limits.idle;
        tokio::select! {
            received = socket.recv() => match received {
                Some(Ok(Wire::Text(text))) => take(api, context, connection, Message::Text(text.to_string())),
                Some(Ok(Wire::Binary(bytes))) => take(api, context, connection, Message::Binary(bytes.to_vec())),
                // The library has answered a ping already; neither counts as activity.
                Some(Ok(Wire::Ping(_) | Wire::Pong(_))) => {}
                Some(Ok(Wire::Close(frame))) => return left(socket, frame).await,
                Some(Err(error)) => return broken(socket, error).await,
                None => return Ending::LOST,
            },
            Some(order) = orders.recv() => match order {
                Order::Send(text) => {
                    connection.is_active(api.clock.now());
                    let sent = tokio::time::timeout(STALL, socket.send(Wire::Text(text.into()))).await;
                    if !matches!(sent, Ok(Ok(()))) {
                        return Ending::LOST;
                    }
                }
                Order::Close(code, reason) => return close(socket, code, reason).await,
            },
            () = api.clock.reaches(end_of_life.min(end_of_silence)) => return close(socket, 1001, "Going away").await,
        }
    }
}

/// Hands a message over and does not wait: the next one may be worked on at the same time, as it is on AWS.
fn take(api: &Arc<SocketApi>, context: &Context, connection: &Arc<Connection>, message: Message) {
    connection.is_active(api.clock.now());
    let (api, context, connection) = (Arc::clone(api), context.clone(), Arc::clone(connection));
    tokio::spawn(async move {
        if let Some(answer) = api.deliver(&context, message).await {
            // A client that has left wants no answer.
            connection.order(Order::Send(answer)).await;
        }
    });
}

/// The client has said that it leaves.
async fn left(socket: &mut WebSocket, frame: Option<CloseFrame>) -> Ending {
    drain(socket).await;
    match frame {
        Some(frame) => Ending::new(frame.code, frame.reason.as_str()),
        None => Ending::new(1005, "Client-side close frame status not set"),
    }
}

/// The client broke a rule, or the line.
async fn broken(socket: &mut WebSocket, error: axum::Error) -> Ending {
    let error = error.into_inner().downcast::<WireError>();
    match error.as_deref() {
        Ok(WireError::Capacity(_)) => close(socket, 1009, "Message too long").await,
        Ok(WireError::Utf8(_)) => close(socket, 1007, "Invalid frame payload data").await,
        _ => Ending::LOST,
    }
}

/// We end it.
async fn close(socket: &mut WebSocket, code: u16, reason: &'static str) -> Ending {
    let farewell = CloseFrame { code, reason: reason.into() };
    // The client may be gone or stalled, which is where this leads anyway.
    let sent = tokio::time::timeout(FAREWELL, socket.send(Wire::Close(Some(farewell)))).await;
    if matches!(sent, Ok(Ok(()))) {
        drain(socket).await;
    }
    Ending::new(code, reason)
}

/// Reads on until the client has closed, too; what it still sends is lost, as it is with any server that has closed.
async fn drain(socket: &mut WebSocket) {
    // Either way it is over.
    let _ = tokio::time::timeout(FAREWELL, async { while let Some(Ok(_)) = socket.recv().await {} }).await;
}
