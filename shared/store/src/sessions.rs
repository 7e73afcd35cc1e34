//! `S#<handle>`: a user's sessions.
//!
//! No token is stored, only how often a session's refresh token has been rotated, and when. A session that is over has no item; its
//! time is also the table's to expire, which may be late by days, so whoever reads one asks [`Session::is_alive`].

use chrono::{DateTime, Utc};
use contract::auth::SessionHandle;
use domain::UserId;
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use crate::key::{self, Key};
use crate::table::{Expression, OnCondition, Query, Write};
use crate::{Error, Plan, Store};

/// The state of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// How often its refresh token has been rotated.
    pub generation: u32,
    /// When the user signed in.
    pub created_at: DateTime<Utc>,
    /// When its refresh token was last rotated.
    pub rotated_at: DateTime<Utc>,
    /// Until when it lives unless it is refreshed; to the second.
    #[serde(with = "chrono::serde::ts_seconds")]
    pub expires_at: DateTime<Utc>,
}

impl Session {
    /// A session that begins now.
    pub fn begin(now: DateTime<Utc>, expires_at: DateTime<Utc>) -> Self {
        Self { generation: 0, created_at: now, rotated_at: now, expires_at }
    }

    /// Whether it is not over yet.
    pub fn is_alive(&self, now: DateTime<Utc>) -> bool {
        now < self.expires_at
    }
}

/// What came of an attempt to rotate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The session is at the next generation now.
    Done,
    /// It was not at the generation that was given, or is over. This is what is stored, if anything.
    Refused(Option<Session>),
}

const PREFIX: &str = "S#";

/// What is read of a session that is to end.
#[derive(Deserialize)]
struct Stored {
    sk: String,
}

/// The session whose item has this sort key.
pub(crate) fn handle_of(sk: &str) -> Option<SessionHandle> {
    sk.strip_prefix(PREFIX)?.parse().ok()
}

fn session_key(user: UserId, handle: SessionHandle) -> Key {
    Key::new(key::user(user), format!("{PREFIX}{handle}"))
}

pub(crate) fn write_session(
    store: &Store,
    user: UserId,
    handle: SessionHandle,
    session: &Session,
) -> Result<Write, Error> {
    Write::put(&store.table, session_key(user, handle).with(session), None, OnCondition::Retry)
}

impl<S> Plan<S> {
    /// Begins a session together with the rest of the plan.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn begin_session(
        &mut self,
        store: &Store,
        user: UserId,
        handle: SessionHandle,
        session: &Session,
    ) -> Result<(), Error> {
        self.also.push(write_session(store, user, handle, session)?);
        Ok(())
    }
}

impl Store {
    /// Begins a session. One write.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn begin_session(
        &self,
        user: UserId,
        handle: SessionHandle,
        session: &Session,
    ) -> Result<(), Error> {
        self.table.put(session_key(user, handle).with(session), Expression::default(), "session").await
    }

    /// A session, if it is stored. One read.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn session(&self, user: UserId, handle: SessionHandle) -> Result<Option<Session>, Error> {
        self.table.get(&session_key(user, handle)).await
    }

    /// Moves a living session on from `generation`, to live until `expires_at`. One write; one read more when that was refused.
    ///
    /// A write whose answer was lost looks like somebody else's rotation when it is tried again, which the caller must forgive anyhow.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn rotate_session(
        &self,
        user: UserId,
        handle: SessionHandle,
        generation: u32,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Result<Rotation, Error> {
        // A generation that cannot be counted on has no successor: the session then ends with its time.
        let next = generation.saturating_add(1);
        let update = Expression::new("SET generation = :next, rotated_at = :now, expires_at = :expires")
            .value(":next", next)?
            .value(":now", now)?
            .value(":expires", expires_at.timestamp())?;
        let condition = Expression::new("generation = :generation AND expires_at > :today")
            .value(":generation", generation)?
            .value(":today", now.timestamp())?;
        match self.table.update(&session_key(user, handle), update, condition, "session").await {
            Ok(()) => Ok(Rotation::Done),
            Err(Error::Condition(_)) => Ok(Rotation::Refused(self.session(user, handle).await?)),
            Err(error) => Err(error),
        }
    }

    /// Ends a session. Ending one that is over is done already.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn end_session(&self, user: UserId, handle: SessionHandle) -> Result<(), Error> {
        self.table.delete(&session_key(user, handle)).await
    }

    /// Ends all sessions of a user. One query, and a write for each.
    ///
    /// # Errors
    /// Any error of the store; some may have ended then.
    pub async fn end_sessions(&self, user: UserId) -> Result<(), Error> {
        let condition = Expression::new("pk = :pk AND begins_with(sk, :prefix)")
            .value(":pk", key::user(user))?
            .value(":prefix", PREFIX)?;
        let query = Query { index: None, condition, limit: None };
        let stored: Vec<Stored> = self.table.query(query).await?;
        let handles = stored.iter().filter_map(|item| handle_of(&item.sk));
        try_join_all(handles.map(|handle| self.end_session(user, handle))).await?;
        Ok(())
    }
}
