//! When an event is, on both sides: days that are days everywhere, clocks that change, zones of several names, ends of rules, and ids that say when.

use chrono::{DateTime, TimeDelta, Utc};
use domain::sync::{Outbound, Theirs, outbound, resolve};
use domain::{EventId, GoogleEventId, Home, Job, Origin, Record, Records, Role, Series, Shelf, Slot, Window};
use serde_json::{Value, json};
use store::{Issue, IssueKind};
use sync::translate;

use crate::world::{EMAIL, World};

type Instant = DateTime<Utc>;

fn instants<const N: usize>(texts: [&str; N]) -> Vec<Instant> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

impl World {
    fn plant(&self, events: impl IntoIterator<Item = Value>) {
        self.google.plant(EMAIL, "primary", events).unwrap();
    }

    /// What is stored under the id of an event of Google's, be it a series.
    async fn stored(&self, there: &str) -> Record {
        let records = self.store.records_after(self.user, None, 100).await.unwrap();
        records.into_iter().find(|record| record.event.id == here(there)).unwrap()
    }

    /// When something begins here between two instants.
    async fn starts_here(&self, from: &str, to: &str) -> Vec<Instant> {
        let window = Window::from_query(from, to).unwrap();
        let shown = self.store.list(self.user, Shelf::Grid, Some(&window)).await.unwrap();
        let (from, to): (Instant, Instant) = (from.parse().unwrap(), to.parse().unwrap());
        let starts = shown.iter().map(|shown| shown.event.span.start().instant());
        let mut starts: Vec<Instant> = starts.filter(|at| (from..to).contains(at)).collect();
        starts.sort();
        starts
    }

    /// The same at Google, as `events.instances` would say it.
    fn starts_there(&self, from: &str, to: &str) -> Vec<Instant> {
        let events =
            self.google.occurrences(EMAIL, "primary", from.parse().unwrap(), to.parse().unwrap()).unwrap();
        let mut starts: Vec<Instant> = events.iter().map(start_of).collect();
        starts.sort();
        starts
    }
}

fn start_of(event: &Value) -> Instant {
    match event["start"]["dateTime"].as_str() {
        Some(time) => time.parse().unwrap(),
        None => format!("{}T00:00:00Z", event["start"]["date"].as_str().unwrap()).parse().unwrap(),
    }
}

/// A series of an hour each time, on the wall clock of a zone.
fn series(id: &str, start: &str, zone: &str, rule: &str) -> Value {
    let (day, hour) = start.split_once('T').unwrap();
    let (hours, minutes) = hour.split_once(':').unwrap();
    let end = format!("{day}T{:02}:{minutes}:00", hours.parse::<u32>().unwrap() + 1);
    json!({
        "id": id, "summary": id, "recurrence": [rule],
        "start": {"dateTime": format!("{start}:00"), "timeZone": zone}, "end": {"dateTime": end, "timeZone": zone}
    })
}

fn here(id: &str) -> EventId {
    EventId::of_google(&GoogleEventId::new(id))
}

/// 71.
#[tokio::test]
async fn an_event_of_three_days_is_three_days_in_every_zone_and_comes_back_as_it_was() {
    let world = World::connected().await;
    let (start, end) = (json!({"date": "2026-03-07"}), json!({"date": "2026-03-10"}));
    world.plant([json!({"id": "weekend", "summary": "Trip", "start": start, "end": end})]);
    world.import().await;
    for hours in -10..=14_i32 {
        let midnight = |day: u32| format!("2026-03-{day:02}T00:00:00{hours:+03}:00");
        for day in 7..10 {
            let window = Window::from_query(&midnight(day), &midnight(day + 1)).unwrap();
            let shown = world.store.list(world.user, Shelf::Grid, Some(&window)).await.unwrap();
            let [shown] = shown.as_slice() else { panic!("on {} {shown:?}", midnight(day)) };
            let span = &shown.event.span;
            assert_eq!((span.start().as_str(), span.end().as_str()), ("2026-03-07", "2026-03-10"));
        }
    }
    // An edit of something else, as a browser sends it: the days come verbatim.
    let record = world.stored("weekend").await;
    let body =
        serde_json::to_value(translate::body(&GoogleEventId::new("weekend"), &record, record.link.as_ref()));
    let body = body.unwrap();
    assert_eq!((&body["start"], &body["end"]), (&start, &end));
}

/// 73: a time that the clocks skip, and one that they show twice.
#[tokio::test]
async fn times_that_the_clocks_of_new_york_skip_or_repeat_are_the_instants_that_google_makes() {
    let world = World::connected().await;
    world.plant([
        series("skipped", "2026-03-06T02:30", "America/New_York", "RRULE:FREQ=DAILY;COUNT=4"),
        series("repeated", "2026-10-30T01:30", "America/New_York", "RRULE:FREQ=DAILY;COUNT=4"),
    ]);
    world.import().await;
    for (from, to, expected) in [
        (
            "2026-03-05T00:00:00Z",
            "2026-03-12T00:00:00Z",
            ["2026-03-06T07:30:00Z", "2026-03-07T07:30:00Z", "2026-03-08T07:30:00Z", "2026-03-09T06:30:00Z"],
        ),
        (
            "2026-10-29T00:00:00Z",
            "2026-11-05T00:00:00Z",
            ["2026-10-30T05:30:00Z", "2026-10-31T05:30:00Z", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"],
        ),
    ] {
        let seen = world.starts_here(from, to).await;
        assert_eq!(seen, instants(expected));
        assert_eq!(seen, world.starts_there(from, to));
    }
}

/// 74: a flight, and a series in a zone that is neither the calendar's nor the user's.
#[tokio::test]
async fn zones_of_start_end_calendar_and_user_may_all_differ_and_are_kept() {
    let world = World::connected().await;
    world.google.edit_calendar(EMAIL, None, Some(chrono_tz::America::New_York)).unwrap();
    let start = json!({"dateTime": "2026-11-24T20:00:00+09:00", "timeZone": "Asia/Tokyo"});
    let end = json!({"dateTime": "2026-11-24T13:00:00-08:00", "timeZone": "America/Los_Angeles"});
    world.plant([
        json!({"id": "flight", "summary": "Flight", "start": start, "end": end}),
        series("standup", "2026-10-22T10:00", "Europe/Berlin", "RRULE:FREQ=WEEKLY;COUNT=3"),
    ]);
    world.import().await;
    let flight = world.event(here("flight")).await;
    let ends = [flight.span.start().instant(), flight.span.end().instant()];
    assert_eq!(ends.to_vec(), instants(["2026-11-24T11:00:00Z", "2026-11-24T21:00:00Z"]));
    let (from, to) = ("2026-10-20T00:00:00Z", "2026-11-10T00:00:00Z");
    let seen = world.starts_here(from, to).await;
    assert_eq!(seen, instants(["2026-10-22T08:00:00Z", "2026-10-29T09:00:00Z", "2026-11-05T09:00:00Z"]));
    assert_eq!(seen, world.starts_there(from, to));

    for name in ["flight", "standup"] {
        let mut record = world.stored(name).await;
        let before = world.at_google(name);
        record.event.title = Some("Renamed".into());
        let body = translate::body(&GoogleEventId::new(name), &record, record.link.as_ref());
        let body = serde_json::to_value(body).unwrap();
        assert_eq!((&body["start"], &body["end"]), (&before["start"], &before["end"]), "{name}");
    }
}

/// 75: between the changes of the clocks in New York and in Berlin an hour less lies between them.
#[tokio::test]
async fn a_weekly_series_of_berlin_is_right_while_new_york_has_changed_its_clocks_and_berlin_has_not() {
    let world = World::connected().await;
    world.google.edit_calendar(EMAIL, None, Some(chrono_tz::America::New_York)).unwrap();
    world.plant([series("weekly", "2026-03-02T15:00", "Europe/Berlin", "RRULE:FREQ=WEEKLY;COUNT=6")]);
    world.import().await;
    let (from, to) = ("2026-03-01T00:00:00Z", "2026-04-10T00:00:00Z");
    let seen = world.starts_here(from, to).await;
    let expected = instants([
        "2026-03-02T14:00:00Z",
        "2026-03-09T14:00:00Z",
        "2026-03-16T14:00:00Z",
        "2026-03-23T14:00:00Z",
        "2026-03-30T13:00:00Z",
        "2026-04-06T13:00:00Z",
    ]);
    assert_eq!(seen, expected);
    assert_eq!(seen, world.starts_there(from, to));
}

/// 76.
#[tokio::test]
async fn an_end_of_a_rule_includes_what_google_includes_in_every_spelling() {
    let world = World::connected().await;
    let rule = |until: &str| format!("RRULE:FREQ=DAILY;UNTIL={until}");
    let ends = [
        ("date", "20261126", 4),
        ("floating", "20261126T090000", 4),
        ("floatingbefore", "20261126T085959", 3),
        ("onthesecond", "20261126T170000Z", 4),
        ("asecondbefore", "20261126T165959Z", 3),
    ];
    let timed =
        ends.map(|(id, until, _)| series(id, "2026-11-23T09:00", "America/Los_Angeles", &rule(until)));
    let days = json!({
        "id": "alldays", "recurrence": [rule("20261126")], "start": {"date": "2026-11-23"}, "end": {"date": "2026-11-24"}
    });
    world.plant(timed.into_iter().chain([days]));
    world.import().await;
    let expected: usize = ends.iter().map(|(_, _, count)| count).sum();
    let (from, to) = ("2026-11-20T00:00:00Z", "2026-12-20T00:00:00Z");
    let seen = world.starts_here(from, to).await;
    assert_eq!(seen.len(), expected + 4, "{seen:?}");
    assert_eq!(seen, world.starts_there(from, to));
}

/// 77: names that are no city's. Of one that nobody knows the unit tests of `apply` speak: the fake Google does not take it.
#[tokio::test]
async fn old_and_fixed_names_of_zones_make_the_instants_that_google_makes() {
    let world = World::connected().await;
    world.plant([
        series("fixed", "2026-10-30T09:00", "Etc/GMT+3", "RRULE:FREQ=DAILY;COUNT=4"),
        series("eastern", "2026-10-30T08:00", "US/Eastern", "RRULE:FREQ=DAILY;COUNT=4"),
    ]);
    world.import().await;
    let (from, to) = ("2026-10-29T00:00:00Z", "2026-11-05T00:00:00Z");
    let seen = world.starts_here(from, to).await;
    assert_eq!((seen.len(), &seen), (8, &world.starts_there(from, to)));
    let record = world.stored("eastern").await;
    let body = translate::body(&GoogleEventId::new("eastern"), &record, None);
    assert_eq!(body.start.unwrap().time_zone.as_deref(), Some("US/Eastern"), "it keeps its name");
}

/// 77: no table has its zone, so it keeps the distance from UTC that its start says, and the user can read that it does. Once, and again only for
/// another zone.
#[tokio::test]
async fn a_series_in_a_zone_that_nobody_knows_is_there_at_its_instants_and_its_user_can_read_of_it_once() {
    let world = World::connected().await;
    let in_zone = |zone: &str| {
        let mut series = series("strange", "2026-11-24T09:00", "Etc/GMT+3", "RRULE:FREQ=DAILY;COUNT=3");
        series["start"] = json!({"dateTime": "2026-11-24T09:00:00-03:00", "timeZone": zone});
        series["end"] = json!({"dateTime": "2026-11-24T10:00:00-03:00", "timeZone": zone});
        series
    };
    let told = async || {
        let issues = world.store.issues(world.user).await.unwrap();
        let zone = |issue: Issue| match issue.kind {
            IssueKind::UnknownZone { zone } => (issue.event, zone),
            other => panic!("{other:?}"),
        };
        issues.into_iter().map(zone).collect::<Vec<_>>()
    };
    world.plant([
        in_zone("Mars/Olympus"),
        series("known", "2026-11-24T12:00", "GMT", "RRULE:FREQ=DAILY;COUNT=2"),
    ]);
    world.import().await;
    let seen = world.starts_here("2026-11-24T00:00:00Z", "2026-12-01T00:00:00Z").await;
    let [first, second, third] = ["2026-11-24T12:00:00Z", "2026-11-25T12:00:00Z", "2026-11-26T12:00:00Z"]
        .map(|at| at.parse::<Instant>().unwrap());
    assert_eq!(seen, [first, first, second, second, third]);
    let olympus = (here("strange"), "Mars/Olympus".to_owned());
    assert_eq!(told().await, std::slice::from_ref(&olympus));

    for _ in 0..3 {
        world.pass(TimeDelta::minutes(5));
        world.run(&Job::Poll { user: world.user }).await.unwrap();
    }
    world.pass(TimeDelta::minutes(5));
    let mut renamed = in_zone("Mars/Olympus");
    renamed["summary"] = json!("renamed");
    world.plant([renamed]);
    world.pull().await;
    world.run(&Job::Import { user: world.user, is_repair: true }).await.unwrap();
    assert_eq!(
        (told().await, world.stored("strange").await.event.title),
        (vec![olympus.clone()], Some("renamed".into()))
    );

    world.pass(TimeDelta::minutes(5));
    world.plant([in_zone("Mars/Tharsis")]);
    world.pull().await;
    assert_eq!(told().await, [(here("strange"), "Mars/Tharsis".to_owned()), olympus]);
    assert_eq!(world.writes(), 0);
}

/// 79.
#[tokio::test]
async fn ids_of_split_series_of_their_instances_and_of_imported_events_are_taken_and_written_to() {
    let world = World::connected().await;
    let (split, instance) = ("abcde_R20261126T170000", "abcde_R20261126T170000_20261127T170000Z");
    let (days, day, imported) = ("daysdays", "daysdays_20261125", "_8h2k6dhp6os3cb9m6grjeb9k_IMPORTED-1@x");
    let mut rest = series(split, "2026-11-26T09:00", "America/Los_Angeles", "RRULE:FREQ=DAILY;COUNT=3");
    rest["iCalUID"] = json!("abcde_R20261126T170000@google.com");
    world.plant([
        rest,
        json!({
            "id": instance, "recurringEventId": split, "summary": "moved",
            "originalStartTime": {"dateTime": "2026-11-27T17:00:00Z"},
            "start": {"dateTime": "2026-11-27T20:00:00Z"}, "end": {"dateTime": "2026-11-27T21:00:00Z"}
        }),
        json!({
            "id": days, "summary": days, "recurrence": ["RRULE:FREQ=DAILY;COUNT=3"],
            "start": {"date": "2026-11-24"}, "end": {"date": "2026-11-25"}
        }),
        json!({
            "id": day, "recurringEventId": days, "status": "cancelled", "originalStartTime": {"date": "2026-11-25"}
        }),
        json!({
            "id": imported, "summary": "imported", "iCalUID": "IMPORTED-1@x",
            "start": {"dateTime": "2026-11-24T12:00:00Z"}, "end": {"dateTime": "2026-11-24T13:00:00Z"}
        }),
    ]);
    world.import().await;
    let (from, to) = ("2026-11-20T00:00:00Z", "2026-12-20T00:00:00Z");
    let seen = world.starts_here(from, to).await;
    assert_eq!((seen.len(), &seen), (6, &world.starts_there(from, to)));
    assert!(world.store.issues(world.user).await.unwrap().is_empty());
    world.save(here(imported), "edited").await;
    world.push().await;
    assert_eq!(world.at_google(imported)["summary"], "edited");
    let writes = world.google.journal().into_iter().filter(|entry| entry.method == "PUT");
    assert_eq!((writes.count(), world.writes()), (1, 1), "under the id that it has");
}

/// 81.
#[tokio::test]
async fn a_series_without_end_is_one_record_and_right_in_seventy_years() {
    let world = World::connected().await;
    world.plant([series("endless", "2026-11-23T09:00", "America/New_York", "RRULE:FREQ=DAILY")]);
    world.import().await;
    assert_eq!(world.store.records_after(world.user, None, 100).await.unwrap().len(), 1);
    let seen = world.starts_here("2096-07-01T00:00:00Z", "2096-07-08T00:00:00Z").await;
    assert_eq!(seen.len(), 7);
    assert!(seen.iter().all(|at| at.time() == "13:00:00".parse().unwrap()), "{seen:?}");
}

/// 82: an occurrence was edited while the tables of zones said one thing, and the next edit of it comes when they say another. Two zones stand for the
/// two editions of one.
#[test]
fn an_occurrence_is_known_by_its_original_start_also_when_the_tables_of_zones_have_changed() {
    let (old, new) = ("America/Chicago", "America/Mexico_City");
    let read =
        |value: Value| translate::read(&serde_json::from_value(value).unwrap(), &Home::Primary).unwrap();
    let at = |hour: u32| json!({"dateTime": format!("2026-07-06T{hour}:00:00Z")});
    let edited = |title: &str, version: u32| {
        read(json!({
            "id": "daily_20260706T140000Z", "recurringEventId": "daily", "summary": title, "etag": format!("\"{version}\""),
            "updated": format!("2026-06-01T00:00:0{version}Z"), "originalStartTime": at(14), "start": at(16), "end": at(17)
        }))
    };
    let mut daily = series("daily", "2026-01-05T09:00", old, "RRULE:FREQ=DAILY");
    for end in ["start", "end"] {
        let local = daily[end]["dateTime"].as_str().unwrap().to_owned();
        daily[end]["dateTime"] = json!(format!("{local}-06:00"));
    }
    daily["etag"] = json!("\"1\"");
    let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
    let mut records = Records::default();
    let take = |records: &mut Records, theirs: &Theirs| {
        let resolution = resolve(records, theirs, Origin::Google, now);
        assert!(resolution.conflicts.is_empty() && !resolution.is_short);
        records.apply(&resolution.steps);
    };
    take(&mut records, &read(daily));
    let first = edited("first", 1);
    take(&mut records, &first);
    let (exception, slot) = (first.id(), Slot::at("2026-07-06T14:00:00Z".parse().unwrap()).unwrap());

    let mut base = records.iter().find(|record| record.series().is_some()).unwrap().clone();
    let known = base.series().unwrap().clone();
    base.role = Role::Series(Series { zone: new.parse().unwrap(), ..known });
    assert!(!base.series().unwrap().pattern(&base.event).contains(slot), "the rule puts it elsewhere now");
    records.insert(base.clone());
    take(&mut records, &edited("second", 2));
    let found: Vec<&Record> =
        records.iter().filter(|record| matches!(record.role, Role::Exception { .. })).collect();
    let [record] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((record.event.id, record.event.title.as_deref()), (exception, Some("second")));
    let mut ours = (*record).clone();
    (ours.event.title, ours.is_dirty) = (Some("ours".into()), true);
    let sent = outbound(&ours, Some(&base), &Home::Primary);
    assert!(matches!(sent, Outbound::Update(link) if link.id.as_str() == "daily_20260706T140000Z"));
}
