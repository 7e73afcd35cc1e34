//! Slots: the places in time that a series' rule makes, and the ids of the occurrences that stand in them.
//!
//! An occurrence is not stored, so its id has to lead back to its series and its place: seven bytes of the series' tag, and five bytes of
//! where the rule put it. A change of the rule does not change the ids of slots that survive it.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{EventId, EventTime, Refusal};

/// 1900-01-01: the day from which slots are counted.
const EPOCH: NaiveDate = NaiveDate::from_ymd_opt(1900, 1, 1).unwrap();
/// Set in the slot of a date, clear in that of an instant.
const IS_DATE: u64 = 1 << 39;
/// Set in the id of an occurrence whose plain id belongs to what left its slot. No slot comes so far.
const IS_AGAIN: u64 = 1 << 38;
const BYTES: usize = 5;
/// The days from the first slot to the end of the year 9999.
const DAYS: u64 = 2_958_464;

/// What leads from an occurrence to its series: the first seven bytes of the SHA-256 of the series' id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag([u8; 7]);

impl Tag {
    /// The tag of a series.
    pub fn of(series: EventId) -> Self {
        let digest = Sha256::digest(series.as_bytes());
        let mut tag = [0; 7];
        tag.copy_from_slice(&digest[..7]);
        Self(tag)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Tag {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let mut bytes = [0; 7];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| Refusal::BadId { what: "series tag" })?;
        Ok(Self(bytes))
    }
}

/// The original start of an occurrence: an instant (whole seconds) or, in an all-day series, a date. Sorts in time; ten hex digits as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slot(u64);

impl Slot {
    /// The first instant that has a slot: 1900-01-01T00:00:00Z.
    pub const FIRST_INSTANT: Self = Self(0);
    /// The last one: 9999-12-31T23:59:59Z.
    pub const LAST_INSTANT: Self = Self(DAYS * 86_400 - 1);
    /// The first date that has a slot: 1900-01-01.
    pub const FIRST_DATE: Self = Self(IS_DATE);
    /// The last one: 9999-12-31.
    pub const LAST_DATE: Self = Self(IS_DATE | (DAYS - 1));

    /// The first and the last slot there can be, of dates or of instants.
    pub fn ends(is_date: bool) -> (Self, Self) {
        match is_date {
            true => (Self::FIRST_DATE, Self::LAST_DATE),
            false => (Self::FIRST_INSTANT, Self::LAST_INSTANT),
        }
    }

    /// The slot of an instant; fractions of a second are dropped. `None` before 1900.
    pub fn at(instant: DateTime<Utc>) -> Option<Self> {
        let epoch = EPOCH.and_time(chrono::NaiveTime::MIN).and_utc();
        let seconds = u64::try_from(instant.timestamp() - epoch.timestamp()).ok()?;
        (seconds < IS_AGAIN).then_some(Self(seconds))
    }

    /// The slot of a date. `None` before 1900.
    pub fn on(date: NaiveDate) -> Option<Self> {
        let days = u64::try_from(date.signed_duration_since(EPOCH).num_days()).ok()?;
        Some(Self(IS_DATE | days))
    }

    /// The slot of a time as written. `None` before 1900.
    pub fn of(time: &EventTime) -> Option<Self> {
        match time.date() {
            Some(date) => Self::on(date),
            None => Self::at(time.instant()),
        }
    }

    /// The date, when it is one.
    pub fn date(self) -> Option<NaiveDate> {
        if self.0 & IS_DATE == 0 {
            return None;
        }
        EPOCH.checked_add_days(Days::new(self.0 & !IS_DATE))
    }

    /// The next place of its kind: a second or a day later. `None` after the last.
    pub(crate) fn successor(self) -> Option<Self> {
        (self != Self::LAST_INSTANT && self != Self::LAST_DATE).then_some(Self(self.0.saturating_add(1)))
    }

    /// The place before of its kind. `None` before the first.
    pub(crate) fn predecessor(self) -> Option<Self> {
        (self != Self::FIRST_INSTANT && self != Self::FIRST_DATE).then_some(Self(self.0.saturating_sub(1)))
    }

    /// The instant; of a date, its midnight in UTC.
    pub fn instant(self) -> DateTime<Utc> {
        let epoch = EPOCH.and_time(chrono::NaiveTime::MIN).and_utc();
        let seconds = match self.0 & IS_DATE {
            0 => self.0,
            _ => (self.0 & !IS_DATE).saturating_mul(86_400),
        };
        i64::try_from(seconds)
            .ok()
            .and_then(|seconds| DateTime::from_timestamp(epoch.timestamp().saturating_add(seconds), 0))
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010x}", self.0)
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.date() {
            Some(date) => fmt::Display::fmt(&date, f),
            None => fmt::Display::fmt(&self.instant(), f),
        }
    }
}

impl FromStr for Slot {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let mut bytes = [0; 8];
        hex::decode_to_slice(text, &mut bytes[8 - BYTES..]).map_err(|_| Refusal::BadId { what: "slot" })?;
        Ok(Self(u64::from_be_bytes(bytes)))
    }
}

impl TryFrom<String> for Slot {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<Slot> for String {
    fn from(slot: Slot) -> Self {
        slot.to_string()
    }
}

impl EventId {
    /// The id of the occurrence of a series in a slot.
    pub fn of_occurrence(tag: Tag, slot: Slot) -> Self {
        let mut bytes = [0; 12];
        bytes[..7].copy_from_slice(&tag.0);
        bytes[7..].copy_from_slice(&slot.0.to_be_bytes()[8 - BYTES..]);
        Self::new(bytes)
    }

    /// The id of the occurrence in a slot that an event has left, which took the plain id along.
    pub fn of_occurrence_again(tag: Tag, slot: Slot) -> Self {
        Self::of_occurrence(tag, Slot(slot.0 | IS_AGAIN))
    }

    /// The tag and the slot, should this be the id of an occurrence. Whether it is one shows when the series is looked up.
    pub fn as_occurrence(&self) -> (Tag, Slot) {
        let (tag, slot) = self.parts();
        (tag, Slot(slot & !IS_AGAIN))
    }

    /// Whether it is the id of an occurrence in a slot that an event has left, should it be that of an occurrence.
    pub fn is_again(&self) -> bool {
        self.parts().1 & IS_AGAIN != 0
    }

    fn parts(&self) -> (Tag, u64) {
        let bytes = self.as_bytes();
        let (mut tag, mut slot) = ([0; 7], [0; 8]);
        tag.copy_from_slice(&bytes[..7]);
        slot[8 - BYTES..].copy_from_slice(&bytes[7..]);
        (Tag(tag), u64::from_be_bytes(slot))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slots_sort_in_time_and_end_with_time() {
        let at = |text: &str| Slot::of(&text.parse().unwrap()).unwrap();
        assert!(at("1969-12-31T23:59:59Z") < at("2026-11-20T09:00:00Z"));
        assert_eq!(at("2026-11-20T10:00:00+01:00"), at("2026-11-20T09:00:00Z"));
        assert_eq!(at("2026-11-20").date(), NaiveDate::from_ymd_opt(2026, 11, 20));
        assert_eq!(at("9999-12-31T23:59:59Z").instant().to_rfc3339(), "9999-12-31T23:59:59+00:00");
        assert_eq!(Slot::of(&"1899-12-31".parse().unwrap()), None);
        assert_eq!(Slot::of(&"0001-01-01T00:00:00Z".parse().unwrap()), None);
    }

    proptest! {
        #[test]
        fn an_occurrence_id_leads_back_to_its_series_and_slot(id: [u8; 12], seconds in 0u64..1 << 38, is_date: bool) {
            let tag = Tag::of(EventId::new(id));
            let slot = if is_date { Slot(IS_DATE | (seconds % 3_000_000)) } else { Slot(seconds) };
            let (first, second) = (EventId::of_occurrence(tag, slot), EventId::of_occurrence_again(tag, slot));
            prop_assert_eq!([first, second].map(|id| id.as_occurrence()), [(tag, slot); 2]);
            prop_assert_eq!([first, second].map(|id| id.is_again()), [false, true]);
            prop_assert_eq!(slot.to_string().parse::<Slot>().unwrap(), slot);
            let again = if is_date { Slot::on(slot.date().unwrap()) } else { Slot::at(slot.instant()) };
            prop_assert_eq!(again, Some(slot));
        }
    }
}
