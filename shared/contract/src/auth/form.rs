//! The forms of sign-up, sign-in and password reset.
//!
//! A malformed body is a 400 with the sentence that the session library's own backend used; a field that a person can mend is not an
//! error but an answer (`FIELD_ERROR`), for which the web app shows the first entry.

use serde::Serialize;
use serde_json::{Map, Value};

use super::Email;

/// A body that no person could have typed: a 400 with this sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

impl Malformed {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// A field that a person has to mend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// What is wrong, shown as it is.
    pub error: String,
    /// Which field.
    pub id: &'static str,
}

impl FieldError {
    /// An error of a field.
    pub fn new(id: &'static str, error: impl Into<String>) -> Self {
        Self { error: error.into(), id }
    }
}

/// Why a form was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The body has not the shape of a form.
    Malformed(Malformed),
    /// Somebody has to mend these fields, in the order of the form.
    Fields(Vec<FieldError>),
}

impl From<Malformed> for Rejected {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<FieldError> for Rejected {
    fn from(error: FieldError) -> Self {
        Self::Fields(vec![error])
    }
}

/// A filled-in sign-up form. Holds a password, so it is not `Debug`.
pub struct SignUp<'a> {
    /// Trimmed.
    pub name: &'a str,
    /// Strong enough.
    pub password: &'a str,
    /// Well-formed.
    pub email: Email,
}

/// A filled-in sign-in form. Holds a password, so it is not `Debug`.
pub struct SignIn<'a> {
    /// Anything.
    pub password: &'a str,
    /// Well-formed.
    pub email: Email,
}

/// A filled-in form of a password reset. Holds secrets, so it is not `Debug`.
pub struct PasswordReset<'a> {
    /// Strong enough.
    pub password: &'a str,
    /// Anything.
    pub token: &'a str,
}

/// The field ids there are.
#[expect(missing_docs, reason = "the names say it all")]
pub mod field {
    pub const NAME: &str = "name";
    pub const PASSWORD: &str = "password";
    pub const EMAIL: &str = "email";
}

/// The longest name that is accepted, in characters. It is read with every request.
const NAME_LIMIT: usize = 256;

/// A JSON object as sent. May hold a password, so it is not `Debug`.
#[derive(Clone)]
pub struct Form(Map<String, Value>);

impl Form {
    /// Reads a body. An empty one is an empty object.
    ///
    /// # Errors
    /// [`Malformed`] for anything but a JSON object.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(Map::new()));
        }
        serde_json::from_slice(body).map(Self).map_err(|_| {
            Malformed::new("API input error: Please make sure to pass a valid JSON input in the request body")
        })
    }

    /// A member of the object.
    pub(super) fn member(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Reads a sign-up form.
    ///
    /// # Errors
    /// [`Rejected`].
    pub fn sign_up(&self) -> Result<SignUp<'_>, Rejected> {
        let fields = self.fields(&[field::NAME, field::PASSWORD, field::EMAIL])?;
        match (fields.name(), fields.new_password(), fields.email()) {
            (Ok(name), Ok(password), Ok(email)) => Ok(SignUp { name, password, email }),
            (name, password, email) => Err(rejected([name.err(), password.err(), email.err()])),
        }
    }

    /// Reads a sign-in form.
    ///
    /// # Errors
    /// [`Rejected`].
    pub fn sign_in(&self) -> Result<SignIn<'_>, Rejected> {
        let fields = self.fields(&[field::PASSWORD, field::EMAIL])?;
        match (fields.password(), fields.email()) {
            (Ok(password), Ok(email)) => Ok(SignIn { password, email }),
            (password, email) => Err(rejected([password.err(), email.err()])),
        }
    }

    /// Reads the form that asks for a password reset.
    ///
    /// # Errors
    /// [`Rejected`].
    pub fn reset_request(&self) -> Result<Email, Rejected> {
        Ok(self.fields(&[field::EMAIL])?.email()?)
    }

    /// Reads the form that sets a new password.
    ///
    /// # Errors
    /// [`Rejected`].
    pub fn password_reset(&self) -> Result<PasswordReset<'_>, Rejected> {
        let password = self.fields(&[field::PASSWORD])?.new_password()?;
        let token = self
            .member("token")
            .ok_or_else(|| Malformed::new("Please provide the password reset token"))?
            .as_str()
            .ok_or_else(|| Malformed::new("The password reset token must be a string"))?;
        Ok(PasswordReset { password, token })
    }

    fn fields(&self, ids: &[&'static str]) -> Result<Fields<'_>, Malformed> {
        let fields =
            self.member("formFields").ok_or_else(|| Malformed::new("Missing input param: formFields"))?;
        let fields = fields.as_array().ok_or_else(|| Malformed::new("formFields must be an array"))?;
        let fields = fields.iter().map(pair).collect::<Result<Vec<_>, _>>()?;
        if fields.len() > ids.len() {
            return Err(Malformed::new("Are you sending too many formFields?"));
        }
        Ok(Fields(fields))
    }
}

fn rejected(errors: impl IntoIterator<Item = Option<FieldError>>) -> Rejected {
    Rejected::Fields(errors.into_iter().flatten().collect())
}

fn pair(field: &Value) -> Result<(&str, &Value), Malformed> {
    let object =
        field.as_object().ok_or_else(|| Malformed::new("All elements of formFields must be an object"))?;
    let (id, value) =
        object.get("id").and_then(Value::as_str).zip(object.get("value")).ok_or_else(|| {
            Malformed::new("All elements of formFields must contain an 'id' and 'value' field")
        })?;
    if matches!(id, field::EMAIL | field::PASSWORD) && !value.is_string() {
        return Err(Malformed::new(format!("{id} value must be a string")));
    }
    Ok((id, value))
}

/// Form fields whose shape is right.
struct Fields<'a>(Vec<(&'a str, &'a Value)>);

impl<'a> Fields<'a> {
    fn email(&self) -> Result<Email, FieldError> {
        self.text(field::EMAIL)?
            .parse()
            .map_err(|bad: super::BadEmail| FieldError::new(field::EMAIL, bad.to_string()))
    }

    fn password(&self) -> Result<&'a str, FieldError> {
        self.text(field::PASSWORD)
    }

    fn new_password(&self) -> Result<&'a str, FieldError> {
        let password = self.password()?;
        match weakness(password) {
            Some(weakness) => Err(FieldError::new(field::PASSWORD, weakness)),
            None => Ok(password),
        }
    }

    fn name(&self) -> Result<&'a str, FieldError> {
        let name = self.text(field::NAME)?.trim();
        if name.is_empty() {
            return Err(FieldError::new(field::NAME, "Name is required"));
        }
        if name.chars().count() > NAME_LIMIT {
            return Err(FieldError::new(
                field::NAME,
                format!("Name must not be longer than {NAME_LIMIT} characters"),
            ));
        }
        Ok(name)
    }

    fn text(&self, id: &'static str) -> Result<&'a str, FieldError> {
        match self.0.iter().find(|(name, _)| *name == id).map(|(_, value)| *value) {
            None | Some(Value::Null) => Err(FieldError::new(id, "Field is not optional")),
            Some(Value::String(text)) if text.is_empty() => Err(FieldError::new(id, "Field is not optional")),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(FieldError::new(id, "Field must be a text")),
        }
    }
}

/// What is wrong with a new password. Lengths are in characters, as the web app counts them.
fn weakness(password: &str) -> Option<&'static str> {
    let length = password.encode_utf16().count();
    if length < 8 {
        Some("Password must contain at least 8 characters, including a number")
    } else if length >= 100 {
        Some("Password's length must be lesser than 100 characters")
    } else if !password.contains(|c: char| c.is_ascii_alphabetic()) {
        Some("Password must contain at least one alphabet")
    } else if !password.contains(|c: char| c.is_ascii_digit()) {
        Some("Password must contain at least one number")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [&str; 3] = [field::NAME, field::PASSWORD, field::EMAIL];

    fn form(fields: &str) -> Form {
        Form::parse(format!(r#"{{"formFields":{fields}}}"#).as_bytes()).unwrap()
    }

    #[test]
    fn each_malformed_body_has_its_sentence() {
        let object = "All elements of formFields must be an object";
        let pair = "All elements of formFields must contain an 'id' and 'value' field";
        let json = "API input error: Please make sure to pass a valid JSON input in the request body";
        for (body, expected) in [
            ("", "Missing input param: formFields"),
            ("{}", "Missing input param: formFields"),
            ("{", json),
            ("[]", json),
            (r#"{"formFields":{}}"#, "formFields must be an array"),
            (r#"{"formFields":null}"#, "formFields must be an array"),
            (r#"{"formFields":["a"]}"#, object),
            (r#"{"formFields":[{"id":"email"}]}"#, pair),
            (r#"{"formFields":[{"value":"x"}]}"#, pair),
            (r#"{"formFields":[{"id":1,"value":"x"}]}"#, pair),
            (r#"{"formFields":[{"id":"email","value":1}]}"#, "email value must be a string"),
            (r#"{"formFields":[{"id":"password","value":null}]}"#, "password value must be a string"),
            (
                r#"{"formFields":[{"id":"a","value":1},{"id":"b","value":1},{"id":"c","value":1},{"id":"d","value":1}]}"#,
                "Are you sending too many formFields?",
            ),
        ] {
            let error =
                Form::parse(body.as_bytes()).and_then(|form| form.fields(&IDS).map(drop)).unwrap_err();
            assert_eq!(error.to_string(), expected, "{body}");
        }
    }

    #[test]
    fn each_field_error_has_its_text() {
        let long = "a1".repeat(50);
        for (password, expected) in [
            ("", Some("Field is not optional")),
            ("abc1", Some("Password must contain at least 8 characters, including a number")),
            ("abcdefg", Some("Password must contain at least 8 characters, including a number")),
            (long.as_str(), Some("Password's length must be lesser than 100 characters")),
            ("12345678", Some("Password must contain at least one alphabet")),
            ("ääääääää1", Some("Password must contain at least one alphabet")),
            ("abcdefgh", Some("Password must contain at least one number")),
            ("abcdefg1", None),
            (&long[1..], None),
        ] {
            let form = form(&format!(r#"[{{"id":"password","value":"{password}"}}]"#));
            let fields = form.fields(&IDS).unwrap();
            let error = fields.new_password().err().map(|error| error.error);
            assert_eq!(error.as_deref(), expected, "{password}");
        }
        for (name, expected) in
            [("", Some("Field is not optional")), ("  ", Some("Name is required")), (" Ada ", None)]
        {
            let form = form(&format!(r#"[{{"id":"name","value":"{name}"}}]"#));
            let error = form.fields(&IDS).unwrap().name().err().map(|error| error.error);
            assert_eq!(error.as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn every_field_that_has_to_be_mended_is_named_in_the_order_of_the_form() {
        let form = form(r#"[{"id":"email","value":"ada"},{"id":"name","value":"Ada"}]"#);
        let Err(Rejected::Fields(errors)) = form.sign_up() else { panic!("taken") };
        let expected = [
            FieldError::new("password", "Field is not optional"),
            FieldError::new("email", "Email is invalid"),
        ];
        assert_eq!(errors, expected);
    }

    #[test]
    fn a_reset_needs_a_token_after_a_password() {
        let reset = |rest: &str| {
            let body = format!(r#"{{"formFields":[{{"id":"password","value":"abcdefg1"}}]{rest}}}"#);
            Form::parse(body.as_bytes()).unwrap().password_reset().map(|reset| reset.token.to_owned())
        };
        let malformed = |text: &str| Err(Rejected::Malformed(Malformed::new(text)));
        assert_eq!(reset(r#","token":"t","method":"token""#), Ok("t".to_owned()));
        assert_eq!(reset(""), malformed("Please provide the password reset token"));
        assert_eq!(reset(r#","token":1"#), malformed("The password reset token must be a string"));
    }

    #[test]
    fn a_field_that_is_not_sent_is_not_optional() {
        let form = form("[]");
        let fields = form.fields(&IDS).unwrap();
        assert_eq!(fields.email(), Err(FieldError::new("email", "Field is not optional")));
        assert_eq!(fields.name(), Err(FieldError::new("name", "Field is not optional")));
    }
}
