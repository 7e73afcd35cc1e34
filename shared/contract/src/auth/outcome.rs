//! What the authentication routes answer: always 200, and the `status` tells.

use chrono::{DateTime, Utc};
use domain::UserId;
use serde::Serialize;

use super::{Email, FieldError, TENANT};

/// The answer to an authentication request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// It is done.
    #[serde(rename = "OK")]
    Done(Done),
    /// A field has to be mended.
    FieldError {
        /// In the order of the form.
        #[serde(rename = "formFields")]
        form_fields: Vec<FieldError>,
    },
    /// No such email address, or another password: which, is not told.
    WrongCredentialsError,
    /// The reset token is none of ours, used, or too old.
    ResetPasswordInvalidTokenError,
    /// The Google account has no email address.
    NoEmailGivenByProvider,
    /// The Google account may not be used here; the reason is shown.
    SignInUpNotAllowed {
        /// For a person.
        reason: &'static str,
    },
}

/// What comes with a success.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// Who is signed in now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<UserView>,
    /// Whether this is his first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_new_recipe_user: Option<bool>,
    /// Whether the email address is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
}

impl Outcome {
    /// Done, and there is nothing more to say.
    pub fn ok() -> Self {
        Self::Done(Done::default())
    }

    /// Signed in.
    pub fn signed_in(user: UserView, is_new: Option<bool>) -> Self {
        Self::Done(Done { user: Some(user), created_new_recipe_user: is_new, exists: None })
    }

    /// Whether an email address is taken.
    pub fn exists(exists: bool) -> Self {
        Self::Done(Done { exists: Some(exists), ..Done::default() })
    }
}

impl From<Vec<FieldError>> for Outcome {
    fn from(form_fields: Vec<FieldError>) -> Self {
        Self::FieldError { form_fields }
    }
}

impl From<FieldError> for Outcome {
    fn from(error: FieldError) -> Self {
        vec![error].into()
    }
}

/// A user as the session library describes one: with the way in which he has just signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct UserView {
    pub id: UserId,
    pub is_primary_user: bool,
    pub tenant_ids: [&'static str; 1],
    /// The web app shows the first one.
    pub emails: Vec<Email>,
    pub phone_numbers: [&'static str; 0],
    pub third_party: Vec<ThirdParty>,
    pub webauthn: Webauthn,
    pub login_methods: Vec<LoginMethod>,
    /// Milliseconds since the epoch.
    pub time_joined: i64,
}

/// An account at Google.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct ThirdParty {
    pub id: &'static str,
    /// Google's `sub`.
    pub user_id: String,
}

/// Passkeys, of which there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct Webauthn {
    pub credential_ids: [&'static str; 0],
}

/// A way in which a user signs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the wire")]
pub struct LoginMethod {
    pub recipe_id: &'static str,
    pub recipe_user_id: UserId,
    pub tenant_ids: [&'static str; 1],
    pub email: Email,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub third_party: Option<ThirdParty>,
    /// Milliseconds since the epoch.
    pub time_joined: i64,
    pub verified: bool,
}

impl UserView {
    /// A user who signed in with a password.
    pub fn with_password(id: UserId, email: Email, joined_at: DateTime<Utc>) -> Self {
        Self::new(id, email, joined_at, "emailpassword", None, false)
    }

    /// A user who signed in with Google, which has or has not `verified` his address.
    pub fn with_google(
        id: UserId,
        email: Email,
        joined_at: DateTime<Utc>,
        sub: String,
        verified: bool,
    ) -> Self {
        let google = ThirdParty { id: "google", user_id: sub };
        Self::new(id, email, joined_at, "thirdparty", Some(google), verified)
    }

    fn new(
        id: UserId,
        email: Email,
        joined_at: DateTime<Utc>,
        recipe_id: &'static str,
        third_party: Option<ThirdParty>,
        verified: bool,
    ) -> Self {
        let time_joined = joined_at.timestamp_millis();
        let method = LoginMethod {
            recipe_id,
            recipe_user_id: id,
            tenant_ids: [TENANT],
            email: email.clone(),
            third_party: third_party.clone(),
            time_joined,
            verified,
        };
        Self {
            id,
            is_primary_user: false,
            tenant_ids: [TENANT],
            emails: vec![email],
            phone_numbers: [],
            third_party: third_party.into_iter().collect(),
            webauthn: Webauthn::default(),
            login_methods: vec![method],
            time_joined,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> UserId {
        "66aa01bb02cc03dd04ee05ff".parse().unwrap()
    }

    fn json(outcome: &Outcome) -> String {
        serde_json::to_string(outcome).unwrap()
    }

    #[test]
    fn a_signed_in_user_has_the_shape_of_the_session_library() {
        let email: Email = "ada@example.com".parse().unwrap();
        let joined = DateTime::from_timestamp_millis(1_795_168_800_000).unwrap();
        let password = UserView::with_password(id(), email.clone(), joined);
        insta::assert_snapshot!(json(&Outcome::signed_in(password, Some(true))), @r#"{"status":"OK","user":{"id":"66aa01bb02cc03dd04ee05ff","isPrimaryUser":false,"tenantIds":["public"],"emails":["ada@example.com"],"phoneNumbers":[],"thirdParty":[],"webauthn":{"credentialIds":[]},"loginMethods":[{"recipeId":"emailpassword","recipeUserId":"66aa01bb02cc03dd04ee05ff","tenantIds":["public"],"email":"ada@example.com","timeJoined":1795168800000,"verified":false}],"timeJoined":1795168800000},"createdNewRecipeUser":true}"#);
        let google = UserView::with_google(id(), email, joined, "108".into(), true);
        insta::assert_snapshot!(json(&Outcome::signed_in(google, None)), @r#"{"status":"OK","user":{"id":"66aa01bb02cc03dd04ee05ff","isPrimaryUser":false,"tenantIds":["public"],"emails":["ada@example.com"],"phoneNumbers":[],"thirdParty":[{"id":"google","userId":"108"}],"webauthn":{"credentialIds":[]},"loginMethods":[{"recipeId":"thirdparty","recipeUserId":"66aa01bb02cc03dd04ee05ff","tenantIds":["public"],"email":"ada@example.com","thirdParty":{"id":"google","userId":"108"},"timeJoined":1795168800000,"verified":true}],"timeJoined":1795168800000}}"#);
    }

    #[test]
    fn every_other_outcome_is_a_status_with_what_belongs_to_it() {
        for (outcome, expected) in [
            (Outcome::ok(), r#"{"status":"OK"}"#),
            (Outcome::exists(false), r#"{"status":"OK","exists":false}"#),
            (
                FieldError::new("email", "Email is invalid").into(),
                r#"{"status":"FIELD_ERROR","formFields":[{"error":"Email is invalid","id":"email"}]}"#,
            ),
            (Outcome::WrongCredentialsError, r#"{"status":"WRONG_CREDENTIALS_ERROR"}"#),
            (Outcome::ResetPasswordInvalidTokenError, r#"{"status":"RESET_PASSWORD_INVALID_TOKEN_ERROR"}"#),
            (Outcome::NoEmailGivenByProvider, r#"{"status":"NO_EMAIL_GIVEN_BY_PROVIDER"}"#),
            (
                Outcome::SignInUpNotAllowed { reason: "No" },
                r#"{"status":"SIGN_IN_UP_NOT_ALLOWED","reason":"No"}"#,
            ),
        ] {
            assert_eq!(json(&outcome), expected);
        }
    }
}
