//! What becomes of a series: edited as a whole, split, or reduced to one event. Each function returns the records that are wanted in the end.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDateTime, NaiveTime, TimeDelta};

use super::new_event;
use crate::id::digest;
use crate::{
    Address, Change, Draft, Event, EventId, EventTime, Family, GoogleEventId, Link, Pattern, Record, Records,
    Recurrence, Refusal, Repeat, Role, Series, Slot, Span, Tag, Views, Zone,
};

/// An edit of a whole series, as the difference between what was shown and what is wanted instead. What the user left as it was stays as it is
/// everywhere, also where an exception says otherwise.
struct Edit<'a> {
    draft: &'a Draft,
    /// Where it was made; none for the series itself.
    at: Option<Slot>,
    shown: &'a Event,
    keeps_time: bool,
}

impl Edit<'_> {
    /// The texts and marks of an event after the edit.
    fn apply(&self, event: &Event) -> Event {
        let Edit { draft, shown, .. } = self;
        let mut event = event.clone();
        if draft.title != shown.title {
            event.title.clone_from(&draft.title);
        }
        if draft.description != shown.description {
            event.description.clone_from(&draft.description);
        }
        if draft.priority != shown.priority {
            event.priority = draft.priority;
        }
        if draft.is_someday != shown.is_someday {
            event.is_someday = draft.is_someday;
        }
        if draft.order.is_some() && draft.order != shown.order {
            event.order = draft.order;
        }
        event
    }

    /// Whether it makes of a time a day, or of a day a time.
    fn turns(&self) -> bool {
        self.draft.span.is_all_day() != self.shown.span.is_all_day()
    }

    /// How long a series lasts after the edit. What was shown may be an exception of another kind, whose length says nothing of the series.
    fn length(&self, before: &Span) -> TimeDelta {
        let (wanted, shown) = (&self.draft.span, &self.shown.span);
        let is_alike = shown.is_all_day() == before.is_all_day();
        let is_said = self.turns() || (is_alike && wanted.length() != shown.length());
        if is_said { wanted.length() } else { before.length() }
    }

    /// When a series starts after the edit, on the wall: by as much later. What becomes all day, or gets a time of day, moves by whole days; so
    /// does a series whose exception of another kind was moved.
    fn start(&self, before: &Span, zone: &Zone) -> NaiveDateTime {
        let clock = |span: &Span| wall_clock(span.start(), zone);
        let (wanted, shown, start) = (clock(&self.draft.span), clock(&self.shown.span), clock(before));
        let is_alike = self.shown.span.is_all_day() == before.is_all_day();
        let (from, to, time) = match (self.turns(), is_alike) {
            (false, true) => (shown, wanted, start),
            (true, _) => (midnight(shown), midnight(wanted), start.date().and_time(wanted.time())),
            (false, false) => (midnight(shown), midnight(wanted), start),
        };
        time.checked_add_signed(to - from).unwrap_or(time)
    }
}

/// Where the slots of a series go when its start or its zone changes.
struct Move {
    from: Zone,
    to: Zone,
    by: TimeDelta,
    is_date: bool,
}

impl Move {
    fn slot(&self, slot: Slot) -> Option<Slot> {
        let wall_clock = match slot.date() {
            Some(date) => date.and_time(NaiveTime::MIN),
            None => self.from.wall_clock(slot.instant()),
        };
        let moved = wall_clock.checked_add_signed(self.by)?;
        if self.is_date { Slot::on(moved.date()) } else { Slot::at(self.to.instant(moved)) }
    }
}

/// A time on the wall of a zone; of a date, its midnight.
fn wall_clock(time: &EventTime, zone: &Zone) -> NaiveDateTime {
    if time.is_date() { time.wall_clock() } else { zone.wall_clock(time.instant()) }
}

fn midnight(at: NaiveDateTime) -> NaiveDateTime {
    at.date().and_time(NaiveTime::MIN)
}

/// What was shown where an edit was made.
fn shown(family: &Family, at: Option<Slot>) -> Event {
    at.map_or_else(|| family.base.event.clone(), |slot| family.occurrence(slot))
}

/// Whether an edit leaves all as it was shown.
pub(super) fn is_as_shown(family: &Family, at: Option<Slot>, draft: &Draft) -> bool {
    let shown = shown(family, at);
    let edit = Edit { draft, at, shown: &shown, keeps_time: true };
    let is_same_zone = draft.zone.is_none_or(|zone| zone == family.series.zone);
    let says_rule = matches!(draft.repeat, Repeat::Series(_));
    edit.apply(&shown) == shown && draft.span.is_same_time(&shown.span) && is_same_zone && !says_rule
}

/// The whole series after an edit that was made at one of its slots, or at the series itself.
pub(super) fn edited(family: &Family, at: Option<Slot>, draft: &Draft) -> Result<Vec<Record>, Refusal> {
    let Family { base, series, .. } = family;
    let shown = shown(family, at);
    // A series that is put aside keeps its times: the lists show weeks and months, and it shall come back to its own hours.
    let is_put_aside = draft.is_someday && !shown.is_someday;
    let keeps_time = draft.span.is_same_time(&shown.span) || is_put_aside;
    let edit = Edit { draft, at, shown: &shown, keeps_time };
    let zone = draft.zone.unwrap_or(series.zone);

    let mut event = edit.apply(&base.event);
    if !keeps_time {
        event.span = moved_start(&edit, &base.event, zone);
        if edit.turns() {
            event.is_all_day = draft.is_all_day;
        }
    }
    event.google_id = google_id(base, event.id, event.is_someday);
    let recurrence = recurrence(family, draft, &event, zone)?;
    let moved = Move {
        from: series.zone,
        to: zone,
        by: wall_clock(event.span.start(), &zone) - wall_clock(base.event.span.start(), &series.zone),
        is_date: event.span.is_all_day(),
    };
    carried(family, event, zone, recurrence, &edit, &moved)
}

/// The span of the series after its occurrence was moved: verbatim what was sent, if it was the first.
fn moved_start(edit: &Edit<'_>, base: &Event, zone: Zone) -> Span {
    let is_start = edit.at.is_none_or(|slot| Slot::of(base.span.start()) == Some(slot));
    if is_start && edit.shown.span == base.span {
        return edit.draft.span.clone();
    }
    let start = edit.start(&base.span, &zone);
    let is_date = if edit.turns() { edit.draft.span.is_all_day() } else { base.span.is_all_day() };
    let start = match is_date {
        true => EventTime::from(start.date()),
        false => EventTime::from(zone.localize(zone.instant(start))),
    };
    Span::lasting(start, edit.length(&base.span), &zone)
}

/// The rule after an edit: the one that is sent, if it is another; else the stored one, moved along with the start.
fn recurrence(family: &Family, draft: &Draft, event: &Event, zone: Zone) -> Result<Recurrence, Refusal> {
    let Family { base, series, .. } = family;
    let is_moved = zone == series.zone && !event.span.start().is_same_time(base.event.span.start());
    let moved = is_moved.then(|| series.pattern(&base.event).moved(event.span.start())).flatten();
    let moved = moved.unwrap_or_else(|| series.recurrence.clone());
    match draft.repeat.rule_of(base.event.id) {
        Some(rule) if !rule.is_same(&series.recurrence) => with_dates_of(rule, &moved),
        _ => Ok(moved),
    }
}

/// A rule that says nothing of single dates, with those that the series had: the web app knows none, so it cannot mean to take them away.
fn with_dates_of(rule: &Recurrence, before: &Recurrence) -> Result<Recurrence, Refusal> {
    let is_date = |line: &&String| {
        let line = line.to_ascii_uppercase();
        line.starts_with("EXDATE") || line.starts_with("RDATE")
    };
    if rule.lines().iter().any(|line| is_date(&line)) {
        return Ok(rule.clone());
    }
    let dates = before.lines().iter().filter(is_date);
    Recurrence::parse(&rule.lines().iter().chain(dates).cloned().collect::<Vec<_>>())
}

/// The series' record with a new pattern, and those exceptions whose slots it still has.
fn carried(
    family: &Family,
    event: Event,
    zone: Zone,
    recurrence: Recurrence,
    edit: &Edit<'_>,
    moved: &Move,
) -> Result<Vec<Record>, Refusal> {
    let old = &family.series;
    let made = Series::new(&event, zone, recurrence, BTreeSet::new())?;
    let mut series = Series { left: old.left.clone(), ..made };
    let mut exceptions = BTreeMap::new();
    for slot in &old.exceptions {
        let Some(place) = moved.slot(*slot).filter(|place| series.pattern(&event).contains(*place)) else {
            continue;
        };
        let before = family.occurrence(*slot);
        let mut exception = edit.apply(&before);
        if before.span.is_same_time(&old.span(&family.base.event, *slot)) {
            exception.span = series.span(&event, place);
            exception.is_all_day = event.is_all_day;
        } else if edit.at == Some(*slot) && !edit.keeps_time {
            exception.span = edit.draft.span.clone();
            exception.is_all_day = edit.draft.is_all_day;
        }
        // Google's copy is that of the place.
        let stored = family.exceptions.get(&place);
        let is_deleted = family.is_cancelled(*slot);
        exceptions.insert(place, exception_record((&event, &series), place, exception, stored, is_deleted));
    }
    series.exceptions = exceptions.keys().copied().collect();
    let base = Record::new(event, Role::Series(series), family.base.link.clone());
    Ok(std::iter::once(base).chain(exceptions.into_values()).collect())
}

/// An exception's record under the series of this event.
pub(super) fn exception_record(
    (base, series): (&Event, &Series),
    slot: Slot,
    event: Event,
    stored: Option<&Record>,
    is_deleted: bool,
) -> Record {
    let id = series.id_of(base.id, slot);
    let at_google = base.google_id.as_ref().filter(|_| !event.is_someday).map(|id| id.of_occurrence(slot));
    let event = Event { id, google_id: at_google, ..event };
    let role = Role::Exception { series: base.id, slot };
    let link = stored.and_then(|record| record.link.clone());
    Record { is_deleted, ..Record::new(event, role, link) }
}

/// The id for what leaves a series at a slot: the occurrence's plain one, so that a repeated request meets it and changes nothing. Another, when nobody has
/// asked for it by that id, which also is so when something has left the slot before.
pub(super) fn id_apart(base: &Record, slot: Slot, asked: Option<EventId>) -> EventId {
    let plain = EventId::of_occurrence(Tag::of(base.event.id), slot);
    if asked == Some(plain) {
        return plain;
    }
    EventId::new(digest(&[plain.as_bytes(), &base.rev.to_be_bytes()]))
}

/// The family when the occurrence in a slot has left it under the id `id`.
pub(super) fn left_by(family: &Family, slot: Slot, id: EventId) -> Family {
    let mut family = family.clone();
    if id == EventId::of_occurrence(Tag::of(family.base.event.id), slot) {
        family.series.left.insert(slot);
        family.base.role = Role::Series(family.series.clone());
    }
    family
}

/// That an event has taken the id of an occurrence along which its series has no more, or which ended with it. No client can see that.
pub(super) fn taken_along(records: &Records, id: EventId) -> Option<Change> {
    let (tag, slot) = id.as_occurrence();
    let record = records.get(Address::Series(tag)).filter(|_| !id.is_again())?;
    let Role::Series(series) = &record.role else { return None };
    let mut series = series.clone();
    let role = series.left.insert(slot).then_some(Role::Series(series))?;
    Some(Change { record: Record { role, ..record.clone() }, views: Views::default() })
}

/// What is left of a series that ends before a slot; none if nothing is.
pub(super) fn head(family: &Family, slot: Slot) -> Result<Option<Family>, Refusal> {
    let Family { base, series, exceptions } = family;
    let Some(recurrence) = series.pattern(&base.event).before(slot) else { return Ok(None) };
    let listed = series.exceptions.range(..slot).copied().collect();
    let head = Series::new(&base.event, series.zone, recurrence, listed)?;
    let series = Series { left: series.left.clone(), ..head };
    let exceptions = exceptions.range(..slot).map(|(slot, record)| (*slot, record.clone())).collect();
    let base = Record { role: Role::Series(series.clone()), ..base.clone() };
    Ok(Some(Family { base, series, exceptions }))
}

/// What begins with a slot, as a series of its own under another id, ready for the draft.
pub(super) fn tail(family: &Family, slot: Slot, id: EventId, draft: &Draft) -> Result<Family, Refusal> {
    let rest = from(family, slot, draft)?;
    let google_id = (!rest.base.event.is_someday).then(|| GoogleEventId::of(rest.base.event.home(), id));
    let event = Event { id, google_id, ..rest.base.event };
    let series = Series { left: BTreeSet::new(), ..rest.series };
    let exceptions = rest
        .exceptions
        .into_iter()
        .map(|(slot, record)| {
            let is_deleted = record.is_deleted;
            (slot, exception_record((&event, &series), slot, record.event, None, is_deleted))
        })
        .collect();
    let base = Record::new(event, Role::Series(series.clone()), None);
    Ok(Family { base, series, exceptions })
}

/// The same series, starting with one of its slots. When the draft brings another rule, nothing of the old one is continued: what it takes to do so
/// may be dates that were not listed before, and they would stay beside the other rule.
pub(super) fn from(family: &Family, slot: Slot, draft: &Draft) -> Result<Family, Refusal> {
    let Family { base, series, exceptions } = family;
    let event = Event { span: series.span(&base.event, slot), ..base.event.clone() };
    let pattern = series.pattern(&base.event);
    let recurrence = match draft.repeat {
        Repeat::Series(_) => pattern.dates_from(slot),
        _ => pattern.from(slot).ok_or_else(|| Refusal::field("recurrence.rule", "makes no occurrence"))?,
    };
    let listed = series.exceptions.range(slot..).copied().collect();
    let rest = Series::new(&event, series.zone, recurrence, listed)?;
    let series = Series { left: series.left.clone(), ..rest };
    let base = Record { role: Role::Series(series.clone()), event, ..base.clone() };
    let exceptions = exceptions.range(slot..).map(|(slot, record)| (*slot, record.clone())).collect();
    Ok(Family { base, series, exceptions })
}

/// The records of a family as they are.
pub(super) fn records(family: Family) -> Vec<Record> {
    let listed = family.series.exceptions;
    let exceptions = family.exceptions.into_iter().filter(|(slot, _)| listed.contains(slot));
    std::iter::once(family.base).chain(exceptions.map(|(_, record)| record)).collect()
}

/// The series with an exception in a slot, whether it was one before or not.
pub(super) fn with_exception(family: &Family, exception: Record) -> Vec<Record> {
    let mut series = family.series.clone();
    if let Role::Exception { slot, .. } = exception.role {
        series.exceptions.insert(slot);
    }
    vec![Record { role: Role::Series(series), ..family.base.clone() }, exception]
}

/// A new series from what a browser sent.
pub(super) fn new_series(
    event: Event,
    draft: &Draft,
    link: Option<Link>,
    zone: Option<Zone>,
    records: &Records,
) -> Result<Vec<Record>, Refusal> {
    let Repeat::Series(recurrence) = &draft.repeat else {
        return Ok(vec![Record::new(event, Role::Single, link)]);
    };
    let zone = draft.zone.or(zone).unwrap_or_else(|| event.span.start().zone());
    let made = Series::new(&event, zone, recurrence.clone(), BTreeSet::new())?;
    let series = Series { left: records.left_before(event.id), ..made };
    Ok(vec![Record::new(event, Role::Series(series), link)])
}

/// The id at Google of an event of the series' own kind.
fn google_id(stored: &Record, id: EventId, is_someday: bool) -> Option<GoogleEventId> {
    let known = stored.link.as_ref().map(|link| link.id.clone());
    (!is_someday).then(|| known.unwrap_or_else(|| GoogleEventId::of(stored.event.home(), id)))
}

/// The series as one event, as a browser sent it: under the series' id.
pub(super) fn as_single(family: &Family, draft: &Draft, now: chrono::DateTime<chrono::Utc>) -> Record {
    let event = new_event(draft, family.base.event.id, Some(&family.base), now);
    Record::new(event, Role::Single, family.base.link.clone())
}

/// Whether all that comes before the slot is cancelled.
pub(super) fn is_first(family: &Family, slot: Slot) -> bool {
    let pattern: Pattern<'_> = family.series.pattern(&family.base.event);
    let (first, _) = Slot::ends(slot.date().is_some());
    let earlier = pattern.first_slots(first, slot, family.series.exceptions.len() + 2);
    earlier.into_iter().take_while(|earlier| *earlier < slot).all(|earlier| family.is_cancelled(earlier))
}
