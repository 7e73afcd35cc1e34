//! The one HTTP client of this crate, and the one way through it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use seam::Seam;
use serde::de::DeserializeOwned;

use crate::Error;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Google's answer to any of our calls, read to its end.
pub(crate) struct Answer {
    pub status: u16,
    pub retry_after: Option<Duration>,
    pub cache_control: Option<String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body of a success.
    pub fn read<T: DeserializeOwned>(self, operation: &'static str) -> Result<T, Error> {
        let answer = self.succeeded(operation)?;
        // Only the place is told: the text around it could be a token.
        serde_json::from_slice(&answer.body).map_err(|error| Error::Unreadable {
            operation,
            reason: format!("{:?} at line {} column {}", error.classify(), error.line(), error.column()),
        })
    }

    pub fn succeeded(self, operation: &'static str) -> Result<Self, Error> {
        if self.is_success() {
            return Ok(self);
        }
        Err(Error::from_answer(operation, self.status, self.retry_after, &self.body))
    }
}

/// The HTTP client. It is made with the first call: a function that serves a sign-in by password never pays for it.
#[derive(Clone)]
pub(crate) struct Http {
    seam: Seam,
    client: Arc<OnceLock<Result<reqwest::Client, String>>>,
}

impl Http {
    pub fn new(seam: Seam) -> Self {
        Self { seam, client: Arc::default() }
    }

    /// Sends the request that `build` makes; it may be asked for more than one.
    pub async fn send(
        &self,
        operation: &'static str,
        build: impl Fn(&reqwest::Client) -> reqwest::RequestBuilder,
    ) -> Result<Answer, Error> {
        let client = self
            .client
            .get_or_init(make)
            .as_ref()
            .map_err(|reason| Error::Unreachable { operation, reason: reason.clone() })?;
        self.seam
            .call(operation, || async {
                read(build(client).send().await).await.map_err(|e| unreachable(operation, e))
            })
            .await
    }
}

fn unreachable(operation: &'static str, error: reqwest::Error) -> Error {
    Error::Unreachable { operation, reason: error.without_url().to_string() }
}

async fn read(response: Result<reqwest::Response, reqwest::Error>) -> Result<Answer, reqwest::Error> {
    let response = response?;
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let retry_after = header(RETRY_AFTER).and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let cache_control = header(reqwest::header::CACHE_CONTROL);
    let status = response.status().as_u16();
    Ok(Answer { status, retry_after, cache_control, body: response.bytes().await?.into() })
}

fn make() -> Result<reqwest::Client, String> {
    // Fails only when the process has a provider already, which then serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        // OAuth must not follow a redirect with a secret in the form; Calendar has none.
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("meridian/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| error.to_string())
}
