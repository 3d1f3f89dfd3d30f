//! The invariants of the design, as questions to a world. One file, by their numbers.
//!
//! - **I1** stored before spoken: [`may_speak`] for what a station says, [`noticed`] for receipts.
//! - **I2** never lost, never twice: [`noticed`], [`all`]; that all of it comes: [`unsettled`].
//! - **I4** who may only watch holds no letter: [`all`].
//! - **I5** one verdict for each message heard: [`one_verdict_each`].
//! - **I6** no number of a feed is used twice by an honest station: [`may_speak`], [`noticed`].
//! - **I7** a letter arrives with the status that it was sent with: [`noticed`], [`all`].
//! - **I11** bounded: [`all`].
//!
//! I10 (same seed, same world) is asked by `tests/sim.rs`, which compares traces. Used by `world`
//! while it runs and by `campaign` at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;
use cbm_proto::envelope::{Envelope, Kind};
use cbm_proto::event::{Notice, Speak, Token, Verdict};
use cbm_proto::id::{EnvelopeId, FeedId, Incarnation, MsgId, StationId};
use cbm_proto::limits::RANGES_MAX;
use cbm_proto::station::Speaks;
use cbm_proto::sync::Ask;
use cbm_proto::terms::{Level, Outcome};

use crate::model::{Decision, Letter};
use crate::network::Ix;
use crate::planted::Planted;
use crate::watch;
use crate::world::{Machine, World, Written};

/// Why a world ended before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A station panicked or would not start.
    Crash(String),
    /// Something owed did not come though nothing stood in its way.
    Liveness(String),
    /// Something happened that must never happen.
    Correctness {
        /// Number of the invariant.
        invariant: &'static str,
        /// What happened.
        what: String,
    },
}

/// Whether everything held so far.
pub type Held = Result<(), Failure>;

/// Every number of a feed that an honest station used in public, and for which header; and who held
/// more of a station's feed than its disk did, when that had gone back.
#[derive(Debug, Default)]
pub struct Spoken {
    used: BTreeMap<(FeedId, u64), EnvelopeId>,
    more: BTreeSet<(StationId, Incarnation, Ix)>,
}

impl Failure {
    /// An invariant that does not hold.
    #[must_use]
    pub const fn broken(invariant: &'static str, what: String) -> Self {
        Self::Correctness { invariant, what }
    }

    /// A station that cannot go on.
    #[must_use]
    pub const fn crash(what: String) -> Self {
        Self::Crash(what)
    }

    /// What `cbm-sim` exits with.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Crash(_) => 127,
            Self::Liveness(_) => 128,
            Self::Correctness { .. } => 129,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash(what) => write!(f, "crash: {what}"),
            Self::Liveness(what) => write!(f, "liveness: {what}"),
            Self::Correctness { invariant, what } => write!(f, "{invariant} broken: {what}"),
        }
    }
}

impl Spoken {
    /// Forgets what only this author knew: after its disk went back in time, numbers that nobody
    /// else holds were never used as far as anyone can tell.
    pub fn forget(&mut self, author: StationId, held: impl Fn(&EnvelopeId) -> bool) {
        self.used.retain(|(feed, _), id| feed.author != author || held(id));
    }

    /// This machine holds more of a feed than the disk of its author.
    pub fn holds_more(&mut self, feed: FeedId, machine: Ix) {
        self.more.insert((feed.author, feed.incarnation, machine));
    }

    /// This machine's own disk went back: what it held it need not hold any more.
    pub fn holds_nothing(&mut self, machine: Ix) {
        self.more.retain(|(.., holder)| *holder != machine);
    }

    fn goes_on(&self, station: StationId, incarnation: Incarnation) -> Held {
        let same = |(author, inc, _): &&(StationId, Incarnation, Ix)| {
            *author == station && *inc == incarnation
        };
        match self.more.iter().find(same) {
            None => Ok(()),
            Some((.., holder)) => {
                let what = format!(
                    "{station:?} goes on in {incarnation:?}, of which machine {holder} held more"
                );
                Err(Failure::broken("I6", what))
            }
        }
    }

    fn uses(&mut self, envelope: &Envelope) -> Held {
        let (feed, seq, id) = (envelope.feed(), envelope.header().seq, envelope.id());
        match self.used.insert((feed, seq), id) {
            Some(before) if before != id => Err(Failure::broken(
                "I6",
                format!(
                    "{:?} used number {seq} of {feed:?} for {before:?} and {id:?}",
                    feed.author
                ),
            )),
            _ => Ok(()),
        }
    }
}

/// I5: each message heard has exactly one verdict, and nothing else has one.
///
/// # Errors
/// A verdict that is missing, doubled or unasked for.
pub fn one_verdict_each(heard: &BTreeSet<Token>, verdicts: &[(Token, Verdict)]) -> Held {
    let given: BTreeSet<Token> = verdicts.iter().map(|(token, _)| *token).collect();
    if given == *heard && given.len() == verdicts.len() {
        return Ok(());
    }
    Err(Failure::broken("I5", format!("heard {heard:?}, verdicts {verdicts:?}")))
}

/// I1 and I6: what a station says in its own name is durable, and uses its number once.
///
/// # Errors
/// The envelope that breaks one of them.
pub fn may_speak(world: &mut World, ix: Ix, speak: &Speak) -> Held {
    let bytes = match speak {
        Speak::Publish { bytes, .. } => bytes.clone(),
        Speak::Request { bytes, .. } => match Ask::decode(bytes) {
            Ok(Ask::Push(bytes)) => bytes,
            _ => return Ok(()),
        },
        _ => return Ok(()),
    };
    let Ok(envelope) = Envelope::decode(bytes) else {
        return Err(Failure::broken("I3", format!("machine {ix} says what is no envelope")));
    };
    let machine = &world.machines[ix];
    if envelope.header().author != machine.station || envelope.header().kind == Kind::Beacon {
        return Ok(());
    }
    // With this fault people are to see it by what comes of it.
    let early = world.options.planted == Some(Planted::ReceiptBeforeSync);
    if !early && !machine.disk.keeps(&envelope.id()) {
        let what = format!("{} says {:?} before it is durable", machine.name, envelope.id());
        return Err(Failure::broken("I1", what));
    }
    world.spoken.uses(&envelope)
}

/// What a station tells its people must be true.
///
/// # Errors
/// What is not: I1, I2, I6 or I7.
pub fn noticed(world: &mut World, ix: Ix, notice: &Notice) -> Held {
    let name = world.machines[ix].name.clone();
    match notice {
        Notice::Settled { msg, station, level } => {
            world.watch.told(ix, *msg, *station, *level)?;
            if *level < Level::L1 {
                return Ok(());
            }
            if world.liar.is_some_and(|ix| world.machines[ix].station == *station) {
                let what = format!("{name} believes {station:?}, whose receipts name nothing sent");
                return Err(Failure::broken("I2", what));
            }
            let stored = |m: &&Machine| m.disk.opened(msg) || m.rolled_back;
            let mut theirs = world.machines.iter().filter(|m| m.station == *station);
            if theirs.any(|m| stored(&m)) {
                return Ok(());
            }
            let what = format!("{name} was told {level} of {msg:?} by {station:?}, which lacks it");
            Err(Failure::broken("I1", what))
        }
        // With this fault people are told before the disk has it; what matters is who else is.
        Notice::Letter(_) if world.options.planted == Some(Planted::ReceiptBeforeSync) => Ok(()),
        Notice::Letter(msg) => {
            world.watch.shown(ix, *msg)?;
            shown(world, ix, msg)
        }
        Notice::Speaks(incarnation) => {
            world.spoken.goes_on(world.machines[ix].station, *incarnation)
        }
        Notice::Clone if !world.cloned.contains(&world.machines[ix].station) => {
            Err(Failure::broken("I6", format!("{name} says CLONE, but nobody else has its keys")))
        }
        Notice::Forked(station) if !world.forgers.contains(station) => {
            Err(Failure::broken("I6", format!("{name} holds a proof of a fork by {station:?}")))
        }
        Notice::Refused(id) if world.forgers.is_empty() => {
            Err(Failure::broken("I3", format!("{name} refuses {id:?}, which is honest")))
        }
        _ => Ok(()),
    }
}

/// A letter in an inbox: known to the model, addressed there, unchanged.
fn shown(world: &mut World, ix: Ix, msg: &MsgId) -> Held {
    let machine = &world.machines[ix];
    let broken = |what: String| Err(Failure::broken("I2", format!("{}: {what}", machine.name)));
    let Some(station) = machine.station() else { return Ok(()) };
    let Some(bytes) = machine.envelope_of(msg) else {
        return broken(format!("{msg:?} is in the inbox, its envelope not on the disk"));
    };
    let letter = match station.reopen(&machine.disk.about(msg), bytes) {
        Ok(letter) => letter,
        Err(error) => return broken(format!("{msg:?} does not open again: {error}")),
    };
    let Some((number, text)) = Written::read(&letter) else {
        return broken(format!("{msg:?} is a letter that nobody wrote"));
    };
    let status = station.inbox().find(|r| r.msg == *msg).map(|r| (r.status, r.info));
    let party = machine.name.party().clone();
    let name = machine.name.clone();
    world.model.appeared(*msg, number).map_err(|what| Failure::broken("I2", what))?;
    let Some(written) = world.model.letter(msg) else { return Ok(()) };
    if written.text != text {
        return Err(Failure::broken("I2", format!("{name}: the text of {msg:?} was changed")));
    }
    if status.map(|(status, _)| status) != Some(written.status) {
        return Err(Failure::broken("I7", format!("{name}: {msg:?} has another status")));
    }
    let info = written.info.contains(&party);
    if !(info || written.to.contains(&party)) || status.map(|(_, info)| info) != Some(info) {
        return Err(Failure::broken("I2", format!("{name}: {msg:?} was not addressed so")));
    }
    Ok(())
}

/// Everything that must be true at the end, whatever was owed.
///
/// # Errors
/// The first thing that is not.
pub fn all(world: &mut World) -> Held {
    for ix in 0..world.machines.len() {
        let machine = &world.machines[ix];
        if machine.watches && machine.disk.sealed() > 0 {
            return Err(Failure::broken("I4", format!("{} holds letters", machine.name)));
        }
        let Some(station) = machine.station() else { continue };
        let shown_here: Vec<MsgId> = station.inbox().map(|letter| letter.msg).collect();
        let once: BTreeSet<MsgId> = shown_here.iter().copied().collect();
        if once.len() != shown_here.len() {
            return Err(Failure::broken("I2", format!("{} shows a letter twice", machine.name)));
        }
        marks_are_true(machine)?;
        watch::remembers(world, ix)?;
        for msg in once {
            shown(world, ix, &msg)?;
        }
    }
    Ok(())
}

/// I2 for feeds: up to its mark a station really holds everything. I11: in bounded memory.
fn marks_are_true(machine: &Machine) -> Held {
    let Some(station) = machine.station() else { return Ok(()) };
    for (feed, state) in station.feeds().iter() {
        let lacks = (1..=state.mark()).find(|seq| machine.disk.numbered(*feed, *seq).is_none());
        if let Some(seq) = lacks {
            let what = format!("{} believes to hold {seq} of {feed:?}", machine.name);
            return Err(Failure::broken("I2", what));
        }
        if state.above().0.len() > RANGES_MAX {
            let what = format!("{} keeps too many ranges of {feed:?}", machine.name);
            return Err(Failure::broken("I11", what));
        }
    }
    Ok(())
}

/// What is still owed, if anything: why healing is not done.
#[must_use]
pub fn unsettled(world: &World) -> Option<String> {
    for machine in &world.machines {
        match machine.station().map(cbm_proto::station::Station::speaks) {
            None => return Some(format!("{} is off", machine.name)),
            Some(Speaks::Yes) => {}
            Some(other) => return Some(format!("{} does not speak: {other:?}", machine.name)),
        }
    }
    if let Some(what) = world.machines.iter().find_map(lacking) {
        return Some(what);
    }
    for (letter, msg) in world.model.promised() {
        if let Some(what) = owed(world, letter, &msg) {
            return Some(format!("letter {} ({msg:?}): {what}", letter.number));
        }
    }
    uneven(world)
}

/// What a station that lost something still lacks: every author answers, and every letter that was
/// lost is back, or is said to be there no more.
fn lacking(machine: &Machine) -> Option<String> {
    let report = machine.station().map(cbm_proto::station::Station::regained)?;
    report.since?;
    let whole =
        report.answered == report.asked && report.lost == report.back + report.not_available;
    (!whole).then(|| format!("{} still lacks something: {report:?}", machine.name))
}

/// What one letter still waits for.
fn owed(world: &World, letter: &Letter, msg: &MsgId) -> Option<String> {
    let author = world.machines[letter.author].station()?;
    let Some(status) = author.status(world.clocks(letter.author), msg) else {
        return Some("its sender does not know it".to_owned());
    };
    for machine in world.machines.iter().filter(|m| !m.watches) {
        let party = machine.name.party();
        let info = letter.info.contains(party);
        if !(info || letter.to.contains(party)) {
            continue;
        }
        let shown = machine.station().into_iter().flat_map(|s| s.inbox()).any(|r| r.msg == *msg);
        let told = status.addressees.iter().find(|a| a.id == machine.station);
        let Some(told) = told else {
            return Some(format!("{} is not among the addressees", machine.name));
        };
        if !shown {
            return Some(format!("{} does not have it", machine.name));
        }
        if world.liar.is_some_and(|ix| world.machines[ix].station == machine.station) {
            continue;
        }
        if told.level < Some(Level::L1) {
            return Some(format!("{} is not known to have it: {:?}", machine.name, told.level));
        }
        if !info && !answered(Decision::of(msg), told.level, told.outcome) {
            return Some(format!("{} shows {:?} {:?}", machine.name, told.level, told.outcome));
        }
    }
    None
}

fn answered(decision: Decision, level: Option<Level>, outcome: Option<Outcome>) -> bool {
    match decision {
        Decision::Acknowledge => level >= Some(Level::L4) && outcome.is_none(),
        Decision::Accept => level >= Some(Level::L5) && outcome == Some(Outcome::Accepted),
        Decision::Decline => level >= Some(Level::L5) && outcome == Some(Outcome::Declined),
    }
}

/// Feeds on group lanes that have holes or differ between stations, if any.
#[must_use]
pub fn uneven(world: &World) -> Option<String> {
    let states = world.machines.iter().filter(|machine| !machine.watches);
    let held = states.filter_map(|m| m.station().map(|s| (m, feeds_of(s)))).collect::<Vec<_>>();
    let all: BTreeSet<FeedId> = held.iter().flat_map(|(_, f)| f.keys().copied()).collect();
    for feed in all {
        let stations = || held.iter().filter_map(|(machine, _)| machine.station());
        let members = stations().find_map(|s| s.directory().lane_members(&feed.lane))?;
        let held = || held.iter().filter(|(machine, _)| members.contains(&machine.station));
        let of = |feeds: &BTreeMap<FeedId, (u64, u64)>| feeds.get(&feed).copied().unwrap_or((0, 0));
        let whole = held().map(|(_, feeds)| of(feeds)).max().unwrap_or((0, 0));
        let holes = whole.0 != whole.1 && !went_away(world, feed, whole);
        if holes || held().any(|(_, feeds)| of(feeds) != whole) {
            let each: Vec<String> =
                held().map(|(m, feeds)| format!("{} {:?}", m.name, of(feeds))).collect();
            return Some(format!("{feed:?}: (mark, last) is {}", each.join(", ")));
        }
    }
    None
}

/// Whether the next number of a feed is on no disk any more: it went away with its author's.
fn went_away(world: &World, feed: FeedId, (mark, _): (u64, u64)) -> bool {
    let lost = |m: &Machine| m.station == feed.author && m.rolled_back;
    let held = |m: &Machine| m.disk.numbered(feed, mark + 1).is_some();
    world.machines.iter().any(lost) && !world.machines.iter().any(held)
}

/// Mark and largest number of each feed on a group lane.
fn feeds_of(station: &cbm_proto::station::Station) -> BTreeMap<FeedId, (u64, u64)> {
    let directory = station.directory();
    let group = |feed: &FeedId| directory.lane_members(&feed.lane).is_some();
    let feeds = station.feeds().iter().filter(|(feed, state)| group(feed) && state.last() > 0);
    feeds.map(|(feed, state)| (*feed, (state.mark(), state.last()))).collect()
}

/// The bytes of an envelope that a machine carries, for tests that look as a carrier does.
#[must_use]
pub fn carried(machine: &Machine) -> Vec<Bytes> {
    let kind = cbm_proto::journal::RecordKind::Envelope;
    machine.disk.records().iter().filter(|r| r.kind == kind).map(|r| r.bytes.clone()).collect()
}
