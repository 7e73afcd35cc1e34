//! Signing up and in with a password, and setting a new one.

use auth::name::Name;
use auth::reset::{LIFETIME, MAIL_INTERVAL, ResetToken};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use contract::auth::{Email, FieldError, Outcome, UserView, field};
use domain::UserId;
use runtime::http::{ApiError, Query};
use serde::Deserialize;
use store::{EMAIL, Error, Login, NewUser, Profile, RESET, Reset};

use crate::Auth;
use crate::reply::{Caller, FormBody, Refused, begin, first};

/// What a profile says when nothing is known.
const UNKNOWN_LOCALE: &str = "not provided";

/// `POST /api/signup`. An address that is in use is refused, also when its user only ever came by Google: a password for such an account is
/// set by a reset, which proves that the address is one's own.
pub async fn sign_up(
    State(auth): State<Auth>,
    caller: Caller,
    FormBody(form): FormBody,
) -> Result<Response, Refused> {
    let form = form.sign_up()?;
    let now = auth.clock.now();
    let id = UserId::new(auth.random.bytes());
    let (handle, session) = begin(&auth, now);
    let expires_at = session.expires_at;
    let new = NewUser {
        password_hash: Some(auth.passwords.hash(form.password)?),
        session: Some((handle, session)),
        ..new_user(&auth, id, &form.email, Some(form.name), None)
    };
    auth.store.create_user(new, now).await.map_err(taken)?;
    let user = UserView::with_password(id, form.email, now);
    caller.give(&auth, first(id, handle), expires_at, Json(Outcome::signed_in(user, Some(true))))
}

/// `POST /api/signin`.
pub async fn sign_in(
    State(auth): State<Auth>,
    caller: Caller,
    FormBody(form): FormBody,
) -> Result<Response, Refused> {
    let form = form.sign_in()?;
    let login = auth.store.login(&form.email).await?;
    let hash = login.as_ref().and_then(|login| login.password_hash.as_deref());
    let is_right = auth.passwords.is_right(form.password, hash)?;
    let login = login.filter(|_| is_right).ok_or(Outcome::WrongCredentialsError)?;
    let (handle, session) = begin(&auth, auth.clock.now());
    auth.store.begin_session(login.user, handle, &session).await?;
    let user = UserView::with_password(login.user, form.email, login.joined_at);
    let session = (first(login.user, handle), session.expires_at);
    caller.give(&auth, session.0, session.1, Json(Outcome::signed_in(user, None)))
}

#[derive(Deserialize)]
pub struct EmailQuery {
    email: Option<String>,
}

/// `GET /api/emailpassword/email/exists` and its older name: whether somebody signs in with a password under this address.
pub async fn email_exists(
    State(auth): State<Auth>,
    Query(query): Query<EmailQuery>,
) -> Result<Json<Outcome>, Refused> {
    let text = query.email.ok_or(ApiError::malformed_form("Please provide the email as a GET param"))?;
    let login = match text.parse::<Email>() {
        Ok(email) => auth.store.login(&email).await?,
        Err(_) => None,
    };
    Ok(Json(Outcome::exists(login.is_some_and(|login| login.password_hash.is_some()))))
}

/// `POST /api/user/password/reset/token`: mails a link, at most one a minute to an address. Says the same whether the address is known or
/// not, and therefore also when a mail has just been sent, or could not be: whoever waits in vain asks again.
pub async fn request_reset(
    State(auth): State<Auth>,
    FormBody(form): FormBody,
) -> Result<Json<Outcome>, Refused> {
    let email = form.reset_request()?;
    if let Some(login) = auth.store.login(&email).await? {
        let now = auth.clock.now();
        if auth.store.claim_reset_mail(&email, now, now + MAIL_INTERVAL).await? {
            mail_reset(&auth, &login, email).await?;
        }
    }
    Ok(Json(Outcome::ok()))
}

async fn mail_reset(auth: &Auth, login: &Login, email: Email) -> Result<(), Error> {
    let token = ResetToken::draw(&auth.random);
    let reset = Reset {
        user: login.user,
        email,
        password_version: login.password_version,
        expires_at: auth.clock.now() + LIFETIME,
    };
    auth.store.allow_reset(&token.hash(), &reset).await?;
    if let Err(error) = auth.mailer.send_reset(&reset.email, &token.link(&auth.web.url)).await {
        tracing::error!(%error, "a reset was not mailed");
    }
    Ok(())
}

/// `POST /api/user/password/reset`: sets a password for whoever has the link. Sessions that exist go on.
pub async fn reset(State(auth): State<Auth>, FormBody(form): FormBody) -> Result<Json<Outcome>, Refused> {
    let form = form.password_reset()?;
    let hash = ResetToken::from_wire(form.token).hash();
    let reset = auth.store.reset(&hash, auth.clock.now()).await?;
    let reset = reset.ok_or(Outcome::ResetPasswordInvalidTokenError)?;
    let password = auth.passwords.hash(form.password)?;
    match auth.store.change_password(&hash, &reset, &password).await {
        Ok(()) => Ok(Json(Outcome::ok())),
        Err(Error::Condition(RESET)) => Err(Outcome::ResetPasswordInvalidTokenError.into()),
        Err(error) => Err(error.into()),
    }
}

/// A user to be created, without a way to sign in yet.
pub fn new_user<'a>(
    auth: &Auth,
    id: UserId,
    email: &'a Email,
    name: Option<&str>,
    locale: Option<&str>,
) -> NewUser<'a> {
    let name = Name::of(name);
    let profile = Profile {
        email: email.as_str().to_owned(),
        name: name.full,
        first_name: name.first,
        last_name: name.last,
        locale: locale.unwrap_or(UNKNOWN_LOCALE).to_owned(),
        picture: String::new(),
    };
    let epoch = hex::encode(auth.random.bytes::<8>());
    NewUser { id, epoch, email, profile, password_hash: None, google_sub: None, session: None }
}

fn taken(error: Error) -> Refused {
    match error {
        Error::Condition(EMAIL) => {
            let message = "This email already exists. Please sign in instead.";
            Outcome::from(FieldError::new(field::EMAIL, message)).into()
        }
        error => error.into(),
    }
}
