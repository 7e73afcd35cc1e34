//! The zone in which a series keeps its wall-clock time.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, FixedOffset, LocalResult, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::Refusal;

/// An IANA zone, or a fixed distance from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Zone {
    /// A zone of the IANA database, with its rules.
    Named(Tz),
    /// What is known of a time that only says its offset.
    Fixed(FixedOffset),
}

impl Zone {
    /// What a clock on the wall shows in this zone.
    pub fn wall_clock(&self, at: DateTime<Utc>) -> NaiveDateTime {
        self.localize(at).naive_local()
    }

    /// An instant with the offset that the zone has then.
    pub fn localize(&self, at: DateTime<Utc>) -> DateTime<FixedOffset> {
        match self {
            Self::Named(zone) => {
                let local = at.with_timezone(zone);
                let offset = local.offset().fix();
                at.with_timezone(&offset)
            }
            Self::Fixed(offset) => at.with_timezone(offset),
        }
    }

    /// The name of the zone for those who know IANA's names only, such as Google. A fixed distance of whole hours has one (`Etc/GMT-1` is an hour
    /// *east*); any other becomes UTC, in which its instants stay the same, but days of the week may be others.
    pub fn iana(&self) -> String {
        match self {
            Self::Named(zone) => zone.name().to_owned(),
            Self::Fixed(offset) => {
                let seconds = offset.local_minus_utc();
                let hours = seconds / 3_600;
                match seconds % 3_600 {
                    0 if hours != 0 && (-12..=14).contains(&hours) => format!("Etc/GMT{:+}", -hours),
                    _ => "UTC".to_owned(),
                }
            }
        }
    }

    /// The instant at which the wall shows this time. Of a time that comes twice, the first; a time that is skipped is read with the offset
    /// before the gap (RFC 5545 §3.3.5).
    pub fn instant(&self, wall_clock: NaiveDateTime) -> DateTime<Utc> {
        match self {
            Self::Fixed(offset) => wall_clock.checked_sub_offset(*offset).unwrap_or(wall_clock).and_utc(),
            Self::Named(zone) => match zone.from_local_datetime(&wall_clock) {
                LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => at.to_utc(),
                LocalResult::None => self.skipped(wall_clock),
            },
        }
    }

    /// No gap is longer than a day (Samoa skipped one), so a day before it the zone had the offset from before.
    fn skipped(&self, wall_clock: NaiveDateTime) -> DateTime<Utc> {
        let before =
            wall_clock.and_utc().checked_sub_signed(TimeDelta::hours(25)).unwrap_or(wall_clock.and_utc());
        let offset = *self.localize(before).offset();
        wall_clock.checked_sub_offset(offset).unwrap_or(wall_clock).and_utc()
    }
}

impl FromStr for Zone {
    type Err = Refusal;

    /// Reads an IANA name in any case, or an offset: `+05:30`, `GMT-3`, `UTC+0100`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        if let Ok(zone) = Tz::from_str_insensitive(text) {
            return Ok(Self::Named(zone));
        }
        let digits = text.strip_prefix("GMT").or_else(|| text.strip_prefix("UTC")).unwrap_or(text);
        offset(digits).map(Self::Fixed).ok_or_else(|| {
            Refusal::field("timeZone", format!("{text:?} is no time zone of the IANA database"))
        })
    }
}

/// Reads `±H`, `±HH`, `±HHMM` or `±HH:MM`.
fn offset(text: &str) -> Option<FixedOffset> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits = text.strip_prefix(['+', '-'])?.replacen(':', "", 1);
    if !(1..=4).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = if digits.len() > 2 { digits.split_at(digits.len() - 2) } else { (&*digits, "0") };
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    if minutes > 59 || hours > 18 {
        return None;
    }
    FixedOffset::east_opt(sign * (hours * 3_600 + minutes * 60))
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(zone) => f.write_str(zone.name()),
            Self::Fixed(offset) => fmt::Display::fmt(offset, f),
        }
    }
}

impl TryFrom<String> for Zone {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Zone {
        name.parse().unwrap()
    }

    fn instant(zone_name: &str, wall_clock: &str) -> String {
        zone(zone_name)
            .instant(wall_clock.parse().unwrap())
            .to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }

    #[test]
    fn a_skipped_time_is_read_with_the_offset_before_and_a_repeated_one_is_the_first() {
        for (name, wall_clock, utc) in [
            ("America/New_York", "2026-03-08T02:30:00", "2026-03-08T07:30:00Z"),
            ("America/New_York", "2026-11-01T01:30:00", "2026-11-01T05:30:00Z"),
            ("Europe/Berlin", "2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),
            ("Australia/Lord_Howe", "2026-10-04T02:15:00", "2026-10-03T15:45:00Z"),
            ("Pacific/Apia", "2011-12-30T12:00:00", "2011-12-30T22:00:00Z"),
            ("+05:30", "2026-11-20T09:00:00", "2026-11-20T03:30:00Z"),
        ] {
            assert_eq!(instant(name, wall_clock), utc, "{name} {wall_clock}");
        }
    }

    #[test]
    fn a_fixed_offset_has_a_name_that_makes_the_same_instants() {
        for (offset, name) in
            [("+02:00", "Etc/GMT-2"), ("-08:00", "Etc/GMT+8"), ("+00:00", "UTC"), ("+05:30", "UTC")]
        {
            assert_eq!(zone(offset).iana(), name);
        }
        let noon = "2026-11-20T12:00:00".parse().unwrap();
        assert_eq!(zone("Etc/GMT-2").instant(noon), zone("+02:00").instant(noon));
        assert_eq!(zone("Europe/Berlin").iana(), "Europe/Berlin");
    }

    #[test]
    fn zones_are_read_leniently_and_unknown_ones_refused() {
        for (text, read) in [
            ("Europe/Berlin", "Europe/Berlin"),
            ("europe/berlin", "Europe/Berlin"),
            ("US/Eastern", "US/Eastern"),
            ("Etc/GMT+3", "Etc/GMT+3"),
            ("GMT-03:00", "-03:00"),
            ("UTC+5", "+05:00"),
            ("-0330", "-03:30"),
            ("UTC", "UTC"),
        ] {
            assert_eq!(zone(text).to_string(), read);
            assert_eq!(zone(&zone(text).to_string()), zone(text), "{text}");
        }
        for text in ["", "Mars/Olympus", "GMT-99:00", "+1:2:3:4", "+12345", "now"] {
            assert!(text.parse::<Zone>().is_err(), "{text}");
        }
    }
}
