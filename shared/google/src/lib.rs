//! Google from the outside: OAuth, OpenID Connect and Calendar v3.
//!
//! The only crate that speaks to Google. It knows Google's words and none of ours beyond ids: what an answer means for a user's
//! calendar is decided elsewhere. Every call leaves through one [`seam::Seam`] and one HTTP client; every failure is classified by
//! Google's *reason*, because one status code stands for several unrelated ones. No token is ever part of an error, and
//! [`Secret`] can be neither printed nor serialised.

pub mod calendar;
mod config;
mod error;
mod http;
mod identity;
pub mod oauth;
mod secret;
mod vault;

pub use config::{BadConfig, Config};
pub use error::{Error, Reason};
pub use identity::Identity;
pub use secret::Secret;
pub use vault::{Sealed, Vault};

use http::Http;

/// Google, if this installation is configured for it. Cheap to clone; the connection is opened with the first call.
#[derive(Clone)]
pub struct Google(Option<Configured>);

#[derive(Clone)]
struct Configured {
    oauth: oauth::Client,
    calendar: calendar::Client,
}

impl Google {
    /// All of Google behind `seam`; without a configuration every use is [`Error::NotConfigured`].
    pub fn new(config: Option<Config>, seam: seam::Seam, clock: seam::Clock) -> Self {
        Self(config.map(|config| {
            let http = Http::new(seam);
            Configured {
                calendar: calendar::Client::new(config.calendar_url.clone(), http.clone()),
                oauth: oauth::Client::new(config, http, clock),
            }
        }))
    }

    /// Whether there is anything to talk to.
    pub fn is_configured(&self) -> bool {
        self.0.is_some()
    }

    /// The OAuth endpoints.
    ///
    /// # Errors
    /// [`Error::NotConfigured`].
    pub fn oauth(&self) -> Result<&oauth::Client, Error> {
        self.0.as_ref().map(|configured| &configured.oauth).ok_or(Error::NotConfigured)
    }

    /// The Calendar API.
    ///
    /// # Errors
    /// [`Error::NotConfigured`].
    pub fn calendar(&self) -> Result<&calendar::Client, Error> {
        self.0.as_ref().map(|configured| &configured.calendar).ok_or(Error::NotConfigured)
    }
}
