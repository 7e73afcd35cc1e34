//! Names and data of the event stream. The web app listens to these names but the last, and ignores what it does not know.

use domain::Notice;
use serde::Serialize;

/// A named event of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are those of the wire")]
pub enum StreamEvent {
    UserMetadata,
    EventChanged,
    SomedayEventChanged,
    ImportGcalStart,
    ImportGcalEnd,
    GoogleRevoked,
    ImportGcalProgress,
}

impl StreamEvent {
    /// As written in an `event:` line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UserMetadata => "USER_METADATA",
            Self::EventChanged => "EVENT_CHANGED",
            Self::SomedayEventChanged => "SOMEDAY_EVENT_CHANGED",
            Self::ImportGcalStart => "IMPORT_GCAL_START",
            Self::ImportGcalEnd => "IMPORT_GCAL_END",
            Self::GoogleRevoked => "GOOGLE_REVOKED",
            Self::ImportGcalProgress => "IMPORT_GCAL_PROGRESS",
        }
    }

    /// The name as one bit of a byte, for sets of names.
    pub fn bit(self) -> u8 {
        1 << self as u8
    }

    /// The event that tells clients of a notice; none for one that is not theirs.
    pub fn of(notice: &Notice) -> Option<Self> {
        match notice {
            Notice::Metadata => Some(Self::UserMetadata),
            Notice::ImportStarted => Some(Self::ImportGcalStart),
            Notice::ImportProgress(_) => Some(Self::ImportGcalProgress),
            Notice::ImportEnded(_) => Some(Self::ImportGcalEnd),
            Notice::GoogleRevoked => Some(Self::GoogleRevoked),
            Notice::Wanted(_) => None,
        }
    }
}
