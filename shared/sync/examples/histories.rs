//! Random histories of the whole system, as many as asked for: `cargo run -p sync --example histories -- --seed 7 --count 10000`.
//!
//! The same that `cargo test` runs. Prints what the histories came through, and of those that failed which they are and the first one cut down; what
//! Google saw and the runner logged is in what is printed of it.
#![recursion_limit = "256"]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "an example made of tests")]

#[path = "../tests/runner/model/mod.rs"]
#[allow(dead_code, reason = "only tests plant bugs and die everywhere")]
mod model;
#[path = "../tests/runner/world.rs"]
#[allow(dead_code, reason = "only tests of one thing order faults")]
mod world;

use std::process::ExitCode;

use clap::Parser;

/// Carries out random histories and checks the invariants.
#[derive(Parser)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many, one seed after the other.
    #[arg(long, default_value_t = model::COUNT)]
    count: u64,
}

fn main() -> ExitCode {
    let Arguments { seed, count } = Arguments::parse();
    let campaign = model::campaign(seed, count);
    println!("{}", campaign.report());
    for missing in campaign.missing() {
        println!("never: {missing}");
    }
    match campaign.complaint() {
        Some(complaint) => {
            println!("{complaint}");
            ExitCode::FAILURE
        }
        None => {
            println!("{count} histories, none failed");
            ExitCode::SUCCESS
        }
    }
}
