//! Password resets: a secret sent by mail, of which only the hash is stored.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use seam::Random;
use sha2::{Digest, Sha256};
use url::Url;

/// How long a reset is good for.
pub const LIFETIME: TimeDelta = TimeDelta::hours(1);
/// How long after one mail the next may go to the same address: anybody can ask for a mail to anybody.
pub const MAIL_INTERVAL: TimeDelta = TimeDelta::minutes(1);

/// The secret of a reset. Not `Debug`.
pub struct ResetToken(String);

impl ResetToken {
    /// Draws a token.
    pub fn draw(random: &Random) -> Self {
        Self(URL_SAFE_NO_PAD.encode(random.bytes::<32>()))
    }

    /// A token as it came back; anything at all.
    pub fn from_wire(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Under which a token is stored. It has 256 bits of chance, so a plain hash is enough.
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(&self.0))
    }

    /// Where the web app asks for the new password.
    pub fn link(&self, web: &Url) -> Url {
        let mut link = web.clone();
        link.set_path(&format!("{}/day", web.path().trim_end_matches('/')));
        link.query_pairs_mut().clear().append_pair("auth", "reset").append_pair("token", &self.0);
        link
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_leads_to_the_web_app_and_its_token_back_to_the_hash() {
        let token = ResetToken::draw(&Random::seeded(1));
        for (web, start) in [
            ("http://localhost:9080", "http://localhost:9080/day?auth=reset&token="),
            ("https://app.example/", "https://app.example/day?auth=reset&token="),
            ("https://app.example/compass/?x=1", "https://app.example/compass/day?auth=reset&token="),
        ] {
            let link = token.link(&web.parse().unwrap()).to_string();
            let text = link.strip_prefix(start).unwrap();
            assert_eq!(text.len(), 43);
            assert_eq!(ResetToken::from_wire(text).hash(), token.hash());
        }
    }
}
