//! Where a client is in a user's log, and the seal that makes it ours.
//!
//! On the wire a cursor is `epoch.rev` with a tag (RFC 2104, truncated to 96 bits as RFC 2104 §5 allows) over it and its user. A client keeps it and brings it back; it
//! is no secret, but one that was made up, or belongs to somebody else, opens to nothing, and its bearer is reset. So a number that a client
//! chose never reaches a query.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use domain::{Rev, UserId};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{Error, Head, Store};

/// The bytes of a tag.
const TAG: usize = 12;
/// The bytes of a key.
const KEY: usize = 32;
/// The longest text that can be a cursor: what is longer is not looked at.
const LONGEST: usize = 200;
/// The epoch of no log.
const NOWHERE: &str = "none";

/// Where a client is in a user's log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The life of the partition.
    pub epoch: String,
    /// The newest rev up to which the client was told everything.
    pub rev: Rev,
    /// How it came there.
    pub stage: Stage,
}

/// What a cursor says beside its rev.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Nothing: the client knows all up to the rev.
    #[default]
    Whole,
    /// The same, and by which answer it came there. The last frame of an answer has this for its id, so that no two frames with different content have the
    /// same one.
    Via {
        /// Where the answer began.
        after: Rev,
        /// The names that it had, a bit each.
        names: u8,
    },
    /// The client was told some names of an answer that leads to `upto`, not all. Coming back it is told all of it again. This is the id of the other frames of an
    /// answer.
    Part {
        /// Where the answer leads.
        upto: Rev,
        /// The names that it was told, a bit each.
        names: u8,
    },
    /// The client began with nothing when the newest rev was `began`, and has read the log from its start up to the rev. Tombstones that were purged
    /// before it began never concerned it, so it is behind only when those after it are.
    Walk {
        /// The newest rev when it began.
        began: Rev,
    },
}

impl Cursor {
    /// A client that knows all up to `rev`.
    pub fn new(epoch: impl Into<String>, rev: Rev) -> Self {
        Self { epoch: epoch.into(), rev, stage: Stage::Whole }
    }

    /// A cursor into no log: a client that comes back with it is reset. It stands in the frames of a reset that are not its last.
    pub fn nowhere() -> Self {
        Self::new(NOWHERE, 0)
    }

    /// Whether it leads into no log.
    pub fn is_nowhere(&self) -> bool {
        self.epoch == NOWHERE
    }

    /// Whether the log can tell everything after this cursor. If not, the client must be reset.
    pub fn is_known(&self, head: &Head, now: DateTime<Utc>) -> bool {
        let complete_from = match self.stage {
            Stage::Walk { began } => began,
            Stage::Whole | Stage::Via { .. } | Stage::Part { .. } => self.rev,
        };
        self.epoch == head.epoch && self.rev <= head.seq && complete_from >= head.floor(now)
    }

    /// The same at another stage.
    pub fn at(self, stage: Stage) -> Self {
        Self { stage, ..self }
    }
}

impl fmt::Display for Cursor {
    /// What the seal is put on.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, rev, stage } = self;
        match stage {
            Stage::Whole => write!(f, "{epoch}.{rev}"),
            Stage::Via { after, names } => write!(f, "{epoch}.{rev}-{after}-{names}"),
            Stage::Part { upto, names } => write!(f, "{epoch}.{rev}~{upto}~{names}"),
            Stage::Walk { began } => write!(f, "{epoch}.{rev}_{began}"),
        }
    }
}

/// Text that is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let number = |text: &str| text.parse::<Rev>().map_err(|_| NoCursor);
        let (epoch, place) = text.rsplit_once('.').ok_or(NoCursor)?;
        let names = |text: &str| text.parse::<u8>().map_err(|_| NoCursor);
        let (rev, stage) = if let Some((rev, rest)) = place.split_once('~') {
            let (upto, told) = rest.split_once('~').ok_or(NoCursor)?;
            (rev, Stage::Part { upto: number(upto)?, names: names(told)? })
        } else if let Some((rev, rest)) = place.split_once('-') {
            let (after, told) = rest.split_once('-').ok_or(NoCursor)?;
            (rev, Stage::Via { after: number(after)?, names: names(told)? })
        } else if let Some((rev, began)) = place.split_once('_') {
            (rev, Stage::Walk { began: number(began)? })
        } else {
            (place, Stage::Whole)
        };
        Ok(Self { epoch: epoch.to_owned(), rev: number(rev)?, stage })
    }
}

impl Store {
    /// Where the user's log ends. Whoever reads something after this and goes on from here misses nothing. One read.
    ///
    /// # Errors
    /// [`Error::NoUser`] when there is no such user.
    pub async fn cursor(&self, user: UserId) -> Result<Cursor, Error> {
        let head = self.head(user).await?;
        Ok(Cursor::new(head.epoch, head.seq))
    }
}

/// The key under which cursors are sealed. A secret, so it is not `Debug`. Cheap to clone.
#[derive(Clone)]
pub struct CursorKey(Arc<Hmac<Sha256>>);

/// A cursor key that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {KEY} bytes in base64")]
pub struct BadCursorKey;

impl CursorKey {
    /// From the standard base64 of 32 bytes.
    ///
    /// # Errors
    /// [`BadCursorKey`] for anything else.
    pub fn from_base64(text: &str) -> Result<Self, BadCursorKey> {
        let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| BadCursorKey)?);
        if bytes.len() != KEY {
            return Err(BadCursorKey);
        }
        Ok(Self(Arc::new(Hmac::new_from_slice(&bytes).map_err(|_| BadCursorKey)?)))
    }

    /// The seal on cursors of one user.
    pub fn of(&self, user: UserId) -> Seal {
        Seal { key: self.clone(), user }
    }
}

/// Seals the cursors of one user, and knows them again.
#[derive(Clone)]
pub struct Seal {
    key: CursorKey,
    user: UserId,
}

impl Seal {
    /// A cursor as it goes over the wire: letters, digits and `-._~`.
    pub fn seal(&self, cursor: &Cursor) -> String {
        let text = cursor.to_string();
        let tag = self.mac(&text).finalize().into_bytes();
        let tag = URL_SAFE_NO_PAD.encode(&tag[..TAG]);
        format!("{text}.{tag}")
    }

    /// The cursor that was sealed for this user; `None` for anything else.
    pub fn open(&self, text: &str) -> Option<Cursor> {
        let (body, tag) = Some(text).filter(|text| text.len() <= LONGEST)?.rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok().filter(|tag| tag.len() == TAG)?;
        self.mac(body).verify_truncated_left(&tag).ok()?;
        body.parse().ok()
    }

    fn mac(&self, text: &str) -> Hmac<Sha256> {
        // The id has one length, so where it ends needs no mark.
        Hmac::clone(&self.key.0).chain_update(self.user.as_bytes()).chain_update(text)
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal").field("user", &self.user).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::Profile;

    const ANA: UserId = UserId::new([1; 12]);
    const BEN: UserId = UserId::new([2; 12]);

    fn key(byte: u8) -> CursorKey {
        CursorKey::from_base64(&STANDARD.encode([byte; 32])).unwrap()
    }

    fn cursors() -> Vec<Cursor> {
        let cursor = Cursor::new("ab12", 42);
        vec![
            cursor.clone(),
            cursor.clone().at(Stage::Part { upto: 45, names: 3 }),
            cursor.clone().at(Stage::Via { after: 40, names: 3 }),
            cursor.at(Stage::Walk { began: 99 }),
            Cursor::nowhere(),
            Cursor::new("ab12", Rev::MAX).at(Stage::Part { upto: Rev::MAX, names: u8::MAX }),
        ]
    }

    #[test]
    fn a_cursor_survives_the_wire() {
        let seal = key(1).of(ANA);
        for cursor in cursors() {
            let text = seal.seal(&cursor);
            assert_eq!(seal.open(&text), Some(cursor), "{text}");
            assert!(
                text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_cursor_of_somebody_else_or_of_another_key_is_none() {
        for cursor in cursors() {
            let text = key(1).of(ANA).seal(&cursor);
            assert_eq!(key(1).of(BEN).open(&text), None);
            assert_eq!(key(2).of(ANA).open(&text), None);
        }
    }

    #[test]
    fn no_byte_of_a_cursor_can_be_changed_and_garbage_is_none() {
        let seal = key(1).of(ANA);
        let text = seal.seal(&Cursor::new("ab12", 42));
        for at in 0..text.len() {
            for byte in [b'0', b'a', b'.', b'-'] {
                let mut changed = text.clone().into_bytes();
                if std::mem::replace(&mut changed[at], byte) != byte {
                    assert_eq!(seal.open(&String::from_utf8(changed).unwrap()), None, "byte {at}");
                }
            }
        }
        let long = "a".repeat(10_000);
        for garbage in ["", ".", "ab12.42", "ab12.42.", "ab12.42.AAAA", "ä.ö.ü", "none.0", &long] {
            assert_eq!(seal.open(garbage), None, "{garbage}");
        }
    }

    #[test]
    fn what_is_under_a_seal_is_read_strictly() {
        for garbage in [
            "",
            "ab12",
            "ab12.",
            "ab12.x",
            "ab12.-1",
            "..",
            "a.1~2",
            "a.1~2~300",
            "a.1_",
            "a.1~2~3~4",
            "a.1-2",
            "a.1-2-x",
            "a.-1-2-3",
        ] {
            assert!(garbage.parse::<Cursor>().is_err(), "{garbage}");
        }
    }

    #[test]
    fn a_client_that_began_with_nothing_misses_only_what_was_purged_since() {
        let start = DateTime::from_timestamp_millis(1_763_600_000_000).unwrap();
        let mut head = Head::new("e".into(), Profile::default(), start);
        head.marks = head.marks_after(start);
        head.seq = 50;
        let late = start + crate::head::HISTORY + TimeDelta::days(1);
        assert_eq!(head.floor(late), 50);
        let cursor = Cursor::new("e", 7);
        assert!(!cursor.is_known(&head, late));
        assert!(!cursor.clone().at(Stage::Walk { began: 49 }).is_known(&head, late));
        assert!(cursor.at(Stage::Walk { began: 50 }).is_known(&head, late));
    }
}
