//! A running fake: options, socket, connections, end.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt;

use crate::clock::Clock;
use crate::error::Error;
use crate::front::{self, Dropped};
use crate::state::Google;
use crate::{admin, calendar, oauth, snapshot};

/// How a fake starts. Everything has a default that suits a test.
pub struct Options {
    /// Port on the loopback address; 0 takes a free one.
    pub port: u16,
    /// The client that may ask for tokens.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// Its registered redirect addresses; none means that any is accepted.
    pub redirect_uris: Vec<String>,
    /// Of all randomness: ids, codes, tokens, message numbers. Another one every time by default, so that what one server made
    /// is never mistaken for what the next one makes.
    pub seed: u64,
    /// Where time comes from.
    pub clock: Clock,
    /// May notifications go to a loopback address without TLS? Google would never.
    pub is_loopback_http_allowed: bool,
    /// How long about the first retry of a notification waits; later ones wait longer.
    pub push_backoff: Duration,
    /// A file in which accounts, grants and calendars are kept from one run to the next.
    pub state: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            client_id: "fake-client.apps.googleusercontent.com".to_owned(),
            client_secret: "fake-client-secret".to_owned(),
            redirect_uris: Vec::new(),
            seed: rand::random(),
            clock: Clock::system(),
            is_loopback_http_allowed: true,
            push_backoff: Duration::from_millis(100),
            state: None,
        }
    }
}

/// A running fake; it ends, with all its connections and deliveries, when this is dropped.
///
/// Its methods are those of [`Google`]: a server is a handle to what it serves.
pub struct Server {
    google: Arc<Google>,
    _stop: DropGuard,
}

impl Deref for Server {
    type Target = Google;

    fn deref(&self) -> &Google {
        &self.google
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.google.save();
    }
}

impl Server {
    /// Starts a fake on the current tokio runtime.
    ///
    /// # Errors
    /// If the port cannot be opened, the kept state cannot be read, or the client for notifications cannot be made.
    pub async fn start(options: Options) -> Result<Self, Error> {
        // Fails only if the process has a provider already, which will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let url = url_of(listener.local_addr()?);
        let stop = CancellationToken::new();
        let google = Arc::new(Google::new(options, url, stop.clone())?);
        tokio::spawn(accept(listener, router(Arc::clone(&google)), stop.clone()));
        tokio::spawn(snapshot::keep(Arc::clone(&google), stop.clone()));
        Ok(Self { google, _stop: stop.drop_guard() })
    }

    /// Where it listens, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.google.url
    }

    /// Where a browser asks for consent. The backend has no use for it.
    pub fn authorize_url(&self) -> String {
        format!("{}/o/oauth2/v2/auth", self.url())
    }

    /// For `GOOGLE_OAUTH_TOKEN_URL`.
    pub fn token_url(&self) -> String {
        format!("{}/token", self.url())
    }

    /// For `GOOGLE_OAUTH_REVOKE_URL`.
    pub fn revoke_url(&self) -> String {
        format!("{}/revoke", self.url())
    }

    /// For `GOOGLE_JWKS_URL`.
    pub fn jwks_url(&self) -> String {
        format!("{}/oauth2/v3/certs", self.url())
    }

    /// For `GOOGLE_CALENDAR_URL`; ends in `/calendar/v3`.
    pub fn calendar_url(&self) -> String {
        format!("{}/calendar/v3", self.url())
    }

    /// The administration over HTTP, without its `/_fake`, for a host that serves it beside its own.
    pub fn administration(&self) -> Router {
        admin::http::routes().with_state(Arc::clone(&self.google))
    }

    /// For `GOOGLE_CLIENT_ID`.
    pub fn client_id(&self) -> &str {
        &self.google.client.id
    }

    /// For `GOOGLE_CLIENT_SECRET`.
    pub fn client_secret(&self) -> &str {
        &self.google.client.secret
    }
}

fn url_of(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn router(google: Arc<Google>) -> Router {
    Router::new()
        .merge(oauth::routes())
        .nest("/calendar/v3", calendar::routes())
        .fallback(front::not_found)
        .layer(from_fn_with_state(Arc::clone(&google), front::pass))
        .nest("/_fake", admin::http::routes())
        .layer(from_fn_with_state(Arc::clone(&google), front::keep))
        .with_state(google)
}

async fn accept(listener: TcpListener, router: Router, stop: CancellationToken) {
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                let (router, stop) = (router.clone(), stop.clone());
                tokio::spawn(async move { stop.run_until_cancelled(converse(stream, router)).await });
            }
            // Of one connection, or for want of file descriptors: the next one may fare better.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::task::yield_now().await;
            }
        }
    }
}

/// A connection to its end. An answer that is [`Dropped`] ends it at once, with nothing sent: an error is how hyper is told so.
async fn converse(stream: TcpStream, router: Router) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move {
            let response: Result<Response, Infallible> = router.oneshot(request.map(Body::new)).await;
            let Ok(response) = response;
            match response.extensions().get::<Dropped>() {
                Some(Dropped) => Err(std::io::Error::other("dropped by a fault")),
                None => Ok(response),
            }
        }
    });
    if let Err(error) =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
    {
        tracing::debug!(%error, "connection ended");
    }
}
