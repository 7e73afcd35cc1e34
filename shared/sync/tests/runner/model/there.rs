//! What the user does in Google's own app.

use domain::{Scope, Slot};
use fake_google::Scope as GoogleScope;
use serde_json::{Value, json};

use super::ledger::{Cover, Side, Write};
use super::shape::{self, Time};
use super::step::{Act, Change, Kind};
use crate::world::{EMAIL, World};

const CALENDAR: &str = "primary";

/// What the user sees there.
pub fn seen(world: &World) -> Vec<Value> {
    let (from, to) = shape::window();
    world.google.occurrences(EMAIL, CALENDAR, from, to).unwrap()
}

/// Does it, if Google lets it be done. Returns what was done.
pub fn act(world: &World, number: u16, act: &Act, elsewhere: &str) -> Option<Write> {
    let google = &world.google;
    if let Change::Create(kind) = act.change {
        google.create_event(EMAIL, CALENDAR, created(number, kind)).unwrap();
        let root = shape::root(number);
        return Some(Write::new(Side::There, number, root, Cover::All, act.change));
    }
    if matches!(act.change, Change::Return) {
        return restore(world, number, act);
    }
    let seen = seen(world);
    let event = seen.get(usize::from(act.which).checked_rem(seen.len())?)?;
    let root = shape::root_in(event["description"].as_str())?.to_owned();
    let is_instance = event.get("recurringEventId").is_some();
    let scope = if is_instance { act.scope } else { Scope::This };
    let is_earlier =
        |other: &&Value| other["recurringEventId"] == event["recurringEventId"] && slot(other) < slot(event);
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
    let done = match act.change {
        Change::Delete => google.delete_series(EMAIL, CALENDAR, &target, there),
        Change::Move if is_instance => return None,
        Change::Move => google.move_event(EMAIL, CALENDAR, elsewhere, &target).map(drop),
        change => {
            let patch = patch(event, number, change, &root, scope)?;
            google.edit_series(EMAIL, CALENDAR, &target, there, patch).map(drop)
        }
    };
    done.ok()?;
    Some(Write::new(Side::There, number, root, cover, act.change))
}

/// Something is taken out of the bin.
fn restore(world: &World, number: u16, act: &Act) -> Option<Write> {
    let events = world.google.events(EMAIL, CALENDAR).unwrap();
    let binned: Vec<&Value> = events.iter().filter(|event| event["status"] == "cancelled").collect();
    let event = binned.get(usize::from(act.which).checked_rem(binned.len())?)?;
    let target = id(event);
    let restored = world.google.restore_event(EMAIL, CALENDAR, &target).ok()?;
    let root = shape::root_in(restored["description"].as_str())?.to_owned();
    let is_instance = restored.get("recurringEventId").is_some();
    let cover = if is_instance { Cover::One(slot(&restored)) } else { Cover::All };
    Some(Write::new(Side::There, number, root, cover, act.change))
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
        Change::Never | Change::Create(_) | Change::Delete | Change::Return | Change::Move => return None,
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
