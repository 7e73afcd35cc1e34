//! Google, as far as the planner can tell: events with versions, exceptions that inherit from their series and vanish with their slot, deletions
//! that are remembered, and a list of what changed since a version.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::sync::{Copy, Exception, Theirs};
use crate::{
    EventId, GoogleEventId, Link, Origin, Pattern, Priority, Record, Role, Rule, Series, Shared, Slot, Span,
};

/// One that is not, or not yet, as its series makes it; with none of its own it is cancelled.
#[derive(Clone, Debug)]
struct Instance {
    version: u64,
    shared: Option<Shared>,
}

#[derive(Clone, Debug)]
struct Item {
    version: u64,
    is_cancelled: bool,
    shared: Shared,
    instances: BTreeMap<Slot, Instance>,
    /// Slots that have lost an instance with them, and in which version.
    vanished: BTreeMap<Slot, u64>,
}

/// Why a write is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The id is taken, also by what is deleted.
    Duplicate,
    /// The version is not the newest.
    Stale,
    /// There is no such event.
    NotFound,
}

/// What is found under an id.
pub(super) struct Found {
    pub theirs: Theirs,
    pub etag: String,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Google {
    items: BTreeMap<String, Item>,
    /// The newest version.
    pub version: u64,
    /// How many writes of ours it took.
    pub writes: usize,
    rewrites: bool,
}

fn etag(version: u64) -> String {
    format!("\"{version}\"")
}

/// When a version was made: versions are seconds.
pub(super) fn at(version: u64) -> DateTime<Utc> {
    let seconds = i64::try_from(version).unwrap();
    DateTime::from_timestamp(1_763_600_000 + seconds, 0).unwrap()
}

fn event_of(shared: &Shared) -> crate::Event {
    let link = Link {
        id: GoogleEventId::from(EventId::new([0; 12])),
        etag: String::new(),
        updated_at: None,
        base: shared.clone(),
        raw: String::new(),
    };
    Copy { link, origin: None }.adopt(Origin::Google, at(0))
}

fn series_of(shared: &Shared) -> Option<Series> {
    let Rule { zone, recurrence } = shared.rule.clone()?;
    Series::new(&event_of(shared), zone, recurrence, Default::default()).ok()
}

fn has(shared: &Shared, slot: Slot) -> bool {
    series_of(shared).is_some_and(|series| series.pattern(&event_of(shared)).contains(slot))
}

/// The rule of a series that somebody moves: its end moves along.
pub(super) fn moved_along(rule: Rule, from: &Span, to: &Span) -> Rule {
    let moved = Pattern::new(from.start(), rule.zone, &rule.recurrence).moved(to.start());
    Rule { recurrence: moved.unwrap_or(rule.recurrence), ..rule }
}

/// The occurrence as the series makes it.
pub(super) fn made(shared: &Shared, slot: Slot) -> Shared {
    let span =
        series_of(shared).map_or_else(|| shared.span.clone(), |series| series.span(&event_of(shared), slot));
    Shared { span, rule: None, ..shared.clone() }
}

impl Item {
    fn slots(&self) -> Vec<Slot> {
        let Some(rule) = &self.shared.rule else { return Vec::new() };
        let pattern = Pattern::new(self.shared.span.start(), rule.zone, &rule.recurrence);
        let (from, to) = Slot::ends(self.shared.span.is_all_day());
        pattern.first_slots(from, to, 6)
    }

    fn is_series(&self) -> bool {
        !self.is_cancelled && self.shared.rule.is_some()
    }

    /// All instances that live, as they are.
    fn occurrences(&self) -> Vec<(Slot, Shared)> {
        let as_it_is = |slot: Slot| match self.instances.get(&slot) {
            Some(instance) => instance.shared.clone(),
            None => Some(made(&self.shared, slot)),
        };
        self.slots().into_iter().filter_map(|slot| Some((slot, as_it_is(slot)?))).collect()
    }
}

impl Google {
    /// A calendar without events, which trims texts or does not.
    pub(super) fn new(rewrites: bool) -> Self {
        Self { rewrites, ..Self::default() }
    }

    fn copy(id: &str, version: u64, shared: &Shared) -> Copy {
        let link = Link {
            id: GoogleEventId::new(id),
            etag: etag(version),
            updated_at: Some(at(version)),
            base: shared.clone(),
            raw: "{}".into(),
        };
        Copy { link, origin: None }
    }

    fn whole(id: &str, item: &Item) -> Theirs {
        match item.is_cancelled {
            true => Theirs::Gone(GoogleEventId::new(id)),
            false => Theirs::Live(Box::new(Self::copy(id, item.version, &item.shared))),
        }
    }

    fn instance(id: &str, slot: Slot, version: u64, shared: Option<&Shared>) -> Theirs {
        let series = GoogleEventId::new(id);
        let own = series.of_occurrence(slot);
        let copy = shared.map(|shared| Self::copy(own.as_str(), version, shared));
        Theirs::Exception(Box::new(Exception { id: own, series, slot, copy }))
    }

    /// What a list says: of everything, or of what changed since a version.
    pub(super) fn list(&self, since: Option<u64>) -> Vec<Theirs> {
        let mut entries = Vec::new();
        let is_new = |version| since.is_none_or(|since| version > since);
        for (id, item) in &self.items {
            if is_new(item.version) && (since.is_some() || !item.is_cancelled) {
                entries.push(Self::whole(id, item));
            }
            let instances = item.instances.iter().filter(|_| item.is_series());
            for (slot, instance) in instances.filter(|(_, instance)| is_new(instance.version)) {
                entries.push(Self::instance(id, *slot, instance.version, instance.shared.as_ref()));
            }
        }
        entries
    }

    /// The series and the slot that an occurrence's id leads to.
    fn place(&self, id: &str) -> Option<(String, Slot)> {
        self.items.iter().filter(|(_, item)| item.is_series()).find_map(|(series, item)| {
            let slots = item.slots().into_iter().chain(item.instances.keys().copied());
            let mut slots =
                slots.filter(|slot| GoogleEventId::new(series.as_str()).of_occurrence(*slot).as_str() == id);
            Some((series.clone(), slots.next()?))
        })
    }

    pub(super) fn get(&self, id: &GoogleEventId) -> Option<Found> {
        if let Some(item) = self.items.get(id.as_str()) {
            return Some(Found { theirs: Self::whole(id.as_str(), item), etag: etag(item.version) });
        }
        let (series, slot) = self.place(id.as_str())?;
        let item = &self.items[&series];
        let (version, shared) = match item.instances.get(&slot) {
            Some(instance) => (instance.version, instance.shared.clone()),
            None => (item.version, Some(made(&item.shared, slot))),
        };
        let theirs = Self::instance(&series, slot, version, shared.as_ref());
        Some(Found { theirs, etag: etag(version) })
    }

    fn next(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    fn written(&self, shared: &Shared) -> Shared {
        let title = shared.title.as_deref().map(|title| if self.rewrites { title.trim() } else { title });
        Shared { title: title.map(str::to_owned), ..shared.clone() }
    }

    fn link(&self, id: &GoogleEventId) -> Link {
        match self.get(id).unwrap().theirs.copy() {
            Some(copy) => copy.link.clone(),
            None => panic!("what was just written lives"),
        }
    }

    pub(super) fn insert(&mut self, id: &GoogleEventId, shared: &Shared) -> Result<Link, Refused> {
        if self.items.contains_key(id.as_str()) {
            return Err(Refused::Duplicate);
        }
        let (version, shared) = (self.next(), self.written(shared));
        let item = Item {
            version,
            is_cancelled: false,
            shared,
            instances: BTreeMap::new(),
            vanished: BTreeMap::new(),
        };
        self.items.insert(id.as_str().to_owned(), item);
        self.writes += 1;
        Ok(self.link(id))
    }

    pub(super) fn update(
        &mut self,
        id: &GoogleEventId,
        shared: &Shared,
        if_match: &str,
    ) -> Result<Link, Refused> {
        let found = self.get(id).ok_or(Refused::NotFound)?;
        if found.etag != if_match {
            return Err(Refused::Stale);
        }
        let shared = self.written(shared);
        self.put(id.as_str(), Some(shared));
        self.writes += 1;
        Ok(self.link(id))
    }

    pub(super) fn delete(&mut self, id: &GoogleEventId, if_match: &str) -> Result<(), Refused> {
        let found = self.get(id).filter(|found| found.theirs.copy().is_some()).ok_or(Refused::NotFound)?;
        if found.etag != if_match {
            return Err(Refused::Stale);
        }
        self.put(id.as_str(), None);
        self.writes += 1;
        Ok(())
    }

    /// What stands under an id from now on; with nothing it is deleted, or cancelled.
    pub(super) fn put(&mut self, id: &str, shared: Option<Shared>) {
        let version = self.next();
        if let Some(item) = self.items.get_mut(id) {
            let previous = item.shared.clone();
            (item.version, item.is_cancelled) = (version, shared.is_none());
            item.shared = shared.unwrap_or_else(|| previous.clone());
            item.inherit(&previous, version);
            return;
        }
        let (series, slot) = self.place(id).unwrap();
        let item = self.items.get_mut(&series).unwrap();
        let shared = shared.map(|shared| Shared { rule: None, ..shared });
        item.instances.insert(slot, Instance { version, shared });
        // Whatever happens to one instance, the series and all its exceptions are told again.
        item.version = version;
        item.instances.values_mut().for_each(|instance| instance.version = version);
    }

    /// Whether instances have vanished since a version and their slots are back, with instances as the series makes them: no list tells of that.
    pub(super) fn has_hidden_a_loss(&self, since: u64) -> bool {
        let is_back = |item: &Item, slot: &Slot| {
            item.is_series() && has(&item.shared, *slot) && !item.instances.contains_key(slot)
        };
        let mut vanished =
            self.items.values().flat_map(|item| item.vanished.iter().map(move |vanished| (item, vanished)));
        vanished.any(|(item, (slot, version))| *version > since && is_back(item, slot))
    }

    /// A new event that somebody makes there.
    pub(super) fn create(&mut self, id: &str, shared: Shared) {
        let version = self.next();
        let item = Item {
            version,
            is_cancelled: false,
            shared,
            instances: BTreeMap::new(),
            vanished: BTreeMap::new(),
        };
        self.items.insert(id.to_owned(), item);
    }

    /// What somebody sees there and can edit: single events, series, and the instances of series.
    pub(super) fn shown(&self) -> Vec<(String, Shared)> {
        let live = self.items.iter().filter(|(_, item)| !item.is_cancelled);
        live.flat_map(|(id, item)| {
            let occurrences = item.occurrences().into_iter().map(|(slot, shared)| {
                (GoogleEventId::new(id.as_str()).of_occurrence(slot).as_str().to_owned(), shared)
            });
            std::iter::once((id.clone(), item.shared.clone())).chain(occurrences)
        })
        .collect()
    }

    /// Cancelled instances and deleted events, which somebody may bring back.
    pub(super) fn deleted(&self) -> Vec<(String, Shared)> {
        let whole = self.items.iter().filter(|(_, item)| item.is_cancelled);
        let whole = whole.map(|(id, item)| (id.clone(), item.shared.clone()));
        let instances = self.items.iter().filter(|(_, item)| item.is_series()).flat_map(|(id, item)| {
            let cancelled = item
                .instances
                .iter()
                .filter(|(slot, instance)| instance.shared.is_none() && has(&item.shared, **slot));
            cancelled.map(|(slot, _)| {
                let own = GoogleEventId::new(id.as_str()).of_occurrence(*slot);
                (own.as_str().to_owned(), made(&item.shared, *slot))
            })
        });
        whole.chain(instances).collect()
    }

    /// Whether our record and Google's copy of it say the same, occurrence by occurrence; why not, if not.
    pub(super) fn differs(
        &self,
        record: &Record,
        exceptions: &BTreeMap<Slot, Option<Shared>>,
    ) -> Option<String> {
        let id = record.link.as_ref().map(|link| link.id.as_str().to_owned());
        let Some(item) = id.as_ref().and_then(|id| self.items.get(id)).filter(|item| !item.is_cancelled)
        else {
            return Some(format!("{} is not at Google", record.event.id));
        };
        if !item.shared.is_same(&record.shared()) {
            return Some(format!("{:?}\n  at Google {:?}", record.shared(), item.shared));
        }
        if !matches!(record.role, Role::Series(_)) {
            return None;
        }
        let slots = item.instances.keys().chain(exceptions.keys()).filter(|slot| has(&item.shared, **slot));
        slots.copied().find_map(|slot| {
            let made = || Some(made(&item.shared, slot));
            let theirs = item.instances.get(&slot).map_or_else(made, |instance| instance.shared.clone());
            let ours = exceptions.get(&slot).cloned().unwrap_or_else(made);
            let is_same = match (&ours, &theirs) {
                (Some(ours), Some(theirs)) => ours.is_same(theirs),
                (ours, theirs) => ours.is_none() && theirs.is_none(),
            };
            (!is_same).then(|| format!("slot {slot}: {ours:?}\n  at Google {theirs:?}"))
        })
    }

    /// The titles of what lives: single events and series.
    pub(super) fn titles(&self) -> Vec<Option<&str>> {
        let live = self.items.values().filter(|item| !item.is_cancelled);
        live.map(|item| item.shared.title.as_deref()).collect()
    }
}

impl Item {
    /// Drops the exceptions that have lost their slot, and lets the others take over what they did not differ in.
    fn inherit(&mut self, previous: &Shared, version: u64) {
        let (next, is_series) = (self.shared.clone(), self.is_series());
        let gone = self.instances.keys().filter(|slot| !is_series || !has(&next, **slot));
        self.vanished.extend(gone.map(|slot| (*slot, version)));
        self.instances.retain(|slot, _| is_series && has(&next, *slot));
        for (slot, instance) in &mut self.instances {
            instance.version = version;
            let Some(shared) = &mut instance.shared else { continue };
            let (then, now) = (made(previous, *slot), made(&next, *slot));
            if shared.title == then.title {
                shared.title.clone_from(&now.title);
            }
            if shared.description == then.description {
                shared.description.clone_from(&now.description);
            }
            if shared.span.is_same_time(&then.span) {
                shared.span.clone_from(&now.span);
            }
        }
    }
}

/// An event of Google's at an hour of a day.
pub(super) fn shared(title: &str, day: u32, hour: u32, rule: Option<Rule>) -> Shared {
    let time = |hour: u32| format!("2026-11-{day:02}T{hour:02}:00:00Z").parse().unwrap();
    let span = Span::new(time(hour), time(hour + 1)).unwrap();
    Shared { title: Some(title.into()), description: None, span, priority: Priority::Unassigned, rule }
}
