//! The log of a user, read from a cursor on.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use domain::{Notice, Rev, UserId, Views};
use serde::Deserialize;

use crate::key;
use crate::table::{Expression, Query};
use crate::{Error, Head, Store};

/// Where a client is in a user's log: `epoch.rev` on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The life of the partition.
    pub epoch: String,
    /// The newest rev the client has seen.
    pub rev: Rev,
}

impl Cursor {
    /// Whether the log can tell everything after this cursor. If not, the client must be reset.
    pub fn is_known(&self, head: &Head, now: DateTime<Utc>) -> bool {
        self.epoch == head.epoch && self.rev <= head.seq && self.rev >= head.floor(now)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.rev)
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (epoch, rev) = text.rsplit_once('.').ok_or(())?;
        Ok(Self { epoch: epoch.to_owned(), rev: rev.parse().map_err(|_| ())? })
    }
}

/// What happened after a rev, folded: a client needs no more than to know which views to refresh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The newest rev among them; the rev asked for when there are none.
    pub upto: Rev,
    /// Views in which something changed.
    pub views: Views,
    /// Notices, in order.
    pub notices: Vec<Notice>,
}

/// What the `rev` index holds.
#[derive(Deserialize)]
struct Logged {
    rev: Rev,
    #[serde(default)]
    grid_rev: Rev,
    #[serde(default)]
    someday_rev: Rev,
    notice: Option<Notice>,
}

impl Store {
    /// Everything after `rev`. One query when there is nothing, two when there is something.
    ///
    /// A query is consistent item by item, but it is no snapshot: it may meet some items of a transaction and miss others that it passed a moment
    /// before. Whatever it meets is committed, though, and so is all that has a lower rev; a second query sees the whole of it. Only what the
    /// first one met is said to be seen.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn changes(&self, user: UserId, rev: Rev) -> Result<Changes, Error> {
        let condition = Expression::new("pk = :pk AND #rev > :rev")
            .name("#rev", "rev")
            .value(":pk", key::user(user))?
            .value(":rev", rev)?;
        let query = || Query { index: Some("rev"), condition: condition.clone(), limit: None };
        let met: Vec<Logged> = self.table.query(query()).await?;
        let Some(upto) = met.iter().map(|entry| entry.rev).max() else {
            return Ok(fold(rev, rev, Vec::new()));
        };
        Ok(fold(rev, upto, self.table.query(query()).await?))
    }
}

/// What happened after `rev`. Entries beyond `upto` are left to the next time, when all that belongs to them can be seen; but an event that has
/// moved on beyond it may have changed before it, too.
fn fold(rev: Rev, upto: Rev, logged: Vec<Logged>) -> Changes {
    let mut changes = Changes { upto, ..Changes::default() };
    for entry in logged {
        changes.views.is_grid |= entry.grid_rev > rev;
        changes.views.is_someday |= entry.someday_rev > rev;
        if entry.rev <= upto {
            changes.notices.extend(entry.notice);
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_told_of_a_change_that_a_later_one_of_the_other_view_covers() {
        let logged = vec![Logged { rev: 7, grid_rev: 5, someday_rev: 7, notice: None }];
        let changes = fold(4, 7, logged);
        assert_eq!(
            changes,
            Changes { upto: 7, views: Views { is_grid: true, is_someday: true }, notices: vec![] }
        );
        let logged = vec![Logged { rev: 7, grid_rev: 5, someday_rev: 7, notice: None }];
        assert_eq!(fold(5, 7, logged).views, Views { is_grid: false, is_someday: true });
    }

    #[test]
    fn a_cursor_survives_the_wire_and_garbage_is_no_cursor() {
        let cursor = Cursor { epoch: "ab12".into(), rev: 42 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for garbage in ["", "ab12", "ab12.", "ab12.x", "ab12.-1", ".."] {
            assert!(garbage.parse::<Cursor>().is_err(), "{garbage}");
        }
    }
}
