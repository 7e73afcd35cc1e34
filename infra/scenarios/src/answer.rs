//! What came back of a request, read to its end.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderMap, SET_COOKIE};
use serde_json::Value;

/// An answer of the backend.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was asked: method, path and query.
    pub request: String,
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub text: String,
}

impl Answer {
    pub(crate) async fn read(request: String, response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap_or_else(|error| panic!("{request}: {error}"));
        Self { request, status, headers, text }
    }

    /// The same, if it has this status.
    ///
    /// # Panics
    /// If it has another.
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.request, self.text);
        self
    }

    /// The body as JSON, if the status is 200.
    ///
    /// # Panics
    /// If it is another, or the body is no JSON.
    pub fn ok(self) -> Value {
        self.is(200).json()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.request, self.text))
    }

    /// A header's value; empty if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The `Set-Cookie` headers.
    #[must_use]
    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()).collect()
    }

    /// The `front-token` header, decoded, if there is one and the browser's scripts may see it.
    ///
    /// # Panics
    /// If it is not what the web app's session library can read.
    #[must_use]
    pub fn front_token(&self) -> Option<Value> {
        let token = self.headers.get("front-token")?.to_str().expect("a front token is text");
        let exposed = self.header("access-control-expose-headers").to_ascii_lowercase();
        if !exposed.split(',').any(|name| name.trim() == "front-token") {
            return None;
        }
        if token == "remove" {
            return Some(Value::String("remove".to_owned()));
        }
        let json = STANDARD.decode(token).expect("a front token is base64");
        Some(serde_json::from_slice(&json).expect("a front token is JSON"))
    }
}
