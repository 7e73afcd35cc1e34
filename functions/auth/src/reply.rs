//! What every handler here answers with: an outcome, the headers of a session, or a refusal.

use auth::cookie::{self, Scope};
use auth::session::{Presented, Tokens};
use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use contract::auth::{Form, Malformed, Outcome, Rejected, SessionHandle};
use domain::UserId;
use http::request::Parts;
use runtime::http::{ApiError, RawBody, is_cross_site};
use store::Session;

use crate::Auth;

/// A form as sent.
pub struct FormBody(pub Form);

impl<S: Send + Sync> FromRequest<S> for FormBody {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let RawBody(bytes) = RawBody::from_request(request, state).await?;
        Ok(Self(Form::parse(&bytes)?))
    }
}

/// How the request came, on which the headers of a session depend.
#[derive(Clone, Debug)]
pub struct Caller {
    /// How far the cookies travel.
    pub scope: Scope,
    issuer: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let is_secure = auth::request::is_secure(&parts.headers);
        let scope = Scope { is_cross_site: is_cross_site(parts), is_secure };
        Ok(Self { scope, issuer: auth::request::issuer(&parts.headers) })
    }
}

impl Caller {
    /// A response that gives the caller a session.
    pub fn give(
        &self,
        auth: &Auth,
        session: Presented,
        expires_at: DateTime<Utc>,
        answer: impl IntoResponse,
    ) -> Result<Response, Refused> {
        let now = auth.clock.now();
        let tokens: Tokens = auth.issuer.issue(session, expires_at, self.issuer.clone(), now)?;
        let mut response = answer.into_response();
        cookie::set(response.headers_mut(), &tokens, self.scope, now)?;
        Ok(response)
    }

    /// A response that takes the caller's session away.
    pub fn take(&self, answer: impl IntoResponse) -> Result<Response, Refused> {
        let mut response = answer.into_response();
        cookie::clear(response.headers_mut(), self.scope)?;
        Ok(response)
    }
}

/// A session that begins: its handle, drawn, and its first state.
pub fn begin(auth: &Auth, now: DateTime<Utc>) -> (SessionHandle, Session) {
    let handle = SessionHandle::new(auth.random.bytes());
    (handle, Session::begin(now, now + auth::session::LIFETIME))
}

/// The first generation of a session.
pub fn first(user: UserId, handle: SessionHandle) -> Presented {
    Presented { user, handle, generation: 0 }
}

/// Why a handler ends early: with an outcome that the caller expects, or with an error.
pub enum Refused {
    /// 200, and the status tells.
    Outcome(Outcome),
    /// Anything else.
    Error(ApiError),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Outcome(outcome) => Json(outcome).into_response(),
            Self::Error(error) => error.into_response(),
        }
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self::Error(error)
    }
}

impl From<store::Error> for Refused {
    fn from(error: store::Error) -> Self {
        Self::Error(error.into())
    }
}

impl From<auth::Error> for Refused {
    fn from(error: auth::Error) -> Self {
        Self::Error(error.into())
    }
}

impl From<Outcome> for Refused {
    fn from(outcome: Outcome) -> Self {
        Self::Outcome(outcome)
    }
}

impl From<Malformed> for Refused {
    fn from(Malformed(message): Malformed) -> Self {
        Self::Error(ApiError::malformed_form(message))
    }
}

impl From<Rejected> for Refused {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Malformed(malformed) => malformed.into(),
            Rejected::Fields(errors) => Self::Outcome(errors.into()),
        }
    }
}
