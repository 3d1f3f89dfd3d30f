//! Envelopes that come: by gossip, by push, by catch-up (`docs/spec/sync.md`).
//!
//! Every way ends in [`Station::take_in`], which checks once and books once. It neither decrypts
//! nor waits for the disk, so the verdict leaves within the time of one signature check.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::accord::Member;
use crate::envelope::{Envelope, Kind, Recipients, Refusal};
use crate::event::Verdict;
use crate::feeds::Novelty;
use crate::id::{Digest, FeedId, StationId};
use crate::limits::VERIFIED_MAX;
use crate::primitives::SignPublic;
use crate::sync::{Custody, Numbers};
use crate::time::Mono;

use super::{Fault, Station, Turn};

/// How an envelope came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By gossip: under the author's rate unless it is for us.
    Gossip,
    /// By a stream: somebody wants us to have it, or we asked for it.
    Stream,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Held, now or already.
    Held,
    /// Its header is good; the body did not come along and is asked for.
    Headless,
    /// Taken later, by catch-up: its author is over the rate.
    Deferred,
    /// Refused.
    Refused(Refusal),
    /// Good, and not ours to keep.
    NotOurs,
}

/// What a lane is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// A group in which both the author and we are.
    Group,
    /// Between the author and this other station, one of the two being us.
    Pair(StationId),
    /// Between two others.
    Foreign,
    /// A group in which the author or we are not.
    Closed,
}

/// Token buckets, one an author: fair shares at this hop.
#[derive(Debug, Default)]
pub(super) struct Rates(BTreeMap<StationId, Bucket>);

#[derive(Debug)]
struct Bucket {
    /// Thousandths of a header.
    level: u64,
    at: Mono,
}

impl Rates {
    /// Takes one header of this author, if the rate allows.
    pub(super) fn take(
        &mut self,
        author: StationId,
        now: Mono,
        per_minute: u64,
        burst: u64,
    ) -> bool {
        let full = burst.saturating_mul(1_000);
        let bucket = self.0.entry(author).or_insert(Bucket { level: full, at: now });
        // Thousandths of a header that flow in: ms × headers a minute / 60.
        let inflow = now.since(bucket.at).saturating_mul(per_minute) / 60;
        bucket.level = bucket.level.saturating_add(inflow).min(full);
        bucket.at = now;
        let enough = bucket.level >= 1_000;
        if enough {
            bucket.level -= 1_000;
        }
        enough
    }
}

/// The latest headers whose signatures were found good, so that the copies of a letter that come by
/// other ways at the same moment cost no second verification.
#[derive(Debug, Default)]
pub(super) struct Verified {
    order: VecDeque<Digest>,
    all: BTreeSet<Digest>,
}

impl Verified {
    fn enter(&mut self, signed: Digest) {
        if self.all.insert(signed) {
            self.order.push_back(signed);
        }
        while self.order.len() > VERIFIED_MAX {
            let Some(oldest) = self.order.pop_front() else { return };
            self.all.remove(&oldest);
        }
    }
}

impl Station {
    /// One gossip message; exactly one verdict.
    pub(super) fn hear(&mut self, turn: &mut Turn, from: StationId, bytes: Bytes) -> Verdict {
        match self.take_in(turn, from, bytes, Way::Gossip) {
            Taken::Held | Taken::Headless => Verdict::Accept,
            Taken::Deferred | Taken::NotOurs => Verdict::Ignore,
            Taken::Refused(refusal) => refusal.verdict(),
        }
    }

    /// One pushed envelope.
    pub(super) fn pushed(&mut self, turn: &mut Turn, from: StationId, bytes: Bytes) -> Custody {
        match self.take_in(turn, from, bytes, Way::Stream) {
            Taken::Held => Custody::Stored,
            Taken::Headless | Taken::Deferred | Taken::NotOurs => Custody::Deferred,
            Taken::Refused(refusal) if refusal.verdict() == Verdict::Reject => Custody::Refused,
            Taken::Refused(_) => Custody::Deferred,
        }
    }

    /// Checks an envelope and books it.
    pub(super) fn take_in(
        &mut self,
        turn: &mut Turn,
        from: StationId,
        bytes: Bytes,
        way: Way,
    ) -> Taken {
        let envelope = match self.verify(bytes.clone()) {
            Ok(envelope) => envelope,
            Err(refusal) => {
                self.suspect(turn, from, refusal, &bytes);
                if refusal.wants_documents() {
                    self.ask_documents(turn, from);
                }
                return Taken::Refused(refusal);
            }
        };
        if envelope.header().kind == Kind::Beacon {
            return self.take_beacon(turn, &envelope);
        }
        match self.lane_of(&envelope.feed()) {
            Lane::Closed => Taken::NotOurs,
            Lane::Foreign => self.carry(turn, from, &envelope, way),
            Lane::Group => self.book(turn, from, &envelope, way),
            Lane::Pair(other) => {
                self.pairs.learn(envelope.header().lane, other);
                self.pairs.seen_on_gossip(&envelope, way);
                self.book(turn, from, &envelope, way)
            }
        }
    }

    /// Passed on only if it is news and within the rate: every role may say beacons.
    fn take_beacon(&mut self, turn: &mut Turn, envelope: &Envelope) -> Taken {
        let author = envelope.header().author;
        if author == self.me {
            if !self.may_be_our_beacon(envelope) {
                self.meet_own_beacon(turn, envelope);
            }
            return Taken::NotOurs;
        }
        let limits = self.directory.limits();
        let (rate, burst) = (limits.headers_per_minute, limits.headers_burst);
        if !self.beacon_rates.take(author, turn.now.mono, rate, burst) {
            return Taken::Deferred;
        }
        match self.hear_beacon(turn, envelope) {
            true => Taken::Held,
            false => Taken::NotOurs,
        }
    }

    /// Form, network, author, accord version, signature.
    pub(super) fn verify(&mut self, bytes: Bytes) -> Result<Envelope, Refusal> {
        let envelope = Envelope::decode(bytes)?;
        let header = envelope.header();
        if header.network != self.directory.network() {
            return Err(Refusal::ForeignNetwork);
        }
        let author = self.directory.member(&header.author).ok_or(Refusal::UnknownAuthor)?;
        if header.kind != Kind::Beacon && self.state(&header.author).is_none() {
            return Err(Refusal::Role);
        }
        if header.accord_version > self.directory.accord_version() {
            return Err(Refusal::UnknownVersion(header.accord_version));
        }
        let known = signed_with(author, &envelope);
        // It names who signed: a key of nobody may be one whose certificate is on its way.
        let unknown = || Refusal::UnknownKey(envelope.signed_by().next().unwrap_or(header.epoch));
        let key = known.ok_or_else(unknown)?;
        // The key is looked up and judged anew each time; only the arithmetic is not done twice.
        let signed = envelope.signed_digest(&key.id());
        if !self.verified.all.contains(&signed) {
            envelope.verify(key)?;
        }
        self.still_counts(&envelope, key.id())?;
        // By a certificate that is not here yet: kept now, it could not be opened.
        if header.kind == Kind::Sealed && !author.epochs.contains_key(&header.epoch) {
            return Err(Refusal::UnknownKey(header.epoch));
        }
        self.verified.enter(signed);
        Ok(envelope)
    }

    /// What names an envelope whose author's signature is good, for [`Station::note_verified`]; the
    /// arithmetic alone, which may be done on another core.
    #[must_use]
    pub fn signed_well(&self, bytes: &Bytes) -> Option<Digest> {
        let envelope = Envelope::decode(bytes.clone()).ok()?;
        let author = self.directory.member(&envelope.header().author)?;
        let key = signed_with(author, &envelope)?;
        envelope.verify(key).ok()?;
        Some(envelope.signed_digest(&key.id()))
    }

    /// Takes over what [`Station::signed_well`] found, for the envelopes that come next.
    pub fn note_verified(&mut self, signed: Vec<Digest>) {
        signed.into_iter().for_each(|signed| self.verified.enter(signed));
    }

    /// Books a numbered envelope of a feed that we keep.
    fn book(&mut self, turn: &mut Turn, from: StationId, envelope: &Envelope, way: Way) -> Taken {
        let header = *envelope.header();
        let feed = envelope.feed();
        let novelty =
            self.feeds.get(&feed).map_or(Novelty::New, |f| f.judge(header.seq, envelope.id()));
        if header.author == self.me {
            self.hear_oneself(turn, envelope, novelty == Novelty::Copy);
            let group = self.directory.lane_members(&header.lane).is_some();
            if novelty != Novelty::Copy && group && header.kind == Kind::Sealed {
                self.own_but_unknown(envelope.id());
            }
        }
        if novelty == Novelty::Copy {
            self.say_again(turn, envelope);
            let held = self.refill(turn, envelope, way);
            return if held { Taken::Held } else { Taken::Deferred };
        }
        self.accuse(turn, envelope);
        let for_us = self.addressed(envelope);
        if way == Way::Gossip && !for_us && !self.within_rate(turn, header.author) {
            return Taken::Deferred;
        }
        let whole = envelope.has_body() && envelope.has_stanzas();
        if !whole && !self.is_enough(turn, from, envelope, way) {
            if way == Way::Gossip {
                self.claim(from, Numbers { feed, from: header.seq, to: header.seq });
                self.pull(turn, from);
            }
            return Taken::Headless;
        }
        self.keep(turn, envelope);
        if let Novelty::Fork(held) = novelty {
            self.inbox.mark_forked(&held);
        }
        let state = self.feeds.at(feed);
        state.take(header.seq, envelope.id(), header.prev);
        let mark = state.mark();
        self.after_booking(turn, from, feed, (mark, header.seq));
        if for_us {
            self.unopened.push_back(envelope.clone());
        }
        Taken::Held
    }

    /// Asks at once for what lies between the mark and the number that came.
    fn after_booking(&mut self, turn: &mut Turn, from: StationId, feed: FeedId, gap: (u64, u64)) {
        if self.planted(Fault::MarkPastHole) {
            return self.feeds.at(feed).jump();
        }
        let (mark, seq) = gap;
        if seq > mark + 1 {
            self.claim(from, Numbers { feed, from: mark + 1, to: seq - 1 });
            self.pull(turn, from);
        }
    }

    /// An envelope between two others: kept for 72 hours for whoever finds its tag in it.
    fn carry(&mut self, turn: &mut Turn, from: StationId, envelope: &Envelope, way: Way) -> Taken {
        let header = envelope.header();
        if self.pairs.carries(header.made_at, &envelope.id()) {
            return Taken::Held;
        }
        if way == Way::Gossip && !self.within_rate(turn, header.author) {
            return Taken::Deferred;
        }
        if !envelope.has_body() || !envelope.has_stanzas() {
            if way == Way::Gossip {
                self.meet.want_carried(from, envelope.id());
                self.pull(turn, from);
            }
            return Taken::Headless;
        }
        if !self.pairs.take(self.trusted(turn.now), envelope) {
            return Taken::NotOurs;
        }
        self.keep(turn, envelope);
        Taken::Held
    }

    fn within_rate(&mut self, turn: &Turn, author: StationId) -> bool {
        let limits = self.directory.limits();
        let (rate, burst) = (limits.headers_per_minute, limits.headers_burst);
        author == self.me || self.rates.take(author, turn.now.mono, rate, burst)
    }

    /// Whether one of its stanzas is for us, or it is under a sender key: of a feed that we keep, that
    /// is for all readers of its lane.
    pub(super) fn addressed(&self, envelope: &Envelope) -> bool {
        let header = envelope.header();
        if header.kind != Kind::Sealed || header.author == self.me {
            return false;
        }
        matches!(header.recipients, Recipients::SenderKey(_)) || self.key_to(envelope).is_some()
    }

    /// What a feed's lane is to us. Pair lanes are pseudonyms: only their two ends know them.
    pub(super) fn lane_of(&self, feed: &FeedId) -> Lane {
        if let Some(members) = self.directory.lane_members(&feed.lane) {
            let inside = members.contains(&feed.author) && members.contains(&self.me);
            return if inside { Lane::Group } else { Lane::Closed };
        }
        if let Some(other) = self.pairs.end_of(&feed.lane) {
            return Lane::Pair(other);
        }
        self.recognise(feed).map_or(Lane::Foreign, Lane::Pair)
    }

    /// The station at the other end, if we are at one.
    fn recognise(&self, feed: &FeedId) -> Option<StationId> {
        if feed.author != self.me {
            return self.secrets.names(&feed.author, feed).then_some(feed.author);
        }
        self.secrets.peers().find(|peer| self.secrets.names(peer, feed)).copied()
    }
}

/// The author's key that one of the envelope's signatures names.
fn signed_with<'a>(author: &'a Member, envelope: &Envelope) -> Option<&'a SignPublic> {
    envelope.signed_by().find_map(|id| author.sign_key(&id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_verified_headers_are_remembered_than_the_bound_says() {
        let mut verified = Verified::default();
        let digest = |n: usize| crate::primitives::digest("test", &[&n.to_be_bytes()]);
        (0..=VERIFIED_MAX).for_each(|n| verified.enter(digest(n)));
        verified.enter(digest(1));
        assert!(!verified.all.contains(&digest(0)) && verified.all.contains(&digest(1)));
        assert_eq!((verified.all.len(), verified.order.len()), (VERIFIED_MAX, VERIFIED_MAX));
    }

    #[test]
    fn a_rate_lets_the_burst_through_and_then_the_flow() {
        let mut rates = Rates::default();
        let author = StationId([1; 16]);
        let mut taken = |ms: u64| rates.take(author, Mono(ms), 60, 3);
        assert!(taken(0) && taken(0) && taken(0));
        assert!(!taken(500), "half a second brings half a header");
        assert!(taken(1_000));
        assert!(!taken(1_000));
    }
}
