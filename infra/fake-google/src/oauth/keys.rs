//! The keys that sign id tokens, and their rotation.
//!
//! The keys are fixed test keys: making RSA keys takes longer than most tests, and what they sign protects nothing. A rotation
//! takes the other key under a new key id, and keeps the previous one published for a while, as Google does.

use std::sync::Arc;

use jsonwebtoken::jwk::{Jwk, JwkSet, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

const PEMS: [&[u8]; 2] = [include_bytes!("keys/a.pem"), include_bytes!("keys/b.pem")];

/// A signing key with its id.
#[derive(Clone)]
pub(crate) struct SigningKey {
    id: String,
    key: Arc<EncodingKey>,
}

impl SigningKey {
    /// Signs `claims` as a compact RS256 token.
    pub(crate) fn sign(&self, claims: &impl Serialize) -> Result<String, jsonwebtoken::errors::Error> {
        let header = Header { kid: Some(self.id.clone()), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, claims, &self.key)
    }
}

/// The key in use, and the one before it.
pub(crate) struct Keys {
    pairs: [(Arc<EncodingKey>, Jwk); 2],
    generation: usize,
}

impl Keys {
    pub(crate) fn load() -> Result<Self, jsonwebtoken::errors::Error> {
        let load = |pem| {
            let key = EncodingKey::from_rsa_pem(pem)?;
            let jwk = Jwk::from_encoding_key(&key, Algorithm::RS256)?;
            Ok::<_, jsonwebtoken::errors::Error>((Arc::new(key), jwk))
        };
        Ok(Self { pairs: [load(PEMS[0])?, load(PEMS[1])?], generation: 0 })
    }

    /// The key that signs now.
    pub(crate) fn current(&self) -> SigningKey {
        SigningKey { id: key_id(self.generation), key: Arc::clone(&self.pairs[self.generation % 2].0) }
    }

    /// From now on another key signs.
    pub(crate) fn rotate(&mut self) {
        self.generation += 1;
    }

    /// What is published: the current key and, after a rotation, the previous one.
    pub(crate) fn published(&self) -> JwkSet {
        let oldest = self.generation.saturating_sub(1);
        JwkSet { keys: (oldest..=self.generation).rev().map(|generation| self.jwk(generation)).collect() }
    }

    fn jwk(&self, generation: usize) -> Jwk {
        let mut jwk = self.pairs[generation % 2].1.clone();
        jwk.common.key_id = Some(key_id(generation));
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        jwk.common.key_operations = None::<Vec<KeyOperations>>;
        jwk
    }
}

fn key_id(generation: usize) -> String {
    format!("fake-google-key-{generation}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_signs_with_a_new_key_and_still_publishes_the_old_one() {
        let mut keys = Keys::load().unwrap();
        let before = keys.current().id;
        keys.rotate();
        let published = keys.published();
        assert_ne!(keys.current().id, before);
        assert!(published.find(&before).is_some() && published.find(&keys.current().id).is_some());
        assert_ne!(published.keys[0].algorithm, published.keys[1].algorithm);
    }

    #[test]
    fn what_is_signed_verifies_against_the_published_key() {
        let keys = Keys::load().unwrap();
        let token = keys.current().sign(&serde_json::json!({"sub": "1", "exp": 4_102_444_800_u64})).unwrap();
        let key = jsonwebtoken::DecodingKey::from_jwk(&keys.published().keys[0]).unwrap();
        let validation = jsonwebtoken::Validation::new(Algorithm::RS256);
        assert!(jsonwebtoken::decode::<serde_json::Value>(&token, &key, &validation).is_ok());
    }
}
