//! What befalls the process: it dies between two calls, an answer is lost, a call is made twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use chrono::TimeDelta;
use futures_util::FutureExt;
use seam::{Clock, Fault, Kind, Script};
use tokio::sync::Notify;

use super::step::Luck;

/// The calls that change something outside: between each two of them a process may die.
pub const EFFECTS: [(Kind, &str); 12] = [
    (Kind::Google, "events.insert"),
    (Kind::Google, "events.update"),
    (Kind::Google, "events.delete"),
    (Kind::Google, "events.watch"),
    (Kind::Google, "calendarList.watch"),
    (Kind::Google, "channels.stop"),
    (Kind::Google, "oauth.refresh"),
    (Kind::Queue, "SendMessage"),
    (Kind::Store, "PutItem"),
    (Kind::Store, "UpdateItem"),
    (Kind::Store, "DeleteItem"),
    (Kind::Store, "TransactWriteItems"),
];

/// The calls that change nothing: to die around one of them is to die after the effect before it.
const READS: [(Kind, &str); 6] = [
    (Kind::Google, "events.list"),
    (Kind::Google, "events.get"),
    (Kind::Google, "calendarList.list"),
    (Kind::Store, "GetItem"),
    (Kind::Store, "BatchGetItem"),
    (Kind::Store, "Query"),
];

#[derive(Clone, Copy, Debug, Default)]
enum Fate {
    /// No run is under way.
    #[default]
    Idle,
    Good,
    /// At an effect to come.
    Dies(u8, Death),
    /// At a call to come.
    Stumbles(u8, Stumble),
    Dead,
}

/// When the process dies of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Death {
    /// Before it is made.
    Before,
    /// After it has had its effect, of which the process does not live to hear.
    After,
}

#[derive(Clone, Copy, Debug)]
enum Stumble {
    Lost,
    Repeated,
}

/// How often the process has died of which effects.
pub type Deaths = BTreeMap<(&'static str, Death), u64>;

/// Decides about the calls of a run.
#[derive(Default)]
pub struct Stroke {
    fate: Mutex<Fate>,
    /// Of which effect the process dies whenever it comes to it, in this run or in a later one.
    doom: Mutex<Option<(&'static str, Death)>>,
    deaths: Mutex<Deaths>,
    looks: Mutex<Looks>,
    /// Moved by waiting.
    clock: OnceLock<Clock>,
    death: Notify,
}

/// So many looks at the same thing with nothing in between are a wait.
const LOOKS: u32 = 3;
/// Longer than anybody waits.
const WAIT: TimeDelta = TimeDelta::seconds(40);

/// The same call, made again and again with nothing in between.
#[derive(Default)]
struct Looks {
    operation: &'static str,
    times: u32,
}

impl Looks {
    /// Whether this is a wait.
    fn add(&mut self, operation: &'static str) -> bool {
        let is_same = self.operation == operation;
        *self = Self { operation, times: if is_same { self.times + 1 } else { 1 } };
        operation == "GetItem" && self.times.is_multiple_of(LOOKS)
    }
}

impl Stroke {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The clock that stands still while somebody waits, unless it is moved: nobody else is at work, so what is waited for does not come.
    pub fn keep(&self, clock: Clock) {
        let _ = self.clock.set(clock);
    }

    /// What the next run is to meet.
    pub fn arm(&self, luck: Luck) {
        // One that died of its last call has not been told.
        let _ = self.death.notified().now_or_never();
        let death = |is_after| if is_after { Death::After } else { Death::Before };
        if let Luck::Doomed(choice, is_after) = luck {
            let (_, operation) = EFFECTS[usize::from(choice) % EFFECTS.len()];
            *self.doom.lock().unwrap() = Some((operation, death(is_after)));
        }
        *self.fate.lock().unwrap() = match luck {
            Luck::Crash(effect, is_after) | Luck::Cut(effect, is_after) => {
                Fate::Dies(effect, death(is_after))
            }
            Luck::Lost(call) => Fate::Stumbles(call, Stumble::Lost),
            Luck::Repeated(call) => Fate::Stumbles(call, Stumble::Repeated),
            Luck::Good | Luck::Twice | Luck::OutOfOrder | Luck::Short | Luck::Doomed(..) => Fate::Good,
        };
    }

    /// Whether the process is still to die of something.
    pub fn is_doomed(&self) -> bool {
        self.doom.lock().unwrap().is_some()
    }

    /// Whether a run is to find its time used up: it then sends a message, of which the process is to die.
    pub fn is_hurried(&self) -> bool {
        self.doom.lock().unwrap().is_some_and(|(effect, _)| effect == "SendMessage")
    }

    /// The end of all bad luck.
    pub fn calm(&self) {
        *self.doom.lock().unwrap() = None;
    }

    /// Completes when the process is to be taken for dead: whatever it still does is dropped.
    pub async fn death(&self) {
        self.death.notified().await;
    }

    /// Of what the process has died in all runs so far.
    pub fn deaths(&self) -> Deaths {
        self.deaths.lock().unwrap().clone()
    }

    /// The run is over. Tells whether it has died.
    pub fn disarm(&self) -> bool {
        let was = std::mem::take(&mut *self.fate.lock().unwrap());
        matches!(was, Fate::Dead)
    }

    /// Whether the process dies of this effect, and what then becomes of the run.
    fn dies(&self, fate: Fate, operation: &'static str) -> (Option<Death>, Fate) {
        let mut doom = self.doom.lock().unwrap();
        match (fate, *doom) {
            (_, Some((doomed, death))) if doomed == operation => {
                *doom = None;
                (Some(death), Fate::Dead)
            }
            (Fate::Dies(0, death), _) => (Some(death), Fate::Dead),
            (Fate::Dies(effects, death), _) => (None, Fate::Dies(effects - 1, death)),
            (fate, _) => (None, fate),
        }
    }
}

impl Script for Stroke {
    fn next(&self, kind: Kind, operation: &'static str) -> Option<Fault> {
        if self.looks.lock().unwrap().add(operation)
            && let Some(clock) = self.clock.get()
        {
            clock.set(clock.now() + WAIT);
        }
        let mut fate = self.fate.lock().unwrap();
        match *fate {
            Fate::Idle => return None,
            Fate::Dead => {
                self.death.notify_one();
                return Some(Fault::FailBefore);
            }
            Fate::Stumbles(0, stumble) => {
                *fate = Fate::Good;
                return Some(match stumble {
                    Stumble::Lost => Fault::FailAfter,
                    Stumble::Repeated => Fault::Repeat,
                });
            }
            Fate::Stumbles(calls, stumble) => *fate = Fate::Stumbles(calls - 1, stumble),
            Fate::Good | Fate::Dies(..) => {}
        }
        if !EFFECTS.contains(&(kind, operation)) {
            assert!(READS.contains(&(kind, operation)), "is {kind:?} {operation} an effect?");
            return None;
        }
        let (death, next) = self.dies(*fate, operation);
        *fate = next;
        let death = death?;
        *self.deaths.lock().unwrap().entry((operation, death)).or_default() += 1;
        Some(match death {
            Death::Before => {
                self.death.notify_one();
                Fault::FailBefore
            }
            Death::After => Fault::FailAfter,
        })
    }
}
