//! What leaves a series: a tail, an occurrence, and the ids they bear.

use super::*;

#[test]
fn this_and_following_splits_and_the_tail_keeps_its_end() {
    let mut calendar = week();
    calendar.save(&renamed(calendar.edit(20), "mine"), Scope::This);
    let id = calendar.on(18).event.id;
    let edited =
        renamed(at(calendar.edit(18), "2026-11-18T10:00:00+01:00", "2026-11-18T11:00:00+01:00"), "b");
    calendar.save(&edited, Scope::Following);
    let after =
        [WEEK[0], WEEK[1], "11-18T10:00:00+01:00 b", "11-19T10:00:00+01:00 b", "11-20T10:00:00+01:00 b"];
    assert_eq!(calendar.list(), after);
    let series = |day| match calendar.on(day).recurs {
        Recurs::Occurrence { series, .. } => series,
        _ => panic!("an occurrence"),
    };
    assert_eq!((series(17).to_string().as_str(), series(18), series(20)), (SERIES, id, id));
    assert_eq!(calendar.save(&edited, Scope::Following), 0, "sent twice, it splits once");
    assert_eq!(calendar.list(), after);
}

#[test]
fn this_and_following_at_the_first_occurrence_is_all() {
    let mut calendar = week();
    calendar.delete(calendar.on(16).event.id, Scope::This);
    calendar.save(&renamed(calendar.edit(17), "b"), Scope::Following);
    let Recurs::Occurrence { series, .. } = calendar.on(18).recurs else { panic!("an occurrence") };
    assert_eq!(series.to_string(), SERIES);
    assert_eq!(calendar.list().len(), 4);
    calendar.delete(calendar.on(17).event.id, Scope::Following);
    assert_eq!(calendar.list(), [""; 0]);
}

#[test]
fn deleting_this_and_following_leaves_the_one_before() {
    let mut calendar = week();
    calendar.save(&renamed(calendar.edit(20), "mine"), Scope::This);
    calendar.delete(calendar.on(18).event.id, Scope::Following);
    assert_eq!(calendar.list(), [WEEK[0], WEEK[1]]);
    calendar.delete(calendar.on(16).event.id, Scope::All);
    assert_eq!(calendar.list(), [""; 0]);
}

#[test]
fn a_rule_that_is_taken_away_leaves_one_event() {
    let never = |draft: Draft| draft.repeating(Repeat::Never, None);
    let mut calendar = week();
    calendar.save(&never(calendar.edit(18)), Scope::All);
    assert_eq!(calendar.list(), [WEEK[2]]);
    assert_eq!(calendar.on(18).event.id.to_string(), SERIES);
    assert_eq!(calendar.on(18).recurs, Recurs::No);

    let mut calendar = week();
    calendar.save(&never(calendar.edit(18)), Scope::Following);
    assert_eq!(calendar.list(), [WEEK[0], WEEK[1], WEEK[2]]);
    assert_eq!(calendar.on(18).recurs, Recurs::No);

    let mut calendar = week();
    calendar.save(&never(calendar.edit(18)), Scope::This);
    assert_eq!(calendar.list(), WEEK);
    assert_eq!(calendar.on(18).recurs, Recurs::No);
    calendar.delete(calendar.on(18).event.id, Scope::This);
    assert_eq!(calendar.list(), [WEEK[0], WEEK[1], WEEK[3], WEEK[4]]);
}

/// Google does not know the series, so it would not know of an exception to it.
#[test]
fn what_a_someday_series_loses_to_the_grid_is_an_event_that_google_learns_of() {
    let mut calendar = Calendar::default();
    let repeat = Repeat::Series(rule("RRULE:FREQ=WEEKLY;COUNT=6"));
    let series = draft(SERIES.parse().unwrap(), "a", span("2026-11-15", "2026-11-21"), repeat);
    calendar.save(&someday(series), Scope::This);
    let listed = calendar.shown_on(crate::Shelf::Someday);
    // A client that leaves the recurrence as it was shown.
    let dragged = at(edit(listed[1].clone()), "2026-11-23T09:00:00+01:00", "2026-11-23T10:00:00+01:00");
    let dragged = Draft { is_someday: false, ..dragged };
    for _ in 0..2 {
        calendar.save(&dragged, Scope::This);
        let shown = calendar.on(23);
        assert_eq!((shown.event.id, shown.recurs), (listed[1].event.id, Recurs::No));
        let told: Vec<_> = calendar.records.iter().filter(|record| record.is_dirty).collect();
        let [Record { role: crate::Role::Single, event, .. }] = told[..] else { panic!("{told:?}") };
        assert_eq!(event.google_id, Some(GoogleEventId::from(listed[1].event.id)));
        assert_eq!(calendar.shown_on(crate::Shelf::Someday).len(), 5);
    }
}

/// The tail begins at a time that the clocks skip. What continues the old rule from there must not stay beside another one.
#[test]
fn another_rule_from_a_skipped_time_on_makes_only_what_it_says() {
    let mut calendar = Calendar::default();
    let zone = Some("America/New_York".parse().unwrap());
    let days = span("2026-03-01T02:30:00-05:00", "2026-03-01T03:00:00-05:00");
    let series: EventId = SERIES.parse().unwrap();
    let repeat = Repeat::Series(rule("RRULE:FREQ=DAILY"));
    calendar.save(&draft(series, "a", days, Repeat::Unsaid).repeating(repeat, zone), Scope::This);
    let skipped = Slot::at("2026-03-08T07:30:00Z".parse().unwrap()).unwrap();
    let id = EventId::of_occurrence(Tag::of(series), skipped);
    let shown = calendar.records.stored(id).shown().unwrap();
    assert_eq!(shown.event.span.start().as_str(), "2026-03-08T03:30:00-04:00");
    let weekly = Repeat::Occurrence { series: Some(series), rule: Some(rule("RRULE:FREQ=WEEKLY;BYDAY=MO")) };
    calendar.save(&renamed(edit(shown).repeating(weekly, None), "b"), Scope::Following);
    let lines: Vec<_> =
        calendar.records.iter().filter_map(Record::series).map(|series| series.recurrence.lines()).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines.contains(&&["RRULE:FREQ=WEEKLY;BYDAY=MO".to_owned()][..]), "{lines:?}");
}

/// A second rule that cannot be continued is listed by its dates; another rule takes the place of both.
#[test]
fn another_rule_takes_the_place_of_all_rules_of_a_tail() {
    let mut calendar = Calendar::default();
    let rules = ["RRULE:FREQ=DAILY;INTERVAL=3".to_owned(), "RRULE:FREQ=WEEKLY".to_owned()];
    let both = Repeat::Series(Recurrence::parse(&rules).unwrap());
    let start = span("2026-11-16T09:00:00+01:00", "2026-11-16T10:00:00+01:00");
    let series: EventId = SERIES.parse().unwrap();
    calendar.save(&draft(series, "a", start, both), Scope::This);
    let shown = calendar.on(19);
    let monthly = Repeat::Occurrence { series: Some(series), rule: Some(rule("RRULE:FREQ=MONTHLY")) };
    calendar.save(&renamed(edit(shown).repeating(monthly, None), "b"), Scope::Following);
    assert_eq!(
        calendar.list(),
        ["11-16T09:00:00+01:00 a", "11-19T09:00:00+01:00 b", "12-19T09:00:00+01:00 b"]
    );
}

#[test]
fn deleting_twice_what_had_left_a_series_leaves_the_series() {
    let mut calendar = week();
    let split = renamed(calendar.edit(18), "b");
    calendar.save(&split, Scope::Following);
    calendar.delete(split.id(), Scope::All);
    assert_eq!(calendar.list(), [WEEK[0], WEEK[1]]);
    assert_eq!(calendar.delete(split.id(), Scope::All), 0);
    assert_eq!(calendar.list(), [WEEK[0], WEEK[1]]);
}

#[test]
fn a_rule_that_is_taken_away_twice_leaves_one_event() {
    for scope in [Scope::Following, Scope::All] {
        let mut calendar = week();
        let never = calendar.edit(16).repeating(Repeat::Never, None);
        calendar.save(&never, scope);
        assert_eq!(calendar.save(&never, scope), 0, "{scope:?}");
        assert_eq!(calendar.list(), [WEEK[0]]);
    }
}

#[test]
fn an_occurrence_where_a_series_was_split_and_prolonged_has_an_id_of_its_own() {
    for repeat in [Repeat::Unsaid, Repeat::Never] {
        let mut calendar = week();
        let split = renamed(calendar.edit(18), "b").repeating(repeat.clone(), None);
        calendar.save(&split, Scope::Following);
        let prolonged = Repeat::Occurrence { series: None, rule: Some(rule("RRULE:FREQ=DAILY;COUNT=3")) };
        calendar.save(&calendar.edit(16).repeating(prolonged, None), Scope::All);
        let on_18th = |calendar: &Calendar| {
            let shown = calendar
                .shown()
                .into_iter()
                .filter(|shown| shown.event.span.start().as_str()[8..10] == *"18");
            shown.map(|shown| (shown.event.title.unwrap(), shown.event.id)).collect::<BTreeMap<_, _>>()
        };
        let both = on_18th(&calendar);
        assert_eq!(both.keys().collect::<Vec<_>>(), ["a", "b"], "{repeat:?}");
        assert_ne!(both["a"], both["b"]);
        calendar.delete(both["a"], Scope::This);
        assert_eq!(on_18th(&calendar).keys().collect::<Vec<_>>(), ["b"], "{repeat:?}");
        calendar.delete(split.id(), Scope::This);
        assert_eq!(on_18th(&calendar).len(), 0, "{repeat:?}");
    }
}

#[test]
fn what_is_made_where_a_series_had_an_occurrence_keeps_its_id_when_the_series_has_one_again() {
    let mut calendar = week();
    let last = calendar.edit(20);
    calendar.delete(last.id(), Scope::Following);
    calendar.save(&renamed(last, "b"), Scope::This);
    let prolonged = Repeat::Occurrence { series: None, rule: Some(rule("RRULE:FREQ=DAILY;COUNT=5")) };
    calendar.save(&calendar.edit(16).repeating(prolonged, None), Scope::All);
    let ids: BTreeSet<_> = calendar.shown().iter().map(|shown| shown.event.id).collect();
    assert_eq!((calendar.list().len(), ids.len()), (6, 6));
}

#[test]
fn another_rule_from_the_first_occurrence_on_makes_none_before_it() {
    let mut calendar = week();
    calendar.delete(calendar.on(16).event.id, Scope::This);
    calendar.delete(calendar.on(17).event.id, Scope::This);
    let weekly = Repeat::Occurrence { series: None, rule: Some(rule("RRULE:FREQ=DAILY;INTERVAL=2;COUNT=2")) };
    calendar.save(&calendar.edit(18).repeating(weekly, None), Scope::Following);
    assert_eq!(calendar.list(), [WEEK[2], WEEK[4]]);
}
