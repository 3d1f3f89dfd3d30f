//! `cbm keys`: seals a folder of keys, unseals it, changes its passphrase, shows what lies in it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{
    Output, print,
    unlock::{Opened, unlock},
};
use crate::{
    api::failure::{Code, Failure},
    keystore::{Inventory, Keystore, KeystoreError},
};

/// Keys at rest.
#[derive(Debug, Args)]
pub struct Keys {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Show what lies in a folder of keys; needs no passphrase.
    Show {
        /// Folder of the keys.
        dir: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// Seal the key files; asks twice for a new passphrase on the terminal.
    Seal(Change),
    /// Take the seal off: the key files open for whoever reads them.
    Unseal(Change),
    /// Change the passphrase.
    Passwd {
        #[command(flatten)]
        change: Change,
        /// File with the new passphrase, instead of the terminal.
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct Change {
    /// Folder of the keys.
    dir: PathBuf,
    #[command(flatten)]
    opened: Opened,
    #[command(flatten)]
    output: Output,
}

/// Does one step.
///
/// # Errors
/// The folder, the passphrase or the identity cannot be used; then nothing was changed.
pub fn run(args: &Keys) -> Result<(), Failure> {
    let (inventory, output) = match &args.step {
        Step::Show { dir, output } => (Keystore::open(dir).and_then(|s| s.inventory()), output),
        Step::Seal(c) => {
            (Keystore::open(&c.dir).and_then(|s| s.seal(&c.opened.unlock())), &c.output)
        }
        Step::Unseal(c) => {
            (Keystore::open(&c.dir).and_then(|s| s.unseal(&c.opened.unlock())), &c.output)
        }
        Step::Passwd { change: c, new_passphrase_file } => {
            let new = unlock(new_passphrase_file.as_deref(), None);
            (Keystore::open(&c.dir).and_then(|s| s.passwd(&c.opened.unlock(), &new)), &c.output)
        }
    };
    show(&inventory.map_err(failed)?, output)
}

fn failed(error: KeystoreError) -> Failure {
    let otherwise = "`cbm keys show DIR` says what lies in a folder";
    Failure::told(Code::Failed, "the keys are as they were", error, otherwise)
}

fn show(inventory: &Inventory, output: &Output) -> Result<(), Failure> {
    if output.json {
        return print::json(inventory);
    }
    let Inventory { folder, recipient, opens_by, sealed, plain } = inventory;
    print::say(&format!("keys in {}", folder.display()))?;
    match recipient {
        Some(recipient) => print::say(&format!("sealed to {recipient}"))?,
        None => print::say("not sealed")?,
    }
    print::say(&format!("opened by: {opens_by}"))?;
    for name in sealed {
        print::say(&format!("  sealed {name}"))?;
    }
    for name in plain {
        print::say(&format!("  plain  {name}"))?;
    }
    Ok(())
}
