//! Who wins when both sides changed. This is the one place that says so: [`then`] is the table for an event, [`winner`] the one for a field.
//!
//! In words: different fields merge; of the same field the later commit wins, Google on a tie; a concurrent edit beats a deletion; an edit or a
//! deletion that was made in knowledge of the other side's change simply wins, because it was made on that change as its base. Whatever loses is
//! recorded.

use crate::Record;

use super::{Copy, Theirs};

/// What stands here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Here {
    /// Nothing at all.
    Nothing,
    /// What both sides agreed on.
    Clean,
    /// An edit that Google has yet to learn of.
    Edited,
    /// An event that Google has yet to learn of, edited back to what both sides agreed on.
    Reverted,
    /// An event of the grid of which we know no copy at Google.
    Unsent,
    /// An event that went from the grid to someday, and whose copy is yet to be deleted.
    Shelved,
    /// A someday event whose copy is deleted, on both sides' word.
    Aside,
    /// A someday event of which there was never a copy. It is none of Google's business.
    Someday,
    /// A deletion that Google has yet to learn of.
    Deleting,
    /// The same, of an event of which we know no copy at Google: there is one if the answer to an insert was lost.
    Withdrawn,
    /// A deletion that both sides agreed on.
    Deleted,
    /// What made room for another record, or ended with its series.
    Ended,
}

/// What Google says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum There {
    /// It is deleted.
    Gone,
    /// A version that we have seen, or an older one.
    Known,
    /// A newer version, which differs in nothing that we know.
    Touched,
    /// A newer version that differs, or the first one.
    Changed,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing; what is to be sent is still to be sent.
    Nothing,
    /// Take it.
    Adopt,
    /// Merge field by field; what Google lacks is still to be sent.
    Merge,
    /// The event stands. The newer version is noted, so that what is to be sent can be.
    Relink,
    /// Delete it here.
    Delete,
    /// Both have deleted it: nothing is left to send.
    Settle,
    /// It lives again.
    Revive,
    /// It goes back from someday to the grid.
    Return,
}

/// The table. A row says what is done when Google says *gone*, *known*, *touched*, *changed*.
///
/// Google's edit beats a deletion that was made here without knowing of it ([`Then::Revive`]), but a change of something that we do not know is no edit
/// that we could show, and the deletion stands ([`Then::Relink`]). An edit that was made here without knowing of the deletion there is kept and sent
/// ([`Then::Nothing`]). What was put aside and is restored at Google goes back to where it was ([`Then::Return`]). What is clean and only touched is left alone: the next write is refused as stale, and then learns of it.
pub(super) const fn then(here: Here, there: There) -> Then {
    use Then::{Adopt, Delete, Merge, Nothing, Relink, Return, Revive, Settle};
    let [gone, known, touched, changed] = match here {
        Here::Nothing => [Nothing, Nothing, Adopt, Adopt],
        Here::Clean => [Delete, Nothing, Nothing, Merge],
        Here::Edited => [Nothing, Nothing, Merge, Merge],
        Here::Reverted => [Delete, Nothing, Merge, Merge],
        Here::Unsent => [Nothing, Nothing, Merge, Merge],
        Here::Shelved => [Settle, Nothing, Merge, Merge],
        Here::Aside => [Nothing, Nothing, Return, Return],
        Here::Someday => [Nothing, Nothing, Merge, Merge],
        Here::Deleting => [Settle, Nothing, Relink, Revive],
        Here::Withdrawn => [Settle, Nothing, Relink, Revive],
        Here::Deleted => [Nothing, Nothing, Revive, Revive],
        Here::Ended => [Nothing, Nothing, Nothing, Nothing],
    };
    match there {
        There::Gone => gone,
        There::Known => known,
        There::Touched => touched,
        There::Changed => changed,
    }
}

/// Whose value of a field both sides shall hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Winner {
    /// Ours.
    Ours,
    /// Google's.
    Theirs,
}

/// The table for a field that differs: who changed it, and whether our commit came later.
pub(super) const fn winner(we_changed: bool, they_changed: bool, ours_is_later: bool) -> Winner {
    match (we_changed, they_changed, ours_is_later) {
        (_, false, _) | (true, true, true) => Winner::Ours,
        (false, true, _) | (true, true, false) => Winner::Theirs,
    }
}

/// Whether our commit came later than Google's; of a version without a time, and on a tie, it did not.
pub(super) fn is_ours_later(ours: &Record, theirs: &Copy) -> bool {
    theirs.link.updated_at.is_some_and(|theirs| ours.event.updated_at > theirs)
}

/// What stands here, of a record or of none.
pub(super) fn here(stored: Option<&Record>) -> Here {
    let Some(record) = stored else { return Here::Nothing };
    match (&record.link, record.is_deleted, record.event.is_someday, record.is_dirty) {
        (Some(_), true, _, true) => Here::Deleting,
        (None, true, _, true) => Here::Withdrawn,
        (Some(_), true, _, false) => Here::Deleted,
        (None, true, _, false) => Here::Ended,
        (_, false, true, true) => Here::Shelved,
        (Some(_), false, true, false) => Here::Aside,
        (None, false, true, false) => Here::Someday,
        (None, false, false, _) => Here::Unsent,
        (Some(_), false, false, false) => Here::Clean,
        (Some(link), false, false, true) if link.has_copy() && record.shared().is_same(&link.base) => {
            Here::Reverted
        }
        (Some(_), false, false, true) => Here::Edited,
    }
}

/// What Google says, to whom knows what is stored. Of a copy whose insert was never answered, what was sent is the best guess.
pub(super) fn there(stored: Option<&Record>, theirs: &Theirs) -> There {
    let Some(copy) = theirs.copy() else { return There::Gone };
    let Some(stored) = stored else { return There::Changed };
    let Some(link) = &stored.link else {
        let is_same = stored.shared().is_same(&copy.link.base);
        return if is_same { There::Touched } else { There::Changed };
    };
    let is_older = || match (copy.link.updated_at, link.updated_at) {
        // Of a copy that is deleted, the version that was deleted is old, too.
        (Some(theirs), Some(seen)) if !link.has_copy() && !stored.is_dirty => theirs <= seen,
        (Some(theirs), Some(seen)) => theirs < seen,
        _ => false,
    };
    match &copy.link {
        theirs if theirs.etag == link.etag || is_older() => There::Known,
        theirs if link.base.is_same(&theirs.base) => There::Touched,
        _ => There::Changed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: [Here; 12] = [
        Here::Nothing,
        Here::Clean,
        Here::Edited,
        Here::Reverted,
        Here::Unsent,
        Here::Shelved,
        Here::Aside,
        Here::Someday,
        Here::Deleting,
        Here::Withdrawn,
        Here::Deleted,
        Here::Ended,
    ];

    /// The policy in the words of those who read it, for the cases that somebody could hold against us.
    #[test]
    fn a_concurrent_edit_beats_a_deletion_and_one_that_knew_of_it_does_not_exist() {
        assert_eq!(then(Here::Edited, There::Gone), Then::Nothing, "it is sent again");
        assert_eq!(then(Here::Deleting, There::Changed), Then::Revive);
        // A version that was known when it was deleted is no concurrent edit.
        assert_eq!(then(Here::Deleting, There::Known), Then::Nothing);
        assert_eq!(then(Here::Clean, There::Gone), Then::Delete);
    }

    #[test]
    fn of_a_field_the_later_commit_wins_google_on_a_tie_and_one_that_did_not_change_it_never() {
        for later in [false, true] {
            assert_eq!(winner(true, false, later), Winner::Ours);
            assert_eq!(winner(false, true, later), Winner::Theirs);
        }
        assert_eq!(winner(true, true, true), Winner::Ours);
        assert_eq!(winner(true, true, false), Winner::Theirs);
    }

    #[test]
    fn what_is_known_already_changes_nothing_whatever_stands_here() {
        for here in HERE.into_iter().filter(|here| *here != Here::Nothing) {
            assert_eq!(then(here, There::Known), Then::Nothing, "{here:?}");
        }
    }
}
