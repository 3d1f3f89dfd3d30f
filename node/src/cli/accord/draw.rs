//! Drawing up an accord and its next versions, signing them, joining copies.

use std::path::PathBuf;

use cbm_proto::{id::PartyCode, time::Timestamp};
use clap::Args;

use super::{Against, show};
use crate::{
    api::failure::{Code, Failure},
    ceremony::{self, Changes},
    cli::{Output, authority::Authority, papers},
};

/// Draw up version 1.
#[derive(Debug, Args)]
pub(super) struct New {
    /// Name, threshold and parties, each with its card.
    #[arg(long, value_name = "FILE")]
    description: PathBuf,
    /// Where to write it.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Draw up the next version.
#[derive(Debug, Args)]
pub(super) struct Update {
    /// Folder of documents that holds the version in force.
    #[arg(long, value_name = "DIR")]
    documents: PathBuf,
    /// The version to follow, where it is not the one in force in the folder.
    #[arg(long, value_name = "FILE")]
    before: Option<PathBuf>,
    /// The whole next version in TOML; a party that stays needs its `code` only.
    #[arg(long, value_name = "FILE",
        conflicts_with_all = ["admit", "rekey", "remove", "threshold"])]
    description: Option<PathBuf>,
    /// Card of a party that comes in; each with a --role and a --name.
    #[arg(long, value_name = "CARD")]
    admit: Vec<PathBuf>,
    /// What the party is that comes in: STATE, OBSERVER, CONVENER, VERIFIER, CONTRIBUTOR.
    #[arg(long, value_name = "ROLE", requires = "admit")]
    role: Vec<String>,
    /// What people call the party that comes in.
    #[arg(long, value_name = "NAME", requires = "admit")]
    name: Vec<String>,
    /// Card with the new authority key of a party that stays.
    #[arg(long, value_name = "CARD")]
    rekey: Vec<PathBuf>,
    /// Code of a party that leaves.
    #[arg(long, value_name = "CODE")]
    remove: Vec<String>,
    /// STATE signatures that the version after this one needs.
    #[arg(long, value_name = "M")]
    threshold: Option<usize>,
    /// Where to write it.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Sign.
#[derive(Debug, Args)]
pub(super) struct Sign {
    /// The accord; it is written anew.
    file: PathBuf,
    #[command(flatten)]
    authority: Authority,
    #[command(flatten)]
    against: Against,
}

/// Join copies.
#[derive(Debug, Args)]
pub(super) struct Merge {
    /// The copies.
    #[arg(required = true, num_args = 2..)]
    files: Vec<PathBuf>,
    /// Where to write the accord with all their signatures.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    against: Against,
}

pub(super) fn new(out: &Output, what: &New, now: Timestamp) -> Result<(), Failure> {
    show(out, ceremony::new_accord(&what.description, &what.out, now), papers::accord)
}

pub(super) fn update(out: &Output, what: &Update, now: Timestamp) -> Result<(), Failure> {
    if what.role.len() != what.admit.len() || what.name.len() != what.admit.len() {
        let (cards, roles, names) = (what.admit.len(), what.role.len(), what.name.len());
        return Err(Failure::new(
            Code::Usage,
            "nothing was drawn up",
            format!("{cards} --admit, {roles} --role and {names} --name"),
            "give each party that comes in its --admit CARD --role ROLE --name NAME",
        ));
    }
    let admit = what.admit.iter().zip(&what.role).zip(&what.name);
    let changes = Changes {
        description: what.description.as_deref(),
        admit: admit.map(|((card, r), n)| (card.clone(), r.clone(), n.clone())).collect(),
        rekey: what.rekey.clone(),
        remove: parties(&what.remove)?,
        threshold: what.threshold,
    };
    let before = what.before.as_deref();
    let done = ceremony::update_accord(&what.documents, before, &changes, &what.out, now);
    show(out, done, papers::accord)
}

pub(super) fn sign(out: &Output, what: &Sign) -> Result<(), Failure> {
    let authority = what.authority.open()?;
    let done = ceremony::sign_accord(&what.file, &*authority, what.against.before());
    show(out, done, papers::accord)
}

pub(super) fn merge(out: &Output, what: &Merge) -> Result<(), Failure> {
    let done = ceremony::merge_accords(&what.files, what.against.before(), &what.out);
    show(out, done, papers::accord)
}

/// Party codes as people give them.
pub(in crate::cli) fn parties(words: &[String]) -> Result<Vec<PartyCode>, Failure> {
    let code = |word: &String| {
        PartyCode::new(word).map_err(|e| {
            let remedy = "`cbm accord verify` lists the parties";
            Failure::new(Code::Usage, "nothing was drawn up", e, remedy)
        })
    };
    words.iter().map(code).collect()
}
