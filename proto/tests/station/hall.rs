//! A hall in which everything arrives at once and in order, and nothing is lost.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use cbm_proto::accord::{Directory, Role, sample, station_id};
use cbm_proto::catalogue::catalogue;
use cbm_proto::draft::{Draft, SendOptions};
use cbm_proto::envelope::Envelope;
use cbm_proto::event::{Act, Denied, Effects, Input, Officer, RequestId, Speak, Token};
use cbm_proto::id::{MsgId, StationId, StationName};
use cbm_proto::journal::{Record, RecordKind};
use cbm_proto::keys::StationKeys;
use cbm_proto::primitives::Entropy;
use cbm_proto::station::{Setup, Station};
use cbm_proto::sync::{self, Ask};
use cbm_proto::terms::Level;
use cbm_proto::time::{Mono, Now, Timestamp};

struct Node {
    station: Station,
    journal: Vec<Record>,
}

pub(crate) struct Hall {
    nodes: BTreeMap<StationId, Node>,
    names: BTreeMap<StationName, StationId>,
    keys: BTreeMap<StationName, Arc<StationKeys>>,
    accord: Bytes,
    documents: Vec<Bytes>,
    entropy: Entropy,
    ms: u64,
    queue: VecDeque<(StationId, Input)>,
    replies: BTreeMap<Token, Result<MsgId, Denied>>,
    open: BTreeMap<Token, (StationId, StationId, RequestId)>,
    tokens: u64,
    cut: Vec<(StationId, StationId)>,
}

pub(crate) fn officer() -> Officer {
    Officer { name: "O. Officer".into(), office: "Duty desk".into() }
}

impl Hall {
    pub(crate) fn new(parties: &[&str]) -> Self {
        let mut entropy = Entropy::new(&[7; 32]);
        let plan: Vec<_> = parties.iter().map(|p| (*p, Role::State, &["mfa"][..])).collect();
        let founded = sample(&plan, &mut entropy).unwrap();
        let network = founded.network;
        let ids = founded.stations.keys().map(|n| (n.clone(), station_id(&network, n))).collect();
        let mut hall = Self {
            nodes: BTreeMap::new(),
            names: ids,
            keys: founded.stations.into_iter().map(|(n, k)| (n, Arc::new(k))).collect(),
            accord: founded.accord,
            documents: founded.documents,
            entropy,
            ms: 1_000,
            queue: VecDeque::new(),
            replies: BTreeMap::new(),
            open: BTreeMap::new(),
            tokens: 0,
            cut: Vec::new(),
        };
        for name in hall.names.keys().cloned().collect::<Vec<_>>() {
            hall.begin(&name, Vec::new());
        }
        hall.link_all();
        hall
    }

    fn id(&self, name: &str) -> StationId {
        self.names[&StationName::parse(name).unwrap()]
    }

    pub(crate) fn station(&self, name: &str) -> &Station {
        &self.nodes[&self.id(name)].station
    }

    pub(crate) fn station_journal(&self, name: &str) -> Vec<Record> {
        self.nodes[&self.id(name)].journal.clone()
    }

    fn now(&self) -> Now {
        Now { wall: Timestamp(1_800_000_000_000 + self.ms), mono: Mono(self.ms) }
    }

    pub(crate) fn begin(&mut self, name: &StationName, journal: Vec<Record>) {
        let mut directory = Directory::new(&self.accord).unwrap();
        directory.admit_all(self.documents.iter().map(|d| &d[..]));
        let (keys, me) = (self.keys[name].clone(), self.names[name]);
        let mut station = Station::new(Setup { me, keys, directory, moved: false });
        for record in &journal {
            station.restore(record).unwrap();
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
        self.cut.push((a, b));
        self.queue.push_back((a, Input::Unlinked { peer: b }));
        self.queue.push_back((b, Input::Unlinked { peer: a }));
        self.run(0);
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
            let next = self.nodes.values().map(|n| n.station.deadline().0).min().unwrap();
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
        self.nodes.get_mut(&me).unwrap().journal.extend(effects.appends);
        for speak in effects.speaks {
            match speak {
                Speak::Publish { bytes, .. } => self.gossip(me, &bytes),
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
                Speak::Reply { token, result } => {
                    self.replies.insert(token, result);
                }
                Speak::Dial { .. } | Speak::Hangup { .. } | Speak::Membership | Speak::Tell(_) => {}
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
        if self.is_cut(me, peer) || !self.nodes.contains_key(&peer) {
            self.queue.push_back((me, Input::Answered { peer, id, answer: None }));
            return;
        }
        self.tokens += 1;
        let token = Token(self.tokens);
        self.open.insert(token, (me, peer, id));
        self.queue.push_back((peer, Input::Asked { peer: me, token, bytes }));
    }

    fn answer(&mut self, token: Token, bytes: Bytes) {
        let (asker, peer, id) = self.open.remove(&token).unwrap();
        self.queue.push_back((asker, Input::Answered { peer, id, answer: Some(bytes) }));
    }

    pub(crate) fn send(&mut self, from: &str, type_name: &str, to: &[&str]) -> MsgId {
        let mut json = catalogue().template(catalogue().find(type_name).unwrap());
        json["to_action"] = serde_json::json!(to);
        let options = SendOptions {
            drafted_by: Some("D. Drafter".into()),
            released_by: Some("R. Releaser".into()),
            ..SendOptions::default()
        };
        let draft = Draft::from_json(type_name, &json.to_string(), options).unwrap();
        draft.check().unwrap();
        self.command(from, |token| Input::Submit { token, draft: Box::new(draft) }).unwrap()
    }

    pub(crate) fn act(&mut self, at: &str, msg: MsgId, act: Act) {
        let by = officer();
        self.command(at, |token| Input::Act { token, msg, act, by }).unwrap();
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

    pub(crate) fn level(
        &self,
        from: &str,
        msg: MsgId,
    ) -> (Option<Level>, &'static str, Option<String>) {
        let status = self.station(from).status(self.now(), &msg).unwrap();
        let one = &status.addressees[0];
        (one.level, one.state.word(), one.path.clone())
    }

    pub(crate) fn inbox(&self, at: &str) -> Vec<MsgId> {
        self.station(at).inbox().map(|letter| letter.msg).collect()
    }
}
