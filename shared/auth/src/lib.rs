//! Who is asking: access and refresh tokens, the cookies that carry them, passwords, and the mail that resets one.
//!
//! Rules and formats only. What is stored is the store's; a function reads, asks a rule here, and writes. So every rule can be
//! tested as a table, with the time and the dice given. The access token is checked by its signature alone, which is why no function
//! but `auth` holds the signing key and none reads the store to know its caller.

pub mod access;
pub mod cookie;
mod error;
pub mod mail;
pub mod name;
pub mod password;
pub mod request;
pub mod reset;
pub mod session;
#[cfg(any(test, feature = "test-support"))]
pub mod test_support;
pub mod ticket;

pub use error::Error;
