//! From an error to a response: the one place that writes an error body.

use std::borrow::Cow;

use axum::Json;
use axum::response::{IntoResponse, Response};
use contract::error::{Code, ErrorBody};
use domain::Refusal;
use http::StatusCode;
use seam::Class;
use serde_json::json;

/// An answer that is not what the caller hoped for. It has a public text, and an internal one that is logged and has no other way out.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    body: Box<Body>,
    internal: Option<String>,
}

#[derive(Debug)]
enum Body {
    /// `{result, message, code?}`.
    Api(ErrorBody),
    /// `{message}`: what the session SDK's own routes and the session check answer.
    Session(Cow<'static, str>),
}

impl ApiError {
    /// An error with its public text: what did not happen, and why.
    pub fn new(status: StatusCode, result: impl Into<String>, message: impl Into<String>) -> Self {
        let body = ErrorBody { result: result.into(), message: message.into(), code: None };
        Self { status, body: Box::new(Body::Api(body)), internal: None }
    }

    /// The same with a code that the web app decides on.
    pub fn code(mut self, code: Code) -> Self {
        if let Body::Api(body) = self.body.as_mut() {
            body.code = Some(code);
        }
        self
    }

    /// The same with a text for the log. It must not contain a secret.
    pub fn internal(mut self, text: impl ToString) -> Self {
        self.internal = Some(text.to_string());
        self
    }

    /// 400: the request is wrong.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request is malformed", message)
    }

    /// 404 for a route that does not exist. Never for data: the web app would sign the user out.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", "There is no such route")
    }

    /// 401: no valid session, and never anything else, because the session SDK answers every 401 with a refresh.
    pub fn session(message: &'static str) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            body: Box::new(Body::Session(message.into())),
            internal: None,
        }
    }

    /// 400 of a route of the session SDK: the body is none that a person could have typed.
    pub fn malformed_form(message: impl Into<Cow<'static, str>>) -> Self {
        let body = Box::new(Body::Session(message.into()));
        Self { status: StatusCode::BAD_REQUEST, body, internal: None }
    }

    /// An error of class `class` whose details are not the caller's business.
    pub fn of_class(class: Class, internal: impl ToString) -> Self {
        let (status, message) = match class {
            Class::Conflict => {
                (StatusCode::CONFLICT, "Somebody else changed this at the same time. Please try again.")
            }
            Class::Throttled | Class::Transient => {
                (StatusCode::SERVICE_UNAVAILABLE, "The service is busy. Please try again.")
            }
            Class::Caller | Class::Gone | Class::Bug => {
                (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong.")
            }
        };
        Self::new(status, "Request failed", message).internal(internal)
    }

    pub(super) fn panicked() -> Self {
        Self::of_class(Class::Bug, "a handler panicked")
    }

    /// The status it will be sent with.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::bad_request(refusal.to_string())
    }
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        match error {
            // The session outlived its user.
            store::Error::NoUser => Self::session("unauthorised"),
            error => Self::of_class(error.class(), error),
        }
    }
}

impl From<auth::Error> for ApiError {
    fn from(error: auth::Error) -> Self {
        Self::of_class(error.class(), error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status.as_u16();
        if let Some(internal) = &self.internal {
            if self.status.is_server_error() {
                tracing::error!(status, internal, "request failed");
            } else {
                tracing::info!(status, internal, "request refused");
            }
        }
        match *self.body {
            Body::Api(body) => (self.status, Json(body)).into_response(),
            Body::Session(message) => (self.status, Json(json!({ "message": message }))).into_response(),
        }
    }
}

/// 204, as event writes answer.
pub fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
