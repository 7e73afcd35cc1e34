//! The whole system as a model: random histories of two sides that edit, of a network that loses and repeats, and of a process that dies; then
//! quiet, and the invariants of the contract.
//!
//! A history is a list of steps made from a seed, and is carried out the same way each time: time is virtual, and only one thing happens at a time.
//! One that fails is cut down to the steps that it takes.
//!
//! `MODEL_SEED` and `MODEL_COUNT` choose other and more histories than a plain `cargo test` runs.

mod found;
mod here;
mod history;
mod invariants;
pub mod lab;
mod ledger;
pub mod luck;
mod record;
mod shape;
mod sight;
pub mod step;
mod there;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// How many histories a plain `cargo test` runs: a second or two of CPU time each.
const COUNT: u64 = 12;

#[expect(clippy::disallowed_methods, reason = "how far a test goes is said from outside")]
pub fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn random_histories_converge_and_lose_nothing() {
    let (first, count) = (number("MODEL_SEED", 1), number("MODEL_COUNT", COUNT));
    let (next, failed) = (AtomicU64::new(first), Mutex::new(BTreeMap::new()));
    // Histories wait for sockets half of their time.
    let workers = 2 * thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= first + count {
                        break;
                    }
                    if let Err(why) = history::run(&step::history(seed)) {
                        eprintln!("history {seed}: {why}");
                        failed.lock().unwrap().insert(seed, why);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let Some(seed) = failed.keys().next() else { return };
    let line = |(seed, why): (&u64, &String)| format!("{seed}: {}\n", why.lines().next().unwrap_or_default());
    let all: String = failed.iter().map(line).collect();
    let (steps, why) = history::shrunk(step::history(*seed));
    panic!(
        "{} of {count} histories failed:\n{all}MODEL_SEED={seed} MODEL_COUNT=1\n{steps:#?}\n{why}",
        failed.len()
    );
}
