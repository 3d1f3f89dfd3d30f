//! `cbm keygen authority|station`: keys in a new folder, and a card with the public halves.

use std::path::PathBuf;

use cbm_proto::id::{PartyCode, StationName};
use clap::{Args, Subcommand};

use super::{Output, lab::entropy, print};
use crate::{
    api::failure::{Code, Failure},
    ceremony::{self, KeysMade},
};

/// Make keys.
#[derive(Debug, Args)]
pub struct Keygen {
    #[command(subcommand)]
    whose: Whose,
}

#[derive(Debug, Subcommand)]
enum Whose {
    /// Of a party's authority; kept off line, it certifies the party's stations.
    Authority {
        /// The party, such as EST.
        #[arg(long)]
        party: String,
        #[command(flatten)]
        made: Made,
    },
    /// Of a station; its authority then certifies them by the card.
    Station {
        /// The station, such as EST/mfa.
        #[arg(long)]
        station: String,
        #[command(flatten)]
        made: Made,
    },
}

#[derive(Debug, Args)]
struct Made {
    /// Folder to make them in; empty, or not there yet.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    output: Output,
}

/// Makes them; prints the public part.
///
/// # Errors
/// The name is none, or the folder is not empty or cannot be written.
pub fn run(args: &Keygen) -> Result<(), Failure> {
    let failed = |e: &dyn std::fmt::Display| {
        Failure::told(Code::Failed, "no keys were made", e, "see above")
    };
    let usage = |e: &dyn std::fmt::Display| {
        Failure::new(Code::Usage, "no keys were made", e, "write EST, or EST/mfa")
    };
    match &args.whose {
        Whose::Authority { party, made } => {
            let party = PartyCode::new(party).map_err(|e| usage(&e))?;
            let keys = ceremony::keygen_authority(&made.out, &party, &mut entropy()?);
            show(&keys.map_err(|e| failed(&e))?, made.output.json)
        }
        Whose::Station { station, made } => {
            let station = StationName::parse(station).map_err(|e| usage(&e))?;
            let keys = ceremony::keygen_station(&made.out, &station, &mut entropy()?);
            show(&keys.map_err(|e| failed(&e))?, made.output.json)
        }
    }
}

fn show(made: &KeysMade, json: bool) -> Result<(), Failure> {
    if json {
        return print::json(made);
    }
    let KeysMade { owner, keys, card, fingerprint, words } = made;
    print::say(&format!(
        "keys of {owner} in {}\ncard to hand on: {}\nfingerprint {fingerprint}\n{words}",
        keys.display(),
        card.display()
    ))
}
