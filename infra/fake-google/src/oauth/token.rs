//! The token endpoint: codes and refresh tokens become access tokens and id tokens; and the revocation endpoint.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::grants::{ACCESS_TOKEN_SECONDS, Holder};
use crate::error::OAuthRefusal;
use crate::quirks::Rotation;
use crate::state::{Google, World};

/// A code challenge (RFC 7636).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Challenge {
    Plain(String),
    S256(String),
}

/// Is `verifier` the one whose challenge came with the consent?
pub(crate) fn check_verifier(
    challenge: Option<&Challenge>,
    verifier: Option<&str>,
) -> Result<(), OAuthRefusal> {
    let is_right = match (challenge, verifier) {
        (None, None) => true,
        (Some(Challenge::Plain(challenge)), Some(verifier)) => challenge == verifier,
        (Some(Challenge::S256(challenge)), Some(verifier)) => {
            (43..=128).contains(&verifier.len())
                && *challenge == URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
        }
        (Some(_), None) => return Err(OAuthRefusal::bad("invalid_grant", "Missing code verifier.")),
        (None, Some(_)) => {
            return Err(OAuthRefusal::bad("invalid_grant", "code_verifier or verifier is not needed."));
        }
    };
    is_right.then_some(()).ok_or_else(|| OAuthRefusal::bad("invalid_grant", "Invalid code verifier."))
}

type Form = HashMap<String, String>;

fn form(body: &[u8]) -> Form {
    url::form_urlencoded::parse(body).into_owned().collect()
}

/// `POST /token`.
pub(crate) async fn exchange(
    State(google): State<Arc<Google>>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Result<Response, OAuthRefusal> {
    let form = form(&body);
    authenticate(&google, &headers, &form)?;
    let answer = match form.get("grant_type").map(String::as_str) {
        Some("authorization_code") => redeem(&google, &form)?,
        Some("refresh_token") => refresh(&google, &form)?,
        Some(other) => {
            let text = format!("Invalid grant_type: {other}");
            return Err(OAuthRefusal::bad("unsupported_grant_type", &text));
        }
        None => return Err(missing("grant_type")),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// `POST /revoke`; the token comes in the form or, as Google's own samples do, in the query.
pub(crate) async fn revoke(
    State(google): State<Arc<Google>>,
    axum::extract::RawQuery(query): axum::extract::RawQuery,
    body: axum::body::Bytes,
) -> Result<Json<Value>, OAuthRefusal> {
    let mut form = form(&body);
    form.extend(self::form(query.unwrap_or_default().as_bytes()));
    let token = form.get("token").ok_or_else(|| missing("token"))?;
    if google.world().grants.revoke_token(token) {
        return Ok(Json(json!({})));
    }
    Err(OAuthRefusal::bad("invalid_token", "Token expired or revoked"))
}

fn missing(name: &str) -> OAuthRefusal {
    OAuthRefusal::bad("invalid_request", &format!("Missing required parameter: {name}"))
}

fn required<'a>(form: &'a Form, name: &str) -> Result<&'a str, OAuthRefusal> {
    form.get(name).map(String::as_str).filter(|value| !value.is_empty()).ok_or_else(|| missing(name))
}

/// The client names itself in the form or by HTTP Basic.
fn authenticate(google: &Google, headers: &HeaderMap, form: &Form) -> Result<(), OAuthRefusal> {
    let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(basic);
    let named = || Some((form.get("client_id")?.clone(), form.get("client_secret")?.clone()));
    let Some((id, secret)) = basic.or_else(named) else {
        return Err(missing("client_secret").into_unauthorized());
    };
    if id != google.client.id {
        return Err(OAuthRefusal::new(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "The OAuth client was not found.",
        ));
    }
    if secret != google.client.secret {
        return Err(OAuthRefusal::new(StatusCode::UNAUTHORIZED, "invalid_client", "Unauthorized"));
    }
    Ok(())
}

impl OAuthRefusal {
    fn into_unauthorized(self) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, error: "invalid_client".to_owned(), ..self }
    }
}

/// RFC 6749 §2.3.1: both halves are form-encoded inside the Basic credentials.
fn basic(value: &str) -> Option<(String, String)> {
    let decoded = String::from_utf8(STANDARD.decode(value.strip_prefix("Basic ")?).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let decode =
        |text: &str| url::form_urlencoded::parse(text.as_bytes()).next().map(|(text, _)| text.into_owned());
    Some((decode(id)?, decode(secret)?))
}

fn redeem(google: &Google, form: &Form) -> Result<Value, OAuthRefusal> {
    let (code, redirect_uri) = (required(form, "code")?, required(form, "redirect_uri")?);
    let verifier = form.get("code_verifier").map(String::as_str);
    let mut world = google.world();
    let redeemed = world.grants.redeem(code, &google.client.id, redirect_uri, verifier, google.now())?;
    let refresh_token = redeemed.wants_refresh_token.then(|| format!("1//fake-{}", world.secret(64)));
    let mut answer = issue(google, &mut world, &redeemed.holder, redeemed.nonce)?;
    if let Some(token) = refresh_token {
        hand_out(google, &mut world, token, &redeemed.holder, &mut answer);
    }
    Ok(Value::Object(answer))
}

fn refresh(google: &Google, form: &Form) -> Result<Value, OAuthRefusal> {
    let token = required(form, "refresh_token")?;
    let mut world = google.world();
    let holder = world.grants.refresh(token, &google.client.id, google.now())?;
    let mut answer = issue(google, &mut world, &holder, None)?;
    let rotation = world.quirks.rotation;
    if rotation == Rotation::Strict {
        world.grants.forget_refresh_token(token);
    }
    if rotation != Rotation::Never {
        let new = format!("1//fake-{}", world.secret(64));
        hand_out(google, &mut world, new, &holder, &mut answer);
    }
    Ok(Value::Object(answer))
}

/// Keeps a refresh token and puts it into an answer.
fn hand_out(
    google: &Google,
    world: &mut World,
    token: String,
    holder: &Holder,
    answer: &mut Map<String, Value>,
) {
    let seconds = world.quirks.refresh_token_seconds;
    let expires_at = seconds.and_then(TimeDelta::try_seconds).map(|life| google.now() + life);
    world.grants.keep_refresh_token(token.clone(), holder.clone(), google.now(), expires_at);
    answer.insert("refresh_token".to_owned(), token.into());
    answer.extend(seconds.map(|seconds| ("refresh_token_expires_in".to_owned(), seconds.into())));
}

/// A new access token for `holder`, and who they are if they signed in.
fn issue(
    google: &Google,
    world: &mut World,
    holder: &Holder,
    nonce: Option<String>,
) -> Result<Map<String, Value>, OAuthRefusal> {
    let access_token = format!("ya29.fake-{}", world.secret(100));
    world.grants.keep_access_token(access_token.clone(), holder.clone(), google.now());
    let id_token = super::identity::id_token(google, world, holder, &access_token, nonce)?;
    let mut answer = Map::new();
    answer.insert("access_token".to_owned(), access_token.into());
    answer.insert("expires_in".to_owned(), ACCESS_TOKEN_SECONDS.into());
    answer.insert("scope".to_owned(), holder.scopes.to_string().into());
    answer.insert("token_type".to_owned(), "Bearer".into());
    answer.extend(id_token.map(|token| ("id_token".to_owned(), Value::String(token))));
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    #[test]
    fn the_verifier_of_rfc_7636_fits_its_challenge() {
        let challenge = Challenge::S256("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned());
        assert!(check_verifier(Some(&challenge), Some(VERIFIER)).is_ok());
        assert!(check_verifier(Some(&challenge), Some(&VERIFIER.to_uppercase())).is_err());
        assert!(check_verifier(Some(&challenge), None).is_err());
    }

    #[test]
    fn basic_credentials_are_form_decoded() {
        let value = format!("Basic {}", STANDARD.encode("a%3Ab:s+e%2Bt"));
        assert_eq!(basic(&value), Some(("a:b".to_owned(), "s e+t".to_owned())));
    }
}
