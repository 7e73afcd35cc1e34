//! Where Google is and who we are to it.

use url::Url;

use crate::Secret;

/// An address in the configuration is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is not a URL: {problem}")]
pub struct BadConfig {
    /// The environment variable.
    pub variable: &'static str,
    /// What is wrong with it.
    pub problem: url::ParseError,
}

/// The OAuth client and the addresses of Google's services, all of which can point at a stand-in.
#[derive(Clone)]
pub struct Config {
    /// The OAuth client's id; also the audience of id tokens.
    pub client_id: String,
    pub(crate) client_secret: Secret,
    pub(crate) token_url: Url,
    pub(crate) revoke_url: Url,
    pub(crate) jwks_url: Url,
    pub(crate) calendar_url: Url,
}

impl Config {
    /// Reads the `GOOGLE_*` variables through `variable`. `None` when there is no client id: Google is optional. Addresses default to
    /// Google's own.
    ///
    /// # Errors
    /// [`BadConfig`] for an address that is none.
    pub fn read(mut variable: impl FnMut(&'static str) -> Option<String>) -> Result<Option<Self>, BadConfig> {
        let mut set = |name| variable(name).filter(|value| !value.is_empty());
        let Some(client_id) = set("GOOGLE_CLIENT_ID") else { return Ok(None) };
        let client_secret = Secret::new(set("GOOGLE_CLIENT_SECRET").unwrap_or_default());
        let mut address = |variable, default: &str| {
            let text = set(variable).unwrap_or_else(|| default.to_owned());
            Url::parse(&text).map_err(|problem| BadConfig { variable, problem })
        };
        Ok(Some(Self {
            client_id,
            client_secret,
            token_url: address("GOOGLE_OAUTH_TOKEN_URL", "https://oauth2.googleapis.com/token")?,
            revoke_url: address("GOOGLE_OAUTH_REVOKE_URL", "https://oauth2.googleapis.com/revoke")?,
            jwks_url: address("GOOGLE_JWKS_URL", "https://www.googleapis.com/oauth2/v3/certs")?,
            calendar_url: address("GOOGLE_CALENDAR_URL", "https://www.googleapis.com/calendar/v3")?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn google_is_optional_and_its_addresses_have_defaults() {
        assert!(Config::read(|_| None).unwrap().is_none());
        assert!(Config::read(|_| Some(String::new())).unwrap().is_none());
        let config = Config::read(|name| (name == "GOOGLE_CLIENT_ID").then(|| "id".into())).unwrap().unwrap();
        assert_eq!(config.token_url.as_str(), "https://oauth2.googleapis.com/token");
    }

    #[test]
    fn an_address_that_is_none_is_named() {
        let broken = |name: &str| match name {
            "GOOGLE_CLIENT_ID" => Some("id".to_owned()),
            "GOOGLE_JWKS_URL" => Some("certs".to_owned()),
            _ => None,
        };
        assert_eq!(Config::read(broken).err().unwrap().variable, "GOOGLE_JWKS_URL");
    }
}
