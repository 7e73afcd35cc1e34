//! Histories that once came out differently in both calendars, as short as they were found.

use super::super::acts::as_shown;
use super::*;
use crate::{Origin, Priority, Span};

const SERIES: EventId = EventId::new([1; 12]);

fn span(start: &str, end: &str) -> Span {
    Span::new(start.parse().unwrap(), end.parse().unwrap()).unwrap()
}

/// A calendar in which a series has just been made.
fn with_series(zone: &str, span: Span, rule: &str) -> World {
    let mut world = World::new(false);
    let is_all_day = span.is_all_day();
    let (priority, origin) = (Priority::Unassigned, Origin::Compass);
    let repeat = Repeat::Series(Recurrence::parse(&[rule.to_owned()]).unwrap());
    let draft =
        Draft::new(SERIES, Some("a".into()), None, span, is_all_day, false, priority, origin, None).unwrap();
    let draft = draft.repeating(repeat, Some(zone.parse().unwrap()));
    world.carry_out(&Request::Save(Box::new(draft), Scope::This)).unwrap();
    world
}

/// Where an evening in New York is in the window, the same instant is in it no more as a morning in India: a window is asked for by the wall clock, too.
#[test]
fn a_series_that_is_moved_at_its_start_is_written_as_it_was_sent() {
    let evening = span("2026-04-15T21:00:00-04:00", "2026-04-15T22:00:00-04:00");
    let mut world = with_series("America/New_York", evening, "RRULE:FREQ=DAILY;BYDAY=WE,SU");
    let morning = span("2026-04-15T06:30:00+05:30", "2026-04-15T07:30:00+05:30");
    let shown = world.records.stored(SERIES).shown().unwrap();
    let draft = Draft { span: morning.clone(), ..as_shown(&shown) };
    world.carry_out(&Request::Save(Box::new(draft), Scope::All)).unwrap();
    assert_eq!(world.records.stored(SERIES).shown().unwrap().event.span, morning);
}
