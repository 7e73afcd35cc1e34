//! Reading what changed at Google: `events.list` with the sync token, page after page, one calendar after the other. A token moves with the last page's
//! events.

use chrono::{DateTime, Utc};
use domain::Origin;
use google::Reason;
use google::calendar::{EventPage, Traversal};
use store::{CalendarState, Checkpoint, Due, Plan};

use crate::account::Account;
use crate::apply::Page;
use crate::calendars::is_lost;
use crate::due::{POLL, SILENCE};
use crate::{Delivery, Error, Progress, Sync};

/// How often a traversal begins again in a job because its page token was spent.
const RESTARTS: usize = 3;

/// What becomes of calendars that could not be read the last time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parked {
    Left,
    Tried,
}

/// How far a reading of all calendars has come.
struct Reading {
    progress: Progress,
    /// Whether all of them were read from where their sync tokens stood when it began. One that goes on with somebody else's pages, or leaves a
    /// calendar to an import, says nothing about what was told before it.
    is_whole: bool,
}

impl Sync {
    /// Sees which calendars there are, reads what changed in them, and sends what is still to be sent. Then what is synced no more leaves.
    pub(crate) async fn poll(&self, account: &mut Account, until: DateTime<Utc>) -> Result<Progress, Error> {
        self.read_list(account).await?;
        self.adopt_list(account).await?;
        self.ask_for_new(account).await?;
        let progress = match self.pull(account, Parked::Tried, until).await?.progress {
            Progress::Done => self.push(account, until).await?,
            Progress::Unfinished => Progress::Unfinished,
        };
        match progress {
            Progress::Done => self.leave(account, until).await,
            Progress::Unfinished => Ok(Progress::Unfinished),
        }
    }

    /// Reads what changed at Google, then sends what is still to be sent: an edit whose own message was lost waits for the next poll at
    /// most. When all that is done, and no sooner, it is noted that the messages which were sent before have nothing left to say.
    pub(crate) async fn pull_and_push(
        &self,
        account: &mut Account,
        delivery: Option<Delivery>,
        until: DateTime<Utc>,
    ) -> Result<Progress, Error> {
        let reading = Box::pin(self.pull(account, Parked::Left, until)).await?;
        let progress = match reading.progress {
            Progress::Done => Box::pin(self.push(account, until)).await?,
            Progress::Unfinished => Progress::Unfinished,
        };
        if let (Progress::Done, true, Some(delivery)) = (progress, reading.is_whole, delivery) {
            self.store.note_pull(account.user, delivery.received_at).await?;
        }
        Ok(progress)
    }

    /// Reads what changed at Google, because something that was just met there says that we are behind.
    pub(crate) async fn catch_up(&self, account: &mut Account) -> Result<(), Error> {
        self.pull(account, Parked::Left, DateTime::<Utc>::MAX_UTC).await?;
        Ok(())
    }

    async fn pull(
        &self,
        account: &mut Account,
        parked: Parked,
        until: DateTime<Utc>,
    ) -> Result<Reading, Error> {
        let mut is_whole = true;
        let is_importing = account.status.is_importing(self.clock.now());
        for mut state in account.calendars.clone() {
            if state.is_leaving() || (state.is_parked && parked == Parked::Left) {
                continue;
            }
            is_whole &= state.sync_token.is_some() && state.checkpoint.is_none();
            if matches!(state.checkpoint, Some(Checkpoint::Full { .. })) {
                if is_importing {
                    // The import reads this calendar, and has messages of its own to go on.
                    continue;
                }
                // It is long dead; from the token that is stored, nothing is missed.
                state.checkpoint = None;
            }
            let calendar = state.calendar.clone();
            let progress = match self.pull_calendar(account, &mut state, until).await {
                Err(error) if error.is(Reason::SyncTokenGone) => {
                    self.ask_for_import(account, true).await?;
                    is_whole = false;
                    Progress::Done
                }
                Err(error) if is_lost(&error) => {
                    self.lose(account, &calendar, &error).await?;
                    is_whole = false;
                    Progress::Done
                }
                other => other?,
            };
            if let Some(known) = account.calendars.iter_mut().find(|known| known.calendar == state.calendar) {
                *known = state;
            }
            if progress == Progress::Unfinished {
                return Ok(Reading { progress, is_whole: false });
            }
        }
        Ok(Reading { progress: Progress::Done, is_whole })
    }

    async fn pull_calendar(
        &self,
        account: &mut Account,
        state: &mut CalendarState,
        until: DateTime<Utc>,
    ) -> Result<Progress, Error> {
        let Some(sync_token) = state.sync_token.clone() else { return Ok(Progress::Done) };
        let mut restarts = 0;
        loop {
            let page_token = match &state.checkpoint {
                Some(Checkpoint::Delta { page }) => Some(page.clone()),
                _ => None,
            };
            let is_continued = page_token.is_some();
            let traversal = Traversal { sync_token: Some(sync_token.clone()), page_token };
            let calendar = state.calendar.clone();
            let page = self
                .call(account, async |google, access| google.events(access, &calendar, &traversal).await)
                .await;
            let page = match page {
                // Begin again from the same sync token: what was applied is applied again, and changes nothing.
                Err(error) if error.is(Reason::PageTokenGone) && is_continued && restarts < RESTARTS => {
                    restarts += 1;
                    state.checkpoint = None;
                    continue;
                }
                other => other?,
            };
            let is_last = page.next_page_token.is_none();
            self.take_delta(account, state, page).await?;
            if is_last {
                return Ok(Progress::Done);
            }
            if self.is_over(until) {
                return Ok(Progress::Unfinished);
            }
        }
    }

    async fn take_delta(
        &self,
        account: &mut Account,
        state: &mut CalendarState,
        page: EventPage,
    ) -> Result<(), Error> {
        let sorted = Page::sort_out(&page.items, &state.home());
        self.park_unreadable(account.user, &sorted).await?;
        let mut next = CalendarState { is_parked: false, ..state.clone() };
        match page.next_page_token {
            Some(token) => next.checkpoint = Some(Checkpoint::Delta { page: token }),
            None => {
                next.sync_token = Some(page.next_sync_token.ok_or(Error::NoSyncToken)?);
                next.checkpoint = None;
            }
        }
        let is_moved = next != *state;
        let poll_at = self.next_poll(account);
        self.apply(account.user, &sorted, Origin::Google, |plan: &mut Plan, _| {
            if is_moved {
                plan.put_calendar(&self.store, account.user, &next)?;
                plan.schedule(&self.store, Due::Poll, account.user, poll_at)?;
            }
            Ok(())
        })
        .await?;
        if is_moved {
            next.generation += 1;
        }
        account.keep(&next);
        *state = next;
        Ok(())
    }

    /// When calendars are to be asked even if nothing is heard of them.
    pub(crate) fn next_poll(&self, account: &Account) -> DateTime<Utc> {
        let now = self.clock.now();
        let is_watched =
            |state: &CalendarState| state.watch.as_ref().is_some_and(|watch| now < watch.expires_at);
        let is_quiet = account.calendars.iter().filter(|state| !state.is_leaving()).all(is_watched);
        now + if is_quiet { SILENCE } else { POLL }
    }
}
