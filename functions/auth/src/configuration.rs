//! The environment of `auth`, turned into what its handlers need.

use std::time::Duration;

use auth::access::Verifier;
use auth::mail::Mailer;
use auth::password::Passwords;
use auth::session::Issuer;
use google::{Config, Google, Vault};
use runtime::Env;
use runtime::http::Web;
use seam::{Clock, Kind, Random, Seam};

use crate::Auth;

/// How long one call to Google may take. Signing in makes two, and the function has twenty seconds.
const GOOGLE_DEADLINE: Duration = Duration::from_secs(7);
/// How long the mail service may take.
const MAIL_DEADLINE: Duration = Duration::from_secs(8);

impl Auth {
    /// From the environment. `None` when something is wrong with it, which `env` then knows.
    pub async fn from_env(env: &mut Env) -> Option<Self> {
        let (clock, random) = (Clock::system(), Random::system());
        let web = Web::from_env(env);
        let verifier = env.parse_with("SESSION_VERIFY_KEY", Verifier::from_base64);
        let issuer = env.parse_with("SESSION_SIGNING_KEY", Issuer::from_base64);
        let vault = env.parse::<Vault>("TOKEN_ENCRYPTION_KEY");
        let passwords = Passwords::new(random.clone()).map_err(|error| env.problem(error.to_string())).ok();
        let google = google(env, clock.clone());
        let from = env.required("MAIL_FROM");
        let mail = aws_sdk_sesv2::Client::new(&runtime::aws::config().await);
        let store = runtime::aws::store(env).await;
        Some(Self {
            store,
            verifier: verifier?,
            issuer: issuer?,
            passwords: passwords?,
            mailer: Mailer::new(mail, Seam::new(Kind::Mail, MAIL_DEADLINE), from),
            google: google?,
            vault: vault?,
            web: web?,
            clock,
            random,
        })
    }
}

fn google(env: &mut Env, clock: Clock) -> Option<Google> {
    match Config::read(|name| env.optional(name)) {
        Ok(config) => Some(Google::new(config, Seam::new(Kind::Google, GOOGLE_DEADLINE), clock)),
        Err(bad) => {
            env.problem(bad.to_string());
            None
        }
    }
}
