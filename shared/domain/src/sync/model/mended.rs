//! Histories that once ended in a loss, or in two sides that differed, as short as they could be made.

use super::acts::{Act, Edit};
use super::histories::{in_the_end, lived};
use super::{Line, World};
use crate::Scope;

fn here(which: u8, scope: Scope, what: Edit, place: u8) -> Act {
    Act::Here { which, scope, what, place }
}

fn there(which: u8, what: Edit, place: u8) -> Act {
    Act::There { which, what, place }
}

fn new_here(count: u8) -> Act {
    Act::NewHere { count, is_someday: false, place: 1 }
}

fn new_there(count: u8) -> Act {
    Act::NewThere { count, place: 1 }
}

fn pull() -> Act {
    Act::Pull { order: Vec::new() }
}

const SENT: Act = Act::Push { line: Line::Sound };
/// Google does what it is asked to, and nobody here learns of it.
const SENT_UNANSWERED: Act = Act::Push { line: Line::BreaksAfter };

fn comes_out_right(acts: &[Act]) {
    lived(World::new(false), acts).unwrap();
}

#[test]
fn an_occurrence_is_edited_at_google_before_the_answer_to_the_insert_and_loses_its_slot_here() {
    let history =
        [new_here(1), SENT_UNANSWERED, there(69, Edit::Rename, 3), here(0, Scope::All, Edit::Move(1), 4)];
    comes_out_right(&[&history[..], &[Act::Pull { order: vec![5] }]].concat());
}

#[test]
fn a_series_that_was_put_aside_is_moved_at_google_and_loses_what_was_made_of_an_occurrence() {
    comes_out_right(&[
        new_there(1),
        pull(),
        here(0, Scope::All, Edit::Shelve, 5),
        here(0, Scope::This, Edit::Rename, 6),
        there(220, Edit::Move(1), 7),
    ]);
}

#[test]
fn a_series_that_was_deleted_at_google_is_revived_and_the_answer_is_lost() {
    comes_out_right(&[
        new_there(1),
        there(249, Edit::Rename, 2),
        Act::Repair,
        here(0, Scope::All, Edit::Recur(Some(2)), 4),
        there(52, Edit::Delete, 5),
        SENT_UNANSWERED,
    ]);
}

#[test]
fn a_slot_is_cancelled_that_was_cancelled_before_its_series_lost_it() {
    comes_out_right(&[
        new_here(1),
        here(110, Scope::This, Edit::Recur(Some(4)), 2),
        here(62, Scope::This, Edit::Move(24), 3),
        here(53, Scope::Following, Edit::Rename, 4),
        here(23, Scope::All, Edit::Recur(None), 5),
        SENT,
        here(119, Scope::This, Edit::Rename, 7),
    ]);
}

#[test]
fn a_series_is_cut_and_prolonged_before_google_learns_that_it_was_cut() {
    comes_out_right(&[
        new_there(2),
        pull(),
        Act::NewHere { count: 2, is_someday: false, place: 3 },
        there(2, Edit::Rename, 4),
        pull(),
        here(190, Scope::Following, Edit::Rename, 5),
        here(217, Scope::This, Edit::Recur(Some(4)), 6),
    ]);
}

#[test]
fn an_occurrence_that_was_put_aside_is_restored_at_google() {
    comes_out_right(&[new_here(1), here(12, Scope::This, Edit::Shelve, 2), SENT, there(0, Edit::Restore, 4)]);
}

#[test]
fn a_series_is_deleted_at_google_while_an_occurrence_is_edited_here_and_then_restored() {
    comes_out_right(&[
        new_there(1),
        pull(),
        there(60, Edit::Delete, 3),
        here(0, Scope::This, Edit::Rename, 4),
        SENT,
        there(0, Edit::Restore, 6),
    ]);
}

#[test]
fn an_event_is_put_aside_and_taken_back_and_google_tells_of_a_deletion_that_was_our_own() {
    comes_out_right(&[
        new_there(0),
        pull(),
        here(0, Scope::This, Edit::Shelve, 3),
        SENT_UNANSWERED,
        here(0, Scope::This, Edit::Shelve, 5),
    ]);
}

#[test]
fn a_series_that_is_put_aside_in_part_is_moved_at_google_behind_the_part() {
    comes_out_right(&[
        new_here(1),
        here(145, Scope::Following, Edit::Rename, 3),
        Act::Agree,
        there(37, Edit::Move(24), 5),
        here(51, Scope::All, Edit::Shelve, 6),
        here(87, Scope::Following, Edit::Rename, 7),
    ]);
}

#[test]
fn an_occurrence_is_deleted_after_its_series_was_edited_which_it_takes_over_at_google() {
    let history = [
        new_here(1),
        here(2, Scope::This, Edit::Rename, 2),
        Act::Agree,
        here(3, Scope::All, Edit::Describe, 4),
        here(2, Scope::This, Edit::Delete, 5),
    ];
    comes_out_right(&history);
    let world = in_the_end(World::new(false), &history).unwrap();
    assert!(world.lost.is_empty(), "{:?}", world.lost);
}

#[test]
fn the_occurrences_of_a_series_move_onto_each_other_and_the_cancelled_one_onto_an_edited_one() {
    let history = [
        new_here(1),
        here(38, Scope::This, Edit::Rename, 2),
        here(90, Scope::This, Edit::Recur(None), 3),
        Act::Agree,
        here(17, Scope::All, Edit::Move(24), 5),
    ];
    comes_out_right(&history);
    let world = in_the_end(World::new(false), &history).unwrap();
    assert!(world.lost.is_empty(), "{:?}", world.lost);
}

#[test]
fn a_series_with_a_cancelled_occurrence_is_deleted_on_both_sides_and_restored_at_google() {
    comes_out_right(&[
        new_here(2),
        Act::Agree,
        there(36, Edit::Delete, 3),
        Act::Agree,
        here(0, Scope::All, Edit::Delete, 5),
        there(44, Edit::Delete, 6),
        there(0, Edit::Restore, 7),
    ]);
}

#[test]
fn an_occurrence_that_left_its_series_is_deleted_comes_back_at_google_and_the_series_is_split_there() {
    comes_out_right(&[
        new_there(2),
        Act::Agree,
        here(112, Scope::This, Edit::Recur(None), 3),
        there(143, Edit::Rename, 4),
        Act::Agree,
        here(90, Scope::This, Edit::Delete, 6),
        there(216, Edit::Rename, 7),
        here(55, Scope::Following, Edit::Restore, 8),
    ]);
}
