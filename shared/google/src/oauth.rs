//! OAuth 2.0: from a code to tokens, from a refresh token to an access token, and back to nothing.

use std::future::Future;
use std::pin::Pin;

use chrono::{DateTime, TimeDelta, Utc};
use oauth2::basic::{BasicErrorResponse, BasicErrorResponseType, BasicTokenType};
use oauth2::{
    AsyncHttpClient, AuthType, AuthorizationCode, ClientId, ClientSecret, EmptyExtraTokenFields,
    EndpointNotSet, EndpointSet, ExtraTokenFields, HttpRequest, HttpResponse, PkceCodeVerifier, RedirectUrl,
    RefreshToken, RequestTokenError, StandardRevocableToken, StandardTokenResponse, TokenResponse, TokenUrl,
};
use seam::Clock;
use serde::{Deserialize, Serialize};

use crate::http::Http;
use crate::identity::{Identity, Keys};
use crate::{Config, Error, Secret};

/// What Google says when it does not say how long an access token lives.
const DEFAULT_LIFE: TimeDelta = TimeDelta::minutes(5);

/// Permission to call the API for a while.
#[derive(Clone)]
pub struct AccessToken {
    /// The bearer token.
    pub secret: Secret,
    /// When it is of no more use.
    pub expires_at: DateTime<Utc>,
}

/// What a user granted by signing in with Google.
pub struct Grant {
    /// Who they are, verified.
    pub identity: Identity,
    /// Permission for now.
    pub access: AccessToken,
    /// Permission for later; Google sends it with the first consent only.
    pub refresh: Option<Secret>,
    /// What was granted; the user may untick some of it.
    pub scopes: Vec<String>,
}

/// A renewed permission.
pub struct Refreshed {
    /// Permission for now.
    pub access: AccessToken,
    /// A new refresh token, when Google rotated it; to be stored before the access token is used.
    pub refresh: Option<Secret>,
}

/// The id token beside the OAuth members. Google sends it when `openid` was granted.
#[derive(Clone, Serialize, Deserialize)]
struct Extra {
    #[serde(default)]
    id_token: Option<String>,
}

// The trait wants `Debug`; the token must not be seen in it.
impl std::fmt::Debug for Extra {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extra").finish_non_exhaustive()
    }
}

impl ExtraTokenFields for Extra {}

type Tokens = StandardTokenResponse<Extra, BasicTokenType>;
type Failure = RequestTokenError<Error, BasicErrorResponse>;
type Protocol = oauth2::Client<
    BasicErrorResponse,
    Tokens,
    oauth2::StandardTokenIntrospectionResponse<EmptyExtraTokenFields, BasicTokenType>,
    StandardRevocableToken,
    oauth2::basic::BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Google's OAuth endpoints for our client. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    config: Config,
    http: Http,
    keys: Keys,
    clock: Clock,
}

impl Client {
    pub(crate) fn new(config: Config, http: Http, clock: Clock) -> Self {
        let keys = Keys::new(config.jwks_url.clone(), http.clone(), clock.clone());
        Self { config, http, keys, clock }
    }

    /// Redeems a code, once, and verifies who it is from. `redirect_uri` is the one the browser used.
    ///
    /// # Errors
    /// [`Error::BadCode`] for a wrong or spent code, [`Error::BadIdToken`] when nobody can be believed to have signed in,
    /// [`Error::BadClient`], or a fault on the way.
    pub async fn exchange(
        &self,
        code: &Secret,
        redirect_uri: &str,
        pkce_verifier: Option<&Secret>,
    ) -> Result<Grant, Error> {
        let redirect = RedirectUrl::new(redirect_uri.to_owned()).map_err(|_| Error::BadCode)?;
        let protocol = self.protocol().set_redirect_uri(redirect);
        let mut request = protocol.exchange_code(AuthorizationCode::new(code.expose().to_owned()));
        if let Some(verifier) = pkce_verifier {
            request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().to_owned()));
        }
        let send = WayOut { client: self, operation: "oauth.exchange" };
        let tokens =
            request.request_async(&send).await.map_err(|failure| refused(failure, Error::BadCode))?;
        let id_token = tokens.extra_fields().id_token.as_deref().ok_or(Error::BadIdToken("there is none"))?;
        Ok(Grant {
            identity: self.identify(id_token).await?,
            access: self.access(&tokens),
            refresh: refresh(&tokens),
            scopes: tokens
                .scopes()
                .map(|scopes| scopes.iter().map(|scope| scope.to_string()).collect())
                .unwrap_or_default(),
        })
    }

    /// Makes a new access token.
    ///
    /// # Errors
    /// [`Error::Revoked`] when the user's consent has ended; everything else is *not* a revocation.
    pub async fn refresh(&self, refresh_token: &Secret) -> Result<Refreshed, Error> {
        let token = RefreshToken::new(refresh_token.expose().to_owned());
        let send = WayOut { client: self, operation: "oauth.refresh" };
        let tokens = self
            .protocol()
            .exchange_refresh_token(&token)
            .request_async(&send)
            .await
            .map_err(|failure| refused(failure, Error::Revoked))?;
        Ok(Refreshed { access: self.access(&tokens), refresh: refresh(&tokens) })
    }

    /// Gives a consent back, with all tokens that came from it. One that has ended already is given back.
    ///
    /// # Errors
    /// A fault on the way.
    pub async fn revoke(&self, refresh_token: &Secret) -> Result<(), Error> {
        let answer = self
            .http
            .send("oauth.revoke", |client| {
                client.post(self.config.revoke_url.clone()).form(&[("token", refresh_token.expose())])
            })
            .await?;
        match answer.status {
            400 => Ok(()),
            _ => answer.succeeded("oauth.revoke").map(drop),
        }
    }

    /// Who an id token speaks of: signature (RS256 by a current key of Google's), issuer, audience and time are checked.
    ///
    /// # Errors
    /// [`Error::BadIdToken`], or a fault while fetching the keys.
    pub async fn identify(&self, id_token: &str) -> Result<Identity, Error> {
        self.keys.verify(id_token, &self.config.client_id).await
    }

    fn protocol(&self) -> Protocol {
        oauth2::Client::new(ClientId::new(self.config.client_id.clone()))
            .set_client_secret(ClientSecret::new(self.config.client_secret.expose().to_owned()))
            .set_token_uri(TokenUrl::from_url(self.config.token_url.clone()))
            .set_auth_type(AuthType::RequestBody)
    }

    /// The protocol crate's way out. A server's fault is no answer: its body is not OAuth's.
    async fn send(&self, operation: &'static str, request: HttpRequest) -> Result<HttpResponse, Error> {
        let (parts, body) = request.into_parts();
        let address = parts.uri.to_string();
        let answer = self
            .http
            .send(operation, |client| {
                client
                    .request(parts.method.clone(), &address)
                    .headers(parts.headers.clone())
                    .body(body.clone())
            })
            .await?;
        if answer.status == 429 || answer.status >= 500 {
            return Err(Error::from_answer(operation, answer.status, answer.retry_after, &[]));
        }
        let mut response = HttpResponse::new(answer.body);
        *response.status_mut() = oauth2::http::StatusCode::from_u16(answer.status)
            .unwrap_or(oauth2::http::StatusCode::BAD_GATEWAY);
        response.headers_mut().insert(
            oauth2::http::header::CONTENT_TYPE,
            oauth2::http::HeaderValue::from_static("application/json"),
        );
        Ok(response)
    }

    fn access(&self, tokens: &Tokens) -> AccessToken {
        let life =
            tokens.expires_in().and_then(|life| TimeDelta::from_std(life).ok()).unwrap_or(DEFAULT_LIFE);
        AccessToken {
            secret: Secret::new(tokens.access_token().secret().as_str()),
            expires_at: self.clock.now() + life,
        }
    }
}

/// The way out for one request of the protocol crate. A type with a named future, not a closure: the compiler then sees that a request may
/// change threads, which handlers of a router must be able to.
struct WayOut<'a> {
    client: &'a Client,
    operation: &'static str,
}

impl<'c> AsyncHttpClient<'c> for WayOut<'_> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Error>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.client.send(self.operation, request))
    }
}

fn refresh(tokens: &Tokens) -> Option<Secret> {
    tokens.refresh_token().map(|token| Secret::new(token.secret().as_str())).filter(|token| !token.is_empty())
}

/// What a failed token request means; `invalid_grant` is about a code or about a consent, as the caller says.
fn refused(failure: Failure, invalid_grant: Error) -> Error {
    match failure {
        Failure::Request(error) => error,
        Failure::ServerResponse(response) => match response.error() {
            BasicErrorResponseType::InvalidGrant => invalid_grant,
            BasicErrorResponseType::InvalidClient | BasicErrorResponseType::UnauthorizedClient => {
                Error::BadClient
            }
            other => Error::OAuth(other.as_ref().to_owned()),
        },
        // Neither the body nor the parser's words are told: both may hold a token.
        Failure::Parse(..) | Failure::Other(_) => {
            Error::Unreadable { operation: "oauth.token", reason: "not an OAuth answer".to_owned() }
        }
    }
}
