//! Tells a folder from its copy: which machine, which file (`docs/spec/sync.md`).
//!
//! The marker is a small file beside the journal that names the machine and its own inode and
//! birth. A copied or restored folder has another file, a moved disk another machine; then the
//! station must take a new incarnation before it speaks. Invariant: the marker is written only
//! after an incarnation drawn here is durable, so a crash between the two costs one incarnation
//! and never forks a feed. It also lists the damage that incarnation was drawn in knowledge of.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use cbm_proto::{id::Digest, primitives::digest};

use super::Position;

/// What the store knows about its own identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// No incarnation was ever drawn here.
    New,
    /// The folder that the last incarnation was drawn on, with all its records.
    Same,
    /// A copy, a restored backup, another machine, or acknowledged records are missing: take a
    /// new incarnation before speaking.
    Moved,
}

/// More damage than this is not listed one by one; then the marker says `Moved` each time.
const HOLES_MAX: usize = 1_024;

/// The marker file and what it said.
#[derive(Debug)]
pub(super) struct MarkerFile {
    path: PathBuf,
    machine: Digest,
    settled: Option<Settled>,
    same: bool,
}

#[derive(Debug, Default)]
struct Settled {
    holes: BTreeSet<Position>,
}

impl MarkerFile {
    /// Reads the marker of `folder`. `machine`: what names the machine, any text.
    pub(super) fn open(folder: &Path, machine: &str) -> io::Result<Self> {
        let path = folder.join("marker");
        let machine = digest("machine", &[machine.trim().as_bytes()]);
        let text = match fs::read(&path) {
            // A damaged one is another one: a new incarnation costs little, a fork is for good.
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        if text.is_empty() {
            return Ok(Self { path, machine, settled: None, same: false });
        }
        let here =
            [format!("machine {machine}"), format!("file {}", identity(&File::open(&path)?)?)];
        let same = here.iter().all(|line| text.lines().any(|l| l == line));
        let hole = |line: &str| line.strip_prefix("hole ")?.parse().ok().map(Position);
        let settled = Settled { holes: text.lines().filter_map(hole).collect() };
        Ok(Self { path, machine, settled: Some(settled), same })
    }

    /// The verdict, given the damage known so far and whether the journal holds any record.
    pub(super) fn judge(&self, holes: &BTreeSet<Position>, empty: bool) -> Marker {
        match &self.settled {
            None if empty => Marker::New,
            None => Marker::Moved,
            Some(settled) if self.same && holes.is_subset(&settled.holes) => Marker::Same,
            Some(_) => Marker::Moved,
        }
    }

    /// An incarnation drawn here is durable: from now on these files are this station's.
    pub(super) fn settle(&mut self, holes: &BTreeSet<Position>) -> io::Result<()> {
        let fresh = self.path.with_extension("tmp");
        let mut options = File::options();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        let mut text = format!("machine {}\nfile {}\n", self.machine, identity(&file)?);
        for hole in holes.iter().take(HOLES_MAX) {
            text.push_str(&format!("hole {}\n", hole.0));
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        self.settled = Some(Settled { holes: holes.iter().take(HOLES_MAX).copied().collect() });
        self.same = true;
        Ok(())
    }
}

/// Inode and birth of a file: a copy has others. File systems without a birth time give 0 there.
fn identity(file: &File) -> io::Result<String> {
    let data = file.metadata()?;
    let born = data.created().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    Ok(format!("{}-{}", data.ino(), born.map_or(0, |t| t.as_nanos())))
}

/// What names this machine: `/etc/machine-id`, or the host name where there is none.
pub(super) fn machine_name() -> String {
    ["/etc/machine-id", "/var/lib/dbus/machine-id", "/proc/sys/kernel/hostname"]
        .iter()
        .find_map(|path| fs::read_to_string(path).ok().filter(|text| !text.trim().is_empty()))
        .unwrap_or_default()
}
