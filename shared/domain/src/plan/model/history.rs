//! Histories: what people do to a few series, one request after the other, in the rules' calendar and in the naive one.

mod cases;
mod request;

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestCaseResult};

use self::request::Request;
use super::acts::{Act, Start, What, Which, acts, as_shown, starts};
use super::{Around, Fields, Naive, Row};
use crate::plan::family::id_apart;
use crate::plan::{Context, Steps, reaches_beyond};
use crate::{
    Address, Change, Draft, EventId, Family, GoogleEventId, Link, Record, Records, Recurrence, Recurs,
    Repeat, Role, Scope, Shelf, Shown, Slot, Stored, Tag, Window, Zone,
};

/// Both clocks change in between. All times of day are multiples of three hours, so that none is skipped: a series that starts at such a time starts
/// at the time after it.
const WINDOW: (&str, &str) = ("2026-02-10T00:00:00Z", "2026-04-15T00:00:00Z");
/// A day, a week, a month, as the web app asks for them.
const WINDOWS: [(&str, &str); 3] = [
    ("2026-03-29T00:00:00Z", "2026-03-29T23:59:59Z"),
    ("2026-03-07T00:00:00-05:00", "2026-03-14T23:59:59-04:00"),
    ("2026-03-01", "2026-03-31"),
];

/// Both calendars, and what has been shown.
struct World {
    records: Records,
    rev: u64,
    naive: Naive,
    context: Context,
    /// Whatever was shown at some time, as it was shown first.
    known: BTreeMap<EventId, Shown>,
    /// What both views show now.
    shown: Vec<Shown>,
    rows: Vec<Row>,
    window: Window,
    log: Vec<String>,
}

impl World {
    fn new(is_connected: bool) -> Self {
        let now = DateTime::from_timestamp_millis(1_763_600_000_000).unwrap();
        // Where an event of any zone that becomes a series meets no skipped time, either.
        let context = Context { is_connected, zone: Some("Asia/Kolkata".parse().unwrap()), now };
        let window = Window::from_query(WINDOW.0, WINDOW.1).unwrap();
        Self {
            records: Records::default(),
            rev: 0,
            naive: Naive::default(),
            context,
            known: BTreeMap::new(),
            shown: Vec::new(),
            rows: Vec::new(),
            window,
            log: Vec::new(),
        }
    }

    /// What both views show.
    fn view(&self, window: &Window) -> Vec<Shown> {
        let live = self.records.iter().filter(|record| !record.is_deleted);
        let live: Vec<_> = live.map(|record| (record.event.clone(), record.role.clone())).collect();
        let grid = crate::show(live.clone(), Shelf::Grid, Some(window));
        grid.into_iter().chain(crate::show(live, Shelf::Someday, Some(window))).collect()
    }

    fn naive_view(&self, window: &Window) -> Vec<Row> {
        sorted([Shelf::Grid, Shelf::Someday].iter().flat_map(|shelf| self.naive.rows(*shelf, window)))
    }

    /// Looks at both calendars and compares.
    fn look(&self, window: &Window) -> Result<Vec<Shown>, TestCaseError> {
        let shown = self.view(window);
        self.compare(&sorted(shown.iter().map(Row::of)), &self.naive_view(window), "in the end")?;
        let ids: BTreeSet<_> = shown.iter().map(|shown| shown.event.id).collect();
        prop_assert!(ids.len() == shown.len(), "two events under one id\n{}", self.history());
        Ok(shown)
    }

    fn compare(&self, rows: &[Row], expected: &[Row], when: &str) -> TestCaseResult {
        prop_assert!(rows == expected, "{when}:\n{}\n{}", difference(rows, expected), self.history());
        Ok(())
    }

    fn zone_of(&self, shown: &Shown) -> Zone {
        let series = match &shown.recurs {
            Recurs::Occurrence { series, .. } => *series,
            Recurs::Base(_) | Recurs::No => shown.event.id,
        };
        self.naive.series.get(&series).map_or(self.context.zone.unwrap(), |group| group.zone)
    }

    /// The request that an act means here, if there is anything that it could be about.
    fn request(&self, act: &Act) -> Option<Request> {
        let pick = |ids: Vec<EventId>, number: u8| {
            ids.get(usize::from(number).checked_rem(ids.len()).unwrap_or_default()).copied()
        };
        let shown = match act.which {
            Which::Shown(number) => {
                let id = pick(self.rows.iter().map(|row| row.id).collect(), number)?;
                self.records.stored(id).shown()?
            }
            Which::Series(number) => {
                let id = pick(self.naive.series.keys().copied().collect(), number)?;
                self.records.stored(id).shown()?
            }
            Which::Stale(number) => {
                let id = pick(self.known.keys().copied().collect(), number)?;
                self.known[&id].clone()
            }
        };
        let zone = self.zone_of(&shown);
        Some(match &act.what {
            What::Save(edit) => Request::Save(Box::new(edit.draft(&shown, zone)), act.scope),
            What::Undo => Request::Save(Box::new(as_shown(&shown)), act.scope),
            What::Delete => Request::Delete(shown.event.id, act.scope),
            What::Reorder(order) => Request::Reorder(shown.event.id, f64::from(*order)),
        })
    }

    /// Does a request in both calendars and compares.
    fn carry_out(&mut self, request: &Request) -> TestCaseResult {
        self.log.push(request.to_string());
        let planned = request.plan(&self.records, &self.context);
        prop_assert_eq!(
            request.plan(&self.read_for(request), &self.context),
            planned.clone(),
            "what the store reads is enough\n{}",
            self.history()
        );
        let is_refused = self.imitate(request).is_err();
        prop_assert_eq!(planned.is_err(), is_refused, "{:?}\n{}", planned, self.history());
        if let Ok(steps) = planned {
            let old = self.records.clone();
            self.write(steps)?;
            self.check_links(&old)?;
        }
        self.shown = self.look(&self.window)?;
        self.rows = sorted(self.shown.iter().map(Row::of));
        for shown in &self.shown {
            self.known.entry(shown.event.id).or_insert_with(|| shown.clone());
        }
        self.check_exceptions()
    }

    fn imitate(&mut self, request: &Request) -> Result<(), super::Empty> {
        let records = &self.records;
        let base = |id| records.get(Address::Series(Tag::of(id))).unwrap();
        let rule_of = |id| base(id).series().unwrap().recurrence.clone();
        let id_apart = |series, slot, asked| id_apart(base(series), slot, asked);
        let around = Around { zone: self.context.zone.unwrap(), rule_of: &rule_of, id_apart: &id_apart };
        match request {
            Request::Save(draft, scope) => self.naive.save(draft, *scope, &around),
            Request::Delete(id, scope) => {
                self.naive.delete(*id, *scope);
                Ok(())
            }
            Request::Reorder(id, order) => {
                self.naive.reorder(*id, *order);
                Ok(())
            }
        }
    }

    /// What the store reads for a request.
    fn read_for(&self, request: &Request) -> Records {
        let id = request.id();
        let at = |address: &Address| self.records.get(*address).cloned();
        let mut read: Records = Stored::addresses(id).iter().filter_map(at).collect();
        let stored = read.stored(id);
        if let Some(family) = stored.family().filter(|_| reaches_beyond(&stored, request.scope())) {
            let tags = [Tag::of(family.base.event.id), Tag::of(id)];
            let is_beyond = |record: &&Record| match record.address() {
                Address::Exception(tag, _) => tags.contains(&tag),
                Address::Series(tag) => tag == tags[0],
                Address::Single(single) => single == family.base.event.id,
            };
            self.records.iter().filter(is_beyond).for_each(|record| read.insert(record.clone()));
        }
        read
    }

    /// Writes a plan as the store does: at once if that is possible, else so that each prefix shows what was before, or what is after.
    fn write(&mut self, steps: Steps) -> TestCaseResult {
        let is_split = steps.prepare.len() + steps.clean.len() > 0;
        let Steps { prepare, commit, clean } = steps;
        for change in prepare {
            self.apply(change)?;
            self.compare(&sorted(self.view(&self.window).iter().map(Row::of)), &self.rows, "prepared")?;
        }
        for change in commit {
            self.apply(change)?;
        }
        if !is_split {
            return Ok(());
        }
        let after = without_texts(self.naive_view(&self.window));
        let now = |world: &Self| without_texts(sorted(world.view(&world.window).iter().map(Row::of)));
        self.compare(&now(self), &after, "committed")?;
        for change in clean {
            self.apply(change)?;
            self.compare(&now(self), &after, "cleaning")?;
        }
        Ok(())
    }

    fn apply(&mut self, change: Change) -> TestCaseResult {
        let stored = self.records.get(change.record.address()).map_or(0, |stored| stored.rev);
        prop_assert_eq!(stored, change.record.rev, "{}", self.history());
        prop_assert!(self.is_told(&change.record), "{:?} is not told\n{}", change, self.history());
        self.rev += 1;
        let (rev, seen) = (self.rev, change.record.seen.at(self.rev, change.views));
        self.records.insert(Record { rev, seen, ..change.record });
        Ok(())
    }

    /// The same request once more changes nothing.
    fn check_again(&self, request: &Request, before: &Stored) -> TestCaseResult {
        let Ok(steps) = request.plan(&self.records, &self.context) else { return Ok(()) };
        let is_known = self.is_known_to_repeat(request, before);
        prop_assert!(steps.is_empty() || is_known, "again: {:?}\n{}", steps, self.history());
        Ok(())
    }

    /// The exceptions that the table of meanings names.
    fn is_known_to_repeat(&self, request: &Request, before: &Stored) -> bool {
        let stored = self.records.stored(request.id());
        match request {
            Request::Delete(_, Scope::This) => matches!(stored, Stored::Series(_)),
            Request::Save(_, Scope::This) if request.id().is_again() => true,
            Request::Save(draft, Scope::This)
                if !draft.is_someday
                    && matches!(&stored, Stored::Series(family) if family.base.event.is_someday) =>
            {
                true
            }
            Request::Save(draft, _) => {
                let start = |family: &Family| {
                    let start = Slot::of(family.base.event.span.start());
                    start.filter(|slot| !matches!(draft.repeat, Repeat::Series(_)) && family.shows(*slot))
                };
                let span = match &stored {
                    Stored::Occurrence(family, slot) => Some(family.occurrence(*slot).span),
                    Stored::Series(family) => {
                        let at_start = start(family).map(|slot| family.occurrence(slot).span);
                        at_start.or_else(|| Some(family.base.event.span.clone()))
                    }
                    stored => stored.shown().map(|shown| shown.event.span),
                };
                let has_other_time = span.is_some_and(|span| !span.is_same_time(&draft.span));
                let has_other_rule = stored.family().is_some_and(|family| {
                    let rule = draft.repeat.rule_of(family.base.event.id);
                    rule.is_some_and(|rule| !rule.is_same(&family.series.recurrence))
                });
                let is_there = match &stored {
                    Stored::Series(family) => start(family).is_some(),
                    stored => !matches!(stored, Stored::Former(..)),
                };
                let was_own = matches!(before, Stored::Occurrence(family, slot) if family.exceptions.contains_key(slot));
                let had_own_texts = was_own && !is_there;
                has_other_time || has_other_rule || had_own_texts
            }
            _ => false,
        }
    }

    /// Whether Google learns of an occurrence that is taken from the grid, where its series stays.
    fn is_told(&self, next: &Record) -> bool {
        let Role::Exception { series, .. } = next.role else { return true };
        let base = self.records.get(Address::Series(Tag::of(series)));
        let is_at_google = base.is_some_and(|base| base.series().is_some() && base.link.is_some());
        let was_aside = self.records.get(next.address()).is_some_and(|stored| stored.event.is_someday);
        let leaves = is_at_google && !next.is_deleted && next.event.is_someday && !was_aside;
        !leaves || !self.context.is_connected || next.is_dirty
    }

    /// No exception is live that its series does not list.
    fn check_exceptions(&self) -> TestCaseResult {
        for record in self.records.iter().filter(|record| !record.is_deleted) {
            prop_assert!(self.records.lists(&record.role), "{:?} does not count\n{}", record, self.history());
        }
        Ok(())
    }

    /// What Google has a copy of is still known, or Google has to learn of its end.
    fn check_links(&self, old: &Records) -> TestCaseResult {
        if !self.context.is_connected {
            return Ok(());
        }
        let link_of = |record: &Record| record.link.as_ref().map(|link| link.id.clone());
        let mut holders: BTreeMap<GoogleEventId, &Record> = BTreeMap::new();
        for record in self.records.iter() {
            if let Some(id) = link_of(record) {
                let other = holders.insert(id.clone(), record);
                prop_assert!(other.is_none(), "{:?} is held twice\n{}", id, self.history());
            }
        }
        for record in old.iter() {
            let Some(id) = link_of(record).filter(|_| self.records.get(record.address()) != Some(record))
            else {
                continue;
            };
            match (holders.get(&id), &record.role) {
                (Some(holder), _) => {
                    let place = |record: &Record| record.event.is_someday || record.is_deleted;
                    let must_tell = place(holder) && !place(record);
                    prop_assert!(!must_tell || holder.is_dirty, "{:?} is not told\n{}", id, self.history());
                }
                (None, Role::Exception { series, .. }) => {
                    let base = self.records.get(Address::Series(Tag::of(*series)));
                    let is_told = base.is_some_and(|base| base.is_dirty || base.link.is_none());
                    prop_assert!(is_told, "{:?} is not told of by its series\n{}", id, self.history());
                }
                (None, _) => prop_assert!(false, "{:?} is orphaned\n{}", id, self.history()),
            }
        }
        Ok(())
    }

    /// What is pushed to Google gets a link, and what it has learnt to be gone loses it.
    fn settle(&mut self) {
        let dirty: Vec<Record> = self.records.iter().filter(|record| record.is_dirty).cloned().collect();
        for record in dirty {
            let is_there = !record.is_deleted && !record.event.is_someday;
            let known = record.link.as_ref().map(|link| link.id.clone()).or(record.event.google_id.clone());
            let link = known.filter(|_| is_there).map(|id| Link {
                id,
                etag: String::new(),
                updated_at: None,
                base: record.event.shared(),
                raw: String::new(),
            });
            self.records.insert(Record { link, is_dirty: false, ..record });
        }
    }

    fn history(&self) -> String {
        self.log.join("\n")
    }
}

fn sorted(rows: impl Iterator<Item = Row>) -> Vec<Row> {
    let mut rows: Vec<Row> = rows.collect();
    rows.sort_by_key(|row| (row.start, row.id));
    rows
}

/// What must be right once a plan is committed: exceptions may take on the new texts of their series only later.
fn without_texts(rows: Vec<Row>) -> Vec<Row> {
    rows.into_iter().map(|row| Row { fields: Fields::default(), ..row }).collect()
}

fn difference(is: &[Row], expected: &[Row]) -> String {
    let lines = |rows: &[Row]| rows.iter().map(|row| format!("{row:?}")).collect::<BTreeSet<_>>();
    let (is, expected) = (lines(is), lines(expected));
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| {
        a.difference(b).take(6).cloned().collect::<Vec<_>>().join("\n")
    };
    format!(
        "only in the calendar:\n{}\nonly in the naive one:\n{}",
        only(&is, &expected),
        only(&expected, &is)
    )
}

fn live_through(starts: &[Start], acts: &[Act], is_connected: bool) -> TestCaseResult {
    let mut world = World::new(is_connected);
    for (number, start) in starts.iter().enumerate() {
        world.carry_out(&Request::Save(Box::new(start.draft(number)), Scope::This))?;
    }
    for act in acts {
        let Some(request) = world.request(act) else { continue };
        let before = world.records.stored(request.id());
        world.carry_out(&request)?;
        world.check_again(&request, &before)?;
        if is_connected {
            world.settle();
        }
    }
    for (start, end) in WINDOWS {
        world.look(&Window::from_query(start, end).unwrap())?;
    }
    Ok(())
}

const CASES: u32 = 20_000;

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_views_show_what_a_list_of_copies_would(starts in vec(starts(), 1..4), acts in vec(acts(), 1..9)) {
        live_through(&starts, &acts, false)?;
    }

    #[test]
    fn and_google_is_told_of_all_that_it_has_a_copy_of(
        starts in vec(starts(), 1..4),
        acts in vec(acts(), 1..9),
    ) {
        live_through(&starts, &acts, true)?;
    }
}
