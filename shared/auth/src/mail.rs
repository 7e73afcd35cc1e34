//! The mail that resets a password, through SES.

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use contract::auth::Email;
use seam::Seam;
use url::Url;

use crate::Error;

const CHARSET: &str = "UTF-8";
const SUBJECT: &str = "Reset your Compass Calendar password";

/// Sends mail. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Mailer {
    client: Client,
    seam: Seam,
    from: String,
}

impl Mailer {
    /// A mailer whose mails come from the address `from`.
    pub fn new(client: Client, seam: Seam, from: String) -> Self {
        Self { client, seam, from }
    }

    /// Sends the link under which a new password can be set.
    ///
    /// # Errors
    /// [`Error::Mail`] or [`Error::Interrupted`].
    pub async fn send_reset(&self, to: &Email, link: &Url) -> Result<(), Error> {
        let message = message(link)?;
        self.seam
            .call("SendEmail", || async {
                self.client
                    .send_email()
                    .from_email_address(&self.from)
                    .destination(Destination::builder().to_addresses(to.as_str()).build())
                    .content(EmailContent::builder().simple(message.clone()).build())
                    .send()
                    .await
                    .map_err(refused)
            })
            .await?;
        Ok(())
    }
}

fn message(link: &Url) -> Result<Message, Error> {
    let text = format!(
        "Hello,\n\nsomebody, hopefully you, asked to reset the password of your Compass Calendar account. \
         Within the next hour you can set a new one here:\n\n{link}\n\nIf it was not you, you need not do anything.\n"
    );
    // The link is a URL, which needs no escaping but that of its ampersands.
    let href = link.as_str().replace('&', "&amp;");
    let html = format!(
        "<p>Hello,</p><p>somebody, hopefully you, asked to reset the password of your Compass Calendar account.</p>\
         <p><a href=\"{href}\">Set a new password</a> within the next hour.</p>\
         <p>If it was not you, you need not do anything.</p>"
    );
    let body = Body::builder().text(content(&text)?).html(content(&html)?).build();
    Ok(Message::builder().subject(content(SUBJECT)?).body(body).build())
}

fn content(text: &str) -> Result<Content, Error> {
    Content::builder()
        .data(text)
        .charset(CHARSET)
        .build()
        .map_err(|error| Error::Mail { is_ours: true, reason: error.to_string() })
}

fn refused<E, R>(error: SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + std::fmt::Debug,
    R: std::fmt::Debug,
{
    // Neither SES's message nor the request is repeated: both name the address.
    match error.as_service_error() {
        None => Error::Mail { is_ours: false, reason: "the mail service cannot be reached".into() },
        Some(service) => {
            let code = service.code().unwrap_or("unknown");
            let is_passing = matches!(
                code,
                "TooManyRequestsException"
                    | "LimitExceededException"
                    | "InternalServiceErrorException"
                    | "ServiceUnavailable"
                    | "Throttling"
                    | "ThrottlingException"
            );
            Error::Mail { is_ours: !is_passing, reason: code.to_owned() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_mail_hold_the_link() {
        let link: Url = "https://app.example/day?auth=reset&token=abc".parse().unwrap();
        let message = message(&link).unwrap();
        let body = message.body().unwrap();
        assert!(body.text().unwrap().data().contains(link.as_str()));
        assert!(body.html().unwrap().data().contains("/day?auth=reset&amp;token=abc\""));
        assert_eq!(message.subject().unwrap().data(), SUBJECT);
    }
}
