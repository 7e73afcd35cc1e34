//! The routes of `auth` in process: on a table made from the bundle's own template, with the fake Google and a mailbox in place of SES.

mod disconnect;
mod google;
mod password;
mod sessions;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::google::{Config, Google, Vault};
use auth::mail::Mailer;
use auth::password::Passwords;
use auth::session::Issuer;
use auth::test_support::{SEED, verifier};
use aws_sdk_sesv2::config::{BehaviorVersion, Credentials, Region};
use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use fake_google::{ConsentRequest, Options, Server};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use local::table::TestTable;
use runtime::http::{SameSite, Web, service};
use seam::{Clock, Fault, Kind, Random, Script, Seam};
use serde_json::{Value, json};
use store::Store;
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::{Auth, router};

const WEB: &str = "http://localhost:9080";
const CALLBACK: &str = "http://localhost:9080/auth/google/callback";
const SCOPES: &str = "openid https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/calendar.readonly https://www.googleapis.com/auth/calendar.events";

/// Faults in the order of the calls they name.
#[derive(Default)]
struct Faults(Mutex<VecDeque<(&'static str, Fault)>>);

impl Script for Faults {
    fn next(&self, _: Kind, operation: &'static str) -> Option<Fault> {
        let mut faults = self.0.lock().unwrap();
        let is_next = faults.front().is_some_and(|(name, _)| *name == operation);
        if is_next { faults.pop_front().map(|(_, fault)| fault) } else { None }
    }
}

type Mailbox = Arc<Mutex<Vec<Value>>>;

struct TestApp {
    router: Router,
    store: Store,
    clock: Clock,
    google: Server,
    mailbox: Mailbox,
    faults: Arc<Faults>,
    _table: TestTable,
}

/// What came back, and what a browser makes of it.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn status_text(&self) -> String {
        self.json()["status"].as_str().unwrap_or_default().to_owned()
    }

    fn front_token(&self) -> Option<Value> {
        let text = self.headers.get("front-token")?.to_str().unwrap();
        assert_eq!(self.headers[header::ACCESS_CONTROL_EXPOSE_HEADERS], "front-token");
        if text == "remove" {
            return Some(Value::Null);
        }
        Some(serde_json::from_slice(&STANDARD.decode(text).unwrap()).unwrap())
    }

    fn user(&self) -> domain::UserId {
        self.front_token().unwrap()["uid"].as_str().unwrap().parse().unwrap()
    }

    fn was_cleared(&self) -> bool {
        let cleared = |name: &str| {
            let gone = format!("{name}=; ");
            self.headers.get_all(header::SET_COOKIE).iter().any(|value| {
                let value = value.to_str().unwrap();
                value.starts_with(&gone) && value.contains("Expires=Thu, 01 Jan 1970 00:00:00 GMT")
            })
        };
        cleared("sAccessToken") && cleared("sRefreshToken") && self.front_token() == Some(Value::Null)
    }
}

/// A browser: keeps cookies, sends what the session library sends.
#[derive(Clone, Default)]
struct Browser(BTreeMap<String, String>);

impl Browser {
    async fn send(&mut self, app: &TestApp, method: Method, path: &str, body: &str) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::ORIGIN, WEB)
            .header(header::HOST, "localhost:3000")
            .header("rid", "emailpassword")
            .header("st-auth-mode", "cookie");
        if !self.0.is_empty() {
            let cookies: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        let answer = app.answer(request.body(Body::from(body.to_owned())).unwrap()).await;
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            match value {
                "" => self.0.remove(name),
                value => self.0.insert(name.to_owned(), value.to_owned()),
            };
        }
        answer
    }

    async fn post(&mut self, app: &TestApp, path: &str, body: &Value) -> Answer {
        self.send(app, Method::POST, path, &body.to_string()).await
    }

    async fn refresh(&mut self, app: &TestApp) -> Answer {
        self.send(app, Method::POST, "/api/session/refresh", "").await
    }
}

impl TestApp {
    async fn start() -> Self {
        Self::with(SameSite::Lax, true).await
    }

    async fn with(same_site: SameSite, has_google: bool) -> Self {
        let clock = Clock::fixed("2026-11-20T10:00:00Z".parse().unwrap());
        let follow = clock.clone();
        let options =
            Options { clock: fake_google::Clock::new(move || follow.now()), seed: 7, ..Options::default() };
        let google = Server::start(options).await.unwrap();
        let table = TestTable::start().await.unwrap();
        let (faults, random) = (Arc::new(Faults::default()), Random::seeded(3));
        let seam = |kind| Seam::new(kind, Duration::from_secs(10)).with_script(faults.clone());
        let store = Store::new(table.client.clone(), &table.table_name, seam(Kind::Store));
        let (mailer, mailbox) = mailer(seam(Kind::Mail)).await;
        let auth = Auth {
            store: store.clone(),
            verifier: verifier(),
            issuer: Issuer::from_base64(SEED).unwrap(),
            passwords: Passwords::new(random.clone()).unwrap(),
            mailer,
            google: Google::new(has_google.then(|| config(&google)), seam(Kind::Google), clock.clone()),
            vault: vault(),
            web: Web::new(WEB.parse().unwrap(), [], same_site),
            clock: clock.clone(),
            random,
        };
        let web = auth.web.clone();
        Self { router: service(router(auth), &web), store, clock, google, mailbox, faults, _table: table }
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    fn pass(&self, time: TimeDelta) {
        self.clock.set(self.clock.now() + time);
    }

    fn fail(&self, operation: &'static str, fault: Fault) {
        self.faults.0.lock().unwrap().push_back((operation, fault));
    }

    /// A browser in which Ada has just signed up.
    async fn ada(&self) -> (Browser, Answer) {
        let mut browser = Browser::default();
        let answer = browser.post(self, "/api/signup", &sign_up("Ada Lovelace", ADA, PASSWORD)).await;
        assert_eq!((answer.status, answer.status_text().as_str()), (StatusCode::OK, "OK"), "{}", answer.body);
        (browser, answer)
    }

    /// The token in the newest mail's link.
    fn mailed_token(&self) -> String {
        let mails = self.mailbox.lock().unwrap();
        let text = mails.last().unwrap()["Content"]["Simple"]["Body"]["Text"]["Data"].as_str().unwrap();
        let (_, rest) = text.split_once(&format!("{WEB}/day?auth=reset&token=")).unwrap();
        rest.split_whitespace().next().unwrap().to_owned()
    }

    /// A code that Google has just given to the browser of `email`.
    fn code(&self, email: &str, scopes: &str, is_prompted: bool) -> Value {
        let request = ConsentRequest { is_prompted, ..ConsentRequest::new(email, scopes, CALLBACK) };
        google_body(&self.google.consent(request), CALLBACK)
    }
}

const ADA: &str = "ada@example.com";
const PASSWORD: &str = "correct horse 1";

fn sign_up(name: &str, email: &str, password: &str) -> Value {
    json!({"formFields": [
        {"id": "name", "value": name}, {"id": "email", "value": email}, {"id": "password", "value": password}]})
}

fn sign_in(email: &str, password: &str) -> Value {
    json!({"formFields": [{"id": "email", "value": email}, {"id": "password", "value": password}],
        "shouldTryLinkingWithSessionUser": false})
}

fn google_body(code: &str, redirect_uri: &str) -> Value {
    json!({"thirdPartyId": "google", "clientType": "web", "redirectURIInfo": {
        "redirectURIOnProviderDashboard": redirect_uri,
        "redirectURIQueryParams": {"code": code, "scope": SCOPES, "state": "s"}}})
}

fn vault() -> Vault {
    STANDARD.encode([9; 32]).parse::<Vault>().unwrap().with_random(Random::seeded(4))
}

fn config(google: &Server) -> Config {
    let base = google.url().to_owned();
    Config::read(|name| {
        Some(match name {
            "GOOGLE_CLIENT_ID" => Options::default().client_id,
            "GOOGLE_CLIENT_SECRET" => Options::default().client_secret,
            "GOOGLE_OAUTH_TOKEN_URL" => google.token_url(),
            "GOOGLE_OAUTH_REVOKE_URL" => google.revoke_url(),
            "GOOGLE_JWKS_URL" => google.jwks_url(),
            _ => format!("{base}/calendar/v3"),
        })
    })
    .unwrap()
    .unwrap()
}

async fn mailer(seam: Seam) -> (Mailer, Mailbox) {
    let mailbox = Mailbox::default();
    let keep = |State(mailbox): State<Mailbox>, Json(mail): Json<Value>| async move {
        mailbox.lock().unwrap().push(mail);
        Json(json!({"MessageId": "1"}))
    };
    let service = Router::new().route("/v2/email/outbound-emails", post(keep)).with_state(mailbox.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, service).await });
    let config = aws_sdk_sesv2::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .endpoint_url(endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let client = aws_sdk_sesv2::Client::from_conf(config);
    (Mailer::new(client, seam, "no-reply@example.com".into()), mailbox)
}
