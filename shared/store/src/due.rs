//! What is due, and when: one row per user and kind, found by its time and never by a scan.
//!
//! A row's key is stable (`DUE#<kind>#<shard>`, user) and its time stands in the index `when`, so that to move a date is one update, and of
//! two runs of a schedule one claims the row.

use chrono::{DateTime, Utc};
use domain::UserId;
use serde::Deserialize;

use crate::key::{self, Key};
use crate::table::{Expression, OnCondition, Query, Write};
use crate::{Error, Plan, Store};

/// The most partitions of a kind: enough that no time of day makes one of them hot.
pub const SHARDS: u8 = 16;

const CLAIM: &str = "due";

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Due {
    /// A watch nears its end.
    Renewal,
    /// A calendar has been silent for long: notifications can be lost, and some calendars have none.
    Poll,
    /// Work of several transactions may have been left unfinished.
    Unfinished,
}

impl Due {
    /// How many partitions its rows are spread over. Of what is rare there is one: each is read every few minutes, for nothing.
    pub fn shards(self) -> u8 {
        match self {
            Self::Renewal | Self::Poll => SHARDS,
            Self::Unfinished => 1,
        }
    }

    fn partition(self, shard: u8) -> String {
        let kind = match self {
            Self::Renewal => "renewal",
            Self::Poll => "poll",
            Self::Unfinished => "unfinished",
        };
        format!("DUE#{kind}#{shard:02}")
    }

    fn key(self, user: UserId) -> Key {
        // Ids begin with a time stamp; the last byte is the one that spreads.
        let last = user.as_bytes()[11];
        Key::new(self.partition(last % self.shards()), key::user(user))
    }
}

/// A row that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueRow {
    /// For whom.
    pub user: UserId,
    due_at: String,
}

#[derive(Deserialize)]
struct Row {
    sk: String,
    when: String,
}

impl<S> Plan<S> {
    /// Sets the date of a user's `due`, in place of any before it.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn schedule(
        &mut self,
        store: &Store,
        due: Due,
        user: UserId,
        at: DateTime<Utc>,
    ) -> Result<(), Error> {
        let on = OnCondition::Retry;
        self.also.push(Write::update(&store.table, &due.key(user), date(at)?, Expression::default(), on)?);
        Ok(())
    }
}

impl Store {
    /// The rows of a shard (below [`Due::shards`]) that are due at `now`, the longest overdue first; at most `limit`.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn due(
        &self,
        due: Due,
        shard: u8,
        now: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<DueRow>, Error> {
        let condition = Expression::new("pk = :pk AND #when <= :now")
            .name("#when", "when")
            .value(":pk", due.partition(shard))?
            .value(":now", key::instant(now))?;
        let rows: Vec<Row> =
            self.table.query(Query { index: Some("when"), condition, limit: Some(limit) }).await?;
        let due = rows
            .into_iter()
            .filter_map(|row| Some(DueRow { user: key::user_of(&row.sk)?, due_at: row.when }));
        Ok(due.collect())
    }

    /// Takes a row on and sets its next date: should what is done about it fail, it is due again then. `false` when somebody else has taken it.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn claim(&self, due: Due, row: &DueRow, next: DateTime<Utc>) -> Result<bool, Error> {
        let unclaimed = Expression::new("#when = :seen").value(":seen", &row.due_at)?;
        match self.table.update(&due.key(row.user), date(next)?, unclaimed, CLAIM).await {
            Ok(()) => Ok(true),
            Err(Error::Condition(CLAIM)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes away a row that was taken on until `next`, unless it was scheduled anew meanwhile.
    pub(crate) async fn release(&self, due: Due, user: UserId, next: DateTime<Utc>) -> Result<(), Error> {
        let is_ours =
            Expression::new("#when = :next").name("#when", "when").value(":next", key::instant(next))?;
        let on = OnCondition::Refuse(CLAIM);
        match self.table.transact(vec![Write::delete_if(&self.table, &due.key(user), is_ours, on)?]).await {
            Err(Error::Condition(CLAIM)) => Ok(()),
            other => other,
        }
    }

    /// Takes a user's row away: nothing is ever due again until it is scheduled anew.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn unschedule(&self, due: Due, user: UserId) -> Result<(), Error> {
        self.table.delete(&due.key(user)).await
    }
}

fn date(at: DateTime<Utc>) -> Result<Expression, Error> {
    Expression::new("SET #when = :next").name("#when", "when").value(":next", key::instant(at))
}
