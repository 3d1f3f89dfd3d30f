//! Which members to be linked with, and when to dial them. Pure: time is handed in.
//!
//! Invariants: both ends of a possible link come to the same mind about it, because a link's rank
//! is a digest of the pair; each lane has [`LINKS_PER_LANE`] of its members chosen where it has as
//! many; a peer that cannot be reached is dialled at growing distances, with a jitter that differs
//! from pair to pair and from attempt to attempt, never given up; of two stations the one with the
//! lower id dials first, so that two dials seldom cross.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use cbm_proto::{id::StationId, primitives::digest};
use tokio::time::Instant;

use super::settings::{COURTESY, LINKS_PER_LANE, STEADY};

/// A number for the pair that both ends compute alike.
fn rank(a: StationId, b: StationId, salt: u32) -> u64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    let pieces: [&[u8]; 3] = [low.as_bytes(), high.as_bytes(), &salt.to_be_bytes()];
    let digest = digest("link", &pieces);
    digest.as_bytes()[..8].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// Chooses about `target` of `members` to be linked with, and so many of each lane as it asks for.
pub(super) fn choose<'a>(
    me: StationId,
    members: impl Iterator<Item = StationId>,
    lanes: impl Iterator<Item = &'a BTreeSet<StationId>>,
    target: usize,
) -> BTreeSet<StationId> {
    let ranked: BTreeSet<(u64, StationId)> =
        members.filter(|peer| *peer != me).map(|peer| (rank(me, peer, 0), peer)).collect();
    let mut chosen: BTreeSet<StationId> = ranked.iter().take(target).map(|(_, id)| *id).collect();
    for lane in lanes {
        let have = chosen.intersection(lane).count();
        let more: Vec<_> = ranked
            .iter()
            .map(|(_, id)| *id)
            .filter(|id| lane.contains(id) && !chosen.contains(id))
            .take(LINKS_PER_LANE.saturating_sub(have))
            .collect();
        chosen.extend(more);
    }
    chosen
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Down { dial_at: Instant },
    Dialling,
    Up { since: Instant },
}

#[derive(Clone, Copy, Debug)]
struct Link {
    state: State,
    failures: u32,
}

/// The links that are wanted, and how they stand.
#[derive(Debug)]
pub(super) struct Links {
    me: StationId,
    least: Duration,
    most: Duration,
    links: BTreeMap<StationId, Link>,
}

impl Links {
    /// None wanted yet. `redial` is the shortest and the longest distance of two attempts.
    pub(super) fn new(me: StationId, redial: (Duration, Duration)) -> Self {
        let least = redial.0.max(Duration::from_millis(10));
        Self { me, least, most: redial.1.max(least), links: BTreeMap::new() }
    }

    /// From now on exactly these are wanted; `up` tells which of them are linked already.
    pub(super) fn want(
        &mut self,
        wanted: &BTreeSet<StationId>,
        up: &BTreeSet<StationId>,
        now: Instant,
    ) {
        self.links.retain(|peer, _| wanted.contains(peer));
        for peer in wanted {
            let patience = if self.me < *peer { Duration::ZERO } else { self.delay(*peer, 0) };
            let state = if up.contains(peer) {
                State::Up { since: now }
            } else {
                State::Down { dial_at: now + patience }
            };
            self.links.entry(*peer).or_insert(Link { state, failures: 0 });
        }
    }

    /// Doubled with each failure up to the longest, times 0.5 to 1.5 by the pair and the attempt,
    /// alike on both sides; the side with the higher id adds some, so that dials seldom cross.
    fn delay(&self, peer: StationId, failures: u32) -> Duration {
        let base = self.least.saturating_mul(1 << failures.min(20)).min(self.most);
        let percent = 50 + rank(self.me, peer, failures + 1) % 100;
        let courtesy = if self.me < peer { Duration::ZERO } else { (self.least * 4).min(COURTESY) };
        courtesy + base * u32::try_from(percent).unwrap_or(100) / 100
    }

    /// Whom to dial now; they count as being dialled until told otherwise.
    pub(super) fn due(&mut self, now: Instant) -> Vec<StationId> {
        let due = self.links.iter_mut().filter_map(|(peer, link)| match link.state {
            State::Down { dial_at } if dial_at <= now => {
                link.state = State::Dialling;
                Some(*peer)
            }
            _ => None,
        });
        due.collect()
    }

    /// When [`Links::due`] is worth asking again.
    pub(super) fn next(&self) -> Option<Instant> {
        let due = self.links.values().filter_map(|link| match link.state {
            State::Down { dial_at } => Some(dial_at),
            _ => None,
        });
        due.min()
    }

    /// A connection stands, whoever dialled.
    pub(super) fn up(&mut self, peer: StationId, now: Instant) {
        if let Some(link) = self.links.get_mut(&peer) {
            link.state = State::Up { since: now };
        }
    }

    /// The last connection is gone, or a dial failed. A link that stood long enough starts anew;
    /// one that the other side shut at once counts as a failure, or it would be dialled for ever
    /// at the shortest distance.
    pub(super) fn down(&mut self, peer: StationId, now: Instant) {
        let Some(link) = self.links.get(&peer).copied() else { return };
        let steady = matches!(link.state, State::Up { since } if now - since >= STEADY);
        let failures = if steady { 0 } else { link.failures.saturating_add(1) };
        let dial_at = now + self.delay(peer, failures.saturating_sub(1));
        self.links.insert(peer, Link { state: State::Down { dial_at }, failures });
    }

    /// Dial this one now, if it is wanted and not linked.
    pub(super) fn hurry(&mut self, peer: StationId, now: Instant) {
        if let Some(link) = self.links.get_mut(&peer)
            && let State::Down { .. } = link.state
        {
            *link = Link { state: State::Down { dial_at: now }, failures: 0 };
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    const LEAST: Duration = Duration::from_millis(100);
    const MOST: Duration = Duration::from_secs(2);

    fn station(n: u16) -> StationId {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&n.to_be_bytes());
        StationId(id)
    }

    #[test]
    fn lanes_get_their_links_beyond_the_target() {
        let lane: BTreeSet<_> = (90..95).map(station).collect();
        for me in (0..100).map(station) {
            let chosen = choose(me, (0..100).map(station), std::iter::once(&lane), 10);
            assert!(!chosen.contains(&me) && chosen.len() <= 10 + LINKS_PER_LANE);
            assert!(chosen.intersection(&lane).count() >= LINKS_PER_LANE);
        }
        assert_eq!(choose(station(1), (0..3).map(station), std::iter::empty(), 40).len(), 2);
    }

    #[test]
    fn the_chosen_links_hold_a_network_together() {
        let all = || (0..200).map(station);
        let chosen: BTreeMap<_, _> =
            all().map(|me| (me, choose(me, all(), std::iter::empty(), 8))).collect();
        let mut reached = BTreeSet::from([station(0)]);
        let mut ahead = vec![station(0)];
        while let Some(at) = ahead.pop() {
            for (other, theirs) in &chosen {
                if (theirs.contains(&at) || chosen[&at].contains(other)) && reached.insert(*other) {
                    ahead.push(*other);
                }
            }
        }
        assert_eq!(reached.len(), 200);
    }

    #[test]
    fn attempts_drift_apart_and_never_end() {
        let (now, peer) = (Instant::now(), station(2));
        let mut links = Links::new(station(1), (LEAST, MOST));
        links.want(&BTreeSet::from([peer]), &BTreeSet::new(), now);
        assert_eq!(links.due(now), [peer], "the lower id dials at once");
        let mut at = now;
        for attempt in 0..40 {
            links.down(peer, at);
            let next = links.next().unwrap();
            assert!(links.due(at).is_empty());
            let waited = next - at;
            assert!(waited >= LEAST / 2 && waited <= MOST * 3 / 2);
            assert!(attempt < 8 || waited >= MOST / 2);
            at = next;
            assert_eq!(links.due(at), [peer]);
        }
    }

    #[test]
    fn a_link_shut_at_once_is_a_failure_and_a_steady_one_starts_anew() {
        let (now, peer) = (Instant::now(), station(1));
        let mut links = Links::new(station(2), (LEAST, MOST));
        links.want(&BTreeSet::from([peer]), &BTreeSet::new(), now);
        assert!(links.due(now).is_empty(), "the higher id waits");
        for _ in 0..10 {
            links.up(peer, now);
            links.down(peer, now + Duration::from_millis(1));
        }
        assert!(links.next().unwrap() - now >= MOST / 2);
        links.up(peer, now);
        links.down(peer, now + STEADY);
        assert!(links.next().unwrap() - (now + STEADY) <= LEAST * 4 + LEAST * 3 / 2);
        links.hurry(peer, now + STEADY);
        assert_eq!(links.due(now + STEADY), [peer]);
    }
}
