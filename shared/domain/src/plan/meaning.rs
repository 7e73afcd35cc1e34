//! The table: what a request means, by what is stored under its id, what it says of the recurrence, and its scope.
//!
//! | stored | says | This | Following | All |
//! |---|---|---|---|---|
//! | nothing | rule | create a series | same | same |
//! | nothing | anything else | create an event | same | same |
//! | event | rule | it becomes a series | same | same |
//! | event | anything else | replace it | same | same |
//! | series | rule | edit the series | same | same |
//! | series | nothing | it becomes an event | edit the series, from where it starts | same |
//! | series | never | it becomes an event | same | same |
//! | series | occurrence | exception in the first slot | edit the series, from where it starts | same |
//! | occurrence | rule | it leaves, as a series of its own | split, edit the tail | edit the series |
//! | occurrence | nothing | it leaves, as an event | split, edit the tail | edit the series |
//! | occurrence | never | it leaves, as an event | split, the tail becomes an event | the series becomes an event |
//! | occurrence | occurrence | exception | split, edit the tail | edit the series |
//! | former slot | any | as nothing | as the next slot; nothing if there is none | as occurrence |
//!
//! *Following* and *All* at an id whose own event or series is gone mean nothing, also where it left another series when it began: what is deleted
//! stays deleted, and what was not meant stays. An edit from a slot on that changes nothing splits nothing. What is said of a former slot is out of
//! date: neither its times nor its rule are taken for the series.
//!
//! A request that is sent again changes nothing, but for these, where it cannot be told from another edit of what is shown now:
//! * the whole series was moved, and still has an occurrence in the slot from which it was moved: a daily series by a day;
//! * the whole series was put aside, with the times of the list into which it was dropped, or moved by its own id with a rule that moved along;
//! * all of a series was edited at an exception whose slot it lost by that: the exception's own texts count as edited;
//! * one occurrence was deleted by the series' own id, which then stands for the next; or left a someday series for the grid by that id;
//! * an occurrence leaves a slot that another has left before: it leaves again.
//!
//! The store itself never sends one again that was written.
//!
//! Deleting: nothing is nothing; an event is deleted; of a series or an occurrence, *This* cancels one slot (of the series' own id the first), *Following*
//! cuts the series short, *All* deletes it; a former slot has nothing to cancel. *Following* at the first occurrence that is left is *All*.
//! Whether something is a someday event is a field like any other: it changes the view, and whether Google has a copy, but not the meaning; except that
//! one occurrence of a someday series which goes onto the grid leaves its series, as an event. Google does not know the series, so it could not know of
//! an exception to it.

use crate::{Draft, Family, Repeat, Scope, Slot, Stored};

use super::family::is_first;

/// What saving means.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Saving<'a> {
    /// What was edited is gone.
    Nothing,
    /// The event stands for itself, whether it was there or not.
    Single,
    /// The event is a series, and was none.
    Series,
    /// The occurrence in the slot is like this.
    Exception(&'a Family, Slot),
    /// The occurrence leaves its series and is like this.
    Detached(&'a Family, Slot),
    /// All of the series is edited, from one of its slots or from its own id.
    Whole(&'a Family, Option<Slot>),
    /// All of the series is one event.
    WholeSingle(&'a Family),
    /// The series ends before the slot; what follows is edited.
    Tail(&'a Family, Slot),
    /// The series ends before the slot, in whose place is an event.
    TailSingle(&'a Family, Slot),
}

/// What deleting means.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Deleting<'a> {
    /// There is nothing.
    Nothing,
    /// The event, which stands for itself.
    Single,
    /// One occurrence.
    Occurrence(&'a Family, Slot),
    /// The occurrences from the slot on.
    Tail(&'a Family, Slot),
    /// All of the series.
    Whole(&'a Family),
}

/// Reads the table for a request that saves an event.
pub(super) fn saving<'a>(stored: &'a Stored, draft: &Draft, scope: Scope) -> Saving<'a> {
    let repeat = &draft.repeat;
    let is_rule = matches!(repeat, Repeat::Series(_));
    let one = |family: &'a Family, slot| match family.base.event.is_someday && !draft.is_someday {
        true => Saving::Detached(family, slot),
        false => Saving::Exception(family, slot),
    };
    match (stored, scope) {
        (Stored::Nothing(_) | Stored::Single(_), _) | (Stored::Former(..), Scope::This) => {
            if is_rule {
                Saving::Series
            } else {
                Saving::Single
            }
        }
        (Stored::Series(family), scope) => match (repeat, scope) {
            (Repeat::Never, _) | (Repeat::Unsaid, Scope::This) => Saving::WholeSingle(family),
            (Repeat::Occurrence { .. }, Scope::This) => match first(family) {
                Some(slot) => one(family, slot),
                None => Saving::Whole(family, None),
            },
            (Repeat::Occurrence { .. } | Repeat::Unsaid, _) => {
                let start = Slot::of(family.base.event.span.start());
                Saving::Whole(family, start.filter(|slot| family.shows(*slot)))
            }
            _ => Saving::Whole(family, None),
        },
        (Stored::Occurrence(family, slot), Scope::This) => match repeat {
            Repeat::Occurrence { .. } => one(family, *slot),
            _ => Saving::Detached(family, *slot),
        },
        (Stored::Occurrence(family, slot), Scope::Following) if !is_first(family, *slot) => match repeat {
            Repeat::Never => Saving::TailSingle(family, *slot),
            _ => Saving::Tail(family, *slot),
        },
        (Stored::Former(family, slot), Scope::Following) => match next(family, *slot) {
            Some(slot) if is_first(family, slot) => whole(family, slot, repeat),
            Some(slot) => Saving::Tail(family, slot),
            None => Saving::Nothing,
        },
        (Stored::Occurrence(family, slot) | Stored::Former(family, slot), _) => whole(family, *slot, repeat),
    }
}

fn whole<'a>(family: &'a Family, slot: Slot, repeat: &Repeat) -> Saving<'a> {
    match repeat {
        Repeat::Never => Saving::WholeSingle(family),
        _ => Saving::Whole(family, Some(slot)),
    }
}

/// Reads the table for a request that deletes an event.
pub(super) fn deleting(stored: &Stored, scope: Scope) -> Deleting<'_> {
    match (stored, scope) {
        (Stored::Nothing(_), _) | (Stored::Former(..), Scope::This) => Deleting::Nothing,
        (Stored::Single(_), _) => Deleting::Single,
        (Stored::Series(family), Scope::This) => match first(family) {
            Some(slot) => Deleting::Occurrence(family, slot),
            None => Deleting::Whole(family),
        },
        (Stored::Series(family), _) => Deleting::Whole(family),
        (Stored::Occurrence(family, slot), Scope::This) => Deleting::Occurrence(family, *slot),
        (Stored::Occurrence(family, slot), Scope::Following) if !is_first(family, *slot) => {
            Deleting::Tail(family, *slot)
        }
        (Stored::Former(family, slot), Scope::Following) => match next(family, *slot) {
            Some(slot) if is_first(family, slot) => Deleting::Whole(family),
            Some(slot) => Deleting::Tail(family, slot),
            None => Deleting::Nothing,
        },
        (Stored::Occurrence(family, _) | Stored::Former(family, _), _) => Deleting::Whole(family),
    }
}

/// The first slot whose occurrence is not cancelled: what the series' own id stands for where one occurrence is meant.
fn first(family: &Family) -> Option<Slot> {
    let (from, to) = Slot::ends(family.base.event.span.is_all_day());
    let slots =
        family.series.pattern(&family.base.event).first_slots(from, to, family.series.exceptions.len() + 1);
    slots.into_iter().find(|slot| !family.is_cancelled(*slot))
}

fn next(family: &Family, slot: Slot) -> Option<Slot> {
    family.series.pattern(&family.base.event).next(slot)
}
