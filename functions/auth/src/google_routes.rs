//! Signing in with Google, and connecting a Google calendar to the user who is signed in.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use contract::auth::{Email, Form, GoogleCode, Outcome, UserView};
use contract::error::Code;
use domain::UserId;
use google::oauth::{Client, Grant};
use google::{Error as GoogleError, Identity, Secret};
use http::StatusCode;
use runtime::http::{ApiError, RawBody, Session, no_content};
use store::{ACCOUNT, Error, GOOGLE, Head, HeadPlan, Login};

use crate::password_routes::new_user;
use crate::reply::{Caller, FormBody, Refused, begin, first};
use crate::{Auth, google_account};

const CONNECT_FAILED: &str = "User not connected";

/// `POST /api/signinup`: in, or up when nobody is known by the account or its address.
pub async fn sign_in_up(
    State(auth): State<Auth>,
    caller: Caller,
    FormBody(form): FormBody,
) -> Result<Response, Refused> {
    let client = configured(&auth)?;
    let code = GoogleCode::parse(&form)?;
    let grant = exchange(&auth, client, code).await?;
    let email = google_account::email(&grant).ok_or(Outcome::NoEmailGivenByProvider)?;
    let now = auth.clock.now();
    let Found { user, joined_at, is_new_account } = find(&auth, &grant, &email, now).await?;
    let (handle, session) = begin(&auth, now);
    let expires_at = session.expires_at;
    let view = view(user, email.clone(), joined_at, &grant.identity);
    let connection = google_account::connection(&auth.vault, user, &grant, now)?;
    let (store, identity, address) = (&auth.store, &grant.identity, &email);
    let plan = |head: &Head| {
        let mut plan = HeadPlan::default();
        plan.claim_google(store, user, &identity.sub)?;
        plan.begin_session(store, user, handle, &session)?;
        if is_new_account {
            plan.prove_address(store, user, address)?;
        }
        if let Some(connection) = &connection {
            plan.put_connection(store, user, connection)?;
        }
        plan.profile = google_account::with_picture(&head.profile, identity);
        google_account::sign_in(&mut plan, user, head, connection.is_some(), now);
        Ok::<_, Error>(plan)
    };
    match store.mutate_head(user, now, plan).await {
        Err(Error::Condition(ACCOUNT)) => {
            let reason = "Another Google account is connected to this user. Please sign in with that one.";
            return Err(Outcome::SignInUpNotAllowed { reason }.into());
        }
        other => other?,
    };
    let outcome = Outcome::signed_in(view, Some(is_new_account));
    caller.give(&auth, first(user, handle), expires_at, Json(outcome))
}

/// `POST /api/auth/google/connect`. Nothing is stored unless every check holds.
pub async fn connect(
    State(auth): State<Auth>,
    Session { user, .. }: Session,
    RawBody(body): RawBody,
) -> Result<Json<Outcome>, Refused> {
    let client = configured(&auth)?;
    let code = connect_body(&body)?;
    let grant = exchange(&auth, client, code).await?;
    if let Some(scope) = google_account::missing_scope(&grant) {
        return Err(not_connected(format!("Google did not grant {scope}")).into());
    }
    let now = auth.clock.now();
    let connection = google_account::connection(&auth.vault, user, &grant, now)?;
    // Google sends a refresh token with the first consent only; the one that is stored serves on.
    if connection.is_none() && !has_connection(&auth, user, &grant).await? {
        return Err(not_connected("Google sent no refresh token").into());
    }
    let owner = auth.store.google_owner(&grant.identity.sub).await?;
    if owner.is_some_and(|owner| owner != user) {
        return Err(already_connected().into());
    }
    let email = google_account::email(&grant);
    let (store, identity) = (&auth.store, &grant.identity);
    let plan = |head: &Head| {
        if email.as_ref().map(Email::as_str) != Some(&head.profile.email) {
            return Err(ConnectError::Refused(email_mismatch()));
        }
        let mut plan = HeadPlan::default();
        plan.claim_google(store, user, &identity.sub)?;
        plan.profile = google_account::with_picture(&head.profile, identity);
        match &connection {
            Some(connection) => {
                plan.put_connection(store, user, connection)?;
                google_account::connect(&mut plan, user, now);
            }
            None => google_account::sign_in(&mut plan, user, head, false, now),
        }
        Ok(plan)
    };
    store.mutate_head(user, now, plan).await.map_err(ApiError::from)?;
    Ok(Json(Outcome::ok()))
}

/// `POST /api/auth/google/disconnect`: the connection ends, and nothing is read or written in its name after that. Whoever is not connected is answered the
/// same. Events stay, also those that came from Google. Signing in with Google, if the user does, is another matter and stays possible.
pub async fn disconnect(
    State(auth): State<Auth>,
    Session { user, .. }: Session,
) -> Result<Response, ApiError> {
    let now = auth.clock.now();
    let plan = |head: &Head| {
        let mut plan = HeadPlan::default();
        google_account::disconnect(&mut plan, &auth.store, user, head, now)?;
        Ok::<_, Error>(plan)
    };
    auth.store.mutate_head(user, now, plan).await?;
    Ok(no_content())
}

/// Whether the user is connected with this very account, as far as Google has not said otherwise.
async fn has_connection(auth: &Auth, user: UserId, grant: &Grant) -> Result<bool, ApiError> {
    let (head, items) = tokio::try_join!(auth.store.head(user), auth.store.google(user))?;
    let stands = head.google.is_some_and(|status| status.stands());
    let is_same = items.is_some_and(|items| items.connection.sub == grant.identity.sub);
    Ok(is_same && stands)
}

/// The user that a Google account stands for.
struct Found {
    user: UserId,
    joined_at: DateTime<Utc>,
    is_new_account: bool,
}

/// Finds the user: by the account, else by its address, else a new one. Google must have verified an address by which somebody is found or
/// made: whoever it belongs to would find a stranger in their calendar.
async fn find(auth: &Auth, grant: &Grant, email: &Email, now: DateTime<Utc>) -> Result<Found, Refused> {
    let identity = &grant.identity;
    let (owner, login) = auth.store.owners(&identity.sub, email).await?;
    if let Some(user) = owner {
        let joined_at = login.filter(|login| login.user == user).map_or(now, |login| login.joined_at);
        return Ok(Found { user, joined_at, is_new_account: false });
    }
    if !identity.is_email_verified {
        let reason = "Google has not verified this email address. Please sign in with your password.";
        return Err(Outcome::SignInUpNotAllowed { reason }.into());
    }
    if let Some(login) = login {
        if !login.is_proven {
            evict(auth, email, &login).await?;
        }
        return Ok(Found { user: login.user, joined_at: login.joined_at, is_new_account: true });
    }
    let user = UserId::new(auth.random.bytes());
    let mut new = new_user(auth, user, email, identity.name.as_deref(), identity.locale.as_deref());
    new.google_sub = Some(&identity.sub);
    auth.store.create_user(new, now).await?;
    Ok(Found { user, joined_at: now, is_new_account: true })
}

/// The address's owner is here. Whoever signed up with it before may be somebody else, who waited for this: their password and their sessions end.
/// Done in this order, and before the address counts as proven, it is done again should it break off.
async fn evict(auth: &Auth, email: &Email, login: &Login) -> Result<(), Error> {
    tracing::warn!(user = %login.user, "a password for an address that was never proven is taken away");
    auth.store.take_password(email, login).await?;
    auth.store.end_sessions(login.user).await
}

fn view(user: UserId, email: Email, joined_at: DateTime<Utc>, identity: &Identity) -> UserView {
    UserView::with_google(user, email, joined_at, identity.sub.clone(), identity.is_email_verified)
}

fn configured(auth: &Auth) -> Result<&Client, ApiError> {
    auth.google.oauth().map_err(|_| {
        let message = "Google is not configured for this Compass instance";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "Connect failed", message)
            .code(Code::GoogleNotConfigured)
    })
}

/// The body of a connect. The route is not one of the session library's, so its errors have the shape of all others.
fn connect_body(body: &[u8]) -> Result<GoogleCode, ApiError> {
    let code = Form::parse(body).and_then(|form| GoogleCode::parse(&form));
    code.map_err(|malformed| ApiError::bad_request(malformed.to_string()))
}

/// Redeems the code. A code is good once, so a failure here is the caller's to repeat from the start, and never a 401, which would repeat it as it is.
async fn exchange(auth: &Auth, client: &Client, code: GoogleCode) -> Result<Grant, ApiError> {
    if code.redirect_uri != format!("{}/auth/google/callback", auth.web.origin()) {
        return Err(bad_exchange("Google redirect URI does not match this Compass instance"));
    }
    let verifier = code.pkce_verifier.map(Secret::new);
    let secret = Secret::new(code.code);
    let exchanged = client.exchange(&secret, &code.redirect_uri, verifier.as_ref()).await;
    let grant = exchanged.map_err(|error| match error {
        GoogleError::BadCode | GoogleError::OAuth(_) => {
            bad_exchange("Google did not accept the authorization code. Please try again.").internal(error)
        }
        GoogleError::BadIdToken(_) => {
            let message = "Google did not say who signed in. Please try again.";
            ApiError::new(StatusCode::BAD_REQUEST, "No id_token", message).internal(error)
        }
        error => {
            if error.concerns_everybody() {
                tracing::error!(alarm = "google", %error, "Google refuses our client");
            }
            ApiError::of_class(error.class(), error)
        }
    })?;
    if grant.identity.sub.is_empty() {
        return Err(bad_exchange("Google did not say who signed in"));
    }
    Ok(grant)
}

fn bad_exchange(message: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "Google code exchange failed", message)
}

fn not_connected(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, CONNECT_FAILED, message)
}

fn already_connected() -> ApiError {
    let message = "Google account is already connected to another Compass user";
    ApiError::new(StatusCode::CONFLICT, CONNECT_FAILED, message).code(Code::GoogleAccountAlreadyConnected)
}

fn email_mismatch() -> ApiError {
    let message = "Google account email does not match the signed-in Compass account";
    ApiError::new(StatusCode::CONFLICT, CONNECT_FAILED, message).code(Code::GoogleConnectEmailMismatch)
}

/// Why a connect was not written.
enum ConnectError {
    Refused(ApiError),
    Store(Error),
}

impl From<Error> for ConnectError {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<ConnectError> for ApiError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Refused(error) => error,
            ConnectError::Store(Error::Condition(GOOGLE)) => already_connected(),
            ConnectError::Store(Error::Condition(ACCOUNT)) => email_mismatch(),
            ConnectError::Store(Error::NoUser) => {
                ApiError::new(StatusCode::NOT_FOUND, CONNECT_FAILED, "User not found")
            }
            ConnectError::Store(error) => error.into(),
        }
    }
}
