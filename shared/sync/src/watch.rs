//! Watches: having Google tell us of changes.
//!
//! A channel cannot be renewed, only replaced. The look-up of the new one is stored before Google is asked, because its first notification
//! may come before the answer; it is activated with the answer, and only then the old one is stopped. Two channels at a time are
//! harmless: a notification is only a hint.

use chrono::{DateTime, TimeDelta, Utc};
use domain::GoogleStatus;
use google::calendar::NewChannel;
use google::{Reason, Secret};
use sha2::{Digest, Sha256};
use store::{CalendarState, Channel, Due, Plan, Snapshot, Watch};
use url::{Host, Url};

use crate::account::Account;
use crate::{Error, Progress, Sync, connected, plan_of};

/// How long we ask a channel to live: what Google grants at most.
const LIFE: TimeDelta = TimeDelta::days(7);
/// A watch with less than this part of its life left is replaced.
const RENEWAL_PART: i32 = 5;
/// How far renewals are spread, so that users who connected together do not renew together.
const JITTER: TimeDelta = TimeDelta::hours(1);
/// How long the look-up of a channel outlives it: late notifications are then known to be ours.
const GRACE: TimeDelta = TimeDelta::days(1);

/// Where notifications may go: HTTPS, or this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationAddress(Url);

impl NotificationAddress {
    /// `None` for an address that Google would not take.
    pub fn new(url: Url) -> Option<Self> {
        let is_loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        (url.scheme() == "https" || (url.scheme() == "http" && is_loopback)).then_some(Self(url))
    }
}

/// What is stored of a channel's secret.
pub fn hash_of_token(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

impl Sync {
    /// Replaces a watch that nears its end, and reads what may have been missed.
    pub(crate) async fn renew(&self, account: &mut Account, until: DateTime<Utc>) -> Result<Progress, Error> {
        for mut state in account.calendars.clone() {
            self.watch(account, &mut state).await?;
            if let Some(stored) =
                account.calendars.iter_mut().find(|stored| stored.calendar == state.calendar)
            {
                *stored = state;
            }
        }
        self.pull_and_push(account, until).await
    }

    /// Makes sure that the calendar is watched, if it can be.
    pub(crate) async fn watch(&self, account: &mut Account, state: &mut CalendarState) -> Result<(), Error> {
        let Some(NotificationAddress(address)) = &self.notifications else { return Ok(()) };
        let now = self.clock.now();
        // Without a date in the status the user has connected anew since: the channel came with a consent that may have ended, and nothing has its
        // renewal in mind any more.
        let is_trusted = account.status.watched_until.is_some();
        // Its row is due within the jitter before its date: the job that comes of it is the one that renews.
        if state.watch.as_ref().is_some_and(|watch| is_trusted && now < renewal(watch) - JITTER) {
            return Ok(());
        }
        let (id, token) = (hex::encode(self.random.bytes::<16>()), hex::encode(self.random.bytes::<32>()));
        let mut channel = Channel {
            channel: id.clone(),
            user: account.user,
            calendar: state.calendar.clone(),
            token_hash: hash_of_token(&token),
            resource_id: None,
            expires_at: (now + LIFE + GRACE).timestamp(),
        };
        self.store.announce_channel(&channel).await?;
        let token = Secret::new(token);
        let calendar = state.calendar.clone();
        let answer = self
            .call(account, async |google, access| {
                let wanted = NewChannel { id: &id, token: &token, address, life: LIFE };
                google.watch(access, &calendar, &wanted, now).await
            })
            .await;
        let opened = match answer {
            Ok(opened) => opened,
            Err(error) if error.is(Reason::PushNotSupported) || error.is(Reason::BadAddress) => {
                // It is polled. A wrong address is the operator's to mend; the users' calendars work all the same.
                tracing::error!(user = %account.user, %error, "a calendar cannot be watched");
                return Ok(self.store.forget_channel(&id).await?);
            }
            Err(error) => return Err(error),
        };
        channel.resource_id = Some(opened.resource_id.clone());
        channel.expires_at = (opened.expires_at + GRACE).timestamp();
        let watch = Watch {
            channel: id,
            resource_id: opened.resource_id,
            started_at: now,
            expires_at: opened.expires_at,
        };
        let old = state.watch.replace(watch.clone());
        self.activate(account, state, &watch, &channel, old.as_ref()).await?;
        state.generation += 1;
        self.stop(account, old).await;
        Ok(())
    }

    async fn activate(
        &self,
        account: &mut Account,
        state: &CalendarState,
        watch: &Watch,
        channel: &Channel,
        old: Option<&Watch>,
    ) -> Result<(), Error> {
        let user = account.user;
        let most = JITTER.num_seconds().unsigned_abs();
        let jitter = TimeDelta::seconds(i64::try_from(self.random.below(most)).unwrap_or(0));
        let (renew_at, poll_at) = (renewal(watch) - jitter, self.next_poll(state));
        let watched_until = Some(watch.expires_at);
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            let status = GoogleStatus { watched_until, ..connected(snapshot)?.clone() };
            let mut plan = plan_of(status, []);
            plan.put_calendar(&self.store, user, state)?;
            plan.put_channel(&self.store, channel)?;
            if let Some(old) = old {
                plan.forget_channel(&self.store, &old.channel)?;
            }
            plan.schedule(&self.store, Due::Renewal, user, renew_at)?;
            plan.schedule(&self.store, Due::Poll, user, poll_at)?;
            Ok(plan)
        };
        self.store.mutate(user, &[], self.clock.now(), plan).await?;
        account.status.watched_until = watched_until;
        Ok(())
    }

    /// Stops a channel that has been replaced. Should that fail, it ends by itself, and what it says until then is ignored.
    async fn stop(&self, account: &mut Account, old: Option<Watch>) {
        let Some(old) = old.filter(|old| self.clock.now() < old.expires_at) else { return };
        let stopped = self
            .call(account, async |google, access| google.stop(access, &old.channel, &old.resource_id).await)
            .await;
        if let Err(error) = stopped {
            tracing::warn!(user = %account.user, %error, "a replaced channel could not be stopped");
        }
    }
}

/// When a watch is due for renewal.
fn renewal(watch: &Watch) -> DateTime<Utc> {
    watch.expires_at - (watch.expires_at - watch.started_at) / RENEWAL_PART
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notifications_go_to_https_or_to_this_machine() {
        let is_fit = |text: &str| NotificationAddress::new(text.parse().unwrap()).is_some();
        assert!(is_fit("https://abc.lambda-url.eu-central-1.on.aws/"));
        assert!(is_fit("http://127.0.0.1:4567/"));
        assert!(is_fit("http://localhost:4567/"));
        assert!(is_fit("http://[::1]:4567/"));
        assert!(!is_fit("http://example.com/"));
        assert!(!is_fit("ftp://localhost/"));
    }

    #[test]
    fn a_watch_is_renewed_with_a_fifth_of_its_life_left() {
        let started_at = DateTime::from_timestamp(1_763_600_000, 0).unwrap();
        let watch = Watch {
            channel: "c".into(),
            resource_id: "r".into(),
            started_at,
            expires_at: started_at + TimeDelta::days(5),
        };
        assert_eq!(renewal(&watch), started_at + TimeDelta::days(4));
    }
}
