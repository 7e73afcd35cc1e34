//! How far the sync of a user's calendars is: `G#C#<calendar>` for each, and `G#LIST` for the list of them and an import of all.
//!
//! No client sees any of it, so it has no rev. Each carries a generation, moved by compare-and-set in the same transaction as the events it speaks
//! of: a sync token is never ahead of the data, and of two workers one wins.

use chrono::{DateTime, Utc};
use domain::{Home, UserId};
use serde::{Deserialize, Serialize};

use crate::key::{self, Key};
use crate::table::{Expression, OnCondition, Write};
use crate::{Error, Plan, Position, Store};

/// The name of the condition on a generation: another worker was faster.
pub const GENERATION: &str = "generation";

/// `G#C#<calendar>`: how far the sync of a calendar is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarState {
    /// Google's id of the calendar.
    pub calendar: String,
    /// Moves with every write of this item; 0 for one that is not stored yet.
    pub generation: u64,
    /// Whether it is the user's own first one.
    #[serde(default)]
    pub is_primary: bool,
    /// Whether the user may change its events.
    #[serde(default)]
    pub is_writable: bool,
    /// Where the next incremental list begins. Moves only with the last page's events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_token: Option<String>,
    /// A traversal that is not at its end: where a later invocation goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    /// The channel on which Google tells us of changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Watch>,
    /// Whether Google has no notifications of this calendar: it is not asked for them again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_unwatchable: bool,
    /// Whether Google lists the calendar but does not let us read it. It is tried again when the list is read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_parked: bool,
}

impl CalendarState {
    /// A calendar that was never read.
    pub fn new(calendar: impl Into<String>) -> Self {
        Self {
            calendar: calendar.into(),
            generation: 0,
            is_primary: false,
            is_writable: false,
            sync_token: None,
            checkpoint: None,
            watch: None,
            is_unwatchable: false,
            is_parked: false,
        }
    }

    /// Which calendar it is, as the ids of its events name it.
    pub fn home(&self) -> Home {
        if self.is_primary { Home::Primary } else { Home::Other(self.calendar.clone()) }
    }

    /// Whether the user does not want it any more, or has lost it.
    pub fn is_leaving(&self) -> bool {
        matches!(self.checkpoint, Some(Checkpoint::Leaving { .. }))
    }
}

/// How far something is that is done to a calendar in steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Checkpoint {
    /// Reading what changed since the sync token; the next page is this.
    Delta {
        /// Google's page token.
        page: String,
    },
    /// Reading everything, as part of an [`Import`].
    Full {
        /// Which import's.
        traversal: u64,
        /// Google's page token; none for the first page.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        page: Option<String>,
        /// Pages done.
        pages: u32,
        /// Events read.
        events: u32,
    },
    /// It is synced no more: its events leave our view.
    Leaving {
        /// The last event that was looked at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Position>,
        /// Whether one of those looked at has to stay until it is sent.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_any_left: bool,
    },
}

/// A notification channel in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Its id.
    pub channel: String,
    /// What it watches, in Google's words; needed to stop it.
    pub resource_id: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// `G#LIST`: how far the reading of the list of calendars is, and of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListState {
    /// Moves with every write of this item; 0 for one that is not stored yet.
    pub generation: u64,
    /// Where the next reading of the list begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_token: Option<String>,
    /// The channel on which Google tells us of changes of the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Watch>,
    /// The import that is at work, or was when its worker died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<Import>,
}

/// Reading everything of some calendars, one after the other; then what was not seen is looked at one by one, and what Google never had is sent
/// to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// Tells the marks of this import from those of another: the list's generation as it began.
    pub traversal: u64,
    /// When it began.
    pub begun_at: DateTime<Utc>,
    /// Whether the user, or a spent sync token, asked for it.
    pub is_repair: bool,
    /// Whether everything is read for the second time, because the first time much too little was there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_second: bool,
    /// How often it has begun again because a page token was spent.
    #[serde(default)]
    pub restarts: u32,
    /// Google's ids of the calendars that are still to be read; the first one is at work.
    pub pending: Vec<String>,
    /// Those that were read.
    pub read: Vec<String>,
    /// Events read in them.
    pub events: u32,
    /// The last event that was looked at afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Position>,
    /// How many events were looked at that Google should have.
    #[serde(default)]
    pub expected: u32,
    /// How many of them were not seen.
    #[serde(default)]
    pub missing: u32,
}

/// The list's state as it lies in the table. Under a name of its own, which tells it from the items beside it.
#[derive(Serialize, Deserialize)]
pub(crate) struct ListItem {
    pub list: ListState,
}

fn calendar_key(user: UserId, calendar: &str) -> Key {
    Key::new(key::user(user), format!("G#C#{calendar}"))
}

fn list_key(user: UserId) -> Key {
    Key::new(key::user(user), "G#LIST")
}

/// That the generation under `name` still is what was read.
fn unmoved(name: &str, read: u64) -> Result<Expression, Error> {
    match read {
        0 => Ok(Expression::new("attribute_not_exists(pk)")),
        read => Expression::new(format!("{name} = :read")).value(":read", read),
    }
}

impl<S> Plan<S> {
    /// Moves a calendar's state on from the generation in `state`.
    ///
    /// # Errors
    /// [`Error::Shape`]. The write fails with [`Error::Condition`] of [`GENERATION`] when another worker was faster.
    pub fn put_calendar(&mut self, store: &Store, user: UserId, state: &CalendarState) -> Result<(), Error> {
        let unmoved = unmoved("generation", state.generation)?;
        let next = CalendarState { generation: state.generation + 1, ..state.clone() };
        let item = calendar_key(user, &state.calendar).with(&next);
        self.also.push(Write::put(&store.table, item, Some(unmoved), OnCondition::Refuse(GENERATION))?);
        Ok(())
    }

    /// Forgets a calendar's state.
    ///
    /// # Errors
    /// [`Error::Refused`] never, in practice.
    pub fn forget_calendar(&mut self, store: &Store, user: UserId, calendar: &str) -> Result<(), Error> {
        self.also.push(Write::delete(&store.table, &calendar_key(user, calendar))?);
        Ok(())
    }

    /// Moves the list's state on from the generation in `list`.
    ///
    /// # Errors
    /// [`Error::Shape`]. The write fails with [`Error::Condition`] of [`GENERATION`] when another worker was faster.
    pub fn put_list(&mut self, store: &Store, user: UserId, list: &ListState) -> Result<(), Error> {
        let unmoved = match list.generation {
            0 => unmoved("", 0)?,
            read => unmoved("#list.generation", read)?.name("#list", "list"),
        };
        let list = ListState { generation: list.generation + 1, ..list.clone() };
        let item = list_key(user).with(ListItem { list });
        self.also.push(Write::put(&store.table, item, Some(unmoved), OnCondition::Refuse(GENERATION))?);
        Ok(())
    }
}
