//! `cbm accord`: the signed agreement that stations run on, and the documents under it.
//!
//! The order of a founding: each party makes an authority's keys and hands on the card; one draws
//! up the accord from the cards; each signs; each certifies its stations by their cards; each
//! station announces where it is. Later versions, revocations and attestations are made in the same
//! way, from files, and handed to a running node by `publish`, which spreads them.

mod draw;
mod node;
mod station;
mod takeback;

use std::path::PathBuf;

use cbm_proto::accord::DocumentError;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Output, papers, print};
use crate::{
    api::failure::{Code, Failure},
    ceremony::{self, Before, CeremonyError},
    clock::Clock,
    documents::FileError,
};

/// Documents of a network.
#[derive(Debug, Args)]
pub struct Accord {
    #[command(subcommand)]
    step: Step,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Draw up an accord from a description in TOML and the cards that it names.
    New(draw::New),
    /// Draw up the next version: parties come in or leave, keys or the threshold change.
    Update(draw::Update),
    /// Add an authority's signature to an accord.
    Sign(draw::Sign),
    /// Join the signatures of copies that were signed apart.
    Merge(draw::Merge),
    /// Certify a station by its card.
    Certify(station::Certify),
    /// Announce where a station is; signed by the station.
    Announce(station::Announce),
    /// Take back keys of a station, or an authority key.
    Revoke(takeback::Revoke),
    /// Say that the keys on another party's card were checked.
    Attest(takeback::Attest),
    /// Show a document.
    Show {
        /// Which.
        file: PathBuf,
        #[command(flatten)]
        against: Against,
    },
    /// Check a folder of documents as a station would.
    Verify {
        /// Which.
        folder: PathBuf,
    },
    /// Hand documents to the running node, which spreads them.
    Publish(node::Publish),
    /// Write the documents that the running node holds into a folder.
    Export(node::Export),
}

/// What an accord after version 1 is judged by.
#[derive(Debug, Args)]
struct Against {
    /// The version before, for all but version 1.
    #[arg(long, value_name = "FILE", conflicts_with = "documents")]
    before: Option<PathBuf>,
    /// A folder of documents that holds the version before.
    #[arg(long, value_name = "DIR")]
    documents: Option<PathBuf>,
}

impl Against {
    fn before(&self) -> Before<'_> {
        Before { file: self.before.as_deref(), documents: self.documents.as_deref() }
    }
}

/// Does one step.
///
/// # Errors
/// What the step says.
pub async fn run(args: Accord) -> Result<(), Failure> {
    let now = Clock::start().now().wall;
    let out = &args.output;
    match &args.step {
        Step::New(what) => draw::new(out, what, now),
        Step::Update(what) => draw::update(out, what, now),
        Step::Sign(what) => draw::sign(out, what),
        Step::Merge(what) => draw::merge(out, what),
        Step::Certify(what) => station::certify(out, what, now),
        Step::Announce(what) => station::announce(out, what, now),
        Step::Revoke(what) => takeback::revoke(out, what, now),
        Step::Attest(what) => takeback::attest(out, what, now),
        Step::Show { file, against } => {
            show(out, ceremony::show(file, against.before()), papers::document)
        }
        Step::Verify { folder } => show(out, ceremony::verify(folder, now), papers::folder),
        Step::Publish(what) => node::publish(out, what).await,
        Step::Export(what) => node::export(out, what).await,
    }
}

pub(super) use draw::parties;

/// The result of a step: one JSON object, or the same as text for people.
pub(super) fn show<T: Serialize>(
    out: &Output,
    done: Result<T, CeremonyError>,
    text: impl FnOnce(&T) -> String,
) -> Result<(), Failure> {
    let done = done.map_err(|e| not_done(&e))?;
    if out.json { print::json(&done) } else { print::say(&text(&done)) }
}

/// A step that was not done, and why.
pub(super) fn not_done(error: &CeremonyError) -> Failure {
    let document = match error {
        CeremonyError::Document(document) => Some(document),
        CeremonyError::File(FileError::Document { error, .. }) => Some(error),
        _ => None,
    };
    let otherwise = document.map_or("mend what is named, then do the step again", remedy);
    Failure::told(Code::Failed, "the step was not done", error, otherwise)
}

/// What to do about a document that would not be believed.
pub(super) const fn remedy(error: &DocumentError) -> &'static str {
    match error {
        DocumentError::Bytes(_) => {
            "name a file that `cbm accord` wrote; if it came from elsewhere, ask for it again"
        }
        DocumentError::NotEntitled { .. } => {
            "take a copy without that signature, and ask who put it there"
        }
        DocumentError::BadSignature { .. } => {
            "ask for the file again, and compare its fingerprint by voice"
        }
        DocumentError::TooFewSignatures { .. } => {
            "pass it to those who are missing; `cbm accord merge` joins copies signed apart"
        }
        DocumentError::ForeignNetwork => {
            "compare the words of both networks with `cbm accord verify`, and name the right folder"
        }
        DocumentError::PredecessorUnknown { .. } => {
            "bring the versions between too: `cbm accord export` where they are known"
        }
        DocumentError::UnknownParty(_) => {
            "`cbm accord verify` lists the parties; `cbm accord update --admit` lets one in"
        }
        DocumentError::UnknownStation(_) => "certify it first, with `cbm accord certify`",
        _ => "mend what is named, then do the step again",
    }
}
