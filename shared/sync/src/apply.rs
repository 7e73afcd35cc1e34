//! The way of a page of Google's events into the store: in transactions of bounded size, the last of which moves the state of the sync.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::sync::{self, Conflict, Resolution, Theirs};
use domain::{Address, EventId, GoogleEventId, Home, Job, Notice, Origin, Tag, UserId};
use google::calendar;
use store::{Issue, IssueKind, Plan, Snapshot};

use crate::import::leased;
use crate::translate::{self, Skipped};
use crate::{Error, Sync, connected, reads};

/// The most bytes of Google's own text in one transaction. DynamoDB takes 4 MB in all, and a description lies in an item three times: in the
/// event, in the base and in Google's own text.
const BYTES: usize = 1_000_000;

/// A page, sorted out.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// What there is to decide about, exceptions last, else in Google's order; of a copy that comes twice, the newer version.
    pub events: Vec<Theirs>,
    /// Entries that are events of ours to be.
    pub live: u32,
    /// Entries that cannot be read, and why.
    pub unreadable: Vec<Unreadable>,
    /// Series whose zone nobody knows, with its name. Their times are read by the distance from UTC that they say.
    pub strange: BTreeMap<EventId, String>,
}

/// An entry that cannot be read. It stays as it is on both sides.
#[derive(Clone, Debug)]
pub(crate) struct Unreadable {
    /// The event's id here.
    pub id: EventId,
    /// Why.
    pub reason: Skipped,
    /// When it last changed, by Google's clock.
    pub updated: Option<DateTime<Utc>>,
}

impl Page {
    /// One event that was asked for by name.
    pub(crate) fn of(theirs: Theirs) -> Self {
        Self { events: vec![theirs], ..Self::default() }
    }

    pub(crate) fn sort_out(items: &[calendar::Event], home: &Home) -> Self {
        let mut page = Self::default();
        let mut places: BTreeMap<GoogleEventId, usize> = BTreeMap::new();
        for item in items {
            match translate::read(item, home) {
                Ok(theirs) => {
                    let zone = translate::unknown_zone(item).map(|zone| (theirs.id(), zone.to_owned()));
                    page.strange.extend(zone);
                    page.take(theirs, &mut places);
                }
                Err(reason) => page.unreadable.push(Unreadable {
                    id: EventId::of_google(&GoogleEventId::within(home.clone(), item.id.as_str())),
                    reason,
                    updated: item.updated,
                }),
            }
        }
        sync::in_order(&mut page.events);
        page
    }

    fn take(&mut self, theirs: Theirs, places: &mut BTreeMap<GoogleEventId, usize>) {
        if theirs.copy().is_some() {
            self.live += 1;
        }
        match places.get(theirs.google_id()).and_then(|place| self.events.get_mut(*place)) {
            Some(earlier) if is_older(&theirs, earlier) => {}
            Some(earlier) => *earlier = theirs,
            None => {
                places.insert(theirs.google_id().clone(), self.events.len());
                self.events.push(theirs);
            }
        }
    }
}

/// Whether `a` is an older version than `b`; what has no time is taken to be in order.
fn is_older(a: &Theirs, b: &Theirs) -> bool {
    match (a.copy(), b.copy()) {
        (Some(a), Some(b)) => a.link.updated_at < b.link.updated_at,
        _ => false,
    }
}

impl Sync {
    /// Brings a page's events into the store. `last` adds to the last transaction what must move with it.
    pub(crate) async fn apply(
        &self,
        user: UserId,
        page: &Page,
        origin: Origin,
        last: impl Fn(&mut Plan, &Snapshot) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // From the back, because it is a stack.
        let mut chunks: Vec<&[Theirs]> = chunks(&page.events);
        chunks.reverse();
        if chunks.is_empty() {
            chunks.push(&[]);
        }
        while let Some(chunk) = chunks.pop() {
            let is_last = chunks.is_empty();
            let now = self.clock.now();
            let plan = |snapshot: &Snapshot| {
                let mut plan = self.plan(user, chunk, origin, snapshot)?;
                self.tell_of_zones(user, page, chunk, snapshot, &mut plan)?;
                if is_last {
                    last(&mut plan, snapshot)?;
                }
                Ok(plan)
            };
            match self.store.mutate(user, reads::of(chunk), now, plan).await {
                Err(Error::TooLarge) if chunk.len() > 1 => {
                    let (first, second) = chunk.split_at(chunk.len() / 2);
                    chunks.extend([second, first]);
                }
                other => drop(other?),
            }
        }
        Ok(())
    }

    /// Records which entries of a page cannot be read. They are left as they are on both sides. A repetition records nothing new.
    pub(crate) async fn park_unreadable(&self, user: UserId, page: &Page) -> Result<(), Error> {
        let now = self.clock.now();
        for entries in page.unreadable.chunks(Plan::LIMIT) {
            tracing::info!(%user, unreadable = entries.len(), "events are passed over");
            let plan = |snapshot: &Snapshot| -> Result<Plan, Error> {
                connected(snapshot)?;
                let mut plan = Plan::default();
                for Unreadable { id, reason, updated } in entries {
                    let kind = IssueKind::Parked { reason: reason.to_string() };
                    let issue = Issue { event: *id, kind, at: updated.unwrap_or(now) };
                    plan.record_issue(&self.store, user, &issue)?;
                }
                Ok(plan)
            };
            self.store.mutate(user, &[], now, plan).await?;
        }
        Ok(())
    }

    /// Tells of series whose zone nobody knows, once: when they come with it first.
    fn tell_of_zones(
        &self,
        user: UserId,
        page: &Page,
        chunk: &[Theirs],
        snapshot: &Snapshot,
        plan: &mut Plan,
    ) -> Result<(), Error> {
        for event in chunk.iter().map(Theirs::id) {
            let Some(zone) = page.strange.get(&event) else { continue };
            let known = snapshot.records.get(Address::Series(Tag::of(event)));
            let raw = known.and_then(|record| record.link.as_ref()).map(|link| link.raw.as_str());
            let before = raw.and_then(|raw| serde_json::from_str::<calendar::Event>(raw).ok());
            if before.as_ref().and_then(translate::unknown_zone) == Some(zone) {
                continue;
            }
            tracing::warn!(%user, %event, zone, "a series has a zone that nobody knows: it keeps its distance from UTC");
            let (kind, at) = (IssueKind::UnknownZone { zone: zone.clone() }, self.clock.now());
            plan.record_issue(&self.store, user, &Issue { event, kind, at })?;
        }
        Ok(())
    }

    fn plan(
        &self,
        user: UserId,
        chunk: &[Theirs],
        origin: Origin,
        snapshot: &Snapshot,
    ) -> Result<Plan, Error> {
        let status = connected(snapshot)?;
        let now = self.clock.now();
        let mut plan = Plan::of([]);
        let mut issues = 0;
        // Each is decided on top of what became of those before: an exception changes its series.
        let mut records = snapshot.records.clone();
        for theirs in chunk {
            let Resolution { steps, conflicts, is_short } = sync::resolve(&records, theirs, origin, now);
            records.apply(&steps);
            plan.steps = plan.steps.then(steps);
            if is_short && !status.is_importing(now) {
                plan.google = Some(leased(status, now));
                plan.notices.push(Notice::Wanted(Job::Import { user, is_repair: true }));
            }
            for conflict in conflicts {
                issues += 1;
                plan.record_issue(&self.store, user, &issue(conflict, now))?;
            }
        }
        // What one event takes along is written in steps if it has to be.
        let is_too_large = plan.steps.len() + issues > Plan::LIMIT && chunk.len() > 1;
        if is_too_large { Err(Error::TooLarge) } else { Ok(plan) }
    }
}

/// What the user is told of a version that lost.
pub(crate) fn issue(conflict: Conflict, at: DateTime<Utc>) -> Issue {
    let Conflict { id, lost, fields } = conflict;
    Issue { event: id, kind: IssueKind::Conflict { lost: Box::new(lost), fields }, at }
}

/// Cuts a page into what fits into one transaction each, with at most one copy of an event: what is decided about the second one follows from
/// what became of the first.
fn chunks(mut events: &[Theirs]) -> Vec<&[Theirs]> {
    let mut chunks = Vec::new();
    while !events.is_empty() {
        let mut bytes = 0;
        let mut ids = BTreeSet::new();
        let fits = events.iter().take(Plan::LIMIT).take_while(|theirs| {
            bytes += theirs.copy().map_or(0, |copy| copy.link.raw.len());
            bytes <= BYTES && ids.insert(theirs.mark())
        });
        // One that is too large on its own must go alone.
        let (chunk, rest) = events.split_at(fits.count().max(1));
        chunks.push(chunk);
        events = rest;
    }
    chunks
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(id: &str, updated: &str, title: &str) -> calendar::Event {
        serde_json::from_value(json!({
            "id": id, "summary": title, "updated": updated, "start": {"date": "2026-11-20"}, "end": {"date": "2026-11-21"}
        }))
        .unwrap()
    }

    #[test]
    fn of_an_event_that_comes_twice_the_newer_version_counts_in_any_order() {
        let (new, old) =
            (event("a", "2026-11-20T09:00:02Z", "new"), event("a", "2026-11-20T09:00:01Z", "old"));
        for items in [[new.clone(), old.clone()], [old, new]] {
            let page = Page::sort_out(&items, &Home::Primary);
            let [Theirs::Live(copy)] = page.events.as_slice() else { panic!("{page:?}") };
            assert_eq!(copy.link.base.title.as_deref(), Some("new"));
        }
    }

    #[test]
    fn a_series_in_a_zone_that_nobody_knows_is_taken_with_its_instants_and_named() {
        let series = |zone: &str| -> calendar::Event {
            serde_json::from_value(json!({
                "id": zone.replace('/', "").to_lowercase(), "recurrence": ["RRULE:FREQ=DAILY;COUNT=2"],
                "start": {"dateTime": "2026-11-20T09:00:00-03:00", "timeZone": zone},
                "end": {"dateTime": "2026-11-20T10:00:00-03:00", "timeZone": zone}
            }))
            .unwrap()
        };
        let zones = ["Mars/Olympus", "GMT-03:00", "Etc/GMT+3", "US/Eastern"];
        let page = Page::sort_out(&zones.map(series), &Home::Primary);
        assert_eq!(page.strange, BTreeMap::from([(page.events[0].id(), "Mars/Olympus".to_owned())]));
        assert_eq!((page.events.len(), page.unreadable.len()), (4, 0));
        let first = "2026-11-20T12:00:00Z".parse::<DateTime<Utc>>().unwrap();
        for theirs in &page.events {
            assert_eq!(theirs.copy().unwrap().link.base.span.start().instant(), first);
        }
    }

    #[test]
    fn two_copies_of_an_event_are_decided_one_after_the_other() {
        let foreign = event("foreign", "2026-11-20T09:00:01Z", "theirs");
        let own = EventId::of_google(&GoogleEventId::new("foreign")).to_string();
        let page = Page::sort_out(&[foreign, event(&own, "2026-11-20T09:00:02Z", "ours")], &Home::Primary);
        assert_eq!(page.events.len(), 2);
        assert_eq!(chunks(&page.events).len(), 2);
    }

    #[test]
    fn chunks_hold_everything_in_order_and_stay_small() {
        let items: Vec<_> = (0..1_000)
            .map(|n| event(&format!("e{n}"), "2026-11-20T09:00:00Z", &"x".repeat(n * 10)))
            .collect();
        let page = Page::sort_out(&items, &Home::Primary);
        let chunks = chunks(&page.events);
        assert!(chunks.iter().all(|chunk| chunk.len() <= Plan::LIMIT && !chunk.is_empty()));
        let together: Vec<EventId> = chunks.concat().iter().map(Theirs::id).collect();
        assert_eq!(together, page.events.iter().map(Theirs::id).collect::<Vec<_>>());
    }
}
