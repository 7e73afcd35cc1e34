//! Sending to connections, through API Gateway's management API.

use std::time::Duration;

use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_apigatewaymanagement::primitives::Blob;
use seam::{Class, Interrupted, Kind, Seam, causes};
use store::SocketId;

/// How long a call may take with its retries.
const DEADLINE: Duration = Duration::from_secs(5);

/// A frame that was not delivered, or a connection that was not closed.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The connection is closed.
    #[error("the connection is gone")]
    Gone,
    /// No answer in time.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// API Gateway asks us to slow down.
    #[error("{operation} was throttled")]
    Throttled {
        /// The operation.
        operation: &'static str,
    },
    /// API Gateway failed, or cannot be reached.
    #[error("{operation} failed: {reason}")]
    Unavailable {
        /// The operation.
        operation: &'static str,
        /// What it said.
        reason: String,
    },
    /// API Gateway refused the request itself.
    #[error("{operation} was refused: {reason}")]
    Refused {
        /// The operation.
        operation: &'static str,
        /// What it said.
        reason: String,
    },
}

impl PostError {
    /// How the caller must react.
    pub fn class(&self) -> Class {
        match self {
            Self::Gone => Class::Gone,
            Self::Interrupted(interrupted) => interrupted.class(),
            Self::Throttled { .. } => Class::Throttled,
            Self::Unavailable { .. } => Class::Transient,
            Self::Refused { .. } => Class::Bug,
        }
    }

    fn from_sdk<E, R>(operation: &'static str, error: SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        let Some(service) = error.as_service_error() else {
            return Self::Unavailable { operation, reason: causes(&error) };
        };
        let reason = service.message().unwrap_or("no message").to_owned();
        match service.code().unwrap_or_default() {
            "GoneException" => Self::Gone,
            "LimitExceededException" | "TooManyRequestsException" | "ThrottlingException" => {
                Self::Throttled { operation }
            }
            "InternalServerError"
            | "InternalServerErrorException"
            | "ServiceUnavailable"
            | "ServiceUnavailableException" => Self::Unavailable { operation, reason },
            code => Self::Refused { operation, reason: format!("{code}: {reason}") },
        }
    }
}

/// Where frames go.
pub trait Post: Sync {
    /// Sends a frame to a connection, with a bounded number of tries.
    fn post(&self, id: &SocketId, frame: &str) -> impl Future<Output = Result<(), PostError>> + Send;

    /// Closes a connection; one that is closed already is [`PostError::Gone`].
    fn close(&self, id: &SocketId) -> impl Future<Output = Result<(), PostError>> + Send;
}

/// The connections of the WebSocket API. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Posts {
    client: Client,
    seam: Seam,
}

impl Posts {
    /// The connections behind `client`, as a function uses them. The client tries again by itself what is worth it.
    pub fn new(client: Client) -> Self {
        Self::through(client, Seam::new(Kind::Socket, DEADLINE))
    }

    /// The connections behind `client`, whose calls leave through `seam`.
    pub fn through(client: Client, seam: Seam) -> Self {
        Self { client, seam }
    }
}

impl Post for Posts {
    async fn post(&self, id: &SocketId, frame: &str) -> Result<(), PostError> {
        self.seam
            .call("PostToConnection", || async {
                self.client
                    .post_to_connection()
                    .connection_id(id.as_str())
                    .data(Blob::new(frame))
                    .send()
                    .await
                    .map(drop)
                    .map_err(|error| PostError::from_sdk("PostToConnection", error))
            })
            .await
    }

    async fn close(&self, id: &SocketId) -> Result<(), PostError> {
        self.seam
            .call("DeleteConnection", || async {
                self.client
                    .delete_connection()
                    .connection_id(id.as_str())
                    .send()
                    .await
                    .map(drop)
                    .map_err(|error| PostError::from_sdk("DeleteConnection", error))
            })
            .await
    }
}
