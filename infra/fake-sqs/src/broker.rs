//! All queues behind one handle: names, time, ids, waiting, and moves between queues.
//!
//! One lock covers every queue, so that a move to a dead-letter queue is seen whole or not at all; it is never held across
//! an await. Whatever changes a queue's state bumps one version, which wakes long polls and whoever watches for
//! quiescence. A receive that finds nothing changes nothing and so wakes nobody.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};
use crate::message::{NewMessage, Peeked, Received, Sent};
use crate::queue::{Depth, Queue};
use crate::spec::{ACCOUNT, QueueSpec, queue_arn, queue_of_arn};

/// The longest that a receive may wait.
const MAXIMUM_WAIT: Duration = Duration::from_secs(20);
/// The longest visibility time-out.
const MAXIMUM_VISIBILITY: Duration = Duration::from_secs(12 * 60 * 60);
/// The most messages that one receive hands out.
const MAXIMUM_BATCH: usize = 10;

/// A handle on all queues; clones share them.
#[derive(Clone, Debug)]
pub struct Broker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
    /// Where the wire protocol is served, without a trailing slash; set once, by [`crate::serve`].
    endpoint: OnceLock<String>,
}

#[derive(Debug, Default)]
struct State {
    queues: BTreeMap<String, Queue>,
    created: u64,
}

impl Default for Broker {
    fn default() -> Self {
        Self::new(SystemClock::new())
    }
}

impl Broker {
    /// A broker without queues on this clock.
    pub fn new(clock: impl Clock) -> Self {
        Self(Arc::new(Inner {
            clock: Arc::new(clock),
            state: Mutex::default(),
            changes: watch::Sender::new(0),
            endpoint: OnceLock::new(),
        }))
    }

    /// Creates a queue; does nothing if it exists with the same attributes.
    ///
    /// # Errors
    /// An invalid specification, a dead-letter queue that doesn't exist, or a queue of this name with other attributes.
    pub fn create_queue(&self, spec: QueueSpec) -> Result<()> {
        self.create_queues([spec])
    }

    /// Creates several queues, which may name each other as dead-letter queues in any order; all or none.
    ///
    /// # Errors
    /// As [`Broker::create_queue`], for the first that fails.
    pub fn create_queues(&self, specs: impl IntoIterator<Item = QueueSpec>) -> Result<()> {
        let now = self.now();
        let mut state = self.lock();
        let mut kinds: BTreeMap<_, _> =
            state.queues.values().map(|queue| (queue.spec.name.clone(), queue.spec.is_fifo)).collect();
        let specs: Vec<_> = specs.into_iter().collect();
        kinds.extend(specs.iter().map(|spec| (spec.name.clone(), spec.is_fifo)));
        for spec in &specs {
            spec.validate()?;
            check_redrive(spec, |name| kinds.get(name).copied())?;
            if let Some(existing) = state.queues.get(&spec.name) {
                check_same(&existing.spec, spec)?;
            }
        }
        for spec in specs {
            if !state.queues.contains_key(&spec.name) {
                state.created += 1;
                let queue = Queue::new(spec, state.created, now);
                state.queues.insert(queue.spec.name.clone(), queue);
            }
        }
        drop(state);
        self.changed();
        Ok(())
    }

    /// Deletes a queue and its messages.
    ///
    /// # Errors
    /// [`Error::QueueDoesNotExist`].
    pub fn delete_queue(&self, queue: &str) -> Result<()> {
        self.lock().queues.remove(queue).ok_or(Error::QueueDoesNotExist)?;
        self.changed();
        Ok(())
    }

    /// The names of all queues, sorted.
    pub fn queues(&self) -> Vec<String> {
        self.lock().queues.keys().cloned().collect()
    }

    /// The attributes of a queue, counters included, by SQS's names and in its textual form.
    ///
    /// # Errors
    /// [`Error::QueueDoesNotExist`].
    pub fn attributes(&self, queue: &str) -> Result<BTreeMap<String, String>> {
        let now = self.now();
        self.with_queue(queue, |queue| {
            let depth = queue.depth(now);
            let mut attributes = queue.spec.attributes();
            attributes.extend([
                ("QueueArn".to_owned(), queue_arn(&queue.spec.name)),
                ("CreatedTimestamp".to_owned(), queue.created_at.as_secs().to_string()),
                ("LastModifiedTimestamp".to_owned(), queue.modified_at.as_secs().to_string()),
                ("ApproximateNumberOfMessages".to_owned(), depth.visible.to_string()),
                ("ApproximateNumberOfMessagesNotVisible".to_owned(), depth.in_flight.to_string()),
                ("ApproximateNumberOfMessagesDelayed".to_owned(), depth.delayed.to_string()),
            ]);
            Ok(attributes)
        })
    }

    /// Changes the named attributes of a queue; all or none.
    ///
    /// # Errors
    /// [`Error::QueueDoesNotExist`], an unknown attribute, or a value outside its range.
    pub fn set_attributes(&self, queue: &str, attributes: &BTreeMap<String, String>) -> Result<()> {
        let now = self.now();
        let mut state = self.lock();
        let mut spec = state.queues.get(queue).ok_or(Error::QueueDoesNotExist)?.spec.clone();
        spec.apply(attributes)?;
        spec.validate()?;
        check_redrive(&spec, |name| state.queues.get(name).map(|queue| queue.spec.is_fifo))?;
        if let Some(queue) = state.queues.get_mut(queue) {
            queue.spec = spec;
            queue.modified_at = now;
        }
        drop(state);
        self.changed();
        Ok(())
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`Error::QueueDoesNotExist`], or a message that this queue doesn't take.
    pub fn send(&self, queue: &str, message: NewMessage) -> Result<Sent> {
        let now = self.now();
        let sent = self.with_queue(queue, |queue| queue.send(message, new_id(), now))?;
        self.changed();
        Ok(sent)
    }

    /// Receives up to `max` messages, each invisible for `visibility` from then on (the queue's time-out if none is given),
    /// waiting up to `wait` for the first (the queue's own wait if none is given). Dropping the future receives nothing.
    ///
    /// # Errors
    /// [`Error::QueueDoesNotExist`], also when it is deleted meanwhile, or a value outside its range.
    pub async fn receive(
        &self,
        queue: &str,
        max: usize,
        visibility: Option<Duration>,
        wait: Option<Duration>,
    ) -> Result<Vec<Received>> {
        check_receive(max, visibility, wait)?;
        let wait = match wait {
            Some(wait) => wait,
            None => self.with_queue(queue, |queue| Ok(queue.spec.receive_wait))?,
        };
        let give_up_at = self.now() + wait;
        let mut changes = self.changes();
        loop {
            // Marked before looking, so that no change between looking and waiting is missed.
            changes.mark_unchanged();
            let now = self.now();
            let received = self.receive_now(queue, max, visibility, now)?;
            if !received.is_empty() || now >= give_up_at {
                return Ok(received);
            }
            let next = self.with_queue(queue, |queue| Ok(queue.next_visible_at(now)))?;
            let wake_at = next.map_or(give_up_at, |next| next.min(give_up_at));
            tokio::select! {
                // The sender lives in `self`, so this never fails.
                _ = changes.changed() => {}
                () = self.0.clock.sleep_until(wake_at) => {}
            }
        }
    }

    /// One look at a queue; messages that were received too often move to the dead-letter queue on the way.
    fn receive_now(
        &self,
        name: &str,
        max: usize,
        visibility: Option<Duration>,
        now: Duration,
    ) -> Result<Vec<Received>> {
        let mut state = self.lock();
        let queue = state.queues.get(name).ok_or(Error::QueueDoesNotExist)?;
        let target = queue.spec.redrive.as_ref().map(|redrive| redrive.dead_letter_queue.clone());
        let target = target.filter(|target| state.queues.contains_key(target));
        let queue = state.queues.get_mut(name).ok_or(Error::QueueDoesNotExist)?;
        let has_expired = queue.expire(now);
        let harvest = queue.receive(max, visibility, target.is_some(), now);
        let has_changed = has_expired || !harvest.deliveries.is_empty() || !harvest.exhausted.is_empty();
        if let Some(target) = target.and_then(|target| state.queues.get_mut(&target)) {
            for message in harvest.exhausted {
                target.take_dead_letter(message, name, now);
            }
        }
        drop(state);
        if has_changed {
            self.changed();
        }
        Ok(harvest.deliveries)
    }

    /// Deletes the message that was received with this handle.
    ///
    /// # Errors
    /// [`Error::QueueDoesNotExist`], a handle that is not this queue's, or, in a FIFO queue, one that has expired.
    pub fn delete(&self, queue: &str, receipt_handle: &str) -> Result<()> {
        let now = self.now();
        self.with_queue(queue, |queue| queue.delete(receipt_handle, now))?;
        self.changed();
        Ok(())
    }

    /// Makes a message in flight visible `timeout` from now; zero gives it back at once.
    ///
    /// # Errors
    /// [`Error::QueueDoesNotExist`], [`Error::MessageNotInflight`], a foreign handle, or a time-out over twelve hours.
    pub fn change_visibility(&self, queue: &str, receipt_handle: &str, timeout: Duration) -> Result<()> {
        check_visibility(timeout)?;
        let now = self.now();
        self.with_queue(queue, |queue| queue.change_visibility(receipt_handle, timeout, now))?;
        self.changed();
        Ok(())
    }

    /// How many messages a queue holds now.
    ///
    /// # Errors
    /// [`Error::QueueDoesNotExist`].
    pub fn depth(&self, queue: &str) -> Result<Depth> {
        let now = self.now();
        self.with_queue(queue, |queue| {
            queue.expire(now);
            Ok(queue.depth(now))
        })
    }

    /// The messages of a queue in order of arrival, without receiving them.
    ///
    /// # Errors
    /// [`Error::QueueDoesNotExist`].
    pub fn peek(&self, queue: &str) -> Result<Vec<Peeked>> {
        let now = self.now();
        self.with_queue(queue, |queue| {
            queue.expire(now);
            Ok(queue.peek(now))
        })
    }

    /// Deletes all messages of a queue; deduplication ids stay remembered.
    ///
    /// # Errors
    /// [`Error::QueueDoesNotExist`].
    pub fn purge(&self, queue: &str) -> Result<()> {
        self.with_queue(queue, |queue| {
            queue.purge();
            Ok(())
        })?;
        self.changed();
        Ok(())
    }

    /// For tests: the next message handed out comes back once after it was deleted, as SQS's at-least-once delivery allows.
    ///
    /// # Errors
    /// [`Error::QueueDoesNotExist`].
    pub fn deliver_twice(&self, queue: &str) -> Result<()> {
        self.with_queue(queue, |queue| {
            queue.deliver_twice();
            Ok(())
        })
    }

    /// Moves the visible messages of a dead-letter queue to another queue, or each back to where it came from. Messages that
    /// came from nowhere (sent to the dead-letter queue directly) stay. Returns how many were moved.
    ///
    /// # Errors
    /// [`Error::ResourceNotFound`], or [`Error::UnsupportedOperation`] if no queue names `source` as its dead-letter queue.
    pub fn redrive(&self, source: &str, destination: Option<&str>) -> Result<usize> {
        let now = self.now();
        let mut state = self.lock();
        if !state.queues.contains_key(source) {
            return Err(Error::ResourceNotFound("SourceArn"));
        }
        if destination.is_some_and(|destination| !state.queues.contains_key(destination)) {
            return Err(Error::ResourceNotFound("DestinationArn"));
        }
        let feeds_source = |queue: &Queue| {
            queue.spec.redrive.as_ref().is_some_and(|redrive| redrive.dead_letter_queue == source)
        };
        if !state.queues.values().any(feeds_source) {
            return Err(Error::UnsupportedOperation(
                "Source queue must be configured as a Dead Letter Queue.",
            ));
        }
        let moved = state.redrive(source, destination, now);
        drop(state);
        self.changed();
        Ok(moved)
    }

    /// Where clients find a queue. Before [`crate::serve`] was called the address leads nowhere.
    pub fn queue_url(&self, queue: &str) -> String {
        let endpoint = self.0.endpoint.get().map_or("http://localhost", String::as_str);
        format!("{endpoint}/{ACCOUNT}/{queue}")
    }

    /// A version that grows with every change of any queue. Time alone changes none: a visibility time-out that passes
    /// shows here only once the message is received again.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    pub(crate) fn set_endpoint(&self, endpoint: String) {
        // A broker served twice keeps its first address: queue URLs must not change under their holders.
        let _ = self.0.endpoint.set(endpoint);
    }

    fn now(&self) -> Duration {
        self.0.clock.now()
    }

    fn changed(&self) {
        self.0.changes.send_modify(|version| *version += 1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No call leaves the state half changed, so that of a panicked holder is as good as any.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_queue<T>(&self, name: &str, act: impl FnOnce(&mut Queue) -> Result<T>) -> Result<T> {
        act(self.lock().queues.get_mut(name).ok_or(Error::QueueDoesNotExist)?)
    }
}

impl State {
    fn redrive(&mut self, source: &str, destination: Option<&str>, now: Duration) -> usize {
        let existing: Vec<String> = self.queues.keys().cloned().collect();
        let target_of = |origin: Option<&str>| {
            let name = destination.or_else(|| queue_of_arn(origin?))?;
            existing.iter().find(|existing| *existing == name).cloned()
        };
        let Some(queue) = self.queues.get_mut(source) else { return 0 };
        let taken = queue.take_out(now, |message| target_of(message.dead_letter_source()).is_some());
        let count = taken.len();
        for message in taken {
            let target = target_of(message.dead_letter_source());
            if let Some(queue) = target.and_then(|target| self.queues.get_mut(&target)) {
                queue.take_redriven(message, new_id(), now);
            }
        }
        count
    }
}

fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A dead-letter queue must exist and be of its source's kind.
fn check_redrive(spec: &QueueSpec, is_fifo: impl Fn(&str) -> Option<bool>) -> Result<()> {
    let Some(redrive) = &spec.redrive else { return Ok(()) };
    let reason = match is_fifo(&redrive.dead_letter_queue) {
        Some(is_fifo) if is_fifo == spec.is_fifo => return Ok(()),
        Some(_) => "Dead-letter queue must be same type of queue as the source.",
        None => "Dead letter target does not exist.",
    };
    Err(Error::parameter("RedrivePolicy", &redrive.dead_letter_queue, reason))
}

fn check_same(existing: &QueueSpec, wanted: &QueueSpec) -> Result<()> {
    let (existing, wanted) = (existing.attributes(), wanted.attributes());
    let different = wanted.into_iter().find(|(name, value)| existing.get(name) != Some(value));
    different.map_or(Ok(()), |(name, _)| Err(Error::QueueNameExists(name)))
}

fn check_receive(max: usize, visibility: Option<Duration>, wait: Option<Duration>) -> Result<()> {
    if !(1..=MAXIMUM_BATCH).contains(&max) {
        return Err(Error::parameter("MaxNumberOfMessages", max, "Must be between 1 and 10, if provided."));
    }
    if let Some(wait) = wait.filter(|wait| *wait > MAXIMUM_WAIT) {
        return Err(Error::parameter(
            "WaitTimeSeconds",
            wait.as_secs(),
            "Must be >= 0 and <= 20, if provided.",
        ));
    }
    visibility.map_or(Ok(()), check_visibility)
}

fn check_visibility(timeout: Duration) -> Result<()> {
    if timeout > MAXIMUM_VISIBILITY {
        let reason = "VisibilityTimeout must be >= 0 and <= 43200.";
        return Err(Error::parameter("VisibilityTimeout", timeout.as_secs(), reason));
    }
    Ok(())
}
