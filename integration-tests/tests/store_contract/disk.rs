//! What only a disk can suffer: damage anywhere, a lost or lying index, a second process.

use std::os::unix::fs::{FileExt as _, PermissionsExt as _};

use cbm_node::store::Report;

use super::*;

/// A store of `count` records that was closed in order.
fn written(load: &Load, count: u64) -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut store = open_disk(folder.path());
    for batch in records(load, 0..count).chunks(5) {
        put(&mut store, batch);
    }
    folder
}

fn files(folder: &Path, ends: &str) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries.filter(|p| p.to_str().unwrap().ends_with(ends)).collect();
    found.sort();
    found
}

fn flip(path: &Path, at: u64) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

fn holds_by_name(store: &dyn Store, load: &Load, count: u64) {
    let by_name = (0..count).all(|n| match index_keys(&load.record(n).unwrap()) {
        Keys::Envelope { id, .. } => store.envelope(&id).unwrap().is_some(),
        Keys::Letter(id) => store.about(&id).unwrap().len() == 1,
        Keys::Document(_) | Keys::None => true,
    });
    assert!(by_name);
    assert_eq!(whole_feed(store, &load.feed()).len() as u64, count.div_ceil(3));
}

#[test]
fn a_second_process_is_told_that_the_folder_is_in_use() {
    let folder = TempDir::new().unwrap();
    let first = open_disk(folder.path());
    let refused = DiskStore::open(folder.path(), &options()).unwrap_err();
    assert!(matches!(refused, StoreError::Locked(_)));
    assert!(refused.to_string().contains("stop that one"));
    drop(first);
    open_disk(folder.path());
}

#[test]
fn the_folder_is_for_its_owner_only() {
    let above = TempDir::new().unwrap();
    let folder = above.path().join("data");
    drop(open_disk(&folder));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("lock")), 0o600);
    assert_eq!(mode(&files(&folder.join("journal"), ".seg")[0]), 0o600);
}

#[test]
fn a_lost_index_is_made_again_and_agrees() {
    let load = Load::new(20);
    let folder = written(&load, 500);
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let store = open_disk(folder.path());
    holds_by_name(&store, &load, 500);
}

#[test]
fn a_damaged_index_is_put_aside_with_words() {
    let load = Load::new(21);
    for byte in [100, 4_000, 20_000, 60_000] {
        let folder = written(&load, 600);
        let db = folder.path().join("index/db");
        assert!(fs::metadata(&db).unwrap().len() > byte + 256);
        (0..64).for_each(|n| flip(&db, byte + n * 4));
        // It was killed, not closed: what the index says must be counted.
        let store = open_disk(folder.path());
        holds_by_name(&store, &load, 600);
        let reports = store.take_reports();
        if let [Report::IndexRebuilt { records, .. }] = &reports[..] {
            assert_eq!(*records, 600);
            assert!(folder.path().join("index.aside").exists());
        } else {
            assert_eq!(reports, [], "only an index that still agrees goes without a report");
        }
    }
}

#[test]
fn an_index_of_another_journal_or_ahead_of_this_one_is_not_believed() {
    let (one, two) = (Load::new(22), Load::new(23));
    for genesis in [[7; 32], [8; 32]] {
        let (folder, other) = (written(&one, 90), TempDir::new().unwrap());
        let options = Options { genesis, ..options() };
        put(&mut DiskStore::open(other.path(), &options).unwrap(), &records(&two, 0..300));
        fs::remove_dir_all(folder.path().join("index")).unwrap();
        fs::rename(other.path().join("index"), folder.path().join("index")).unwrap();
        let store = open_disk(folder.path());
        let reports = store.take_reports();
        assert!(matches!(reports.last(), Some(Report::IndexRebuilt { records: 90, .. })));
        let ahead = genesis == [7; 32];
        assert_eq!(reports.iter().any(Report::is_loss), ahead, "one of this journal knew more");
        holds_by_name(&store, &one, 90);
        assert_eq!(whole_feed(&store, &two.feed()).len(), 0);
    }
}

#[test]
fn any_flipped_bit_of_the_journal_is_survived_and_named() {
    let load = Load::new(24);
    let whole = records(&load, 0..120);
    for step in 0..40_u64 {
        let folder = written(&load, 120);
        let segments = files(&folder.path().join("journal"), ".seg");
        assert!(segments.len() > 1);
        let path = &segments[usize::try_from(step).unwrap() % segments.len()];
        // Somewhere in what is written, never in the last batch: that one a crash may tear.
        flip(path, step * 977 % 30_000);
        fs::remove_dir_all(folder.path().join("index")).unwrap();
        let store = open_disk(folder.path());
        let found = all(&store);
        assert!(found.iter().all(|r| whole.contains(r)), "made up at {step}");
        let reports = store.take_reports();
        let loss = reports.iter().any(Report::is_loss);
        assert_eq!(found.len() < whole.len(), loss, "{step}: {reports:?}");
        drop(store);
        let mut store = open_disk(folder.path());
        put(&mut store, &records(&load, 120..123));
        assert_eq!(all(&store)[found.len()..], records(&load, 120..123), "{step}");
    }
}

#[test]
fn damage_means_a_new_incarnation_once() {
    let load = Load::new(25);
    let folder = written(&load, 90);
    let incarnation = own(RecordKind::Incarnation, MsgId([0; 16]), "drawn");
    put(&mut open_disk(folder.path()), std::slice::from_ref(&incarnation));
    put(&mut open_disk(folder.path()), &records(&load, 90..93));
    assert_eq!(open_disk(folder.path()).marker(), Marker::Same);
    flip(&files(&folder.path().join("journal"), ".seg")[0], 700);
    let mut store = open_disk(folder.path());
    assert!(all(&store).len() < 94);
    assert_eq!(store.marker(), Marker::Moved);
    put(&mut store, &[incarnation]);
    drop(store);
    let store = open_disk(folder.path());
    all(&store);
    assert_eq!(store.marker(), Marker::Same, "this damage is known");
}

#[test]
fn a_lost_last_batch_is_noticed_by_the_index() {
    let load = Load::new(29);
    let folder = written(&load, 30);
    put(&mut open_disk(folder.path()), &[own(RecordKind::Incarnation, MsgId([0; 16]), "one")]);
    assert_eq!(open_disk(folder.path()).marker(), Marker::Same);
    let segment = files(&folder.path().join("journal"), ".seg").pop().unwrap();
    let bytes = fs::read(&segment).unwrap();
    flip(&segment, bytes.iter().rposition(|b| *b != 0).unwrap() as u64);
    let store = open_disk(folder.path());
    assert_eq!(all(&store), records(&load, 0..30));
    assert!(store.take_reports().iter().any(Report::is_loss));
    assert_eq!(store.marker(), Marker::Moved);
}

#[test]
fn a_missing_segment_is_named() {
    let load = Load::new(26);
    let folder = written(&load, 300);
    let segments = files(&folder.path().join("journal"), ".seg");
    assert!(segments.len() > 3);
    fs::remove_file(&segments[1]).unwrap();
    let store = open_disk(folder.path());
    assert!(all(&store).len() < 300);
    assert!(store.take_reports().iter().any(Report::is_loss));
}

#[test]
fn a_torn_tail_is_cut_and_written_over() {
    let load = Load::new(27);
    let folder = written(&load, 30);
    let segment = files(&folder.path().join("journal"), ".seg").pop().unwrap();
    let bytes = fs::read(&segment).unwrap();
    let last = bytes.iter().rposition(|b| *b != 0).unwrap();
    let file = fs::File::options().write(true).open(&segment).unwrap();
    // Behind the end: the middle of a record whose head never reached the disk.
    file.write_all_at(&[0xaa; 300], last as u64 + 200).unwrap();
    let mut store = open_disk(folder.path());
    let reports = store.take_reports();
    assert!(matches!(reports[..], [Report::TailCut { .. }]), "{reports:?}");
    put(&mut store, &records(&load, 30..33));
    drop(store);
    let store = open_disk(folder.path());
    assert_eq!(all(&store), records(&load, 0..33));
    assert_eq!(store.take_reports(), []);
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let load = Load::new(28);
    let folder = written(&load, 30);
    let segment = files(&folder.path().join("journal"), ".seg").pop().unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[11] = 3;
    let sum = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&sum.to_be_bytes());
    fs::write(&segment, &bytes).unwrap();
    let refused = DiskStore::open(folder.path(), &options()).unwrap_err();
    assert!(refused.to_string().contains("use a newer one"), "{refused}");
    assert_eq!(fs::read(&segment).unwrap(), bytes);
}
