//! What is to be seen on the two sides, in one form.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveTime, SecondsFormat, Utc};
use domain::{EventTime, Priority, Record, Role, Shown};
use serde_json::Value;
use store::{Issue, Position};

use super::shape::{self, Time};
use super::{here, there};
use crate::world::{EMAIL, World};

/// An occurrence as a person sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
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
}

fn row(time: Time, title: Option<&str>, description: Option<&str>, priority: &str) -> Row {
    let span = time.span();
    let text = |time: &EventTime| match time.date() {
        Some(date) => date.to_string(),
        None => time.instant().to_rfc3339_opts(SecondsFormat::Secs, true),
    };
    Row {
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
    let time = Time::of(&event.span);
    let row = || row(time, event.title.as_deref(), event.description.as_deref(), event.priority.as_str());
    is_in_window(time).then(row)
}

fn row_there(event: &Value) -> Option<Row> {
    let time = Time::of_google(event);
    let priority = event["extendedProperties"]["private"]["priority"].as_str();
    let priority = priority.unwrap_or(Priority::Unassigned.as_str());
    is_in_window(time).then(|| row(time, event["summary"].as_str(), event["description"].as_str(), priority))
}

/// The grid here.
pub async fn here(world: &World) -> Vec<Row> {
    let shown = here::shown(world).await;
    let grid = shown.iter().filter(|shown| !shown.event.is_someday);
    sorted(grid.filter_map(row_here).collect())
}

/// The calendar there.
pub fn there(world: &World) -> Vec<Row> {
    sorted(there::seen(world).iter().filter_map(row_there).collect())
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
    /// What Google keeps, deleted ones included.
    pub events: Vec<Value>,
    pub issues: Vec<Issue>,
    pub seq: u64,
}

impl Sight {
    pub async fn of(world: &World) -> Self {
        let mut records: Vec<Record> = Vec::new();
        loop {
            let after = records.last().map(|record| Position::at(world.user, record));
            let more = world.store.records_after(world.user, after.as_ref(), 500).await.unwrap();
            if more.is_empty() {
                break;
            }
            records.extend(more);
        }
        Self {
            here: here(world).await,
            there: there(world),
            records,
            events: world.google.events(EMAIL, "primary").unwrap(),
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
    pub fn events(&self) -> impl Iterator<Item = &Value> {
        self.events.iter().filter(|event| event["status"] != "cancelled")
    }

    /// All texts of live events, on both sides.
    pub fn texts(&self) -> BTreeSet<&str> {
        let here = self.live().flat_map(|record| [&record.event.title, &record.event.description]);
        let there =
            self.events().flat_map(|event| [event["summary"].as_str(), event["description"].as_str()]);
        here.filter_map(|text| text.as_deref()).chain(there.flatten()).collect()
    }
}
