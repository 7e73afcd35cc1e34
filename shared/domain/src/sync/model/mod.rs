//! Two sides and what people do to both: our records, changed by the real plans of requests, and a Google that is a map with versions. Between them
//! goes what the runner does, as pure functions. In the end both say the same, and no text that somebody wrote is lost without a record.

mod acts;
mod google;
mod histories;
mod mended;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use self::acts::Act;
use self::google::{Google, Refused};
use super::{
    Conflict, Outbound, Resolution, Theirs, answered, outbound, reaches_occurrences, relisted, resolve,
};
use crate::plan::{Context, delete, save};
use crate::{
    Address, Change, GoogleEventId, Link, Origin, Record, Records, Role, Scope, Shared, Shelf, Shown, Slot,
    Steps, Tag, Views, show,
};

/// How often everything is read and sent before it is said not to come to rest.
const ROUNDS: usize = 6;
/// How often one event is sent before it is said not to come to rest.
const TRIES: usize = 5;

/// How an answer may get lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Sound,
    /// Google does what it is asked to, and nobody here learns of it.
    BreaksAfter,
}

struct World {
    google: Google,
    records: Records,
    rev: u64,
    /// Up to which of Google's versions everything was read.
    token: u64,
    lost: Vec<Conflict>,
    /// Texts that somebody wrote.
    written: BTreeSet<String>,
    /// Texts that somebody took away who saw them.
    superseded: BTreeSet<String>,
    is_repair_wanted: bool,
    log: Vec<String>,
}

/// The texts of a side: titles and descriptions, as far as somebody can see them.
fn texts<'a>(shared: impl Iterator<Item = &'a Shared>) -> BTreeMap<String, usize> {
    let mut texts = BTreeMap::new();
    for text in shared.flat_map(|shared| [&shared.title, &shared.description]).flatten() {
        *texts.entry(text.trim().to_owned()).or_default() += 1;
    }
    texts
}

/// Texts that are to be seen less often than before: a series that was split shows one text in two places.
fn taken_away(before: &BTreeMap<String, usize>, after: &BTreeMap<String, usize>) -> Vec<String> {
    let is_less = |(text, count): &(&String, &usize)| after.get(*text).is_none_or(|now| now < count);
    before.iter().filter(is_less).map(|(text, _)| text.clone()).collect()
}

impl World {
    fn new(rewrites: bool) -> Self {
        Self {
            google: Google::new(rewrites),
            records: Records::default(),
            rev: 0,
            token: 0,
            lost: Vec::new(),
            written: BTreeSet::new(),
            superseded: BTreeSet::new(),
            is_repair_wanted: false,
            log: Vec::new(),
        }
    }

    /// Our clock is Google's: every version and every change takes a second.
    fn now(&self) -> DateTime<Utc> {
        google::at(self.google.version) + TimeDelta::milliseconds(500)
    }

    fn note(&mut self, what: impl Into<String>) {
        self.log.push(what.into());
    }

    /// What goes wrong, with what was done before it.
    fn told(&self, what: &str) -> String {
        format!("{what}\n{}", self.log.join("\n"))
    }

    fn write(&mut self, steps: Steps) -> usize {
        let count = steps.len();
        for change in steps.into_changes() {
            self.rev += 1;
            self.records.insert(Record { rev: self.rev, ..change.record });
        }
        count
    }

    /// What both views here show.
    fn shown(&self) -> Vec<Shown> {
        let live: Vec<_> = self.records.iter().filter(|record| !record.is_deleted).collect();
        let live = || live.iter().map(|record| (record.event.clone(), record.role.clone()));
        let series = self.records.iter().filter(|record| record.series().is_some()).map(|record| {
            let recurs = crate::Recurs::Base(record.series().unwrap().rule());
            Shown { event: record.event.clone(), recurs }
        });
        show(live(), Shelf::Grid, None)
            .into_iter()
            .chain(show(live(), Shelf::Someday, None))
            .chain(series)
            .collect()
    }

    fn texts_here(&self) -> BTreeMap<String, usize> {
        let shown: Vec<Shared> = self.shown().iter().map(|shown| shown.event.shared()).collect();
        texts(shown.iter())
    }

    fn texts_there(&self) -> BTreeMap<String, usize> {
        let shown = self.google.shown();
        texts(shown.iter().map(|(_, shared)| shared))
    }

    /// Somebody does something here. What was to be seen and is no more, they took away.
    fn here(&mut self, plan: impl FnOnce(&Records, &Context) -> Option<Steps>) {
        let context = Context { is_connected: true, zone: Some("UTC".parse().unwrap()), now: self.now() };
        let before = self.texts_here();
        if let Some(steps) = plan(&self.records, &context) {
            self.write(steps);
        }
        self.google.version += 1;
        let after = self.texts_here();
        self.superseded.extend(taken_away(&before, &after));
        self.written.extend(after.into_keys());
    }

    /// The same at Google.
    fn there(&mut self, act: impl FnOnce(&mut Google)) {
        let before = self.texts_there();
        act(&mut self.google);
        let after = self.texts_there();
        self.superseded.extend(taken_away(&before, &after));
        self.written.extend(after.into_keys());
    }

    /// An entry of Google's comes in; how much that changes here.
    fn take(&mut self, theirs: &Theirs) -> usize {
        let Resolution { steps, conflicts, is_short } =
            resolve(&self.records, theirs, Origin::Google, self.now());
        self.is_repair_wanted |= is_short;
        self.lost.extend(conflicts);
        self.write(steps)
    }

    /// Everything that changed is read, in the order that `order` makes of it, some of it twice.
    fn pull(&mut self, order: &[u8]) -> usize {
        let mut entries = self.google.list(Some(self.token));
        self.token = self.google.version;
        let count = entries.len();
        for (place, other) in order.iter().enumerate().filter(|_| count > 0) {
            entries.swap(place % count, usize::from(*other) % count);
        }
        let again = order.first().and_then(|first| entries.get(usize::from(*first)).cloned());
        entries.iter().chain(&again).map(|theirs| self.take(theirs)).sum()
    }

    /// Everything is read; what is here and was not seen is looked up one by one.
    fn repair(&mut self) {
        self.is_repair_wanted = false;
        let entries = self.google.list(None);
        let seen: BTreeSet<_> = entries.iter().map(Theirs::id).collect();
        for theirs in &entries {
            self.take(theirs);
        }
        let records: Vec<Record> = self.records.iter().cloned().collect();
        for record in &records {
            let unseen = record.live().is_some() && !record.is_dirty && !seen.contains(&record.event.id);
            if let Some(link) = record.link.as_ref().filter(|_| unseen) {
                let theirs = match self.google.get(&link.id) {
                    Some(found) => found.theirs,
                    None => Theirs::Gone(link.id.clone()),
                };
                self.take(&theirs);
            }
            let steps = super::unsent(&self.records, record.address());
            self.write(steps);
        }
    }

    fn push(&mut self, line: Line) -> TestCaseResult {
        let mut dirty: Vec<Record> = self.records.iter().filter(|record| record.is_dirty).cloned().collect();
        dirty.sort_by_key(|record| matches!(record.role, Role::Exception { .. }));
        let mut line = line;
        for record in dirty {
            for attempt in 0.. {
                prop_assert!(
                    attempt < TRIES,
                    "{}",
                    self.told(&format!("{} does not come to rest", record.event.id))
                );
                let Some(record) =
                    self.records.get(record.address()).filter(|record| record.is_dirty).cloned()
                else {
                    break;
                };
                if self.send(&record, &mut line) {
                    break;
                }
            }
        }
        Ok(())
    }

    fn series_of(&self, record: &Record) -> Option<Record> {
        let Role::Exception { series, .. } = record.role else { return None };
        self.records.get(Address::Series(Tag::of(series))).cloned()
    }

    /// Sends one event; whether that is the end of it.
    fn send(&mut self, record: &Record, line: &mut Line) -> bool {
        let series = self.series_of(record);
        if series.as_ref().is_some_and(|series| series.is_dirty) {
            // Its series goes first, and did not arrive.
            return true;
        }
        let what = outbound(record, series.as_ref(), &crate::Home::Primary);
        let name = format!("{what:?}");
        let name = name.split([' ', '(']).next().unwrap_or_default();
        self.note(format!("  send {} {:?} {name}", record.event.id, record.event.title));
        match what {
            Outbound::Nothing => self.answered(record, None, false),
            Outbound::Relist => {
                let steps = relisted(&self.records, record.address());
                self.write(steps);
                false
            }
            Outbound::Insert(id) => {
                let answer = self.google.insert(&id, &record.shared());
                self.wrote(record, &id, answer, true, line)
            }
            Outbound::Update(link) => {
                let answer = self.google.update(&link.id, &record.shared(), &link.etag);
                self.wrote(record, &link.id, answer, false, line)
            }
            Outbound::Exception(id) => self.make_exception(record, series.as_ref(), &id, line),
            Outbound::Delete(link) => self.delete(record, &link, line),
            Outbound::Seek(id) => match self.google.get(&id).filter(|found| found.theirs.copy().is_some()) {
                // What an occurrence has become that left its series bears its id.
                Some(found) => self.look(record, &found.theirs) == 0 && self.answered(record, None, false),
                None => self.answered(record, record.link.clone(), false),
            },
        }
    }

    /// Deletes the copy of which this version is known.
    fn delete(&mut self, record: &Record, known: &Link, line: &mut Line) -> bool {
        match self.google.delete(&known.id, &known.etag) {
            Ok(()) | Err(Refused::NotFound) if std::mem::replace(line, Line::Sound) == Line::BreaksAfter => {
                true
            }
            Ok(()) | Err(Refused::NotFound) => self.answered(record, Some(known.clone().deleted()), false),
            Err(_) => self.meet(record, &known.id, line),
        }
    }

    fn make_exception(
        &mut self,
        record: &Record,
        series: Option<&Record>,
        id: &GoogleEventId,
        line: &mut Line,
    ) -> bool {
        let Some(found) = self.google.get(id) else {
            return !self.is_behind(record, series) && self.answered(record, None, false);
        };
        let is_wanted = record.live().is_some_and(|event| !event.is_someday);
        let Some(copy) = found.theirs.copy() else {
            let cancelled = || Link::cancelled(id.clone(), &record.event);
            return match is_wanted {
                true => self.meet(record, id, line),
                false => self.answered(record, Some(cancelled()), false),
            };
        };
        let Role::Exception { slot, .. } = record.role else { return true };
        let made = series.map(|series| google::made(&series.shared(), slot));
        let same = [made, Some(record.shared())];
        if !same.iter().flatten().any(|made| copy.link.base.is_same(made)) {
            // Nearly always the series has changed, and its occurrences with it: that is no exception.
            if !self.is_behind(record, series) {
                self.take(&found.theirs);
            }
            return false;
        }
        if !is_wanted {
            return self.delete(record, &copy.link, line);
        }
        let answer = self.google.update(id, &record.shared(), &found.etag);
        self.wrote(record, id, answer, false, line)
    }

    /// Reads what changed; whether that concerns the series that a record is an exception of.
    fn is_behind(&mut self, record: &Record, series: Option<&Record>) -> bool {
        let known = series.map(|series| &series.link);
        self.pull(&[]);
        self.series_of(record).as_ref().map(|series| &series.link) != known
    }

    fn wrote(
        &mut self,
        record: &Record,
        id: &GoogleEventId,
        answer: Result<Link, Refused>,
        is_anew: bool,
        line: &mut Line,
    ) -> bool {
        match answer {
            Ok(_) if std::mem::replace(line, Line::Sound) == Line::BreaksAfter => true,
            Ok(link) => self.answered(record, Some(link), is_anew),
            Err(_) => self.meet(record, id, line),
        }
    }

    /// Google has something else than we thought.
    fn meet(&mut self, record: &Record, id: &GoogleEventId, line: &mut Line) -> bool {
        let Some(found) = self.google.get(id) else { return self.unlink(record) };
        if found.theirs.copy().is_some() {
            self.look(record, &found.theirs);
            return false;
        }
        if record.is_deleted {
            return self.answered(record, record.link.clone(), false);
        }
        // What went with it has to be known before the answer, which may get lost.
        if self.take(&found.theirs) > 0 {
            return false;
        }
        let answer = self.google.update(id, &record.shared(), &found.etag);
        self.wrote(record, id, answer, true, line)
    }

    /// Takes what was looked up. Somebody may have edited occurrences, which the next write would take away unseen: all that changed is read first.
    fn look(&mut self, record: &Record, theirs: &Theirs) -> usize {
        let is_series = theirs.copy().is_some_and(|copy| copy.link.base.rule.is_some());
        let read = if is_series || reaches_occurrences(record) { self.pull(&[]) } else { 0 };
        read + self.take(theirs)
    }

    fn unlink(&mut self, record: &Record) -> bool {
        let record = Record { link: None, ..record.clone() };
        self.write(Steps::of(Change { record, views: Views::default() }));
        false
    }

    fn answered(&mut self, sent: &Record, link: Option<Link>, is_anew: bool) -> bool {
        let steps = answered(&self.records, sent, link.as_ref(), is_anew, self.now());
        self.write(steps);
        true
    }

    /// Reads and sends until nothing is left.
    fn quiesce(&mut self) -> TestCaseResult {
        for _ in 0..ROUNDS {
            self.note("read and send");
            let taken = self.pull(&[]);
            let is_repaired = self.is_repair_wanted;
            if is_repaired {
                self.repair();
            }
            self.push(Line::Sound)?;
            let is_left = self.records.iter().any(|record| record.is_dirty);
            // What we wrote is told to us, too.
            let is_read = self.token == self.google.version;
            if taken == 0 && !is_repaired && !is_left && is_read {
                return Ok(());
            }
        }
        let left: Vec<_> = self.records.iter().filter(|record| record.is_dirty).collect();
        prop_assert!(false, "{}", self.told(&format!("no rest; left to send: {left:#?}")));
        Ok(())
    }

    /// What must hold when nothing is left to do.
    fn check(&mut self) -> TestCaseResult {
        let on_grid = self.records.iter().filter(|record| !record.is_deleted && !record.event.is_someday);
        let mut copies = 0;
        for record in on_grid.filter(|record| !matches!(record.role, Role::Exception { .. })) {
            copies += 1;
            let difference = self.google.differs(record, &self.exceptions(record));
            prop_assert!(difference.is_none(), "{}", self.told(&difference.unwrap_or_default()));
        }
        let alone = self.records.iter().find(|record| self.stands_alone(record));
        prop_assert!(alone.is_none(), "{}", self.told(&format!("Google cannot know of {alone:?}")));
        prop_assert!(
            copies == self.google.titles().len(),
            "{}",
            self.told(&format!("{copies} events here, at Google {:?}", self.google.titles()))
        );
        let seen = self.texts_here();
        let recorded: Vec<Shared> = self.lost.iter().map(|conflict| conflict.lost.shared()).collect();
        let recorded = texts(recorded.iter());
        for text in &self.written {
            let is_kept =
                seen.contains_key(text) || self.superseded.contains(text) || recorded.contains_key(text);
            prop_assert!(is_kept, "{}", self.told(&format!("{text:?} is lost")));
        }
        let (writes, rev) = (self.google.writes, self.rev);
        self.token = 0;
        self.quiesce()?;
        let is_still = (writes, rev) == (self.google.writes, self.rev);
        prop_assert!(is_still, "{}", self.told("everything read once more, and something changed"));
        Ok(())
    }

    /// What stands in the listed slots of a series; nothing where the grid has nothing.
    fn exceptions(&self, base: &Record) -> BTreeMap<Slot, Option<Shared>> {
        let Some(series) = base.series() else { return BTreeMap::new() };
        let at = |slot: &Slot| {
            let there = self.records.get(Address::Exception(Tag::of(base.event.id), *slot));
            let live = there.filter(|record| !record.is_deleted && !record.event.is_someday);
            (*slot, live.map(Record::shared))
        };
        series.exceptions.iter().map(at).collect()
    }

    /// Whether it is an exception on the grid whose series is a someday event.
    fn stands_alone(&self, record: &Record) -> bool {
        let Role::Exception { slot, .. } = record.role else { return false };
        let is_shown = !record.is_deleted && !record.event.is_someday;
        is_shown
            && self.series_of(record).is_some_and(|base| {
                base.event.is_someday && base.series().is_some_and(|series| series.exceptions.contains(&slot))
            })
    }

    fn act(&mut self, act: &Act) -> TestCaseResult {
        self.note(format!("{act:?}"));
        match act {
            Act::Here { which, scope, what, place } => {
                // Google trims, if it rewrites texts.
                let text = &format!("here {place} ");
                let shown = self.shown();
                if let Some(shown) = acts::pick(&shown, *which) {
                    let draft = acts::draft(shown, *what, text);
                    let id = shown.event.id;
                    self.here(|records, context| match draft {
                        Some(draft) => save(records, &draft, *scope, context).ok(),
                        None => delete(records, id, *scope, context).ok(),
                    });
                }
            }
            Act::NewHere { count, is_someday, place } => {
                let draft = acts::new_here(*count, *is_someday, *place);
                self.here(|records, context| save(records, &draft, Scope::This, context).ok());
            }
            Act::There { which, what, place } => {
                let text = &format!("there {place}");
                let (shown, deleted) = (self.google.shown(), self.google.deleted());
                let from = if *what == acts::Edit::Restore { &deleted } else { &shown };
                if let Some((id, shared)) = acts::pick(from, *which) {
                    let next = acts::edited(shared, *what, text);
                    let mut after = self.google.clone();
                    after.put(id, next.clone());
                    if after.has_hidden_a_loss(self.token) {
                        self.pull(&[]);
                    }
                    self.there(|google| google.put(id, next));
                }
            }
            Act::NewThere { count, place } => {
                let (id, shared) = (format!("google{place}"), acts::new_there(*count, *place));
                self.there(|google| google.create(&id, shared));
            }
            Act::Pull { order } => {
                self.pull(order);
            }
            Act::Push { line } => self.push(*line)?,
            Act::Repair => self.repair(),
        }
        Ok(())
    }
}
