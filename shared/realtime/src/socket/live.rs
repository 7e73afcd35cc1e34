//! What the connections of a user are told of as it happens, from new entries of the user's log.
//!
//! Entries come from the stream of the table: again, late, and cut into batches anywhere. A frame says which revs it covers, so a client notices whatever is
//! not as it should be, and asks.

use std::collections::BTreeMap;

use contract::socket::SocketFrame;
use domain::Rev;
use store::{Changes, Cursor, LogEntry, Seal};

use super::chained;
use crate::fold::Answer;

/// Entries of one log without a gap between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The rev before the first one.
    after: Rev,
    changes: Changes,
}

impl Run {
    /// The runs that entries of one user make, in the order of the log. An entry that comes twice counts once.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a LogEntry>) -> Vec<Self> {
        let by_rev: BTreeMap<Rev, &LogEntry> = entries.into_iter().map(|entry| (entry.rev, entry)).collect();
        let mut runs: Vec<Self> = Vec::new();
        for (rev, entry) in by_rev {
            match runs.last_mut().filter(|run| run.changes.upto + 1 == rev) {
                Some(run) => run.add(entry),
                None => {
                    let mut run = Self { after: rev.saturating_sub(1), ..Self::default() };
                    run.add(entry);
                    runs.push(run);
                }
            }
        }
        runs
    }

    /// Whether it holds nothing that clients see.
    pub fn is_silent(&self) -> bool {
        let is_told = |notice| contract::stream::StreamEvent::of(notice).is_some();
        self.changes.touched.is_empty() && !self.changes.notices.iter().any(is_told)
    }

    /// Its frames for a client of this epoch: at most one of each name. None when it holds nothing that clients see; they learn of the gap with the
    /// next frame, or with their next ping.
    pub fn frames(&self, epoch: &str, seal: &Seal) -> Vec<SocketFrame> {
        let from = Cursor::new(epoch, self.after);
        let upto = Cursor::new(epoch, self.changes.upto);
        let mut answer = Answer::default();
        answer.news(&self.changes);
        chained(answer.frames(&from, &upto), &self.changes, seal, &mut seal.seal(&from))
    }

    fn add(&mut self, entry: &LogEntry) {
        self.changes.upto = entry.rev;
        self.changes.notices.extend(entry.notice.clone());
        if let Some(touched) = entry.touched {
            self.changes.views = self.changes.views.union(touched.views);
            self.changes.touched.push(touched);
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::socket::SocketName;
    use contract::stream::StreamEvent::{EventChanged, GoogleRevoked, SomedayEventChanged, UserMetadata};
    use domain::{EventId, Job, Notice, UserId, Views};
    use proptest::prelude::*;
    use store::{CursorKey, Touched};

    use super::*;

    const USER: UserId = UserId::new([1; 12]);
    const GRID: Views = Views { is_grid: true, is_someday: false };
    const SOMEDAY: Views = Views { is_grid: false, is_someday: true };

    fn seal() -> Seal {
        CursorKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap().of(USER)
    }

    fn entry(rev: Rev) -> LogEntry {
        LogEntry { user: USER, rev, job: None, touched: None, notice: None }
    }

    fn edit(rev: Rev, number: u8, views: Views) -> LogEntry {
        LogEntry { touched: Some(Touched { id: Some(EventId::new([number; 12])), views }), ..entry(rev) }
    }

    fn notice(rev: Rev, notice: Notice) -> LogEntry {
        LogEntry { notice: Some(notice), ..entry(rev) }
    }

    fn told(entries: &[LogEntry]) -> Vec<(SocketName, String, String, usize)> {
        let plain = |text: &Option<String>| seal().open(text.as_deref().unwrap()).unwrap().to_string();
        let frames = Run::of(entries).into_iter().flat_map(|run| run.frames("ab", &seal()));
        frames
            .map(|frame| {
                let ids = frame.ids.as_ref().map_or(0, Vec::len);
                (frame.name, plain(&frame.after), plain(&frame.id), ids)
            })
            .collect()
    }

    fn line(
        name: contract::stream::StreamEvent,
        after: &str,
        id: &str,
        ids: usize,
    ) -> (SocketName, String, String, usize) {
        (SocketName::Event(name), after.into(), id.into(), ids)
    }

    #[test]
    fn a_burst_is_one_frame_of_each_name_whatever_its_order_and_repetitions() {
        let entries = [
            edit(43, 1, GRID),
            edit(41, 1, GRID),
            edit(42, 2, SOMEDAY),
            edit(43, 1, GRID),
            notice(44, Notice::Metadata),
        ];
        let expected = [
            line(UserMetadata, "ab.40", "ab.40~44~1", 0),
            line(EventChanged, "ab.40~44~1", "ab.40~44~3", 1),
            line(SomedayEventChanged, "ab.40~44~3", "ab.44-40-7", 1),
        ];
        assert_eq!(told(&entries), expected);
    }

    #[test]
    fn a_gap_between_entries_is_a_gap_between_frames() {
        let expected =
            [line(EventChanged, "ab.40", "ab.41-40-2", 1), line(EventChanged, "ab.42", "ab.43-42-2", 1)];
        assert_eq!(told(&[edit(43, 1, GRID), edit(41, 1, GRID)]), expected);
    }

    #[test]
    fn work_that_is_wanted_is_not_told_and_a_revocation_is_told_last() {
        let wanted = Notice::Wanted(Job::Pull { user: USER });
        assert_eq!(told(&[notice(41, wanted)]), []);
        let entries = [notice(41, Notice::GoogleRevoked), notice(42, Notice::Metadata)];
        let expected = [
            line(UserMetadata, "ab.40", "ab.40~42~1", 0),
            line(GoogleRevoked, "ab.40~42~1", "ab.42-40-33", 0),
        ];
        assert_eq!(told(&entries), expected);
    }

    proptest! {
        #[test]
        fn runs_cover_what_they_are_made_of_and_no_more(revs in prop::collection::vec(1_u64..40, 0..30)) {
            let entries: Vec<LogEntry> = revs.iter().map(|rev| edit(*rev, 1, GRID)).collect();
            let covered: Vec<Rev> =
                Run::of(&entries).iter().flat_map(|run| run.after + 1..=run.changes.upto).collect();
            let mut expected = revs;
            expected.sort_unstable();
            expected.dedup();
            prop_assert_eq!(covered, expected);
        }
    }
}
