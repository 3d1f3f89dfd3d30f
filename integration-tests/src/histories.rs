//! Histories of membership: what people change under partitions ends in one state everywhere.
//!
//! A seed stands for a small network of real stations on bad lines, and for what their people hand
//! in at one or another of them: accords that follow or contradict one another, certificates,
//! contacts, charters, keys taken back, attestations. Then everything heals. Stations that may see
//! the same documents must then believe the same, and it must be what a directory believes that
//! gets those documents at once, in an order of its own. In a second world of the same seed a
//! revocation must reach every station within five seconds. Used by `cbm-sim --histories` and
//! `tests/histories.rs`.

mod hands;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use cbm_proto::accord::Directory;
use cbm_proto::id::{Digest, StationId};
use cbm_proto::time::{SECOND, Timestamp};

use crate::campaign::words;
use crate::chance::Chance;
use crate::invariants::{Failure, Held};
use crate::network::Ix;
use crate::options::{Options, Shape, Weather};
use crate::world::World;
use hands::Hands;

/// Virtual time that agreement may take once everything is whole, milliseconds.
const HEALING: u64 = 180 * SECOND;
/// Virtual time within which a revocation reaches every connected station, milliseconds.
pub const REVOCATION_WITHIN: u64 = 5 * SECOND;

/// What became of one history.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What broke, if anything.
    pub failure: Option<Failure>,
    /// What was changed, in words.
    pub story: String,
    /// Changes that people handed in.
    pub changes: usize,
    /// Stations that were compared, and documents that they agreed on.
    pub compared: (usize, usize),
    /// The documents contradict one another.
    pub conflicts: usize,
    /// Virtual time from healing to agreement, milliseconds.
    pub healed_in: u64,
    /// Virtual time in which a revocation reached everyone, milliseconds.
    pub revoked_in: u64,
}

/// Runs the history of one seed.
#[must_use]
pub fn run(seed: u64, verbose: bool) -> Outcome {
    let mut outcome = Outcome {
        seed,
        failure: None,
        story: String::new(),
        changes: 0,
        compared: (0, 0),
        conflicts: 0,
        healed_in: 0,
        revoked_in: 0,
    };
    let result = catch_unwind(AssertUnwindSafe(|| {
        live(&mut outcome, verbose)?;
        revocation(&mut outcome)
    }));
    outcome.failure = match result {
        Ok(held) => held.err(),
        Err(panic) => Some(Failure::Crash(format!("a station panicked: {}", words(&*panic)))),
    };
    outcome
}

/// A small world on bad lines.
fn options(seed: u64, chance: &mut Chance) -> Options {
    let mut stations = vec![1; 2 + chance.index(4)];
    for count in &mut stations {
        *count += usize::from(chance.happens(200));
    }
    let number = |n| usize::try_from(n).unwrap_or(0);
    Options {
        stations,
        observers: chance.index(2),
        safety: chance.between(12 * SECOND..=25 * SECOND),
        weather: Weather {
            loss: if chance.happens(500) { chance.below(300) } else { 0 },
            twice: chance.below(100),
            unanswered: if chance.happens(500) { chance.below(300) } else { 0 },
            delay: chance.between(2..=400),
        },
        partitions: number(chance.below(3)),
        cuts: number(chance.below(4)),
        crash: if chance.happens(200) { 3 } else { 0 },
        ..Options::calm(seed, 2, 0)
    }
}

fn live(outcome: &mut Outcome, verbose: bool) -> Held {
    let mut chance = Chance::new(outcome.seed, "histories");
    let mut world = World::new(options(outcome.seed, &mut chance))?;
    if verbose {
        world.be_verbose();
    }
    // A charter travels between those who may read it only: they have to be linked.
    for a in 0..world.machines.len() {
        (0..a).for_each(|b| world.network.plan(a, b));
    }
    // Keys are stolen and certified twice here: a station that finds that out is right.
    world.forgers = world.machines.iter().map(|machine| machine.station).collect();
    world.draw_fate();
    let authorities = std::mem::take(&mut world.practice_mut().authorities).into_iter().collect();
    let mut hands = Hands::new(chance, authorities, world.station_keys());
    let mut at: u64 = 4 * SECOND;
    while at < world.options.safety {
        world.run_until(at)?;
        at += hands.chance.between(200..=2_500);
        change(&mut world, &mut hands, outcome);
    }
    world.run_until(world.options.safety)?;
    world.heal()?;
    let began = world.now();
    let (mut before, mut apart) = (0, Some("nothing was compared yet".to_owned()));
    while apart.is_some() && world.now() < began + HEALING {
        world.run_until(world.now() + SECOND)?;
        let stations = world.machines.iter().filter_map(|machine| machine.station());
        let held: usize = stations.map(|s| s.directory().copies().len()).sum();
        // What still moves is not looked at in full.
        if held == before {
            apart = differ(&world, &mut hands.chance, outcome);
        }
        before = held;
    }
    outcome.healed_in = world.now() - began;
    apart.map_or(Ok(()), |what| Err(Failure::Liveness(what)))
}

/// People at one station change something, as they see it; now and then others do so too.
fn change(world: &mut World, hands: &mut Hands, outcome: &mut Outcome) {
    let ix = hands.chance.index(world.machines.len());
    let Some(station) = world.machines[ix].station() else { return };
    let Some(change) = hands.change(station.directory()) else { return };
    let fits =
        |ix: &Ix| change.at.is_empty() || change.at.contains(world.machines[*ix].name.party());
    let fitting: Vec<Ix> = (0..world.machines.len()).filter(fits).collect();
    let here = if fits(&ix) { Some(ix) } else { fitting.first().copied() };
    let Some(here) = here else { return };
    let name = world.machines[here].name.clone();
    outcome.story.push_str(&format!("{} {name}: {}\n", world.now(), change.what));
    outcome.changes += 1;
    for document in &change.documents {
        let also = hands.chance.happens(200).then(|| fitting[hands.chance.index(fitting.len())]);
        for ix in [Some(here), also].into_iter().flatten() {
            world.publish(ix, vec![document.bytes().clone()]);
        }
    }
}

/// The first difference between what stations believe and what they should; `None`: there is none.
fn differ(world: &World, chance: &mut Chance, outcome: &mut Outcome) -> Option<String> {
    let (union, compared) = union(world)?;
    outcome.compared = (compared.len(), union.copies().len());
    outcome.conflicts = union.conflicts().len();
    let mut expected: BTreeMap<Vec<Digest>, String> = BTreeMap::new();
    for ix in compared {
        let machine = &world.machines[ix];
        let Some(station) = machine.station() else {
            return Some(format!("{} is off", machine.name));
        };
        let held = station.directory();
        let may = union.documents_for(&machine.station);
        let copies: Vec<Digest> = may.iter().filter_map(|(id, _)| union.copy_of(id)).collect();
        let theirs: Vec<Digest> =
            held.documents().keys().filter_map(|id| held.copy_of(id)).collect();
        if theirs != copies {
            return Some(format!("{} {}", machine.name, lacking(held, &union, &may)));
        }
        let text = expected.entry(copies).or_insert_with(|| at_once(world, &may, chance));
        let believed = held.view_text();
        if believed != *text {
            let line = believed.lines().zip(text.lines()).find(|(is, should)| is != should);
            return Some(format!("{} believes otherwise: {line:?}", machine.name));
        }
    }
    None
}

/// What a station lacks or has beyond what it should, and what it says when it is given that.
fn lacking(held: &Directory, union: &Directory, may: &[(Digest, Bytes)]) -> String {
    let given = |(id, bytes): &(Digest, Bytes)| {
        let said = held.clone().admit(bytes);
        (held.copy_of(id) != union.copy_of(id)).then(|| format!("lacks {id}: {said:?}"))
    };
    let mut out: Vec<String> = may.iter().filter_map(given).collect();
    let beyond = held.documents();
    let beyond = beyond.keys().filter(|id| may.iter().all(|(other, _)| other != *id));
    out.extend(beyond.map(|id| format!("has {id} too")));
    out.push(hands::kinds(held));
    out.join("; ")
}

/// Everything that the compared stations hold: those that run and that are members because of it.
/// Who is no member any more is not told what changes, and need not know.
fn union(world: &World) -> Option<(Directory, Vec<Ix>)> {
    let mut compared: Vec<Ix> = (0..world.machines.len()).collect();
    loop {
        let held = |ix: &Ix| world.machines[*ix].station().map(|s| s.directory());
        let mut all = compared.iter().filter_map(held);
        let mut union = all.next()?.clone();
        let documents: Vec<Bytes> = all.flat_map(|one| one.documents().into_values()).collect();
        union.admit_all(documents.iter().map(|bytes| &bytes[..]));
        let member = |ix: &Ix| union.member(&world.machines[*ix].station).is_some();
        let stay: Vec<Ix> = compared.iter().copied().filter(member).collect();
        if stay == compared {
            return Some((union, compared));
        }
        compared = stay;
    }
}

/// What a directory believes that gets these documents at once, in an order of its own.
fn at_once(world: &World, documents: &[(Digest, Bytes)], chance: &mut Chance) -> String {
    let order = chance.order(documents.len());
    let shuffled = order.iter().filter_map(|at| documents.get(*at)).map(|(_, bytes)| &bytes[..]);
    match Directory::new(&world.practice().accord) {
        Ok(mut directory) => {
            directory.admit_all(shuffled);
            directory.view_text()
        }
        Err(error) => error.to_string(),
    }
}

/// A key is stolen and taken back: everybody who is connected knows within five seconds, over as
/// many hops as there are.
fn revocation(outcome: &mut Outcome) -> Held {
    let mut chance = Chance::new(outcome.seed, "revocation");
    let shape = [Shape::Full, Shape::Ring, Shape::Row, Shape::Star][chance.index(4)];
    let options = Options {
        shape,
        weather: Weather { delay: 300, ..Weather::default() },
        ..Options::calm(outcome.seed, 3 + chance.index(4), chance.index(2))
    };
    let mut world = World::new(options)?;
    world.run_until(15 * SECOND)?;
    let (thief, publisher) =
        (chance.index(world.machines.len()), chance.index(world.machines.len()));
    let stolen = &world.machines[thief];
    let (name, id) = (stolen.name.clone(), stolen.station);
    let Some(station) = stolen.station() else {
        return Err(Failure::Liveness(format!("{name} did not start")));
    };
    let Some(key) = station.directory().member(&id).map(|member| member.sign_key_id) else {
        return Err(Failure::Liveness(format!("{name} is no member")));
    };
    let document = world.practice().revoke(&name, key, Vec::new(), Timestamp(1));
    let document = document.map_err(|error| Failure::Crash(error.to_string()))?;
    world.publish(publisher, vec![document.bytes().clone()]);
    let began = world.now();
    while !everybody_knows(&world, &id, &key) {
        outcome.revoked_in = world.now() - began;
        if outcome.revoked_in > REVOCATION_WITHIN {
            let what = format!("a revocation did not reach everyone in time ({shape:?})");
            return Err(Failure::Liveness(what));
        }
        world.run_until(world.now() + 10)?;
    }
    outcome.revoked_in = world.now() - began;
    Ok(())
}

fn everybody_knows(world: &World, id: &StationId, key: &cbm_proto::id::KeyId) -> bool {
    let mut stations = world.machines.iter().filter_map(|machine| machine.station());
    stations.all(|station| station.directory().revoked(id, key).is_some())
}
