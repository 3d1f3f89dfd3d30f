//! Large files between a person's disk and the node: streamed, never held whole.
//!
//! A file that does not fit into its letter is given to the node before the letter; an attachment is
//! saved beside its name first and gets it when its digest is right. Progress is shown where standard
//! error is a terminal. Used by `send`, `reply` and `show`.

use std::{
    fs::Metadata,
    io::{IsTerminal, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use cbm_proto::{id::hex, primitives::Sha256Stream};
use futures::stream;
use serde_json::Value;
use tokio::io::AsyncReadExt;

use super::{files, print};
use crate::api::{
    client::Client,
    failure::{Code, Failure},
    shape::{AttachmentIn, EvidenceView},
};

/// Bytes read at a time.
const RUN: usize = 64 * 1024;
/// Bytes between two lines of progress.
const STEP: u64 = 8 * 1024 * 1024;

/// Gives a large file to the node; what the letter says of it.
///
/// # Errors
/// It cannot be read, changes meanwhile, or the node does not take it.
pub async fn give(client: &Client, path: &Path, name: &str) -> Result<AttachmentIn, Failure> {
    let broken = |e: std::io::Error| {
        let cause = format!("{}: {e}", path.display());
        Failure::new(Code::Failed, "nothing was sent", cause, "name a file that you may read")
    };
    let file = tokio::fs::File::open(path).await.map_err(broken)?;
    let before = file.metadata().await.map_err(broken)?;
    let progress = Progress::new("giving", name, before.len());
    let runs = stream::unfold((file, progress), |(mut file, mut progress)| async move {
        let mut run = vec![0; RUN];
        match file.read(&mut run).await {
            Ok(0) => None,
            Ok(length) => {
                run.truncate(length);
                progress.more(length);
                Some((Ok(Bytes::from(run)), (file, progress)))
            }
            Err(error) => Some((Err(error), (file, progress))),
        }
    });
    let view: EvidenceView = client.give("/v1/evidence", runs).await?;
    let after = std::fs::metadata(path).map_err(broken)?;
    if stamp(&before) != stamp(&after) || view.size != after.len() {
        return Err(files::changed(path));
    }
    Ok(AttachmentIn { name: name.to_owned(), media_type: None, base64: None, evidence: Some(view) })
}

/// What changes with a file.
pub fn stamp(data: &Metadata) -> (u64, u64, u64, i64, i64) {
    (data.dev(), data.ino(), data.len(), data.mtime(), data.mtime_nsec())
}

/// Writes one attachment into a folder under its own name, whole and checked; never over a file that
/// is there.
///
/// # Errors
/// It is not here, it is not what the letter names, or it cannot be written.
pub async fn save(
    client: &Client,
    path: &str,
    attachment: &Value,
    folder: &Path,
) -> Result<PathBuf, Failure> {
    let name = attachment["name"].as_str().unwrap_or_default();
    let target = folder.join(files::plain(name));
    let broken = |e: std::io::Error| {
        Failure::new(
            Code::Failed,
            "an attachment was not saved",
            format!("{}: {e}", target.display()),
            "save into an empty folder that you may write",
        )
    };
    if target.symlink_metadata().is_ok() {
        return Err(broken(rustix::io::Errno::EXIST.into()));
    }
    let mut runs = client.runs(path).await?;
    let mut file = tempfile::Builder::new().prefix(".part-").tempfile_in(folder).map_err(broken)?;
    let mut digest = Sha256Stream::default();
    let size = attachment["size"].as_u64().unwrap_or(0);
    let mut progress = Progress::new("saving", name, size);
    while let Some(run) = runs.next_run().await? {
        digest.push(&run);
        file.write_all(&run).map_err(broken)?;
        progress.more(run.len());
    }
    if Some(hex(&digest.finish()).as_str()) != attachment["sha256"].as_str() {
        return Err(Failure::new(
            Code::Failed,
            "an attachment was not saved",
            "its digest is not the one that the letter names",
            "look at the node's log, then save it again",
        ));
    }
    file.as_file().sync_all().map_err(broken)?;
    file.persist_noclobber(&target).map_err(|e| broken(e.error))?;
    Ok(target)
}

/// How far it is, for whoever waits.
struct Progress {
    words: String,
    size: u64,
    done: u64,
    told: u64,
    shown: bool,
}

impl Progress {
    fn new(verb: &str, name: &str, size: u64) -> Self {
        let words = format!("{verb} {}", print::tame(name));
        let shown = size > STEP && std::io::stderr().is_terminal();
        Self { words, size, done: 0, told: 0, shown }
    }

    fn more(&mut self, length: usize) {
        self.done += length as u64;
        let due = self.done - self.told >= STEP || self.done == self.size;
        if self.shown && due {
            self.told = self.done;
            let mib = |bytes: u64| bytes / (1024 * 1024);
            let end = if self.done == self.size { "\n" } else { "" };
            eprint!("\r{}: {} of {} MiB{end}", self.words, mib(self.done), mib(self.size));
        }
    }
}
