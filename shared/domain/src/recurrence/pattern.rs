//! A recurrence in its place: the slots that it makes from a start, in a zone.
//!
//! Rules run on the wall clock of the zone; each occurrence becomes an instant only then, so the time of day is the same all year.

use chrono::{NaiveDateTime, NaiveTime, TimeDelta, Timelike};

use super::course::Courses;
use super::rule::Rule;
use super::{Part, Recurrence};
use crate::{EventTime, Slot, Zone};

/// How many slots in a row may be excluded before the search for one is given up.
const EXCLUDED: usize = 10_000;
/// How many days may be searched where all is excluded, some 400 years.
const SEARCHED_DAYS: i64 = 150_000;
/// The most days that one step of a search takes in; the first takes in one, each further twice as many.
const LONGEST_STEP: i64 = 4_096;

/// Where and how a rule runs: what a series' slots are computed from.
///
/// An all-day series has dates for slots, any other instants; a window may be asked for in either.
#[derive(Clone, Copy, Debug)]
pub struct Pattern<'a> {
    /// The start of the series: the time of day and the days that the rule does not name come from it.
    pub start: &'a EventTime,
    /// Whose wall clock is kept.
    pub zone: Zone,
    /// The lines.
    pub recurrence: &'a Recurrence,
    /// What [`Pattern::last`] has answered before, if that is known: it saves counting through a COUNT. A wrong one makes wrong slots.
    pub last: Option<Slot>,
}

impl<'a> Pattern<'a> {
    /// A pattern whose last slot is not known.
    pub fn new(start: &'a EventTime, zone: Zone, recurrence: &'a Recurrence) -> Self {
        Self { start, zone, recurrence, last: None }
    }

    /// The slots in `[from, to]`, sorted, each once. Costs what the window holds, however far it is from the start.
    pub fn slots(&self, from: Slot, to: Slot) -> Vec<Slot> {
        let (from, to) = (self.own(from).max(self.earliest()), self.own(to).min(self.latest()));
        if to < from { Vec::new() } else { Courses::new(self).slots(from, to).0 }
    }

    /// Whether there is an occurrence in this slot.
    pub fn contains(&self, slot: Slot) -> bool {
        slot.date().is_some() == self.is_all_day() && !self.slots(slot, slot).is_empty()
    }

    /// The first slot.
    pub fn first(&self) -> Option<Slot> {
        self.next(self.earliest())
    }

    /// The first slot at or after `from`. None is found behind ten thousand excluded ones in a row.
    pub fn next(&self, from: Slot) -> Option<Slot> {
        let courses = Courses::new(self);
        let mut from = self.own(from).max(self.earliest());
        let mut onwards = courses.onwards(from);
        let mut search = Search::new();
        while search.goes_on() {
            let candidate = onwards(from)?;
            let to = self.shifted(candidate, search.days);
            let (slots, made) = courses.slots(from, to);
            if let Some(slot) = slots.first() {
                return Some(*slot);
            }
            search.step(made);
            from = to.successor().filter(|next| *next <= self.latest())?;
        }
        None
    }

    /// The last slot. `None` of a series without end, and of one without any slot (see [`Pattern::first`]).
    pub fn last(&self) -> Option<Slot> {
        if self.is_endless() {
            return None;
        }
        let courses = Courses::new(self);
        let mut to = self.latest();
        let mut backwards = courses.backwards(to);
        let mut search = Search::new();
        while search.goes_on() {
            let candidate = backwards(to)?;
            let from = self.shifted(candidate, -search.days);
            let (slots, made) = courses.slots(from, to);
            if let Some(slot) = slots.last() {
                return Some(*slot);
            }
            search.step(made);
            to = from.predecessor()?;
        }
        None
    }

    /// Whether the series goes on for ever: one of its rules has neither COUNT nor UNTIL.
    pub fn is_endless(&self) -> bool {
        self.recurrence.rules().any(Rule::is_endless)
    }

    pub(super) fn is_all_day(&self) -> bool {
        self.start.is_date()
    }

    /// The start on the wall clock of the zone, in whole seconds.
    pub(super) fn start_clock(&self) -> NaiveDateTime {
        self.clock_of(self.start)
    }

    /// A time on the wall clock of the zone, in whole seconds.
    pub(super) fn clock_of(&self, time: &EventTime) -> NaiveDateTime {
        match time.date() {
            Some(date) => date.and_time(NaiveTime::MIN),
            None => {
                let clock = self.zone.wall_clock(time.instant());
                clock.with_nanosecond(0).unwrap_or(clock)
            }
        }
    }

    /// What a slot is on the wall clock of the zone.
    pub(super) fn clock(&self, slot: Slot) -> NaiveDateTime {
        match slot.date() {
            Some(date) => date.and_time(NaiveTime::MIN),
            None => self.zone.wall_clock(slot.instant()),
        }
    }

    /// The slot of a wall-clock time. The start itself keeps its instant, should its time come twice that day.
    pub(super) fn slot(&self, clock: NaiveDateTime, start: NaiveDateTime) -> Option<Slot> {
        if self.is_all_day() {
            Slot::on(clock.date())
        } else if clock == start {
            Slot::of(self.start)
        } else {
            Slot::at(self.zone.instant(clock))
        }
    }

    /// The last slot that UNTIL allows; before 1900 that is the first one, where nothing stands.
    pub(super) fn until(&self, rule: &Rule) -> Option<Slot> {
        let until = rule.until?;
        let slot = if self.is_all_day() {
            Slot::on(until.date(self.zone))
        } else {
            Slot::at(until.last_instant(self.zone))
        };
        Some(slot.unwrap_or(self.earliest()).min(self.latest()))
    }

    /// The known last slot, where it can only come from the one rule there is.
    pub(super) fn known_end(&self) -> Option<NaiveDateTime> {
        let last = self.last?;
        let parts = &self.recurrence.parts;
        let has_more = parts.iter().any(|part| matches!(part, Part::Dates(_) | Part::ExRule(_)));
        (!has_more && self.recurrence.rules().count() == 1).then(|| self.clock(last))
    }

    /// A slot as one of this series' kind: an instant in an all-day series means its date there, a date in one of times its midnight.
    fn own(&self, slot: Slot) -> Slot {
        let own = match slot.date() {
            Some(date) if !self.is_all_day() => Slot::at(self.zone.instant(date.and_time(NaiveTime::MIN))),
            None if self.is_all_day() => Slot::on(self.zone.wall_clock(slot.instant()).date()),
            _ => Some(slot),
        };
        own.unwrap_or(self.earliest())
    }

    /// The earliest slot that can be, by its kind.
    fn earliest(&self) -> Slot {
        if self.is_all_day() { Slot::FIRST_DATE } else { Slot::FIRST_INSTANT }
    }

    /// The latest slot that can be, by its kind.
    pub(super) fn latest(&self) -> Slot {
        if self.is_all_day() { Slot::LAST_DATE } else { Slot::LAST_INSTANT }
    }

    /// A slot some days on, or back.
    pub(super) fn shifted(&self, slot: Slot, days: i64) -> Slot {
        let end = if days < 0 { self.earliest() } else { self.latest() };
        let at = slot.instant().checked_add_signed(TimeDelta::days(days));
        let moved =
            at.and_then(|at| if self.is_all_day() { Slot::on(at.date_naive()) } else { Slot::at(at) });
        moved.unwrap_or(end).clamp(self.earliest(), self.latest())
    }
}

/// A search for a slot that is not excluded: what it has cost, and how far it steps next.
struct Search {
    days: i64,
    searched: i64,
    excluded: usize,
}

impl Search {
    fn new() -> Self {
        Self { days: 1, searched: 0, excluded: 0 }
    }

    fn goes_on(&self) -> bool {
        self.searched < SEARCHED_DAYS && self.excluded < EXCLUDED
    }

    fn step(&mut self, excluded: usize) {
        self.searched += self.days;
        self.excluded += excluded;
        self.days = (self.days * 2).min(LONGEST_STEP);
    }
}
