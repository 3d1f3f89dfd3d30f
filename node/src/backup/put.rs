//! Restores a backup into a new folder.
//!
//! Invariants: all of the backup is verified before a file is written; the folder appears whole, by
//! one rename, or not at all; it has no marker, so that the station draws a new incarnation; what is
//! in it says that letters may be missing, so that they are asked for.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use cbm_proto::{accord::station_id, id::StationName, time::Timestamp};
use serde::Serialize;

use super::{
    BackupError,
    archive::{self, Entry, Kind},
    check::{self, Glasses},
    manifest::Manifest,
    restored::{self, Restored},
    sealed::Identity,
};
use crate::{
    documents,
    keystore::{Keystore, Unlock},
    store::inspect::Until,
};

/// Zeros are written in pieces of this size.
const PIECE: usize = 1024 * 1024;

/// What to restore, and where to.
pub struct Plan<'a> {
    /// The backup.
    pub file: &'a Path,
    /// Who opens it.
    pub identities: &'a [Identity],
    /// A folder that does not exist, or is empty.
    pub into: &'a Path,
    /// The station's key folder, where it is at hand: it must fit, and goes into the settings.
    pub keys: Option<&'a Path>,
    /// Now.
    pub now: Timestamp,
}

/// What was restored.
#[derive(Clone, Debug, Serialize)]
pub struct Put {
    /// The folder.
    pub folder: PathBuf,
    /// The settings in it, for `cbm run --config`.
    pub config: PathBuf,
    /// Where the settings look for the station's keys, as they are written there.
    pub keys: String,
    /// What the backup says about itself.
    #[serde(flatten)]
    pub manifest: Manifest,
}

/// Restores it.
///
/// # Errors
/// [`BackupError`]; then the folder is as it was.
pub fn put(plan: &Plan<'_>, progress: &mut dyn FnMut(u64)) -> Result<Put, BackupError> {
    let into = std::path::absolute(plan.into).map_err(BackupError::io("find", plan.into))?;
    empty(&into)?;
    let manifest = archive::verify(plan.file, plan.identities, progress)?;
    let parent = into.parent().unwrap_or(Path::new("/")).to_owned();
    let name = into.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let unfinished = tempfile::Builder::new()
        .prefix(&format!(".{name}.unfinished-"))
        .tempdir_in(&parent)
        .map_err(BackupError::io("write into", &parent))?;
    let keys = write(plan, &manifest, unfinished.path(), progress)?;
    fs::rename(unfinished.path(), &into).map_err(|error| match error.kind() {
        io::ErrorKind::DirectoryNotEmpty => BackupError::NotEmpty(into.clone()),
        _ => BackupError::io("make", &into)(error),
    })?;
    // It has another name now, and nothing is there to be removed.
    let _ = unfinished.keep();
    sync_folder(&parent)?;
    Ok(Put { config: into.join("cbm.toml"), folder: into, keys, manifest })
}

fn empty(into: &Path) -> Result<(), BackupError> {
    match fs::read_dir(into) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(BackupError::io("read", into)(error)),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(BackupError::NotEmpty(into.to_owned())),
        },
    }
}

/// Writes everything; the settings last, without which nothing starts. Gives the place of the keys.
fn write(
    plan: &Plan<'_>,
    manifest: &Manifest,
    folder: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<String, BackupError> {
    let (data, documents) = (folder.join("data"), folder.join("documents"));
    for (path, mode) in [(&data, 0o700), (&data.join("journal"), 0o700), (&documents, 0o755)] {
        DirBuilder::new().mode(mode).create(path).map_err(BackupError::io("make", path))?;
    }
    let mut settings = Vec::new();
    let again = archive::read(plan.file, plan.identities, &mut |entry| {
        progress(entry.content.len() as u64);
        match entry.kind {
            Kind::Segment(_) => file(&data, &entry),
            Kind::Document => file(folder, &entry),
            Kind::Config => {
                settings.clone_from(&entry.content);
                Ok(())
            }
        }
    })?;
    if again != *manifest {
        let cause = "it changed while it was read".to_owned();
        return Err(BackupError::NotABackup(plan.file.to_owned(), cause));
    }
    if let Some(keys) = plan.keys {
        fit(keys, manifest, &data, &documents)?;
    }
    let note = Restored {
        made_at: manifest.made_at.clone(),
        newest: manifest.newest,
        restored_at: plan.now.to_string(),
        records: manifest.journal.records,
        received: manifest.received,
        sent: manifest.sent,
    };
    restored::write(&data, &note)?;
    for path in [data.join("journal"), data, documents] {
        sync_folder(&path)?;
    }
    let keys = config(plan, folder, &settings)?;
    sync_folder(folder)?;
    Ok(keys)
}

/// One file, filled with zeros up to its length, and durable.
fn file(folder: &Path, entry: &Entry) -> Result<(), BackupError> {
    let path = folder.join(&entry.file.name);
    let options = File::options().write(true).create_new(true).mode(0o600).open(&path);
    let mut file = options.map_err(BackupError::io("write", &path))?;
    let rest = usize::try_from(entry.file.size - entry.file.length).unwrap_or(usize::MAX);
    let zeros = vec![0; rest.min(PIECE)];
    let mut write = || -> io::Result<()> {
        file.write_all(&entry.content)?;
        for start in (0..rest).step_by(PIECE) {
            file.write_all(&zeros[..PIECE.min(rest - start)])?;
        }
        file.sync_all()
    };
    write().map_err(BackupError::io("write", &path))
}

fn sync_folder(path: &Path) -> Result<(), BackupError> {
    File::open(path).and_then(|f| f.sync_all()).map_err(BackupError::io("sync", path))
}

/// Whether these keys open what the station kept.
fn fit(keys: &Path, manifest: &Manifest, data: &Path, documents: &Path) -> Result<(), BackupError> {
    let wrong = |cause: String| BackupError::Keys(keys.to_owned(), cause);
    let loaded = Keystore::open(keys).and_then(|keystore| keystore.unlock(&Unlock::ask()));
    let loaded = loaded.and_then(|keystore| keystore.load_station());
    let loaded = loaded.map_err(|error| wrong(error.to_string()))?;
    let directory = documents::load(documents)?.directory;
    let sign = loaded.sign.public().id();
    let name = StationName::parse(&manifest.station).map_err(|error| wrong(error.to_string()))?;
    let me = Some(station_id(&directory.network(), &name));
    let member = me.and_then(|me| directory.member(&me));
    let certified = member.is_some_and(|member| member.sign_key(&sign).is_some());
    let glasses = Glasses { me, directory: None, archive: Some(&loaded.archive) };
    let found = check::verify(data, Until::End, &glasses, &mut |_| {})?;
    if found.own.closed > 0 {
        let cause = "their archive key does not open the station's own records";
        return Err(wrong(cause.to_owned()));
    }
    // A station that had written nothing of its own yet: only its certificate tells.
    if found.own.open.unwrap_or(0) == 0 && !certified {
        return Err(wrong(format!("their key to sign with is not certified for {name}")));
    }
    Ok(())
}

/// The settings as they were, and those of the new folder. A socket or keys that stood at a place of
/// their own stay there; what lay beside the file lies beside the new one.
fn config(plan: &Plan<'_>, folder: &Path, settings: &[u8]) -> Result<String, BackupError> {
    let write = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        documents::write_whole(&path, content).map_err(BackupError::io("write", &path))
    };
    write("cbm.toml.before", settings)?;
    let text = String::from_utf8_lossy(settings);
    let wrong = |error: String| BackupError::Config(error);
    let mut table: toml::Table =
        toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))?;
    let empty = toml::Value::Table(toml::Table::new());
    let paths = table.entry("paths").or_insert(empty).as_table_mut();
    let paths = paths.ok_or_else(|| wrong("`paths` is no section".to_owned()))?;
    for own in ["data", "documents"] {
        paths.insert(own.to_owned(), own.into());
    }
    let stood = paths.get("keys").and_then(toml::Value::as_str).unwrap_or("keys").to_owned();
    let keys = match plan.keys {
        Some(keys) => std::path::absolute(keys)
            .map_err(BackupError::io("find", keys))?
            .to_string_lossy()
            .into_owned(),
        None => stood,
    };
    paths.insert("keys".to_owned(), keys.clone().into());
    let text = toml::to_string(&table).map_err(|error| wrong(error.to_string()))?;
    write("cbm.toml", text.as_bytes())?;
    Ok(keys)
}
