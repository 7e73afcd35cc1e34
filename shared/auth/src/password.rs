//! Passwords at rest: Argon2id (RFC 9106).
//!
//! Hashing is slow on purpose and blocks: under Lambda a process has one request at a time, and nobody waits behind it.

use argon2::password_hash::{Error as HashError, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use seam::Random;

use crate::Error;

/// Memory in KiB. OWASP's Password Storage Cheat Sheet names several settings that are equally strong; this one needs the least memory, which
/// a Lambda keeps for as long as it lives.
const MEMORY: u32 = 7 * 1024;
/// Passes over that memory.
const PASSES: u32 = 5;
/// Lanes. A small Lambda has one core.
const LANES: u32 = 1;
/// Bytes of salt (RFC 9106 §3.1).
const SALT: usize = 16;

/// The hash of a password that nobody has, at the cost above. It is compared when an address has no password, so that the time of the answer
/// does not tell which addresses exist.
const NOBODYS: &str =
    "$argon2id$v=19$m=7168,t=5,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes and compares passwords.
#[derive(Clone)]
pub struct Passwords {
    argon2: Argon2<'static>,
    random: Random,
}

impl Passwords {
    /// At the cost that this version sets.
    ///
    /// # Errors
    /// [`Error::Hash`], if the constants were out of range.
    pub fn new(random: Random) -> Result<Self, Error> {
        let params = Params::new(MEMORY, PASSES, LANES, None)?;
        Ok(Self { argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params), random })
    }

    /// The PHC string of a password, under a fresh salt.
    ///
    /// # Errors
    /// [`Error::Hash`], when memory runs out.
    pub fn hash(&self, password: &str) -> Result<String, Error> {
        let salt: [u8; SALT] = self.random.bytes();
        let hash = self.argon2.hash_password_with_salt(password.as_bytes(), &salt)?;
        Ok(hash.to_string())
    }

    /// Whether the password is the one whose PHC string is `stored`. Takes as long when there is none, and is then false.
    ///
    /// # Errors
    /// [`Error::Hash`] for a string that this crate did not write.
    pub fn is_right(&self, password: &str, stored: Option<&str>) -> Result<bool, Error> {
        match self.argon2.verify_password(password.as_bytes(), stored.unwrap_or(NOBODYS)) {
            Ok(()) => Ok(stored.is_some()),
            Err(HashError::PasswordInvalid) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords() -> Passwords {
        Passwords::new(Random::seeded(1)).unwrap()
    }

    #[test]
    fn a_password_is_known_again_and_no_other_is() {
        let hash = passwords().hash("correct horse 1").unwrap();
        assert!(passwords().is_right("correct horse 1", Some(&hash)).unwrap());
        assert!(!passwords().is_right("correct horse 2", Some(&hash)).unwrap());
        assert!(!passwords().is_right("", Some(&hash)).unwrap());
        assert!(!passwords().is_right("correct horse 1", None).unwrap());
    }

    #[test]
    fn the_same_password_is_never_stored_alike() {
        let passwords = passwords();
        assert_ne!(passwords.hash("correct horse 1").unwrap(), passwords.hash("correct horse 1").unwrap());
    }

    #[test]
    fn an_unknown_address_costs_as_much_as_a_known_one() {
        let cost = |hash: &str| hash.rsplitn(3, '$').last().map(str::to_owned);
        assert_eq!(cost(&passwords().hash("x").unwrap()), cost(NOBODYS));
        assert_eq!(cost(NOBODYS).unwrap(), format!("$argon2id$v=19$m={MEMORY},t={PASSES},p={LANES}"));
    }

    #[test]
    fn damage_is_no_wrong_password() {
        assert!(passwords().is_right("x", Some("$argon2id$damaged")).is_err());
    }
}
