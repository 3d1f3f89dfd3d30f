//! Power cuts at every kind of instant, on a drive that forgets what no fsync covered.
//!
//! The same load on plain sled with `flush()` loses what it acknowledged: that is asserted too, or
//! these tests would prove nothing. `CBM_POWERLOSS_SEEDS` sets how many runs there are. Where no file system
//! of ours can be mounted, each test says so in one line and passes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "powerloss/faults.rs"]
mod faults;
#[path = "powerloss/letting.rs"]
mod letting;
#[path = "powerloss/model.rs"]
mod model;

use std::{ops::ControlFlow, panic::catch_unwind, path::Path, sync::atomic::Ordering};

use cbm_integration_tests::{
    load::Load,
    powerloss::{Cut, Drive, Mount, Plan, unavailable},
};
use cbm_node::store::{
    Position, Report, Store as _, StoreError,
    disk::{DiskStore, Options},
};
use cbm_proto::journal::Record;

fn seeds() -> u64 {
    std::env::var("CBM_POWERLOSS_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(20)
}

/// Says once why a test is skipped.
fn skipped() -> bool {
    let why = unavailable();
    if let Some(why) = &why {
        let must = std::env::var_os("CBM_REQUIRE_ROOT_TESTS").is_some_and(|v| v == "1");
        assert!(!must, "CBM_REQUIRE_ROOT_TESTS is set, and the power cannot be cut: {why}");
        eprintln!("skipped: {why}; run as root with /dev/fuse");
    }
    why.is_some()
}

fn options() -> Options {
    Options { segment: 128 * 1024, machine: Some("here".into()), ..Options::new([7; 32]) }
}

fn open(mount: &Mount) -> Result<DiskStore, StoreError> {
    DiskStore::open(&mount.path().join("data"), &options())
}

/// How many records are there; panics unless they are the load's first ones, whole.
fn count(store: &DiskStore, load: &Load) -> u64 {
    let mut have = 0;
    let each = &mut |_: Position, record: Record| {
        assert!(record == load.record(have).unwrap(), "record {have} is another one");
        have += 1;
        ControlFlow::Continue(())
    };
    store.scan(Position::START, each).unwrap();
    have
}

fn dice(seed: u64, n: u64) -> u64 {
    let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(n);
    (seed ^ seed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33
}

/// When and how the power goes in one of the three lives of a seed, within so many steps; the first
/// life gets some more, to make its files in.
fn drawn(seed: u64, life: u64, steps: u64) -> Plan {
    let cut = Cut::ALL[usize::try_from(seed + life).unwrap() % Cut::ALL.len()];
    let at = dice(seed, life) % steps + if life == 0 { 60 } else { 0 };
    Plan { at, cut, seed: seed * 3 + life }
}

/// One process on `drive` until its power goes at `plan`; the drive after that, and what was
/// acknowledged before it.
fn live_and_die(drive: Drive, load: &Load, plan: Plan) -> (Drive, u64) {
    let mount = Mount::new(drive).unwrap();
    let acknowledged = mount.drive().acknowledged();
    mount.drive().plan(plan);
    let mut store = open(&mount).unwrap();
    let mut have = count(&store, load);
    acknowledged.store(have, Ordering::SeqCst);
    let envelopes = store.feed(&load.feed(), 1, u64::MAX, usize::MAX, usize::MAX).unwrap();
    assert_eq!(envelopes.envelopes.len() as u64, have.div_ceil(3));
    for step in 0.. {
        if let Some(after) = mount.drive().taken() {
            return after;
        }
        let batch = dice(plan.seed, step) % 12 + 1;
        let records: Vec<_> = (have..have + batch).map(|n| load.record(n).unwrap()).collect();
        store.append(&records).unwrap();
        store.sync().unwrap();
        have += batch;
        acknowledged.store(have, Ordering::SeqCst);
    }
    unreachable!("every plan's instant comes")
}

#[test]
fn our_store_loses_nothing_that_it_acknowledged() {
    if skipped() {
        return;
    }
    let mut cuts_with_data = 0;
    for seed in 0..seeds() {
        let load = Load::new(seed);
        let (mut drive, mut owed) = (Drive::default(), 0);
        for life in 0..3 {
            let plan = drawn(seed, life, 160);
            let (after, acknowledged) = live_and_die(drive, &load, plan);
            let mount = Mount::new(after.clone()).unwrap();
            let store = open(&mount).unwrap();
            let found = count(&store, &load);
            // A life that ended before it had read what there was still owes that.
            owed = owed.max(acknowledged);
            assert!(found >= owed, "seed {seed} life {life} {plan:?}: {found} of {owed}");
            assert!(!store.take_reports().iter().any(Report::is_loss), "seed {seed} {plan:?}");
            cuts_with_data += u64::from(acknowledged > 0);
            drive = after;
        }
    }
    assert!(cuts_with_data >= seeds(), "cuts must fall into the work, not before it");
}

/// How many of `records` plain sled finds again; none where it does not open.
fn found_by_sled(folder: &Path, records: u64) -> u64 {
    let found = catch_unwind(|| {
        let db = sled::open(folder).ok()?;
        Some((0..records).filter(|n| db.get(n.to_be_bytes()).ok().flatten().is_some()).count())
    });
    found.ok().flatten().unwrap_or(0) as u64
}

#[test]
fn plain_sled_with_flush_loses_what_it_acknowledged() {
    if skipped() {
        return;
    }
    let (load, records) = (Load::new(99), 200_u64);
    let mount = Mount::new(Drive::default()).unwrap();
    let db = sled::open(mount.path().join("sled")).unwrap();
    for n in 0..records {
        db.insert(n.to_be_bytes(), &load.record(n).unwrap().bytes[..]).unwrap();
        db.flush().unwrap();
    }
    let after = mount.drive().cut(Cut::Unsynced, 1);
    // Closed in order it would have synced, and kept everything: the cut came before.
    drop(db);
    assert_eq!(found_by_sled(&mount.path().join("sled"), records), records);
    let mount = Mount::new(after).unwrap();
    let found = found_by_sled(&mount.path().join("sled"), records);
    assert!(found < records, "flush() covered everything: the drive forgets nothing");
}
