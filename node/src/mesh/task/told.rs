//! What the shell tells, done on the swarm.
//!
//! Invariants: a membership replaces the one before as a whole, and whoever lost its place is put
//! out in the same step; each heard message takes one verdict and no second; nothing that fails
//! here is a failure of sending, which the outbox alone can tell.

use std::collections::BTreeSet;

use bytes::Bytes;
use cbm_proto::{
    event::{RequestId, Token, Topic, Verdict},
    id::StationId,
    limits::GOSSIP_MAX,
};
use libp2p::gossipsub;
use tokio::time::Instant;

use super::{Side, Task, Waiting};
use crate::mesh::{Membership, MeshCommand, MeshEvent, links, roster::Roster, settings};

impl Task {
    /// Takes one command.
    pub(super) fn command(&mut self, command: MeshCommand) {
        let now = Instant::now();
        match command {
            MeshCommand::Membership(membership) => self.membership(&membership),
            MeshCommand::Verdict(token, verdict) => self.verdict(token, verdict),
            MeshCommand::Publish { topic, bytes } => self.publish(topic, &bytes, now),
            MeshCommand::Request { peer, id, bytes } => self.request(peer, id, bytes),
            MeshCommand::Answer { token, bytes } => {
                if let Some(channel) = self.answers.remove(&token)
                    && self
                        .swarm
                        .behaviour_mut()
                        .ask
                        .inner_mut()
                        .send_response(channel, bytes)
                        .is_err()
                {
                    tracing::debug!("an answer came too late for its asker");
                }
            }
            MeshCommand::Fetch { peer, bytes, reply } => {
                self.fetches.take(peer, bytes, reply);
                self.fetch(peer);
            }
            MeshCommand::Give { token, bytes } => self.give(token, bytes),
            MeshCommand::Dial(peer) => {
                self.links.hurry(peer, now);
                self.dial(peer, now);
            }
            MeshCommand::Hangup(peer) => {
                for peer in self.roster.known(&peer).map(|k| k.peers.clone()).unwrap_or_default() {
                    self.hangup(peer);
                }
            }
            MeshCommand::Cut { peer, on } => {
                if on {
                    self.cut.insert(peer)
                } else {
                    self.cut.remove(&peer)
                };
                self.reseat(now);
                self.links.hurry(peer, now);
            }
            MeshCommand::Listen { addresses, reply } => {
                // Whoever asked may be gone.
                let _ = reply.send(self.relisten(&addresses));
            }
            MeshCommand::Stop => {}
        }
    }

    /// Replaces who is who, and puts out whoever has no place or another place now.
    pub(in crate::mesh) fn membership(&mut self, membership: &Membership) {
        let now = Instant::now();
        let roster = Roster::new(membership);
        let moved: Vec<_> = roster
            .members()
            .filter(|(station, known)| {
                self.roster.known(station).is_some_and(|old| old.message != known.message)
            })
            .flat_map(|(_, known)| known.peers.clone())
            .collect();
        let elsewhere: Vec<StationId> = roster
            .members()
            .filter(|(station, known)| {
                self.roster.known(station).is_some_and(|old| old.addresses != known.addresses)
            })
            .map(|(station, _)| *station)
            .collect();
        let old = std::mem::replace(&mut self.roster, roster);
        let left: Vec<_> = old
            .lanes()
            .keys()
            .filter(|id| !self.roster.lanes().contains_key(id))
            .copied()
            .collect();
        let behaviour = self.swarm.behaviour_mut();
        behaviour.messages.open_to(self.roster.peers(true));
        behaviour.beacons.open_to(self.roster.peers(false));
        behaviour.ask.open_to(self.roster.all_peers());
        behaviour.evidence.open_to(self.roster.peers(true));
        for lane in left {
            behaviour.messages.inner_mut().unsubscribe(&self.names.topic(Topic::Lane(lane)));
        }
        for lane in self.roster.lanes().keys() {
            let topic = self.names.topic(Topic::Lane(*lane));
            if let Err(error) = behaviour.messages.inner_mut().subscribe(&topic) {
                tracing::error!(%error, "a lane was not joined");
            }
        }
        for peer in moved {
            self.hangup(peer);
        }
        self.reseat(now);
        for station in elsewhere {
            self.links.hurry(station, now);
        }
        self.evict_trespassers();
    }

    /// Tells the door and the redial who is wanted, after a change of membership or of cuts.
    fn reseat(&mut self, now: Instant) {
        let kept_out = |station: &StationId| {
            self.cut.contains(station)
                || self.only_links.as_ref().is_some_and(|only| !only.contains(station))
        };
        let members = self.roster.all_peers();
        let kept = self.roster.members().filter(|(station, _)| kept_out(station));
        let held = kept.flat_map(|(_, known)| known.peers.iter().copied()).collect();
        let open = self
            .roster
            .members()
            .filter(|(s, k)| k.dial && !k.addresses.is_empty() && !kept_out(s))
            .map(|(station, _)| *station);
        let lanes = self.roster.lanes().values();
        let wanted = links::choose(self.me, open, lanes, self.links_target);
        let up: BTreeSet<_> =
            self.standing().filter_map(|(_, c)| self.roster.station(&c.peer)).collect();
        self.links.want(&wanted, &up, now);
        let addresses = self.roster.members().flat_map(|(_, known)| &known.addresses);
        for peer in self.swarm.behaviour_mut().door.set(members, held, addresses) {
            self.hangup(peer);
        }
    }

    /// Exactly one for each heard message; a second one, or one for a message of long ago, does
    /// nothing.
    pub(super) fn verdict(&mut self, token: Token, verdict: Verdict) {
        let Some(Waiting { side, id, from, beacon }) = self.verdicts.remove(&token) else {
            return;
        };
        let acceptance = match verdict {
            Verdict::Accept => gossipsub::MessageAcceptance::Accept,
            Verdict::Ignore => gossipsub::MessageAcceptance::Ignore,
            Verdict::Reject => gossipsub::MessageAcceptance::Reject,
        };
        if !self.gossip(side).report_message_validation_result(&id, &from, acceptance) {
            tracing::debug!("a verdict came too late; nothing was forwarded");
        }
        if let (Verdict::Accept, Some(bytes)) = (verdict, beacon) {
            let other = match side {
                Side::Messages => Side::Beacons,
                Side::Beacons => Side::Messages,
            };
            if self.cross(other, id) {
                // Nobody there, or full queues: the next beacon comes in seconds.
                let topic = self.names.topic(Topic::Beacon);
                let _ = self.gossip(other).publish(topic, bytes);
            }
        }
    }

    /// Notes that a beacon is known in one mesh; false if it was.
    pub(super) fn cross(&mut self, side: Side, id: gossipsub::MessageId) -> bool {
        let fresh = self.crossed.insert((side, id.clone()));
        if fresh {
            self.crossed_order.push_back((side, id));
            if self.crossed_order.len() > settings::VERDICTS_WAITING
                && let Some(oldest) = self.crossed_order.pop_front()
            {
                self.crossed.remove(&oldest);
            }
        }
        fresh
    }

    fn publish(&mut self, topic: Topic, bytes: &Bytes, now: Instant) {
        if bytes.len() > GOSSIP_MAX {
            tracing::error!(length = bytes.len(), "too long for gossip; a defect. Not published");
            return;
        }
        let name = self.names.topic(topic);
        match topic {
            Topic::Beacon => {
                for side in [Side::Messages, Side::Beacons] {
                    // As above: a beacon that nobody took is not said again.
                    let _ = self.gossip(side).publish(name.clone(), bytes.clone());
                }
            }
            Topic::Lane(_) => self.publish_on_lane(topic, bytes, now),
        }
    }

    pub(super) fn publish_on_lane(&mut self, topic: Topic, bytes: &Bytes, at: Instant) {
        use gossipsub::PublishError;
        let name = self.names.topic(topic);
        match self.gossip(Side::Messages).publish(name, bytes.clone()) {
            // A duplicate is on its way already; for full queues `SlowPeer` is told.
            Ok(_) | Err(PublishError::Duplicate | PublishError::AllQueuesFull(_)) => {}
            Err(PublishError::NoPeersSubscribedToTopic) => {
                if self.unheard.len() == settings::UNHEARD {
                    self.unheard.pop_front();
                }
                self.unheard.push_back((at, topic, bytes.clone()));
            }
            Err(error) => tracing::error!(%error, "not published; a defect"),
        }
    }

    fn request(&mut self, station: StationId, id: RequestId, bytes: Bytes) {
        if self.at(station).is_some() && self.asks.take(station, id, bytes) {
            self.ask(station);
        } else {
            self.tell(MeshEvent::Answered { peer: station, id, answer: None });
        }
    }

    /// Sends the questions whose turn has come.
    pub(super) fn ask(&mut self, station: StationId) {
        let Some(peer) = self.at(station) else { return };
        while let Some((id, bytes)) = self.asks.next(station) {
            let request = self.swarm.behaviour_mut().ask.inner_mut().send_request(&peer, bytes);
            self.asks.begun(request, station, id);
        }
    }
}
