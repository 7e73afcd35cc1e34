//! Sockets: who is connected, and the tickets that let somebody connect.
//!
//! A browser cannot send a header with a WebSocket, and its cookie belongs to another host. So it fetches a ticket with its session, and
//! shows it in the address, where it may end in somebody's log: it is good for a minute, and once. Only its hash is stored (`TICKET#<hash>`).
//!
//! A connection is two items, written in one transaction: `W#<connection>` among the user's, by which a change finds everybody who has to hear of
//! it, and the look-up `SOCKET#<connection>`, by which a message finds its user. Neither has a rev: no client sees it.

use std::fmt;

use chrono::{DateTime, Utc};
use contract::auth::SessionHandle;
use domain::UserId;
use serde::{Deserialize, Serialize};

use crate::key::{self, Key};
use crate::table::{Expression, OnCondition, Query, Write};
use crate::{Error, Store};

/// The name of the condition that a ticket has not been used.
pub const TICKET: &str = "ticket";

/// A connection, as API Gateway names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SocketId(String);

impl SocketId {
    /// An id as API Gateway sent it.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `TICKET#<hash>`: permission to connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// For whom.
    pub user: UserId,
    /// In which session.
    pub session: SessionHandle,
    /// The epoch of the user's log.
    pub epoch: String,
    /// Until when; to the second. The table forgets it some time after.
    #[serde(with = "chrono::serde::ts_seconds")]
    pub expires_at: DateTime<Utc>,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Socket {
    /// Which one.
    pub id: SocketId,
    /// Whose.
    pub user: UserId,
    /// Of which session: it ends with it.
    pub session: SessionHandle,
    /// The epoch of the user's log, so that a change can be sent with its cursor and without a look at `HEAD`.
    pub epoch: String,
    /// When it can no longer be open; to the second.
    #[serde(with = "chrono::serde::ts_seconds")]
    pub expires_at: DateTime<Utc>,
}

fn ticket_key(hash: &str) -> Key {
    Key::single(format!("TICKET#{hash}"))
}

fn socket_key(id: &SocketId) -> Key {
    Key::single(format!("SOCKET#{id}"))
}

/// With what the sort keys of a user's connections begin.
const CONNECTIONS: &str = "W#";

fn connection_key(user: UserId, id: &SocketId) -> Key {
    Key::new(key::user(user), format!("{CONNECTIONS}{id}"))
}

impl Store {
    /// Stores a permission under the hash of its ticket. One write.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn allow_socket(&self, hash: &str, ticket: &Ticket) -> Result<(), Error> {
        self.table.put(ticket_key(hash).with(ticket), Expression::default(), TICKET).await
    }

    /// The permission under this hash, unless its time is over. One read.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn ticket(&self, hash: &str, now: DateTime<Utc>) -> Result<Option<Ticket>, Error> {
        let ticket: Option<Ticket> = self.table.get(&ticket_key(hash)).await?;
        Ok(ticket.filter(|ticket| now < ticket.expires_at))
    }

    /// Notes a connection and uses its ticket up. One write.
    ///
    /// # Errors
    /// [`Error::Condition`] of [`TICKET`] when the ticket has been used; any error of the store.
    pub async fn connect(&self, hash: &str, socket: &Socket) -> Result<(), Error> {
        let unused = Expression::new("attribute_exists(pk)");
        let put = |key: Key| Write::put(&self.table, key.with(socket), None, OnCondition::Retry);
        self.table
            .transact(vec![
                Write::delete_if(&self.table, &ticket_key(hash), unused, OnCondition::Refuse(TICKET))?,
                put(connection_key(socket.user, &socket.id))?,
                put(socket_key(&socket.id))?,
            ])
            .await
    }

    /// A connection. One read.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn socket(&self, id: &SocketId) -> Result<Option<Socket>, Error> {
        self.table.get(&socket_key(id)).await
    }

    /// The user's connections, those included that are gone and that nobody has noticed yet. One query.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn sockets(&self, user: UserId) -> Result<Vec<Socket>, Error> {
        let condition = Expression::new("pk = :pk AND begins_with(sk, :list)")
            .value(":pk", key::user(user))?
            .value(":list", CONNECTIONS)?;
        self.table.query(Query { index: None, condition, limit: None }).await
    }

    /// Forgets a connection. Forgetting one that is not known is done already. One write.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn disconnect(&self, user: UserId, id: &SocketId) -> Result<(), Error> {
        self.table
            .transact(vec![
                Write::delete(&self.table, &connection_key(user, id))?,
                Write::delete(&self.table, &socket_key(id))?,
            ])
            .await
    }
}
