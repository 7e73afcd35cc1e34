//! Taking leave of Google after the user has ended the connection: its channels are stopped, the permission is given back, and forgotten.
//!
//! The connection has ended with the transaction of the request; nothing was written in its name since. What is left is Google's to know, and done as
//! well as it can be: what fails for a passing reason is tried again as often as the queue hands out a message. What cannot be done ends by itself, a
//! channel within a week. Whatever comes of it, the tokens are forgotten in the end: they were kept for this alone.
//!
//! Events stay, and so do their links. How far the reading was is forgotten: who connects again has everything read anew, and each event is met by its
//! link.

use domain::{GoogleStatus, UserId};
use google::Sealed;
use seam::Class;
use store::{CalendarState, Due, ListState, Plan, Snapshot, Watch};

use crate::account::Account;
use crate::{Error, Sync};

/// How many calendars are forgotten in one transaction.
const STEP: usize = 40;

impl Sync {
    /// Takes leave, unless the user has connected anew meanwhile.
    pub(crate) async fn disconnect(&self, user: UserId, is_last_try: bool) -> Result<(), Error> {
        let Some(status) = self.ended(user).await? else { return Ok(()) };
        if let Some(items) = self.store.google(user).await? {
            let mut account = Account::new(user, status, items);
            self.stop_all(&mut account, is_last_try).await?;
            self.give_back(&account, is_last_try).await?;
            self.forget(&account).await?;
        }
        for due in [Due::Renewal, Due::Poll] {
            self.store.unschedule(due, user).await?;
        }
        Ok(())
    }

    /// The state of a connection that its user has ended.
    async fn ended(&self, user: UserId) -> Result<Option<GoogleStatus>, Error> {
        match self.store.head(user).await {
            Err(store::Error::NoUser) => Ok(None),
            head => Ok(head?.google.filter(|status| status.is_disconnected)),
        }
    }

    async fn stop_all(&self, account: &mut Account, is_last_try: bool) -> Result<(), Error> {
        for Watch { channel, resource_id, expires_at, .. } in watches(account) {
            // One that an earlier try has stopped has no look-up any more.
            if expires_at <= self.clock.now() || self.store.channel(&channel).await?.is_none() {
                continue;
            }
            match self.stop_channel(account, &channel, &resource_id).await {
                // Google does not know it, or it is not ours to stop.
                Err(error) if error.class() == Class::Caller => {}
                // What keeps one from being stopped keeps the others.
                Err(error) => return Self::leave_undone(account, error, is_last_try),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Has Google forget the permission. It forgets all that the user has ever granted us, so a consent that was given meanwhile must not be met: it is
    /// looked for at the last moment.
    async fn give_back(&self, account: &Account, is_last_try: bool) -> Result<(), Error> {
        if self.ended(account.user).await?.is_none() {
            return Err(Error::Superseded);
        }
        match self.revoke(account).await {
            Err(error) => Self::leave_undone(account, error.into(), is_last_try),
            Ok(()) => Ok(()),
        }
    }

    async fn revoke(&self, account: &Account) -> Result<(), google::Error> {
        let sealed = Sealed::from(account.connection.sealed_refresh.clone());
        let refresh = self.vault.open(account.user, &sealed)?;
        self.google.oauth()?.revoke(&refresh).await
    }

    /// What becomes of a failure of Google's: another try, or none.
    fn leave_undone(account: &Account, error: Error, is_last_try: bool) -> Result<(), Error> {
        let is_googles = matches!(error, Error::Google(_) | Error::Later { .. } | Error::RenewalPending);
        // Who only has to wait has used up no try.
        let is_worth_a_try =
            if error.is_wait() { !Self::is_given_up(account) } else { error.is_retryable() && !is_last_try };
        if !is_googles || is_worth_a_try {
            return Err(error);
        }
        tracing::warn!(user = %account.user, %error, "Google could not be told that a connection has ended");
        Ok(())
    }

    /// Forgets how far the reading was, and last of all the permission.
    async fn forget(&self, account: &Account) -> Result<(), Error> {
        let user = account.user;
        for states in account.calendars.chunks(STEP) {
            self.change_ended(user, |plan| {
                for state in states {
                    if let Some(watch) = &state.watch {
                        plan.forget_channel(&self.store, &watch.channel)?;
                    }
                    plan.put_calendar(&self.store, user, &unread(state))?;
                }
                Ok(())
            })
            .await?;
        }
        self.change_ended(user, |plan| {
            if let Some(watch) = &account.list.watch {
                plan.forget_channel(&self.store, &watch.channel)?;
            }
            let list = ListState { generation: account.list.generation, ..ListState::default() };
            plan.put_list(&self.store, user, &list)?;
            plan.forget_connection(&self.store, user, &account.connection)
        })
        .await
    }

    /// Writes something about a connection that has ended, as long as there is no new one.
    async fn change_ended(
        &self,
        user: UserId,
        change: impl Fn(&mut Plan) -> Result<(), store::Error>,
    ) -> Result<(), Error> {
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            if !snapshot.head.google.as_ref().is_some_and(|status| status.is_disconnected) {
                return Err(Error::Superseded);
            }
            let mut plan = Plan::default();
            change(&mut plan)?;
            Ok(plan)
        };
        self.store.mutate(user, &[], self.clock.now(), plan).await?;
        Ok(())
    }
}

/// The channels in use.
fn watches(account: &Account) -> Vec<Watch> {
    let states = account.calendars.iter().filter_map(|state| state.watch.clone());
    states.chain(account.list.watch.clone()).collect()
}

/// A calendar as if it had never been read.
fn unread(state: &CalendarState) -> CalendarState {
    CalendarState { sync_token: None, checkpoint: None, watch: None, ..state.clone() }
}
