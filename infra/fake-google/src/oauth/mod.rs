//! OAuth 2.0 and OpenID Connect: consent, tokens, keys, identity.

pub(crate) mod authorize;
pub(crate) mod grants;
pub(crate) mod identity;
pub(crate) mod keys;
mod page;
pub(crate) mod scopes;
pub(crate) mod token;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::state::Google;

pub(crate) fn routes() -> Router<Arc<Google>> {
    Router::new()
        .route("/o/oauth2/v2/auth", get(authorize::ask).post(authorize::decide))
        .route("/token", post(token::exchange))
        .route("/revoke", post(token::revoke))
        .route("/oauth2/v3/certs", get(identity::certs))
        .route("/.well-known/openid-configuration", get(identity::configuration))
        .route("/v1/userinfo", get(identity::userinfo).post(identity::userinfo))
}
