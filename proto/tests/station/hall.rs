//! A hall in which everything arrives at once and in order, and nothing is lost.
//!
//! Shared by the tests of this folder; a **puppet** is a member without a node, whose part a test
//! plays by hand.
#![allow(dead_code, reason = "each test binary uses its own half of it")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use cbm_proto::accord::{Admitted, Directory, Document, Role, sample, station_id};
use cbm_proto::catalogue::catalogue;
use cbm_proto::draft::{Draft, SendOptions};
use cbm_proto::envelope::Envelope;
use cbm_proto::event::{
    Denied, Effects, Input, Notice, Officer, RequestId, Speak, Token, Topic, Verdict,
};
use cbm_proto::id::{MsgId, NetworkId, PartyCode, StationId, StationName};
use cbm_proto::journal::{Record, RecordKind};
use cbm_proto::keys::{AuthorityKeys, StationKeys};
use cbm_proto::primitives::Entropy;
use cbm_proto::station::{Handover, Setup, Station};
use cbm_proto::sync::{self, Ask, Say};
use cbm_proto::time::{Mono, Now, Timestamp};

struct Node {
    station: Station,
    journal: Vec<Record>,
}

pub(crate) struct Hall {
    pub(crate) told: Vec<(StationId, Notice)>,
    pub(crate) dialled: Vec<(StationId, StationId)>,
    pub(crate) asked: Vec<(StationId, StationId, RequestId, Bytes)>,
    beacons: Vec<(StationId, Bytes)>,
    puppets: BTreeSet<StationId>,
    verdicts: BTreeMap<Token, Verdict>,
    answers: BTreeMap<Token, Bytes>,
    nodes: BTreeMap<StationId, Node>,
    pub(crate) names: BTreeMap<StationName, StationId>,
    pub(crate) keys: BTreeMap<StationName, Arc<StationKeys>>,
    pub(crate) authorities: BTreeMap<PartyCode, AuthorityKeys>,
    accord: Bytes,
    documents: Vec<Bytes>,
    entropy: Entropy,
    pub(crate) ms: u64,
    queue: VecDeque<(StationId, Input)>,
    replies: BTreeMap<Token, Result<MsgId, Denied>>,
    believed: BTreeMap<Token, Vec<Result<Admitted, String>>>,
    open: BTreeMap<Token, (StationId, StationId, RequestId)>,
    tokens: u64,
    cut: Vec<(StationId, StationId)>,
    lost: usize,
    /// The next store that is opened comes from a backup of this time.
    pub(crate) restored: Option<Timestamp>,
}

pub(crate) fn officer() -> Officer {
    Officer { name: "O. Officer".into(), office: "Duty desk".into() }
}

impl Hall {
    pub(crate) fn new(parties: &[&str]) -> Self {
        let plan: Vec<_> = parties.iter().map(|party| (*party, Role::State)).collect();
        Self::with(&plan)
    }

    /// A node for each party's station, all linked.
    pub(crate) fn with(parties: &[(&str, Role)]) -> Self {
        let mut hall = Self::empty(parties);
        for name in hall.names.keys().cloned().collect::<Vec<_>>() {
            hall.begin(&name, Vec::new());
        }
        hall.link_all();
        hall
    }

    /// Nodes for a few of many STATE parties, not linked.
    pub(crate) fn of(parties: &[&str], some: &[&str]) -> Self {
        let plan: Vec<_> = parties.iter().map(|party| (*party, Role::State)).collect();
        let mut hall = Self::empty(&plan);
        for party in some {
            hall.begin(&StationName::parse(&format!("{party}/mfa")).unwrap(), Vec::new());
        }
        hall
    }

    /// Starts a station anew that has the accord and no other document.
    pub(crate) fn begin_knowing_nobody(&mut self, name: &str) {
        self.begin_with(name, Vec::new(), &[]);
    }

    /// Starts a station with this journal; of documents its people have the accord and these.
    pub(crate) fn begin_with(&mut self, name: &str, journal: Vec<Record>, documents: &[Bytes]) {
        let all = std::mem::replace(&mut self.documents, documents.to_vec());
        self.begin(&StationName::parse(name).unwrap(), journal);
        self.documents = all;
    }

    fn empty(parties: &[(&str, Role)]) -> Self {
        let mut entropy = Entropy::new(&[7; 32]);
        let plan: Vec<_> = parties.iter().map(|(p, role)| (*p, *role, &["mfa"][..])).collect();
        let founded = sample(&plan, &mut entropy).unwrap();
        let network = founded.network;
        let ids = founded.stations.keys().map(|n| (n.clone(), station_id(&network, n))).collect();
        Self {
            told: Vec::new(),
            dialled: Vec::new(),
            asked: Vec::new(),
            beacons: Vec::new(),
            puppets: BTreeSet::new(),
            verdicts: BTreeMap::new(),
            answers: BTreeMap::new(),
            nodes: BTreeMap::new(),
            names: ids,
            keys: founded.stations.into_iter().map(|(n, k)| (n, Arc::new(k))).collect(),
            authorities: founded.authorities,
            accord: founded.accord,
            documents: founded.documents,
            entropy,
            ms: 1_000,
            queue: VecDeque::new(),
            replies: BTreeMap::new(),
            believed: BTreeMap::new(),
            open: BTreeMap::new(),
            tokens: 0,
            cut: Vec::new(),
            lost: 0,
            restored: None,
        }
    }

    pub(crate) fn network(&self) -> NetworkId {
        NetworkId(Document::decode(&self.accord).unwrap().digest().0)
    }

    pub(crate) fn id(&self, name: &str) -> StationId {
        self.names[&StationName::parse(name).unwrap()]
    }

    pub(crate) fn station(&self, name: &str) -> &Station {
        &self.nodes[&self.id(name)].station
    }

    pub(crate) fn station_mut(&mut self, name: &str) -> &mut Station {
        let id = self.id(name);
        &mut self.nodes.get_mut(&id).unwrap().station
    }

    pub(crate) fn station_journal(&self, name: &str) -> Vec<Record> {
        self.nodes[&self.id(name)].journal.clone()
    }

    pub(crate) fn now(&self) -> Now {
        Now { wall: Timestamp(1_800_000_000_000 + self.ms), mono: Mono(self.ms) }
    }

    pub(crate) fn begin(&mut self, name: &StationName, journal: Vec<Record>) {
        self.wake(name, journal, None);
    }

    /// Restores a running station with other keys in the same process, as the shell does.
    pub(crate) fn change_keys(&mut self, name: &str, keys: StationKeys) {
        let (id, name) = (self.id(name), StationName::parse(name).unwrap());
        self.keys.insert(name.clone(), Arc::new(keys));
        let Node { station, journal } = self.nodes.remove(&id).unwrap();
        let linked = station.linked().clone();
        self.wake(&name, journal, Some(station.hand_over()));
        self.queue.extend(linked.into_iter().map(|peer| (id, Input::Linked { peer })));
        self.run(0);
    }

    fn wake(&mut self, name: &StationName, journal: Vec<Record>, before: Option<Handover>) {
        let mut directory = Directory::new(&self.accord).unwrap();
        directory.admit_all(self.documents.iter().map(|d| &d[..]));
        let (keys, me) = (self.keys[name].clone(), self.names[name]);
        let restored = self.restored.take();
        let mut station = Station::new(Setup { me, keys, directory, moved: false, restored });
        for record in &journal {
            station.restore(record).unwrap();
        }
        if let Some(before) = before {
            station.resume(before);
        }
        let seed = self.entropy.bytes();
        let effects = station.start(self.now(), &seed);
        self.nodes.insert(me, Node { station, journal });
        self.perform(me, effects);
    }

    pub(crate) fn stop(&mut self, name: &str) -> Vec<Record> {
        let id = self.id(name);
        let node = self.nodes.remove(&id).unwrap();
        for peer in self.nodes.keys() {
            self.queue.push_back((*peer, Input::Unlinked { peer: id }));
        }
        self.run(1_000);
        node.journal
    }

    pub(crate) fn cut(&mut self, a: &str, b: &str) {
        let (a, b) = (self.id(a), self.id(b));
        self.unlink(a, b);
        self.run(0);
    }

    fn admits(&self, me: StationId, peer: StationId) -> bool {
        self.nodes[&me].station.admits(&peer)
    }

    fn unlink(&mut self, a: StationId, b: StationId) {
        self.cut.push((a, b));
        self.queue.push_back((a, Input::Unlinked { peer: b }));
        self.queue.push_back((b, Input::Unlinked { peer: a }));
    }

    /// A station's store loses an envelope.
    pub(crate) fn lose_envelope(&mut self, at: &str, id: cbm_proto::id::EnvelopeId) {
        let at = self.id(at);
        let other = |r: &Record| Envelope::decode(r.bytes.clone()).map(|e| e.id()) != Ok(id);
        self.nodes.get_mut(&at).unwrap().journal.retain(other);
    }

    pub(crate) fn link_all(&mut self) {
        let all: Vec<StationId> = self.nodes.keys().copied().collect();
        for a in &all {
            for b in all.iter().filter(|b| *b != a) {
                if self.is_cut(*a, *b) {
                    continue;
                }
                self.queue.push_back((*a, Input::Linked { peer: *b }));
            }
        }
        self.run(0);
    }

    pub(crate) fn lose_requests(&mut self, count: usize) {
        self.lost = count;
    }

    pub(crate) fn mend(&mut self) {
        self.cut.clear();
        self.link_all();
    }

    fn is_cut(&self, a: StationId, b: StationId) -> bool {
        self.cut.contains(&(a, b)) || self.cut.contains(&(b, a))
    }

    pub(crate) fn run(&mut self, ms: u64) {
        let until = self.ms + ms;
        loop {
            while let Some((to, input)) = self.queue.pop_front() {
                let now = self.now();
                let Some(node) = self.nodes.get_mut(&to) else { continue };
                let mut effects = node.station.handle(now, &self.entropy.bytes(), input);
                effects.absorb(node.station.settle(now, &self.entropy.bytes()));
                self.perform(to, effects);
            }
            let next =
                self.nodes.values().map(|n| n.station.deadline().0).min().unwrap_or(u64::MAX);
            if next > until {
                self.ms = until;
                return;
            }
            self.ms = self.ms.max(next);
            let ticks: Vec<_> = self.nodes.keys().map(|id| (*id, Input::Tick)).collect();
            self.queue.extend(ticks);
        }
    }

    fn perform(&mut self, me: StationId, effects: Effects) {
        self.verdicts.extend(effects.verdicts);
        self.nodes.get_mut(&me).unwrap().journal.extend(effects.appends);
        for speak in effects.speaks {
            match speak {
                Speak::Publish { topic, bytes } => {
                    self.gossip(me, &bytes);
                    if topic == Topic::Beacon {
                        self.beacons.push((me, bytes));
                    }
                }
                Speak::Request { peer, id, bytes } => self.request(me, peer, id, bytes),
                Speak::Push { peer, id, envelope } => {
                    let found = self.kept(me, |e| e.id() == envelope);
                    self.request(me, peer, id, Ask::Push(found[0].clone()).encode());
                }
                Speak::Answer { token, bytes } => self.answer(token, bytes),
                Speak::Serve { token, numbers, envelopes } => {
                    let found = self.kept(me, |e| {
                        let seq = e.header().seq;
                        let asked = |n: &sync::Numbers| {
                            n.feed == e.feed() && (n.from..=n.to).contains(&seq)
                        };
                        envelopes.contains(&e.id()) || numbers.iter().any(asked)
                    });
                    self.answer(token, sync::serve(found, false));
                }
                Speak::Recall { msg, envelope } => {
                    let journal = self.nodes[&me].journal.iter();
                    let named = |r: &&Record| {
                        r.kind.is_own() && msg.is_some_and(|msg| r.bytes.starts_with(&msg.0))
                    };
                    let about = journal.filter(named).cloned().collect();
                    let envelope = self.kept(me, |e| e.id() == envelope).first().cloned();
                    self.queue.push_back((me, Input::Recalled { msg, about, envelope }));
                }
                Speak::Reply { token, result } => {
                    self.replies.insert(token, result);
                }
                Speak::Tell(notice) => self.told.push((me, notice)),
                Speak::Dial { peer } => self.dialled.push((me, peer)),
                Speak::Documents { token, results } => {
                    self.believed.insert(token, results);
                }
                // Others are linked again at once.
                Speak::Hangup { peer } if !self.admits(me, peer) => self.unlink(me, peer),
                Speak::Hangup { .. } | Speak::Membership => {}
            }
        }
    }

    fn kept(&self, me: StationId, wanted: impl Fn(&Envelope) -> bool) -> Vec<Bytes> {
        let journal = self.nodes[&me].journal.iter();
        journal
            .filter(|record| record.kind == RecordKind::Envelope)
            .filter(|record| wanted(&Envelope::decode(record.bytes.clone()).unwrap()))
            .map(|record| record.bytes.clone())
            .collect()
    }

    fn gossip(&mut self, from: StationId, bytes: &Bytes) {
        let all: Vec<StationId> = self.nodes.keys().copied().filter(|id| *id != from).collect();
        for to in &all {
            if self.is_cut(from, *to) {
                continue;
            }
            self.tokens += 1;
            let token = Token(self.tokens);
            self.queue.push_back((*to, Input::Heard { from, token, bytes: bytes.clone() }));
        }
    }

    fn request(&mut self, me: StationId, peer: StationId, id: RequestId, bytes: Bytes) {
        if self.puppets.contains(&peer) {
            return self.asked.push((me, peer, id, bytes));
        }
        let lost = self.lost > 0;
        self.lost = self.lost.saturating_sub(1);
        if lost || self.is_cut(me, peer) || !self.nodes.contains_key(&peer) {
            self.queue.push_back((me, Input::Answered { peer, id, answer: None }));
            return;
        }
        self.tokens += 1;
        let token = Token(self.tokens);
        self.open.insert(token, (me, peer, id));
        self.queue.push_back((peer, Input::Asked { peer: me, token, bytes }));
    }

    fn answer(&mut self, token: Token, bytes: Bytes) {
        let Some((asker, peer, id)) = self.open.remove(&token) else {
            self.answers.insert(token, bytes);
            return;
        };
        self.queue.push_back((asker, Input::Answered { peer, id, answer: Some(bytes) }));
    }

    fn token(&mut self) -> Token {
        self.tokens += 1;
        Token(self.tokens)
    }

    /// Takes a station's node away; its keys stay, and its links.
    pub(crate) fn puppet(&mut self, name: &str) {
        let id = self.id(name);
        self.nodes.remove(&id);
        self.puppets.insert(id);
        self.asked.clear();
    }

    /// Gives one input to one station, and lets everything that follows happen.
    pub(crate) fn give(&mut self, at: &str, input: impl FnOnce(Token) -> Input) -> Token {
        let token = self.token();
        self.queue.push_back((self.id(at), input(token)));
        self.run(0);
        token
    }

    /// One gossip message.
    pub(crate) fn hear(&mut self, at: &str, from: &str, bytes: Bytes) -> Verdict {
        let from = self.id(from);
        let token = self.give(at, |token| Input::Heard { from, token, bytes });
        self.verdicts.remove(&token).expect("every heard message gets its verdict")
    }

    /// One question of a puppet.
    pub(crate) fn ask(&mut self, at: &str, peer: &str, ask: &Ask) -> Say {
        self.ask_bytes(at, peer, ask.encode())
    }

    /// The same in bytes that may be no question.
    pub(crate) fn ask_bytes(&mut self, at: &str, peer: &str, bytes: Bytes) -> Say {
        let peer = self.id(peer);
        let token = self.give(at, |token| Input::Asked { peer, token, bytes });
        Say::decode(&self.answers.remove(&token).expect("every question is answered")).unwrap()
    }

    /// What stations ask of a puppet.
    pub(crate) fn asked_of(&mut self, name: &str) -> Vec<(RequestId, Ask)> {
        let id = self.id(name);
        let all = std::mem::take(&mut self.asked).into_iter();
        all.filter(|(_, peer, ..)| *peer == id)
            .map(|(_, _, id, bytes)| (id, Ask::decode(&bytes).unwrap()))
            .collect()
    }

    /// A puppet's answer.
    pub(crate) fn answer_as(&mut self, name: &str, to: &str, id: RequestId, say: &Say) {
        let (peer, answer) = (self.id(name), Some(say.encode()));
        self.give(to, |_| Input::Answered { peer, id, answer });
    }

    /// The envelopes in a station's journal.
    pub(crate) fn envelopes(&self, name: &str) -> Vec<Envelope> {
        let all = self.kept(self.id(name), |_| true).into_iter();
        all.map(|bytes| Envelope::decode(bytes).unwrap()).collect()
    }

    /// Stops a station and starts it again with its journal; nobody is linked to it then.
    pub(crate) fn restart(&mut self, name: &str) {
        let journal = self.stop(name);
        self.begin(&StationName::parse(name).unwrap(), journal);
    }

    /// The beacons that a station said, in order.
    pub(crate) fn beacons_of(&self, name: &str) -> Vec<Bytes> {
        let id = self.id(name);
        self.beacons.iter().filter(|(from, _)| *from == id).map(|(_, b)| b.clone()).collect()
    }

    pub(crate) fn keys(&self, name: &str) -> Arc<StationKeys> {
        self.keys[&StationName::parse(name).unwrap()].clone()
    }

    pub(crate) fn entropy(&mut self) -> &mut Entropy {
        &mut self.entropy
    }

    pub(crate) fn draft(type_name: &str, to: &[&str]) -> Draft {
        let mut json = catalogue().template(catalogue().find(type_name).unwrap());
        json["to_action"] = serde_json::json!(to);
        let options = SendOptions {
            drafted_by: Some("D. Drafter".into()),
            released_by: Some("R. Releaser".into()),
            ..SendOptions::default()
        };
        let draft = Draft::from_json(type_name, &json.to_string(), options).unwrap();
        draft.check().unwrap();
        draft
    }

    /// A station's own people hand in documents.
    pub(crate) fn publish(
        &mut self,
        at: &str,
        documents: &[Bytes],
    ) -> Vec<Result<Admitted, String>> {
        let documents = documents.to_vec();
        let token = self.give(at, |token| Input::Documents { token, documents });
        self.believed.remove(&token).expect("documents are answered")
    }

    pub(crate) fn documents(&self) -> Vec<Bytes> {
        self.documents.clone()
    }

    /// The accord, and what came with it.
    pub(crate) fn documents_with_accord(&self) -> Vec<Bytes> {
        [vec![self.accord.clone()], self.documents()].concat()
    }

    pub(crate) fn command(
        &mut self,
        at: &str,
        input: impl FnOnce(Token) -> Input,
    ) -> Result<MsgId, Denied> {
        self.tokens += 1;
        let token = Token(self.tokens);
        self.queue.push_back((self.id(at), input(token)));
        self.run(0);
        self.replies.remove(&token).expect("every command is answered")
    }
}
