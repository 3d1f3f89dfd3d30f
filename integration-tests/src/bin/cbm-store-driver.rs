//! Writes a load into a store and says what is durable, until it is killed.
//!
//! `cbm-store-driver FOLDER SEED [sled]`: opens the store, checks all that is in it, prints `HAVE n`,
//! then appends batches and prints `ACK n` after each sync: records below `n` are durable.
//! With `sled` it does the same on plain sled with `flush()`, to show what that is worth.
//! Run by `tests/store_contract.rs` (kill loop) and `tests/loopcut.rs` (power cuts).

use std::{
    error::Error,
    io::{Write as _, stdout},
    ops::ControlFlow,
    path::Path,
};

use cbm_integration_tests::load::Load;
use cbm_node::store::{
    Position, Store as _,
    disk::{DiskStore, Options},
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let folder = words.next().ok_or("usage: cbm-store-driver FOLDER SEED")?;
    let seed = words.next().unwrap_or_default().parse()?;
    let load = Load::new(seed);
    if words.next().as_deref() == Some("sled") {
        return plain_sled(Path::new(&folder), &load);
    }
    // Small segments, so that a short run crosses several.
    let options = Options { segment: 256 * 1024, ..Options::new([7; 32]) };
    let mut store = DiskStore::open(Path::new(&folder), &options)?;
    for report in store.take_reports() {
        eprintln!("{report}");
    }
    let (mut have, mut wrong) = (0, None);
    store.scan(Position::START, &mut |_, record| {
        if load.record(have).ok().as_ref() != Some(&record) {
            wrong = Some(have);
            return ControlFlow::Break(());
        }
        have += 1;
        ControlFlow::Continue(())
    })?;
    if let Some(wrong) = wrong {
        return Err(format!("record {wrong} is not what was written").into());
    }
    check_index(&store, &load, have)?;
    say("HAVE", have)?;
    loop {
        let batch = have % 7 + 1;
        let records: Vec<_> =
            (have..have + batch).map(|n| load.record(n)).collect::<Result<_, _>>()?;
        store.append(&records)?;
        store.sync()?;
        have += batch;
        say("ACK", have)?;
    }
}

/// The same on plain sled: `HAVE` counts what is there in sequence.
fn plain_sled(folder: &Path, load: &Load) -> Result<(), Box<dyn Error>> {
    let db = sled::open(folder)?;
    let mut have: u64 = 0;
    while db.get(have.to_be_bytes())?.is_some() {
        have += 1;
    }
    say("HAVE", have)?;
    loop {
        let batch = have % 7 + 1;
        for n in have..have + batch {
            db.insert(n.to_be_bytes(), &load.record(n)?.bytes[..])?;
        }
        db.flush()?;
        have += batch;
        say("ACK", have)?;
    }
}

/// Each envelope and each own record is found by its name.
fn check_index(store: &DiskStore, load: &Load, have: u64) -> Result<(), Box<dyn Error>> {
    let page = store.feed(&load.feed(), 1, u64::MAX, usize::MAX, usize::MAX)?;
    if page.envelopes.len() as u64 != have.div_ceil(3) {
        return Err(format!("{} of {have} records' envelopes", page.envelopes.len()).into());
    }
    for n in (0..have).filter(|n| n % 3 == 1).rev().take(100) {
        if store.about(&load.letter(n / 3 + 1))? != [load.record(n)?] {
            return Err(format!("record {n} is not found by its letter").into());
        }
    }
    Ok(())
}

fn say(word: &str, n: u64) -> std::io::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{word} {n}")?;
    out.flush()
}
