//! What befalls the process: it dies between two calls, an answer is lost, a call is made twice.

use std::sync::{Arc, Mutex};

use seam::{Fault, Kind, Script};
use tokio::sync::Notify;

use super::step::Luck;

#[derive(Clone, Copy, Debug, Default)]
enum Fate {
    #[default]
    Good,
    /// At a call to come.
    Waits(u8, Blow),
    Dead,
}

#[derive(Clone, Copy, Debug)]
enum Blow {
    /// The process dies before the call.
    DeathBefore,
    /// It dies after the call, whose answer it does not live to see.
    DeathAfter,
    Lost,
    Repeated,
}

/// Decides about the calls of a run.
#[derive(Default)]
pub struct Stroke {
    fate: Mutex<Fate>,
    death: Notify,
}

impl Stroke {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What the next run is to meet.
    pub fn arm(&self, luck: Luck) {
        *self.fate.lock().unwrap() = match luck {
            Luck::Crash(call, is_after) => {
                Fate::Waits(call, if is_after { Blow::DeathAfter } else { Blow::DeathBefore })
            }
            Luck::Lost(call) => Fate::Waits(call, Blow::Lost),
            Luck::Repeated(call) => Fate::Waits(call, Blow::Repeated),
            Luck::Good | Luck::Twice | Luck::OutOfOrder | Luck::Short => Fate::Good,
        };
    }

    /// Completes when the process is to be taken for dead: whatever it still does is dropped.
    pub async fn death(&self) {
        self.death.notified().await;
    }

    /// The run is over. Tells whether it has died.
    pub fn disarm(&self) -> bool {
        let was = std::mem::take(&mut *self.fate.lock().unwrap());
        matches!(was, Fate::Dead)
    }
}

impl Script for Stroke {
    fn next(&self, _: Kind, _: &'static str) -> Option<Fault> {
        let mut fate = self.fate.lock().unwrap();
        match *fate {
            Fate::Good => None,
            Fate::Dead => {
                self.death.notify_one();
                Some(Fault::FailBefore)
            }
            Fate::Waits(0, blow) => {
                let (next, fault) = match blow {
                    Blow::DeathBefore => (Fate::Dead, Fault::FailBefore),
                    Blow::DeathAfter => (Fate::Dead, Fault::FailAfter),
                    Blow::Lost => (Fate::Good, Fault::FailAfter),
                    Blow::Repeated => (Fate::Good, Fault::Repeat),
                };
                if matches!(blow, Blow::DeathBefore) {
                    self.death.notify_one();
                }
                *fate = next;
                Some(fault)
            }
            Fate::Waits(calls, blow) => {
                *fate = Fate::Waits(calls - 1, blow);
                None
            }
        }
    }
}
