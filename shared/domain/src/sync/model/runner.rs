//! What the runner does, as pure functions: reading what changed, sending what is to be sent, and both until nothing is left.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::google::{self, Refused};
use super::planted::{self, Bug};
use super::{Line, World};
use crate::sync::{
    Outbound, Resolution, Theirs, answered, in_order, outbound, reaches_occurrences, relisted, resolve,
    unsent,
};
use crate::{Address, Change, GoogleEventId, Link, Origin, Record, Role, Steps, Tag, Views};

/// How often everything is read and sent before it is said not to come to rest.
const ROUNDS: usize = 6;
/// How often one event is sent before it is said not to come to rest.
const TRIES: usize = 5;

fn name(what: &Outbound) -> &'static str {
    match what {
        Outbound::Insert(_) => "insert",
        Outbound::Update(_) => "update",
        Outbound::Exception(_) => "exception",
        Outbound::Delete(_) => "delete",
        Outbound::Seek(_) => "seek",
        Outbound::Relist => "relist",
        Outbound::Nothing => "nothing",
    }
}

impl World {
    /// An entry of Google's comes in; how much that changes here.
    pub(super) fn take(&mut self, theirs: &Theirs) -> usize {
        let Resolution { steps, conflicts, is_short } =
            resolve(&self.records, theirs, Origin::Google, self.now());
        self.is_repair_wanted |= is_short;
        match self.bug {
            Some(Bug::KeepsNoRecord) => {}
            Some(Bug::RecordsNoTime) => self.lost.extend(conflicts.into_iter().map(planted::timeless)),
            Some(Bug::RecordsNoRule) => self.lost.extend(conflicts.into_iter().map(planted::without_rule)),
            Some(Bug::RecordsEveryChange) => self.lost.extend(planted::every_change(&steps)),
            _ => self.lost.extend(conflicts),
        }
        if self.bug == Some(Bug::WritesWhatIsKnown) {
            let known = self.records.get(Address::Single(theirs.id())).cloned();
            let written = known.map(|record| Steps::of(Change { record, views: Views::default() }));
            return self.write(written.unwrap_or_default().then(steps));
        }
        self.write(steps)
    }

    /// What changed since everything was read, in the order that `order` makes of it, some of it twice.
    pub(super) fn news(&mut self, order: &[u8]) -> Vec<Theirs> {
        let mut entries = self.google.list(Some(self.token));
        self.token = self.google.version;
        let count = entries.len();
        for (place, other) in order.iter().enumerate().filter(|_| count > 0) {
            entries.swap(place % count, usize::from(*other) % count);
        }
        if self.bug == Some(Bug::OverlooksTheLast) {
            entries.pop();
        }
        let again = order.first().and_then(|first| entries.get(usize::from(*first)).cloned());
        entries.extend(again);
        entries
    }

    /// Everything that changed is read, as if it came in pages that cut it in any way; how much that changes here.
    pub(super) fn pull(&mut self, order: &[u8]) -> usize {
        self.news(order).iter().map(|theirs| self.take(theirs)).sum()
    }

    /// The same, all of it in one page.
    pub(super) fn pull_page(&mut self, order: &[u8]) {
        let mut entries = self.news(order);
        if self.bug != Some(Bug::TakesWhateverComesFirst) {
            in_order(&mut entries);
        }
        for theirs in &entries {
            self.take(theirs);
        }
    }

    /// Everything is read; what is here and was not seen is looked up one by one.
    pub(super) fn repair(&mut self) {
        self.is_repair_wanted = false;
        let entries = self.google.list(None);
        let seen: BTreeSet<_> = entries.iter().map(Theirs::mark).collect();
        for theirs in &entries {
            self.take(theirs);
        }
        let records: Vec<Record> = self.records.iter().cloned().collect();
        for record in &records {
            let unseen = record.live().is_some_and(|event| !event.is_someday)
                && !record.is_dirty
                && !seen.contains(&record.mark());
            if let Some(link) = record.link.as_ref().filter(|_| unseen) {
                let theirs = match self.google.get(&link.id) {
                    Some(found) => found.theirs,
                    None => Theirs::Gone(link.id.clone()),
                };
                self.take(&theirs);
            }
            let steps = unsent(&self.records, record.address());
            self.write(steps);
        }
    }

    pub(super) fn push(&mut self, line: Line) -> TestCaseResult {
        if self.bug == Some(Bug::SendsNothing) {
            self.forget_to_send();
            return Ok(());
        }
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

    pub(super) fn series_of(&self, record: &Record) -> Option<Record> {
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
        self.note(format!("  send {} {:?} {}", record.event.id, record.event.title, name(&what)));
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
        if self.bug == Some(Bug::ForgetsTheAnswer) {
            return false;
        }
        let steps = answered(&self.records, sent, link.as_ref(), is_anew, self.now());
        self.write(steps);
        true
    }

    /// Reads and sends until nothing is left.
    pub(super) fn quiesce(&mut self) -> TestCaseResult {
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
}
