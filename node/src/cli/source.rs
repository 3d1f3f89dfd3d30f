//! Where a journal lies, and how far it may be read: beside a running node, or alone.
//!
//! While a node has the folder, it is asked over its socket how far its journal is durable; what
//! stands before that place does not change any more. Without a node the folder is held, so that
//! none starts meanwhile. Used by the verbs `journal` and `backup`.

use std::path::{Path, PathBuf};

use cbm_proto::accord::Directory;
use clap::Args;

use super::load;
use crate::{
    api::{
        client::Client,
        failure::{Code, Failure},
        shape::JournalView,
    },
    config::Config,
    documents,
    store::{
        Position, StoreError,
        inspect::{Hold, Until, hold},
    },
};

/// Which journal.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// The station's configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A data folder alone; then there are no documents and no keys to check with.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// A journal that may be read.
#[derive(Debug)]
pub struct Source {
    /// The store's folder.
    pub data: PathBuf,
    /// How far.
    pub until: Until,
    /// The station's settings, where they were named.
    pub config: Option<Config>,
    /// What the running node said.
    pub view: Option<JournalView>,
    _hold: Option<Hold>,
}

impl Which {
    /// Finds the journal.
    ///
    /// # Errors
    /// The configuration is wrong, there is no journal, or it cannot be read.
    pub async fn open(&self) -> Result<Source, Failure> {
        let config = self.config.as_deref().map(load).transpose()?;
        let data = match (&config, &self.data) {
            (Some(config), _) => config.data.clone(),
            (None, Some(data)) => data.clone(),
            (None, None) => PathBuf::new(),
        };
        Source::open(data, config).await
    }
}

impl Source {
    /// The journal of the store in `data`.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub async fn open(data: PathBuf, config: Option<Config>) -> Result<Self, Failure> {
        match hold(&data) {
            Ok(hold) => Ok(Self { data, until: Until::End, config, view: None, _hold: Some(hold) }),
            Err(StoreError::Locked(_)) => Self::beside_a_node(data, config).await,
            Err(error) => Err(unread(&data, &error)),
        }
    }

    async fn beside_a_node(data: PathBuf, config: Option<Config>) -> Result<Self, Failure> {
        let view: Option<JournalView> = match &config {
            Some(config) => Some(Client::new(&config.socket).get("/v1/journal").await?),
            None => None,
        };
        let until = match &view {
            // Told by nobody: what the segments themselves say, which is all but the last batch.
            None => Until::Durable,
            Some(view) => Until::Position(place(&view.durable)?),
        };
        Ok(Self { data, until, config, view, _hold: None })
    }

    /// What the documents beside the configuration say; `None` where none can be used.
    #[must_use]
    pub fn directory(&self) -> Option<Directory> {
        let config = self.config.as_ref()?;
        documents::load(&config.documents).ok().map(|loaded| loaded.directory)
    }
}

/// A place in a journal.
///
/// # Errors
/// It is not written as one.
pub fn place(text: &str) -> Result<Position, Failure> {
    text.parse().map_err(|rule| {
        Failure::new(
            Code::Usage,
            "the journal was not read",
            format!("`{text}` is no place in it: {rule}"),
            "`cbm journal list` shows places",
        )
    })
}

/// A journal that cannot be read.
#[must_use]
pub fn unread(data: &Path, error: &StoreError) -> Failure {
    let cause = match error {
        StoreError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            format!("there is no journal in {}", data.display())
        }
        other => other.to_string(),
    };
    let remedy = "name the folder that paths.data names, as the user that the node runs as";
    Failure::new(Code::Failed, "the journal was not read", cause, remedy)
}
