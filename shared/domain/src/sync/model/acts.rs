//! What happens to the two sides.

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Line, google};
use crate::plan::model::as_shown;
use crate::{
    Draft, EventId, EventTime, Origin, Priority, Recurrence, Recurs, Repeat, Rule, Scope, Shared, Shown, Span,
};

/// An edit of what somebody sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    Rename,
    Describe,
    /// By so many hours.
    Move(i64),
    /// To the other shelf; only here.
    Shelve,
    /// Recur so often, or not at all.
    Recur(Option<u8>),
    Delete,
    /// What is deleted lives again; only at Google.
    Restore,
}

/// One thing that happens. `place` tells its texts and ids from those of others.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Here {
        which: u8,
        scope: Scope,
        what: Edit,
        place: u8,
    },
    /// A new event; a series, if it has occurrences to count.
    NewHere {
        count: u8,
        is_someday: bool,
        place: u8,
    },
    There {
        which: u8,
        what: Edit,
        place: u8,
    },
    NewThere {
        count: u8,
        place: u8,
    },
    Pull {
        order: Vec<u8>,
    },
    Push {
        line: Line,
    },
    Repair,
    /// Everything is read and sent until nothing is left.
    Agree,
}

pub(super) fn pick<T>(from: &[T], which: u8) -> Option<&T> {
    from.get(usize::from(which) % from.len().max(1))
}

fn daily(count: u8) -> Recurrence {
    every(1, count)
}

fn every(days: u8, count: u8) -> Recurrence {
    Recurrence::parse(&[format!("RRULE:FREQ=DAILY;INTERVAL={days};COUNT={count}")]).unwrap()
}

/// The rule that somebody makes. One of three occurrences can be told from others.
fn recurring(count: u8, place: u8) -> Recurrence {
    if count == 3 { every(place + 1, count) } else { daily(count) }
}

/// What tells a rule from others, if anything does.
pub(super) fn interval(rule: &Rule) -> Option<String> {
    let parts = rule.recurrence.lines().iter().flat_map(|line| line.split([':', ';']));
    let days = parts.filter_map(|part| part.strip_prefix("INTERVAL=")).find(|days| *days != "1");
    days.map(|days| format!("every {days} days"))
}

/// What is shown, as both sides have it.
pub(super) fn shared(shown: &Shown) -> Shared {
    let rule = match &shown.recurs {
        Recurs::Base(lines) => {
            Some(Rule { zone: "UTC".parse().unwrap(), recurrence: Recurrence::parse(lines).unwrap() })
        }
        Recurs::No | Recurs::Occurrence { .. } => None,
    };
    Shared { rule, ..shown.event.shared() }
}

/// An hour's event some hours later, and so many minutes past the hour.
fn moved(span: &Span, hours: i64, minute: u8) -> Span {
    let start = span.start().instant() + TimeDelta::hours(hours);
    let start = start.with_minute(minute.into()).unwrap();
    let time = |at: DateTime<Utc>| EventTime::from(at.fixed_offset());
    Span::new(time(start), time(start + TimeDelta::hours(1))).unwrap()
}

/// What the web app sends of an edit; nothing for a deletion.
pub(super) fn draft(shown: &Shown, what: Edit, place: u8) -> Option<Draft> {
    let mut draft = as_shown(shown);
    // Google trims, if it rewrites texts.
    let text = format!("here {place} ");
    match what {
        Edit::Rename => draft.title = Some(text),
        Edit::Describe | Edit::Restore => draft.description = Some(text),
        // What a someday event says of times is none of the grid's.
        Edit::Move(hours) if draft.is_someday => draft.span = moved(&draft.span, hours, 0),
        Edit::Move(hours) => draft.span = moved(&draft.span, hours, place),
        Edit::Shelve => draft.is_someday = !draft.is_someday,
        Edit::Recur(Some(count)) => draft.repeat = Repeat::Series(recurring(count, place)),
        Edit::Recur(None) => draft.repeat = Repeat::Never,
        Edit::Delete => return None,
    }
    Some(draft)
}

/// What somebody at Google makes of an event; nothing for a deletion.
pub(super) fn edited(shared: &Shared, what: Edit, place: u8) -> Option<Shared> {
    let mut shared = shared.clone();
    let text = format!("there {place}");
    match what {
        Edit::Rename => shared.title = Some(text),
        Edit::Describe | Edit::Shelve => shared.description = Some(text),
        Edit::Move(hours) => {
            let span = moved(&shared.span, hours, place);
            shared.rule = shared.rule.map(|rule| google::moved_along(rule, &shared.span, &span));
            shared.span = span;
        }
        Edit::Recur(count) => {
            let rule = |count| Rule { zone: "UTC".parse().unwrap(), recurrence: recurring(count, place) };
            shared.rule = count.map(rule);
        }
        Edit::Restore => {}
        Edit::Delete => return None,
    }
    Some(shared)
}

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![Just(Scope::This), Just(Scope::All), Just(Scope::Following)]
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => Just(Edit::Rename),
        3 => Just(Edit::Describe),
        2 => prop_oneof![Just(1), Just(24), Just(-3)].prop_map(Edit::Move),
        1 => Just(Edit::Shelve),
        2 => prop_oneof![Just(None), Just(Some(2)), Just(Some(3)), Just(Some(4))].prop_map(Edit::Recur),
        2 => Just(Edit::Delete),
        1 => Just(Edit::Restore),
    ]
}

fn here() -> impl Strategy<Value = Act> {
    (any::<u8>(), scope(), edit()).prop_map(|(which, scope, what)| Act::Here { which, scope, what, place: 0 })
}

fn there() -> impl Strategy<Value = Act> {
    (any::<u8>(), edit()).prop_map(|(which, what)| Act::There { which, what, place: 0 })
}

fn made_here() -> impl Strategy<Value = Act> {
    (0u8..3, any::<bool>()).prop_map(|(count, is_someday)| Act::NewHere { count, is_someday, place: 0 })
}

fn made_there() -> impl Strategy<Value = Act> {
    (0u8..3).prop_map(|count| Act::NewThere { count, place: 0 })
}

fn push() -> impl Strategy<Value = Act> {
    prop_oneof![Just(Line::Sound), Just(Line::BreaksAfter)].prop_map(|line| Act::Push { line })
}

/// In which order entries are taken.
pub(super) fn batch() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..6)
}

/// Tells the texts of acts apart by their place.
fn numbered(mut acts: Vec<Act>) -> Vec<Act> {
    for (number, act) in (1..).zip(&mut acts) {
        if let Act::Here { place, .. }
        | Act::NewHere { place, .. }
        | Act::There { place, .. }
        | Act::NewThere { place, .. } = act
        {
            *place = number;
        }
    }
    acts
}

/// Anything.
pub(super) fn history(length: usize) -> impl Strategy<Value = Vec<Act>> {
    let acts = prop_oneof![
        6 => here(),
        5 => there(),
        2 => made_here(),
        1 => made_there(),
        2 => vec(any::<u8>(), 0..4).prop_map(|order| Act::Pull { order }),
        2 => push(),
        1 => Just(Act::Repair),
    ];
    vec(acts, 2..length).prop_map(numbered)
}

/// What both sides agree on, and what each makes of it without the other. The first answer to come may be lost.
pub(super) fn triple() -> impl Strategy<Value = Vec<Act>> {
    let made = vec(prop_oneof![made_here(), made_there()], 1..3);
    let base = vec(prop_oneof![here(), there()], 0..3);
    let apart = vec(prop_oneof![here(), there()], 2..6);
    (made, base, apart, proptest::option::of(push())).prop_map(|(made, base, apart, push)| {
        let agreed = |acts: Vec<Act>| acts.into_iter().chain([Act::Agree]);
        let acts = agreed(made).chain(agreed(base)).chain(apart).chain(push);
        numbered(acts.collect())
    })
}

/// What one side does while the other only looks on. No answer is lost: what of that came through is not known to who edits it again.
pub(super) fn of_one_side() -> impl Strategy<Value = Vec<Act>> {
    let ours = vec(prop_oneof![6 => here(), 2 => made_here(), 2 => Just(Act::Agree)], 2..10);
    let theirs = vec(prop_oneof![6 => there(), 2 => made_there(), 2 => Just(Act::Agree)], 2..10);
    prop_oneof![ours, theirs].prop_map(numbered)
}

pub(super) fn new_here(count: u8, is_someday: bool, place: u8) -> Draft {
    let time = |text: &str| text.parse().unwrap();
    let span = Span::new(time("2026-11-20T09:00:00Z"), time("2026-11-20T10:00:00Z")).unwrap();
    let (id, priority, origin) = (EventId::new([place; 12]), Priority::Unassigned, Origin::Compass);
    let title = Some(format!("new here {place}"));
    let draft = Draft::new(id, title, None, span, false, is_someday, priority, origin, None).unwrap();
    let repeat = if count == 0 { Repeat::Unsaid } else { Repeat::Series(daily(count + 2)) };
    draft.repeating(repeat, None)
}

pub(super) fn new_there(count: u8, place: u8) -> Shared {
    let rule = (count > 0).then(|| Rule { zone: "UTC".parse().unwrap(), recurrence: daily(count + 2) });
    google::shared(&format!("new there {place}"), 21, 12, rule)
}
