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
use crate::message::{MessageState, NewMessage, Peeked, Received, Sent};
use crate::receipt::Receipt;
use crate::spec::{QueueSpec, queue_arn};
use crate::stored::{Latest, Message, sequence_number};

/// The longest that a delivery can stay in flight, however often it is extended.
const MAXIMUM_VISIBILITY: Duration = Duration::from_secs(12 * 60 * 60);

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
        let visible_at = now + message.delay.unwrap_or(self.spec.delay);
        let message = Message::new(message, id.clone(), deduplication_id, now);
        let arrival = self.insert(Message { visible_at, ..message });
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
            system_attributes: message.system_attributes(self.spec.is_fifo.then_some(arrival)),
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
        self.insert(Message { enqueued_at, dead_letter_source, ..message.at_rest(now) });
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
            ..message.at_rest(now)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Redrive;

    const T0: Duration = Duration::from_secs(1_700_000_000);
    const VISIBILITY: Duration = Duration::from_secs(30);

    fn secs(seconds: u64) -> Duration {
        T0 + Duration::from_secs(seconds)
    }

    fn queue(spec: QueueSpec) -> Queue {
        Queue::new(spec, 1, T0)
    }

    fn fifo() -> Queue {
        queue(QueueSpec { content_based_deduplication: true, ..QueueSpec::fifo("sync.fifo") })
    }

    fn send(queue: &mut Queue, group: &str, body: &str, now: Duration) -> Sent {
        queue.send(NewMessage::new(body).in_group(group), format!("id-{body}"), now).expect("accepted")
    }

    fn receive(queue: &mut Queue, max: usize, now: Duration) -> Vec<Received> {
        queue.receive(max, None, false, now).deliveries
    }

    fn bodies(received: &[Received]) -> Vec<&str> {
        received.iter().map(|message| message.body.as_str()).collect()
    }

    #[test]
    fn a_group_with_a_message_in_flight_is_closed_while_others_go_on() {
        let mut queue = fifo();
        for (group, body) in [("a", "a1"), ("a", "a2"), ("b", "b1")] {
            send(&mut queue, group, body, T0);
        }
        let first = receive(&mut queue, 1, T0);
        assert_eq!(bodies(&first), ["a1"]);
        assert_eq!(bodies(&receive(&mut queue, 10, T0)), ["b1"]);
        assert_eq!(bodies(&receive(&mut queue, 10, T0)), Vec::<&str>::new());
        queue.delete(&first[0].receipt_handle, T0).expect("deleted");
        assert_eq!(bodies(&receive(&mut queue, 10, T0)), ["a2"]);
    }

    #[test]
    fn one_receive_hands_out_several_messages_of_a_group_in_order() {
        let mut queue = fifo();
        for body in ["1", "2", "3"] {
            send(&mut queue, "a", body, T0);
        }
        assert_eq!(bodies(&receive(&mut queue, 2, T0)), ["1", "2"]);
    }

    #[test]
    fn a_group_stays_closed_while_a_later_message_of_the_batch_is_in_flight() {
        let mut queue = fifo();
        for body in ["1", "2", "3"] {
            send(&mut queue, "a", body, T0);
        }
        let batch = receive(&mut queue, 2, T0);
        queue.change_visibility(&batch[0].receipt_handle, Duration::ZERO, T0).expect("given back");
        assert!(receive(&mut queue, 10, T0).is_empty());
        queue.change_visibility(&batch[1].receipt_handle, Duration::ZERO, T0).expect("given back");
        assert_eq!(bodies(&receive(&mut queue, 10, T0)), ["1", "2", "3"]);
    }

    #[test]
    fn a_message_not_deleted_in_time_comes_back_at_its_old_place() {
        let mut queue = fifo();
        for body in ["1", "2"] {
            send(&mut queue, "a", body, T0);
        }
        receive(&mut queue, 1, T0);
        assert!(receive(&mut queue, 1, T0 + VISIBILITY - Duration::from_millis(1)).is_empty());
        let again = receive(&mut queue, 1, T0 + VISIBILITY);
        assert_eq!(bodies(&again), ["1"]);
        assert_eq!(again[0].system_attributes["ApproximateReceiveCount"], "2");
    }

    #[test]
    fn a_duplicate_within_five_minutes_is_answered_like_its_original_even_after_deletion() {
        let mut queue = fifo();
        let first = send(&mut queue, "a", "same", T0);
        let received = receive(&mut queue, 1, T0);
        queue.delete(&received[0].receipt_handle, T0).expect("deleted");
        let message = NewMessage::new("same").in_group("a");
        assert_eq!(queue.send(message.clone(), "other".into(), secs(299)), Ok(first.clone()));
        assert!(queue.depth(secs(299)).is_empty());
        let later = queue.send(message, "other".into(), secs(300)).expect("accepted");
        assert_eq!(later.message_id, "other");
        assert!(later.sequence_number > first.sequence_number);
    }

    #[test]
    fn an_explicit_deduplication_id_wins_over_the_content() {
        let mut queue = fifo();
        let message = |body: &str, id: &str| NewMessage::new(body).in_group("a").with_deduplication_id(id);
        for (body, id) in [("same", "1"), ("same", "2"), ("other", "2")] {
            queue.send(message(body, id), id.into(), T0).expect("accepted");
        }
        assert_eq!(bodies(&receive(&mut queue, 10, T0)), ["same", "same"]);
    }

    #[test]
    fn groups_may_share_an_id_where_deduplication_is_per_group() {
        let mut queue = queue(QueueSpec {
            content_based_deduplication: true,
            deduplicates_per_group: true,
            ..QueueSpec::fifo("q.fifo")
        });
        for group in ["a", "b", "a"] {
            send(&mut queue, group, "same", T0);
        }
        assert_eq!(queue.depth(T0).visible, 2);
    }

    #[test]
    fn sequence_numbers_have_twenty_digits_and_grow() {
        let mut queue = fifo();
        let numbers: Vec<_> =
            ["1", "2"].map(|body| send(&mut queue, "a", body, T0).sequence_number.expect("fifo")).into();
        assert!(numbers[0].len() == 20 && numbers[0] < numbers[1]);
        let received = receive(&mut queue, 1, T0);
        assert_eq!(received[0].system_attributes["SequenceNumber"], numbers[0]);
    }

    #[test]
    fn a_fifo_queue_wants_a_group_and_an_id_and_no_delay_of_a_message() {
        let mut queue = queue(QueueSpec::fifo("q.fifo"));
        let mut send = |message| queue.send(message, "id".into(), T0).expect_err("refused").code();
        assert_eq!(send(NewMessage::new("x")), "MissingParameter");
        assert_eq!(send(NewMessage::new("x").in_group("a")), "InvalidParameterValue");
        let delay = Some(Duration::from_secs(1));
        let delayed = NewMessage { delay, ..NewMessage::new("x").in_group("a").with_deduplication_id("1") };
        assert_eq!(send(delayed), "InvalidParameterValue");
    }

    #[test]
    fn an_expired_handle_deletes_nothing_in_a_fifo_queue_and_is_refused() {
        let mut queue = fifo();
        send(&mut queue, "a", "1", T0);
        let received = receive(&mut queue, 1, T0);
        let error = queue.delete(&received[0].receipt_handle, secs(31)).expect_err("expired");
        assert_eq!(error.code(), "InvalidParameterValue");
        assert_eq!(queue.depth(secs(31)).visible, 1);
    }

    #[test]
    fn an_outdated_handle_of_a_standard_queue_succeeds_without_effect() {
        let mut queue = queue(QueueSpec::standard("q"));
        queue.send(NewMessage::new("x"), "id".into(), T0).expect("accepted");
        let first = receive(&mut queue, 1, T0);
        let second = receive(&mut queue, 1, secs(30));
        assert_eq!(queue.delete(&first[0].receipt_handle, secs(31)), Ok(()));
        assert_eq!(queue.depth(secs(31)).in_flight, 1);
        // The latest handle has power even after its time-out, as long as nobody received the message since.
        assert_eq!(queue.delete(&second[0].receipt_handle, secs(90)), Ok(()));
        assert_eq!(queue.delete(&second[0].receipt_handle, secs(90)), Ok(()));
        assert!(queue.depth(secs(90)).is_empty());
    }

    #[test]
    fn a_handle_of_another_queue_is_refused() {
        let mut other = Queue::new(QueueSpec::standard("other"), 2, T0);
        other.send(NewMessage::new("x"), "id".into(), T0).expect("accepted");
        let handle = receive(&mut other, 1, T0)[0].receipt_handle.clone();
        let mut queue = queue(QueueSpec::standard("q"));
        assert_eq!(queue.delete(&handle, T0), Err(Error::ReceiptHandleIsInvalid));
    }

    #[test]
    fn only_a_message_in_flight_changes_its_visibility_and_for_twelve_hours_at_most() {
        let mut queue = fifo();
        send(&mut queue, "a", "1", T0);
        let received = receive(&mut queue, 1, T0);
        let handle = &received[0].receipt_handle;
        queue.change_visibility(handle, Duration::from_secs(60), secs(10)).expect("extended");
        assert_eq!(queue.depth(secs(69)).in_flight, 1);
        let beyond = queue.change_visibility(handle, MAXIMUM_VISIBILITY, secs(20)).expect_err("too long");
        assert_eq!(beyond.code(), "InvalidParameterValue");
        let late = queue.change_visibility(handle, Duration::from_secs(1), secs(70));
        assert_eq!(late, Err(Error::MessageNotInflight));
    }

    #[test]
    fn a_delayed_message_is_counted_apart_and_becomes_visible_by_itself() {
        let mut queue = queue(QueueSpec { delay: Duration::from_secs(5), ..QueueSpec::standard("q") });
        queue.send(NewMessage::new("x"), "id".into(), T0).expect("accepted");
        assert_eq!(queue.depth(T0), Depth { delayed: 1, ..Depth::default() });
        assert_eq!(queue.next_visible_at(T0), Some(secs(5)));
        assert!(receive(&mut queue, 1, secs(4)).is_empty());
        assert_eq!(receive(&mut queue, 1, secs(5)).len(), 1);
    }

    #[test]
    fn a_message_received_too_often_leaves_and_the_next_of_its_group_follows() {
        let redrive = Some(Redrive { dead_letter_queue: "dead.fifo".into(), max_receive_count: 1 });
        let mut queue =
            queue(QueueSpec { redrive, content_based_deduplication: true, ..QueueSpec::fifo("q.fifo") });
        for body in ["1", "2"] {
            send(&mut queue, "a", body, T0);
        }
        assert_eq!(bodies(&queue.receive(1, None, true, T0).deliveries), ["1"]);
        let harvest = queue.receive(1, None, true, secs(30));
        assert_eq!(harvest.exhausted.len(), 1);
        assert_eq!(bodies(&harvest.deliveries), ["2"]);
    }

    #[test]
    fn a_message_is_dropped_when_its_retention_has_passed() {
        let message_retention = Duration::from_secs(60);
        let mut queue = queue(QueueSpec { message_retention, ..QueueSpec::standard("q") });
        queue.send(NewMessage::new("x"), "id".into(), T0).expect("accepted");
        assert!(!queue.expire(secs(59)));
        assert!(queue.expire(secs(60)));
        assert!(queue.depth(secs(60)).is_empty());
    }

    #[test]
    fn a_message_to_be_delivered_twice_comes_back_once_after_its_deletion() {
        let mut queue = fifo();
        queue.deliver_twice();
        for body in ["1", "2"] {
            send(&mut queue, "a", body, T0);
        }
        let first = receive(&mut queue, 1, T0);
        queue.delete(&first[0].receipt_handle, T0).expect("deleted");
        let again = receive(&mut queue, 1, T0);
        assert_eq!((again[0].body.as_str(), &again[0].message_id), ("1", &first[0].message_id));
        queue.delete(&again[0].receipt_handle, T0).expect("deleted");
        assert_eq!(bodies(&receive(&mut queue, 10, T0)), ["2"]);
    }
}
