//! A world of stations: one queue of events in virtual time, performed by one thread.
//!
//! Every machine runs a real `Station` with the loop that the node has, over a simulated network
//! and a simulated disk. Nothing reads a clock or the system's chance, so a world is a function of
//! its [`Options`] (invariant I10); `trace` is a digest over all that happened. `invariants` is
//! asked after whatever could break one; the first answer ends the world.
//! Callers: `campaign` (worlds drawn from seeds) and the scenario tests through `vocabulary`.

mod changes;
mod chaos;
mod founding;
mod groups;
mod letters;
mod people;
mod scenes;
mod shell;
mod start;
mod traffic;
pub mod vocabulary;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use cbm_proto::event::{Input, RequestId, Token, Topic};
use cbm_proto::id::{Digest, StationId, StationName};
use cbm_proto::primitives::digest;
use cbm_proto::station::Station;
use cbm_proto::time::{Mono, Now, Timestamp};

use crate::chance::Chance;
use crate::coverage::Seen;
use crate::disk::Disk;
use crate::invariants::{Failure, Held, Spoken};
use crate::model::Model;
use crate::network::{Ix, LinkId, Network};
use crate::options::{Options, Weather};
use crate::watch::Watch;

use chaos::Misfortune;
use founding::Founded;
use groups::Group;
use traffic::{Heard, Lately, Packet, Question};

pub use letters::Written;
pub use scenes::Theft;

/// The true time when a world begins, milliseconds since 1970: 2026-11-22T00:00:00Z.
pub const BEGINNING: u64 = 1_795_305_600_000;

/// So many stations of STATE parties are a crowd.
pub const CROWD: usize = 13;

/// One machine: what survives its station, and the station while it runs.
pub struct Machine {
    /// Its name.
    pub name: StationName,
    /// Its station; a cloned machine has the same one.
    pub station: StationId,
    /// Its party may watch only.
    pub watches: bool,
    /// What it keeps.
    pub disk: Disk,
    /// Its station, if it runs.
    pub run: Option<Run>,
    /// The store's marker will differ at the next start.
    moved: bool,
    /// Its clock is ahead of the true time by this much, milliseconds.
    skew: i64,
    /// It does nothing before this time.
    stalled_until: u64,
    /// Each packet from it or to it takes longer by so much, milliseconds.
    slow: u64,
    /// How often it was started.
    runs: u64,
    /// It stays off until somebody starts it.
    held: bool,
    /// Not before this time is it started again.
    rests_until: u64,
    /// Its disk went back in time at least once.
    pub rolled_back: bool,
    /// The newest time in the backup that its disk was restored from last, by its own clock.
    restored: Option<Timestamp>,
}

/// One run of a station, from start to crash.
pub struct Run {
    /// Which run of this machine.
    pub number: u64,
    /// The station.
    pub station: Station,
    /// The true time at which its monotonic clock read zero.
    origin: u64,
    /// What happened to it and was not handled yet.
    waiting: VecDeque<Input>,
    /// When it looks next.
    wakes: Option<u64>,
    heard: BTreeMap<Token, Heard>,
    questions: BTreeMap<Token, Question>,
    asking: BTreeMap<RequestId, Ix>,
    seen: BTreeMap<Digest, Lately>,
    topics: BTreeMap<Topic, BTreeSet<StationId>>,
    tokens: u64,
}

/// What can happen.
#[derive(Clone, Debug)]
enum Event {
    /// A machine is switched on.
    Start(Ix),
    /// A run looks at what waits for it, or its deadline came.
    Wake(Ix, u64),
    /// A packet reaches its receiver.
    Arrive { to: Ix, from: Ix, link: LinkId, packet: Packet },
    /// One side gives up a question.
    Timeout(Ix, u64, RequestId),
    /// Two machines try to link.
    Connect(Ix, Ix),
    /// One side notices that a link is gone.
    Notice { at: Ix, peer: Ix, link: LinkId },
    /// Everyone tries to link with whom they should be linked to.
    Redial,
    /// A person writes a letter.
    Write,
    /// A person writes a letter at this machine.
    WriteAt(Ix),
    /// The officer of a machine looks into the inbox.
    Officer(Ix),
    /// A station takes the keys of its certificate.
    TakeKeys(Ix),
    /// People hand in the charters of their groups at a machine.
    Charters(Ix),
    /// Something bad.
    Misfortune(Misfortune),
}

#[derive(Debug)]
struct Streams {
    entropy: Chance,
    network: Chance,
    misfortune: Chance,
    people: Chance,
}

/// The world.
pub struct World {
    /// What kind of world it is.
    pub options: Options,
    /// The machines, STATE parties' first.
    pub machines: Vec<Machine>,
    /// Cables and links.
    pub network: Network,
    /// What people did.
    pub model: Model,
    /// Every number that an honest station used in public.
    pub spoken: Spoken,
    /// What the stations did and met.
    pub seen: Seen,
    /// What people were told, and what is owed to them.
    pub watch: Watch,
    /// Stations that break the rules on purpose.
    pub forgers: BTreeSet<StationId>,
    /// Machines of which a second copy runs: a station's CLONE is expected there.
    pub cloned: BTreeSet<StationId>,
    /// A machine whose receipts name what nobody sent.
    pub liar: Option<Ix>,
    /// Gossip messages that were rejected, by whom they came from.
    pub rejected: u64,
    founded: Founded,
    /// Messages whose signature somebody in a crowd found good, by digest.
    proven: BTreeMap<Digest, Digest>,
    groups: Vec<Group>,
    weather: Weather,
    faults: bool,
    officers: bool,
    now: u64,
    serial: u64,
    queue: BTreeMap<(u64, u64), Event>,
    chance: Streams,
    trace: Digest,
    verbose: bool,
}

impl World {
    /// A world before its first event: machines off, nothing scheduled but their start.
    ///
    /// # Errors
    /// The documents of the accord do not hold: [`Failure::Crash`].
    pub fn new(options: Options) -> Result<Self, Failure> {
        let stream = |purpose| Chance::new(options.seed, purpose);
        let founded = Founded::new(&options)?;
        let states = options.stations.iter().sum();
        let network = Network::new(options.shape, states, states + options.observers);
        let mut chance = Streams {
            entropy: stream("entropy"),
            network: stream("network"),
            misfortune: stream("misfortune"),
            people: stream("people"),
        };
        let machines = founded.machines(|| chance.misfortune.between(0..=options.skew));
        let mut world = Self {
            weather: options.weather,
            faults: true,
            officers: false,
            machines,
            network,
            model: Model::default(),
            spoken: Spoken::default(),
            seen: Seen::default(),
            watch: Watch::default(),
            forgers: BTreeSet::new(),
            cloned: BTreeSet::new(),
            liar: None,
            rejected: 0,
            founded,
            proven: BTreeMap::new(),
            groups: Vec::new(),
            now: 0,
            serial: 0,
            queue: BTreeMap::new(),
            chance,
            trace: Digest([0; 32]),
            verbose: false,
            options,
        };
        for ix in 0..world.machines.len() {
            let at = world.chance.people.between(0..=2_000);
            world.schedule(at, Event::Start(ix));
        }
        world.schedule(2_500, Event::Redial);
        Ok(world)
    }

    /// Prints what happens, as it happens.
    pub const fn be_verbose(&mut self) {
        self.verbose = true;
    }

    /// Virtual time since the beginning, milliseconds.
    #[must_use]
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// Digest over everything that happened so far.
    #[must_use]
    pub const fn trace(&self) -> Digest {
        self.trace
    }

    /// Lets everything happen that happens before `until`.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn run_until(&mut self, until: u64) -> Held {
        while let Some((&(at, serial), _)) = self.queue.first_key_value() {
            if at >= until {
                break;
            }
            let Some(event) = self.queue.remove(&(at, serial)) else { break };
            self.now = at;
            self.happen(event)?;
        }
        self.now = self.now.max(until);
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Held {
        match event {
            Event::Start(ix) => self.start(ix),
            Event::Wake(ix, run) => self.wake(ix, run),
            Event::Arrive { to, from, link, packet } => {
                self.arrive(to, from, link, packet);
                Ok(())
            }
            Event::Timeout(ix, run, id) => {
                self.time_out(ix, run, id);
                Ok(())
            }
            Event::Connect(a, b) => {
                self.connect(a, b);
                Ok(())
            }
            Event::Notice { at, peer, link } => {
                self.notice_gone(at, peer, link);
                Ok(())
            }
            Event::Redial => {
                self.redial();
                Ok(())
            }
            Event::Write => self.write(),
            Event::WriteAt(ix) => self.write_at(ix),
            Event::Officer(ix) => {
                self.officer(ix);
                Ok(())
            }
            Event::TakeKeys(ix) => self.take_keys(ix),
            Event::Charters(ix) => {
                self.hand_in_charters(ix);
                Ok(())
            }
            Event::Misfortune(misfortune) => self.misfortune(misfortune),
        }
    }

    fn schedule(&mut self, at: u64, event: Event) {
        self.serial += 1;
        self.queue.insert((at.max(self.now), self.serial), event);
    }

    fn after(&mut self, ms: u64, event: Event) {
        self.schedule(self.now + ms, event);
    }

    /// Both clocks of a machine's run.
    #[must_use]
    pub fn clocks(&self, ix: Ix) -> Now {
        let machine = &self.machines[ix];
        let origin = machine.run.as_ref().map_or(self.now, |run| run.origin);
        let wall = Timestamp((BEGINNING + self.now).saturating_add_signed(machine.skew));
        Now { wall, mono: Mono(self.now - origin) }
    }

    /// Something happened to a running station; it will look soon. Nothing if it is off.
    fn give(&mut self, ix: Ix, input: Input) {
        let delay = self.chance.network.below(3);
        if let Some(run) = &mut self.machines[ix].run {
            run.waiting.push_back(input);
            self.nudge(ix, self.now + delay);
        }
    }

    fn nudge(&mut self, ix: Ix, at: u64) {
        let at = at.max(self.now);
        if let Some(run) = &mut self.machines[ix].run
            && run.wakes.is_none_or(|wakes| wakes > at)
        {
            run.wakes = Some(at);
            let number = run.number;
            self.schedule(at, Event::Wake(ix, number));
        }
    }

    fn token(&mut self, ix: Ix) -> Token {
        self.machines[ix].run.as_mut().map_or(Token(0), |run| {
            run.tokens += 1;
            Token(run.tokens)
        })
    }

    /// Notes that something happened: into the trace, and for people who watch.
    fn note(&mut self, ix: Ix, what: &str, bytes: &[u8]) {
        let place = [self.now.to_be_bytes(), (ix as u64).to_be_bytes()].concat();
        let length = (what.len() as u64).to_be_bytes();
        self.trace = digest("sim-trace", &[&self.trace.0, &place, &length, what.as_bytes(), bytes]);
        if self.verbose {
            let name = self.machines.get(ix).map(|m| m.name.to_string()).unwrap_or_default();
            let detail: String = String::from_utf8_lossy(bytes).chars().take(160).collect();
            let detail = if what == "append" { bytes.len().to_string() } else { detail };
            eprintln!("{:>9} {name:<10} {what} {detail}", self.now);
        }
    }

    /// Whether there are more stations than ages before this one knew.
    fn is_crowd(&self) -> bool {
        self.options.stations.iter().sum::<usize>() >= CROWD
    }

    /// The machines of this station: one, or two if it was cloned.
    fn machines_of(&self, station: StationId) -> Vec<Ix> {
        (0..self.machines.len()).filter(|ix| self.machines[*ix].station == station).collect()
    }
}

impl Machine {
    /// The station, if the machine runs.
    #[must_use]
    pub fn station(&self) -> Option<&Station> {
        self.run.as_ref().map(|run| &run.station)
    }

    /// Whether it does nothing at this time, though it is linked.
    #[must_use]
    pub const fn stalled(&self, now: u64) -> bool {
        self.stalled_until > now
    }

    /// The envelope in which the letter of this id came or went, from the disk.
    #[must_use]
    pub fn envelope_of(&self, msg: &cbm_proto::id::MsgId) -> Option<Bytes> {
        self.disk.envelope(&self.station()?.envelope_of(msg)?)
    }
}
