//! SQS on one machine: the queues' semantics in process, and their wire protocol for unmodified SDKs.
//!
//! Used by the local cloud and by tests only. It exists because what matters to Meridian is exactly what light imitations
//! get wrong: a FIFO group with a message in flight is closed, a duplicate is swallowed for five minutes, a message received
//! too often moves to the dead-letter queue. [`Broker`] is the handle; [`serve`] puts it behind AWS JSON 1.0. Time is
//! injected ([`Clock`]), so visibility and deduplication are tested without waiting.
//!
//! Layers: `queue` (a pure state machine of one queue, with `stored`, `dedup` and `receipt`), `state` (all queues, moves
//! between them), `broker` (time, ids, waiting), `wire` (JSON in and out; no semantics). Nothing here knows a crate of Meridian's except
//! `seam`, the home of the system clock.
//!
//! Not imitated: tags, permissions and policies (kept, without effect), encryption, throttling and in-flight limits,
//! `ReceiveRequestAttemptId`, the minute between two purges, pagination of `ListQueues`.

mod broker;
mod clock;
mod dedup;
mod digest;
mod error;
mod message;
mod queue;
mod receipt;
mod spec;
mod state;
mod stored;
mod wire;

pub use broker::Broker;
pub use clock::{Clock, ManualClock, Sleep, SystemClock};
pub use digest::{md5_of_attributes, md5_of_body};
pub use error::{Error, Result};
pub use message::{
    AttributeValue, MAXIMUM_SIZE, MessageAttribute, MessageState, NewMessage, Peeked, Received, Sent,
};
pub use queue::Depth;
pub use spec::{ACCOUNT, QueueSpec, REGION, Redrive, queue_arn};
pub use wire::serve;
