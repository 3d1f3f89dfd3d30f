//! Writes a load into a store and says what is durable, until it is killed.
//!
//! `cbm-store-driver FOLDER SEED [sled]`: opens the store, checks all that is in it, prints `HAVE n`,
//! then appends batches and prints `ACK n` after each sync: records below `n` are durable.
//! Of three envelopes in four, once many records stand behind them, it lets go of the body and later
//! of the header, too.
//! With `sled` it does the same on plain sled with `flush()`, to show what that is worth.
//! Run by `tests/store_contract.rs` (kill loop) and `tests/loopcut.rs` (power cuts).

use std::{
    collections::BTreeMap,
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
use cbm_proto::{
    envelope::Envelope,
    journal::{Record, RecordKind},
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
    let mut held = Held::read(&store, &load)?;
    held.check_index(&store, &load)?;
    say("HAVE", held.have)?;
    for step in 0_u64.. {
        let batch = held.have % 7 + 1;
        let numbers: Vec<u64> = (held.have..held.have + batch).collect();
        let records: Vec<_> = numbers.iter().map(|n| load.record(*n)).collect::<Result<_, _>>()?;
        let places = store.append(&records)?;
        store.sync()?;
        held.have += batch;
        say("ACK", held.have)?;
        held.whole.extend(numbers.into_iter().zip(places).filter(|(n, _)| may_go(*n)));
        if step % 16 == 15 {
            held.let_go(&mut store, &load)?;
        }
    }
    Ok(())
}

/// Of these records the driver lets go some day.
const fn may_go(n: u64) -> bool {
    n.is_multiple_of(3) && !(n / 3).is_multiple_of(4)
}

fn bare(load: &Load, n: u64) -> Result<Record, Box<dyn Error>> {
    let bytes = load.envelope(n / 3 + 1, 0)?.without_body();
    Ok(Record { kind: RecordKind::Envelope, salt: [2; 16], bytes })
}

/// What is in the store.
#[derive(Default)]
struct Held {
    have: u64,
    /// Places of whole envelopes that may go, and of bare ones.
    whole: BTreeMap<u64, Position>,
    bare: BTreeMap<u64, Position>,
}

impl Held {
    /// The load's first records, but for envelopes that were let go.
    fn read(store: &DiskStore, load: &Load) -> Result<Self, Box<dyn Error>> {
        let (mut held, mut wrong) = (Self::default(), None);
        store.scan(Position::START, &mut |place, record| {
            if let Some(n) = number_of_bare(&record, load) {
                held.bare.insert(n, place);
                return ControlFlow::Continue(());
            }
            while may_go(held.have) && load.record(held.have).ok().as_ref() != Some(&record) {
                held.have += 1;
            }
            if load.record(held.have).ok().as_ref() != Some(&record) {
                wrong = Some(held.have);
                return ControlFlow::Break(());
            }
            if may_go(held.have) {
                held.whole.insert(held.have, place);
            }
            held.have += 1;
            ControlFlow::Continue(())
        })?;
        match wrong {
            Some(wrong) => Err(format!("record {wrong} is not what was written").into()),
            None => Ok(held),
        }
    }

    /// Bodies of what is far behind; headers of what is much further.
    fn let_go(&mut self, store: &mut DiskStore, load: &Load) -> Result<(), Box<dyn Error>> {
        let stays = self.whole.split_off(&self.have.saturating_sub(100));
        let bodies = std::mem::replace(&mut self.whole, stays);
        let instead: Vec<_> =
            bodies.keys().map(|n| bare(load, *n)).collect::<Result<_, Box<dyn Error>>>()?;
        store.let_go(&bodies.values().copied().collect::<Vec<_>>(), &instead)?;
        let stays = self.bare.split_off(&self.have.saturating_sub(2_000));
        let headers = std::mem::replace(&mut self.bare, stays);
        store.let_go(&headers.into_values().collect::<Vec<_>>(), &[])?;
        Ok(())
    }

    /// Each envelope and each own record is found by its name.
    fn check_index(&self, store: &DiskStore, load: &Load) -> Result<(), Box<dyn Error>> {
        for n in (0..self.have).rev().take(600) {
            let third = n / 3 + 1;
            let good = match n % 3 {
                0 => {
                    let envelope = load.envelope(third, 0)?;
                    match store.envelope(&envelope.id())? {
                        Some(found) if may_go(n) && found == envelope.without_body() => true,
                        found => found.as_ref() == Some(envelope.bytes()),
                    }
                }
                1 => store.about(&load.letter(third))? == [load.record(n)?],
                _ => true,
            };
            if !good {
                return Err(format!("record {n} is not found by its name").into());
            }
        }
        Ok(())
    }
}

fn number_of_bare(record: &Record, load: &Load) -> Option<u64> {
    if record.kind != RecordKind::Envelope {
        return None;
    }
    let envelope = Envelope::decode(record.bytes.clone()).ok().filter(|e| !e.has_body())?;
    let n = (envelope.header().seq - 1) * 3;
    let ours = may_go(n) && bare(load, n).is_ok_and(|bare| bare.bytes == record.bytes);
    ours.then_some(n)
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

fn say(word: &str, n: u64) -> std::io::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{word} {n}")?;
    out.flush()
}
