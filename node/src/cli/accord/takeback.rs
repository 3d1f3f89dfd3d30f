//! `cbm accord revoke` and `attest`: what a party's authority says alone.

use std::path::PathBuf;

use cbm_proto::{
    accord::Method,
    id::{KeyId, StationName},
    time::Timestamp,
};
use clap::Args;

use super::{not_done, show};
use crate::{
    api::failure::{Code, Failure},
    ceremony::{self, TakeBack, Taken},
    cli::{Output, authority::Authority, papers},
};

/// Take keys back.
#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// Folder of documents; the revocations go there.
    #[arg(long, value_name = "DIR")]
    documents: PathBuf,
    #[command(flatten)]
    authority: Authority,
    /// The station whose keys are taken back: all its own of its certificate in force, unless
    /// --serial or --key names others. Keys of its offices lie elsewhere; --key takes one back.
    #[arg(long, value_name = "STATION", required_unless_present_any = ["card", "authority_key"],
        conflicts_with_all = ["card", "authority_key"])]
    station: Option<String>,
    /// The keys of this certificate of the station.
    #[arg(long, value_name = "N", requires = "station", conflicts_with = "key")]
    serial: Option<u64>,
    /// One key of the station, or of an office there, by its id.
    #[arg(long, value_name = "ID", requires = "station")]
    key: Option<String>,
    /// The keys on this card of a station.
    #[arg(long, value_name = "FILE", conflicts_with = "authority_key")]
    card: Option<PathBuf>,
    /// An authority key of the party itself: its card, or its id.
    #[arg(long, value_name = "CARD|ID")]
    authority_key: Option<String>,
    /// Letters that stay valid: what `cbm journal heads STATION --json` wrote.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["nothing_stands", "authority_key"])]
    stands_by: Option<PathBuf>,
    /// Of an authority key: documents that stay valid, as files or folders.
    #[arg(long, value_name = "FILE", requires = "authority_key")]
    keeps: Vec<PathBuf>,
    /// Nothing that the key signed stays valid.
    #[arg(long)]
    nothing_stands: bool,
    /// Why, for those who see it; at most 128 characters.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// Say that keys were checked.
#[derive(Debug, Args)]
pub(super) struct Attest {
    /// Folder of documents; the attestation goes there.
    #[arg(long, value_name = "DIR")]
    documents: PathBuf,
    #[command(flatten)]
    authority: Authority,
    /// The card that was checked, of the other party's authority.
    #[arg(long, value_name = "FILE")]
    card: PathBuf,
    /// How: in-person, note-verbale, voice or other.
    #[arg(long, value_name = "HOW")]
    method: String,
}

pub(super) fn revoke(out: &Output, what: &Revoke, now: Timestamp) -> Result<(), Failure> {
    let taken = taken(what)?;
    let said = what.nothing_stands || what.stands_by.is_some() || !what.keeps.is_empty();
    if !said {
        let (cause, remedy) = match taken {
            Taken::Authority(_) => (
                "it is not said which documents that the key signed stay valid",
                "name them with --keeps FILE|DIR, or say --nothing-stands",
            ),
            _ => (
                "it is not said which letters of the station stay valid",
                "give --stands-by the file that `cbm journal heads STATION --json` wrote, or say \
                 --nothing-stands",
            ),
        };
        return Err(Failure::new(Code::Usage, "nothing was revoked", cause, remedy));
    }
    let heads = what.stands_by.as_deref().map(ceremony::read_heads).transpose();
    let heads = heads.map_err(|e| not_done(&e))?.unwrap_or_default();
    let kept = ceremony::read_all(&what.keeps).map_err(|e| not_done(&e))?;
    let authority = what.authority.open()?;
    let back = TakeBack {
        documents: &what.documents,
        authority: &*authority,
        what: &taken,
        heads: &heads,
        kept: &kept,
        reason: &what.reason,
    };
    show(out, ceremony::revoke(&back, now), |all| papers::revocations(all))
}

fn taken(what: &Revoke) -> Result<Taken, Failure> {
    let usage = |cause: String, remedy: &str| {
        Failure::new(Code::Usage, "nothing was revoked", cause, remedy)
    };
    let key = |text: &str| {
        KeyId::from_hex(text).ok_or_else(|| {
            let remedy =
                "a key id is 32 hex digits, as `cbm accord show` of a certificate lists it";
            usage(format!("`{text}` is not the id of a key"), remedy)
        })
    };
    if let Some(card) = &what.card {
        return Ok(Taken::Card(card.clone()));
    }
    if let Some(text) = &what.authority_key {
        let path = PathBuf::from(text);
        if path.is_file() {
            let (_, keys) = ceremony::card::read_authority(&path).map_err(|e| not_done(&e))?;
            return Ok(Taken::Authority(keys.sign.id()));
        }
        return Ok(Taken::Authority(key(text)?));
    }
    let station = what.station.as_deref().unwrap_or_default();
    let station =
        StationName::parse(station).map_err(|e| usage(e.to_string(), "write PARTY/station"))?;
    match &what.key {
        Some(text) => Ok(Taken::Key(station, key(text)?)),
        None => Ok(Taken::Certificate(station, what.serial)),
    }
}

pub(super) fn attest(out: &Output, what: &Attest, now: Timestamp) -> Result<(), Failure> {
    let word = what.method.to_uppercase().replace('-', "_");
    let method = Method::from_word(&word).ok_or_else(|| {
        let cause = format!("`{}` is no way of checking", what.method);
        let remedy = "use in-person, note-verbale, voice or other";
        Failure::new(Code::Usage, "nothing was attested", cause, remedy)
    })?;
    let authority = what.authority.open()?;
    let done = ceremony::attest(&what.documents, &*authority, &what.card, method, now);
    show(out, done, papers::attestation)
}
