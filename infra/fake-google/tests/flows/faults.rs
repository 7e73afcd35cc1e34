//! What goes wrong on order, what is only counted, and Google's habits.

use std::time::Duration;

use crate::support::{App, EMAIL, REDIRECT, Receiver, SCOPES, lunch, reason};
use fake_google::{
    ConsentRequest, Fault, ManualClock, Options, PushEffect, PushFault, Quirks, Quota, Rotation,
};
use http::StatusCode;
use reqwest::Method;
use serde_json::{Value, json};

const EVENTS: &str = "/calendars/primary/events";

fn push_fault(effect: PushEffect) -> PushFault {
    PushFault { channel: None, count: 1, effect }
}

#[tokio::test]
async fn an_answer_breaks_off_in_the_middle() {
    let app = App::start().await;
    app.google.inject(Fault::cut("calendar.events.insert"));
    let url = format!("{}{EVENTS}", app.google.calendar_url());
    let response =
        app.http.post(url).bearer_auth(&app.access_token).json(&lunch("event1")).send().await.unwrap();
    assert!(response.text().await.is_err());
    assert_eq!(app.google.events(EMAIL, "primary").unwrap().len(), 1);
}

#[tokio::test]
async fn refusals_have_googles_words() {
    let app = App::start().await;
    for (fault, status, message) in [
        (Fault::invalid_sync_token(), 400, "Invalid sync token value."),
        (
            Fault::refuse("calendar.*", StatusCode::FORBIDDEN, "quotaExceeded"),
            403,
            "Calendar usage limits exceeded.",
        ),
        (
            Fault::refuse("calendar.*", StatusCode::GONE, "fullSyncRequired"),
            410,
            "Sync token is no longer valid, a full sync is required.",
        ),
    ] {
        app.google.inject(fault);
        let (got, body) = app.get(EVENTS).await;
        assert_eq!((got.as_u16(), body["error"]["message"].as_str()), (status, Some(message)));
    }
    app.google.inject(Fault::refuse("calendar.*", StatusCode::NOT_FOUND, "notFound").at("other@example.com"));
    assert_eq!(app.get(EVENTS).await.0, 200);
}

#[tokio::test]
async fn notifications_overtake_each_other_and_wait() {
    let app = App::start().await;
    let mut receiver = Receiver::start(&[]).await;
    app.google.inject_push(push_fault(PushEffect::Reorder));
    app.watch("channel-1", &receiver.address).await;
    app.google.idle().await;
    assert!(receiver.states().is_empty());
    app.insert(lunch("event1")).await;
    app.google.idle().await;
    assert_eq!(receiver.states(), ["exists", "sync"]);

    app.google.inject_push(push_fault(PushEffect::Hold));
    app.insert(lunch("event2")).await;
    app.google.idle().await;
    assert!(receiver.states().is_empty());
    app.google.release_pushes();
    app.google.idle().await;
    assert_eq!(receiver.states(), ["exists"]);
}

#[tokio::test]
async fn a_stop_may_lag_and_a_channel_may_be_short_lived() {
    let app = App::start().await;
    app.google.set_quirks(Quirks { stop_lags: true, channel_seconds: Some(60), ..Quirks::default() });
    let mut receiver = Receiver::start(&[]).await;
    let (_, channel) = app.watch("channel-1", &receiver.address).await;
    let lives = app.google.channels()[0].expires_at.timestamp_millis().to_string();
    assert_eq!(channel["expiration"], lives);
    let stop = json!({"id": "channel-1", "resourceId": channel["resourceId"]});
    assert_eq!(app.call(Method::POST, "/channels/stop", stop.clone()).await.0, 204);
    assert_eq!(app.call(Method::POST, "/channels/stop", stop).await.0, 404);
    app.insert(lunch("event1")).await;
    app.insert(lunch("event2")).await;
    app.google.idle().await;
    let mut states = receiver.states();
    states.sort();
    assert_eq!(states, ["exists", "sync"]);
}

#[tokio::test]
async fn requests_that_google_does_not_document_are_noted() {
    let app = App::start().await;
    let event = app.insert(lunch("event1")).await;
    assert_eq!(app.google.violations()[0].violations, ["unknown member /xFuture"]);
    app.google.clear_journal();
    assert_eq!(app.call(Method::PUT, &format!("{EVENTS}/event1?sendUpdates=none"), event).await.0, 200);
    app.traverse("singleEvents=false&maxResults=2500").await;
    assert!(app.google.violations().is_empty(), "what came from Google may go back");
    app.get(&format!("{EVENTS}?limit=1")).await;
    assert_eq!(app.google.violations()[0].violations, ["unknown parameter limit"]);
    let put = app.google.journal().remove(0);
    assert_eq!(put.body.unwrap()["summary"], "Lunch");
    assert_eq!(app.google.calls("calendar.events.*"), 3);
}

#[tokio::test]
async fn calls_beyond_the_quota_are_noted_and_refused_if_that_is_wanted() {
    let clock = ManualClock::new("2026-11-20T12:00:00Z".parse().unwrap());
    let app = App::start_with(Options { clock: clock.clock(), ..Options::default() }).await;
    app.google.set_quota(Quota { per_user: 2, ..Quota::default() });
    for _ in 0..3 {
        assert_eq!(app.get(EVENTS).await.0, 200);
    }
    assert_eq!((app.google.quota_breaches().len(), app.google.busiest_minute()), (1, 3));
    app.google.set_quota(Quota { per_user: 2, is_enforced: true, ..Quota::default() });
    let (status, body) = app.get(EVENTS).await;
    assert_eq!((status, reason(&body)), (StatusCode::FORBIDDEN, "rateLimitExceeded"));
    clock.advance(Duration::from_secs(60));
    assert_eq!(app.get(EVENTS).await.0, 200);
}

#[tokio::test]
async fn what_was_deleted_is_forgotten_and_with_it_the_tokens_from_before() {
    let app = App::start().await;
    let (_, old) = app.traverse("").await;
    app.insert(lunch("event1")).await;
    app.google.delete_event(EMAIL, "primary", "event1").unwrap();
    let (_, recent) = app.traverse("").await;
    app.google.advance(Duration::from_secs(31 * 24 * 3600));
    let mut app = app;
    app.access_token = app.sign_in().await["access_token"].as_str().unwrap().to_owned();
    let list = async |query: String| app.get(&format!("{EVENTS}?{query}")).await;
    let (status, body) = list(format!("syncToken={old}")).await;
    assert_eq!((status, reason(&body)), (StatusCode::GONE, "fullSyncRequired"));
    assert_eq!(list(format!("syncToken={recent}")).await.0, 200);
    assert_eq!(app.traverse("showDeleted=true").await.0.len(), 0);
    let (status, body) = list("updatedMin=2026-01-01T00:00:00Z".into()).await;
    assert_eq!((status, reason(&body)), (StatusCode::GONE, "updatedMinTooLongAgo"));
    assert_eq!(app.call(Method::POST, EVENTS, lunch("event1")).await.0, 409, "the id stays taken");
}

#[tokio::test]
async fn lists_lie_as_they_have_lied() {
    let app = App::start().await;
    app.insert(lunch("event1")).await;
    let (_, sync_token) = app.traverse("").await;
    app.google.set_quirks(Quirks { hides_events: true, ..Quirks::default() });
    assert_eq!(app.traverse("").await.0.len(), 0);
    app.google.set_quirks(Quirks { withholds_sync_token: true, ..Quirks::default() });
    assert!(app.get(EVENTS).await.1.get("nextSyncToken").is_none());
    app.google.set_quirks(Quirks { repeats_older: true, rewrites_texts: true, ..Quirks::default() });
    app.google.edit_event(EMAIL, "primary", "event1", json!({"summary": " Tea "})).unwrap();
    let (delta, _) = app.traverse(&format!("syncToken={sync_token}")).await;
    assert_eq!(delta.iter().map(|item| item["summary"].clone()).collect::<Vec<_>>(), ["Tea", "Lunch"]);
    assert!(delta[0]["updated"].as_str() > delta[1]["updated"].as_str());
}

#[tokio::test]
async fn a_fault_of_one_account_strikes_its_tokens_only() {
    let app = App::start().await;
    let request = ConsentRequest { is_prompted: true, ..ConsentRequest::new(EMAIL, SCOPES, REDIRECT) };
    let own = app.redeem(&app.google.consent(request), &[]).await.1;
    let other = app
        .redeem(&app.google.consent(ConsentRequest::new("bob@example.com", SCOPES, REDIRECT)), &[])
        .await
        .1;
    let token = |answer: &Value| answer["refresh_token"].as_str().unwrap().to_owned();
    app.google.inject(Fault::refuse("oauth.token", StatusCode::BAD_REQUEST, "invalid_grant").of(EMAIL));
    assert_eq!(app.refresh(&token(&other)).await.0, 200);
    assert_eq!(app.refresh(&token(&own)).await.1["error"], "invalid_grant");
    assert_eq!(app.google.journal().last().unwrap().account.as_deref(), Some(EMAIL));
}

#[tokio::test]
async fn refresh_tokens_rotate_and_die() {
    let app = App::start().await;
    let sign_in = async || {
        let request = ConsentRequest { is_prompted: true, ..ConsentRequest::new(EMAIL, SCOPES, REDIRECT) };
        app.redeem(&app.google.consent(request), &[]).await.1
    };
    let token = |answer: &Value| answer["refresh_token"].as_str().unwrap().to_owned();
    let first = token(&sign_in().await);
    app.google.set_quirks(Quirks { rotation: Rotation::Overlapping, ..Quirks::default() });
    let second = token(&app.refresh(&first).await.1);
    assert_eq!(app.refresh(&first).await.0, 200);
    app.google.set_quirks(Quirks { rotation: Rotation::Strict, ..Quirks::default() });
    let third = token(&app.refresh(&second).await.1);
    assert_eq!(app.refresh(&second).await.1["error"], "invalid_grant");
    assert_eq!(app.refresh(&third).await.0, 200);

    app.google.set_quirks(Quirks { refresh_token_seconds: Some(604_800), ..Quirks::default() });
    let answer = sign_in().await;
    assert_eq!(answer["refresh_token_expires_in"], 604_800);
    app.google.advance(Duration::from_secs(604_800));
    assert_eq!(app.refresh(&token(&answer)).await.1["error"], "invalid_grant");
}
