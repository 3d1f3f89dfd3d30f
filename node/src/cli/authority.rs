//! `--authority`: which authority key signs, the same for every verb that signs for a party.

use clap::Args;

use super::unlock::Opened;
use crate::{
    api::failure::{Code, Failure},
    keystore::signer::{self, Signer},
};

/// The authority key that signs.
#[derive(Debug, Args)]
pub struct Authority {
    /// The authority's keys: their folder, or its key in a token as
    /// pkcs11:token=T;object=O?module-path=M.
    #[arg(long, value_name = "DIR|URI")]
    authority: String,
    #[command(flatten)]
    opened: Opened,
}

impl Authority {
    /// Opens the key.
    ///
    /// # Errors
    /// It is not there, or cannot be used.
    pub fn open(&self) -> Result<Box<dyn Signer>, Failure> {
        signer::open(&self.authority, &self.opened.unlock()).map_err(|e| {
            let otherwise = "give --authority the folder that `cbm keygen authority` made";
            Failure::told(Code::Failed, "nothing was signed", e, otherwise)
        })
    }
}
