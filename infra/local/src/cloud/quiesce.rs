//! Running to quiescence: waiting until nothing moves any more, on conditions and never on a guess at the time.

use std::time::Duration;

use tokio::time::Instant;

use super::Inner;

/// Something was still moving when the patience was over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("still busy: {}", .0.join("; "))]
pub struct StillBusy(pub Vec<String>);

impl Inner {
    /// Waits until no queue but the dead-letter ones holds a message, the streams are read to their end, no invocation
    /// but a stream's runs, and the fake Google has delivered what it had to.
    pub(crate) async fn quiesce(&self, patience: Duration) -> Result<(), StillBusy> {
        let deadline = Instant::now() + patience;
        let mut activity = self.activity.subscribe();
        let mut queues = self.queues.broker.changes();
        loop {
            let seen = (*activity.borrow_and_update(), *queues.borrow_and_update());
            // Read once: were it asked for again below, the last one could have ended in between, and nobody would wake us.
            let pushes = self.pending_pushes();
            let busy = self.busy(pushes);
            // The parts are looked at one after another. Work that moved on meanwhile may have been missed, but not
            // without moving one of the counters.
            let has_moved = (self.activity.count(), *queues.borrow()) != seen;
            if busy.is_empty() && !has_moved {
                return Ok(());
            }
            if has_moved {
                tokio::task::yield_now().await;
                if Instant::now() < deadline {
                    continue;
                }
            }
            tokio::select! {
                _ = activity.changed() => {}
                _ = queues.changed() => {}
                () = self.google_idle(), if pushes > 0 => {}
                () = tokio::time::sleep_until(deadline) => return Err(StillBusy(self.busy(self.pending_pushes()))),
            }
        }
    }

    fn busy(&self, pushes: usize) -> Vec<String> {
        let mut busy = Vec::new();
        for (name, pool) in &self.pools {
            if pool.busy() > 0 {
                busy.push(format!("{} invocations of {name}", pool.busy()));
            }
        }
        for mapping in &self.streams {
            if mapping.is_behind() {
                busy.push(format!("the stream of {} for {}", mapping.table, mapping.function));
            }
        }
        if pushes > 0 {
            busy.push(format!("{pushes} notifications from Google"));
        }
        let broker = &self.queues.broker;
        for queue in broker.queues().iter().filter(|queue| !self.queues.dead_letter.contains(queue)) {
            let Ok(depth) = broker.depth(queue) else { continue };
            if !depth.is_empty() {
                let (visible, in_flight) = (depth.visible + depth.delayed, depth.in_flight);
                busy.push(format!("queue {queue}: {visible} waiting, {in_flight} in flight"));
            }
        }
        busy
    }

    fn pending_pushes(&self) -> usize {
        self.google.as_ref().map_or(0, |google| google.pending_pushes())
    }

    async fn google_idle(&self) {
        match &self.google {
            Some(google) => google.idle().await,
            None => std::future::pending().await,
        }
    }
}
