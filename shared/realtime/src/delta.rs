//! The log item by item, page after page, for clients that keep a copy: events, priorities, calendars, and the metadata, of which the log only says that
//! they changed.
//!
//! A client that is told everything after its cursor in order has what the store has. Who has no cursor begins at the start of the log: what
//! lives there lives at some rev, so the walk through it is a complete copy, and ends where the changes begin.

use chrono::{DateTime, Utc};
use contract::changes::{ChangeView, ChangesView};
use contract::stream::StreamEvent;
use contract::user::MetadataView;
use domain::{Record, Rev, UserId};
use store::{Cursor, Head, ListItem, LogItem, Page, PageAt, Seal, Stage};

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

    /// Which page has to be read beside the head, if any.
    pub fn wanted(&self) -> Option<PageAt> {
        match &self.asked {
            Asked::Lost => None,
            _ if self.is_beginning() => Some(PageAt::Start),
            asked => asked.backlog_after().map(PageAt::After),
        }
    }

    /// Whether the head has to be read before the page and not beside it: what is deleted after a walk began must be known to be after it, and a
    /// walk is over when it has come to where the log ended then.
    pub fn is_head_first(&self) -> bool {
        self.asked == Asked::Fresh || self.is_walk()
    }

    /// The answer, from the head and the page that is [`Delta::wanted`].
    pub fn answer(self, head: &Head, page: Option<Page>, now: DateTime<Utc>) -> ChangesView {
        let start = Cursor::new(head.epoch.clone(), 0).at(Stage::Walk { began: head.seq });
        match (&self.asked, page) {
            (Asked::Fresh, Some(page)) => self.told(start, page, head, now),
            (Asked::Resume(cursor), Some(page)) if cursor.is_known(head, now) => {
                self.told(cursor.clone(), page, head, now)
            }
            _ => ChangesView {
                changes: Vec::new(),
                cursor: self.seal.seal(&start),
                has_more: true,
                reset: true,
            },
        }
    }

    /// Whether it walks through the log and does not only follow it.
    fn is_walk(&self) -> bool {
        matches!(&self.asked, Asked::Resume(Cursor { stage: Stage::Walk { .. }, .. }))
    }

    /// Whether nothing was told yet.
    fn is_beginning(&self) -> bool {
        match &self.asked {
            Asked::Fresh => true,
            Asked::Resume(cursor) => self.is_walk() && cursor.rev == 0,
            Asked::Lost => false,
        }
    }

    fn told(&self, from: Cursor, page: Page, head: &Head, now: DateTime<Utc>) -> ChangesView {
        let Page { items, series, upto, has_more } = page;
        // A notice says that the metadata changed, the head what they are. So an answer ends where its head does.
        let end = if self.is_head_first() && !has_more { head.seq } else { upto.min(head.seq) };
        let items: Vec<LogItem> = items.into_iter().filter(|item| item.rev() <= end).collect();
        let fitting = fitting(&items, from.rev);
        let cut = items.get(fitting.wrapping_sub(1)).filter(|_| fitting < items.len()).map(LogItem::rev);
        let items = items.into_iter().take(fitting);
        let rev = cut.unwrap_or(end).max(from.rev);
        let stage = match from.stage {
            Stage::Walk { began } if rev < began => from.stage,
            _ => Stage::Whole,
        };
        let changes = self.views(items, &series, head, now);
        let cursor = self.seal.seal(&Cursor { rev, stage, ..from });
        let has_more = has_more || cut.is_some() || end < upto;
        ChangesView { changes, cursor, has_more, reset: self.asked == Asked::Fresh }
    }

    fn views(
        &self,
        items: impl Iterator<Item = LogItem>,
        series: &[Record],
        head: &Head,
        now: DateTime<Utc>,
    ) -> Vec<ChangeView> {
        let metadata = || {
            let view = MetadataView::new(head.settings.clone(), head.google.as_ref(), now);
            ChangeView::Metadata(Box::new(view))
        };
        let mut is_metadata_told = self.is_beginning();
        let mut changes = Vec::from_iter(is_metadata_told.then(metadata));
        for item in items {
            changes.push(match item {
                LogItem::Event(record) => {
                    ChangeView::event(self.user, *record, |id| series.iter().find(|base| base.event.id == id))
                }
                LogItem::Priority(ListItem { entry, is_deleted, .. }) => {
                    ChangeView::priority(self.user, entry, is_deleted)
                }
                LogItem::Calendar(item) => ChangeView::calendar(self.user, item.entry, item.is_deleted),
                LogItem::Notice(_, notice) if !is_metadata_told && StreamEvent::of(&notice).is_some() => {
                    is_metadata_told = true;
                    metadata()
                }
                LogItem::Notice(..) => continue,
            });
        }
        changes
    }
}

/// How many of these fit into one answer: at least up to one that is beyond `after`, so that every answer leads on.
fn fitting(items: &[LogItem], after: Rev) -> usize {
    let (mut bytes, mut leads_on) = (0, false);
    let fits = items.iter().take_while(|item| {
        bytes += ENVELOPE + size(item);
        let fits = bytes <= BYTES || !leads_on;
        leads_on |= item.rev() > after;
        fits
    });
    fits.count()
}

/// What the texts of an item take, at most.
fn size(item: &LogItem) -> usize {
    // In JSON a character takes six bytes at the most.
    let text = |text: &str| 6 * text.len();
    match item {
        LogItem::Event(record) => {
            let event = &record.event;
            event.title.iter().chain(&event.description).map(|long| text(long)).sum()
        }
        LogItem::Priority(item) => text(item.entry.name.as_str()),
        // Written out, because there is no end of what may be in it; one that cannot be gets an answer of its own.
        LogItem::Calendar(item) => serde_json::to_string(&item.entry).map_or(BYTES, |json| json.len()),
        LogItem::Notice(..) => 0,
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use domain::{Event, EventId, Job, Notice, Origin, Priority, Role, Span};
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
        let items = records.into_iter().map(|record| LogItem::Event(Box::new(record))).collect();
        Page { items, series: Vec::new(), upto, has_more }
    }

    fn answer(cursor: Option<&str>, page: Page) -> (usize, String, bool, bool) {
        let cursor = cursor.map(|text| text.parse().map_or(text.to_owned(), |cursor| seal().seal(&cursor)));
        let delta = Delta::new(USER, seal(), cursor.as_deref());
        let page = delta.wanted().map(|_| page);
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
        // The metadata are told first: of them the log only says that they changed.
        assert_eq!(answer(None, page(vec![record(3, 0)], 9, true)), (2, "ab.9_40".into(), true, true));
        let next = page(vec![record(11, 0)], 20, true);
        assert_eq!(answer(Some("ab.9_40"), next), (1, "ab.20_40".into(), true, false));
        assert_eq!(answer(Some("ab.20_40"), page(vec![], 20, false)), (0, "ab.40".into(), false, false));
    }

    #[test]
    fn an_answer_ends_where_its_head_does() {
        let ahead = || page(vec![record(39, 0), record(43, 0)], 43, false);
        for cursor in ["ab.30", "ab.30_40"] {
            assert_eq!(answer(Some(cursor), ahead()), (1, "ab.40".into(), true, false), "{cursor}");
        }
        let next = page(vec![record(43, 0)], 43, false);
        assert_eq!(answer(Some("ab.40"), next), (0, "ab.40".into(), true, false));
    }

    #[test]
    fn notices_are_told_as_the_metadata_once_and_work_that_is_wanted_is_not() {
        let notices = |notices: &[Notice]| {
            let items = notices.iter().zip(31..).map(|(notice, rev)| LogItem::Notice(rev, notice.clone()));
            Page { items: items.collect(), series: Vec::new(), upto: 40, has_more: false }
        };
        let wanted = Notice::Wanted(Job::Pull { user: USER });
        for (page, count) in [
            (notices(&[Notice::Metadata, Notice::ImportStarted, Notice::Metadata]), 1),
            (notices(&[Notice::GoogleRevoked]), 1),
            (notices(&[wanted]), 0),
        ] {
            assert_eq!(answer(Some("ab.30"), page), (count, "ab.40".into(), false, false));
        }
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
        // Also behind what was there before any change.
        let begun = || page(vec![record(0, 0), record(31, BYTES), record(32, BYTES)], 35, true);
        assert_eq!(answer(None, begun()), (3, "ab.31_40".into(), true, true));
        let last = || vec![record(32, BYTES)];
        assert_eq!(answer(Some("ab.31"), page(last(), 35, false)), (1, "ab.35".into(), false, false));
    }
}
