//! What a seal on a folder of keys promises.

use super::*;
use std::io::Write as _;

const WORDS: &str = "granite lantern seven willow harbour";

/// A file for its owner alone.
fn secret(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    let mut options = fs::OpenOptions::new();
    let file = std::os::unix::fs::OpenOptionsExt::mode(options.write(true).create(true), 0o600);
    file.open(&path).unwrap().write_all(text.as_bytes()).unwrap();
    path
}

fn by_passphrase(folder: &Path, words: &str) -> Unlock {
    let passphrase_file = Some(secret(folder, &format!("{}.txt", words.len()), words));
    Unlock { passphrase_file, ..Unlock::default() }
}

fn by_identity(path: PathBuf) -> Unlock {
    Unlock { identity_file: Some(path), ..Unlock::default() }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_sealed_key_file_without_its_passphrase_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("keys");
    let right = by_passphrase(folder.path(), WORDS);
    let keys = StationKeys::generate(&mut Entropy::new(&[5; 32]));
    Keystore::create_sealed(&at, &right).unwrap().save_station(&keys).unwrap();
    // Nothing in the folder is a secret in the clear, and every file is its owner's alone.
    for name in names(&at) {
        assert!(name.ends_with(".age") || name == "recipient.txt", "{name}");
        let bytes = fs::read(at.join(&name)).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("cbm/1") && !text.contains("AGE-SECRET"), "{name}");
        assert_eq!(fs::metadata(at.join(&name)).unwrap().mode() & 0o7777, 0o600, "{name}");
    }
    let before = names(&at);
    // Not asked for: nothing. A wrong one: nothing, and nothing is left behind.
    let locked = Keystore::open(&at).unwrap();
    assert!(matches!(locked.load_station(), Err(KeystoreError::Sealed(_))));
    assert!(matches!(locked.unlock(&Unlock::default()), Err(KeystoreError::Sealed(_))));
    let wrong = by_passphrase(folder.path(), "granite lantern seven willow harbor");
    let error = Keystore::open(&at).unwrap().unlock(&wrong).unwrap_err();
    assert!(matches!(error, KeystoreError::WrongPassphrase(_)), "{error}");
    assert!(error.to_string().contains("nothing was opened"));
    assert!(!error.to_string().contains("granite"));
    assert_eq!(names(&at), before);
    let open = Keystore::open(&at).unwrap().unlock(&right).unwrap();
    assert_eq!(open.load_station().unwrap().public(), keys.public());
}

#[test]
fn an_identity_kept_elsewhere_opens_and_another_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let (mine, other) = (folder.path().join("mine"), folder.path().join("other"));
    let recipient = new_identity(&mine).unwrap();
    new_identity(&other).unwrap();
    assert!(matches!(new_identity(&mine), Err(KeystoreError::Exists(_))));
    let at = folder.path().join("keys");
    let keys = AuthorityKeys::generate(&mut Entropy::new(&[6; 32]));
    let store = Keystore::create_sealed(&at, &by_identity(mine.clone())).unwrap();
    store.save_authority(&keys).unwrap();
    assert_eq!(names(&at), ["authority-dsa.key.age", "authority.key.age", "recipient.txt"]);
    assert_eq!(store.inventory().unwrap().recipient, Some(recipient));
    let open = |how: &Unlock| Keystore::open(&at).unwrap().unlock(how);
    let public = open(&by_identity(mine.clone())).unwrap().load_authority().unwrap().public();
    assert_eq!(public, keys.public());
    assert!(matches!(open(&by_identity(other)), Err(KeystoreError::WrongIdentity(_))));
    assert!(matches!(open(&Unlock::default()), Err(KeystoreError::IdentityElsewhere(_))));
    // Root's group, as the credential store of systemd has it, is nobody; others are somebody.
    if rustix::process::geteuid().is_root() {
        chmod(&mine, 0o440);
        assert!(open(&by_identity(mine.clone())).is_ok());
    }
    chmod(&mine, 0o644);
    assert!(matches!(open(&by_identity(mine)), Err(KeystoreError::Exposed { .. })));
}

#[test]
fn a_file_that_was_changed_or_exchanged_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let identity = folder.path().join("identity");
    new_identity(&identity).unwrap();
    let how = by_identity(identity);
    let at = folder.path().join("keys");
    let keys = StationKeys::generate(&mut Entropy::new(&[5; 32]));
    let store = Keystore::create_sealed(&at, &how).unwrap();
    store.save_station(&keys).unwrap();
    let (sign, peer) = (at.join("sign.key.age"), at.join("peer.key.age"));
    let mut bytes = fs::read(&sign).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&sign, &bytes).unwrap();
    assert!(matches!(store.load_station(), Err(KeystoreError::NotOpened(path)) if path == sign));
    fs::copy(&peer, &sign).unwrap();
    assert!(matches!(store.load_station(), Err(KeystoreError::NotAKey { role: "sign", .. })));
    fs::remove_file(at.join("recipient.txt")).unwrap();
    let bare = Keystore::open(&at).unwrap();
    assert!(matches!(bare.load_station(), Err(KeystoreError::NotOpened(_))));
}

#[test]
fn a_folder_is_sealed_its_passphrase_changed_and_the_seal_taken_off() {
    let (folder, store, keys) = saved();
    let at = store.folder.clone();
    let open = || Keystore::open(&at).unwrap();
    // A generation to come lies inside.
    open().make_next(&mut Entropy::new(&[9; 32])).unwrap();
    let short = by_passphrase(folder.path(), "eleven char");
    assert!(matches!(open().seal(&short), Err(KeystoreError::ShortPassphrase)));
    assert_eq!(open().inventory().unwrap().plain.len(), 9);
    let first = by_passphrase(folder.path(), WORDS);
    let inventory = open().seal(&first).unwrap();
    assert_eq!((inventory.plain.len(), inventory.sealed.len()), (0, 9));
    assert_eq!(inventory.opens_by, "passphrase");
    assert!(matches!(open().seal(&first), Err(KeystoreError::SealedAlready(_))));
    let opened = open().unlock(&first).unwrap();
    assert_eq!(opened.load_station().unwrap().public(), keys.public());
    assert!(opened.within(at.join("next")).read("sign", "sign").is_ok());
    let second = by_passphrase(folder.path(), "another row of unrelated words");
    open().passwd(&first, &second).unwrap();
    assert!(matches!(open().unlock(&first), Err(KeystoreError::WrongPassphrase(_))));
    assert!(matches!(open().unseal(&first), Err(KeystoreError::WrongPassphrase(_))));
    let inventory = open().unseal(&second).unwrap();
    assert_eq!((inventory.plain.len(), inventory.sealed.len()), (9, 0));
    assert_eq!(open().load_station().unwrap().public(), keys.public());
    assert!(matches!(open().unseal(&second), Err(KeystoreError::NotSealed(_))));
}

#[test]
fn a_sealing_that_was_cut_short_is_finished_by_the_same_verb() {
    let (folder, store, keys) = saved();
    let identity = folder.path().join("identity");
    new_identity(&identity).unwrap();
    let how = by_identity(identity);
    let at = store.folder.clone();
    // The power fails after one file was sealed and before the plain ones went.
    let mut cut = Keystore::open(&at).unwrap();
    cut.seal = Some(Seal::create(&at, &how).unwrap());
    let line = files::read_private(&at.join("sign.key"), files::FILE_MAX).unwrap();
    let to = at.join("sign.key.age");
    files::put(&to, &cut.seal.as_ref().unwrap().seal(&line, &to).unwrap()).unwrap();
    let opened = Keystore::open(&at).unwrap().unlock(&how).unwrap();
    assert_eq!(opened.load_station().unwrap().public(), keys.public());
    let inventory = Keystore::open(&at).unwrap().seal(&how).unwrap();
    assert_eq!((inventory.plain.len(), inventory.sealed.len()), (0, 5));
    let opened = Keystore::open(&at).unwrap().unlock(&how).unwrap();
    assert_eq!(opened.load_station().unwrap().public(), keys.public());
}

#[test]
fn the_archive_key_lives_apart_and_is_asked_for_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    new_identity(&one).unwrap();
    new_identity(&two).unwrap();
    let (one, two) = (by_identity(one), by_identity(two));
    let (at, apart) = (folder.path().join("keys"), folder.path().join("archive"));
    let keys = StationKeys::generate(&mut Entropy::new(&[5; 32]));
    let archive = Keystore::create_sealed(&apart, &two).unwrap();
    let store = Keystore::create_sealed(&at, &one).unwrap().with_archive(archive);
    store.save_station(&keys).unwrap();
    assert_eq!(names(&apart), ["archive.key.age", "recipient.txt"]);
    let station = || Keystore::open(&at).unwrap().unlock(&one).unwrap();
    let archive = |how: &Unlock| Keystore::open(&apart).unwrap().unlock(how);
    assert!(matches!(station().load_station(), Err(KeystoreError::Missing { role, .. })
        if role == "archive"));
    assert!(archive(&one).is_err());
    let loaded = station().with_archive(archive(&two).unwrap()).load_station().unwrap();
    assert_eq!(*loaded.archive, *keys.archive);
    // Announcing needs it not.
    assert_eq!(station().load_announcing().unwrap().1, keys.public());
}

#[test]
fn the_next_generation_of_sealed_keys_is_sealed_and_comes_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let identity = folder.path().join("identity");
    new_identity(&identity).unwrap();
    let how = by_identity(identity);
    let at = folder.path().join("keys");
    let one = StationKeys::generate(&mut Entropy::new(&[5; 32]));
    Keystore::create_sealed(&at, &how).unwrap().save_station(&one).unwrap();
    // Made without opening anything.
    let (next, two) = Keystore::open(&at).unwrap().make_next(&mut Entropy::new(&[6; 32])).unwrap();
    assert!(names(&next).iter().all(|name| name.ends_with(".age")), "{:?}", names(&next));
    let store = Keystore::open(&at).unwrap().unlock(&how).unwrap();
    let public = two.public();
    let named =
        generations::Named { sign: public.sign, epoch: two.epoch.id(), peers: vec![public.peer] };
    let keys = store.load_named(&named).unwrap();
    store.tidy(&named, &keys.peer_seed).unwrap();
    assert!(!next.exists());
    assert_eq!(store.load_station().unwrap().public(), two.public());
    assert_eq!(store.inventory().unwrap().plain, Vec::<String>::new());
    assert_eq!(store.inventory().unwrap().sealed.len(), 9);
}
