//! Settings of one station: a TOML file, then the environment, then flags.
//!
//! Invariants: an unknown section or key is an error that names it; every path is absolute, read
//! relative to the folder of the file, so that a station starts the same from anywhere; what a
//! [`Config`] holds is in bounds; all mistakes are named, not only the first. No secret stands in it, only where the keystore is. The
//! environment writes `CBM__SECTION__KEY` (lists with commas); it outranks the file, and a flag
//! outranks both. Used by `main` and the command line; everything else is handed what it needs.

mod examine;
mod raw;

use cbm_proto::{id::StationName, retention::Retention, time::DAY};
use examine::Notes;
pub use examine::{Examined, Problem, Setting, Source, examine};
use raw::RawConfig;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::logs;

/// Longest path of a Unix socket, bytes: `sun_path` has 108 with its end mark.
const SOCKET_PATH_MAX: usize = 107;
/// Bytes of a MiB.
const MIB: u64 = 1024 * 1024;
/// Days that bodies are carried: no fewer than pair-lane envelopes are.
const KEEP_DAYS_MIN: u64 = 3;
/// No more than a hundred years.
const KEEP_DAYS_MAX: u64 = 36_500;
/// Least room that a journal can be given, MiB: four segments.
const JOURNAL_MIB_MIN: u64 = 64;
/// Listen or announced addresses, at most.
const ADDRESSES_MAX: usize = 16;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {error}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Not TOML, an unknown key, a missing key or a value of a wrong type or out of bounds.
    #[error("{first}{}", more(*.others))]
    Wrong {
        /// The first mistake.
        first: Problem,
        /// How many there are beside it.
        others: usize,
    },
}

fn more(others: usize) -> String {
    match others {
        0 => String::new(),
        n => format!(" ({n} more: `cbm config check` names them all)"),
    }
}

/// Who a Unix user of this machine is to the station.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Officer {
    /// Name or badge, as it stands in letters.
    pub officer: String,
    /// Code of the office in which the person stands.
    pub office: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// Files that open sealed keys: at most one of the two. With none, `run` asks on the terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenedBy {
    /// File with the passphrase.
    pub passphrase_file: Option<PathBuf>,
    /// File with the identity itself.
    pub identity_file: Option<PathBuf>,
}

impl OpenedBy {
    fn check(&self, key: &'static str, notes: &mut Notes) {
        if self.passphrase_file.is_some() && self.identity_file.is_some() {
            notes.wrong(key, "passphrase or identity, one of the two opens the keys");
        }
    }
}

/// Settings that were read and are in bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file they came from.
    pub file: PathBuf,
    /// Which station this is.
    pub station: StationName,
    /// Journal and index.
    pub data: PathBuf,
    /// Secret keys.
    pub keys: PathBuf,
    /// What opens them, if they are sealed.
    pub opened_by: OpenedBy,
    /// Folder of the archive key, where it is kept apart.
    pub archive_key: Option<PathBuf>,
    /// What opens that one.
    pub archive_opened_by: OpenedBy,
    /// Signed documents that are read at the start.
    pub documents: PathBuf,
    /// Where the command line reaches the node.
    pub socket: PathBuf,
    /// Multiaddresses to listen on.
    pub listen: Vec<String>,
    /// Multiaddresses to announce, where others reach us under other ones; empty: as we listen.
    pub announce: Vec<String>,
    /// Stations to keep links to; `None`: the node chooses.
    pub links: Option<BTreeSet<StationName>>,
    /// First wait before a lost link is dialled again.
    pub redial_min: Duration,
    /// Longest wait before a lost link is dialled again.
    pub redial_max: Duration,
    /// Bytes that large files may take on the disk.
    pub evidence_total: u64,
    /// Bytes of it that letters of one party bring here by themselves.
    pub evidence_author: u64,
    /// How long bodies of letters between others are carried.
    pub retention: Retention,
    /// Bytes that the journal may take on the disk; `None`: what the disk gives.
    pub journal_quota: Option<u64>,
    /// Unix users who act for an office.
    pub officers: BTreeMap<String, Officer>,
    /// Filter of log lines, as `tracing` reads it.
    pub log_level: String,
    /// How they look.
    pub log_format: LogFormat,
}

impl Config {
    /// Reads `file`, then `environment` (all of it; only `CBM__…` counts), then `flags` (pairs
    /// such as `log.level`, `debug`).
    ///
    /// # Errors
    /// [`ConfigError`], which names the file, the line, the key, and what it should be.
    pub fn load(
        file: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[(&str, &str)],
    ) -> Result<Self, ConfigError> {
        let Examined { config, problems, .. } = examine(file, environment, flags)?;
        let others = problems.len().saturating_sub(1);
        match (config, problems.into_iter().next()) {
            (_, Some(first)) => Err(ConfigError::Wrong { first, others }),
            (Some(config), None) => Ok(config),
            (None, None) => Err(ConfigError::Read {
                path: file.to_owned(),
                error: io::Error::other("it holds no settings"),
            }),
        }
    }

    /// The settings in their types; what breaks a rule is noted, each of them.
    fn resolve(file: PathBuf, raw: RawConfig, notes: &mut Notes) -> Option<Self> {
        let folder = file.parent().unwrap_or(Path::new("/")).to_owned();
        let at = |path: &Path| normal(&folder.join(path));
        let station = match StationName::parse(&raw.station.name) {
            Ok(name) => Some(name),
            Err(_) if raw.station.name.is_empty() => {
                notes.wrong("station.name", "missing: say which station this is");
                None
            }
            Err(error) => {
                notes.wrong("station.name", error);
                None
            }
        };
        let links = raw.mesh.links.map(|names| links(&names, notes));
        let log_format = log_format(&raw.log.format, notes);
        let config = Self {
            data: at(&raw.paths.data),
            keys: at(&raw.paths.keys),
            opened_by: OpenedBy {
                passphrase_file: raw.keys.passphrase_file.as_deref().map(at),
                identity_file: raw.keys.identity_file.as_deref().map(at),
            },
            archive_key: raw.paths.archive_key.as_deref().map(at),
            archive_opened_by: OpenedBy {
                passphrase_file: raw.keys.archive_passphrase_file.as_deref().map(at),
                identity_file: raw.keys.archive_identity_file.as_deref().map(at),
            },
            documents: at(&raw.paths.documents),
            socket: at(&raw.paths.socket),
            listen: addresses("mesh.listen", raw.mesh.listen, notes),
            announce: addresses("mesh.announce", raw.mesh.announce, notes),
            links,
            redial_min: Duration::from_millis(raw.mesh.redial_min_ms),
            redial_max: Duration::from_millis(raw.mesh.redial_max_ms),
            evidence_total: raw.evidence.total_mib.saturating_mul(MIB),
            evidence_author: raw.evidence.author_mib.saturating_mul(MIB),
            journal_quota: (raw.retention.journal_mib > 0)
                .then(|| raw.retention.journal_mib.saturating_mul(MIB)),
            retention: retention(raw.retention, notes),
            officers: raw.officers.into_iter().map(|entry| officer(entry, notes)).collect(),
            log_level: raw.log.level,
            log_format,
            // With a wrong name everything else is still checked; what was noted keeps it unused.
            station: station.or_else(|| StationName::parse("NONE/none").ok())?,
            file,
        };
        config.check(notes);
        Some(config)
    }

    fn check(&self, notes: &mut Notes) {
        self.opened_by.check("keys.identity_file", notes);
        self.archive_opened_by.check("keys.archive_identity_file", notes);
        if let Err(error) = logs::check(&self.log_level) {
            notes.wrong("log.level", error);
        }
        if self.listen.is_empty() {
            notes.wrong("mesh.listen", "missing: name at least one address");
        }
        let (min, max) = (self.redial_min, self.redial_max);
        if min < Duration::from_millis(50) || max < min || max > Duration::from_secs(3_600) {
            notes.wrong("mesh.redial_min_ms", "50 <= redial_min_ms <= redial_max_ms <= 3600000");
        }
        if self.socket.as_os_str().len() > SOCKET_PATH_MAX {
            let rule = format!(
                "{} is longer than the {SOCKET_PATH_MAX} bytes that a Unix socket may have: \
                 choose a shorter path",
                self.socket.display()
            );
            notes.wrong("paths.socket", rule);
        }
        if self.evidence_author > self.evidence_total {
            let rule = "at most evidence.total_mib: one author's share is part of the whole";
            notes.wrong("evidence.author_mib", rule);
        }
        if self.links.as_ref().is_some_and(|links| links.contains(&self.station)) {
            notes.wrong("mesh.links", "a station keeps no link to itself");
        }
    }
}

fn links(names: &[String], notes: &mut Notes) -> BTreeSet<StationName> {
    let mut good = BTreeSet::new();
    for name in names {
        match StationName::parse(name) {
            Ok(name) => drop(good.insert(name)),
            Err(error) => notes.wrong("mesh.links", error),
        }
    }
    good
}

fn retention(raw: raw::Retention, notes: &mut Notes) -> Retention {
    let good = |days: &u64| (KEEP_DAYS_MIN..=KEEP_DAYS_MAX).contains(days);
    let rule = format!("a whole number of days, {KEEP_DAYS_MIN} to {KEEP_DAYS_MAX}");
    if !good(&raw.bodies_days) {
        notes.wrong("retention.bodies_days", &rule);
    }
    for (group, _) in raw.groups.iter().filter(|(_, days)| !good(days)) {
        notes.wrong(&format!("retention.groups.{group}"), &rule);
    }
    if raw.journal_mib > 0 && raw.journal_mib < JOURNAL_MIB_MIN {
        let rule = format!("0 for no bound, or at least {JOURNAL_MIB_MIN}");
        notes.wrong("retention.journal_mib", rule);
    }
    let ms = |days: u64| days.saturating_mul(DAY);
    let groups = raw.groups.into_iter().map(|(group, days)| (group, ms(days))).collect();
    Retention { bodies: ms(raw.bodies_days), groups }
}

fn addresses(key: &str, list: Vec<String>, notes: &mut Notes) -> Vec<String> {
    let good = list.iter().all(|a| a.starts_with('/') && !a.contains("/p2p/"));
    if !good || list.len() > ADDRESSES_MAX {
        notes.wrong(key, "at most 16 multiaddresses such as /ip4/0.0.0.0/udp/4100/quic-v1");
    }
    list
}

fn officer(entry: (String, raw::Officer), notes: &mut Notes) -> (String, Officer) {
    let (user, raw::Officer { officer, office }) = entry;
    let good = |text: &str| (1..=128).contains(&text.chars().count());
    if !good(&officer) || !good(&office) {
        let key = format!("officers.{user}");
        notes.wrong(&key, "officer and office have 1 to 128 characters");
    }
    (user, Officer { officer, office })
}

fn log_format(text: &str, notes: &mut Notes) -> LogFormat {
    match text {
        "json" => return LogFormat::Json,
        "text" => {}
        _ => notes.wrong("log.format", "text or json"),
    }
    LogFormat::Text
}

/// Without `.` and with `..` taken back by name, as people read paths; nothing has to exist.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests;
