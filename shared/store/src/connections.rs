//! What we keep of a user's connection to Google: `G#CONNECTION` with the sealed tokens, and the look-up `CHANNEL#<id>` that leads a
//! notification to its user. How far the sync is stands beside it ([`crate::CalendarState`]).
//!
//! No client sees any of it, so it has no rev. Tokens come in sealed; this crate could not open them.

use chrono::{DateTime, Utc};
use domain::UserId;
use serde::{Deserialize, Serialize};

use crate::key::{self, Key};
use crate::table::{Expression, OnCondition, Query, Write};
use crate::traversals::ListItem;
use crate::{CalendarState, Error, ListState, Plan, Store};

/// The name of the condition on the refresh token: the user has connected anew meanwhile.
pub const CONNECTION: &str = "connection";

const PREFIX: &str = "G#";

/// `G#CONNECTION`: who the user is at Google, and our permission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The Google account.
    pub sub: String,
    /// Its address, as Google writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The address of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// What was granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The refresh token, sealed.
    pub sealed_refresh: String,
    /// The newest access token; one call for a new one serves many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<SealedAccess>,
}

/// An access token at rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedAccess {
    /// The token, sealed.
    pub sealed: String,
    /// When it was issued, for how much of its life is left.
    pub issued_at: DateTime<Utc>,
    /// When it is of no more use.
    pub expires_at: DateTime<Utc>,
}

/// `CHANNEL#<id>`: to whom a notification belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// The channel's id.
    pub channel: String,
    /// Whose calendar it watches.
    pub user: UserId,
    /// Which calendar.
    pub calendar: String,
    /// SHA-256 of the channel's secret, in hex.
    pub token_hash: String,
    /// What Google says it watches; unknown until Google has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
    /// Whether another one has taken its place. It is kept until it is known to be stopped, so that what it still says is known to be ours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_replaced: bool,
    /// Seconds since the epoch; the table forgets the channel after that.
    pub expires_at: i64,
}

/// All that is kept of a user's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoogleItems {
    /// The connection.
    pub connection: Connection,
    /// The calendars that are synced, or were until now.
    pub calendars: Vec<CalendarState>,
    /// How far the reading of the list of calendars is, and of an import of them.
    pub list: ListState,
}

/// Any item under `G#`, told by its members.
#[derive(Deserialize)]
#[serde(untagged)]
enum GoogleItem {
    Calendar(CalendarState),
    List(ListItem),
    Connection(Connection),
}

fn connection_key(user: UserId) -> Key {
    Key::new(key::user(user), "G#CONNECTION")
}

fn channel_key(channel: &str) -> Key {
    Key::single(format!("CHANNEL#{channel}"))
}

impl Plan {
    /// Stores a connection in place of any before it.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn put_connection(
        &mut self,
        store: &Store,
        user: UserId,
        connection: &Connection,
    ) -> Result<(), Error> {
        let item = connection_key(user).with(connection);
        self.also.push(Write::put(&store.table, item, None, OnCondition::Retry)?);
        Ok(())
    }

    /// Forgets the access token, on condition that the refresh token still is `sealed_refresh`: what is said of one consent must not be
    /// written about the next.
    ///
    /// # Errors
    /// [`Error::Shape`]. The write fails with [`Error::Condition`] of [`CONNECTION`].
    pub fn end_connection(&mut self, store: &Store, user: UserId, sealed_refresh: &str) -> Result<(), Error> {
        let update = Expression::new("REMOVE access");
        let same = Expression::new("sealed_refresh = :used").value(":used", sealed_refresh)?;
        let on = OnCondition::Refuse(CONNECTION);
        self.also.push(Write::update(&store.table, &connection_key(user), update, same, on)?);
        Ok(())
    }

    /// Stores the look-up of a channel.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn put_channel(&mut self, store: &Store, channel: &Channel) -> Result<(), Error> {
        let item = channel_key(&channel.channel).with(channel);
        self.also.push(Write::put(&store.table, item, None, OnCondition::Retry)?);
        Ok(())
    }

    /// Forgets the look-up of a channel.
    ///
    /// # Errors
    /// [`Error::Refused`] never, in practice.
    pub fn forget_channel(&mut self, store: &Store, channel: &str) -> Result<(), Error> {
        self.also.push(Write::delete(&store.table, &channel_key(channel))?);
        Ok(())
    }
}

impl Store {
    /// All that is kept of a user's connection, in one query; `None` when there is none.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn google(&self, user: UserId) -> Result<Option<GoogleItems>, Error> {
        let condition = Expression::new("pk = :pk AND begins_with(sk, :prefix)")
            .value(":pk", key::user(user))?
            .value(":prefix", PREFIX)?;
        let items: Vec<GoogleItem> = self.table.query(Query { index: None, condition, limit: None }).await?;
        let (mut connection, mut calendars, mut list) = (None, Vec::new(), ListState::default());
        for item in items {
            match item {
                GoogleItem::Calendar(state) => calendars.push(state),
                GoogleItem::List(item) => list = item.list,
                GoogleItem::Connection(item) => connection = Some(item),
            }
        }
        Ok(connection.map(|connection| GoogleItems { connection, calendars, list }))
    }

    /// Stores a new access token and, if Google rotated it, a new refresh token, in place of those that came with `used`.
    ///
    /// # Errors
    /// [`Error::Condition`] of [`CONNECTION`] when the user has connected anew meanwhile.
    pub async fn renew_connection(
        &self,
        user: UserId,
        used: &str,
        renewed: &Connection,
    ) -> Result<(), Error> {
        let update = Expression::new("SET sealed_refresh = :refresh, access = :access")
            .value(":refresh", &renewed.sealed_refresh)?
            .value(":access", &renewed.access)?;
        let same = Expression::new("sealed_refresh = :used").value(":used", used)?;
        self.table.update(&connection_key(user), update, same, CONNECTION).await
    }

    /// The look-up of a channel. One read.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn channel(&self, channel: &str) -> Result<Option<Channel>, Error> {
        self.table.get(&channel_key(channel)).await
    }

    /// Stores the look-up of a channel that Google is about to be asked for: its first notification may come before the answer.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn announce_channel(&self, channel: &Channel) -> Result<(), Error> {
        let item = channel_key(&channel.channel).with(channel);
        self.table.put(item, Expression::default(), "channel").await
    }

    /// Forgets the look-up of a channel.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn forget_channel(&self, channel: &str) -> Result<(), Error> {
        self.table.delete(&channel_key(channel)).await
    }
}
