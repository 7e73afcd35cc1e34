//! The `start` and `end` of an event: what Google accepts, and the form it gives back.
//!
//! Instants come back in the calendar's zone, to the second, with the zone they were given in (or the calendar's) beside them. A
//! client that compares text instead of instants sees a change where there is none, so the fake does the same.

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, TimeDelta, TimeZone};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::Fields;
use crate::error::Refusal;

/// A point of a calendar: a day, or an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Day(NaiveDate),
    Instant(DateTime<Tz>),
}

impl Moment {
    /// When it is in a calendar of this zone; a day begins at its midnight.
    pub(crate) fn instant(self, zone: Tz) -> DateTime<Tz> {
        match self {
            Self::Day(day) => resolve(day.and_time(chrono::NaiveTime::MIN), zone),
            Self::Instant(instant) => instant,
        }
    }
}

/// Reads `start` or `end` (`which`) of an event on a calendar of zone `zone`.
pub(crate) fn moment(fields: &Fields, which: &'static str, zone: Tz) -> Result<Moment, Refusal> {
    let given = fields.get(which).and_then(Value::as_object);
    let given = given.ok_or_else(|| Refusal::bad("required", format!("Missing {which} time.")))?;
    let invalid = || Refusal::bad("invalid", format!("Invalid {which} time."));
    let text = |name: &str| match given.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(invalid()),
    };
    let named_zone = text("timeZone")?.map(|name| {
        let unknown = || Refusal::bad("invalid", format!("Invalid time zone definition for {which} time."));
        name.parse::<Tz>().map_err(|_| unknown())
    });
    let named_zone = named_zone.transpose()?;
    match (text("date")?, text("dateTime")?) {
        (Some(day), None) => {
            NaiveDate::parse_from_str(day, "%Y-%m-%d").map(Moment::Day).map_err(|_| invalid())
        }
        (None, Some(time)) => {
            let aware = DateTime::parse_from_rfc3339(time).map(|instant| instant.with_timezone(&zone)).ok();
            let local =
                || Some(resolve(time.parse::<NaiveDateTime>().ok()?, named_zone?).with_timezone(&zone));
            aware.or_else(local).map(Moment::Instant).ok_or_else(invalid)
        }
        (None, None) => Err(Refusal::bad("required", format!("Missing {which} time."))),
        (Some(_), Some(_)) => Err(invalid()),
    }
}

/// The instant of a wall-clock time: the first of two, and an hour later in a gap.
pub(crate) fn resolve(local: NaiveDateTime, zone: Tz) -> DateTime<Tz> {
    let at = |local: NaiveDateTime| zone.from_local_datetime(&local).earliest();
    at(local).or_else(|| at(local + TimeDelta::hours(1))).unwrap_or_else(|| zone.from_utc_datetime(&local))
}

/// Checks `start` and `end` together and rewrites them in Google's form.
pub(crate) fn normalise(fields: &mut Fields, zone: Tz) -> Result<(), Refusal> {
    let (start, end) = (moment(fields, "start", zone)?, moment(fields, "end", zone)?);
    let is_empty = match (start, end) {
        (Moment::Day(start), Moment::Day(end)) => end <= start,
        (Moment::Instant(start), Moment::Instant(end)) => end < start,
        _ => {
            let message = "Start and end times must either both be date or both be dateTime.";
            return Err(Refusal::bad("invalid", message));
        }
    };
    if is_empty {
        return Err(Refusal::bad("timeRangeEmpty", "The specified time range is empty."));
    }
    for (which, moment) in [("start", start), ("end", end)] {
        let named = fields
            .get(which)
            .and_then(|given| given.get("timeZone"))
            .filter(|zone| zone.is_string())
            .cloned();
        fields.insert(which.to_owned(), written(moment, named, zone));
    }
    Ok(())
}

pub(crate) fn written(moment: Moment, named_zone: Option<Value>, zone: Tz) -> Value {
    match moment {
        Moment::Day(day) => json!({"date": day.to_string()}),
        Moment::Instant(instant) => json!({
            "dateTime": instant.to_rfc3339_opts(SecondsFormat::Secs, true),
            "timeZone": named_zone.unwrap_or_else(|| zone.name().into()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHICAGO: Tz = chrono_tz::America::Chicago;

    fn event(start: Value, end: Value) -> Fields {
        json!({"start": start, "end": end}).as_object().cloned().unwrap()
    }

    #[test]
    fn instants_come_back_in_the_calendars_zone() {
        let given = json!({"dateTime": "2025-03-24T12:30:00.123Z"});
        let mut fields =
            event(given, json!({"dateTime": "2025-03-24T09:00:00", "timeZone": "America/New_York"}));
        normalise(&mut fields, CHICAGO).unwrap();
        assert_eq!(
            fields["start"],
            json!({"dateTime": "2025-03-24T07:30:00-05:00", "timeZone": "America/Chicago"})
        );
        assert_eq!(
            fields["end"],
            json!({"dateTime": "2025-03-24T08:00:00-05:00", "timeZone": "America/New_York"})
        );
    }

    #[test]
    fn days_stay_days() {
        let mut fields =
            event(json!({"date": "2026-03-07"}), json!({"date": "2026-03-10", "dateTime": null}));
        normalise(&mut fields, CHICAGO).unwrap();
        assert_eq!(fields["end"], json!({"date": "2026-03-10"}));
    }

    #[test]
    fn what_google_refuses_is_refused_with_its_reason() {
        let at = |text: &str| json!({"dateTime": text});
        for (start, end, reason) in [
            (json!(null), at("2025-01-01T00:00:00Z"), "required"),
            (at("2025-01-01T00:00:00"), at("2025-01-01T00:00:00Z"), "invalid"),
            (json!({"date": "2025-01-01"}), at("2025-01-01T00:00:00Z"), "invalid"),
            (at("2025-01-01T01:00:00Z"), at("2025-01-01T00:00:00Z"), "timeRangeEmpty"),
            (
                json!({"date": "2025-01-01", "dateTime": "2025-01-01T00:00:00Z"}),
                at("2025-01-01T00:00:00Z"),
                "invalid",
            ),
        ] {
            let refusal = normalise(&mut event(start, end), CHICAGO).unwrap_err();
            assert_eq!(refusal.reason, reason, "{refusal}");
        }
    }
}
