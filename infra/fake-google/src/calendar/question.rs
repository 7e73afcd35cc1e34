//! The question of a list: its parameters, what may stand beside a sync token, and what must stay the same through a sync.

use chrono::{DateTime, Utc};

use super::cursor::{PageToken, SyncToken};
use crate::error::Refusal;

/// Parameters that Google refuses beside a sync token.
pub(super) const NOT_WITH_SYNC_TOKEN: &[&str] = &[
    "iCalUID",
    "orderBy",
    "privateExtendedProperty",
    "q",
    "sharedExtendedProperty",
    "timeMin",
    "timeMax",
    "updatedMin",
];
/// Parameters that must be the same in every request of one sync.
const QUESTION: &[&str] = &[
    "alwaysIncludeEmail",
    "eventTypes",
    "maxAttendees",
    "showHiddenInvitations",
    "singleEvents",
    "timeZone",
];
pub(crate) type Pairs = Vec<(String, String)>;

/// A parsed question.
pub(crate) struct Question {
    pairs: Pairs,
    pub page_size: usize,
    pub page_token: Option<PageToken>,
    pub sync_token: Option<SyncToken>,
    pub shows_deleted: bool,
}

impl Question {
    /// Reads the parameters that every list has in common.
    pub(crate) fn parse(
        mut pairs: Pairs,
        default_size: usize,
        largest: usize,
        forbidden: &[&str],
    ) -> Result<Self, Refusal> {
        pairs.sort();
        let get = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let sync_token = get("syncToken").map(SyncToken::decode).transpose()?;
        let page_token = get("pageToken").map(PageToken::decode).transpose()?;
        if sync_token.is_some() {
            if let Some(name) = forbidden.iter().find(|name| get(name).is_some()) {
                let message = format!("Sync token cannot be used with the parameter: {name}.");
                return Err(Refusal::bad("badRequest", message).at("parameter", "syncToken"));
            }
            if get("showDeleted") == Some("false") {
                let message = "Sync token cannot be used with showDeleted=false.";
                return Err(Refusal::bad("badRequest", message).at("parameter", "syncToken"));
            }
        }
        let page_size = match get("maxResults").map(str::parse::<usize>) {
            None => default_size,
            Some(Ok(size)) if size >= 1 => size.min(largest),
            Some(_) => {
                return Err(
                    Refusal::bad("invalid", "Invalid value for: maxResults").at("parameter", "maxResults")
                );
            }
        };
        let shows_deleted = sync_token.is_some() || get("showDeleted") == Some("true");
        Ok(Self { page_size, page_token, sync_token, shows_deleted, pairs })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// What must not change within a sync.
    fn of_sync(&self) -> String {
        self.text(|name| QUESTION.contains(&name))
    }

    /// What must not change within a traversal: everything but the place in it.
    pub(crate) fn of_traversal(&self) -> String {
        self.text(|name| name != "pageToken")
    }

    /// Is a boolean parameter set?
    pub(crate) fn is(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    fn text(&self, is_wanted: impl Fn(&str) -> bool) -> String {
        let wanted = self.pairs.iter().filter(|(name, _)| is_wanted(name));
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(wanted).finish()
    }

    pub(crate) fn instant(
        &self,
        name: &'static str,
        window: Option<&String>,
    ) -> Result<Option<DateTime<Utc>>, Refusal> {
        let Some(text) = self.get(name).or(window.map(String::as_str)) else { return Ok(None) };
        let instant = DateTime::parse_from_rfc3339(text).map(|instant| Some(instant.to_utc()));
        instant.map_err(|_| Refusal::bad("badRequest", "Bad Request").at("parameter", name))
    }

    /// Refuses a sync token of another resource, another question or a past generation.
    pub(crate) fn check_sync_token(&self, resource: &str, generation: u64) -> Result<(), Refusal> {
        let Some(token) = &self.sync_token else { return Ok(()) };
        if token.resource != resource {
            return Err(SyncToken::invalid());
        }
        if token.generation != generation {
            return Err(Refusal::full_sync_required());
        }
        if token.question != self.of_sync() {
            let message = "Sync token was issued for a request with other parameters.";
            return Err(Refusal::bad("badRequest", message).at("parameter", "syncToken"));
        }
        Ok(())
    }

    /// The token that the last page ends with.
    pub(crate) fn next_sync_token(&self, resource: &str, generation: u64, cursor: i64) -> SyncToken {
        let window = match &self.sync_token {
            Some(token) => token.window.clone(),
            None => (self.get("timeMin").map(str::to_owned), self.get("timeMax").map(str::to_owned)),
        };
        SyncToken { cursor, generation, resource: resource.to_owned(), question: self.of_sync(), window }
    }
}
