//! What can go wrong inside this crate. That a caller is not who he says he is, is no error but an answer of its rules.

use seam::Class;

/// A fault of ours or of the world, never of the caller.
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
    Signing(#[from] jsonwebtoken::errors::Error),
    /// A value does not fit into a header.
    #[error("a header could not be written: {0}")]
    Header(#[from] http::header::InvalidHeaderValue),
    /// A value could not be written as JSON.
    #[error("JSON could not be written: {0}")]
    Json(#[from] serde_json::Error),
}

impl Error {
    /// How the caller must react.
    pub fn class(&self) -> Class {
        match self {
            Self::Key { .. } | Self::Signing(_) | Self::Header(_) | Self::Json(_) => Class::Bug,
        }
    }
}
