//! What can go wrong inside this crate. That a caller is not who he says he is, is no error but an answer of its rules.

use seam::{Class, Interrupted};

/// A fault of ours or of the world, never of the caller. Holds no secret and no address.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A configured key is unusable. Its text is a secret, so it is not repeated.
    #[error("{name} must be the standard base64 of {what}")]
    Key {
        /// Which key.
        name: &'static str,
        /// What it has to be.
        what: &'static str,
    },
    /// A token could not be signed.
    #[error("a token could not be signed: {0}")]
    Signing(#[from] jwt::Error),
    /// A value does not fit into a header.
    #[error("a header could not be written: {0}")]
    Header(#[from] http::header::InvalidHeaderValue),
    /// A value could not be written as JSON.
    #[error("JSON could not be written: {0}")]
    Json(#[from] serde_json::Error),
    /// A password could not be hashed or compared.
    #[error("a password could not be hashed: {0}")]
    Hash(#[from] argon2::password_hash::Error),
    /// The cost of hashing is out of range.
    #[error("the cost of hashing is out of range: {0}")]
    Cost(#[from] argon2::Error),
    /// The mail service gave no answer in time.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// A mail was not accepted.
    #[error("a mail could not be sent: {reason}")]
    Mail {
        /// Whether trying again is of no use.
        is_ours: bool,
        /// The mail service's own name for it.
        reason: String,
    },
}

impl Error {
    /// How the caller must react.
    pub fn class(&self) -> Class {
        match self {
            Self::Interrupted(interrupted) => interrupted.class(),
            Self::Mail { is_ours: false, .. } => Class::Transient,
            Self::Mail { is_ours: true, .. }
            | Self::Key { .. }
            | Self::Signing(_)
            | Self::Header(_)
            | Self::Json(_)
            | Self::Hash(_)
            | Self::Cost(_) => Class::Bug,
        }
    }
}
