//! Traversals: a list frozen when its first page is asked for, and the pages cut from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::Fields;
use super::cursor::{PageToken, SyncToken};
use super::question::Question;
use crate::error::Refusal;
use crate::state::Paging;

/// Frozen traversals that are kept; older ones have expired.
const TRAVERSALS: usize = 1000;

/// What a list consists of, and the sync token that it ends with; `None` where Google gives none: ordered or filtered lists.
pub(crate) type Frozen = (Vec<Arc<Fields>>, Option<SyncToken>);

/// A list as it was when its first page was asked for.
pub(crate) struct Traversal {
    resource: String,
    question: String,
    items: Vec<Arc<Fields>>,
    next_sync_token: Option<SyncToken>,
}

/// A page of a traversal, and how it goes on.
pub(crate) struct Page {
    pub items: Vec<Arc<Fields>>,
    next: Option<(&'static str, String)>,
}

impl Page {
    /// Writes `nextPageToken` or `nextSyncToken`: never both.
    pub(crate) fn finish(self, mut answer: Value) -> Value {
        if let Some((name, token)) = self.next {
            answer[name] = token.into();
        }
        answer
    }
}

/// The traversals under way.
#[derive(Default)]
pub(crate) struct Traversals {
    frozen: BTreeMap<u64, Traversal>,
    newest: u64,
}

impl Traversals {
    /// Forgets all: page tokens given out so far have expired.
    pub(crate) fn expire(&mut self) {
        self.frozen.clear();
    }

    /// The page asked for, of the traversal it belongs to or of the one that `begin` freezes.
    pub(crate) fn page(
        &mut self,
        question: &Question,
        resource: &str,
        paging: &Paging,
        begin: impl FnOnce() -> Result<Frozen, Refusal>,
    ) -> Result<Page, Refusal> {
        let (id, offset) = match &question.page_token {
            Some(token) => (token.traversal, token.offset),
            None => {
                let (items, next_sync_token) = begin()?;
                let (resource, question) = (resource.to_owned(), question.of_traversal());
                (self.freeze(Traversal { resource, question, items, next_sync_token }), 0)
            }
        };
        let traversal = self.frozen.get(&id).ok_or_else(PageToken::invalid)?;
        if traversal.resource != resource || traversal.question != question.of_traversal() {
            return Err(PageToken::invalid());
        }
        let is_empty = paging.starts_empty && question.page_token.is_none() && !traversal.items.is_empty();
        let size =
            if is_empty { 0 } else { question.page_size.min(paging.at_most.unwrap_or(usize::MAX).max(1)) };
        let end = traversal.items.len().min(offset.saturating_add(size));
        let items = traversal.items.get(offset..end).ok_or_else(PageToken::invalid)?.to_vec();
        let next = if end < traversal.items.len() {
            Some(("nextPageToken", PageToken { traversal: id, offset: end }.encode()))
        } else {
            traversal.next_sync_token.as_ref().map(|token| ("nextSyncToken", token.encode()))
        };
        if question.page_token.is_none() && end == traversal.items.len() {
            // Nobody has a token for it.
            self.frozen.remove(&id);
        }
        Ok(Page { items, next })
    }

    fn freeze(&mut self, traversal: Traversal) -> u64 {
        self.newest += 1;
        self.frozen.insert(self.newest, traversal);
        if self.frozen.len() > TRAVERSALS {
            self.frozen.pop_first();
        }
        self.newest
    }
}
