//! What the web app posts when Google has sent the browser back to it: the same for signing in and for connecting a calendar.

use serde_json::Value;

use super::form::{Form, Malformed};

/// An authorization code (RFC 6749 §4.1.2) on its way to Google. A secret until it is used, so not `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct GoogleCode {
    /// The code.
    pub code: String,
    /// Where Google sent the browser; it must be told the same again.
    pub redirect_uri: String,
    /// The PKCE verifier (RFC 7636), if the browser made one.
    pub pkce_verifier: Option<String>,
}

impl GoogleCode {
    /// Reads the body. Members that are not needed are ignored.
    ///
    /// # Errors
    /// [`Malformed`], with the member's name.
    pub fn parse(form: &Form) -> Result<Self, Malformed> {
        constant(form, "thirdPartyId", "google")?;
        constant(form, "clientType", "web")?;
        let info = form.member("redirectURIInfo").ok_or_else(|| missing("redirectURIInfo"))?;
        let pkce_verifier = match info.get("pkceCodeVerifier") {
            None | Some(Value::Null) => None,
            Some(value) => Some(text(Some(value), "redirectURIInfo.pkceCodeVerifier")?),
        };
        let query = info.get("redirectURIQueryParams");
        Ok(Self {
            code: text(
                query.and_then(|query| query.get("code")),
                "redirectURIInfo.redirectURIQueryParams.code",
            )?,
            redirect_uri: text(
                info.get("redirectURIOnProviderDashboard"),
                "redirectURIInfo.redirectURIOnProviderDashboard",
            )?,
            pkce_verifier,
        })
    }
}

fn constant(form: &Form, name: &'static str, expected: &'static str) -> Result<(), Malformed> {
    if text(form.member(name), name)? == expected {
        Ok(())
    } else {
        Err(Malformed(format!("{name} must be \"{expected}\"")))
    }
}

fn text(value: Option<&Value>, name: &'static str) -> Result<String, Malformed> {
    match value.and_then(Value::as_str) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(missing(name)),
    }
}

fn missing(name: &'static str) -> Malformed {
    Malformed(format!("{name} must be a text that is not empty"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(body: &Value) -> Result<GoogleCode, String> {
        let form = Form::parse(body.to_string().as_bytes()).unwrap();
        GoogleCode::parse(&form).map_err(|malformed| malformed.to_string())
    }

    fn body() -> Value {
        json!({"thirdPartyId": "google", "clientType": "web", "more": 1, "redirectURIInfo": {
            "redirectURIOnProviderDashboard": "http://localhost:9080/auth/google/callback",
            "redirectURIQueryParams": {"code": "4/abc", "scope": "x", "state": "y"}}})
    }

    #[test]
    fn the_code_is_found_and_the_rest_ignored() {
        let code = parse(&body()).ok().unwrap();
        assert_eq!((code.code.as_str(), code.pkce_verifier), ("4/abc", None));
        assert_eq!(code.redirect_uri, "http://localhost:9080/auth/google/callback");
        let mut with_verifier = body();
        with_verifier["redirectURIInfo"]["pkceCodeVerifier"] = "v".into();
        assert_eq!(parse(&with_verifier).ok().unwrap().pkce_verifier.as_deref(), Some("v"));
    }

    #[test]
    fn what_is_missing_is_named() {
        for (path, value, name) in [
            ("/thirdPartyId", json!("apple"), "thirdPartyId"),
            ("/clientType", json!(null), "clientType"),
            ("/redirectURIInfo", json!("x"), "redirectURIInfo"),
            ("/redirectURIInfo/redirectURIOnProviderDashboard", json!(""), "redirectURIOnProviderDashboard"),
            ("/redirectURIInfo/redirectURIQueryParams", json!({}), "redirectURIQueryParams.code"),
            ("/redirectURIInfo/redirectURIQueryParams/code", json!(7), "redirectURIQueryParams.code"),
        ] {
            let mut bad = body();
            *bad.pointer_mut(path).unwrap() = value;
            assert!(parse(&bad).err().unwrap().contains(name), "{path}");
        }
    }
}
