//! What leads to nothing: connections that are refused, notifications that are forged, a deployment without Google.

use std::collections::BTreeMap;

use reqwest::Method;
use scenarios::{REDIRECT_URI, TestApp, timed};
use serde_json::json;

use super::{connected, notify};

#[tokio::test]
async fn a_connection_that_is_refused_changes_nothing() {
    let app = TestApp::start().await;
    let google = app.google();
    let owner = connected(&app).await;
    let browser = app.person().await;
    let conflict = browser.connect_google_as(google, owner.email()).await.is(409).json();
    assert_eq!(conflict["code"], "GOOGLE_ACCOUNT_ALREADY_CONNECTED");
    let mismatch = browser.connect_google_as(google, "somebody@example.com").await.is(409).json();
    assert_eq!(mismatch["code"], "GOOGLE_CONNECT_EMAIL_MISMATCH");
    browser.connect_google_with("no-code-of-google").await.is(400);
    let mut elsewhere = json!({
        "thirdPartyId": "google", "clientType": "web",
        "redirectURIInfo": {
            "redirectURIOnProviderDashboard": "https://evil.example/callback",
            "redirectURIQueryParams": { "code": "x" },
        },
    });
    let path = "/api/auth/google/connect";
    let refused = browser.call(Method::POST, path, Some(&elsewhere)).await.is(400).json();
    assert_eq!(refused["message"], "Google redirect URI does not match this Compass instance");
    elsewhere["redirectURIInfo"]["redirectURIOnProviderDashboard"] = json!(REDIRECT_URI);
    elsewhere["thirdPartyId"] = json!("github");
    browser.call(Method::POST, path, Some(&elsewhere)).await.is(400);

    assert_eq!(browser.connection_state().await, "NOT_CONNECTED");
    let missing = browser.repair_google().await.is(400).json();
    assert_eq!(missing["result"], "User has not connected Google Calendar");
    assert_eq!(owner.connection_state().await, "HEALTHY");
}

#[tokio::test]
async fn a_notification_that_is_not_googles_leads_to_nothing() {
    let app = TestApp::start().await;
    let browser = connected(&app).await;
    let channel = app.google().channels().remove(0);
    assert_eq!(channel.owner, browser.email());
    app.google().clear_journal();
    for (id, token, resource) in [
        ("unknown", "token", "resource"),
        (channel.id.as_str(), "wrong", channel.resource_id.as_str()),
        (channel.id.as_str(), "", channel.resource_id.as_str()),
        ("", "", ""),
    ] {
        let (status, text) = notify(&app, id, token, resource, 7).await;
        assert!(status < 500, "{status}: {text}");
    }
    app.quiesce().await;
    assert_eq!(app.google().journal().len(), 0);
}

#[tokio::test]
async fn without_a_google_client_everything_but_google_works() {
    let app = TestApp::start_with(|options| options.google = local::Google::Elsewhere(BTreeMap::new())).await;
    let browser = app.person().await;
    let config = browser.call(Method::GET, "/api/config", None).await.ok();
    assert_eq!(config, json!({ "google": { "isConfigured": false } }));
    let refused = browser.connect_google_with("code").await.is(503).json();
    assert_eq!(refused["code"], "GOOGLE_NOT_CONFIGURED");
    browser.create(&timed(1, "Lunch", "2026-11-20T12:00:00Z")).await.is(204);
    assert_eq!(browser.titles().await, ["Lunch"]);
    assert_eq!(browser.connection_state().await, "NOT_CONNECTED");
    app.quiesce().await;
}
