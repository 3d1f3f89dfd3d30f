//! Settings of one station: a TOML file, then the environment, then flags.
//!
//! Invariants: an unknown section or key is an error that names it; every path is absolute, read
//! relative to the folder of the file, so that a station starts the same from anywhere; what a
//! [`Config`] holds is in bounds. No secret stands in it, only where the keystore is. The
//! environment writes `CBM__SECTION__KEY` (lists with commas); it outranks the file, and a flag
//! outranks both. Used by `main` and the command line; everything else is handed what it needs.

mod raw;

use cbm_proto::id::{NameError, StationName};
use raw::RawConfig;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// Longest path of a Unix socket, bytes: `sun_path` has 108 with its end mark.
const SOCKET_PATH_MAX: usize = 107;
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
    /// Not TOML, an unknown key, a missing key or a value of a wrong type.
    #[error("the configuration {path} cannot be used: {cause}; `deploy/examples/cbm.toml` shows \
             every key", path = .path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the key or the line.
        cause: String,
    },
    /// A station's name breaks its rule.
    #[error("{key}: {error}")]
    Name {
        /// The key that holds the name.
        key: &'static str,
        /// The rule.
        error: NameError,
    },
    /// A value is out of bounds.
    #[error("{key}: {rule}")]
    Value {
        /// The key.
        key: &'static str,
        /// What it should be.
        rule: String,
    },
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
    /// [`ConfigError`], which names the key or the file and what it should be.
    pub fn load(
        file: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[(&str, &str)],
    ) -> Result<Self, ConfigError> {
        let read = |error| ConfigError::Read { path: file.to_owned(), error };
        let absolute = std::path::absolute(file).map_err(read)?;
        let text = fs::read_to_string(&absolute).map_err(read)?;
        let raw = RawConfig::layered(&text, environment, flags)
            .map_err(|cause| ConfigError::Form { path: absolute.clone(), cause })?;
        Self::resolve(absolute, raw)
    }

    fn resolve(file: PathBuf, raw: RawConfig) -> Result<Self, ConfigError> {
        let folder = file.parent().unwrap_or(Path::new("/")).to_owned();
        let at = |path: &Path| normal(&folder.join(path));
        let station = StationName::parse(&raw.station.name)
            .map_err(|error| ConfigError::Name { key: "station.name", error })?;
        let links = raw.mesh.links.map(|names| names.iter().map(|name| link(name)).collect());
        let config = Self {
            data: at(&raw.paths.data),
            keys: at(&raw.paths.keys),
            documents: at(&raw.paths.documents),
            socket: at(&raw.paths.socket),
            listen: addresses("mesh.listen", raw.mesh.listen)?,
            announce: addresses("mesh.announce", raw.mesh.announce)?,
            links: links.transpose()?,
            redial_min: Duration::from_millis(raw.mesh.redial_min_ms),
            redial_max: Duration::from_millis(raw.mesh.redial_max_ms),
            officers: raw.officers.into_iter().map(officer).collect::<Result<_, _>>()?,
            log_level: raw.log.level,
            log_format: log_format(&raw.log.format)?,
            station,
            file,
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.listen.is_empty() {
            return Err(value("mesh.listen", "name at least one address"));
        }
        let (min, max) = (self.redial_min, self.redial_max);
        if min < Duration::from_millis(50) || max < min || max > Duration::from_secs(3_600) {
            let rule = "50 <= redial_min_ms <= redial_max_ms <= 3600000";
            return Err(value("mesh.redial_min_ms", rule));
        }
        if self.socket.as_os_str().len() > SOCKET_PATH_MAX {
            let rule = format!(
                "{} is longer than the {SOCKET_PATH_MAX} bytes that a Unix socket may have: \
                 choose a shorter path",
                self.socket.display()
            );
            return Err(ConfigError::Value { key: "paths.socket", rule });
        }
        if self.links.as_ref().is_some_and(|links| links.contains(&self.station)) {
            return Err(value("mesh.links", "a station keeps no link to itself"));
        }
        Ok(())
    }
}

fn value(key: &'static str, rule: &str) -> ConfigError {
    ConfigError::Value { key, rule: rule.to_owned() }
}

fn link(name: &str) -> Result<StationName, ConfigError> {
    StationName::parse(name).map_err(|error| ConfigError::Name { key: "mesh.links", error })
}

fn addresses(key: &'static str, list: Vec<String>) -> Result<Vec<String>, ConfigError> {
    let good = list.iter().all(|a| a.starts_with('/') && !a.contains("/p2p/"));
    if !good || list.len() > ADDRESSES_MAX {
        let rule = "at most 16 multiaddresses such as /ip4/0.0.0.0/udp/4100/quic-v1";
        return Err(value(key, rule));
    }
    Ok(list)
}

fn officer(entry: (String, raw::Officer)) -> Result<(String, Officer), ConfigError> {
    let (user, raw::Officer { officer, office }) = entry;
    let good = |text: &str| (1..=128).contains(&text.chars().count());
    if !good(&officer) || !good(&office) {
        return Err(value("officers", "officer and office have 1 to 128 characters"));
    }
    Ok((user, Officer { officer, office }))
}

fn log_format(text: &str) -> Result<LogFormat, ConfigError> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(value("log.format", "text or json")),
    }
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
