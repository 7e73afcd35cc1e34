//! When an event is: dates and date-times that keep the text they came in.
//!
//! The web app prints a time in the offset it was written with and compares texts to see what changed, so the text is kept
//! verbatim; the parsed value serves every rule.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{Refusal, Zone};

/// One end of an event, as written and as understood.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventTime {
    text: String,
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Date(NaiveDate),
    Instant(DateTime<FixedOffset>),
}

impl EventTime {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this is a date without a time.
    pub fn is_date(&self) -> bool {
        matches!(self.value, Value::Date(_))
    }

    /// The date, when this is one.
    pub fn date(&self) -> Option<NaiveDate> {
        match self.value {
            Value::Date(date) => Some(date),
            Value::Instant(_) => None,
        }
    }

    /// The instant; of a date, its midnight in UTC.
    pub fn instant(&self) -> DateTime<Utc> {
        match self.value {
            Value::Date(date) => date.and_time(NaiveTime::MIN).and_utc(),
            Value::Instant(at) => at.to_utc(),
        }
    }

    /// The zone that is known from the time alone: its offset; of a date, UTC.
    pub fn zone(&self) -> Zone {
        match self.value {
            Value::Date(_) => Zone::Fixed(Utc.fix()),
            Value::Instant(at) => Zone::Fixed(*at.offset()),
        }
    }

    /// What a clock on the wall shows at that time, in the offset it was written with.
    pub fn wall_clock(&self) -> NaiveDateTime {
        match self.value {
            Value::Date(date) => date.and_time(NaiveTime::MIN),
            Value::Instant(at) => at.naive_local(),
        }
    }

    /// Whether both mean the same time, however they are written.
    pub fn is_same_time(&self, other: &Self) -> bool {
        match (self.value, other.value) {
            (Value::Date(a), Value::Date(b)) => a == b,
            (Value::Instant(a), Value::Instant(b)) => a == b,
            _ => false,
        }
    }
}

impl From<NaiveDate> for EventTime {
    fn from(date: NaiveDate) -> Self {
        Self { text: date.format("%Y-%m-%d").to_string(), value: Value::Date(date) }
    }
}

impl From<DateTime<FixedOffset>> for EventTime {
    /// Written with seconds and a full offset, `+00:00` for UTC.
    fn from(at: DateTime<FixedOffset>) -> Self {
        Self { text: at.to_rfc3339(), value: Value::Instant(at) }
    }
}

/// Equal when written alike.
impl PartialEq for EventTime {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for EventTime {}

impl FromStr for EventTime {
    type Err = Refusal;

    /// Reads `YYYY-MM-DD`, or an RFC 3339 date-time with an offset or `Z`, where seconds and the offset's colon may be missing.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let value = parse(text).ok_or_else(|| {
            Refusal::field(
                "date",
                format!("{text:?} is neither YYYY-MM-DD nor a date-time with an offset (RFC 3339)"),
            )
        })?;
        Ok(Self { text: text.to_owned(), value })
    }
}

fn parse(text: &str) -> Option<Value> {
    // The longest text with nanoseconds and an offset is 35 characters; anything longer is not a date.
    if text.len() > 40 || !text.is_ascii() {
        return None;
    }
    if text.len() == 10 {
        return NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(Value::Date);
    }
    let with_offset = match text.strip_suffix(['Z', 'z']) {
        Some(utc) => format!("{utc}+00:00"),
        None => text.to_owned(),
    };
    ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M%z"]
        .iter()
        .find_map(|format| DateTime::parse_from_str(&with_offset, format).ok())
        .map(Value::Instant)
}

impl TryFrom<String> for EventTime {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<EventTime> for String {
    fn from(time: EventTime) -> Self {
        time.text
    }
}

impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Start and end of an event: both dates (the end exclusive) or both date-times, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    start: EventTime,
    end: EventTime,
}

impl Span {
    /// Pairs a start with its end.
    ///
    /// # Errors
    /// [`Refusal::MixedTimes`] for a date with a date-time, [`Refusal::EndsBeforeStart`] for a negative length. A length of
    /// zero is fine.
    pub fn new(start: EventTime, end: EventTime) -> Result<Self, Refusal> {
        if start.is_date() != end.is_date() {
            return Err(Refusal::MixedTimes);
        }
        if end.instant() < start.instant() {
            return Err(Refusal::EndsBeforeStart);
        }
        Ok(Self { start, end })
    }

    /// From a start and a length, which of a date counts in whole days. The end is written with the offset that `zone` has then.
    pub fn lasting(start: EventTime, length: TimeDelta, zone: &Zone) -> Self {
        let end = match start.date() {
            Some(date) => EventTime::from(date.checked_add_signed(length).unwrap_or(date)),
            None => {
                let at = start.instant();
                EventTime::from(zone.localize(at.checked_add_signed(length).unwrap_or(at)))
            }
        };
        Self { start, end }
    }

    /// When it starts.
    pub fn start(&self) -> &EventTime {
        &self.start
    }

    /// When it ends; for dates, the first day after it.
    pub fn end(&self) -> &EventTime {
        &self.end
    }

    /// Whether it is given in whole days.
    pub fn is_all_day(&self) -> bool {
        self.start.is_date()
    }

    /// How long it lasts, on the time line.
    pub fn length(&self) -> TimeDelta {
        self.end.instant() - self.start.instant()
    }

    /// Whether both cover the same time, however they are written.
    pub fn is_same_time(&self, other: &Self) -> bool {
        self.start.is_same_time(&other.start) && self.end.is_same_time(&other.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> EventTime {
        text.parse().unwrap()
    }

    #[test]
    fn every_form_the_web_app_sends_is_read_and_kept_verbatim() {
        for (text, utc) in [
            ("2026-11-20", "2026-11-20T00:00:00+00:00"),
            ("2026-11-20T09:00:00-08:00", "2026-11-20T17:00:00+00:00"),
            ("2026-11-20T09:00:00+05:30", "2026-11-20T03:30:00+00:00"),
            ("2026-11-20T09:00:00Z", "2026-11-20T09:00:00+00:00"),
            ("2026-11-20T09:00:00.123Z", "2026-11-20T09:00:00.123+00:00"),
            ("2026-11-20T09:00Z", "2026-11-20T09:00:00+00:00"),
            ("2026-11-20T09:00:00+0000", "2026-11-20T09:00:00+00:00"),
            ("2026-11-20T09:00-0800", "2026-11-20T17:00:00+00:00"),
            ("0001-01-01", "0001-01-01T00:00:00+00:00"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59+00:00"),
        ] {
            assert_eq!(time(text).instant().to_rfc3339(), utc, "{text}");
            assert_eq!(time(text).as_str(), text);
        }
    }

    #[test]
    fn what_has_no_offset_or_is_no_date_is_refused() {
        for text in [
            "",
            "2026",
            "2023-01-01T05:00:00",
            "01-01-2023",
            "2026-02-30",
            "2026-13-01",
            "tomorrow",
            "2026-11-20T25:00:00Z",
        ] {
            assert!(text.parse::<EventTime>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_span_is_in_order_and_of_one_kind() {
        let span = |start, end| Span::new(time(start), time(end));
        assert!(span("2026-11-20", "2026-11-21").unwrap().is_all_day());
        assert!(span("2026-11-20T09:00:00Z", "2026-11-20T09:00:00Z").is_ok());
        assert_eq!(span("2026-11-20", "2026-11-19"), Err(Refusal::EndsBeforeStart));
        assert_eq!(span("2026-11-20", "2026-11-20T09:00:00Z"), Err(Refusal::MixedTimes));
        assert_eq!(span("2026-11-20T09:00:00-08:00", "2026-11-20T10:00:00Z"), Err(Refusal::EndsBeforeStart));
    }

    #[test]
    fn the_same_time_may_be_written_in_two_ways() {
        assert!(time("2026-11-20T09:00:00Z").is_same_time(&time("2026-11-20T10:00:00+01:00")));
        assert_ne!(time("2026-11-20T09:00:00Z"), time("2026-11-20T10:00:00+01:00"));
        assert!(!time("2026-11-20").is_same_time(&time("2026-11-20T00:00:00Z")));
    }
}
