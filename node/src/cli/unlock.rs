//! Flags that say what opens sealed keys, the same for every verb that reads or makes some.
//!
//! Invariant: a secret is never the value of a flag; flags name files. Without one a person is
//! asked on the terminal.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::keystore::Unlock;

/// What opens keys that are sealed.
#[derive(Debug, Args)]
pub struct Opened {
    /// File with the passphrase of sealed keys; without it the terminal asks.
    #[arg(long, value_name = "FILE", conflicts_with = "identity_file")]
    passphrase_file: Option<PathBuf>,
    /// File with the identity that opens sealed keys.
    #[arg(long, value_name = "FILE")]
    identity_file: Option<PathBuf>,
}

impl Opened {
    /// As the keystore takes it.
    #[must_use]
    pub fn unlock(&self) -> Unlock {
        unlock(self.passphrase_file.as_deref(), self.identity_file.as_deref())
    }
}

/// What will open keys that are made.
#[derive(Debug, Args)]
pub struct Sealing {
    /// Seal the key files; asks twice for a new passphrase on the terminal.
    #[arg(long)]
    seal: bool,
    /// File with the new passphrase, instead of the terminal.
    #[arg(long, value_name = "FILE", requires = "seal", conflicts_with = "identity_file")]
    passphrase_file: Option<PathBuf>,
    /// Seal to the identity in this file, which is kept elsewhere.
    #[arg(long, value_name = "FILE", requires = "seal")]
    identity_file: Option<PathBuf>,
}

impl Sealing {
    /// As the keystore takes it; `None`: the files stay open.
    #[must_use]
    pub fn seal(&self) -> Option<Unlock> {
        let how = || unlock(self.passphrase_file.as_deref(), self.identity_file.as_deref());
        self.seal.then(how)
    }
}

/// Of the files that flags name; with none of them the terminal asks.
#[must_use]
pub fn unlock(passphrase_file: Option<&Path>, identity_file: Option<&Path>) -> Unlock {
    Unlock {
        passphrase_file: passphrase_file.map(Path::to_owned),
        identity_file: identity_file.map(Path::to_owned),
        ask: true,
    }
}
