//! Is our clock right (`docs/spec/sync.md`, beacons)?
//!
//! Clocks are set, mostly by mistake and mostly while nobody looks. Others' beacons show it, and so
//! does our own monotonic clock, at once. Invariant: what expired by a clock that turns out to be
//! wrong is taken up again. Called by `Station` at each input and with each beacon.

use std::collections::BTreeMap;

use crate::event::{Notice, Speak};
use crate::id::{MsgId, PartyCode, StationId};
use crate::limits::{CLOCK_DOUBT, EXPIRED_NOTED};
use crate::schedule::{Timer, backoff};
use crate::time::{MINUTE, Now};

use super::{Station, Turn, voice::Heartbeat};

impl Station {
    /// How many parties' clocks were heard of late, and the median of theirs minus ours,
    /// milliseconds. A party counts once, however many stations it has.
    #[must_use]
    pub fn clock_offset(&self, now: Now) -> (usize, i64) {
        let mut parties: BTreeMap<&PartyCode, Vec<i64>> = BTreeMap::new();
        for (id, heartbeat) in &self.voice.beacons {
            let fresh = now.mono.since(heartbeat.heard) < 5 * MINUTE;
            if let Some(member) = self.directory.member(id).filter(|_| fresh) {
                parties.entry(member.name.party()).or_default().push(heartbeat.offset(now));
            }
        }
        let offsets: Vec<i64> = parties.into_values().map(median).collect();
        (offsets.len(), median(offsets))
    }

    /// Looks at the clock anew.
    pub(super) fn judge_clock(&mut self, turn: &mut Turn) {
        let (parties, median) = self.clock_offset(turn.now);
        let off = parties >= 3 && median.unsigned_abs() > CLOCK_DOUBT;
        let trusted = !off && turn.now.wall >= self.voice.newest;
        if trusted != self.voice.trusted {
            self.voice.trusted = trusted;
            turn.speak(Speak::Tell(Notice::ClockInDoubt(!trusted)));
            self.take_up_expired(turn);
        }
    }

    /// At each input: a clock that was set is judged before anything is decided by it.
    pub(super) fn feel_clock(&mut self, turn: &mut Turn) {
        let Now { wall, mono } = turn.now;
        let before = self.voice.clocks.replace(turn.now);
        let expected = before.map(|before| before.wall.plus(mono.since(before.mono)));
        if expected.is_some_and(|expected| wall.0.abs_diff(expected.0) > CLOCK_DOUBT) {
            self.judge_clock(turn);
            self.take_up_expired(turn);
        }
    }

    /// A letter is not said again because it expired, if the clock is right.
    pub(super) fn note_expired(&mut self, msg: MsgId, station: StationId) {
        self.expired.insert((msg, station));
        while self.expired.len() > EXPIRED_NOTED {
            self.expired.pop_first();
        }
    }

    /// The clock was set, or is trusted otherwise than before: what expired may not have.
    fn take_up_expired(&mut self, turn: &mut Turn) {
        for (msg, station) in std::mem::take(&mut self.expired) {
            let pause = backoff(1, |n| turn.entropy.below(n));
            self.schedule.at(turn.now.mono.plus(pause), Timer::Retry(msg, station));
        }
    }
}

impl Heartbeat {
    /// Its wall clock minus ours now, milliseconds, if both have gone on since it was heard.
    fn offset(&self, now: Now) -> i64 {
        let theirs = self.wall.plus(now.mono.since(self.heard));
        let signed = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
        signed(theirs.0) - signed(now.wall.0)
    }
}

fn median(mut offsets: Vec<i64>) -> i64 {
    offsets.sort_unstable();
    offsets.get(offsets.len() / 2).copied().unwrap_or(0)
}
