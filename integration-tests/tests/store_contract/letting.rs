//! Letting go: what stays, what is found instead, what the disk gets back.

use std::{collections::BTreeMap, os::unix::fs::MetadataExt as _};

use cbm_node::store::inspect::{Inspected, Until, inspect};

use super::*;

fn look(folder: &Path) -> Inspected {
    inspect(folder, Until::End, &mut |_, _| {}).unwrap()
}

/// The segments up to the one of the last record: the next is made beside us, at its own time.
fn files(folder: &Path, last: Position) -> Vec<fs::Metadata> {
    let path = |segment| folder.join("journal").join(format!("{segment:08}.seg"));
    (1..=last.segment()).map(|segment| fs::metadata(path(segment)).unwrap()).collect()
}

/// Bytes that the segments take on the disk.
fn room(folder: &Path, last: Position) -> u64 {
    files(folder, last).iter().map(|file| file.blocks() * 512).sum()
}

fn bare(load: &Load, seq: u64) -> Record {
    let bytes = load.envelope(seq, 0).unwrap().without_body();
    Record { kind: RecordKind::Envelope, salt: [2; 16], bytes }
}

/// Places by record number, of a load that is written in batches.
fn fill(store: &mut dyn Store, load: &Load, count: u64) -> Vec<Position> {
    let mut places = Vec::new();
    for batch in records(load, 0..count).chunks(7) {
        places.extend(store.append(batch).unwrap());
        store.sync().unwrap();
    }
    places
}

#[test]
fn a_body_that_was_let_go_leaves_its_header_under_every_name() {
    let load = Load::new(30);
    for drive in Drive::both() {
        let mut store = drive.open();
        let places = fill(&mut *store, &load, 300);
        let go: Vec<_> = (10..60).map(|seq| places[(seq as usize - 1) * 3]).collect();
        let instead: Vec<_> = (10..60).map(|seq| bare(&load, seq)).collect();
        let freed = store.let_go(&go, &instead).unwrap();
        assert_eq!(freed.records, 50);
        assert_eq!(store.let_go(&go, &[]).unwrap().records, 0, "it is gone already");
        for _ in 0..2 {
            for seq in 1..=100 {
                let envelope = load.envelope(seq, 0).unwrap();
                let wanted = match seq {
                    10..60 => envelope.without_body(),
                    _ => envelope.bytes().clone(),
                };
                assert_eq!(store.envelope(&envelope.id()).unwrap(), Some(wanted), "{seq}");
            }
            assert_eq!(whole_feed(&*store, &load.feed()).len(), 100);
            assert_eq!(all(&*store).len(), 300);
            assert_eq!(store.take_reports(), []);
            drop(store);
            store = drive.open();
        }
        // The whole of it may come again.
        put(&mut *store, &records(&load, 60..61));
        put(&mut *store, &records(&load, 30..31));
        let eleventh = load.envelope(11, 0).unwrap();
        assert_eq!(store.envelope(&eleventh.id()).unwrap().as_ref(), Some(eleventh.bytes()));
    }
}

#[test]
fn what_is_let_go_without_a_successor_is_not_found_any_more() {
    let load = Load::new(31);
    for drive in Drive::both() {
        let mut store = drive.open();
        let places = fill(&mut *store, &load, 90);
        store.let_go(&places[30..60], &[]).unwrap();
        for _ in 0..2 {
            let written = records(&load, 0..90);
            assert_eq!(all(&*store), [&written[..30], &written[60..]].concat());
            assert_eq!(whole_feed(&*store, &load.feed()).len(), 20);
            assert_eq!(store.envelope(&load.envelope(11, 0).unwrap().id()).unwrap(), None);
            assert_eq!(store.about(&load.letter(11)).unwrap(), []);
            assert_eq!(store.take_reports(), []);
            drop(store);
            store = drive.open();
        }
    }
}

#[test]
fn the_disk_gets_its_room_back_and_the_chain_holds() {
    let load = Load::new(32);
    let folder = TempDir::new().unwrap();
    let mut store = open_disk(folder.path());
    let places = fill(&mut store, &load, 900);
    let last = places[places.len() - 1];
    let (before, full) = (look(folder.path()), room(folder.path(), last));
    let envelopes: Vec<_> = places.iter().step_by(3).copied().collect();
    let mut freed = 0;
    for go in envelopes.chunks(40) {
        freed += store.let_go(go, &[]).unwrap().bytes;
    }
    let (after, empty) = (look(folder.path()), room(folder.path(), last));
    assert_eq!((&after.chain, after.end, &after.damage), (&before.chain, before.end, &vec![]));
    assert_eq!((after.records, after.dropped), (600, 300));
    assert_eq!(full - empty, freed);
    assert!(empty * 4 < full * 3, "{full} bytes became {empty}");
    let rest: Vec<_> = places.iter().copied().filter(|p| !envelopes.contains(p)).collect();
    store.let_go(&rest, &[]).unwrap();
    assert_eq!(look(folder.path()).chain, before.chain);
    drop(store);
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let store = open_disk(folder.path());
    assert_eq!((all(&store).len(), store.take_reports().len()), (0, 0));
}

#[test]
fn of_envelopes_in_a_row_not_even_the_headers_cost_room() {
    let load = Load::new(34);
    let folder = TempDir::new().unwrap();
    let mut store = open_disk(folder.path());
    let envelopes: Vec<_> = (0..900).step_by(3).map(|n| load.record(n).unwrap()).collect();
    let mut places = Vec::new();
    for batch in envelopes.chunks(5) {
        places.extend(store.append(batch).unwrap());
        store.sync().unwrap();
    }
    let last = places[places.len() - 1];
    let full = room(folder.path(), last);
    // Every second one first: their neighbours' headers stand between them.
    let (even, odd): (Vec<_>, Vec<_>) = places.iter().partition(|p| p.0 / 64 % 2 == 0);
    for go in [even, odd] {
        store.let_go(&go, &[]).unwrap();
    }
    let segments = files(folder.path(), last).len() as u64;
    assert!(segments > 4);
    // The first block of each, and what the newest one still has room for.
    let bound = segments * 4096 + 128 * 1024;
    let left = room(folder.path(), last);
    assert!(left <= bound && full > 4 * bound, "{full} bytes became {left}");
    assert_eq!(look(folder.path()).dropped, 300);
}

#[test]
fn an_index_of_before_the_letting_go_is_brought_after_it() {
    let load = Load::new(33);
    let folder = TempDir::new().unwrap();
    let mut store = open_disk(folder.path());
    let places = fill(&mut store, &load, 300);
    drop(store);
    let (index, old) = (folder.path().join("index"), folder.path().join("old"));
    let copy = |from: &Path, to: &Path| {
        let done = Command::new("cp").arg("-a").arg(from).arg(to).status();
        assert!(done.unwrap().success());
    };
    copy(&index, &old);
    let mut store = open_disk(folder.path());
    let go: Vec<_> = (1..=50).map(|seq| places[(seq - 1) * 3]).collect();
    let instead: Vec<_> = (1..=25).map(|seq| bare(&load, seq)).collect();
    store.let_go(&go, &instead).unwrap();
    drop(store);
    fs::remove_dir_all(&index).unwrap();
    fs::rename(&old, &index).unwrap();
    let store = open_disk(folder.path());
    assert_eq!(whole_feed(&store, &load.feed()).len(), 75);
    let third = load.envelope(3, 0).unwrap();
    assert_eq!(store.envelope(&third.id()).unwrap(), Some(third.without_body()));
    assert_eq!(store.envelope(&load.envelope(40, 0).unwrap().id()).unwrap(), None);
    assert_eq!(store.take_reports(), [], "nothing is made again for it");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(16) })]

    /// Any run of appends, letting go and restarts agrees with a list.
    #[test]
    fn stores_that_let_go_agree_with_a_list(
        steps in prop::collection::vec((0..10_u8, 1..40_u64, any::<u64>()), 1..25),
        seed in 0..1000_u64,
    ) {
        let load = Load::new(seed);
        for drive in Drive::both() {
            let (mut store, mut written) = (drive.open(), 0);
            let mut held: BTreeMap<Position, Record> = BTreeMap::new();
            for (step, count, which) in &steps {
                match step {
                    0 => {
                        drop(store);
                        store = drive.open();
                    }
                    1..5 => {
                        let chosen = |n: &(usize, &Position)| which >> (n.0 % 64) & 1 == 1;
                        let go = held.keys().enumerate().filter(chosen).map(|(_, p)| *p);
                        let go: Vec<_> = go.collect();
                        let instead = [own(RecordKind::Note, MsgId([8; 16]), "let go")];
                        store.let_go(&go, &instead).unwrap();
                        held.retain(|place, _| !go.contains(place));
                    }
                    _ => {
                        let fresh = records(&load, written..written + count);
                        held.extend(store.append(&fresh).unwrap().into_iter().zip(fresh));
                        store.sync().unwrap();
                        written += count;
                    }
                }
                let found: Vec<_> =
                    all(&*store).into_iter().filter(|r| r.kind != RecordKind::Note).collect();
                prop_assert!(found.iter().eq(held.values()));
            }
            let envelopes = held.values().filter(|r| r.kind == RecordKind::Envelope).count();
            prop_assert_eq!(whole_feed(&*store, &load.feed()).len(), envelopes);
            prop_assert_eq!(store.take_reports(), []);
        }
    }
}
