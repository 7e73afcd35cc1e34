//! Which calendars are synced: those that Google lists and the user has selected, the primary one unless the user says otherwise.
//!
//! The list is read when an import begins, when Google tells of a change of it, on the schedule, and when a calendar cannot be read: with its own sync
//! token, so that a list that has not changed costs one call and no write. What follows from it is decided here:
//!
//! | a calendar | then |
//! |---|---|
//! | is selected and was never read | an import is asked for, which reads it |
//! | has another role | is written down: who may only read is never written for |
//! | was unselected, or is no longer on the list | leaves ([`crate::leave`]) |
//! | is listed, but may not be read | is parked: the others go on, and it is tried when the list is read again |

use std::collections::BTreeSet;

use domain::calendar::Calendar;
use domain::{Job, Notice};
use google::Reason;
use google::calendar::{Listed, Traversal};
use store::{CalendarState, Checkpoint, ListState, Plan, Snapshot};

use crate::account::Account;
use crate::import::leased;
use crate::{Error, Sync, connected, listing, plan_of};

impl Sync {
    /// Reads what changed in the list of calendars; all of it the first time, or when its sync token is spent.
    pub(crate) async fn read_list(&self, account: &mut Account) -> Result<(), Error> {
        let since = account.list.sync_token.clone();
        let (listed, sync_token, is_whole) = match self.list_since(account, since.clone()).await {
            Err(error) if error.is(Reason::SyncTokenGone) && since.is_some() => {
                let (listed, sync_token) = self.list_since(account, None).await?;
                (listed, sync_token, true)
            }
            other => {
                let (listed, sync_token) = other?;
                (listed, sync_token, since.is_none())
            }
        };
        let now = self.clock.now();
        let (gone, listed): (Vec<Listed>, Vec<Listed>) =
            listed.into_iter().partition(|entry| entry.is_deleted);
        let mut gone: BTreeSet<String> = gone.into_iter().map(|entry| entry.id).collect();
        if is_whole {
            gone.extend(self.unlisted(account, &listed).await?);
        }
        if !listed.is_empty() || !gone.is_empty() {
            let calendars: Vec<Calendar> =
                listed.iter().filter_map(|entry| listing::read(account.user, entry, now)).collect();
            self.store.put_calendars(account.user, &calendars, &gone, now).await?;
        }
        if sync_token != account.list.sync_token {
            // After what it speaks of: should this fail, the same is read and put again.
            let list = ListState { sync_token, ..account.list.clone() };
            self.put_list(account, list).await?;
        }
        Ok(())
    }

    async fn list_since(
        &self,
        account: &mut Account,
        sync_token: Option<String>,
    ) -> Result<(Vec<Listed>, Option<String>), Error> {
        let mut traversal = Traversal { sync_token, page_token: None };
        let mut listed = Vec::new();
        loop {
            let page =
                self.call(account, async |google, access| google.calendars(access, &traversal).await).await?;
            listed.extend(page.items);
            traversal.page_token = page.next_page_token;
            if traversal.page_token.is_none() {
                return Ok((listed, page.next_sync_token));
            }
        }
    }

    /// Calendars that were on the list and are not on all of it. Each is asked for by name: a list that came out short takes nothing away.
    async fn unlisted(&self, account: &mut Account, listed: &[Listed]) -> Result<Vec<String>, Error> {
        let known = self.store.calendars(account.user).await?;
        let mut gone = Vec::new();
        for calendar in known.into_iter().filter(|calendar| calendar.is_confirmed) {
            let id = calendar.listing.id;
            if listed.iter().any(|entry| entry.id == id) {
                continue;
            }
            let found = self.call(account, async |google, access| google.calendar(access, &id).await).await;
            match found {
                Err(error) if error.is(Reason::NotFound) => gone.push(id),
                other => drop(other?),
            }
        }
        Ok(gone)
    }

    pub(crate) async fn put_list(&self, account: &mut Account, list: ListState) -> Result<(), Error> {
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            connected(snapshot)?;
            let mut plan = Plan::default();
            plan.put_list(&self.store, account.user, &list)?;
            Ok(plan)
        };
        self.store.mutate(account.user, &[], self.clock.now(), plan).await?;
        account.list = ListState { generation: list.generation + 1, ..list };
        Ok(())
    }

    /// Brings the states of calendars in line with what is listed and selected. What is to be synced and has no state gets one, which is not
    /// stored before something is read of it.
    pub(crate) async fn adopt_list(&self, account: &mut Account) -> Result<(), Error> {
        let known = self.store.calendars(account.user).await?;
        let next = |state: &CalendarState| {
            let calendar = known.iter().find(|calendar| calendar.listing.id == state.calendar);
            match calendar {
                Some(calendar) if calendar.is_synced() => kept(state, calendar),
                other => leaving(state, other.is_some_and(|calendar| calendar.is_confirmed)),
            }
        };
        let changed =
            account.calendars.iter().filter_map(|state| Some(next(state)).filter(|next| next != state));
        for mut state in changed.collect::<Vec<_>>() {
            self.put_state(account, &mut state).await?;
        }
        for calendar in known.iter().filter(|calendar| calendar.is_synced()) {
            if account.calendars.iter().all(|state| state.calendar != calendar.listing.id) {
                account.calendars.push(kept(&CalendarState::new(calendar.listing.id.as_str()), calendar));
            }
        }
        // The first one first: what is new goes there.
        account.calendars.sort_by_key(|state| !state.is_primary);
        Ok(())
    }

    /// Stores the state of one calendar.
    pub(crate) async fn put_state(
        &self,
        account: &mut Account,
        state: &mut CalendarState,
    ) -> Result<(), Error> {
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            connected(snapshot)?;
            let mut plan = Plan::default();
            plan.put_calendar(&self.store, account.user, state)?;
            Ok(plan)
        };
        self.store.mutate(account.user, &[], self.clock.now(), plan).await?;
        state.generation += 1;
        account.keep(state);
        Ok(())
    }

    /// Asks for calendars to be read that are new to us, if there are any. The asking is a write: it is done once, and not lost.
    pub(crate) async fn ask_for_new(&self, account: &Account) -> Result<(), Error> {
        if account.calendars.iter().any(|state| is_unread(state) && !state.is_parked) {
            self.ask_for_import(account, false).await?;
        }
        Ok(())
    }

    /// Asks for an import, unless one is at work.
    pub(crate) async fn ask_for_import(&self, account: &Account, is_repair: bool) -> Result<(), Error> {
        let (user, now) = (account.user, self.clock.now());
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            let status = connected(snapshot)?;
            if status.is_importing(now) {
                return Ok(Plan::default());
            }
            let wanted = Notice::Wanted(Job::Import { user, is_repair });
            Ok(plan_of(leased(status, now), [wanted]))
        };
        self.store.mutate(user, &[], now, plan).await?;
        Ok(())
    }

    /// What is to be done about a calendar that Google does not let us read: first the list is read, which may say that it is gone. If it is
    /// still there it is parked, and the others go on.
    pub(crate) async fn lose(
        &self,
        account: &mut Account,
        calendar: &str,
        error: &Error,
    ) -> Result<(), Error> {
        self.read_list(account).await?;
        self.adopt_list(account).await?;
        let state = account.calendars.iter().find(|state| state.calendar == calendar);
        let Some(state) = state.filter(|state| !state.is_leaving() && !state.is_parked) else {
            return Ok(());
        };
        tracing::warn!(user = %account.user, %error, "a calendar is listed and cannot be read");
        let mut state = CalendarState { is_parked: true, ..state.clone() };
        self.put_state(account, &mut state).await
    }
}

/// Whether Google no longer lets us read a calendar, for whatever reason.
pub(crate) fn is_lost(error: &Error) -> bool {
    error.is(Reason::NotFound) || error.is(Reason::Forbidden)
}

/// Whether a calendar is to be read whole before its changes can be.
pub(crate) fn is_unread(state: &CalendarState) -> bool {
    state.sync_token.is_none() && !state.is_leaving()
}

/// The state of a calendar that is synced.
fn kept(state: &CalendarState, calendar: &Calendar) -> CalendarState {
    let is_back = state.is_leaving();
    let is_writable = calendar.listing.access_role.can_write();
    CalendarState {
        is_primary: calendar.is_primary,
        is_writable,
        // With another role it may be readable again.
        is_parked: state.is_parked && is_writable == state.is_writable,
        // Its events have begun to leave: it is read as if it had never been.
        sync_token: state.sync_token.clone().filter(|_| !is_back),
        checkpoint: state.checkpoint.clone().filter(|_| !is_back),
        ..state.clone()
    }
}

/// The state of a calendar that is not. While Google lists it, what is unsent may still be sent.
fn leaving(state: &CalendarState, is_listed: bool) -> CalendarState {
    let begun = state.checkpoint.clone().filter(|_| state.is_leaving());
    CalendarState {
        is_writable: state.is_writable && is_listed,
        sync_token: None,
        checkpoint: begun.or(Some(Checkpoint::Leaving { after: None, is_any_left: false })),
        ..state.clone()
    }
}
