//! What a line and a place's access do to packets. Pure: time and draws are handed in.
//!
//! Invariants: what enters a pipe leaves it in the order it came, no faster than its rate; what
//! would wait longer than the pipe's queue is dropped, as a modem with a full buffer does. Called
//! by `switch`.

use std::time::{Duration, Instant};

use crate::chance::Chance;

/// From one place to another, in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// How long a packet is under way.
    pub delay: Duration,
    /// Packets that are lost, of a thousand.
    pub loss: u64,
    /// Nothing passes.
    pub cut: bool,
}

impl Line {
    /// How long the next packet takes; `None`: it is lost. One draw for each packet.
    pub(super) fn pass(&self, chance: &mut Chance) -> Option<Duration> {
        let lost = chance.below(1_000) < self.loss;
        (!self.cut && !lost).then_some(self.delay)
    }
}

/// What a place can send, or receive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pipe {
    /// Bits per second; `None`: no limit.
    pub rate: Option<u64>,
    /// The longest that a packet waits for those before it.
    pub queue: Duration,
    busy_until: Option<Instant>,
}

impl Pipe {
    /// Of so many bits per second, with a queue of this length.
    #[must_use]
    pub const fn new(rate: u64, queue: Duration) -> Self {
        Self { rate: Some(rate), queue, busy_until: None }
    }

    /// When a packet of so many bytes that enters now has left; `None`: there is no room for it.
    pub(super) fn pass(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let Some(rate) = self.rate else { return Some(now) };
        let begin = self.busy_until.map_or(now, |busy| busy.max(now));
        if begin - now > self.queue {
            return None;
        }
        let nanos = bytes as u64 * 8 * 1_000_000_000 / rate.max(1);
        let end = begin + Duration::from_nanos(nanos);
        self.busy_until = Some(end);
        Some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_keeps_its_rate_and_its_queue() {
        let (now, mut pipe) = (Instant::now(), Pipe::new(64_000, Duration::from_secs(1)));
        let left: Vec<_> = (0..10).map_while(|_| pipe.pass(now, 1_000)).collect();
        assert_eq!(left.len(), 9, "8 s of packets wait up to 1 s: 125 ms each, and one under way");
        assert_eq!(left[8] - now, Duration::from_millis(9 * 125));
        let later = now + Duration::from_secs(9);
        assert_eq!(pipe.pass(later, 1_000), Some(later + Duration::from_millis(125)));
        assert_eq!(Pipe::default().pass(now, 1_500), Some(now));
    }

    #[test]
    fn a_line_loses_its_share_by_its_seed() {
        let line = Line { loss: 50, ..Line::default() };
        let lost = |seed| {
            let mut chance = Chance::new(seed, "line");
            (0..2_000).map(|_| line.pass(&mut chance).is_none()).collect::<Vec<_>>()
        };
        let count = lost(7).iter().filter(|lost| **lost).count();
        assert!((60..140).contains(&count), "{count} of 2,000 lost, 100 expected");
        assert!(lost(7) == lost(7) && lost(7) != lost(8));
        assert_eq!(Line { cut: true, ..line }.pass(&mut Chance::new(7, "line")), None);
    }
}
