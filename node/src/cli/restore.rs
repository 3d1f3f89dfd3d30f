//! `cbm restore`: a backup into a new folder; and the report of what came back since.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Node, Output, backup, print};
use crate::{
    api::{
        failure::Failure,
        shape::{CorrespondentView, RestoreView},
    },
    backup::{
        BackupError,
        put::{self, Plan, Put},
        sealed::Identity,
    },
    clock::Clock,
};

/// Restore a station.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Restore {
    #[command(subcommand)]
    step: Option<Step>,
    /// The backup.
    #[arg(required = true)]
    file: Option<PathBuf>,
    /// The identity that opens it, as `cbm keygen backup` made it.
    #[arg(long, value_name = "FILE", required = true)]
    identity: Option<PathBuf>,
    /// A new folder; it gets data, documents and settings.
    #[arg(long, value_name = "DIR", required = true)]
    into: Option<PathBuf>,
    /// The station's key folder: it must fit, and is named in the restored settings.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// What was lost, and what came back since; asks the running node.
    Report {
        #[command(flatten)]
        node: Node,
        #[command(flatten)]
        output: Output,
    },
}

/// Restores, or reports.
///
/// # Errors
/// The backup is not whole, the folder is in use, or no node answers.
pub async fn run(args: Restore) -> Result<(), Failure> {
    match args.step {
        Some(Step::Report { node, output }) => {
            let view: RestoreView = node.client()?.get("/v1/restore").await?;
            if output.json { print::json(&view) } else { print::say(&report(&view)) }
        }
        None => put(args),
    }
}

fn put(args: Restore) -> Result<(), Failure> {
    let not = |e: &BackupError| {
        let remedy = "look at the disk, and at the rights of the folder";
        Failure::told(backup::code(e), "nothing was restored", e, remedy)
    };
    let (file, into) = (args.file.unwrap_or_default(), args.into.unwrap_or_default());
    let identities = Identity::read(&args.identity.unwrap_or_default()).map_err(|e| not(&e))?;
    let plan = Plan {
        file: &file,
        identities: &identities,
        into: &into,
        keys: args.keys.as_deref(),
        now: Clock::start().now().wall,
    };
    let mut progress = print::Progress::new("verified and restored");
    let put = put::put(&plan, &mut |n| progress.more(n));
    progress.end();
    let put = put.map_err(|e| not(&e))?;
    if args.output.json {
        return print::json(&put);
    }
    print::say(&text(&put))
}

fn text(put: &Put) -> String {
    [
        backup::text(&put.manifest),
        String::new(),
        format!("restored   {}", put.folder.display()),
        format!("keys       expected at {}, as {} says", put.keys, put.config.display()),
        String::new(),
        format!("cbm run --config {}", put.config.display()),
        "The station takes a new incarnation, and asks the others for what came after the".into(),
        "backup; `cbm restore report` tells what came back. Start it on one machine only.".into(),
    ]
    .join("\n")
}

/// For people.
fn report(view: &RestoreView) -> String {
    let mut out = vec![format!("station        {}", view.station)];
    if let Some(backup) = &view.backup {
        let count = |n: Option<u64>| n.map_or_else(|| "not counted".to_owned(), |n| n.to_string());
        out.push(format!("restored       {}", print::time(&backup.restored_at)));
        out.push(format!("backup         made {}", print::time(&backup.made_at)));
        out.push(format!(
            "in the backup  {} received, {} sent; the newest of {}",
            count(backup.received),
            count(backup.sent),
            print::time(&backup.newest_at)
        ));
    }
    let Some(since) = &view.since else {
        out.push("nothing was asked for: no loss is known".to_owned());
        return out.join("\n");
    };
    out.push(format!("asked for      what came since {}", print::time(since)));
    out.push(format!("lost           {} letters received", view.lost));
    out.push(format!("came back      {}", view.back));
    out.push(format!("not available  {}: their authors hold them no more", view.not_available));
    let own = "envelopes of our own that others hold and this disk does not";
    out.push(format!("own unknown    {} {own}", view.own_unknown));
    out.push(format!("answered       {} of {} stations\n", view.answered, view.asked));
    let row = |c: &CorrespondentView| {
        let said = if c.answered { "yes" } else { "NOT YET" };
        let numbers = [c.lost, c.back, c.not_available].map(|n| n.to_string());
        [&[c.station.clone(), said.to_owned()][..], &numbers[..]].concat()
    };
    let rows: Vec<Vec<String>> = view.correspondents.iter().map(row).collect();
    out.push(print::table(&["STATION", "ANSWERED", "LOST", "BACK", "NOT AVAILABLE"], &rows));
    out.join("\n")
}
