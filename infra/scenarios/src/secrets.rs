//! What must be with its owner and nowhere else, and where it is looked for.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// Secrets that browsers were given or came up with: tokens of sessions, passwords, tickets. Cheap to clone; the clones share what they hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets(Arc<Mutex<BTreeSet<String>>>);

/// What is shorter is in a text by chance.
const SHORTEST: usize = 8;

impl Secrets {
    pub(crate) fn add(&self, secret: impl Into<String>) {
        let secret = secret.into();
        if secret.len() >= SHORTEST {
            self.0.lock().expect("the secrets").insert(secret);
        }
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().expect("the secrets").iter().cloned().collect()
    }
}

/// A text in which a secret is that should not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// The secret.
    pub secret: String,
    /// What kind of text it is.
    pub place: &'static str,
    /// The text.
    pub text: String,
}

/// The texts of a place in which one of the secrets is.
pub(crate) fn leaks(secrets: &[String], place: &'static str, texts: &[String]) -> Vec<Leak> {
    let told = |text: &String| {
        let secret = secrets.iter().find(|secret| text.contains(secret.as_str()))?.clone();
        Some(Leak { secret, place, text: text.clone() })
    };
    texts.iter().filter_map(told).collect()
}
