//! Google's event in our terms and back. Pure.
//!
//! A write to Google is the event as Google last sent it with our fields laid over it, so that whatever we do not know survives. Our own
//! mark lies in the private extended properties, under the names that the old backend used for priority and origin.
//!
//! A series is one event with `recurrence`, whose start names an IANA zone. A series that only knows a distance from UTC is given the zone of that
//! distance ([`domain::Zone::iana`]).

use chrono::{DateTime, Days, Utc};
use domain::sync::{Copy, Exception, Theirs};
use domain::{
    Event, EventId, EventTime, GoogleEventId, Home, Link, Origin, Record, Recurrence, Rev, Rule, Series,
    Shared, Slot, Span, Zone,
};
use google::calendar::{self, When};
use serde::Serialize;
use serde::de::DeserializeOwned;

const ID: &str = "meridian";
const REV: &str = "meridianRev";
const PRIORITY: &str = "priority";
const ORIGIN: &str = "origin";
/// What Google gives to each event anew.
const OF_ONE: [&str; 8] =
    ["created", "creator", "hangoutLink", "htmlLink", "iCalUID", "kind", "organizer", "sequence"];

/// Why an entry of a list is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Skipped {
    /// Its times cannot be read.
    #[error("its times cannot be read")]
    Times,
    /// Its rule makes no occurrence, or is of a kind that we do not read.
    #[error("its recurrence cannot be read")]
    Rule,
}

/// Reads an entry of a calendar's list.
///
/// # Errors
/// [`Skipped`] when it is not for us.
pub fn read(event: &calendar::Event, home: &Home) -> Result<Theirs, Skipped> {
    if let Some(series) = &event.recurring_event_id {
        return exception(event, series, home);
    }
    let id = GoogleEventId::within(home.clone(), event.id.as_str());
    if event.is_cancelled() {
        return Ok(Theirs::Gone(id));
    }
    copy(event, id).map(|copy| Theirs::Live(Box::new(copy)))
}

/// A deleted event as it was, if Google still knows.
pub fn as_if_live(event: &calendar::Event, home: &Home) -> Option<Copy> {
    let live = calendar::Event { status: None, ..event.clone() };
    copy(&live, GoogleEventId::within(home.clone(), event.id.as_str())).ok()
}

fn exception(event: &calendar::Event, series: &str, home: &Home) -> Result<Theirs, Skipped> {
    let id = GoogleEventId::within(home.clone(), event.id.as_str());
    let original = event.original_start_time.as_ref().and_then(time).as_ref().and_then(Slot::of);
    let slot = original.or_else(|| slot_in(&event.id)).ok_or(Skipped::Times)?;
    let copy = if event.is_cancelled() { None } else { Some(copy(event, id.clone())?) };
    Ok(Theirs::Exception(Box::new(Exception {
        id,
        series: GoogleEventId::within(home.clone(), series),
        slot,
        copy,
    })))
}

/// The slot that an occurrence's id names.
fn slot_in(id: &str) -> Option<Slot> {
    let (_, stamp) = id.rsplit_once('_')?;
    match stamp.strip_suffix('Z') {
        Some(stamp) => {
            Slot::at(chrono::NaiveDateTime::parse_from_str(stamp, "%Y%m%dT%H%M%S").ok()?.and_utc())
        }
        None => Slot::on(chrono::NaiveDate::parse_from_str(stamp, "%Y%m%d").ok()?),
    }
}

fn copy(event: &calendar::Event, id: GoogleEventId) -> Result<Copy, Skipped> {
    let span = span(event).ok_or(Skipped::Times)?;
    let base = Shared {
        title: event.summary.clone().filter(|title| !title.is_empty()),
        description: event.description.clone().filter(|text| !text.is_empty()),
        rule: rule(event, &span)?,
        span,
        priority: event.private(PRIORITY).and_then(from_name).unwrap_or_default(),
    };
    let raw = serde_json::to_string(event).map_err(|_| Skipped::Times)?;
    let etag = event.etag.clone().unwrap_or_default();
    let link = Link { id, etag, updated_at: event.updated, base, raw };
    let origin = event.private(ORIGIN).and_then(from_name);
    let copy = Copy { link, origin };
    // A rule that makes nothing would be a series that cannot be stored.
    match series(&copy) {
        Some(Err(_)) => Err(Skipped::Rule),
        Some(Ok(_)) | None => Ok(copy),
    }
}

/// What makes a copy a series.
fn series(copy: &Copy) -> Option<Result<Series, domain::Refusal>> {
    let Rule { zone, recurrence } = copy.link.base.rule.clone()?;
    let event = copy.adopt(Origin::Google, DateTime::<Utc>::UNIX_EPOCH);
    Some(Series::new(&event, zone, recurrence, std::collections::BTreeSet::new()))
}

fn rule(event: &calendar::Event, span: &Span) -> Result<Option<Rule>, Skipped> {
    let Some(lines) = event.recurrence.as_deref().filter(|lines| !lines.is_empty()) else { return Ok(None) };
    let recurrence = Recurrence::parse(lines).map_err(|_| Skipped::Rule)?;
    let named = event.start.as_ref().and_then(|start| start.time_zone.as_deref());
    // A zone that nobody knows: the distance from UTC that the start says is right at least there.
    let zone = named.and_then(|name| name.parse::<Zone>().ok()).unwrap_or_else(|| span.start().zone());
    Ok(Some(Rule { zone, recurrence }))
}

/// The name of a series' zone, if nobody knows it.
pub fn unknown_zone(event: &calendar::Event) -> Option<&str> {
    let zone = event.recurrence.as_ref().and(event.start.as_ref())?.time_zone.as_deref()?;
    zone.parse::<Zone>().is_err().then_some(zone)
}

fn time(when: &When) -> Option<EventTime> {
    when.date.as_deref().or(when.date_time.as_deref())?.parse().ok()
}

fn span(event: &calendar::Event) -> Option<Span> {
    let start = time(event.start.as_ref()?)?;
    // An event may have no end (`endTimeUnspecified`): it then ends as it begins.
    let end = event.end.as_ref().and_then(time).unwrap_or_else(|| start.clone());
    Span::new(start, end).ok()
}

/// The event of ours that a copy was written for, and where in the log it was then; none of what we did not write.
pub fn written_for(event: &calendar::Event) -> Option<(EventId, Option<Rev>)> {
    let rev = event.private(REV).and_then(|rev| rev.parse().ok());
    Some((event.private(ID)?.parse().ok()?, rev))
}

/// The body of a write of what is stored, which says what it was made of ([`written_for`]).
pub fn body(id: &GoogleEventId, record: &Record, existing: Option<&Link>) -> calendar::Event {
    let mut body = write(id, &record.event, record.shared().rule.as_ref(), existing);
    let private = &mut body.extended_properties.get_or_insert_default().private;
    private.insert(REV.into(), record.rev.to_string().into());
    body
}

/// The body of an insert of what was part of a series, of which Google has `whole`: with all that we do not know of it, but for what is of one event
/// alone.
pub fn part(id: &GoogleEventId, record: &Record, whole: &Link) -> calendar::Event {
    let mut body = body(id, record, Some(whole));
    (body.updated, body.recurring_event_id, body.original_start_time) = (None, None, None);
    // Guests of somebody else's event are not ours to invite.
    let is_ours = body.extra.get("organizer").is_none_or(|organizer| organizer["self"] == true);
    body.extra.retain(|name, _| !OF_ONE.contains(&name.as_str()) && (is_ours || name != "attendees"));
    body
}

/// The body of a write: `event`, a series if it has a rule, laid over what Google has, or alone when it has nothing.
fn write(id: &GoogleEventId, event: &Event, rule: Option<&Rule>, existing: Option<&Link>) -> calendar::Event {
    let mut body: calendar::Event =
        existing.and_then(|link| serde_json::from_str(&link.raw).ok()).unwrap_or_default();
    let shared = Shared { rule: rule.cloned(), ..event.shared() };
    let is_rule_kept = existing.is_some_and(|link| link.base.is_same_rule(&shared));
    let Shared { title, description, span, priority, .. } = shared;
    body.id = id.as_str().to_owned();
    // Google's answer, not our input; `If-Match` carries the version.
    body.etag = None;
    body.status =
        Some(body.status.filter(|status| status == "tentative").unwrap_or_else(|| "confirmed".into()));
    body.summary = title;
    body.description = description;
    // An unchanged rule is sent back as it came; one that is not sent is taken away.
    if !is_rule_kept {
        body.recurrence = rule.map(|rule| rule.recurrence.lines().to_vec());
    }
    // So is an unchanged time, with its zone.
    if !is_rule_kept || existing.is_none_or(|link| !link.base.span.is_same_time(&span)) {
        let end = end(&span);
        let zone = rule.map(|rule| &rule.zone);
        body.start = Some(when(span.start().as_str(), span.start(), zone, body.start.take()));
        body.end = Some(when(&end, span.end(), zone, body.end.take()));
    }
    let private = &mut body.extended_properties.get_or_insert_default().private;
    private.insert(ID.into(), event.id.to_string().into());
    private.insert(PRIORITY.into(), name(&priority).into());
    private.insert(ORIGIN.into(), name(&event.origin).into());
    body
}

/// The end as Google wants it: an all-day event lasts a day at least.
fn end(span: &Span) -> String {
    match (span.start().date(), span.end().date()) {
        (Some(start), Some(end)) if start == end => {
            start.checked_add_days(Days::new(1)).unwrap_or(start).to_string()
        }
        _ => span.end().as_str().to_owned(),
    }
}

fn when(text: &str, time: &EventTime, zone: Option<&Zone>, before: Option<When>) -> When {
    if time.is_date() {
        return When { date: Some(text.to_owned()), ..When::default() };
    }
    let before = before.filter(|before| before.date_time.is_some()).and_then(|before| before.time_zone);
    let time_zone = zone.map(Zone::iana).or(before);
    When { date_time: Some(rfc_3339(time)), time_zone, ..When::default() }
}

/// A date-time with seconds and a full offset, which what browsers send may lack.
fn rfc_3339(time: &EventTime) -> String {
    let (wall_clock, instant) = (time.wall_clock(), time.instant());
    let offset = (wall_clock - instant.naive_utc()).num_seconds();
    i32::try_from(offset)
        .ok()
        .and_then(chrono::FixedOffset::east_opt)
        .map(|offset| instant.with_timezone(&offset))
        .map_or_else(|| instant.to_rfc3339(), |at| at.to_rfc3339())
}

/// The wire name of a value of one of our enums.
fn name(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

fn from_name<T: DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_value(name.into()).ok()
}

#[cfg(test)]
mod tests {
    use domain::Priority;
    use serde_json::json;

    use super::*;

    fn google(value: serde_json::Value) -> calendar::Event {
        serde_json::from_value(value).unwrap()
    }

    fn live(value: serde_json::Value) -> Copy {
        match read(&google(value), &Home::Primary).unwrap() {
            Theirs::Live(copy) => *copy,
            Theirs::Gone(_) | Theirs::Exception(_) => panic!("it is live"),
        }
    }

    fn timed() -> serde_json::Value {
        json!({
            "id": "abc", "etag": "\"1\"", "status": "confirmed", "updated": "2026-11-20T09:00:00Z",
            "start": { "dateTime": "2026-11-20T09:00:00-08:00", "timeZone": "America/Los_Angeles" },
            "end": { "dateTime": "2026-11-20T10:00:00-08:00", "timeZone": "America/Los_Angeles" },
            "attendees": [{ "email": "bob@example.com" }]
        })
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_763_600_000, 0).unwrap()
    }

    #[test]
    fn an_event_is_read_with_its_times_verbatim_and_no_title_is_made_up() {
        let event = live(timed()).adopt(Origin::GoogleImport, now());
        assert_eq!(event.span.start().as_str(), "2026-11-20T09:00:00-08:00");
        assert_eq!((event.title, event.origin), (None, Origin::GoogleImport));
        assert!(!event.is_all_day && !event.is_someday);
        let day = json!({"id": "d", "start": {"date": "2026-11-20"}, "end": {"date": "2026-11-23"}});
        let event = live(day).adopt(Origin::Google, now());
        assert!(event.is_all_day);
        assert_eq!(event.span.end().as_str(), "2026-11-23");
    }

    #[test]
    fn what_is_not_for_us_is_told_apart() {
        for lines in [["RRULE:FREQ=SECONDLY"], ["RRULE:FREQ=DAILY;UNTIL=20200101"]] {
            let series = json!({"id": "m", "recurrence": lines, "start": {"date": "2026-11-20"}});
            assert_eq!(read(&google(series), &Home::Primary), Err(Skipped::Rule));
        }
        assert_eq!(read(&google(json!({"id": "x"})), &Home::Primary), Err(Skipped::Times));
        let gone = Theirs::Gone(GoogleEventId::new("g"));
        assert_eq!(read(&google(json!({"id": "g", "status": "cancelled"})), &Home::Primary), Ok(gone));
    }

    #[test]
    fn a_write_keeps_what_we_do_not_know_and_an_unchanged_time_keeps_its_zone() {
        let copy = live(timed());
        let mut event = copy.adopt(Origin::Google, now());
        event.title = Some("Lunch".into());
        let body = serde_json::to_value(write(&copy.link.id, &event, None, Some(&copy.link))).unwrap();
        assert_eq!(body["attendees"][0]["email"], "bob@example.com");
        assert_eq!(body["start"]["timeZone"], "America/Los_Angeles");
        assert_eq!(body["summary"], "Lunch");
        assert_eq!(body["extendedProperties"]["private"]["meridian"], event.id.to_string());
        assert!(body.get("etag").is_none());
    }

    #[test]
    fn a_change_between_timed_and_all_day_leaves_no_other_member() {
        let copy = live(timed());
        let mut event = copy.adopt(Origin::Google, now());
        event.span = Span::new("2026-11-20".parse().unwrap(), "2026-11-20".parse().unwrap()).unwrap();
        let body = serde_json::to_value(write(&copy.link.id, &event, None, Some(&copy.link))).unwrap();
        assert_eq!(body["start"], json!({"date": "2026-11-20"}));
        assert_eq!(body["end"], json!({"date": "2026-11-21"}));
    }

    #[test]
    fn what_google_reads_back_is_what_was_written() {
        let copy = live(timed());
        let mut event = copy.adopt(Origin::Compass, now());
        event.priority = Priority::Own;
        event.description = Some("text".into());
        event.span =
            Span::new("2026-11-20T09:00Z".parse().unwrap(), "2026-11-20T09:30Z".parse().unwrap()).unwrap();
        let written = serde_json::to_value(write(&copy.link.id, &event, None, None)).unwrap();
        assert_eq!(written["start"]["dateTime"], "2026-11-20T09:00:00+00:00");
        assert_eq!(written["extendedProperties"]["private"]["priority"], name(&Priority::Own));
        let back = live(written);
        assert!(back.link.base.is_same(&event.shared()));
        assert_eq!(back.origin, Some(Origin::Compass));
    }

    #[test]
    fn a_series_is_read_with_its_zone_and_an_occurrence_with_its_slot() {
        let mut series = timed();
        series["recurrence"] = json!(["RRULE:FREQ=DAILY", "EXDATE;TZID=America/Los_Angeles:20261122T090000"]);
        let rule = live(series).link.base.rule.unwrap();
        assert_eq!((rule.zone.iana().as_str(), rule.recurrence.lines().len()), ("America/Los_Angeles", 2));

        let cancelled =
            json!({"id": "abc_20261121T170000Z", "status": "cancelled", "recurringEventId": "abc"});
        let mut moved = timed();
        moved["id"] = json!("abc_20261121T170000Z");
        moved["recurringEventId"] = json!("abc");
        moved["originalStartTime"] = json!({"dateTime": "2026-11-21T09:00:00-08:00"});
        let read = |value| match read(&google(value), &Home::Primary).unwrap() {
            Theirs::Exception(exception) => *exception,
            other => panic!("{other:?}"),
        };
        let (cancelled, moved) = (read(cancelled), read(moved));
        assert_eq!(cancelled.slot, moved.slot);
        assert_eq!(cancelled.event_id(), moved.event_id());
        assert!(cancelled.copy.is_none() && moved.copy.is_some());
    }

    #[test]
    fn a_series_is_written_with_its_lines_and_a_zone_that_google_knows_and_loses_them_when_it_is_none() {
        let copy = live(timed());
        let event = copy.adopt(Origin::Google, now());
        let recurrence = Recurrence::parse(&["RRULE:FREQ=DAILY".to_owned()]).unwrap();
        let rule = Rule { zone: "-08:00".parse().unwrap(), recurrence };
        let body = write(&copy.link.id, &event, Some(&rule), Some(&copy.link));
        let json = serde_json::to_value(&body).unwrap();
        assert_eq!(json["recurrence"], json!(["RRULE:FREQ=DAILY"]));
        assert_eq!(json["start"]["timeZone"], "Etc/GMT+8");
        let series = live(json);
        assert!(series.link.base.is_same(&Shared { rule: Some(rule), ..event.shared() }));
        let single = write(&copy.link.id, &event, None, Some(&series.link));
        assert_eq!(
            (single.recurrence, single.start.unwrap().time_zone.as_deref()),
            (None, Some("Etc/GMT+8"))
        );
    }
}
