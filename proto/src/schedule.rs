//! What is due when, on the monotonic clock.
//!
//! Level 4. Timers are plain values: whoever set one checks, when it fires, whether it still
//! means anything, so nothing ever has to be found and taken out. Two timers of one instant fire
//! in the order in which they were set (invariant I10). Clocks that people see (`due_at`) run on
//! wall time and are computed when asked for, never from here.

use std::collections::BTreeMap;

use crate::id::{EnvelopeId, MsgId, StationId};
use crate::time::Mono;

/// Something to do at its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// Say a letter again to an addressee that has not confirmed it.
    Retry(MsgId, StationId),
    /// A pair-lane envelope: dial its addressee.
    PairDial(EnvelopeId),
    /// A pair-lane envelope that was not confirmed: put it into gossip.
    PairSpread(EnvelopeId),
    /// Tell authors that their letters are in the inbox (L2), together.
    Receipts,
    /// Say a beacon, and look whose beacons are missing.
    Beacon,
    /// Compare with a random linked peer.
    Reconcile,
    /// Letters wait for sender keys that are not here: ask their authors.
    Locked,
    /// Look whether the station may speak.
    Voice,
    /// Ask for what a lost disk held.
    Regain,
    /// Seal the next letter again that was asked for.
    Reseal,
    /// A letter that an addressee did not know is sealed again: not sooner than now.
    Mend,
    /// Give up a question that was not answered, and ask elsewhere.
    Questions,
}

/// Timers in the order of their time.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    due: BTreeMap<(Mono, u64), Timer>,
    set: u64,
}

impl Schedule {
    /// Sets a timer.
    pub fn at(&mut self, when: Mono, timer: Timer) {
        self.set += 1;
        self.due.insert((when, self.set), timer);
    }

    /// When the next one is due.
    #[must_use]
    pub fn next(&self) -> Option<Mono> {
        self.due.keys().next().map(|(when, _)| *when)
    }

    /// Takes the next one that is due.
    pub fn pop(&mut self, now: Mono) -> Option<Timer> {
        let entry = self.due.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// How many are set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// Whether none is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
    }
}

/// Milliseconds to wait before the `attempt`-th repetition (from 1): 3 s, then three times as long
/// each, at most 5 minutes, plus up to a quarter drawn by the caller so that stations that lost
/// the same link do not come back in one instant.
#[must_use]
pub fn backoff(attempt: u32, draw: impl FnOnce(u64) -> u64) -> u64 {
    let base = 3_000_u64.saturating_mul(3_u64.saturating_pow(attempt.saturating_sub(1)));
    let base = base.min(300_000);
    base + draw(base / 4 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_in_time_and_then_in_the_order_they_were_set() {
        let mut schedule = Schedule::default();
        schedule.at(Mono(20), Timer::Reconcile);
        schedule.at(Mono(10), Timer::Beacon);
        schedule.at(Mono(10), Timer::Voice);
        assert_eq!(schedule.next(), Some(Mono(10)));
        assert_eq!(schedule.pop(Mono(9)), None);
        let fired: Vec<_> = std::iter::from_fn(|| schedule.pop(Mono(15))).collect();
        assert_eq!(fired, [Timer::Beacon, Timer::Voice]);
        assert_eq!(schedule.len(), 1);
    }

    #[test]
    fn repetitions_grow_apart_and_stay_bounded() {
        assert_eq!(backoff(1, |_| 0), 3_000);
        assert_eq!(backoff(2, |_| 0), 9_000);
        assert_eq!(backoff(u32::MAX, |n| n - 1), 375_000);
    }
}
