//! The local cloud: Meridian's bundle on one machine, without containers and without an account.
//!
//! It interprets the deployment template, starts the real function binaries and speaks the Lambda Runtime API to them,
//! so what runs locally is what deploys. AWS is played by small, faithful stand-ins: an embedded DynamoDB
//! ([`table`]), a queue on the SQS protocol, an HTTP API and function URLs, schedules, mail; Google by `fake-google`.
//!
//! It is a tool, not a part of the product: no function and no shared crate depends on it outside tests.

pub mod table;
pub mod template;
