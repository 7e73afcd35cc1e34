//! The only source of chance: ids, tokens, nonces, jitter.

use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Draws random bytes: from the operating system, or reproducibly from a seed in tests.
#[derive(Clone, Debug, Default)]
pub struct Random(Option<Arc<Mutex<StdRng>>>);

impl Random {
    /// Cryptographically secure randomness, seeded by the operating system.
    pub fn system() -> Self {
        Self(None)
    }

    /// A reproducible sequence. For tests only.
    pub fn seeded(seed: u64) -> Self {
        Self(Some(Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))))
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match &self.0 {
            // A poisoned lock still guards a sound generator.
            Some(seeded) => {
                seeded.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).fill_bytes(&mut bytes)
            }
            None => rand::rng().fill_bytes(&mut bytes),
        }
        bytes
    }

    /// A number in `0..bound`, for jitter; 0 when `bound` is 0.
    pub fn below(&self, bound: u64) -> u64 {
        u64::from_le_bytes(self.bytes()).checked_rem(bound).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_bytes() {
        assert_eq!(Random::seeded(7).bytes::<16>(), Random::seeded(7).bytes::<16>());
        assert_ne!(Random::system().bytes::<16>(), Random::system().bytes::<16>());
    }
}
