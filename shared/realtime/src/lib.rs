//! Telling open tabs what changed.
//!
//! The user's log in the store is the truth, and a client owns a cursor into it; a stream answers everything after the cursor, or says
//! that it cannot and resets the client. Nothing is remembered between two connections, so a connection may be cut anywhere.
//!
//! What a stream says is decided by [`Session`], a state machine without IO: what was read goes in, [`Block`]s come out. [`block`]
//! is the one place that writes the format of server-sent events, [`fold`] the one that decides which blocks an answer has, and
//! [`follow`] the loop that reads the log and moves the machine.

mod asked;
pub mod block;
mod delta;
mod fold;
mod follow;
mod policy;
mod session;
mod shared;
pub mod socket;

pub use block::{Block, Data, Frame};
pub use delta::Delta;
pub use follow::{Log, UserLog, excuse, follow};
pub use policy::{Mode, Policy};
pub use session::{Next, Opening, Session};
pub use shared::{Hub, SharedLog};
