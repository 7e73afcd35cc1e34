//! What accounts have allowed a client: codes, grants, access and refresh tokens. Pure state; time and tokens' text come from outside.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::scopes::Scopes;
use crate::error::OAuthRefusal;

/// Google says 3599, one second less than the hour it means.
pub(crate) const ACCESS_TOKEN_SECONDS: i64 = 3599;
const CODE_LIFE: TimeDelta = TimeDelta::minutes(10);
/// Live refresh tokens of one account for one client.
const REFRESH_TOKENS: usize = 100;
/// A refresh token that is not used for so long dies.
const UNUSED: TimeDelta = TimeDelta::days(183);

/// What the client asked for on the authorization page and got an account's consent to.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Consent {
    pub email: String,
    pub client_id: String,
    pub redirect_uri: String,
    pub scopes: Scopes,
    pub is_offline: bool,
    pub is_prompted: bool,
    pub includes_granted_scopes: bool,
    pub nonce: Option<String>,
    pub challenge: Option<super::token::Challenge>,
}

#[derive(Serialize, Deserialize)]
struct Code {
    consent: Consent,
    expires_at: DateTime<Utc>,
}

/// A token's owner: the account and the client it was given to, and what it may be used for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    pub email: String,
    pub client_id: String,
    pub scopes: Scopes,
}

#[derive(Serialize, Deserialize)]
struct AccessToken {
    holder: Holder,
    expires_at: DateTime<Utc>,
}

#[derive(Default, Serialize, Deserialize)]
struct Grant {
    scopes: Scopes,
    has_refresh_token: bool,
}

/// A redeemed code.
pub(crate) struct Redeemed {
    pub holder: Holder,
    pub nonce: Option<String>,
    pub wants_refresh_token: bool,
}

/// All grants of all accounts.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Grants {
    codes: HashMap<String, Code>,
    /// By account, then client.
    grants: BTreeMap<String, BTreeMap<String, Grant>>,
    access: HashMap<String, AccessToken>,
    refresh: HashMap<String, Holder>,
    /// When each refresh token was made and last used.
    #[serde(default)]
    lives: HashMap<String, Life>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Life {
    made_at: DateTime<Utc>,
    used_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
}

impl Grants {
    /// Notes the consent and keeps `code` for one redemption.
    pub(crate) fn consent(&mut self, code: String, mut consent: Consent, now: DateTime<Utc>) {
        let grant = self
            .grants
            .entry(consent.email.clone())
            .or_default()
            .entry(consent.client_id.clone())
            .or_default();
        grant.scopes = grant.scopes.union(&consent.scopes);
        if consent.includes_granted_scopes {
            consent.scopes = grant.scopes.clone();
        }
        self.codes.insert(code, Code { consent, expires_at: now + CODE_LIFE });
    }

    /// Has the account already allowed the client all of `scopes`?
    pub(crate) fn covers(&self, email: &str, client_id: &str, scopes: &Scopes) -> bool {
        let grant = self.grants.get(email).and_then(|clients| clients.get(client_id));
        grant.is_some_and(|grant| grant.scopes.is_superset(scopes))
    }

    /// Exchanges a code, once. A code presented wrongly is spent all the same.
    pub(crate) fn redeem(
        &mut self,
        code: &str,
        client_id: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Redeemed, OAuthRefusal> {
        let spent = || OAuthRefusal::bad("invalid_grant", "Bad Request");
        let Code { consent, expires_at } = self.codes.remove(code).ok_or_else(spent)?;
        if expires_at <= now || consent.client_id != client_id {
            return Err(spent());
        }
        if consent.redirect_uri != redirect_uri {
            return Err(OAuthRefusal::bad("redirect_uri_mismatch", "Bad Request"));
        }
        super::token::check_verifier(consent.challenge.as_ref(), verifier)?;
        let grant =
            self.grants.get_mut(&consent.email).and_then(|clients| clients.get_mut(&consent.client_id));
        let grant = grant.ok_or_else(spent)?;
        let wants_refresh_token = consent.is_offline && (consent.is_prompted || !grant.has_refresh_token);
        grant.has_refresh_token |= wants_refresh_token;
        let holder = Holder { email: consent.email, client_id: consent.client_id, scopes: consent.scopes };
        Ok(Redeemed { holder, nonce: consent.nonce, wants_refresh_token })
    }

    pub(crate) fn keep_access_token(&mut self, token: String, holder: Holder, now: DateTime<Utc>) {
        let expires_at = now + TimeDelta::seconds(ACCESS_TOKEN_SECONDS);
        self.access.insert(token, AccessToken { holder, expires_at });
    }

    /// Keeps a refresh token. Of too many of one account and client, the oldest dies without a word.
    pub(crate) fn keep_refresh_token(
        &mut self,
        token: String,
        holder: Holder,
        now: DateTime<Utc>,
        expires_at: Option<DateTime<Utc>>,
    ) {
        let is_same = |other: &Holder| other.email == holder.email && other.client_id == holder.client_id;
        let siblings: Vec<&String> =
            self.refresh.iter().filter(|(_, other)| is_same(other)).map(|(token, _)| token).collect();
        if siblings.len() >= REFRESH_TOKENS {
            let oldest =
                siblings.into_iter().min_by_key(|token| self.lives.get(*token).map(|life| life.made_at));
            if let Some(oldest) = oldest.cloned() {
                self.forget_refresh_token(&oldest);
            }
        }
        self.lives.insert(token.clone(), Life { made_at: now, used_at: now, expires_at });
        self.refresh.insert(token, holder);
    }

    pub(crate) fn forget_refresh_token(&mut self, token: &str) {
        self.refresh.remove(token);
        self.lives.remove(token);
    }

    /// Whose refresh token this is, if it lives.
    pub(crate) fn refresh(
        &mut self,
        token: &str,
        client_id: &str,
        now: DateTime<Utc>,
    ) -> Result<Holder, OAuthRefusal> {
        let dead = || OAuthRefusal::bad("invalid_grant", "Token has been expired or revoked.");
        let holder = self.refresh.get(token).filter(|holder| holder.client_id == client_id);
        let holder = holder.cloned().ok_or_else(dead)?;
        if let Some(life) = self.lives.get_mut(token) {
            if life.expires_at.is_some_and(|end| end <= now) || now - life.used_at > UNUSED {
                return Err(dead());
            }
            life.used_at = now;
        }
        Ok(holder)
    }

    /// Whose access token this is, if it lives.
    pub(crate) fn access(&self, token: &str, now: DateTime<Utc>) -> Option<&Holder> {
        self.access.get(token).filter(|token| token.expires_at > now).map(|token| &token.holder)
    }

    /// Whose access token, refresh token or code this is or was; for the journal, and for faults of one account.
    pub(crate) fn owner(&self, secret: &str) -> Option<&str> {
        let access = || self.access.get(secret).map(|token| &token.holder.email);
        let refresh = || self.refresh.get(secret).map(|holder| &holder.email);
        let code = || self.codes.get(secret).map(|code| &code.consent.email);
        access().or_else(refresh).or_else(code).map(String::as_str)
    }

    /// Every access token of the account is old from now on.
    pub(crate) fn expire_access_tokens(&mut self, email: &str) {
        for token in self.access.values_mut().filter(|token| token.holder.email == email) {
            token.expires_at = DateTime::<Utc>::MIN_UTC;
        }
    }

    /// Kills the whole grant that `token` (of either kind) belongs to; `false` if there is none.
    pub(crate) fn revoke_token(&mut self, token: &str) -> bool {
        let holder =
            self.refresh.get(token).or_else(|| self.access.get(token).map(|token| &token.holder)).cloned();
        holder.is_some_and(|holder| self.revoke(&holder.email, Some(&holder.client_id)))
    }

    /// Kills what the account allowed one client, or all of them; `false` if there was nothing.
    pub(crate) fn revoke(&mut self, email: &str, client_id: Option<&str>) -> bool {
        let is_hit = |owner: &str, client: &str| owner == email && client_id.is_none_or(|id| id == client);
        let before = self.count();
        for (owner, clients) in &mut self.grants {
            clients.retain(|client, _| !is_hit(owner, client));
        }
        self.codes.retain(|_, code| !is_hit(&code.consent.email, &code.consent.client_id));
        self.access.retain(|_, token| !is_hit(&token.holder.email, &token.holder.client_id));
        self.refresh.retain(|_, holder| !is_hit(&holder.email, &holder.client_id));
        self.count() < before
    }

    fn count(&self) -> usize {
        self.grants.values().map(BTreeMap::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consent() -> Consent {
        Consent {
            email: "ada@example.com".into(),
            client_id: "client".into(),
            redirect_uri: "http://web/callback".into(),
            scopes: Scopes::parse("openid"),
            is_offline: true,
            is_prompted: false,
            includes_granted_scopes: false,
            nonce: None,
            challenge: None,
        }
    }

    fn redeem(grants: &mut Grants, code: &str) -> Result<Redeemed, OAuthRefusal> {
        grants.redeem(code, "client", "http://web/callback", None, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_code_is_redeemed_once() {
        let mut grants = Grants::default();
        grants.consent("c".into(), consent(), DateTime::UNIX_EPOCH);
        assert!(redeem(&mut grants, "c").is_ok());
        assert_eq!(redeem(&mut grants, "c").err().map(|e| e.error), Some("invalid_grant".to_owned()));
    }

    #[test]
    fn a_code_dies_after_ten_minutes() {
        let mut grants = Grants::default();
        grants.consent("c".into(), consent(), DateTime::UNIX_EPOCH - TimeDelta::minutes(10));
        assert!(redeem(&mut grants, "c").is_err());
    }

    #[test]
    fn only_the_first_consent_and_a_prompted_one_bring_a_refresh_token() {
        let mut grants = Grants::default();
        for (code, is_prompted, expected) in [("a", false, true), ("b", false, false), ("c", true, true)] {
            grants.consent(code.into(), Consent { is_prompted, ..consent() }, DateTime::UNIX_EPOCH);
            assert_eq!(redeem(&mut grants, code).unwrap().wants_refresh_token, expected, "{code}");
        }
        grants.revoke("ada@example.com", None);
        grants.consent("d".into(), consent(), DateTime::UNIX_EPOCH);
        assert!(redeem(&mut grants, "d").unwrap().wants_refresh_token);
    }

    #[test]
    fn revoking_an_access_token_kills_the_refresh_token_of_the_same_grant() {
        let mut grants = Grants::default();
        grants.consent("c".into(), consent(), DateTime::UNIX_EPOCH);
        let holder = redeem(&mut grants, "c").unwrap().holder;
        grants.keep_access_token("access".into(), holder.clone(), DateTime::UNIX_EPOCH);
        grants.keep_refresh_token("refresh".into(), holder, DateTime::UNIX_EPOCH, None);
        assert!(grants.revoke_token("access"));
        assert!(grants.refresh("refresh", "client", DateTime::UNIX_EPOCH).is_err());
        assert!(!grants.revoke_token("access"));
    }

    #[test]
    fn a_refresh_token_dies_of_age_of_disuse_and_of_too_many_others() {
        let mut grants = Grants::default();
        let holder = Holder { email: "a".into(), client_id: "c".into(), scopes: Scopes::default() };
        let day = |days| DateTime::UNIX_EPOCH + TimeDelta::days(days);
        grants.keep_refresh_token("testing".into(), holder.clone(), day(0), Some(day(7)));
        assert!(grants.refresh("testing", "c", day(6)).is_ok());
        assert!(grants.refresh("testing", "c", day(7)).is_err());
        grants.keep_refresh_token("first".into(), holder.clone(), day(0), None);
        assert!(grants.refresh("first", "c", day(183)).is_ok());
        assert!(grants.refresh("first", "c", day(366)).is_ok());
        assert!(grants.refresh("first", "c", day(550)).is_err());
        for n in 0..100 {
            grants.keep_refresh_token(n.to_string(), holder.clone(), day(550 + n), None);
        }
        assert!(grants.refresh("99", "c", day(700)).is_ok() && grants.refresh("0", "c", day(700)).is_ok());
        assert_eq!(grants.refresh.len(), 100);
    }

    #[test]
    fn an_access_token_expires_on_the_clock() {
        let mut grants = Grants::default();
        let holder = Holder { email: "a".into(), client_id: "c".into(), scopes: Scopes::default() };
        grants.keep_access_token("t".into(), holder, DateTime::UNIX_EPOCH);
        assert!(grants.access("t", DateTime::UNIX_EPOCH + TimeDelta::seconds(3598)).is_some());
        assert!(grants.access("t", DateTime::UNIX_EPOCH + TimeDelta::seconds(3599)).is_none());
    }
}
