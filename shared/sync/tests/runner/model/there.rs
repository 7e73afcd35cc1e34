//! What the user does in Google's own app.

use domain::{Scope, Slot};
use fake_google::Scope as GoogleScope;
use serde_json::{Value, json};

use super::ledger::{Cover, Saw, Side, Write};
use super::person::{Person, Place};
use super::shape::{self, Time};
use super::step::{Act, Change, Kind};

/// What the user sees there, in all calendars that are synced.
pub fn seen(person: &Person) -> Vec<(&Place, Value)> {
    let (from, to) = shape::window();
    let of = |place: &Place| person.world.google.occurrences(place.owner, &place.calendar, from, to).unwrap();
    person.places.iter().flat_map(|place| of(place).into_iter().map(move |event| (place, event))).collect()
}

/// Does it, if Google lets it be done. Returns what was done.
pub fn act(person: &Person, number: u16, act: &Act) -> Option<Write> {
    let google = &person.world.google;
    if let Change::Create(kind) = act.change {
        let place = &person.places[usize::from(act.which) % person.places.len()];
        google.create_event(place.owner, &place.calendar, created(number, kind)).unwrap();
        let root = shape::root(number);
        return Some(Write::new(Side::There, number, root, Cover::All, act.change));
    }
    if matches!(act.change, Change::Return) {
        return restore(person, number, act);
    }
    let seen = seen(person);
    let (place, event) = seen.get(usize::from(act.which).checked_rem(seen.len())?)?;
    let (email, calendar) = (place.owner, &place.calendar);
    let root = shape::root_in(event["description"].as_str())?.to_owned();
    let is_instance = event.get("recurringEventId").is_some();
    let scope = if is_instance { act.scope } else { Scope::This };
    let is_earlier = |(at, other): &&(&Place, Value)| {
        at.calendar == *calendar
            && other["recurringEventId"] == event["recurringEventId"]
            && slot(other) < slot(event)
    };
    let cover = match (is_instance, scope) {
        (false, _) | (true, Scope::All) => Cover::All,
        (true, Scope::Following) if !seen.iter().any(|other| is_earlier(&other)) => Cover::All,
        (true, Scope::Following) => Cover::Following,
        (true, Scope::This) => Cover::One(slot(event)),
    };
    let there = match scope {
        Scope::This => GoogleScope::This,
        Scope::Following => GoogleScope::Following,
        Scope::All => GoogleScope::All,
    };
    let target = id(event);
    let saw = texts(&person.events());
    let (mut change, mut is_cut) = (act.change, false);
    let done = match act.change {
        Change::Delete => google.delete_series(email, calendar, &target, there),
        Change::Move(_) if is_instance || !place.is_writable => return None,
        Change::Move(choice) => {
            let own = person.places.iter().filter(|other| other.is_writable && other.calendar != *calendar);
            let synced: Vec<&String> = own.map(|place| &place.calendar).collect();
            let to = synced.get(usize::from(choice)).copied().unwrap_or(&person.elsewhere);
            if *to != person.elsewhere {
                // It is still there for everybody to see.
                change = Change::Other(choice);
            }
            google.move_event(email, calendar, to, &target).map(drop)
        }
        change => {
            let patch = patch(event, number, change, &root, scope)?;
            let edited = google.edit_series(email, calendar, &target, there, patch);
            is_cut = scope == Scope::Following
                && edited.as_ref().is_ok_and(|now| now["id"] != event["recurringEventId"]);
            edited.map(drop)
        }
    };
    done.ok()?;
    Some(Write { is_cut, saw, ..Write::new(Side::There, number, root, cover, change) })
}

/// Something is taken out of the bin.
fn restore(person: &Person, number: u16, act: &Act) -> Option<Write> {
    let events = person.events();
    let binned: Vec<_> = events.iter().filter(|(_, event)| event["status"] == "cancelled").collect();
    let (place, event) = binned.get(usize::from(act.which).checked_rem(binned.len())?)?;
    let restored = person.world.google.restore_event(place.owner, &place.calendar, &id(event)).ok()?;
    let root = shape::root_in(restored["description"].as_str())?.to_owned();
    let is_instance = restored.get("recurringEventId").is_some();
    let cover = if is_instance { Cover::One(slot(&restored)) } else { Cover::All };
    let saw = texts(&events);
    Some(Write { saw, ..Write::new(Side::There, number, root, cover, act.change) })
}

/// What is written in events that are there for everybody to see.
fn texts(events: &[(&Place, Value)]) -> Saw {
    let live = events.iter().filter(|(_, event)| event["status"] != "cancelled");
    let texts = live.flat_map(|(_, event)| [event["summary"].as_str(), event["description"].as_str()]);
    texts.flatten().map(str::to_owned).collect()
}

fn created(number: u16, kind: Kind) -> Value {
    let is_all_day = matches!(kind, Kind::AllDay | Kind::AllDaySeries(_));
    let mut event = Time::first(number, is_all_day).patch();
    // No event is in somebody's calendar without such members.
    event["location"] = format!("room {number}").into();
    event["summary"] = shape::title(number).into();
    event["description"] = shape::root(number).into();
    event["xFuture"] = json!({"written": number});
    if let Kind::Series(rule) | Kind::AllDaySeries(rule) = kind {
        event["recurrence"] = json!([shape::rule(rule)]);
    }
    event
}

fn patch(event: &Value, number: u16, change: Change, root: &str, scope: Scope) -> Option<Value> {
    let time = Time::of_google(event);
    let is_series = event.get("recurringEventId").is_some();
    Some(match change {
        Change::Title => json!({"summary": shape::title(number)}),
        Change::Description => json!({"description": shape::description(root, number)}),
        Change::Shift(days, hours) => time.shifted(days, hours).patch(),
        Change::Length(length) => time.lasting(length).patch(),
        Change::TurnAllDay => time.turned().patch(),
        Change::Rule(_) if is_series && scope == Scope::This => return None,
        Change::Rule(rule) => json!({"recurrence": [shape::rule(rule)]}),
        Change::Other(_) => json!({"xFuture": {"written": number}}),
        Change::Never | Change::Create(_) | Change::Delete | Change::Return | Change::Move(_) => {
            return None;
        }
    })
}

/// Where its rule put an instance.
fn slot(instance: &Value) -> Option<Slot> {
    let original = &instance["originalStartTime"];
    let text = original["date"].as_str().or(original["dateTime"].as_str())?;
    Slot::of(&text.parse().ok()?)
}

fn id(event: &Value) -> String {
    event["id"].as_str().unwrap().to_owned()
}
