//! Signing up and in with a password, and setting a new one.

use auth::reset::MAIL_INTERVAL;

use super::*;

#[tokio::test]
async fn a_sign_up_gives_a_session_and_says_so_as_the_session_library_expects() {
    let app = TestApp::start().await;
    let (browser, answer) = app.ada().await;
    let user = answer.user();
    assert_eq!(
        answer.body,
        format!(
            r#"{{"status":"OK","user":{{"id":"{user}","isPrimaryUser":false,"tenantIds":["public"],"emails":["ada@example.com"],"phoneNumbers":[],"thirdParty":[],"webauthn":{{"credentialIds":[]}},"loginMethods":[{{"recipeId":"emailpassword","recipeUserId":"{user}","tenantIds":["public"],"email":"ada@example.com","timeJoined":1795168800000,"verified":false}}],"timeJoined":1795168800000}},"createdNewRecipeUser":true}}"#
        )
    );
    let front = answer.front_token().unwrap();
    assert_eq!(front["ate"], 1_795_172_400_000_i64);
    assert_eq!((&front["up"]["sub"], &front["up"]["iat"]), (&json!(user), &json!(1_795_168_800)));
    assert_eq!(front["up"]["iss"], "http://localhost:3000/api");
    assert_eq!(front["up"]["tId"], "public");
    assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], WEB);
    assert_eq!(browser.0.keys().collect::<Vec<_>>(), ["sAccessToken", "sRefreshToken"]);
    let head = app.store.head(user).await.unwrap();
    let profile = head.profile;
    assert_eq!((profile.first_name.as_str(), profile.last_name.as_str()), ("Ada", "Lovelace"));
    assert_eq!((profile.name.as_str(), profile.locale.as_str()), ("Ada Lovelace", "not provided"));
}

#[tokio::test]
async fn an_address_in_use_is_refused_whatever_its_spelling() {
    let app = TestApp::start().await;
    app.ada().await;
    for email in [ADA, " ADA@Example.com "] {
        let mut browser = Browser::default();
        let answer = browser.post(&app, "/api/signup", &sign_up("Eve", email, "battery staple 2")).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (
                StatusCode::OK,
                r#"{"status":"FIELD_ERROR","formFields":[{"error":"This email already exists. Please sign in instead.","id":"email"}]}"#
            )
        );
        assert!(browser.0.is_empty() && answer.front_token().is_none());
    }
}

#[tokio::test]
async fn what_has_to_be_mended_is_said_in_the_order_of_the_form() {
    let app = TestApp::start().await;
    let answer = Browser::default().post(&app, "/api/signup", &sign_up(" ", "ada", "short")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.body,
        r#"{"status":"FIELD_ERROR","formFields":[{"error":"Name is required","id":"name"},{"error":"Password must contain at least 8 characters, including a number","id":"password"},{"error":"Email is invalid","id":"email"}]}"#
    );
}

#[tokio::test]
async fn a_malformed_body_is_a_400_with_a_message_on_every_form() {
    let app = TestApp::start().await;
    for path in ["/api/signup", "/api/signin", "/api/user/password/reset/token", "/api/user/password/reset"] {
        for (body, message) in [
            ("{", "API input error: Please make sure to pass a valid JSON input in the request body"),
            ("{}", "Missing input param: formFields"),
            ("", "Missing input param: formFields"),
            (r#"{"formFields":7}"#, "formFields must be an array"),
            (r#"{"formFields":[7]}"#, "All elements of formFields must be an object"),
            (r#"{"formFields":[{"id":"email","value":7}]}"#, "email value must be a string"),
        ] {
            let answer = Browser::default().send(&app, Method::POST, path, body).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {body}");
            assert_eq!(answer.json(), json!({ "message": message }), "{path} {body}");
        }
    }
    let too_many = json!({"formFields": vec![json!({"id": "x", "value": "y"}); 4]});
    let answer = Browser::default().post(&app, "/api/signup", &too_many).await;
    assert_eq!(answer.json(), json!({"message": "Are you sending too many formFields?"}));
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_413_in_json() {
    let app = TestApp::start().await;
    let body = "x".repeat(runtime::http::BODY_LIMIT + 1);
    let answer = Browser::default().send(&app, Method::POST, "/api/signin", &body).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.json()["message"].is_string());
}

#[tokio::test]
async fn signing_in_takes_the_right_password_and_begins_another_session() {
    let app = TestApp::start().await;
    let (_, first) = app.ada().await;
    app.pass(TimeDelta::days(1));
    let mut browser = Browser::default();
    let answer = browser.post(&app, "/api/signin", &sign_in(" Ada@Example.com", PASSWORD)).await;
    assert_eq!(answer.status_text(), "OK");
    assert_eq!(answer.json()["user"]["timeJoined"], 1_795_168_800_000_i64);
    assert_eq!(answer.user(), first.user());
    let handle = |answer: &Answer| answer.front_token().unwrap()["up"]["sessionHandle"].clone();
    assert_ne!(handle(&answer), handle(&first));
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_told_alike() {
    let app = TestApp::start().await;
    app.ada().await;
    for (email, password) in [(ADA, "correct horse 2"), (ADA, "x"), ("eve@example.com", PASSWORD)] {
        let mut browser = Browser::default();
        let answer = browser.post(&app, "/api/signin", &sign_in(email, password)).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (StatusCode::OK, r#"{"status":"WRONG_CREDENTIALS_ERROR"}"#)
        );
        assert!(browser.0.is_empty());
    }
    let answer = Browser::default().post(&app, "/api/signin", &sign_in("ada", "")).await;
    assert_eq!(
        answer.body,
        r#"{"status":"FIELD_ERROR","formFields":[{"error":"Field is not optional","id":"password"},{"error":"Email is invalid","id":"email"}]}"#
    );
}

#[tokio::test]
async fn whether_an_address_is_taken_can_be_asked_under_both_names() {
    let app = TestApp::start().await;
    app.ada().await;
    for path in ["/api/emailpassword/email/exists", "/api/signup/email/exists"] {
        for (query, expected) in [
            ("?email=ada%40example.com", json!({"status": "OK", "exists": true})),
            ("?email=eve%40example.com", json!({"status": "OK", "exists": false})),
            ("?email=ada", json!({"status": "OK", "exists": false})),
            ("", json!({"message": "Please provide the email as a GET param"})),
        ] {
            let answer = Browser::default().send(&app, Method::GET, &format!("{path}{query}"), "").await;
            assert_eq!(answer.json(), expected, "{path}{query}");
        }
    }
}

fn reset_request(email: &str) -> Value {
    json!({"formFields": [{"id": "email", "value": email}]})
}

fn reset(password: &str, token: &str) -> Value {
    json!({"formFields": [{"id": "password", "value": password}], "token": token, "method": "token"})
}

const RESET: &str = "/api/user/password/reset";
const RESET_TOKEN: &str = "/api/user/password/reset/token";

#[tokio::test]
async fn a_reset_sets_the_password_once_and_leaves_sessions_alone() {
    let app = TestApp::start().await;
    let (mut ada, _) = app.ada().await;
    let mut other = Browser::default();
    let answer = other.post(&app, RESET_TOKEN, &reset_request(ADA)).await;
    assert_eq!(answer.body, r#"{"status":"OK"}"#);
    let mail = app.mailbox.lock().unwrap()[0].clone();
    assert_eq!(mail["Destination"]["ToAddresses"], json!([ADA]));
    assert_eq!(mail["FromEmailAddress"], "no-reply@example.com");
    let earlier = app.mailed_token();
    app.pass(MAIL_INTERVAL);
    other.post(&app, RESET_TOKEN, &reset_request(ADA)).await;
    let token = app.mailed_token();
    assert_ne!(token, earlier);

    let weak = other.post(&app, RESET, &reset("short", &token)).await;
    assert_eq!(weak.status_text(), "FIELD_ERROR");
    let done = other.post(&app, RESET, &reset("battery staple 2", &token)).await;
    assert_eq!((done.status, done.body.as_str()), (StatusCode::OK, r#"{"status":"OK"}"#));
    assert!(other.0.is_empty(), "a reset gives no session");
    for spent in [&token, &earlier] {
        let again = other.post(&app, RESET, &reset("battery staple 3", spent)).await;
        assert_eq!(again.body, r#"{"status":"RESET_PASSWORD_INVALID_TOKEN_ERROR"}"#);
    }
    let old = other.post(&app, "/api/signin", &sign_in(ADA, PASSWORD)).await;
    assert_eq!(old.status_text(), "WRONG_CREDENTIALS_ERROR");
    let new = other.post(&app, "/api/signin", &sign_in(ADA, "battery staple 2")).await;
    assert_eq!(new.status_text(), "OK");
    assert_eq!(ada.refresh(&app).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_reset_is_good_for_an_hour_and_garbage_never() {
    let app = TestApp::start().await;
    app.ada().await;
    let mut browser = Browser::default();
    browser.post(&app, RESET_TOKEN, &reset_request(ADA)).await;
    let token = app.mailed_token();
    app.pass(TimeDelta::hours(1));
    for token in [token.as_str(), "", "garbage"] {
        let answer = browser.post(&app, RESET, &reset("battery staple 2", token)).await;
        assert_eq!(answer.body, r#"{"status":"RESET_PASSWORD_INVALID_TOKEN_ERROR"}"#);
    }
    let without = json!({"formFields": [{"id": "password", "value": "battery staple 2"}]});
    let answer = browser.post(&app, RESET, &without).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json(), json!({"message": "Please provide the password reset token"}));
}

#[tokio::test]
async fn a_reset_for_an_unknown_address_looks_alike_and_mails_nothing() {
    let app = TestApp::start().await;
    let answer = Browser::default().post(&app, RESET_TOKEN, &reset_request("eve@example.com")).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, r#"{"status":"OK"}"#));
    assert!(app.mailbox.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_mail_that_could_not_be_sent_does_not_tell_that_the_address_is_known() {
    let app = TestApp::start().await;
    app.ada().await;
    app.fail("SendEmail", Fault::FailBefore);
    let answer = Browser::default().post(&app, RESET_TOKEN, &reset_request(ADA)).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, r#"{"status":"OK"}"#));
    assert!(app.mailbox.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_address_gets_one_mail_a_minute_however_often_it_is_asked_for() {
    let app = TestApp::start().await;
    app.ada().await;
    let mut browser = Browser::default();
    for (seconds, mails) in [(0, 1), (0, 1), (59, 1), (1, 2), (0, 2)] {
        app.pass(TimeDelta::seconds(seconds));
        for spelling in [ADA, " ADA@Example.com "] {
            let answer = browser.post(&app, RESET_TOKEN, &reset_request(spelling)).await;
            assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, r#"{"status":"OK"}"#));
        }
        assert_eq!(app.mailbox.lock().unwrap().len(), mails);
    }
}

#[tokio::test]
async fn signing_up_is_one_round_to_the_store_and_signing_in_two() {
    let app = TestApp::start().await;
    let ((), ledger) = seam::measured(async { drop(app.ada().await) }).await;
    assert_eq!((ledger.store_calls, ledger.store_rounds), (1, 1));
    let mut browser = Browser::default();
    let body = sign_in(ADA, PASSWORD);
    let (answer, ledger) = seam::measured(browser.post(&app, "/api/signin", &body)).await;
    assert_eq!(answer.status_text(), "OK");
    assert_eq!((ledger.store_calls, ledger.store_rounds), (2, 2));
}
