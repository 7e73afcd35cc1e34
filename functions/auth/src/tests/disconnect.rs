//! Ending the connection to Google.

use domain::{ConnectionState, GoogleStatus, Job, Notice, UserId};
use fake_google::Account;
use store::{Head, HeadPlan};

use super::*;

const CONNECT: &str = "/api/auth/google/connect";
const DISCONNECT: &str = "/api/auth/google/disconnect";

/// What the user's log says after `rev`.
async fn notices(app: &TestApp, user: UserId, rev: u64) -> Vec<Notice> {
    app.store.changes(user, rev).await.unwrap().notices
}

#[tokio::test]
async fn disconnecting_ends_the_connection_and_asks_once_for_what_is_left_to_do() {
    let app = TestApp::start().await;
    let (mut browser, ada) = app.ada().await;
    let user = ada.user();
    browser.post(&app, CONNECT, &app.code(ADA, SCOPES, true)).await;
    let rev = app.store.head(user).await.unwrap().seq;
    for _ in 0..2 {
        let answer = browser.send(&app, Method::POST, DISCONNECT, "").await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::NO_CONTENT, ""));
        let status = app.store.head(user).await.unwrap().google;
        assert_eq!(GoogleStatus::state(status.as_ref(), app.now()), ConnectionState::NotConnected);
        let told = [Notice::Metadata, Notice::Wanted(Job::Disconnect { user })];
        assert_eq!(notices(&app, user, rev).await, told);
    }
    assert_eq!(app.google.calls("oauth.revoke"), 0, "not within the request");
    // The address and the session are the user's still, and so is the way in by Google, which connects again.
    let answer = browser.post(&app, "/api/signinup", &app.code(ADA, SCOPES, true)).await;
    assert_eq!((answer.status_text().as_str(), answer.user()), ("OK", user));
    let status = app.store.head(user).await.unwrap().google;
    assert_eq!(GoogleStatus::state(status.as_ref(), app.now()), ConnectionState::Importing);
}

#[tokio::test]
async fn whoever_is_not_connected_is_answered_the_same_and_nothing_is_written() {
    let app = TestApp::start().await;
    let (mut browser, ada) = app.ada().await;
    let rev = app.store.head(ada.user()).await.unwrap().seq;
    let answer = browser.send(&app, Method::POST, DISCONNECT, "").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(app.store.head(ada.user()).await.unwrap().seq, rev);
    let stranger = Browser::default().send(&app, Method::POST, DISCONNECT, "").await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn after_that_nothing_less_than_a_consent_connects_and_no_other_account() {
    let app = TestApp::start().await;
    let (mut browser, ada) = app.ada().await;
    browser.post(&app, CONNECT, &app.code(ADA, SCOPES, true)).await;
    browser.send(&app, Method::POST, DISCONNECT, "").await;
    // Without a prompt Google sends no refresh token, as long as it has not been told.
    let answer = browser.post(&app, CONNECT, &app.code(ADA, SCOPES, false)).await;
    assert_eq!(answer.json()["message"], "Google sent no refresh token");
    let status = app.store.head(ada.user()).await.unwrap().google;
    assert_eq!(GoogleStatus::state(status.as_ref(), app.now()), ConnectionState::NotConnected);

    // What the job leaves behind in the end.
    let items = app.store.google(ada.user()).await.unwrap().unwrap();
    let plan = |_: &Head| {
        let mut plan = HeadPlan::default();
        plan.forget_connection(&app.store, ada.user(), &items.connection)?;
        Ok::<_, store::Error>(plan)
    };
    app.store.mutate_head(ada.user(), app.now(), plan).await.unwrap();
    assert!(app.store.google(ada.user()).await.unwrap().is_none());
    app.google.reset();
    app.google.create_account(Account { sub: "another".into(), ..Account::new(ADA) });
    let answer = browser.post(&app, CONNECT, &app.code(ADA, SCOPES, true)).await;
    assert_eq!(answer.json()["code"], "GOOGLE_CONNECT_EMAIL_MISMATCH");
}
