//! That each invariant can fail: a bug is planted in the world around the runner, and a few histories must find it, under the invariant's own name.
//!
//! A bug lies on the way to Google ([`super::wire`]), or in what a worker, the store or a queue is seen to have done ([`super::flaw::Tampering`]). The code under
//! test has none.

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

#[test]
fn i1_finds_a_deletion_that_does_not_happen_and_the_history_comes_down_to_a_few_steps() {
    comes_down(on_the_wire(DELETES_NOTHING), "I1:", 9);
}

/// Each new event is made twice, the second time under an id of Google's.
#[test]
fn i2_finds_an_event_that_is_made_twice() {
    let wire: Wire = |request| {
        if !(writes_event(&request) && *request.method() == Method::POST) {
            return pass(request);
        }
        let second = with_body(request.clone(), |event| {
            event.as_object_mut().unwrap().remove("id");
        });
        Fate::Passed(vec![request, second])
    };
    found(on_the_wire(wire), "I2:", 5);
}

/// A store that loses which of Google's events an event is.
#[test]
fn i2_finds_an_event_that_is_none_at_google() {
    let tampering: Tampering = |person, _| {
        Box::pin(async move {
            for mut item in items(person, "E#").await {
                if item.contains_key("link") && !item.contains_key("dirty") {
                    item.remove("link");
                    put(&person.world, item).await;
                }
            }
        })
    };
    found(tampered(tampering), "I2: an event here is none at Google", 1);
}

/// An update takes no heed of what Google has meanwhile.
#[test]
fn i4_finds_an_edit_that_is_written_over_unseen() {
    let wire: Wire = |mut request| {
        request.headers_mut().remove("if-match");
        pass(request)
    };
    let steps = [
        What::Work(Luck::Good),
        What::There(act(Change::Create(Kind::Timed))),
        What::Work(Luck::Good),
        What::Work(Luck::Good),
        What::Work(Luck::Good),
        What::Work(Luck::Good),
        What::Push(PushLuck::Dropped),
        What::There(act(Change::Title)),
        What::Here(act(Change::Description)),
        What::Work(Luck::Good),
    ];
    found_among([made_up(false, steps.map(|what| (0, what)))], on_the_wire(wire), "I3/I4:");
}

/// A store that loses the records of what has lost.
#[test]
fn i3_finds_a_version_that_lost_and_is_recorded_nowhere_and_the_history_comes_down_to_a_few_steps() {
    let tampering: Tampering = |person, _| {
        Box::pin(async move {
            for item in items(person, "K#").await {
                delete(&person.world, item).await;
            }
        })
    };
    comes_down(tampered(tampering), "I3/I4:", 36);
}

/// Google, or somebody in its name, takes out of the bin what was put there.
#[test]
fn i5_finds_what_lives_again() {
    let tampering: Tampering = |person, _| {
        Box::pin(async move {
            let google = &person.world.google;
            for (place, event) in person.events() {
                let is_whole = event.get("recurringEventId").is_none();
                if is_whole && event["status"] == "cancelled" {
                    let _ = google.restore_event(place.owner, &place.calendar, event["id"].as_str().unwrap());
                }
            }
        })
    };
    found(tampered(tampering), "I5:", 36);
}

/// A poll writes, though nothing has changed.
#[test]
fn i6_finds_a_poll_that_writes() {
    let tampering: Tampering = |person, job| {
        Box::pin(async move {
            if let Job::Poll { .. } = job {
                touch(person).await;
            }
        })
    };
    found(tampered(tampering), "I6:", 1);
}

/// A store that loses what a pull has written: the token is ahead of the data. Then the sides differ, which is looked at first.
#[test]
fn i8_a_token_that_is_ahead_of_what_is_stored_is_found_because_the_sides_differ() {
    let tampering: Tampering = |person, job| {
        Box::pin(async move {
            if matches!(job, Job::Pull { .. }) {
                for item in items(person, "E#").await {
                    delete(&person.world, item).await;
                }
            }
        })
    };
    let steps =
        [What::Work(Luck::Good), What::There(act(Change::Create(Kind::Timed))), What::Work(Luck::Good)];
    let history = made_up(false, steps.map(|what| (0, what)));
    found_among([history], tampered(tampering), "I1: the sides differ\n  only at Google");
}

/// A repair writes, though nothing has changed.
#[test]
fn i7_finds_a_repair_that_writes() {
    let tampering: Tampering = |person, job| {
        Box::pin(async move {
            if let Job::Import { is_repair: true, .. } = job {
                touch(person).await;
            }
        })
    };
    found(tampered(tampering), "I7/I8:", 1);
}

/// What one user writes comes into another one's calendar, too.
#[test]
fn i9_finds_what_is_somebody_elses() {
    let tampering: Tampering = |person, _| {
        Box::pin(async move {
            let google = &person.world.google;
            if person.world.email == OTHER_EMAIL || google.events(OTHER_EMAIL, "primary").is_err() {
                return;
            }
            if let Some((_, event)) = person.events().into_iter().next()
                && google.events(OTHER_EMAIL, "primary").unwrap().is_empty()
            {
                let mut copy = shape::Time::first(0, false).patch();
                copy["description"] = event["description"].clone();
                google.create_event(OTHER_EMAIL, "primary", copy).unwrap();
            }
        })
    };
    found(tampered(tampering), "I9: Some(", 4);
}

/// A call with a user's token that is about another user's calendar.
#[test]
fn i9_finds_a_call_about_somebody_elses_calendar() {
    let wire: Wire =
        |request| pass(with_address(request, |address| address.replace("/calendars/ada", "/calendars/bob")));
    found(on_the_wire(wire), "I9: a call about", 1);
}

/// One budget for everybody: when Google wants to hear nothing of one user, another one waits.
#[test]
fn i9_finds_who_waits_for_somebody_elses_fault() {
    let tampering: Tampering = |person, _| {
        Box::pin(async move {
            if person.world.email == OTHER_EMAIL {
                return;
            }
            for mut item in items(person, "G#BUDGET").await {
                let user = domain::UserId::new([8; 12]);
                item.insert("pk".to_owned(), serde_dynamo::AttributeValue::S(format!("U#{user}")));
                put(&person.world, item).await;
            }
        })
    };
    let created = || What::Here(act(Change::Create(Kind::Timed)));
    let steps = [
        (0, What::Work(Luck::Good)),
        (1, What::Work(Luck::Good)),
        (0, created()),
        (0, What::Google(Trouble::RateLimit)),
        (0, What::Work(Luck::Good)),
        (1, created()),
        (1, What::Work(Luck::Good)),
    ];
    found_among([made_up(true, steps)], tampered(tampering), "I9: bob@example.com waits");
}

/// Each call that reads is made again and again.
#[test]
fn i10_finds_a_job_that_asks_for_too_much() {
    let wire: Wire = |request| match *request.method() {
        Method::GET => Fate::Passed(vec![request; 60]),
        _ => pass(request),
    };
    found(on_the_wire(wire), "I10: ", 1);
}

/// Google grants less than it says, and nobody heeds it.
#[test]
fn i10_finds_calls_beyond_the_quota() {
    let tampering: Tampering = |person, _| {
        Box::pin(async move {
            person.world.google.set_quota(fake_google::Quota { per_user: 2, ..Default::default() });
        })
    };
    found(tampered(tampering), "I10: ", 1);
}

/// Updates leave out what we do not know.
#[test]
fn i11_finds_members_that_an_update_has_lost() {
    let wire: Wire = |request| match *request.method() {
        Method::PUT => pass(with_body(request, |event| {
            event.as_object_mut().unwrap().remove("location");
        })),
        _ => pass(request),
    };
    found(on_the_wire(wire), "I11:", 25);
}

/// What lasts a day is given hours.
#[test]
fn i12_finds_an_event_of_another_kind() {
    let tampering: Tampering = |person, _| {
        Box::pin(async move {
            for (place, event) in person.events() {
                let is_single = event.get("recurringEventId").is_none() && event.get("recurrence").is_none();
                if is_single && event["status"] != "cancelled" && event["start"].get("date").is_some() {
                    let patch = shape::Time::of_google(&event).turned().patch();
                    let id = event["id"].as_str().unwrap();
                    person.world.google.edit_event(place.owner, &place.calendar, id, patch).unwrap();
                }
            }
        })
    };
    found(tampered(tampering), "I12:", 24);
}

#[test]
fn i13_finds_a_write_that_does_not_say_that_nobody_is_to_be_mailed() {
    let wire: Wire = |request| {
        pass(with_address(request, |address| address.replace("sendUpdates=none", "sendUpdates=all")))
    };
    found(on_the_wire(wire), "I13:", 3);
}

#[test]
fn i14_finds_a_secret_in_the_log() {
    let tampering: Tampering = |person, _| {
        Box::pin(async move {
            let secrets = person.world.google.secrets();
            tracing::info!(header = %format!("Bearer {}", secrets[secrets.len() / 2]), "a call");
        })
    };
    found(tampered(tampering), "I14:", 1);
}

#[test]
fn i14_finds_an_access_token_in_an_address() {
    let wire: Wire = |request| {
        let token = request.headers()["authorization"].to_str().unwrap().replace("Bearer ", "");
        let sign = if request.uri().query().is_some() { '&' } else { '?' };
        pass(with_address(request, |address| format!("{address}{sign}access_token={token}")))
    };
    found(on_the_wire(wire), "I14:", 1);
}

/// A worker that takes its time.
#[test]
fn i15_finds_that_rest_comes_late() {
    let tampering: Tampering = |person, _| {
        Box::pin(async move {
            person.world.pass(TimeDelta::hours(5));
        })
    };
    found(tampered(tampering), "I15:", 1);
}

/// A worker that calls before it looks whether it may.
#[test]
fn i16_finds_a_call_after_access_was_withdrawn() {
    let tampering: Tampering = |person, _| {
        Box::pin(async move {
            super::wire::get(&person.world.google.calendar_url()).await;
        })
    };
    found(tampered(tampering), "I16: ", 1);
}

/// A job that goes on after it has found that access was withdrawn.
#[test]
fn i16_finds_a_change_after_access_was_withdrawn() {
    let tampering: Tampering = |person, job| {
        Box::pin(async move {
            // What is changed here makes a push.
            if person.world.status().await.is_revoked && !matches!(job, Job::Push { .. }) {
                touch(person).await;
            }
        })
    };
    found(tampered(tampering), "I16: ", 13);
}

/// Nobody will look whether a notification was lost.
#[test]
fn i17_finds_that_nothing_is_due() {
    let tampering: Tampering = |person, _| {
        Box::pin(async move {
            person.world.store.unschedule(Due::Poll, person.world.user).await.unwrap();
        })
    };
    found(tampered(tampering), "I17: nothing is due", 1);
}

/// Google says that it watches, and does not.
#[test]
fn i17_finds_a_watch_that_there_is_not() {
    let wire: Wire = |request| {
        if !request.uri().path().ends_with("/events/watch") {
            return pass(request);
        }
        let asked: Value = serde_json::from_slice(request.body()).unwrap();
        let made_up = json!({"kind": "api#channel", "id": asked["id"], "resourceId": "made-up", "expiration": "1893456000000"});
        Fate::Answered(StatusCode::OK, made_up)
    };
    found(on_the_wire(wire), "I17: a watch of", 1);
}

/// Google says that it has stopped a channel, and has not.
#[test]
fn i17_finds_a_stray_that_goes_on_speaking() {
    let wire: Wire = |request| match request.uri().path().ends_with("/channels/stop") {
        true => Fate::Answered(StatusCode::NO_CONTENT, Value::Null),
        false => pass(request),
    };
    found(on_the_wire(wire), "I17: a stray of", 11);
}

/// Whatever version an update is made on, Google has another one.
#[test]
fn i20_finds_an_event_that_does_not_come_to_rest() {
    let wire: Wire = |request| match *request.method() {
        Method::PUT => Fate::Answered(
            StatusCode::PRECONDITION_FAILED,
            json!({"error": {"code": 412, "message": "Precondition Failed",
                "errors": [{"domain": "global", "reason": "conditionNotMet", "message": "Precondition Failed"}]}}),
        ),
        _ => pass(request),
    };
    found(on_the_wire(wire), "I20:", 5);
}

/// An event of a calendar that may only be read gets into another one.
#[test]
fn it_is_found_that_what_may_only_be_read_is_elsewhere() {
    let tampering: Tampering = |person, _| {
        Box::pin(async move {
            let Some(read) = person.places.iter().find(|place| !place.is_writable) else { return };
            let google = &person.world.google;
            let all = google.events(read.owner, &read.calendar).unwrap();
            let live = all.into_iter().find(|event| event["status"] != "cancelled");
            let is_copied = google.event(person.world.email, "primary", "strayed").is_ok();
            if let Some(event) = live.filter(|_| !is_copied) {
                let mut copy = shape::Time::first(0, false).patch();
                (copy["id"], copy["description"]) = ("strayed".into(), event["description"].clone());
                google.create_event(person.world.email, "primary", copy).unwrap();
            }
        })
    };
    found(tampered(tampering), "an event that may only be read", 20);
}

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
