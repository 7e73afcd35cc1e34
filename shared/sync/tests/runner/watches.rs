//! Channels: one for each calendar, replaced in time, and none left over.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use domain::Job;
use fake_google::{Fault as GoogleFault, Watched};
use http::StatusCode;
use seam::{Fault, Kind};
use store::{Channel, Due, SHARDS, Watch};

use crate::model::lab::Lab;
use crate::model::step::{Cast, Luck};
use crate::world::{EMAIL, World};

const WATCH: &str = "calendar.events.watch";
const LIST_WATCH: &str = "calendar.calendarList.watch";
const STOP: &str = "calendar.channels.stop";

impl World {
    /// Ids of the channels of calendars that are open at Google.
    pub fn channels(&self) -> Vec<String> {
        self.channels_on(|watched| *watched != Watched::CalendarList)
    }

    fn channels_on(&self, is_meant: impl Fn(&Watched) -> bool) -> Vec<String> {
        let channels = self.google.channels().into_iter().filter(|channel| is_meant(&channel.watched));
        let mut channels: Vec<String> = channels.map(|channel| channel.id).collect();
        channels.sort();
        channels
    }

    /// The channel of the list of calendars that is in use.
    pub async fn watch_of_list(&self) -> Watch {
        self.store.google(self.user).await.unwrap().unwrap().list.watch.unwrap()
    }

    async fn watches(&self) -> Vec<Watch> {
        let items = self.store.google(self.user).await.unwrap().unwrap();
        let mut watches: Vec<Watch> = items.calendars.into_iter().filter_map(|state| state.watch).collect();
        watches.sort_by(|one, other| one.channel.cmp(&other.channel));
        watches
    }

    async fn look_up(&self, channel: &str) -> Option<Channel> {
        self.store.channel(channel).await.unwrap()
    }

    /// When the row of the user's renewal is due, to the minute.
    async fn renewal_due(&self, until: DateTime<Utc>) -> DateTime<Utc> {
        let (mut early, mut late) = (until - TimeDelta::days(4), until);
        while late - early > TimeDelta::minutes(1) {
            let middle = early + (late - early) / 2;
            if self.is_due(middle).await { late = middle } else { early = middle }
        }
        late
    }

    async fn is_due(&self, at: DateTime<Utc>) -> bool {
        for shard in 0..SHARDS {
            if !self.store.due(Due::Renewal, shard, at, 1).await.unwrap().is_empty() {
                return true;
            }
        }
        false
    }

    async fn renew(&self) {
        self.run(&Job::RenewWatch { user: self.user }).await.unwrap();
    }
}

/// 99: the old one is stopped when the new one is stored, and not before.
#[tokio::test]
async fn every_calendar_has_a_channel_that_is_replaced_before_it_ends() {
    let world = World::watched().await;
    world.selected("Work").await;
    let first = world.channels();
    assert_eq!(first.len(), 2);
    world.pass(TimeDelta::days(6));
    world.google.clear_journal();
    world.renew().await;
    let second = world.channels();
    assert_eq!(second, world.watches().await.into_iter().map(|watch| watch.channel).collect::<Vec<_>>());
    assert!(second.len() == 2 && second.iter().all(|channel| !first.contains(channel)));
    let calls: Vec<String> = world.google.journal().into_iter().map(|entry| entry.operation).collect();
    let steps: Vec<&str> =
        calls.iter().map(String::as_str).filter(|call| [WATCH, STOP, LIST_WATCH].contains(call)).collect();
    assert_eq!(steps, [WATCH, STOP, WATCH, STOP, LIST_WATCH, STOP]);
    for channel in first {
        assert_eq!(world.look_up(&channel).await, None);
    }
    world.google.clear_journal();
    world.renew().await;
    assert_eq!((world.calls(WATCH), world.calls(LIST_WATCH)), (0, 0), "a second delivery finds them fresh");
}

#[tokio::test]
async fn the_list_of_calendars_has_a_channel_that_is_replaced_and_stopped_like_that_of_a_calendar() {
    let world = World::watched().await;
    world.import().await;
    let old = world.watch_of_list().await;
    let of_list = || world.channels_on(|watched| *watched == Watched::CalendarList);
    assert_eq!(of_list(), std::slice::from_ref(&old.channel));
    assert_eq!(world.look_up(&old.channel).await.unwrap().calendar, None);
    world.pass(TimeDelta::days(6));
    world.google.inject(GoogleFault::refuse(STOP, StatusCode::SERVICE_UNAVAILABLE, "backendError").after(1));
    world.renew().await;
    let new = world.watch_of_list().await;
    assert_eq!((of_list().len(), new.channel != old.channel), (2, true));
    for Watch { channel, resource_id: resource, .. } in [old, new.clone()] {
        world.run(&Job::StopStray { user: world.user, channel, resource }).await.unwrap();
    }
    assert_eq!(of_list(), [new.channel], "the one that is in use is left alone");
}

/// 106: without waiting for a poll.
#[tokio::test]
async fn a_calendar_that_is_new_at_google_is_known_as_soon_as_google_tells_of_it() {
    let mut lab = Lab::new(Cast::default()).await;
    let settled = async |lab: &mut Lab| {
        for _ in 0..4 {
            lab.settle().await;
            lab.work(0, Luck::Good).await;
        }
    };
    settled(&mut lab).await;
    let added = lab.world().calendar("Added");
    settled(&mut lab).await;
    assert!(lab.world().known(&added).await.is_some());
}

/// 4: a channel that could not be stopped is stopped when it speaks.
#[tokio::test]
async fn a_replaced_channel_that_could_not_be_stopped_is_stopped_when_it_speaks_once() {
    let world = World::watched().await;
    world.import().await;
    let old = world.watches().await.remove(0);
    world.pass(TimeDelta::days(6));
    world.google.inject(GoogleFault::refuse(STOP, StatusCode::SERVICE_UNAVAILABLE, "backendError"));
    world.renew().await;
    assert_eq!(world.channels().len(), 2);
    assert!(world.look_up(&old.channel).await.unwrap().is_replaced);
    let stray = Job::StopStray { user: world.user, channel: old.channel.clone(), resource: old.resource_id };
    world.google.clear_journal();
    for _ in 0..3 {
        world.run(&stray).await.unwrap();
    }
    assert_eq!(world.calls(STOP), 1);
    assert_eq!(world.channels(), [world.watches().await.remove(0).channel]);
}

/// 100.
#[tokio::test]
async fn a_channel_whose_opening_was_never_noted_is_stopped_when_it_speaks() {
    let world = World::watched().await;
    world.fail(Kind::Google, "events.watch", Fault::FailAfter);
    let job = Job::Import { user: world.user, is_repair: false };
    world.run(&job).await.unwrap_err();
    world.import().await;
    let used = world.watches().await.remove(0).channel;
    assert_eq!(world.channels().len(), 2);
    let of_list = world.watch_of_list().await.channel;
    let mut channels = world.google.channels().into_iter().filter(|channel| channel.id != of_list);
    let orphan = channels.find(|channel| channel.id != used).unwrap();
    let known = world.look_up(&orphan.id).await.unwrap();
    assert_eq!(known.resource_id, None, "so that what it says is known to come from a stray");
    let resource = orphan.resource_id.clone();
    world.run(&Job::StopStray { user: world.user, channel: orphan.id, resource }).await.unwrap();
    assert_eq!(world.channels(), std::slice::from_ref(&used));
    let in_use = Job::StopStray { user: world.user, channel: used.clone(), resource: orphan.resource_id };
    world.run(&in_use).await.unwrap();
    assert_eq!(world.channels(), [used], "one that has come into use is left alone");
}

/// 103.
#[tokio::test]
async fn a_calendar_that_cannot_be_watched_is_not_asked_again_and_the_others_are_watched() {
    let world = World::watched().await;
    let holidays = world.calendar("Holidays");
    world.google.set_pushing(&holidays, false).unwrap();
    world.import().await;
    world.choose(&holidays, true).await;
    world.settle().await;
    assert_eq!(world.watches().await.len(), 1);
    let status = world.status().await;
    assert!(status.is_polled && status.watched_until.is_some());
    world.pass(TimeDelta::days(6));
    world.google.clear_journal();
    world.renew().await;
    assert_eq!(world.calls(WATCH), 1, "for the primary one");
}

/// 104.
#[tokio::test]
async fn an_address_that_google_does_not_take_is_the_operators_and_calendars_are_polled() {
    let world = World::watched().await;
    world.google_event("Lunch");
    let refusal = GoogleFault::refuse(WATCH, StatusCode::UNAUTHORIZED, "webhookUrlUnauthorized").forever();
    world.google.inject(refusal);
    world.import().await;
    assert_eq!(world.titles().await, ["Lunch"]);
    let status = world.status().await;
    assert!(status.is_polled && status.watched_until.is_none());
    assert!(world.has_logged("alarm=\"google\"") && world.has_logged("a calendar cannot be watched"));
}

/// 108.
#[tokio::test]
async fn an_id_of_a_channel_that_is_taken_is_replaced_by_another_once() {
    let world = World::watched().await;
    world.google.inject(GoogleFault::refuse(WATCH, StatusCode::BAD_REQUEST, "channelIdNotUnique"));
    world.import().await;
    assert_eq!((world.calls(WATCH), world.channels().len()), (2, 1));
    let other = World::watched().await;
    other.google.inject(GoogleFault::refuse(WATCH, StatusCode::BAD_REQUEST, "channelIdNotUnique").times(2));
    let job = Job::Import { user: other.user, is_repair: false };
    other.run(&job).await.unwrap_err();
    assert_eq!(other.calls(WATCH), 2);
}

/// 101: nothing ran for ten days.
#[tokio::test]
async fn after_ten_days_without_a_schedule_what_was_missed_is_read_and_watches_are_new() {
    let world = World::watched().await;
    world.import().await;
    world.pass(TimeDelta::days(10));
    world.google_event("Missed");
    assert!(world.google.channels().iter().all(|channel| channel.expires_at < world.clock.now()));
    world.renew().await;
    assert_eq!(world.titles().await, ["Missed"]);
    let watches = world.watches().await;
    assert!(watches.len() == 1 && watches[0].expires_at > world.clock.now());
    assert_eq!(world.status().await.watched_until, Some(watches[0].expires_at));
    world.google.invalidate_sync_tokens(EMAIL).unwrap();
    world.pull().await;
    world.run(&Job::Import { user: world.user, is_repair: true }).await.unwrap();
    assert_eq!(world.titles().await, ["Missed"]);
}

/// 105: users who connected in the same minute do not renew in the same minute.
#[tokio::test]
async fn renewals_of_channels_of_one_minute_are_spread() {
    let mut dates = BTreeSet::new();
    let world = World::watched().await;
    world.import().await;
    for _ in 0..8 {
        let until = world.status().await.watched_until.unwrap();
        let due = world.renewal_due(until).await;
        dates.insert((until - due).num_minutes());
        world.pass(TimeDelta::days(6));
        world.renew().await;
    }
    assert!(dates.len() >= 6, "{dates:?}");
    assert!(dates.iter().all(|left| (7 * 24 * 60 / 5..=7 * 24 * 60 / 5 + 60).contains(left)), "{dates:?}");
}
