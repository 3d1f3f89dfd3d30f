//! Many stations in one process, with the links and the gossip that they would have, over a transport
//! that costs nothing: what a FLASH to everybody takes until all have it and all have said so.
//!
//! Nothing goes to a disk here, and nobody encrypts links. Gossip is as the node's: a publish goes to all
//! links of its author, and whoever accepts it passes it on once to the random neighbours that it shares a
//! mesh with. All cores work in turns: each station takes what waits for it, then what they say is carried
//! over. Used by `bench`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cbm_proto::accord::{Directory, Founded, Role, sample, station_id};
use cbm_proto::catalogue::catalogue;
use cbm_proto::draft::{Draft, SendOptions};
use cbm_proto::event::{Effects, Input, Notice, RequestId, Speak, Token, Topic, Verdict};
use cbm_proto::id::{Digest, StationId};
use cbm_proto::journal::{Record, RecordKind};
use cbm_proto::primitives::{Entropy, digest};
use cbm_proto::station::{Setup, Station};
use cbm_proto::sync::{self, Ask};
use cbm_proto::terms::Level;
use cbm_proto::time::{Mono, Now, Timestamp};

use super::Failed;

/// Mesh neighbours that each station looks for, and those it has at most, as
/// `node/src/mesh/settings.rs` has it for more than 100 members.
const MESH: usize = 8;
const MESH_HIGH: usize = 14;
/// Up to so many links a publish goes to all of them; the same file.
const FLOOD_LINKS: usize = 64;
/// Nothing may take longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a FLASH took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flash {
    /// Until each station had it in its journal.
    pub(super) stored: Duration,
    /// Until the signed L1 of each was opened by the sender.
    pub(super) receipted: Duration,
}

/// A message on its way through gossip, under the id that gossip knows it by.
#[derive(Clone)]
struct Rumour {
    id: Digest,
    topic: Topic,
    bytes: Bytes,
}

struct Crowd {
    stations: Vec<Station>,
    ids: BTreeMap<StationId, usize>,
    links: Vec<BTreeSet<usize>>,
    mesh: Vec<BTreeSet<usize>>,
    queue: VecDeque<(usize, Input)>,
    kept: Vec<Vec<Record>>,
    heard: BTreeMap<Token, (usize, usize, Rumour)>,
    seen: BTreeSet<(usize, Digest)>,
    questions: BTreeMap<Token, (usize, StationId, RequestId)>,
    said: BTreeSet<StationId>,
    tokens: u64,
    entropy: Entropy,
    /// Virtual milliseconds before the clock runs.
    offset: u64,
    clock: Option<Instant>,
}

/// One FLASH of one station to all others of so many parties, with `links` links each.
///
/// # Errors
/// Not everybody has it in time.
pub(super) fn flash(parties: usize, links: usize) -> Result<Flash, Failed> {
    let mut crowd = Crowd::new(parties, links)?;
    crowd.settle_down()?;
    crowd.flash()
}

/// A FLASH of 200 words to the parties of these codes.
///
/// # Errors
/// The catalogue has no such letter.
pub(super) fn signal(parties: Vec<String>) -> Result<Draft, Failed> {
    let mut json = catalogue()
        .template(catalogue().find("operator-note").map_err(|problem| problem.to_string())?);
    (json["to_action"], json["precedence"]) = (serde_json::json!(parties), "FLASH".into());
    json["body"]["text"][0]["text"] = "signal ".repeat(200).trim_end().into();
    let options = SendOptions {
        drafted_by: Some("D. Drafter".into()),
        released_by: Some("R. Releaser".into()),
        ..SendOptions::default()
    };
    Ok(Draft::from_json("operator-note", &json.to_string(), options)?)
}

/// Code of the party of this number.
pub(super) fn code(n: usize) -> String {
    let letter = |n: usize| char::from(b'A' + u8::try_from(n % 26).unwrap_or(0));
    [letter(n / 676), letter(n / 26), letter(n)].iter().collect()
}

impl Crowd {
    fn new(parties: usize, links: usize) -> Result<Self, Failed> {
        let codes: Vec<String> = (0..parties).map(code).collect();
        let plan: Vec<_> = codes.iter().map(|c| (&c[..], Role::State, &["mfa"][..])).collect();
        let founded: Founded = sample(&plan, &mut Entropy::new(&[9; 32]))?;
        let mut directory = Directory::new(&founded.accord)?;
        directory.admit_all(founded.documents.iter().map(|document| &document[..]));
        let (mut stations, mut ids) = (Vec::new(), BTreeMap::new());
        for (name, keys) in founded.stations {
            let (me, directory) = (station_id(&founded.network, &name), directory.clone());
            ids.insert(me, stations.len());
            let keys = Arc::new(keys);
            stations.push(Station::new(Setup {
                me,
                keys,
                directory,
                moved: false,
                restored: None,
            }));
        }
        let count = stations.len();
        let mut crowd = Self {
            stations,
            ids,
            links: vec![BTreeSet::new(); count],
            mesh: vec![BTreeSet::new(); count],
            queue: VecDeque::new(),
            kept: vec![Vec::new(); count],
            heard: BTreeMap::new(),
            seen: BTreeSet::new(),
            questions: BTreeMap::new(),
            said: BTreeSet::new(),
            tokens: 0,
            entropy: Entropy::new(&[7; 32]),
            offset: 1_000,
            clock: None,
        };
        crowd.link_all(links)?;
        Ok(crowd)
    }

    /// Random links, and among them a random mesh; both mutual.
    fn link_all(&mut self, links: usize) -> Result<(), Failed> {
        let count = self.stations.len();
        for at in 0..count {
            while self.links[at].len() < links.min(count - 1) {
                let other = usize::try_from(self.entropy.below(count as u64))?;
                self.link(at, other);
            }
        }
        for at in 0..count {
            let mut open: Vec<usize> = self.links[at].difference(&self.mesh[at]).copied().collect();
            open.retain(|other| self.mesh[*other].len() < MESH_HIGH);
            while self.mesh[at].len() < MESH && !open.is_empty() {
                let drawn = usize::try_from(self.entropy.below(open.len() as u64))?;
                let other = open.swap_remove(drawn);
                self.mesh[at].insert(other);
                self.mesh[other].insert(at);
            }
        }
        Ok(())
    }

    fn link(&mut self, a: usize, b: usize) {
        if a != b && self.links[a].insert(b) {
            self.links[b].insert(a);
            let (peer_a, peer_b) = (self.stations[a].me(), self.stations[b].me());
            self.queue.push_back((a, Input::Linked { peer: peer_b }));
            self.queue.push_back((b, Input::Linked { peer: peer_a }));
        }
    }

    fn now(&self) -> Now {
        let ran = self.clock.map_or(0, |clock| clock.elapsed().as_millis());
        let ms = self.offset + u64::try_from(ran).unwrap_or(u64::MAX);
        Now { wall: Timestamp(1_800_000_000_000 + ms), mono: Mono(ms) }
    }

    /// Everybody starts, links, and finds its voice, on a clock that jumps.
    fn settle_down(&mut self) -> Result<(), Failed> {
        for at in 0..self.stations.len() {
            let (now, seed) = (self.now(), self.entropy.bytes());
            let effects = self.stations[at].start(now, &seed);
            self.perform(at, effects);
        }
        for _ in 0..8 {
            self.turn_all()?;
            self.offset += 1_000;
            (0..self.stations.len()).for_each(|at| self.queue.push_back((at, Input::Tick)));
        }
        self.turn_all()
    }

    fn turn_all(&mut self) -> Result<(), Failed> {
        let begin = Instant::now();
        while !self.queue.is_empty() {
            self.turn();
            if begin.elapsed() > PATIENCE {
                return Err("the crowd does not come to rest".into());
            }
        }
        Ok(())
    }

    /// Everybody takes what waits for it, on all cores; then what they say is carried over.
    fn turn(&mut self) {
        let mut waiting: BTreeMap<usize, Vec<Input>> = BTreeMap::new();
        for (at, input) in self.queue.drain(..) {
            waiting.entry(at).or_default().push(input);
        }
        let now = self.now();
        let busy = self.stations.iter_mut().enumerate();
        let busy = busy.filter_map(|(at, station)| Some((at, station, waiting.remove(&at)?)));
        let work: Vec<Work<'_>> = busy.map(|(at, s, i)| (at, s, i, self.entropy.bytes())).collect();
        for (at, effects) in on_all_cores(now, work) {
            self.perform(at, effects);
        }
    }

    fn flash(&mut self) -> Result<Flash, Failed> {
        let draft = signal((1..self.stations.len()).map(code).collect())?;
        let sender = self.ids.get(&self.sender()).copied().unwrap_or(0);
        let before: Vec<usize> = self.kept.iter().map(|kept| envelopes(kept)).collect();
        self.said.clear();
        let begin = Instant::now();
        self.clock = Some(begin);
        let draft = Box::new(draft);
        self.queue.push_back((sender, Input::Submit { token: Token(u64::MAX), draft }));
        let mut stored = None;
        while begin.elapsed() < PATIENCE {
            self.step();
            if stored.is_none() && self.kept.iter().zip(&before).all(|(k, b)| envelopes(k) > *b) {
                stored = Some(begin.elapsed());
            }
            if self.said.len() + 1 >= self.stations.len() {
                let receipted = begin.elapsed();
                return Ok(Flash { stored: stored.unwrap_or(receipted), receipted });
            }
        }
        Err(format!("{} of {} said L1", self.said.len(), self.stations.len() - 1).into())
    }

    fn sender(&self) -> StationId {
        let first = self.stations.iter().map(Station::me).find(|id| {
            let name = self.stations[0].directory().member(id).map(|m| m.name.to_string());
            name.as_deref() == Some("AAA/mfa")
        });
        first.unwrap_or(StationId([0; 16]))
    }

    /// What waits and what is due, or a pause.
    fn step(&mut self) {
        let now = self.now().mono;
        let due = self.stations.iter().enumerate().filter(|(_, s)| s.deadline() <= now);
        self.queue.extend(due.map(|(at, _)| (at, Input::Tick)));
        if self.queue.is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.turn();
    }

    fn perform(&mut self, at: usize, effects: Effects) {
        for (token, verdict) in effects.verdicts {
            if let Some((_, from, rumour)) = self.heard.remove(&token)
                && verdict == Verdict::Accept
            {
                self.gossip(at, Some(from), &rumour);
            }
        }
        self.kept[at].extend(effects.appends);
        for speak in effects.speaks {
            self.speak(at, speak);
        }
    }

    fn speak(&mut self, at: usize, speak: Speak) {
        match speak {
            Speak::Publish { topic, bytes } => {
                let id = digest("gossip", &[&bytes]);
                if self.seen.insert((at, id)) {
                    self.gossip(at, None, &Rumour { id, topic, bytes });
                }
            }
            Speak::Request { peer, id, bytes } => self.request(at, peer, id, bytes),
            Speak::Push { peer, id, envelope } => {
                let is = |r: &&Record| {
                    let decoded = cbm_proto::envelope::Envelope::decode(r.bytes.clone());
                    r.kind == RecordKind::Envelope && decoded.is_ok_and(|e| e.id() == envelope)
                };
                match self.kept[at].iter().find(is).map(|r| r.bytes.clone()) {
                    Some(bytes) => self.request(at, peer, id, Ask::Push(bytes).encode()),
                    None => self.queue.push_back((at, Input::Answered { peer, id, answer: None })),
                }
            }
            Speak::Answer { token, bytes } => self.answer(token, bytes),
            Speak::Serve { token, .. } => self.answer(token, sync::serve(Vec::new(), false)),
            Speak::Dial { peer } => {
                if let Some(other) = self.ids.get(&peer).copied() {
                    self.link(at, other);
                }
            }
            Speak::Tell(Notice::Settled { station, level, .. }) if level >= Level::L1 => {
                self.said.insert(station);
            }
            _ => {}
        }
    }

    fn gossip(&mut self, at: usize, from: Option<usize>, rumour: &Rumour) {
        if rumour.topic == Topic::Beacon {
            return;
        }
        let peer = self.stations[at].me();
        let flood = from.is_none() && self.links[at].len() <= FLOOD_LINKS;
        let all = if flood { &self.links[at] } else { &self.mesh[at] };
        for to in all.iter().copied().filter(|to| Some(*to) != from) {
            // Gossip knows a message again before anybody looks at it.
            if self.seen.insert((to, rumour.id)) {
                self.tokens += 1;
                let token = Token(self.tokens);
                self.heard.insert(token, (to, at, rumour.clone()));
                let bytes = rumour.bytes.clone();
                self.queue.push_back((to, Input::Heard { from: peer, token, bytes }));
            }
        }
    }

    fn request(&mut self, at: usize, peer: StationId, id: RequestId, bytes: Bytes) {
        let linked = self.ids.get(&peer).filter(|to| self.links[at].contains(to)).copied();
        let Some(to) = linked else {
            return self.queue.push_back((at, Input::Answered { peer, id, answer: None }));
        };
        self.tokens += 1;
        let (token, me) = (Token(self.tokens), self.stations[at].me());
        self.questions.insert(token, (at, peer, id));
        self.queue.push_back((to, Input::Asked { peer: me, token, bytes }));
    }

    fn answer(&mut self, token: Token, bytes: Bytes) {
        if let Some((at, peer, id)) = self.questions.remove(&token) {
            self.queue.push_back((at, Input::Answered { peer, id, answer: Some(bytes) }));
        }
    }
}

/// A station, what waits for it, and its chance.
type Work<'a> = (usize, &'a mut Station, Vec<Input>, [u8; 32]);

fn on_all_cores(now: Now, work: Vec<Work<'_>>) -> Vec<(usize, Effects)> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(work.len());
    let work = Mutex::new(work);
    let done = Mutex::new(Vec::new());
    let take = || {
        while let Some(next) = lock(&work).pop() {
            let effects = take_turn(now, next);
            lock(&done).push(effects);
        }
    };
    std::thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(take)));
        take();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done
}

fn take_turn(now: Now, (at, station, inputs, chance): Work<'_>) -> (usize, Effects) {
    let (mut chance, mut effects) = (Entropy::new(&chance), Effects::default());
    for input in inputs {
        effects.absorb(station.handle(now, &chance.bytes(), input));
    }
    effects.absorb(station.settle(now, &chance.bytes()));
    (at, effects)
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn envelopes(kept: &[Record]) -> usize {
    // A FLASH to everybody with stanzas for up to 256 is larger than anything else here.
    kept.iter().filter(|r| r.kind == RecordKind::Envelope && r.bytes.len() > 40_000).count()
}
