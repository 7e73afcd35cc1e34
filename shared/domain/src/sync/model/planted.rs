//! Proof that the properties can fail: runners with a bug each, and what is found of it.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseResult, TestError, TestRng, TestRunner};

use super::acts::{Act, history, of_one_side};
use super::histories::{any_order_is_as_good, lived, nothing_is_recorded};
use super::{World, google};
use crate::sync::Conflict;
use crate::{Record, Steps};

/// What a runner does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    /// What loses is not written down.
    KeepsNoRecord,
    /// Of what loses, the time is not written down.
    RecordsNoTime,
    /// Nor is the rule.
    RecordsNoRule,
    /// Whatever comes from Google is written down as a conflict.
    RecordsEveryChange,
    /// The last entry of each list is passed over.
    OverlooksTheLast,
    /// Exceptions are taken before their series.
    TakesWhateverComesFirst,
    /// Nothing is sent, and all that was to be sent counts as sent.
    SendsNothing,
    /// Google's answers to writes are not noted.
    ForgetsTheAnswer,
    /// What was read before is written once more.
    WritesWhatIsKnown,
}

impl World {
    fn with(bug: Bug) -> Self {
        Self { bug: Some(bug), ..Self::new(false) }
    }

    /// Has everything count as sent.
    pub(super) fn forget_to_send(&mut self) {
        let dirty: Vec<Record> = self.records.iter().filter(|record| record.is_dirty).cloned().collect();
        dirty.into_iter().for_each(|record| self.records.insert(Record { is_dirty: false, ..record }));
    }
}

/// A conflict that does not tell when the event was.
pub(super) fn timeless(mut conflict: Conflict) -> Conflict {
    conflict.lost.event.span = google::shared("", 21, 12, None).span;
    conflict
}

/// A conflict that does not tell how the series recurred.
pub(super) fn without_rule(mut conflict: Conflict) -> Conflict {
    conflict.lost.rule = None;
    conflict
}

/// A conflict for each change.
pub(super) fn every_change(steps: &Steps) -> Vec<Conflict> {
    steps.changes().map(|change| Conflict::of(&change.record, Vec::new())).collect()
}

/// Looks for a history that a property does not stand, and cuts it down: that one must fail when it is tried again, and needs few acts.
fn is_found<T: std::fmt::Debug + Clone>(
    histories: impl Strategy<Value = T>,
    acts: impl Fn(&T) -> usize,
    says: &str,
    property: impl Fn(&T) -> TestCaseResult,
) {
    let config = Config { cases: 5_000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let Err(TestError::Fail(reason, shortest)) = runner.run(&histories, |history| property(&history)) else {
        panic!("not found: {says}");
    };
    assert!(reason.message().contains(says), "found something else: {reason}");
    assert!(acts(&shortest) <= 5, "not cut down: {shortest:?}");
    assert!(property(&shortest).is_err());
}

fn is_found_in_any_history(bug: Bug, says: &str) {
    is_found(history(10), Vec::len, says, |acts: &Vec<Act>| lived(World::with(bug), acts));
}

#[test]
fn a_loser_that_is_not_recorded_is_found() {
    is_found_in_any_history(Bug::KeepsNoRecord, "is lost");
}

#[test]
fn a_move_that_is_not_recorded_is_found() {
    is_found_in_any_history(Bug::RecordsNoTime, "moved to minute");
}

#[test]
fn a_rule_that_is_not_recorded_is_found() {
    is_found_in_any_history(Bug::RecordsNoRule, "days\" is lost");
}

#[test]
fn an_entry_that_is_overlooked_is_found() {
    is_found_in_any_history(Bug::OverlooksTheLast, "at Google");
}

#[test]
fn an_edit_that_is_not_sent_is_found() {
    is_found_in_any_history(Bug::SendsNothing, "at Google");
}

#[test]
fn a_write_that_is_made_again_and_again_is_found() {
    is_found_in_any_history(Bug::ForgetsTheAnswer, "rest");
}

#[test]
fn a_change_where_nothing_has_changed_is_found() {
    is_found_in_any_history(Bug::WritesWhatIsKnown, "something changed");
}

#[test]
fn an_order_that_matters_is_found() {
    let histories = (history(8), vec(any::<u8>(), 1..6));
    is_found(
        histories,
        |(acts, _)| acts.len(),
        "another order",
        |(acts, order)| any_order_is_as_good(World::with(Bug::TakesWhateverComesFirst), acts, order),
    );
}

#[test]
fn a_conflict_that_is_none_is_found() {
    is_found(of_one_side(), Vec::len, "recorded as lost", |acts| {
        nothing_is_recorded(World::with(Bug::RecordsEveryChange), acts)
    });
}
