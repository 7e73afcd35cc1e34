//! Where at Google a copy of an event lies, and what it is called there.
//!
//! Google's ids are unique within a calendar only: a meeting to which a user invited another calendar of theirs has the same id in both. So an id at
//! Google is a calendar and a text. What lies in the user's primary calendar is written as the text alone.

use serde::{Deserialize, Serialize};

use crate::{EventId, Slot, id};

/// What an id ends in that had to give way to another.
const ASIDE: char = 'v';

/// A calendar of the user's at Google.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Home {
    /// Their own first one, under whatever name.
    #[default]
    Primary,
    /// Another one, by Google's id of it.
    Other(String),
}

/// The id of an event at Google. Ids that come in obey no rule (series parts, imports), so none is checked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct GoogleEventId {
    home: Home,
    text: String,
}

/// As it is stored.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Primary(String),
    Other { calendar: String, id: String },
}

impl From<Written> for GoogleEventId {
    fn from(written: Written) -> Self {
        match written {
            Written::Primary(id) => Self::new(id),
            Written::Other { calendar, id } => Self::within(Home::Other(calendar), id),
        }
    }
}

impl From<GoogleEventId> for Written {
    fn from(GoogleEventId { home, text }: GoogleEventId) -> Self {
        match home {
            Home::Primary => Self::Primary(text),
            Home::Other(calendar) => Self::Other { calendar, id: text },
        }
    }
}

impl GoogleEventId {
    /// An id in the user's primary calendar, as Google sent it.
    pub fn new(text: impl Into<String>) -> Self {
        Self::within(Home::Primary, text)
    }

    /// An id in a calendar, as Google sent it.
    pub fn within(home: Home, text: impl Into<String>) -> Self {
        Self { home, text: text.into() }
    }

    /// The id under which an event of ours is inserted into a calendar: hex digits are valid base32hex, and a retried insert meets the first one
    /// instead of making a second event. Outside of the primary calendar it says which one it was made for, because Google keeps the id of an event
    /// that is moved, and of one to which another calendar is invited.
    pub fn of(home: Home, event: EventId) -> Self {
        let mark = mark(&home);
        Self { home, text: format!("{event}{mark}") }
    }

    /// The next id to try for the same event, should this one be taken by something else. Its end is valid base32hex and no hex digit, so it leads
    /// back like the first.
    #[must_use]
    pub fn aside(&self) -> Self {
        Self { home: self.home.clone(), text: format!("{}{ASIDE}", self.text) }
    }

    /// The calendar.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The id of the occurrence in a slot of the series with this id.
    pub fn of_occurrence(&self, slot: Slot) -> Self {
        let time = match slot.date() {
            Some(date) => date.format("%Y%m%d").to_string(),
            None => slot.instant().format("%Y%m%dT%H%M%SZ").to_string(),
        };
        Self { home: self.home.clone(), text: format!("{}_{time}", self.text) }
    }

    /// The event of ours that this id was made for, if it was.
    fn ours(&self) -> Option<EventId> {
        let (id, mark_here) = self.text.split_at_checked(24)?;
        let is_ours = mark_here.trim_end_matches(ASIDE) == mark(&self.home)
            && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if is_ours { id.parse().ok() } else { None }
    }
}

impl From<EventId> for GoogleEventId {
    /// The id under which an event of ours is inserted into the primary calendar.
    fn from(id: EventId) -> Self {
        Self::of(Home::Primary, id)
    }
}

impl EventId {
    /// The id that an event of Google's has here.
    ///
    /// An id that we chose for Google leads back to its event; any other is hashed, with its calendar unless that is the primary one. So an import needs
    /// no look-up table, and importing twice gives the same ids.
    pub fn of_google(google: &GoogleEventId) -> Self {
        google.ours().unwrap_or_else(|| {
            let text = google.text.as_bytes();
            Self::new(match &google.home {
                Home::Primary => id::digest(&[text]),
                Home::Other(calendar) => id::digest(&[calendar.as_bytes(), text]),
            })
        })
    }
}

/// What an id of ours ends in.
fn mark(home: &Home) -> String {
    match home {
        Home::Primary => String::new(),
        Home::Other(calendar) => {
            let [a, b, c, d, ..] = id::digest(&[b"home", calendar.as_bytes()]);
            format!("{a:02x}{b:02x}{c:02x}{d:02x}")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const HEX: &str = "66aa01bb02cc03dd04ee05ff";

    fn other(calendar: &str) -> Home {
        Home::Other(calendar.into())
    }

    #[test]
    fn an_id_sent_to_google_leads_back_to_its_event_from_its_own_calendar_only() {
        let id: EventId = HEX.parse().unwrap();
        assert_eq!(GoogleEventId::from(id).as_str(), HEX);
        for home in [Home::Primary, other("a"), other("b")] {
            let there = GoogleEventId::of(home.clone(), id);
            assert_eq!(EventId::of_google(&there), id);
            for elsewhere in [Home::Primary, other("a"), other("b"), other("c")] {
                let invited = GoogleEventId::within(elsewhere.clone(), there.as_str());
                assert_eq!(EventId::of_google(&invited) == id, elsewhere == home);
            }
        }
    }

    #[test]
    fn an_id_that_gave_way_leads_back_like_the_first() {
        let id: EventId = HEX.parse().unwrap();
        for home in [Home::Primary, other("a")] {
            let first = GoogleEventId::of(home, id);
            let (second, third) = (first.aside(), first.aside().aside());
            assert_eq!(first.as_str().len() + 2, third.as_str().len());
            for there in [second, third] {
                assert_eq!(EventId::of_google(&there), id);
                assert!(there.as_str().bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'v')));
            }
        }
    }

    #[test]
    fn foreign_google_ids_map_to_stable_distinct_ids() {
        let texts = [
            "68k0p6ackplecqs9fuvbs1fju0",
            "68k0p6ackplecqs9fuvbs1fju0_20250324T123000Z",
            "_imported",
            &HEX.to_uppercase(),
        ];
        let map =
            |home: Home| texts.map(|text| EventId::of_google(&GoogleEventId::within(home.clone(), text)));
        let mapped = [Home::Primary, other("a"), other("b")].map(map).concat();
        assert_eq!(mapped, [Home::Primary, other("a"), other("b")].map(map).concat());
        assert_eq!(mapped.iter().collect::<BTreeSet<_>>().len(), mapped.len());
    }

    #[test]
    fn the_id_of_an_event_of_the_primary_calendar_never_changes() {
        let id = EventId::of_google(&GoogleEventId::new("68k0p6ackplecqs9fuvbs1fju0"));
        assert_eq!(id.to_string(), "7f3deccf2fba48fb9d3be9b3");
    }
}
