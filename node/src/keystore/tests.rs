//! What the keystore promises.

#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use cbm_proto::primitives::Entropy;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

mod sealed;

fn saved() -> (tempfile::TempDir, Keystore, StationKeys) {
    let folder = tempfile::tempdir().unwrap();
    let store = Keystore::create(&folder.path().join("keys")).unwrap();
    let keys = StationKeys::generate(&mut Entropy::new(&[5; 32]));
    store.save_station(&keys).unwrap();
    (folder, store, keys)
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_was_saved_is_loaded_and_nobody_else_can_read_it() {
    let (_folder, store, keys) = saved();
    let loaded = Keystore::open(&store.folder).unwrap().load_station().unwrap();
    assert_eq!(loaded.public(), keys.public());
    assert_eq!(*loaded.archive, *keys.archive);
    let mut files = 0;
    for entry in fs::read_dir(&store.folder).unwrap() {
        let meta = entry.unwrap().metadata().unwrap();
        assert_eq!(meta.mode() & 0o7777, 0o600);
        files += 1;
    }
    assert_eq!(files, 5);
    assert_eq!(fs::metadata(&store.folder).unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn exposed_keys_are_refused_with_the_remedy() {
    let (_folder, store, _) = saved();
    let file = store.folder.join("peer.key");
    chmod(&file, 0o640);
    let text = store.load_station().err().unwrap().to_string();
    assert!(text.contains("mode 0640") && text.contains("chmod 600"), "{text}");
    chmod(&file, 0o400);
    assert!(store.load_station().is_ok());
    chmod(&store.folder, 0o755);
    let text = Keystore::open(&store.folder).unwrap_err().to_string();
    assert!(text.contains("chmod 700"), "{text}");
}

#[test]
fn keys_are_never_written_over() {
    let (_folder, store, keys) = saved();
    assert!(matches!(store.save_station(&keys), Err(KeystoreError::Exists(_))));
    assert!(matches!(Keystore::create(&store.folder), Err(KeystoreError::Exists(_))));
    assert!(store.load_station().is_ok());
}

#[test]
fn a_missing_swapped_or_broken_file_is_named_without_its_content() {
    let (_folder, store, _) = saved();
    let (sign, peer) = (store.folder.join("sign.key"), store.folder.join("peer.key"));
    let secret = fs::read_to_string(&peer).unwrap();
    fs::rename(&peer, &sign).unwrap();
    let text = store.load_station().err().unwrap().to_string();
    assert!(text.contains("not a sign key"), "{text}");
    assert!(!text.contains(secret[11..].trim()));
    fs::write(&sign, "cbm/1 sign 00\n").unwrap();
    assert!(matches!(store.load_station(), Err(KeystoreError::NotAKey { role: "sign", .. })));
    fs::remove_file(&sign).unwrap();
    assert!(matches!(store.load_station(), Err(KeystoreError::Missing { role: "sign", .. })));
    let nowhere = store.folder.join("nowhere");
    assert!(matches!(Keystore::open(&nowhere), Err(KeystoreError::NoFolder(_))));
}

#[test]
fn authority_keys_keep_their_own_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = Keystore::create(&folder.path().join("authority")).unwrap();
    let keys = AuthorityKeys::generate(&mut Entropy::new(&[6; 32]));
    store.save_authority(&keys).unwrap();
    assert_eq!(store.load_authority().unwrap().public(), keys.public());
    assert!(matches!(store.load_station(), Err(KeystoreError::Missing { role: "sign", .. })));
}
