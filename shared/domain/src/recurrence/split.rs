//! A recurrence cut in two: what comes before a slot, and what comes from it on.

use chrono::{DateTime, TimeDelta, Utc};

use super::dates::When;
use super::expand::{Run, Towards};
use super::rule::Rule;
use super::{Part, Pattern, Recurrence};
use crate::Slot;

impl Pattern<'_> {
    /// The occurrences strictly before `slot`, for the same start: COUNT is gone, UNTIL is set (one second before the slot in UTC, or the
    /// day before it), dates from the slot on are left out. `None` when nothing is left.
    pub fn before(&self, slot: Slot) -> Option<Recurrence> {
        let part = self.rewrite(|part| self.part_before(part, slot));
        let left = Pattern { recurrence: part.as_ref()?, last: None, ..*self };
        left.first().filter(|first| *first < slot)?;
        part
    }

    /// The occurrences from `slot` on, for a series that starts there: COUNT is less by what lies before, UNTIL is kept, dates before the
    /// slot are left out. `None` when nothing is left.
    pub fn from(&self, slot: Slot) -> Option<Recurrence> {
        self.next(slot)?;
        self.rewrite(|part| self.part_from(part, slot))
    }

    /// Goes through the lines; of each, `None` leaves it out, and an equal part leaves it as it was written.
    fn rewrite(&self, change: impl Fn(&Part) -> Option<Part>) -> Option<Recurrence> {
        let mut rewritten = Recurrence { lines: Vec::new(), parts: Vec::new() };
        for (line, part) in self.recurrence.lines.iter().zip(&self.recurrence.parts) {
            match change(part) {
                Some(changed) if changed == *part => rewritten.push(line.clone(), changed),
                Some(changed) => rewritten.push(changed.to_string(), changed),
                None => {}
            }
        }
        rewritten.check().is_ok().then_some(rewritten)
    }

    fn part_before(&self, part: &Part, slot: Slot) -> Option<Part> {
        match part {
            Part::Rule(rule) => Some(Part::Rule(self.rule_before(rule, slot))),
            Part::ExRule(rule) => Some(Part::ExRule(rule.clone())),
            Part::Dates(dates) => self.some_dates(dates, |date| date < slot).map(Part::Dates),
            Part::ExDates(dates) => self.some_dates(dates, |date| date < slot).map(Part::ExDates),
        }
    }

    fn part_from(&self, part: &Part, slot: Slot) -> Option<Part> {
        match part {
            Part::Rule(rule) => self.rule_from(rule, slot).map(Part::Rule),
            Part::ExRule(rule) => self.rule_from(rule, slot).map(Part::ExRule),
            Part::Dates(dates) => self.some_dates(dates, |date| date >= slot).map(Part::Dates),
            Part::ExDates(dates) => self.some_dates(dates, |date| date >= slot).map(Part::ExDates),
        }
    }

    fn rule_before(&self, rule: &Rule, slot: Slot) -> Rule {
        if self.until(rule).is_some_and(|until| until < slot) {
            return rule.clone();
        }
        let second: DateTime<Utc> = slot.instant() - TimeDelta::seconds(1);
        let until = match slot.date() {
            Some(_) => When::Date(second.date_naive()),
            None => When::Utc(second),
        };
        Rule { count: None, until: Some(until), ..rule.clone() }
    }

    fn rule_from(&self, rule: &Rule, slot: Slot) -> Option<Rule> {
        if self.until(rule).is_some_and(|until| until < slot) {
            return None;
        }
        let Some(count) = rule.count else { return Some(rule.clone()) };
        let (start, clock) = (self.start_clock(), self.clock(slot));
        let run = Run::new(rule, start, self.is_all_day());
        let before = run.walk(start, Towards::Future).within(clock).filter(|at| *at < clock);
        let gone = before.take(usize::try_from(count).unwrap_or(usize::MAX)).count();
        let left = count.checked_sub(u32::try_from(gone).ok()?).filter(|left| *left > 0)?;
        Some(Rule { count: Some(left), ..rule.clone() })
    }

    fn some_dates(&self, dates: &[When], is_wanted: impl Fn(Slot) -> bool) -> Option<Vec<When>> {
        let (start, is_all_day) = (self.start_clock(), self.is_all_day());
        let dates: Vec<When> = dates
            .iter()
            .copied()
            .filter(|date| date.slot(self.zone, start, is_all_day).is_some_and(&is_wanted))
            .collect();
        (!dates.is_empty()).then_some(dates)
    }
}
