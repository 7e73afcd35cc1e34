//! What we keep of a user's connection to Google: `G#CONNECTION` with the sealed tokens, and the look-up `CHANNEL#<id>` that leads a
//! notification to its user. How far the sync is stands beside it ([`crate::CalendarState`]).
//!
//! No client sees any of it, so it has no rev. Tokens come in sealed; this crate could not open them.

use chrono::{DateTime, Utc};
use domain::UserId;
use serde::{Deserialize, Serialize};

use crate::key::{self, Key};
use crate::pulls::Pull;
use crate::table::{Expression, OnCondition, Query, Write};
use crate::traversals::ListItem;
use crate::{Budget, CalendarState, Error, ListState, Plan, Store};

/// The name of the condition on the refresh token: the user has connected anew meanwhile.
pub const CONNECTION: &str = "connection";

/// The name of the condition that no other Google account is connected.
pub const ACCOUNT: &str = "account";

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

/// What is left of a connection whose permission was given back: whose calendars the links of events speak of.
#[derive(Serialize, Deserialize)]
struct Former {
    sub: String,
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

/// A connection, and whether somebody asks for a new access token just now.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Renewal {
    /// The connection.
    #[serde(flatten)]
    pub connection: Connection,
    /// Milliseconds since the epoch.
    renewing_until: Option<i64>,
}

impl Renewal {
    /// Whether somebody asks at `now`.
    pub fn is_pending(&self, now: DateTime<Utc>) -> bool {
        self.renewing_until.is_some_and(|until| now.timestamp_millis() < until)
    }
}

/// What a worker that waits for a renewal may find.
#[derive(Deserialize)]
#[serde(untagged)]
enum Renewed {
    Connected(Renewal),
    Former(#[expect(dead_code, reason = "its member tells it from the others")] Former),
}

/// `CHANNEL#<id>`: to whom a notification belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// The channel's id.
    pub channel: String,
    /// Whose calendar, or list of calendars, it watches.
    pub user: UserId,
    /// Which calendar; none for the list of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
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
    /// What the user's calls of the last minute come to.
    pub budget: Budget,
    /// When the last reading of what changed began that has come to its end ([`Store::note_pull`]); none when nobody has noted one of late.
    pub pulled_from: Option<DateTime<Utc>>,
}

/// Any item under `G#`, told by its members.
#[derive(Deserialize)]
#[serde(untagged)]
enum GoogleItem {
    Calendar(CalendarState),
    List(ListItem),
    Connection(Connection),
    Former(#[expect(dead_code, reason = "its member tells it from the others")] Former),
    Budget(Budget),
    Pull(Pull),
}

fn connection_key(user: UserId) -> Key {
    Key::new(key::user(user), "G#CONNECTION")
}

fn channel_key(channel: &str) -> Key {
    Key::single(format!("CHANNEL#{channel}"))
}

impl<S> Plan<S> {
    /// Stores a connection in place of any before it with the same account: two calendars of two accounts are never one.
    ///
    /// # Errors
    /// [`Error::Shape`]. The write fails with [`Error::Condition`] of [`ACCOUNT`] when another account is connected.
    pub fn put_connection(
        &mut self,
        store: &Store,
        user: UserId,
        connection: &Connection,
    ) -> Result<(), Error> {
        let item = connection_key(user).with(connection);
        let same = Expression::new("attribute_not_exists(pk) OR #sub = :sub")
            .name("#sub", "sub")
            .value(":sub", &connection.sub)?;
        self.also.push(Write::put(&store.table, item, Some(same), OnCondition::Refuse(ACCOUNT))?);
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

    /// Forgets the permission, on condition that it still is that of `connection`. Whose account it was is remembered: no other is ever
    /// connected in its place.
    ///
    /// # Errors
    /// [`Error::Shape`]. The write fails with [`Error::Condition`] of [`CONNECTION`].
    pub fn forget_connection(
        &mut self,
        store: &Store,
        user: UserId,
        connection: &Connection,
    ) -> Result<(), Error> {
        let same = Expression::new("sealed_refresh = :used").value(":used", &connection.sealed_refresh)?;
        let item = connection_key(user).with(Former { sub: connection.sub.clone() });
        self.also.push(Write::put(&store.table, item, Some(same), OnCondition::Refuse(CONNECTION))?);
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
    /// All that is kept of a user's connection, in one query; `None` when there is none, or its permission was given back.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn google(&self, user: UserId) -> Result<Option<GoogleItems>, Error> {
        let condition = Expression::new("pk = :pk AND begins_with(sk, :prefix)")
            .value(":pk", key::user(user))?
            .value(":prefix", PREFIX)?;
        let items: Vec<GoogleItem> = self.table.query(Query { index: None, condition, limit: None }).await?;
        let (mut connection, mut calendars) = (None, Vec::new());
        let (mut list, mut budget, mut pulled_from) = (ListState::default(), Budget::default(), None);
        for item in items {
            match item {
                GoogleItem::Calendar(state) => calendars.push(state),
                GoogleItem::List(item) => list = item.list,
                GoogleItem::Connection(item) => connection = Some(item),
                GoogleItem::Former(_) => {}
                GoogleItem::Budget(item) => budget = item,
                GoogleItem::Pull(item) => pulled_from = Some(item.pulled_from),
            }
        }
        Ok(connection.map(|connection| GoogleItems { connection, calendars, list, budget, pulled_from }))
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
        let update = Expression::new("SET sealed_refresh = :refresh, access = :access REMOVE renewing_until")
            .value(":refresh", &renewed.sealed_refresh)?
            .value(":access", &renewed.access)?;
        let same = Expression::new("sealed_refresh = :used").value(":used", used)?;
        self.table.update(&connection_key(user), update, same, CONNECTION).await
    }

    /// Makes the caller the only one who asks for a new access token in place of that in `seen`, until `until`. `false` when somebody else
    /// asks, or has asked. One write.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn claim_renewal(
        &self,
        user: UserId,
        seen: &Connection,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, Error> {
        let update =
            Expression::new("SET renewing_until = :until").value(":until", until.timestamp_millis())?;
        let free = "(attribute_not_exists(renewing_until) OR renewing_until <= :now)";
        let same = "sealed_refresh = :used";
        let unclaimed = match &seen.access {
            Some(access) => Expression::new(format!("{same} AND {free} AND access.sealed = :access"))
                .value(":access", &access.sealed)?,
            None => Expression::new(format!("{same} AND {free} AND attribute_not_exists(access)")),
        };
        let unclaimed =
            unclaimed.value(":used", &seen.sealed_refresh)?.value(":now", now.timestamp_millis())?;
        match self.table.update(&connection_key(user), update, unclaimed, CONNECTION).await {
            Ok(()) => Ok(true),
            Err(Error::Condition(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// How a renewal that [`Store::claim_renewal`] did not give is getting on; `None` when there is no connection. One read.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn renewal(&self, user: UserId) -> Result<Option<Renewal>, Error> {
        Ok(match self.table.get(&connection_key(user)).await? {
            Some(Renewed::Connected(renewal)) => Some(renewal),
            Some(Renewed::Former(_)) | None => None,
        })
    }

    /// Gives up what [`Store::claim_renewal`] gave: the next may try at once.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn release_renewal(&self, user: UserId, seen: &Connection) -> Result<(), Error> {
        let update = Expression::new("REMOVE renewing_until");
        let same = Expression::new("sealed_refresh = :used").value(":used", &seen.sealed_refresh)?;
        match self.table.update(&connection_key(user), update, same, CONNECTION).await {
            // Connected anew meanwhile, which is as good.
            Err(Error::Condition(_)) => Ok(()),
            other => other,
        }
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
