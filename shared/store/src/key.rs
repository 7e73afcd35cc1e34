//! Key formats. No other module, and no other crate, spells one.

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use domain::{Address, Event, EventId, Record, Rev, Role, Shelf, Slot, Tag, UserId, Window};
use serde::Serialize;

/// The partition and sort key of an item.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub pk: String,
    pub sk: String,
}

impl Key {
    pub fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    /// An item under this key.
    pub fn with<T>(self, item: T) -> Keyed<T> {
        Keyed { pk: self.pk, sk: self.sk, item }
    }

    /// An item that is alone in its partition: a look-up that must be unique.
    pub fn single(pk: String) -> Self {
        Self { sk: pk.clone(), pk }
    }
}

/// An item with its key, as it is written.
#[derive(Serialize)]
pub(crate) struct Keyed<T> {
    pk: String,
    sk: String,
    #[serde(flatten)]
    item: T,
}

pub(crate) const HEAD: &str = "HEAD";

pub(crate) fn user(user: UserId) -> String {
    format!("U#{user}")
}

/// The user whose partition this is.
pub(crate) fn user_of(pk: &str) -> Option<UserId> {
    pk.strip_prefix("U#")?.parse().ok()
}

pub(crate) fn head(id: UserId) -> Key {
    Key::new(user(id), HEAD)
}

/// Where a record lies.
pub(crate) fn record(id: UserId, address: Address) -> Key {
    let sk = match address {
        Address::Single(event) => format!("E#{event}"),
        Address::Series(tag) => format!("R#{tag}"),
        Address::Exception(tag, slot) => exception(tag, slot),
    };
    Key::new(user(id), sk)
}

pub(crate) fn event(id: UserId, event: EventId) -> Key {
    record(id, Address::Single(event))
}

/// The sort keys, first and last, of each kind of event, in their order.
pub(crate) const KINDS_OF_EVENTS: [(&str, &str); 3] = [("E#", "E#~"), ("R#", "R#~"), ("X#", "X#~")];

/// The sort keys, first and last, of the exceptions of a series.
pub(crate) fn exceptions(tag: Tag) -> (String, String) {
    (exception(tag, Slot::ends(false).0), exception(tag, Slot::ends(true).1))
}

fn exception(tag: Tag, slot: Slot) -> String {
    format!("X#{tag}#{slot}")
}

pub(crate) fn notice(id: UserId, rev: Rev) -> Key {
    Key::new(user(id), format!("N#{rev:020}"))
}

/// The head of work that takes several transactions.
pub(crate) fn work(id: UserId, work: &str) -> Key {
    Key::new(user(id), format!("J#{work}"))
}

/// What has to be done of it, in part.
pub(crate) fn work_part(id: UserId, work: &str, part: usize) -> Key {
    Key::new(user(id), format!("J#{work}#{part:05}"))
}

/// The sort keys, first and last, of all such work.
pub(crate) fn works() -> (&'static str, &'static str) {
    ("J#", "J#~")
}

/// The work whose head or part has this sort key.
pub(crate) fn work_of(sk: &str) -> Option<&str> {
    sk.strip_prefix("J#")?.split('#').next()
}

/// The event whose item has this sort key, if it is one that says so. That of a series does not: a tag leads from an id, not back to it.
/// That of an exception says the slot's plain id, also where something has taken that along.
pub(crate) fn event_of(sk: &str) -> Option<EventId> {
    match sk.split_once('#')? {
        ("E", id) => id.parse().ok(),
        ("X", occurrence) => {
            let (tag, slot) = occurrence.split_once('#')?;
            Some(EventId::of_occurrence(tag.parse().ok()?, slot.parse().ok()?))
        }
        _ => None,
    }
}

/// Whether the item with this sort key is an event, a series or an exception.
pub(crate) fn is_event(sk: &str) -> bool {
    ["E#", "R#", "X#"].iter().any(|prefix| sk.starts_with(prefix))
}

/// The item of the series that the exception with this sort key belongs to, if it is one.
pub(crate) fn series_of(id: UserId, sk: &str) -> Option<Key> {
    let (tag, _) = sk.strip_prefix("X#")?.split_once('#')?;
    Some(Key::new(user(id), format!("R#{tag}")))
}

/// An entry of one of the user's lists.
pub(crate) fn entry(id: UserId, list: &str, entry: &str) -> Key {
    Key::new(user(id), format!("{list}{entry}"))
}

/// The sort key in `dirty`: commit order.
pub(crate) fn dirty(rev: Rev) -> String {
    format!("{rev:020}")
}

/// The longest event that is found by its start; a longer one is found by its end.
const SHORT: TimeDelta = TimeDelta::days(1);

/// The sort key in `when`: of an event its own time, of a series its last end.
pub(crate) fn when(record: &Record) -> String {
    let event = &record.event;
    if let Role::Series(series) = &record.role {
        let end = series.end(event).unwrap_or(DateTime::<Utc>::MAX_UTC);
        return format!("{}{}", series_prefix(event.shelf()), instant(end));
    }
    let (start, end) = (event.span.start().instant(), event.span.end().instant());
    match event.shelf() {
        Shelf::Someday => format!("Y#{}", instant(start)),
        Shelf::Grid if is_short(event) => format!("S#{}", instant(start)),
        Shelf::Grid => format!("L#{}", instant(end)),
    }
}

fn is_short(event: &Event) -> bool {
    event.span.length() <= SHORT
}

/// Sorts behind every `Y#`, so that a range of single someday events holds no series.
fn series_prefix(shelf: Shelf) -> &'static str {
    match shelf {
        Shelf::Grid => "R#",
        Shelf::Someday => "YR#",
    }
}

/// Ranges of `when` (inclusive) that together hold every event and every series of a shelf that can overlap a window.
pub(crate) fn ranges(shelf: Shelf, window: Option<&Window>) -> Vec<(String, String)> {
    let (earliest, latest) = match window {
        Some(window) => (window.earliest(), window.latest()),
        None => (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC),
    };
    let short_start = earliest.checked_sub_signed(SHORT).unwrap_or(earliest);
    let prefix = series_prefix(shelf);
    let series = (format!("{prefix}{}", instant(earliest)), format!("{prefix}~"));
    match shelf {
        Shelf::Someday => vec![("Y#".into(), format!("Y#{}", instant(latest))), series],
        Shelf::Grid => vec![
            (format!("S#{}", instant(short_start)), format!("S#{}", instant(latest))),
            (format!("L#{}", instant(earliest)), "L#~".into()),
            series,
        ],
    }
}

/// An instant that sorts as text. Years outside of 0–9999 have no such form and stand at the ends.
pub(crate) fn instant(at: DateTime<Utc>) -> String {
    match at.year() {
        ..0 => "0000-01-01T00:00:00Z".into(),
        0..=9999 => at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        _ => "9999-12-31T23:59:59Z".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_sort_as_text_to_the_ends_of_time() {
        let at = |text: &str| instant(text.parse().unwrap());
        let sorted = [
            instant(DateTime::<Utc>::MIN_UTC),
            at("0001-01-01T00:00:00Z"),
            at("1969-12-31T23:59:59Z"),
            at("2026-11-20T09:00:00Z"),
            instant(DateTime::<Utc>::MAX_UTC),
        ];
        assert!(sorted.is_sorted(), "{sorted:?}");
    }

    #[test]
    fn revs_sort_as_text() {
        assert!(dirty(9) < dirty(10));
        assert!(dirty(u64::MAX - 1) < dirty(u64::MAX));
    }

    #[test]
    fn a_user_is_found_in_its_partition_key() {
        let id: UserId = "66aa01bb02cc03dd04ee05ff".parse().unwrap();
        assert_eq!(user_of(&user(id)), Some(id));
        assert_eq!(user_of("EMAIL#a@b.c"), None);
    }
}
