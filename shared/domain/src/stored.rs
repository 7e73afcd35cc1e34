//! What an id leads to.
//!
//! Nobody outside has to know whether an id is that of a single event, of a series, or of an occurrence: all places where it could lead are read at
//! once ([`Stored::addresses`]), and what is found there says what it is.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Address, Event, EventId, Record, Recurs, Role, Series, Shown, Slot, Steps, Tag};

/// What was read of a user's events, by place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Records(BTreeMap<Address, Record>);

impl Records {
    /// What is stored in a place, tombstones included.
    pub fn get(&self, address: Address) -> Option<&Record> {
        self.0.get(&address)
    }

    /// Notes what is stored in its place.
    pub fn insert(&mut self, record: Record) {
        self.0.insert(record.address(), record);
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.0.values()
    }

    /// What an id leads to.
    pub fn stored(&self, id: EventId) -> Stored {
        Stored::resolve(id, &self.0)
    }

    /// Notes what would be stored after these steps, for planning on top of them.
    pub fn apply(&mut self, steps: &Steps) {
        steps.changes().for_each(|change| self.insert(change.record.clone()));
    }

    /// The slots that events have left of what was a series under this id before, as far as that is remembered.
    pub(crate) fn left_before(&self, id: EventId) -> BTreeSet<Slot> {
        let before = self.get(Address::Series(Tag::of(id))).filter(|record| record.event.id == id);
        match before.map(|record| &record.role) {
            Some(Role::Series(series)) => series.left.clone(),
            _ => BTreeSet::new(),
        }
    }

    /// Whether what is stored in the place of this role counts: always, unless it is an exception and its series does not list it.
    pub(crate) fn lists(&self, role: &Role) -> bool {
        match role {
            Role::Single | Role::Series(_) => true,
            Role::Exception { series, slot } => self
                .get(Address::Series(Tag::of(*series)))
                .and_then(Record::series)
                .is_some_and(|series| series.exceptions.contains(slot)),
        }
    }
}

impl FromIterator<Record> for Records {
    fn from_iter<I: IntoIterator<Item = Record>>(records: I) -> Self {
        Self(records.into_iter().map(|record| (record.address(), record)).collect())
    }
}

/// What an id leads to. The first that applies, in the order of the variants, but for this: a series that was split keeps the id of the slot for
/// what follows, and has an occurrence there again if its rule is prolonged. Then the id is that of the occurrence, which is shown, and not of the
/// second series, which is not.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// A single event.
    Single(Record),
    /// A series, by its own id.
    Series(Family),
    /// A slot of a series.
    Occurrence(Family, Slot),
    /// A slot that the series' rule once made, or never did.
    Former(Family, Slot),
    /// Nothing, or the tombstone of a single event or of a series.
    Nothing(Option<Record>),
}

/// A series with its exceptions: all of them, or the one that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// The series. Not deleted.
    pub base: Record,
    /// What makes it one: the role of `base`.
    pub series: Series,
    /// What is stored of its exceptions. A slot that the series lists and that has no live record is cancelled.
    pub exceptions: BTreeMap<Slot, Record>,
}

impl Stored {
    /// Where an id could lead.
    pub fn addresses(id: EventId) -> [Address; 4] {
        let (tag, slot) = id.as_occurrence();
        [
            Address::Single(id),
            Address::Series(Tag::of(id)),
            Address::Series(tag),
            Address::Exception(tag, slot),
        ]
    }

    /// What an id leads to among `records`, which hold what is stored at its addresses and the exceptions that are wanted beside.
    fn resolve(id: EventId, records: &BTreeMap<Address, Record>) -> Self {
        let (tag, slot) = id.as_occurrence();
        let at = |address| records.get(&address);
        if let Some(single) = at(Address::Single(id)).filter(|record| !record.is_deleted) {
            return Self::Single(single.clone());
        }
        let family = at(Address::Series(tag)).and_then(|base| Family::among(base, records));
        // What left the slot has taken the plain id along, whatever has become of it.
        let family = family.filter(|family| id.is_again() || !family.series.left.contains(&slot));
        if let Some(family) = family.as_ref().filter(|family| family.shows(slot)) {
            return Self::Occurrence(family.clone(), slot);
        }
        // Two series may share a tag, if only in theory.
        let own = at(Address::Series(Tag::of(id))).filter(|record| record.event.id == id);
        if let Some(family) = own.and_then(|base| Family::among(base, records)) {
            return Self::Series(family);
        }
        if let Some(family) = family {
            return if family.has(slot) {
                Self::Occurrence(family, slot)
            } else {
                Self::Former(family, slot)
            };
        }
        let tombstones = [at(Address::Single(id)), own].into_iter().flatten();
        Self::Nothing(tombstones.max_by_key(|record| record.rev).cloned())
    }

    /// What is shown under the id; nothing for what is deleted or cancelled.
    pub fn shown(&self) -> Option<Shown> {
        match self {
            Self::Single(record) => Some(Shown { event: record.event.clone(), recurs: Recurs::No }),
            Self::Series(Family { base, series, .. }) => {
                Some(Shown { event: base.event.clone(), recurs: Recurs::Base(series.rule()) })
            }
            Self::Occurrence(family, slot) => family.shown(*slot).map(|event| Shown {
                event,
                recurs: Recurs::occurrence_of(&family.base.event, &family.series),
            }),
            Self::Former(..) | Self::Nothing(_) => None,
        }
    }

    /// The series it belongs to.
    pub fn family(&self) -> Option<&Family> {
        match self {
            Self::Series(family) | Self::Occurrence(family, _) | Self::Former(family, _) => Some(family),
            Self::Single(_) | Self::Nothing(_) => None,
        }
    }
}

impl Family {
    fn among(base: &Record, records: &BTreeMap<Address, Record>) -> Option<Self> {
        let series = base.series()?.clone();
        let tag = Tag::of(base.event.id);
        let (first, last) = (Slot::ends(false).0, Slot::ends(true).1);
        let exceptions = records
            .range(Address::Exception(tag, first)..=Address::Exception(tag, last))
            .filter_map(|(_, record)| match record.role {
                Role::Exception { slot, .. } => Some((slot, record.clone())),
                _ => None,
            })
            .collect();
        Some(Self { base: base.clone(), series, exceptions })
    }

    /// The id of the occurrence in a slot.
    pub fn id_of(&self, slot: Slot) -> EventId {
        self.series.id_of(self.base.event.id, slot)
    }

    /// Whether there is an occurrence in the slot, or was until it was cancelled.
    pub fn has(&self, slot: Slot) -> bool {
        self.series.exceptions.contains(&slot) || self.series.pattern(&self.base.event).contains(slot)
    }

    /// Whether there is an occurrence in the slot that is not cancelled.
    pub fn shows(&self, slot: Slot) -> bool {
        !self.is_cancelled(slot) && self.has(slot)
    }

    /// Whether the slot's occurrence is cancelled.
    pub fn is_cancelled(&self, slot: Slot) -> bool {
        self.series.exceptions.contains(&slot)
            && self.exceptions.get(&slot).is_none_or(|record| record.is_deleted)
    }

    /// The occurrence in a slot as it is shown, unless it is cancelled.
    pub fn shown(&self, slot: Slot) -> Option<Event> {
        (!self.is_cancelled(slot)).then(|| self.occurrence(slot))
    }

    /// The occurrence in a slot: as it is stored, or as the pattern makes it.
    pub fn occurrence(&self, slot: Slot) -> Event {
        let stored = self.exceptions.get(&slot).filter(|_| self.series.exceptions.contains(&slot));
        stored
            .and_then(Record::live)
            .cloned()
            .unwrap_or_else(|| self.series.occurrence(&self.base.event, slot))
    }
}
