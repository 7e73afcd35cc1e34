//! Who signed in: OpenID Connect id tokens, verified against Google's published keys.
//!
//! The keys are kept as long as Google says, and fetched anew, once, when a token names a key that is not among them: Google
//! rotates them without notice.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use jwt::jwk::{Jwk, JwkSet};
use jwt::{Algorithm, DecodingKey, ErrorKind, Validation};
use seam::Clock;
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use crate::Error;
use crate::http::Http;

const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];
/// How far clocks may differ.
const LEEWAY: TimeDelta = TimeDelta::seconds(60);
/// How long keys are kept when Google does not say.
const DEFAULT_LIFE: TimeDelta = TimeDelta::minutes(5);

/// A Google account, as Google vouches for it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Identity {
    /// The account. The only member that never changes.
    pub sub: String,
    /// Its address, if that was granted; as Google writes it.
    #[serde(default)]
    pub email: Option<String>,
    /// Whether Google has verified the address.
    #[serde(default, rename = "email_verified")]
    pub is_email_verified: bool,
    /// The full name, if that was granted.
    #[serde(default)]
    pub name: Option<String>,
    /// The address of a picture, if that was granted.
    #[serde(default)]
    pub picture: Option<String>,
    /// A BCP 47 tag.
    #[serde(default)]
    pub locale: Option<String>,
    /// What the browser bound the sign-in to, if it did.
    #[serde(default)]
    pub nonce: Option<String>,
}

#[derive(Clone, Deserialize)]
struct Claims {
    #[serde(flatten)]
    identity: Identity,
    exp: i64,
    #[serde(default)]
    iat: Option<i64>,
    #[serde(default)]
    azp: Option<String>,
}

/// Google's public keys. Cheap to clone; the clones share what was fetched.
#[derive(Clone)]
pub(crate) struct Keys {
    url: Url,
    http: Http,
    clock: Clock,
    cached: Arc<Mutex<Option<Cached>>>,
}

struct Cached {
    keys: JwkSet,
    until: DateTime<Utc>,
}

impl Keys {
    pub fn new(url: Url, http: Http, clock: Clock) -> Self {
        Self { url, http, clock, cached: Arc::default() }
    }

    pub async fn verify(&self, token: &str, client_id: &str) -> Result<Identity, Error> {
        let header = jwt::decode_header(token).map_err(|_| Error::BadIdToken("it is no JWT"))?;
        if header.alg != Algorithm::RS256 {
            return Err(Error::BadIdToken("it is not signed with RS256"));
        }
        let kid = header.kid.ok_or(Error::BadIdToken("it names no key"))?;
        let key = self.key(&kid).await?.ok_or(Error::BadIdToken("its key is not Google's"))?;
        let key = DecodingKey::from_jwk(&key).map_err(|_| Error::BadIdToken("its key cannot be read"))?;
        claims(token, &key, client_id, self.clock.now())
    }

    async fn key(&self, kid: &str) -> Result<Option<Jwk>, Error> {
        let mut cached = self.cached.lock().await;
        if let Some(current) = cached.as_ref().filter(|cached| self.clock.now() < cached.until)
            && let Some(key) = current.keys.find(kid)
        {
            return Ok(Some(key.clone()));
        }
        let fresh = self.fetch().await?;
        let key = fresh.keys.find(kid).cloned();
        *cached = Some(fresh);
        Ok(key)
    }

    async fn fetch(&self) -> Result<Cached, Error> {
        let answer = self.http.send("oauth.keys", |client| client.get(self.url.clone())).await?;
        let life = answer.cache_control.as_deref().and_then(max_age).unwrap_or(DEFAULT_LIFE);
        Ok(Cached { keys: answer.read("oauth.keys")?, until: self.clock.now() + life })
    }
}

/// The `max-age` of a `Cache-Control` header.
fn max_age(header: &str) -> Option<TimeDelta> {
    let seconds = header.split(',').find_map(|directive| directive.trim().strip_prefix("max-age="))?;
    seconds.parse().ok().and_then(TimeDelta::try_seconds)
}

fn claims(token: &str, key: &DecodingKey, client_id: &str, now: DateTime<Utc>) -> Result<Identity, Error> {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[client_id]);
    validation.set_issuer(&ISSUERS);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    // The crate would ask the system's clock.
    validation.validate_exp = false;
    let claims: Claims =
        jwt::decode(token, key, &validation).map_err(|error| Error::BadIdToken(problem(error.kind())))?;
    let at = |seconds: i64| DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    if at(claims.exp) + LEEWAY <= now {
        return Err(Error::BadIdToken("it has expired"));
    }
    if claims.iat.is_some_and(|issued| at(issued) > now + LEEWAY) {
        return Err(Error::BadIdToken("it is from the future"));
    }
    if claims.azp.is_some_and(|party| party != client_id) {
        return Err(Error::BadIdToken("it was issued to another client"));
    }
    if claims.identity.sub.is_empty() {
        return Err(Error::BadIdToken("it names nobody"));
    }
    Ok(claims.identity)
}

fn problem(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "its signature is wrong",
        ErrorKind::InvalidIssuer => "it is not from Google",
        ErrorKind::InvalidAudience => "it is for another client",
        ErrorKind::InvalidAlgorithm => "its algorithm is not RS256",
        _ => "it cannot be read",
    }
}
