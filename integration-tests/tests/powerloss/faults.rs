//! Failing syncs and full disks: no acknowledgement that does not hold.

use super::*;

fn batch(load: &Load, have: u64) -> Vec<Record> {
    (have..have + 5).map(|n| load.record(n).unwrap()).collect()
}

/// Works until something fails; returns what was acknowledged before.
fn until_it_fails(store: &mut DiskStore, load: &Load) -> (u64, StoreError) {
    let mut have = count(store, load);
    loop {
        let done = store.append(&batch(load, have)).and_then(|_| store.sync());
        match done {
            Ok(()) => have += 5,
            Err(error) => return (have, error),
        }
    }
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_and_nothing_shown_is_lost() {
    if skipped() {
        return;
    }
    let mut failures = 0;
    for n in 1..seeds().min(40) {
        let load = Load::new(n);
        let mount = Mount::new(Drive::default()).unwrap();
        let mut store = open(&mount).unwrap();
        mount.drive().fail_sync(n * 3);
        let (have, error) = until_it_fails(&mut store, &load);
        if !matches!(error, StoreError::Poisoned) {
            failures += 1;
        }
        assert!(store.sync().is_err(), "{error}");
        assert!(matches!(store.append(&batch(&load, have)), Err(StoreError::Poisoned)));
        mount.drive().fail_sync(0);
        drop(store);
        // The next process sees pages that count as written and are not.
        let store = open(&mount).unwrap();
        let shown = count(&store, &load);
        assert!(shown >= have);
        let after = mount.drive().cut(Cut::Unsynced, n);
        drop(store);
        let mount = Mount::new(after).unwrap();
        assert_eq!(count(&open(&mount).unwrap(), &load), shown, "shown, then lost");
    }
    assert!(failures > 0);
}

#[test]
fn a_full_disk_is_told_leaves_nothing_behind_and_passes() {
    if skipped() {
        return;
    }
    for pages in [0, 3, 20, 31, 40] {
        let load = Load::new(pages as u64);
        let mount = Mount::new(Drive::default()).unwrap();
        let mut store = open(&mount).unwrap();
        store.append(&batch(&load, 0)).unwrap();
        store.sync().unwrap();
        mount.drive().leave_room(pages);
        let (have, error) = until_it_fails(&mut store, &load);
        assert!(matches!(error, StoreError::Full(_)), "{pages}: {error}");
        assert!(error.to_string().contains("free some space"));
        assert_eq!(count(&store, &load), have);
        mount.drive().leave_room(usize::MAX);
        store.append(&batch(&load, have)).unwrap();
        store.sync().unwrap();
        let after = mount.drive().cut(Cut::Unsynced, 1);
        drop(store);
        let mount = Mount::new(after).unwrap();
        let store = open(&mount).unwrap();
        assert_eq!(count(&store, &load), have + 5);
        let feed = store.feed(&load.feed(), 1, u64::MAX, usize::MAX, usize::MAX).unwrap();
        assert_eq!(feed.envelopes.len() as u64, (have + 5).div_ceil(3));
    }
}
