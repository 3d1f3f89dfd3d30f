//! Evidence on the swarm: asked for and given after letters.
//!
//! Invariants: nothing of it is asked of a peer, nor given to it, while a question of ours about
//! letters is under way with that peer or waits to be; the asker is told to come later.

use bytes::Bytes;
use cbm_proto::{event::Token, evidence::Answer, id::StationId};
use libp2p::request_response::{Event, Message, ResponseChannel};

use super::Task;
use crate::mesh::{MeshEvent, settings::GIVES_WAITING};

impl Task {
    /// Sends the questions for evidence whose turn has come.
    pub(super) fn fetch(&mut self, station: StationId) {
        // On a link with anybody else there is no such stream, and a question would never end.
        let member = self.roster.known(&station).is_some_and(|known| known.message);
        let Some(peer) = self.at(station).filter(|_| member) else {
            return self.fetches.gone(station);
        };
        if self.asks.busy(station) {
            return;
        }
        while let Some((bytes, reply)) = self.fetches.next(station) {
            let behaviour = self.swarm.behaviour_mut();
            let request = behaviour.evidence.inner_mut().send_request(&peer, bytes);
            self.fetches.begun(request, station, reply);
        }
    }

    /// Answers a question of somebody.
    pub(super) fn give(&mut self, token: Token, bytes: Bytes) {
        if let Some(channel) = self.gives.remove(&token) {
            self.answer_evidence(channel, bytes);
        }
    }

    fn answer_evidence(&mut self, channel: ResponseChannel<Bytes>, bytes: Bytes) {
        let behaviour = self.swarm.behaviour_mut();
        if behaviour.evidence.inner_mut().send_response(channel, bytes).is_err() {
            tracing::debug!("evidence came too late for its asker");
        }
    }

    /// Takes one event of the streams of evidence.
    pub(super) fn evidence(&mut self, event: Event<Bytes, Bytes>) {
        match event {
            Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                self.confirm(peer);
                let Some(station) = self.roster.station(&peer) else { return };
                if self.asks.busy(station) {
                    return self.answer_evidence(channel, Answer::Later.encode());
                }
                if self.gives.len() >= GIVES_WAITING {
                    self.gives.pop_first();
                }
                let token = self.token();
                self.gives.insert(token, channel);
                self.tell(MeshEvent::Wanted { token, bytes: request });
            }
            Event::Message {
                peer, message: Message::Response { request_id, response }, ..
            } => {
                self.confirm(peer);
                self.fetched(&request_id, Some(response));
            }
            Event::OutboundFailure { request_id, error, .. } => {
                tracing::debug!(%error, "a question for evidence was not answered");
                self.fetched(&request_id, None);
            }
            Event::InboundFailure { error, .. } => {
                tracing::debug!(%error, "evidence was not taken");
            }
            Event::ResponseSent { .. } => {}
        }
    }

    fn fetched(
        &mut self,
        request: &libp2p::request_response::OutboundRequestId,
        answer: Option<Bytes>,
    ) {
        if let Some(station) = self.fetches.ended(request, answer) {
            self.fetch(station);
        }
    }
}
