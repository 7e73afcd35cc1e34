//! What to do about one event of Google's, given what is stored of it: the policy, carried out. A series and an exception are decided about like a
//! single event, the recurrence being a field like any other; what that means for the records beside it is [`super::family`].

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    Change, Event, EventId, Field, Link, Merged, Origin, Record, Role, Rule, Series, Shared, Views, merge,
};

use super::policy::{self, Then};
use super::{Copy, Theirs};

/// A version that lost, to be shown to the user.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    /// Whose version.
    pub id: EventId,
    /// The version that lost, at least in part.
    pub lost: Version,
    /// What lost in it; empty for a deletion.
    pub fields: Vec<Field>,
}

/// What somebody made of an event, where it stands nowhere else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// The event.
    #[serde(flatten)]
    pub event: Event,
    /// How it recurred, if it was a series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
}

impl Conflict {
    /// That what stands here lost.
    pub fn of(record: &Record, fields: Vec<Field>) -> Self {
        Self { id: record.event.id, lost: Version::of(record), fields }
    }
}

impl Version {
    /// What stands here.
    pub fn of(record: &Record) -> Self {
        Self { event: record.event.clone(), rule: record.shared().rule }
    }
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Decision {
    /// The event's next state, if it changes.
    pub change: Option<Change>,
    /// What lost, if something did.
    pub conflict: Option<Conflict>,
}

impl Decision {
    fn of(change: Change) -> Self {
        Self { change: Some(change), conflict: None }
    }
}

/// Decides about one event, or one exception. `origin` is what an event is said to come from that is new to us; that it is an exception the caller has
/// to say of a new one.
pub(super) fn decide(
    stored: Option<&Record>,
    theirs: &Theirs,
    origin: Origin,
    now: DateTime<Utc>,
) -> Decision {
    if stored.is_some_and(|stored| is_about_another_copy(stored, theirs)) {
        return Decision::default();
    }
    let there = policy::there(stored, theirs);
    match (policy::then(policy::here(stored), there), stored, theirs.copy()) {
        (Then::Adopt, None, Some(copy)) => adopted(copy, origin, now),
        (Then::Merge, Some(stored), Some(copy)) => merged(stored, copy, now),
        (Then::Relink, Some(stored), Some(copy)) => Decision::of(relinked(stored, copy, true)),
        (Then::Revive, Some(stored), Some(copy)) => revived(stored, copy, now),
        (Then::Delete, Some(stored), _) => {
            let link = stored.link.clone().map(Link::deleted);
            let lost = stored.is_refused().then(|| Conflict::of(stored, Vec::new()));
            let change = Change::delete(&Record { link, ..stored.clone() }, false);
            Decision { change: Some(change), conflict: lost }
        }
        (Then::Settle, Some(stored), _) => Decision::of(settled(stored)),
        (Then::Return, Some(stored), Some(copy)) => returned(stored, copy, now),
        // The policy does nothing, and asks of nobody what is not there.
        _ => Decision::default(),
    }
}

/// Whether our event has, or had, another copy at Google. An event of Google's that Google forgot and that was sent again has two ids there: the first
/// one's copy is deleted, the second one's is ours. What we gave up says nothing about it, unless somebody restores it when the event is gone.
fn is_about_another_copy(stored: &Record, theirs: &Theirs) -> bool {
    let is_over = !stored.is_dirty && (stored.is_deleted || stored.is_aside());
    let is_restored = is_over && theirs.copy().is_some();
    !is_restored && stored.link.as_ref().is_some_and(|link| link.id != *theirs.google_id())
}

fn adopted(copy: &Copy, origin: Origin, now: DateTime<Utc>) -> Decision {
    let event = copy.adopt(origin, now);
    let role = role(&Role::Single, copy.link.base.rule.as_ref(), &event).unwrap_or_default();
    Decision::of(Change::new(None, Record::new(event, role, Some(copy.link.clone()))))
}

/// It is deleted here and lives at Google.
fn revived(stored: &Record, copy: &Copy, now: DateTime<Utc>) -> Decision {
    let mut event = stored.event.overlaid(copy.link.base.clone());
    (event.is_someday, event.updated_at, event.google_id) = (false, now, Some(copy.link.id.clone()));
    let lost = stored.is_dirty.then(|| Conflict::of(stored, Vec::new()));
    let change = put(stored, event, &copy.link.base, &copy.link, false);
    Decision { change, conflict: lost }
}

/// It was put aside here and its copy deleted, and lives at Google again: it goes back to where it was there, with what was made of it meanwhile.
fn returned(stored: &Record, copy: &Copy, now: DateTime<Utc>) -> Decision {
    // The lists show weeks and months: what a someday event says of times is none of the grid's.
    let mut event =
        Event { is_someday: false, google_id: Some(copy.link.id.clone()), ..stored.event.clone() };
    (event.span, event.is_all_day) = (copy.link.base.span.clone(), copy.link.base.span.is_all_day());
    let role = role(&stored.role, stored.shared().rule.as_ref(), &event);
    let back = Record { event, is_dirty: true, ..stored.clone() };
    let Some(role) = role else { return taken(&back, copy, now) };
    let back = Record { role, ..back };
    let Decision { change, conflict } = merged(&back, copy, now);
    let change = change.map(|change| Change::new(Some(stored), change.record));
    Decision { change, conflict }
}

/// What an event is with this rule, having been `before`; none when the rule makes no occurrence of it.
pub(super) fn role(before: &Role, rule: Option<&Rule>, event: &Event) -> Option<Role> {
    match (before, rule) {
        (Role::Exception { .. }, _) => Some(before.clone()),
        (_, None) => Some(Role::Single),
        (before, Some(Rule { zone, recurrence })) => {
            let (exceptions, left) = match before {
                Role::Series(series) => (series.exceptions.clone(), series.left.clone()),
                _ => Default::default(),
            };
            let made = Series::new(event, *zone, recurrence.clone(), exceptions).ok();
            made.map(|made| Role::Series(Series { left, ..made }))
        }
    }
}

/// The step to `event`, which is what `value` says.
fn put(stored: &Record, event: Event, value: &Shared, link: &Link, is_dirty: bool) -> Option<Change> {
    let role = role(&stored.role, value.rule.as_ref(), &event)?;
    let record = Record { is_dirty, ..Record::new(event, role, Some(link.clone())) };
    Some(Change::new(Some(stored), record))
}

/// It lives on both sides.
fn merged(stored: &Record, copy: &Copy, now: DateTime<Utc>) -> Decision {
    let is_someday = stored.event.is_someday;
    let has_edit = stored.is_dirty || stored.link.is_none() || stored.is_aside() || stored.is_refused();
    let ours_is_later = has_edit && policy::is_ours_later(stored, copy);
    let base = stored.link.as_ref().map(|link| &link.base);
    let Merged { value, changes_ours, changes_theirs, conflicts } =
        merge(base, &stored.shared(), &copy.link.base, ours_is_later);
    let is_dirty = has_edit && (changes_theirs || is_someday);
    let lost = (has_edit && !conflicts.is_empty()).then(|| {
        let lost = match ours_is_later {
            true => Version {
                event: stored.event.overlaid(copy.link.base.clone()),
                rule: copy.link.base.rule.clone(),
            },
            false => Version::of(stored),
        };
        Conflict { id: stored.event.id, lost, fields: conflicts }
    });
    if changes_ours {
        let mut event = stored.event.overlaid(value.clone());
        if !is_dirty {
            event.updated_at = now;
        }
        let change = put(stored, event, &value, &copy.link, is_dirty);
        return match change {
            Some(_) => Decision { change, conflict: lost },
            None => taken(stored, copy, now),
        };
    }
    Decision { change: Some(relinked(stored, copy, is_dirty)), conflict: lost }
}

/// One side's start under the other side's rule makes no occurrence. Google's version is whole, so it is taken.
fn taken(stored: &Record, copy: &Copy, now: DateTime<Utc>) -> Decision {
    let event = Event { updated_at: now, ..stored.event.overlaid(copy.link.base.clone()) };
    // What was put aside is still to be deleted there.
    let is_dirty = event.is_someday;
    let change = put(stored, event, &copy.link.base, &copy.link, is_dirty);
    let lost = Conflict::of(stored, vec![Field::Span, Field::Rule]);
    Decision { change, conflict: Some(lost) }
}

/// The same event over a newer copy: no client can see it.
fn relinked(stored: &Record, copy: &Copy, is_dirty: bool) -> Change {
    let record = Record { link: Some(copy.link.clone()), is_dirty, ..stored.clone() };
    Change { record, views: Views::default() }
}

/// The same event with nothing left to send: no client can see it.
fn settled(stored: &Record) -> Change {
    let link = stored.link.clone().map(Link::deleted);
    Change { record: Record { is_dirty: false, link, ..stored.clone() }, views: Views::default() }
}

#[cfg(test)]
mod tests {
    use crate::{GoogleEventId, Priority, Span};
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_763_600_000 + seconds, 0).unwrap()
    }

    fn shared(title: &str, hour: u32) -> Shared {
        let time = |hour: u32| format!("2026-11-20T{hour:02}:00:00Z").parse().unwrap();
        let span = Span::new(time(hour), time(hour + 1)).unwrap();
        Shared {
            title: Some(title.into()),
            description: None,
            span,
            priority: Priority::Unassigned,
            rule: None,
        }
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
}
