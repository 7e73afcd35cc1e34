//! What the web app asks Google for, and what it does with the answer.

use fake_google::{ConsentRequest, Server};
use serde_json::{Value, json};

use crate::app::WEB_URL;

/// Where Google sends the browser back to.
pub const REDIRECT_URI: &str = "http://localhost:9080/auth/google/callback";
/// What the web app asks for.
pub const SCOPES: &str = "https://www.googleapis.com/auth/userinfo.email \
    https://www.googleapis.com/auth/calendar.readonly https://www.googleapis.com/auth/calendar.events";

/// Consents at Google as `email` and gives what the web app then sends to the backend.
pub fn consent(google: &Server, email: &str) -> Value {
    debug_assert!(REDIRECT_URI.starts_with(WEB_URL));
    let request = ConsentRequest { is_prompted: true, ..ConsentRequest::new(email, SCOPES, REDIRECT_URI) };
    code_body(&google.consent(request))
}

/// What the web app sends with a code.
pub(crate) fn code_body(code: &str) -> Value {
    json!({
        "thirdPartyId": "google",
        "clientType": "web",
        "redirectURIInfo": {
            "redirectURIOnProviderDashboard": REDIRECT_URI,
            "redirectURIQueryParams": { "code": code, "scope": SCOPES, "state": "a-random-state" },
        },
    })
}
