//! The settings as they are written: sections, keys, defaults.
//!
//! Invariants: nothing is taken that is not named here (`deny_unknown_fields`); each key can stand
//! alone, so that `examine` can try every one by itself and name all that are wrong. What must be
//! there, and in which bounds, is checked in `config.rs`. Used by it and by `examine`.

use config::{ConfigError, Environment, File, FileFormat, Map};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// The whole file.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConfig {
    pub(super) station: Station,
    pub(super) paths: Paths,
    pub(super) mesh: Mesh,
    pub(super) evidence: Evidence,
    pub(super) retention: Retention,
    pub(super) officers: BTreeMap<String, Officer>,
    pub(super) keys: Keys,
    pub(super) log: Log,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Station {
    pub(super) name: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Paths {
    pub(super) data: PathBuf,
    pub(super) keys: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) archive_key: Option<PathBuf>,
    pub(super) documents: PathBuf,
    pub(super) socket: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        let [data, keys, documents, socket] =
            ["data", "keys", "documents", "cbm.sock"].map(PathBuf::from);
        Self { data, keys, archive_key: None, documents, socket }
    }
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Keys {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) passphrase_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) identity_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) archive_passphrase_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) archive_identity_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Mesh {
    pub(super) listen: Vec<String>,
    pub(super) announce: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) links: Option<Vec<String>>,
    pub(super) redial_min_ms: u64,
    pub(super) redial_max_ms: u64,
}

impl Default for Mesh {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            announce: Vec::new(),
            links: None,
            redial_min_ms: 500,
            redial_max_ms: 60_000,
        }
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Evidence {
    pub(super) total_mib: u64,
    pub(super) author_mib: u64,
}

impl Default for Evidence {
    fn default() -> Self {
        Self { total_mib: 32 * 1024, author_mib: 4 * 1024 }
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Retention {
    pub(super) bodies_days: u64,
    pub(super) groups: BTreeMap<String, u64>,
    pub(super) journal_mib: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { bodies_days: 30, groups: BTreeMap::new(), journal_mib: 0 }
    }
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Officer {
    pub(super) officer: String,
    pub(super) office: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    pub(super) level: String,
    pub(super) format: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: "text".to_owned() }
    }
}

impl RawConfig {
    /// File, environment and flags in that order; the last one that sets a key wins.
    pub(super) fn layered(
        text: &str,
        environment: Map<String, String>,
        flags: &[(&str, &str)],
    ) -> Result<Self, ConfigError> {
        let environment = Environment::with_prefix("CBM")
            .prefix_separator("__")
            .separator("__")
            .try_parsing(true)
            .list_separator(",")
            .with_list_parse_key("mesh.listen")
            .with_list_parse_key("mesh.announce")
            .with_list_parse_key("mesh.links")
            .source(Some(environment));
        let mut builder = config::Config::builder()
            .add_source(File::from_str(text, FileFormat::Toml))
            .add_source(environment);
        for (key, value) in flags {
            builder = builder.set_override(*key, *value)?;
        }
        builder.build()?.try_deserialize()
    }
}
