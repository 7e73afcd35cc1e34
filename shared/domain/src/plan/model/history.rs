//! Histories: what people do to a few series, one request after the other, in the rules' calendar and in the naive one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::TestCaseResult;

use super::{Around, Fields, Naive, Row, clock, span};
use crate::plan::{Context, Steps, delete, reaches_beyond, reorder, save};
use crate::{
    Address, Draft, EventId, GoogleEventId, Link, Origin, Priority, Record, Records, Recurrence, Recurs,
    Refusal, Repeat, Role, Scope, Shelf, Shown, Stored, Tag, Window, Zone,
};

const DAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
const BEGIN: NaiveDate = NaiveDate::from_ymd_opt(2026, 3, 2).unwrap();
/// Both clocks change in between. All times of day are multiples of three hours, so that none is skipped: a series that starts at such a time starts
/// at the time after it.
const WINDOW: (&str, &str) = ("2026-02-10T00:00:00Z", "2026-04-30T00:00:00Z");

/// A rule, as a form makes it.
#[derive(Clone)]
struct Rule {
    is_weekly: bool,
    interval: u8,
    days: Vec<&'static str>,
    end: End,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Never,
    Count(u8),
    /// So many days after the start.
    Until(u8),
}

/// How an event first comes to be.
#[derive(Clone)]
struct Start {
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
enum Which {
    /// Something that is shown.
    Shown(u8),
    /// A series, by its own id.
    Series(u8),
    /// Something that was shown at some time, as it was then.
    Stale(u8),
}

#[derive(Clone, Debug)]
enum What {
    Save(Edit),
    Delete,
    Reorder(u8),
    /// The event as it was shown.
    Undo,
}

/// What a form changes.
#[derive(Clone, Default)]
struct Edit {
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
enum Says {
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
struct Act {
    which: Which,
    scope: Scope,
    what: What,
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

fn starts() -> impl Strategy<Value = Start> {
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

fn acts() -> impl Strategy<Value = Act> {
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
    fn recurrence(&self, zone: Zone, start: &crate::EventTime) -> Recurrence {
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
    fn draft(&self, number: usize) -> Draft {
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
    fn draft(&self, shown: &Shown, zone: Zone) -> Draft {
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

    fn repeat(&self, shown: &Shown, zone: Zone, start: &crate::EventTime) -> Repeat {
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
fn as_shown(shown: &Shown) -> Draft {
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

/// One request.
#[derive(Clone, Debug)]
enum Request {
    Save(Draft, Scope),
    Delete(EventId, Scope),
    Reorder(EventId, f64),
}

impl Request {
    fn id(&self) -> EventId {
        match self {
            Self::Save(draft, _) => draft.id(),
            Self::Delete(id, _) | Self::Reorder(id, _) => *id,
        }
    }

    fn scope(&self) -> Scope {
        match self {
            Self::Save(_, scope) | Self::Delete(_, scope) => *scope,
            Self::Reorder(..) => Scope::This,
        }
    }

    fn plan(&self, records: &Records, context: &Context) -> Result<Steps, Refusal> {
        match self {
            Self::Save(draft, scope) => save(records, draft, *scope, context),
            Self::Delete(id, scope) => delete(records, *id, *scope, context),
            Self::Reorder(id, order) => Ok(reorder(records, *id, *order, context)),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Save(draft, scope) => {
                let (start, end) = (draft.span.start().as_str(), draft.span.end().as_str());
                let texts = (draft.title.as_deref(), draft.description.as_deref(), draft.priority);
                let repeat = match &draft.repeat {
                    Repeat::Series(rule) => format!("Series({:?})", rule.lines()),
                    Repeat::Occurrence { series, rule } => {
                        format!("Occurrence({series:?}, {:?})", rule.as_ref().map(Recurrence::lines))
                    }
                    other => format!("{other:?}"),
                };
                write!(f, "save {scope:?} {} {start}..{end} {texts:?} ", draft.id)?;
                write!(f, "someday {} order {:?} {repeat}", draft.is_someday, draft.order)
            }
            Self::Delete(id, scope) => write!(f, "delete {scope:?} {id}"),
            Self::Reorder(id, order) => write!(f, "reorder {id} {order}"),
        }
    }
}

/// Both calendars, and what has been shown.
struct World {
    records: Records,
    rev: u64,
    naive: Naive,
    context: Context,
    known: BTreeMap<EventId, Shown>,
    window: Window,
    log: Vec<String>,
}

impl World {
    fn new(is_connected: bool) -> Self {
        let now = DateTime::from_timestamp_millis(1_763_600_000_000).unwrap();
        let context = Context { is_connected, zone: Some("Europe/Berlin".parse().unwrap()), now };
        let window = Window::from_query(WINDOW.0, WINDOW.1).unwrap();
        Self {
            records: Records::default(),
            rev: 0,
            naive: Naive::default(),
            context,
            known: BTreeMap::new(),
            window,
            log: Vec::new(),
        }
    }

    fn shown(&self, shelf: Shelf, window: &Window) -> Vec<Shown> {
        let live = self.records.iter().filter(|record| !record.is_deleted);
        crate::show(live.map(|record| (record.event.clone(), record.role.clone())), shelf, Some(window))
    }

    /// What both views show, in order.
    fn rows(&self) -> Vec<Row> {
        let shelves = [Shelf::Grid, Shelf::Someday];
        sorted(shelves.iter().flat_map(|shelf| self.shown(*shelf, &self.window)).map(|shown| Row::of(&shown)))
    }

    fn naive_rows(&self) -> Vec<Row> {
        let shelves = [Shelf::Grid, Shelf::Someday];
        sorted(shelves.iter().flat_map(|shelf| self.naive.rows(*shelf, &self.window)))
    }

    fn zone_of(&self, shown: &Shown) -> Zone {
        let series = match &shown.recurs {
            Recurs::Occurrence { series, .. } => *series,
            Recurs::Base(_) | Recurs::No => shown.event.id,
        };
        self.naive.series.get(&series).map_or(self.context.zone.unwrap(), |group| group.zone)
    }

    /// The request that an act means here, if there is anything that it could be about.
    fn request(&self, act: &Act) -> Option<Request> {
        let pick = |ids: Vec<EventId>, number: u8| {
            ids.get(usize::from(number).checked_rem(ids.len()).unwrap_or_default()).copied()
        };
        let shown = match act.which {
            Which::Shown(number) => {
                let id = pick(self.rows().into_iter().map(|row| row.id).collect(), number)?;
                self.records.stored(id).shown()?
            }
            Which::Series(number) => {
                let id = pick(self.naive.series.keys().copied().collect(), number)?;
                self.records.stored(id).shown()?
            }
            Which::Stale(number) => {
                let id = pick(self.known.keys().copied().collect(), number)?;
                self.known[&id].clone()
            }
        };
        let zone = self.zone_of(&shown);
        Some(match &act.what {
            What::Save(edit) => Request::Save(edit.draft(&shown, zone), act.scope),
            What::Undo => Request::Save(as_shown(&shown), act.scope),
            What::Delete => Request::Delete(shown.event.id, act.scope),
            What::Reorder(order) => Request::Reorder(shown.event.id, f64::from(*order)),
        })
    }

    fn remember(&mut self) {
        for shelf in [Shelf::Grid, Shelf::Someday] {
            for shown in self.shown(shelf, &self.window) {
                self.known.entry(shown.event.id).or_insert(shown);
            }
        }
    }

    /// Does a request in both calendars and compares.
    fn carry_out(&mut self, request: &Request) -> TestCaseResult {
        self.log.push(request.to_string());
        let planned = request.plan(&self.records, &self.context);
        prop_assert_eq!(
            request.plan(&self.read_for(request), &self.context),
            planned.clone(),
            "what the store reads is enough\n{}",
            self.history()
        );
        let before = self.naive_rows();
        let is_refused = self.imitate(request).is_err();
        prop_assert_eq!(planned.is_err(), is_refused, "{:?}\n{}", planned, self.history());
        if let Ok(steps) = planned {
            let old = self.records.clone();
            self.write(steps, &before)?;
            self.check_links(&old)?;
        }
        let (rows, expected) = (self.rows(), self.naive_rows());
        prop_assert!(rows == expected, "{}\n{}", difference(&rows, &expected), self.history());
        self.check_exceptions()
    }

    fn imitate(&mut self, request: &Request) -> Result<(), super::Empty> {
        let records = &self.records;
        let rule_of = |id| match records.stored(id) {
            Stored::Series(family) => family.series.recurrence,
            _ => panic!("a series"),
        };
        let around = Around { zone: self.context.zone.unwrap(), rule_of: &rule_of };
        match request {
            Request::Save(draft, scope) => self.naive.save(draft, *scope, &around),
            Request::Delete(id, scope) => {
                self.naive.delete(*id, *scope);
                Ok(())
            }
            Request::Reorder(id, order) => {
                self.naive.reorder(*id, *order);
                Ok(())
            }
        }
    }

    /// What the store reads for a request.
    fn read_for(&self, request: &Request) -> Records {
        let id = request.id();
        let at = |address: &Address| self.records.get(*address).cloned();
        let mut read: Records = Stored::addresses(id).iter().filter_map(at).collect();
        let stored = read.stored(id);
        if let Some(family) = stored.family().filter(|_| reaches_beyond(&stored, request.scope())) {
            let tags = [Tag::of(family.base.event.id), Tag::of(id)];
            let is_beyond = |record: &&Record| match record.address() {
                Address::Exception(tag, _) => tags.contains(&tag),
                Address::Series(tag) => tag == tags[0],
                Address::Single(single) => single == family.base.event.id,
            };
            self.records.iter().filter(is_beyond).for_each(|record| read.insert(record.clone()));
        }
        read
    }

    /// Writes a plan as the store does: at once if that is possible, else so that each prefix shows what was before, or what is after.
    fn write(&mut self, steps: Steps, before: &[Row]) -> TestCaseResult {
        let Steps { prepare, commit, clean } = steps;
        let is_checked = prepare.len() + clean.len() <= 12;
        let after = self.naive_rows();
        for (name, part, expected, is_atomic) in [
            ("prepare", prepare, before, false),
            ("commit", commit, &after[..], true),
            ("clean", clean, &after[..], false),
        ] {
            let last = part.len().saturating_sub(1);
            for (number, change) in part.into_iter().enumerate() {
                self.rev += 1;
                let stored = self.records.get(change.record.address()).map_or(0, |stored| stored.rev);
                prop_assert_eq!(stored, change.record.rev, "{}", self.history());
                let (rev, seen) = (self.rev, change.record.seen.at(self.rev, change.views));
                self.records.insert(Record { rev, seen, ..change.record });
                if (is_checked && !is_atomic) || (number == last && is_atomic) {
                    let (rows, expected) = (texts_of(&self.rows(), name), texts_of(expected, name));
                    let difference = difference(&rows, &expected);
                    prop_assert!(rows == expected, "after {name} {number}\n{difference}\n{}", self.history());
                }
            }
        }
        Ok(())
    }

    /// No exception is live that its series does not list.
    fn check_exceptions(&self) -> TestCaseResult {
        for record in self.records.iter().filter(|record| !record.is_deleted) {
            prop_assert!(self.records.lists(&record.role), "{:?} does not count\n{}", record, self.history());
        }
        Ok(())
    }

    /// What Google has a copy of is still known, or Google has to learn of its end.
    fn check_links(&self, old: &Records) -> TestCaseResult {
        if !self.context.is_connected {
            return Ok(());
        }
        let link_of = |record: &Record| record.link.as_ref().map(|link| link.id.clone());
        let mut holders: BTreeMap<GoogleEventId, &Record> = BTreeMap::new();
        for record in self.records.iter() {
            if let Some(id) = link_of(record) {
                let other = holders.insert(id.clone(), record);
                prop_assert!(other.is_none(), "{:?} is held twice\n{}", id, self.history());
            }
        }
        for record in old.iter() {
            let Some(id) = link_of(record).filter(|_| self.records.get(record.address()) != Some(record))
            else {
                continue;
            };
            match (holders.get(&id), &record.role) {
                (Some(holder), _) => {
                    let place = |record: &Record| record.event.is_someday || record.is_deleted;
                    let must_tell = place(holder) && !place(record);
                    prop_assert!(!must_tell || holder.is_dirty, "{:?} is not told\n{}", id, self.history());
                }
                (None, Role::Exception { series, .. }) => {
                    let base = self.records.get(Address::Series(Tag::of(*series)));
                    let is_told = base.is_some_and(|base| base.is_dirty || base.link.is_none());
                    prop_assert!(is_told, "{:?} is not told of by its series\n{}", id, self.history());
                }
                (None, _) => prop_assert!(false, "{:?} is orphaned\n{}", id, self.history()),
            }
        }
        Ok(())
    }

    /// What is pushed to Google gets a link, and what it has learnt to be gone loses it.
    fn settle(&mut self) {
        let dirty: Vec<Record> = self.records.iter().filter(|record| record.is_dirty).cloned().collect();
        for record in dirty {
            let is_there = !record.is_deleted && !record.event.is_someday;
            let known = record.link.as_ref().map(|link| link.id.clone()).or(record.event.google_id.clone());
            let link = known.filter(|_| is_there).map(|id| Link {
                id,
                etag: String::new(),
                base: record.event.shared(),
                raw: String::new(),
            });
            self.records.insert(Record { link, is_dirty: false, ..record });
        }
    }

    fn history(&self) -> String {
        self.log.join("\n")
    }
}

fn sorted(rows: impl Iterator<Item = Row>) -> Vec<Row> {
    let mut rows: Vec<Row> = rows.collect();
    rows.sort_by_key(|row| (row.start, row.id));
    rows
}

/// What must be right in a part of a plan: exceptions may take on the new texts of their series only later.
fn texts_of(rows: &[Row], part: &str) -> Vec<Row> {
    let without_texts = |row: &Row| Row { fields: Fields::default(), ..row.clone() };
    match part {
        "prepare" => rows.to_vec(),
        _ => rows.iter().map(without_texts).collect(),
    }
}

fn difference(is: &[Row], expected: &[Row]) -> String {
    let lines = |rows: &[Row]| rows.iter().map(|row| format!("{row:?}")).collect::<BTreeSet<_>>();
    let (is, expected) = (lines(is), lines(expected));
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| {
        a.difference(b).take(6).cloned().collect::<Vec<_>>().join("\n")
    };
    format!(
        "only in the calendar:\n{}\nonly in the naive one:\n{}",
        only(&is, &expected),
        only(&expected, &is)
    )
}

fn live_through(starts: &[Start], acts: &[Act], is_connected: bool) -> TestCaseResult {
    let mut world = World::new(is_connected);
    for (number, start) in starts.iter().enumerate() {
        world.carry_out(&Request::Save(start.draft(number), Scope::This))?;
    }
    for act in acts {
        world.remember();
        let Some(request) = world.request(act) else { continue };
        world.carry_out(&request)?;
        if world.naive.has_twins() {
            return Ok(());
        }
        if is_connected {
            world.settle();
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_views_show_what_a_list_of_copies_would(
        starts in vec(starts(), 1..4),
        acts in vec(acts(), 1..9),
        is_connected: bool,
    ) {
        live_through(&starts, &acts, is_connected)?;
    }
}
