//! `cbm charter`: a group of parties with a lane of its own, known to its members only.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{
    Output,
    accord::{parties, show},
    authority::Authority,
    papers,
};
use crate::{
    api::failure::{Code, Failure},
    ceremony::{self, CharterChange, CharterPlan},
    clock::Clock,
};

/// Groups of parties.
#[derive(Debug, Args)]
pub struct Charter {
    #[command(subcommand)]
    step: Step,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Draw up a charter.
    New {
        /// What its members call the group: a-z, 0-9 and -.
        #[arg(long)]
        name: String,
        /// Codes of its members, parted by commas.
        #[arg(long, value_name = "CODE", value_delimiter = ',', required = true)]
        members: Vec<String>,
        /// File with what the members agreed on, in words.
        #[arg(long, value_name = "FILE")]
        rules: Option<PathBuf>,
        /// Folder of documents with the accord.
        #[arg(long, value_name = "DIR")]
        documents: PathBuf,
        /// Where to write it.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Draw up the next version of a charter.
    Update {
        /// Which group.
        #[arg(long)]
        name: String,
        /// Codes of parties that join, parted by commas.
        #[arg(long, value_name = "CODE", value_delimiter = ',')]
        add: Vec<String>,
        /// Codes of parties that leave, parted by commas.
        #[arg(long, value_name = "CODE", value_delimiter = ',')]
        remove: Vec<String>,
        /// File with other rules.
        #[arg(long, value_name = "FILE")]
        rules: Option<PathBuf>,
        /// Folder of documents with the charter in force.
        #[arg(long, value_name = "DIR")]
        documents: PathBuf,
        /// Where to write it.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Add a member's signature to a charter.
    Sign {
        /// The charter; it is written anew.
        file: PathBuf,
        /// Folder of documents with the accord.
        #[arg(long, value_name = "DIR")]
        documents: PathBuf,
        #[command(flatten)]
        authority: Authority,
    },
    /// Join the signatures of copies that were signed apart.
    Merge {
        /// The copies.
        #[arg(required = true, num_args = 2..)]
        files: Vec<PathBuf>,
        /// Folder of documents with the accord.
        #[arg(long, value_name = "DIR")]
        documents: PathBuf,
        /// Where to write the charter with all their signatures.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Show a charter, and who has signed it.
    Show {
        /// Which.
        file: PathBuf,
        /// Folder of documents with the accord.
        #[arg(long, value_name = "DIR")]
        documents: PathBuf,
    },
    /// Check that a charter would count; fails if not.
    Verify {
        /// Which.
        file: PathBuf,
        /// Folder of documents with the accord.
        #[arg(long, value_name = "DIR")]
        documents: PathBuf,
    },
}

/// Does one step.
///
/// # Errors
/// What the step says.
pub fn run(args: &Charter) -> Result<(), Failure> {
    let now = Clock::start().now().wall;
    let out = &args.output;
    let done = match &args.step {
        Step::New { name, members, rules, documents, out } => {
            let rules = rules.as_deref().map_or(Ok(String::new()), text)?;
            let plan = CharterPlan { documents, name, members: parties(members)?, rules };
            ceremony::new_charter(&plan, out, now)
        }
        Step::Update { name, add, remove, rules, documents, out } => {
            let (add, remove) = (parties(add)?, parties(remove)?);
            let rules = rules.as_deref().map(text).transpose()?;
            let change = CharterChange { documents, name, add, remove, rules };
            ceremony::update_charter(&change, out, now)
        }
        Step::Sign { file, documents, authority } => {
            ceremony::sign_charter(file, documents, &*authority.open()?)
        }
        Step::Merge { files, documents, out } => ceremony::merge_charters(files, documents, out),
        Step::Show { file, documents } | Step::Verify { file, documents } => {
            ceremony::check_charter(file, documents)
        }
    };
    let lacks = match &done {
        Ok(shown) if matches!(args.step, Step::Verify { .. }) && !shown.complete => {
            let cause = shown.cause.clone();
            Some(cause.unwrap_or_else(|| format!("missing: {}", shown.missing.join(", "))))
        }
        _ => None,
    };
    show(out, done, papers::charter)?;
    let remedy = "have the members that are missing sign it, or draw it up anew";
    let failure = |cause| Failure::new(Code::Failed, "the charter does not count", cause, remedy);
    lacks.map_or(Ok(()), |cause| Err(failure(cause)))
}

fn text(file: &Path) -> Result<String, Failure> {
    let read = std::fs::read_to_string(file).map(|text| text.trim().to_owned());
    read.map_err(|e| {
        let cause = format!("{}: {e}", file.display());
        Failure::new(Code::Failed, "nothing was drawn up", cause, "name a file that you may read")
    })
}
