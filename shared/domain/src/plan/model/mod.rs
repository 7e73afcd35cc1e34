//! A naive calendar, to compare plans with: it knows no slots, no exceptions and no steps, but copies every occurrence up to a horizon into a
//! list and edits the copies, as the table of meanings says in words.
//!
//! It shares with the rules what is tested elsewhere: zones, the ids of occurrences, and whether two rules mean the same.

mod acts;
mod history;
mod rules;

pub(crate) use self::acts::as_shown;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use crate::{
    Draft, EventId, EventTime, Priority, Recurrence, Recurs, Repeat, Scope, Shelf, Shown, Slot, Span, Tag,
    Window, Zone,
};

/// What a request may change beside the time.
#[derive(Clone, Debug, Default, PartialEq)]
struct Fields {
    title: Option<String>,
    description: Option<String>,
    priority: Priority,
    is_someday: bool,
    order: Option<f64>,
}

/// One line of a view.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    is_all_day: bool,
    id: EventId,
    fields: Fields,
    series: Option<EventId>,
}

/// A copy of an occurrence.
#[derive(Clone, Debug)]
struct Copied {
    /// Where the rule put it, on the wall.
    clock: NaiveDateTime,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// As its series.
    Plain,
    /// Edited on its own.
    Own(Fields, Span),
    Cancelled,
}

/// A series: what the next plain copy would be like, and the copies.
#[derive(Clone, Debug)]
struct Group {
    id: EventId,
    zone: Zone,
    fields: Fields,
    span: Span,
    copies: Vec<Copied>,
}

/// What an id leads to; of an occurrence, its place in the list of copies.
#[derive(Clone, Copy, Debug)]
enum Found {
    Single,
    Series,
    Occurrence(EventId, usize),
    Former(EventId),
    Nothing,
}

#[derive(Clone, Debug, Default)]
struct Naive {
    singles: BTreeMap<EventId, (Fields, Span)>,
    series: BTreeMap<EventId, Group>,
    /// What has ever been a series.
    ever_series: BTreeSet<EventId>,
    /// What has ever stood for itself.
    ever: BTreeSet<EventId>,
    /// Ids of occurrences that have left their series under them.
    taken_along: BTreeSet<EventId>,
}

/// The rule makes no occurrence.
#[derive(Debug, PartialEq)]
struct Empty;

/// What a request is taken with: the user's zone, and the rule that a series is shown with.
struct Around<'a> {
    zone: Zone,
    rule_of: &'a dyn Fn(EventId) -> Recurrence,
    /// The id for what leaves a series at a slot, which the request named by this id or not.
    id_apart: &'a dyn Fn(EventId, Slot, Option<EventId>) -> EventId,
}

impl Fields {
    fn of(draft: &Draft, order: Option<f64>) -> Self {
        Self {
            title: draft.title.clone(),
            description: draft.description.clone(),
            priority: draft.priority,
            is_someday: draft.is_someday,
            order: draft.order.or(order),
        }
    }

    /// Takes over what differs between what was shown and the draft.
    fn take(&mut self, shown: &Self, draft: &Draft) {
        if draft.title != shown.title {
            self.title.clone_from(&draft.title);
        }
        if draft.description != shown.description {
            self.description.clone_from(&draft.description);
        }
        if draft.priority != shown.priority {
            self.priority = draft.priority;
        }
        if draft.is_someday != shown.is_someday {
            self.is_someday = draft.is_someday;
        }
        if draft.order.is_some() && draft.order != shown.order {
            self.order = draft.order;
        }
    }
}

impl Row {
    fn new(id: EventId, fields: &Fields, span: &Span, series: Option<EventId>) -> Self {
        let (start, end) = (span.start().instant(), span.end().instant());
        Self { start, end, is_all_day: span.is_all_day(), id, fields: fields.clone(), series }
    }

    fn of(shown: &Shown) -> Self {
        let Shown { event, recurs } = shown;
        assert_eq!(event.is_all_day, event.span.is_all_day(), "{event:?}");
        let series = match recurs {
            Recurs::Occurrence { series, .. } => Some(*series),
            Recurs::No => None,
            Recurs::Base(_) => panic!("a view never shows a series itself"),
        };
        let fields = Fields {
            title: event.title.clone(),
            description: event.description.clone(),
            priority: event.priority,
            is_someday: event.is_someday,
            order: event.order,
        };
        Self::new(event.id, &fields, &event.span, series)
    }
}

/// A time on the wall of a zone; of a date, its midnight.
fn clock(zone: Zone, time: &EventTime) -> NaiveDateTime {
    if time.is_date() { time.wall_clock() } else { zone.wall_clock(time.instant()) }
}

fn time(zone: Zone, clock: NaiveDateTime, is_date: bool) -> EventTime {
    if is_date { clock.date().into() } else { zone.localize(zone.instant(clock)).into() }
}

fn span(zone: Zone, clock: NaiveDateTime, length: TimeDelta, is_date: bool) -> Span {
    let start = time(zone, clock, is_date);
    let end = match start.date() {
        Some(date) => EventTime::from(date + length),
        None => EventTime::from(zone.localize(start.instant() + length)),
    };
    Span::new(start, end).unwrap()
}

impl Group {
    fn new(id: EventId, zone: Zone, fields: Fields, span: Span, rule: &Recurrence) -> Result<Self, Empty> {
        let clocks = rules::clocks(rule, zone, span.start());
        if clocks.is_empty() {
            return Err(Empty);
        }
        let copies = clocks.into_iter().map(|clock| Copied { clock, state: State::Plain }).collect();
        Ok(Self { id, zone, fields, span, copies })
    }

    fn is_date(&self) -> bool {
        self.span.is_all_day()
    }

    fn slot(&self, copy: &Copied) -> Slot {
        let slot = match self.is_date() {
            true => Slot::on(copy.clock.date()),
            false => Slot::at(self.zone.instant(copy.clock)),
        };
        slot.unwrap()
    }

    fn plain_id_of(&self, copy: &Copied) -> EventId {
        EventId::of_occurrence(Tag::of(self.id), self.slot(copy))
    }

    /// Whether the span of a plain copy is not worth computing for a window.
    fn is_far_from(&self, copy: &Copied, window: &Window) -> bool {
        let (at, day) = (copy.clock.and_utc(), TimeDelta::days(1));
        let is_plain = matches!(copy.state, State::Plain);
        is_plain && (at - day > window.latest() || at + self.span.length() + day < window.earliest())
    }

    fn is_at_start(&self, copy: &Copied) -> bool {
        Some(self.slot(copy)) == Slot::of(self.span.start())
    }

    fn plain_span(&self, copy: &Copied) -> Span {
        if self.is_at_start(copy) {
            return self.span.clone();
        }
        span(self.zone, copy.clock, self.span.length(), self.is_date())
    }

    /// What is shown of a copy; of a cancelled one, what was before it was touched.
    fn shown(&self, at: usize) -> (Fields, Span) {
        match &self.copies[at].state {
            State::Own(fields, span) => (fields.clone(), span.clone()),
            State::Plain | State::Cancelled => (self.fields.clone(), self.plain_span(&self.copies[at])),
        }
    }

    fn is_cancelled(&self, at: usize) -> bool {
        matches!(self.copies[at].state, State::Cancelled)
    }

    fn first_live(&self) -> Option<usize> {
        (0..self.copies.len()).find(|at| !self.is_cancelled(*at))
    }

    fn is_first(&self, at: usize) -> bool {
        (0..at).all(|earlier| self.is_cancelled(earlier))
    }

    /// All of the series is edited, at one of its copies or at itself. `rule` is another rule than it had. A draft whose times are out of date says
    /// nothing of them.
    fn edit(
        &mut self,
        at: Option<usize>,
        draft: &Draft,
        rule: Option<&Recurrence>,
        has_time: bool,
    ) -> Result<(), Empty> {
        let (shown, was) = match at {
            Some(at) => self.shown(at),
            None => (self.fields.clone(), self.span.clone()),
        };
        let is_put_aside = draft.is_someday && !shown.is_someday;
        let is_moved = has_time && !is_put_aside && !draft.span.is_same_time(&was);
        // What is said of the very start is kept as it was written, also its offset: windows are asked for by the wall clock, too.
        let is_start = was == self.span && at.is_none_or(|at| self.is_at_start(&self.copies[at]));
        let new = match is_moved {
            true if is_start => draft.span.clone(),
            true => self.moved(&was, &draft.span),
            false => self.span.clone(),
        };
        let before = self.clone();
        let by = clock(self.zone, new.start()) - clock(self.zone, before.span.start());
        self.span = new;
        self.fields.take(&shown, draft);
        for copy in &mut self.copies {
            copy.clock += by;
            if self.span.is_all_day() {
                copy.clock = copy.clock.date().into();
            }
            if let State::Own(fields, _) = &mut copy.state {
                fields.take(&shown, draft);
            }
        }
        for copy in 0..self.copies.len() {
            let State::Own(fields, span) = self.copies[copy].state.clone() else { continue };
            let span = if span.is_same_time(&before.plain_span(&before.copies[copy])) {
                self.plain_span(&self.copies[copy])
            } else if at == Some(copy) && is_moved {
                draft.span.clone()
            } else {
                span
            };
            self.copies[copy].state = State::Own(fields, span);
        }
        rule.map_or(Ok(()), |rule| self.recur(rule))
    }

    /// The start of the series when one of its occurrences goes from a span to another.
    fn moved(&self, was: &Span, wanted: &Span) -> Span {
        let (from, to) = (clock(self.zone, was.start()), clock(self.zone, wanted.start()));
        let start = clock(self.zone, self.span.start());
        let length = if wanted.length() == was.length() { self.span.length() } else { wanted.length() };
        if was.is_all_day() != wanted.is_all_day() {
            // It becomes all day, or gets a time of day: it moves by whole days.
            let day = start.date() + (to.date() - from.date());
            return span(self.zone, day.and_time(to.time()), wanted.length(), wanted.is_all_day());
        }
        if was.is_all_day() != self.is_date() {
            // The occurrence was of another kind than its series, which says nothing of the kind of the series.
            let day = start.date() + (to.date() - from.date());
            return span(self.zone, day.and_time(start.time()), self.span.length(), self.is_date());
        }
        span(self.zone, start + (to - from), length, self.is_date())
    }

    /// The copies that another rule makes: what was edited or cancelled stays so where there still is an occurrence.
    fn recur(&mut self, rule: &Recurrence) -> Result<(), Empty> {
        let fresh = Self::new(self.id, self.zone, self.fields.clone(), self.span.clone(), rule)?;
        let kept: BTreeMap<Slot, State> =
            self.copies.iter().map(|copy| (self.slot(copy), copy.state.clone())).collect();
        self.copies = fresh
            .copies
            .iter()
            .map(|copy| Copied {
                clock: copy.clock,
                state: kept.get(&fresh.slot(copy)).cloned().unwrap_or(State::Plain),
            })
            .collect();
        Ok(())
    }
}

impl Naive {
    fn find(&self, id: EventId) -> Found {
        if self.singles.contains_key(&id) {
            return Found::Single;
        }
        let (tag, slot) = id.as_occurrence();
        let is_own = self.series.contains_key(&id);
        let group = self.series.values().find(|group| Tag::of(group.id) == tag);
        match group.filter(|_| !self.taken_along.contains(&id)) {
            Some(group) => match group.copies.iter().position(|copy| group.slot(copy) == slot) {
                Some(at) if !(is_own && group.is_cancelled(at)) => Found::Occurrence(group.id, at),
                None if !is_own => Found::Former(group.id),
                _ => Found::Series,
            },
            None if is_own => Found::Series,
            None => Found::Nothing,
        }
    }

    /// The id under which a copy is shown.
    fn id_of(&self, group: &Group, copy: &Copied) -> EventId {
        let plain = group.plain_id_of(copy);
        match self.taken_along.contains(&plain) {
            true => EventId::of_occurrence_again(Tag::of(group.id), group.slot(copy)),
            false => plain,
        }
    }

    /// The id of what leaves its series at a copy.
    fn leave(&mut self, series: EventId, at: usize, asked: Option<EventId>, around: &Around<'_>) -> EventId {
        let group = &self.series[&series];
        let plain = group.plain_id_of(&group.copies[at]);
        let id = (around.id_apart)(series, group.slot(&group.copies[at]), asked);
        if id == plain {
            self.taken_along.insert(id);
        }
        id
    }

    fn rows(&self, shelf: Shelf, window: &Window) -> Vec<Row> {
        let is_there = |fields: &Fields, span: &Span| {
            fields.is_someday == (shelf == Shelf::Someday) && window.overlaps(span)
        };
        let singles = self.singles.iter().filter(|(_, (fields, span))| is_there(fields, span));
        let mut rows: Vec<Row> =
            singles.map(|(id, (fields, span))| Row::new(*id, fields, span, None)).collect();
        for group in self.series.values() {
            for (at, copy) in group.copies.iter().enumerate() {
                if group.is_cancelled(at) || group.is_far_from(copy, window) {
                    continue;
                }
                let (fields, span) = group.shown(at);
                if is_there(&fields, &span) {
                    let id = self.id_of(group, copy);
                    rows.push(Row::new(id, &fields, &span, Some(group.id)));
                }
            }
        }
        rows
    }

    /// All or nothing.
    fn save(&mut self, draft: &Draft, scope: Scope, around: &Around<'_>) -> Result<(), Empty> {
        let mut next = self.clone();
        next.try_save(draft, scope, around)?;
        next.ever_series.extend(next.series.keys());
        next.ever.extend(next.series.keys().chain(next.singles.keys()));
        *self = next;
        Ok(())
    }

    fn try_save(&mut self, draft: &Draft, scope: Scope, around: &Around<'_>) -> Result<(), Empty> {
        let id = draft.id();
        let never = matches!(draft.repeat, Repeat::Never);
        if scope != Scope::This && self.is_gone(id) {
            return Ok(());
        }
        match (self.find(id), scope) {
            (Found::Nothing | Found::Single, _) | (Found::Former(_), Scope::This) => {
                let order = self.singles.remove(&id).and_then(|(fields, _)| fields.order);
                self.taken_along.insert(id);
                self.put(draft, id, order, draft.zone.unwrap_or(around.zone))
            }
            (Found::Series, Scope::This) => match draft.repeat {
                Repeat::Never | Repeat::Unsaid => self.reduce(id, draft),
                Repeat::Occurrence { .. } => match self.series[&id].first_live() {
                    Some(at) => self.except(id, at, draft, around),
                    None => self.edit(id, None, draft, around),
                },
                Repeat::Series(_) => self.edit(id, None, draft, around),
            },
            (Found::Series, _) if never => self.reduce(id, draft),
            (Found::Series, _) => {
                let group = &self.series[&id];
                let start = Slot::of(group.span.start());
                let start = group.copies.iter().position(|copy| Some(group.slot(copy)) == start);
                let is_occurrence = !matches!(draft.repeat, Repeat::Series(_));
                let start = start.filter(|at| is_occurrence && !group.is_cancelled(*at));
                self.edit(id, start, draft, around)
            }
            (Found::Occurrence(series, at), Scope::This) => match draft.repeat {
                Repeat::Occurrence { .. } => self.except(series, at, draft, around),
                _ => self.detach(series, at, draft, around),
            },
            (Found::Occurrence(series, at), Scope::Following) if !self.series[&series].is_first(at) => {
                self.edit_tail(series, at, draft, around, true)
            }
            (Found::Former(series), Scope::Following) => match self.next(series, id) {
                Some(at) if self.series[&series].is_first(at) && never => self.reduce(series, draft),
                Some(at) if self.series[&series].is_first(at) => self.edit_stale(series, draft),
                Some(at) => self.edit_tail(series, at, draft, around, false),
                None => Ok(()),
            },
            (Found::Occurrence(series, _) | Found::Former(series), _) if never => self.reduce(series, draft),
            (Found::Occurrence(series, at), Scope::Following) if self.is_new_rule(series, draft, around) => {
                let group = self.series.get_mut(&series).unwrap();
                group.span = group.plain_span(&group.copies[at]);
                group.copies.drain(..at);
                self.edit(series, Some(0), draft, around)
            }
            (Found::Occurrence(series, at), _) => self.edit(series, Some(at), draft, around),
            (Found::Former(series), _) => self.edit_stale(series, draft),
        }
    }

    fn put(&mut self, draft: &Draft, id: EventId, order: Option<f64>, zone: Zone) -> Result<(), Empty> {
        let fields = Fields::of(draft, order);
        match &draft.repeat {
            Repeat::Series(rule) => {
                let group = Group::new(id, zone, fields, draft.span.clone(), rule)?;
                self.series.insert(id, group);
            }
            _ => {
                self.singles.insert(id, (fields, draft.span.clone()));
            }
        }
        Ok(())
    }

    fn detach(
        &mut self,
        series: EventId,
        at: usize,
        draft: &Draft,
        around: &Around<'_>,
    ) -> Result<(), Empty> {
        let id = self.leave(series, at, Some(draft.id()), around);
        let group = self.series.get_mut(&series).unwrap();
        group.copies[at].state = State::Cancelled;
        let zone = group.zone;
        self.put(draft, id, None, draft.zone.unwrap_or(zone))
    }

    fn except(
        &mut self,
        series: EventId,
        at: usize,
        draft: &Draft,
        around: &Around<'_>,
    ) -> Result<(), Empty> {
        let group = self.series.get_mut(&series).unwrap();
        if group.fields.is_someday && !draft.is_someday {
            return self.detach(series, at, draft, around);
        }
        let order = group.shown(at).0.order;
        group.copies[at].state = State::Own(Fields::of(draft, order), draft.span.clone());
        Ok(())
    }

    fn reduce(&mut self, series: EventId, draft: &Draft) -> Result<(), Empty> {
        let group = self.series.remove(&series).unwrap();
        self.singles.insert(series, (Fields::of(draft, group.fields.order), draft.span.clone()));
        Ok(())
    }

    fn edit(
        &mut self,
        series: EventId,
        at: Option<usize>,
        draft: &Draft,
        around: &Around<'_>,
    ) -> Result<(), Empty> {
        let group = self.series.get_mut(&series).unwrap();
        let rule = draft.repeat.rule_of(series).filter(|rule| !rule.is_same(&(around.rule_of)(series)));
        group.edit(at, draft, rule, true)
    }

    fn is_new_rule(&self, series: EventId, draft: &Draft, around: &Around<'_>) -> bool {
        draft.repeat.rule_of(series).is_some_and(|rule| !rule.is_same(&(around.rule_of)(series)))
    }

    /// An edit of all that was made where no occurrence is any more: only what it says beside times and rule counts.
    fn edit_stale(&mut self, series: EventId, draft: &Draft) -> Result<(), Empty> {
        let group = self.series.get_mut(&series).unwrap();
        group.edit(None, draft, None, false)
    }

    /// The series ends before a copy; what follows is a series of its own, or one event.
    fn edit_tail(
        &mut self,
        series: EventId,
        at: usize,
        draft: &Draft,
        around: &Around<'_>,
        is_current: bool,
    ) -> Result<(), Empty> {
        let new_rule = is_current && self.is_new_rule(series, draft, around);
        let head = &self.series[&series];
        let is_single = is_current && matches!(draft.repeat, Repeat::Never);
        let (shown, was) = if is_current { head.shown(at) } else { (head.fields.clone(), head.span.clone()) };
        let mut taken = shown.clone();
        taken.take(&shown, draft);
        let is_same_time = !is_current || draft.span.is_same_time(&was);
        if taken == shown && is_same_time && !is_single && !new_rule {
            return Ok(());
        }
        let span = head.plain_span(&head.copies[at]);
        let id = self.leave(series, at, Some(draft.id()).filter(|_| is_current), around);
        let head = self.series.get_mut(&series).unwrap();
        let copies = head.copies.split_off(at);
        let (zone, fields) = (head.zone, head.fields.clone());
        if is_single {
            self.singles.insert(id, (Fields::of(draft, fields.order), draft.span.clone()));
            return Ok(());
        }
        let mut tail = Group { id, zone, fields, span, copies };
        let rule = draft.repeat.rule_of(series).filter(|rule| !rule.is_same(&(around.rule_of)(series)));
        tail.edit(is_current.then_some(0), draft, rule.filter(|_| is_current), is_current)?;
        self.series.insert(id, tail);
        Ok(())
    }

    /// The next copy after a place that is none.
    fn next(&self, series: EventId, id: EventId) -> Option<usize> {
        let (_, slot) = id.as_occurrence();
        let group = &self.series[&series];
        let from = match slot.date() {
            Some(date) => date.into(),
            None if group.is_date() => group.zone.wall_clock(slot.instant()).date().into(),
            None => group.zone.wall_clock(slot.instant()),
        };
        group.copies.iter().position(|copy| copy.clock >= from)
    }

    /// Whether an id stood for something that is not there any more.
    fn is_gone(&self, id: EventId) -> bool {
        let (tag, _) = id.as_occurrence();
        match self.find(id) {
            Found::Nothing => self.ever_series.iter().any(|series| Tag::of(*series) == tag),
            Found::Occurrence(series, at) => self.series[&series].is_cancelled(at) && self.ever.contains(&id),
            Found::Former(_) => self.ever.contains(&id),
            Found::Single | Found::Series => false,
        }
    }

    fn delete(&mut self, id: EventId, scope: Scope) {
        if scope != Scope::This && self.is_gone(id) {
            return;
        }
        match (self.find(id), scope) {
            (Found::Single, _) => drop(self.singles.remove(&id)),
            (Found::Nothing, _) | (Found::Former(_), Scope::This) => {}
            (Found::Series, Scope::This) => match self.series[&id].first_live() {
                Some(at) => self.cancel(id, at),
                None => drop(self.series.remove(&id)),
            },
            (Found::Series, _) => drop(self.series.remove(&id)),
            (Found::Occurrence(series, at), Scope::This) => self.cancel(series, at),
            (Found::Occurrence(series, at), Scope::Following) => self.cut(series, at),
            (Found::Former(series), Scope::Following) => {
                if let Some(at) = self.next(series, id) {
                    self.cut(series, at);
                }
            }
            (Found::Occurrence(series, _) | Found::Former(series), _) => drop(self.series.remove(&series)),
        }
    }

    fn cancel(&mut self, series: EventId, at: usize) {
        self.series.get_mut(&series).unwrap().copies[at].state = State::Cancelled;
    }

    fn cut(&mut self, series: EventId, at: usize) {
        let group = self.series.get_mut(&series).unwrap();
        if group.is_first(at) {
            self.series.remove(&series);
        } else {
            group.copies.truncate(at);
        }
    }

    fn reorder(&mut self, id: EventId, order: f64) {
        let order = Some(order);
        match self.find(id) {
            Found::Single => self.singles.get_mut(&id).unwrap().0.order = order,
            Found::Series => self.series.get_mut(&id).unwrap().fields.order = order,
            Found::Occurrence(series, at) if !self.series[&series].is_cancelled(at) => {
                let group = self.series.get_mut(&series).unwrap();
                let (fields, span) = group.shown(at);
                group.copies[at].state = State::Own(Fields { order, ..fields }, span);
            }
            _ => {}
        }
    }
}
