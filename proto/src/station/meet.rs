//! Peers: links, questions and answers (`docs/spec/sync.md`).
//!
//! Whatever a peer asks, its role and, per lane, its membership are checked before it is answered.
//! What it claims to hold is asked for in `pull`.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::event::{RequestId, Speak, Token};
use crate::feeds::Run;
use crate::id::{Digest, EnvelopeId, FeedId, MsgId, StationId};
use crate::limits::{MISSING_MAX, RECONCILE_EVERY, REQUEST_WAIT};
use crate::schedule::Timer;
use crate::sync::{self, Ask, Custody, DaySets, Entry, Say};
use crate::time::Mono;

use super::pull::Pace;
use super::{Station, Turn};

/// What we asked, to know what an answer is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Take this letter of ours; the peer is its addressee, or is to carry it.
    Push(MsgId),
    /// Take this pair-lane envelope.
    PairPush(EnvelopeId),
    /// What do you hold of mine?
    Heads,
    /// Do we hold the same?
    Summary,
    /// Give me these numbers.
    Want(Vec<(FeedId, Run)>),
    /// Give me these carried envelopes.
    WantCarried(Vec<EnvelopeId>),
    /// Give me documents.
    Documents,
    /// Here are documents.
    Offer,
    /// Do we hold the same documents?
    Compare,
    /// Here is a proof against somebody.
    Proof,
}

#[derive(Debug)]
struct Asked {
    peer: StationId,
    question: Question,
    until: Mono,
    /// No answer came in time, and one is still waited for.
    late: bool,
}

/// What one peer says it holds and we do not.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub(super) feeds: BTreeMap<FeedId, Vec<Run>>,
    pub(super) carried: BTreeSet<EnvelopeId>,
}

/// Everything about peers.
#[derive(Debug, Default)]
pub(super) struct Meet {
    pub(super) linked: BTreeSet<StationId>,
    /// Since when each linked peer has been.
    pub(super) since: BTreeMap<StationId, Mono>,
    /// When each linked peer was last asked whether we hold the same.
    compared: BTreeMap<StationId, Mono>,
    /// Who is known to hold which certificate of ours.
    pub(super) heard: BTreeMap<StationId, Digest>,
    questions: BTreeMap<RequestId, Asked>,
    pub(super) claims: BTreeMap<StationId, Claims>,
    /// Numbers that somebody is asked for.
    pub(super) flying: BTreeSet<(FeedId, u64)>,
    /// How much each linked peer is asked for at once, where that is known.
    pub(super) paces: BTreeMap<StationId, Pace>,
    next: u64,
    /// When this station was started, or took its present keys.
    pub(super) started: Mono,
    /// A timer for the oldest question is set.
    watched: bool,
}

impl Meet {
    /// Where the numbers of questions begin: anew at each start, so that an answer to a question of
    /// an earlier station in the same process means nothing to this one.
    pub(super) const fn begin_at(&mut self, number: u64) {
        self.next = number;
    }

    pub(super) fn want_carried(&mut self, peer: StationId, id: EnvelopeId) {
        let claims = self.claims.entry(peer).or_default();
        if claims.carried.len() < MISSING_MAX as usize {
            claims.carried.insert(id);
        }
    }

    /// A question for envelopes is late: it has so much longer. Gives the peer, and the numbers of
    /// which others may be asked now; `None` for other questions and where that was known.
    pub(super) fn note_late(
        &mut self,
        id: RequestId,
        longer: u64,
    ) -> Option<(StationId, Vec<(FeedId, Run)>)> {
        let asked = self.questions.get_mut(&id).filter(|asked| !asked.late)?;
        let runs = match &asked.question {
            Question::Want(runs) => runs.clone(),
            Question::WantCarried(_) => Vec::new(),
            _ => return None,
        };
        (asked.late, asked.until) = (true, asked.until.plus(longer));
        Some((asked.peer, runs))
    }

    /// Nobody is asked for these any more.
    pub(super) fn land(&mut self, runs: &[(FeedId, Run)]) {
        for (feed, (from, to)) in runs {
            for n in *from..=*to {
                self.flying.remove(&(*feed, n));
            }
        }
    }

    /// Whether a peer is being asked for documents.
    pub(super) fn documents_under_way(&self, peer: StationId) -> bool {
        let asked = |a: &Asked| a.peer == peer && a.question == Question::Documents;
        self.questions.values().any(asked)
    }

    pub(super) fn wants_under_way(&self, peer: StationId) -> usize {
        let is_want = |asked: &&Asked| {
            asked.peer == peer
                && matches!(asked.question, Question::Want(_) | Question::WantCarried(_))
        };
        self.questions.values().filter(is_want).count()
    }
}

impl Station {
    /// Asks a linked peer.
    pub(super) fn ask(&mut self, turn: &mut Turn, peer: StationId, ask: &Ask, question: Question) {
        let id = self.question(turn, peer, question);
        turn.speak(Speak::Request { peer, id, bytes: ask.encode() });
    }

    /// Books a question that the caller speaks.
    pub(super) fn question(&mut self, turn: &Turn, peer: StationId, q: Question) -> RequestId {
        self.meet.next += 1;
        let id = RequestId(self.meet.next);
        let until = turn.now.mono.plus(REQUEST_WAIT);
        self.meet.questions.insert(id, Asked { peer, question: q, until, late: false });
        self.watch_questions();
        id
    }

    /// One timer for all questions, at the end of the first.
    fn watch_questions(&mut self) {
        if self.meet.watched {
            return;
        }
        if let Some(first) = self.meet.questions.values().map(|asked| asked.until).min() {
            self.meet.watched = true;
            self.schedule.at(first.plus(1), Timer::Questions);
        }
    }

    pub(super) fn meet(&mut self, turn: &mut Turn, peer: StationId) {
        if !self.meet.linked.insert(peer) {
            return;
        }
        self.meet.since.insert(peer, turn.now.mono);
        self.ask_documents(turn, peer);
        self.find_out_whether_heard(turn, peer);
        if self.state(&peer).is_none() || !self.carries() {
            return;
        }
        self.ask_heads(turn, peer);
        self.ask_summary(turn, peer);
        self.hurry_regain(&peer);
        self.push_pairs_to(turn, peer);
        self.push_letters_to(turn, peer);
    }

    pub(super) fn part_from(&mut self, turn: &mut Turn, peer: StationId) {
        self.meet.linked.remove(&peer);
        self.meet.since.remove(&peer);
        self.meet.compared.remove(&peer);
        self.meet.claims.remove(&peer);
        self.meet.paces.remove(&peer);
        let gone: Vec<RequestId> = self
            .meet
            .questions
            .iter()
            .filter(|(_, asked)| asked.peer == peer)
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.answered(turn, peer, id, None);
        }
        self.look_for_voice(turn);
    }

    fn ask_summary(&mut self, turn: &mut Turn, peer: StationId) {
        let (entries, carried) = self.summary_for(turn, peer);
        let digest = sync::summary_digest(&entries, &carried);
        self.meet.compared.insert(peer, turn.now.mono);
        self.ask(turn, peer, &Ask::Summary(digest), Question::Summary);
    }

    /// A peer that found a difference is asked as well, if it was not lately: what it holds and we do
    /// not may be held by nobody else here, and of many peers it would be drawn late.
    fn compare_too(&mut self, turn: &mut Turn, peer: StationId) {
        let lately = |at: &Mono| turn.now.mono.since(*at) < RECONCILE_EVERY;
        if self.meet.linked.contains(&peer) && !self.meet.compared.get(&peer).is_some_and(lately) {
            self.ask_summary(turn, peer);
        }
    }

    /// From time to time, with a random linked peer: what no event told us is found here.
    pub(super) fn reconcile(&mut self, turn: &mut Turn) {
        let pause = RECONCILE_EVERY + turn.entropy.below(RECONCILE_EVERY / 4);
        self.schedule.at(turn.now.mono.plus(pause), Timer::Reconcile);
        self.dial_a_debtor(turn);
        self.compare_documents(turn);
        let peers: Vec<StationId> =
            self.meet.linked.iter().copied().filter(|p| self.state(p).is_some()).collect();
        if peers.is_empty() || !self.carries() {
            return;
        }
        let drawn = turn.entropy.below(peers.len() as u64) as usize;
        if let Some(peer) = peers.get(drawn) {
            self.ask_heads(turn, *peer);
            self.ask_summary(turn, *peer);
        }
    }

    /// Dials a station that owes us something and is not linked: what it said may have come to a
    /// disk that no longer has it, and pair lanes are compared by their two ends only.
    fn dial_a_debtor(&mut self, turn: &mut Turn) {
        let wall = self.trusted(turn.now);
        let mut debtors = self.outbox.debtors(wall);
        debtors.retain(|station| !self.meet.linked.contains(station));
        let drawn = turn.entropy.below(debtors.len() as u64) as usize;
        if let Some(peer) = debtors.into_iter().nth(drawn) {
            turn.speak(Speak::Dial { peer });
        }
    }

    /// The feeds that both a peer and we may see, and what is carried for others.
    fn summary_for(&mut self, turn: &Turn, peer: StationId) -> (Vec<Entry>, DaySets) {
        let mut entries = sync::entries(&self.feeds, |feed: &FeedId| self.shares(peer, feed));
        self.show_proofs(&mut entries);
        let wall = self.trusted(turn.now);
        (entries, self.pairs.day_sets(wall))
    }

    /// Whether a feed that we hold is one that this peer may have.
    fn shares(&self, peer: StationId, feed: &FeedId) -> bool {
        match self.directory.lane_members(&feed.lane) {
            Some(members) => members.contains(&peer) && members.contains(&self.me),
            None => self.pairs.end_of(&feed.lane) == Some(peer),
        }
    }

    /// What we hold of the feeds of whoever asks, and what we heard in its name.
    fn give_heads(&mut self, turn: &mut Turn, author: StationId) -> Say {
        let entries = self.own_heads_of(author);
        // A pair lane of two others is no feed of ours; what is carried of it shows how far it came.
        let carried = self.pairs.carried_of(&author);
        let mut say = sync::excerpt(entries, carried, |n| turn.entropy.below(n));
        if let Say::Entries { echoes, .. } = &mut say {
            *echoes = self.echoes_of(&author, turn.now.mono);
        }
        say
    }

    /// A peer asks something.
    pub(super) fn asked(&mut self, turn: &mut Turn, peer: StationId, token: Token, ask: &Bytes) {
        let may = self.state(&peer).is_some() && self.carries();
        let say = match Ask::decode(ask) {
            Ok(Ask::Documents(have)) => {
                self.hear_holdings(peer, &have);
                self.give_documents(peer, &have)
            }
            Ok(Ask::Offer(offer)) => self.hear_offer(turn, peer, &offer),
            Ok(_) if !may => Say::Refused,
            Ok(Ask::Proof(proof)) => Say::Taken(self.hear_proof(turn, peer, *proof)),
            Ok(Ask::Push(bytes)) => Say::Taken(self.pushed(turn, peer, bytes)),
            Ok(Ask::HeadsOf(author, beacon)) if author == peer => {
                self.keep_shown(turn, peer, beacon);
                self.give_heads(turn, author)
            }
            Ok(Ask::Heads(author)) if author == peer => self.give_heads(turn, author),
            Ok(Ask::Summary(theirs)) => {
                let (entries, carried) = self.summary_for(turn, peer);
                match sync::summary_digest(&entries, &carried) == theirs {
                    true => Say::Same,
                    false => {
                        self.compare_too(turn, peer);
                        sync::excerpt(entries, carried, |n| turn.entropy.below(n))
                    }
                }
            }
            Ok(Ask::Want(numbers, envelopes)) => {
                let numbers = numbers.into_iter().filter(|n| self.shares(peer, &n.feed)).collect();
                let carried = |id: &EnvelopeId| self.pairs.holds(id);
                let envelopes = envelopes.into_iter().filter(carried).collect();
                return turn.speak(Speak::Serve { token, numbers, envelopes });
            }
            Ok(Ask::Heads(_) | Ask::HeadsOf(..)) | Err(_) => Say::Refused,
        };
        turn.speak(Speak::Answer { token, bytes: say.encode() });
    }

    /// A peer answered, or did not.
    pub(super) fn answered(
        &mut self,
        turn: &mut Turn,
        peer: StationId,
        id: RequestId,
        answer: Option<Bytes>,
    ) {
        // Only who was asked answers; anything else leaves the question open.
        if self.meet.questions.get(&id).is_none_or(|asked| asked.peer != peer) {
            return;
        }
        let Some(asked) = self.meet.questions.remove(&id) else { return };
        let say = answer.and_then(|bytes| Say::decode(&bytes).ok());
        match (asked.question, say) {
            (Question::Push(msg), Some(Say::Taken(custody))) => {
                self.push_taken(turn, msg, peer, custody);
            }
            (Question::PairPush(id), Some(Say::Taken(Custody::Stored))) => {
                self.pairs.confirmed(&id);
                self.sender_keys.confirmed(&id, &peer);
            }
            (Question::Heads, Some(Say::Entries { entries, carried, more, echoes })) => {
                if carried.values().flatten().any(|id| !self.pairs.holds(id)) {
                    self.fall_behind(turn);
                }
                let recent = self.hear_echoes(turn, echoes);
                self.hear_own_heads(turn, peer, &entries, more, recent);
            }
            (Question::Summary, Some(Say::Entries { entries, carried, .. })) => {
                self.hear_summary(turn, peer, &entries, &carried);
            }
            (Question::Documents, say) => self.documents_given(turn, peer, say),
            (question @ (Question::Offer | Question::Compare), say) => {
                self.offer_answered(turn, peer, &question, say.as_ref());
            }
            (Question::Want(runs), say) => {
                if !asked.late {
                    self.meet.land(&runs);
                }
                self.wanted(turn, peer, &runs, say, asked.late);
            }
            (Question::WantCarried(ids), say) => {
                self.wanted_carried(turn, peer, &ids, say, asked.late);
            }
            _ => {}
        }
    }

    pub(super) fn give_up_questions(&mut self, turn: &mut Turn) {
        self.meet.watched = false;
        let over: Vec<(RequestId, StationId)> = self
            .meet
            .questions
            .iter()
            .filter(|(_, asked)| asked.until < turn.now.mono)
            .map(|(id, asked)| (*id, asked.peer))
            .collect();
        for (id, peer) in over {
            if !self.wait_longer(id) {
                self.answered(turn, peer, id, None);
            }
        }
        self.pull_from_others(turn);
        self.watch_questions();
    }
}
