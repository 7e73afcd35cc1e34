//! `auth`: sign-up, sign-in, sessions, password resets, and signing in or connecting with Google.
//!
//! The only function that holds the signing key. The routes, their bodies and their refusals are those of the session library that the web
//! app ships: a refusal that a person can mend is a 200 with a status, and 401 only ever speaks of the session.

mod configuration;
mod google_account;
mod google_routes;
mod password_routes;
mod reply;
mod session_routes;
#[cfg(test)]
mod tests;

use auth::access::Verifier;
use auth::mail::Mailer;
use auth::password::Passwords;
use auth::session::Issuer;
use axum::Router;
use axum::extract::FromRef;
use axum::routing::{get, post};
use google::{Google, Vault};
use runtime::http::Web;
use seam::{Clock, Random};
use store::Store;

/// What the handlers need.
#[derive(Clone, FromRef)]
pub struct Auth {
    /// Where users and sessions are.
    pub store: Store,
    /// Knows a valid session.
    pub verifier: Verifier,
    /// Gives out tokens.
    pub issuer: Issuer,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Sends resets.
    pub mailer: Mailer,
    /// Google, if this deployment has a client there.
    pub google: Google,
    /// Seals Google's tokens.
    pub vault: Vault,
    /// The web app, to which links and redirects lead.
    pub web: Web,
    /// For everything that expires.
    pub clock: Clock,
    /// For ids and tokens.
    pub random: Random,
}

/// The routes.
pub fn router(auth: Auth) -> Router {
    Router::new()
        .route("/api/signup", post(password_routes::sign_up))
        .route("/api/signin", post(password_routes::sign_in))
        .route("/api/emailpassword/email/exists", get(password_routes::email_exists))
        .route("/api/signup/email/exists", get(password_routes::email_exists))
        .route("/api/user/password/reset/token", post(password_routes::request_reset))
        .route("/api/user/password/reset", post(password_routes::reset))
        .route("/api/signout", post(session_routes::sign_out))
        .route("/api/session/refresh", post(session_routes::refresh))
        .route("/api/signinup", post(google_routes::sign_in_up))
        .route("/api/auth/google/connect", post(google_routes::connect))
        .route("/api/auth/google/disconnect", post(google_routes::disconnect))
        .with_state(auth)
}
