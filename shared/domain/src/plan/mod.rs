//! What a browser's request does: pure functions from what is stored and what is wanted to what has to be written.

mod family;
mod meaning;
mod steps;

use chrono::{DateTime, Utc};

use self::meaning::{Deleting, Saving};
pub use self::steps::Steps;
use crate::{
    Address, Draft, Event, EventId, Family, GoogleEventId, Record, Records, Refusal, Repeat, Scope, Slot,
    Span, Stored, Tag, Zone,
};

/// What a plan depends on beside the events.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Whether Google has to learn of changes.
    pub is_connected: bool,
    /// The user's zone, if it is known.
    pub zone: Option<Zone>,
    /// For time stamps.
    pub now: DateTime<Utc>,
}

impl Context {
    /// Whether Google has to learn of a change: it has, had, or shall have a copy of the event.
    fn concerns_google(&self, stored: Option<&Record>, will_be_on_grid: bool) -> bool {
        let has_copy = |record: &Record| (record.link.is_some() && !record.is_aside()) || record.is_dirty;
        self.is_connected && (will_be_on_grid || stored.is_some_and(has_copy))
    }
}

/// Whether a request on an id has to know all exceptions of its series: any that reaches beyond one occurrence.
pub fn reaches_beyond(stored: &Stored, scope: Scope) -> bool {
    match stored {
        Stored::Series(_) => true,
        Stored::Occurrence(..) | Stored::Former(..) => scope != Scope::This,
        Stored::Single(_) | Stored::Nothing(_) => false,
    }
}

/// Creates or edits an event, a series or an occurrence: the web app sends the whole of it, and may send it twice. Fields that the server owns are
/// kept from what is stored.
///
/// # Errors
/// A [`Refusal`] when the rule makes no occurrence.
pub fn save(records: &Records, draft: &Draft, scope: Scope, context: &Context) -> Result<Steps, Refusal> {
    let stored = records.stored(draft.id());
    if scope != Scope::This && is_gone(records, &stored, draft.id()) {
        return Ok(Steps::none());
    }
    let between = |old: &[&Record], wanted| Steps::between(old, wanted, records, context);
    let is_former = matches!(stored, Stored::Former(..));
    let asked = Some(draft.id()).filter(|_| !is_former);
    let steps = match meaning::saving(&stored, draft, scope) {
        Saving::Nothing => Steps::none(),
        Saving::Single | Saving::Series => return alone(records, &stored, draft, context),
        Saving::Exception(family, slot) => {
            let exception = exception(family, slot, draft, context.now);
            between(&[&family.base], family::with_exception(family, exception))
        }
        Saving::Detached(family, slot) => {
            let id = family::id_apart(&family.base, slot, asked);
            let left = family::left_by(family, slot, id);
            let mut wanted = family::with_exception(&left, cancelled(&left, slot));
            let event = new_event(draft, id, None, context.now);
            // It stays in the calendar that it was in.
            let of = || GoogleEventId::of(family.base.event.home(), id);
            let event = Event { google_id: event.google_id.as_ref().map(|_| of()), ..event };
            wanted.extend(family::new_series(event, draft, None, Some(family.series.zone), records)?);
            between(&[&family.base], wanted)
        }
        Saving::Whole(family, _) if is_former => between(
            &all(family),
            family::edited(family, None, &stale(draft, family.base.event.span.clone()))?,
        ),
        Saving::Whole(family, Some(slot)) if scope == Scope::Following => {
            let draft = tail_draft(draft, family);
            // Another rule makes nothing before the slot that was asked for, also where all that came before it is cancelled.
            let wanted = match draft.repeat {
                Repeat::Series(_) => {
                    family::edited(&family::from(family, slot, &draft)?, Some(slot), &draft)?
                }
                _ => family::edited(family, Some(slot), &draft)?,
            };
            between(&all(family), wanted)
        }
        Saving::Whole(family, slot) => between(&all(family), family::edited(family, slot, draft)?),
        Saving::WholeSingle(family) => {
            between(&all(family), vec![family::as_single(family, draft, context.now)])
        }
        Saving::Tail(family, slot) => {
            let id = family::id_apart(&family.base, slot, asked);
            let (at, draft) = match is_former {
                true => (None, stale(draft, family.series.span(&family.base.event, slot))),
                false => (Some(slot), tail_draft(draft, family)),
            };
            let tail = family::tail(family, slot, id, &draft)?;
            if family::is_as_shown(&tail, at, &draft) {
                return Ok(Steps::none());
            }
            let head = family::head(&family::left_by(family, slot, id), slot)?;
            let mut wanted = head.map(family::records).unwrap_or_default();
            wanted.extend(family::edited(&tail, at, &draft)?);
            between(&all(family), wanted)
        }
        Saving::TailSingle(family, slot) => {
            let id = family::id_apart(&family.base, slot, asked);
            let tail = family::tail(family, slot, id, draft)?;
            let head = family::head(&family::left_by(family, slot, id), slot)?;
            let mut wanted = head.map(family::records).unwrap_or_default();
            wanted.push(family::as_single(&tail, draft, context.now));
            between(&all(family), wanted)
        }
    };
    Ok(steps)
}

/// Deletes an event, a series or a part of one. Deleting what is gone, or never was, is nothing to do.
///
/// # Errors
/// A [`Refusal`] should a stored rule be unreadable.
pub fn delete(records: &Records, id: EventId, scope: Scope, context: &Context) -> Result<Steps, Refusal> {
    let stored = records.stored(id);
    if scope != Scope::This && is_gone(records, &stored, id) {
        return Ok(Steps::none());
    }
    let between = |old: &[&Record], wanted| Steps::between(old, wanted, records, context);
    Ok(match (meaning::deleting(&stored, scope), &stored) {
        (Deleting::Single, Stored::Single(record)) => between(&[record], Vec::new()),
        (Deleting::Nothing | Deleting::Single, _) => Steps::none(),
        (Deleting::Occurrence(family, slot), _) if family.is_cancelled(slot) => Steps::none(),
        (Deleting::Occurrence(family, slot), _) => {
            between(&[&family.base], family::with_exception(family, cancelled(family, slot)))
        }
        (Deleting::Tail(family, slot), _) => {
            let head = family::head(family, slot)?;
            between(&all(family), head.map(family::records).unwrap_or_default())
        }
        (Deleting::Whole(family), _) => between(&all(family), Vec::new()),
    })
}

/// Moves an event to another place in its list. Google knows no order, so it need not learn of it.
pub fn reorder(records: &Records, id: EventId, order: f64, context: &Context) -> Steps {
    let order = Some(order);
    let (old, wanted) = match records.stored(id) {
        Stored::Single(record) => {
            let event = Event { order, ..record.event.clone() };
            (record.clone(), vec![Record { event, ..record }])
        }
        Stored::Series(Family { base, .. }) => {
            let event = Event { order, ..base.event.clone() };
            (base.clone(), vec![Record { event, ..base }])
        }
        Stored::Occurrence(family, slot) if !family.is_cancelled(slot) => {
            let event = Event { order, ..family.occurrence(slot) };
            let stored = family.exceptions.get(&slot);
            let of = (&family.base.event, &family.series);
            let exception = family::exception_record(of, slot, event, stored, false);
            (family.base.clone(), family::with_exception(&family, exception))
        }
        Stored::Occurrence(..) | Stored::Former(..) | Stored::Nothing(_) => return Steps::none(),
    };
    Steps::between(&[&old], wanted, records, context)
}

/// Whether what an id last stood for is gone: an occurrence of a series that was deleted, or is one event since, perhaps by this very request; or
/// an event or a series of its own that had left another series. Then more than itself is not meant by it: that other series stays.
fn is_gone(records: &Records, stored: &Stored, id: EventId) -> bool {
    let (tag, _) = id.as_occurrence();
    let own = [Address::Single(id), Address::Series(Tag::of(id))];
    let was_apart = || own.iter().any(|own| records.get(*own).is_some_and(|record| record.event.id == id));
    match stored {
        Stored::Nothing(_) => records.get(Address::Series(tag)).is_some(),
        Stored::Occurrence(family, slot) => family.is_cancelled(*slot) && was_apart(),
        Stored::Former(..) => was_apart(),
        Stored::Single(_) | Stored::Series(_) => false,
    }
}

/// A request on an id that leads to no series.
fn alone(records: &Records, stored: &Stored, draft: &Draft, context: &Context) -> Result<Steps, Refusal> {
    let before = match stored {
        Stored::Single(record) | Stored::Nothing(Some(record)) => Some(record),
        _ => None,
    };
    let event = new_event(draft, draft.id(), before, context.now);
    let link = before.and_then(|record| record.link.clone());
    let wanted = family::new_series(event, draft, link, context.zone, records)?;
    let old: Vec<&Record> = before.into_iter().collect();
    let mut steps = Steps::between(&old, wanted, records, context);
    steps.commit.extend(family::taken_along(records, draft.id()));
    Ok(steps)
}

/// The event that a draft describes. `stored` is what it replaces, from which it keeps what the server owns.
fn new_event(draft: &Draft, id: EventId, stored: Option<&Record>, now: DateTime<Utc>) -> Event {
    let known_id = stored.and_then(|record| record.link.as_ref()).map(|link| link.id.clone());
    let home = || stored.map(|record| record.event.home()).unwrap_or_default();
    let kept_order = || stored.and_then(Record::live).and_then(|event| event.order);
    Event {
        id,
        title: draft.title.clone(),
        description: draft.description.clone(),
        span: draft.span.clone(),
        is_all_day: draft.is_all_day,
        is_someday: draft.is_someday,
        priority: draft.priority,
        origin: draft.origin,
        order: draft.order.or_else(kept_order),
        google_id: (!draft.is_someday).then(|| known_id.unwrap_or_else(|| GoogleEventId::of(home(), id))),
        updated_at: now,
    }
}

/// The occurrence in a slot as a draft describes it.
fn exception(family: &Family, slot: Slot, draft: &Draft, now: DateTime<Utc>) -> Record {
    let shown = family.occurrence(slot);
    let mut event = new_event(draft, shown.id, None, now);
    event.order = event.order.or(shown.order);
    let of = (&family.base.event, &family.series);
    family::exception_record(of, slot, event, family.exceptions.get(&slot), false)
}

/// The occurrence in a slot, cancelled.
fn cancelled(family: &Family, slot: Slot) -> Record {
    let event = family.occurrence(slot);
    let of = (&family.base.event, &family.series);
    family::exception_record(of, slot, event, family.exceptions.get(&slot), true)
}

/// All that is stored of a family.
fn all(family: &Family) -> Vec<&Record> {
    std::iter::once(&family.base).chain(family.exceptions.values()).collect()
}

/// The draft for the tail of a split series. It does not repeat the rule of the whole: a count would start again.
fn tail_draft(draft: &Draft, family: &Family) -> Draft {
    let rule = draft.repeat.rule_of(family.base.event.id);
    let repeat = match rule.filter(|rule| !rule.is_same(&family.series.recurrence)) {
        Some(rule) => Repeat::Series(rule.clone()),
        None => Repeat::Unsaid,
    };
    Draft { repeat, ..draft.clone() }
}

/// A draft that was made where no occurrence is any more, for the series of this span itself. What it says of times and of the rule is out of date, or
/// has been done: a request that moved the series, sent once more, would move it back.
fn stale(draft: &Draft, span: Span) -> Draft {
    Draft { repeat: Repeat::Unsaid, span, ..draft.clone() }
}

#[cfg(test)]
pub(crate) mod model;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transitions;
