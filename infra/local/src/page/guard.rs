//! Who may use `/_local`: pages of this machine and of the same origin, and whatever is no browser.
//!
//! The port is open on the loopback address only, but any page in a browser on this machine can send requests there, under a host name of its
//! own if it likes (DNS rebinding). So the host must be a loopback one, and a page that asks must come from it.

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use crate::gateway::message;

/// Answers 403 to everybody else.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    if comes_from_here(request.headers()) {
        return next.run(request).await;
    }
    message(StatusCode::FORBIDDEN, "only pages of the local cloud may use it")
}

fn comes_from_here(headers: &HeaderMap) -> bool {
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    is_welcome(header("host").unwrap_or_default(), header("origin"), header("sec-fetch-site"))
}

fn is_welcome(host: &str, origin: Option<&str>, fetched_from: Option<&str>) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let is_here = ["localhost", "127.0.0.1", "[::1]"].contains(&authority.host());
    let is_own = origin.is_none_or(|origin| origin == format!("http://{host}"));
    // `none`: typed into the address bar.
    let is_near = fetched_from.is_none_or(|site| ["same-origin", "none"].contains(&site));
    is_here && is_own && is_near
}

#[cfg(test)]
mod tests {
    use super::is_welcome;

    #[test]
    fn the_page_itself_and_what_is_no_browser_are_welcome() {
        assert!(is_welcome("localhost:3000", None, None));
        assert!(is_welcome("127.0.0.1:3000", None, Some("none")));
        assert!(is_welcome("[::1]:3000", Some("http://[::1]:3000"), Some("same-origin")));
    }

    #[test]
    fn other_pages_are_not() {
        assert!(!is_welcome("localhost:3000", Some("https://evil.example"), None));
        assert!(!is_welcome("localhost:3000", Some("http://localhost:9080"), Some("same-site")));
        assert!(!is_welcome("localhost:3000", Some("null"), None));
        assert!(!is_welcome("localhost:3000", None, Some("cross-site")));
        assert!(!is_welcome("evil.example:3000", Some("http://evil.example:3000"), Some("same-origin")));
        assert!(!is_welcome("", None, None));
    }
}
