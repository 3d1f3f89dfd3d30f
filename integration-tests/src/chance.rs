//! Chance of the simulated world: streams of numbers drawn from one seed, one stream a purpose.
//!
//! Two purposes never share a stream, so that one more draw in the network does not change which
//! letters are written. Same seed and purpose: same draws, on every machine (invariant I10).

use std::ops::RangeInclusive;

use cbm_proto::primitives::digest;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// One stream of draws.
#[derive(Debug)]
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// The stream of this seed for this purpose.
    #[must_use]
    pub fn new(seed: u64, purpose: &str) -> Self {
        let seed = digest("sim-chance", &[&seed.to_be_bytes(), purpose.as_bytes()]);
        Self(ChaCha8Rng::from_seed(seed.0))
    }

    /// A number below `n`; 0 if `n` is 0. The bias of the remainder is below 2^-40 for every `n`
    /// used here.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.0.next_u64() % n }
    }

    /// A number in the range, both ends included.
    pub fn between(&mut self, range: RangeInclusive<u64>) -> u64 {
        range.start() + self.below(range.end().saturating_sub(*range.start()) + 1)
    }

    /// True in `per_mille` of a thousand draws.
    pub fn happens(&mut self, per_mille: u64) -> bool {
        per_mille > 0 && self.below(1_000) < per_mille
    }

    /// An index into something of this length; 0 if it is empty.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// Thirty-two bytes, as the shell draws them from the system for each input.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut out = [0; 32];
        self.0.fill_bytes(&mut out);
        out
    }

    /// A random order of `0..len`.
    pub fn order(&mut self, len: usize) -> Vec<usize> {
        let mut out: Vec<usize> = (0..len).collect();
        for at in (1..len).rev() {
            let with = self.index(at + 1);
            out.swap(at, with);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_purpose_say_everything() {
        let draw = |seed, purpose| Chance::new(seed, purpose).seed();
        assert_eq!(draw(1, "a"), draw(1, "a"));
        assert_ne!(draw(1, "a"), draw(2, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
    }

    #[test]
    fn draws_keep_their_bounds() {
        let mut chance = Chance::new(3, "bounds");
        for _ in 0..1_000 {
            assert!((5..=9).contains(&chance.between(5..=9)));
        }
        assert!(!chance.happens(0));
        let mut order = chance.order(20);
        order.sort_unstable();
        assert_eq!(order, (0..20).collect::<Vec<_>>());
    }
}
