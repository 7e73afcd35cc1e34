//! What requests do to a calendar of copies: the table of meanings, in words.

use super::*;

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

    pub(super) fn rows(&self, shelf: Shelf, window: &Window) -> Vec<Row> {
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
    pub(super) fn save(&mut self, draft: &Draft, scope: Scope, around: &Around<'_>) -> Result<(), Empty> {
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

    pub(super) fn edit(
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

    pub(super) fn delete(&mut self, id: EventId, scope: Scope) {
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

    pub(super) fn reorder(&mut self, id: EventId, order: f64) {
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
