//! What people do: how events begin, and what a form changes, as values that are short to read when a history fails.

use std::fmt;

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::group::{clock, span};
use crate::{Draft, EventId, EventTime, Origin, Priority, Recurrence, Recurs, Repeat, Scope, Shown, Zone};

const DAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
const BEGIN: NaiveDate = NaiveDate::from_ymd_opt(2026, 3, 2).unwrap();

/// A rule, as a form makes it.
#[derive(Clone)]
pub(super) struct Rule {
    is_weekly: bool,
    interval: u8,
    days: Vec<&'static str>,
    end: End,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Never,
    Count(u8),
    /// So many days after the start.
    Until(u8),
}

/// How an event first comes to be.
#[derive(Clone)]
pub(super) struct Start {
    zone: &'static str,
    day: u8,
    minutes: u16,
    length: u16,
    is_all_day: bool,
    is_someday: bool,
    rule: Option<Rule>,
}

/// What a request is about. Numbers are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    /// Something that is shown.
    Shown(u8),
    /// A series, by its own id.
    Series(u8),
    /// Something that was shown at some time, as it was then.
    Stale(u8),
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Save(Edit),
    Delete,
    Reorder(u8),
    /// The event as it was shown.
    Undo,
}

/// What a form changes.
#[derive(Clone, Default)]
pub(super) struct Edit {
    title: Option<&'static str>,
    description: Option<&'static str>,
    priority: Option<Priority>,
    order: Option<u8>,
    /// Days, and minutes, which an all-day event leaves out.
    shift: Option<(i8, i16)>,
    /// In half hours, or in days.
    length: Option<u8>,
    turns_all_day: bool,
    turns_someday: bool,
    says: Says,
}

#[derive(Clone, Debug, Default)]
pub(super) enum Says {
    #[default]
    AsShown,
    Unsaid,
    Never,
    /// Another rule, of the series that the event belongs to or becomes.
    Rule(Rule),
    /// A rule of its own.
    Own(Rule),
}

#[derive(Clone)]
pub(super) struct Act {
    pub(super) which: Which,
    pub(super) scope: Scope,
    pub(super) what: What,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_weekly { "weekly" } else { "daily" })?;
        write!(f, "/{} on {:?} {:?}", self.interval, self.days.join(","), self.end)
    }
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { zone, day, minutes, length, is_all_day, is_someday, rule } = self;
        let kind = if *is_all_day { "all day" } else { "timed" };
        let shelf = if *is_someday { "someday" } else { "grid" };
        write!(f, "create {kind} {shelf} {zone} day {day} minute {minutes} length {length} {rule:?}")
    }
}

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}: ", self.which, self.scope)?;
        match &self.what {
            What::Save(edit) => write!(f, "save {edit:?}"),
            What::Delete => f.write_str("delete"),
            What::Reorder(order) => write!(f, "reorder to {order}"),
            What::Undo => f.write_str("save as it was shown"),
        }
    }
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = f.debug_set();
        let mut say = |text: Option<String>| {
            if let Some(text) = text {
                said.entry(&format_args!("{text}"));
            }
        };
        say(self.title.map(|text| format!("title {text}")));
        say(self.description.map(|text| format!("description {text}")));
        say(self.priority.map(|priority| format!("priority {priority:?}")));
        say(self.order.map(|order| format!("order {order}")));
        say(self.shift.map(|(days, minutes)| format!("shift {days} d {minutes} min")));
        say(self.length.map(|length| format!("length {length}")));
        say(self.turns_all_day.then(|| "all-day or not".into()));
        say(self.turns_someday.then(|| "to the other shelf".into()));
        say(match &self.says {
            Says::AsShown => None,
            Says::Unsaid => Some("no recurrence said".into()),
            Says::Never => Some("never again".into()),
            Says::Rule(rule) => Some(format!("rule {rule:?}")),
            Says::Own(rule) => Some(format!("rule of its own {rule:?}")),
        });
        said.finish()
    }
}

fn rules() -> impl Strategy<Value = Rule> {
    let end = prop_oneof![
        2 => Just(End::Never),
        2 => (1_u8..12).prop_map(End::Count),
        2 => (0_u8..60).prop_map(End::Until),
    ];
    let days = prop_oneof![2 => Just(Vec::new()), 1 => subsequence(DAYS.to_vec(), 1..4)];
    (any::<bool>(), 1_u8..4, days, end).prop_map(|(is_weekly, interval, days, end)| Rule {
        is_weekly,
        interval,
        days,
        end,
    })
}

pub(super) fn starts() -> impl Strategy<Value = Start> {
    (
        select(vec!["Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
        0_u8..30,
        select(vec![540, 0, 1_260]),
        select(vec![2_u16, 1, 3, 50]),
        weighted(0.3, Just(())),
        weighted(0.3, Just(())),
        weighted(0.85, rules()),
    )
        .prop_map(|(zone, day, minutes, length, all_day, someday, rule)| Start {
            zone,
            day,
            minutes,
            length,
            is_all_day: all_day.is_some(),
            is_someday: someday.is_some(),
            rule,
        })
}

fn edits() -> impl Strategy<Value = Edit> {
    let says = prop_oneof![
        10 => Just(Says::AsShown),
        1 => Just(Says::Unsaid),
        1 => Just(Says::Never),
        3 => rules().prop_map(Says::Rule),
        1 => rules().prop_map(Says::Own),
    ];
    let shift = (select(vec![0_i8, 0, 1, -1, 2, 7, -3]), select(vec![0_i16, 180, -180, 720]));
    (
        weighted(0.3, select(vec!["b", "c"])),
        weighted(0.2, select(vec!["x", "y"])),
        weighted(0.1, select(vec![Priority::Own, Priority::Work])),
        weighted(0.1, 0_u8..3),
        weighted(0.3, shift),
        weighted(0.2, 1_u8..4),
        weighted(0.1, Just(())),
        weighted(0.1, Just(())),
        says,
    )
        .prop_map(|(title, description, priority, order, shift, length, all_day, someday, says)| Edit {
            title,
            description,
            priority,
            order,
            shift,
            length,
            turns_all_day: all_day.is_some(),
            turns_someday: someday.is_some(),
            says,
        })
}

pub(super) fn acts() -> impl Strategy<Value = Act> {
    let which = prop_oneof![
        8 => any::<u8>().prop_map(Which::Shown),
        1 => any::<u8>().prop_map(Which::Series),
        2 => any::<u8>().prop_map(Which::Stale),
    ];
    let what = prop_oneof![
        8 => edits().prop_map(What::Save),
        2 => Just(What::Delete),
        1 => (0_u8..4).prop_map(What::Reorder),
        1 => Just(What::Undo),
    ];
    let scope = select(vec![Scope::This, Scope::Following, Scope::All]);
    (which, scope, what).prop_map(|(which, scope, what)| Act { which, scope, what })
}

impl Rule {
    fn recurrence(&self, zone: Zone, start: &EventTime) -> Recurrence {
        let frequency = if self.is_weekly { "WEEKLY" } else { "DAILY" };
        let mut text = format!("RRULE:FREQ={frequency};INTERVAL={}", self.interval);
        if !self.days.is_empty() {
            text += &format!(";BYDAY={}", self.days.join(","));
        }
        match self.end {
            End::Never => {}
            End::Count(count) => text += &format!(";COUNT={count}"),
            End::Until(days) => {
                let day = clock(zone, start).date() + Days::new(days.into());
                text += &match start.is_date() {
                    true => format!(";UNTIL={}", day.format("%Y%m%d")),
                    false => format!(";UNTIL={}T235959Z", day.format("%Y%m%d")),
                };
            }
        }
        Recurrence::parse(&[text]).unwrap()
    }
}

impl Start {
    pub(super) fn draft(&self, number: usize) -> Draft {
        let zone: Zone = self.zone.parse().unwrap();
        let minutes = TimeDelta::minutes(if self.is_all_day { 0 } else { self.minutes.into() });
        let at = NaiveDateTime::from(BEGIN + Days::new(self.day.into())) + minutes;
        let length = i64::from(self.length);
        let length = if self.is_all_day { TimeDelta::days(1) } else { TimeDelta::minutes(30 * length) };
        let span = span(zone, at, length, self.is_all_day);
        let repeat = match &self.rule {
            Some(rule) => Repeat::Series(rule.recurrence(zone, span.start())),
            None => Repeat::Unsaid,
        };
        let id = EventId::new([number as u8 + 1; 12]);
        let (priority, origin) = (Priority::Unassigned, Origin::Compass);
        Draft::new(id, Some("a".into()), None, span, self.is_all_day, self.is_someday, priority, origin, None)
            .unwrap()
            .repeating(repeat, Some(zone))
    }
}

impl Edit {
    pub(super) fn draft(&self, shown: &Shown, zone: Zone) -> Draft {
        let event = &shown.event;
        let was = &event.span;
        let is_all_day = was.is_all_day() != self.turns_all_day;
        let (days, minutes) = self.shift.unwrap_or_default();
        let mut at = clock(zone, was.start()) + TimeDelta::days(days.into());
        let mut length = match self.length.map(i64::from) {
            Some(length) if is_all_day => TimeDelta::days(length),
            Some(length) => TimeDelta::minutes(30 * length),
            None => was.length(),
        };
        if self.turns_all_day && is_all_day {
            at = at.date().into();
            length = self.length.map_or(TimeDelta::days(1), |_| length);
        } else if self.turns_all_day {
            at = at.date().and_time(NaiveTime::from_hms_opt(12, 0, 0).unwrap());
            length = self.length.map_or(TimeDelta::hours(1), |_| length);
        }
        if !is_all_day {
            at += TimeDelta::minutes(minutes.into());
        }
        let is_moved = self.turns_all_day || self.shift.is_some() || self.length.is_some();
        let span = if is_moved { span(zone, at, length, is_all_day) } else { was.clone() };
        let text = |new: Option<&str>, old: &Option<String>| new.map(str::to_owned).or_else(|| old.clone());
        let repeat = self.repeat(shown, zone, span.start());
        Draft {
            title: text(self.title, &event.title),
            description: text(self.description, &event.description),
            span,
            is_all_day,
            is_someday: event.is_someday != self.turns_someday,
            priority: self.priority.unwrap_or(event.priority),
            order: self.order.map(f64::from).or(event.order),
            ..as_shown(shown)
        }
        .repeating(repeat, None)
    }

    fn repeat(&self, shown: &Shown, zone: Zone, start: &EventTime) -> Repeat {
        match &self.says {
            Says::AsShown => as_shown(shown).repeat,
            Says::Unsaid => Repeat::Unsaid,
            Says::Never => Repeat::Never,
            Says::Own(rule) => Repeat::Series(rule.recurrence(zone, start)),
            Says::Rule(rule) => {
                let rule = rule.recurrence(zone, start);
                match &shown.recurs {
                    Recurs::Occurrence { series, .. } => {
                        Repeat::Occurrence { series: Some(*series), rule: Some(rule) }
                    }
                    Recurs::Base(_) | Recurs::No => Repeat::Series(rule),
                }
            }
        }
    }
}

/// The draft that the web app makes of what it was shown.
pub(crate) fn as_shown(shown: &Shown) -> Draft {
    let Shown { event, recurs } = shown.clone();
    let parse = |lines: &[String]| Recurrence::parse(lines).unwrap();
    let repeat = match recurs {
        Recurs::No => Repeat::Unsaid,
        Recurs::Base(lines) => Repeat::Series(parse(&lines)),
        Recurs::Occurrence { series, rule, .. } => {
            Repeat::Occurrence { series: Some(series), rule: Some(parse(&rule)) }
        }
    };
    Draft::new(
        event.id,
        event.title,
        event.description,
        event.span,
        event.is_all_day,
        event.is_someday,
        event.priority,
        event.origin,
        event.order,
    )
    .unwrap()
    .repeating(repeat, None)
}
