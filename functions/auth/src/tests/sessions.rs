//! Keeping a session, and ending it.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

#[tokio::test]
async fn the_first_call_of_every_browser_is_told_that_there_is_no_session() {
    let app = TestApp::start().await;
    let answer = Browser::default().refresh(&app).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::UNAUTHORIZED, r#"{"message":"unauthorised"}"#)
    );
    assert!(answer.was_cleared());
    assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], WEB);
}

#[tokio::test]
async fn a_refresh_rotates_and_its_payload_differs_from_the_last() {
    let app = TestApp::start().await;
    let (mut ada, first) = app.ada().await;
    let before = ada.clone();
    app.pass(TimeDelta::minutes(61));
    let (answer, ledger) = seam::measured(ada.refresh(&app)).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "{}"));
    assert_eq!(ledger.store_rounds, 1);
    assert_eq!(answer.user(), first.user());
    assert_ne!(ada.0["sRefreshToken"], before.0["sRefreshToken"]);
    assert_ne!(answer.front_token().unwrap()["up"], first.front_token().unwrap()["up"]);
    assert_eq!(ada.send(&app, Method::POST, "/api/signout", "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_refresh_whose_answer_was_lost_can_be_repeated_for_a_while() {
    let app = TestApp::start().await;
    let (ada, _) = app.ada().await;
    let (mut first, mut second) = (ada.clone(), ada.clone());
    assert_eq!(first.refresh(&app).await.status, StatusCode::OK);
    app.pass(TimeDelta::seconds(29));
    assert_eq!(second.refresh(&app).await.status, StatusCode::OK);
    assert_eq!(first.0["sRefreshToken"], second.0["sRefreshToken"]);
    assert_eq!(first.refresh(&app).await.status, StatusCode::OK);
    assert_eq!(second.refresh(&app).await.status, StatusCode::OK);
}

#[tokio::test]
async fn two_refreshes_at_once_both_succeed_and_both_results_work() {
    let app = TestApp::start().await;
    let (ada, _) = app.ada().await;
    let (mut first, mut second) = (ada.clone(), ada);
    let answers = tokio::join!(first.refresh(&app), second.refresh(&app));
    assert_eq!((answers.0.status, answers.1.status), (StatusCode::OK, StatusCode::OK));
    let answers = tokio::join!(first.refresh(&app), second.refresh(&app));
    assert_eq!((answers.0.status, answers.1.status), (StatusCode::OK, StatusCode::OK));
}

#[tokio::test]
async fn a_spent_refresh_token_ends_the_session_for_thief_and_owner() {
    for (refreshes, pause) in [(1, TimeDelta::seconds(30)), (2, TimeDelta::zero()), (5, TimeDelta::days(3))] {
        let app = TestApp::start().await;
        let (mut ada, first) = app.ada().await;
        let mut thief = ada.clone();
        for _ in 0..refreshes {
            assert_eq!(ada.refresh(&app).await.status, StatusCode::OK);
        }
        app.pass(pause);
        let theft = thief.refresh(&app).await;
        assert_eq!(
            (theft.status, theft.body.as_str()),
            (StatusCode::UNAUTHORIZED, r#"{"message":"token theft detected"}"#)
        );
        assert!(theft.was_cleared());
        let after = ada.refresh(&app).await;
        assert_eq!(after.json(), json!({"message": "unauthorised"}));
        assert!(after.was_cleared());
        let handle =
            serde_json::from_value(first.front_token().unwrap()["up"]["sessionHandle"].clone()).unwrap();
        assert_eq!(app.store.session(first.user(), handle).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_session_that_is_not_used_ends_after_a_hundred_days() {
    let app = TestApp::start().await;
    let (mut ada, _) = app.ada().await;
    app.pass(TimeDelta::days(99));
    assert_eq!(ada.refresh(&app).await.status, StatusCode::OK);
    app.pass(TimeDelta::days(99));
    assert_eq!(ada.refresh(&app).await.status, StatusCode::OK);
    app.pass(TimeDelta::days(100));
    let answer = ada.refresh(&app).await;
    assert_eq!(
        (answer.status, answer.json()),
        (StatusCode::UNAUTHORIZED, json!({"message": "unauthorised"}))
    );
    assert!(answer.was_cleared());
}

#[tokio::test]
async fn garbage_and_doubled_cookies_are_no_refresh_token() {
    let app = TestApp::start().await;
    let (ada, _) = app.ada().await;
    let token = &ada.0["sRefreshToken"];
    for cookie in [
        "sRefreshToken=garbage".to_owned(),
        format!("sRefreshToken={token}; sRefreshToken={token}"),
        format!("sRefreshToken={}", ada.0["sAccessToken"]),
    ] {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/api/session/refresh")
            .header(header::COOKIE, cookie)
            .body(Body::empty())
            .unwrap();
        let answer = app.answer(request).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.was_cleared());
    }
}

#[tokio::test]
async fn signing_out_ends_the_session_and_needs_one() {
    let app = TestApp::start().await;
    let (mut ada, _) = app.ada().await;
    let before = ada.clone();
    let answer = ada.send(&app, Method::POST, "/api/signout", "").await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, r#"{"status":"OK"}"#));
    assert!(answer.was_cleared() && ada.0.is_empty());
    let refresh = before.clone().refresh(&app).await;
    assert_eq!(refresh.json(), json!({"message": "unauthorised"}));

    let without = ada.send(&app, Method::POST, "/api/signout", "").await;
    assert_eq!(
        (without.status, without.json()),
        (StatusCode::UNAUTHORIZED, json!({"message": "unauthorised"}))
    );
    assert!(without.front_token().is_none(), "a 401 of another route clears nothing");
    app.pass(TimeDelta::hours(1));
    let stale = before.clone().send(&app, Method::POST, "/api/signout", "").await;
    assert_eq!(
        (stale.status, stale.json()),
        (StatusCode::UNAUTHORIZED, json!({"message": "try refresh token"}))
    );
    assert!(stale.front_token().is_none());
}

#[tokio::test]
async fn a_rotation_whose_answer_the_store_lost_is_forgiven() {
    let app = TestApp::start().await;
    let (mut ada, _) = app.ada().await;
    app.fail("UpdateItem", Fault::FailAfter);
    assert_eq!(ada.refresh(&app).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ada.refresh(&app).await.status, StatusCode::OK);
    assert_eq!(ada.refresh(&app).await.status, StatusCode::OK);
}

#[tokio::test]
async fn across_sites_cookies_say_so_and_a_call_needs_its_header() {
    let app = TestApp::with(SameSite::None, true).await;
    let (mut ada, answer) = app.ada().await;
    for cookie in answer.headers.get_all(header::SET_COOKIE) {
        assert!(cookie.to_str().unwrap().contains("SameSite=None; Secure"), "{cookie:?}");
    }
    let cookies = format!("sAccessToken={}; sRefreshToken={}", ada.0["sAccessToken"], ada.0["sRefreshToken"]);
    for path in ["/api/signout", "/api/session/refresh"] {
        let forged = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::COOKIE, &cookies)
            .body(Body::empty())
            .unwrap();
        let answer = app.answer(forged).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.front_token().is_none(), "a foreign page cannot end the session either");
    }
    assert_eq!(ada.refresh(&app).await.status, StatusCode::OK);
    assert_eq!(ada.send(&app, Method::POST, "/api/signout", "").await.status, StatusCode::OK);
}

/// Whoever always goes on with the newest cookies stays signed in, however long the pauses and however often a refresh is repeated within
/// the grace.
#[test]
fn a_refresh_chain_never_breaks() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let app = runtime.block_on(TestApp::start());
    let steps = prop::collection::vec((0_i64..99 * 86_400, prop::collection::vec(0_i64..10, 0..3)), 1..6);
    let mut runner = TestRunner::new(ProptestConfig { cases: 12, ..ProptestConfig::default() });
    let email = std::cell::Cell::new(0);
    runner
        .run(&steps, |steps| {
            email.set(email.get() + 1);
            runtime.block_on(async {
                let mut browser = Browser::default();
                let form = sign_up("Ada", &format!("ada{}@example.com", email.get()), PASSWORD);
                prop_assert_eq!(browser.post(&app, "/api/signup", &form).await.status, StatusCode::OK);
                for (pause, repetitions) in steps {
                    app.pass(TimeDelta::seconds(pause));
                    let before = browser.clone();
                    prop_assert_eq!(browser.refresh(&app).await.status, StatusCode::OK);
                    for pause in repetitions {
                        app.pass(TimeDelta::seconds(pause));
                        let mut again = before.clone();
                        prop_assert_eq!(again.refresh(&app).await.status, StatusCode::OK);
                        prop_assert_eq!(&again.0["sRefreshToken"], &browser.0["sRefreshToken"]);
                    }
                }
                Ok(())
            })
        })
        .unwrap();
}
