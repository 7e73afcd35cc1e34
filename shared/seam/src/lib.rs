//! The edge of a process: time, chance, and every call that leaves it.
//!
//! A Lambda touches the world in few ways: it reads a clock, draws random bytes, and calls the store, the queue,
//! Google and the mail service. Each of these has one type here and every crate goes through it, so that a
//! test can stop the clock, fix the dice, and make any outside call fail before it happened, fail after it happened,
//! take too long, or happen twice. `clippy.toml` forbids the raw calls elsewhere.
//!
//! This crate knows none of ours; `domain` and `contract` do not know it.

mod call;
mod causes;
mod class;
mod clock;
mod ledger;
mod random;

pub use call::{Fault, Interrupted, Kind, Script, Seam};
pub use causes::causes;
pub use class::Class;
pub use clock::Clock;
pub use ledger::{Ledger, Meter, measured, record};
pub use random::Random;
