//! Times as RFC 5545 writes them: the values of UNTIL, RDATE and EXDATE.
//!
//! Such a time says by its form in which clock it is meant, and often not in the series' own; what it means for a series is decided here
//! and nowhere else.

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use super::{excerpt, refuse};
use crate::{Refusal, Slot, Zone};

/// A time as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum When {
    /// `YYYYMMDD`.
    Date(NaiveDate),
    /// `YYYYMMDDTHHMMSSZ`.
    Utc(DateTime<Utc>),
    /// `YYYYMMDDTHHMMSS`: by the clock of the series' zone.
    Floating(NaiveDateTime),
}

impl When {
    /// A slot, as it is listed.
    pub(super) fn of(slot: Slot) -> Self {
        slot.date().map_or_else(|| Self::Utc(slot.instant()), Self::Date)
    }

    /// Reads any of the three forms.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        Self::read(text.trim()).ok_or_else(|| {
            refuse(format!("{} is neither YYYYMMDD nor YYYYMMDDTHHMMSS nor YYYYMMDDTHHMMSSZ", excerpt(text)))
        })
    }

    fn read(text: &str) -> Option<Self> {
        if !text.is_ascii() {
            return None;
        }
        let upper = text.to_ascii_uppercase();
        let (local, is_utc) = match upper.strip_suffix('Z') {
            Some(local) => (local, true),
            None => (upper.as_str(), false),
        };
        match local.len() {
            8 if !is_utc => read_date(local).map(Self::Date),
            15 => {
                let at = read_date(local.get(..8)?)?.and_time(read_time(local.get(8..)?)?);
                Some(if is_utc { Self::Utc(at.and_utc()) } else { Self::Floating(at) })
            }
            _ => None,
        }
    }

    /// The same time, where the line says that it is by the clock of a zone.
    fn in_zone(self, zone: Option<Zone>) -> Self {
        match (self, zone) {
            (Self::Floating(wall_clock), Some(zone)) => Self::Utc(zone.instant(wall_clock)),
            _ => self,
        }
    }

    /// The date by the clock of a zone.
    pub(super) fn date(self, zone: Zone) -> NaiveDate {
        match self {
            Self::Date(date) => date,
            Self::Utc(at) => zone.wall_clock(at).date(),
            Self::Floating(wall_clock) => wall_clock.date(),
        }
    }

    /// The last second that lies within this end: a date includes its whole day.
    pub(super) fn last_instant(self, zone: Zone) -> DateTime<Utc> {
        match self {
            Self::Date(date) => {
                let next_day = date.succ_opt().unwrap_or(date).and_time(NaiveTime::MIN);
                zone.instant(next_day) - TimeDelta::seconds(1)
            }
            Self::Utc(at) => at,
            Self::Floating(wall_clock) => zone.instant(wall_clock),
        }
    }

    /// The slot that this names in a series which starts at a wall-clock time; a date in a series of times means its usual time that day.
    pub(super) fn slot(self, zone: Zone, start: NaiveDateTime, is_all_day: bool) -> Option<Slot> {
        if is_all_day {
            return Slot::on(self.date(zone));
        }
        Slot::at(match self {
            Self::Date(date) => zone.instant(date.and_time(start.time())),
            Self::Utc(at) => at,
            Self::Floating(wall_clock) => zone.instant(wall_clock),
        })
    }
}

/// As it stands in a line.
impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date(date) => write!(f, "{}", date.format("%Y%m%d")),
            Self::Utc(at) => write!(f, "{}", at.format("%Y%m%dT%H%M%SZ")),
            Self::Floating(at) => write!(f, "{}", at.format("%Y%m%dT%H%M%S")),
        }
    }
}

fn read_date(digits: &str) -> Option<NaiveDate> {
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number = |from, to| digits.get(from..to)?.parse().ok();
    NaiveDate::from_ymd_opt(digits.get(..4)?.parse().ok()?, number(4, 6)?, number(6, 8)?)
}

/// Reads `THHMMSS`; a leap second is the second before it.
fn read_time(text: &str) -> Option<NaiveTime> {
    let digits = text.strip_prefix('T')?;
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number = |from, to| digits.get(from..to)?.parse::<u32>().ok();
    let seconds = number(4, 6)?;
    NaiveTime::from_hms_opt(number(0, 2)?, number(2, 4)?, if seconds == 60 { 59 } else { seconds })
}

/// Reads what follows RDATE or EXDATE: parameters (`TZID=…;VALUE=…`) and a list of times. Of a period, its start is taken.
pub(super) fn parse(parameters: &str, values: &str) -> Result<Vec<When>, Refusal> {
    let zone = zone(parameters)?;
    let list: Vec<When> = values
        .split(',')
        .map(|value| value.split_once('/').map_or(value, |(start, _)| start))
        .map(|value| When::parse(value).map(|when| when.in_zone(zone)))
        .collect::<Result<_, _>>()?;
    let dates = list.iter().filter(|when| matches!(when, When::Date(_))).count();
    if dates != 0 && dates != list.len() {
        return Err(refuse("must not list dates and times in one line"));
    }
    Ok(list)
}

fn zone(parameters: &str) -> Result<Option<Zone>, Refusal> {
    let mut zone = None;
    for parameter in parameters.split(';').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match (name.to_ascii_uppercase().as_str(), value.to_ascii_uppercase().as_str()) {
            ("TZID", _) => {
                let name = value.trim_matches('"').trim_start_matches('/');
                let known =
                    name.parse().map_err(|_| refuse(format!("{} is no known zone", excerpt(name))))?;
                zone = Some(known);
            }
            ("VALUE", "DATE" | "DATE-TIME" | "PERIOD") => {}
            _ => return Err(refuse(format!("{} is no parameter of a date", excerpt(parameter)))),
        }
    }
    Ok(zone)
}

/// Writes a line of times. One of dates says so, as RFC 5545 wants it.
pub(super) fn write(f: &mut fmt::Formatter<'_>, name: &str, list: &[When]) -> fmt::Result {
    f.write_str(name)?;
    if list.iter().any(|when| matches!(when, When::Date(_))) {
        f.write_str(";VALUE=DATE")?;
    }
    for (index, when) in list.iter().enumerate() {
        write!(f, "{}{when}", if index == 0 { ':' } else { ',' })?;
    }
    Ok(())
}
