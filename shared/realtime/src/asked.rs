//! What a client says about where it is.

use domain::Rev;
use store::{Cursor, Seal};

/// Where a client is, by its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Nothing: the page was just loaded, or connects anew.
    Fresh,
    /// It wants to know what happened since.
    Resume(Cursor),
    /// Something that is no cursor of ours, or one that leads nowhere.
    Lost,
}

impl Asked {
    /// What this text, which may be anything, asks for.
    pub fn of(text: Option<&str>, seal: &Seal) -> Self {
        match text.map(|text| seal.open(text)) {
            None => Self::Fresh,
            Some(Some(cursor)) if !cursor.is_nowhere() => Self::Resume(cursor),
            Some(_) => Self::Lost,
        }
    }

    /// The rev after which the log has to be read, if at all.
    pub fn backlog_after(&self) -> Option<Rev> {
        match self {
            Self::Resume(cursor) => Some(cursor.rev),
            Self::Fresh | Self::Lost => None,
        }
    }
}
