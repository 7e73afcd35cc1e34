//! OAuth and OpenID Connect against the fake Google.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail by panicking, like the tests")]

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use fake_google::{Account, ConsentRequest, Fault, Options, Server};
use google::oauth::{Client, Grant};
use google::{Config, Error, Google, Secret};
use http::StatusCode;
use seam::{Clock, Fault as Cut, Kind, Script, Seam};

const EMAIL: &str = "ada@example.com";
const SCOPES: &str = "openid profile https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/calendar.events";
const REDIRECT: &str = "http://localhost:9080/auth/google/callback";

struct World {
    google: Server,
    clock: Clock,
}

impl World {
    async fn start() -> Self {
        let clock = Clock::fixed("2026-11-20T12:00:00Z".parse::<DateTime<Utc>>().unwrap());
        let follow = clock.clone();
        let options = Options { clock: fake_google::Clock::new(move || follow.now()), ..Options::default() };
        let google = Server::start(options).await.unwrap();
        google.create_account(Account { name: Some("Ada".into()), ..Account::new(EMAIL) });
        Self { google, clock }
    }

    fn client(&self) -> Client {
        self.client_as(self.google.client_id(), self.google.client_secret())
    }

    fn client_as(&self, id: &str, secret: &str) -> Client {
        self.client_with(id, secret, Seam::new(Kind::Google, Duration::from_secs(5)))
    }

    fn client_with(&self, id: &str, secret: &str, seam: Seam) -> Client {
        let config = Config::read(|name| match name {
            "GOOGLE_CLIENT_ID" => Some(id.to_owned()),
            "GOOGLE_CLIENT_SECRET" => Some(secret.to_owned()),
            "GOOGLE_OAUTH_TOKEN_URL" => Some(self.google.token_url()),
            "GOOGLE_OAUTH_REVOKE_URL" => Some(self.google.revoke_url()),
            "GOOGLE_JWKS_URL" => Some(self.google.jwks_url()),
            "GOOGLE_CALENDAR_URL" => Some(self.google.calendar_url()),
            _ => None,
        });
        Google::new(config.unwrap(), seam, self.clock.clone()).oauth().unwrap().clone()
    }

    fn code(&self) -> Secret {
        Secret::new(self.google.consent(ConsentRequest::new(EMAIL, SCOPES, REDIRECT)))
    }

    fn fetches(&self) -> usize {
        self.google.journal().iter().filter(|entry| entry.path.ends_with("/certs")).count()
    }
}

/// The error of an answer that has no `Debug`, because it holds tokens.
fn refusal(answer: Result<Grant, Error>) -> Error {
    answer.err().unwrap()
}

#[tokio::test]
async fn a_code_brings_tokens_and_a_verified_identity() {
    let world = World::start().await;
    let grant = world.client().exchange(&world.code(), REDIRECT, None).await.unwrap();
    assert_eq!(grant.identity.email.as_deref(), Some(EMAIL));
    assert_eq!(grant.identity.name.as_deref(), Some("Ada"));
    assert!(grant.identity.is_email_verified && !grant.identity.sub.is_empty());
    assert!(grant.scopes.iter().any(|scope| scope.ends_with("calendar.events")));
    assert!(grant.access.expires_at > world.clock.now() + TimeDelta::minutes(50));
    let refreshed = world.client().refresh(&grant.refresh.unwrap()).await.unwrap();
    assert!(!refreshed.access.secret.is_empty());
}

#[tokio::test]
async fn a_code_is_good_once_for_one_address_and_one_verifier() {
    let world = World::start().await;
    let (client, code) = (world.client(), world.code());
    client.exchange(&code, REDIRECT, None).await.unwrap();
    assert!(matches!(refusal(client.exchange(&code, REDIRECT, None).await), Error::BadCode));
    assert!(matches!(refusal(client.exchange(&Secret::new("guess"), REDIRECT, None).await), Error::BadCode));

    let verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    let bound = || {
        let code_challenge = Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned());
        let request = ConsentRequest { code_challenge, ..ConsentRequest::new(EMAIL, SCOPES, REDIRECT) };
        Secret::new(world.google.consent(request))
    };
    client.exchange(&bound(), REDIRECT, Some(&verifier)).await.unwrap();
    assert!(matches!(refusal(client.exchange(&bound(), REDIRECT, None).await), Error::BadCode));
}

#[tokio::test]
async fn only_an_ended_consent_is_a_revocation() {
    let world = World::start().await;
    let client = world.client();
    let grant = client.exchange(&world.code(), REDIRECT, None).await.unwrap();
    let refresh = grant.refresh.unwrap();

    world.google.inject(Fault::refuse("oauth.token", StatusCode::SERVICE_UNAVAILABLE, "internal_failure"));
    assert!(client.refresh(&refresh).await.err().unwrap().class().is_retryable());
    let stranger = world.client_as(world.google.client_id(), "wrong");
    assert!(matches!(stranger.refresh(&refresh).await.err().unwrap(), Error::BadClient));

    client.revoke(&refresh).await.unwrap();
    client.revoke(&refresh).await.unwrap();
    assert!(matches!(client.refresh(&refresh).await.err().unwrap(), Error::Revoked));
}

#[tokio::test]
async fn googles_keys_are_fetched_once_and_anew_when_they_rotate() {
    let world = World::start().await;
    let client = world.client();
    for _ in 0..3 {
        client.exchange(&world.code(), REDIRECT, None).await.unwrap();
    }
    assert_eq!(world.fetches(), 1);
    world.google.rotate_keys();
    client.exchange(&world.code(), REDIRECT, None).await.unwrap();
    assert_eq!(world.fetches(), 2);
}

#[tokio::test]
async fn an_id_token_that_nobody_should_believe_is_refused() {
    let world = World::start().await;
    let client = world.client();
    for (token, problem) in [
        ("", "it is no JWT"),
        ("a.b.c", "it is no JWT"),
        // {"alg":"HS256","kid":"x"}
        ("eyJhbGciOiJIUzI1NiIsImtpZCI6IngifQ.e30.AA", "it is not signed with RS256"),
        // {"alg":"none"}
        ("eyJhbGciOiJub25lIn0.e30.", "it is no JWT"),
        // {"alg":"RS256"}
        ("eyJhbGciOiJSUzI1NiJ9.e30.AA", "it names no key"),
        // {"alg":"RS256","kid":"x"}
        ("eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.e30.AA", "its key is not Google's"),
    ] {
        let error = client.identify(token).await.unwrap_err();
        assert!(matches!(error, Error::BadIdToken(said) if said == problem), "{token}: {error}");
    }
}

#[tokio::test]
async fn a_true_id_token_is_refused_by_another_client_and_after_its_time() {
    let world = World::start().await;
    let code = world.code();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.expose()),
        ("redirect_uri", REDIRECT),
        ("client_id", world.google.client_id()),
        ("client_secret", world.google.client_secret()),
    ];
    let answer = reqwest::Client::new().post(world.google.token_url()).form(&form).send().await.unwrap();
    let answer: serde_json::Value = answer.json().await.unwrap();
    let token = answer["id_token"].as_str().unwrap();
    assert_eq!(world.client().identify(token).await.unwrap().email.as_deref(), Some(EMAIL));

    let said = async |client: Client| match client.identify(token).await.unwrap_err() {
        Error::BadIdToken(said) => said,
        error => panic!("{error}"),
    };
    assert_eq!(said(world.client_as("another", "secret")).await, "it is for another client");
    let (rest, signature) = token.rsplit_once('.').unwrap();
    let flipped: String = signature.chars().rev().collect();
    let forged = world.client().identify(&format!("{rest}.{flipped}")).await.unwrap_err();
    assert!(matches!(forged, Error::BadIdToken(_)));
    world.clock.set(world.clock.now() + TimeDelta::hours(2));
    assert_eq!(said(world.client()).await, "it has expired");
}

/// Loses one answer.
struct Lost(std::sync::Mutex<Option<Cut>>);

impl Script for Lost {
    fn next(&self, _: Kind, _: &'static str) -> Option<Cut> {
        self.0.lock().unwrap().take()
    }
}

#[tokio::test]
async fn errors_hold_no_secret() {
    let world = World::start().await;
    let code = world.code();
    let script = Arc::new(Lost(std::sync::Mutex::new(Some(Cut::FailAfter))));
    let seam = Seam::new(Kind::Google, Duration::from_secs(5)).with_script(script);
    let client = world.client_with(world.google.client_id(), world.google.client_secret(), seam);
    let lost = refusal(client.exchange(&code, REDIRECT, None).await);
    let spent = refusal(client.exchange(&code, REDIRECT, None).await);
    for error in [lost, spent] {
        let text = format!("{error} {error:?}");
        for secret in [code.expose(), world.google.client_secret()] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
