//! Who is asking. A handler that takes a [`Session`] is guarded; its signature shows it.

use auth::access::Verifier;
use auth::request::identify;
use axum::extract::{FromRef, FromRequestParts};
use contract::auth::SessionHandle;
use domain::UserId;
use http::request::Parts;
use seam::Clock;

use super::{ApiError, SameSite, Web};

/// A valid session. Checked by signature alone: no read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who is asking.
    pub user: UserId,
    /// In which session.
    pub handle: SessionHandle,
}

impl<S> FromRequestParts<S> for Session
where
    S: Send + Sync,
    Verifier: FromRef<S>,
    Clock: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let verifier = Verifier::from_ref(state);
        let now = Clock::from_ref(state).now();
        let access = identify(&verifier, &parts.method, &parts.headers, is_cross_site(parts), now)
            .map_err(|stranger| ApiError::session(stranger.message()))?;
        Ok(Self { user: access.user, handle: access.handle })
    }
}

/// Whether the web app lives on another site than the API.
pub fn is_cross_site(parts: &Parts) -> bool {
    parts.extensions.get::<Web>().is_some_and(|web| web.same_site == SameSite::None)
}
