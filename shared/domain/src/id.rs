//! Identifiers. Parsed once, at the edge; a value of one of these types is well-formed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Refusal;

/// What the web app puts before the id of an event that it has not saved yet.
const OPTIMISTIC_PREFIX: &str = "optimistic-";

macro_rules! object_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 12]);

        impl $name {
            /// From raw bytes, as drawn at random or computed.
            pub const fn new(bytes: [u8; 12]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; 12] {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Refusal;

            fn from_str(text: &str) -> Result<Self, Refusal> {
                let mut bytes = [0; 12];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| Refusal::BadId { what: $what })?;
                Ok(Self(bytes))
            }
        }

        impl TryFrom<String> for $name {
            type Error = Refusal;

            fn try_from(text: String) -> Result<Self, Refusal> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

object_id! {
    /// A user: 24 hex digits on the wire.
    UserId, "user id"
}

object_id! {
    /// An event: 24 hex digits on the wire. The browser chooses it, and it must be kept.
    EventId, "event id"
}

object_id! {
    /// An entry of the user's list of priorities: 24 hex digits on the wire.
    PriorityId, "priority id"
}

object_id! {
    /// A calendar in the user's list: 24 hex digits on the wire.
    CalendarId, "calendar id"
}

impl EventId {
    /// Parses an id as the web app may send it in a body or a path: with an `optimistic-` prefix while the event is unsaved.
    ///
    /// # Errors
    /// [`Refusal::BadId`] when what remains is not 24 hex digits.
    pub fn from_wire(text: &str) -> Result<Self, Refusal> {
        text.strip_prefix(OPTIMISTIC_PREFIX).unwrap_or(text).parse()
    }
}

/// An id made from what a thing is known by, so that making it twice gives the same one.
pub(crate) fn digest(parts: &[&[u8]]) -> [u8; 12] {
    let mut hash = Sha256::new();
    for (number, part) in parts.iter().enumerate() {
        // Parts are told apart by a byte that no text holds.
        if number > 0 {
            hash.update([0xff]);
        }
        hash.update(part);
    }
    let mut bytes = [0; 12];
    bytes.copy_from_slice(&hash.finalize()[..12]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "66aa01bb02cc03dd04ee05ff";

    #[test]
    fn ids_are_lower_cased_and_lose_the_optimistic_prefix() {
        assert_eq!(EventId::from_wire(&HEX.to_uppercase()).unwrap().to_string(), HEX);
        assert_eq!(EventId::from_wire(&format!("optimistic-{HEX}")).unwrap().to_string(), HEX);
        for bad in ["", "xyz", &HEX[1..], "reorder", "optimistic-", &format!("{HEX}00")] {
            assert!(EventId::from_wire(bad).is_err(), "{bad}");
        }
    }
}
