//! The rules of the calendar, and nothing else.
//!
//! Rules take what is stored and what is wanted and return a plan ([`Change`]s); the store applies the plan in one
//! transaction. There is no IO here, no clock, no AWS and no untyped JSON: whoever reads a rule never meets a network,
//! and every rule can be tested as a table.

pub mod calendar;
mod connection;
mod event;
mod home;
mod id;
mod job;
mod notice;
mod plan;
pub mod priority;
mod record;
mod recurrence;
mod refusal;
mod series;
mod slot;
mod stored;
pub mod sync;
mod time;
mod window;
mod zone;

pub use connection::{ConnectionState, GoogleStatus, ImportFlag};
pub use event::{Draft, Event, Origin, Priority, Repeat, Scope, Shelf, check_order};
pub use home::{GoogleEventId, Home};
pub use id::{CalendarId, EventId, PriorityId, UserId};
pub use job::Job;
pub use notice::{ImportOperation, ImportOutcome, ImportProgress, ImportStatus, Notice};
pub use plan::{Context, Steps, delete, reaches_beyond, reorder, save};
pub use record::{Address, Change, Link, Record, Rev, Seen, Views};
pub use recurrence::{Pattern, Recurrence};
pub use refusal::Refusal;
pub use series::{Recurs, Role, Series, Shown, show};
pub use slot::{Slot, Tag};
pub use stored::{Family, Records, Stored};
pub use sync::{Field, Merged, Rule, Shared, merge};
pub use time::{EventTime, Span};
pub use window::Window;
pub use zone::Zone;
