//! A calendar that is synced no more, because the user has unselected it or lost it.
//!
//! What was not sent yet is sent first, as long as the user may. Then its events leave our view as tombstones, and its watch ends. Nothing is deleted at
//! Google. A tombstone keeps the id of its copy and forgets its version: when the calendar is selected again, the import finds every event changed, and
//! each lives again under the id that it had.

use chrono::{DateTime, Utc};
use domain::{Address, Change, Home, Link, Record};
use store::{CalendarState, Checkpoint, Plan, Position, Reads, Snapshot};

use crate::account::Account;
use crate::{Error, Progress, Sync, connected};

/// How many of our events one step looks at.
const STEP: usize = 40;

impl Sync {
    /// Has the events of calendars that are synced no more leave. What is not sent yet stays, and is tried at the next poll.
    pub(crate) async fn leave(&self, account: &mut Account, until: DateTime<Utc>) -> Result<Progress, Error> {
        for mut state in account.calendars.clone().into_iter().filter(CalendarState::is_leaving) {
            while self.leave_more(account, &mut state).await? {
                if self.is_over(until) {
                    return Ok(Progress::Unfinished);
                }
            }
        }
        Ok(Progress::Done)
    }

    /// A step; whether there is another one.
    async fn leave_more(&self, account: &mut Account, state: &mut CalendarState) -> Result<bool, Error> {
        let Some(Checkpoint::Leaving { after, is_any_left }) = state.checkpoint.clone() else {
            return Ok(false);
        };
        let home = state.home();
        let records = self.store.records_after(account.user, after.as_ref(), STEP).await?;
        let Some(last) = records.last().map(|record| Position::at(account.user, record)) else {
            self.left(account, state, is_any_left).await?;
            return Ok(false);
        };
        let is_any_left = is_any_left || records.iter().any(|record| is_unsent(record, &home));
        let next = CalendarState {
            checkpoint: Some(Checkpoint::Leaving { after: Some(last), is_any_left }),
            ..state.clone()
        };
        let addresses: Vec<Address> =
            records.iter().filter(|record| is_to_leave(record, &home)).map(Record::address).collect();
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            connected(snapshot)?;
            let there = addresses.iter().filter_map(|address| snapshot.records.get(*address));
            let mut plan = Plan::of(there.filter(|record| is_to_leave(record, &home)).map(hidden));
            plan.put_calendar(&self.store, account.user, &next)?;
            Ok(plan)
        };
        let reads = Reads::at(addresses.iter().copied(), []);
        self.store.mutate(account.user, reads, self.clock.now(), plan).await?;
        *state = CalendarState { generation: next.generation + 1, ..next };
        account.keep(state);
        Ok(true)
    }

    /// At the end of the walk.
    async fn left(
        &self,
        account: &mut Account,
        state: &mut CalendarState,
        is_any_left: bool,
    ) -> Result<(), Error> {
        if is_any_left {
            state.checkpoint = Some(Checkpoint::Leaving { after: None, is_any_left: false });
            return self.put_state(account, state).await;
        }
        self.stop(account, state.watch.take()).await;
        account.calendars.retain(|known| known.calendar != state.calendar);
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            connected(snapshot)?;
            let mut plan = Plan::default();
            plan.forget_calendar(&self.store, account.user, &state.calendar)?;
            Ok(plan)
        };
        self.store.mutate(account.user, &[], self.clock.now(), plan).await?;
        self.sum_up_watches(account).await
    }
}

fn is_at(record: &Record, home: &Home) -> bool {
    record.link.as_ref().is_some_and(|link| link.id.home() == home)
}

fn is_to_leave(record: &Record, home: &Home) -> bool {
    record.live().is_some_and(|event| !event.is_someday) && !record.is_dirty && is_at(record, home)
}

/// Whether an event, or the end of one, is still to be sent to this calendar.
fn is_unsent(record: &Record, home: &Home) -> bool {
    record.is_dirty && (is_at(record, home) || (record.link.is_none() && record.event.home() == *home))
}

/// The step of an event out of our view.
fn hidden(stored: &Record) -> Change {
    let link = stored.link.as_ref().map(unversioned);
    Change::delete(&Record { link, ..stored.clone() }, false)
}

/// What is known of a copy of which no version is known: whatever Google says of it is news.
pub(crate) fn unversioned(link: &Link) -> Link {
    Link { etag: String::new(), updated_at: None, raw: "{}".to_owned(), ..link.clone() }
}
