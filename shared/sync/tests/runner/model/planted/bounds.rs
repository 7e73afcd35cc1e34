//! What is found of too much work, of harm to what is not ours, of secrets, lateness and channels: I10 to I20.

use super::*;

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
            super::super::wire::get(&person.world.google.calendar_url()).await;
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
