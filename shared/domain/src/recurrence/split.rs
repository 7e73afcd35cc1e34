//! A recurrence cut in two: what comes before a slot, and what comes from it on.

use chrono::{DateTime, TimeDelta, Utc};

use super::course::{COUNTED, Course};
use super::dates::When;
use super::expand::Towards;
use super::rule::Rule;
use super::{Part, Pattern, Recurrence};
use crate::{EventTime, Slot};

/// The most occurrences that are listed in place of a rule that cannot be continued.
const LISTED: usize = 500;

impl Pattern<'_> {
    /// The occurrences strictly before `slot`, for the same start: rules that go on have no COUNT but an UNTIL (one second before the
    /// slot in UTC, or the day before it), dates from the slot on are left out. `None` when nothing is left.
    pub fn before(&self, slot: Slot) -> Option<Recurrence> {
        self.first().filter(|first| *first < slot)?;
        let mut part = self.rewrite(|part| self.part_before(part, slot));
        if part.check().is_err() {
            // Only the start is left, of a series whose other occurrences were listed.
            part.list(Slot::of(self.start)?);
        }
        Some(part)
    }

    /// The occurrences from `slot` on, for a series that starts there: COUNT is less by what lies before, UNTIL is kept, dates before the
    /// slot are left out. What the old start implied and the new one does not (at a time that the clocks skipped) is named. `None` when
    /// nothing is left.
    ///
    /// A second rule whose interval leaves the new start out cannot be continued by any rule; its next 500 occurrences are listed instead.
    pub fn from(&self, slot: Slot) -> Option<Recurrence> {
        let is_slot = self.next(slot)? == slot;
        let mut part = self.rewrite(|part| self.part_from(part, slot));
        let start = self.time(slot)?;
        let is_in = |part: &Recurrence| Pattern::new(&start, self.zone, part).contains(slot);
        if is_slot && (part.check().is_err() || !is_in(&part)) {
            part.list(slot);
        }
        part.check().is_ok().then_some(part)
    }

    /// What is listed from `slot` on, and no rule: what is left for a tail that gets another one.
    pub fn dates_from(&self, slot: Slot) -> Recurrence {
        self.rewrite(|part| match part {
            Part::Rule(_) | Part::ExRule(_) => None,
            Part::Dates(_) | Part::ExDates(_) => self.part_from(part, slot),
        })
    }

    /// A slot, written as a time.
    fn time(&self, slot: Slot) -> Option<EventTime> {
        let text = match slot.date() {
            Some(date) => date.to_string(),
            None => self.zone.localize(slot.instant()).to_rfc3339(),
        };
        text.parse().ok()
    }

    /// Goes through the lines; of each, `None` leaves it out, and an equal part leaves it as it was written.
    pub(super) fn rewrite(&self, change: impl Fn(&Part) -> Option<Part>) -> Recurrence {
        let mut rewritten = Recurrence { lines: Vec::new(), parts: Vec::new() };
        for (line, part) in self.recurrence.lines.iter().zip(&self.recurrence.parts) {
            match change(part) {
                Some(changed) if changed == *part => rewritten.push(line.clone(), changed),
                Some(changed) => rewritten.push(changed.to_string(), changed),
                None => {}
            }
        }
        rewritten
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
            Part::Rule(rule) => self.rule_from(rule, slot, Part::Rule, Part::Dates),
            Part::ExRule(rule) => self.rule_from(rule, slot, Part::ExRule, Part::ExDates),
            Part::Dates(dates) => self.some_dates(dates, |date| date >= slot).map(Part::Dates),
            Part::ExDates(dates) => self.some_dates(dates, |date| date >= slot).map(Part::ExDates),
        }
    }

    fn rule_before(&self, rule: &Rule, slot: Slot) -> Rule {
        if self.until(rule).is_some_and(|until| until < slot)
            || Course::new(self, rule).ends_before(self, slot)
        {
            return rule.clone();
        }
        let second: DateTime<Utc> = slot.instant() - TimeDelta::seconds(1);
        let until = match slot.date() {
            Some(_) => When::Date(second.date_naive()),
            None => When::Utc(second),
        };
        Rule { count: None, until: Some(until), ..rule.clone() }
    }

    fn rule_from(
        &self,
        rule: &Rule,
        slot: Slot,
        as_rule: fn(Rule) -> Part,
        as_dates: fn(Vec<When>) -> Part,
    ) -> Option<Part> {
        if self.until(rule).is_some_and(|until| until < slot) {
            return None;
        }
        let course = Course::new(self, rule);
        let (start, clock) = (self.start_clock(), self.clock(slot));
        let count = match rule.count {
            Some(count) => {
                let count = count.min(COUNTED);
                let walk = course.run.walk(start, Towards::Future).looking_at(usize::MAX);
                let before = walk.within(clock).filter(|at| *at < clock);
                let gone = before.take(usize::try_from(count).unwrap_or(usize::MAX)).count();
                Some(count.checked_sub(u32::try_from(gone).ok()?).filter(|left| *left > 0)?)
            }
            None => None,
        };
        match course.run.continued(rule, clock, self.is_all_day()) {
            Some(rule) => Some(as_rule(Rule { count, ..rule })),
            None => {
                let next = course.onwards(self, slot).filter(|other| *other >= slot);
                let next: Vec<When> = next.take(LISTED).map(When::of).collect();
                (!next.is_empty()).then(|| as_dates(next))
            }
        }
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

impl Recurrence {
    /// Adds one occurrence.
    fn list(&mut self, slot: Slot) {
        let part = Part::Dates(vec![When::of(slot)]);
        self.push(part.to_string(), part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines before and from a slot.
    fn cut(start: &str, zone: &str, lines: &[&str], at: &str) -> (Option<Vec<String>>, Option<Vec<String>>) {
        let start: EventTime = start.parse().unwrap();
        let lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
        let recurrence = Recurrence::parse(&lines).unwrap();
        let pattern = Pattern::new(&start, zone.parse().unwrap(), &recurrence);
        let slot = Slot::of(&at.parse().unwrap()).unwrap();
        (pattern.before(slot).map(Vec::from), pattern.from(slot).map(Vec::from))
    }

    fn lines(lines: &[&str]) -> Option<Vec<String>> {
        Some(lines.iter().map(|&line| line.to_owned()).collect())
    }

    #[test]
    fn a_series_is_cut_a_second_before_or_the_day_before() {
        assert_eq!(
            cut(
                "2026-11-02T09:00:00+01:00",
                "Europe/Berlin",
                &["RRULE:FREQ=WEEKLY;WKST=SU"],
                "2026-11-16T08:00:00Z"
            ),
            (
                lines(&["RRULE:FREQ=WEEKLY;WKST=SU;UNTIL=20261116T075959Z"]),
                lines(&["RRULE:FREQ=WEEKLY;WKST=SU"])
            )
        );
        assert_eq!(
            cut("2026-11-02", "Europe/Berlin", &["RRULE:FREQ=DAILY;COUNT=10"], "2026-11-05"),
            (lines(&["RRULE:FREQ=DAILY;UNTIL=20261104"]), lines(&["RRULE:FREQ=DAILY;COUNT=7"]))
        );
    }

    #[test]
    fn at_the_first_slot_nothing_is_before_and_behind_the_last_nothing_follows() {
        let daily = &["RRULE:FREQ=DAILY;COUNT=3"];
        assert_eq!(
            cut("2026-11-02", "UTC", daily, "2026-11-02"),
            (None, lines(&["RRULE:FREQ=DAILY;COUNT=3"]))
        );
        assert_eq!(
            cut("2026-11-02", "UTC", daily, "2026-11-05"),
            (lines(&["RRULE:FREQ=DAILY;COUNT=3"]), None)
        );
    }

    #[test]
    fn listed_dates_go_to_their_side() {
        let all = &[
            "RRULE:FREQ=DAILY;UNTIL=20261130",
            "EXDATE;VALUE=DATE:20261103,20261110",
            "RDATE;VALUE=DATE:20261205",
        ];
        assert_eq!(
            cut("2026-11-02", "UTC", all, "2026-11-08"),
            (
                lines(&["RRULE:FREQ=DAILY;UNTIL=20261107", "EXDATE;VALUE=DATE:20261103"]),
                lines(&[
                    "RRULE:FREQ=DAILY;UNTIL=20261130",
                    "EXDATE;VALUE=DATE:20261110",
                    "RDATE;VALUE=DATE:20261205"
                ])
            )
        );
        assert_eq!(
            cut("2026-11-02", "UTC", &["RDATE;VALUE=DATE:20261104"], "2026-11-04"),
            (lines(&["RDATE;VALUE=DATE:20261102"]), lines(&["RDATE;VALUE=DATE:20261104"]))
        );
    }

    #[test]
    fn a_tail_that_starts_at_a_skipped_time_keeps_the_time_that_was_meant() {
        assert_eq!(
            cut(
                "2026-03-01T02:30:00-05:00",
                "America/New_York",
                &["RRULE:FREQ=DAILY"],
                "2026-03-08T07:30:00Z"
            )
            .1,
            lines(&["RRULE:FREQ=DAILY;BYHOUR=2;BYMINUTE=30;BYSECOND=0", "RDATE:20260308T073000Z"])
        );
    }

    #[test]
    fn what_no_rule_can_continue_is_listed() {
        let (_, from) = cut(
            "2026-11-02",
            "UTC",
            &["RRULE:FREQ=DAILY;INTERVAL=3;UNTIL=20261112", "RDATE;VALUE=DATE:20261106"],
            "2026-11-06",
        );
        assert_eq!(from, lines(&["RDATE;VALUE=DATE:20261108,20261111", "RDATE;VALUE=DATE:20261106"]));
    }
}
