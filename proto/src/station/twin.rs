//! Is another node alive with our keys (`docs/spec/sync.md`, invariant I6)?
//!
//! Two nodes of one PEER key share one name on the network: what gossip brings to it reaches one of
//! the two, and neither hears the other. So each station keeps the newest beacons of every other
//! one, and shows them to it when it asks for its own heads. A station that is shown a beacon in its
//! own name, made and heard after its own start, and not by it, has a twin. Of two that both only
//! listen, the one that shows the higher incarnation gives way; one that listens gives way to one
//! that speaks; of two that speak both fall silent.

use bytes::Bytes;

use crate::envelope::{Envelope, Kind};
use crate::id::StationId;
use crate::limits::{BEACON_EVERY, ECHO_FOR, ECHOES, OWN_UNDER_WAY};
use crate::sync::Echo;
use crate::time::{Mono, SECOND};
use crate::wire;

use super::{Speaks, Station, Turn};

/// A beacon heard so shortly before our start may be our own of the run before, or a twin's: the
/// next one tells.
const RECENT: u64 = BEACON_EVERY + BEACON_EVERY / 4;
/// Until then a twin that is alive was heard once more after our own beacons of before have arrived.
const SETTLED: u64 = OWN_UNDER_WAY + RECENT;
/// How long a station listens that may be a copy: a twin says two beacons in that time.
pub(super) const LISTEN: u64 = 2 * BEACON_EVERY + SECOND;
/// Between two questions while it listens.
pub(super) const LISTEN_EVERY: u64 = 3 * SECOND;

impl Station {
    /// Keeps a beacon, to be shown to its author.
    pub(super) fn keep_echo(&mut self, turn: &Turn, beacon: &Envelope) {
        let author = beacon.header().author;
        if self.state(&author).is_none() {
            return;
        }
        let kept = self.voice.echoes.entry(author).or_default();
        if kept.iter().any(|(_, held)| held == beacon.bytes()) {
            return;
        }
        kept.push_back((turn.now.mono, beacon.bytes().clone()));
        if kept.len() > ECHOES {
            kept.pop_front();
        }
    }

    /// The beacon that came with a question. It tells of its author where gossip does not: two that
    /// share a name take the links from each other, and gossip needs one that lasts.
    pub(super) fn keep_shown(&mut self, turn: &Turn, peer: StationId, beacon: Bytes) {
        let beacon = self.verify(beacon).ok();
        let own = |b: &Envelope| b.header().author == peer && b.header().kind == Kind::Beacon;
        if let Some(beacon) = beacon.filter(own) {
            self.keep_echo(turn, &beacon);
        }
    }

    /// The newest beacons of a station, for itself.
    pub(super) fn echoes_of(&self, author: &StationId, now: Mono) -> Vec<Echo> {
        let kept = self.voice.echoes.get(author).into_iter().flatten();
        let echo = |(heard, beacon): &(Mono, Bytes)| Echo {
            beacon: beacon.clone(),
            age: now.since(*heard),
        };
        kept.map(echo).filter(|echo| echo.age <= ECHO_FOR).collect()
    }

    /// Beacons in our own name that a peer heard. Says whether one of them is so recent that the
    /// next one must be waited for.
    pub(super) fn hear_echoes(&mut self, turn: &mut Turn, echoes: Vec<Echo>) -> bool {
        let run = turn.now.mono.since(self.voice.started);
        let mut wait = 0;
        for echo in echoes {
            let Ok(beacon) = self.verify(echo.beacon) else { continue };
            let header = beacon.header();
            let own = header.author == self.me && header.kind == Kind::Beacon;
            if !own || self.may_be_our_beacon(&beacon) {
                continue;
            }
            // By the peer's clock and by the beacon's own: neither a peer that lies nor a clock
            // that was set makes a twin out of our own past.
            let heard = run.checked_sub(echo.age).filter(|heard| *heard > 0);
            match heard.filter(|_| self.is_of_this_run(&beacon)) {
                Some(heard) if self.may_be_under_way(heard) => wait = SETTLED,
                Some(_) => self.hear_own_beacon(turn, &beacon),
                None if echo.age < run.saturating_add(RECENT) => wait = wait.max(RECENT),
                None => {}
            }
        }
        run < wait
    }

    /// Whether a beacon in our name was made, by its date, after we began.
    fn is_of_this_run(&self, beacon: &Envelope) -> bool {
        beacon.header().made_at > self.voice.began
    }

    /// Whether a beacon in our name that was heard so long after our start may be one of the run
    /// before: by its date alone that does not show, because clocks are set, mostly at a start. A
    /// store that may be a copy excuses nothing.
    fn may_be_under_way(&self, heard: u64) -> bool {
        heard < OWN_UNDER_WAY && self.voice.lost.is_none()
    }

    /// One that gossip brought.
    pub(super) fn meet_own_beacon(&mut self, turn: &mut Turn, beacon: &Envelope) {
        let heard = turn.now.mono.since(self.voice.started);
        if self.is_of_this_run(beacon) && !self.may_be_under_way(heard) {
            self.hear_own_beacon(turn, beacon);
        }
    }

    /// A beacon of this run in our own name that we did not say.
    fn hear_own_beacon(&mut self, turn: &mut Turn, beacon: &Envelope) {
        let read = |body: &[u8]| wire::decode(&Bytes::copy_from_slice(body), body.len()).ok();
        let body: wire::Beacon = beacon.body().and_then(read).unwrap_or_default();
        let shown = self.shown_incarnation().map(|shown| shown.0);
        let lower = shown.is_none_or(|shown| body.incarnation[..] <= shown[..]);
        let gives_way = match (self.voice.speaks, body.voice()) {
            (Speaks::Asking, wire::Voice::Listens) => lower,
            (_, wire::Voice::Listens | wire::Voice::Clone) => false,
            // What does not say that it is silent counts as speaking.
            (Speaks::Asking | Speaks::Yes, _) => true,
            (Speaks::Clone | Speaks::Revoked, _) => false,
        };
        if gives_way {
            self.fall_silent(turn);
        }
    }

    /// Whether it found a twin before it ever spoke. It then leaves the line to the other: both bear
    /// one name there, and whatever is sent to it reaches only one of the two. One that spoke before
    /// goes on listening, or whoever stole its keys could keep it from hearing anything.
    #[must_use]
    pub fn stands_aside(&self) -> bool {
        self.voice.aside
    }

    /// Asks all linked stations again, while it is not known whether we may speak.
    pub(super) fn listen(&mut self, turn: &mut Turn) {
        self.look_for_voice(turn);
        if self.voice.speaks == Speaks::Asking && self.ask_for_twin(turn) {
            self.schedule.at(self.voice.listens_again, crate::schedule::Timer::Voice);
        }
    }

    /// Asks all linked stations whom they hear in our name, unless that was done just now.
    pub(super) fn ask_for_twin(&mut self, turn: &mut Turn) -> bool {
        let now = turn.now.mono;
        if now < self.voice.listens_again {
            return false;
        }
        self.voice.listens_again = now.plus(LISTEN_EVERY);
        let linked: Vec<StationId> =
            self.meet.linked.iter().copied().filter(|id| self.state(id).is_some()).collect();
        for peer in linked {
            self.ask_heads(turn, peer);
        }
        true
    }
}
