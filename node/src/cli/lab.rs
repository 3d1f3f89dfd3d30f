//! `cbm lab DIR`: a practice mesh on one machine, ready to run.

use std::path::PathBuf;

use cbm_proto::primitives::Entropy;
use clap::Args;

use super::{Output, print};
use crate::{
    api::{
        failure::{Code, Failure},
        officer,
    },
    clock::{self, Clock},
    lab::{self as labs, Plan},
};

/// Make a practice mesh.
#[derive(Debug, Args)]
pub struct Lab {
    /// Folder to make it in; empty, or not there yet.
    dir: PathBuf,
    /// STATE parties: AAA, BBB, CCC, …
    #[arg(long, value_name = "N", default_value_t = 3)]
    parties: usize,
    /// Stations of each: mfa, cert, …
    #[arg(long, value_name = "M", default_value_t = 1)]
    stations: usize,
    /// Observers beside them.
    #[arg(long, value_name = "K", default_value_t = 0)]
    observers: usize,
    /// First port; each station takes one, by UDP and TCP.
    #[arg(long, value_name = "P", default_value_t = 4100)]
    port: u16,
    #[command(flatten)]
    output: Output,
}

/// Makes it. Whoever calls acts for the duty office of every station.
///
/// # Errors
/// The folder is not empty or cannot be written.
pub fn run(args: &Lab) -> Result<(), Failure> {
    let plan = Plan {
        parties: args.parties,
        stations: args.stations,
        observers: args.observers,
        port: args.port,
        hosts: Vec::new(),
        user: officer::me(),
    };
    let mut entropy = entropy()?;
    let made = labs::create(&args.dir, &plan, Clock::start().now().wall, &mut entropy)
        .map_err(|e| Failure::told(Code::Failed, "no lab was made", e, "choose another folder"))?;
    if args.output.json {
        return print::json(&made);
    }
    print::say(&format!("network {}", made.words))?;
    for station in &made.stations {
        let (name, role) = (&station.station, &station.role);
        print::say(&format!("{name:12} {role:9} cbm run --config {}", station.config.display()))?;
    }
    Ok(())
}

/// Fresh chance for keys.
///
/// # Errors
/// The operating system gives none.
pub fn entropy() -> Result<Entropy, Failure> {
    let seed = clock::entropy()
        .map_err(|e| Failure::told(Code::Failed, "no keys were made", e, "try another machine"))?;
    Ok(Entropy::new(&seed))
}
