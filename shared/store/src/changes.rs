//! The log of a user, read from a rev on: folded, for those who need to know what is stale, or item by item, for those who keep a copy.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use domain::calendar::Calendar;
use domain::priority::NamedPriority;
use domain::{Address, EventId, Notice, Record, Rev, Tag, UserId, Views};
use serde::Deserialize;

use crate::item::EventItem;
use crate::key::{self, Key};
use crate::lists::{Entry, EntryItem};
use crate::table::{Expression, Item, Query, sort_key};
use crate::{Error, Store};

/// The fewest entries of the log that a page from its start covers: more than what a new user finds, which all is at rev 0.
const FIRST: usize = 8;

/// What happened after a rev, folded: what a client needs to know to refresh its views.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The newest rev among them; the rev asked for when there are none.
    pub upto: Rev,
    /// Views in which something changed.
    pub views: Views,
    /// Events that changed, in the order of the log.
    pub touched: Vec<Touched>,
    /// Notices, in order.
    pub notices: Vec<Notice>,
}

/// An event that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touched {
    /// Which one; none where the log does not say it.
    pub id: Option<EventId>,
    /// The views in which it did.
    pub views: Views,
}

/// Which part of the log is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageAt {
    /// From the start, with what was there before any change.
    Start,
    /// After this rev.
    After(Rev),
}

/// A part of the log, item by item.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// What changed, tombstones included, in the order of the log.
    pub items: Vec<LogItem>,
    /// The series of the exceptions among them, as they are now, whenever they changed.
    pub series: Vec<Record>,
    /// Up to where this is all; the rev asked for when there is nothing after it.
    pub upto: Rev,
    /// Whether there may be something after it.
    pub has_more: bool,
}

/// Something that a client may see, with its place in the log.
#[derive(Clone, Debug, PartialEq)]
pub enum LogItem {
    /// What is stored of an event, a series or an exception.
    Event(Box<Record>),
    /// A priority.
    Priority(ListItem<NamedPriority>),
    /// A calendar.
    Calendar(Box<ListItem<Calendar>>),
    /// What clients are told beside that.
    Notice(Rev, Notice),
}

/// An entry of a list, with its place in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct ListItem<T> {
    /// Its place.
    pub rev: Rev,
    /// As it is, or as it last was.
    pub entry: T,
    /// Whether it is gone.
    pub is_deleted: bool,
}

impl LogItem {
    /// Its place in the log.
    pub fn rev(&self) -> Rev {
        match self {
            Self::Event(record) => record.rev,
            Self::Calendar(item) => item.rev,
            Self::Priority(ListItem { rev, .. }) | Self::Notice(rev, _) => *rev,
        }
    }

    /// What is stored, of an event, a series or an exception.
    fn record(&self) -> Option<&Record> {
        match self {
            Self::Event(record) => Some(record),
            Self::Priority(_) | Self::Calendar(_) | Self::Notice(..) => None,
        }
    }

    /// The same, of what is deleted.
    fn ended(&self) -> Option<&Record> {
        self.record().filter(|record| record.is_deleted)
    }

    /// Reads an item of the table; `None` for one that is of no kind that stands in the log.
    fn read(item: Item) -> Result<Option<Self>, Error> {
        fn entry<T: Entry>(item: Item) -> Result<ListItem<T>, Error> {
            let EntryItem { rev, entry, is_deleted, .. } = serde_dynamo::from_item(item)?;
            Ok(ListItem { rev, entry, is_deleted })
        }
        let is_of = |list: &str| sort_key(&item).is_some_and(|sk| sk.starts_with(list));
        Ok(Some(if sort_key(&item).is_some_and(key::is_event) {
            let item: EventItem = serde_dynamo::from_item(item)?;
            Self::Event(Box::new(item.into()))
        } else if is_of(NamedPriority::LIST) {
            Self::Priority(entry(item)?)
        } else if is_of(Calendar::LIST) {
            Self::Calendar(Box::new(entry(item)?))
        } else {
            return Ok(None);
        }))
    }
}

/// What the `rev` index holds.
#[derive(Deserialize)]
struct Logged {
    sk: String,
    rev: Rev,
    #[serde(default)]
    grid_rev: Rev,
    #[serde(default)]
    someday_rev: Rev,
    notice: Option<Notice>,
}

impl Store {
    /// Everything after `rev`. One query when there is nothing, two when there is something.
    ///
    /// A query is consistent item by item, but it is no snapshot: it may meet some items of a transaction and miss others that it passed a moment
    /// before. Whatever it meets is committed, though, and so is all that has a lower rev; a second query sees the whole of it. Only what the
    /// first one met is said to be seen.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn changes(&self, user: UserId, rev: Rev) -> Result<Changes, Error> {
        let met = self.logged(after(user, rev)?, None).await?;
        let Some(upto) = met.iter().map(|entry| entry.rev).max() else {
            return Ok(fold(rev, rev, Vec::new()));
        };
        Ok(fold(rev, upto, self.logged(after(user, rev)?, None).await?))
    }

    /// What changed, oldest change first: about `limit` entries of the log, more only where a transaction ends later. One query when there is
    /// nothing; two and a batch read when there is something.
    ///
    /// For the same reason as [`Store::changes`] asks twice, what the first query met is read again. What has moved on beyond the page
    /// by then is left to the page that it moved to.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn page(&self, user: UserId, at: PageAt, limit: usize) -> Result<Page, Error> {
        let (first, limit) = match at {
            PageAt::Start => (0, limit.max(FIRST)),
            PageAt::After(rev) => (rev.saturating_add(1), limit),
        };
        let met = self.logged(between(user, first, Rev::MAX)?, Some(limit)).await?;
        let Some(upto) = met.iter().map(|entry| entry.rev).max() else {
            let upto = first.saturating_sub(1);
            return Ok(Page { items: Vec::new(), series: Vec::new(), upto, has_more: false });
        };
        let has_more = met.len() >= limit;
        let logged = self.logged(between(user, first, upto)?, None).await?;
        let mut keys = HashSet::new();
        let mut items = Vec::new();
        for Logged { sk, rev, notice, .. } in logged {
            match notice {
                Some(notice) => items.push(LogItem::Notice(rev, notice)),
                None => {
                    keys.extend(key::series_of(user, &sk).into_iter().chain([Key::new(key::user(user), sk)]))
                }
            }
        }
        let mut series = Vec::new();
        let mut stored = self.table.batch_get(&Vec::from_iter(keys)).await?;
        // What was there before any change has one rev.
        stored.sort_by(|one, other| sort_key(one).cmp(&sort_key(other)));
        for item in stored {
            let Some(item) = LogItem::read(item)? else { continue };
            if let LogItem::Event(record) = &item
                && record.series().is_some()
            {
                series.push(Record::clone(record));
            }
            if (first..=upto).contains(&item.rev()) {
                items.push(item);
            }
        }
        items.sort_by_key(LogItem::rev);
        let items = self.told_in_order(user, items).await?;
        Ok(Page { items, series, upto, has_more })
    }

    /// What has ended as one thing may live on as another under the same id: the exception that became an event, the series that did. It is told right
    /// after the end, whenever it changed itself, so that a client that keeps one thing under an id keeps that one.
    async fn told_in_order(&self, user: UserId, items: Vec<LogItem>) -> Result<Vec<LogItem>, Error> {
        let ended = items.iter().filter_map(LogItem::ended);
        let elsewhere: BTreeSet<Address> = ended.flat_map(other_places).collect();
        if elsewhere.is_empty() {
            return Ok(items);
        }
        let there = self.records(user, elsewhere).await?;
        let lives_on = |record: &Record| {
            let found = other_places(record).filter_map(|place| there.get(place));
            let mut found = found.filter(|found| !found.is_deleted && found.event.id == record.event.id);
            found.next().cloned()
        };
        let after_end: BTreeMap<Address, Record> = items
            .iter()
            .filter_map(LogItem::ended)
            .filter_map(|ended| Some((ended.address(), lives_on(ended)?)))
            .collect();
        let is_told_so: BTreeSet<Address> = after_end.values().map(Record::address).collect();
        let mut told = Vec::with_capacity(items.len());
        for item in items {
            let address = item.record().map(Record::address);
            if address.is_some_and(|address| is_told_so.contains(&address)) {
                continue;
            }
            told.push(item);
            let next = address.and_then(|address| after_end.get(&address));
            told.extend(next.map(|next| LogItem::Event(Box::new(next.clone()))));
        }
        Ok(told)
    }

    async fn logged(&self, condition: Expression, limit: Option<usize>) -> Result<Vec<Logged>, Error> {
        self.table.query(Query { index: Some("rev"), condition, limit }).await
    }
}

/// Where an event may be that has the id of this one.
fn other_places(record: &Record) -> impl Iterator<Item = Address> + use<> {
    let (id, own) = (record.event.id, record.address());
    [Address::Single(id), Address::Series(Tag::of(id))].into_iter().filter(move |place| *place != own)
}

fn after(user: UserId, rev: Rev) -> Result<Expression, Error> {
    Expression::new("pk = :pk AND #rev > :rev")
        .name("#rev", "rev")
        .value(":pk", key::user(user))?
        .value(":rev", rev)
}

/// From the first rev to the second.
fn between(user: UserId, from: Rev, upto: Rev) -> Result<Expression, Error> {
    Expression::new("pk = :pk AND #rev BETWEEN :from AND :upto")
        .name("#rev", "rev")
        .value(":pk", key::user(user))?
        .value(":from", from)?
        .value(":upto", upto)
}

/// What happened after `rev`. Entries beyond `upto` are left to the next time, when all that belongs to them can be seen; but an event that has
/// moved on beyond it may have changed before it, too.
fn fold(rev: Rev, upto: Rev, logged: Vec<Logged>) -> Changes {
    let mut changes = Changes { upto, ..Changes::default() };
    for entry in logged {
        let views = Views { is_grid: entry.grid_rev > rev, is_someday: entry.someday_rev > rev };
        if views != Views::default() {
            changes.views = changes.views.union(views);
            changes.touched.push(Touched { id: key::event_of(&entry.sk), views });
        }
        if entry.rev <= upto {
            changes.notices.extend(entry.notice);
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved() -> Vec<Logged> {
        let sk = "E#66aa01bb02cc03dd04ee05ff".to_owned();
        vec![Logged { sk, rev: 7, grid_rev: 5, someday_rev: 7, notice: None }]
    }

    #[test]
    fn a_view_is_told_of_a_change_that_a_later_one_of_the_other_view_covers() {
        let both = Views { is_grid: true, is_someday: true };
        let id = "66aa01bb02cc03dd04ee05ff".parse().ok();
        let touched = vec![Touched { id, views: both }];
        assert_eq!(fold(4, 7, moved()), Changes { upto: 7, views: both, touched, notices: vec![] });
        assert_eq!(fold(5, 7, moved()).views, Views { is_grid: false, is_someday: true });
    }

    #[test]
    fn what_no_view_shows_touches_none() {
        let mut priority = moved();
        priority[0] = Logged { sk: "P#1".into(), rev: 7, grid_rev: 0, someday_rev: 0, notice: None };
        assert_eq!(fold(4, 7, priority), Changes { upto: 7, ..Changes::default() });
    }
}
