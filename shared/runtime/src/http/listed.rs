//! Lists, and where in the log they were read.
//!
//! A client that keeps a list wants to be told what changes after it. So a list comes with the cursor to go on from, in a header that scripts
//! of the web app's origin may read; the web app itself reads none.

use auth::access::Verifier;
use axum::Json;
use axum::extract::{FromRef, FromRequestParts};
use axum::response::{IntoResponse, Response};
use contract::changes::CURSOR_HEADER;
use domain::UserId;
use http::header::ACCESS_CONTROL_EXPOSE_HEADERS;
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use seam::Clock;
use serde::Serialize;
use store::{CursorKey, Store};

use super::{ApiError, Session};

/// A valid session whose user is about to read a list. Where the log ended was read before, by one read: so nothing that is committed
/// while the list is read comes between it and the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// Who is asking.
    pub user: UserId,
    cursor: String,
}

impl Reader {
    /// The answer: the list as JSON, with the cursor.
    pub fn told<T: Serialize>(self, list: T) -> Listed<T> {
        Listed { cursor: self.cursor, list }
    }
}

impl<S> FromRequestParts<S> for Reader
where
    S: Send + Sync,
    Verifier: FromRef<S>,
    Clock: FromRef<S>,
    Store: FromRef<S>,
    CursorKey: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Session { user, .. } = Session::from_request_parts(parts, state).await?;
        let cursor = Store::from_ref(state).cursor(user).await?;
        Ok(Self { user, cursor: CursorKey::from_ref(state).of(user).seal(&cursor) })
    }
}

/// A list with the cursor from which on its client has to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    cursor: String,
    list: T,
}

impl<T: Serialize> IntoResponse for Listed<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.list).into_response();
        // A sealed cursor is letters, digits and a few signs.
        if let Ok(cursor) = HeaderValue::try_from(self.cursor) {
            response.headers_mut().insert(HeaderName::from_static(CURSOR_HEADER), cursor);
            let exposed = HeaderValue::from_static(CURSOR_HEADER);
            response.headers_mut().append(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
        response
    }
}
