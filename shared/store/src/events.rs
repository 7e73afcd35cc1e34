//! Reading events: one, or those of a window.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::{
    Address, Event, EventId, Link, Record, Records, Role, Shelf, Shown, Stored, Tag, UserId, Window,
};
use futures_util::future::try_join_all;
use serde::Deserialize;

use crate::head::HISTORY;
use crate::item::EventItem;
use crate::key;
use crate::table::{Expression, Query};
use crate::{Error, Head, Store};

/// What the `when` index holds of an event.
#[derive(Deserialize)]
struct Listed {
    event: Event,
    #[serde(default)]
    role: Role,
}

/// What the `dirty` index holds of an event.
#[derive(Deserialize)]
struct Dirty {
    sk: String,
}

impl Store {
    /// The user's head.
    ///
    /// # Errors
    /// [`Error::NoUser`] when there is no such user.
    pub async fn head(&self, user: UserId) -> Result<Head, Error> {
        self.table.get(&key::head(user)).await?.ok_or(Error::NoUser)
    }

    /// What is stored of an event, tombstones included. One round trip.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn record(&self, user: UserId, id: EventId) -> Result<Option<Record>, Error> {
        Ok(self.table.get::<EventItem>(&key::event(user, id)).await?.map(Record::from))
    }

    /// What an id leads to. One round trip.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn stored(&self, user: UserId, id: EventId) -> Result<Stored, Error> {
        let keys: Vec<_> =
            Stored::addresses(id).into_iter().map(|address| key::record(user, address)).collect();
        let items = self.table.batch_get(&keys).await?;
        let records: Result<Records, _> = items
            .into_iter()
            .map(|item| serde_dynamo::from_item::<_, EventItem>(item).map(Record::from))
            .collect();
        Ok(records?.stored(id))
    }

    /// What a shelf shows in a window (all of it without one, of a series the first occurrences), by start. One round of parallel queries, whose
    /// cost grows with the window and not with the calendar.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn list(
        &self,
        user: UserId,
        shelf: Shelf,
        window: Option<&Window>,
    ) -> Result<Vec<Shown>, Error> {
        let queries =
            key::ranges(shelf, window).into_iter().map(|(from, to)| self.list_range(user, from, to));
        let mut listed: Vec<Listed> = try_join_all(queries).await?.into_iter().flatten().collect();
        listed.extend(self.missing_series(user, &listed).await?);
        let mut shown =
            domain::show(listed.into_iter().map(|Listed { event, role }| (event, role)), shelf, window);
        shown.sort_by_key(|shown| (shown.event.span.start().instant(), shown.event.id));
        Ok(shown)
    }

    /// The series of exceptions that were met without them: moved beyond their series' end, or to the other shelf. Rare, so they cost a second round.
    async fn missing_series(&self, user: UserId, listed: &[Listed]) -> Result<Vec<Listed>, Error> {
        let mut missing = BTreeSet::new();
        for met in listed {
            if let Role::Exception { series, .. } = met.role {
                missing.insert(series);
            }
        }
        for met in listed {
            if matches!(met.role, Role::Series(_)) {
                missing.remove(&met.event.id);
            }
        }
        let keys: Vec<_> =
            missing.into_iter().map(|id| key::record(user, Address::Series(Tag::of(id)))).collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let items = self.table.batch_get(&keys).await?;
        let records: Result<Vec<EventItem>, _> = items.into_iter().map(serde_dynamo::from_item).collect();
        let series = records?.into_iter().map(Record::from).filter(|record| !record.is_deleted);
        Ok(series.map(|Record { event, role, .. }| Listed { event, role }).collect())
    }

    async fn list_range(&self, user: UserId, from: String, to: String) -> Result<Vec<Listed>, Error> {
        let condition = Expression::new("pk = :pk AND #when BETWEEN :from AND :to")
            .name("#when", "when")
            .value(":pk", key::user(user))?
            .value(":from", from)?
            .value(":to", to)?;
        self.table.query(Query { index: Some("when"), condition, limit: None }).await
    }

    /// The events that Google has yet to learn of, oldest change first, tombstones included; at most `limit`.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn dirty(&self, user: UserId, limit: usize) -> Result<Vec<Record>, Error> {
        let condition = Expression::new("pk = :pk").value(":pk", key::user(user))?;
        let dirty: Vec<Dirty> =
            self.table.query(Query { index: Some("dirty"), condition, limit: Some(limit) }).await?;
        let keys: Vec<_> = dirty.into_iter().map(|Dirty { sk }| key::Key::new(key::user(user), sk)).collect();
        let items = self.table.batch_get(&keys).await?;
        let records: Result<Vec<EventItem>, _> = items.into_iter().map(serde_dynamo::from_item).collect();
        // The index may be a moment older than the items: what is clean by now is left out.
        let mut records: Vec<Record> =
            records?.into_iter().map(Record::from).filter(|record| record.is_dirty).collect();
        records.sort_by_key(|record| record.rev);
        Ok(records)
    }

    /// Notes what Google answered to the push of `sent`: the link becomes the new base, and the event is clean unless it has changed again
    /// meanwhile. No client can see this, so it has no rev. A tombstone's time runs from here on: until Google knew of it, it was not to be
    /// forgotten.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn settle(
        &self,
        user: UserId,
        sent: &Record,
        link: Option<&Link>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let key = key::record(user, sent.address());
        let update = |is_clean: bool| -> Result<Expression, Error> {
            let (mut sets, mut removes, mut update) = (Vec::new(), Vec::new(), Expression::default());
            match link {
                Some(link) => {
                    sets.push("link = :link");
                    update = update.value(":link", link)?;
                }
                None => removes.push("link"),
            }
            if is_clean {
                removes.push("#dirty");
                update = update.name("#dirty", "dirty");
            }
            if is_clean && sent.is_deleted {
                sets.push("expires_at = :expires");
                update = update.value(":expires", (now + HISTORY).timestamp())?;
            }
            let clause = |word: &str, parts: Vec<&str>| match parts.is_empty() {
                true => String::new(),
                false => format!("{word} {} ", parts.join(", ")),
            };
            update.text = clause("SET", sets) + &clause("REMOVE", removes);
            Ok(update)
        };
        let unchanged = Expression::new("#rev = :rev").name("#rev", "rev").value(":rev", sent.rev)?;
        let clean = update(true)?;
        match self.table.update(&key, clean, unchanged, "rev").await {
            Err(Error::Condition(_)) => {
                let exists = Expression::new("attribute_exists(pk)");
                match self.table.update(&key, update(false)?, exists, "event").await {
                    // Purged meanwhile: nothing is left that needs a base.
                    Err(Error::Condition(_)) => Ok(()),
                    other => other,
                }
            }
            other => other,
        }
    }

    /// Whether the store answers, for health probes.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn ping(&self) -> Result<(), Error> {
        self.table.get::<Ping>(&key::Key::single("PING".into())).await.map(drop)
    }
}

#[derive(Deserialize)]
struct Ping {}
