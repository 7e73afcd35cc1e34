//! The five-minute memory of a FIFO queue: which deduplication ids it has accepted, and what it answered.
//!
//! The memory outlives the message: a duplicate of one that was already deleted is swallowed as well.

use std::collections::HashMap;
use std::time::Duration;

use crate::message::Sent;

/// How long an id is remembered, from the first message that bore it.
pub(crate) const WINDOW: Duration = Duration::from_secs(5 * 60);

/// What is to be unique: the id, in its group if the queue deduplicates per group.
pub(crate) type Key = (Option<String>, String);

/// The accepted ids of one queue.
#[derive(Debug, Default)]
pub(crate) struct Deduplication {
    accepted: HashMap<Key, (Duration, Sent)>,
}

impl Deduplication {
    /// The answer given to an earlier message of this key, if that was less than a window ago.
    pub(crate) fn earlier(&mut self, key: &Key, now: Duration) -> Option<Sent> {
        self.accepted.retain(|_, (at, _)| now < *at + WINDOW);
        self.accepted.get(key).map(|(_, sent)| sent.clone())
    }

    /// Remembers an answer.
    pub(crate) fn remember(&mut self, key: Key, sent: Sent, now: Duration) {
        self.accepted.insert(key, (now, sent));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_remembered_for_five_minutes_from_its_first_use() {
        let mut memory = Deduplication::default();
        let key = (None, "id".to_owned());
        let sent = Sent { message_id: "m".into(), sequence_number: None };
        let start = Duration::from_secs(1_000);
        assert_eq!(memory.earlier(&key, start), None);
        memory.remember(key.clone(), sent.clone(), start);
        assert_eq!(memory.earlier(&key, start + WINDOW - Duration::from_millis(1)), Some(sent));
        assert_eq!(memory.earlier(&key, start + WINDOW), None);
    }
}
