//! What must hold when nothing is left to do.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::{World, marks};
use crate::sync::Version;
use crate::{Address, Record, Role, Shared, Slot, Tag};

impl World {
    /// Both sides say the same, occurrence by occurrence.
    pub(super) fn agrees(&self) -> TestCaseResult {
        let on_grid = self.records.iter().filter(|record| !record.is_deleted && !record.event.is_someday);
        let mut copies = 0;
        for record in on_grid.filter(|record| !matches!(record.role, Role::Exception { .. })) {
            copies += 1;
            let difference = self.google.differs(record, &self.exceptions(record));
            prop_assert!(difference.is_none(), "{}", self.told(&difference.unwrap_or_default()));
        }
        let alone = self.records.iter().find(|record| self.stands_alone(record));
        prop_assert!(alone.is_none(), "{}", self.told(&format!("Google cannot know of {alone:?}")));
        let shown = self.shown_in_views();
        let ids: BTreeSet<_> = shown.iter().map(|shown| shown.event.id).collect();
        prop_assert!(ids.len() == shown.len(), "{}", self.told("two events are shown under one id"));
        let titles = self.google.titles();
        prop_assert!(
            copies == titles.len(),
            "{}",
            self.told(&format!("{copies} events here, at Google {titles:?}"))
        );
        Ok(())
    }

    /// What somebody had written in what lost a conflict.
    pub(super) fn recorded(&self) -> BTreeSet<String> {
        let version = |Version { event, rule }: &Version| Shared { rule: rule.clone(), ..event.shared() };
        let recorded: Vec<Shared> = self.lost.iter().map(|conflict| version(&conflict.lost)).collect();
        marks(recorded.iter()).into_keys().collect()
    }

    /// Whatever somebody wrote is to be seen, or somebody took it away who saw it, or a conflict tells of it.
    pub(super) fn has_lost_nothing(&self) -> TestCaseResult {
        let (seen, recorded) = (self.marks_here(), self.recorded());
        for mark in &self.written {
            let is_kept =
                seen.contains_key(mark) || self.superseded.contains(mark) || recorded.contains(mark);
            prop_assert!(is_kept, "{}", self.told(&format!("{mark:?} is lost")));
        }
        Ok(())
    }

    /// Everything is read once more, and nothing changes on either side.
    pub(super) fn is_at_rest(&mut self) -> TestCaseResult {
        let (writes, rev) = (self.google.writes, self.rev);
        self.token = 0;
        self.quiesce()?;
        let is_still = (writes, rev) == (self.google.writes, self.rev);
        prop_assert!(is_still, "{}", self.told("everything read once more, and something changed"));
        Ok(())
    }

    /// What stands here and what is still to be sent, without what no series counts and Google has not.
    pub(super) fn meaning(&self) -> BTreeMap<Address, String> {
        let counts = |record: &&Record| {
            let is_known = record.link.is_some() || record.is_dirty;
            is_known || (!record.is_deleted && self.records.lists(&record.role))
        };
        let say = |record: &Record| {
            let Record { link, is_dirty, is_deleted, event, role, .. } = record;
            let (shelf, link) = (event.shelf(), link.as_ref().map(|link| (&link.id, &link.etag)));
            let slots = match role {
                Role::Series(series) => Some(&series.exceptions),
                Role::Single | Role::Exception { .. } => None,
            };
            // Of what is deleted, Google may or may not say what it was.
            let shared = record.live().map(|_| record.shared());
            format!("{shared:?} {slots:?} {shelf:?} {link:?} dirty {is_dirty} deleted {is_deleted}")
        };
        self.records.iter().filter(counts).map(|record| (record.address(), say(record))).collect()
    }

    /// What stands in the listed slots of a series; nothing where the grid has nothing.
    fn exceptions(&self, base: &Record) -> BTreeMap<Slot, Option<Shared>> {
        let Some(series) = base.series() else { return BTreeMap::new() };
        let at = |slot: &Slot| {
            let there = self.records.get(Address::Exception(Tag::of(base.event.id), *slot));
            let live = there.filter(|record| !record.is_deleted && !record.event.is_someday);
            (*slot, live.map(Record::shared))
        };
        series.exceptions.iter().map(at).collect()
    }

    /// Whether it is an exception on the grid whose series is a someday event.
    fn stands_alone(&self, record: &Record) -> bool {
        let Role::Exception { slot, .. } = record.role else { return false };
        let is_shown = !record.is_deleted && !record.event.is_someday;
        is_shown
            && self.series_of(record).is_some_and(|base| {
                base.event.is_someday && base.series().is_some_and(|series| series.exceptions.contains(&slot))
            })
    }
}
