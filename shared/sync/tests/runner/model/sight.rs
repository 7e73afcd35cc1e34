//! What is to be seen on the two sides, in one form.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveTime, SecondsFormat, Utc};
use domain::{EventTime, Home, Priority, Record, Role, Shown};
use serde_json::Value;
use store::{Issue, Position};

use super::person::{Person, Place};
use super::shape::{self, Time};
use super::{here, there};

/// An occurrence as a person sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// The calendar; empty for the primary one.
    pub calendar: String,
    pub start: String,
    pub end: String,
    pub title: String,
    pub description: String,
    pub priority: String,
}

impl Row {
    pub fn root(&self) -> Option<&str> {
        shape::root_in(Some(&self.description))
    }

    pub fn is_in(&self, place: &Place) -> bool {
        self.calendar == name(&place.home)
    }
}

fn name(home: &Home) -> &str {
    match home {
        Home::Primary => "",
        Home::Other(calendar) => calendar,
    }
}

fn row(home: &Home, time: Time, (title, description): (Option<&str>, Option<&str>), priority: &str) -> Row {
    let span = time.span();
    let text = |time: &EventTime| match time.date() {
        Some(date) => date.to_string(),
        None => time.instant().to_rfc3339_opts(SecondsFormat::Secs, true),
    };
    Row {
        calendar: name(home).to_owned(),
        start: text(span.start()),
        end: text(span.end()),
        title: title.unwrap_or_default().to_owned(),
        description: description.unwrap_or_default().to_owned(),
        priority: priority.to_owned(),
    }
}

fn is_in_window(time: Time) -> bool {
    let (from, to) = shape::window();
    let at: DateTime<Utc> = match time.is_all_day {
        true => time.at.date().and_time(NaiveTime::MIN).and_utc(),
        false => shape::zone().instant(time.at),
    };
    // A day less on both sides: what lies on the edge is shown by one side and not by the other.
    from + chrono::TimeDelta::days(2) <= at && at < to - chrono::TimeDelta::days(2)
}

fn row_here(shown: &Shown) -> Option<Row> {
    let event = &shown.event;
    let (time, texts) = (Time::of(&event.span), (event.title.as_deref(), event.description.as_deref()));
    is_in_window(time).then(|| row(&event.home(), time, texts, event.priority.as_str()))
}

fn row_there(place: &Place, event: &Value) -> Option<Row> {
    let (time, texts) = (Time::of_google(event), (event["summary"].as_str(), event["description"].as_str()));
    let priority = event["extendedProperties"]["private"]["priority"].as_str();
    let priority = priority.unwrap_or(Priority::Unassigned.as_str());
    is_in_window(time).then(|| row(&place.home, time, texts, priority))
}

/// The grid here.
pub async fn here(person: &Person) -> Vec<Row> {
    let shown = here::shown(&person.world).await;
    let grid = shown.iter().filter(|shown| !shown.event.is_someday);
    sorted(grid.filter_map(row_here).collect())
}

/// The calendars there.
pub fn there(person: &Person) -> Vec<Row> {
    sorted(there::seen(person).iter().filter_map(|(place, event)| row_there(place, event)).collect())
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort();
    rows
}

/// Everything about the events of both sides, at a moment at which nothing moves.
pub struct Sight {
    pub here: Vec<Row>,
    pub there: Vec<Row>,
    /// What is stored, tombstones included.
    pub records: Vec<Record>,
    /// What Google keeps, deleted ones included, with the calendar that it is in.
    pub events: Vec<(Home, Value)>,
    pub issues: Vec<Issue>,
    pub seq: u64,
}

impl Sight {
    pub async fn of(person: &Person) -> Self {
        let world = &person.world;
        let mut records: Vec<Record> = Vec::new();
        loop {
            let after = records.last().map(|record| Position::at(world.user, record));
            let more = world.store.records_after(world.user, after.as_ref(), 500).await.unwrap();
            if more.is_empty() {
                break;
            }
            records.extend(more);
        }
        let events = person.events();
        Self {
            here: here(person).await,
            there: there(person),
            records,
            events: events.into_iter().map(|(place, event)| (place.home.clone(), event)).collect(),
            issues: world.store.issues(world.user).await.unwrap(),
            seq: world.seq().await,
        }
    }

    /// What lives here and counts: of exceptions, those whose series lists their slot.
    pub fn live(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(|record| !record.is_deleted && self.counts(record))
    }

    fn counts(&self, record: &Record) -> bool {
        let Role::Exception { series, slot } = record.role else { return true };
        let base = self.records.iter().find(|base| base.event.id == series && base.series().is_some());
        let base = base.filter(|base| !base.is_deleted).and_then(Record::series);
        base.is_some_and(|base| base.exceptions.contains(&slot))
    }

    /// What Google keeps and shows.
    pub fn events(&self) -> impl Iterator<Item = (&Home, &Value)> {
        let live = self.events.iter().filter(|(_, event)| event["status"] != "cancelled");
        live.map(|(home, event)| (home, event))
    }

    /// All texts of live events, on both sides.
    pub fn texts(&self) -> BTreeSet<&str> {
        let here = self.live().flat_map(|record| [&record.event.title, &record.event.description]);
        let there =
            self.events().flat_map(|(_, event)| [event["summary"].as_str(), event["description"].as_str()]);
        here.filter_map(|text| text.as_deref()).chain(there.flatten()).collect()
    }
}
