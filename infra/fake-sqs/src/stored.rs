//! A message as a queue holds it: what was sent, and what has become of it since.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::message::{MessageAttribute, MessageState, NewMessage};

/// Who sent every message, as far as `SenderId` tells: nobody is identified on one machine.
const SENDER: &str = "AIDALOCALLOCALLOCAL00";

/// Sequence numbers have twenty digits; an order within the queue is all that may be read from them.
const FIRST_SEQUENCE_NUMBER: u64 = 10_000_000_000_000_000_000;

/// A message in a queue.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) attributes: BTreeMap<String, MessageAttribute>,
    pub(crate) trace_header: Option<String>,
    pub(crate) group_id: Option<String>,
    pub(crate) deduplication_id: Option<String>,
    pub(crate) sent_at: Duration,
    /// When it came into this queue, which is what its retention counts from.
    pub(crate) enqueued_at: Duration,
    pub(crate) visible_at: Duration,
    pub(crate) first_received_at: Option<Duration>,
    /// Deliveries in all queues, as `ApproximateReceiveCount` tells it.
    pub(crate) receive_count: u32,
    /// Deliveries in this queue, as redrive counts them.
    pub(crate) received_here: u32,
    pub(crate) latest: Option<Latest>,
    /// Whether a deletion brings it back once (see [`crate::Broker::deliver_twice`]).
    pub(crate) returns_once: bool,
    pub(crate) dead_letter_source: Option<String>,
}

/// The latest delivery of a message: the only one whose receipt handle has power.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latest {
    pub(crate) delivery: u64,
    pub(crate) at: Duration,
}

impl Message {
    /// A message on its first day; `deduplication_id` is the one that counts, explicit or of the content.
    pub(crate) fn new(
        message: NewMessage,
        id: String,
        deduplication_id: Option<String>,
        now: Duration,
    ) -> Self {
        Self {
            id,
            body: message.body,
            attributes: message.attributes,
            trace_header: message.trace_header,
            group_id: message.group_id,
            deduplication_id,
            sent_at: now,
            enqueued_at: now,
            visible_at: now,
            first_received_at: None,
            receive_count: 0,
            received_here: 0,
            latest: None,
            returns_once: false,
            dead_letter_source: None,
        }
    }

    /// The same as it enters another queue: visible, never received there.
    pub(crate) fn at_rest(self, now: Duration) -> Self {
        Self { visible_at: now, received_here: 0, latest: None, returns_once: false, ..self }
    }

    /// Where it stands.
    pub(crate) fn state(&self, now: Duration) -> MessageState {
        match (self.visible_at <= now, self.latest) {
            (true, _) => MessageState::Visible,
            (false, Some(_)) => MessageState::InFlight,
            (false, None) => MessageState::Delayed,
        }
    }

    /// Its system attributes as SQS names and writes them; `arrival` is its place in a FIFO queue.
    pub(crate) fn system_attributes(&self, arrival: Option<u64>) -> BTreeMap<&'static str, String> {
        let millis = |at: Duration| at.as_millis().to_string();
        let all = [
            ("SenderId", Some(SENDER.to_owned())),
            ("SentTimestamp", Some(millis(self.sent_at))),
            ("ApproximateReceiveCount", Some(self.receive_count.to_string())),
            ("ApproximateFirstReceiveTimestamp", self.first_received_at.map(millis)),
            ("MessageGroupId", self.group_id.clone()),
            ("MessageDeduplicationId", self.deduplication_id.clone()),
            ("SequenceNumber", arrival.map(sequence_number)),
            ("AWSTraceHeader", self.trace_header.clone()),
            ("DeadLetterQueueSourceArn", self.dead_letter_source.clone()),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// The sequence number of a FIFO message.
pub(crate) fn sequence_number(arrival: u64) -> String {
    (FIRST_SEQUENCE_NUMBER + arrival).to_string()
}
