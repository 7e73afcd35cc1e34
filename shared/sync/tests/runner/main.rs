//! The runner against the fake Google, the fake queue and the template's table, with and without faults.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests, outside a test function")]

mod backfill;
mod bursts;
mod calendars;
mod changes;
mod deeds;
mod disconnect;
mod exceptions;
mod faults;
mod flows;
mod imports;
mod limits;
mod model;
mod neighbours;
mod permission;
mod schedules;
mod sending;
mod series;
mod times;
mod watches;
mod workers;
mod world;
