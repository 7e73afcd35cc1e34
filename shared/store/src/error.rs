//! What can go wrong with the store.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use seam::{Class, Interrupted, causes};

/// A failed call to the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else wrote first. Retried inside the store; seen outside only when that did not help.
    #[error("the store changed under the write")]
    Conflict,
    /// A condition that the caller set did not hold: what must not exist does, or the reverse.
    #[error("condition failed: {0}")]
    Condition(&'static str),
    /// No answer in time.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// DynamoDB asks us to slow down.
    #[error("{operation} was throttled")]
    Throttled {
        /// The operation.
        operation: &'static str,
    },
    /// DynamoDB failed, or cannot be reached.
    #[error("{operation} failed: {reason}")]
    Unavailable {
        /// The operation.
        operation: &'static str,
        /// What it said.
        reason: String,
    },
    /// A transaction may have been carried out or not: every answer was lost. It must not be planned anew, because a plan made on its own result is
    /// another one.
    #[error("{operation} was not answered: {reason}")]
    Unanswered {
        /// The operation.
        operation: &'static str,
        /// What was heard last.
        reason: String,
    },
    /// DynamoDB refused the request itself.
    #[error("{operation} was refused: {reason}")]
    Refused {
        /// The operation.
        operation: &'static str,
        /// What it said.
        reason: String,
    },
    /// An item does not have the shape that this version writes.
    #[error("an item could not be read or written: {0}")]
    Shape(#[from] serde_dynamo::Error),
    /// A user that must exist does not.
    #[error("there is no such user")]
    NoUser,
}

impl Error {
    /// How the caller must react.
    pub fn class(&self) -> Class {
        match self {
            Self::Conflict | Self::Condition(_) => Class::Conflict,
            Self::Interrupted(interrupted) => interrupted.class(),
            Self::Throttled { .. } => Class::Throttled,
            Self::Unavailable { .. } | Self::Unanswered { .. } => Class::Transient,
            Self::Refused { .. } | Self::Shape(_) => Class::Bug,
            Self::NoUser => Class::Gone,
        }
    }

    /// From the SDK's error of any operation but `TransactWriteItems`, whose reasons need a closer look.
    pub(crate) fn from_sdk<E, R>(
        operation: &'static str,
        condition: &'static str,
        error: SdkError<E, R>,
    ) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        let Some(service) = error.as_service_error() else {
            return Self::Unavailable { operation, reason: causes(&error) };
        };
        let reason = service.message().unwrap_or("no message").to_owned();
        match service.code().unwrap_or_default() {
            "ConditionalCheckFailedException" => Self::Condition(condition),
            "TransactionConflictException" => Self::Conflict,
            "ProvisionedThroughputExceededException" | "RequestLimitExceeded" | "ThrottlingException" => {
                Self::Throttled { operation }
            }
            // The same transaction, sent before, is still under way.
            "TransactionInProgressException" | "InternalServerError" | "ServiceUnavailable" => {
                Self::Unavailable { operation, reason }
            }
            code => Self::Refused { operation, reason: format!("{code}: {reason}") },
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::operation::get_item::GetItemError;

    use super::*;

    #[test]
    fn an_answer_that_cannot_be_read_is_not_repeated() {
        let error: SdkError<GetItemError, &str> = SdkError::response_error("cut off", "$argon2id$secret");
        assert!(format!("{error:?}").contains("$argon2id$secret"));
        let error = Error::from_sdk("GetItem", "", error);
        assert_eq!(error.to_string(), "GetItem failed: response error: cut off");
        assert_eq!(error.class(), Class::Transient);
    }
}
