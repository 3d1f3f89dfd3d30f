//! `cbm directory`: who can be reached, how well they are known, how old that knowledge is.
//!
//! The steps below it compare fingerprints and note what came of it. Nothing here closes a line:
//! what is stale, unverified or impersonated is shown with its word.

mod identity;
mod text;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Node, print};
use crate::api::{
    client::Client,
    failure::Failure,
    people::shape::{IncidentView, PartyView},
};
pub use text::trust;

/// Who can be reached, and how well they are known.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Directory {
    #[command(subcommand)]
    step: Option<Step>,
    #[command(flatten)]
    list: Option<List>,
}

/// What can be done in it.
#[derive(Debug, Subcommand)]
enum Step {
    /// Print a party's fingerprint in words, for reading aloud.
    Fingerprint(identity::Fingerprint),
    /// Note that an officer compared a party's fingerprint.
    Check(identity::Check),
    /// Ask a party's officer to identify himself by words over another channel.
    Identify(identity::Identify),
}

#[derive(Debug, Args)]
struct List {
    /// One party in full; all parties in a table when absent.
    party: Option<String>,
    /// List attempts to pass for somebody else, the newest first.
    #[arg(long, conflicts_with = "party")]
    incidents: bool,
    // Written out, since clap does not see an optional group through one that is nested in it.
    /// The node's configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Print JSON for programs.
    #[arg(long)]
    json: bool,
}

impl List {
    fn client(&self) -> Result<Client, Failure> {
        Node { config: self.config.clone() }.client()
    }
}

/// Shows it, or takes a step.
///
/// # Errors
/// No node, no such party, or the step is refused.
pub async fn run(args: Directory) -> Result<(), Failure> {
    match (args.step, args.list) {
        (Some(Step::Fingerprint(step)), _) => identity::fingerprint(step).await,
        (Some(Step::Check(step)), _) => identity::check(step).await,
        (Some(Step::Identify(step)), _) => identity::identify(step).await,
        (None, Some(list)) if list.incidents => incidents(list).await,
        (None, Some(list)) => show(list).await,
        (None, None) => Err(Failure::new(
            crate::api::failure::Code::Usage,
            "nothing was done",
            "no node is named",
            "add --config FILE, the same file that `cbm run` takes",
        )),
    }
}

async fn show(list: List) -> Result<(), Failure> {
    let client = list.client()?;
    if let Some(code) = list.party {
        let party: PartyView = client.get(&format!("/v1/directory/{code}")).await?;
        return match list.json {
            true => print::json(&party),
            false => print::say(&text::whole(&party)),
        };
    }
    let parties: Vec<PartyView> = client.get("/v1/directory").await?;
    if list.json {
        return parties.iter().try_for_each(print::json);
    }
    print::say(&text::table(&parties))
}

async fn incidents(list: List) -> Result<(), Failure> {
    let rows: Vec<IncidentView> = list.client()?.get("/v1/incidents").await?;
    if list.json {
        return rows.iter().try_for_each(print::json);
    }
    print::say(&text::incidents(&rows))
}
