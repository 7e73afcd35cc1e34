//! What is found of two sides that differ, of what is lost, lives again or is somebody else's: I1 to I9.

use super::*;

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
