//! What stations told their people and what they owe them, remembered beside the world.
//!
//! - [`Watch::shown`]: a letter is shown once, as long as the disk remembers it (I2).
//! - [`Watch::told`]: what a sender is told of an addressee only rises (I2).
//! - [`tried`]: as long as an addressee has not confirmed a letter, it is said again, by the pace of
//!   `schedule::backoff`, and expires by no clock that is in doubt (I2).
//! - [`remembers`]: a station built anew from the disk knows what the running one knows (I1).
//!
//! Used by `invariants` when people are told something, by `campaign` each virtual second, and by
//! `world` before a machine loses its power.

use std::collections::{BTreeMap, BTreeSet};

use cbm_proto::id::{EnvelopeId, FeedId, MsgId, StationId};
use cbm_proto::schedule::backoff;
use cbm_proto::station::{Speaks, Station};
use cbm_proto::terms::{Level, Outcome};
use cbm_proto::time::SECOND;

use crate::disk::Disk;
use crate::invariants::{Failure, Held};
use crate::network::Ix;
use crate::world::World;

/// How much later than by its own pace a station may say a letter again, milliseconds.
const SLACK: u64 = 15 * SECOND;

/// What was seen so far.
#[derive(Debug, Default)]
pub struct Watch {
    shown: BTreeSet<(Ix, MsgId)>,
    told: BTreeMap<(Ix, MsgId, StationId), Level>,
    tries: BTreeMap<(Ix, MsgId, StationId), Tries>,
}

/// Repetitions of a letter to an addressee, and since when there were so many in this run.
#[derive(Clone, Copy, Debug)]
struct Tries {
    run: u64,
    count: u32,
    since: u64,
}

impl Watch {
    /// A letter is shown to the people of a machine.
    ///
    /// # Errors
    /// It was shown before.
    pub fn shown(&mut self, ix: Ix, msg: MsgId) -> Held {
        match self.shown.insert((ix, msg)) {
            true => Ok(()),
            false => Err(Failure::broken("I2", format!("machine {ix} shows {msg:?} twice"))),
        }
    }

    /// The people of a machine are told how far a letter of theirs came.
    ///
    /// # Errors
    /// They were told more before.
    pub fn told(&mut self, ix: Ix, msg: MsgId, at: StationId, level: Level) -> Held {
        match self.told.insert((ix, msg, at), level) {
            Some(before) if before > level => Err(Failure::broken(
                "I2",
                format!("machine {ix} was told {before} and then {level} of {msg:?} at {at:?}"),
            )),
            _ => Ok(()),
        }
    }

    /// A machine went off with this disk: what is not on it was never shown; after it went back in
    /// time, nothing that was told is known any more.
    pub fn off(&mut self, ix: Ix, disk: &Disk, went_back: bool) {
        self.shown.retain(|(at, msg)| *at != ix || disk.opened(msg));
        self.told.retain(|(at, ..), _| *at != ix || !went_back);
    }
}

/// Every addressee that has not confirmed a letter is tried again in time.
///
/// # Errors
/// A letter that its station has given up.
pub fn tried(world: &mut World) -> Held {
    let mut now = BTreeMap::new();
    for ix in 0..world.machines.len() {
        for (key, tries) in open(world, ix) {
            let before = world.watch.tries.get(&key).copied();
            let same = before.filter(|b| (b.run, b.count) == (tries.run, tries.count));
            let since = same.map_or(tries.since, |before| before.since);
            let pace = backoff(tries.count + 1, |n| n - 1);
            if tries.since - since > pace + SLACK {
                let (_, msg, station) = key;
                let name = &world.machines[ix].name;
                let what = format!("{name} has given up {msg:?} to {station:?}");
                return Err(Failure::broken("I2", what));
            }
            now.insert(key, Tries { since, ..tries });
        }
    }
    world.watch.tries = now;
    Ok(())
}

fn open(world: &World, ix: Ix) -> Vec<((Ix, MsgId, StationId), Tries)> {
    let Some(run) = &world.machines[ix].run else { return Vec::new() };
    let station = &run.station;
    if station.speaks() != Speaks::Yes || world.machines[ix].stalled(world.now()) {
        return Vec::new();
    }
    let wall = world.clocks(ix).wall;
    let mut out = Vec::new();
    for (msg, letter) in station.sent().filter(|(_, letter)| letter.envelope.is_some()) {
        if station.clock_trusted() && wall >= letter.expires_at {
            continue;
        }
        for (to, owed) in letter.owed.iter().filter(|(_, owed)| !owed.stored()) {
            let tries = Tries { run: run.number, count: owed.attempts, since: world.now() };
            out.push(((ix, msg, *to), tries));
        }
    }
    out
}

/// What a restart must not take away.
#[derive(Debug, Default, PartialEq, Eq)]
struct Known {
    inbox: BTreeMap<MsgId, (Option<Level>, Option<Outcome>, bool)>,
    sent: BTreeMap<(MsgId, StationId), (Option<Level>, Option<Outcome>)>,
    waiting: BTreeSet<MsgId>,
    feeds: BTreeMap<FeedId, (u64, u64)>,
    carried: BTreeSet<EnvelopeId>,
    behind: bool,
}

impl Known {
    fn by(station: &Station) -> Self {
        let inbox = station.inbox().map(|l| (l.msg, (l.level, l.outcome, l.info)));
        let sealed = station.sent().filter(|(_, letter)| letter.envelope.is_some());
        let sent = sealed.flat_map(|(msg, letter)| {
            let owed = letter.owed.iter();
            let owed = owed.map(|(to, owed)| ((msg, *to), (owed.level, owed.outcome)));
            owed.collect::<Vec<_>>()
        });
        let waiting = station.sent().filter(|(_, letter)| letter.envelope.is_none());
        let feeds = station.feeds().iter().filter(|(_, feed)| feed.last() > 0);
        Self {
            inbox: inbox.collect(),
            sent: sent.collect(),
            waiting: waiting.map(|(msg, _)| msg).collect(),
            feeds: feeds.map(|(id, feed)| (*id, (feed.mark(), feed.last()))).collect(),
            carried: station.carried().copied().collect(),
            behind: station.is_behind(),
        }
    }
}

/// What a running station knows is on its disk: one built anew from there knows the same, and may
/// still carry what the other has let go.
///
/// # Errors
/// What it does not know, or knows otherwise: I1.
pub fn remembers(world: &World, ix: Ix) -> Held {
    let machine = &world.machines[ix];
    let Some(station) = machine.station().filter(|_| machine.disk.unsynced() == 0) else {
        return Ok(());
    };
    let (now, mut then) = (Known::by(station), Known::by(&world.restored(ix)?));
    then.carried.retain(|id| now.carried.contains(id));
    if world.options.rotations > 0 {
        // From its disk it may have newer keys, and know pair lanes in what it only carried.
        (then.carried, then.feeds) = (now.carried.clone(), now.feeds.clone());
    }
    if now == then {
        return Ok(());
    }
    let what = format!("{} knows {now:?}, and from its disk {then:?}", machine.name);
    Err(Failure::broken("I1", what))
}
