//! The `sync` queue: first in, first out, one group per user.

use std::time::Duration;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use domain::Job;
use seam::{Class, Interrupted, Kind, Seam, causes};

/// How long a call may take with its retries: less by far than the time-out of any function that makes one, so that a batch survives a slow
/// one.
const DEADLINE: Duration = Duration::from_secs(5);

/// A failed call to the queue.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No answer in time.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// SQS failed, or cannot be reached.
    #[error("{operation} failed: {reason}")]
    Unavailable {
        /// The operation.
        operation: &'static str,
        /// What it said.
        reason: String,
    },
    /// SQS refused the request itself.
    #[error("{operation} was refused: {reason}")]
    Refused {
        /// The operation.
        operation: &'static str,
        /// What it said.
        reason: String,
    },
    /// A job could not be written as JSON.
    #[error("a job could not be written: {0}")]
    Shape(#[from] serde_json::Error),
}

impl Error {
    /// How the caller must react.
    pub fn class(&self) -> Class {
        match self {
            Self::Interrupted(interrupted) => interrupted.class(),
            Self::Unavailable { .. } => Class::Transient,
            Self::Refused { .. } | Self::Shape(_) => Class::Bug,
        }
    }

    fn from_sdk<E, R>(operation: &'static str, error: SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        match error.as_service_error() {
            Some(service) => {
                let code = service.code().unwrap_or("unknown");
                let reason = format!("{code}: {}", service.message().unwrap_or("no message"));
                match code {
                    "ServiceUnavailable" | "InternalError" | "RequestThrottled" | "ThrottlingException" => {
                        Self::Unavailable { operation, reason }
                    }
                    _ => Self::Refused { operation, reason },
                }
            }
            None => Self::Unavailable { operation, reason: causes(&error) },
        }
    }
}

/// The queue. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Queue {
    client: aws_sdk_sqs::Client,
    url: String,
    seam: Seam,
}

impl Queue {
    /// The queue at `url`, as a function uses it.
    pub fn at(client: aws_sdk_sqs::Client, url: impl Into<String>) -> Self {
        Self::new(client, url, Seam::new(Kind::Queue, DEADLINE))
    }

    /// The queue at `url`, whose calls leave through `seam`.
    pub fn new(client: aws_sdk_sqs::Client, url: impl Into<String>, seam: Seam) -> Self {
        Self { client, url: url.into(), seam }
    }

    /// Enqueues a job behind the other jobs of its user. A second message with the same `deduplication` (at most 128 letters, digits and
    /// punctuation) within five minutes is dropped, so it must name the *reason* of the job and not the job: the same
    /// words may speak of a newer change.
    ///
    /// # Errors
    /// Any error of the queue.
    pub async fn send(&self, job: &Job, deduplication: &str) -> Result<(), Error> {
        let body = serde_json::to_string(job)?;
        let group = job.user().to_string();
        self.seam
            .call("SendMessage", || async {
                self.client
                    .send_message()
                    .queue_url(&self.url)
                    .message_body(&body)
                    .message_group_id(&group)
                    .message_deduplication_id(deduplication)
                    .send()
                    .await
                    .map(drop)
                    .map_err(|error| Error::from_sdk("SendMessage", error))
            })
            .await
    }

    /// Hands a received message out again after `delay` instead of after the queue's visibility time-out.
    ///
    /// # Errors
    /// Any error of the queue.
    pub async fn retry_in(&self, receipt: &str, delay: Duration) -> Result<(), Error> {
        let seconds = i32::try_from(delay.as_secs()).unwrap_or(i32::MAX);
        self.seam
            .call("ChangeMessageVisibility", || async {
                self.client
                    .change_message_visibility()
                    .queue_url(&self.url)
                    .receipt_handle(receipt)
                    .visibility_timeout(seconds)
                    .send()
                    .await
                    .map(drop)
                    .map_err(|error| Error::from_sdk("ChangeMessageVisibility", error))
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::operation::send_message::SendMessageError;

    use super::*;

    #[test]
    fn an_answer_that_cannot_be_read_is_not_repeated() {
        let error: SdkError<SendMessageError, &str> = SdkError::response_error("cut off", "a body");
        assert!(format!("{error:?}").contains("a body"));
        let error = Error::from_sdk("SendMessage", error);
        assert_eq!(error.to_string(), "SendMessage failed: response error: cut off");
        assert_eq!(error.class(), Class::Transient);
    }
}
