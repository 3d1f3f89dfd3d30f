//! `cbm backup`: one sealed file with journal, documents and settings; no keys.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Output, load, print, source::Source};
use crate::{
    api::failure::{Code, Failure},
    backup::{
        BackupError,
        manifest::Manifest,
        sealed::{Identity, Recipient},
        take::{self, Made, Plan},
        verify,
    },
    clock::Clock,
    documents,
};

/// Back up a station.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Backup {
    #[command(subcommand)]
    step: Option<Step>,
    /// The station's configuration; the node may run.
    #[arg(long, value_name = "FILE", required = true)]
    config: Option<PathBuf>,
    /// Where to write it; never over a file that is there.
    #[arg(long, value_name = "FILE", required = true)]
    out: Option<PathBuf>,
    /// Seal it to this recipient, which begins with age1; may be given several times.
    #[arg(long, value_name = "RECIPIENT", required_unless_present = "recipient_file")]
    to: Vec<String>,
    /// Seal it to the recipients in this file.
    #[arg(long, value_name = "FILE")]
    recipient_file: Vec<PathBuf>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Open a backup and check everything in it; writes nothing.
    Verify {
        /// The backup.
        file: PathBuf,
        /// The identity that opens it, as `cbm keygen backup` made it.
        #[arg(long, value_name = "FILE")]
        identity: PathBuf,
        #[command(flatten)]
        output: Output,
    },
}

/// Makes one, or checks one.
///
/// # Errors
/// It cannot be made, or is not whole.
pub async fn run(args: Backup) -> Result<(), Failure> {
    match args.step {
        Some(Step::Verify { file, identity, output }) => {
            let identities = Identity::read(&identity).map_err(|e| unread(&e))?;
            let mut progress = print::Progress::new("verified");
            let found = verify(&file, &identities, &mut |n| progress.more(n));
            progress.end();
            let manifest = found.map_err(|e| unread(&e))?;
            if output.json {
                return print::json(&manifest);
            }
            print::say(&format!("{}\n\nthe backup is whole", text(&manifest)))
        }
        None => make(args).await,
    }
}

async fn make(args: Backup) -> Result<(), Failure> {
    let mut recipients = Vec::new();
    for text in &args.to {
        recipients.push(Recipient::parse(text).map_err(|e| unmade(&e))?);
    }
    for file in &args.recipient_file {
        recipients.extend(Recipient::read(file).map_err(|e| unmade(&e))?);
    }
    let (file, out) = (args.config.unwrap_or_default(), args.out.unwrap_or_default());
    let config = load(&file)?;
    let loaded = documents::load(&config.documents).map_err(|e| unmade(&e.into()))?;
    let source = Source::open(config.data.clone(), Some(config.clone())).await?;
    let plan = Plan {
        data: &source.data,
        until: source.until,
        documents: &config.documents,
        config: &config.file,
        station: config.station.to_string(),
        network: loaded.directory.network().to_string(),
        recipients: &recipients,
        out: &out,
        now: Clock::start().now().wall,
        counts: source.view.as_ref().map(|view| (view.received, view.sent)),
    };
    let mut progress = print::Progress::new("backed up and read back");
    let made = take::take(&plan, &mut |n| progress.more(n));
    progress.end();
    told(&made.map_err(|e| unmade(&e))?, args.output.json)
}

fn told(made: &Made, json: bool) -> Result<(), Failure> {
    if json {
        print::json(made)?;
    } else {
        let size = print::size(made.size);
        let file = made.file.display();
        print::say(&format!("{}\n\nwritten and read back: {file}, {size}", text(&made.manifest)))?;
    }
    if made.manifest.journal.sound {
        return Ok(());
    }
    Err(Failure::new(
        Code::Failed,
        "the backup was written, and its journal is not whole",
        "records of the journal cannot be read on the disk",
        "`cbm journal verify` names them; keep older backups, and look at the disk",
    ))
}

/// For people.
#[must_use]
pub fn text(manifest: &Manifest) -> String {
    let count = |n: Option<u64>| n.map_or_else(|| "not counted".to_owned(), |n| n.to_string());
    let documents = manifest.files.iter().filter(|f| f.name.starts_with("documents/")).count();
    let journal = &manifest.journal;
    let whole = if journal.sound { "whole" } else { "NOT whole" };
    [
        format!("station    {}", manifest.station),
        format!("made       {}", print::time(&manifest.made_at)),
        format!("journal    {} records up to {}, {whole}", journal.records, journal.end),
        format!("received   {}", count(manifest.received)),
        format!("sent       {}", count(manifest.sent)),
        format!("documents  {documents}"),
        "keys       none: they are never in a backup".to_owned(),
    ]
    .join("\n")
}

fn unmade(error: &BackupError) -> Failure {
    let remedy = "look at the disk, and run it as the user that the node runs as";
    Failure::told(code(error), "no backup was made", error, remedy)
}

fn unread(error: &BackupError) -> Failure {
    let remedy = "name a file that you may read";
    Failure::told(code(error), "the backup was not verified", error, remedy)
}

/// Which errors are a matter of what was asked for.
#[must_use]
pub fn code(error: &BackupError) -> Code {
    match error {
        BackupError::Exists(_)
        | BackupError::NotEmpty(_)
        | BackupError::Recipient(_)
        | BackupError::NoRecipient(_)
        | BackupError::Recipients(_)
        | BackupError::Identity(_)
        | BackupError::WrongIdentity(_) => Code::Usage,
        _ => Code::Failed,
    }
}
