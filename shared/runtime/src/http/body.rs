//! Reading a request. What cannot be read is a 400 that says where; what is too large is a 413.

use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::ApiError;

/// The bytes of a body, for whoever has their own words for one that cannot be read. May hold a password, so it is not `Debug`.
#[derive(Clone)]
pub struct RawBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        Bytes::from_request(request, state).await.map(Self).map_err(|rejection| unreadable(&rejection))
    }
}

/// A JSON body, whatever its content type says: the web app's clients do not all set one.
#[derive(Clone, Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let RawBody(bytes) = RawBody::from_request(request, state).await?;
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| wrong(&error))?;
        json.end().map_err(|error| ApiError::bad_request(format!("The body is not JSON: {error}")))?;
        Ok(Self(value))
    }
}

fn unreadable(rejection: &BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let message = format!("The body must not be larger than {} bytes", super::BODY_LIMIT);
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "Request is too large", message)
    } else {
        ApiError::bad_request("The body could not be read").internal(rejection)
    }
}

fn wrong(error: &serde_path_to_error::Error<serde_json::Error>) -> ApiError {
    let (path, cause) = (error.path().to_string(), error.inner());
    match cause.classify() {
        serde_json::error::Category::Data if path != "." => ApiError::bad_request(format!("{path}: {cause}")),
        serde_json::error::Category::Data => ApiError::bad_request(cause.to_string()),
        _ => ApiError::bad_request(format!("The body is not JSON: {cause}")),
    }
}

/// The query string.
#[derive(Clone, Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = axum::extract::Query::from_request_parts(parts, state).await;
        let axum::extract::Query(value) =
            query.map_err(|rejection: QueryRejection| ApiError::bad_request(rejection.body_text()))?;
        Ok(Self(value))
    }
}

/// The parameters of the path.
#[derive(Clone, Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        let axum::extract::Path(value) =
            path.map_err(|rejection: PathRejection| ApiError::bad_request(rejection.body_text()))?;
        Ok(Self(value))
    }
}
