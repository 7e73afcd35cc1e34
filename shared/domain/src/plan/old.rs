//! What a browser's request does to an event: pure functions from what is stored and what is wanted to a plan.

use chrono::{DateTime, Utc};

use crate::{Change, Draft, Event, GoogleEventId, Record};

/// Creates or replaces an event: the web app sends the whole of it, and may send it twice.
///
/// Fields that the server owns are kept from what is stored; `is_connected` says whether Google has to learn of the result.
pub fn save(stored: Option<&Record>, draft: &Draft, is_connected: bool, now: DateTime<Utc>) -> Change {
    let Draft { id, title, description, span, is_all_day, is_someday, priority, origin, order } =
        draft.clone();
    let link = stored.and_then(|record| record.link.clone());
    let known_id = link.as_ref().map(|link| link.id.clone());
    let google_id = (!is_someday).then(|| known_id.unwrap_or_else(|| GoogleEventId::from(id)));
    let order = order.or_else(|| stored.and_then(Record::live).and_then(|event| event.order));
    let event = Event {
        id,
        title,
        description,
        span,
        is_all_day,
        is_someday,
        priority,
        origin,
        order,
        google_id,
        updated_at: now,
    };
    let is_dirty = is_connected && concerns_google(stored, !is_someday);
    Change::put(stored, event, link, is_dirty)
}

/// Deletes an event. Deleting what is gone, or never was, is nothing to do.
pub fn delete(stored: Option<&Record>, is_connected: bool, now: DateTime<Utc>) -> Option<Change> {
    let stored = stored.filter(|record| !record.is_deleted)?;
    let mut change = Change::delete(stored, is_connected && concerns_google(Some(stored), false));
    change.record.event.updated_at = now;
    Some(change)
}

/// Moves an event to another place in its list. Google knows no order, so it need not learn of it.
pub fn reorder(stored: Option<&Record>, order: f64) -> Option<Change> {
    let stored = stored.filter(|record| !record.is_deleted)?;
    let event = Event { order: Some(order), ..stored.event.clone() };
    Some(Change::put(Some(stored), event, stored.link.clone(), stored.is_dirty))
}

/// Whether Google has, had, or shall have a copy of the event.
fn concerns_google(stored: Option<&Record>, will_be_on_grid: bool) -> bool {
    will_be_on_grid || stored.is_some_and(|record| record.link.is_some() || record.is_dirty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EventTime, Link, Origin, Priority, Seen, Span, Views};

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_763_600_000_000).unwrap()
    }

    fn draft(is_someday: bool) -> Draft {
        let time = |text: &str| text.parse::<EventTime>().unwrap();
        let span = Span::new(time("2026-11-20T09:00:00Z"), time("2026-11-20T10:00:00Z")).unwrap();
        let (priority, origin) = (Priority::Work, Origin::Compass);
        let id = "66aa01bb02cc03dd04ee05ff".parse().unwrap();
        Draft::new(id, Some("Lunch".into()), None, span, false, is_someday, priority, origin, None).unwrap()
    }

    fn stored(is_someday: bool, linked: bool) -> Record {
        let mut record = save(None, &draft(is_someday), linked, now()).record;
        record.rev = 3;
        record.is_dirty = false;
        let base = record.event.shared();
        let id = GoogleEventId::new("google1");
        record.link = linked.then(|| Link { id, etag: "\"1\"".into(), base, raw: "{}".into() });
        record
    }

    #[test]
    fn a_change_between_the_views_is_seen_in_both() {
        let change = save(Some(&stored(false, false)), &draft(true), false, now());
        assert_eq!(change.views, Views { is_grid: true, is_someday: true });
        let change = save(Some(&stored(true, false)), &draft(true), false, now());
        assert_eq!(change.views, Views { is_grid: false, is_someday: true });
    }

    #[test]
    fn only_what_google_has_or_shall_have_is_dirty() {
        // (stored on the grid and linked?, wanted someday?, connected?) → dirty?
        let cases = [
            (None, false, true, true),
            (None, false, false, false),
            (None, true, true, false),
            (Some((false, true)), true, true, true),
            (Some((true, false)), true, true, false),
            (Some((true, false)), false, true, true),
            (Some((false, true)), false, false, false),
        ];
        for (before, is_someday, is_connected, expected) in cases {
            let before = before.map(|(is_someday, linked)| stored(is_someday, linked));
            let change = save(before.as_ref(), &draft(is_someday), is_connected, now());
            assert_eq!(change.record.is_dirty, expected, "{before:?} {is_someday} {is_connected}");
        }
    }

    #[test]
    fn an_event_on_the_grid_has_a_google_id_and_a_someday_event_none() {
        let own = GoogleEventId::from(draft(false).id());
        assert_eq!(save(None, &draft(false), false, now()).record.event.google_id, Some(own));
        assert_eq!(save(None, &draft(true), false, now()).record.event.google_id, None);
        let linked = save(Some(&stored(false, true)), &draft(false), true, now());
        assert_eq!(linked.record.event.google_id, Some(GoogleEventId::new("google1")));
    }

    #[test]
    fn deleting_twice_is_nothing_to_do_and_a_tombstone_can_be_revived() {
        let tombstone = delete(Some(&stored(false, true)), true, now()).unwrap();
        assert!(tombstone.record.is_deleted && tombstone.record.is_dirty);
        assert_eq!(tombstone.views, Views { is_grid: true, is_someday: false });
        assert_eq!(delete(Some(&tombstone.record), true, now()), None);
        assert_eq!(delete(None, true, now()), None);
        let revived = save(Some(&tombstone.record), &draft(false), true, now());
        assert!(!revived.record.is_deleted && revived.record.is_dirty);
    }

    #[test]
    fn an_order_that_is_not_sent_is_kept() {
        let ordered = reorder(Some(&stored(true, false)), 4.0).unwrap().record;
        assert_eq!(save(Some(&ordered), &draft(true), false, now()).record.event.order, Some(4.0));
    }

    #[test]
    fn each_view_remembers_when_it_last_saw_a_change() {
        let grid = Views { is_grid: true, is_someday: false };
        let someday = Views { is_grid: false, is_someday: true };
        let seen = Seen::default().at(5, grid.union(someday)).at(7, someday);
        assert_eq!(seen, Seen { grid: 5, someday: 7 });
    }
}
