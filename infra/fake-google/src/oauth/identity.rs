//! Who an account is: id tokens, `userinfo`, the published keys and the discovery document.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::grants::Holder;
use crate::error::OAuthRefusal;
use crate::state::{Account, Google, World};

const ISSUER: &str = "https://accounts.google.com";
const ID_TOKEN_SECONDS: i64 = 3600;

/// The id token of a holder who granted a sign-in scope.
pub(super) fn id_token(
    google: &Google,
    world: &World,
    holder: &Holder,
    access_token: &str,
    nonce: Option<String>,
) -> Result<Option<String>, OAuthRefusal> {
    let Some(account) = world.accounts.get(&holder.email).filter(|_| holder.scopes.has_openid()) else {
        return Ok(None);
    };
    let issued_at = google.now().timestamp();
    let mut claims = claims(account, holder);
    claims["iss"] = ISSUER.into();
    claims["aud"] = holder.client_id.clone().into();
    claims["azp"] = holder.client_id.clone().into();
    claims["iat"] = issued_at.into();
    claims["exp"] = (issued_at + ID_TOKEN_SECONDS).into();
    claims["at_hash"] = URL_SAFE_NO_PAD.encode(&Sha256::digest(access_token.as_bytes())[..16]).into();
    if let Some(nonce) = nonce {
        claims["nonce"] = nonce.into();
    }
    let failed = |_| OAuthRefusal::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "Internal error");
    world.keys.current().sign(&claims).map(Some).map_err(failed)
}

/// What the scopes let a client know of the account.
fn claims(account: &Account, holder: &Holder) -> Value {
    let mut claims = json!({"sub": account.sub});
    if holder.scopes.has_email() {
        claims["email"] = account.email.clone().into();
        claims["email_verified"] = account.is_verified.into();
    }
    if holder.scopes.has_profile() {
        let name = account.name.as_deref().unwrap_or(&account.email);
        claims["name"] = name.into();
        claims["given_name"] = name.split(' ').next().unwrap_or(name).into();
        if let Some(picture) = &account.picture {
            claims["picture"] = picture.clone().into();
        }
    }
    claims
}

/// `GET /oauth2/v3/certs`.
pub(crate) async fn certs(State(google): State<Arc<Google>>) -> Response {
    let cache = (header::CACHE_CONTROL, "public, max-age=19446, must-revalidate, no-transform");
    ([cache], Json(google.world().keys.published())).into_response()
}

/// `GET /.well-known/openid-configuration`.
pub(crate) async fn configuration(State(google): State<Arc<Google>>) -> Json<Value> {
    let url = &google.url;
    Json(json!({
        "issuer": ISSUER,
        "authorization_endpoint": format!("{url}/o/oauth2/v2/auth"),
        "token_endpoint": format!("{url}/token"),
        "userinfo_endpoint": format!("{url}/v1/userinfo"),
        "revocation_endpoint": format!("{url}/revoke"),
        "jwks_uri": format!("{url}/oauth2/v3/certs"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "email", "profile"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "code_challenge_methods_supported": ["plain", "S256"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
    }))
}

/// `GET /v1/userinfo`.
pub(crate) async fn userinfo(
    State(google): State<Arc<Google>>,
    headers: HeaderMap,
) -> Result<Json<Value>, OAuthRefusal> {
    let refused = || OAuthRefusal::new(StatusCode::UNAUTHORIZED, "invalid_request", "Invalid Credentials");
    let token = bearer(&headers).ok_or_else(refused)?;
    let world = google.world();
    let holder = world.grants.access(token, google.now()).ok_or_else(refused)?;
    let account = world.accounts.get(&holder.email).ok_or_else(refused)?;
    Ok(Json(claims(account, holder)))
}

/// The bearer token of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then_some(token.trim())
}
