//! The attributes of a queue: typed inside, strings by name on the wire and in a template.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::message::MAXIMUM_SIZE;

/// The account in every ARN and URL.
pub const ACCOUNT: &str = "000000000000";
/// The region in every ARN.
pub const REGION: &str = "us-east-1";

/// Attributes that are kept and told, but change nothing on one machine: who may call, and how data is encrypted.
const WITHOUT_EFFECT: [&str; 6] = [
    "Policy",
    "RedriveAllowPolicy",
    "SqsManagedSseEnabled",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "FifoThroughputLimit",
];

/// Where messages go that were received too often.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Redrive {
    /// Name of the dead-letter queue; of the same kind (FIFO or standard) as the source.
    pub dead_letter_queue: String,
    /// How often a message may be received before it is moved; 1 to 1,000.
    pub max_receive_count: u32,
}

/// A queue and its attributes. Start from [`QueueSpec::standard`] or [`QueueSpec::fifo`] for SQS's defaults.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct QueueSpec {
    /// Its name; a FIFO queue's ends in `.fifo`.
    pub name: String,
    /// Whether order and deduplication hold.
    pub is_fifo: bool,
    /// Whether the body's digest stands in for a missing deduplication id.
    pub content_based_deduplication: bool,
    /// Whether deduplication ids are unique per group (`DeduplicationScope: messageGroup`), not per queue.
    pub deduplicates_per_group: bool,
    /// How long a received message stays invisible.
    pub visibility_timeout: Duration,
    /// How long a sent message stays invisible at first.
    pub delay: Duration,
    /// How long a receive waits for a message, if it doesn't say.
    pub receive_wait: Duration,
    /// How long a message is kept.
    pub message_retention: Duration,
    /// The size cap of a message in bytes.
    pub maximum_message_size: usize,
    /// Where messages go that were received too often.
    pub redrive: Option<Redrive>,
    /// Attributes that are kept and told, but change nothing here.
    pub without_effect: BTreeMap<String, String>,
}

/// `RedrivePolicy`, a JSON document inside an attribute; the count may be a number or a string.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    dead_letter_target_arn: String,
    max_receive_count: Count,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Count {
    Number(u32),
    Text(String),
}

impl QueueSpec {
    /// A standard queue with SQS's defaults.
    pub fn standard(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            is_fifo: false,
            content_based_deduplication: false,
            deduplicates_per_group: false,
            visibility_timeout: Duration::from_secs(30),
            delay: Duration::ZERO,
            receive_wait: Duration::ZERO,
            message_retention: Duration::from_secs(4 * 24 * 60 * 60),
            maximum_message_size: MAXIMUM_SIZE,
            redrive: None,
            without_effect: BTreeMap::new(),
        }
    }

    /// A FIFO queue with SQS's defaults.
    pub fn fifo(name: impl Into<String>) -> Self {
        Self { is_fifo: true, ..Self::standard(name) }
    }

    /// A queue from attributes as SQS and CloudFormation name them; values in SQS's textual form.
    ///
    /// # Errors
    /// An unknown attribute, or a value outside its range.
    pub fn from_attributes(name: &str, attributes: &BTreeMap<String, String>) -> Result<Self> {
        let mut spec = Self::standard(name);
        if let Some(is_fifo) = attributes.get("FifoQueue") {
            spec.is_fifo = boolean("FifoQueue", is_fifo)?;
        }
        spec.apply(attributes)?;
        spec.validate()?;
        Ok(spec)
    }

    /// Changes the attributes that are named.
    pub(crate) fn apply(&mut self, attributes: &BTreeMap<String, String>) -> Result<()> {
        attributes.iter().try_for_each(|(name, value)| self.apply_one(name, value))
    }

    fn apply_one(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "VisibilityTimeout" => self.visibility_timeout = seconds("VisibilityTimeout", value, 0, 43_200)?,
            "DelaySeconds" => self.delay = seconds("DelaySeconds", value, 0, 900)?,
            "ReceiveMessageWaitTimeSeconds" => {
                self.receive_wait = seconds("ReceiveMessageWaitTimeSeconds", value, 0, 20)?;
            }
            "MessageRetentionPeriod" => {
                self.message_retention = seconds("MessageRetentionPeriod", value, 60, 1_209_600)?;
            }
            "MaximumMessageSize" => {
                let bytes = number("MaximumMessageSize", value, 1_024, MAXIMUM_SIZE as u64)?;
                self.maximum_message_size = usize::try_from(bytes).unwrap_or(MAXIMUM_SIZE);
            }
            "RedrivePolicy" => self.redrive = redrive(value)?,
            "FifoQueue" if boolean("FifoQueue", value)? != self.is_fifo => {
                return Err(Error::attribute("FifoQueue", "A queue's type can't be changed."));
            }
            "FifoQueue" => {}
            "ContentBasedDeduplication" => {
                self.content_based_deduplication = boolean("ContentBasedDeduplication", value)?;
            }
            "DeduplicationScope" => self.deduplicates_per_group = scope(value)?,
            name if WITHOUT_EFFECT.contains(&name) => {
                self.without_effect.insert(name.to_owned(), value.to_owned());
            }
            unknown => return Err(Error::InvalidAttributeName(unknown.to_owned())),
        }
        Ok(())
    }

    /// Checks what a queue's attributes have to do with each other and with its name.
    pub(crate) fn validate(&self) -> Result<()> {
        let stem = self.name.strip_suffix(".fifo");
        let is_well_formed = matches!(self.name.len(), 1..=80)
            && stem.unwrap_or(&self.name).chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !is_well_formed || stem.is_some() != self.is_fifo {
            let reason = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length; \
                          the name of a FIFO queue, and of no other, ends in .fifo.";
            return Err(Error::parameter("QueueName", &self.name, reason));
        }
        if !self.is_fifo && (self.content_based_deduplication || self.deduplicates_per_group) {
            return Err(Error::InvalidAttributeName("ContentBasedDeduplication".to_owned()));
        }
        Ok(())
    }

    /// Its attributes by name, as they would be set.
    pub(crate) fn attributes(&self) -> BTreeMap<String, String> {
        let mut attributes = self.without_effect.clone();
        let mut tell = |name: &str, value: String| attributes.insert(name.to_owned(), value);
        tell("VisibilityTimeout", self.visibility_timeout.as_secs().to_string());
        tell("DelaySeconds", self.delay.as_secs().to_string());
        tell("ReceiveMessageWaitTimeSeconds", self.receive_wait.as_secs().to_string());
        tell("MessageRetentionPeriod", self.message_retention.as_secs().to_string());
        tell("MaximumMessageSize", self.maximum_message_size.to_string());
        if let Some(redrive) = &self.redrive {
            let policy = serde_json::json!({
                "deadLetterTargetArn": queue_arn(&redrive.dead_letter_queue),
                "maxReceiveCount": redrive.max_receive_count,
            });
            tell("RedrivePolicy", policy.to_string());
        }
        if self.is_fifo {
            tell("FifoQueue", "true".to_owned());
            tell("ContentBasedDeduplication", self.content_based_deduplication.to_string());
            let scope = if self.deduplicates_per_group { "messageGroup" } else { "queue" };
            tell("DeduplicationScope", scope.to_owned());
        }
        attributes
    }
}

/// The ARN of a queue.
pub fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}

/// The name of the queue in an ARN.
pub(crate) fn queue_of_arn(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:aws:sqs:")?.rsplit(':').next().filter(|name| !name.is_empty())
}

fn number(name: &'static str, value: &str, minimum: u64, maximum: u64) -> Result<u64> {
    match value.parse::<u64>() {
        Ok(number) if (minimum..=maximum).contains(&number) => Ok(number),
        _ => Err(Error::attribute(name, format!("{value} is not between {minimum} and {maximum}."))),
    }
}

fn seconds(name: &'static str, value: &str, minimum: u64, maximum: u64) -> Result<Duration> {
    number(name, value, minimum, maximum).map(Duration::from_secs)
}

fn boolean(name: &'static str, value: &str) -> Result<bool> {
    value
        .to_ascii_lowercase()
        .parse()
        .map_err(|_| Error::attribute(name, format!("{value} is neither true nor false.")))
}

fn scope(value: &str) -> Result<bool> {
    match value {
        "messageGroup" => Ok(true),
        "queue" => Ok(false),
        other => Err(Error::attribute("DeduplicationScope", format!("{other} is not supported."))),
    }
}

/// An empty policy takes the redrive away.
fn redrive(policy: &str) -> Result<Option<Redrive>> {
    if policy.is_empty() {
        return Ok(None);
    }
    let refused = |reason: String| Error::attribute("RedrivePolicy", reason);
    let policy: RedrivePolicy = serde_json::from_str(policy).map_err(|error| refused(error.to_string()))?;
    let name = queue_of_arn(&policy.dead_letter_target_arn)
        .ok_or_else(|| refused(format!("{} is no queue's ARN.", policy.dead_letter_target_arn)))?;
    let count = match policy.max_receive_count {
        Count::Number(count) => Some(count),
        Count::Text(text) => text.parse().ok(),
    };
    match count {
        Some(count @ 1..=1_000) => {
            Ok(Some(Redrive { dead_letter_queue: name.to_owned(), max_receive_count: count }))
        }
        _ => Err(refused("maxReceiveCount must be between 1 and 1000.".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn attributes_are_told_as_they_were_set() {
        let told = attributes(&[
            ("FifoQueue", "true"),
            ("ContentBasedDeduplication", "true"),
            ("VisibilityTimeout", "90"),
            (
                "RedrivePolicy",
                r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead.fifo","maxReceiveCount":"5"}"#,
            ),
            ("KmsMasterKeyId", "alias/aws/sqs"),
        ]);
        let spec = QueueSpec::from_attributes("sync.fifo", &told).expect("valid");
        assert_eq!(spec.visibility_timeout, Duration::from_secs(90));
        let redrive = Redrive { dead_letter_queue: "dead.fifo".into(), max_receive_count: 5 };
        assert_eq!(spec.redrive, Some(redrive));
        assert_eq!(QueueSpec::from_attributes("sync.fifo", &spec.attributes()), Ok(spec));
    }

    #[test]
    fn a_name_ends_in_fifo_exactly_if_the_queue_is_one() {
        assert!(QueueSpec::fifo("sync").validate().is_err());
        assert!(QueueSpec::standard("sync.fifo").validate().is_err());
        assert!(QueueSpec::standard("a b").validate().is_err());
        assert_eq!(QueueSpec::fifo("sync.fifo").validate(), Ok(()));
    }

    #[test]
    fn values_outside_their_range_and_unknown_names_are_refused() {
        for (name, value) in [("VisibilityTimeout", "43201"), ("DelaySeconds", "-1"), ("FifoQueue", "yes")] {
            let error = QueueSpec::from_attributes("q", &attributes(&[(name, value)])).expect_err("refused");
            assert_eq!(error.code(), "InvalidAttributeValue", "{name}");
        }
        let error = QueueSpec::from_attributes("q", &attributes(&[("Colour", "red")])).expect_err("refused");
        assert_eq!(error, Error::InvalidAttributeName("Colour".into()));
    }
}
