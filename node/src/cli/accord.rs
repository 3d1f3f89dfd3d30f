//! `cbm accord`: the signed agreement that stations run on, and the documents under it.
//!
//! The order of a founding: each party makes an authority's keys and hands on the card; one draws
//! up the accord from the cards; each signs; each certifies its stations by their cards; each
//! station announces where it is.

use std::path::PathBuf;

use cbm_proto::{accord::Office, id::StationName, time::Timestamp};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Output, authority::Authority, print, unlock::Opened};
use crate::{
    api::failure::{Code, Failure},
    ceremony::{self, Announcement, CeremonyError, Certification},
    clock::Clock,
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
    New {
        /// Name, threshold and parties, each with its card.
        #[arg(long, value_name = "FILE")]
        description: PathBuf,
        /// Where to write it.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Add an authority's signature to an accord.
    Sign {
        /// The accord; it is written anew.
        file: PathBuf,
        #[command(flatten)]
        authority: Authority,
        /// The version before, for all but version 1.
        #[arg(long, value_name = "FILE")]
        before: Option<PathBuf>,
    },
    /// Certify a station by its card.
    Certify(Certify),
    /// Announce where a station is; signed by the station.
    Announce(Announce),
    /// Show a document.
    Show {
        /// Which.
        file: PathBuf,
        /// The version before, for an accord that is not version 1.
        #[arg(long, value_name = "FILE")]
        before: Option<PathBuf>,
    },
    /// Check a folder of documents as a station would.
    Verify {
        /// Which.
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Certify {
    /// Version 1 of the accord, signed by all.
    #[arg(long, value_name = "FILE")]
    accord: PathBuf,
    /// The station's card.
    #[arg(long, value_name = "FILE")]
    card: PathBuf,
    #[command(flatten)]
    authority: Authority,
    /// Folder of documents to write into.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Number of the certificate: higher than the one before.
    #[arg(long, default_value_t = 1)]
    serial: u64,
    /// The station may send TEST letters only.
    #[arg(long)]
    test_only: bool,
    /// When it ends, such as 2027-12-31T00:00:00Z; open when absent.
    #[arg(long, value_name = "TIME")]
    not_after: Option<String>,
}

#[derive(Debug, Args)]
struct Announce {
    /// Folder of documents, with accord and certificate.
    #[arg(long, value_name = "DIR")]
    documents: PathBuf,
    /// Folder of the station's keys.
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    #[command(flatten)]
    opened: Opened,
    /// Which station.
    #[arg(long)]
    station: String,
    /// Where it listens, such as /ip4/192.0.2.1/udp/4100/quic-v1; may be given several times.
    #[arg(long, value_name = "ADDRESS", required = true)]
    address: Vec<String>,
    /// Title of the duty office that answers there.
    #[arg(long, default_value = "Duty desk")]
    office: String,
    /// Language that the office reads; may be given several times.
    #[arg(long, value_name = "LANGUAGE", default_value = "en")]
    language: Vec<String>,
    /// When it answers, in words; at any hour when absent.
    #[arg(long, default_value = "")]
    hours: String,
}

/// Does one step.
///
/// # Errors
/// What the step says.
pub fn run(args: &Accord) -> Result<(), Failure> {
    let now = Clock::start().now().wall;
    let out = &args.output;
    match &args.step {
        Step::New { description, out: file } => {
            show(out, ceremony::new_accord(description, file, now))
        }
        Step::Sign { file, authority, before } => {
            let authority = authority.open()?;
            show(out, ceremony::sign_accord(file, &*authority, before.as_deref()))
        }
        Step::Certify(what) => certify(out, what, now),
        Step::Announce(what) => announce(out, what, now),
        Step::Show { file, before } => show(out, ceremony::show(file, before.as_deref())),
        Step::Verify { folder } => show(out, ceremony::verify(folder, now)),
    }
}

fn certify(out: &Output, what: &Certify, now: Timestamp) -> Result<(), Failure> {
    let time = |text: &String| {
        Timestamp::parse(text).ok_or_else(|| {
            let cause = format!("`{text}` is not a time in UTC");
            Failure::new(Code::Usage, "nothing was certified", cause, "write 2027-12-31T00:00:00Z")
        })
    };
    let authority = what.authority.open()?;
    let certification = Certification {
        accord: &what.accord,
        card: &what.card,
        authority: &*authority,
        out: &what.out,
        serial: what.serial,
        test_only: what.test_only,
        not_after: what.not_after.as_ref().map(time).transpose()?,
    };
    show(out, ceremony::certify(&certification, now))
}

fn announce(out: &Output, what: &Announce, now: Timestamp) -> Result<(), Failure> {
    let station = StationName::parse(&what.station).map_err(|e| {
        Failure::new(Code::Usage, "nothing was announced", e, "write PARTY/station")
    })?;
    let office = Office {
        code: "duty".to_owned(),
        title: what.office.clone(),
        languages: what.language.clone(),
        hours: what.hours.clone(),
        always: what.hours.is_empty(),
    };
    let announcement = Announcement {
        documents: &what.documents,
        keys: &what.keys,
        unlock: &what.opened.unlock(),
        station: &station,
        addresses: &what.address,
        offices: &[office],
    };
    show(out, ceremony::announce(&announcement, now))
}

/// The result of a step: one JSON object, or the same as lines for people.
fn show(out: &Output, done: Result<impl Serialize, CeremonyError>) -> Result<(), Failure> {
    let done = done.map_err(|e| {
        let otherwise = "mend what is named, then do the step again";
        Failure::told(Code::Failed, "the step was not done", e, otherwise)
    })?;
    if out.json {
        return print::json(&done);
    }
    let value = serde_json::to_value(&done).map_err(|e| {
        Failure::new(Code::Failed, "the answer could not be printed", e, "report this defect")
    })?;
    print::say(&print::outline(&value))
}
