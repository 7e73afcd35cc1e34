//! The log item by item, page after page, for clients that keep a copy.
//!
//! A client that is told everything after its cursor in order has what the store has. Who has no cursor begins at the start of the log: what
//! lives there lives at some rev, so the walk through it is a complete copy, and ends where the changes begin.

use chrono::{DateTime, Utc};
use contract::changes::{ChangeView, ChangesView};
use domain::{Record, Rev, UserId};
use store::{Cursor, Head, Page, Seal, Stage};

use crate::asked::Asked;

/// How many bytes of an answer its items may take, as far as they can be estimated: a Lambda answers with 6 MB at the most.
const BYTES: usize = 4 * 1024 * 1024;

/// What an event takes beside its texts, at most.
const ENVELOPE: usize = 1024;

/// A request for a page.
#[derive(Clone, Debug)]
pub struct Delta {
    user: UserId,
    seal: Seal,
    asked: Asked,
}

impl Delta {
    /// What `user`, whose seal this is, asks for with this cursor.
    pub fn new(user: UserId, seal: Seal, cursor: Option<&str>) -> Self {
        Self { user, asked: Asked::of(cursor, &seal), seal }
    }

    /// The rev after which a page has to be read beside the head, if at all.
    pub fn page_after(&self) -> Option<Rev> {
        match self.asked {
            Asked::Fresh => Some(0),
            Asked::Resume(_) | Asked::Lost => self.asked.backlog_after(),
        }
    }

    /// Whether the head has to be read before the page and not beside it: what is deleted after a walk began must be known to be after it.
    pub fn is_head_first(&self) -> bool {
        self.asked == Asked::Fresh
    }

    /// The answer, from the head and the page after [`Delta::page_after`].
    pub fn answer(self, head: &Head, page: Option<Page>, now: DateTime<Utc>) -> ChangesView {
        let start = Cursor::new(head.epoch.clone(), 0).at(Stage::Walk { began: head.seq });
        match (self.asked, page) {
            (Asked::Fresh, Some(page)) => told(self.user, &self.seal, start, page, true),
            (Asked::Resume(cursor), Some(page)) if cursor.is_known(head, now) => {
                told(self.user, &self.seal, cursor, page, false)
            }
            _ => ChangesView {
                changes: Vec::new(),
                cursor: self.seal.seal(&start),
                has_more: head.seq > 0,
                reset: true,
            },
        }
    }
}

fn told(user: UserId, seal: &Seal, from: Cursor, page: Page, reset: bool) -> ChangesView {
    let Page { mut records, series, upto, has_more } = page;
    let fitting = fitting(&records);
    let cut = records.get(fitting.wrapping_sub(1)).filter(|_| fitting < records.len()).map(|last| last.rev);
    records.truncate(fitting);
    let rev = cut.unwrap_or(upto);
    let stage = match from.stage {
        Stage::Walk { began } if rev < began => from.stage,
        _ => Stage::Whole,
    };
    ChangesView {
        changes: records
            .into_iter()
            .map(|record| ChangeView::new(user, record, |id| series.iter().find(|base| base.event.id == id)))
            .collect(),
        cursor: seal.seal(&Cursor { rev, stage, ..from }),
        has_more: has_more || cut.is_some(),
        reset,
    }
}

/// How many of these fit into one answer: one at least, so that every answer leads on.
fn fitting(records: &[Record]) -> usize {
    let mut bytes = 0;
    let fits = records.iter().take_while(|record| {
        let is_first = bytes == 0;
        let event = &record.event;
        let texts = [event.title.as_ref(), event.description.as_ref()];
        // In JSON a character takes six bytes at the most.
        bytes += ENVELOPE + texts.into_iter().flatten().map(|text| 6 * text.len()).sum::<usize>();
        is_first || bytes <= BYTES
    });
    fits.count()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use domain::{Event, EventId, Origin, Priority, Role, Span};
    use store::{CursorKey, Profile};

    use super::*;

    const NOW: DateTime<Utc> = DateTime::from_timestamp_millis(1_763_600_000_000).unwrap();
    const USER: UserId = UserId::new([1; 12]);

    fn seal() -> Seal {
        CursorKey::from_base64("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap().of(USER)
    }

    fn head() -> Head {
        Head { seq: 40, ..Head::new("ab".into(), Profile::default(), NOW) }
    }

    fn record(rev: Rev, description: usize) -> Record {
        let time = |text: &str| text.parse().unwrap();
        let span = Span::new(time("2026-11-20T09:00:00Z"), time("2026-11-20T10:00:00Z")).unwrap();
        let (priority, origin) = (Priority::Work, Origin::Compass);
        let id = EventId::new([u8::try_from(rev % 250).unwrap(); 12]);
        let text = Some("x".repeat(description));
        let event = Event {
            id,
            title: None,
            description: text,
            span,
            is_all_day: false,
            is_someday: false,
            priority,
            origin,
            order: None,
            google_id: None,
            updated_at: NOW,
        };
        Record { rev, ..Record::new(event, Role::Single, None) }
    }

    fn page(records: Vec<Record>, upto: Rev, has_more: bool) -> Page {
        Page { records, series: Vec::new(), upto, has_more }
    }

    fn answer(cursor: Option<&str>, page: Page) -> (usize, String, bool, bool) {
        let cursor = cursor.map(|text| text.parse().map_or(text.to_owned(), |cursor| seal().seal(&cursor)));
        let delta = Delta::new(USER, seal(), cursor.as_deref());
        let page = delta.page_after().map(|_| page);
        let view = delta.answer(&head(), page, NOW);
        let cursor = seal().open(&view.cursor).unwrap().to_string();
        (view.changes.len(), cursor, view.has_more, view.reset)
    }

    #[test]
    fn what_came_after_a_cursor_is_told_and_leads_on() {
        let some = || page(vec![record(31, 0), record(33, 0)], 35, true);
        assert_eq!(answer(Some("ab.30"), some()), (2, "ab.35".into(), true, false));
        assert_eq!(answer(Some("ab.40"), page(vec![], 40, false)), (0, "ab.40".into(), false, false));
        assert_eq!(answer(Some("ab.30~40~1"), some()), (2, "ab.35".into(), true, false));
    }

    #[test]
    fn whoever_has_no_cursor_walks_through_the_log_and_forgets_that_at_its_end() {
        assert_eq!(answer(None, page(vec![record(3, 0)], 9, true)), (1, "ab.9_40".into(), true, true));
        let next = page(vec![record(11, 0)], 20, true);
        assert_eq!(answer(Some("ab.9_40"), next), (1, "ab.20_40".into(), true, false));
        assert_eq!(answer(Some("ab.20_40"), page(vec![], 41, false)), (0, "ab.41".into(), false, false));
    }

    #[test]
    fn a_cursor_that_is_not_this_logs_is_told_to_begin_anew_and_never_data() {
        for foreign in ["xy.30", "ab.41", "none.0", "ab.30.forged", ""] {
            let some = page(vec![record(31, 0)], 31, false);
            assert_eq!(answer(Some(foreign), some), (0, "ab.0_40".into(), true, true), "{foreign}");
        }
    }

    #[test]
    fn a_cursor_that_is_older_than_the_history_is_told_to_begin_anew_unless_it_began_since() {
        let mut head = head();
        head.marks = serde_json::from_value(serde_json::json!([{ "at": NOW, "before": 0 }])).unwrap();
        let late = NOW + TimeDelta::days(31);
        for (cursor, is_reset) in
            [(Cursor::new("ab", 30), true), (Cursor::new("ab", 30).at(Stage::Walk { began: 40 }), false)]
        {
            let delta = Delta::new(USER, seal(), Some(&seal().seal(&cursor)));
            assert_eq!(delta.answer(&head, Some(page(vec![], 30, false)), late).reset, is_reset);
        }
    }

    #[test]
    fn an_answer_is_cut_where_it_would_grow_too_large_but_always_leads_on() {
        let huge = || vec![record(31, BYTES), record(32, BYTES)];
        assert_eq!(answer(Some("ab.30"), page(huge(), 35, false)), (1, "ab.31".into(), true, false));
        let last = || vec![record(32, BYTES)];
        assert_eq!(answer(Some("ab.31"), page(last(), 35, false)), (1, "ab.35".into(), false, false));
    }
}
