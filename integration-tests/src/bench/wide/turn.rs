//! One station of `wide` at work: its inputs, its file, its words.
//!
//! Invariants: those of `seat`, which makes it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use cbm_proto::accord::{ALL, Directory};
use cbm_proto::draft::Draft;
use cbm_proto::envelope::Envelope;
use cbm_proto::event::{Effects, Input, RequestId, Speak, Token, Topic, Verdict};
use cbm_proto::id::{EnvelopeId, LaneId, StationId};
use cbm_proto::journal::{Record, RecordKind};
use cbm_proto::keys::StationKeys;
use cbm_proto::limits::BATCH_INPUTS;
use cbm_proto::primitives::Entropy;
use cbm_proto::station::{Setup, Station};
use cbm_proto::sync::{self, Ask};
use cbm_proto::time::{Mono, Now, Timestamp};
use libp2p::PeerId;
use libp2p::gossipsub::{MessageAcceptance, MessageId};
use tokio::sync::mpsc::{Receiver, Sender};

use super::Report;
use super::gossip::Order;

/// What a station is told.
pub(super) enum ToSeat {
    /// Say this.
    Submit(Box<Draft>),
    /// Gossip brought this from a neighbour.
    Heard { neighbour: usize, from: PeerId, id: MessageId, bytes: Bytes },
    /// A linked station asks.
    Asked { from: usize, id: RequestId, bytes: Bytes },
    /// A linked station answers.
    Answered { from: usize, id: RequestId, answer: Option<Bytes> },
}

/// Stations by number, and back.
pub(super) struct Names {
    pub(super) by_number: Vec<StationId>,
    pub(super) numbers: BTreeMap<StationId, usize>,
}

/// A station with its place among the others.
pub(super) struct Seat {
    pub(super) at: usize,
    pub(super) keys: Arc<StationKeys>,
    pub(super) station: Station,
    lane: Option<LaneId>,
    links: BTreeSet<usize>,
    names: Arc<Names>,
    chance: Entropy,
    pub(super) began: Instant,
    tokens: u64,
    heard: BTreeMap<Token, (MessageId, PeerId)>,
    questions: BTreeMap<Token, (usize, RequestId)>,
    /// Envelopes of its own, to be pushed.
    own: Vec<Bytes>,
}

/// What a station reaches others by.
pub(super) struct Hands {
    pub(super) file: PathBuf,
    pub(super) orders: Sender<Order>,
    pub(super) seats: Arc<[Sender<ToSeat>]>,
    pub(super) reports: Sender<Report>,
}

impl Seat {
    /// A station without a past that has not begun.
    pub(super) fn new(
        at: usize,
        keys: Arc<StationKeys>,
        directory: Directory,
        links: BTreeSet<usize>,
        names: &Arc<Names>,
        began: Instant,
    ) -> Self {
        let lane = directory.group(ALL).map(|group| group.lane);
        let (me, names) = (names.by_number[at], Arc::clone(names));
        let setup = Setup { me, keys: Arc::clone(&keys), directory, moved: false, restored: None };
        let mut seed = [3; 32];
        seed[..8].copy_from_slice(&(at as u64).to_be_bytes());
        Self {
            at,
            keys,
            station: Station::new(setup),
            lane,
            links,
            names,
            chance: Entropy::new(&seed),
            began,
            tokens: 0,
            heard: BTreeMap::new(),
            questions: BTreeMap::new(),
            own: Vec::new(),
        }
    }

    /// Begins, or takes one input, where no question finds an answer and nothing is kept. Gives what it
    /// would have put into gossip.
    pub(super) fn quietly(&mut self, input: Option<Input>) -> Option<Bytes> {
        let (now, chance) = (self.now(), self.chance.bytes());
        let mut effects = match input {
            Some(input) => self.station.handle(now, &chance, input),
            None => self.station.start(now, &chance),
        };
        effects.absorb(self.station.settle(now, &self.chance.bytes()));
        let mut speaks = VecDeque::from(effects.speaks);
        let mut said = None;
        while let Some(speak) = speaks.pop_front() {
            match speak {
                Speak::Publish { topic: Topic::Lane(_), bytes } => said = Some(bytes),
                Speak::Request { peer, id, .. } | Speak::Push { peer, id, .. } => {
                    let unanswered = Input::Answered { peer, id, answer: None };
                    let next = self.station.handle(now, &self.chance.bytes(), unanswered);
                    speaks.extend(next.speaks);
                }
                _ => {}
            }
        }
        said
    }

    fn now(&self) -> Now {
        let ms = 1_000 + u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { wall: Timestamp(1_800_000_000_000 + ms), mono: Mono(ms) }
    }

    /// Takes inputs, as many as wait at once, until nobody sends any more.
    pub(super) async fn run(mut self, mut inputs: Receiver<ToSeat>, hands: Hands) {
        while let Some(first) = inputs.recv().await {
            let mut batch = vec![first];
            while batch.len() < BATCH_INPUTS
                && let Ok(next) = inputs.try_recv()
            {
                batch.push(next);
            }
            let effects = self.take(batch, &hands);
            let letters = effects.appends.iter().filter(|record| self.is_letter(record)).count();
            if let Err(error) = keep(&hands.file, &effects.appends).await {
                let _gone =
                    hands.reports.try_send(Err(format!("{}: {error}", hands.file.display())));
                return;
            }
            if letters > 0 {
                let _gone = hands.reports.try_send(Ok((self.at, Instant::now())));
            }
            effects.speaks.into_iter().for_each(|speak| self.speak(speak, &hands));
        }
    }

    /// The verdicts leave before anything is opened, as they do in the node.
    fn take(&mut self, batch: Vec<ToSeat>, hands: &Hands) -> Effects {
        let now = self.now();
        let mut effects = Effects::default();
        for told in batch {
            let input = self.input(told);
            let chance = self.chance.bytes();
            effects.absorb(self.station.handle(now, &chance, input));
            for (token, verdict) in effects.verdicts.drain(..) {
                if let Some((id, from)) = self.heard.remove(&token) {
                    let order = Order::Verdict(id, from, acceptance(verdict));
                    let _gone = hands.orders.try_send(order);
                }
            }
        }
        effects.absorb(self.station.settle(now, &self.chance.bytes()));
        let me = self.station.me();
        let envelopes = effects.appends.iter().filter(|r| r.kind == RecordKind::Envelope);
        let own = envelopes.filter(|r| decoded(&r.bytes).is_some_and(|e| e.header().author == me));
        self.own.extend(own.map(|record| record.bytes.clone()));
        effects
    }

    fn input(&mut self, told: ToSeat) -> Input {
        self.tokens += 1;
        let token = Token(self.tokens);
        match told {
            ToSeat::Submit(draft) => Input::Submit { token, draft },
            ToSeat::Heard { neighbour, from, id, bytes } => {
                self.heard.insert(token, (id, from));
                Input::Heard { from: self.names.by_number[neighbour], token, bytes }
            }
            ToSeat::Asked { from, id, bytes } => {
                self.questions.insert(token, (from, id));
                Input::Asked { peer: self.names.by_number[from], token, bytes }
            }
            ToSeat::Answered { from, id, answer } => {
                Input::Answered { peer: self.names.by_number[from], id, answer }
            }
        }
    }

    /// On the lane of all there are FLASHes only, once it has begun.
    fn is_letter(&self, record: &Record) -> bool {
        let on_lane = |envelope: Envelope| Some(envelope.header().lane) == self.lane;
        record.kind == RecordKind::Envelope && decoded(&record.bytes).is_some_and(on_lane)
    }

    fn speak(&mut self, speak: Speak, hands: &Hands) {
        match speak {
            Speak::Publish { topic: Topic::Lane(_), bytes } => {
                let _gone = hands.orders.try_send(Order::Publish(bytes.to_vec()));
            }
            Speak::Request { peer, id, bytes } => self.ask(peer, id, Some(bytes), hands),
            Speak::Push { peer, id, envelope } => {
                let bytes = self.own_envelope(&envelope).map(|bytes| Ask::Push(bytes).encode());
                self.ask(peer, id, bytes, hands);
            }
            Speak::Answer { token, bytes } => self.answer(token, bytes, hands),
            // Catch-up has no part in this.
            Speak::Serve { token, .. } => self.answer(token, sync::serve(Vec::new(), false), hands),
            Speak::Reply { result: Err(denied), .. } => {
                let _gone = hands.reports.try_send(Err(denied.to_string()));
            }
            _ => {}
        }
    }

    fn own_envelope(&self, id: &EnvelopeId) -> Option<Bytes> {
        let is = |bytes: &&Bytes| decoded(bytes).is_some_and(|envelope| envelope.id() == *id);
        self.own.iter().find(is).cloned()
    }

    fn ask(&self, peer: StationId, id: RequestId, bytes: Option<Bytes>, hands: &Hands) {
        let Some(to) = self.names.numbers.get(&peer).copied() else { return };
        let linked = bytes.filter(|_| self.links.contains(&to));
        let _gone = match linked {
            Some(bytes) => hands.seats[to].try_send(ToSeat::Asked { from: self.at, id, bytes }),
            None => hands.seats[self.at].try_send(ToSeat::Answered { from: to, id, answer: None }),
        };
    }

    fn answer(&mut self, token: Token, bytes: Bytes, hands: &Hands) {
        if let Some((from, id)) = self.questions.remove(&token) {
            let answer = ToSeat::Answered { from: self.at, id, answer: Some(bytes) };
            let _gone = hands.seats[from].try_send(answer);
        }
    }
}

fn decoded(bytes: &Bytes) -> Option<Envelope> {
    Envelope::decode(bytes.clone()).ok()
}

const fn acceptance(verdict: Verdict) -> MessageAcceptance {
    match verdict {
        Verdict::Accept => MessageAcceptance::Accept,
        Verdict::Ignore => MessageAcceptance::Ignore,
        Verdict::Reject => MessageAcceptance::Reject,
    }
}

/// Appends to the file and syncs, where it keeps nobody else waiting.
async fn keep(file: &Path, appends: &[Record]) -> std::io::Result<()> {
    if appends.is_empty() {
        return Ok(());
    }
    let mut bytes = Vec::new();
    for record in appends {
        bytes.push(record.kind.code());
        bytes.extend(record.salt);
        bytes.extend(&record.bytes);
    }
    let file = file.to_path_buf();
    let write = move || {
        let mut file = std::fs::OpenOptions::new().append(true).open(file)?;
        file.write_all(&bytes)?;
        file.sync_data()
    };
    tokio::task::spawn_blocking(write).await.map_err(std::io::Error::other)?
}
