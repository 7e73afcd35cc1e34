//! Google's tokens at rest: AES-256-GCM under the installation's data key.
//!
//! User and provider are associated data, so that a sealed token that was copied to another user's item does not open. The text
//! begins with a version, so that keys and algorithms can change without a migration.

use std::str::FromStr;
use std::sync::Arc;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use domain::UserId;
use seam::Random;
use serde::{Deserialize, Serialize};

use crate::{Error, Secret};

const VERSION: &str = "v1.";
const NONCE_LENGTH: usize = 12;

/// A sealed secret: safe to store, useless without the key and the user it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

impl From<String> for Sealed {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<Sealed> for String {
    fn from(sealed: Sealed) -> Self {
        sealed.0
    }
}

/// Seals and opens Google's tokens. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    cipher: Arc<Aes256Gcm>,
    random: Random,
}

impl FromStr for Vault {
    type Err = Error;

    /// Reads a key of 32 bytes in base64.
    fn from_str(text: &str) -> Result<Self, Error> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| Error::BadKey)?;
        let cipher = Aes256Gcm::new_from_slice(&bytes).map_err(|_| Error::BadKey)?;
        Ok(Self { cipher: Arc::new(cipher), random: Random::system() })
    }
}

impl Vault {
    /// The same key with another source of nonces. For tests.
    pub fn with_random(self, random: Random) -> Self {
        Self { random, ..self }
    }

    /// Seals a secret of `user`.
    ///
    /// # Errors
    /// [`Error::Unsealable`] for a text beyond the cipher's limit of 64 GiB.
    pub fn seal(&self, user: UserId, secret: &Secret) -> Result<Sealed, Error> {
        let nonce: [u8; NONCE_LENGTH] = self.random.bytes();
        let associated = associated(user);
        let payload = Payload { msg: secret.expose().as_bytes(), aad: associated.as_bytes() };
        let sealed = self.cipher.encrypt(&Nonce::from(nonce), payload).map_err(|_| Error::Unsealable)?;
        let text = STANDARD_NO_PAD.encode([nonce.as_slice(), &sealed].concat());
        Ok(Sealed(format!("{VERSION}{text}")))
    }

    /// Opens what [`Vault::seal`] sealed for the same user under the same key.
    ///
    /// # Errors
    /// [`Error::Unsealable`] for anything else.
    pub fn open(&self, user: UserId, sealed: &Sealed) -> Result<Secret, Error> {
        let text = sealed.0.strip_prefix(VERSION).ok_or(Error::Unsealable)?;
        let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| Error::Unsealable)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LENGTH>().ok_or(Error::Unsealable)?;
        let associated = associated(user);
        let payload = Payload { msg: sealed, aad: associated.as_bytes() };
        let opened = self.cipher.decrypt(&Nonce::from(*nonce), payload).map_err(|_| Error::Unsealable)?;
        String::from_utf8(opened).map(Secret::from).map_err(|_| Error::Unsealable)
    }
}

fn associated(user: UserId) -> String {
    format!("{user}:google")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault() -> Vault {
        STANDARD.encode([7; 32]).parse::<Vault>().unwrap().with_random(Random::seeded(1))
    }

    fn user(byte: u8) -> UserId {
        UserId::new([byte; 12])
    }

    #[test]
    fn what_was_sealed_opens_for_the_same_user_only() {
        let vault = vault();
        let sealed = vault.seal(user(1), &Secret::new("1//refresh")).unwrap();
        assert_eq!(vault.open(user(1), &sealed).unwrap().expose(), "1//refresh");
        assert!(matches!(vault.open(user(2), &sealed), Err(Error::Unsealable)));
        let other: Vault = STANDARD.encode([8; 32]).parse().unwrap();
        assert!(matches!(other.open(user(1), &sealed), Err(Error::Unsealable)));
    }

    #[test]
    fn the_same_secret_is_never_sealed_alike_and_does_not_show() {
        let vault = vault();
        let seal = || vault.seal(user(1), &Secret::new("1//refresh")).unwrap();
        let (a, b) = (seal(), seal());
        assert_ne!(a, b);
        assert!(!format!("{a:?}").contains("refresh"));
    }

    #[test]
    fn damage_is_noticed() {
        let vault = vault();
        let Sealed(text) = vault.seal(user(1), &Secret::new("1//refresh")).unwrap();
        for damaged in ["", "v1.", "v1.AAAA", "v2.AAAA", &text[..text.len() - 2], &text.replace("v1.", "v0.")]
        {
            assert!(vault.open(user(1), &Sealed(damaged.to_owned())).is_err(), "{damaged}");
        }
    }

    #[test]
    fn a_key_is_thirty_two_bytes_of_base64() {
        for bad in ["", "?", &STANDARD.encode([7; 16]), &STANDARD.encode([7; 33])] {
            assert!(matches!(bad.parse::<Vault>(), Err(Error::BadKey)), "{bad}");
        }
    }
}
