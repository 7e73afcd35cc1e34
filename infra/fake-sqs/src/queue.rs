//! One queue as a pure state machine: every call is told the time, nothing here waits, sleeps or draws an id.
//!
//! A message is invisible until an instant; in flight means invisible after a delivery, delayed means invisible before
//! the first. A standard queue hands out what has been visible longest. A FIFO queue hands out in order of arrival, and
//! nothing of a group of which a message is in flight; several messages of one group may go out in one batch.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use crate::dedup::Deduplication;
use crate::digest;
use crate::error::{Error, Result};
use crate::message::{MessageAttribute, MessageState, NewMessage, Peeked, Received, Sent};
use crate::receipt::Receipt;
use crate::spec::{QueueSpec, queue_arn};

/// The longest that a delivery can stay in flight, however often it is extended.
const MAXIMUM_VISIBILITY: Duration = Duration::from_secs(12 * 60 * 60);

/// Sequence numbers have twenty digits; an order within the queue is all that may be read from them.
const FIRST_SEQUENCE_NUMBER: u64 = 10_000_000_000_000_000_000;

/// Who sent every message, as far as `SenderId` tells: nobody is identified on one machine.
const SENDER: &str = "AIDALOCALLOCALLOCAL00";

/// How many messages a queue holds, by what can be done with them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Depth {
    /// Messages ready to be received, those behind a busy FIFO group included.
    pub visible: usize,
    /// Messages received and neither deleted nor timed out.
    pub in_flight: usize,
    /// Messages whose delay has not passed.
    pub delayed: usize,
}

impl Depth {
    /// Whether the queue holds nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A message in a queue.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    id: String,
    body: String,
    attributes: BTreeMap<String, MessageAttribute>,
    trace_header: Option<String>,
    group_id: Option<String>,
    deduplication_id: Option<String>,
    sent_at: Duration,
    /// When it came into this queue, which is what its retention counts from.
    enqueued_at: Duration,
    visible_at: Duration,
    first_received_at: Option<Duration>,
    /// Deliveries in all queues, as `ApproximateReceiveCount` tells it.
    receive_count: u32,
    /// Deliveries in this queue, as redrive counts them.
    received_here: u32,
    latest: Option<Latest>,
    /// Whether a deletion brings it back once (see [`Queue::deliver_twice`]).
    returns_once: bool,
    dead_letter_source: Option<String>,
}

/// The latest delivery of a message: the only one whose receipt handle has power.
#[derive(Clone, Copy, Debug)]
struct Latest {
    delivery: u64,
    at: Duration,
}

/// What a receive yields: deliveries, and messages that were received too often and have left the queue.
#[derive(Debug, Default)]
pub(crate) struct Harvest {
    pub(crate) deliveries: Vec<Received>,
    pub(crate) exhausted: Vec<Message>,
}

#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) spec: QueueSpec,
    /// Told apart from every other queue of the broker, past ones included.
    number: u64,
    pub(crate) created_at: Duration,
    pub(crate) modified_at: Duration,
    /// By order of arrival.
    messages: BTreeMap<u64, Message>,
    arrivals: u64,
    deliveries: u64,
    deduplication: Deduplication,
    twice: u32,
}

impl Message {
    pub(crate) fn dead_letter_source(&self) -> Option<&str> {
        self.dead_letter_source.as_deref()
    }

    fn state(&self, now: Duration) -> MessageState {
        match (self.visible_at <= now, self.latest) {
            (true, _) => MessageState::Visible,
            (false, Some(_)) => MessageState::InFlight,
            (false, None) => MessageState::Delayed,
        }
    }
}

impl Queue {
    pub(crate) fn new(spec: QueueSpec, number: u64, now: Duration) -> Self {
        Self {
            spec,
            number,
            created_at: now,
            modified_at: now,
            messages: BTreeMap::new(),
            arrivals: 0,
            deliveries: 0,
            deduplication: Deduplication::default(),
            twice: 0,
        }
    }

    /// Takes a message in; `id` is used unless it is a duplicate, which is answered like its original.
    pub(crate) fn send(&mut self, message: NewMessage, id: String, now: Duration) -> Result<Sent> {
        message.validate(self.spec.maximum_message_size)?;
        let deduplication_id = self.deduplication_id(&message)?;
        let key = deduplication_id.clone().map(|id| {
            let group = self.spec.deduplicates_per_group.then(|| message.group_id.clone()).flatten();
            (group, id)
        });
        if let Some(earlier) = key.as_ref().and_then(|key| self.deduplication.earlier(key, now)) {
            return Ok(earlier);
        }
        let arrival = self.insert(Message {
            id: id.clone(),
            body: message.body,
            attributes: message.attributes,
            trace_header: message.trace_header,
            group_id: message.group_id,
            deduplication_id,
            sent_at: now,
            enqueued_at: now,
            visible_at: now + message.delay.unwrap_or(self.spec.delay),
            first_received_at: None,
            receive_count: 0,
            received_here: 0,
            latest: None,
            returns_once: false,
            dead_letter_source: None,
        });
        let sequence_number = self.spec.is_fifo.then(|| sequence_number(arrival));
        let sent = Sent { message_id: id, sequence_number };
        if let Some(key) = key {
            self.deduplication.remember(key, sent.clone(), now);
        }
        Ok(sent)
    }

    /// What a message is deduplicated by, after checking what only one kind of queue takes.
    fn deduplication_id(&self, message: &NewMessage) -> Result<Option<String>> {
        const WRONG_KIND: &str = "The request includes a parameter that is not valid for this queue type.";
        if !self.spec.is_fifo {
            return match &message.deduplication_id {
                Some(id) => Err(Error::parameter("MessageDeduplicationId", id, WRONG_KIND)),
                None => Ok(None),
            };
        }
        if let Some(delay) = message.delay.filter(|delay| !delay.is_zero()) {
            return Err(Error::parameter("DelaySeconds", delay.as_secs(), WRONG_KIND));
        }
        if message.group_id.is_none() {
            return Err(Error::MissingParameter("MessageGroupId"));
        }
        match &message.deduplication_id {
            Some(id) => Ok(Some(id.clone())),
            None if self.spec.content_based_deduplication => {
                Ok(Some(digest::deduplication_id(&message.body)))
            }
            None => Err(Error::parameter(
                "MessageDeduplicationId",
                "null",
                "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
            )),
        }
    }

    /// Hands out up to `max` messages for `visibility`; `can_redrive` tells that exhausted messages have a place to go.
    pub(crate) fn receive(
        &mut self,
        max: usize,
        visibility: Option<Duration>,
        can_redrive: bool,
        now: Duration,
    ) -> Harvest {
        let limit =
            self.spec.redrive.as_ref().filter(|_| can_redrive).map(|redrive| redrive.max_receive_count);
        let mut busy = self.groups_in_flight(now);
        let mut harvest = Harvest::default();
        for arrival in self.in_order() {
            if harvest.deliveries.len() == max {
                break;
            }
            let Some(message) = self.messages.get(&arrival) else { continue };
            let group = message.group_id.as_ref().filter(|_| self.spec.is_fifo);
            if group.is_some_and(|group| busy.contains(group)) {
                continue;
            }
            if message.visible_at > now {
                busy.extend(group.cloned());
            } else if limit.is_some_and(|limit| message.received_here >= limit) {
                harvest.exhausted.extend(self.messages.remove(&arrival));
            } else {
                harvest.deliveries.extend(self.deliver(arrival, visibility, now));
            }
        }
        harvest
    }

    fn groups_in_flight(&self, now: Duration) -> HashSet<String> {
        let in_flight = self.messages.values().filter(|m| m.state(now) == MessageState::InFlight);
        in_flight.filter_map(|message| message.group_id.clone()).collect()
    }

    /// Arrivals in the order in which they are to be handed out.
    fn in_order(&self) -> Vec<u64> {
        let mut order: Vec<_> = self.messages.iter().map(|(arrival, m)| (m.visible_at, *arrival)).collect();
        if self.spec.is_fifo {
            order.sort_unstable_by_key(|(_, arrival)| *arrival);
        } else {
            order.sort_unstable();
        }
        order.into_iter().map(|(_, arrival)| arrival).collect()
    }

    fn deliver(&mut self, arrival: u64, visibility: Option<Duration>, now: Duration) -> Option<Received> {
        self.deliveries += 1;
        let delivery = self.deliveries;
        let message = self.messages.get_mut(&arrival)?;
        message.visible_at = now + visibility.unwrap_or(self.spec.visibility_timeout);
        message.first_received_at.get_or_insert(now);
        message.receive_count += 1;
        message.received_here += 1;
        message.latest = Some(Latest { delivery, at: now });
        if self.twice > 0 {
            self.twice -= 1;
            message.returns_once = true;
        }
        let receipt = Receipt { queue: self.number, arrival, delivery };
        Some(Received {
            message_id: message.id.clone(),
            receipt_handle: receipt.to_handle(),
            body: message.body.clone(),
            attributes: message.attributes.clone(),
            system_attributes: system_attributes(message, self.spec.is_fifo.then_some(arrival)),
        })
    }

    /// Deletes what a receipt handle names. A message that is gone already counts as deleted.
    pub(crate) fn delete(&mut self, handle: &str, now: Duration) -> Result<()> {
        let receipt = self.receipt(handle)?;
        let is_fifo = self.spec.is_fifo;
        let Some(message) = self.messages.get_mut(&receipt.arrival) else { return Ok(()) };
        let is_latest = message.latest.is_some_and(|latest| latest.delivery == receipt.delivery);
        if is_fifo && !(is_latest && message.visible_at > now) {
            return Err(Error::parameter("ReceiptHandle", handle, "The receipt handle has expired."));
        }
        if !is_latest {
            // A standard queue lets an outdated handle succeed without effect.
            return Ok(());
        }
        if message.returns_once {
            message.returns_once = false;
            message.visible_at = now;
            message.latest = None;
            message.received_here -= 1;
        } else {
            self.messages.remove(&receipt.arrival);
        }
        Ok(())
    }

    /// Makes a message in flight visible after `timeout` from now; zero gives it back at once.
    pub(crate) fn change_visibility(&mut self, handle: &str, timeout: Duration, now: Duration) -> Result<()> {
        let receipt = self.receipt(handle)?;
        let Some(message) = self.messages.get_mut(&receipt.arrival) else {
            let reason = "Message does not exist or is not available for visibility timeout change.";
            return Err(Error::parameter("ReceiptHandle", handle, reason));
        };
        let latest =
            message.latest.filter(|latest| latest.delivery == receipt.delivery && message.visible_at > now);
        let Some(latest) = latest else { return Err(Error::MessageNotInflight) };
        if now + timeout > latest.at + MAXIMUM_VISIBILITY {
            let reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds].";
            return Err(Error::parameter("VisibilityTimeout", timeout.as_secs(), reason));
        }
        message.visible_at = now + timeout;
        Ok(())
    }

    fn receipt(&self, handle: &str) -> Result<Receipt> {
        let receipt = Receipt::parse(handle)?;
        if receipt.queue == self.number { Ok(receipt) } else { Err(Error::ReceiptHandleIsInvalid) }
    }

    /// Drops what is older than the retention period; tells whether there was any.
    pub(crate) fn expire(&mut self, now: Duration) -> bool {
        let before = self.messages.len();
        let retention = self.spec.message_retention;
        self.messages.retain(|_, message| now < message.enqueued_at + retention);
        before != self.messages.len()
    }

    /// The next instant at which a message becomes visible by itself.
    pub(crate) fn next_visible_at(&self, now: Duration) -> Option<Duration> {
        self.messages.values().map(|message| message.visible_at).filter(|at| *at > now).min()
    }

    pub(crate) fn depth(&self, now: Duration) -> Depth {
        let mut depth = Depth::default();
        for message in self.messages.values() {
            match message.state(now) {
                MessageState::Visible => depth.visible += 1,
                MessageState::InFlight => depth.in_flight += 1,
                MessageState::Delayed => depth.delayed += 1,
            }
        }
        depth
    }

    /// All messages in order of arrival.
    pub(crate) fn peek(&self, now: Duration) -> Vec<Peeked> {
        let peeked = self.messages.values().map(|message| Peeked {
            message_id: message.id.clone(),
            body: message.body.clone(),
            group_id: message.group_id.clone(),
            receive_count: message.receive_count,
            state: message.state(now),
        });
        peeked.collect()
    }

    pub(crate) fn purge(&mut self) {
        self.messages.clear();
    }

    /// The next message handed out comes back once after it is deleted: the same message id, delivered again.
    pub(crate) fn deliver_twice(&mut self) {
        self.twice += 1;
    }

    /// Takes in a message that was received too often elsewhere; it keeps its id and its past.
    pub(crate) fn take_dead_letter(&mut self, message: Message, source: &str, now: Duration) {
        // A standard queue counts retention from the original enqueueing, a FIFO queue starts anew.
        let enqueued_at = if self.spec.is_fifo { now } else { message.enqueued_at };
        let dead_letter_source = Some(queue_arn(source));
        self.insert(Message { enqueued_at, dead_letter_source, ..at_rest(message, now) });
    }

    /// Takes in a message redriven from a dead-letter queue: a new message of the same content.
    pub(crate) fn take_redriven(&mut self, message: Message, id: String, now: Duration) {
        self.insert(Message {
            id,
            sent_at: now,
            enqueued_at: now,
            first_received_at: None,
            receive_count: 0,
            dead_letter_source: None,
            ..at_rest(message, now)
        });
    }

    /// Takes out the visible messages that `is_wanted` picks.
    pub(crate) fn take_out(&mut self, now: Duration, is_wanted: impl Fn(&Message) -> bool) -> Vec<Message> {
        let taken =
            self.messages.extract_if(.., |_, message| message.visible_at <= now && is_wanted(message));
        taken.map(|(_, message)| message).collect()
    }

    fn insert(&mut self, message: Message) -> u64 {
        self.arrivals += 1;
        self.messages.insert(self.arrivals, message);
        self.arrivals
    }
}

/// A message as it enters another queue: visible, never received there.
fn at_rest(message: Message, now: Duration) -> Message {
    Message { visible_at: now, received_here: 0, latest: None, returns_once: false, ..message }
}

fn sequence_number(arrival: u64) -> String {
    (FIRST_SEQUENCE_NUMBER + arrival).to_string()
}

fn system_attributes(message: &Message, arrival: Option<u64>) -> BTreeMap<&'static str, String> {
    let millis = |at: Duration| at.as_millis().to_string();
    let all = [
        ("SenderId", Some(SENDER.to_owned())),
        ("SentTimestamp", Some(millis(message.sent_at))),
        ("ApproximateReceiveCount", Some(message.receive_count.to_string())),
        ("ApproximateFirstReceiveTimestamp", message.first_received_at.map(millis)),
        ("MessageGroupId", message.group_id.clone()),
        ("MessageDeduplicationId", message.deduplication_id.clone()),
        ("SequenceNumber", arrival.map(sequence_number)),
        ("AWSTraceHeader", message.trace_header.clone()),
        ("DeadLetterQueueSourceArn", message.dead_letter_source.clone()),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
