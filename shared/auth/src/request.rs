//! Who sends a request, as far as the request itself can tell.

use chrono::{DateTime, Utc};
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderName, Method};

use crate::access::{Access, AccessError, Verifier};
use crate::cookie::{ACCESS, Carried};

const RID: HeaderName = HeaderName::from_static("rid");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Why a request has no session. Each is a 401, which the web app answers with a refresh; none clears a cookie, or the refresh
/// would have nothing to go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// It carries no access token, or something else in its place.
    Unknown,
    /// It carries a token that is not ours, or several, or may come from a foreign page.
    Doubtful,
    /// Its token is ours and has expired.
    Expired(Access),
}

impl Stranger {
    /// The message of the 401.
    pub fn message(&self) -> &'static str {
        match self {
            Self::Unknown => "unauthorised",
            Self::Doubtful | Self::Expired(_) => "try refresh token",
        }
    }
}

/// Finds out who sends a request: by bearer token, else by cookie. No look-up.
///
/// # Errors
/// [`Stranger`] when there is no valid session.
pub fn identify(
    verifier: &Verifier,
    method: &Method,
    headers: &HeaderMap,
    is_cross_site: bool,
    now: DateTime<Utc>,
) -> Result<Access, Stranger> {
    let bearer = bearer(headers).map(str::to_owned);
    let is_by_cookie = bearer.is_none();
    let token = match bearer.map_or_else(|| ACCESS.read(headers), Carried::One) {
        Carried::Nothing => return Err(Stranger::Unknown),
        Carried::Several => return Err(Stranger::Doubtful),
        Carried::One(token) => token,
    };
    if is_by_cookie && is_cross_site && !is_own_page(method, headers) {
        return Err(Stranger::Doubtful);
    }
    verifier.verify(&token, now).map_err(|error| match error {
        AccessError::Invalid if token.split('.').count() != 3 => Stranger::Unknown,
        AccessError::Invalid => Stranger::Doubtful,
        AccessError::Expired(access) => Stranger::Expired(access),
    })
}

/// Whether a request that carries cookies across sites can be trusted to come from the web app: a foreign form cannot set a header, and a
/// foreign script's preflight is refused.
pub fn is_own_page(method: &Method, headers: &HeaderMap) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) || headers.contains_key(RID)
}

/// Whether the request came over HTTPS. The gateway says so; it overwrites what a client claims.
pub fn is_secure(headers: &HeaderMap) -> bool {
    headers.get(FORWARDED_PROTO).is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// The `iss` of tokens given out in answer to this request. Informative: nothing checks it.
pub fn issuer(headers: &HeaderMap) -> String {
    let scheme = if is_secure(headers) { "https" } else { "http" };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    format!("{scheme}://{host}/api")
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim()).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::session::tests::{issuer as tokens_issuer, now, tokens};
    use crate::test_support::verifier;

    fn headers(pairs: &[(&'static str, String)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn who(
        method: Method,
        pairs: &[(&'static str, String)],
        is_cross_site: bool,
    ) -> Result<(), &'static str> {
        identify(&verifier(), &method, &headers(pairs), is_cross_site, now())
            .map(drop)
            .map_err(|stranger| stranger.message())
    }

    #[test]
    fn a_request_is_known_by_its_bearer_token_or_else_by_its_cookie() {
        let token = tokens(&tokens_issuer()).access;
        let cookie = |value: &str| ("cookie", format!("sAccessToken={value}"));
        let bearer = |value: &str| ("authorization", format!("Bearer {value}"));
        let unknown = Err("unauthorised");
        let stale = Err("try refresh token");
        assert_eq!(who(Method::GET, &[], false), unknown);
        assert_eq!(who(Method::GET, &[cookie("")], false), unknown);
        assert_eq!(who(Method::GET, &[cookie("garbage")], false), unknown);
        assert_eq!(who(Method::GET, &[cookie(&token)], false), Ok(()));
        assert_eq!(who(Method::GET, &[bearer(&token)], false), Ok(()));
        assert_eq!(who(Method::GET, &[bearer(&token), cookie("garbage")], false), Ok(()));
        assert_eq!(who(Method::GET, &[cookie("a.b.c")], false), stale);
        let twice = ("cookie", format!("sAccessToken={token}; sAccessToken={token}"));
        assert_eq!(who(Method::GET, &[twice], false), stale);
    }

    #[test]
    fn an_expired_token_still_names_its_session() {
        let tokens = tokens(&tokens_issuer());
        let headers = headers(&[("cookie", format!("sAccessToken={}", tokens.access))]);
        let late = now() + TimeDelta::hours(2);
        match identify(&verifier(), &Method::GET, &headers, false, late) {
            Err(Stranger::Expired(access)) => assert_eq!(access.handle, tokens.payload.session_handle),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn across_sites_a_cookie_may_change_something_only_beside_a_header() {
        let cookie = ("cookie", format!("sAccessToken={}", tokens(&tokens_issuer()).access));
        let rid = ("rid", "anti-csrf".to_owned());
        assert_eq!(who(Method::GET, std::slice::from_ref(&cookie), true), Ok(()));
        assert_eq!(who(Method::POST, std::slice::from_ref(&cookie), true), Err("try refresh token"));
        assert_eq!(who(Method::POST, &[cookie.clone(), rid], true), Ok(()));
        assert_eq!(who(Method::POST, &[cookie], false), Ok(()));
    }

    #[test]
    fn the_issuer_is_the_address_under_which_the_request_came() {
        let pairs = [("host", "api.example".to_owned()), ("x-forwarded-proto", "https".to_owned())];
        assert_eq!(issuer(&headers(&pairs)), "https://api.example/api");
        assert_eq!(issuer(&headers(&[("host", "localhost:3000".to_owned())])), "http://localhost:3000/api");
    }
}
