//! A client of the fake, and a receiver of its notifications.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use fake_google::{Account, ConsentRequest, Options, Server};
use http::{HeaderMap, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

pub const EMAIL: &str = "ada@example.com";
pub const REDIRECT: &str = "http://localhost:9080/auth/google/callback";
pub const SCOPES: &str = "email https://www.googleapis.com/auth/calendar.readonly \
                          https://www.googleapis.com/auth/calendar.events";

pub struct App {
    pub google: Server,
    pub http: reqwest::Client,
    pub access_token: String,
}

impl App {
    /// A fake with an account in Chicago that has consented.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub async fn start_with(options: Options) -> Self {
        let google = Server::start(options).await.unwrap();
        google
            .create_account(Account { time_zone: "America/Chicago".parse().unwrap(), ..Account::new(EMAIL) });
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let mut app = Self { google, http, access_token: String::new() };
        app.access_token = app.sign_in().await["access_token"].as_str().unwrap().to_owned();
        app
    }

    /// Consents and redeems the code.
    pub async fn sign_in(&self) -> Value {
        let code = self.google.consent(ConsentRequest::new(EMAIL, SCOPES, REDIRECT));
        self.redeem(&code, &[]).await.1
    }

    pub async fn redeem(&self, code: &str, extra: &[(&str, &str)]) -> (StatusCode, Value) {
        let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT)];
        self.token(&[&form, extra].concat()).await
    }

    pub async fn refresh(&self, token: &str) -> (StatusCode, Value) {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    pub async fn token(&self, form: &[(&str, &str)]) -> (StatusCode, Value) {
        let client = [("client_id", self.google.client_id()), ("client_secret", self.google.client_secret())];
        let form = [form, &client].concat();
        answer(self.http.post(self.google.token_url()).form(&form).send().await.unwrap()).await
    }

    /// Calls Calendar; the body is empty unless it is an object.
    pub async fn call(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        self.call_with(method, path, body, HeaderMap::new()).await
    }

    pub async fn call_with(
        &self,
        method: Method,
        path: &str,
        body: Value,
        headers: HeaderMap,
    ) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.google.calendar_url());
        let mut request = self.http.request(method, url).bearer_auth(&self.access_token).headers(headers);
        if body.is_object() {
            request = request.json(&body);
        }
        answer(request.send().await.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::GET, path, Value::Null).await
    }

    /// All pages of the events that `query` asks for, and the sync token of the last.
    pub async fn traverse(&self, query: &str) -> (Vec<Value>, String) {
        let (mut items, mut page) = (Vec::new(), String::new());
        loop {
            let (status, body) = self.get(&format!("/calendars/primary/events?{query}{page}")).await;
            assert_eq!(status, 200, "{body}");
            items.extend(body["items"].as_array().unwrap().iter().cloned());
            assert_ne!(body.get("nextPageToken").is_some(), body.get("nextSyncToken").is_some(), "{body}");
            match body["nextPageToken"].as_str() {
                Some(token) => page = format!("&pageToken={token}"),
                None => return (items, body["nextSyncToken"].as_str().unwrap().to_owned()),
            }
        }
    }

    pub async fn insert(&self, event: Value) -> Value {
        let (status, body) = self.call(Method::POST, "/calendars/primary/events", event).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    pub async fn watch(&self, id: &str, address: &str) -> (StatusCode, Value) {
        let body = json!({"id": id, "type": "web_hook", "address": address, "token": "s3cret"});
        self.call(Method::POST, "/calendars/primary/events/watch", body).await
    }
}

async fn answer(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() })
}

pub fn lunch(id: &str) -> Value {
    json!({
        "id": id, "summary": "Lunch", "xFuture": {"kept": true},
        "start": {"dateTime": "2026-01-05T12:00:00-06:00"}, "end": {"dateTime": "2026-01-05T13:00:00-06:00"},
    })
}

pub fn reason(body: &Value) -> &str {
    body["error"]["errors"][0]["reason"].as_str().unwrap()
}

/// Takes notifications and answers with the statuses it was given, then with 204.
pub struct Receiver {
    pub address: String,
    pub received: mpsc::UnboundedReceiver<HeaderMap>,
}

impl Receiver {
    pub async fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/hook", listener.local_addr().unwrap());
        let (sender, received) = mpsc::unbounded_channel();
        let statuses: Arc<Mutex<VecDeque<u16>>> = Arc::new(Mutex::new(statuses.iter().copied().collect()));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (sender, statuses) = (sender.clone(), Arc::clone(&statuses));
                let service = service_fn(move |request: http::Request<Incoming>| {
                    sender.send(request.headers().clone()).unwrap();
                    let status = statuses.lock().unwrap().pop_front().unwrap_or(204);
                    let response = http::Response::builder().status(status).body(String::new()).unwrap();
                    async move { Ok::<_, Infallible>(response) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { address, received }
    }

    /// The resource states received so far.
    pub fn states(&mut self) -> Vec<String> {
        let headers = std::iter::from_fn(|| self.received.try_recv().ok());
        headers.map(|headers| headers["x-goog-resource-state"].to_str().unwrap().to_owned()).collect()
    }
}
