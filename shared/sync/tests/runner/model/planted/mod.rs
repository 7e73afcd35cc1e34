//! That each invariant can fail: a bug is planted in the world around the runner, and a few histories must find it, under the invariant's own name.
//!
//! A bug lies on the way to Google ([`super::wire`]), or in what a worker, the store or a queue is seen to have done ([`super::flaw::Tampering`]). The code under
//! test has none.

mod agreement;
mod bounds;

use axum::body::Bytes;
use chrono::TimeDelta;
use domain::{Job, Scope};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use store::Due;

use super::census::Census;
use super::flaw::{Flaw, Tampering};
use super::history;
use super::person::Person;
use super::step::{self, Act, Cast, Change, History, Kind, Luck, PushLuck, Step, Trouble, What};
use super::wire::{Fate, Sent, Wire};
use super::{here, shape};
use crate::world::{OTHER_EMAIL, World};

/// As many histories as a bug may hide in at most.
const HISTORIES: u64 = 40;
/// Of a history that was cut down.
const HANDFUL: usize = 6;

/// The first of a few histories, from a seed on, that finds `flaw` under this name.
fn found(flaw: Flaw, name: &str, from: u64) -> History {
    found_among((from..from + HISTORIES).map(step::history), flaw, name)
}

fn found_among(histories: impl IntoIterator<Item = History>, flaw: Flaw, name: &str) -> History {
    let mut others = Vec::new();
    for history in histories {
        match history::run_in(flaw, &history, &mut Census::default()) {
            Err(why) if why.starts_with(name) => return history,
            Err(why) => others.push(why.lines().next().unwrap_or_default().to_owned()),
            Ok(()) => {}
        }
    }
    panic!("{name} is never found; but {others:#?}");
}

/// A history that somebody has made up.
fn made_up(are_two: bool, steps: impl IntoIterator<Item = (u8, What)>) -> History {
    let steps = steps.into_iter().zip(1..).map(|((who, what), number)| Step { number, who, what });
    History { cast: Cast { are_two, has_calendars: false }, steps: steps.collect() }
}

fn act(change: Change) -> Act {
    Act { which: 0, scope: Scope::All, change }
}

fn on_the_wire(wire: Wire) -> Flaw {
    Flaw { wire: Some(wire), ..Flaw::default() }
}

fn tampered(tampering: Tampering) -> Flaw {
    Flaw { tampering: Some(tampering), ..Flaw::default() }
}

/// What is found is cut down to a few steps, which fail again.
fn comes_down(flaw: Flaw, name: &str, from: u64) {
    let (history, why) = history::shrunk(flaw, found(flaw, name, from));
    assert!(history.steps.len() <= HANDFUL, "{history:#?}\n{why}");
    let again = history::run_in(flaw, &history, &mut Census::default());
    assert_eq!(again, Err(why), "{history:#?}");
    assert_eq!(history::run(&history, &mut Census::default()), Ok(()), "without the bug");
}

fn pass(request: Sent) -> Fate {
    Fate::Passed(vec![request])
}

fn writes_event(request: &Sent) -> bool {
    let path = request.uri().path();
    let is_insert = *request.method() == Method::POST && path.ends_with("/events");
    is_insert || (*request.method() == Method::PUT && path.contains("/events/"))
}

/// The request with another body.
fn with_body(request: Sent, change: impl Fn(&mut Value)) -> Sent {
    request.map(|body| {
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        change(&mut body);
        Bytes::from(body.to_string())
    })
}

/// The request with another path and query.
fn with_address(mut request: Sent, change: impl Fn(&str) -> String) -> Sent {
    let address = change(request.uri().path_and_query().unwrap().as_str());
    *request.uri_mut() = address.parse().unwrap();
    request
}

/// Google says that it has deleted something, and has not.
const DELETES_NOTHING: Wire = |request| match *request.method() {
    Method::DELETE => Fate::Answered(StatusCode::NO_CONTENT, Value::Null),
    _ => pass(request),
};

/// Changes something that is shown.
async fn touch(person: &Person) {
    let choice = u8::from(person.world.seq().await.is_multiple_of(2));
    let act = Act { which: 0, scope: Scope::All, change: Change::Other(choice) };
    here::act(&person.world, u16::MAX - 1, &act).await;
}

/// The items of a user's whose keys begin so.
async fn items(person: &Person, beginning: &str) -> Vec<serde_dynamo::Item> {
    let world = &person.world;
    let key = |text: String| aws_sdk_dynamodb::types::AttributeValue::S(text);
    let query = world.table.client.query().table_name(&world.table.table_name).consistent_read(true);
    let query = query
        .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
        .expression_attribute_values(":pk", key(format!("U#{}", world.user)))
        .expression_attribute_values(":sk", key(beginning.to_owned()));
    let answer = query.send().await.unwrap();
    answer.items.unwrap_or_default().into_iter().map(serde_dynamo::Item::from).collect()
}

async fn put(world: &World, item: serde_dynamo::Item) {
    let put = world.table.client.put_item().table_name(&world.table.table_name);
    put.set_item(Some(item.into())).send().await.unwrap();
}

async fn delete(world: &World, mut item: serde_dynamo::Item) {
    let delete = world.table.client.delete_item().table_name(&world.table.table_name);
    let key = ["pk", "sk"].map(|name| (name.to_owned(), item.remove(name).unwrap().into()));
    delete.set_key(Some(key.into())).send().await.unwrap();
}
