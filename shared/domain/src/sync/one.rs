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
mod tests;
