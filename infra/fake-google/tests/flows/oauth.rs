//! OAuth and OpenID Connect, as a client meets them.

use std::time::Duration;

use crate::support::{App, EMAIL, REDIRECT, SCOPES, reason};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fake_google::{Account, ConsentRequest, Fault, ManualClock, Options};
use http::{StatusCode, header};
use jwt::jwk::JwkSet;
use jwt::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

async fn certs(app: &App) -> JwkSet {
    let response = app.http.get(app.google.jwks_url()).send().await.unwrap();
    assert!(response.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("max-age="));
    response.json().await.unwrap()
}

fn claims(app: &App, certs: &JwkSet, id_token: &Value) -> Value {
    let id_token = id_token.as_str().unwrap();
    let kid = decode_header(id_token).unwrap().kid.unwrap();
    let key = DecodingKey::from_jwk(certs.find(&kid).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[app.google.client_id()]);
    validation.set_issuer(&["https://accounts.google.com"]);
    decode(id_token, &key, &validation).unwrap()
}

#[tokio::test]
async fn a_code_brings_tokens_and_a_verifiable_identity() {
    let app = App::start().await;
    let code = app.google.consent(ConsentRequest {
        nonce: Some("n".into()),
        is_prompted: true,
        ..ConsentRequest::new(EMAIL, SCOPES, REDIRECT)
    });
    let (status, tokens) = app.redeem(&code, &[]).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!((&tokens["expires_in"], &tokens["token_type"]), (&3599.into(), &"Bearer".into()));
    assert!(tokens["refresh_token"].is_string());
    assert!(tokens["scope"].as_str().unwrap().contains("https://www.googleapis.com/auth/userinfo.email"));
    let claims = claims(&app, &certs(&app).await, &tokens["id_token"]);
    assert_eq!((&claims["email"], &claims["email_verified"]), (&EMAIL.into(), &true.into()));
    assert_eq!((&claims["azp"], &claims["nonce"]), (&app.google.client_id().into(), &"n".into()));
    assert_eq!(claims["sub"], app.google.accounts()[0].sub);
    assert!(claims.get("name").is_none(), "no profile scope was granted");

    let (status, again) = app.redeem(&code, &[]).await;
    assert_eq!((status, &again["error"]), (StatusCode::BAD_REQUEST, &"invalid_grant".into()));
}

#[tokio::test]
async fn a_rotated_key_is_published_beside_the_old_one() {
    let app = App::start().await;
    let before = app.sign_in().await;
    app.google.rotate_keys();
    let after = app.sign_in().await;
    let certs = certs(&app).await;
    assert_eq!(certs.keys.len(), 2);
    claims(&app, &certs, &before["id_token"]);
    claims(&app, &certs, &after["id_token"]);
}

#[tokio::test]
async fn a_code_is_bound_to_verifier_and_redirect_and_the_client_to_its_secret() {
    let app = App::start().await;
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let consent = || {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        app.google.consent(ConsentRequest {
            code_challenge: Some(challenge),
            ..ConsentRequest::new(EMAIL, SCOPES, REDIRECT)
        })
    };
    assert_eq!(app.redeem(&consent(), &[("code_verifier", verifier)]).await.0, 200);
    let other = verifier.to_uppercase();
    assert_eq!(app.redeem(&consent(), &[("code_verifier", &other)]).await.1["error"], "invalid_grant");
    assert_eq!(app.redeem(&consent(), &[]).await.1["error"], "invalid_grant");

    let code = app.google.consent(ConsentRequest::new(EMAIL, SCOPES, "http://localhost:1/elsewhere"));
    assert_eq!(app.redeem(&code, &[]).await.1["error"], "redirect_uri_mismatch");
    let form =
        [("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_id", app.google.client_id())];
    let wrong = app
        .http
        .post(app.google.token_url())
        .form(&form)
        .form(&[&form[..], &[("client_secret", "x")]].concat());
    let wrong = wrong.send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    assert_eq!(wrong.json::<Value>().await.unwrap()["error"], "invalid_client");
}

#[tokio::test]
async fn an_access_token_expires_and_is_refreshed_until_the_grant_is_revoked() {
    let clock = ManualClock::new("2026-11-20T12:00:00Z".parse().unwrap());
    let mut app = App::start_with(Options { clock: clock.clock(), ..Options::default() }).await;
    let code = app
        .google
        .consent(ConsentRequest { is_prompted: true, ..ConsentRequest::new(EMAIL, SCOPES, REDIRECT) });
    let refresh_token = app.redeem(&code, &[]).await.1["refresh_token"].as_str().unwrap().to_owned();
    clock.advance(Duration::from_secs(3599));
    let (status, body) = app.get("/users/me/calendarList").await;
    assert_eq!((status, reason(&body)), (StatusCode::UNAUTHORIZED, "authError"));

    let (status, tokens) = app.refresh(&refresh_token).await;
    assert_eq!(status, 200);
    assert!(tokens.get("refresh_token").is_none());
    app.access_token = tokens["access_token"].as_str().unwrap().to_owned();
    assert_eq!(app.get("/users/me/calendarList").await.0, 200);

    let revoke = || app.http.post(app.google.revoke_url()).form(&[("token", &app.access_token)]).send();
    assert_eq!(revoke().await.unwrap().status(), 200);
    assert_eq!(revoke().await.unwrap().status(), 400);
    let (status, body) = app.refresh(&refresh_token).await;
    assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &"invalid_grant".into()));
    assert_eq!(app.get("/users/me/calendarList").await.0, 401);
}

#[tokio::test]
async fn a_token_without_the_scope_is_refused_with_both_reasons() {
    let mut app = App::start().await;
    app.google.revoke_grants(EMAIL);
    let code = app.google.consent(ConsentRequest::new(EMAIL, "email", REDIRECT));
    app.access_token = app.redeem(&code, &[]).await.1["access_token"].as_str().unwrap().to_owned();
    let (status, body) = app.get("/calendars/primary/events").await;
    assert_eq!((status, reason(&body)), (StatusCode::FORBIDDEN, "insufficientPermissions"));
    assert_eq!(body["error"]["details"][0]["reason"], "ACCESS_TOKEN_SCOPE_INSUFFICIENT");
}

#[tokio::test]
async fn a_fault_of_the_token_endpoint_has_the_oauth_shape() {
    let app = App::start().await;
    app.google.inject(Fault::refuse(
        "oauth.token",
        StatusCode::SERVICE_UNAVAILABLE,
        "temporarily_unavailable",
    ));
    let (status, body) = app.refresh("any").await;
    assert_eq!(
        (status, &body["error"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"temporarily_unavailable".into())
    );
}

fn authorize_url(app: &App, extra: &[(&str, &str)]) -> Url {
    let mut url = Url::parse(&app.google.authorize_url()).unwrap();
    url.query_pairs_mut()
        .append_pair("client_id", app.google.client_id())
        .append_pair("redirect_uri", REDIRECT)
        .append_pair("response_type", "code")
        .append_pair("access_type", "offline")
        .append_pair("scope", SCOPES)
        .append_pair("state", "st&te")
        .extend_pairs(extra);
    url
}

/// Where the browser is sent, as pairs.
async fn decide(app: &App, url: &Url, form: &[(&str, &str)]) -> Vec<(String, String)> {
    let form = [&[("request", url.query().unwrap())], form].concat();
    let response = app.http.post(app.google.authorize_url()).form(&form).send().await.unwrap();
    assert_eq!(response.status(), 303);
    let target = Url::parse(response.headers()[header::LOCATION].to_str().unwrap()).unwrap();
    assert!(target.as_str().starts_with(REDIRECT));
    target.query_pairs().into_owned().collect()
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn the_page_offers_accounts_and_scopes_and_sends_the_decision_back() {
    let app = App::start().await;
    app.google.create_account(Account::new("<b>@example.com"));
    let url = authorize_url(&app, &[]);
    let page = app.http.get(url.clone()).send().await.unwrap().text().await.unwrap();
    assert!(page.contains(EMAIL) && page.contains("auth/calendar.events") && !page.contains("<b>@"));

    let denied = decide(&app, &url, &[("decision", "deny")]).await;
    assert_eq!((value(&denied, "error"), value(&denied, "state")), (Some("access_denied"), Some("st&te")));

    let events = "https://www.googleapis.com/auth/calendar.events";
    let form = [("decision", "allow"), ("other_email", "New@Example.com"), ("scope", events)];
    let allowed = decide(&app, &url, &form).await;
    assert_eq!(value(&allowed, "state"), Some("st&te"));
    let scope = value(&allowed, "scope").unwrap();
    assert!(
        scope.contains(events) && scope.contains("userinfo.email") && !scope.contains("calendar.readonly")
    );
    let (status, tokens) = app.redeem(value(&allowed, "code").unwrap(), &[]).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(tokens["scope"], scope);
    assert!(app.google.accounts().iter().any(|account| account.email == "new@example.com"));
}

#[tokio::test]
async fn a_forged_request_is_not_sent_back() {
    let app = App::start_with(Options { redirect_uris: vec![REDIRECT.into()], ..Options::default() }).await;
    let page = |url: Url| app.http.get(url).send();
    assert_eq!(page(authorize_url(&app, &[])).await.unwrap().status(), 200);
    let with = |name: &str, value: &str| {
        let url = authorize_url(&app, &[]);
        let pairs: Vec<(String, String)> =
            url.query_pairs().into_owned().filter(|(key, _)| key != name).collect();
        let mut url = Url::parse(&app.google.authorize_url()).unwrap();
        url.query_pairs_mut().extend_pairs(pairs).append_pair(name, value);
        url
    };
    let mismatch = page(with("redirect_uri", "http://evil.example/")).await.unwrap();
    assert_eq!(mismatch.status(), 400);
    assert!(mismatch.text().await.unwrap().contains("redirect_uri_mismatch"));
    assert_eq!(page(with("client_id", "other")).await.unwrap().status(), 401);
    assert_eq!(page(with("response_type", "token")).await.unwrap().status(), 400);
}

#[tokio::test]
async fn without_a_prompt_only_a_known_consent_gets_a_code() {
    let app = App::start().await;
    let ask = |extra: &[(&str, &str)]| {
        let url = authorize_url(&app, &[&[("prompt", "none")], extra].concat());
        let request = app.http.get(url).send();
        async move {
            let response = request.await.unwrap();
            let target = Url::parse(response.headers()[header::LOCATION].to_str().unwrap()).unwrap();
            target.query_pairs().into_owned().collect::<Vec<_>>()
        }
    };
    assert_eq!(value(&ask(&[]).await, "error"), Some("login_required"));
    assert!(value(&ask(&[("login_hint", EMAIL)]).await, "code").is_some());
    app.google.revoke_grants(EMAIL);
    assert_eq!(value(&ask(&[("login_hint", EMAIL)]).await, "error"), Some("interaction_required"));
}

#[tokio::test]
async fn userinfo_and_discovery_answer() {
    let app = App::start().await;
    let url = format!("{}/.well-known/openid-configuration", app.google.url());
    let configuration: Value = app.http.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(configuration["jwks_uri"], app.google.jwks_url());
    let userinfo = configuration["userinfo_endpoint"].as_str().unwrap();
    let info = app.http.get(userinfo).bearer_auth(&app.access_token).send().await.unwrap();
    assert_eq!(info.json::<Value>().await.unwrap()["email"], EMAIL);
    assert_eq!(app.http.get(userinfo).send().await.unwrap().status(), 401);
}
