//! The connections that are open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use super::event::Context;
use crate::activity::Activity;
use crate::clock::Clock;

/// Messages that wait for a client which reads slowly. Whoever posts more waits with them.
const OUTBOX: usize = 256;

/// Who a client is, as far as it can be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Identity {
    pub(crate) source_ip: String,
    pub(crate) user_agent: String,
}

/// An open connection of the WebSocket API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Socket {
    /// The connection's id.
    pub id: String,
    /// When it was admitted.
    pub connected_at: DateTime<Utc>,
    /// When a message last went in or out.
    pub last_active_at: DateTime<Utc>,
    /// Address of the client.
    pub source_ip: String,
    /// Its `User-Agent`; empty if it sent none.
    pub user_agent: String,
}

/// What is to be done on a connection.
#[derive(Debug)]
pub(super) enum Order {
    Send(String),
    /// With this code and these words.
    Close(u16, &'static str),
}

/// An open connection, for whoever wants something of it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) identity: Identity,
    pub(super) connected_at: DateTime<Utc>,
    last_active_at: Mutex<DateTime<Utc>>,
    orders: mpsc::Sender<Order>,
}

impl Connection {
    pub(super) fn last_active_at(&self) -> DateTime<Utc> {
        *self.last_active_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_active(&self, now: DateTime<Utc>) {
        *self.last_active_at.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Gives an order; `false` if the connection is over.
    pub(super) async fn order(&self, order: Order) -> bool {
        self.orders.send(order).await.is_ok()
    }
}

/// All open connections.
#[derive(Debug)]
pub(crate) struct Connections {
    open: Mutex<HashMap<String, Arc<Connection>>>,
    /// Connections whose end has not been told yet.
    untold: watch::Sender<usize>,
    clock: Clock,
    activity: Activity,
}

impl Connections {
    pub(crate) fn new(clock: Clock, activity: Activity) -> Self {
        Self { open: Mutex::default(), untold: watch::Sender::new(0), clock, activity }
    }

    /// Makes a connection known, so that it can be posted to.
    pub(super) fn open(&self, context: &Context) -> (Arc<Connection>, mpsc::Receiver<Order>) {
        let (orders, receiver) = mpsc::channel(OUTBOX);
        let connection = Arc::new(Connection {
            identity: context.identity.clone(),
            connected_at: context.connected_at,
            last_active_at: Mutex::new(self.clock.now()),
            orders,
        });
        self.untold.send_modify(|count| *count += 1);
        self.lock().insert(context.connection_id.clone(), Arc::clone(&connection));
        self.activity.moved();
        (connection, receiver)
    }

    /// From now on the connection is gone for everybody.
    pub(super) fn close(&self, id: &str) {
        self.lock().remove(id);
        self.activity.moved();
    }

    /// The function knows that a connection is gone.
    pub(super) fn told(&self) {
        self.untold.send_modify(|count| *count = count.saturating_sub(1));
    }

    pub(super) fn find(&self, id: &str) -> Option<Arc<Connection>> {
        self.lock().get(id).cloned()
    }

    /// What is open, oldest first.
    pub(crate) fn sockets(&self) -> Vec<Socket> {
        let open = self.lock();
        let mut sockets: Vec<_> = open
            .iter()
            .map(|(id, connection)| Socket {
                id: id.clone(),
                connected_at: connection.connected_at,
                last_active_at: connection.last_active_at(),
                source_ip: connection.identity.source_ip.clone(),
                user_agent: connection.identity.user_agent.clone(),
            })
            .collect();
        sockets.sort_by(|one, other| (one.connected_at, &one.id).cmp(&(other.connected_at, &other.id)));
        sockets
    }

    /// Ends all and waits until their functions know.
    pub(crate) async fn close_all(&self) {
        let open: Vec<_> = self.lock().values().cloned().collect();
        for connection in open {
            connection.order(Order::Close(1001, "Going away")).await;
        }
        // The sender is ours, so it lives.
        let _ = self.untold.subscribe().wait_for(|count| *count == 0).await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
