//! The cookies and headers that carry a session, in the exact form that the web app's session library expects.
//!
//! The access cookie outlives its token by far: an expired token that is still sent tells "refresh", a missing one "signed out".
//! The refresh cookie is sent to one path only. Whatever sets or clears them says so in `front-token`, which a script may read only
//! if the same response exposes it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use contract::auth::{AccessPayload, FrontToken};
use cookie::time::OffsetDateTime;
use cookie::{Cookie, SameSite};
use http::header::{ACCESS_CONTROL_EXPOSE_HEADERS, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::Error;
use crate::session::Tokens;

/// The header that tells the web app of its session.
pub const FRONT_TOKEN: HeaderName = HeaderName::from_static("front-token");

/// The cookie of the access token.
pub const ACCESS: Carrier = Carrier { name: "sAccessToken", path: "/" };
/// The cookie of the refresh token.
pub const REFRESH: Carrier = Carrier { name: "sRefreshToken", path: "/api/session/refresh" };

/// How long a browser keeps the access cookie.
const ACCESS_COOKIE_LIFETIME: TimeDelta = TimeDelta::days(365);

/// A cookie by name and path: both must be the same when it is set and when it is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carrier {
    /// Its name.
    pub name: &'static str,
    /// Where browsers send it.
    pub path: &'static str,
}

/// What a request carries under a cookie's name.
#[derive(Clone, PartialEq, Eq)]
pub enum Carried {
    /// No such cookie, or an empty one.
    Nothing,
    /// One.
    One(String),
    /// Several: an old host-only cookie beside one for the domain, say. Which is newer cannot be known, so none counts.
    Several,
}

impl Carrier {
    /// What the request carries under this name.
    pub fn read(&self, headers: &HeaderMap) -> Carried {
        let mut values = headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|header| header.to_str().ok())
            .flat_map(Cookie::split_parse_encoded)
            .filter_map(Result::ok)
            .filter(|cookie| cookie.name() == self.name);
        match (values.next(), values.next()) {
            (None, _) => Carried::Nothing,
            (Some(cookie), None) if cookie.value().is_empty() => Carried::Nothing,
            (Some(cookie), None) => Carried::One(cookie.value().to_owned()),
            (Some(_), Some(_)) => Carried::Several,
        }
    }

    fn cookie(&self, value: &str, expires_at: DateTime<Utc>, scope: Scope) -> Result<HeaderValue, Error> {
        // A time beyond what cookies can express is none that this crate makes; the session then ends with the browser.
        let expires = OffsetDateTime::from_unix_timestamp(expires_at.timestamp()).ok();
        let same_site = if scope.is_cross_site { SameSite::None } else { SameSite::Lax };
        let cookie = Cookie::build((self.name, value))
            .path(self.path)
            .http_only(true)
            .same_site(same_site)
            .secure(scope.is_secure || scope.is_cross_site)
            .expires(expires)
            .build();
        Ok(HeaderValue::try_from(cookie.encoded().to_string())?)
    }
}

/// How far cookies travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Whether the web app lives on another site than the API: `SameSite=None`, which browsers accept only with `Secure`.
    pub is_cross_site: bool,
    /// Whether the request came over HTTPS.
    pub is_secure: bool,
}

/// Adds the headers that give the web app its session.
///
/// # Errors
/// [`Error::Header`], which only a fault of ours can cause.
pub fn set(headers: &mut HeaderMap, tokens: &Tokens, scope: Scope, now: DateTime<Utc>) -> Result<(), Error> {
    headers.append(SET_COOKIE, ACCESS.cookie(&tokens.access, now + ACCESS_COOKIE_LIFETIME, scope)?);
    headers.append(SET_COOKIE, REFRESH.cookie(&tokens.refresh, tokens.refresh_expires_at, scope)?);
    expose(headers, HeaderValue::try_from(front_token(&tokens.payload)?)?);
    Ok(())
}

/// Adds the headers that take the session from the web app.
///
/// # Errors
/// [`Error::Header`], which only a fault of ours can cause.
pub fn clear(headers: &mut HeaderMap, scope: Scope) -> Result<(), Error> {
    // The access cookie last: curl up to 7.88 drops all but the last of several expired cookies, and this is the one that opens something.
    for carrier in [REFRESH, ACCESS] {
        headers.append(SET_COOKIE, carrier.cookie("", DateTime::UNIX_EPOCH, scope)?);
    }
    expose(headers, HeaderValue::from_static("remove"));
    Ok(())
}

/// The text of the `front-token` header: base64 of JSON.
fn front_token(payload: &AccessPayload) -> Result<String, Error> {
    Ok(STANDARD.encode(serde_json::to_vec(&FrontToken::new(payload))?))
}

fn expose(headers: &mut HeaderMap, front_token: HeaderValue) {
    headers.insert(FRONT_TOKEN, front_token);
    headers.append(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("front-token"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests::{issuer, now, tokens};

    const PLAIN: Scope = Scope { is_cross_site: false, is_secure: false };

    fn cookies(headers: &HeaderMap) -> Vec<String> {
        headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    fn carrying(headers: &[&str]) -> HeaderMap {
        headers.iter().map(|text| (COOKIE, HeaderValue::from_str(text).unwrap())).collect()
    }

    #[test]
    fn a_session_comes_with_two_cookies_and_a_front_token_that_is_exposed() {
        let tokens = tokens(&issuer());
        let mut headers = HeaderMap::new();
        set(&mut headers, &tokens, PLAIN, now()).unwrap();
        assert_eq!(
            cookies(&headers),
            [
                format!(
                    "sAccessToken={}; HttpOnly; SameSite=Lax; Path=/; Expires=Sat, 20 Nov 2027 10:00:00 GMT",
                    tokens.access
                ),
                format!(
                    "sRefreshToken={}; HttpOnly; SameSite=Lax; Path=/api/session/refresh; Expires=Sun, 28 Feb 2027 10:00:00 GMT",
                    tokens.refresh
                ),
            ]
        );
        assert_eq!(headers[ACCESS_CONTROL_EXPOSE_HEADERS], "front-token");
        let json = STANDARD.decode(headers[FRONT_TOKEN].as_bytes()).unwrap();
        let front: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(front["uid"], "66aa01bb02cc03dd04ee05ff");
        assert_eq!(front["ate"], 1_795_172_400_000_i64);
        assert_eq!(front["up"]["exp"], 1_795_172_400);
        assert_eq!(front["up"]["sub"], front["uid"]);
    }

    #[test]
    fn a_session_is_taken_away_on_the_paths_on_which_it_was_given() {
        let mut headers = HeaderMap::new();
        clear(&mut headers, PLAIN).unwrap();
        assert_eq!(
            cookies(&headers),
            [
                "sRefreshToken=; HttpOnly; SameSite=Lax; Path=/api/session/refresh; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
                "sAccessToken=; HttpOnly; SameSite=Lax; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            ]
        );
        assert_eq!(headers[FRONT_TOKEN], "remove");
        assert_eq!(headers[ACCESS_CONTROL_EXPOSE_HEADERS], "front-token");
    }

    #[test]
    fn cookies_are_secure_over_https_and_always_across_sites() {
        for (is_cross_site, is_secure, expected) in [
            (false, true, "HttpOnly; SameSite=Lax; Secure;"),
            (true, true, "HttpOnly; SameSite=None; Secure;"),
            (true, false, "HttpOnly; SameSite=None; Secure;"),
        ] {
            let mut headers = HeaderMap::new();
            clear(&mut headers, Scope { is_cross_site, is_secure }).unwrap();
            assert!(cookies(&headers).iter().all(|cookie| cookie.contains(expected)), "{headers:?}");
        }
    }

    #[test]
    fn two_cookies_of_one_name_count_as_none() {
        let cases: [(&[&str], Carried); 7] = [
            (&[], Carried::Nothing),
            (&["other=1"], Carried::Nothing),
            (&["sAccessToken="], Carried::Nothing),
            (&["a=b; sAccessToken=x.y-z; c=d"], Carried::One("x.y-z".into())),
            (&["a=b", "sAccessToken=x"], Carried::One("x".into())),
            (&["sAccessToken=x; sAccessToken=y"], Carried::Several),
            (&["sAccessToken=x", "sAccessToken=x"], Carried::Several),
        ];
        for (headers, expected) in cases {
            assert!(ACCESS.read(&carrying(headers)) == expected, "{headers:?}");
        }
    }
}
