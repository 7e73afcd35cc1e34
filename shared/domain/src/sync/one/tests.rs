//! What is decided about one event, case by case and in general.

use crate::{GoogleEventId, Priority, Span};
use proptest::prelude::*;

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_763_600_000 + seconds, 0).unwrap()
}

fn shared(title: &str, hour: u32) -> Shared {
    let time = |hour: u32| format!("2026-11-20T{hour:02}:00:00Z").parse().unwrap();
    let span = Span::new(time(hour), time(hour + 1)).unwrap();
    Shared { title: Some(title.into()), description: None, span, priority: Priority::Unassigned, rule: None }
}

fn copy(base: Shared, version: i64) -> Copy {
    let id = GoogleEventId::new("google1");
    let (etag, updated_at) = (format!("\"{version}\""), Some(at(version)));
    Copy { link: Link { id, etag, updated_at, base, raw: "{}".into() }, origin: None }
}

fn live(base: Shared, version: i64) -> Theirs {
    Theirs::Live(Box::new(copy(base, version)))
}

fn deleted() -> Theirs {
    Theirs::Gone(GoogleEventId::new("google1"))
}

/// A record that agreed with Google on version 1.
fn record(base: Shared) -> Record {
    let copy = copy(base, 1);
    let event = copy.adopt(Origin::Google, at(1));
    Record { rev: 1, ..Record::new(event, Role::Single, Some(copy.link)) }
}

fn edited(base: Shared, ours: Shared, seconds: i64) -> Record {
    let record = record(base);
    let event = Event { updated_at: at(seconds), ..record.event.overlaid(ours) };
    Record { event, is_dirty: true, ..record }
}

fn run(stored: &Record, theirs: &Theirs) -> Decision {
    decide(Some(stored), theirs, Origin::Google, at(100))
}

#[test]
fn a_new_event_is_taken_and_an_unknown_deletion_ignored() {
    let change = decide(None, &live(shared("a", 1), 1), Origin::GoogleImport, at(5)).change.unwrap();
    assert_eq!(change.record.event.origin, Origin::GoogleImport);
    assert!(change.views.is_grid && !change.record.is_dirty);
    assert_eq!(decide(None, &deleted(), Origin::Google, at(5)), Decision::default());
}

#[test]
fn the_end_of_a_copy_that_was_given_up_is_not_the_end_of_the_event() {
    let stored = record(shared("a", 1));
    assert_eq!(run(&stored, &Theirs::Gone(GoogleEventId::new("given up"))), Decision::default());
    assert!(run(&stored, &deleted()).change.unwrap().record.is_deleted);
}

#[test]
fn an_echo_and_an_older_version_are_nothing() {
    let stored = record(shared("a", 1));
    assert_eq!(run(&stored, &live(shared("a", 1), 1)), Decision::default());
    assert_eq!(run(&stored, &live(shared("old", 1), 0)), Decision::default());
}

#[test]
fn a_clean_event_takes_what_changed_and_nothing_is_recorded() {
    let decision = run(&record(shared("a", 1)), &live(shared("b", 1), 2));
    let change = decision.change.unwrap();
    assert_eq!(change.record.event.shared(), shared("b", 1));
    assert!(!change.record.is_dirty && decision.conflict.is_none());
}

#[test]
fn different_fields_merge_and_the_rest_is_still_to_be_sent() {
    let decision = run(&edited(shared("a", 1), shared("b", 1), 5), &live(shared("a", 2), 2));
    let record = decision.change.unwrap().record;
    assert_eq!(record.event.shared(), shared("b", 2));
    assert!(record.is_dirty && decision.conflict.is_none());
    assert_eq!(record.link.unwrap().base, shared("a", 2));
}

#[test]
fn of_the_same_field_the_later_wins_and_the_loser_is_recorded() {
    let stored = edited(shared("a", 1), shared("ours", 1), 5);
    let google_later = run(&stored, &live(shared("theirs", 1), 9));
    let change = google_later.change.unwrap();
    assert_eq!(change.record.event.title.as_deref(), Some("theirs"));
    assert!(!change.record.is_dirty);
    assert_eq!(google_later.conflict, Some(Conflict::of(&stored, vec![Field::Title])));

    let ours_later = run(&stored, &live(shared("theirs", 1), 3));
    let change = ours_later.change.unwrap();
    assert_eq!(change.record.event.title.as_deref(), Some("ours"));
    assert!(change.record.is_dirty && change.views == Views::default());
    assert_eq!(ours_later.conflict.unwrap().lost.event.title.as_deref(), Some("theirs"));
}

#[test]
fn an_edit_beats_a_concurrent_deletion_on_either_side() {
    let stored = edited(shared("a", 1), shared("b", 1), 5);
    assert_eq!(run(&stored, &deleted()), Decision::default());

    let tombstone = Record { is_deleted: true, is_dirty: true, ..record(shared("a", 1)) };
    let decision = run(&tombstone, &live(shared("b", 1), 2));
    let change = decision.change.unwrap();
    assert!(!change.record.is_deleted && !change.record.is_dirty && change.views.is_grid);
    assert!(decision.conflict.is_some());
}

#[test]
fn a_deletion_wins_over_what_was_not_edited() {
    let change = run(&record(shared("a", 1)), &deleted()).change.unwrap();
    assert!(change.record.is_deleted && !change.record.is_dirty && change.views.is_grid);
    let edited_back = edited(shared("a", 1), shared("a", 1), 5);
    assert!(run(&edited_back, &deleted()).change.unwrap().record.is_deleted);
    assert_eq!(run(&change.record, &deleted()), Decision::default());
}

#[test]
fn a_refused_edit_is_tried_again_when_google_changes_the_event_and_recorded_when_it_loses() {
    let refused = Record { is_dirty: false, ..edited(shared("a", 1), shared("ours", 1), 5) };
    assert!(refused.is_refused() && !record(shared("a", 1)).is_refused());
    let other_field = run(&refused, &live(shared("a", 2), 9));
    let merged = other_field.change.unwrap().record;
    assert_eq!((merged.event.shared(), merged.is_dirty), (shared("ours", 2), true));
    assert_eq!(other_field.conflict, None);

    let same_field = run(&refused, &live(shared("theirs", 1), 9));
    assert_eq!(same_field.change.unwrap().record.event.title.as_deref(), Some("theirs"));
    assert_eq!(same_field.conflict.unwrap().lost.event.title.as_deref(), Some("ours"));
    let gone = run(&refused, &deleted());
    assert!(gone.change.unwrap().record.is_deleted);
    assert_eq!(gone.conflict.unwrap().lost.event.title.as_deref(), Some("ours"));
}

#[test]
fn an_unsent_deletion_needs_the_newest_version_and_stands() {
    let tombstone = Record { is_deleted: true, is_dirty: true, ..record(shared("a", 1)) };
    let change = run(&tombstone, &live(shared("a", 1), 2)).change.unwrap();
    assert!(change.record.is_deleted && change.record.is_dirty);
    assert_eq!(change.record.link.unwrap().etag, "\"2\"");
    let agreed = run(&tombstone, &deleted()).change.unwrap();
    assert!(agreed.record.is_deleted && !agreed.record.is_dirty);
}

#[test]
fn what_was_restored_at_google_lives_again() {
    let tombstone = Record { is_deleted: true, ..record(shared("a", 1)) };
    assert_eq!(run(&tombstone, &live(shared("a", 1), 1)), Decision::default());
    let change = run(&tombstone, &live(shared("a", 1), 2)).change.unwrap();
    assert!(!change.record.is_deleted);
}

#[test]
fn an_event_moved_to_someday_stays_there() {
    let mut stored = edited(shared("a", 1), shared("a", 1), 5);
    stored.event.is_someday = true;
    let change = run(&stored, &live(shared("b", 1), 2)).change.unwrap();
    assert!(change.record.event.is_someday && change.record.is_dirty);
    assert_eq!(change.record.event.title.as_deref(), Some("b"));

    let agreed = run(&stored, &deleted()).change.unwrap().record;
    assert!(!agreed.is_dirty && agreed.is_aside() && !agreed.is_deleted);
    assert_eq!(run(&agreed, &live(shared("a", 1), 1)), Decision::default());
}

#[test]
fn an_event_that_was_put_aside_and_is_restored_at_google_goes_back_with_what_was_made_of_it() {
    let mut stored = edited(shared("a", 1), shared("a", 1), 5);
    stored.event.is_someday = true;
    let mut aside = run(&stored, &deleted()).change.unwrap().record;
    aside.event = aside.event.overlaid(shared("b", 3));
    let back = run(&aside, &live(shared("a", 1), 6)).change.unwrap();
    assert!(!back.record.event.is_someday && back.record.is_dirty);
    assert_eq!(back.record.event.shared(), shared("b", 1));
    assert_eq!(back.views, Views { is_grid: true, is_someday: true });
}

#[test]
fn the_echo_of_an_insert_whose_answer_was_lost_is_adopted() {
    let stored = Record { link: None, is_dirty: true, ..record(shared("a", 1)) };
    let change = run(&stored, &live(shared("a", 1), 2)).change.unwrap();
    assert!(!change.record.is_dirty && change.views == Views::default());
    assert_eq!(change.record.link.unwrap().etag, "\"2\"");
}

prop_compose! {
    fn any_shared()(title in "[abc]", hour in 0u32..4) -> Shared { shared(&title, hour) }
}

prop_compose! {
    fn any_record()(
        base in any_shared(), ours in any_shared(), seconds in 0i64..6,
        is_dirty: bool, is_deleted: bool, is_someday: bool, is_linked: bool,
    ) -> Record {
        let mut record = edited(base, ours, seconds);
        record.is_dirty = is_dirty;
        record.is_deleted = is_deleted;
        record.event.is_someday = is_someday && (is_dirty || !is_linked);
        if !is_linked { record.link = None; }
        record
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The same news twice is the same as once.
    #[test]
    fn a_second_delivery_changes_nothing(stored in any_record(), theirs in any_shared(), version in 0i64..6, gone: bool) {
        let theirs = if gone { deleted() } else { live(theirs, version) };
        let after = run(&stored, &theirs).change.map_or(stored, |change| change.record);
        prop_assert_eq!(run(&after, &theirs).change, None);
    }

    /// No edit of ours disappears without having been sent or recorded.
    #[test]
    fn an_unsent_edit_is_kept_sent_or_recorded(base in any_shared(), ours in any_shared(), theirs in any_shared(), version in 2i64..6) {
        let stored = edited(base.clone(), ours.clone(), 4);
        let decision = run(&stored, &live(theirs, version));
        let after = decision.change.map_or(stored, |change| change.record);
        let title_kept = after.event.title == ours.title;
        let span_kept = after.event.span == ours.span;
        let edited = ours.title != base.title || ours.span != base.span;
        if edited && !(title_kept && span_kept) {
            let one_sided = (title_kept || ours.title == base.title) && (span_kept || ours.span == base.span);
            prop_assert!(one_sided || decision.conflict.is_some());
        }
    }

    /// When nothing is left to send, both sides hold the same.
    #[test]
    fn a_clean_event_on_the_grid_equals_its_copy(base in any_shared(), ours in any_shared(), theirs in any_shared(), version in 2i64..6) {
        let stored = edited(base, ours, 4);
        let after = run(&stored, &live(theirs.clone(), version)).change.map_or(stored, |change| change.record);
        if !after.is_dirty { prop_assert!(after.event.shared().is_same(&theirs)); }
    }
}
