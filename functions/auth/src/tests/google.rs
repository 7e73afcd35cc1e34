//! Signing in with Google, and connecting a calendar.

use contract::auth::SessionHandle;
use domain::{ConnectionState, GoogleStatus, ImportFlag, Job, Notice, UserId};
use fake_google::{Account, Fault as GoogleFault};
use store::{Plan, Snapshot};

use super::*;

const SIGN_IN_UP: &str = "/api/signinup";
const CONNECT: &str = "/api/auth/google/connect";

impl TestApp {
    async fn state(&self, user: UserId) -> ConnectionState {
        let head = self.store.head(user).await.unwrap();
        GoogleStatus::state(head.google.as_ref(), self.now())
    }

    /// The jobs that the user's log wants after `rev`.
    async fn wanted(&self, user: UserId, rev: u64) -> Vec<Job> {
        let notices = self.store.changes(user, rev).await.unwrap().notices;
        notices
            .into_iter()
            .filter_map(|notice| if let Notice::Wanted(job) = notice { Some(job) } else { None })
            .collect()
    }

    async fn set_google(&self, user: UserId, change: impl Fn(GoogleStatus) -> GoogleStatus) {
        let plan = |snapshot: &Snapshot| {
            let mut plan = Plan::default();
            plan.google = snapshot.head.google.clone().map(&change);
            Ok::<_, store::Error>(plan)
        };
        self.store.mutate(user, &[], self.now(), plan).await.unwrap();
    }
}

fn import(user: UserId) -> Job {
    Job::Import { user, is_repair: false }
}

#[tokio::test]
async fn a_new_google_user_gets_a_session_a_connection_and_an_import() {
    let app = TestApp::start().await;
    let account = Account { name: Some("Ada Lovelace".into()), ..Account::new("Ada@Example.com") };
    let account = app.google.create_account(account);
    let mut browser = Browser::default();
    let answer = browser.post(&app, SIGN_IN_UP, &app.code(&account.email, SCOPES, false)).await;
    let user = answer.user();
    assert_eq!((answer.status, answer.status_text().as_str()), (StatusCode::OK, "OK"), "{}", answer.body);
    let json = answer.json();
    assert_eq!(json["createdNewRecipeUser"], true);
    assert_eq!(json["user"]["emails"], json!([ADA]));
    assert_eq!(json["user"]["thirdParty"], json!([{"id": "google", "userId": account.sub}]));
    assert_eq!(json["user"]["loginMethods"][0]["recipeId"], "thirdparty");
    assert_eq!(json["user"]["id"], json!(user));
    assert_eq!(app.state(user).await, ConnectionState::Importing);
    assert_eq!(app.wanted(user, 0).await, [import(user)]);
    let items = app.store.google(user).await.unwrap().unwrap();
    assert_eq!(items.connection.sub, account.sub);
    assert!(items.connection.sealed_refresh.starts_with("v1."), "{}", items.connection.sealed_refresh);
    // The profile scope was not asked for, so there is no name.
    assert_eq!(app.store.head(user).await.unwrap().profile.name, "Mystery Person");
    assert_eq!(browser.refresh(&app).await.status, StatusCode::OK);
}

#[tokio::test]
async fn signing_in_again_is_the_same_user_and_pulls_once_the_import_is_done() {
    let app = TestApp::start().await;
    let first = Browser::default().post(&app, SIGN_IN_UP, &app.code(ADA, SCOPES, false)).await;
    let user = first.user();
    app.set_google(user, |status| GoogleStatus {
        import: ImportFlag::Completed,
        import_until: None,
        ..status
    })
    .await;
    let rev = app.store.head(user).await.unwrap().seq;
    let sealed = app.store.google(user).await.unwrap().unwrap().connection.sealed_refresh;
    // Without a prompt Google sends no further refresh token.
    let again = Browser::default().post(&app, SIGN_IN_UP, &app.code(ADA, SCOPES, false)).await;
    assert_eq!((again.user(), again.json()["createdNewRecipeUser"].clone()), (user, json!(false)));
    assert_eq!(app.wanted(user, rev).await, [Job::Pull { user }]);
    assert_eq!(app.state(user).await, ConnectionState::Healthy);
    assert_eq!(app.store.google(user).await.unwrap().unwrap().connection.sealed_refresh, sealed);
}

#[tokio::test]
async fn a_revoked_connection_is_mended_by_consent_and_by_nothing_less() {
    let app = TestApp::start().await;
    let user = Browser::default().post(&app, SIGN_IN_UP, &app.code(ADA, SCOPES, false)).await.user();
    app.set_google(user, |status| GoogleStatus { is_revoked: true, ..status }).await;
    let rev = app.store.head(user).await.unwrap().seq;
    let answer = Browser::default().post(&app, SIGN_IN_UP, &app.code(ADA, SCOPES, false)).await;
    assert_eq!((answer.status_text().as_str(), answer.user()), ("OK", user));
    assert_eq!(app.state(user).await, ConnectionState::ReconnectRequired);
    assert!(app.wanted(user, rev).await.is_empty());
    Browser::default().post(&app, SIGN_IN_UP, &app.code(ADA, SCOPES, true)).await;
    assert_eq!(app.state(user).await, ConnectionState::Importing);
    assert_eq!(app.wanted(user, rev).await, [import(user)]);
}

#[tokio::test]
async fn a_user_who_did_not_grant_the_calendar_is_signed_in_without_a_connection() {
    let app = TestApp::start().await;
    let scopes = "openid https://www.googleapis.com/auth/userinfo.email";
    let answer = Browser::default().post(&app, SIGN_IN_UP, &app.code(ADA, scopes, true)).await;
    assert_eq!(answer.status_text(), "OK");
    assert_eq!(app.state(answer.user()).await, ConnectionState::NotConnected);
    assert!(app.store.google(answer.user()).await.unwrap().is_none());
}

#[tokio::test]
async fn an_address_links_to_its_user_only_when_google_has_verified_it() {
    let app = TestApp::start().await;
    let (_, ada) = app.ada().await;
    let doubtful = Account { is_verified: false, sub: "666".into(), ..Account::new(ADA) };
    app.google.create_account(doubtful);
    let mut browser = Browser::default();
    let answer = browser.post(&app, SIGN_IN_UP, &app.code(ADA, SCOPES, false)).await;
    assert_eq!((answer.status, answer.status_text().as_str()), (StatusCode::OK, "SIGN_IN_UP_NOT_ALLOWED"));
    assert!(browser.0.is_empty());
    assert_eq!(app.store.google_owner("666").await.unwrap(), None);

    let app = TestApp::start().await;
    let (_, ada_here) = app.ada().await;
    assert_eq!(ada.user(), ada_here.user(), "the dice are the same");
    let answer = Browser::default().post(&app, SIGN_IN_UP, &app.code(ADA, SCOPES, false)).await;
    assert_eq!(answer.user(), ada_here.user());
}

#[tokio::test]
async fn nobody_is_made_of_an_address_that_google_has_not_verified() {
    let app = TestApp::start().await;
    app.google.create_account(Account { is_verified: false, ..Account::new(ADA) });
    let mut browser = Browser::default();
    let answer = browser.post(&app, SIGN_IN_UP, &app.code(ADA, SCOPES, false)).await;
    assert_eq!(answer.status_text(), "SIGN_IN_UP_NOT_ALLOWED");
    assert!(browser.0.is_empty() && app.store.login(&ADA.parse().unwrap()).await.unwrap().is_none());
}

async fn reset_password(app: &TestApp, password: &str) {
    let body = json!({"formFields": [{"id": "email", "value": ADA}]});
    Browser::default().post(app, "/api/user/password/reset/token", &body).await;
    let body = json!({"formFields": [{"id": "password", "value": password}], "token": app.mailed_token(), "method": "token"});
    assert_eq!(Browser::default().post(app, "/api/user/password/reset", &body).await.status_text(), "OK");
}

#[tokio::test]
async fn whoever_signed_up_first_with_somebody_elses_address_is_out_when_its_owner_comes_by_google() {
    let app = TestApp::start().await;
    // Eve waits in an account under Ada's address.
    let (mut eve, waiting) = app.ada().await;
    let mut other_eve = Browser::default();
    other_eve.post(&app, "/api/signin", &sign_in(ADA, PASSWORD)).await;
    let mut ada = Browser::default();
    let answer = ada.post(&app, SIGN_IN_UP, &app.code(ADA, SCOPES, true)).await;
    assert_eq!((answer.status_text().as_str(), answer.user()), ("OK", waiting.user()));
    for eve in [&mut eve, &mut other_eve] {
        assert_eq!(eve.refresh(&app).await.status, StatusCode::UNAUTHORIZED, "no session of hers goes on");
    }
    let again = Browser::default().post(&app, "/api/signin", &sign_in(ADA, PASSWORD)).await;
    assert_eq!(again.status_text(), "WRONG_CREDENTIALS_ERROR");
    assert_eq!(ada.refresh(&app).await.status, StatusCode::OK, "the owner's does");

    reset_password(&app, "battery staple 2").await;
    let mut desktop = Browser::default();
    assert_eq!(
        desktop.post(&app, "/api/signin", &sign_in(ADA, "battery staple 2")).await.user(),
        answer.user()
    );
    Browser::default().post(&app, SIGN_IN_UP, &app.code(ADA, SCOPES, false)).await;
    assert_eq!(desktop.refresh(&app).await.status, StatusCode::OK, "what was set by mail stays");
}

#[tokio::test]
async fn a_password_that_was_set_by_mail_before_stays_when_its_owner_comes_by_google() {
    let app = TestApp::start().await;
    let (mut browser, ada) = app.ada().await;
    reset_password(&app, "battery staple 2").await;
    let answer = Browser::default().post(&app, SIGN_IN_UP, &app.code(ADA, SCOPES, false)).await;
    assert_eq!(answer.user(), ada.user());
    assert_eq!(browser.refresh(&app).await.status, StatusCode::OK);
    let again = Browser::default().post(&app, "/api/signin", &sign_in(ADA, "battery staple 2")).await;
    assert_eq!(again.user(), ada.user());
}

#[tokio::test]
async fn an_eviction_that_broke_off_in_the_middle_is_done_by_the_next_sign_in() {
    let app = TestApp::start().await;
    let (mut eve, _) = app.ada().await;
    app.fail("DeleteItem", Fault::FailBefore);
    let answer = Browser::default().post(&app, SIGN_IN_UP, &app.code(ADA, SCOPES, true)).await;
    assert!(answer.status.is_server_error());
    let answer = Browser::default().post(&app, SIGN_IN_UP, &app.code(ADA, SCOPES, true)).await;
    assert_eq!(answer.status_text(), "OK");
    assert_eq!(eve.refresh(&app).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_google_user_gets_a_password_by_reset_and_nobody_by_signing_up() {
    let app = TestApp::start().await;
    let user = Browser::default().post(&app, SIGN_IN_UP, &app.code(ADA, SCOPES, false)).await.user();
    let mut eve = Browser::default();
    let answer = eve.post(&app, "/api/signup", &sign_up("Eve", ADA, "battery staple 2")).await;
    assert_eq!(answer.json()["formFields"][0]["error"], "This email already exists. Please sign in instead.");
    let answer = eve.post(&app, "/api/signin", &sign_in(ADA, "battery staple 2")).await;
    assert_eq!(answer.status_text(), "WRONG_CREDENTIALS_ERROR");
    reset_password(&app, PASSWORD).await;
    assert_eq!(Browser::default().post(&app, "/api/signin", &sign_in(ADA, PASSWORD)).await.user(), user);
}

#[tokio::test]
async fn connecting_stores_everything_in_one_mutation() {
    let app = TestApp::start().await;
    let (mut ada, answer) = app.ada().await;
    let user = answer.user();
    let body = app.code(ADA, SCOPES, true);
    let (answer, ledger) = seam::measured(ada.post(&app, CONNECT, &body)).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, r#"{"status":"OK"}"#));
    assert_eq!(ledger.store_rounds, 3);
    assert_eq!(app.state(user).await, ConnectionState::Importing);
    let notices = app.store.changes(user, 0).await.unwrap().notices;
    assert_eq!(notices, [Notice::Metadata, Notice::Wanted(import(user))]);
    let connection = app.store.google(user).await.unwrap().unwrap().connection;
    assert_eq!(app.store.google_owner(&connection.sub).await.unwrap(), Some(user));
    // A second code for the same account connects again.
    assert_eq!(ada.post(&app, CONNECT, &app.code(ADA, SCOPES, true)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_connect_that_fails_says_why_and_changes_nothing() {
    let app = TestApp::start().await;
    let (mut ada, answer) = app.ada().await;
    let user = answer.user();
    let eve = Browser::default().post(&app, SIGN_IN_UP, &app.code("eve@example.com", SCOPES, true)).await;
    assert_eq!(eve.status_text(), "OK");
    let used = app.code(ADA, SCOPES, true);
    app.google.create_account(Account { sub: "109".into(), ..Account::new("ada@other.example") });
    let no_calendar = SCOPES.replace("https://www.googleapis.com/auth/calendar.events", "");
    Browser::default().post(&app, SIGN_IN_UP, &used).await;
    let before = app.store.head(user).await.unwrap();
    let cases = [
        (json!({"thirdPartyId": "google"}), 400, "clientType", None),
        (json!({}), 400, "thirdPartyId", None),
        (json!([]), 400, "valid JSON", None),
        (google_body("x", "https://evil.example/callback"), 400, "redirect URI does not match", None),
        (google_body("garbage", CALLBACK), 400, "authorization code", None),
        (used, 400, "authorization code", None),
        (app.code(ADA, &no_calendar, true), 400, "auth/calendar.events", None),
        (
            app.code("eve@example.com", SCOPES, true),
            409,
            "already connected",
            Some("GOOGLE_ACCOUNT_ALREADY_CONNECTED"),
        ),
        (
            app.code("ada@other.example", SCOPES, true),
            409,
            "does not match",
            Some("GOOGLE_CONNECT_EMAIL_MISMATCH"),
        ),
    ];
    for (body, status, message, code) in cases {
        let answer = ada.post(&app, CONNECT, &body).await;
        let json = answer.json();
        assert_eq!(answer.status.as_u16(), status, "{message}: {json}");
        assert!(json["message"].as_str().unwrap().contains(message), "{message}: {json}");
        assert!(json["result"].is_string(), "{json}");
        assert_eq!(json["code"].as_str(), code);
        assert!(answer.front_token().is_none());
    }
    assert_eq!(app.store.head(user).await.unwrap(), before);
    assert_eq!(app.store.google_owner("109").await.unwrap(), None);
}

#[tokio::test]
async fn a_consent_without_a_lasting_permission_cannot_be_connected() {
    let app = TestApp::start().await;
    let (mut ada, answer) = app.ada().await;
    let request = ConsentRequest { is_online: true, ..ConsentRequest::new(ADA, SCOPES, CALLBACK) };
    let body = google_body(&app.google.consent(request), CALLBACK);
    let refused = ada.post(&app, CONNECT, &body).await;
    assert_eq!(
        (refused.status.as_u16(), refused.json()["message"].as_str()),
        (400, Some("Google sent no refresh token"))
    );
    assert_eq!(app.state(answer.user()).await, ConnectionState::NotConnected);
}

/// Scenario 89.
#[tokio::test]
async fn a_second_consent_without_a_refresh_token_connects_with_the_first_ones() {
    let app = TestApp::start().await;
    let (mut ada, answer) = app.ada().await;
    let user = answer.user();
    assert_eq!(ada.post(&app, CONNECT, &app.code(ADA, SCOPES, true)).await.status, StatusCode::OK);
    let before = app.store.google(user).await.unwrap().unwrap().connection;
    app.set_google(user, |status| GoogleStatus {
        import: ImportFlag::Completed,
        import_until: None,
        ..status
    })
    .await;
    let rev = app.store.head(user).await.unwrap().seq;
    assert_eq!(ada.post(&app, CONNECT, &app.code(ADA, SCOPES, false)).await.status, StatusCode::OK);
    assert_eq!(app.store.google(user).await.unwrap().unwrap().connection, before);
    assert_eq!(app.wanted(user, rev).await, [Job::Pull { user }]);
    app.set_google(user, |status| GoogleStatus { is_revoked: true, ..status }).await;
    let refused = ada.post(&app, CONNECT, &app.code(ADA, SCOPES, false)).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "that one was withdrawn");
}

/// Scenario 93: an address may come back with another account behind it.
#[tokio::test]
async fn another_google_account_of_the_same_address_is_never_merged_with_the_first() {
    let app = TestApp::start().await;
    let user = Browser::default().post(&app, SIGN_IN_UP, &app.code(ADA, SCOPES, true)).await.user();
    let before = app.store.google(user).await.unwrap();
    app.google.reset();
    app.google.create_account(Account { sub: "another".into(), ..Account::new(ADA) });
    let mut browser = Browser::default();
    let answer = browser.post(&app, SIGN_IN_UP, &app.code(ADA, SCOPES, true)).await;
    assert_eq!(answer.status_text(), "SIGN_IN_UP_NOT_ALLOWED");
    assert!(browser.0.is_empty());
    assert_eq!(app.store.google(user).await.unwrap(), before);
    assert_eq!(app.store.google_owner("another").await.unwrap(), None);
}

/// Scenario 91.
#[tokio::test]
async fn a_code_is_good_once_with_its_own_verifier_and_no_code_is_none() {
    let app = TestApp::start().await;
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let with_challenge = || {
        let request = ConsentRequest {
            code_challenge: Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".into()),
            is_prompted: true,
            ..ConsentRequest::new(ADA, SCOPES, CALLBACK)
        };
        google_body(&app.google.consent(request), CALLBACK)
    };
    let with_verifier = |mut body: Value, verifier: &str| {
        body["redirectURIInfo"]["pkceCodeVerifier"] = verifier.into();
        body
    };
    let good = with_verifier(with_challenge(), verifier);
    let mut denied = google_body("", CALLBACK);
    denied["redirectURIInfo"]["redirectURIQueryParams"] = json!({"error": "access_denied", "state": "s"});
    for body in [
        with_challenge(),
        with_verifier(with_challenge(), &verifier.to_uppercase()),
        with_verifier(app.code(ADA, SCOPES, true), verifier),
        denied,
    ] {
        let mut browser = Browser::default();
        let answer = browser.post(&app, SIGN_IN_UP, &body).await;
        assert_eq!((answer.status, browser.0.is_empty()), (StatusCode::BAD_REQUEST, true), "{}", answer.body);
        assert!(app.store.login(&ADA.parse().unwrap()).await.unwrap().is_none(), "nobody was made");
    }
    assert_eq!(Browser::default().post(&app, SIGN_IN_UP, &good).await.status_text(), "OK");
    assert_eq!(
        Browser::default().post(&app, SIGN_IN_UP, &good).await.status,
        StatusCode::BAD_REQUEST,
        "spent"
    );
}

#[tokio::test]
async fn the_redirect_uri_and_the_body_are_checked_on_sign_in_too() {
    let app = TestApp::start().await;
    for (body, expected) in [
        (
            google_body("x", "https://evil.example/callback"),
            json!({"result": "Google code exchange failed",
            "message": "Google redirect URI does not match this Compass instance"}),
        ),
        (
            google_body("garbage", CALLBACK),
            json!({"result": "Google code exchange failed",
            "message": "Google did not accept the authorization code. Please try again."}),
        ),
        (json!({}), json!({"message": "thirdPartyId must be a text that is not empty"})),
    ] {
        let mut browser = Browser::default();
        let answer = browser.post(&app, SIGN_IN_UP, &body).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::BAD_REQUEST, expected));
        assert!(browser.0.is_empty());
    }
}

#[tokio::test]
async fn without_a_google_client_both_routes_say_so() {
    let app = TestApp::with(SameSite::Lax, false).await;
    let (mut ada, _) = app.ada().await;
    for path in [SIGN_IN_UP, CONNECT] {
        let answer = ada.post(&app, path, &google_body("x", CALLBACK)).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            answer.body,
            r#"{"result":"Connect failed","message":"Google is not configured for this Compass instance","code":"GOOGLE_NOT_CONFIGURED"}"#
        );
    }
}

#[tokio::test]
async fn a_fault_of_google_is_neither_the_users_nor_a_401() {
    let app = TestApp::start().await;
    let (mut ada, _) = app.ada().await;
    for fault in [
        GoogleFault::refuse("oauth.token", StatusCode::SERVICE_UNAVAILABLE, "backendError"),
        GoogleFault::drop("oauth.token"),
    ] {
        app.google.inject(fault);
        let answer = ada.post(&app, CONNECT, &app.code(ADA, SCOPES, true)).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
    }
}

#[tokio::test]
async fn connecting_needs_a_session_and_its_user() {
    let app = TestApp::start().await;
    let mut browser = Browser::default();
    let answer = browser.post(&app, CONNECT, &app.code(ADA, SCOPES, true)).await;
    assert_eq!(
        (answer.status, answer.json()),
        (StatusCode::UNAUTHORIZED, json!({"message": "unauthorised"}))
    );
    let nobody = crate::reply::first(UserId::new([1; 12]), SessionHandle::new([1; 16]));
    let issuer = Issuer::from_base64(SEED).unwrap();
    let tokens = issuer.issue(nobody, app.now(), String::new(), app.now()).unwrap();
    browser.0.insert("sAccessToken".into(), tokens.access);
    let answer = browser.post(&app, CONNECT, &app.code(ADA, SCOPES, true)).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.json(), json!({"result": "User not connected", "message": "User not found"}));
}

#[tokio::test]
async fn a_first_sign_in_that_broke_off_in_the_middle_is_completed_by_the_next() {
    let app = TestApp::start().await;
    // The user is there, and then the store is not.
    app.fail("TransactWriteItems", Fault::Delay(Duration::ZERO));
    for _ in 0..12 {
        app.fail("GetItem", Fault::FailBefore);
    }
    let answer = Browser::default().post(&app, SIGN_IN_UP, &app.code(ADA, SCOPES, true)).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    app.faults.0.lock().unwrap().clear();
    let answer = Browser::default().post(&app, SIGN_IN_UP, &app.code(ADA, SCOPES, true)).await;
    assert_eq!(answer.status_text(), "OK");
    assert_eq!(app.wanted(answer.user(), 0).await, [import(answer.user())]);
}
