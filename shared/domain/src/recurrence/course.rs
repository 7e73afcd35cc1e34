//! A pattern made ready for a question: its rules put on the start, their ends and the listed dates found.
//!
//! Made anew for each question; within one, nothing is worked out twice.

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};

use super::Pattern;
use super::dates::When;
use super::expand::{Run, Towards};
use super::rule::Rule;
use crate::Slot;

/// How far the wall-clock times of a window may lie outside it: no gap in any zone is longer than a day.
const MARGIN: TimeDelta = TimeDelta::hours(50);
/// The most occurrences that are counted to find where a COUNT ends; a rule with a greater COUNT ends there.
const COUNTED: u32 = 20_000;

/// All that makes and unmakes the slots of a pattern.
pub(super) struct Courses<'p> {
    pattern: &'p Pattern<'p>,
    start: NaiveDateTime,
    rules: Vec<Course>,
    ex_rules: Vec<Course>,
    /// Sorted.
    dates: Vec<Slot>,
    /// Sorted.
    ex_dates: Vec<Slot>,
    /// Days that are excluded as a whole from a series of times. Sorted.
    ex_days: Vec<NaiveDate>,
}

/// One rule with its ends.
pub(super) struct Course {
    pub(super) run: Run,
    until: Option<Slot>,
    counted_end: Option<NaiveDateTime>,
}

impl Course {
    pub(super) fn new(pattern: &Pattern<'_>, rule: &Rule) -> Self {
        let start = pattern.start_clock();
        let run = Run::new(rule, start, pattern.is_all_day());
        let counted_end = rule.count.map(|count| {
            let count = usize::try_from(count.min(COUNTED)).unwrap_or(usize::MAX);
            let count_through = || run.walk(start, Towards::Future).take(count).last();
            // A rule that never comes to anything ends before time begins.
            pattern.known_end().or_else(count_through).unwrap_or(NaiveDateTime::MIN)
        });
        Self { until: pattern.until(rule), counted_end, run }
    }

    fn is_over(&self, clock: NaiveDateTime) -> bool {
        self.counted_end.is_some_and(|end| clock > end)
    }
}

impl<'p> Courses<'p> {
    pub(super) fn new(pattern: &'p Pattern<'p>) -> Self {
        let start = pattern.start_clock();
        let recurrence = pattern.recurrence;
        let listed = |dates: &mut dyn Iterator<Item = When>| -> Vec<Slot> {
            let slot = |when: When| when.slot(pattern.zone, start, pattern.is_all_day());
            sorted(dates.filter_map(slot).collect())
        };
        let rules: Vec<Course> = recurrence.rules().map(|rule| Course::new(pattern, rule)).collect();
        let mut dates = listed(&mut recurrence.dates());
        if rules.is_empty() {
            dates = sorted(dates.into_iter().chain(Slot::of(pattern.start)).collect());
        }
        let day = |when: When| if let When::Date(date) = when { Some(date) } else { None };
        Self {
            pattern,
            start,
            rules,
            ex_rules: recurrence.ex_rules().map(|rule| Course::new(pattern, rule)).collect(),
            dates,
            ex_dates: listed(&mut recurrence.ex_dates()),
            ex_days: if pattern.is_all_day() {
                Vec::new()
            } else {
                sorted(recurrence.ex_dates().filter_map(day).collect())
            },
        }
    }

    /// The slots in `[from, to]`, sorted, each once.
    pub(super) fn slots(&self, from: Slot, to: Slot) -> Vec<Slot> {
        let mut slots: Vec<Slot> =
            self.dates.iter().copied().filter(|slot| (from..=to).contains(slot)).collect();
        for course in &self.rules {
            self.add(course, from, to, &mut slots);
        }
        let mut slots = sorted(slots);
        if slots.is_empty() {
            return slots;
        }
        let mut excluded = Vec::new();
        for course in &self.ex_rules {
            self.add(course, from, to, &mut excluded);
        }
        excluded.sort_unstable();
        slots.retain(|slot| {
            excluded.binary_search(slot).is_err()
                && self.ex_dates.binary_search(slot).is_err()
                && (self.ex_days.is_empty()
                    || self.ex_days.binary_search(&self.pattern.clock(*slot).date()).is_err())
        });
        slots
    }

    /// The first slot from one on that a rule or a date makes, excluded or not. An earlier one may stand within a day before it, where the
    /// clocks change.
    pub(super) fn next(&self, from: Slot) -> Option<Slot> {
        let of_rule = |course: &Course| {
            course
                .run
                .walk(before_margin(self.pattern.clock(from)), Towards::Future)
                .take_while(|clock| !course.is_over(*clock))
                .filter_map(|clock| self.pattern.slot(clock, self.start))
                .find(|slot| *slot >= from)
                .filter(|slot| course.until.is_none_or(|until| *slot <= until))
        };
        let listed = self.dates.iter().copied().find(|slot| *slot >= from);
        self.rules.iter().filter_map(of_rule).chain(listed).min()
    }

    /// The last slot up to one that a rule or a date makes, excluded or not. A later one may stand within a day after it, where the clocks
    /// change.
    pub(super) fn previous(&self, to: Slot) -> Option<Slot> {
        let of_rule = |course: &Course| {
            let to = course.until.map_or(to, |until| until.min(to));
            let clock = after_margin(self.pattern.clock(to));
            let clock = course.counted_end.map_or(clock, |end| end.min(clock));
            course
                .run
                .walk(clock, Towards::Past)
                .filter(|clock| !course.is_over(*clock))
                .filter_map(|clock| self.pattern.slot(clock, self.start))
                .find(|slot| *slot <= to)
        };
        let listed = self.dates.iter().copied().rfind(|slot| *slot <= to);
        self.rules.iter().filter_map(of_rule).chain(listed).max()
    }

    /// Adds what one rule makes in a window.
    fn add(&self, course: &Course, from: Slot, to: Slot, slots: &mut Vec<Slot>) {
        let to = course.until.map_or(to, |until| until.min(to));
        if to < from {
            return;
        }
        let first = before_margin(self.pattern.clock(from)).max(self.start);
        let last = after_margin(self.pattern.clock(to));
        let last = course.counted_end.map_or(last, |end| end.min(last));
        if last < first {
            return;
        }
        let made = course
            .run
            .walk(first, Towards::Future)
            .within(last)
            .filter_map(|clock| self.pattern.slot(clock, self.start))
            .filter(|slot| (from..=to).contains(slot));
        slots.extend(made);
    }
}

fn before_margin(clock: NaiveDateTime) -> NaiveDateTime {
    clock.checked_sub_signed(MARGIN).unwrap_or(clock)
}

fn after_margin(clock: NaiveDateTime) -> NaiveDateTime {
    clock.checked_add_signed(MARGIN).unwrap_or(clock)
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list.dedup();
    list
}
