//! What has to be known before Google is called: `G#BUDGET`, what a user's calls of the last minute come to and whether Google wants to hear
//! nothing for a while; and `BREAKER#GOOGLE`, whether the project as a whole is refused.
//!
//! Functions share no memory, so it is kept here. What it means, and how much is allowed, is decided by whoever calls.

use chrono::{DateTime, TimeDelta, Utc};
use domain::UserId;
use serde::{Deserialize, Serialize};

use crate::key::{self, Key};
use crate::table::Expression;
use crate::{Error, Store};

/// The name of the condition on a budget's version: another worker was faster.
pub const BUDGET: &str = "budget";
/// The name that a write without a condition goes by.
const BREAKER: &str = "breaker";

/// How long what is kept here outlives its meaning.
const REMEMBERED: TimeDelta = TimeDelta::days(1);

/// `G#BUDGET`: a user's calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Moves with every write of this item; 0 for one that is not stored.
    pub version: u64,
    /// How many calls were granted in which part of time, as the caller divides it.
    pub grants: Vec<(i64, u32)>,
    /// How many calls in a row Google has found too many.
    #[serde(default)]
    pub throttles: u32,
    /// Until when Google is not to be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_until: Option<DateTime<Utc>>,
}

#[derive(Serialize)]
struct Kept<'a, T> {
    #[serde(flatten)]
    item: &'a T,
    expires_at: i64,
}

/// `BREAKER#GOOGLE`: Google refuses the whole project, and only its operator can mend that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// Why, for the log.
    pub reason: String,
    /// How often in a row it was found to be so.
    pub trips: u32,
    /// When Google may be asked again.
    pub until: DateTime<Utc>,
}

fn budget_key(user: UserId) -> Key {
    Key::new(key::user(user), "G#BUDGET")
}

fn breaker_key() -> Key {
    Key::single("BREAKER#GOOGLE".to_owned())
}

impl Store {
    /// What is known of a user's calls. One read. ([`Store::google`] tells it, too.)
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn budget(&self, user: UserId) -> Result<Budget, Error> {
        Ok(self.table.get(&budget_key(user)).await?.unwrap_or_default())
    }

    /// Stores what is known of a user's calls in place of the version in `budget`, and moves that on. One write.
    ///
    /// # Errors
    /// [`Error::Condition`] of [`BUDGET`] when another worker was faster.
    pub async fn put_budget(
        &self,
        user: UserId,
        budget: &mut Budget,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let condition = match budget.version {
            0 => Expression::new("attribute_not_exists(pk)"),
            read => Expression::new("version = :read").value(":read", read)?,
        };
        let next = Budget { version: budget.version + 1, ..budget.clone() };
        let item = budget_key(user).with(kept(&next, now));
        self.table.put(item, condition, BUDGET).await?;
        *budget = next;
        Ok(())
    }

    /// Whether the project is refused, and until when. One read.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn breaker(&self) -> Result<Option<Breaker>, Error> {
        self.table.get(&breaker_key()).await
    }

    /// Keeps everybody from calling Google for a while. Of two who find out at once, either may be the one that is remembered.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn open_breaker(&self, breaker: &Breaker) -> Result<(), Error> {
        let item = breaker_key().with(kept(breaker, breaker.until));
        self.table.put(item, Expression::default(), BREAKER).await
    }
}

fn kept<T>(item: &T, at: DateTime<Utc>) -> Kept<'_, T> {
    Kept { item, expires_at: (at + REMEMBERED).timestamp() }
}
