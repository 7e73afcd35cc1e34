//! Times, rules and texts that both sides write, so that what one makes the other can too. Everything lies around the days on which New York and
//! Berlin change their clocks, at hours that no clock skips.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use domain::{EventTime, Recurrence, Span, Zone};
use serde_json::{Value, json};

const ZONE: &str = "America/New_York";
const BEGIN: NaiveDate = NaiveDate::from_ymd_opt(2027, 3, 8).unwrap();
/// What is compared in the end: wide enough for all that a history moves.
pub const WINDOW: (&str, &str) = ("2027-02-15T00:00:00Z", "2027-04-25T00:00:00Z");
const RULES: [&str; 6] = [
    "RRULE:FREQ=DAILY;COUNT=5",
    "RRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR;COUNT=7",
    "RRULE:FREQ=DAILY;INTERVAL=2;COUNT=6",
    "RRULE:FREQ=WEEKLY",
    "RRULE:FREQ=MONTHLY;COUNT=3",
    "RRULE:FREQ=DAILY;INTERVAL=3",
];

pub fn window() -> (DateTime<Utc>, DateTime<Utc>) {
    (WINDOW.0.parse().unwrap(), WINDOW.1.parse().unwrap())
}

pub fn zone() -> Zone {
    ZONE.parse().unwrap()
}

pub fn rule(choice: u8) -> &'static str {
    RULES[usize::from(choice) % RULES.len()]
}

pub fn recurrence(choice: u8) -> Recurrence {
    Recurrence::parse(&[rule(choice).to_owned()]).unwrap()
}

/// When something is: on the wall, for so long.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    pub at: NaiveDateTime,
    pub length: TimeDelta,
    pub is_all_day: bool,
}

impl Time {
    pub fn first(number: u16, is_all_day: bool) -> Self {
        let hour = [9, 21, 12][usize::from(number) % 3];
        let day = BEGIN + Days::new(u64::from(number) % 12);
        let (hour, length) = if is_all_day { (0, TimeDelta::days(1)) } else { (hour, TimeDelta::hours(1)) };
        Self { at: day.and_hms_opt(hour, 0, 0).unwrap(), length, is_all_day }
    }

    pub fn of(span: &Span) -> Self {
        let is_all_day = span.is_all_day();
        let at = match is_all_day {
            true => span.start().wall_clock(),
            false => zone().wall_clock(span.start().instant()),
        };
        let length = if is_all_day { span.length().max(TimeDelta::days(1)) } else { span.length() };
        Self { at, length, is_all_day }
    }

    /// Of an event of Google's.
    pub fn of_google(event: &Value) -> Self {
        let time = |which: &str| -> EventTime {
            let point = &event[which];
            let text = point["date"].as_str().or(point["dateTime"].as_str()).unwrap();
            text.parse().unwrap()
        };
        Self::of(&Span::new(time("start"), time("end")).unwrap())
    }

    pub fn shifted(self, days: i8, hours: i8) -> Self {
        let hours = if self.is_all_day { 0 } else { i64::from(hours) };
        Self { at: self.at + TimeDelta::days(days.into()) + TimeDelta::hours(hours), ..self }
    }

    pub fn lasting(self, length: u8) -> Self {
        let length = i64::from(length);
        let length = if self.is_all_day { TimeDelta::days(length) } else { TimeDelta::hours(length) };
        Self { length, ..self }
    }

    pub fn turned(self) -> Self {
        let hour = if self.is_all_day { 12 } else { 0 };
        let length = if self.is_all_day { TimeDelta::hours(1) } else { TimeDelta::days(1) };
        Self { at: self.at.date().and_hms_opt(hour, 0, 0).unwrap(), length, is_all_day: !self.is_all_day }
    }

    pub fn span(self) -> Span {
        if self.is_all_day {
            let day = self.at.date();
            return Span::new(day.into(), (day + self.length).into()).unwrap();
        }
        let start = zone().instant(self.at);
        let local = |at: DateTime<Utc>| EventTime::from(zone().localize(at));
        Span::new(local(start), local(start + self.length)).unwrap()
    }

    /// The `start` and `end` of a patch at Google.
    pub fn patch(self) -> Value {
        let point = |at: NaiveDateTime| match self.is_all_day {
            true => json!({"date": at.date().to_string(), "dateTime": null, "timeZone": null}),
            false => {
                json!({"date": null, "dateTime": at.format("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": ZONE})
            }
        };
        let end = match self.is_all_day {
            true => self.at + self.length,
            false => zone().wall_clock(zone().instant(self.at) + self.length),
        };
        json!({"start": point(self.at), "end": point(end)})
    }
}

/// The text by which all that came of one created event is known on both sides. Descriptions begin with it; nobody edits that part.
pub fn root(number: u16) -> String {
    format!("r{number}")
}

/// The root in a description.
pub fn root_in(description: Option<&str>) -> Option<&str> {
    description?.split(' ').next()
}

pub fn title(number: u16) -> String {
    format!("w{number}")
}

pub fn description(root: &str, number: u16) -> String {
    format!("{root} d{number}")
}
