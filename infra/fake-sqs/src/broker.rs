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
use crate::spec::{ACCOUNT, QueueSpec, queue_arn};
use crate::state::State;

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
        self.lock().create(specs.into_iter().collect(), now)?;
        self.changed();
        Ok(())
    }

    /// Deletes a queue and its messages.
    ///
    /// # Errors
    /// [`Error::QueueDoesNotExist`].
    pub fn delete_queue(&self, queue: &str) -> Result<()> {
        self.lock().delete(queue)?;
        self.changed();
        Ok(())
    }

    /// The names of all queues, sorted.
    pub fn queues(&self) -> Vec<String> {
        self.lock().names()
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
        self.lock().set_attributes(queue, attributes, now)?;
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

    fn receive_now(
        &self,
        queue: &str,
        max: usize,
        visibility: Option<Duration>,
        now: Duration,
    ) -> Result<Vec<Received>> {
        let look = self.lock().receive(queue, max, visibility, now)?;
        if look.has_changed {
            self.changed();
        }
        Ok(look.deliveries)
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
        let moved = self.lock().redrive(source, destination, new_id, now)?;
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
        act(self.lock().queue(name)?)
    }
}

fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::spec::Redrive;

    const START: Duration = Duration::from_secs(1_700_000_000);

    /// A broker with `sync.fifo`, whose third delivery of a message leads to `dead.fifo`.
    fn broker() -> (Broker, ManualClock) {
        let clock = ManualClock::new(START);
        let broker = Broker::new(clock.clone());
        let redrive = Some(Redrive { dead_letter_queue: "dead.fifo".into(), max_receive_count: 2 });
        let sync = QueueSpec { redrive, content_based_deduplication: true, ..QueueSpec::fifo("sync.fifo") };
        broker.create_queues([sync, QueueSpec::fifo("dead.fifo")]).expect("created");
        (broker, clock)
    }

    fn send(broker: &Broker, body: &str) -> Sent {
        broker.send("sync.fifo", NewMessage::new(body).in_group("user")).expect("sent")
    }

    async fn receive(broker: &Broker, queue: &str, wait: u64) -> Vec<Received> {
        broker.receive(queue, 10, None, Some(Duration::from_secs(wait))).await.expect("received")
    }

    /// Starts a receive and returns once it waits.
    async fn waiting(broker: &Broker, wait: u64) -> tokio::task::JoinHandle<Vec<Received>> {
        let broker = broker.clone();
        let task = tokio::spawn(async move { receive(&broker, "sync.fifo", wait).await });
        // On the one thread of the test, one yield runs the task up to its first wait.
        tokio::task::yield_now().await;
        assert!(!task.is_finished());
        task
    }

    #[tokio::test]
    async fn a_long_poll_is_woken_by_an_arrival() {
        let (broker, _clock) = broker();
        let poll = waiting(&broker, 20).await;
        send(&broker, "x");
        assert_eq!(poll.await.expect("ended").len(), 1);
    }

    #[tokio::test]
    async fn a_long_poll_is_woken_by_a_visibility_time_out() {
        let (broker, clock) = broker();
        send(&broker, "x");
        broker.receive("sync.fifo", 1, Some(Duration::from_secs(5)), None).await.expect("received");
        let poll = waiting(&broker, 20).await;
        clock.advance(Duration::from_secs(5));
        assert_eq!(poll.await.expect("ended").len(), 1);
    }

    #[tokio::test]
    async fn a_long_poll_ends_empty_when_its_wait_is_over() {
        let (broker, clock) = broker();
        let poll = waiting(&broker, 20).await;
        clock.advance(Duration::from_secs(20));
        assert!(poll.await.expect("ended").is_empty());
    }

    #[tokio::test]
    async fn a_long_poll_ends_when_its_queue_is_deleted() {
        let (broker, _clock) = broker();
        let poll = tokio::spawn({
            let broker = broker.clone();
            async move { broker.receive("sync.fifo", 1, None, Some(Duration::from_secs(20))).await }
        });
        tokio::task::yield_now().await;
        broker.delete_queue("sync.fifo").expect("deleted");
        assert_eq!(poll.await.expect("ended"), Err(Error::QueueDoesNotExist));
    }

    #[tokio::test]
    async fn a_receive_that_finds_nothing_changes_nothing() {
        let (broker, _clock) = broker();
        let changes = broker.changes();
        assert!(receive(&broker, "sync.fifo", 0).await.is_empty());
        assert!(!changes.has_changed().expect("open"));
        send(&broker, "x");
        assert!(changes.has_changed().expect("open"));
    }

    /// Lets the message be received twice, then once too often.
    async fn exhaust(broker: &Broker, clock: &ManualClock) {
        for count in ["1", "2"] {
            let received = receive(broker, "sync.fifo", 0).await;
            assert_eq!(received[0].system_attributes["ApproximateReceiveCount"], count);
            clock.advance(Duration::from_secs(30));
        }
        assert!(receive(broker, "sync.fifo", 0).await.is_empty());
    }

    #[tokio::test]
    async fn a_message_received_too_often_moves_to_the_dead_letter_queue_and_keeps_its_id() {
        let (broker, clock) = broker();
        let sent = send(&broker, "poison");
        exhaust(&broker, &clock).await;
        assert!(broker.depth("sync.fifo").expect("exists").is_empty());
        let dead = receive(&broker, "dead.fifo", 0).await;
        assert_eq!(dead[0].message_id, sent.message_id);
        let attributes = &dead[0].system_attributes;
        assert_eq!(attributes["DeadLetterQueueSourceArn"], queue_arn("sync.fifo"));
        assert_eq!(attributes["ApproximateReceiveCount"], "3");
        assert_eq!(attributes["SentTimestamp"], START.as_millis().to_string());
        assert_eq!(attributes["MessageGroupId"], "user");
    }

    #[tokio::test]
    async fn a_redrive_takes_dead_letters_back_as_new_messages() {
        let (broker, clock) = broker();
        let sent = send(&broker, "poison");
        exhaust(&broker, &clock).await;
        assert_eq!(broker.redrive("dead.fifo", None), Ok(1));
        let back = receive(&broker, "sync.fifo", 0).await;
        assert_eq!(back[0].body, "poison");
        assert_ne!(back[0].message_id, sent.message_id);
        assert_eq!(back[0].system_attributes["ApproximateReceiveCount"], "1");
        assert!(broker.depth("dead.fifo").expect("exists").is_empty());
    }

    #[test]
    fn only_a_dead_letter_queue_is_redriven() {
        let (broker, _clock) = broker();
        let refused = broker.redrive("sync.fifo", None).expect_err("no dead-letter queue");
        assert_eq!(refused.code(), "AWS.SimpleQueueService.UnsupportedOperation");
        assert_eq!(broker.redrive("none", None), Err(Error::ResourceNotFound("SourceArn")));
    }

    #[test]
    fn a_queue_is_created_once_and_never_with_other_attributes() {
        let (broker, _clock) = broker();
        assert_eq!(broker.create_queue(QueueSpec::fifo("dead.fifo")), Ok(()));
        let other = QueueSpec { visibility_timeout: Duration::from_secs(1), ..QueueSpec::fifo("dead.fifo") };
        let refused = broker.create_queue(other).expect_err("differs");
        assert_eq!(refused, Error::QueueNameExists("VisibilityTimeout".into()));
    }

    #[test]
    fn a_dead_letter_queue_must_exist_and_be_of_the_same_kind() {
        let (broker, _clock) = broker();
        for target in ["none.fifo", "dead.fifo"] {
            let redrive = Some(Redrive { dead_letter_queue: target.into(), max_receive_count: 1 });
            let refused = broker.create_queue(QueueSpec { redrive, ..QueueSpec::standard("q") });
            assert_eq!(refused.expect_err("refused").code(), "InvalidParameterValue", "{target}");
        }
        assert_eq!(broker.queues(), ["dead.fifo", "sync.fifo"]);
    }
}
