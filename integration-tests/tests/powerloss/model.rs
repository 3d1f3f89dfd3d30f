//! The drive does what it says: each way of losing, and nothing more.

use std::{fs, io::Write as _, os::unix::fs::FileExt as _};

use super::*;

fn after(mount: &Mount, cut: Cut) -> Mount {
    let drive = mount.drive().cut(cut, 7);
    Mount::new(drive).unwrap()
}

fn sync_folder(path: &Path) {
    fs::File::open(path).unwrap().sync_all().unwrap();
}

#[test]
fn only_fsync_of_file_and_folder_together_keeps_a_file() {
    if skipped() {
        return;
    }
    let mount = Mount::new(Drive::default()).unwrap();
    let mut file = fs::File::create(mount.path().join("f")).unwrap();
    file.write_all(b"content").unwrap();
    let read = |mount: &Mount| fs::read(mount.path().join("f")).ok();
    assert_eq!(read(&mount).unwrap(), b"content", "seen while the power is on");
    assert_eq!(read(&after(&mount, Cut::Unsynced)), None);
    assert_eq!(read(&after(&mount, Cut::NamesFirst)).unwrap(), b"");
    sync_folder(mount.path());
    assert_eq!(read(&after(&mount, Cut::Unsynced)).unwrap(), b"");
    file.sync_data().unwrap();
    assert_eq!(read(&after(&mount, Cut::Unsynced)).unwrap(), b"content");
    file.write_all_at(b"C", 0).unwrap();
    file.write_all(b" more").unwrap();
    assert_eq!(read(&after(&mount, Cut::Unsynced)).unwrap(), b"content");
    assert_eq!(read(&after(&mount, Cut::Lengths)).unwrap(), b"Content");
}

#[test]
fn unsynced_pages_survive_in_part() {
    if skipped() {
        return;
    }
    let mount = Mount::new(Drive::default()).unwrap();
    let path = mount.path().join("f");
    fs::write(&path, vec![1; 64 * 4096]).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.sync_all().unwrap();
    sync_folder(mount.path());
    file.write_all_at(&vec![2; 64 * 4096], 0).unwrap();
    for (cut, unit) in [(Cut::Pages, 4096), (Cut::Sectors, 512)] {
        let found = fs::read(after(&mount, cut).path().join("f")).unwrap();
        let units: Vec<_> =
            found.chunks(unit).map(|u| (u[0], u.iter().all(|b| *b == u[0]))).collect();
        assert!(units.iter().all(|(_, whole)| *whole), "{cut:?} tears at its unit");
        let new = units.iter().filter(|(first, _)| *first == 2).count();
        assert!((1..units.len()).contains(&new), "{cut:?}: {new} of {}", units.len());
    }
}

#[test]
fn a_rename_is_durable_with_its_folder() {
    if skipped() {
        return;
    }
    let mount = Mount::new(Drive::default()).unwrap();
    let (from, to) = (mount.path().join("from"), mount.path().join("to"));
    let mut file = fs::File::create(&from).unwrap();
    file.write_all(b"x").unwrap();
    file.sync_all().unwrap();
    sync_folder(mount.path());
    fs::rename(&from, &to).unwrap();
    let names = |mount: &Mount| {
        let entries = fs::read_dir(mount.path()).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(names(&after(&mount, Cut::Unsynced)), ["from"]);
    sync_folder(mount.path());
    assert_eq!(names(&after(&mount, Cut::Unsynced)), ["to"]);
}
