//! Two states link by hand, and each wrong turn is told.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::keystore::{
    Unlock,
    signer::{self, Signer},
};
use cbm_proto::{
    id::{PartyCode, StationName},
    primitives::Entropy,
    time::Timestamp,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

const NOW: Timestamp = Timestamp(1_795_305_108_000);

struct Desk {
    folder: tempfile::TempDir,
    entropy: Entropy,
}

impl Desk {
    fn new() -> Self {
        Self::of(4)
    }

    fn of(seed: u8) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), entropy: Entropy::new(&[seed; 32]) }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn authority(&mut self, code: &str) -> KeysMade {
        let folder = self.at(&format!("{code}-authority"));
        keygen_authority(&folder, &PartyCode::new(code).unwrap(), None, &mut self.entropy).unwrap()
    }

    fn station(&mut self, name: &str) -> KeysMade {
        let folder = self.at(&name.replace('/', "-"));
        let name = StationName::parse(name).unwrap();
        keygen_station(&folder, &name, &StationSeal::default(), &mut self.entropy).unwrap()
    }

    fn accord(&self, role: &str) -> Result<AccordShown, CeremonyError> {
        let description = self.at("accord.toml");
        let text = format!(
            "name = \"Two states\"\nthreshold = 2\n\
             [[parties]]\nname = \"Arland\"\nrole = \"STATE\"\n\
             card = \"AAA-authority/authority.toml\"\n\
             [[parties]]\nname = \"Borduria\"\nrole = \"{role}\"\n\
             card = \"BBB-authority/authority.toml\"\n"
        );
        fs::write(&description, text).unwrap();
        fs::create_dir_all(self.at("documents")).unwrap();
        new_accord(&description, &self.at("documents/accord.cbm"), NOW)
    }

    fn signer(&self, code: &str) -> Result<Box<dyn Signer>, CeremonyError> {
        let folder = self.at(&format!("{code}-authority"));
        Ok(signer::open(&folder.to_string_lossy(), &Unlock::default())?)
    }

    fn sign(&self, code: &str) -> Result<AccordShown, CeremonyError> {
        sign_accord(&self.at("documents/accord.cbm"), &*self.signer(code)?, Before::default())
    }

    fn certify(&self, station: &Path, code: &str) -> Result<Written, CeremonyError> {
        let what = Certification {
            base: Base::Accord(&self.at("documents/accord.cbm")),
            whose: Whose::Card(station),
            offices: &[],
            dropped: &[],
            authority: &*self.signer(code)?,
            out: &self.at("documents"),
            serial: None,
            test_only: false,
            not_after: None,
        };
        certify(&what, NOW)
    }

    fn announce(&self, name: &str) -> Result<Written, CeremonyError> {
        let what = Announcement {
            documents: &self.at("documents"),
            keys: &self.at(&name.replace('/', "-")),
            unlock: &Unlock::default(),
            station: &StationName::parse(name).unwrap(),
            addresses: &["/ip4/127.0.0.1/tcp/4100".to_owned()],
            offices: &[],
        };
        announce(&what, NOW)
    }
}

fn two_states() -> Desk {
    states(4)
}

fn states(seed: u8) -> Desk {
    let mut desk = Desk::of(seed);
    desk.authority("AAA");
    desk.authority("BBB");
    desk.accord("STATE").unwrap();
    desk.sign("AAA").unwrap();
    desk.sign("BBB").unwrap();
    desk
}

#[test]
fn two_states_found_a_network_and_know_each_other() {
    let mut desk = Desk::new();
    let card = desk.authority("AAA");
    assert_eq!(card.words.split(' ').count(), 16);
    desk.authority("BBB");
    let drawn = desk.accord("STATE").unwrap();
    assert_eq!((drawn.complete, drawn.needed), (false, 2));
    let half = desk.sign("AAA").unwrap();
    assert_eq!(half.missing, ["BBB"]);
    let whole = desk.sign("BBB").unwrap();
    assert!(whole.complete && whole.words == drawn.words);
    for (name, code) in [("AAA/mfa", "AAA"), ("BBB/mfa", "BBB")] {
        let keys = desk.station(name);
        let written = desk.certify(&keys.card, code).unwrap();
        assert_eq!(written.words, keys.words);
        desk.announce(name).unwrap();
    }
    let verified = verify(&desk.at("documents"), NOW).unwrap();
    assert_eq!(verified.stations.len(), 2);
    assert_eq!(verified.stations[1].addresses, ["/ip4/127.0.0.1/tcp/4100"]);
    assert!(verified.refused.is_empty(), "{:?}", verified.refused);
    assert_eq!(verified.network, whole.network);
}

#[test]
fn an_incomplete_accord_carries_nothing() {
    let mut desk = Desk::new();
    desk.authority("AAA");
    desk.authority("BBB");
    desk.accord("STATE").unwrap();
    desk.sign("AAA").unwrap();
    let keys = desk.station("AAA/mfa");
    let error = desk.certify(&keys.card, "AAA").unwrap_err().to_string();
    assert!(error.contains("missing: BBB"), "{error}");
    assert!(verify(&desk.at("documents"), NOW).is_err());
}

#[test]
fn nobody_signs_what_is_not_theirs() {
    let mut desk = two_states();
    desk.authority("CCC");
    assert!(matches!(desk.sign("CCC"), Err(CeremonyError::NoSay { .. })));
    let keys = desk.station("AAA/mfa");
    assert!(matches!(desk.certify(&keys.card, "BBB"), Err(CeremonyError::NoSay { .. })));
    desk.certify(&keys.card, "AAA").unwrap();
    desk.station("AAA/cert");
    assert!(matches!(desk.announce("AAA/cert"), Err(CeremonyError::NotCertified { .. })));
    // Keys of another station under a certified name.
    fs::rename(desk.at("AAA-mfa"), desk.at("old")).unwrap();
    fs::rename(desk.at("AAA-cert"), desk.at("AAA-mfa")).unwrap();
    assert!(matches!(desk.announce("AAA/mfa"), Err(CeremonyError::NotCertified { .. })));
}

#[test]
fn a_card_that_was_changed_is_refused() {
    let mut desk = Desk::new();
    let first = desk.authority("AAA");
    let other = desk.authority("BBB");
    let text = fs::read_to_string(&first.card).unwrap();
    let stolen = fs::read_to_string(&other.card).unwrap();
    let key = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("ed25519")).unwrap();
        line.to_owned()
    };
    fs::write(&first.card, text.replace(&key(&text), &key(&stolen))).unwrap();
    let error = desk.accord("STATE").unwrap_err().to_string();
    assert!(error.contains("fingerprint is not that of the keys"), "{error}");
    fs::write(&first.card, "party = 1").unwrap();
    assert!(matches!(desk.accord("STATE"), Err(CeremonyError::Text { .. })));
}

#[test]
fn documents_are_shown_in_short_and_as_json() {
    let mut desk = two_states();
    let keys = desk.station("AAA/mfa");
    let certificate = desk.certify(&keys.card, "AAA").unwrap().file;
    let shown = serde_json::to_value(show(&certificate, Before::default()).unwrap()).unwrap();
    assert_eq!(shown["kind"], "certificate");
    assert_eq!(shown["station"], "AAA/mfa");
    let accord = show(&desk.at("documents/accord.cbm"), Before::default()).unwrap();
    let accord = serde_json::to_value(accord).unwrap();
    assert_eq!(accord["signed_by"], serde_json::json!(["AAA", "BBB"]));
    let wrong = desk.accord("KING").unwrap_err().to_string();
    assert!(wrong.contains("role `KING`"), "{wrong}");
}

mod later;
