//! I9: whatever befalls one user, another one's edit is at Google after one run of the worker and as many calls as ever. The two are in one batch of messages, which the
//! worker does side by side.

use std::pin::pin;
use std::time::Duration;

use domain::{Home, Job};
use fake_google::Fault;
use http::StatusCode;

use crate::deeds::id;
use crate::world::{EMAIL, OTHER_EMAIL, World};

/// Something that befalls the first user, by name.
type Blow = (&'static str, fn(&World));

const ALL: &str = "calendar.*";

fn always(world: &World, fault: Fault) {
    world.google.inject(fault.of(EMAIL).forever());
}

const BLOWS: [Blow; 8] = [
    ("503 to all calls", |ada| {
        always(ada, Fault::refuse(ALL, StatusCode::SERVICE_UNAVAILABLE, "backendError"));
    }),
    ("500 to all calls", |ada| {
        always(ada, Fault::refuse(ALL, StatusCode::INTERNAL_SERVER_ERROR, "internalError"));
    }),
    ("429 to all calls", |ada| {
        always(ada, Fault::refuse(ALL, StatusCode::TOO_MANY_REQUESTS, "rateLimitExceeded"));
    }),
    ("no answer", |ada| always(ada, Fault::drop(ALL))),
    ("silence", |ada| always(ada, Fault::delay(ALL, Duration::from_secs(3_600)))),
    ("a calendar that cannot be read or written", |ada| {
        always(ada, Fault::refuse("calendar.events.*", StatusCode::BAD_REQUEST, "invalid"));
    }),
    ("a token endpoint that fails", |ada| {
        ada.google.expire_access_tokens(EMAIL);
        ada.google.inject(
            Fault::refuse("oauth.token", StatusCode::SERVICE_UNAVAILABLE, "internal_failure")
                .of(EMAIL)
                .forever(),
        );
    }),
    ("access withdrawn", |ada| {
        ada.google.revoke_grants(EMAIL);
        ada.google.expire_access_tokens(EMAIL);
    }),
];

/// How many calls Google has seen of a user.
fn calls_of(world: &World, email: &str) -> usize {
    world.google.journal().iter().filter(|entry| entry.account.as_deref() == Some(email)).count()
}

/// What came of a batch.
struct Outcome {
    /// How many calls the second one's edit took.
    calls: usize,
    /// Whether the first one's job had not ended by then.
    is_first_at_work: bool,
    /// Whether the first one's job had been refused something by then.
    is_first_refused: bool,
}

/// Both users have edited; one batch.
async fn batch(blow: fn(&World)) -> Outcome {
    let ada = World::connected().await;
    let bob = ada.beside().await;
    ada.import().await;
    bob.import().await;
    blow(&ada);
    ada.save(id(1), "Ada's").await;
    bob.save(id(2), "Bob's").await;
    ada.google.clear_journal();
    let (job_of_ada, job_of_bob) = (Job::Pull { user: ada.user }, Job::Push { user: bob.user });
    let (mut first, mut second) = (pin!(ada.run(&job_of_ada)), pin!(bob.run(&job_of_bob)));
    let mut is_first_at_work = true;
    loop {
        tokio::select! {
            biased;
            _ = &mut first, if is_first_at_work => is_first_at_work = false,
            outcome = &mut second => break outcome.unwrap(),
        }
    }
    let events = bob.google.events(OTHER_EMAIL, "primary").unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["summary"], "Bob's");
    let record = bob.record(id(2)).await;
    assert!(!record.is_dirty && record.link.is_some_and(|link| *link.id.home() == Home::Primary));
    let is_refused =
        |entry: &fake_google::Entry| entry.is_faulted || entry.status.is_some_and(|status| status >= 400);
    Outcome {
        calls: calls_of(&bob, OTHER_EMAIL),
        is_first_at_work,
        is_first_refused: ada.google.journal().iter().any(is_refused),
    }
}

#[tokio::test]
async fn whatever_befalls_one_user_anothers_edit_takes_one_run_and_no_more_calls_than_ever() {
    let undisturbed = Box::pin(batch(|_| {})).await.calls;
    for (name, blow) in BLOWS {
        let outcome = Box::pin(batch(blow)).await;
        let is_met = if name == "silence" { outcome.is_first_at_work } else { outcome.is_first_refused };
        assert!(is_met, "{name} has not befallen anybody");
        assert_eq!(outcome.calls, undisturbed, "{name}");
    }
}
