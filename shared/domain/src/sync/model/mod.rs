//! Two sides and what people do to both: our records, changed by the real plans of requests, and a Google that is a map with versions. Between them
//! goes what the runner does, as pure functions. In the end both say the same, and no text that somebody wrote is lost without a record.

mod acts;
mod checks;
mod google;
mod histories;
mod mended;
mod planted;
mod runner;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use proptest::test_runner::TestCaseResult;

use self::acts::Act;
use self::google::Google;
use self::planted::Bug;
use super::Conflict;
use crate::plan::{Context, delete, save};
use crate::{Record, Records, Scope, Shared, Shelf, Shown, Steps, show};

/// How an answer may get lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Sound,
    /// Google does what it is asked to, and nobody here learns of it.
    BreaksAfter,
}

#[derive(Clone)]
struct World {
    google: Google,
    records: Records,
    rev: u64,
    /// Up to which of Google's versions everything was read.
    token: u64,
    lost: Vec<Conflict>,
    /// What somebody wrote.
    written: BTreeSet<String>,
    /// What somebody took away who saw it.
    superseded: BTreeSet<String>,
    is_repair_wanted: bool,
    log: Vec<String>,
    /// What the runner does wrong, so that a check can show that it finds it.
    bug: Option<Bug>,
}

/// What somebody has written, as far as it can be seen on a side: titles and descriptions, and what tells one move or rule from another: the minute that
/// an event was moved to, and every how many days it recurs.
fn marks<'a>(shared: impl Iterator<Item = &'a Shared>) -> BTreeMap<String, usize> {
    let mut marks = BTreeMap::new();
    for Shared { title, description, span, rule, .. } in shared {
        let texts = [title, description].into_iter().flatten().map(|text| text.trim().to_owned());
        let minute = Some(span.start().instant().minute()).filter(|minute| *minute > 0);
        let minute = minute.map(|minute| format!("moved to minute {minute}"));
        for mark in texts.chain(minute).chain(rule.as_ref().and_then(acts::interval)) {
            *marks.entry(mark).or_default() += 1;
        }
    }
    marks
}

/// Marks that are to be seen less often than before: a series that was split shows one text in two places.
fn taken_away(before: &BTreeMap<String, usize>, after: &BTreeMap<String, usize>) -> Vec<String> {
    let is_less = |(mark, count): &(&String, &usize)| after.get(*mark).is_none_or(|now| now < count);
    before.iter().filter(is_less).map(|(mark, _)| mark.clone()).collect()
}

impl World {
    fn new(rewrites: bool) -> Self {
        Self {
            google: Google::new(rewrites),
            records: Records::default(),
            rev: 0,
            token: 0,
            lost: Vec::new(),
            written: BTreeSet::new(),
            superseded: BTreeSet::new(),
            is_repair_wanted: false,
            log: Vec::new(),
            bug: None,
        }
    }

    /// Our clock is Google's: every version and every change takes a second.
    fn now(&self) -> DateTime<Utc> {
        google::at(self.google.version) + TimeDelta::milliseconds(500)
    }

    fn note(&mut self, what: impl Into<String>) {
        self.log.push(what.into());
    }

    /// What goes wrong, with what was done before it.
    fn told(&self, what: &str) -> String {
        format!("{what}\n{}", self.log.join("\n"))
    }

    fn write(&mut self, steps: Steps) -> usize {
        let count = steps.len();
        for change in steps.into_changes() {
            self.rev += 1;
            self.records.insert(Record { rev: self.rev, ..change.record });
        }
        count
    }

    /// What both views here show, and the series that make some of it.
    fn shown(&self) -> Vec<Shown> {
        let series = self.records.iter().filter(|record| record.series().is_some()).map(|record| {
            let recurs = crate::Recurs::Base(record.series().unwrap().rule());
            Shown { event: record.event.clone(), recurs }
        });
        self.shown_in_views().into_iter().chain(series).collect()
    }

    /// What both views here show.
    fn shown_in_views(&self) -> Vec<Shown> {
        let live: Vec<_> = self.records.iter().filter(|record| !record.is_deleted).collect();
        let live = || live.iter().map(|record| (record.event.clone(), record.role.clone()));
        show(live(), Shelf::Grid, None).into_iter().chain(show(live(), Shelf::Someday, None)).collect()
    }

    fn marks_here(&self) -> BTreeMap<String, usize> {
        let shown: Vec<Shared> = self.shown().iter().map(acts::shared).collect();
        marks(shown.iter())
    }

    fn marks_there(&self) -> BTreeMap<String, usize> {
        let shown = self.google.shown();
        marks(shown.iter().map(|(_, shared)| shared))
    }

    /// Somebody does something here. What was to be seen and is no more, they took away.
    fn here(&mut self, plan: impl FnOnce(&Records, &Context) -> Option<Steps>) {
        let context = Context { is_connected: true, zone: Some("UTC".parse().unwrap()), now: self.now() };
        let before = self.marks_here();
        if let Some(steps) = plan(&self.records, &context) {
            self.write(steps);
        }
        self.google.version += 1;
        let after = self.marks_here();
        self.superseded.extend(taken_away(&before, &after));
        self.written.extend(after.into_keys());
    }

    /// The same at Google.
    fn there(&mut self, act: impl FnOnce(&mut Google)) {
        let before = self.marks_there();
        act(&mut self.google);
        let after = self.marks_there();
        self.superseded.extend(taken_away(&before, &after));
        self.written.extend(after.into_keys());
    }

    fn act(&mut self, act: &Act) -> TestCaseResult {
        self.note(format!("{act:?}"));
        match act {
            Act::Here { which, scope, what, place } => {
                let shown = self.shown();
                if let Some(shown) = acts::pick(&shown, *which) {
                    let draft = acts::draft(shown, *what, *place);
                    let id = shown.event.id;
                    self.here(|records, context| match draft {
                        Some(draft) => save(records, &draft, *scope, context).ok(),
                        None => delete(records, id, *scope, context).ok(),
                    });
                }
            }
            Act::NewHere { count, is_someday, place } => {
                let draft = acts::new_here(*count, *is_someday, *place);
                self.here(|records, context| save(records, &draft, Scope::This, context).ok());
            }
            Act::There { which, what, place } => {
                let (shown, deleted) = (self.google.shown(), self.google.deleted());
                let from = if *what == acts::Edit::Restore { &deleted } else { &shown };
                if let Some((id, shared)) = acts::pick(from, *which) {
                    let next = acts::edited(shared, *what, *place);
                    let mut after = self.google.clone();
                    after.put(id, next.clone());
                    if after.has_hidden_a_loss(self.token) {
                        self.pull(&[]);
                    }
                    self.there(|google| google.put(id, next));
                }
            }
            Act::NewThere { count, place } => {
                let (id, shared) = (format!("google{place}"), acts::new_there(*count, *place));
                self.there(|google| google.create(&id, shared));
            }
            Act::Pull { order } => {
                self.pull(order);
            }
            Act::Push { line } => self.push(*line)?,
            Act::Repair => self.repair(),
            Act::Agree => self.quiesce()?,
        }
        Ok(())
    }
}
