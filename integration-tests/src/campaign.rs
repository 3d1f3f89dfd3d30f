//! One seed from beginning to end: a first phase with misfortunes, healing, and the verdict.
//!
//! In the first phase nothing may go wrong that could not be put right; in the second everything
//! that is owed must come within virtual time that is generous. Used by `cbm-sim` and `tests/sim.rs`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;

use cbm_proto::id::Digest;
use cbm_proto::time::{MINUTE, SECOND};

use crate::coverage::Seen;
use crate::invariants::{self, Failure};
use crate::options::Options;
use crate::planted::Planted;
use crate::watch;
use crate::world::World;

/// Virtual time that healing may take, milliseconds.
const HEALING: u64 = 20 * MINUTE;
/// How long a healed world is watched for something that comes twice, milliseconds.
const AFTERWARDS: u64 = 25 * SECOND;

/// What became of one seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The world that it stands for.
    pub world: String,
    /// What broke, if anything.
    pub failure: Option<Failure>,
    /// Digest over everything that happened.
    pub trace: Digest,
    /// Letters that `send` promised to deliver.
    pub promised: usize,
    /// Virtual time that it took, milliseconds.
    pub virtual_ms: u64,
    /// What its stations did and met.
    pub seen: Seen,
}

/// Runs the world of one seed.
#[must_use]
pub fn run(seed: u64, planted: Option<Planted>, verbose: bool) -> Outcome {
    run_world(Options::draw(seed, planted), verbose)
}

/// Runs one world.
#[must_use]
pub fn run_world(options: Options, verbose: bool) -> Outcome {
    let mut outcome = Outcome {
        seed: options.seed,
        world: options.to_string(),
        failure: None,
        trace: Digest([0; 32]),
        promised: 0,
        virtual_ms: 0,
        seen: Seen::default(),
    };
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(options)?;
        if verbose {
            world.be_verbose();
        }
        let held = live(&mut world);
        outcome.trace = world.trace();
        outcome.promised = world.model.promised().count();
        outcome.virtual_ms = world.now();
        outcome.seen = std::mem::take(&mut world.seen);
        held
    }));
    outcome.failure = match result {
        Ok(held) => held.err(),
        Err(panic) => Some(Failure::crash(format!("a station panicked: {}", words(&*panic)))),
    };
    outcome
}

fn live(world: &mut World) -> Result<(), Failure> {
    world.draw_fate();
    while world.now() < world.options.safety {
        world.run_until(world.options.safety.min(world.now() + SECOND))?;
        watch::tried(world)?;
    }
    world.heal()?;
    settle(world)?;
    let Some(theft) = world.take_back_a_key()? else { return Ok(()) };
    let end = world.now() + HEALING;
    while !world.all_know(&theft) {
        if world.now() > end {
            return Err(Failure::Liveness("not everybody knows of a key taken back".to_owned()));
        }
        world.run_until(world.now() + SECOND)?;
    }
    world.thief_writes(&theft)?;
    settle(world)
}

/// Lets time pass until all that is owed has come, and then some, in which nothing may come twice.
fn settle(world: &mut World) -> Result<(), Failure> {
    let end = world.now() + HEALING;
    let mut unsettled = Some(String::new());
    while unsettled.is_some() && world.now() < end {
        world.run_until(world.now() + SECOND)?;
        watch::tried(world)?;
        unsettled = invariants::unsettled(world);
    }
    if let Some(what) = unsettled {
        return Err(Failure::Liveness(what));
    }
    world.run_until(world.now() + AFTERWARDS)?;
    invariants::all(world)?;
    invariants::unsettled(world).map_or(Ok(()), |what| Err(Failure::Liveness(what)))
}

/// Runs many seeds on two threads, in order of the seeds; hands each outcome to `each`, which says
/// whether to go on.
pub fn many(
    seeds: impl Iterator<Item = u64>,
    planted: Option<Planted>,
    each: impl FnMut(Outcome) -> bool,
) {
    spread(seeds, |seed| run(*seed, planted, false), each);
}

/// The first of these seeds that shows a planted fault, if one does.
pub fn hunt(seeds: impl Iterator<Item = u64>, planted: Planted) -> Option<Outcome> {
    let mut shown = None;
    many(seeds, Some(planted), |outcome| {
        shown = Some(outcome).filter(|outcome| outcome.failure.is_some());
        shown.is_none()
    });
    shown
}

/// Does the same for each seed, or world, on two threads, in order; hands each outcome to `each`,
/// which says whether to go on.
pub fn spread<S: Sync, T: Send>(
    seeds: impl Iterator<Item = S>,
    run: impl Fn(&S) -> T + Sync,
    mut each: impl FnMut(T) -> bool,
) {
    let seeds: Vec<S> = seeds.collect();
    let next = AtomicU64::new(0);
    let (say, hear) = sync_channel(4);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (say, next, seeds, run) = (say.clone(), &next, &seeds, &run);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let seed = usize::try_from(at).ok().and_then(|at| seeds.get(at));
                    let Some(seed) = seed else { return };
                    // Nobody listens any more: the caller has seen enough.
                    if say.send(run(seed)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(say);
        while let Ok(outcome) = hear.recv() {
            if !each(outcome) {
                break;
            }
        }
        drop(hear);
    });
}

pub(crate) fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
