//! The keys that sign id tokens, and their rotation.
//!
//! The keys are fixed test keys: making RSA keys takes longer than most tests, and what they sign protects nothing. A rotation
//! takes the other key under a new key id, and keeps the previous one published for a while, as Google does.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, PublicKeyComponents};
use ring::signature::RSA_PKCS1_SHA256;
use rustls::pki_types::PrivatePkcs1KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::Error;

const PEMS: [&[u8]; 2] = [include_bytes!("keys/a.pem"), include_bytes!("keys/b.pem")];

/// A signing key with its id.
#[derive(Clone)]
pub(crate) struct SigningKey {
    id: String,
    pair: Arc<KeyPair>,
}

impl SigningKey {
    /// Signs `claims` as a compact RS256 token (RFC 7515).
    pub(crate) fn sign(&self, claims: &Value) -> Result<String, ring::error::Unspecified> {
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": self.id });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(claims));
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// What is published of it (RFC 7517).
    fn jwk(&self) -> Value {
        let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(self.pair.public());
        let part = |bytes: Vec<u8>| URL_SAFE_NO_PAD.encode(bytes);
        json!({ "kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.id, "n": part(n), "e": part(e) })
    }
}

/// The key in use, and the one before it.
pub(crate) struct Keys {
    pairs: [Arc<KeyPair>; 2],
    generation: usize,
}

impl Keys {
    pub(crate) fn load() -> Result<Self, Error> {
        let load = |pem| {
            let key =
                PrivatePkcs1KeyDer::from_pem_slice(pem).map_err(|error| Error::Key(error.to_string()))?;
            let pair = KeyPair::from_der(key.secret_pkcs1_der());
            Ok::<_, Error>(Arc::new(pair.map_err(|error| Error::Key(error.to_string()))?))
        };
        Ok(Self { pairs: [load(PEMS[0])?, load(PEMS[1])?], generation: 0 })
    }

    /// The key that signs now.
    pub(crate) fn current(&self) -> SigningKey {
        self.of(self.generation)
    }

    /// From now on another key signs.
    pub(crate) fn rotate(&mut self) {
        self.generation += 1;
    }

    /// What is published: the current key and, after a rotation, the previous one.
    pub(crate) fn published(&self) -> Value {
        let oldest = self.generation.saturating_sub(1);
        let keys = (oldest..=self.generation).rev().map(|generation| self.of(generation).jwk());
        json!({ "keys": keys.collect::<Vec<Value>>() })
    }

    fn of(&self, generation: usize) -> SigningKey {
        let id = format!("fake-google-key-{generation}");
        SigningKey { id, pair: Arc::clone(&self.pairs[generation % 2]) }
    }
}

#[cfg(test)]
mod tests {
    use jwt::jwk::JwkSet;
    use jwt::{Algorithm, DecodingKey, Validation};

    use super::*;

    fn published(keys: &Keys) -> JwkSet {
        serde_json::from_value(keys.published()).unwrap()
    }

    #[test]
    fn a_rotation_signs_with_a_new_key_and_still_publishes_the_old_one() {
        let mut keys = Keys::load().unwrap();
        let before = keys.current().id;
        keys.rotate();
        let published = published(&keys);
        assert_ne!(keys.current().id, before);
        assert!(published.find(&before).is_some() && published.find(&keys.current().id).is_some());
        assert_ne!(published.keys[0].algorithm, published.keys[1].algorithm);
    }

    #[test]
    fn what_is_signed_verifies_against_the_published_key() {
        let keys = Keys::load().unwrap();
        let claims = json!({"sub": "1", "exp": 4_102_444_800_u64});
        let token = keys.current().sign(&claims).unwrap();
        let key = DecodingKey::from_jwk(&published(&keys).keys[0]).unwrap();
        let validation = Validation::new(Algorithm::RS256);
        assert_eq!(jwt::decode::<Value>(&token, &key, &validation).unwrap(), claims);
    }
}
