//! Receipt handles: opaque to clients, and to us the name of one delivery.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Result};

/// One delivery of one message of one queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Receipt {
    /// The queue's own number, so that no handle outlives its queue or is taken by another.
    pub(crate) queue: u64,
    /// The message's place in the queue's order of arrival.
    pub(crate) arrival: u64,
    /// The delivery's place in the queue's order of deliveries.
    pub(crate) delivery: u64,
}

impl Receipt {
    pub(crate) fn to_handle(self) -> String {
        STANDARD.encode(format!("{}/{}/{}", self.queue, self.arrival, self.delivery))
    }

    pub(crate) fn parse(handle: &str) -> Result<Self> {
        Self::read(handle).ok_or(Error::ReceiptHandleIsInvalid)
    }

    fn read(handle: &str) -> Option<Self> {
        let text = String::from_utf8(STANDARD.decode(handle).ok()?).ok()?;
        let mut parts = text.splitn(3, '/').map(|part| part.parse().ok());
        Some(Self { queue: parts.next()??, arrival: parts.next()??, delivery: parts.next()?? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_names_the_delivery_it_was_made_for() {
        let receipt = Receipt { queue: 7, arrival: 3, delivery: 12 };
        assert_eq!(Receipt::parse(&receipt.to_handle()), Ok(receipt));
    }

    #[test]
    fn what_was_never_a_handle_is_refused() {
        for handle in ["", "nonsense", "MS8y", "%%%"] {
            assert_eq!(Receipt::parse(handle), Err(Error::ReceiptHandleIsInvalid), "{handle}");
        }
    }
}
