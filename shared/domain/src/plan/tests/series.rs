//! What becomes of a series that stays whole, and of its exceptions.

use super::*;

#[test]
fn a_series_shows_its_occurrences_and_not_itself() {
    let calendar = week();
    assert_eq!(calendar.list(), WEEK);
    let shown = calendar.on(18);
    let Recurs::Occurrence { series, google_id, rule } = shown.recurs else { panic!("an occurrence") };
    assert_eq!((series.to_string().as_str(), &*rule), (SERIES, &["RRULE:FREQ=DAILY;COUNT=5".to_owned()][..]));
    assert_eq!(shown.event.google_id.unwrap().as_str(), format!("{SERIES}_20261118T080000Z"));
    assert_eq!(google_id.unwrap().as_str(), SERIES);
}

#[test]
fn this_event_changes_one_and_keeps_its_id() {
    let mut calendar = week();
    let before = calendar.on(18).event.id;
    let edited = renamed(calendar.edit(18), "b");
    assert_eq!(
        calendar.save(&at(edited, "2026-11-18T15:00:00+01:00", "2026-11-18T16:00:00+01:00"), Scope::This),
        2
    );
    assert_eq!(calendar.list(), [WEEK[0], WEEK[1], "11-18T15:00:00+01:00 b", WEEK[3], WEEK[4]]);
    assert_eq!(calendar.on(18).event.id, before);
    assert!(matches!(calendar.on(18).recurs, Recurs::Occurrence { .. }));
}

#[test]
fn a_cancelled_occurrence_is_gone_and_comes_back_when_it_is_saved_again() {
    let mut calendar = week();
    let undo = calendar.edit(18);
    calendar.delete(undo.id(), Scope::This);
    assert_eq!(calendar.list(), [WEEK[0], WEEK[1], WEEK[3], WEEK[4]]);
    assert_eq!(calendar.delete(undo.id(), Scope::This), 0, "deleting twice is nothing to do");
    calendar.save(&undo, Scope::This);
    assert_eq!(calendar.list(), WEEK);
}

#[test]
fn all_events_moves_the_whole_series_and_its_exceptions_follow() {
    let mut calendar = week();
    calendar.save(&renamed(calendar.edit(17), "renamed"), Scope::This);
    let moved = at(calendar.edit(18), "2026-11-18T15:00:00+01:00", "2026-11-18T16:00:00+01:00");
    calendar.save(&moved, Scope::This);
    calendar.delete(calendar.on(19).event.id, Scope::This);
    let edited = at(calendar.edit(20), "2026-11-20T11:00:00+01:00", "2026-11-20T13:00:00+01:00");
    calendar.save(&renamed(edited, "b"), Scope::All);
    let ends: Vec<_> = calendar.shown().iter().map(|shown| shown.event.span.length()).collect();
    assert_eq!(
        calendar.list(),
        [
            "11-16T11:00:00+01:00 b",
            "11-17T11:00:00+01:00 b",
            "11-18T15:00:00+01:00 b",
            "11-20T11:00:00+01:00 b"
        ]
    );
    assert_eq!(ends, [2, 2, 1, 2].map(TimeDelta::hours));
}

#[test]
fn all_events_leaves_alone_what_was_not_edited() {
    let mut calendar = week();
    calendar.save(&renamed(calendar.edit(17), "mine"), Scope::This);
    let edited = Draft { description: Some("for all".into()), ..calendar.edit(18) };
    calendar.save(&edited, Scope::All);
    assert_eq!(calendar.list()[1], "11-17T09:00:00+01:00 mine");
    let texts: Vec<_> = calendar.shown().into_iter().map(|shown| shown.event.description).collect();
    assert!(texts.iter().all(|text| text.as_deref() == Some("for all")), "{texts:?}");
}

#[test]
fn an_event_becomes_a_series_and_takes_its_copy_at_google_along() {
    let mut calendar = Calendar::default();
    let id: EventId = SERIES.parse().unwrap();
    let single =
        draft(id, "a", span("2026-11-16T09:00:00+01:00", "2026-11-16T10:00:00+01:00"), Repeat::Unsaid);
    calendar.save(&single, Scope::This);
    let mut record = calendar.records.get(Address::Single(id)).unwrap().clone();
    let base = record.event.shared();
    record.link = Some(Link {
        id: GoogleEventId::new("google1"),
        etag: "1".into(),
        updated_at: None,
        base,
        raw: "{}".into(),
    });
    record.is_dirty = false;
    calendar.records.insert(record);
    calendar
        .save(&single.clone().repeating(Repeat::Series(rule("RRULE:FREQ=DAILY;COUNT=2")), None), Scope::This);
    let [gone, series] = [Address::Single(id), Address::Series(Tag::of(id))]
        .map(|address| calendar.records.get(address).unwrap());
    assert!(gone.is_deleted && !gone.is_dirty && gone.link.is_none());
    assert!(!series.is_deleted && series.is_dirty);
    assert_eq!(series.link.as_ref().unwrap().id.as_str(), "google1");
    assert!(gone.rev < series.rev, "its end as one thing comes before its beginning as another");
    calendar.save(&single.repeating(Repeat::Never, None), Scope::All);
    assert_eq!(calendar.list(), [WEEK[0]]);
    assert!(calendar.records.get(Address::Single(id)).unwrap().link.is_some());
}

#[test]
fn a_series_that_is_put_aside_keeps_its_times() {
    let mut calendar = week();
    let aside = at(someday(calendar.edit(18)), "2026-11-15", "2026-11-21");
    calendar.save(&aside, Scope::All);
    assert_eq!(calendar.list(), [""; 0]);
    let shown = calendar.shown_on(crate::Shelf::Someday);
    assert_eq!(shown.len(), 5);
    assert_eq!(shown[0].event.span.start().as_str(), "2026-11-16T09:00:00+01:00");
    assert_eq!(shown[0].event.google_id, None);
}

#[test]
fn an_occurrence_is_dragged_from_the_someday_list_to_the_grid() {
    let mut calendar = Calendar::default();
    let repeat = Repeat::Series(rule("RRULE:FREQ=WEEKLY;COUNT=6"));
    let series = draft(SERIES.parse().unwrap(), "a", span("2026-11-15", "2026-11-21"), repeat);
    calendar.save(&someday(series), Scope::This);
    let listed = calendar.shown_on(crate::Shelf::Someday);
    assert_eq!(listed.len(), 6);
    // The web app sends neither scope nor recurrence.
    let dragged = edit(listed[1].clone()).repeating(Repeat::Unsaid, None);
    let dragged =
        at(Draft { is_someday: false, ..dragged }, "2026-11-23T09:00:00+01:00", "2026-11-23T10:00:00+01:00");
    calendar.save(&dragged, Scope::This);
    assert_eq!(calendar.shown_on(crate::Shelf::Someday).len(), 5);
    assert_eq!(calendar.list(), ["11-23T09:00:00+01:00 a"]);
    assert_eq!(calendar.on(23).recurs, Recurs::No);
}

#[test]
fn an_occurrence_can_stand_in_the_other_view_than_its_series() {
    let mut calendar = week();
    let aside = at(someday(calendar.edit(18)), "2026-11-15", "2026-11-21");
    let steps = save(&calendar.records, &aside, Scope::This, &context()).unwrap();
    let views = steps.changes().fold(Views::default(), |views, change| views.union(change.views));
    assert_eq!(views, Views { is_grid: true, is_someday: true });
    calendar.write(steps);
    assert_eq!(calendar.list().len(), 4);
    let [shown] = calendar.shown_on(crate::Shelf::Someday).try_into().unwrap();
    assert!(matches!(shown.recurs, Recurs::Occurrence { .. }));
}

#[test]
fn a_place_in_a_list_is_no_edit() {
    let mut calendar = week();
    let id = calendar.on(18).event.id;
    let steps = reorder(&calendar.records, id, 4.0, &Context { is_connected: false, ..context() });
    calendar.write(steps);
    assert_eq!(calendar.on(18).event.order, Some(4.0));
    assert!(
        reorder(&calendar.records, "000000000000000000000001".parse().unwrap(), 1.0, &context()).is_empty()
    );
}

#[test]
fn a_rule_without_any_occurrence_is_refused() {
    let series = draft(
        SERIES.parse().unwrap(),
        "a",
        span("2026-11-16T09:00:00+01:00", "2026-11-16T10:00:00+01:00"),
        Repeat::Series(rule("RRULE:FREQ=DAILY;UNTIL=20200101T000000Z")),
    );
    let refusal = save(&Records::default(), &series, Scope::This, &context()).unwrap_err();
    assert_eq!(refusal.to_string(), "recurrence.rule: makes no occurrence");
}

#[test]
fn an_all_day_exception_says_nothing_of_the_kind_of_its_series() {
    let mut calendar = week();
    let all_day = Draft { is_all_day: true, ..at(calendar.edit(18), "2026-11-18", "2026-11-19") };
    calendar.save(&all_day, Scope::This);
    let moved = at(calendar.edit(18), "2026-11-19", "2026-11-20");
    calendar.save(&Draft { is_all_day: true, ..moved }, Scope::All);
    assert_eq!(
        calendar.list(),
        [
            "11-17T09:00:00+01:00 a",
            "11-18T09:00:00+01:00 a",
            "11-19 a",
            "11-20T09:00:00+01:00 a",
            "11-21T09:00:00+01:00 a"
        ]
    );
}

#[test]
fn google_learns_that_a_series_is_gone_which_is_put_aside_as_one_event() {
    let mut calendar = week();
    let id: EventId = SERIES.parse().unwrap();
    let aside = someday(draft(id, "a", span("2026-11-15", "2026-11-21"), Repeat::Never));
    calendar.save(&aside, Scope::All);
    assert!(calendar.records.get(Address::Single(id)).unwrap().is_dirty);
}

#[test]
fn a_large_plan_is_right_after_every_transaction() {
    let mut calendar = Calendar::default();
    let repeat = Repeat::Series(rule("RRULE:FREQ=DAILY"));
    let at_nine = span("2026-11-01T09:00:00+01:00", "2026-11-01T10:00:00+01:00");
    calendar.save(&draft(SERIES.parse().unwrap(), "a", at_nine, repeat), Scope::This);
    for day in 2..=28 {
        calendar.save(&renamed(calendar.edit(day), "mine"), Scope::This);
    }
    let edited = at(calendar.edit(10), "2026-11-10T11:00:00+01:00", "2026-11-10T12:00:00+01:00");
    let steps = save(&calendar.records, &edited, Scope::All, &context()).unwrap();
    assert_eq!((steps.prepare.len(), steps.commit.len(), steps.clean.len()), (27, 1, 27));
    let before = calendar.list();
    let mut after = calendar.clone();
    after.write(steps.clone());
    let after = after.list();
    assert_ne!(before, after);
    for (part, expected) in [(steps.prepare, &before), (steps.commit, &after), (steps.clean, &after)] {
        for change in part {
            calendar.write(Steps { commit: vec![change], ..Steps::default() });
            assert_eq!(&calendar.list(), expected);
        }
    }
}
