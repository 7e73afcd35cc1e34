//! JSON Web Tokens (RFC 7519) in the two algorithms that are spoken: EdDSA, in which our sessions are signed, and RS256, in which Google
//! signs who somebody is.
//!
//! The rules of a token are those of `jsonwebtoken`; the signatures are made and checked by `ring`, which TLS brings along anyhow. The
//! providers that `jsonwebtoken` comes with link every curve there is. Whoever encodes or decodes does it here, so that no process can do
//! either before the provider is there.

mod provider;

pub use jsonwebtoken::errors::{Error, ErrorKind};
pub use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode_header, jwk};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The claims of a token whose signature and claims are in order.
///
/// # Errors
/// Whatever is wrong with the token.
pub fn decode<T: DeserializeOwned>(
    token: &str,
    key: &DecodingKey,
    validation: &Validation,
) -> Result<T, Error> {
    provider::install();
    Ok(jsonwebtoken::decode::<T>(token, key, validation)?.claims)
}

/// A signed token.
///
/// # Errors
/// If the claims cannot be written, or the key is not one of the header's algorithm.
pub fn encode(header: &Header, claims: &impl Serialize, key: &EncodingKey) -> Result<String, Error> {
    provider::install();
    jsonwebtoken::encode(header, claims, key)
}
