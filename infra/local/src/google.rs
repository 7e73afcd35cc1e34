//! Google: the fake that runs inside, or addresses given from outside.

use std::collections::BTreeMap;
use std::path::Path;

use rand::RngExt;

use crate::clock::Clock;

/// Environment variables that say where Google is, and the template's parameters they set.
const VARIABLES: [(&str, &str); 6] = [
    ("GOOGLE_CLIENT_ID", "GoogleClientId"),
    ("GOOGLE_CLIENT_SECRET", "GoogleClientSecret"),
    ("GOOGLE_OAUTH_TOKEN_URL", "GoogleOauthTokenUrl"),
    ("GOOGLE_OAUTH_REVOKE_URL", "GoogleOauthRevokeUrl"),
    ("GOOGLE_JWKS_URL", "GoogleJwksUrl"),
    ("GOOGLE_CALENDAR_URL", "GoogleCalendarUrl"),
];

/// File inside the data directory that holds the fake's accounts and calendars.
const STATE: &str = "google.json";

/// Which Google the functions talk to.
pub enum Google {
    /// A fake, started with the cloud.
    Fake(fake_google::Options),
    /// Another one: values of the template's parameters.
    Elsewhere(BTreeMap<String, String>),
}

impl Default for Google {
    fn default() -> Self {
        Self::Fake(fake_google::Options::default())
    }
}

impl Google {
    /// Elsewhere if any of the `GOOGLE_…` addresses is set in the environment, else a fake.
    #[must_use]
    pub fn from_environment() -> Self {
        let set: BTreeMap<String, String> = VARIABLES
            .iter()
            .filter_map(|(variable, parameter)| Some(((*parameter).to_owned(), crate::outside(variable)?)))
            .collect();
        let has_address = set.keys().any(|parameter| parameter.ends_with("Url"));
        if has_address {
            return Self::Elsewhere(set);
        }
        // A fake that keeps its state must not draw in its next run what it has drawn before.
        Self::Fake(fake_google::Options { seed: rand::rng().random(), ..fake_google::Options::default() })
    }

    /// Starts the fake if there is to be one, on a clock that moves with the cloud's; gives the template's parameters that lead there.
    pub(crate) async fn start(
        self,
        data: Option<&Path>,
        clock: &Clock,
    ) -> anyhow::Result<(Option<fake_google::Server>, BTreeMap<String, String>)> {
        let mut options = match self {
            Self::Elsewhere(parameters) => return Ok((None, parameters)),
            Self::Fake(options) => options,
        };
        let (given, clock) = (options.clock, clock.clone());
        options.clock = fake_google::Clock::new(move || given.now() + clock.ahead());
        options.state = options.state.or_else(|| Some(data?.join(STATE)));
        let server = fake_google::Server::start(options).await?;
        let parameters = [
            ("GoogleClientId", server.client_id().to_owned()),
            ("GoogleClientSecret", server.client_secret().to_owned()),
            ("GoogleOauthTokenUrl", server.token_url()),
            ("GoogleOauthRevokeUrl", server.revoke_url()),
            ("GoogleJwksUrl", server.jwks_url()),
            ("GoogleCalendarUrl", server.calendar_url()),
        ];
        let parameters = parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok((Some(server), parameters))
    }
}
