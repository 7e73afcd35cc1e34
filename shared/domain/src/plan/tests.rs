//! The table of meanings, row by row, and what each of them does.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::meaning::{deleting, saving};
use super::*;
use crate::{Address, Link, Origin, Priority, Recurrence, Recurs, Seen, Span, Tag, Views, Window};

const SERIES: &str = "66aa01bb02cc03dd04ee05ff";
const SINGLE: &str = "66aa01bb02cc03dd04ee0600";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_763_600_000_000).unwrap()
}

pub(super) fn context() -> Context {
    Context { is_connected: true, zone: Some("Europe/Berlin".parse().unwrap()), now: now() }
}

pub(super) fn span(start: &str, end: &str) -> Span {
    Span::new(start.parse().unwrap(), end.parse().unwrap()).unwrap()
}

pub(super) fn rule(text: &str) -> Recurrence {
    Recurrence::parse(&[text.to_owned()]).unwrap()
}

pub(super) fn draft(id: EventId, title: &str, span: Span, repeat: Repeat) -> Draft {
    let is_all_day = span.is_all_day();
    let (priority, origin) = (Priority::Work, Origin::Compass);
    Draft::new(id, Some(title.into()), None, span, is_all_day, false, priority, origin, None)
        .unwrap()
        .repeating(repeat, None)
}

fn someday(draft: Draft) -> Draft {
    Draft { is_someday: true, ..draft }
}

/// A calendar in memory: what the store does with plans.
#[derive(Clone, Default)]
pub(super) struct Calendar {
    pub(super) records: Records,
    rev: u64,
}

impl Calendar {
    pub(super) fn write(&mut self, steps: Steps) -> usize {
        let count = steps.len();
        for change in steps.into_changes() {
            self.rev += 1;
            let (rev, seen) = (self.rev, change.record.seen.at(self.rev, change.views));
            assert_eq!(
                self.records.get(change.record.address()).map_or(0, |stored| stored.rev),
                change.record.rev,
                "planned on what is stored"
            );
            self.records.insert(Record { rev, seen, ..change.record });
        }
        count
    }

    pub(super) fn save(&mut self, draft: &Draft, scope: Scope) -> usize {
        let steps = save(&self.records, draft, scope, &context()).unwrap();
        self.write(steps)
    }

    pub(super) fn delete(&mut self, id: EventId, scope: Scope) -> usize {
        let steps = delete(&self.records, id, scope, &context()).unwrap();
        self.write(steps)
    }

    fn shown(&self) -> Vec<crate::Shown> {
        self.shown_on(crate::Shelf::Grid)
    }

    pub(super) fn shown_on(&self, shelf: crate::Shelf) -> Vec<crate::Shown> {
        let live = self.records.iter().filter(|record| !record.is_deleted);
        let window = Window::from_query("2026-11-01T00:00:00Z", "2026-12-31T23:59:59Z").unwrap();
        let mut shown =
            crate::show(live.map(|record| (record.event.clone(), record.role.clone())), shelf, Some(&window));
        shown.sort_by_key(|shown| (shown.event.span.start().instant(), shown.event.id));
        shown
    }

    /// Start (without its year) and title of each.
    fn list(&self) -> Vec<String> {
        let line = |shown: crate::Shown| {
            format!("{} {}", &shown.event.span.start().as_str()[5..], shown.event.title.unwrap_or_default())
        };
        self.shown().into_iter().map(line).collect()
    }

    /// The occurrence that starts on a day of November.
    fn on(&self, day: u32) -> crate::Shown {
        let prefix = format!("2026-11-{day:02}");
        self.shown().into_iter().find(|shown| shown.event.span.start().as_str().starts_with(&prefix)).unwrap()
    }

    /// A draft as the web app makes it from what it was shown.
    fn edit(&self, day: u32) -> Draft {
        edit(self.on(day))
    }
}

fn edit(shown: crate::Shown) -> Draft {
    let crate::Shown { event, recurs } = shown;
    let repeat = match recurs {
        Recurs::No => Repeat::Unsaid,
        Recurs::Base(lines) => Repeat::Series(Recurrence::parse(&lines).unwrap()),
        Recurs::Occurrence { series, rule, .. } => {
            Repeat::Occurrence { series: Some(series), rule: Some(Recurrence::parse(&rule).unwrap()) }
        }
    };
    let title = event.title.unwrap_or_default();
    let draft = draft(event.id, &title, event.span, repeat);
    Draft { is_someday: event.is_someday, order: event.order, ..draft }
}

/// Monday, Tuesday and so on at nine in Berlin, from Monday the 16th of November: five times.
fn week() -> Calendar {
    let mut calendar = Calendar::default();
    let repeat = Repeat::Series(rule("RRULE:FREQ=DAILY;COUNT=5"));
    let span = span("2026-11-16T09:00:00+01:00", "2026-11-16T10:00:00+01:00");
    assert_eq!(calendar.save(&draft(SERIES.parse().unwrap(), "a", span, repeat), Scope::This), 1);
    calendar
}

const WEEK: [&str; 5] = [
    "11-16T09:00:00+01:00 a",
    "11-17T09:00:00+01:00 a",
    "11-18T09:00:00+01:00 a",
    "11-19T09:00:00+01:00 a",
    "11-20T09:00:00+01:00 a",
];

fn renamed(draft: Draft, title: &str) -> Draft {
    Draft { title: Some(title.into()), ..draft }
}

fn at(draft: Draft, start: &str, end: &str) -> Draft {
    Draft { span: span(start, end), ..draft }
}

#[test]
fn every_combination_has_a_written_outcome() {
    let mut calendar = week();
    let single = draft(
        SINGLE.parse().unwrap(),
        "single",
        span("2026-11-17T12:00:00+01:00", "2026-11-17T13:00:00+01:00"),
        Repeat::Unsaid,
    );
    calendar.save(&single, Scope::This);
    let (first, third) = (calendar.on(16).event.id, calendar.on(18).event.id);
    calendar.delete(calendar.on(20).event.id, Scope::This);
    let former = EventId::of_occurrence(
        Tag::of(SERIES.parse().unwrap()),
        Slot::at("2026-11-18T07:00:00Z".parse().unwrap()).unwrap(),
    );
    let unknown: EventId = "000000000000000000000001".parse().unwrap();
    let repeats = [
        ("rule", Repeat::Series(rule("RRULE:FREQ=DAILY"))),
        ("nothing", Repeat::Unsaid),
        ("never", Repeat::Never),
        ("occurrence", Repeat::Occurrence { series: None, rule: None }),
    ];
    let mut table = String::new();
    for (name, id) in [
        ("nothing", unknown),
        ("event", SINGLE.parse().unwrap()),
        ("series", SERIES.parse().unwrap()),
        ("first occurrence", first),
        ("occurrence", third),
        ("former slot", former),
    ] {
        let stored = calendar.records.stored(id);
        let scopes = [Scope::This, Scope::Following, Scope::All];
        for (says, repeat) in &repeats {
            let says_so = single.clone().repeating(repeat.clone(), None);
            let cells = scopes.map(|scope| cell(&format!("{:?}", saving(&stored, &says_so, scope))));
            table.push_str(&format!("{name} | {says} | {}\n", cells.join(" | ")));
        }
        let cells = scopes.map(|scope| cell(&format!("{:?}", deleting(&stored, scope))));
        table.push_str(&format!("{name} | delete | {}\n", cells.join(" | ")));
    }
    insta::assert_snapshot!(table);
}

/// The name of a meaning and, when it has one, its slot.
fn cell(debug: &str) -> String {
    let name = debug.split('(').next().unwrap_or_default();
    let slot = debug.rsplit_once(", ").map(|(_, slot)| slot.trim_end_matches(')')).unwrap_or_default();
    if slot.starts_with("2026") || slot.starts_with("Some(2026") {
        let slot = slot.trim_start_matches("Some(");
        return format!("{name} {}", &slot[5..10]);
    }
    name.to_owned()
}

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

// ---- Single events ----

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
