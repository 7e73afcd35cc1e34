//! Single events.

use super::*;

fn single(is_someday: bool) -> Draft {
    let span = span("2026-11-20T09:00:00Z", "2026-11-20T10:00:00Z");
    Draft { is_someday, ..draft(SINGLE.parse().unwrap(), "Lunch", span, Repeat::Unsaid) }
}

fn stored(is_someday: bool, linked: bool) -> Record {
    let mut records = Records::default();
    let context = Context { is_connected: linked, ..context() };
    records.apply(&save(&records, &single(is_someday), Scope::This, &context).unwrap());
    let record = records.get(Address::Single(SINGLE.parse().unwrap())).unwrap().clone();
    let base = record.event.shared();
    let id = GoogleEventId::new("google1");
    let link = linked.then(|| Link { id, etag: "\"1\"".into(), updated_at: None, base, raw: "{}".into() });
    Record { rev: 3, seen: Seen::default(), is_dirty: false, link, ..record }
}

fn only(steps: Steps) -> crate::Change {
    let [change] = <[_; 1]>::try_from(steps.into_changes().collect::<Vec<_>>()).unwrap();
    change
}

fn saved(before: Option<Record>, is_someday: bool, is_connected: bool) -> crate::Change {
    let records: Records = before.into_iter().collect();
    let draft = renamed(single(is_someday), "Supper");
    only(save(&records, &draft, Scope::This, &Context { is_connected, ..context() }).unwrap())
}

#[test]
fn a_change_between_the_views_is_seen_in_both() {
    assert_eq!(
        saved(Some(stored(false, false)), true, false).views,
        Views { is_grid: true, is_someday: true }
    );
    assert_eq!(
        saved(Some(stored(true, false)), true, false).views,
        Views { is_grid: false, is_someday: true }
    );
}

#[test]
fn only_what_google_has_or_shall_have_is_dirty() {
    // (stored as (someday?, linked?), wanted someday?, connected?) → dirty?
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
        let change = saved(before.clone(), is_someday, is_connected);
        assert_eq!(change.record.is_dirty, expected, "{before:?} {is_someday} {is_connected}");
    }
}

#[test]
fn an_event_on_the_grid_has_a_google_id_and_a_someday_event_none() {
    let own = GoogleEventId::new(SINGLE);
    assert_eq!(saved(None, false, false).record.event.google_id, Some(own));
    assert_eq!(saved(None, true, false).record.event.google_id, None);
    let linked = saved(Some(stored(false, true)), false, true);
    assert_eq!(linked.record.event.google_id, Some(GoogleEventId::new("google1")));
}

#[test]
fn deleting_twice_is_nothing_to_do_and_a_tombstone_can_be_revived() {
    let id = SINGLE.parse().unwrap();
    let mut records: Records = [stored(false, true)].into_iter().collect();
    let tombstone = only(delete(&records, id, Scope::This, &context()).unwrap());
    assert!(tombstone.record.is_deleted && tombstone.record.is_dirty);
    assert_eq!(tombstone.views, Views { is_grid: true, is_someday: false });
    records.insert(tombstone.record);
    assert!(delete(&records, id, Scope::This, &context()).unwrap().is_empty());
    let revived = only(save(&records, &single(false), Scope::This, &context()).unwrap());
    assert!(!revived.record.is_deleted && revived.record.is_dirty);
}

#[test]
fn an_order_that_is_not_sent_is_kept() {
    let mut records: Records = [stored(true, false)].into_iter().collect();
    let ordered = only(reorder(&records, SINGLE.parse().unwrap(), 4.0, &context()));
    assert!(!ordered.record.is_dirty);
    records.insert(ordered.record);
    let draft = renamed(single(true), "Supper");
    let saved = only(save(&records, &draft, Scope::This, &context()).unwrap());
    assert_eq!(saved.record.event.order, Some(4.0));
}

/// Who wins against Google is decided by when an edit was made, whichever function's clock is slow.
#[test]
fn an_edit_or_a_deletion_is_not_older_than_what_it_was_made_on() {
    let minutes = |minutes| now() + TimeDelta::minutes(minutes);
    let at = |stored: Record| {
        let records: Records = [stored].into_iter().collect();
        let draft = renamed(single(false), "Supper");
        let edited = only(save(&records, &draft, Scope::This, &context()).unwrap());
        let deleted = only(delete(&records, draft.id(), Scope::This, &context()).unwrap());
        [edited.record.event.updated_at, deleted.record.event.updated_at]
    };
    let stored = stored(false, true);
    let ours_at = |at| Record { event: Event { updated_at: at, ..stored.event.clone() }, ..stored.clone() };
    assert_eq!(at(ours_at(minutes(-5))), [now(); 2]);
    assert_eq!(at(ours_at(minutes(5))), [minutes(5); 2]);
    let theirs_at = |at| stored.link.clone().map(|link| Link { updated_at: Some(at), ..link });
    assert_eq!(at(Record { link: theirs_at(minutes(-5)), ..stored.clone() }), [now(); 2]);
    assert_eq!(at(Record { link: theirs_at(minutes(3)), ..stored.clone() }), [minutes(3); 2]);
}
