//! What a party says of its stations, and a station of itself: certificates, contact records.

use std::path::PathBuf;

use cbm_proto::{accord::Office, id::StationName, keys::OfficeKey, time::Timestamp};
use clap::Args;

use super::show;
use crate::{
    api::failure::{Code, Failure},
    ceremony::{self, Announcement, Base, Certification, Whose},
    cli::{Output, authority::Authority, papers, unlock::Opened},
};

/// Certify a station.
#[derive(Debug, Args)]
pub(super) struct Certify {
    /// Folder of documents; the certificate goes there unless --out says otherwise.
    #[arg(long, value_name = "DIR", required_unless_present = "accord")]
    documents: Option<PathBuf>,
    /// Version 1 of the accord alone, where there is no folder yet; needs --out.
    #[arg(long, value_name = "FILE", conflicts_with = "documents", requires = "out")]
    accord: Option<PathBuf>,
    /// The station's card.
    #[arg(long, value_name = "FILE", required_unless_present = "station")]
    card: Option<PathBuf>,
    /// The station, with the keys of its certificate in force; instead of its card.
    #[arg(long, conflicts_with_all = ["card", "accord"])]
    station: Option<String>,
    /// An office that answers there, and the card of a key that it signs with; may be given several
    /// times. Keys of offices in the certificate in force stay, unless they were taken back.
    #[arg(long, value_name = "CODE=CARD", value_parser = office)]
    office: Vec<(String, PathBuf)>,
    /// An office whose keys the new certificate does not list any more; may be given several times.
    #[arg(long, value_name = "CODE")]
    drop_office: Vec<String>,
    #[command(flatten)]
    authority: Authority,
    /// Folder to write into.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Number of the certificate; without it, the one after the highest here.
    #[arg(long)]
    serial: Option<u64>,
    /// The station may send TEST letters only.
    #[arg(long)]
    test_only: bool,
    /// When it ends, such as 2027-12-31T00:00:00Z; open when absent.
    #[arg(long, value_name = "TIME")]
    not_after: Option<String>,
}

/// Announce a station.
#[derive(Debug, Args)]
pub(super) struct Announce {
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

/// `duty=office/office.toml`.
fn office(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((code, card)) if OfficeKey::is_code(code) && !card.is_empty() => {
            Ok((code.to_owned(), PathBuf::from(card)))
        }
        _ => Err("write the office's code and the file of its card, such as \
                  duty=office/office.toml"
            .to_owned()),
    }
}

pub(super) fn certify(out: &Output, what: &Certify, now: Timestamp) -> Result<(), Failure> {
    let time = |text: &String| {
        Timestamp::parse(text).ok_or_else(|| {
            let cause = format!("`{text}` is not a time in UTC");
            Failure::new(Code::Usage, "nothing was certified", cause, "write 2027-12-31T00:00:00Z")
        })
    };
    let authority = what.authority.open()?;
    let (base, folder) = match (&what.documents, &what.accord) {
        (Some(folder), _) => (Base::Folder(folder), folder),
        (None, Some(file)) => (Base::Accord(file), file),
        (None, None) => {
            let remedy = "name the folder of documents with --documents";
            let cause = "it is not said by which accord";
            return Err(Failure::new(Code::Usage, "nothing was certified", cause, remedy));
        }
    };
    let station = what.station.as_deref().map(StationName::parse).transpose().map_err(|e| {
        Failure::new(Code::Usage, "nothing was certified", e, "write PARTY/station")
    })?;
    let whose = match (&station, &what.card) {
        (Some(name), _) => Whose::Known(name),
        (None, Some(card)) => Whose::Card(card),
        (None, None) => {
            let cause = "it is not said which station";
            let remedy = "name its card with --card, or itself with --station";
            return Err(Failure::new(Code::Usage, "nothing was certified", cause, remedy));
        }
    };
    let certification = Certification {
        base,
        whose,
        offices: &what.office,
        dropped: &what.drop_office,
        authority: &*authority,
        out: what.out.as_ref().unwrap_or(folder),
        serial: what.serial,
        test_only: what.test_only,
        not_after: what.not_after.as_ref().map(time).transpose()?,
    };
    show(out, ceremony::certify(&certification, now), papers::written)
}

pub(super) fn announce(out: &Output, what: &Announce, now: Timestamp) -> Result<(), Failure> {
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
    show(out, ceremony::announce(&announcement, now), papers::written)
}
