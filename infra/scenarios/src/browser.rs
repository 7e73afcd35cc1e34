//! One browser: a cookie jar, the headers that the web app's session library adds, and a method for each endpoint.

use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie_store::CookieStore;
use local::Transcript;
use reqwest::header::{CONTENT_TYPE, COOKIE, ORIGIN};
use reqwest::{Method, RequestBuilder, Url};
use serde_json::{Value, json};
use url::Position;

use crate::answer::Answer;
use crate::app::WEB_URL;
use crate::google;
use crate::secrets::Secrets;
use crate::stream::EventStream;

/// Where the refresh token goes, and nowhere else.
const REFRESH: &str = "/api/session/refresh";

/// A browser on the web app's page.
pub struct Browser {
    base: Url,
    http: reqwest::Client,
    jar: Mutex<CookieStore>,
    /// Who signed in last.
    email: String,
    /// Everything that it was answered.
    pub(crate) transcript: Transcript,
    /// What it was given and its user knows, and nobody else may.
    secrets: Secrets,
}

impl Browser {
    pub(crate) fn new(url: String, http: reqwest::Client, transcript: Transcript, secrets: Secrets) -> Self {
        let base = Url::parse(&url).expect("the cloud has an address");
        Self { base, http, jar: Mutex::default(), email: String::new(), transcript, secrets }
    }

    /// Address of whoever signed in last.
    pub fn email(&self) -> &str {
        &self.email
    }

    /// A request with this browser's cookies and nothing else.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        let url = self.url(path);
        let cookies = self.cookies(&url);
        let request = self.http.request(method, url).header(ORIGIN, WEB_URL);
        if cookies.is_empty() { request } else { request.header(COOKIE, cookies) }
    }

    /// A request as the web app makes it. The content type is sent with a GET, too.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.bare(method, path).header(CONTENT_TYPE, "application/json");
        request.header("rid", "anti-csrf").header("st-auth-mode", "cookie")
    }

    /// Sends a request and keeps the cookies that come back.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let (client, request) = request.build_split();
        let request = request.expect("a request");
        let url = request.url().clone();
        let name = format!("{} {}", request.method(), &url[Position::BeforePath..]);
        let response = client.execute(request).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let answer = Answer::read(name, response).await;
        self.transcript.add(format!("{answer:?}"));
        let mut jar = self.jar.lock().expect("the jar");
        for cookie in answer.set_cookies() {
            // A removal is an error of its own kind: there is nothing to insert.
            let _ = jar.parse(cookie, &url);
        }
        drop(jar);
        self.keep_secrets(&answer);
        answer
    }

    /// Tokens of the session, and a ticket for a socket.
    fn keep_secrets(&self, answer: &Answer) {
        let tokens = [self.access_token(), self.refresh_token()];
        let body: Option<Value> = serde_json::from_str(&answer.text).ok();
        let ticket = body.and_then(|body| Some(body.get("ticket")?.as_str()?.to_owned()));
        tokens.into_iter().chain([ticket]).flatten().for_each(|secret| self.secrets.add(secret));
    }

    /// Calls a route as the web app does.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let request = self.request(method, path);
        self.send(match body {
            Some(body) => request.body(body.to_string()),
            None => request,
        })
        .await
    }

    /// Calls a route with a body of any kind.
    pub async fn call_raw(&self, method: Method, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        self.send(self.request(method, path).body(body)).await
    }

    fn url(&self, path: &str) -> Url {
        self.base.join(path).expect("a path")
    }

    fn cookies(&self, url: &Url) -> String {
        let jar = self.jar.lock().expect("the jar");
        let pairs = jar.get_request_values(url).map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }
}

/// The session, and what is in the jar.
impl Browser {
    /// `POST /api/signup`.
    pub async fn sign_up(&mut self, name: &str, email: &str, password: &str) -> Answer {
        self.email = email.to_owned();
        self.form("/api/signup", &[("name", name), ("email", email), ("password", password)]).await
    }

    /// `POST /api/signin`.
    pub async fn sign_in(&mut self, email: &str, password: &str) -> Answer {
        self.email = email.to_owned();
        self.form("/api/signin", &[("email", email), ("password", password)]).await
    }

    /// `POST /api/signout`.
    pub async fn sign_out(&self) -> Answer {
        self.send(self.session_call("/api/signout")).await
    }

    /// `POST /api/session/refresh`.
    pub async fn refresh(&self) -> Answer {
        self.send(self.session_call(REFRESH)).await
    }

    /// `POST /api/user/password/reset/token`.
    pub async fn ask_for_reset(&self, email: &str) -> Answer {
        self.form("/api/user/password/reset/token", &[("email", email)]).await
    }

    /// `POST /api/user/password/reset`.
    pub async fn reset(&self, token: &str, password: &str) -> Answer {
        self.secrets.add(token);
        self.secrets.add(password);
        let fields = json!([{ "id": "password", "value": password }]);
        let body = json!({ "formFields": fields, "token": token, "method": "token" });
        self.call(Method::POST, "/api/user/password/reset", Some(&body)).await
    }

    async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let passwords = fields.iter().filter(|(id, _)| *id == "password");
        passwords.for_each(|(_, password)| self.secrets.add(*password));
        let fields: Vec<Value> =
            fields.iter().map(|(id, value)| json!({ "id": id, "value": value })).collect();
        let body = json!({ "formFields": fields }).to_string();
        let request = self.bare(Method::POST, path).header(CONTENT_TYPE, "application/json");
        let request = request.header("rid", "emailpassword").header("st-auth-mode", "cookie");
        self.send(request.header("fdi-version", "3.1,4.0,4.1,4.2").body(body)).await
    }

    fn session_call(&self, path: &str) -> RequestBuilder {
        let request = self.bare(Method::POST, path).header("rid", "session").header("st-auth-mode", "cookie");
        request.header("fdi-version", "1.16,1.17,1.18,1.19,2.0,3.0,3.1,4.0,4.1")
    }

    /// A cookie that would be sent to this path.
    pub fn cookie(&self, path: &str, name: &str) -> Option<String> {
        let url = self.url(path);
        let jar = self.jar.lock().expect("the jar");
        jar.get_request_values(&url).find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    }

    /// The access token, if there is one.
    pub fn access_token(&self) -> Option<String> {
        self.cookie("/", "sAccessToken")
    }

    /// The refresh token, if there is one.
    pub fn refresh_token(&self) -> Option<String> {
        self.cookie(REFRESH, "sRefreshToken")
    }

    /// Puts another access token in place of the one it has.
    pub fn set_access_token(&self, token: &str) {
        self.set_cookie(&format!("sAccessToken={token}; Path=/; HttpOnly; SameSite=Lax"));
    }

    /// Puts another refresh token in place of the one it has.
    pub fn set_refresh_token(&self, token: &str) {
        self.set_cookie(&format!("sRefreshToken={token}; Path={REFRESH}; HttpOnly; SameSite=Lax"));
    }

    fn set_cookie(&self, cookie: &str) {
        self.jar.lock().expect("the jar").parse(cookie, &self.base).expect("a cookie");
    }

    /// Another browser that holds the same cookies: a copy, as a thief makes one.
    #[must_use]
    pub fn copy(&self) -> Self {
        let jar = self.jar.lock().expect("the jar").clone();
        Self {
            base: self.base.clone(),
            http: self.http.clone(),
            jar: Mutex::new(jar),
            email: self.email.clone(),
            transcript: self.transcript.clone(),
            secrets: self.secrets.clone(),
        }
    }

    /// Id of the user whose session this is.
    ///
    /// # Panics
    /// If there is no session.
    pub fn user(&self) -> String {
        let token = self.access_token().expect("a session");
        payload_of(&token)["sub"].as_str().expect("a user").to_owned()
    }
}

/// The user and the events.
impl Browser {
    /// `GET /api/user/profile`.
    pub async fn profile(&self) -> Answer {
        self.call(Method::GET, "/api/user/profile", None).await
    }

    /// `GET /api/user/metadata`.
    pub async fn metadata(&self) -> Answer {
        self.call(Method::GET, "/api/user/metadata", None).await
    }

    /// How the connection to Google is shown.
    pub async fn connection_state(&self) -> String {
        let metadata = self.metadata().await.ok();
        metadata["google"]["connectionState"].as_str().expect("a state").to_owned()
    }

    /// `POST /api/event` with one event or an array of them.
    pub async fn create(&self, event: &Value) -> Answer {
        self.call(Method::POST, "/api/event", Some(event)).await
    }

    /// `GET /api/event` for the grid; the window goes out as the web app writes it, a `+` unescaped.
    pub async fn list(&self, start: &str, end: &str) -> Vec<Value> {
        let answer = self.call(Method::GET, &format!("/api/event?start={start}&end={end}"), None).await.ok();
        answer.as_array().expect("a bare array").clone()
    }

    /// Everything on the grid.
    pub async fn grid(&self) -> Vec<Value> {
        self.list("2000-01-01T00:00:00Z", "2099-12-31T23:59:59Z").await
    }

    /// Titles of everything on the grid, sorted.
    pub async fn titles(&self) -> Vec<String> {
        let title = |event: &Value| event["title"].as_str().unwrap_or_default().to_owned();
        let mut titles: Vec<String> = self.grid().await.iter().map(title).collect();
        titles.sort_unstable();
        titles
    }

    /// `GET /api/event?someday=true`.
    pub async fn someday(&self, start: &str, end: &str) -> Vec<Value> {
        let path = format!("/api/event?someday=true&start={start}&end={end}");
        let answer = self.call(Method::GET, &path, None).await.ok();
        answer.as_array().expect("a bare array").clone()
    }

    /// `GET /api/event/{id}`.
    pub async fn read(&self, id: &str) -> Answer {
        self.call(Method::GET, &format!("/api/event/{id}"), None).await
    }

    /// `PUT /api/event/{id}` of the whole event, as the web app does for a single one.
    pub async fn put(&self, event: &Value) -> Answer {
        let id = event["_id"].as_str().expect("an event has an id");
        self.call(Method::PUT, &format!("/api/event/{id}?applyTo=This%20Event"), Some(event)).await
    }

    /// `DELETE /api/event/{id}`.
    pub async fn delete(&self, id: &str) -> Answer {
        self.call(Method::DELETE, &format!("/api/event/{id}?applyTo=This%20Event"), None).await
    }

    /// `PUT /api/event/reorder`.
    pub async fn reorder(&self, orders: &Value) -> Answer {
        self.call(Method::PUT, "/api/event/reorder", Some(orders)).await
    }

    /// `DELETE /api/event/deleteMany`.
    pub async fn delete_many(&self, body: &Value) -> Answer {
        self.call(Method::DELETE, "/api/event/deleteMany", Some(body)).await
    }

    /// Opens the event stream as a page does that was just loaded.
    pub async fn stream(&self) -> EventStream {
        EventStream::open(self.bare(Method::GET, "/api/events/stream"), self.transcript.clone()).await
    }

    /// Opens the event stream as EventSource does after it was cut.
    pub async fn resume(&self, last_event_id: &str) -> EventStream {
        let request = self.bare(Method::GET, "/api/events/stream");
        EventStream::open(request.header("last-event-id", last_event_id), self.transcript.clone()).await
    }
}

/// Google.
impl Browser {
    /// Consents at Google under the own address, and connects.
    pub async fn connect_google(&self, google: &fake_google::Server) -> Answer {
        self.connect_google_as(google, &self.email).await
    }

    /// Consents at Google under any address, and connects.
    pub async fn connect_google_as(&self, google: &fake_google::Server, email: &str) -> Answer {
        self.call(Method::POST, "/api/auth/google/connect", Some(&google::consent(google, email))).await
    }

    /// Connects with a code that Google may never have given.
    pub async fn connect_google_with(&self, code: &str) -> Answer {
        self.call(Method::POST, "/api/auth/google/connect", Some(&google::code_body(code))).await
    }

    /// Ends the connection to Google.
    pub async fn disconnect_google(&self) -> Answer {
        self.call(Method::POST, "/api/auth/google/disconnect", None).await
    }

    /// Consents at Google and signs in with that.
    pub async fn sign_in_with_google(&mut self, google: &fake_google::Server, email: &str) -> Answer {
        self.email = email.to_owned();
        let body = google::consent(google, email).to_string();
        let request = self.bare(Method::POST, "/api/signinup").header(CONTENT_TYPE, "application/json");
        self.send(request.header("rid", "thirdparty").header("st-auth-mode", "cookie").body(body)).await
    }

    /// `POST /api/sync/import-gcal`, as the repair button does.
    pub async fn repair_google(&self) -> Answer {
        self.call(Method::POST, "/api/sync/import-gcal", Some(&json!({ "force": true }))).await
    }
}

/// What a token says, unchecked.
pub(crate) fn payload_of(token: &str) -> Value {
    let part = token.split('.').nth(1).expect("a JWT");
    let json = URL_SAFE_NO_PAD.decode(part).expect("base64");
    serde_json::from_slice(&json).expect("JSON")
}
