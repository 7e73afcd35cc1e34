//! What the broker refuses, in SQS's own vocabulary.
//!
//! A code is told twice on the wire: as the shape in `__type` (the JSON protocol) and in the header
//! `x-amzn-query-error` (the older query protocol, whose codes the SDKs still match on). Both are decided here.

/// A refused call. Every variant is the caller's fault, as SQS sees it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No queue has this name, or none is found at this URL.
    #[error("The specified queue does not exist.")]
    QueueDoesNotExist,
    /// A queue of this name exists with other attributes.
    #[error("A queue already exists with the same name and a different value for attribute {0}")]
    QueueNameExists(String),
    /// The receipt handle was not issued by this queue.
    #[error("The input receipt handle is invalid.")]
    ReceiptHandleIsInvalid,
    /// The message is visible, so that its visibility can't be changed.
    #[error("The message referred to isn't in flight.")]
    MessageNotInflight,
    /// Two entries of a batch share an id.
    #[error("Id {0} repeated.")]
    BatchEntryIdsNotDistinct(String),
    /// A batch has no entries.
    #[error("There should be at least one {0}RequestEntry in the request.")]
    EmptyBatchRequest(&'static str),
    /// A batch has more than ten entries; the value is their number.
    #[error("Maximum number of entries per request are 10. You have sent {0}.")]
    TooManyEntriesInBatchRequest(usize),
    /// A batch entry's id is not 1 to 80 characters of `[A-Za-z0-9_-]`.
    #[error(
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long."
    )]
    InvalidBatchEntryId,
    /// The messages of a batch are too long together; the value is their length in bytes.
    #[error("Batch requests cannot be longer than 1048576 bytes. You have sent {0} bytes.")]
    BatchRequestTooLong(usize),
    /// A body holds characters outside the set SQS accepts.
    #[error(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"
    )]
    InvalidMessageContents,
    /// A queue attribute that doesn't exist.
    #[error("Unknown Attribute {0}.")]
    InvalidAttributeName(String),
    /// A queue attribute with a value outside its range.
    #[error("Invalid value for the parameter {name}. Reason: {reason}")]
    InvalidAttributeValue {
        /// The attribute.
        name: &'static str,
        /// What is wrong with its value.
        reason: String,
    },
    /// A parameter with a value outside its range.
    #[error("Value {value} for parameter {name} is invalid. Reason: {reason}")]
    InvalidParameterValue {
        /// The parameter.
        name: &'static str,
        /// The value received.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A parameter is missing.
    #[error("The request must contain the parameter {0}.")]
    MissingParameter(&'static str),
    /// The body is no JSON of the action's shape.
    #[error("The request could not be read: {0}")]
    Serialization(String),
    /// An action this broker doesn't know.
    #[error("The action {0} is not valid for this endpoint.")]
    InvalidAction(String),
    /// A valid action on a queue that can't take it.
    #[error("{0}")]
    UnsupportedOperation(&'static str),
    /// A queue named by its ARN doesn't exist.
    #[error("The resource that you specified for the {0} parameter doesn't exist.")]
    ResourceNotFound(&'static str),
}

/// The result of a call on the broker.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn parameter(name: &'static str, value: impl ToString, reason: impl Into<String>) -> Self {
        Self::InvalidParameterValue { name, value: value.to_string(), reason: reason.into() }
    }

    pub(crate) fn attribute(name: &'static str, reason: impl Into<String>) -> Self {
        Self::InvalidAttributeValue { name, reason: reason.into() }
    }

    /// The code of the query protocol, as it stands in `x-amzn-query-error` and in a batch's failed entries.
    pub fn code(&self) -> &'static str {
        self.names().0
    }

    /// The shape of the JSON protocol, as it stands in `__type`.
    pub fn shape(&self) -> &'static str {
        self.names().1
    }

    fn names(&self) -> (&'static str, &'static str) {
        match self {
            Self::QueueDoesNotExist => {
                ("AWS.SimpleQueueService.NonExistentQueue", "com.amazonaws.sqs#QueueDoesNotExist")
            }
            Self::QueueNameExists(_) => ("QueueAlreadyExists", "com.amazonaws.sqs#QueueNameExists"),
            Self::ReceiptHandleIsInvalid => {
                ("ReceiptHandleIsInvalid", "com.amazonaws.sqs#ReceiptHandleIsInvalid")
            }
            Self::MessageNotInflight => {
                ("AWS.SimpleQueueService.MessageNotInflight", "com.amazonaws.sqs#MessageNotInflight")
            }
            Self::BatchEntryIdsNotDistinct(_) => (
                "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
                "com.amazonaws.sqs#BatchEntryIdsNotDistinct",
            ),
            Self::EmptyBatchRequest(_) => {
                ("AWS.SimpleQueueService.EmptyBatchRequest", "com.amazonaws.sqs#EmptyBatchRequest")
            }
            Self::TooManyEntriesInBatchRequest(_) => (
                "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
                "com.amazonaws.sqs#TooManyEntriesInBatchRequest",
            ),
            Self::InvalidBatchEntryId => {
                ("AWS.SimpleQueueService.InvalidBatchEntryId", "com.amazonaws.sqs#InvalidBatchEntryId")
            }
            Self::BatchRequestTooLong(_) => {
                ("AWS.SimpleQueueService.BatchRequestTooLong", "com.amazonaws.sqs#BatchRequestTooLong")
            }
            Self::InvalidMessageContents => {
                ("InvalidMessageContents", "com.amazonaws.sqs#InvalidMessageContents")
            }
            Self::InvalidAttributeName(_) => {
                ("InvalidAttributeName", "com.amazonaws.sqs#InvalidAttributeName")
            }
            Self::InvalidAttributeValue { .. } => {
                ("InvalidAttributeValue", "com.amazonaws.sqs#InvalidAttributeValue")
            }
            Self::InvalidParameterValue { .. } => {
                ("InvalidParameterValue", "com.amazon.coral.service#InvalidParameterValueException")
            }
            Self::MissingParameter(_) => {
                ("MissingParameter", "com.amazon.coral.service#MissingRequiredParameterException")
            }
            Self::Serialization(_) => ("MalformedInput", "com.amazon.coral.service#SerializationException"),
            Self::InvalidAction(_) => ("InvalidAction", "com.amazon.coral.service#UnknownOperationException"),
            Self::UnsupportedOperation(_) => {
                ("AWS.SimpleQueueService.UnsupportedOperation", "com.amazonaws.sqs#UnsupportedOperation")
            }
            Self::ResourceNotFound(_) => {
                ("ResourceNotFoundException", "com.amazonaws.sqs#ResourceNotFoundException")
            }
        }
    }
}
