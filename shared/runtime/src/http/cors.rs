//! Who may call from a browser, and how cookies travel.

use std::time::Duration;

use axum::response::Response;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use tower_http::cors::{AllowOrigin, CorsLayer};
use url::Url;

use crate::Env;

/// How long a browser may remember a preflight. Chromium caps it at two hours.
const PREFLIGHT_AGE: Duration = Duration::from_secs(7200);
/// What the web app's session SDK sends beside the content type.
const HEADERS: [&str; 6] =
    ["content-type", "rid", "fdi-version", "st-auth-mode", "anti-csrf", "authorization"];

/// The `SameSite` attribute of the session cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// The web app and the API share a site: the usual case.
    Lax,
    /// They do not. Then every call that changes something must carry a `rid` header, which no foreign form can send.
    None,
}

impl std::str::FromStr for SameSite {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "lax" => Ok(Self::Lax),
            "none" => Ok(Self::None),
            _ => Err("must be lax or none"),
        }
    }
}

/// The web app, as its backend knows it.
#[derive(Clone, Debug)]
pub struct Web {
    /// Where the web app lives.
    pub url: Url,
    /// How cookies travel.
    pub same_site: SameSite,
    origins: Vec<HeaderValue>,
}

impl Web {
    /// From `WEB_URL`, `ORIGINS_ALLOWED` (comma-separated, may be empty) and `COOKIE_SAME_SITE` (default `lax`).
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let url = env.parse::<Url>("WEB_URL");
        let same_site = env.parse_or("COOKIE_SAME_SITE", SameSite::Lax);
        let more = env.optional("ORIGINS_ALLOWED").unwrap_or_default();
        Some(Self::new(url?, more.split(','), same_site))
    }

    /// A web app at `url` that may also be served from the origins in `more`.
    pub fn new<'a>(url: Url, more: impl IntoIterator<Item = &'a str>, same_site: SameSite) -> Self {
        let own = url.origin().ascii_serialization();
        let more = more.into_iter().map(|origin| origin.trim().trim_end_matches('/').to_owned());
        let origins = std::iter::once(own)
            .chain(more)
            .filter(|origin| !origin.is_empty())
            .filter_map(|origin| HeaderValue::from_str(&origin).ok())
            .collect();
        Self { url, same_site, origins }
    }

    /// The web app's origin, as browsers write it.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Whether a page of this origin, as its browser writes it, may call.
    pub fn allows(&self, origin: &str) -> bool {
        self.origins.iter().any(|allowed| allowed == origin)
    }

    pub(super) fn layer(self) -> CorsLayer {
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(self.origins))
            .allow_credentials(true)
            .allow_methods([
                Method::GET,
                Method::HEAD,
                Method::PUT,
                Method::PATCH,
                Method::POST,
                Method::DELETE,
            ])
            .allow_headers(HEADERS.map(HeaderName::from_static))
            .max_age(PREFLIGHT_AGE)
            .vary([header::ORIGIN])
    }
}

/// The layer answers a preflight with 200; 204 is what browsers and the old backend's clients saw.
pub(super) async fn preflight_is_204(mut response: Response) -> Response {
    if response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_METHODS) {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    response
}
