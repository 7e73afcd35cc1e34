//! Tickets for a socket: a secret that is shown once, of which only the hash is stored.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use seam::Random;
use sha2::{Digest, Sha256};

/// A ticket. Not `Debug`.
pub struct SocketTicket(String);

impl SocketTicket {
    /// Draws a ticket.
    pub fn draw(random: &Random) -> Self {
        Self(URL_SAFE_NO_PAD.encode(random.bytes::<32>()))
    }

    /// A ticket as it came back; anything at all.
    pub fn from_wire(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// As it goes over the wire: letters, digits, `-` and `_`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Under which it is stored. It has 256 bits of chance, so a plain hash is enough.
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_known_by_its_hash_and_goes_into_an_address_as_it_is() {
        let random = Random::seeded(7);
        let (first, second) = (SocketTicket::draw(&random), SocketTicket::draw(&random));
        assert_ne!(first.as_str(), second.as_str());
        assert!(first.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert_eq!(SocketTicket::from_wire(first.as_str()).hash(), first.hash());
        assert_eq!(SocketTicket::from_wire("").hash().len(), 64);
    }
}
