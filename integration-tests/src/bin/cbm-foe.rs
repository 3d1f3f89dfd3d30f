//! A member that floods: `cbm-foe CONFIG` speaks through the mesh of the real node, with the keys of
//! the station of that configuration, as much as its links take, until it is killed.
//!
//! To each linked station that it is not in league with it keeps as many questions under way as the
//! mesh allows: letters to it and to others, each new and rightly signed, junk, spoiled copies,
//! questions for everything that it holds. Into gossip it puts letters and junk without a pause.
//! Prints once a second how much that was. Invariant: all of it is drawn from one seed, its own
//! name. Run by `tests/networks.rs`.

use std::{
    collections::BTreeMap,
    error::Error,
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cbm_integration_tests::chance::Chance;
use cbm_node::{
    clock::Clock,
    config::Config,
    documents,
    keystore::Keystore,
    mesh::{self, Grant, Lane, Membership, Mesh, MeshCommand, MeshConfig, MeshEvent},
};
use cbm_proto::{
    accord::{ALL, Directory, station_id},
    catalogue::catalogue,
    draft::{Draft, SendOptions},
    event::{RequestId, Topic, Verdict},
    id::{Digest, EnvelopeId, FeedId, Incarnation, LaneId, MsgId, StationId, StationName},
    keys::StationKeys,
    letter::{Letter, Origin},
    primitives::Entropy,
    seal::{self, Frame, PairSecret, Recipient},
    sync::{Ask, Numbers, Say},
    terms::Status,
};

type Failed = Box<dyn Error + Send + Sync>;

/// Questions under way to one station: the mesh lets no more out.
const UNDER_WAY: usize = 64;
/// Bytes of junk.
const JUNK: usize = 32 * 1024;
/// Numbers that are asked for at once, as many as a station answers.
const WANTED: u64 = 1_024;

struct Foe {
    me: StationName,
    id: StationId,
    keys: StationKeys,
    directory: Directory,
    lane: LaneId,
    entropy: Entropy,
    chance: Chance,
    incarnation: Incarnation,
    seq: u64,
    prev: EnvelopeId,
    under_way: BTreeMap<StationId, usize>,
    asked: BTreeMap<RequestId, StationId>,
    /// Feeds of others, to ask for.
    feeds: Vec<FeedId>,
    next: u64,
    sums: [u64; 3],
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failed> {
    let mut words = std::env::args().skip(1);
    let file = words.next().ok_or("usage: cbm-foe CONFIG")?;
    let config = Config::load(Path::new(&file), [], &[])?;
    let mut foe = Foe::new(&config)?;
    let mut mesh = foe.mesh(&config).await?;
    let mut tell = Instant::now() + Duration::from_secs(1);
    loop {
        foe.flood(&mesh).await?;
        foe.listen(&mut mesh).await?;
        if tell <= Instant::now() {
            tell += Duration::from_secs(1);
            let ([asked, answered, published], linked) = (foe.sums, foe.under_way.len());
            println!("links {linked} asked {asked} answered {answered} published {published}");
        }
    }
}

impl Foe {
    fn new(config: &Config) -> Result<Self, Failed> {
        let directory = documents::load(&config.documents)?.directory;
        let me = config.station.clone();
        let mut seed = [0; 32];
        seed[..3].copy_from_slice(&me.party().as_str().as_bytes()[..3]);
        Ok(Self {
            id: station_id(&directory.network(), &me),
            keys: Keystore::open(&config.keys)?.load_station()?,
            lane: directory.group(ALL).ok_or("no common group")?.lane,
            me,
            directory,
            entropy: Entropy::new(&seed),
            chance: Chance::new(u64::from(seed[0]), "foe"),
            incarnation: Incarnation([seed[0]; 16]),
            seq: 0,
            prev: EnvelopeId([0; 32]),
            under_way: BTreeMap::new(),
            asked: BTreeMap::new(),
            feeds: Vec::new(),
            next: 0,
            sums: [0; 3],
        })
    }

    async fn mesh(&self, config: &Config) -> Result<Mesh, Failed> {
        let others = self.directory.members().filter(|member| member.id != self.id);
        let grants = others.map(|member| Grant {
            station: member.id,
            peers: member.peers.clone(),
            message: true,
            addresses: member.addresses.clone(),
            dial: true,
        });
        let members = self.directory.lane_members(&self.lane).cloned().unwrap_or_default();
        let lanes = vec![Lane { id: self.lane, members }];
        let membership = Membership { grants: grants.collect(), lanes };
        let seed = self.keys.peer_seed.clone();
        let settings = MeshConfig {
            listen: config.listen.clone(),
            ..MeshConfig::new(seed, self.directory.network(), self.id)
        };
        Ok(mesh::start(settings, membership).await?)
    }

    /// Fills every link.
    async fn flood(&mut self, mesh: &Mesh) -> Result<(), Failed> {
        let peers: Vec<StationId> = self.under_way.keys().copied().collect();
        for peer in peers {
            while self.under_way.get(&peer).is_some_and(|count| *count < UNDER_WAY) {
                let bytes = self.question(peer)?.encode();
                self.next += 1;
                let id = RequestId(self.next);
                self.asked.insert(id, peer);
                *self.under_way.entry(peer).or_default() += 1;
                self.sums[0] += 1;
                mesh.handle.send(MeshCommand::Request { peer, id, bytes }).await?;
            }
            let bytes = if self.chance.happens(500) { self.letter(peer)? } else { self.junk() };
            let topic = Topic::Lane(self.lane);
            self.sums[2] += 1;
            mesh.handle.send(MeshCommand::Publish { topic, bytes }).await?;
        }
        Ok(())
    }

    fn question(&mut self, peer: StationId) -> Result<Ask, Failed> {
        Ok(match self.chance.below(8) {
            0 | 1 => Ask::Push(self.letter(peer)?),
            2 => Ask::Push(self.letter(self.id)?),
            3 => Ask::Push(self.junk()),
            4 => Ask::Push(self.spoiled(peer)?),
            5 => Ask::Summary(Digest(self.chance.seed())),
            6 => Ask::Documents(Vec::new()),
            _ => {
                let feed = self.chance.index(self.feeds.len());
                let Some(feed) = self.feeds.get(feed).copied() else {
                    return Ok(Ask::Summary(Digest([0; 32])));
                };
                Ask::Want(vec![Numbers { feed, from: 1, to: WANTED }], Vec::new())
            }
        })
    }

    fn junk(&mut self) -> Bytes {
        (0..JUNK / 32).flat_map(|_| self.chance.seed()).collect()
    }

    /// A letter whose signature is wrong by one bit.
    fn spoiled(&mut self, to: StationId) -> Result<Bytes, Failed> {
        let mut bytes = self.letter(to)?.to_vec();
        bytes[300] ^= 1;
        Ok(bytes.into())
    }

    /// A new letter of ours, the next of our feed; to somebody else if it would be to ourselves.
    fn letter(&mut self, to: StationId) -> Result<Bytes, Failed> {
        let other = |id: StationId| if id == self.id { None } else { self.directory.member(&id) };
        let last = self.directory.members().filter(|member| member.id != self.id).last();
        let member = other(to).or(last).ok_or("nobody to write to")?;
        self.seq += 1;
        let now = Clock::start().now().wall;
        let kind = catalogue().find("operator-note").map_err(|problem| problem.to_string())?;
        let template = catalogue().template(kind);
        let options = SendOptions { to: vec![member.name.party().clone()], ..Default::default() };
        let draft = Draft::from_json("operator-note", &template.to_string(), options)?;
        let id = MsgId(self.entropy.bytes());
        let origin = Origin { id, station: self.me.clone(), at: now };
        let parts = Letter::compose(draft, &origin).parts(&mut self.entropy);
        let frame = Frame {
            network: self.directory.network(),
            accord_version: self.directory.accord_version(),
            lane: self.lane,
            author: self.id,
            incarnation: self.incarnation,
            seq: self.seq,
            prev: Digest(self.prev.0),
            made_at: now,
        };
        let (epoch, sign) = (&self.keys.epoch, &self.keys.sign);
        let pair = PairSecret::new(epoch, &member.epoch, &frame.network);
        let to = [Recipient { epoch: &member.epoch, pair: &pair }];
        let entropy = &mut self.entropy;
        let (envelope, _) = seal::seal(&frame, Status::Actual, &parts, epoch, &to, sign, entropy)?;
        self.prev = envelope.id();
        Ok(envelope.bytes().clone())
    }

    /// Takes what came, without waiting for more.
    async fn listen(&mut self, mesh: &mut Mesh) -> Result<(), Failed> {
        // Lets the mesh's task run, which shares this thread.
        tokio::time::sleep(Duration::from_micros(200)).await;
        while let Ok(event) = mesh.events.try_recv() {
            match event {
                MeshEvent::Linked { peer, .. } => {
                    self.under_way.insert(peer, 0);
                }
                MeshEvent::Unlinked(peer) => {
                    self.under_way.remove(&peer);
                }
                MeshEvent::Answered { id, answer, .. } => self.answered(id, answer),
                MeshEvent::Asked { token, .. } => {
                    let bytes = Say::Refused.encode();
                    mesh.handle.send(MeshCommand::Answer { token, bytes }).await?;
                }
                MeshEvent::Heard { token, .. } => {
                    mesh.handle.send(MeshCommand::Verdict(token, Verdict::Ignore)).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn answered(&mut self, id: RequestId, answer: Option<Bytes>) {
        if let Some(peer) = self.asked.remove(&id)
            && let Some(count) = self.under_way.get_mut(&peer)
        {
            *count = count.saturating_sub(1);
        }
        self.sums[1] += u64::from(answer.is_some());
        let say = answer.and_then(|bytes| Say::decode(&bytes).ok());
        if let Some(Say::Entries { entries, .. }) = say {
            self.feeds = entries.iter().map(|entry| entry.feed).collect();
        }
    }
}
