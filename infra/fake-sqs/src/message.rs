//! Messages: as they are sent, as they are received, and what SQS accepts in them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::digest;
use crate::error::{Error, Result};

/// The largest message, and the largest batch, in bytes: body and attributes together.
pub const MAXIMUM_SIZE: usize = 1024 * 1024;

const MAXIMUM_ATTRIBUTES: usize = 10;
const MAXIMUM_DELAY: Duration = Duration::from_secs(900);

/// A value that travels beside the body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MessageAttribute {
    /// `String`, `Number` or `Binary`, optionally followed by `.` and a label.
    pub data_type: String,
    /// The value.
    pub value: AttributeValue,
}

/// The value of a [`MessageAttribute`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AttributeValue {
    /// Text, for the types `String` and `Number`.
    Text(String),
    /// Bytes, for the type `Binary`.
    Binary(Vec<u8>),
}

/// A message to be sent.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NewMessage {
    /// The body; never empty.
    pub body: String,
    /// Attributes by name, at most ten.
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// The system attribute `AWSTraceHeader`.
    pub trace_header: Option<String>,
    /// The FIFO group (`MessageGroupId`); required in a FIFO queue.
    pub group_id: Option<String>,
    /// Explicit `MessageDeduplicationId`; FIFO queues only.
    pub deduplication_id: Option<String>,
    /// How long it stays invisible at first; the queue's own delay if absent. Standard queues only.
    pub delay: Option<Duration>,
}

impl NewMessage {
    /// A message of this body and nothing else.
    pub fn new(body: impl Into<String>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }

    /// The same in a FIFO group.
    #[must_use]
    pub fn in_group(mut self, group_id: impl Into<String>) -> Self {
        self.group_id = Some(group_id.into());
        self
    }

    /// The same with an explicit deduplication id.
    #[must_use]
    pub fn with_deduplication_id(mut self, id: impl Into<String>) -> Self {
        self.deduplication_id = Some(id.into());
        self
    }

    /// Its length in bytes as SQS counts it: body, and name, type and value of each attribute.
    pub fn size(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, attribute)| {
            let value = match &attribute.value {
                AttributeValue::Text(text) => text.len(),
                AttributeValue::Binary(bytes) => bytes.len(),
            };
            name.len() + attribute.data_type.len() + value
        });
        self.body.len() + attributes.sum::<usize>()
    }

    /// Checks what holds for any queue; `maximum_size` is the queue's own cap in bytes.
    pub(crate) fn validate(&self, maximum_size: usize) -> Result<()> {
        if self.body.is_empty() {
            return Err(Error::MissingParameter("MessageBody"));
        }
        if !self.body.chars().all(is_accepted) {
            return Err(Error::InvalidMessageContents);
        }
        if self.size() > maximum_size {
            let reason = format!("Message must be shorter than {maximum_size} bytes.");
            return Err(Error::parameter("MessageBody", format!("of {} bytes", self.size()), reason));
        }
        if self.delay.is_some_and(|delay| delay > MAXIMUM_DELAY) {
            let seconds = self.delay.unwrap_or_default().as_secs();
            return Err(Error::parameter("DelaySeconds", seconds, "DelaySeconds must be >= 0 and <= 900."));
        }
        validate_id("MessageGroupId", self.group_id.as_deref())?;
        validate_id("MessageDeduplicationId", self.deduplication_id.as_deref())?;
        self.validate_attributes()
    }

    fn validate_attributes(&self) -> Result<()> {
        if self.attributes.len() > MAXIMUM_ATTRIBUTES {
            let reason =
                format!("Number of message attributes exceeds the allowed maximum [{MAXIMUM_ATTRIBUTES}].");
            return Err(Error::parameter("MessageAttributes", self.attributes.len(), reason));
        }
        self.attributes.iter().try_for_each(|(name, attribute)| attribute.validate(name))
    }
}

impl MessageAttribute {
    fn validate(&self, name: &str) -> Result<()> {
        let refused = |reason: &str| Err(Error::parameter("MessageAttributes", name, reason));
        let lower = name.to_ascii_lowercase();
        if !matches!(name.len(), 1..=256)
            || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
            || lower.starts_with("aws.")
            || lower.starts_with("amazon.")
        {
            return refused("The message attribute name is invalid.");
        }
        let base = self.data_type.split('.').next().unwrap_or_default();
        match (&self.value, base) {
            (AttributeValue::Text(text), "String") if !text.is_empty() => Ok(()),
            (AttributeValue::Text(text), "Number") if text.parse::<f64>().is_ok() => Ok(()),
            (AttributeValue::Binary(bytes), "Binary") if !bytes.is_empty() => Ok(()),
            (_, "String" | "Number" | "Binary") => {
                refused("The message attribute's value must be non-empty and of the attribute's type.")
            }
            _ => refused("The message attribute's type must start with Binary, Number or String."),
        }
    }
}

fn is_accepted(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

fn validate_id(name: &'static str, id: Option<&str>) -> Result<()> {
    match id {
        Some(id) if !matches!(id.len(), 1..=128) || !id.chars().all(|c| c.is_ascii_graphic()) => {
            let reason = format!(
                "{name} can only include alphanumeric and punctuation characters. 1 to 128 in length."
            );
            Err(Error::parameter(name, id, reason))
        }
        _ => Ok(()),
    }
}

/// What the sender is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sent {
    /// The message's id; of the first one, if this was a duplicate.
    pub message_id: String,
    /// Twenty digits, growing; FIFO queues only.
    pub sequence_number: Option<String>,
}

/// One delivery of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Received {
    /// The message's id, the same in every delivery.
    pub message_id: String,
    /// What names this delivery when deleting or changing visibility.
    pub receipt_handle: String,
    /// The body.
    pub body: String,
    /// The sender's attributes.
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// `ApproximateReceiveCount`, `SentTimestamp` and the like, as SQS names them and writes them.
    pub system_attributes: BTreeMap<&'static str, String>,
}

impl Received {
    /// MD5 of the body, in hexadecimal.
    pub fn md5_of_body(&self) -> String {
        digest::md5_of_body(&self.body)
    }
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MessageState {
    /// Ready to be received (in a FIFO queue: as soon as its group is free).
    Visible,
    /// Received and neither deleted nor timed out.
    InFlight,
    /// Sent with a delay that has not passed.
    Delayed,
}

/// A message looked at without receiving it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Peeked {
    /// The message's id.
    pub message_id: String,
    /// The body.
    pub body: String,
    /// The FIFO group.
    pub group_id: Option<String>,
    /// How often it was received, across all queues.
    pub receive_count: u32,
    /// Where it stands.
    pub state: MessageState,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_attribute(name: &str, data_type: &str, value: &str) -> NewMessage {
        let attribute =
            MessageAttribute { data_type: data_type.into(), value: AttributeValue::Text(value.into()) };
        NewMessage { attributes: BTreeMap::from([(name.into(), attribute)]), ..NewMessage::new("body") }
    }

    #[test]
    fn a_body_must_hold_something_and_only_accepted_characters() {
        assert_eq!(NewMessage::new("").validate(MAXIMUM_SIZE), Err(Error::MissingParameter("MessageBody")));
        assert_eq!(NewMessage::new("a\u{0}").validate(MAXIMUM_SIZE), Err(Error::InvalidMessageContents));
        assert_eq!(NewMessage::new("a\u{FFFE}").validate(MAXIMUM_SIZE), Err(Error::InvalidMessageContents));
        assert_eq!(NewMessage::new("ä\t\n🗓").validate(MAXIMUM_SIZE), Ok(()));
    }

    #[test]
    fn body_and_attributes_count_together_towards_the_size_cap() {
        assert_eq!(with_attribute("ab", "String", "cde").size(), 4 + 2 + 6 + 3);
        assert_eq!(NewMessage::new("x".repeat(MAXIMUM_SIZE)).validate(MAXIMUM_SIZE), Ok(()));
        let error =
            NewMessage::new("x".repeat(MAXIMUM_SIZE + 1)).validate(MAXIMUM_SIZE).expect_err("too long");
        assert_eq!(error.code(), "InvalidParameterValue");
    }

    #[test]
    fn attributes_must_have_a_known_type_and_a_free_name() {
        assert_eq!(with_attribute("n", "Number.int", "1").validate(MAXIMUM_SIZE), Ok(()));
        for refused in [
            with_attribute("n", "Number", "one"),
            with_attribute("n", "Date", "1"),
            with_attribute("n", "String", ""),
            with_attribute("AWS.n", "String", "1"),
            with_attribute("a b", "String", "1"),
        ] {
            assert!(refused.validate(MAXIMUM_SIZE).is_err(), "{refused:?}");
        }
    }
}
