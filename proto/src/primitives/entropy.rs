//! Chance, handed in: a ChaCha20 generator over the 32 bytes that the shell drew for one input.
//!
//! No generator outlives the input it was seeded for, so nothing that happens to
//! memory later tells what was drawn. Same seed, same draws, on every machine.

use std::convert::Infallible;

use chacha20::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _, TryCryptoRng, TryRng};

/// A deterministic source of random bytes; wiped when dropped.
pub struct Entropy(ChaCha20Rng);

impl Entropy {
    /// A source over a seed that nobody else knows and that is used once.
    #[must_use]
    pub fn new(seed: &[u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(*seed))
    }

    /// The next `N` bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.0.fill_bytes(&mut out);
        out
    }

    /// A number below `n`, all equally likely; 0 if `n` is 0. Draws again where the remainder would
    /// favour small numbers.
    #[must_use]
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        let usable = u64::MAX - u64::MAX % n;
        loop {
            let drawn = self.0.next_u64();
            if drawn < usable {
                return drawn % n;
            }
        }
    }
}

impl TryRng for Entropy {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.0.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0.try_next_u64()
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.try_fill_bytes(out)
    }
}

impl TryCryptoRng for Entropy {}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_draws_and_the_published_keystream() {
        // RFC 8439 A.1 test vector 1: key, nonce and counter all zero.
        let first = Entropy::new(&[0; 32]).bytes::<8>();
        assert_eq!(first, [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90]);
        let (mut a, mut b) = (Entropy::new(&[7; 32]), Entropy::new(&[7; 32]));
        assert_eq!(a.bytes::<40>(), b.bytes::<40>());
        assert_eq!(a.below(1_000), b.below(1_000));
        assert_ne!(Entropy::new(&[8; 32]).bytes::<32>(), Entropy::new(&[7; 32]).bytes::<32>());
    }

    #[test]
    fn below_stays_below_and_reaches_every_value() {
        let mut entropy = Entropy::new(&[1; 32]);
        let mut seen = [0_u32; 5];
        for _ in 0..500 {
            let drawn = usize::try_from(entropy.below(5)).unwrap_or(usize::MAX);
            seen[drawn] += 1;
        }
        assert!(seen.iter().all(|n| *n > 50), "{seen:?}");
        assert_eq!(entropy.below(0), 0);
        assert_eq!(entropy.below(1), 0);
    }
}
