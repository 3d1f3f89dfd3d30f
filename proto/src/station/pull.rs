//! Catch-up: what peers claim to hold, and asking them for it (`docs/spec/sync.md`).
//!
//! Whatever a peer claims is asked for in bounded requests, a few at a time, each number of one
//! peer at once; when nothing came of a claim it is forgotten until the next summary. How much is
//! asked for at once follows what comes in time ([`Pace`]): over a thin line a large answer would be
//! given up before it is there, again and again.

use crate::event::RequestId;
use crate::feeds::{self, Run};
use crate::id::{EnvelopeId, FeedId, StationId};
use crate::limits::{BATCH_COUNT, REQUEST_WAIT, WANT_FIRST, WANT_WAIT, WANTS_PER_PEER};
use crate::sync::{Ask, DaySets, Entry, Numbers, Say};
use crate::time::Mono;

use super::hear::Way;
use super::meet::Question;
use super::{Fault, Station, Turn};

/// How much one peer is asked for at once: twice as much whenever it answers in time, half as much
/// whenever it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace(usize);

impl Pace {
    const fn faster(self) -> Self {
        let double = self.0.saturating_mul(2);
        Self(if double > BATCH_COUNT { BATCH_COUNT } else { double })
    }

    const fn slower(self) -> Self {
        Self(if self.0 > 1 { self.0 / 2 } else { 1 })
    }

    /// Envelopes in one request.
    const fn envelopes(self) -> usize {
        self.0
    }

    /// Requests under way; over a slow line they would only take it from one another.
    const fn requests(self) -> usize {
        match self.0 / WANT_FIRST {
            0 | 1 => 1,
            2 | 3 => 2,
            _ => WANTS_PER_PEER,
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self(WANT_FIRST)
    }
}

impl Station {
    fn pace(&self, peer: StationId) -> Pace {
        self.meet.paces.get(&peer).copied().unwrap_or_default()
    }

    /// A request for envelopes that was not answered in time is waited for longer, while others may
    /// be asked for the same. False for any other, and when that time is over, too.
    pub(super) fn wait_longer(&mut self, id: RequestId) -> bool {
        let Some((peer, runs)) = self.meet.note_late(id, WANT_WAIT - REQUEST_WAIT) else {
            return false;
        };
        self.meet.land(&runs);
        let pace = self.pace(peer).slower();
        self.meet.paces.insert(peer, pace);
        true
    }

    /// What was asked of a slow peer is asked of others that claim it.
    pub(super) fn pull_from_others(&mut self, turn: &mut Turn) {
        let peers: Vec<StationId> = self.meet.claims.keys().copied().collect();
        for peer in peers {
            self.pull(turn, peer);
        }
    }

    /// What a peer holds, against what we hold.
    pub(super) fn hear_summary(
        &mut self,
        turn: &mut Turn,
        peer: StationId,
        all: &[Entry],
        days: &DaySets,
    ) {
        self.meet.claims.remove(&peer);
        for entry in all {
            if self.concerns(peer, &entry.feed) {
                for (from, to) in entry.runs() {
                    self.claim(peer, Numbers { feed: entry.feed, from, to });
                }
                self.compare_heads(turn, peer, entry);
            }
        }
        self.compare_proofs(turn, peer, all);
        for id in days.values().flatten() {
            self.pairs.note_spread(id);
            if !self.pairs.holds(id) {
                self.meet.want_carried(peer, *id);
            }
        }
        self.pull(turn, peer);
    }

    /// Whether both this peer and we take part in a feed: author, peer and we are in the group, or
    /// it is a lane between the two of us. Nothing is remembered of a feed that is only claimed.
    fn concerns(&self, peer: StationId, feed: &FeedId) -> bool {
        match self.directory.lane_members(&feed.lane) {
            Some(members) => [peer, self.me, feed.author].iter().all(|id| members.contains(id)),
            None => [peer, self.me].contains(&feed.author) && self.secrets.names(&peer, feed),
        }
    }

    /// Another head than the header that we hold of that number: the author may have signed two. A
    /// claim proves nothing, so the other header is asked for; it accuses by itself when it comes.
    fn compare_heads(&mut self, turn: &mut Turn, peer: StationId, entry: &Entry) {
        let (Some(held), Some(head)) = (self.feeds.get(&entry.feed), entry.head) else { return };
        if held.remembers(entry.mark).is_none()
            || held.knows(entry.mark, &head)
            || self.meet.wants_under_way(peer) >= self.pace(peer).requests()
        {
            return;
        }
        let (feed, mark) = (entry.feed, entry.mark);
        let ask = Ask::Want(vec![Numbers { feed, from: mark, to: mark }], Vec::new());
        self.ask(turn, peer, &ask, Question::Want(vec![(feed, (mark, mark))]));
    }

    /// A peer holds these numbers.
    pub(super) fn claim(&mut self, peer: StationId, numbers: Numbers) {
        let mark = self.feeds.get(&numbers.feed).map_or(0, feeds::Feed::mark);
        if numbers.to <= mark || self.planted(Fault::GapIgnored) {
            return;
        }
        let runs = self.meet.claims.entry(peer).or_default().feeds.entry(numbers.feed).or_default();
        runs.push((numbers.from, numbers.to));
        feeds::tidy(runs, mark);
    }

    /// Asks a peer for what it claims and we lack, a few requests at a time.
    pub(super) fn pull(&mut self, turn: &mut Turn, peer: StationId) {
        if !self.meet.linked.contains(&peer) {
            return;
        }
        while self.meet.wants_under_way(peer) < self.pace(peer).requests() {
            let runs = self.next_runs(turn.now.mono, peer);
            if runs.is_empty() {
                break;
            }
            for (feed, (from, to)) in &runs {
                self.meet.flying.extend((*from..=*to).map(|n| (*feed, n)));
            }
            let number =
                |(feed, (from, to)): &(FeedId, Run)| Numbers { feed: *feed, from: *from, to: *to };
            let ask = Ask::Want(runs.iter().map(number).collect(), Vec::new());
            self.ask(turn, peer, &ask, Question::Want(runs));
        }
        self.pull_carried(turn, peer);
    }

    fn pull_carried(&mut self, turn: &mut Turn, peer: StationId) {
        let pace = self.pace(peer);
        if self.meet.wants_under_way(peer) >= pace.requests() {
            return;
        }
        let Some(claims) = self.meet.claims.get_mut(&peer) else { return };
        let ids: Vec<EnvelopeId> = claims.carried.iter().copied().take(pace.envelopes()).collect();
        claims.carried.retain(|id| !ids.contains(id));
        if !ids.is_empty() {
            let ask = Ask::Want(Vec::new(), ids.clone());
            self.ask(turn, peer, &ask, Question::WantCarried(ids));
        }
    }

    /// The next missing runs that this peer claims and nobody is asked for, one request's worth.
    fn next_runs(&self, now: Mono, peer: StationId) -> Vec<(FeedId, Run)> {
        let mut room = self.pace(peer).envelopes();
        let mut out = Vec::new();
        let Some(claims) = self.meet.claims.get(&peer) else { return out };
        let nothing = feeds::Feed::default();
        for (feed, runs) in &claims.feeds {
            let held = self.feeds.get(feed).unwrap_or(&nothing);
            let runs = self.let_go.open_runs(now, peer, feed, runs);
            for n in held.missing(&runs).into_iter().flat_map(|(from, to)| from..=to) {
                if room == 0 {
                    return out;
                }
                if self.meet.flying.contains(&(*feed, n)) {
                    continue;
                }
                room -= 1;
                match out.last_mut() {
                    Some((last, (_, to))) if last == feed && to.checked_add(1) == Some(n) => {
                        *to = n
                    }
                    _ => out.push((*feed, (n, n))),
                }
            }
        }
        out
    }

    pub(super) fn wanted(
        &mut self,
        turn: &mut Turn,
        peer: StationId,
        runs: &[(FeedId, Run)],
        say: Option<Say>,
        late: bool,
    ) {
        self.take_envelopes(turn, peer, say);
        // Something may have come that we had, or that nobody asked for: only what was missing and
        // is there now keeps a claim alive.
        let came = |(feed, (from, to)): &(FeedId, Run)| {
            let held = self.feeds.get(feed);
            held.is_some_and(|held| (*from..=*to).any(|n| held.holds(n)))
        };
        if runs.iter().any(came) {
            self.hurry(peer, late);
        } else if let Some(claims) = self.meet.claims.get_mut(&peer) {
            claims.feeds.retain(|feed, _| !runs.iter().any(|(asked, _)| asked == feed));
        }
        self.pull(turn, peer);
    }

    pub(super) fn wanted_carried(
        &mut self,
        turn: &mut Turn,
        peer: StationId,
        ids: &[EnvelopeId],
        say: Option<Say>,
        late: bool,
    ) {
        self.take_envelopes(turn, peer, say);
        if ids.iter().any(|id| self.pairs.holds(id)) {
            self.hurry(peer, late);
            for id in ids.iter().filter(|id| !self.pairs.holds(id)) {
                self.meet.want_carried(peer, *id);
            }
        }
        self.pull(turn, peer);
    }

    /// An answer brought something.
    fn hurry(&mut self, peer: StationId, late: bool) {
        if !late {
            let pace = self.pace(peer).faster();
            self.meet.paces.insert(peer, pace);
        }
    }

    fn take_envelopes(&mut self, turn: &mut Turn, peer: StationId, say: Option<Say>) {
        let Some(Say::Envelopes(envelopes, _)) = say else { return };
        for bytes in envelopes {
            self.take_in(turn, peer, bytes, Way::Stream);
        }
    }
}
