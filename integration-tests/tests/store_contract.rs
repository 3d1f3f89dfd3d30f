//! The store's contract, on disk and in memory alike; then what only a disk can suffer.
//!
//! Damage, lost indexes and copied folders stand in `store_contract/disk.rs`, letting go of records
//! in `store_contract/letting.rs`, the loop that kills a writing process in `store_contract/kill.rs`. Power cuts have files of their own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "store_contract/disk.rs"]
mod disk;
#[path = "store_contract/kill.rs"]
mod kill;
#[path = "store_contract/letting.rs"]
mod letting;

use std::{fs, ops::ControlFlow, path::Path, process::Command};

use cbm_integration_tests::load::Load;
use cbm_node::store::{
    Marker, Position, Store, StoreError,
    disk::{DiskStore, Options},
    memory::MemoryDisk,
};
use cbm_proto::{
    id::{EnvelopeId, FeedId, LaneId, MsgId},
    journal::{Keys, Record, RecordKind, index_keys},
    limits::RECORD_MAX,
};
use proptest::prelude::*;
use tempfile::TempDir;

/// Something stores are opened on, again and again.
enum Drive {
    Disk(TempDir),
    Memory(MemoryDisk),
}

impl Drive {
    fn both() -> [Self; 2] {
        [Self::Disk(TempDir::new().unwrap()), Self::Memory(MemoryDisk::new())]
    }

    fn open(&self) -> Box<dyn Store> {
        match self {
            Self::Disk(folder) => Box::new(open_disk(folder.path())),
            Self::Memory(disk) => Box::new(disk.open()),
        }
    }

    /// The same content elsewhere.
    fn copy(&self) -> Self {
        match self {
            Self::Disk(folder) => {
                let copy = TempDir::new().unwrap();
                let from = folder.path().join(".");
                let done = Command::new("cp").arg("-a").arg(from).arg(copy.path()).status();
                assert!(done.unwrap().success());
                Self::Disk(copy)
            }
            Self::Memory(disk) => Self::Memory(disk.copy()),
        }
    }
}

fn options() -> Options {
    Options { segment: 128 * 1024, machine: Some("here".into()), ..Options::new([7; 32]) }
}

fn open_disk(folder: &Path) -> DiskStore {
    DiskStore::open(folder, &options()).unwrap()
}

fn records(load: &Load, range: std::ops::Range<u64>) -> Vec<Record> {
    range.map(|n| load.record(n).unwrap()).collect()
}

fn all(store: &dyn Store) -> Vec<Record> {
    let mut found = Vec::new();
    let each = &mut |_, record| {
        found.push(record);
        ControlFlow::Continue(())
    };
    store.scan(Position::START, each).unwrap();
    found
}

fn whole_feed(store: &dyn Store, feed: &FeedId) -> Vec<bytes::Bytes> {
    store.feed(feed, 0, u64::MAX, usize::MAX, usize::MAX).unwrap().envelopes
}

fn put(store: &mut dyn Store, records: &[Record]) {
    store.append(records).unwrap();
    store.sync().unwrap();
}

fn own(kind: RecordKind, letter: MsgId, text: &str) -> Record {
    let bytes = [&letter.0[..], text.as_bytes()].concat().into();
    Record { kind, salt: [1; 16], bytes }
}

#[test]
fn what_was_synced_is_there_by_every_name_after_reopening() {
    let load = Load::new(1);
    let written = records(&load, 0..300);
    for drive in Drive::both() {
        let mut store = drive.open();
        for batch in written.chunks(7) {
            put(&mut *store, batch);
        }
        drop(store);
        let store = drive.open();
        assert_eq!(all(&*store), written);
        assert_eq!(whole_feed(&*store, &load.feed()).len(), 100);
        for n in 1..=100 {
            let envelope = load.envelope(n, 0).unwrap();
            assert_eq!(store.envelope(&envelope.id()).unwrap().as_ref(), Some(envelope.bytes()));
            assert_eq!(store.about(&load.letter(n)).unwrap().len(), 1);
        }
        assert_eq!(store.envelope(&EnvelopeId([0; 32])).unwrap(), None);
        assert_eq!(store.about(&MsgId([0; 16])).unwrap(), []);
        assert_eq!(store.take_reports(), []);
    }
}

#[test]
fn what_is_not_synced_is_not_served() {
    let load = Load::new(2);
    for drive in Drive::both() {
        let mut store = drive.open();
        put(&mut *store, &records(&load, 0..3));
        store.append(&records(&load, 3..6)).unwrap();
        assert_eq!(all(&*store).len(), 3);
        assert_eq!(store.envelope(&load.envelope(2, 0).unwrap().id()).unwrap(), None);
        assert_eq!(store.about(&load.letter(2)).unwrap(), []);
        store.sync().unwrap();
        assert_eq!(all(&*store).len(), 6);
        assert_eq!(store.about(&load.letter(2)).unwrap().len(), 1);
    }
}

#[test]
fn a_page_of_a_feed_keeps_its_bounds() {
    let load = Load::new(3);
    for drive in Drive::both() {
        let mut store = drive.open();
        put(&mut *store, &records(&load, 0..60));
        let bytes = |n| load.envelope(n, 0).unwrap().bytes().clone();
        let page = |from, to, size, count| store.feed(&load.feed(), from, to, size, count).unwrap();
        let five = page(3, 7, usize::MAX, 10);
        assert_eq!((five.envelopes, five.more), ((3..=7).map(bytes).collect(), false));
        let two = page(3, 7, usize::MAX, 2);
        assert_eq!((two.envelopes, two.more), ((3..=4).map(bytes).collect(), true));
        let sum = bytes(3).len() + bytes(4).len() + bytes(5).len();
        let three = page(3, 7, sum, 10);
        assert_eq!((three.envelopes.len(), three.more), (3, true));
        let one = page(3, 7, 1, 10);
        assert_eq!((one.envelopes.len(), one.more), (1, true), "one in any case");
        let none = page(21, u64::MAX, usize::MAX, 10);
        assert_eq!((none.envelopes.len(), none.more), (0, false));
        assert_eq!(page(7, 3, usize::MAX, 10).envelopes.len(), 0);
        let elsewhere = FeedId { lane: LaneId([9; 16]), ..load.feed() };
        assert_eq!(whole_feed(&*store, &elsewhere).len(), 0);
    }
}

#[test]
fn an_envelope_once_kept_with_its_body_is_served_with_it() {
    let envelope = Load::new(4).envelope(1, 0).unwrap();
    let record = |bytes| Record { kind: RecordKind::Envelope, salt: [0; 16], bytes };
    for drive in Drive::both() {
        let mut store = drive.open();
        put(&mut *store, &[record(envelope.without_body())]);
        assert_eq!(store.envelope(&envelope.id()).unwrap(), Some(envelope.without_body()));
        put(&mut *store, &[record(envelope.bytes().clone())]);
        assert_eq!(store.envelope(&envelope.id()).unwrap().as_ref(), Some(envelope.bytes()));
        put(&mut *store, &[record(envelope.without_body())]);
        assert_eq!(store.envelope(&envelope.id()).unwrap().as_ref(), Some(envelope.bytes()));
        assert_eq!(whole_feed(&*store, &envelope.feed()), [envelope.bytes()]);
    }
}

#[test]
fn two_envelopes_of_one_number_are_both_served() {
    let load = Load::new(5);
    let twins = [load.envelope(1, 0).unwrap(), load.envelope(1, 1).unwrap()];
    for drive in Drive::both() {
        let mut store = drive.open();
        let record = |e: &cbm_proto::envelope::Envelope| Record {
            kind: RecordKind::Envelope,
            salt: [0; 16],
            bytes: e.bytes().clone(),
        };
        put(&mut *store, &[record(&twins[0]), record(&twins[1])]);
        let found = whole_feed(&*store, &load.feed());
        assert_eq!(found.len(), 2);
        assert!(twins.iter().all(|twin| found.contains(twin.bytes())));
    }
}

#[test]
fn own_records_of_a_letter_come_in_order() {
    let (letter, other) = (MsgId([1; 16]), MsgId([2; 16]));
    let kinds = [RecordKind::Taken, RecordKind::Sent, RecordKind::Event, RecordKind::Opened];
    for drive in Drive::both() {
        let mut store = drive.open();
        for (n, kind) in kinds.into_iter().enumerate() {
            let batch = [own(kind, letter, &n.to_string()), own(kind, other, "other")];
            put(&mut *store, &batch);
        }
        put(&mut *store, &[own(RecordKind::Unknown(77), letter, "from the future")]);
        let found: Vec<_> = store.about(&letter).unwrap().into_iter().map(|r| r.kind).collect();
        assert_eq!(found, kinds);
        assert_eq!(all(&*store).last().unwrap().kind, RecordKind::Unknown(77));
    }
}

#[test]
fn an_append_that_fails_leaves_nothing() {
    let load = Load::new(6);
    for drive in Drive::both() {
        let mut store = drive.open();
        put(&mut *store, &records(&load, 0..9));
        let mut batch = records(&load, 9..200);
        batch.push(Record { bytes: vec![0; RECORD_MAX + 1].into(), ..batch[0].clone() });
        assert!(matches!(store.append(&batch), Err(StoreError::Format(_))));
        if let Drive::Memory(disk) = &drive {
            disk.fail_append(1);
            assert!(matches!(store.append(&batch[..3]), Err(StoreError::Full(_))));
        }
        put(&mut *store, &records(&load, 9..12));
        drop(store);
        assert_eq!(all(&*drive.open()), records(&load, 0..12));
    }
}

#[test]
fn the_marker_tells_a_folder_from_its_copy() {
    for drive in Drive::both() {
        let mut store = drive.open();
        assert_eq!(store.marker(), Marker::New);
        put(&mut *store, &[own(RecordKind::Incarnation, MsgId([0; 16]), "one")]);
        assert_eq!(store.marker(), Marker::Same);
        drop(store);
        assert_eq!(drive.open().marker(), Marker::Same);
        let copy = drive.copy();
        let mut store = copy.open();
        assert_eq!(store.marker(), Marker::Moved);
        put(&mut *store, &[own(RecordKind::Note, MsgId([0; 16]), "not yet")]);
        assert_eq!(store.marker(), Marker::Moved);
        put(&mut *store, &[own(RecordKind::Incarnation, MsgId([0; 16]), "two")]);
        drop(store);
        assert_eq!(copy.open().marker(), Marker::Same);
        assert_eq!(drive.open().marker(), Marker::Same);
    }
}

#[test]
fn a_scan_begins_and_ends_where_it_is_told() {
    let load = Load::new(7);
    for drive in Drive::both() {
        let mut store = drive.open();
        let places = store.append(&records(&load, 0..100)).unwrap();
        store.sync().unwrap();
        assert!(places.is_sorted_by(|a, b| a < b));
        let mut found = Vec::new();
        let each = &mut |at, record| {
            found.push((at, record));
            if found.len() == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        store.scan(places[60], each).unwrap();
        let wanted: Vec<_> = places[60..65].iter().copied().zip(records(&load, 60..65)).collect();
        assert_eq!(found, wanted);
    }
}

#[test]
fn a_failed_sync_is_final() {
    let (load, disk) = (Load::new(8), MemoryDisk::new());
    let mut store = disk.open();
    put(&mut store, &records(&load, 0..3));
    disk.fail_sync(1);
    store.append(&records(&load, 3..6)).unwrap();
    assert!(store.sync().is_err());
    assert!(matches!(store.sync(), Err(StoreError::Poisoned)));
    assert!(matches!(store.append(&records(&load, 6..7)), Err(StoreError::Poisoned)));
    let (older, mut store) = (disk.image(), disk.open());
    assert_eq!(all(&store), records(&load, 0..3));
    store.append(&records(&load, 3..9)).unwrap();
    store.crash(2);
    assert_eq!(all(&disk.open()), records(&load, 0..5));
    disk.restore(older);
    assert_eq!(all(&disk.open()), records(&load, 0..3));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(12) })]

    /// Any run of appends, syncs and restarts agrees with a list.
    #[test]
    fn stores_agree_with_a_list(
        steps in prop::collection::vec((0..10_u8, 1..40_u64), 1..25), seed in 0..1000_u64
    ) {
        let load = Load::new(seed);
        for drive in Drive::both() {
            let (mut store, mut written, mut synced) = (drive.open(), 0, 0);
            for (step, count) in &steps {
                match step {
                    0 => {
                        drop(store);
                        store = drive.open();
                        let found = all(&*store).len() as u64;
                        prop_assert!((synced..=written).contains(&found));
                        (written, synced) = (found, found);
                    }
                    1..4 => {
                        store.sync().unwrap();
                        synced = written;
                    }
                    _ => {
                        store.append(&records(&load, written..written + count)).unwrap();
                        written += count;
                    }
                }
                prop_assert!(all(&*store) == records(&load, 0..synced), "after {} of {}", synced, written);
            }
            let envelopes = whole_feed(&*store, &load.feed()).len() as u64;
            prop_assert_eq!(envelopes, synced.div_ceil(3));
        }
    }
}
