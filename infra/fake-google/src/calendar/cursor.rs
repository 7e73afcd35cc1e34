//! Sync tokens and page tokens. Opaque to clients; here a sync token is a time cursor with the question it belongs to, as the
//! recorded ones are, and a page token points into a traversal that the server has frozen.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Refusal;

/// Where an incremental sync goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SyncToken {
    /// Commit of the newest change the client has seen, µs.
    #[serde(rename = "c")]
    pub cursor: i64,
    #[serde(rename = "g")]
    pub generation: u64,
    /// The calendar, or the account of a calendar list.
    #[serde(rename = "r")]
    pub resource: String,
    /// The parameters that must be the same in every request of this sync.
    #[serde(rename = "q")]
    pub question: String,
    /// A restriction of the initial request that stays in effect: `timeMin` and `timeMax`.
    #[serde(rename = "w", default)]
    pub window: (Option<String>, Option<String>),
}

/// Where a traversal goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PageToken {
    #[serde(rename = "t")]
    pub traversal: u64,
    #[serde(rename = "o")]
    pub offset: usize,
}

impl SyncToken {
    pub(crate) fn encode(&self) -> String {
        encode(self)
    }

    pub(crate) fn decode(text: &str) -> Result<Self, Refusal> {
        decode(text).ok_or_else(Self::invalid)
    }

    /// The refusal of a token that is not one, or belongs to something else.
    pub(crate) fn invalid() -> Refusal {
        Refusal::bad("invalid", "Invalid sync token value.").at("parameter", "syncToken")
    }
}

impl PageToken {
    pub(crate) fn encode(&self) -> String {
        encode(self)
    }

    pub(crate) fn decode(text: &str) -> Result<Self, Refusal> {
        decode(text).ok_or_else(Self::invalid)
    }

    /// The refusal of a token that is not one, has expired, or comes with another question.
    pub(crate) fn invalid() -> Refusal {
        Refusal::bad("invalid", "Invalid page token value.").at("parameter", "pageToken")
    }
}

fn encode(token: &impl Serialize) -> String {
    // A struct of numbers and strings always serialises; were it otherwise, the token would be refused when it comes back.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(token).unwrap_or_default())
}

fn decode<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_token_is_not_a_sync_token() {
        let page = PageToken { traversal: 1, offset: 2 };
        assert_eq!(PageToken::decode(&page.encode()), Ok(page.clone()));
        assert_eq!(SyncToken::decode(&page.encode()), Err(SyncToken::invalid()));
        assert_eq!(SyncToken::decode("CJ_ewo2CoIwDEJ_ewo2CoIwD"), Err(SyncToken::invalid()));
    }
}
