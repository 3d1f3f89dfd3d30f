//! Snapshots on a real disk: what stands for the journal's beginning is that beginning, or is not used.
//!
//! The records are those of a station in the simulator, the store is the one that nodes have. That a
//! dump at any place of any history is worth the records before it is what the simulator asks at
//! every start of every station (`integration-tests/src/world/start.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use cbm_integration_tests::options::Options;
use cbm_integration_tests::world::World;
use cbm_node::perform::writer::Writer;
use cbm_node::runtime::snapshots::{Made, make};
use cbm_node::runtime::{Maker, Snapshots};
use cbm_node::store::snapshot::{self, Unfit};
use cbm_node::store::{Position, Store, disk};
use cbm_proto::journal::Record;
use cbm_proto::retention::Retention;
use cbm_proto::station::{Setup, Station};
use tempfile::TempDir;

/// Small, so that a short history has several.
const SEGMENT: u32 = 96 * 1024;

/// A station and all that it wrote in a minute.
struct History {
    setup: Setup,
    records: Vec<Record>,
}

/// The same for all tests.
fn history() -> &'static History {
    static HISTORY: OnceLock<History> = OnceLock::new();
    HISTORY.get_or_init(live)
}

fn live() -> History {
    let calm = Options::calm(7, 3, 0);
    let mut world = World::new(Options { letters: 60, safety: 60_000, ..calm }).unwrap();
    world.draw_fate();
    world.run_until(60_000).unwrap();
    let setup = Setup { moved: false, ..world.setup_of(0).unwrap() };
    History { setup, records: world.machines[0].disk.records().to_vec() }
}

impl History {
    /// A store of its first `count` records; what is there already stays.
    fn write(&self, data: &Path, genesis: u8, count: usize) {
        let options = disk::Options { segment: SEGMENT, ..disk::Options::new([genesis; 32]) };
        let mut store = disk::DiskStore::open(data, &options).unwrap();
        let mut held = 0;
        let counted = &mut |_, _| {
            held += 1;
            ControlFlow::Continue(())
        };
        store.scan(Position::START, counted).unwrap();
        store.append(&self.records[held..count]).unwrap();
        store.sync().unwrap();
    }

    fn station(&self, count: usize) -> Vec<u8> {
        let mut station = Station::new(self.setup.clone());
        self.records[..count].iter().for_each(|record| station.restore(record).unwrap());
        station.dump(&self.setup)
    }

    /// A snapshot of everything before the segment that is being written.
    fn snap(&self, data: &Path) -> Result<Made, String> {
        let to = snapshot::newest(data).unwrap().unwrap();
        make(data, &self.setup, &to, &|| false)
    }

    fn load(&self, data: &Path) -> Result<Option<(snapshot::Place, Vec<u8>)>, Unfit> {
        snapshot::load(data, &self.setup.keys.archive)
    }

    fn maker(&self, data: &Path) -> Maker {
        let Setup { me, keys, directory, restored, .. } = self.setup.clone();
        let snapshots = Snapshots::new(data.to_owned());
        let retention = Retention::default();
        Maker { me, keys, directory, restored, retention, pause: 0, snapshots }
    }
}

fn open(data: &Path) -> Box<dyn Store> {
    Box::new(disk::DiskStore::open(data, &disk::Options::new([0; 32])).unwrap())
}

/// A folder with all of the history in it, and its snapshot.
fn saved() -> (TempDir, &'static History) {
    let (folder, history) = (TempDir::new().unwrap(), history());
    history.write(folder.path(), 1, history.records.len());
    history.snap(folder.path()).unwrap();
    (folder, history)
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 4;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_snapshot_and_the_records_behind_it_are_the_whole_journal() {
    let (folder, history) = (TempDir::new().unwrap(), history());
    let data = folder.path();
    let (mut used, all) = (0, history.records.len());
    for count in (all / 8..=all).step_by(all / 8) {
        history.write(data, 1, count);
        if matches!(history.snap(data).unwrap(), Made::Saved(_)) {
            used += 1;
        }
        let Some((place, state)) = history.load(data).unwrap() else { continue };
        let mut station = Station::from_dump(history.setup.clone(), &state).unwrap();
        let each = &mut |_, record| {
            station.restore(&record).unwrap();
            ControlFlow::Continue(())
        };
        open(data).scan(place.position(), each).unwrap();
        assert!(station.dump(&history.setup) == history.station(count), "at {count} of {all}");
    }
    assert!(used >= 3, "{used} snapshots, one from the other");
}

#[test]
fn a_snapshot_with_a_bit_turned_is_not_used() {
    let (folder, history) = saved();
    let data = folder.path();
    let path = snapshot::path(data);
    let length = fs::read(&path).unwrap().len();
    for at in (0..80).chain((80..length).step_by(length / 200)).chain([length - 1]) {
        flip(&path, at);
        assert!(history.load(data).is_err(), "byte {at}");
        flip(&path, at);
    }
    assert!(history.load(data).unwrap().is_some());
    fs::write(&path, &fs::read(&path).unwrap()[..length / 2]).unwrap();
    assert!(matches!(history.load(data), Err(Unfit::Sealed)));
    let other = [0; 32];
    assert!(snapshot::load(data, &other).is_err(), "another archive key");
}

#[test]
fn a_snapshot_of_another_journal_or_of_a_later_day_is_not_used() {
    let (folder, history) = (TempDir::new().unwrap(), history());
    let count = history.records.len();
    let [full, other, earlier] = ["full", "other", "earlier"].map(|name| folder.path().join(name));
    history.write(&full, 1, count);
    history.write(&other, 2, count);
    history.write(&earlier, 1, count / 2);
    history.snap(&full).unwrap();
    for data in [&other, &earlier] {
        fs::copy(snapshot::path(&full), snapshot::path(data)).unwrap();
        assert!(matches!(history.load(data), Err(Unfit::Journal)), "{data:?}");
        // It does not stand in the way of the right one either.
        assert!(matches!(history.snap(data).unwrap(), Made::Saved(_)));
        assert!(history.load(data).unwrap().is_some());
    }
}

#[test]
fn other_keys_or_documents_need_the_whole_journal() {
    let (folder, history) = saved();
    let data = folder.path();
    let (_, state) = history.load(data).unwrap().unwrap();
    let mut other = history.setup.clone();
    other.me.0[0] ^= 1;
    assert!(Station::from_dump(other, &state).is_err());
    let mut longer = state.clone();
    longer.push(0);
    assert!(Station::from_dump(history.setup.clone(), &longer).is_err());
    for cut in (0..state.len()).step_by(state.len() / 100) {
        assert!(Station::from_dump(history.setup.clone(), &state[..cut]).is_err(), "{cut}");
    }
}

#[test]
fn what_a_cut_left_of_a_snapshot_is_in_nobodys_way() {
    let (folder, history) = (TempDir::new().unwrap(), history());
    let data = folder.path();
    history.write(data, 1, history.records.len());
    fs::write(data.join("snapshot.tmp"), b"half of it").unwrap();
    assert!(history.load(data).unwrap().is_none());
    assert!(matches!(history.snap(data).unwrap(), Made::Saved(_)));
    assert_eq!(history.snap(data).unwrap(), Made::NotDue);
    assert!(history.load(data).unwrap().is_some());
}

#[tokio::test]
async fn damage_where_a_snapshot_stands_for_the_journal_is_found_beside_the_running_node() {
    let (folder, history) = (TempDir::new().unwrap(), history());
    let data = folder.path();
    history.write(data, 1, history.records.len());
    let mut maker = history.maker(data);
    let writer = Writer::start(open(data)).unwrap();
    let whole = maker.make(&writer).await.unwrap().dump(&history.setup);
    assert!(history.load(data).unwrap().is_some(), "a start that reads it all leaves one");
    let again = maker.make(&writer).await.unwrap().dump(&history.setup);
    assert!(again == whole, "from the snapshot");
    drop(maker);

    let first = data.join("journal").join("00000001.seg");
    flip(&first, SEGMENT as usize / 2);
    let mut maker = history.maker(data);
    maker.make(&writer).await.unwrap();
    let found = tokio::time::timeout(Duration::from_secs(60), maker.snapshots.damaged()).await;
    assert!(found.is_ok(), "nobody noticed");
    assert!(history.load(data).unwrap().is_none() && data.join("snapshot.aside").exists());
    assert_eq!(history.snap(data).unwrap(), Made::Damaged);
    writer.close().await;
}
