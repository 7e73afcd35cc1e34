//! Watches: having Google tell us of changes.
//!
//! Each calendar has a channel of its own, and so has the list of them. A channel cannot be renewed, only replaced. The look-up of the new one is stored before Google is asked,
//! because its first notification may come before the answer; it is activated with the answer, and only then the old one is stopped. Two channels at a
//! time are harmless: a notification is only a hint. The look-up of a channel that is not in use stays until it is known to be stopped: should it speak,
//! it is known to be ours, and is stopped.

use chrono::{DateTime, TimeDelta, Utc};
use domain::GoogleStatus;
use google::calendar::NewChannel;
use google::{Reason, Secret};
use seam::{Class, Random};
use sha2::{Digest, Sha256};
use store::{CalendarState, Channel, Due, ListState, Plan, Snapshot, Watch};
use url::{Host, Url};

use crate::account::Account;
use crate::calendars::is_lost;
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

/// What is watched, as what is stored of it says.
enum Watched {
    /// The events of a calendar.
    Calendar(CalendarState),
    /// Which calendars there are.
    List(ListState),
}

impl Watched {
    /// Google's id of the calendar.
    fn calendar(&self) -> Option<&str> {
        match self {
            Self::Calendar(state) => Some(&state.calendar),
            Self::List(_) => None,
        }
    }

    fn watch(&mut self) -> &mut Option<Watch> {
        match self {
            Self::Calendar(state) => &mut state.watch,
            Self::List(list) => &mut list.watch,
        }
    }
}

/// What is stored of a channel's secret.
pub fn hash_of_token(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

impl Sync {
    /// Replaces watches that near their end, and reads what may have been missed.
    pub(crate) async fn renew(&self, account: &mut Account, until: DateTime<Utc>) -> Result<Progress, Error> {
        self.watch_all(account).await?;
        self.pull_and_push(account, None, until).await
    }

    /// Makes sure that every calendar is watched that can be, and the list of them.
    pub(crate) async fn watch_all(&self, account: &mut Account) -> Result<(), Error> {
        let Some(NotificationAddress(address)) = &self.notifications else {
            return self.sum_up_watches(account).await;
        };
        // Without a date in the status the user has connected anew since: the channels came with a consent that may have ended, and nothing has their
        // renewal in mind any more.
        let is_trusted = account.status.watched_until.is_some();
        for state in account.calendars.clone() {
            let is_watchable = !state.is_unwatchable && !state.is_parked && !state.is_leaving();
            if is_watchable && self.is_watch_wanted(state.watch.as_ref(), is_trusted) {
                self.watch(account, Watched::Calendar(state), address).await?;
            }
        }
        if self.is_watch_wanted(account.list.watch.as_ref(), is_trusted) {
            self.watch(account, Watched::List(account.list.clone()), address).await?;
        }
        self.sum_up_watches(account).await
    }

    fn is_watch_wanted(&self, watch: Option<&Watch>, is_trusted: bool) -> bool {
        let now = self.clock.now();
        // Their row is due within the jitter before the first one's date: the job that comes of it is the one that renews.
        let is_fresh = |watch: &Watch| is_trusted && now < renewal(watch) - JITTER;
        !watch.is_some_and(is_fresh)
    }

    async fn watch(&self, account: &mut Account, watched: Watched, address: &Url) -> Result<(), Error> {
        let opened = match self.open(account, &watched, address).await {
            // By chance, or because an answer of the store was lost.
            Err(error) if error.is(Reason::ChannelTaken) => self.open(account, &watched, address).await,
            other => other,
        };
        match opened {
            Ok((watch, channel)) => {
                let opened = watch.clone();
                let (unused, outcome) = match self.activate(account, watched, watch, &channel).await {
                    Ok(old) => (old, Ok(())),
                    // Nobody else knows of it.
                    Err(Error::Disconnected) => (Some(opened), Err(Error::Disconnected)),
                    Err(error) => return Err(error),
                };
                self.stop(account, unused).await;
                outcome
            }
            Err(error) if error.is(Reason::PushNotSupported) => {
                tracing::info!(user = %account.user, %error, "a calendar has no notifications, and is polled");
                match watched {
                    Watched::Calendar(mut state) => {
                        state.is_unwatchable = true;
                        self.put_state(account, &mut state).await
                    }
                    Watched::List(_) => Ok(()),
                }
            }
            Err(error) if error.is(Reason::BadAddress) => {
                // It is polled. A wrong address is the operator's to mend; the users' calendars work all the same.
                tracing::error!(alarm = "google", user = %account.user, %error, "a calendar cannot be watched");
                Ok(())
            }
            // Whether it is gone, its reading says.
            Err(error) if is_lost(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Asks Google for a channel, whose look-up is stored first.
    async fn open(
        &self,
        account: &mut Account,
        watched: &Watched,
        address: &Url,
    ) -> Result<(Watch, Channel), Error> {
        let now = self.clock.now();
        let (id, token) = (hex::encode(self.random.bytes::<16>()), hex::encode(self.random.bytes::<32>()));
        let calendar = watched.calendar();
        let mut channel = Channel {
            channel: id.clone(),
            user: account.user,
            calendar: calendar.map(str::to_owned),
            token_hash: hash_of_token(&token),
            resource_id: None,
            is_replaced: false,
            expires_at: (now + LIFE + GRACE).timestamp(),
        };
        self.store.announce_channel(&channel).await?;
        let token = Secret::new(token);
        let answer = self
            .call(account, async |google, access| {
                let wanted = NewChannel { id: &id, token: &token, address, life: LIFE };
                google.watch(access, calendar, &wanted, now).await
            })
            .await;
        let opened = match answer {
            Ok(opened) => opened,
            // There is no such channel. After any other error there may be one.
            Err(error) if error.class() == Class::Caller || error.is(Reason::BadAddress) => {
                self.store.forget_channel(&id).await?;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        channel.resource_id = Some(opened.resource_id.clone());
        channel.expires_at = (opened.expires_at + GRACE).timestamp();
        let (resource_id, expires_at) = (opened.resource_id, opened.expires_at);
        Ok((Watch { channel: id, resource_id, started_at: now, expires_at }, channel))
    }

    /// Puts a new channel in the place of the old one, which it returns.
    async fn activate(
        &self,
        account: &mut Account,
        mut watched: Watched,
        watch: Watch,
        channel: &Channel,
    ) -> Result<Option<Watch>, Error> {
        let old = watched.watch().replace(watch);
        let user = account.user;
        let replaced = match &old {
            Some(old) => self.store.channel(&old.channel).await?,
            None => None,
        };
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            connected(snapshot)?;
            let mut plan = Plan::default();
            match &watched {
                Watched::Calendar(state) => plan.put_calendar(&self.store, user, state)?,
                Watched::List(list) => plan.put_list(&self.store, user, list)?,
            }
            plan.put_channel(&self.store, channel)?;
            if let Some(replaced) = &replaced {
                plan.put_channel(&self.store, &Channel { is_replaced: true, ..replaced.clone() })?;
            }
            Ok(plan)
        };
        self.store.mutate(user, &[], self.clock.now(), plan).await?;
        match watched {
            Watched::Calendar(state) => {
                account.keep(&CalendarState { generation: state.generation + 1, ..state });
            }
            Watched::List(list) => account.list = ListState { generation: list.generation + 1, ..list },
        }
        Ok(old)
    }

    /// Writes down until when Google tells of changes, and when it is to be asked to go on.
    pub(crate) async fn sum_up_watches(&self, account: &mut Account) -> Result<(), Error> {
        let (user, now) = (account.user, self.clock.now());
        let states = || account.calendars.iter().filter(|state| !state.is_leaving());
        let live =
            || states().filter_map(|state| state.watch.as_ref()).filter(|watch| now < watch.expires_at);
        let watched_until = live().map(|watch| watch.expires_at).min();
        let is_polled = live().count() < states().count();
        if (account.status.watched_until, account.status.is_polled) == (watched_until, is_polled) {
            return Ok(());
        }
        let of_list = account.list.watch.iter().filter(|watch| now < watch.expires_at);
        let renew_at = live().chain(of_list).map(renewal).min().map(|at| at - jitter(&self.random));
        let poll_at = self.next_poll(account);
        let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
            let status = GoogleStatus { watched_until, is_polled, ..connected(snapshot)?.clone() };
            let mut plan = plan_of(status, []);
            if let Some(renew_at) = renew_at {
                plan.schedule(&self.store, Due::Renewal, user, renew_at)?;
            }
            plan.schedule(&self.store, Due::Poll, user, poll_at)?;
            Ok(plan)
        };
        self.store.mutate(user, &[], now, plan).await?;
        account.status = GoogleStatus { watched_until, is_polled, ..account.status.clone() };
        Ok(())
    }

    /// Stops a channel that is not used any more. Should that fail, it is stopped when it speaks, or ends by itself; until then what it says is
    /// ignored.
    pub(crate) async fn stop(&self, account: &mut Account, old: Option<Watch>) {
        let Some(old) = old.filter(|old| self.clock.now() < old.expires_at) else { return };
        if let Err(error) = self.stop_channel(account, &old.channel, &old.resource_id).await {
            tracing::warn!(user = %account.user, %error, "a channel that is not used any more could not be stopped");
        }
    }

    /// Stops a channel that has spoken and was not in use as it did: a replaced one, or one whose opening was never noted because its worker died.
    pub(crate) async fn stop_stray(
        &self,
        account: &mut Account,
        channel: &str,
        resource: &str,
    ) -> Result<(), Error> {
        let watches = account.calendars.iter().map(|state| &state.watch).chain([&account.list.watch]);
        let is_used = watches.flatten().any(|watch| watch.channel == channel);
        if is_used || self.store.channel(channel).await?.is_none() {
            return Ok(());
        }
        match self.stop_channel(account, channel, resource).await {
            // Not ours to stop: it ends by itself.
            Err(error) if error.class() == Class::Caller => Ok(self.store.forget_channel(channel).await?),
            other => other,
        }
    }

    pub(crate) async fn stop_channel(
        &self,
        account: &mut Account,
        channel: &str,
        resource: &str,
    ) -> Result<(), Error> {
        self.call(account, async |google, access| google.stop(access, channel, resource).await).await?;
        Ok(self.store.forget_channel(channel).await?)
    }
}

/// When a watch is due for renewal.
fn renewal(watch: &Watch) -> DateTime<Utc> {
    watch.expires_at - (watch.expires_at - watch.started_at) / RENEWAL_PART
}

/// How much earlier a user's watches are renewed than they must be.
fn jitter(random: &Random) -> TimeDelta {
    let most = JITTER.num_seconds().unsigned_abs();
    TimeDelta::seconds(i64::try_from(random.below(most)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Scenario 105: ten thousand users have connected in the same minute.
    #[test]
    fn renewals_of_ten_thousand_channels_of_one_minute_stay_within_the_quota_of_the_project() {
        /// The new channel, the end of the old one, what was missed, and an access token.
        const CALLS: u32 = 4;
        /// Of all users together, in a minute.
        const QUOTA: u32 = 10_000;
        let random = Random::seeded(1);
        let mut calls: BTreeMap<i64, u32> = BTreeMap::new();
        for _ in 0..10_000 {
            *calls.entry(jitter(&random).num_minutes()).or_default() += CALLS;
        }
        assert_eq!(calls.len(), 60, "each minute of the hour has some");
        assert!(calls.values().all(|calls| *calls < QUOTA / 10), "{calls:?}");
    }

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
