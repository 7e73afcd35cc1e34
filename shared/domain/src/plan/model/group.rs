//! A series as a list of copies, and what becomes of them.

use std::collections::BTreeMap;

use chrono::{NaiveDateTime, TimeDelta};

use super::*;

/// A time on the wall of a zone; of a date, its midnight.
pub(super) fn clock(zone: Zone, time: &EventTime) -> NaiveDateTime {
    if time.is_date() { time.wall_clock() } else { zone.wall_clock(time.instant()) }
}

pub(super) fn time(zone: Zone, clock: NaiveDateTime, is_date: bool) -> EventTime {
    if is_date { clock.date().into() } else { zone.localize(zone.instant(clock)).into() }
}

pub(super) fn span(zone: Zone, clock: NaiveDateTime, length: TimeDelta, is_date: bool) -> Span {
    let start = time(zone, clock, is_date);
    let end = match start.date() {
        Some(date) => EventTime::from(date + length),
        None => EventTime::from(zone.localize(start.instant() + length)),
    };
    Span::new(start, end).unwrap()
}

impl Group {
    pub(super) fn new(
        id: EventId,
        zone: Zone,
        fields: Fields,
        span: Span,
        rule: &Recurrence,
    ) -> Result<Self, Empty> {
        let clocks = rules::clocks(rule, zone, span.start());
        if clocks.is_empty() {
            return Err(Empty);
        }
        let copies = clocks.into_iter().map(|clock| Copied { clock, state: State::Plain }).collect();
        Ok(Self { id, zone, fields, span, copies })
    }

    pub(super) fn is_date(&self) -> bool {
        self.span.is_all_day()
    }

    pub(super) fn slot(&self, copy: &Copied) -> Slot {
        let slot = match self.is_date() {
            true => Slot::on(copy.clock.date()),
            false => Slot::at(self.zone.instant(copy.clock)),
        };
        slot.unwrap()
    }

    pub(super) fn plain_id_of(&self, copy: &Copied) -> EventId {
        EventId::of_occurrence(Tag::of(self.id), self.slot(copy))
    }

    /// Whether the span of a plain copy is not worth computing for a window.
    pub(super) fn is_far_from(&self, copy: &Copied, window: &Window) -> bool {
        let (at, day) = (copy.clock.and_utc(), TimeDelta::days(1));
        let is_plain = matches!(copy.state, State::Plain);
        is_plain && (at - day > window.latest() || at + self.span.length() + day < window.earliest())
    }

    fn is_at_start(&self, copy: &Copied) -> bool {
        Some(self.slot(copy)) == Slot::of(self.span.start())
    }

    pub(super) fn plain_span(&self, copy: &Copied) -> Span {
        if self.is_at_start(copy) {
            return self.span.clone();
        }
        span(self.zone, copy.clock, self.span.length(), self.is_date())
    }

    /// What is shown of a copy; of a cancelled one, what was before it was touched.
    pub(super) fn shown(&self, at: usize) -> (Fields, Span) {
        match &self.copies[at].state {
            State::Own(fields, span) => (fields.clone(), span.clone()),
            State::Plain | State::Cancelled => (self.fields.clone(), self.plain_span(&self.copies[at])),
        }
    }

    pub(super) fn is_cancelled(&self, at: usize) -> bool {
        matches!(self.copies[at].state, State::Cancelled)
    }

    pub(super) fn first_live(&self) -> Option<usize> {
        (0..self.copies.len()).find(|at| !self.is_cancelled(*at))
    }

    pub(super) fn is_first(&self, at: usize) -> bool {
        (0..at).all(|earlier| self.is_cancelled(earlier))
    }

    /// All of the series is edited, at one of its copies or at itself. `rule` is another rule than it had. A draft whose times are out of date says
    /// nothing of them.
    pub(super) fn edit(
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
