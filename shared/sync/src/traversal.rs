//! Reading all of one calendar, page by page, as part of an import.
//!
//! A page's events, the marks of what it held, and where the next one begins are one transaction. With the last page come the sync token and the
//! end of the calendar's turn.

use domain::sync::Theirs;
use domain::{EventId, ImportProgress, Notice, Origin};
use google::Reason;
use google::calendar::{EventPage, Traversal};
use store::{CalendarState, Checkpoint, Import, ListState, Plan, Snapshot};

use crate::account::Account;
use crate::apply::Page;
use crate::calendars::is_lost;
use crate::import::leased;
use crate::{Error, Sync, connected};

/// How often an import may begin again, because a page token was spent, before another try has to do it.
const TRAVERSALS: u32 = 4;

/// What a traversal has come to.
#[derive(Clone, Copy)]
struct Tally {
    pages: u32,
    events: u32,
}

impl Sync {
    /// Reads the next page of a calendar.
    pub(crate) async fn read_more(
        &self,
        account: &mut Account,
        import: &Import,
        calendar: &str,
    ) -> Result<(), Error> {
        let state = account.calendars.iter().find(|state| state.calendar == calendar).cloned();
        let Some(state) = state.filter(|state| !state.is_leaving()) else {
            // Unselected meanwhile.
            return self.pass_over(account, import, calendar).await;
        };
        let (page_token, tally) = match &state.checkpoint {
            Some(Checkpoint::Full { traversal, page, pages, events }) if *traversal == import.traversal => {
                (page.clone(), Tally { pages: *pages, events: *events })
            }
            // Another traversal's, long dead.
            _ => (None, Tally { pages: 0, events: 0 }),
        };
        let traversal = Traversal { sync_token: None, page_token };
        let page = self
            .call(account, async |google, access| google.events(access, calendar, &traversal).await)
            .await;
        match page {
            Err(error) if error.is(Reason::PageTokenGone) && traversal.page_token.is_some() => {
                let restarts = (import.restarts + 1) % TRAVERSALS;
                self.begin_again(account, &Import { restarts, ..import.clone() }).await?;
                if restarts == 0 { Err(error) } else { Ok(()) }
            }
            Err(error) if is_lost(&error) => {
                self.lose(account, calendar, &error).await?;
                self.pass_over(account, import, calendar).await
            }
            other => self.take_page(account, import, state, other?, tally).await,
        }
    }

    /// Goes on without a calendar.
    async fn pass_over(&self, account: &mut Account, import: &Import, calendar: &str) -> Result<(), Error> {
        let pending = import.pending.iter().filter(|pending| *pending != calendar).cloned().collect();
        let import = Some(Import { pending, ..import.clone() });
        let list = ListState { import, ..account.list.clone() };
        self.put_list(account, list).await
    }

    async fn take_page(
        &self,
        account: &mut Account,
        import: &Import,
        state: CalendarState,
        page: EventPage,
        tally: Tally,
    ) -> Result<(), Error> {
        let sorted = Page::sort_out(&page.items, &state.home());
        self.park_unreadable(account.user, &sorted).await?;
        let (pages, events) = (tally.pages + 1, tally.events + sorted.live);
        let mut next = CalendarState { is_parked: false, ..state };
        let mut list = None;
        match page.next_page_token {
            Some(token) => {
                let (traversal, page) = (import.traversal, Some(token));
                next.checkpoint = Some(Checkpoint::Full { traversal, page, pages, events });
            }
            None => {
                next.sync_token = Some(page.next_sync_token.ok_or(Error::NoSyncToken)?);
                next.checkpoint = None;
                let import = Some(after_calendar(import, &next.calendar, events));
                list = Some(ListState { import, ..account.list.clone() });
            }
        }
        let now = self.clock.now();
        let unreadable = sorted.unreadable.iter().map(|entry| entry.id);
        let seen: Vec<EventId> = sorted.events.iter().map(Theirs::mark).chain(unreadable).collect();
        let origin = if import.is_repair { Origin::Google } else { Origin::GoogleImport };
        let mark = (next.calendar.as_str(), import.traversal, pages);
        let calendars = u32::try_from(import.pending.len() + import.read.len()).unwrap_or(u32::MAX);
        let progress = ImportProgress { done: import.events + events, calendars };
        self.apply(account.user, &sorted, origin, |plan: &mut Plan, snapshot: &Snapshot| {
            plan.google = Some(leased(connected(snapshot)?, now));
            plan.notices.push(Notice::ImportProgress(progress));
            plan.mark(&self.store, account.user, mark, &seen, now)?;
            plan.put_calendar(&self.store, account.user, &next)?;
            if let Some(list) = &list {
                plan.put_list(&self.store, account.user, list)?;
            }
            Ok(())
        })
        .await?;
        next.generation += 1;
        account.keep(&next);
        if let Some(list) = list {
            account.list = ListState { generation: list.generation + 1, ..list };
        }
        Ok(())
    }
}

/// An import when a calendar of it has been read.
fn after_calendar(import: &Import, calendar: &str, events: u32) -> Import {
    let pending = import.pending.iter().filter(|pending| *pending != calendar).cloned().collect();
    let read = import.read.iter().cloned().chain([calendar.to_owned()]).collect();
    Import { pending, read, events: import.events + events, ..import.clone() }
}
