//! Sessions and passwords.

use reqwest::Method;
use scenarios::{Answer, Browser, TestApp, id, timed};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse 1";

fn field_errors(answer: Answer) -> Vec<(String, String)> {
    let body = answer.ok();
    assert_eq!(body["status"], "FIELD_ERROR", "{body}");
    let text = |error: &Value, key: &str| error[key].as_str().unwrap().to_owned();
    body["formFields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (text(error, "id"), text(error, "error")))
        .collect()
}

/// A 401 whose body says this, and which took the session from the browser.
fn assert_session_ended(answer: &Answer, browser: &Browser, message: &str) {
    assert_eq!((answer.status, answer.json()), (401, json!({ "message": message })));
    assert_eq!(answer.front_token(), Some(json!("remove")));
    assert_eq!((browser.access_token(), browser.refresh_token()), (None, None));
}

/// A 401 that asks for a refresh and leaves the session to it.
fn assert_try_refresh(answer: &Answer, browser: &Browser) {
    assert_eq!((answer.status, answer.json()), (401, json!({ "message": "try refresh token" })));
    assert_eq!(answer.front_token(), None);
    assert!(browser.refresh_token().is_some());
}

#[tokio::test]
async fn a_first_visit_asks_once_for_a_refresh_and_is_told_that_there_is_no_session() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let answer = browser.refresh().await;
    assert_session_ended(&answer, &browser, "unauthorised");
    assert_eq!(browser.metadata().await.is(401).json(), json!({ "message": "unauthorised" }));
}

#[tokio::test]
async fn a_refresh_rotates_both_tokens_and_may_be_repeated_while_its_answer_may_be_lost() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let (access, refresh) = (browser.access_token(), browser.refresh_token());
    let twin = browser.copy();

    let answer = browser.refresh().await.is(200);
    assert_eq!(answer.json(), json!({}));
    assert_eq!(answer.front_token().unwrap()["uid"], browser.user());
    assert_ne!(browser.access_token(), access);
    assert_ne!(browser.refresh_token(), refresh);

    twin.refresh().await.is(200);
    let (first, second) = (browser.metadata().await, twin.metadata().await);
    assert_eq!((first.status, second.status), (200, 200));
    // Whichever answer reached the browser, it goes on from there.
    twin.refresh().await.is(200);
    browser.refresh().await.is(200);
}

#[tokio::test]
async fn parallel_refreshes_with_one_token_all_succeed() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let tabs = [browser.copy(), browser.copy(), browser.copy(), browser.copy()];
    let answers = futures_util::future::join_all(tabs.iter().map(Browser::refresh)).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:#?}");
    tabs[3].refresh().await.is(200);
}

#[tokio::test]
async fn a_copied_refresh_token_ends_the_session_for_thief_and_owner() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let thief = browser.copy();
    browser.refresh().await.is(200);
    browser.refresh().await.is(200);

    assert_session_ended(&thief.refresh().await, &thief, "token theft detected");
    let answer = browser.refresh().await;
    assert_session_ended(&answer, &browser, "unauthorised");
}

#[tokio::test]
async fn an_expired_access_token_asks_for_a_refresh_and_the_session_goes_on() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    browser.set_access_token(&app.expired(&browser.access_token().unwrap()));

    let answer = browser.create(&timed(1, "Too late", "2026-11-20T09:00:00Z")).await;
    assert_try_refresh(&answer, &browser);
    browser.refresh().await.is(200);
    assert_eq!(browser.create(&timed(1, "In time", "2026-11-20T09:00:00Z")).await.status, 204);
    assert_eq!(browser.titles().await, ["In time"]);
}

#[tokio::test]
async fn a_token_that_somebody_else_signed_is_worth_nothing() {
    let (app, other) = (TestApp::start().await, TestApp::start().await);
    let (browser, stranger) = (app.person().await, other.person().await);
    browser.set_access_token(&stranger.access_token().unwrap());
    assert_try_refresh(&browser.metadata().await, &browser);

    browser.set_refresh_token(&stranger.refresh_token().unwrap());
    let answer = browser.refresh().await;
    assert_session_ended(&answer, &browser, "unauthorised");
}

#[tokio::test]
async fn two_access_cookies_are_none() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let token = browser.access_token().unwrap();
    let request = app.browser().request(Method::GET, "/api/user/metadata");
    let request = request.header("cookie", format!("sAccessToken={token}; sAccessToken={token}"));
    let answer = browser.send(request).await;
    assert_try_refresh(&answer, &browser);
}

#[tokio::test]
async fn signing_out_ends_the_session_here_and_no_other() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let mut other = app.browser();
    other.sign_in(browser.email(), PASSWORD).await.ok();
    let kept = browser.copy();

    let answer = browser.sign_out().await.is(200);
    assert_eq!(answer.json(), json!({ "status": "OK" }));
    assert_eq!(answer.front_token(), Some(json!("remove")));
    assert_eq!((browser.access_token(), browser.refresh_token()), (None, None));

    assert_session_ended(&kept.refresh().await, &kept, "unauthorised");
    other.refresh().await.is(200);
    assert_eq!(browser.sign_out().await.status, 401);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_answered_alike() {
    let app = TestApp::start().await;
    let person = app.person().await;
    let mut browser = app.browser();
    let wrong = browser.sign_in(person.email(), "another horse 1").await;
    let unknown = browser.sign_in("nobody@example.com", PASSWORD).await;
    for answer in [wrong, unknown] {
        assert_eq!(answer.front_token(), None);
        assert_eq!(answer.ok(), json!({ "status": "WRONG_CREDENTIALS_ERROR" }));
    }
    assert_eq!(browser.access_token(), None);
}

#[tokio::test]
async fn an_address_signs_in_however_it_is_written() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    let up = browser.sign_up("Grace Hopper", "  Grace@Example.com ", PASSWORD).await.ok();
    let user = browser.user();
    assert_eq!((&up["status"], &up["user"]["emails"]), (&json!("OK"), &json!(["grace@example.com"])));
    let mut other = app.browser();
    let signed_in = other.sign_in("GRACE@example.com", PASSWORD).await.ok();
    assert_eq!((&signed_in["user"]["id"], other.user()), (&json!(user), user.clone()));
}

#[tokio::test]
async fn a_sign_up_says_which_field_is_wrong_and_opens_nothing() {
    let app = TestApp::start().await;
    let person = app.person().await;
    let mut browser = app.browser();
    let short = "Password must contain at least 8 characters, including a number";
    let digitless = "Password must contain at least one number";
    for (name, email, password, field, error) in [
        ("A", person.email(), PASSWORD, "email", "This email already exists. Please sign in instead."),
        ("A", "new@example.com", "short 1", "password", short),
        ("A", "new@example.com", "without a digit", "password", digitless),
        ("A", "not an address", PASSWORD, "email", "Email is invalid"),
        (" ", "new@example.com", PASSWORD, "name", "Name is required"),
    ] {
        let errors = field_errors(browser.sign_up(name, email, password).await);
        assert_eq!(errors, [(field.to_owned(), error.to_owned())]);
        assert_eq!(browser.access_token(), None);
    }
}

#[tokio::test]
async fn one_of_two_parallel_sign_ups_gets_the_address() {
    let app = TestApp::start().await;
    let (mut one, mut two) = (app.browser(), app.browser());
    let (first, second) = tokio::join!(
        one.sign_up("One", "same@example.com", PASSWORD),
        two.sign_up("Two", "same@example.com", PASSWORD)
    );
    let mut outcomes = [first.ok()["status"].to_string(), second.ok()["status"].to_string()];
    outcomes.sort_unstable();
    assert_eq!(outcomes, [r#""FIELD_ERROR""#, r#""OK""#]);
}

#[tokio::test]
async fn a_mailed_link_changes_the_password_once() {
    let app = TestApp::start().await;
    let person = app.person().await;
    let mut browser = app.browser();
    assert_eq!(browser.ask_for_reset(person.email()).await.ok(), json!({ "status": "OK" }));
    let mails = app.cloud().mails();
    assert_eq!((mails.len(), mails[0].to.as_slice()), (1, [person.email().to_owned()].as_slice()));
    let (page, token) = mails[0].links[0].split_once("token=").unwrap();
    assert_eq!(page, "http://localhost:9080/day?auth=reset&");

    let weak = field_errors(browser.reset(token, "short 1").await);
    assert_eq!(weak[0].0, "password");
    assert_eq!(browser.reset(token, "a new horse 2").await.ok(), json!({ "status": "OK" }));
    assert_eq!(browser.access_token(), None, "a reset signs nobody in");
    let again = browser.reset(token, "a third horse 3").await.ok();
    assert_eq!(again, json!({ "status": "RESET_PASSWORD_INVALID_TOKEN_ERROR" }));

    let old = browser.sign_in(person.email(), PASSWORD).await.ok();
    assert_eq!(old, json!({ "status": "WRONG_CREDENTIALS_ERROR" }));
    assert_eq!(browser.sign_in(person.email(), "a new horse 2").await.ok()["status"], "OK");
    assert_eq!(browser.user(), person.user());
}

#[tokio::test]
async fn asking_for_a_reset_does_not_tell_who_has_an_account() {
    let app = TestApp::start().await;
    let person = app.person().await;
    let browser = app.browser();
    let known = browser.ask_for_reset(person.email()).await;
    let unknown = browser.ask_for_reset("nobody@example.com").await;
    assert_eq!((known.status, &known.text), (unknown.status, &unknown.text));
    assert_eq!(app.cloud().mails().len(), 1);
}

#[tokio::test]
async fn asking_for_a_reset_again_and_again_sends_one_mail_and_says_the_same() {
    let app = TestApp::start().await;
    let person = app.person().await;
    let browser = app.browser();
    let (first, second, third) = tokio::join!(
        browser.ask_for_reset(person.email()),
        browser.ask_for_reset(person.email()),
        browser.ask_for_reset(person.email()),
    );
    let again = browser.ask_for_reset(person.email()).await;
    for answer in [&second, &third, &again] {
        assert_eq!((answer.status, &answer.text), (first.status, &first.text));
    }
    assert_eq!(app.cloud().mails().len(), 1);
}

#[tokio::test]
async fn a_stream_outlives_the_access_token_but_not_the_session() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    browser.set_access_token(&app.expired(&browser.access_token().unwrap()));
    let stream = browser.stream().await;
    assert_eq!(stream.status, 200);
    stream.frame("USER_METADATA").await;
    drop(stream);

    let late = browser.copy();
    browser.refresh().await.is(200);
    browser.sign_out().await.is(200);
    assert_eq!(late.stream().await.status, 401);
}

#[tokio::test]
async fn a_password_does_not_open_the_account_of_a_google_user() {
    let app = TestApp::start().await;
    let mut owner = app.browser();
    let signed_in = owner.sign_in_with_google(app.google(), "ada@example.com").await.ok();
    assert_eq!(
        (&signed_in["status"], &signed_in["user"]["emails"]),
        (&json!("OK"), &json!(["ada@example.com"]))
    );

    let mut stranger = app.browser();
    let errors = field_errors(stranger.sign_up("Mallory", "ada@example.com", PASSWORD).await);
    assert_eq!(errors[0].0, "email");
    let signed_in = stranger.sign_in("ada@example.com", PASSWORD).await.ok();
    assert_eq!(signed_in["status"], "WRONG_CREDENTIALS_ERROR");

    // Whoever reads the mail of that address owns it.
    owner.ask_for_reset("ada@example.com").await.ok();
    let link = app.cloud().mails()[0].links[0].clone();
    owner.reset(link.split_once("token=").unwrap().1, PASSWORD).await.ok();
    let mut other = app.browser();
    other.sign_in("ada@example.com", PASSWORD).await.ok();
    assert_eq!(other.user(), owner.user());
}

#[tokio::test]
async fn signing_in_with_google_again_leads_to_the_same_calendar() {
    let app = TestApp::start().await;
    let (mut first, mut second) = (app.browser(), app.browser());
    let new = first.sign_in_with_google(app.google(), "ada@example.com").await.ok();
    let known = second.sign_in_with_google(app.google(), "ada@example.com").await.ok();
    assert_eq!((&new["createdNewRecipeUser"], &known["createdNewRecipeUser"]), (&json!(true), &json!(false)));
    first.create(&timed(1, "Lunch", "2026-11-20T12:00:00Z")).await.is(204);
    assert_eq!(second.titles().await, ["Lunch"]);
    assert_eq!(second.read(&id(1)).await.ok()["user"], first.user());
}

#[tokio::test]
async fn across_sites_a_change_needs_a_header_that_no_foreign_form_can_send() {
    let app = TestApp::start_with(|options| {
        options.parameters.insert("CookieSameSite".to_owned(), "none".to_owned());
    })
    .await;
    let mut browser = app.browser();
    let answer = browser.sign_up("Ada", "ada@example.com", PASSWORD).await.is(200);
    for cookie in answer.set_cookies() {
        assert!(cookie.contains("SameSite=None") && cookie.contains("Secure"), "{cookie}");
    }
    let token = answer.set_cookies()[0].split(';').next().unwrap().to_owned();
    let event = timed(1, "Lunch", "2026-11-20T12:00:00Z").to_string();
    let stranger = app.browser();
    let form = || stranger.bare(Method::POST, "/api/event").header("cookie", &token).body(event.clone());
    stranger.send(form()).await.is(401);
    stranger.send(form().header("rid", "anti-csrf")).await.is(204);
    // Reading needs no such header: a foreign page cannot see the answer.
    let read = stranger.bare(Method::GET, "/api/user/metadata").header("cookie", &token);
    stranger.send(read).await.is(200);
}
