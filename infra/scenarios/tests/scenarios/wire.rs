//! The wire as the web app sees it, whole: every status, header and body from sign-up to sign-out.

use std::fmt::Write;

use reqwest::Method;
use scenarios::{Answer, Browser, TestApp, WEB_URL, id, someday, timed};
use serde_json::{Value, json};

/// What differs from run to run, by its name in JSON.
const VOLATILE: [&str; 9] = [
    "timestamp",
    "updatedAt",
    "timeJoined",
    "iat",
    "exp",
    "ate",
    "sessionHandle",
    "refreshTokenHash1",
    "iss",
];
/// Headers that the local servers add by themselves.
const UNTOLD: [&str; 4] = ["date", "content-length", "connection", "apigw-requestid"];

/// Writes exchanges down, without what differs from run to run.
#[derive(Default)]
struct Scribe {
    exchanges: Vec<Exchange>,
    user: String,
}

struct Exchange {
    request: String,
    status: u16,
    /// By name; of one name, as they were sent.
    headers: Vec<(String, String)>,
    rest: String,
}

impl Scribe {
    fn write(&mut self, answer: &Answer) {
        let told = answer.headers.iter().filter(|(name, _)| !UNTOLD.contains(&name.as_str()));
        let mut headers: Vec<(String, String)> = told
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .filter(|(name, value)| name != "front-token" || value == "remove")
            .map(|(name, value)| match name.as_str() {
                "set-cookie" => (name, without_secret(&value)),
                "x-meridian-cursor" => (name, without_seal(&value)),
                _ => (name, value),
            })
            .collect();
        headers.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut rest = String::new();
        if let Some(token) = answer.front_token().filter(Value::is_object) {
            writeln!(rest, "  front-token: base64 of {}", steady(token)).unwrap();
        }
        if !answer.text.is_empty() {
            writeln!(rest, "  {}", steady(answer.json())).unwrap();
        }
        let (request, status) = (answer.request.clone(), answer.status);
        self.exchanges.push(Exchange { request, status, headers, rest });
    }

    /// All exchanges; what headers every answer has is said once.
    fn text(&self) -> String {
        let is_common = |header: &&(String, String)| {
            self.exchanges.iter().all(|exchange| exchange.headers.contains(header))
        };
        let mut text = String::from("every answer\n");
        let write = |text: &mut String, (name, value): &(String, String)| {
            writeln!(text, "  {name}: {value}").unwrap()
        };
        let first = self.exchanges.iter().take(1).flat_map(|exchange| &exchange.headers);
        first.filter(is_common).for_each(|header| write(&mut text, header));
        for Exchange { request, status, headers, rest } in &self.exchanges {
            writeln!(text, "\n{request}\n  {status}").unwrap();
            headers.iter().filter(|header| !is_common(header)).for_each(|header| write(&mut text, header));
            text.push_str(rest);
        }
        if self.user.is_empty() { text } else { text.replace(&self.user, "[user]") }
    }
}

/// A cursor without its epoch, which is drawn, and its seal.
fn without_seal(cursor: &str) -> String {
    format!("epoch.{}.seal", cursor.split('.').nth(1).unwrap())
}

fn without_secret(cookie: &str) -> String {
    let (pair, attributes) = cookie.split_once(';').unwrap();
    let (name, value) = pair.split_once('=').unwrap();
    let value = if value.is_empty() { "" } else { "[token]" };
    let attributes: Vec<&str> = attributes
        .split(';')
        .map(str::trim)
        .map(|attribute| {
            let is_past = attribute == "Expires=Thu, 01 Jan 1970 00:00:00 GMT";
            if attribute.starts_with("Expires=") && !is_past { "Expires=[later]" } else { attribute }
        })
        .collect();
    format!("{name}={value}; {}", attributes.join("; "))
}

fn steady(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                let is_volatile = VOLATILE.contains(&name.as_str()) && !field.is_null();
                *field = if is_volatile { json!(format!("[{name}]")) } else { steady(field.take()) };
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = steady(item.take())),
        _ => {}
    }
    value
}

fn preflight(browser: &Browser, method: &str, path: &str) -> reqwest::RequestBuilder {
    let headers = "content-type,rid,st-auth-mode";
    let request = browser.bare(Method::OPTIONS, path).header("access-control-request-method", method);
    request.header("access-control-request-headers", headers)
}

#[tokio::test]
async fn every_answer_from_sign_up_to_sign_out_is_as_the_contract_says() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    let mut scribe = Scribe::default();
    let window = "start=2026-11-14T00:00:00+05:30&end=2026-11-21T23:59:59+05:30";

    scribe.write(&browser.send(browser.bare(Method::GET, "/api/health")).await);
    scribe.write(&browser.send(preflight(&browser, "GET", "/api/config")).await);
    scribe.write(&browser.call(Method::GET, "/api/config", None).await);
    scribe.write(&browser.refresh().await);
    scribe.write(
        &browser.call(Method::GET, "/api/emailpassword/email/exists?email=ada@example.com", None).await,
    );
    let signed_up = browser.sign_up("Ada King Lovelace", "Ada@Example.com", "correct horse 1").await;
    scribe.user = browser.user();
    scribe.write(&signed_up);
    scribe.write(
        &browser.call(Method::GET, "/api/emailpassword/email/exists?email=ada@example.com", None).await,
    );
    scribe.write(&browser.metadata().await);
    scribe.write(&browser.profile().await);
    scribe.write(&browser.create(&timed(1, "Lunch", "2026-11-20T12:00:00+05:30")).await);
    let upload = json!([
        timed(2, "Tea", "2026-11-20T16:00:00+05:30"),
        someday(3, "Paint", "2026-11-15", "2026-11-21", 0)
    ]);
    scribe.write(&browser.create(&upload).await);
    scribe.write(&browser.call(Method::GET, &format!("/api/event?{window}"), None).await);
    scribe.write(&browser.call(Method::GET, &format!("/api/event?someday=true&{window}"), None).await);
    scribe.write(&browser.put(&timed(1, "Late lunch", "2026-11-20T14:00:00+05:30")).await);
    scribe.write(&browser.read(&id(1)).await);
    scribe.write(&browser.reorder(&json!([{ "_id": id(3), "order": 4 }])).await);
    scribe.write(&browser.delete(&id(2)).await);
    scribe.write(&browser.delete(&id(2)).await);
    scribe.write(&browser.delete_many(&json!({ "key": "_id", "ids": [id(1)] })).await);
    scribe.write(
        &browser.call(Method::POST, "/api/user/metadata", Some(&json!({ "skipOnboarding": true }))).await,
    );
    scribe.write(&browser.refresh().await);
    scribe.write(&browser.sign_in("ada@example.com", "wrong horse 1").await);
    scribe.write(&browser.sign_in("ada@example.com", "correct horse 1").await);
    scribe.write(&browser.repair_google().await);
    scribe.write(&browser.call(Method::GET, "/api/nowhere", None).await);
    scribe.write(&browser.sign_out().await);
    scribe.write(&browser.call(Method::GET, &format!("/api/event?{window}"), None).await);

    insta::assert_snapshot!(scribe.text());
}

#[tokio::test]
async fn the_web_app_may_read_every_answer_and_no_other_page_may() {
    let app = TestApp::start().await;
    let browser = app.person().await;
    let requests: [(Method, &str, u16); 7] = [
        (Method::GET, "/api/health", 200),
        (Method::GET, "/api/config", 200),
        (Method::GET, "/api/user/profile", 200),
        (Method::GET, "/api/nowhere", 404),
        (Method::PATCH, "/api/event", 404),
        (Method::POST, "/api/event", 400),
        (Method::POST, "/api/signin", 400),
    ];
    for (method, path, status) in requests {
        let answer = browser.call(method.clone(), path, None).await.is(status);
        assert_eq!(answer.header("access-control-allow-origin"), WEB_URL, "{method} {path}");
        assert_eq!(answer.header("access-control-allow-credentials"), "true", "{method} {path}");
        assert!(answer.header("vary").to_ascii_lowercase().contains("origin"), "{method} {path}");
        let stranger = browser.bare(method.clone(), path).header("origin", "https://evil.example");
        let answer = browser.send(without_first_origin(stranger)).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{method} {path}");
    }
    let unauthorised = app.browser().metadata().await.is(401);
    assert_eq!(unauthorised.header("access-control-allow-origin"), WEB_URL);
}

/// A request whose `Origin` is the last one that was set.
fn without_first_origin(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    let (client, request) = request.build_split();
    let mut request = request.unwrap();
    let origin = request.headers().get_all("origin").iter().next_back().unwrap().clone();
    request.headers_mut().insert("origin", origin);
    reqwest::RequestBuilder::from_parts(client, request)
}

#[tokio::test]
async fn a_preflight_is_answered_for_every_route_without_a_session() {
    let app = TestApp::start().await;
    let browser = app.browser();
    for (method, path) in [
        ("POST", "/api/signup"),
        ("GET", "/api/event?start=a&end=b"),
        ("PUT", "/api/event/6b0002000000000000000001"),
        ("DELETE", "/api/event/6b0002000000000000000001"),
        ("POST", "/api/session/refresh"),
        ("GET", "/api/nowhere"),
    ] {
        let answer = browser.send(preflight(&browser, method, path)).await.is(204);
        assert_eq!(answer.header("access-control-allow-origin"), WEB_URL);
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        let methods = answer.header("access-control-allow-methods");
        assert!(methods.split(',').any(|allowed| allowed.trim() == method), "{method}: {methods}");
        let headers = answer.header("access-control-allow-headers").to_ascii_lowercase();
        for header in ["content-type", "rid", "fdi-version", "st-auth-mode", "anti-csrf", "authorization"] {
            assert!(headers.split(',').any(|allowed| allowed.trim() == header), "{header}: {headers}");
        }
    }
}

#[tokio::test]
async fn cookies_outlive_their_tokens_as_the_session_library_expects() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    let answer = browser.sign_up("Ada", "ada@example.com", "correct horse 1").await;
    let up = answer.front_token().unwrap()["up"].clone();
    assert_eq!(up["exp"].as_i64().unwrap() - up["iat"].as_i64().unwrap(), 3_600);
    assert_eq!(answer.front_token().unwrap()["ate"].as_i64().unwrap(), up["exp"].as_i64().unwrap() * 1_000);
    let issued = up["iat"].as_i64().unwrap();
    for (name, days) in [("sAccessToken", 365), ("sRefreshToken", 100)] {
        let cookies = answer.set_cookies();
        let cookie = cookies.iter().find(|cookie| cookie.starts_with(name)).unwrap();
        let expires = cookie.split("Expires=").nth(1).unwrap().split(';').next().unwrap();
        let expires = chrono::DateTime::parse_from_rfc2822(expires).unwrap().timestamp();
        assert!((expires - issued - days * 86_400).abs() < 60, "{cookie}");
    }
}
