//! The only crate that names DynamoDB: keys, items, conditional writes, the cursor.
//!
//! One table. A user is a partition `U#<user>`; its `HEAD` item carries `seq`, the newest rev. Every mutation that a client can
//! see is one `TransactWriteItems`: the items, each with a rev of its own, and `HEAD.seq` moved on under the condition that it
//! still is what was read. So revs are gap-free in commit order, and everything that tells of changes reads this one log.
//! There is no global index and no `Scan`.

mod budget;
mod calendars;
mod changes;
mod connections;
mod cursor;
mod due;
mod error;
mod events;
mod head;
mod item;
mod key;
mod lists;
mod many;
mod mutate;
mod outbox;
mod plan;
mod priorities;
mod pulls;
mod reconcile;
mod resets;
mod sessions;
mod sockets;
mod table;
mod traversals;
mod unfinished;
mod users;

pub use budget::{BUDGET, Breaker, Budget};
pub use changes::{Changes, ListItem, LogItem, Page, PageAt, Touched};
pub use connections::{ACCOUNT, CONNECTION, Channel, Connection, GoogleItems, Renewal, SealedAccess};
pub use cursor::{BadCursorKey, Cursor, CursorKey, NoCursor, Seal, Stage};
pub use due::{Due, DueRow, SHARDS};
pub use error::Error;
pub use head::{Head, Profile};
pub use lists::{Entry, Revision};
pub use many::Named;
pub use outbox::{Committed, LogEntry};
pub use plan::{FamilyOf, HeadPlan, NoSteps, Plan, Reads, Snapshot};
pub use reconcile::{Issue, IssueKind, IssuePlace, NoPlace, Position};
pub use resets::{RESET, Reset};
pub use sessions::{Rotation, Session};
pub use sockets::{Socket, SocketId, TICKET, Ticket};
pub use traversals::{CalendarState, Checkpoint, GENERATION, Import, ListState, Watch};
pub use users::{EMAIL, GOOGLE, Login, NewUser};

use table::Table;

/// The store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    table: Table,
}

impl Store {
    /// A store on the table `name`, whose calls leave through `seam`.
    pub fn new(client: aws_sdk_dynamodb::Client, name: impl Into<String>, seam: seam::Seam) -> Self {
        Self { table: Table::new(client, name.into(), seam) }
    }
}
