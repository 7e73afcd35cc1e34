//! Every request that was made, for tests to count and look at. It holds no token, code or secret.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

/// Requests that are remembered; a local cloud runs for days.
const KEPT: usize = 50_000;
/// Query parameters that are credentials.
const SECRET: &[&str] = &["access_token", "client_secret", "code", "key", "refresh_token", "state", "token"];

/// What is said of a request of the calendar's whose address has a credential in it: addresses end in the logs of whoever passes them on.
pub const CREDENTIAL_IN_ADDRESS: &str = "a credential is in the address";

/// Whether a query has a credential in it. (`key` names the client and opens nothing.)
pub(crate) fn has_credential(query: &[(String, String)]) -> bool {
    query.iter().any(|(name, _)| name != "key" && SECRET.contains(&name.as_str()))
}

/// A request and its answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When it was answered.
    pub at: DateTime<Utc>,
    /// The method by Google's name, such as `calendar.events.list`.
    pub operation: String,
    /// HTTP method.
    pub method: String,
    /// Path as sent.
    pub path: String,
    /// Query parameters, decoded, without credentials.
    pub query: Vec<(String, String)>,
    /// Status of the answer; `None` if the connection was closed without one.
    pub status: Option<u16>,
    /// The account whose token or code came with it.
    pub account: Option<String>,
    /// Who was to be mailed: the `sendUpdates` parameter.
    pub send_updates: Option<String>,
    /// The `If-Match` header.
    pub if_match: Option<String>,
    /// The JSON body, without credentials; `None` if there was none.
    pub body: Option<Value>,
    /// What in the request Google's discovery document does not allow, in words.
    pub violations: Vec<String>,
    /// Did a fault strike it?
    pub is_faulted: bool,
}

/// A query without its credentials.
pub(crate) fn without_secrets(query: &str) -> Vec<(String, String)> {
    let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned();
    pairs.filter(|(name, _)| !SECRET.contains(&name.as_str())).collect()
}

/// A body without its credentials: the secret of a channel.
pub(crate) fn body_without_secrets(mut body: Value) -> Value {
    if let Some(members) = body.as_object_mut() {
        members.retain(|name, _| !SECRET.contains(&name.as_str()));
    }
    body
}

/// The newest requests, oldest first.
#[derive(Default)]
pub(crate) struct Journal(VecDeque<Entry>);

impl Journal {
    pub(crate) fn note(&mut self, entry: Entry) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(entry);
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_stay_out_of_the_journal() {
        let query = without_secrets("sendUpdates=none&access_token=ya29&token=t&syncToken=s");
        assert_eq!(query, [("sendUpdates".into(), "none".into()), ("syncToken".into(), "s".into())]);
    }
}
