//! Fresh keys: for a local run, and for a deployment's parameters.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::RngExt;
use ring::signature::{Ed25519KeyPair, KeyPair};

/// File inside the data directory that keeps the keys of a local run: with others, every session would end.
const FILE: &str = "keys.json";

/// Values of the template's parameters `SessionSigningKey`, `SessionVerifyKey`, `TokenEncryptionKey` and `CursorKey`.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys(BTreeMap<String, String>);

impl Keys {
    /// Draws new ones.
    ///
    /// # Errors
    /// If the seed is refused, which a random one is not.
    pub fn generate() -> anyhow::Result<Self> {
        let [seed, encryption, cursor]: [[u8; 32]; 3] = rand::rng().random();
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|error| anyhow!("Ed25519: {error}"))?;
        let values = [
            ("SessionSigningKey", STANDARD.encode(seed)),
            ("SessionVerifyKey", STANDARD.encode(pair.public_key())),
            ("TokenEncryptionKey", STANDARD.encode(encryption)),
            ("CursorKey", STANDARD.encode(cursor)),
        ];
        Ok(Self(values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
    }

    /// Those kept in a data directory; draws and keeps new ones where there are none.
    ///
    /// # Errors
    /// If the file can't be read or written.
    pub fn kept_in(directory: &Path) -> anyhow::Result<Self> {
        let path = directory.join(FILE);
        let mut keys = Self::generate()?;
        if path.exists() {
            let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let kept: BTreeMap<String, String> =
                serde_json::from_str(&text).with_context(|| path.display().to_string())?;
            // An older release knew fewer keys.
            keys.0.extend(kept);
        }
        let text = serde_json::to_string_pretty(&keys.0)?;
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        Ok(keys)
    }

    /// The values by parameter name.
    #[must_use]
    pub fn parameters(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_keys_stay_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let first = Keys::kept_in(directory.path()).unwrap();
        assert!(first == Keys::kept_in(directory.path()).unwrap());
        assert!(first != Keys::generate().unwrap());
    }

    #[test]
    fn every_key_is_32_bytes() {
        for (name, value) in Keys::generate().unwrap().parameters() {
            assert_eq!(STANDARD.decode(value).unwrap().len(), 32, "{name}");
        }
    }
}
