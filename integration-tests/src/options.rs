//! What kind of world a seed stands for: how many stations, how bad the lines, which misfortunes.
//!
//! Every kind of misfortune is on in some worlds and off in others, so that one does not hide what
//! another would show. Two worlds with equal options and seeds are equal. Used by `campaign`.

mod rare;
mod swarm;

use std::fmt;

use cbm_proto::time::{MINUTE, SECOND};

use crate::chance::Chance;
use crate::planted::Planted;

/// Which stations are linked of their own accord.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Each with each.
    Full,
    /// Each with its two neighbours.
    Ring,
    /// In a row: the poorest that still connects everyone.
    Row,
    /// All with the first.
    Star,
    /// Each with two others that no one before it is linked with.
    Tree,
}

/// How bad each line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Gossip messages lost, per mille.
    pub loss: u64,
    /// Gossip messages that come twice, per mille.
    pub twice: u64,
    /// Questions whose question or answer is lost, per mille.
    pub unanswered: u64,
    /// Longest delay of one packet, milliseconds; the shortest is 1.
    pub delay: u64,
}

/// Misfortunes beyond those of every day, drawn from a stream of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swarm {
    /// Times that a machine does nothing for a while, and stays linked.
    pub stalls: usize,
    /// Times that a machine's clock jumps, forwards or back.
    pub jumps: usize,
    /// Longest jump, milliseconds.
    pub jump: u64,
    /// Times that the parties agree on another version of the accord.
    pub accords: usize,
    /// Groups that some of the parties found.
    pub groups: usize,
    /// Times that a machine comes back with an empty data folder and its old keys.
    pub vanished: usize,
    /// Machines whose packets take longer than those of others.
    pub slow: usize,
    /// By so much, at most, milliseconds.
    pub slowness: u64,
    /// Packets take up to hours, and outlive the link that they were sent over.
    pub late: bool,
    /// How long the stations are two sets that hear nothing of one another, milliseconds.
    pub apart: u64,
    /// Batches of several records in the middle of which the power fails, per mille.
    pub torn: u64,
    /// People write as soon as their machine is back; a machine whose disk went back loses its power
    /// again while it asks, and went back to where a draft waited.
    pub eager: bool,
    /// Letters expire soon, per mille.
    pub hurried: u64,
    /// A station whose receipts name what nobody sent.
    pub liar: bool,
    /// What is played.
    pub scene: Option<Scene>,
}

/// Misfortunes that need one another, in this order: chance alone hardly ever brings them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// A letter goes to a machine that is off, and then its author's clock is weeks ahead.
    Doubt,
    /// A disk goes back while somebody is off; its station hears that others hold more, and loses
    /// its power before it has drawn the consequence.
    Behind,
    /// A letter waits, goes, and then its author's disk goes back to where it waited.
    Again,
    /// When all is whole a station's key is stolen and taken back, and the thief writes.
    Theft,
}

/// Worlds grew with time: which of those that a seed ever stood for. What failed once is kept as it
/// was then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Age {
    /// Before groups, many stations, hours of silence, slow machines and folders that vanish.
    First,
    /// Before crowds, days of silence and scenes.
    Second,
    /// As they are drawn now.
    #[default]
    Now,
}

/// Everything that is decided before the first event.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where all chance of this world comes from.
    pub seed: u64,
    /// Stations of each STATE party.
    pub stations: Vec<usize>,
    /// Parties that may only watch; one station each.
    pub observers: usize,
    /// Who is linked without being asked.
    pub shape: Shape,
    /// Length of the first phase, milliseconds.
    pub safety: u64,
    /// Letters that people write in it.
    pub letters: usize,
    /// The lines in the first phase.
    pub weather: Weather,
    /// Batches that end in a crash at one of their effects, per mille.
    pub crash: u64,
    /// Batches in which the disk fails, per mille.
    pub storage: u64,
    /// Times that a cable is cut.
    pub cuts: usize,
    /// Times that the stations fall into two sets that hear nothing of one another.
    pub partitions: usize,
    /// Times that a station stops and its disk goes back in time.
    pub rollbacks: usize,
    /// Times that a machine is restored from an old backup, and knows it.
    pub backups: usize,
    /// Times that a station takes new keys.
    pub rotations: usize,
    /// Longest time that a stopped station stays away, milliseconds.
    pub away: u64,
    /// Largest difference of a station's clock from the true time, milliseconds.
    pub skew: u64,
    /// What is drawn apart from all that.
    pub swarm: Swarm,
    /// A fault put in on purpose.
    pub planted: Option<Planted>,
}

impl Options {
    /// A quiet world of as many parties, one station each: what scenario tests start from.
    #[must_use]
    pub fn calm(seed: u64, parties: usize, observers: usize) -> Self {
        Self {
            seed,
            stations: vec![1; parties],
            observers,
            shape: Shape::Full,
            safety: 0,
            letters: 0,
            weather: Weather { delay: 20, ..Weather::default() },
            crash: 0,
            storage: 0,
            cuts: 0,
            partitions: 0,
            rollbacks: 0,
            backups: 0,
            rotations: 0,
            away: 10 * SECOND,
            skew: 0,
            swarm: Swarm::default(),
            planted: None,
        }
    }

    /// The world that this seed stands for.
    #[must_use]
    pub fn draw(seed: u64, planted: Option<Planted>) -> Self {
        Self::drawn(seed, planted, Age::Now)
    }

    /// The world that this seed stands, or stood, for.
    #[must_use]
    pub fn drawn(seed: u64, planted: Option<Planted>, age: Age) -> Self {
        let first = Self::first(seed, planted);
        match age {
            Age::First => first,
            Age::Second => swarm::more(first),
            Age::Now => rare::draw(swarm::more(first)),
        }
    }

    fn first(seed: u64, planted: Option<Planted>) -> Self {
        let mut chance = Chance::new(seed, "options");
        let parties = chance.between(2..=5);
        let mut stations = Vec::new();
        for _ in 0..parties {
            stations.push(if chance.happens(250) { 2 } else { 1 });
        }
        while stations.iter().sum::<usize>() > 7 {
            stations.pop();
        }
        let shape = [Shape::Full, Shape::Full, Shape::Ring, Shape::Row, Shape::Star];
        let shape = shape[chance.index(shape.len())];
        let on = |chance: &mut Chance, range| {
            if chance.happens(600) { chance.between(range) } else { 0 }
        };
        let number = |n| usize::try_from(n).unwrap_or(0);
        let world = Self {
            seed,
            stations,
            observers: usize::from(chance.happens(250)),
            shape,
            safety: chance.between(MINUTE..=3 * MINUTE),
            letters: number(chance.between(4..=20)),
            weather: Weather {
                loss: on(&mut chance, 1..=300),
                twice: on(&mut chance, 1..=200),
                unanswered: on(&mut chance, 1..=200),
                delay: if chance.happens(300) { 4_000 } else { chance.between(2..=300) },
            },
            crash: on(&mut chance, 1..=15),
            storage: on(&mut chance, 1..=8),
            cuts: number(on(&mut chance, 1..=6)),
            partitions: number(on(&mut chance, 1..=2)),
            rollbacks: if chance.happens(250) { number(chance.between(1..=2)) } else { 0 },
            rotations: rotations(seed),
            away: chance.between(SECOND..=MINUTE),
            skew: on(&mut chance, 1..=60_000),
            // Drawn last, so that older worlds stay as they were but for this.
            backups: if chance.happens(200) { number(chance.between(1..=2)) } else { 0 },
            swarm: Swarm::default(),
            planted,
        };
        swarm::draw(world)
    }

    /// Time after which no packet sent before is still under way, milliseconds.
    #[must_use]
    pub const fn longest_delay(&self) -> u64 {
        2 * (self.weather.delay + 2 * self.swarm.slowness) + SECOND
    }
}

/// Drawn apart, so that all else of a seed's world is what it was without them.
fn rotations(seed: u64) -> usize {
    let mut chance = Chance::new(seed, "rotations");
    if chance.happens(400) { usize::try_from(chance.between(1..=6)).unwrap_or(0) } else { 0 }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "stations {:?} +{} watching, {:?}, {} letters in {} s; lost {}‰ twice {}‰ unanswered \
             {}‰ delay {} ms; crash {}‰ disk {}‰ cuts {} partitions {} rollbacks {} backups {} \
             rotations {} away {} s skew {} ms",
            self.stations,
            self.observers,
            self.shape,
            self.letters,
            self.safety / SECOND,
            self.weather.loss,
            self.weather.twice,
            self.weather.unanswered,
            self.weather.delay,
            self.crash,
            self.storage,
            self.cuts,
            self.partitions,
            self.rollbacks,
            self.backups,
            self.rotations,
            self.away / SECOND,
            self.skew
        )?;
        if self.swarm != Swarm::default() {
            write!(f, "; {:?}", self.swarm)?;
        }
        match self.planted {
            Some(planted) => write!(f, "; planted: {}", planted.name()),
            None => Ok(()),
        }
    }
}
