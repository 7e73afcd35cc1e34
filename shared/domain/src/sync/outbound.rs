//! What Google has to be told of an event that it has yet to learn of, and what its answer means here.

use chrono::{DateTime, Utc};

use crate::{
    Address, Change, GoogleEventId, Home, Link, Merged, Record, Records, Role, Slot, Steps, Tag, Views, merge,
};

use super::family::{ended, exceptions, has, listing, series_of, slot_of, to_send};
use super::one::role;

/// What to do at Google.
#[derive(Clone, Debug, PartialEq)]
pub enum Outbound {
    /// Make an event under this id.
    Insert(GoogleEventId),
    /// Replace the copy of which we know this version.
    Update(Link),
    /// Make an exception of the occurrence that Google's series has under this id, or cancel it, if Google has it as the series makes it.
    Exception(GoogleEventId),
    /// Delete the copy of which we know this version.
    Delete(Link),
    /// Look whether there is a copy under this id, which there is if the answer to an insert was lost, or somebody has restored it: it must not be
    /// deleted unseen.
    Seek(GoogleEventId),
    /// Nothing: Google has no such occurrence, and learns of that from the series.
    Nothing,
    /// Nothing yet: Google was never told that the series had lost the slot, which is back. [`relisted`] says what is to be sent.
    Relist,
}

/// What Google has to be told of `record`; `series` is the record of the series that it is an exception of, `home` the calendar where it would be made.
pub fn outbound(record: &Record, series: Option<&Record>, home: &Home) -> Outbound {
    let is_wanted = record.live().is_some_and(|event| !event.is_someday);
    let Role::Exception { series: series_id, slot } = record.role else {
        return whole(record, is_wanted, home);
    };
    let series = series.filter(|series| series.event.id == series_id);
    let Some((series, copy)) = series.and_then(|series| Some((series, at_google(series)?))) else {
        return Outbound::Nothing;
    };
    match (lists(series, slot), &record.link, is_wanted) {
        (false, _, _) if has(series, slot) => Outbound::Relist,
        (false, _, _) => Outbound::Nothing,
        (true, Some(link), true) => Outbound::Update(link.clone()),
        (true, Some(link), false) if link.has_copy() => Outbound::Delete(link.clone()),
        (true, Some(link), false) => Outbound::Seek(link.id.clone()),
        (true, None, _) => Outbound::Exception(copy.id.of_occurrence(slot)),
    }
}

fn whole(record: &Record, is_wanted: bool, home: &Home) -> Outbound {
    let own = GoogleEventId::of(home.clone(), record.event.id);
    match (is_wanted, record.link.clone()) {
        (true, Some(link)) => Outbound::Update(link),
        (true, None) => Outbound::Insert(own),
        (false, Some(link)) if link.has_copy() => Outbound::Delete(link),
        (false, Some(link)) => Outbound::Seek(link.id),
        (false, None) => Outbound::Seek(own),
    }
}

/// Google's copy of a series, if it has, or had, one that makes occurrences.
pub(super) fn at_google(series: &Record) -> Option<&Link> {
    series.link.as_ref().filter(|_| series.live().is_some_and(|event| !event.is_someday))
}

fn lists(series: &Record, slot: Slot) -> bool {
    series.series().is_some_and(|series| series.exceptions.contains(&slot))
}

/// The series lists the slot again where Google may have an exception still, which is to become what is seen here: the occurrence as the series makes
/// it, or what was made of it at Google meanwhile.
pub fn relisted(records: &Records, address: Address) -> Steps {
    let Some(record) = records.get(address).filter(|record| record.is_dirty) else { return Steps::none() };
    let Role::Exception { series, slot } = record.role else { return Steps::none() };
    let base = series_of(records, series);
    let Some((base, listing)) = base.and_then(|base| Some((base, listing(base, slot)?))) else {
        return Steps::none();
    };
    let mut steps = Steps::of(listing);
    if let (None, Some(series)) = (record.live(), base.series()) {
        let event = series.occurrence(&base.event, slot);
        let plain = Record { event, is_deleted: false, ..record.clone() };
        steps.prepare.push(Change { record: plain, views: Views::default() });
    }
    steps
}

/// Whether a write of this record may take away occurrences that somebody has edited at Google: what changed there is to be read first.
pub fn reaches_occurrences(record: &Record) -> bool {
    let was_series = record.link.as_ref().is_some_and(|link| link.base.rule.is_some());
    was_series || matches!(record.role, Role::Series(_))
}

/// Whether Google's answer to a write says no more than what was sent: then [`answered`] would change nothing that a client can see.
pub fn is_as_sent(sent: &Record, link: Option<&Link>, is_anew: bool) -> bool {
    if sheds_exceptions(sent, link) {
        return false;
    }
    // The version that was known before: nothing was written.
    let news = link.filter(|link| !sent.is_deleted && link.has_copy() && sent.link.as_ref() != Some(link));
    let Some(link) = news else { return true };
    let has_exceptions = sent.series().is_some_and(|series| !series.exceptions.is_empty());
    let is_new_there = is_anew || sent.link.is_none();
    link.base.is_same(&sent.shared()) && !(has_exceptions && is_new_there)
}

/// Whether Google's series has lost slots by a write, and the exceptions with them: all of them by its deletion, some by another pattern.
fn sheds_exceptions(sent: &Record, link: Option<&Link>) -> bool {
    let Role::Series(_) = sent.role else { return false };
    let pattern = |link: &Link| (link.base.span.start().clone(), link.base.rule.clone());
    let link = link.filter(|link| link.has_copy());
    let is_kept = link.is_some_and(|link| sent.link.as_ref().is_none_or(|was| pattern(was) == pattern(link)));
    sent.is_deleted || !is_kept
}

/// What Google has dropped with its slot. Left with its link, it would be taken for Google's when the slot comes back; if that has happened here by
/// now, it is to be sent anew.
fn shed(records: &Records, sent: &Record, has_copy: bool) -> Vec<Change> {
    let dropped = exceptions(records, sent.event.id).filter(|record| record.link.is_some());
    let dropped = dropped.filter(|record| slot_of(record).is_none_or(|slot| !(has_copy && has(sent, slot))));
    let end = |record: &Record| match records.lists(&record.role) {
        true => Some(to_send(Record { link: None, ..record.clone() })),
        false => ended(record),
    };
    dropped.filter_map(end).collect()
}

/// What Google's answer to a write means. `sent` is the record as it was sent, `link` the copy after the write; `is_anew` says that the copy was
/// made or brought back, so that a series has no exceptions there.
///
/// Google may have written what was sent in another way: trimmed texts, other HTML, times without fractions. That is taken over, as the change of
/// Google's that it is; what changed here meanwhile stays and is still to be sent.
pub fn answered(
    records: &Records,
    sent: &Record,
    link: Option<&Link>,
    is_anew: bool,
    now: DateTime<Utc>,
) -> Steps {
    // Purged meanwhile: nothing is left that needs a base.
    let Some(stored) = records.get(sent.address()) else { return Steps::none() };
    let is_dirty = stored.is_dirty && stored.rev != sent.rev;
    let mut next = Record { link: link.cloned(), is_dirty, ..stored.clone() };
    let link = link.filter(|link| link.has_copy());
    let mut views = Views::default();
    if let (Some(link), Some(event)) = (link, stored.live().filter(|_| !is_as_sent(sent, link, is_anew))) {
        let Merged { value, changes_ours, .. } =
            merge(Some(&sent.shared()), &stored.shared(), &link.base, true);
        let mut event = event.overlaid(value.clone());
        let role = role(&stored.role, value.rule.as_ref(), &event);
        if changes_ours && let Some(role) = role {
            if !is_dirty {
                event.updated_at = now;
            }
            (next.event, next.role, views) = (event, role, Views::of(&stored.event));
        }
    }
    let mut steps = Steps::none();
    // Before the series itself, whose next try would find them if this one is broken off.
    if link.is_some() && sent.live().is_some() && next.series().is_some() && (is_anew || sent.link.is_none())
    {
        steps.prepare.extend(exceptions_to_send(records, &next, is_anew));
    }
    steps.commit.push(Change { record: next, views });
    if sheds_exceptions(sent, link) {
        steps.clean.extend(shed(records, sent, link.is_some()));
    }
    steps
}

/// The exceptions of a series of which Google has a copy as of now, to be sent: no client can see it. Of one that is new there, no exception that we
/// knew of is left.
pub(super) fn exceptions_to_send(records: &Records, base: &Record, is_anew: bool) -> Vec<Change> {
    let (Some(series), tag) = (base.series(), Tag::of(base.event.id)) else { return Vec::new() };
    let to_be_sent = series.exceptions.iter().filter_map(|slot| {
        let there = records.get(Address::Exception(tag, *slot));
        // Google has it already, as far as we know.
        let is_there = !is_anew && there.is_some_and(|record| record.link.is_some());
        if is_there || there.is_some_and(|record| record.is_dirty && record.link.is_none()) {
            return None;
        }
        let role = Role::Exception { series: base.event.id, slot: *slot };
        let cancelled =
            || Record { is_deleted: true, ..Record::new(series.occurrence(&base.event, *slot), role, None) };
        let record = there.cloned().unwrap_or_else(cancelled);
        Some(to_send(Record { link: None, ..record }))
    });
    to_be_sent.collect()
}
