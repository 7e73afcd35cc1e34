//! A recurrence in its place: the slots that it makes from a start, in a zone.
//!
//! Rules run on the wall clock of the zone; each occurrence becomes an instant only then, so the time of day is the same all year.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};

use super::Recurrence;
use super::dates::When;
use super::expand::Run;
use super::rule::Rule;
use crate::{EventTime, Slot, Zone};

/// How far the wall-clock times of a window may lie outside it: no gap in any zone is longer than a day.
const MARGIN: TimeDelta = TimeDelta::hours(50);
/// The first windows that are searched for the next or the last slot, in days; each further one is four times as long.
const FIRST_SEARCH: i64 = 64;
/// The most occurrences that are counted to find where a COUNT ends; a rule with a greater COUNT ends there.
const COUNTED: u32 = 20_000;

/// Where and how a rule runs: what a series' slots are computed from.
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

    /// The slots in `[from, to]`, sorted, each once. Costs the same however far `from` is from the start.
    pub fn slots(&self, from: Slot, to: Slot) -> Vec<Slot> {
        if to < from {
            return Vec::new();
        }
        let mut slots: BTreeSet<Slot> =
            self.recurrence.rules().flat_map(|rule| self.of_rule(rule, from, to)).collect();
        slots.extend(self.listed(self.recurrence.dates()).filter(|slot| (from..=to).contains(slot)));
        if self.recurrence.rules().next().is_none() {
            slots.extend(Slot::of(self.start).filter(|slot| (from..=to).contains(slot)));
        }
        if slots.is_empty() {
            return Vec::new();
        }
        for rule in self.recurrence.ex_rules() {
            for slot in self.of_rule(rule, from, to) {
                slots.remove(&slot);
            }
        }
        for slot in self.listed(self.recurrence.ex_dates()) {
            slots.remove(&slot);
        }
        if !self.is_all_day() {
            self.remove_dates(&mut slots);
        }
        slots.into_iter().collect()
    }

    /// Whether there is an occurrence in this slot.
    pub fn contains(&self, slot: Slot) -> bool {
        !self.slots(slot, slot).is_empty()
    }

    /// The first slot.
    pub fn first(&self) -> Option<Slot> {
        self.next(self.earliest())
    }

    /// The first slot at or after `from`.
    pub fn next(&self, from: Slot) -> Option<Slot> {
        let end = self.end();
        let (mut from, mut days) = (from.max(self.earliest()), FIRST_SEARCH);
        while from <= end {
            let to = self.shifted(from, days).min(end);
            if let Some(slot) = self.slots(from, to).first() {
                return Some(*slot);
            }
            (from, days) = (self.after(to), days.saturating_mul(4));
        }
        None
    }

    /// The last slot. `None` of a series without end, and of one without any slot (see [`Pattern::first`]).
    pub fn last(&self) -> Option<Slot> {
        if self.is_endless() {
            return None;
        }
        let earliest = self.earliest();
        let (mut to, mut days) = (self.end(), FIRST_SEARCH);
        while to >= earliest {
            let from = self.shifted(to, -days).max(earliest);
            if let Some(slot) = self.slots(from, to).last() {
                return Some(*slot);
            }
            if from == earliest {
                return None;
            }
            (to, days) = (self.before_second(from), days.saturating_mul(4));
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
        match self.start.date() {
            Some(date) => date.and_time(NaiveTime::MIN),
            None => whole_seconds(self.zone.wall_clock(self.start.instant())),
        }
    }

    /// What a slot is on the wall clock of the zone.
    pub(super) fn clock(&self, slot: Slot) -> NaiveDateTime {
        match slot.date() {
            Some(date) => date.and_time(NaiveTime::MIN),
            None if self.is_all_day() => self.zone.wall_clock(slot.instant()).date().and_time(NaiveTime::MIN),
            None => self.zone.wall_clock(slot.instant()),
        }
    }

    /// The slot of a wall-clock time. The start itself keeps its instant, should its time come twice that day.
    pub(super) fn slot(&self, clock: NaiveDateTime) -> Option<Slot> {
        if self.is_all_day() {
            Slot::on(clock.date())
        } else if clock == self.start_clock() {
            Slot::of(self.start)
        } else {
            Slot::at(self.zone.instant(clock))
        }
    }

    /// The occurrences of one rule on the wall clock, from the start of the series on, that come before `to` and before the rule's end.
    pub(super) fn clocks(&self, rule: &Rule, from: NaiveDateTime, to: NaiveDateTime) -> Vec<NaiveDateTime> {
        let run = Run::new(rule, self.start_clock(), self.is_all_day());
        let to = self.counted_end(rule, &run).map_or(to, |end| end.min(to));
        run.near(from).skip_while(|at| *at < from).take_while(|at| *at <= to).collect()
    }

    fn of_rule(&self, rule: &Rule, from: Slot, to: Slot) -> Vec<Slot> {
        let to = self.until(rule).map_or(to, |until| until.min(to));
        if to < from {
            return Vec::new();
        }
        let margin = |clock: NaiveDateTime, by: TimeDelta| clock.checked_add_signed(by).unwrap_or(clock);
        self.clocks(rule, margin(self.clock(from), -MARGIN), margin(self.clock(to), MARGIN))
            .into_iter()
            .filter_map(|clock| self.slot(clock))
            .filter(|slot| (from..=to).contains(slot))
            .collect()
    }

    /// The last slot that UNTIL allows.
    pub(super) fn until(&self, rule: &Rule) -> Option<Slot> {
        let until = rule.until?;
        let slot = if self.is_all_day() {
            Slot::on(until.date(self.zone))
        } else {
            Slot::at(until.last_instant(self.zone))
        };
        // An end before 1900 ends everything.
        Some(slot.unwrap_or_else(|| self.earliest()))
    }

    /// The occurrence with which a COUNT ends.
    fn counted_end(&self, rule: &Rule, run: &Run) -> Option<NaiveDateTime> {
        let count = rule.count?;
        if let Some(last) = self.known_end() {
            return Some(last);
        }
        let count = usize::try_from(count.min(COUNTED)).unwrap_or(usize::MAX);
        run.near(self.start_clock()).take(count).last().or(Some(NaiveDateTime::MIN))
    }

    /// The known last slot, where it can only come from the one rule there is.
    fn known_end(&self) -> Option<NaiveDateTime> {
        let last = self.last?;
        let is_alone = self
            .recurrence
            .parts
            .iter()
            .all(|part| !matches!(part, super::Part::Dates(_) | super::Part::ExRule(_)))
            && self.recurrence.rules().count() == 1;
        is_alone.then(|| self.clock(last))
    }

    fn listed<'s>(&'s self, dates: impl Iterator<Item = When> + 's) -> impl Iterator<Item = Slot> + 's {
        let (start, is_all_day) = (self.start_clock(), self.is_all_day());
        dates.filter_map(move |when| when.slot(self.zone, start, is_all_day))
    }

    /// An EXDATE that is a date takes its whole day from a series of times.
    fn remove_dates(&self, slots: &mut BTreeSet<Slot>) {
        let dates: BTreeSet<NaiveDate> = self
            .recurrence
            .ex_dates()
            .filter_map(|when| if let When::Date(date) = when { Some(date) } else { None })
            .collect();
        if !dates.is_empty() {
            slots.retain(|slot| !dates.contains(&self.clock(*slot).date()));
        }
    }

    /// The earliest slot that there can be: that of the start, or of a date that is listed before it.
    fn earliest(&self) -> Slot {
        let zero = if self.is_all_day() { Slot::FIRST_DATE } else { Slot::FIRST_INSTANT };
        let start = Slot::of(self.start).unwrap_or(zero);
        self.listed(self.recurrence.dates()).fold(start, Slot::min)
    }

    /// The latest slot that there can be.
    fn end(&self) -> Slot {
        let last = if self.is_all_day() { Slot::LAST_DATE } else { Slot::LAST_INSTANT };
        if self.is_endless() {
            return last;
        }
        let ends = self.recurrence.rules().filter_map(|rule| {
            self.until(rule).or_else(|| {
                let run = Run::new(rule, self.start_clock(), self.is_all_day());
                self.counted_end(rule, &run).and_then(|clock| self.slot(clock))
            })
        });
        let start = Slot::of(self.start).unwrap_or_else(|| self.earliest());
        ends.chain(self.listed(self.recurrence.dates())).fold(start, Slot::max).min(last)
    }

    /// A slot some days on, or back.
    pub(super) fn shifted(&self, slot: Slot, days: i64) -> Slot {
        let by = TimeDelta::try_days(days).unwrap_or(TimeDelta::MAX);
        let (first, last) = if self.is_all_day() {
            (Slot::FIRST_DATE, Slot::LAST_DATE)
        } else {
            (Slot::FIRST_INSTANT, Slot::LAST_INSTANT)
        };
        let moved = slot.instant().checked_add_signed(by).and_then(|at| self.slot_near(at));
        moved.unwrap_or(if days < 0 { first } else { last }).clamp(first, last)
    }

    fn slot_near(&self, at: DateTime<Utc>) -> Option<Slot> {
        if self.is_all_day() { Slot::on(at.date_naive()) } else { Slot::at(at) }
    }

    pub(super) fn after(&self, slot: Slot) -> Slot {
        slot.successor()
    }

    fn before_second(&self, slot: Slot) -> Slot {
        slot.predecessor()
    }
}

fn whole_seconds(clock: NaiveDateTime) -> NaiveDateTime {
    clock.with_nanosecond(0).unwrap_or(clock)
}
