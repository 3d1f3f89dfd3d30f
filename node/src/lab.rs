//! A practice mesh on one machine: keys, signed documents, one ready configuration per station.
//!
//! Invariants: the folder was empty before; nothing in it is of any worth outside of it (one hand
//! holds the authority keys of all parties); every configuration that is written was read back.
//! Parties are `AAA`, `BBB`, …, their stations `mfa`, `cert`, `s3`, …; observers are parties `OB1`,
//! … with the one station `watch`. Used by the command line, by `demo` and by tests of the world.

use crate::{
    config::{Config, ConfigError},
    documents::{self, FileError},
    keystore::{Keystore, KeystoreError},
};
use cbm_proto::{
    accord::{DocumentError, Founded, Founding, Role},
    id::{NameError, PartyCode, StationName},
    keys::Fingerprint,
    limits::STATIONS_PER_PARTY_MAX,
    primitives::Entropy,
    time::Timestamp,
};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fs, io,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

/// STATE parties of a lab, and observers, at most: what one machine can bear.
const PARTIES_MAX: usize = 64;

/// What to make.
#[derive(Clone, Debug)]
pub struct Plan {
    /// STATE parties, 1 to 64.
    pub parties: usize,
    /// Stations of each, 1 to 16.
    pub stations: usize,
    /// Observers, up to 64.
    pub observers: usize,
    /// First port; station i listens on this plus i, by QUIC (UDP) and TCP.
    pub port: u16,
    /// Where station i listens; what has no address of its own here is on the loopback.
    pub hosts: Vec<IpAddr>,
    /// Unix user who acts for the duty office of every station.
    pub user: String,
}

/// Why there is no lab.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Something is in the folder.
    #[error("{0} is not empty: choose another folder, or remove it first")]
    NotEmpty(PathBuf),
    /// A number is out of bounds.
    #[error("{0}")]
    Plan(&'static str),
    /// The system said no.
    #[error("cannot write {path}: {error}", path = .path.display())]
    Io {
        /// On what.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A name breaks its rule.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A document breaks a rule.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A document cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Keys cannot be written.
    #[error(transparent)]
    Keys(#[from] KeystoreError),
    /// A configuration cannot be used, for example because the folder's path is too long.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// What was made.
#[derive(Clone, Debug, Serialize)]
pub struct Lab {
    /// The network id, in hex.
    pub network: String,
    /// Its fingerprint in words.
    pub words: String,
    /// Folder of the signed documents, read by all stations.
    pub documents: PathBuf,
    /// Folder of the authority keys, by party.
    pub authorities: PathBuf,
    /// The stations, by name.
    pub stations: Vec<LabStation>,
}

/// One station of a lab.
#[derive(Clone, Debug, Serialize)]
pub struct LabStation {
    /// `PARTY/station`.
    pub station: String,
    /// `STATE` or `OBSERVER`.
    pub role: String,
    /// Its configuration, for `--config`.
    pub config: PathBuf,
    /// Where it listens.
    pub listen: Vec<String>,
}

struct Seat {
    name: StationName,
    role: Role,
    listen: Vec<String>,
}

/// Makes a lab in `folder`, which is empty or does not exist.
///
/// # Errors
/// The plan is out of bounds, the folder holds something, or cannot be written.
pub fn create(
    folder: &Path,
    plan: &Plan,
    made_at: Timestamp,
    entropy: &mut Entropy,
) -> Result<Lab, LabError> {
    check(plan)?;
    let folder = std::path::absolute(folder).map_err(io_error(folder))?;
    let seats = seats(plan)?;
    claim(&folder)?;
    let founded = found(&seats, made_at, entropy)?;
    let (documents, authorities) = (folder.join("documents"), folder.join("authorities"));
    make_folder(&documents)?;
    for (at, document) in founded.documents.iter().enumerate() {
        documents::write(&documents.join(format!("{at:04}.cbm")), document)?;
    }
    make_folder(&authorities)?;
    for (code, keys) in &founded.authorities {
        Keystore::create(&authorities.join(code.as_str()))?.save_authority(keys)?;
    }
    let stations = seats.iter().map(|seat| station(&folder, seat, &plan.user, &founded));
    Ok(Lab {
        network: founded.network.to_string(),
        words: Fingerprint::head(&founded.network.0).words(),
        stations: stations.collect::<Result<_, _>>()?,
        documents,
        authorities,
    })
}

fn check(plan: &Plan) -> Result<(), LabError> {
    let good = |value: usize, max: usize| (1..=max).contains(&value);
    if !good(plan.parties, PARTIES_MAX) || plan.observers > PARTIES_MAX {
        return Err(LabError::Plan("between 1 and 64 parties, and up to 64 observers"));
    }
    if !good(plan.stations, STATIONS_PER_PARTY_MAX) {
        return Err(LabError::Plan("between 1 and 16 stations for each party"));
    }
    let seats = plan.parties * plan.stations + plan.observers;
    if plan.port == 0 || usize::from(plan.port) + seats > usize::from(u16::MAX) + 1 {
        return Err(LabError::Plan("the ports would not end before 65536: choose a lower --port"));
    }
    Ok(())
}

/// `AAA` to `ZZZ`, then `AAA2` and on.
fn party_code(at: usize) -> Result<PartyCode, NameError> {
    let letter = char::from(b'A' + u8::try_from(at % 26).unwrap_or_default());
    let round = if at < 26 { String::new() } else { (at / 26 + 1).to_string() };
    PartyCode::new(&format!("{letter}{letter}{letter}{round}"))
}

fn seats(plan: &Plan) -> Result<Vec<Seat>, NameError> {
    let mut names = Vec::new();
    for party in 0..plan.parties {
        for station in 0..plan.stations {
            let short = match station {
                0 => "mfa".to_owned(),
                1 => "cert".to_owned(),
                at => format!("s{}", at + 1),
            };
            names.push((StationName::new(party_code(party)?, &short)?, Role::State));
        }
    }
    for observer in 1..=plan.observers {
        let code = PartyCode::new(&format!("OB{observer}"))?;
        names.push((StationName::new(code, "watch")?, Role::Observer));
    }
    let listen = |at: usize| {
        let port = usize::from(plan.port) + at;
        let host = match plan.hosts.get(at).unwrap_or(&IpAddr::V4(Ipv4Addr::LOCALHOST)) {
            IpAddr::V4(ip) => format!("/ip4/{ip}"),
            IpAddr::V6(ip) => format!("/ip6/{ip}"),
        };
        vec![format!("{host}/udp/{port}/quic-v1"), format!("{host}/tcp/{port}")]
    };
    let numbered = names.into_iter().enumerate();
    Ok(numbered.map(|(at, (name, role))| Seat { name, role, listen: listen(at) }).collect())
}

/// The folder, made if it is not there, and ours alone.
fn claim(folder: &Path) -> Result<(), LabError> {
    make_folder(folder)?;
    let mut entries = fs::read_dir(folder).map_err(io_error(folder))?;
    if entries.next().is_some() {
        return Err(LabError::NotEmpty(folder.to_owned()));
    }
    Ok(())
}

fn make_folder(folder: &Path) -> Result<(), LabError> {
    fs::create_dir_all(folder).map_err(io_error(folder))
}

fn found(
    seats: &[Seat],
    made_at: Timestamp,
    entropy: &mut Entropy,
) -> Result<Founded, DocumentError> {
    let mut founding = Founding::new("Practice accord", made_at);
    for seat in seats {
        let code = seat.name.party();
        founding = founding
            .party(code.clone(), seat.role, &format!("Practice party {code}"))
            .station(seat.name.clone(), seat.listen.clone());
    }
    founding.found(entropy)
}

/// The configuration as it is written.
#[derive(Serialize)]
struct File<'a> {
    station: BTreeMap<&'a str, String>,
    paths: BTreeMap<&'a str, &'a str>,
    mesh: BTreeMap<&'a str, &'a [String]>,
    officers: BTreeMap<&'a str, BTreeMap<&'a str, &'a str>>,
}

fn station(
    folder: &Path,
    seat: &Seat,
    user: &str,
    founded: &Founded,
) -> Result<LabStation, LabError> {
    let home = folder.join(format!("{}-{}", seat.name.party(), seat.name.station()));
    make_folder(&home)?;
    if let Some(keys) = founded.stations.get(&seat.name) {
        Keystore::create(&home.join("keys"))?.save_station(keys)?;
    }
    let officer = BTreeMap::from([("officer", user), ("office", "duty")]);
    let paths =
        [("data", "data"), ("keys", "keys"), ("documents", "../documents"), ("socket", "cbm.sock")];
    let file = File {
        station: BTreeMap::from([("name", seat.name.to_string())]),
        paths: BTreeMap::from(paths),
        mesh: BTreeMap::from([("listen", &seat.listen[..])]),
        officers: BTreeMap::from([(user, officer)]),
    };
    let path = home.join("cbm.toml");
    let wrong = |error: toml::ser::Error| io::Error::other(error.to_string());
    let text = toml::to_string(&file).map_err(wrong).map_err(io_error(&path))?;
    documents::write_whole(&path, text.as_bytes()).map_err(io_error(&path))?;
    Config::load(&path, [], &[])?;
    Ok(LabStation {
        station: seat.name.to_string(),
        role: seat.role.word().to_owned(),
        config: path,
        listen: seat.listen.clone(),
    })
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> LabError {
    let path = path.to_owned();
    move |error| LabError::Io { path, error }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn plan() -> Plan {
        let hosts = vec!["10.0.0.1".parse().unwrap(), "fd00::2".parse().unwrap()];
        let user = "anna".to_owned();
        Plan { parties: 2, stations: 2, observers: 1, port: 4100, hosts, user }
    }

    fn make(folder: &Path, plan: &Plan) -> Result<Lab, LabError> {
        create(folder, plan, Timestamp(1_795_305_108_000), &mut Entropy::new(&[1; 32]))
    }

    #[test]
    fn every_station_of_a_lab_could_start() {
        let folder = tempfile::tempdir().unwrap();
        let lab = make(&folder.path().join("lab"), &plan()).unwrap();
        let names: Vec<_> = lab.stations.iter().map(|s| s.station.as_str()).collect();
        assert_eq!(names, ["AAA/mfa", "AAA/cert", "BBB/mfa", "BBB/cert", "OB1/watch"]);
        let loaded = documents::load(&lab.documents).unwrap();
        assert!(loaded.refused.is_empty());
        for station in &lab.stations {
            let config = Config::load(&station.config, [], &[]).unwrap();
            let keys = Keystore::open(&config.keys).unwrap().load_station().unwrap();
            let member = loaded.directory.by_name(&config.station).unwrap();
            assert_eq!(member.sign, keys.sign.public());
            assert_eq!(member.addresses, config.listen);
            assert_eq!(config.officers["anna"].office, "duty");
            assert_eq!(config.documents, lab.documents);
        }
        assert!(lab.stations[2].config.ends_with("lab/BBB-mfa/cbm.toml"));
        assert_eq!(lab.stations[0].listen[0], "/ip4/10.0.0.1/udp/4100/quic-v1");
        assert_eq!(lab.stations[1].listen[1], "/ip6/fd00::2/tcp/4101");
        assert_eq!(lab.stations[4].listen[1], "/ip4/127.0.0.1/tcp/4104");
        Keystore::open(&lab.authorities.join("AAA")).unwrap().load_authority().unwrap();
    }

    #[test]
    fn a_folder_in_use_and_a_plan_out_of_bounds_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mine"), "x").unwrap();
        assert!(matches!(make(folder.path(), &plan()), Err(LabError::NotEmpty(_))));
        let empty = folder.path().join("empty");
        for wrong in [
            Plan { parties: 0, ..plan() },
            Plan { stations: 17, ..plan() },
            Plan { observers: 65, ..plan() },
            Plan { port: 65_532, ..plan() },
        ] {
            assert!(matches!(make(&empty, &wrong), Err(LabError::Plan(_))), "{wrong:?}");
        }
        assert!(!empty.exists());
        assert!(make(&empty, &Plan { port: 65_531, ..plan() }).is_ok());
    }

    #[test]
    fn party_codes_go_on_after_the_alphabet() {
        let codes: Vec<_> = [0, 25, 26, 63].map(|at| party_code(at).unwrap().to_string()).into();
        assert_eq!(codes, ["AAA", "ZZZ", "AAA2", "LLL3"]);
    }
}
