//! The access token: a JWT (RFC 7519) signed with Ed25519 (RFC 8037), good for an hour.
//!
//! Its payload is the one that the web app's session library reads: it is sent once more in the `front-token` header, where scripts
//! may see it. Whoever holds the public key can check a token; there is no look-up, so a session that was ended stays usable until its
//! token expires, and only refreshing asks the store.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use contract::auth::{AccessPayload, SessionHandle};
use curve25519_dalek::edwards::CompressedEdwardsY;
use domain::UserId;
use jwt::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use zeroize::Zeroizing;

use crate::Error;

/// How long an access token is good for.
pub const LIFETIME: TimeDelta = TimeDelta::hours(1);

/// The bytes of an Ed25519 key, private or public (RFC 8032 §5.1.5).
pub(crate) const KEY_LENGTH: usize = 32;

/// What precedes the seed in the PKCS #8 form of an Ed25519 private key (RFC 8410 §7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// What a valid access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Who is asking.
    pub user: UserId,
    /// In which session.
    pub handle: SessionHandle,
    /// From when on the token is no longer good.
    pub expires_at: DateTime<Utc>,
}

/// Why an access token is not good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Not ours, or tampered with.
    #[error("the access token is invalid")]
    Invalid,
    /// Ours, but its time has passed. Whoever wants to be generous asks the store whether the session lives.
    #[error("the access token has expired")]
    Expired(Access),
}

/// Checks access tokens. Cheap to clone.
#[derive(Clone)]
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

impl Verifier {
    /// From the standard base64 of a 32-byte Ed25519 public key.
    ///
    /// # Errors
    /// [`Error::Key`] for anything else.
    pub fn from_base64(text: &str) -> Result<Self, Error> {
        let bad = Error::Key { name: "the session verify key", what: "a 32-byte Ed25519 public key" };
        let Some(bytes) = key_bytes(text) else { return Err(bad) };
        // Half of all 32-byte strings are no point of the curve. Better to fail at the start than to refuse every caller.
        if CompressedEdwardsY(*bytes).decompress().is_none() {
            return Err(bad);
        }
        let key = DecodingKey::from_ed_der(bytes.as_slice());
        // The algorithm is ours to say, not the token's. The time is checked below, against a clock that tests can stop.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.validate_exp = false;
        validation.validate_aud = false;
        Ok(Self { key, validation })
    }

    /// Checks the signature, then the time. No look-up.
    ///
    /// # Errors
    /// [`AccessError`]; the signature was checked in either case.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Access, AccessError> {
        let payload: AccessPayload =
            jwt::decode(token, &self.key, &self.validation).map_err(|_| AccessError::Invalid)?;
        let expires_at = DateTime::from_timestamp(payload.exp, 0).ok_or(AccessError::Invalid)?;
        let access = Access { user: payload.sub, handle: payload.session_handle, expires_at };
        if now < expires_at { Ok(access) } else { Err(AccessError::Expired(access)) }
    }
}

/// Signs access tokens. Only the `auth` function has one.
#[derive(Clone)]
pub struct Signer {
    key: EncodingKey,
}

impl Signer {
    /// From the standard base64 of the 32-byte seed of an Ed25519 private key.
    ///
    /// # Errors
    /// [`Error::Key`] for anything else.
    pub fn from_base64(text: &str) -> Result<Self, Error> {
        let seed = key_bytes(text).ok_or(BAD_SEED)?;
        let document = Zeroizing::new([PKCS8_PREFIX.as_slice(), seed.as_slice()].concat());
        Ok(Self { key: EncodingKey::from_ed_der(&document) })
    }

    /// The token of a payload.
    ///
    /// # Errors
    /// [`Error::Signing`], which only a fault of ours can cause.
    pub fn sign(&self, payload: &AccessPayload) -> Result<String, Error> {
        Ok(jwt::encode(&Header::new(Algorithm::EdDSA), payload, &self.key)?)
    }
}

pub(crate) const BAD_SEED: Error =
    Error::Key { name: "the session signing key", what: "the 32-byte seed of an Ed25519 private key" };

/// The key that a configured text stands for.
pub(crate) fn key_bytes(text: &str) -> Option<Zeroizing<[u8; KEY_LENGTH]>> {
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
    Some(Zeroizing::new(bytes.as_slice().try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use hmac::{Hmac, KeyInit, Mac};
    use serde_json::{Value, json};
    use sha2::Sha256;

    use super::*;
    use crate::test_support::{PUBLIC, SEED};

    // RFC 8032 §7.1, test 2.
    const OTHER_SEED: &str = "TM0Imyj/ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U+4pvs=";

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_795_168_800_000).unwrap()
    }

    fn payload() -> AccessPayload {
        let user = "66aa01bb02cc03dd04ee05ff".parse().unwrap();
        let handle = SessionHandle::new([7; 16]);
        AccessPayload::new(user, handle, "ab12".into(), "https://x/api".into(), now(), now() + LIFETIME)
    }

    fn token() -> String {
        Signer::from_base64(SEED).unwrap().sign(&payload()).unwrap()
    }

    fn forged(header: &Value, payload: &Value, signature: &str) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{signature}", part(header), part(payload))
    }

    #[test]
    fn a_token_is_good_until_the_second_it_expires() {
        let verifier = Verifier::from_base64(PUBLIC).unwrap();
        let access = verifier.verify(&token(), now()).unwrap();
        assert_eq!((access.user, access.handle), (payload().sub, payload().session_handle));
        assert_eq!(access.expires_at, now() + LIFETIME);
        let last = now() + LIFETIME - TimeDelta::milliseconds(1);
        assert!(verifier.verify(&token(), last).is_ok());
        assert_eq!(verifier.verify(&token(), now() + LIFETIME), Err(AccessError::Expired(access)));
    }

    #[test]
    fn what_we_did_not_sign_is_invalid_and_never_merely_expired() {
        let verifier = Verifier::from_base64(PUBLIC).unwrap();
        let foreign = Signer::from_base64(OTHER_SEED).unwrap().sign(&payload()).unwrap();
        let claims = serde_json::to_value(payload()).unwrap();
        let (signed, signature) =
            token().rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let public = STANDARD.decode(PUBLIC).unwrap();
        let unsigned = forged(&json!({ "alg": "HS256", "typ": "JWT" }), &claims, "");
        let mut hmac = Hmac::<Sha256>::new_from_slice(&public).unwrap();
        hmac.update(unsigned.trim_end_matches('.').as_bytes());
        let hmac = unsigned + &URL_SAFE_NO_PAD.encode(hmac.finalize().into_bytes());
        for bad in [
            String::new(),
            "a.b.c".into(),
            foreign,
            hmac,
            forged(&json!({ "alg": "none", "typ": "JWT" }), &claims, ""),
            forged(&json!({ "alg": "EdDSA", "typ": "JWT" }), &claims, &"A".repeat(86)),
            forged(&json!({ "alg": "EdDSA", "typ": "JWT" }), &json!({ "sub": "x" }), &signature),
            signed,
            format!("{}x", token()),
            token() + ".x",
        ] {
            let late = now() + TimeDelta::days(400);
            assert_eq!(verifier.verify(&bad, late), Err(AccessError::Invalid), "{bad}");
        }
    }

    #[test]
    fn an_unusable_key_is_noticed_at_the_start_and_not_repeated() {
        // No point of the curve has y = 2.
        let off_curve = STANDARD.encode([[2].as_slice(), &[0; 31]].concat());
        for bad in ["", "AAAA", "not base64!", &STANDARD.encode([1; 33]), &off_curve] {
            let error = Verifier::from_base64(bad).err().unwrap();
            assert!(!error.to_string().contains(&off_curve));
        }
        for bad in ["", "AAAA", "not base64!", &STANDARD.encode([1; 31])] {
            assert!(Signer::from_base64(bad).is_err(), "{bad}");
        }
    }
}
