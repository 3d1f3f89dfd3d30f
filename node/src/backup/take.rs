//! Makes a backup: journal up to a place that does not change any more, documents, settings.
//!
//! Invariants: the file gets its name only after all of it was read back, opened and compared, and
//! is durable; it is never written over another; key files are not looked at. The journal's records
//! stay where they are, so that what stands before the place can be read beside a running node; what
//! that lets go of meanwhile is counted as it is written here.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use cbm_proto::{
    accord::Document,
    envelope::Envelope,
    journal::{HEADER_LEN, Item, Reader, RecordKind, SegmentHeader},
    time::Timestamp,
};
use serde::Serialize;

use super::{
    BackupError, archive,
    manifest::{FORMAT, JournalPart, Manifest},
    sealed::{self, Identity, Recipient},
};
use crate::{
    documents,
    store::inspect::{Inspected, SegmentSeen, Until, Walk, inspect, segment_file},
};

/// What to back up, and where to.
pub struct Plan<'a> {
    /// The store's folder.
    pub data: &'a Path,
    /// How far its journal may be read.
    pub until: Until,
    /// The folder of documents.
    pub documents: &'a Path,
    /// The file of settings.
    pub config: &'a Path,
    /// `PARTY/station`.
    pub station: String,
    /// The network id, in hex.
    pub network: String,
    /// Who may open it.
    pub recipients: &'a [Recipient],
    /// Where to write it.
    pub out: &'a Path,
    /// When the cut was made.
    pub now: Timestamp,
    /// Letters received and sent, where a running node counted them.
    pub counts: Option<(u64, u64)>,
}

/// A backup that was made and read back.
#[derive(Clone, Debug, Serialize)]
pub struct Made {
    /// Where it is.
    pub file: PathBuf,
    /// How long it is, bytes.
    pub size: u64,
    /// What it says about itself.
    #[serde(flatten)]
    pub manifest: Manifest,
}

/// Makes it.
///
/// # Errors
/// [`BackupError`]; then there is no file of that name.
pub fn take(plan: &Plan<'_>, progress: &mut dyn FnMut(u64)) -> Result<Made, BackupError> {
    if fs::symlink_metadata(plan.out).is_ok() {
        return Err(BackupError::Exists(plan.out.to_owned()));
    }
    let newest = &mut 0;
    let found = inspect(plan.data, plan.until, &mut |_, record| {
        if record.kind == RecordKind::Envelope
            && let Ok(envelope) = Envelope::decode(record.bytes)
        {
            let made = envelope.header().made_at;
            *newest = (*newest).max(if made <= plan.now { made.0 } else { 0 });
        }
    })?;
    let mut manifest = describe(plan, &found, *newest);
    let folder = plan.out.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).to_owned();
    let name = plan.out.file_name().unwrap_or_default().to_string_lossy();
    let temporary = tempfile::Builder::new()
        .prefix(&format!(".{name}.unfinished-"))
        .tempfile_in(&folder)
        .map_err(BackupError::io("write into", &folder))?;
    let witness = Identity::throw_away();
    let mut recipients = plan.recipients.to_vec();
    recipients.push(witness.recipient());
    write(plan, &found, &mut manifest, &recipients, temporary.as_file(), progress)?;
    let read = archive::verify(temporary.path(), &[witness], progress)?;
    if read != manifest {
        let cause = "what was read back is not what was written".to_owned();
        return Err(BackupError::NotABackup(plan.out.to_owned(), cause));
    }
    let file = temporary.persist_noclobber(plan.out).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists(plan.out.to_owned()),
        _ => BackupError::io("write", plan.out)(error.error),
    })?;
    let sync = || File::open(&folder)?.sync_all();
    sync().map_err(BackupError::io("sync", &folder))?;
    let size = file.metadata().map_err(BackupError::io("read", plan.out))?.len();
    Ok(Made { file: plan.out.to_owned(), size, manifest })
}

fn describe(plan: &Plan<'_>, found: &Inspected, newest: u64) -> Manifest {
    Manifest {
        format: FORMAT,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        station: plan.station.clone(),
        network: plan.network.clone(),
        made_at: plan.now.to_string(),
        newest,
        journal: JournalPart {
            name: found.name.map(|name| name.to_string()).unwrap_or_default(),
            records: found.records,
            end: found.end.map(|end| end.to_string()).unwrap_or_default(),
            chain: found.chain.map(|chain| chain.to_string()).unwrap_or_default(),
            sound: found.damage.is_empty() && !found.segments.is_empty(),
        },
        received: plan.counts.map(|counts| counts.0),
        sent: plan.counts.map(|counts| counts.1),
        files: Vec::new(),
    }
}

fn write(
    plan: &Plan<'_>,
    found: &Inspected,
    manifest: &mut Manifest,
    recipients: &[Recipient],
    file: &File,
    progress: &mut dyn FnMut(u64),
) -> Result<(), BackupError> {
    let io = || BackupError::io("write", plan.out);
    let buffered = io::BufWriter::with_capacity(1 << 16, file);
    let mut writer = archive::Writer::new(sealed::seal(recipients, buffered)?).map_err(io())?;
    let mut written = Walk::default();
    for segment in &found.segments {
        let content = content(plan, segment)?;
        written.segment(segment.number, &content, true, &mut |_, _| {})?;
        let name = format!("journal/{:08}.seg", segment.number);
        writer.file(&name, u64::from(segment.size), &content).map_err(io())?;
        progress(content.len() as u64);
    }
    manifest.journal.records = written.end().records;
    for path in documents::list(plan.documents)? {
        let content = fs::read(&path).map_err(BackupError::io("read", &path))?;
        // What is no document is not needed, and would not be taken back.
        let Ok(document) = Document::decode(&content) else { continue };
        let own = path.file_name().and_then(|name| name.to_str());
        let name = own.filter(|name| archive::plain(name)).map(str::to_owned);
        let name = name.unwrap_or_else(|| format!("{}.cbm", document.digest()));
        writer.file(&format!("documents/{name}"), content.len() as u64, &content).map_err(io())?;
    }
    let config = fs::read(plan.config).map_err(BackupError::io("read", plan.config))?;
    writer.file("config/cbm.toml", config.len() as u64, &config).map_err(io())?;
    let sealed = writer.end(manifest).map_err(io())?;
    let mut buffered = sealed.finish().map_err(io())?;
    buffered.flush().map_err(io())?;
    file.sync_all().map_err(io())
}

/// A segment up to its last record; behind that it is zeros. One that is damaged is kept as it is,
/// up to the place that may be read.
fn content(plan: &Plan<'_>, segment: &SegmentSeen) -> Result<Vec<u8>, BackupError> {
    let path = segment_file(plan.data, segment.number);
    let mut bytes = fs::read(&path).map_err(BackupError::io("read", &path))?;
    if spoiled(&bytes, segment.used) {
        // A record that was let go while it was read looks like that; damage is there the next time.
        bytes = fs::read(&path).map_err(BackupError::io("read", &path))?;
    }
    let head = SegmentHeader::parse(&bytes).is_ok_and(|head| head.size == segment.size);
    bytes.truncate(segment.used.max(HEADER_LEN) as usize);
    if head {
        Ok(bytes)
    } else {
        let cause = "a segment changed while it was read".to_owned();
        Err(BackupError::NotABackup(plan.out.to_owned(), cause))
    }
}

fn spoiled(bytes: &[u8], used: u32) -> bool {
    let bytes = bytes.get(..used as usize).unwrap_or(bytes);
    let Ok(mut reader) = Reader::new(bytes, true) else { return false };
    std::iter::from_fn(|| reader.next_item()).any(|item| matches!(item, Item::Spoiled { .. }))
}
