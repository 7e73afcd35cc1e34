//! What an entry of Google's means for an occurrence, given what is stored in its slot and of its series.

use chrono::{DateTime, Utc};

use crate::{Address, Change, Event, Link, Origin, Record, Records, Slot, Steps, Tag, Views};

use super::family::{Resolution, has, listing, series_of, stored_of};
use super::merge::with_inherited;
use super::one::{Conflict, Decision, decide};
use super::policy::{self, There};
use super::{Exception, Theirs};

/// Decides about an occurrence of a series, which is, was or shall be an exception here.
pub(super) fn occurrence(
    records: &Records,
    exception: &Exception,
    theirs: &Theirs,
    origin: Origin,
    now: DateTime<Utc>,
) -> Resolution {
    let (series_id, slot) = (exception.series_id(), exception.slot);
    let address = Address::Exception(Tag::of(series_id), slot);
    let base = series_of(records, series_id).filter(|record| record.series().is_some());
    let there = records.get(address);
    let stored = there.filter(|record| counts(records, record));
    let is_known_end = there.is_some_and(|there| is_left_over(records, there) && is_no_news(there, theirs));
    if is_known_end || (stored.is_none() && base.is_some_and(|base| is_behind(base, exception))) {
        return Resolution::default();
    }
    let presumed = stored.zip(base).and_then(|(stored, base)| as_agreed(stored, base, exception));
    let Decision { change, conflict } = decide(presumed.as_ref().or(stored), theirs, origin, now);
    let change = match (stored, change) {
        (Some(_), change) => change.map(|change| shelved(base, change)),
        (None, _) if is_cancelled_already(base, exception) => None,
        (None, change) => Some(Change::new(there, taken(base, exception, change, now))),
    };
    let mut steps = Steps::default();
    let has_copy = change
        .as_ref()
        .map_or(stored, |change| Some(&change.record))
        .is_some_and(|record| record.link.is_some());
    let shown = base.map(|base| Views::of(&base.event)).unwrap_or_default();
    if has_copy && let Some(listing) = base.and_then(|base| listing(base, slot)) {
        steps.commit.push(listing);
    }
    let is_outrun = stored_of(records, series_id).is_some_and(|series| outruns(series, slot));
    let change = change.map(|mut change| {
        // Should the slot come back before Google learns that it was lost.
        change.record.is_dirty |= is_outrun;
        if let Some(series) = base.and_then(Record::series) {
            // Something may have left the slot, and taken the id along under which it was stored.
            change.record.event.id = series.id_of(series_id, slot);
        }
        change
    });
    let unseen = change.as_ref().filter(|_| is_outrun);
    let unseen = unseen.and_then(|change| lost_with_series(&change.record));
    let conflicts = conflict.into_iter().chain(unseen).collect();
    if let Some(change) = change {
        let views = change.views.union(shown);
        let is_silent = change.views == Views::default() && stored.is_some();
        steps.prepare.push(if is_silent { change } else { Change { views, ..change } });
    }
    Resolution { steps, conflicts, is_short: false }
}

/// Whether what is stored in a slot says anything of it. One that only made room does not, nor does one that ended with the slot, or was left there when
/// Google dropped it.
fn counts(records: &Records, record: &Record) -> bool {
    let is_known = record.link.is_some() || record.is_dirty;
    let counts = is_known || (!record.is_deleted && records.lists(&record.role));
    counts && !is_left_over(records, record)
}

/// Whether an exception has ended with its slot, and is yet to end at Google.
fn is_left_over(records: &Records, record: &Record) -> bool {
    record.is_deleted && record.is_dirty && !records.lists(&record.role)
}

/// Whether the series that Google has, which has no such slot, is newer than the exception: it is left over there.
fn is_behind(base: &Record, exception: &Exception) -> bool {
    let updated_at = |link: &Link| link.updated_at;
    let series = base.link.as_ref().filter(|_| !base.is_dirty).and_then(updated_at);
    let copy = exception.copy.as_ref().and_then(|copy| copy.link.updated_at);
    !has(base, exception.slot) && series.zip(copy).is_some_and(|(series, copy)| copy <= series)
}

fn is_no_news(stored: &Record, theirs: &Theirs) -> bool {
    stored.link.is_some() && matches!(policy::there(Some(stored), theirs), There::Known | There::Touched)
}

/// Whether Google has yet to learn that the series has no such slot any more.
fn outruns(series: &Record, slot: Slot) -> bool {
    series.is_dirty && !has(series, slot)
}

/// What somebody made of an occurrence at Google while its slot was taken away here.
fn lost_with_series(exception: &Record) -> Option<Conflict> {
    exception.live().map(|_| Conflict::of(exception, Vec::new()))
}

/// An exception with what both sides had, if that is not what is stored.
fn as_agreed(stored: &Record, base: &Record, exception: &Exception) -> Option<Record> {
    presumed(stored, base, exception).or_else(|| inherited(stored, base, exception))
}

/// One that changed here, and that may have taken over at Google what its series has become.
fn inherited(stored: &Record, base: &Record, exception: &Exception) -> Option<Record> {
    let (link, copy) = (stored.link.as_ref()?, exception.copy.as_ref()?);
    let made = agreed_occurrence(base, exception.slot)?.shared();
    let ours = stored.live().map(|_| stored.shared());
    let agreed = with_inherited(&link.base, ours.as_ref(), &copy.link.base, &made);
    stored.is_dirty.then(|| Record { link: Some(Link { base: agreed, ..link.clone() }), ..stored.clone() })
}

/// The occurrence as both sides have agreed that the series makes it, or as it was sent.
fn agreed_occurrence(base: &Record, slot: Slot) -> Option<Event> {
    let series = base.series()?;
    let agreed = base.link.as_ref().map_or_else(|| base.shared(), |link| link.base.clone());
    Some(series.occurrence(&base.event.overlaid(agreed), slot))
}

/// An exception that Google was never told of, as if it were: what both sides had was the occurrence as the series makes it.
fn presumed(stored: &Record, base: &Record, exception: &Exception) -> Option<Record> {
    // Of a series that was put aside nothing is sent, but Google has yet to learn of that.
    let is_unheard_of = stored.is_dirty || base.event.is_someday;
    if stored.link.is_some() || !is_unheard_of {
        return None;
    }
    let event = agreed_occurrence(base, exception.slot)?;
    // It has a version, whichever.
    let link = Link { etag: "*".to_owned(), ..Link::cancelled(exception.id.clone(), &event) };
    Some(Record { link: Some(link), is_dirty: true, ..stored.clone() })
}

/// Whether the slot is cancelled, and its tombstone's time was over.
fn is_cancelled_already(base: Option<&Record>, exception: &Exception) -> bool {
    let series = base.and_then(Record::series);
    exception.copy.is_none() && series.is_some_and(|series| series.exceptions.contains(&exception.slot))
}

/// One that comes back goes with its series: Google will know no series that it could be an exception of.
fn shelved(base: Option<&Record>, mut change: Change) -> Change {
    change.record.event.is_someday |= base.is_some_and(|base| base.event.is_someday);
    change
}

/// The record of an exception that is new to us; `adopted` is what was decided of its copy.
fn taken(
    base: Option<&Record>,
    exception: &Exception,
    adopted: Option<Change>,
    now: DateTime<Utc>,
) -> Record {
    let id = exception.event_id();
    let is_deleted = adopted.is_none();
    let (event, link) = match adopted {
        Some(Change { record: Record { event, link, .. }, .. }) => (event, link),
        None => {
            let event = exception.cancelled(base.and_then(|base| Some((&base.event, base.series()?))), now);
            let link = Link::cancelled(exception.id.clone(), &event);
            (event, Some(link))
        }
    };
    // It goes with its series, which Google has yet to learn was put aside.
    let is_someday = base.is_some_and(|base| base.event.is_someday);
    Record { is_deleted, ..Record::new(Event { id, is_someday, ..event }, exception.role(), link) }
}
