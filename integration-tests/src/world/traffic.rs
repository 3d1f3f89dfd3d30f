//! Packets: gossip by flooding, questions and answers over links, and links that come and go.
//!
//! Promises as little as the real mesh: a message may be lost, late, doubled or overtaken; an
//! answer may never come; a broken link may be believed in for seconds; a link that was made anew
//! before its end was noticed may never have looked broken at all.

use bytes::Bytes;
use cbm_proto::event::{Input, RequestId, Speak, Token, Topic, Verdict};
use cbm_proto::limits::WANT_WAIT;
use cbm_proto::primitives::digest;
use cbm_proto::sync::{self, Ask};
use cbm_proto::time::{MINUTE, SECOND};

use super::{Event, World};
use crate::invariants::{self, Held};
use crate::network::{Ix, LinkId};

/// How long a mesh remembers a gossip message, so as not to hand it up twice.
const SEEN_FOR: u64 = 2 * MINUTE;

/// Something under way over a link.
#[derive(Clone, Debug)]
pub(super) enum Packet {
    /// Gossip.
    Gossip(Topic, Bytes),
    /// A question of this run.
    Ask(u64, RequestId, Bytes),
    /// The answer to a question of this run.
    Say(u64, RequestId, Bytes),
}

/// How often a mesh hands up one message at most: once, and once more when it comes twice. Without
/// a bound, many neighbours that each forward what comes again would make a storm without end.
const HANDED_UP: u8 = 2;

/// What a mesh remembers of a gossip message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lately {
    at: u64,
    times: u8,
}

/// A gossip message that waits for its verdict.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    topic: Topic,
    bytes: Bytes,
    from: Ix,
}

/// A peer's question that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    asker: Ix,
    run: u64,
    id: RequestId,
}

impl World {
    /// Performs one effect of phase 4.
    pub(super) fn speak(&mut self, ix: Ix, speak: Speak) -> Held {
        match speak {
            Speak::Publish { topic, bytes } => {
                if self.hands_up(ix, topic, &bytes, false) {
                    self.flood(ix, topic, &bytes, None);
                }
            }
            Speak::Request { peer, id, bytes } => self.ask(ix, peer, id, bytes),
            Speak::Push { peer, id, envelope } => {
                let bytes = self.machines[ix].disk.envelope(&envelope).unwrap_or_default();
                self.ask(ix, peer, id, Ask::Push(bytes).encode());
            }
            Speak::Answer { token, bytes } => self.answer(ix, token, bytes),
            Speak::Serve { token, numbers, envelopes } => {
                let (found, more) = self.machines[ix].disk.read(&numbers, &envelopes);
                self.answer(ix, token, sync::serve(found, more));
            }
            Speak::Dial { peer } => {
                for other in self.machines_of(peer) {
                    let delay = self.delay();
                    self.after(delay, Event::Connect(ix, other));
                }
            }
            Speak::Hangup { peer } => self.hang_up(ix, peer),
            Speak::Membership => {
                if let Some(run) = &mut self.machines[ix].run {
                    run.topics = run.station.topics();
                }
            }
            Speak::Recall { msg, envelope } => {
                let disk = &self.machines[ix].disk;
                let about = msg.map_or_else(Vec::new, |msg| disk.about(&msg));
                let envelope = disk.envelope(&envelope);
                self.give(ix, Input::Recalled { msg, about, envelope });
            }
            Speak::Documents { results, .. } => {
                self.note(ix, "documents", format!("{results:?}").as_bytes());
            }
            Speak::Tell(notice) => return invariants::noticed(self, ix, &notice),
            Speak::Reply { token, result } => return self.replied(ix, token, result),
        }
        Ok(())
    }

    /// A machine hears bytes on everybody's topic as if this neighbour had said them.
    pub fn whisper(&mut self, from: Ix, to: Ix, bytes: Bytes) {
        let (topic, peer) = (self.everybody(), self.machines[from].station);
        if self.hands_up(to, topic, &bytes, false) {
            let token = self.token(to);
            if let Some(run) = &mut self.machines[to].run {
                run.heard.insert(token, Heard { topic, bytes: bytes.clone(), from });
            }
            self.give(to, Input::Heard { from: peer, token, bytes });
        }
    }

    /// A machine is asked to take an envelope as if this neighbour had asked; nobody hears the answer.
    pub fn push_as(&mut self, from: Ix, to: Ix, envelope: Bytes) {
        let (peer, token) = (self.machines[from].station, self.token(to));
        self.give(to, Input::Asked { peer, token, bytes: Ask::Push(envelope).encode() });
    }

    /// Carries out a verdict: what was accepted goes on to the other neighbours.
    pub(super) fn forward(&mut self, ix: Ix, token: Token, verdict: Verdict) {
        let heard = self.machines[ix].run.as_mut().and_then(|run| run.heard.remove(&token));
        let Some(Heard { topic, bytes, from }) = heard else { return };
        match verdict {
            Verdict::Accept => self.flood(ix, topic, &bytes, Some(from)),
            Verdict::Ignore => {}
            Verdict::Reject => self.rejected += 1,
        }
    }

    /// Puts bytes into gossip as somebody who is no honest station would.
    pub fn inject(&mut self, from: Ix, to: Ix, topic: Topic, bytes: Bytes) {
        if let Some(link) = self.network.believes(to, from) {
            self.after(1, Event::Arrive { to, from, link, packet: Packet::Gossip(topic, bytes) });
        }
    }

    fn flood(&mut self, ix: Ix, topic: Topic, bytes: &Bytes, except: Option<Ix>) {
        let Some(run) = &self.machines[ix].run else { return };
        let members = run.topics.get(&topic).cloned().unwrap_or_default();
        for (peer, link) in self.network.neighbours(ix) {
            if Some(peer) == except || !members.contains(&self.machines[peer].station) {
                continue;
            }
            let copies = 1 + u64::from(self.chance.network.happens(self.weather.twice));
            for _ in 0..copies {
                if !self.chance.network.happens(self.weather.loss) {
                    self.post(ix, peer, link, Packet::Gossip(topic, bytes.clone()));
                }
            }
        }
    }

    /// Whether the mesh of this machine hands the message up: it has not seen it lately, or comes
    /// `again` with it.
    fn hands_up(&mut self, ix: Ix, topic: Topic, bytes: &Bytes, again: bool) -> bool {
        let name = match topic {
            Topic::Lane(lane) => lane.0,
            Topic::Beacon => [0; 16],
        };
        let now = self.now;
        let Some(run) = &mut self.machines[ix].run else { return false };
        let message = digest("sim-gossip", &[&name, bytes]);
        let lately = run.seen.get(&message).filter(|seen| seen.at + SEEN_FOR >= now);
        let times = lately.map_or(0, |seen| seen.times);
        let up = times == 0 || again && times < HANDED_UP;
        run.seen.insert(message, Lately { at: now, times: times + u8::from(up) });
        up
    }

    fn post(&mut self, from: Ix, to: Ix, link: LinkId, packet: Packet) {
        if self.network.passes(from, to) {
            let delay = self.delay() + self.machines[from].slow + self.machines[to].slow;
            self.after(delay, Event::Arrive { to, from, link, packet });
        }
    }

    fn delay(&mut self) -> u64 {
        self.chance.network.between(1..=self.weather.delay.max(1))
    }

    /// A packet reaches its receiver, if that one still believes in the link.
    pub(super) fn arrive(&mut self, to: Ix, from: Ix, link: LinkId, packet: Packet) {
        let outlives = self.options.swarm.late && matches!(packet, Packet::Gossip(..));
        let believed = self.network.believes(to, from);
        let arrives = believed == Some(link) || (outlives && believed.is_some());
        if !arrives || !self.network.passes(to, from) {
            return;
        }
        let peer = self.machines[from].station;
        match packet {
            Packet::Gossip(topic, bytes) => {
                let again = self.chance.network.happens(self.weather.twice);
                if !self.hears(to, from, topic) || !self.hands_up(to, topic, &bytes, again) {
                    return;
                }
                let token = self.token(to);
                if let Some(run) = &mut self.machines[to].run {
                    run.heard.insert(token, Heard { topic, bytes: bytes.clone(), from });
                }
                self.give(to, Input::Heard { from: peer, token, bytes });
            }
            Packet::Ask(run, id, bytes) => {
                let token = self.token(to);
                if let Some(mine) = &mut self.machines[to].run {
                    mine.questions.insert(token, Question { asker: from, run, id });
                }
                self.give(to, Input::Asked { peer, token, bytes });
            }
            Packet::Say(run, id, bytes) => {
                let asked = self.machines[to]
                    .run
                    .as_mut()
                    .filter(|mine| mine.number == run)
                    .and_then(|mine| mine.asking.remove(&id));
                if asked.is_some() {
                    self.give(to, Input::Answered { peer, id, answer: Some(bytes) });
                }
            }
        }
    }

    fn hears(&self, ix: Ix, from: Ix, topic: Topic) -> bool {
        let topics = self.machines[ix].run.as_ref().map(|run| &run.topics);
        topics.and_then(|t| t.get(&topic)).is_some_and(|m| m.contains(&self.machines[from].station))
    }

    fn ask(&mut self, ix: Ix, peer: cbm_proto::id::StationId, id: RequestId, bytes: Bytes) {
        let linked = self.network.neighbours(ix);
        let to = linked.into_iter().find(|(other, _)| self.machines[*other].station == peer);
        let Some((to, link)) = to else {
            self.give(ix, Input::Answered { peer, id, answer: None });
            return;
        };
        let Some(run) = &mut self.machines[ix].run else { return };
        run.asking.insert(id, to);
        let number = run.number;
        self.after(WANT_WAIT, Event::Timeout(ix, number, id));
        if !self.chance.network.happens(self.weather.unanswered) {
            self.post(ix, to, link, Packet::Ask(number, id, bytes));
        }
    }

    fn answer(&mut self, ix: Ix, token: Token, bytes: Bytes) {
        let question = self.machines[ix].run.as_mut().and_then(|run| run.questions.remove(&token));
        let Some(Question { asker, run, id }) = question else { return };
        if let Some(link) = self.network.believes(ix, asker)
            && !self.chance.network.happens(self.weather.unanswered)
        {
            self.post(ix, asker, link, Packet::Say(run, id, bytes));
        }
    }

    /// One side gives up a question.
    pub(super) fn time_out(&mut self, ix: Ix, number: u64, id: RequestId) {
        let run = self.machines[ix].run.as_mut().filter(|run| run.number == number);
        let Some(to) = run.and_then(|run| run.asking.remove(&id)) else { return };
        let peer = self.machines[to].station;
        self.give(ix, Input::Answered { peer, id, answer: None });
    }

    /// Two machines make a link, if both run and the cable is whole.
    pub(super) fn connect(&mut self, a: Ix, b: Ix) {
        let run = |ix: Ix| self.machines[ix].run.is_some();
        if !run(a) || !run(b) || !self.network.passes(a, b) || self.network.linked(a, b) {
            return;
        }
        let twins = [self.has_twin(a, b), self.has_twin(b, a)];
        let (_, before) = self.network.link(a, b);
        for ((me, peer), (before, twin)) in
            [(a, b), (b, a)].into_iter().zip(before.into_iter().zip(twins))
        {
            self.note(me, "linked", &[]);
            let station = self.machines[peer].station;
            let unnoticed = before.is_some() && self.chance.network.happens(500);
            if before.is_some() && !unnoticed {
                self.fail_questions(me, peer);
                self.give(me, Input::Unlinked { peer: station });
            }
            if !unnoticed && !twin {
                self.give(me, Input::Linked { peer: station });
            }
        }
    }

    /// Whether `me` is linked to another machine of the same station as `peer`.
    fn has_twin(&self, me: Ix, peer: Ix) -> bool {
        let station = self.machines[peer].station;
        let linked = self.network.neighbours(me);
        linked.iter().any(|(other, _)| *other != peer && self.machines[*other].station == station)
    }

    /// One side notices that a link is gone.
    pub(super) fn notice_gone(&mut self, at: Ix, peer: Ix, link: LinkId) {
        if self.network.forget(at, peer, link) {
            self.note(at, "unlinked", &[]);
            self.fail_questions(at, peer);
            if !self.has_twin(at, peer) {
                let peer = self.machines[peer].station;
                self.give(at, Input::Unlinked { peer });
            }
        }
    }

    fn fail_questions(&mut self, ix: Ix, to: Ix) {
        let Some(run) = &mut self.machines[ix].run else { return };
        let open: Vec<RequestId> =
            run.asking.iter().filter(|(_, peer)| **peer == to).map(|(id, _)| *id).collect();
        run.asking.retain(|_, peer| *peer != to);
        let peer = self.machines[to].station;
        for id in open {
            self.give(ix, Input::Answered { peer, id, answer: None });
        }
    }

    fn hang_up(&mut self, ix: Ix, peer: cbm_proto::id::StationId) {
        for (other, link) in self.network.neighbours(ix) {
            if self.machines[other].station == peer {
                self.notice_gone(ix, other, link);
                let delay = self.delay();
                self.after(delay, Event::Notice { at: other, peer: ix, link });
            }
        }
    }

    /// Everyone who should be linked and is not tries again.
    pub(super) fn redial(&mut self) {
        for (a, b) in self.network.planned() {
            if !self.network.linked(a, b) {
                let delay = self.chance.network.between(1..=1_500);
                self.after(delay, Event::Connect(a, b));
            }
        }
        self.after(2 * SECOND, Event::Redial);
    }
}
