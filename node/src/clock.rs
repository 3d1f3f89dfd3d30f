//! The one reader of the machine's clocks and of its randomness.
//!
//! Everything else is handed a [`Now`] and 32 fresh bytes (invariant I10). Called by `runtime`, by
//! the verbs that make keys, and by whoever needs a time to show. Nothing is remembered but the
//! origin of the monotonic clock, so each clock's readings mean something within one process only.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cbm_proto::time::{Mono, Now, Timestamp};

/// Both clocks of this machine.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

/// The operating system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error(
    "the operating system gave no randomness ({0}); nothing can be signed or sealed without it: \
     start the program where getrandom(2) works"
)]
pub struct NoEntropy(String);

impl Clock {
    /// Starts the monotonic clock at zero.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the one reader of clocks")]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Reads both clocks. A wall clock before 1970 reads as 1970, which the protocol takes for
    /// what it is: a clock in doubt.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the one reader of clocks")]
    pub fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { wall: Timestamp(millis(wall)), mono: Mono(millis(self.origin.elapsed())) }
    }

    /// How long until `deadline`; zero when it has passed.
    #[must_use]
    pub fn until(&self, deadline: Mono) -> Duration {
        Duration::from_millis(deadline.since(self.now().mono))
    }
}

/// 32 bytes of fresh randomness, for one input or one key.
///
/// # Errors
/// [`NoEntropy`]; the caller must not go on without.
#[allow(clippy::disallowed_methods, reason = "this is the one door to the system's randomness")]
pub fn entropy() -> Result<[u8; 32], NoEntropy> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| NoEntropy(e.to_string()))?;
    Ok(seed)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_never_goes_back_and_the_wall_is_of_our_time() {
        let clock = Clock::start();
        let (first, second) = (clock.now(), clock.now());
        assert!(second.mono >= first.mono);
        assert!(first.wall > Timestamp::parse("2024-01-01T00:00:00Z").unwrap());
        assert_eq!(clock.until(Mono(0)), Duration::ZERO);
        assert!(clock.until(second.mono.plus(60_000)) > Duration::from_secs(50));
    }

    #[test]
    fn entropy_is_fresh_each_time() {
        assert_ne!(entropy().unwrap(), entropy().unwrap());
    }
}
