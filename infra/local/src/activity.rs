//! One counter that moves whenever work moves, so that nobody has to sleep and look again.

use tokio::sync::watch;

/// A cheaply cloned counter of everything that happens in the cloud.
#[derive(Debug, Clone)]
pub(crate) struct Activity(watch::Sender<u64>);

impl Activity {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// Tells everybody who waits that something has moved.
    pub(crate) fn moved(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    /// How often something has moved so far.
    pub(crate) fn count(&self) -> u64 {
        *self.0.borrow()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}
