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
/// The most days that are looked at to find where a COUNT ends, some 180 years' worth; a rule that needs more ends there.
const COUNTED_DAYS: usize = 1 << 16;
/// The most occurrences that are counted; a rule with a greater COUNT ends there.
pub(super) const COUNTED: u32 = 10_000;

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
            let count_through =
                || run.walk(start, Towards::Future).looking_at(COUNTED_DAYS).take(count).last();
            // A rule that never comes to anything ends before time begins.
            pattern.known_end().or_else(count_through).unwrap_or(NaiveDateTime::MIN)
        });
        Self { until: pattern.until(rule), counted_end, run }
    }

    /// The last wall-clock time at which this rule may make a slot up to one.
    fn last_clock(&self, pattern: &Pattern<'_>, to: Slot) -> NaiveDateTime {
        let to = self.until.map_or(to, |until| until.min(to));
        let clock = after_margin(pattern.clock(to));
        self.counted_end.map_or(clock, |end| end.min(clock))
    }

    /// Whether a COUNT has come to its end before a slot.
    pub(super) fn ends_before(&self, pattern: &Pattern<'_>, slot: Slot) -> bool {
        self.counted_end
            .is_some_and(|end| pattern.slot(end, pattern.start_clock()).is_none_or(|end| end < slot))
    }

    fn is_over(&self, slot: Slot) -> bool {
        self.until.is_some_and(|until| slot > until)
    }

    /// What the rule makes from about a slot on, in the order of the wall clock.
    pub(super) fn onwards<'s>(
        &'s self,
        pattern: &'s Pattern<'_>,
        from: Slot,
    ) -> impl Iterator<Item = Slot> + 's {
        let (start, last) = (pattern.start_clock(), self.last_clock(pattern, pattern.latest()));
        self.run
            .walk(before_margin(pattern.clock(from)), Towards::Future)
            .within(last)
            .filter_map(move |clock| pattern.slot(clock, start))
            .filter(|slot| !self.is_over(*slot))
    }

    /// What the rule makes up to about a slot, against the order of the wall clock.
    fn backwards<'s>(&'s self, pattern: &'s Pattern<'_>, to: Slot) -> impl Iterator<Item = Slot> + 's {
        let (start, last) = (pattern.start_clock(), self.last_clock(pattern, to));
        self.run
            .walk(last, Towards::Past)
            .filter(move |clock| *clock <= last)
            .filter_map(move |clock| pattern.slot(clock, start))
            .filter(|slot| !self.is_over(*slot))
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

    /// The slots in `[from, to]`, sorted, each once; and how many there were before some were excluded.
    pub(super) fn slots(&self, from: Slot, to: Slot) -> (Vec<Slot>, usize) {
        let mut slots: Vec<Slot> =
            self.dates.iter().copied().filter(|slot| (from..=to).contains(slot)).collect();
        for course in &self.rules {
            self.add(course, from, to, &mut slots);
        }
        let mut slots = sorted(slots);
        let made = slots.len();
        if made == 0 {
            return (slots, made);
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
        (slots, made)
    }

    /// Goes through the slots that a rule or a date makes, excluded or not: asked for ever later places, answers with the first at or after
    /// each. One that is earlier by the clocks' change may be passed over.
    pub(super) fn onwards(&self, from: Slot) -> impl FnMut(Slot) -> Option<Slot> {
        let mut rules: Vec<_> =
            self.rules.iter().map(|course| course.onwards(self.pattern, from).fuse().peekable()).collect();
        move |from| {
            let next = rules.iter_mut().filter_map(|slots| {
                while slots.next_if(|slot| *slot < from).is_some() {}
                slots.peek().copied()
            });
            next.chain(self.dates.iter().copied().find(|slot| *slot >= from)).min()
        }
    }

    /// The same in the other direction: asked for ever earlier places, answers with the last at or before each.
    pub(super) fn backwards(&self, to: Slot) -> impl FnMut(Slot) -> Option<Slot> {
        let mut rules: Vec<_> =
            self.rules.iter().map(|course| course.backwards(self.pattern, to).fuse().peekable()).collect();
        move |to| {
            let previous = rules.iter_mut().filter_map(|slots| {
                while slots.next_if(|slot| *slot > to).is_some() {}
                slots.peek().copied()
            });
            previous.chain(self.dates.iter().copied().rfind(|slot| *slot <= to)).max()
        }
    }

    /// Adds what one rule makes in a window.
    fn add(&self, course: &Course, from: Slot, to: Slot, slots: &mut Vec<Slot>) {
        let first = before_margin(self.pattern.clock(from)).max(self.start);
        let last = course.last_clock(self.pattern, to);
        if last < first {
            return;
        }
        let made = course
            .run
            .walk(first, Towards::Future)
            .looking_at(usize::MAX)
            .within(last)
            .filter_map(|clock| self.pattern.slot(clock, self.start))
            .filter(|slot| (from..=to).contains(slot) && !course.is_over(*slot));
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
