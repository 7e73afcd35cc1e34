//! The whole system as a model: random histories of two sides that edit, of a network that loses and repeats, and of a process that dies; then
//! quiet, and the invariants of the contract.
//!
//! A history is a list of steps made from a seed, and is carried out the same way each time: time is virtual, and only one thing happens at a time.
//! One that fails is cut down to the steps that it takes.
//!
//! `cargo test` runs the first [`COUNT`] of them; `cargo run -p sync --example histories -- --seed 7 --count 10000` runs others.

mod census;
#[cfg(test)]
mod deaths;
mod flaw;
#[cfg(test)]
mod found;
mod here;
mod history;
mod invariants;
pub mod lab;
mod ledger;
pub mod luck;
mod person;
#[cfg(test)]
mod planted;
mod record;
mod shape;
mod sight;
pub mod step;
mod there;
mod trouble;
mod wire;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use census::Census;
use flaw::Flaw;

/// How many histories a plain `cargo test` runs.
pub const COUNT: u64 = 1_000;

/// Unoptimised, the layers of a call take their room.
const STACK: usize = 16 << 20;

/// What has become of a campaign.
pub struct Campaign {
    count: u64,
    /// Why those failed that did, by their seeds.
    failed: BTreeMap<u64, String>,
    census: Census,
}

/// Carries out the histories of `count` seeds, the first of which is `first`.
pub fn campaign(first: u64, count: u64) -> Campaign {
    let next = AtomicU64::new(first);
    let campaign = Mutex::new(Campaign { count, failed: BTreeMap::new(), census: Census::default() });
    // Histories wait for sockets half of their time.
    let workers = 2 * thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            let worker = thread::Builder::new().stack_size(STACK);
            let worker = worker.spawn_scoped(scope, || {
                let mut census = Census::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= first + count {
                        break;
                    }
                    if let Err(why) = history::run(&step::history(seed), &mut census) {
                        eprintln!("history {seed}: {why}");
                        campaign.lock().unwrap().failed.insert(seed, why);
                    }
                }
                campaign.lock().unwrap().census.add(census);
            });
            worker.unwrap();
        }
    });
    campaign.into_inner().unwrap()
}

impl Campaign {
    /// Which histories failed, and the first one cut down to what it takes; `None` when all is well.
    pub fn complaint(&self) -> Option<String> {
        let seed = self.failed.keys().next()?;
        let mut text = format!("{} of {} histories failed:\n", self.failed.len(), self.count);
        for (seed, why) in &self.failed {
            let _ = writeln!(text, "{seed}: {}", why.lines().next().unwrap_or_default());
        }
        let (history, why) = history::shrunk(Flaw::default(), step::history(*seed));
        let _ = write!(text, "--seed {seed} --count 1\n{history:#?}\n{why}");
        Some(text)
    }

    /// What should have happened somewhere in so many histories and did not.
    pub fn missing(&self) -> Vec<String> {
        self.census.missing()
    }

    /// What has happened, for people.
    pub fn report(&self) -> String {
        self.census.report()
    }
}

#[test]
fn random_histories_converge_and_lose_nothing() {
    let campaign = campaign(1, COUNT);
    if let Some(complaint) = campaign.complaint() {
        panic!("{complaint}");
    }
    let (report, missing) = (campaign.report(), campaign.missing());
    assert!(missing.is_empty(), "{report}never: {missing:?}");
}
