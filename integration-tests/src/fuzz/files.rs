//! Files that a node reads at its start, and backups: key files plain and sealed, settings, archives.
//!
//! Their readers take paths, so each body writes its input into a folder of its own, in memory where
//! the system has such a place.

use std::cell::OnceCell;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use cbm_node::backup::{sealed, verify};
use cbm_node::config::{Config, examine};
use cbm_node::keystore::{Keystore, Unlock, new_identity};
use tempfile::TempDir;

use super::input::Input;
use super::world::world;

/// A folder that goes away with its thread.
pub(super) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    made.expect("a folder for files")
}

/// Writes a file that only its owner reads.
pub(super) fn put(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("a file in our own folder");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode");
}

/// Folders of sound keys, and the identity that opens the sealed one.
struct Keys {
    folder: TempDir,
    names: Vec<String>,
}

impl Keys {
    fn new() -> Self {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        let keys = world().keys(0);
        Keystore::create(&at("plain")).and_then(|store| store.save_station(keys)).expect("keys");
        new_identity(&at("identity")).expect("an identity");
        let unlock = Unlock { identity_file: Some(at("identity")), ..Unlock::default() };
        let sealed = Keystore::create_sealed(&at("sealed"), &unlock);
        sealed.and_then(|store| store.save_station(keys)).expect("sealed keys");
        let files = fs::read_dir(at("plain")).expect("key files");
        let mut names: Vec<String> =
            files.map(|file| file.expect("a file").file_name().to_string_lossy().into()).collect();
        names.sort();
        Self { folder, names }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// One file of a folder of keys is the input: read as a key of its role, or refused; nothing but its own
/// line opens as that key. Files sealed by a passphrase are left to the tests of the keystore: their
/// work is seconds by design.
pub(super) fn key_files(data: &[u8]) {
    thread_local!(static KEYS: OnceCell<Keys> = const { OnceCell::new() });
    KEYS.with(|keys| {
        let keys = keys.get_or_init(Keys::new);
        let mut input = Input::new(data);
        let (how, which) = (input.below(4), input.below(keys.names.len()));
        let (name, bytes) = (&keys.names[which], input.rest());
        let identity = keys.at("identity");
        match how {
            0 => replaced(&keys.at("plain").join(name), bytes, || load(&keys.at("plain"), None)),
            1 => {
                let path = keys.at("sealed").join(format!("{name}.age"));
                replaced(&path, bytes, || load(&keys.at("sealed"), Some(&identity)));
            }
            2 => {
                let recipient = keys.at("sealed").join("recipient.txt");
                replaced(&recipient, bytes, || load(&keys.at("sealed"), Some(&identity)));
            }
            _ => {
                let other = keys.at("other");
                put(&other, bytes);
                load(&keys.at("sealed"), Some(&other));
            }
        }
    });
}

/// With this content for as long as the look takes.
fn replaced(path: &Path, bytes: &[u8], look: impl FnOnce()) {
    let sound = fs::read(path).expect("a file of our own folder");
    put(path, bytes);
    look();
    put(path, &sound);
}

fn load(folder: &Path, identity: Option<&Path>) {
    let unlock = Unlock { identity_file: identity.map(Path::to_owned), ..Unlock::default() };
    let station = Keystore::open(folder)
        .and_then(|store| store.unlock(&unlock))
        .and_then(|s| s.load_station());
    if let Err(error) = station {
        assert!(!error.to_string().is_empty());
    }
}

/// Settings without a mistake can be used, and those with one cannot.
pub(super) fn config(data: &[u8]) {
    thread_local!(static FOLDER: OnceCell<TempDir> = const { OnceCell::new() });
    FOLDER.with(|folder| {
        let path = folder.get_or_init(self::folder).path().join("cbm.toml");
        put(&path, data);
        let none = || std::iter::empty::<(String, String)>();
        let Ok(examined) = examine(&path, none(), &[]) else {
            assert!(std::str::from_utf8(data).is_err(), "a text can always be examined");
            return;
        };
        assert!(examined.config.is_some() || !examined.problems.is_empty());
        let loaded = Config::load(&path, none(), &[]);
        assert_eq!(loaded.is_ok(), examined.problems.is_empty());
        let told: Vec<String> = examined.problems.iter().map(ToString::to_string).collect();
        assert!(told.iter().all(|problem| !problem.is_empty()));
    });
}

/// A backup whose seal is sound, whatever is in it, and one whose seal is not: verified or refused.
pub(super) fn backup(data: &[u8]) {
    thread_local!(static PLACE: OnceCell<(TempDir, sealed::Identity)> = const { OnceCell::new() });
    PLACE.with(|place| {
        let (folder, identity) =
            place.get_or_init(|| (self::folder(), sealed::Identity::throw_away()));
        let path = folder.path().join("backup.cbm");
        let mut input = Input::new(data);
        let inside = input.byte() & 1 == 0;
        let bytes = input.rest();
        if inside {
            let mut out = sealed::seal(&[identity.recipient()], Vec::new()).expect("a seal");
            std::io::Write::write_all(&mut out, bytes).expect("into memory");
            put(&path, &out.finish().expect("into memory"));
        } else {
            put(&path, bytes);
        }
        let read = verify(&path, std::slice::from_ref(identity), &mut |_| {});
        match read {
            Ok(manifest) => assert!(inside && manifest.files.iter().all(|f| f.length <= f.size)),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        drop(sealed::Recipient::parse(&String::from_utf8_lossy(bytes)));
    });
}
