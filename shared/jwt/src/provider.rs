//! What `jsonwebtoken` needs of a library of cryptography, from `ring`.

use std::sync::Once;

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::signature::{self as rings, Ed25519KeyPair, RsaPublicKeyComponents, UnparsedPublicKey};
use signature::{Signer, Verifier};

use crate::{Error, ErrorKind};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    // To publish keys. We publish none.
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| unsupported(),
        rsa_pub_components_from_public_key: |_| unsupported(),
        ec_pub_components_from_private_key: |_, _| unsupported(),
        ed_pub_components_from_private_key: |_, _| unsupported(),
        compute_digest: |_, _| unsupported(),
    },
};

/// Makes ours the provider of the process. Cheap after the first time.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    // It fails only where another one is installed, and nothing else names `jsonwebtoken`.
    INSTALLED.call_once(|| {
        let _is_first = PROVIDER.install_default();
    });
}

fn unsupported<T>() -> Result<T, Error> {
    Err(ErrorKind::UnsupportedAlgorithm.into())
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    if *algorithm != Algorithm::EdDSA {
        return unsupported();
    }
    if key.family() != AlgorithmFamily::Ed {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.as_bytes());
    Ok(Box::new(EdDsa(pair.map_err(|_| ErrorKind::InvalidEddsaKey)?)))
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    let family = match algorithm {
        Algorithm::EdDSA => AlgorithmFamily::Ed,
        Algorithm::RS256 => AlgorithmFamily::Rsa,
        _ => return unsupported(),
    };
    if key.family() != family {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    Ok(Box::new(Public { algorithm: *algorithm, key: key.clone() }))
}

/// Signs with Ed25519.
struct EdDsa(Ed25519KeyPair);

impl Signer<Vec<u8>> for EdDsa {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.sign(message).as_ref().to_vec())
    }
}

impl JwtSigner for EdDsa {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

/// Checks signatures of the one algorithm that its key is for.
struct Public {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Verifier<Vec<u8>> for Public {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let checked = match (self.algorithm, self.key.kind()) {
            (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(key)) => {
                UnparsedPublicKey::new(&rings::ED25519, key).verify(message, signature)
            }
            (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&rings::RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            _ => return Err(signature::Error::new()),
        };
        checked.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Public {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Header, Validation};
    use serde_json::{Value, json};

    use super::*;
    use crate::{decode, encode};

    // RFC 8037, appendix A: the key, the payload and the signature of A.4.
    const PRIVATE: [u8; 32] = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44,
        0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
    ];
    const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const MESSAGE: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    const SIGNATURE: &str =
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

    fn private() -> EncodingKey {
        let prefix =
            [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
        EncodingKey::from_ed_der(&[prefix.as_slice(), &PRIVATE].concat())
    }

    fn lax(algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.required_spec_claims.clear();
        validation
    }

    #[test]
    fn the_signature_of_the_standard_is_made_and_recognised() {
        install();
        let key = DecodingKey::from_ed_components(PUBLIC).unwrap();
        let verify = |signature: &str, message: &str| {
            jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, Algorithm::EdDSA).unwrap()
        };
        let signed = jsonwebtoken::crypto::sign(MESSAGE.as_bytes(), &private(), Algorithm::EdDSA);
        assert_eq!(signed.unwrap(), SIGNATURE);
        assert!(verify(SIGNATURE, MESSAGE));
        assert!(!verify(SIGNATURE, &MESSAGE[1..]));
        assert!(!verify(&SIGNATURE[4..], MESSAGE));
    }

    #[test]
    fn what_is_signed_is_read_again_and_no_other_algorithm_is_signed() {
        let claims = json!({ "sub": "x", "exp": 4_102_444_800_u64 });
        let token = encode(&Header::new(Algorithm::EdDSA), &claims, &private()).unwrap();
        let key = DecodingKey::from_ed_components(PUBLIC).unwrap();
        assert_eq!(decode::<Value>(&token, &key, &lax(Algorithm::EdDSA)).unwrap(), claims);
        for algorithm in [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::PS512] {
            assert!(encode(&Header::new(algorithm), &claims, &private()).is_err(), "{algorithm:?}");
        }
    }

    #[test]
    fn a_key_is_good_for_its_own_algorithm_only() {
        let keys = [
            DecodingKey::from_ed_components(PUBLIC).unwrap(),
            DecodingKey::from_rsa_raw_components(&[0xff; 256], &[1, 0, 1]),
            DecodingKey::from_secret(b"secret"),
            DecodingKey::from_ec_components(PUBLIC, PUBLIC).unwrap(),
        ];
        let good = [(0, Algorithm::EdDSA), (1, Algorithm::RS256)];
        let all = [
            Algorithm::HS256,
            Algorithm::HS384,
            Algorithm::HS512,
            Algorithm::ES256,
            Algorithm::ES384,
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
            Algorithm::EdDSA,
        ];
        for (index, key) in keys.iter().enumerate() {
            for algorithm in all {
                let is_good = good.contains(&(index, algorithm));
                assert_eq!(verifier(&algorithm, key).is_ok(), is_good, "{index} {algorithm:?}");
            }
        }
    }
}
