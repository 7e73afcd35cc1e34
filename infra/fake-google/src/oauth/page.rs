//! The pages a person sees: plain HTML, no script, so that a browser test can drive them by labels.

use maud::{DOCTYPE, Markup, html};

use super::authorize::{Invalid, Request};
use super::scopes::is_sign_in;
use crate::state::Account;

/// maud without its web framework features does not know axum.
pub(super) struct Page(Markup);

impl axum::response::IntoResponse for Page {
    fn into_response(self) -> axum::response::Response {
        axum::response::Html(self.0.into_string()).into_response()
    }
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem}\
    fieldset{border:1px solid #ccc;border-radius:.5rem;margin:1rem 0}label{display:block;margin:.4rem 0}\
    button{font:inherit;padding:.4rem 1.2rem;margin-right:.5rem}";

fn frame(title: &str, content: &Markup) -> Page {
    Page(html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (title) } style { (STYLE) } }
            body { h1 { (title) } (content) }
        }
    })
}

/// Which account, which scopes, allow or deny.
pub(super) fn consent(request: &Request, query: &str, accounts: &[Account]) -> Page {
    let hint = request.login_hint.as_deref();
    let is_known = |email: &str| accounts.iter().any(|account| account.email == email);
    let unknown = hint.filter(|email| !is_known(email));
    let chosen = hint.filter(|email| is_known(email)).or_else(|| {
        let first = accounts.first().map(|account| account.email.as_str());
        first.filter(|_| unknown.is_none())
    });
    frame(
        "Sign in with (fake) Google",
        &html! {
            p { "This is the local stand-in for Google. Choose an account or name a new one." }
            form method="post" action="/o/oauth2/v2/auth" {
                input type="hidden" name="request" value=(query);
                fieldset {
                    legend { "Account" }
                    @for account in accounts {
                        label {
                            input type="radio" name="email" value=(account.email)
                                checked[chosen == Some(account.email.as_str())];
                            " " (account.email)
                        }
                    }
                    label { "Another e-mail " input type="email" name="other_email" value=[unknown]; }
                }
                fieldset {
                    legend { "May the application" }
                    @for scope in request.scopes.iter() {
                        label {
                            @if is_sign_in(scope) {
                                input type="checkbox" checked disabled;
                            } @else {
                                input type="checkbox" name="scope" value=(scope) checked;
                            }
                            " " (scope)
                        }
                    }
                }
                button type="submit" name="decision" value="allow" { "Allow" }
                button type="submit" name="decision" value="deny" formnovalidate { "Deny" }
            }
        },
    )
}

/// Why there is nothing to consent to.
pub(super) fn refusal(invalid: &Invalid) -> Page {
    frame(
        "Access blocked: authorization error",
        &html! {
            p { (invalid.detail) }
            p { "Error " (invalid.status.as_u16()) ": " (invalid.error) }
        },
    )
}
