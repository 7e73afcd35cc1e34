//! The authorization endpoint: asks an account for consent and sends the browser back with a code, or with the refusal.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use url::Url;

use super::grants::Consent;
use super::page;
use super::scopes::Scopes;
use super::token::Challenge;
use crate::state::{Account, Client, Google};

/// An authorization request that may be shown to a person.
pub(super) struct Request {
    redirect_uri: Url,
    /// Exactly as sent: the token endpoint compares text, not addresses.
    redirect_text: String,
    pub scopes: Scopes,
    state: Option<String>,
    pub login_hint: Option<String>,
    prompt: String,
    is_offline: bool,
    includes_granted_scopes: bool,
    nonce: Option<String>,
    challenge: Option<Challenge>,
}

/// A request that must not be answered by a redirect: the redirect itself may be forged.
pub(crate) struct Invalid {
    pub status: StatusCode,
    pub error: &'static str,
    pub detail: String,
}

impl Request {
    fn parse(query: &str, client: &Client) -> Result<Self, Invalid> {
        let mut fields: HashMap<String, String> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let mut take = |name: &str| fields.remove(name).filter(|value| !value.is_empty());
        if take("client_id").as_deref() != Some(&client.id) {
            return Err(invalid(
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                "The OAuth client was not found.",
            ));
        }
        let redirect_text =
            take("redirect_uri").ok_or_else(|| bad("Required parameter is missing: redirect_uri"))?;
        let redirect_uri =
            Url::parse(&redirect_text).map_err(|_| bad(format!("Invalid redirect_uri: {redirect_text}")))?;
        if !client.redirect_uris.is_empty() && !client.redirect_uris.contains(&redirect_text) {
            let detail = format!("The redirect URI in the request, {redirect_text}, is not registered.");
            return Err(invalid(StatusCode::BAD_REQUEST, "redirect_uri_mismatch", detail));
        }
        if take("response_type").as_deref() != Some("code") {
            return Err(invalid(
                StatusCode::BAD_REQUEST,
                "unsupported_response_type",
                "Only code is supported.",
            ));
        }
        let scopes = Scopes::parse(&take("scope").ok_or_else(|| bad("Missing required parameter: scope"))?);
        let challenge = match (take("code_challenge"), take("code_challenge_method").as_deref()) {
            (None, _) => None,
            (Some(challenge), Some("S256")) => Some(Challenge::S256(challenge)),
            (Some(challenge), None | Some("plain")) => Some(Challenge::Plain(challenge)),
            (Some(_), Some(other)) => return Err(bad(format!("Invalid code_challenge_method: {other}"))),
        };
        Ok(Self {
            redirect_uri,
            redirect_text,
            scopes,
            state: take("state"),
            login_hint: take("login_hint"),
            prompt: take("prompt").unwrap_or_default(),
            is_offline: take("access_type").as_deref() == Some("offline"),
            includes_granted_scopes: take("include_granted_scopes").as_deref() == Some("true"),
            nonce: take("nonce"),
            challenge,
        })
    }

    fn has_prompt(&self, prompt: &str) -> bool {
        self.prompt.split_whitespace().any(|word| word == prompt)
    }

    fn consent(&self, client: &Client, email: &str, scopes: Scopes) -> Consent {
        Consent {
            email: email.to_owned(),
            client_id: client.id.clone(),
            redirect_uri: self.redirect_text.clone(),
            scopes,
            is_offline: self.is_offline,
            is_prompted: self.has_prompt("consent"),
            includes_granted_scopes: self.includes_granted_scopes,
            nonce: self.nonce.clone(),
            challenge: self.challenge.clone(),
        }
    }

    fn send_back(&self, answer: &[(&str, &str)]) -> Response {
        let mut target = self.redirect_uri.clone();
        target
            .query_pairs_mut()
            .extend_pairs(self.state.as_deref().map(|state| ("state", state)))
            .extend_pairs(answer);
        Redirect::to(target.as_str()).into_response()
    }

    fn allow(&self, google: &Google, email: &str, scopes: Scopes) -> Response {
        let consent = self.consent(&google.client, email, scopes);
        let scope = consent.scopes.to_string();
        let code = google.keep_consent(consent);
        self.send_back(&[("code", &code), ("scope", &scope), ("authuser", "0"), ("prompt", "consent")])
    }
}

fn invalid(status: StatusCode, error: &'static str, detail: impl Into<String>) -> Invalid {
    Invalid { status, error, detail: detail.into() }
}

fn bad(detail: impl Into<String>) -> Invalid {
    invalid(StatusCode::BAD_REQUEST, "invalid_request", detail)
}

impl IntoResponse for Invalid {
    fn into_response(self) -> Response {
        (self.status, page::refusal(&self)).into_response()
    }
}

/// `GET /o/oauth2/v2/auth`: the consent page, or an answer at once if nobody need be asked.
pub(crate) async fn ask(
    State(google): State<Arc<Google>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Invalid> {
    let query = query.unwrap_or_default();
    let request = Request::parse(&query, &google.client)?;
    if request.has_prompt("none") {
        return Ok(without_asking(&google, &request));
    }
    let accounts: Vec<Account> = google.world().accounts.values().cloned().collect();
    Ok(page::consent(&request, &query, &accounts).into_response())
}

/// `prompt=none`: only an account that is named and has already allowed everything gets a code.
fn without_asking(google: &Google, request: &Request) -> Response {
    let Some(email) =
        request.login_hint.as_deref().filter(|email| google.world().accounts.contains_key(*email))
    else {
        return request.send_back(&[("error", "login_required")]);
    };
    let scopes = Scopes::consented(&request.scopes, &request.scopes);
    if !google.world().grants.covers(email, &google.client.id, &scopes) {
        return request.send_back(&[("error", "interaction_required")]);
    }
    request.allow(google, email, scopes)
}

/// `POST /o/oauth2/v2/auth`: what the person decided on the consent page.
pub(crate) async fn decide(
    State(google): State<Arc<Google>>,
    body: axum::body::Bytes,
) -> Result<Response, Invalid> {
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
    let field =
        |name: &str| fields.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, v)| v);
    let request = Request::parse(field("request").map_or("", String::as_str), &google.client)?;
    if field("decision").map(String::as_str) != Some("allow") {
        return Ok(request.send_back(&[("error", "access_denied")]));
    }
    let email = field("other_email").or_else(|| field("email")).ok_or_else(|| bad("Choose an account"))?;
    let email = email.trim().to_lowercase();
    let ticked = fields.iter().filter(|(key, _)| key == "scope").map(|(_, scope)| scope.clone()).collect();
    google.world().open_account(Account::new(&email), google.now());
    Ok(request.allow(&google, &email, Scopes::consented(&request.scopes, &ticked)))
}

impl Google {
    /// Keeps a consent and returns the code that stands for it.
    pub(crate) fn keep_consent(&self, consent: Consent) -> String {
        let mut world = self.world();
        let code = format!("4/0fake{}", world.secret(60));
        world.grants.consent(code.clone(), consent, self.now());
        code
    }
}
