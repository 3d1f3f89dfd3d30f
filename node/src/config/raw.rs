//! The settings as they are written: sections, keys, defaults.
//!
//! Invariant: nothing is taken that is not named here (`deny_unknown_fields`). The checks of
//! values are in `config.rs`, which is the only caller.

use config::{Environment, File, FileFormat, Map};
use serde::Deserialize;
use std::{collections::BTreeMap, path::PathBuf};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    pub(super) station: Station,
    #[serde(default)]
    pub(super) paths: Paths,
    pub(super) mesh: Mesh,
    #[serde(default)]
    pub(super) officers: BTreeMap<String, Officer>,
    #[serde(default)]
    pub(super) log: Log,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Station {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Paths {
    pub(super) data: PathBuf,
    pub(super) keys: PathBuf,
    pub(super) documents: PathBuf,
    pub(super) socket: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        let [data, keys, documents, socket] =
            ["data", "keys", "documents", "cbm.sock"].map(PathBuf::from);
        Self { data, keys, documents, socket }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mesh {
    pub(super) listen: Vec<String>,
    #[serde(default)]
    pub(super) announce: Vec<String>,
    #[serde(default)]
    pub(super) links: Option<Vec<String>>,
    #[serde(default = "redial_min_ms")]
    pub(super) redial_min_ms: u64,
    #[serde(default = "redial_max_ms")]
    pub(super) redial_max_ms: u64,
}

const fn redial_min_ms() -> u64 {
    500
}

const fn redial_max_ms() -> u64 {
    60_000
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Officer {
    pub(super) officer: String,
    pub(super) office: String,
}

#[derive(Debug, Deserialize)]
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
    /// File, environment and flags in that order; the last one that sets a key wins. The error is
    /// what is wrong, in words.
    pub(super) fn layered(
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[(&str, &str)],
    ) -> Result<Self, String> {
        // Read alone first: this error has the line, the layered one would not.
        toml::from_str::<toml::Table>(text).map_err(|error| error.to_string())?;
        let environment: Map<String, String> = environment.into_iter().collect();
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
            builder = builder.set_override(*key, *value).map_err(|error| error.to_string())?;
        }
        let layered = builder.build().map_err(|error| error.to_string())?;
        layered.try_deserialize().map_err(|error| error.to_string())
    }
}
