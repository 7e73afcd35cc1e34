//! Sessions: the two tokens of one, and the rule by which refresh tokens rotate.
//!
//! A refresh token names its session and its generation, sealed with a MAC (RFC 2104) under a key that only this crate derives. So nothing of it
//! is stored but the session's current generation, and a refresh that is repeated because its answer was lost, or because two tabs raced,
//! brings the same next token again without a write. After that grace, an old generation can only come from a copy, and the session ends.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use contract::auth::{AccessPayload, SessionHandle};
use domain::UserId;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::Error;
use crate::access::{self, BAD_SEED, Signer};

/// How long a session lives after its last refresh.
pub const LIFETIME: TimeDelta = TimeDelta::days(100);

/// How long the generation before the current one may still be presented.
pub const GRACE: TimeDelta = TimeDelta::seconds(30);

/// Separates this use of the signing seed from its use as an Ed25519 key.
const REFRESH_LABEL: &[u8] = b"meridian refresh token v1";

const USER: usize = 12;
const HANDLE: usize = 16;
const GENERATION: usize = 4;
const BODY: usize = USER + HANDLE + GENERATION;

/// How often a session's refresh token has been rotated.
pub type Generation = u32;

/// The tokens of a session, fresh. Secrets, so not `Debug`.
pub struct Tokens {
    /// For every request.
    pub access: String,
    /// What the access token says; no secret.
    pub payload: AccessPayload,
    /// For the next refresh.
    pub refresh: String,
    /// Until when the refresh token is good.
    pub refresh_expires_at: DateTime<Utc>,
}

/// What a genuine refresh token says. Whether it is still good, [`judge`] decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presented {
    /// Whose.
    pub user: UserId,
    /// Of which session.
    pub handle: SessionHandle,
    /// Of which generation.
    pub generation: Generation,
}

/// Gives out tokens, and knows its own refresh tokens again.
#[derive(Clone)]
pub struct Issuer {
    signer: Signer,
    mac: Hmac<Sha256>,
}

impl Issuer {
    /// From the standard base64 of the 32-byte seed of the Ed25519 signing key.
    ///
    /// # Errors
    /// [`Error::Key`] for anything else.
    pub fn from_base64(text: &str) -> Result<Self, Error> {
        let seed = access::key_bytes(text).ok_or(BAD_SEED)?;
        let derived = mac(seed.as_slice())?.chain_update(REFRESH_LABEL).finalize().into_bytes();
        let derived = Zeroizing::new(<[u8; 32]>::from(derived));
        Ok(Self { signer: Signer::from_base64(text)?, mac: mac(derived.as_slice())? })
    }

    /// The tokens of a session at this generation. `issuer` becomes the `iss` of the access token.
    ///
    /// # Errors
    /// [`Error::Signing`], which only a fault of ours can cause.
    pub fn issue(
        &self,
        session: Presented,
        refresh_expires_at: DateTime<Utc>,
        issuer: String,
        now: DateTime<Utc>,
    ) -> Result<Tokens, Error> {
        let refresh = self.seal(session);
        let hash = hex::encode(Sha256::digest(&refresh));
        let Presented { user, handle, .. } = session;
        let payload = AccessPayload::new(user, handle, hash, issuer, now, now + access::LIFETIME);
        Ok(Tokens { access: self.signer.sign(&payload)?, payload, refresh, refresh_expires_at })
    }

    /// What a refresh token says; `None` for one that this key did not seal.
    pub fn read(&self, token: &str) -> Option<Presented> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (body, tag) = bytes.split_at_checked(BODY)?;
        self.mac.clone().chain_update(body).verify_slice(tag).ok()?;
        let (user, rest) = body.split_at_checked(USER)?;
        let (handle, generation) = rest.split_at_checked(HANDLE)?;
        Some(Presented {
            user: UserId::new(user.try_into().ok()?),
            handle: SessionHandle::from_bytes(handle.try_into().ok()?),
            generation: Generation::from_be_bytes(generation.try_into().ok()?),
        })
    }

    fn seal(&self, Presented { user, handle, generation }: Presented) -> String {
        let mut bytes = [user.as_bytes().as_slice(), handle.as_bytes(), &generation.to_be_bytes()].concat();
        let tag = self.mac.clone().chain_update(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

fn mac(key: &[u8]) -> Result<Hmac<Sha256>, Error> {
    // HMAC takes keys of every length, so this is no refusal that could happen.
    Hmac::new_from_slice(key).map_err(|_| BAD_SEED)
}

/// What a refresh token that was not of the current generation, or of an expired session, means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A repetition within the grace: give out the tokens of the current generation once more.
    Repeat,
    /// A copy: end the session.
    Theft,
    /// The session is over, or never was at this generation.
    Over,
}

/// Judges a refresh token that did not rotate its session, by the state of the session: its current generation, when it came to that, and until
/// when it lives.
pub fn judge(
    presented: Generation,
    current: Generation,
    rotated_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Verdict {
    let is_previous = presented.checked_add(1) == Some(current);
    if expires_at <= now || presented >= current {
        Verdict::Over
    } else if is_previous && now < rotated_at + GRACE {
        Verdict::Repeat
    } else {
        Verdict::Theft
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::access::AccessError;
    use crate::test_support::{PUBLIC, SEED, verifier};

    pub(crate) fn now() -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_795_168_800_000).unwrap()
    }

    pub(crate) fn issuer() -> Issuer {
        Issuer::from_base64(SEED).unwrap()
    }

    fn session(generation: Generation) -> Presented {
        let user = "66aa01bb02cc03dd04ee05ff".parse().unwrap();
        Presented { user, handle: SessionHandle::new([7; 16]), generation }
    }

    pub(crate) fn tokens(issuer: &Issuer) -> Tokens {
        issuer.issue(session(0), now() + LIFETIME, "http://localhost:3000/api".into(), now()).unwrap()
    }

    #[test]
    fn a_refresh_token_leads_back_to_its_session_and_no_other_key_made_it() {
        let token = tokens(&issuer()).refresh;
        assert_eq!(issuer().read(&token), Some(session(0)));
        let foreign = Issuer::from_base64(PUBLIC).unwrap();
        assert_eq!(foreign.read(&token), None);
        for bad in ["", "AAAA", "%", &token[1..], &format!("{token}AA"), &"A".repeat(token.len())] {
            assert_eq!(issuer().read(bad), None, "{bad}");
        }
    }

    #[test]
    fn no_byte_of_a_refresh_token_can_be_changed() {
        let token = URL_SAFE_NO_PAD.decode(tokens(&issuer()).refresh).unwrap();
        for at in 0..token.len() {
            let mut changed = token.clone();
            changed[at] ^= 1;
            assert_eq!(issuer().read(&URL_SAFE_NO_PAD.encode(changed)), None, "byte {at}");
        }
    }

    #[test]
    fn a_refresh_token_is_no_access_token_nor_the_reverse() {
        let tokens = tokens(&issuer());
        assert_eq!(verifier().verify(&tokens.refresh, now()), Err(AccessError::Invalid));
        assert_eq!(issuer().read(&tokens.access), None);
    }

    #[test]
    fn only_the_last_generation_before_the_current_one_has_a_grace() {
        let start = now();
        let seconds = TimeDelta::seconds;
        for (presented, after, expected) in [
            (4, seconds(0), Verdict::Repeat),
            (4, seconds(29), Verdict::Repeat),
            (4, seconds(30), Verdict::Theft),
            (3, seconds(0), Verdict::Theft),
            (0, seconds(0), Verdict::Theft),
            (5, seconds(0), Verdict::Over),
            (6, seconds(0), Verdict::Over),
            (u32::MAX, seconds(0), Verdict::Over),
            (4, LIFETIME, Verdict::Over),
            (5, LIFETIME, Verdict::Over),
        ] {
            assert_eq!(
                judge(presented, 5, start, start + LIFETIME, start + after),
                expected,
                "{presented} {after}"
            );
        }
    }

    proptest! {
        /// A client that refreshes with its newest token, at any pace and with any repetitions, is never thrown out; a thief who keeps a
        /// token beyond the grace always is.
        #[test]
        fn a_refresh_chain_never_ends_by_itself(pauses in prop::collection::vec((0_i64..8_640_000, 0_i64..30), 1..40)) {
            let (issuer, mut now) = (issuer(), now());
            let mut current = 0;
            let mut token = tokens(&issuer).refresh;
            let mut seen = BTreeSet::from([token.clone()]);
            for (pause, repetition) in pauses {
                now += TimeDelta::seconds(pause);
                let presented = issuer.read(&token).unwrap();
                prop_assert_eq!(presented.generation, current);
                current += 1;
                let rotated_at = now;
                let next = |now| issuer.issue(session(current), now + LIFETIME, String::new(), now).unwrap().refresh;
                let answer = next(now);
                now += TimeDelta::seconds(repetition);
                let verdict = judge(presented.generation, current, rotated_at, rotated_at + LIFETIME, now);
                prop_assert_eq!(verdict, Verdict::Repeat);
                prop_assert_eq!(&next(now), &answer);
                let late = judge(presented.generation, current, rotated_at, rotated_at + LIFETIME, rotated_at + GRACE);
                prop_assert_eq!(late, Verdict::Theft);
                prop_assert!(seen.insert(answer.clone()));
                token = answer;
            }
        }
    }
}
