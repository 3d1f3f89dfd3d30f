//! `cbm keygen authority|station|office|backup|identity`: keys in a new folder, a card with the public halves;
//! an identity that sealed keys open by.

use std::path::{Path, PathBuf};

use cbm_proto::id::{PartyCode, StationName};
use clap::{Args, Subcommand};

use super::{
    Output,
    lab::entropy,
    papers, print,
    unlock::{Sealing, unlock},
};
use crate::{
    api::failure::{Code, Failure},
    backup::sealed::{self, PairMade},
    ceremony::{self, CeremonyError, KeysMade, StationSeal},
    keystore,
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
        /// Keep the signing key in a token, made there if need be; as
        /// pkcs11:token=T;object=O?module-path=M.
        #[arg(long, value_name = "URI")]
        token: Option<String>,
        #[command(flatten)]
        made: Made,
    },
    /// Of a station; its authority then certifies them by the card.
    Station(OfStation),
    /// Of an office; its officers sign acknowledgements with it, and no station holds it.
    Office {
        /// Make the key in a token, or take over the one that is there; as
        /// pkcs11:token=T;object=O?module-path=M.
        #[arg(long, value_name = "URI", conflicts_with = "seal")]
        token: Option<String>,
        #[command(flatten)]
        made: Made,
    },
    /// A recipient that backups are sealed to, and the identity that opens them.
    Backup {
        /// Folder to make them in; keep the identity where the backups are not.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// An identity for `--identity-file`: keys are sealed to it, and it is kept elsewhere.
    Identity {
        /// File to write it to.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Args)]
struct OfStation {
    /// The station, such as EST/mfa; with --rotate its card tells when absent.
    #[arg(long, required_unless_present = "rotate")]
    station: Option<String>,
    /// Folder to make them in; empty, or not there yet.
    #[arg(long, value_name = "DIR", required_unless_present = "rotate")]
    out: Option<PathBuf>,
    /// Make the next keys of a station that has some; they wait for their certificate.
    #[arg(long, requires = "keys", conflicts_with_all = ["out", "seal", "archive"])]
    rotate: bool,
    /// With --rotate: folder of the keys in use; the next ones are made in its `next`.
    #[arg(long, value_name = "DIR", requires = "rotate")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    sealing: Sealing,
    #[command(flatten)]
    archive: Archive,
    #[command(flatten)]
    output: Output,
}

/// The archive key apart: without it a stolen station cannot read what it sent.
#[derive(Debug, Args)]
struct Archive {
    /// Folder for the archive key, where it is kept apart from the others.
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,
    /// With --seal: file with the passphrase of the archive key.
    #[arg(long, value_name = "FILE", requires_all = ["archive", "seal"],
        conflicts_with = "archive_identity_file")]
    archive_passphrase_file: Option<PathBuf>,
    /// With --seal: seal the archive key to the identity in this file.
    #[arg(long, value_name = "FILE", requires_all = ["archive", "seal"])]
    archive_identity_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Made {
    /// Folder to make them in; empty, or not there yet.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    sealing: Sealing,
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
        Whose::Authority { party, token, made } => {
            let party = PartyCode::new(party).map_err(|e| usage(&e))?;
            let seal = made.sealing.seal();
            let (seal, out, mut entropy) = (seal.as_ref(), &made.out, entropy()?);
            let keys = match token {
                Some(uri) => {
                    ceremony::keygen_authority_in_token(out, &party, uri, seal, &mut entropy)
                }
                None => ceremony::keygen_authority(out, &party, seal, &mut entropy),
            };
            show(&keys.map_err(|e| failed(&e))?, made.output.json)
        }
        Whose::Office { token, made } => {
            let (seal, mut entropy) = (made.sealing.seal(), entropy()?);
            let keys = match token {
                Some(uri) => ceremony::keygen_office_in_token(&made.out, uri, &mut entropy),
                None => ceremony::keygen_office(&made.out, seal.as_ref(), &mut entropy),
            };
            show(&keys.map_err(|e| failed(&e))?, made.output.json)
        }
        Whose::Station(of) => {
            let station = of.station.as_deref().map(StationName::parse).transpose();
            let station = station.map_err(|e| usage(&e))?;
            let keys = match (&of.keys, &of.out, &station) {
                (Some(keys), ..) => {
                    ceremony::rotate_station(keys, station.as_ref(), &mut entropy()?)
                }
                (None, Some(out), Some(station)) => new_station(of, out, station)?,
                // The parser has asked for both.
                _ => return Err(usage(&"no station and no folder")),
            };
            show(&keys.map_err(|e| failed(&e))?, of.output.json)
        }
        Whose::Backup { out, output } => backup_pair(out, output.json),
        Whose::Identity { out, output } => {
            let recipient = keystore::new_identity(out).map_err(|e| failed(&e))?;
            if output.json {
                return print::json(&serde_json::json!({ "file": out, "recipient": recipient }));
            }
            print::say(&format!("identity in {}\nseals to {recipient}", out.display()))
        }
    }
}

fn backup_pair(out: &Path, json: bool) -> Result<(), Failure> {
    let made = sealed::keygen(out)
        .map_err(|e| Failure::told(Code::Failed, "no keys were made", e, "see above"))?;
    if json {
        return print::json(&made);
    }
    let PairMade { recipient, recipient_file, identity_file } = &made;
    print::say(&format!(
        "backups are sealed to {recipient}\nrecipient  {}\nidentity   {}  (keep it apart)",
        recipient_file.display(),
        identity_file.display()
    ))
}

fn new_station(
    of: &OfStation,
    out: &Path,
    station: &StationName,
) -> Result<Result<KeysMade, CeremonyError>, Failure> {
    let keys = of.sealing.seal();
    let apart = keys.as_ref().map(|_| {
        let Archive { archive_passphrase_file, archive_identity_file, .. } = &of.archive;
        unlock(archive_passphrase_file.as_deref(), archive_identity_file.as_deref())
    });
    let seal = StationSeal {
        keys: keys.as_ref(),
        archive: of.archive.archive.as_deref(),
        archive_keys: apart.as_ref(),
    };
    Ok(ceremony::keygen_station(out, station, &seal, &mut entropy()?))
}

fn show(made: &KeysMade, json: bool) -> Result<(), Failure> {
    if json {
        return print::json(made);
    }
    let KeysMade { owner, keys, card, fingerprint, words, made_in_token } = made;
    match made_in_token {
        Some(true) => print::say("the signing key was made in the token")?,
        Some(false) => print::say("the signing key was in the token already; it is taken over")?,
        None => {}
    }
    print::say(&format!(
        "keys of {owner} in {}\ncard to hand on: {}\nfingerprint {fingerprint}\n{}",
        keys.display(),
        card.display(),
        papers::words(words)
    ))
}
