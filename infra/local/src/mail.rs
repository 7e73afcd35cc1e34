//! SES, as much of it as the functions use: `SendEmail` of version 2. Mail is kept for whoever looks, and its links are
//! printed, because locally nobody has a mailbox.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Serialize;
use serde_json::{Value, json};

use crate::activity::Activity;
use crate::console::Console;

/// A mail that a function sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mail {
    /// The sender's address.
    pub from: String,
    /// The recipients' addresses.
    pub to: Vec<String>,
    /// The subject line.
    pub subject: String,
    /// The plain text part; empty if there is none.
    pub text: String,
    /// The HTML part; empty if there is none.
    pub html: String,
    /// The links in it, in order, each once.
    pub links: Vec<String>,
}

/// All mails so far, oldest first.
#[derive(Debug, Clone)]
pub(crate) struct Mailbox {
    mails: Arc<Mutex<Vec<Mail>>>,
    console: Console,
    activity: Activity,
}

impl Mailbox {
    pub(crate) fn new(console: Console, activity: Activity) -> Self {
        Self { mails: Arc::default(), console, activity }
    }

    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.lock().clone()
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// The service, for `AWS_ENDPOINT_URL_SESV2`.
    pub(crate) fn router(self) -> Router {
        Router::new().route("/v2/email/outbound-emails", post(send)).with_state(self)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Mail>> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn send(State(mailbox): State<Mailbox>, Json(request): Json<Value>) -> Response {
    let Some(mail) = read(&request) else {
        let headers = [("x-amzn-errortype", "BadRequestException")];
        let body = json!({ "message": "sender, recipient, subject and a body are needed" });
        return (StatusCode::BAD_REQUEST, headers, Json(body)).into_response();
    };
    mailbox.console.line(format_args!("mail to {}: {}", mail.to.join(", "), mail.subject));
    for link in &mail.links {
        mailbox.console.line(format_args!("  {link}"));
    }
    mailbox.lock().push(mail);
    mailbox.activity.moved();
    Json(json!({ "MessageId": uuid::Uuid::new_v4().to_string() })).into_response()
}

fn read(request: &Value) -> Option<Mail> {
    let simple = &request["Content"]["Simple"];
    let part = |part: &Value| part["Data"].as_str().unwrap_or_default().to_owned();
    let (text, html) = (part(&simple["Body"]["Text"]), part(&simple["Body"]["Html"]));
    let to: Vec<String> = request["Destination"]["ToAddresses"]
        .as_array()?
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    if to.is_empty() || (text.is_empty() && html.is_empty()) {
        return None;
    }
    let links = links(if text.is_empty() { &html } else { &text });
    let from = request["FromEmailAddress"].as_str()?.to_owned();
    Some(Mail { from, to, subject: simple["Subject"]["Data"].as_str()?.to_owned(), text, html, links })
}

fn links(text: &str) -> Vec<String> {
    let mut links: Vec<String> = Vec::new();
    for (start, _) in text.match_indices("http") {
        let link = text[start..].split(|c: char| c.is_whitespace() || "\"'<>".contains(c)).next();
        let link = link.unwrap_or_default().trim_end_matches(['.', ',', ')']).replace("&amp;", "&");
        if (link.starts_with("http://") || link.starts_with("https://")) && !links.contains(&link) {
            links.push(link);
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_in_text_and_html() {
        assert_eq!(links("Go to http://a/b?t=1&c=2.\nBye"), ["http://a/b?t=1&c=2"]);
        assert_eq!(
            links("<a href=\"https://a/?x=1&amp;y=2\">https://a/?x=1&amp;y=2</a>"),
            ["https://a/?x=1&y=2"]
        );
    }

    #[test]
    fn a_mail_without_recipient_is_refused() {
        let request = json!({
            "FromEmailAddress": "a@b", "Destination": { "ToAddresses": [] },
            "Content": { "Simple": { "Subject": { "Data": "s" }, "Body": { "Text": { "Data": "t" } } } },
        });
        assert_eq!(read(&request), None);
    }
}
