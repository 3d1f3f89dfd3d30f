//! After the founding: next versions, copies signed apart, keys taken back, groups.
use super::*;
use cbm_proto::{
    accord::{Document, Head, Method},
    id::{Digest, KeyId},
};

impl Desk {
    fn folder(&self) -> PathBuf {
        self.at("documents")
    }

    fn update(&self, changes: &Changes<'_>) -> Result<AccordShown, CeremonyError> {
        update_accord(&self.folder(), None, changes, &self.at("next.cbm"), NOW)
    }

    /// The next version with a third state in it.
    fn admit(&mut self, code: &str) -> AccordShown {
        let card = self.authority(code).card;
        let admit = vec![(card, "STATE".to_owned(), "Third".to_owned())];
        self.update(&Changes { admit, ..Changes::default() }).unwrap()
    }

    fn sign_next(&self, code: &str, file: &str) -> Result<AccordShown, CeremonyError> {
        let (folder, signer) = (self.folder(), self.signer(code)?);
        let against = Before { file: None, documents: Some(&folder) };
        sign_accord(&self.at(file), &*signer, against)
    }

    fn certified(&mut self, name: &str) -> KeysMade {
        let keys = self.station(name);
        self.certify(&keys.card, &name[..3]).unwrap();
        keys
    }

    fn take_back(&self, code: &str, what: &Taken, heads: &[Head]) -> Revoked {
        let (folder, signer) = (self.folder(), self.signer(code)?);
        let (authority, kept, reason) = (&*signer, &[][..], "stolen");
        revoke(&TakeBack { documents: &folder, authority, what, heads, kept, reason }, NOW)
    }
}

type Revoked = Result<Vec<RevocationShown>, CeremonyError>;

fn told<T: std::fmt::Debug>(done: Result<T, CeremonyError>) -> String {
    done.unwrap_err().to_string()
}

#[test]
fn a_third_party_comes_in_by_the_signatures_of_the_version_before() {
    let mut desk = two_states();
    let drawn = desk.admit("CCC");
    assert_eq!(drawn.changes, ["CCC (Third) comes in as STATE"]);
    assert_eq!((drawn.version, drawn.needed, drawn.complete), (2, 2, false));
    assert_eq!(drawn.parties[2].fingerprints.len(), 1);
    let stranger = told(desk.sign_next("CCC", "next.cbm"));
    assert!(stranger.contains("STATE party of version 1"), "{stranger}");
    desk.sign_next("AAA", "next.cbm").unwrap();
    let whole = desk.sign_next("BBB", "next.cbm").unwrap();
    assert!(whole.complete);
    fs::copy(desk.at("next.cbm"), desk.at("documents/accord-2.cbm")).unwrap();
    let verified = verify(&desk.folder(), NOW).unwrap();
    assert_eq!((verified.accord_version, verified.parties.len()), (2, 3));
    // A party of version 2 certifies by the folder; version 1 alone does not know it.
    let card = desk.station("CCC/mfa").card;
    let signer = desk.signer("CCC").unwrap();
    let folder = desk.folder();
    let certify_by = |base| {
        let what = Certification {
            base,
            whose: Whose::Card(&card),
            offices: &[],
            dropped: &[],
            authority: &*signer,
            out: &folder,
            serial: None,
            test_only: false,
            not_after: None,
        };
        certify(&what, NOW)
    };
    let first = folder.join("accord.cbm");
    assert!(certify_by(Base::Accord(&first)).is_err());
    assert_eq!(certify_by(Base::Folder(&folder)).unwrap().serial, 1);
    let second = certify_by(Base::Folder(&folder)).unwrap();
    assert_eq!(second.serial, 2, "the next one after the highest");
    assert!(second.file.ends_with("CCC-mfa-certificate-2.cbm"));
}

#[test]
fn copies_that_were_signed_apart_become_one() {
    let mut desk = two_states();
    desk.admit("CCC");
    fs::copy(desk.at("next.cbm"), desk.at("copy.cbm")).unwrap();
    desk.sign_next("AAA", "next.cbm").unwrap();
    desk.sign_next("BBB", "copy.cbm").unwrap();
    let folder = desk.folder();
    let against = Before { file: None, documents: Some(&folder) };
    let merge = |files: [&str; 2]| {
        let files: Vec<PathBuf> = files.iter().map(|f| desk.at(f)).collect();
        merge_accords(&files, against, &desk.at("joined.cbm"))
    };
    let joined = merge(["next.cbm", "copy.cbm"]).unwrap();
    assert_eq!(joined.signed_by, ["AAA", "BBB"]);
    assert!(joined.complete);
    let other = told(merge(["next.cbm", "documents/accord.cbm"]));
    assert!(other.contains("are different documents"), "{other}");
    // A copy with a signature of somebody who has no say names its file.
    let bytes = fs::read(desk.at("copy.cbm")).unwrap();
    let signed = desk.signer("CCC").unwrap().sign(Document::decode(&bytes).unwrap()).unwrap();
    fs::write(desk.at("bad.cbm"), signed.bytes()).unwrap();
    let bad = told(merge(["next.cbm", "bad.cbm"]));
    assert!(bad.contains("bad.cbm: signed by a key that may not sign"), "{bad}");
}

#[test]
fn a_version_needs_the_one_before_it_and_its_own_network() {
    let mut desk = two_states();
    desk.admit("CCC");
    let signer = desk.signer("AAA").unwrap();
    let sign = |against| sign_accord(&desk.at("next.cbm"), &*signer, against);
    let none = told(sign(Before::default()));
    assert!(none.contains("--documents"), "{none}");
    let itself = desk.at("next.cbm");
    let wrong = told(sign(Before { file: Some(&itself), documents: None }));
    assert!(wrong.contains("what it follows is not"), "{wrong}");
    let other = states(5);
    let elsewhere = other.folder();
    let foreign = told(sign(Before { file: None, documents: Some(&elsewhere) }));
    assert!(foreign.contains("belongs to another network"), "{foreign}");
}

#[test]
fn a_change_that_is_none_or_that_cannot_be_is_told() {
    let desk = two_states();
    let changes = Changes::default();
    assert!(matches!(desk.update(&changes), Err(CeremonyError::NothingChanges)));
    let card = desk.at("AAA-authority/authority.toml");
    let admit = vec![(card, "STATE".to_owned(), "Again".to_owned())];
    let again = told(desk.update(&Changes { admit, ..Changes::default() }));
    assert!(again.contains("--rekey"), "{again}");
    let remove = vec![PartyCode::new("ZZZ").unwrap()];
    assert!(desk.update(&Changes { remove, ..Changes::default() }).is_err());
    assert!(desk.update(&Changes { threshold: Some(3), ..Changes::default() }).is_err());
    let lower = desk.update(&Changes { threshold: Some(1), ..Changes::default() }).unwrap();
    assert_eq!(lower.changes, ["the next version needs 1 signatures, was 2"]);
    assert_eq!(lower.needed, 2, "the threshold of the version before counts");
}

#[test]
fn a_description_says_the_whole_next_version() {
    let mut desk = two_states();
    desk.authority("CCC");
    let file = desk.at("next.toml");
    let text = "name = \"Two states\"\n[[parties]]\ncode = \"AAA\"\n[[parties]]\n\
                name = \"Third\"\nrole = \"STATE\"\ncard = \"CCC-authority/authority.toml\"\n";
    fs::write(&file, text).unwrap();
    let described = Changes { description: Some(&file), ..Changes::default() };
    let drawn = desk.update(&described).unwrap();
    assert_eq!(drawn.changes, ["CCC (Third) comes in as STATE", "BBB leaves"]);
    fs::write(&file, text.replace("AAA", "DDD")).unwrap();
    let absent = told(desk.update(&described));
    assert!(absent.contains("DDD is not in the version before"), "{absent}");
}

#[test]
fn a_party_takes_back_the_keys_of_its_own_stations_alone() {
    let mut desk = two_states();
    let card = desk.certified("AAA/mfa").card;
    let name = StationName::parse("AAA/mfa").unwrap();
    let what = Taken::Certificate(name.clone(), None);
    let other = told(desk.take_back("BBB", &what, &[]));
    assert!(other.contains("whose station it is"), "{other}");
    let missing = told(desk.take_back("AAA", &Taken::Certificate(name, Some(7)), &[]));
    assert!(missing.contains("the one in force is 1"), "{missing}");
    let head = Head::of_document(Digest([7; 32]));
    let written = desk.take_back("AAA", &what, &[head]).unwrap();
    let roles: Vec<_> = written.iter().filter_map(|one| one.role.as_deref()).collect();
    assert_eq!(roles, ["SIGN", "PEER", "SEAL"]);
    assert_eq!(written[0].stands_by, 1);
    assert_eq!(written[1].stands_by, 0, "only what is signed stands");
    let file = written[0].file.clone().unwrap();
    let shown = serde_json::to_value(show(&file, Before::default()).unwrap()).unwrap();
    assert_eq!((&shown["kind"], &shown["reason"]), (&"revocation".into(), &"stolen".into()));
    let by_card = desk.take_back("AAA", &Taken::Card(card), &[]).unwrap();
    assert_eq!(by_card.len(), 3);
    let refused = verify(&desk.folder(), NOW).unwrap().refused;
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn heads_are_read_as_the_journal_writes_them() {
    let desk = Desk::new();
    let file = desk.at("heads.json");
    let (id, digest) = ("0".repeat(32), "1".repeat(64));
    let one = format!(
        "{{\"incarnation\":\"{id}\",\"lane\":\"{id}\",\"seq\":4,\"header\":\"{digest}\",\
         \"made_at\":\"x\"}}"
    );
    for text in [
        format!("{one}\n{one}\n"),
        format!("[{one},{one}]"),
        format!("{{\"heads\":[{one},{one}]}}"),
    ] {
        fs::write(&file, &text).unwrap();
        assert_eq!(read_heads(&file).unwrap().len(), 2, "{text}");
    }
    fs::write(&file, one.replace("\"seq\":4,", "")).unwrap();
    let wrong = told(read_heads(&file));
    assert!(wrong.contains("cbm journal heads"), "{wrong}");
}

#[test]
fn keys_are_vouched_for_by_the_card_that_was_checked() {
    let mut desk = two_states();
    let signer = desk.signer("AAA").unwrap();
    let attest_card = |card: &Path| attest(&desk.folder(), &*signer, card, Method::InPerson, NOW);
    let shown = attest_card(&desk.at("BBB-authority/authority.toml")).unwrap();
    assert_eq!((shown.by.as_str(), shown.subject.as_str()), ("AAA", "BBB"));
    let own = attest_card(&desk.at("AAA-authority/authority.toml"));
    assert!(own.is_err(), "nobody vouches for itself");
    // A card of the same party with another key.
    fs::rename(desk.at("BBB-authority"), desk.at("old")).unwrap();
    let card = desk.authority("BBB").card;
    let signer = desk.signer("AAA").unwrap();
    let other = told(attest(&desk.folder(), &*signer, &card, Method::Voice, NOW));
    assert!(other.contains("are not those of BBB"), "{other}");
}

#[test]
fn a_group_counts_when_each_member_has_signed() {
    let mut desk = two_states();
    desk.admit("CCC");
    let (folder, out) = (desk.folder(), desk.at("charter.cbm"));
    let members = |codes: &[&str]| codes.iter().map(|c| PartyCode::new(c).unwrap()).collect();
    let plan = |codes: &[&str]| CharterPlan {
        documents: &folder,
        name: "coast",
        members: members(codes),
        rules: "Tell each other first.".to_owned(),
    };
    assert!(new_charter(&plan(&["AAA", "CCC"]), &out, NOW).is_err(), "CCC is not in force");
    let drawn = new_charter(&plan(&["AAA", "BBB"]), &out, NOW).unwrap();
    assert_eq!((drawn.complete, drawn.missing.len()), (false, 2));
    let sign = |code: &str| sign_charter(&out, &folder, &*desk.signer(code)?);
    assert!(told(sign("CCC")).contains("member of charter coast"));
    assert_eq!(sign("AAA").unwrap().signed_by, ["AAA"]);
    assert!(sign("BBB").unwrap().complete);
    fs::copy(&out, folder.join("charter-coast-1.cbm")).unwrap();
    assert_eq!(verify(&folder, NOW).unwrap().groups[0].members, ["AAA", "BBB"]);
    let again = told(new_charter(&plan(&["AAA", "BBB"]), &out, NOW));
    assert!(again.contains("cbm charter update"), "{again}");
    let change = |name, rules: Option<&str>| CharterChange {
        documents: &folder,
        name,
        add: vec![],
        remove: vec![],
        rules: rules.map(str::to_owned),
    };
    assert!(told(update_charter(&change("hills", None), &out, NOW)).contains("no charter hills"));
    assert!(update_charter(&change("coast", None), &out, NOW).is_err(), "nothing would change");
    let second = update_charter(&change("coast", Some("Others.")), &out, NOW).unwrap();
    assert_eq!((second.version, second.rules.as_str()), (2, "Others."));
}

#[test]
fn documents_of_a_node_are_written_once_and_over_nothing_else() {
    let mut desk = two_states();
    desk.certified("AAA/mfa");
    desk.announce("AAA/mfa").unwrap();
    let documents = documents_of(&desk.folder());
    let out = desk.at("out");
    fs::create_dir(&out).unwrap();
    let first = export(&out, &documents).unwrap();
    assert_eq!((first.written.len(), first.known), (3, 0));
    assert_eq!(export(&out, &documents).unwrap().known, 3);
    assert_eq!(verify(&out, NOW).unwrap().stations.len(), 1);
    // Another certificate under a name that is taken.
    fs::copy(out.join("accord-1.cbm"), out.join("AAA-mfa-certificate.cbm")).unwrap();
    let again = export(&out, &documents).unwrap();
    assert_eq!(again.written.len(), 1);
    assert_ne!(again.written[0], out.join("AAA-mfa-certificate.cbm"));
}

fn documents_of(folder: &Path) -> Vec<Vec<u8>> {
    let paths = crate::documents::list(folder).unwrap();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn another_kind_of_document_is_named() {
    let mut desk = two_states();
    desk.certified("AAA/mfa");
    let file = desk.at("documents/AAA-mfa-certificate.cbm");
    let signer = desk.signer("AAA").unwrap();
    let accord = told(sign_accord(&file, &*signer, Before::default()));
    assert!(accord.contains("is a certificate; name the file of the accord"), "{accord}");
    let charter = told(sign_charter(&file, &desk.folder(), &*signer));
    assert!(charter.contains("name the file of the charter"), "{charter}");
    fs::write(&file, "words").unwrap();
    let none = told(show(&file, Before::default()));
    assert!(none.contains("not a document"), "{none}");
}

#[test]
fn two_next_versions_are_shown_as_contested_until_one_is_followed() {
    let mut desk = two_states();
    for (code, file) in [("CCC", "accord-2.cbm"), ("DDD", "accord-2b.cbm")] {
        desk.admit(code);
        // Each signer sees one of them only, and learns of the other when it is too late.
        desk.sign_next("AAA", "next.cbm").unwrap();
        desk.sign_next("BBB", "next.cbm").unwrap();
        fs::rename(desk.at("next.cbm"), desk.at(file)).unwrap();
    }
    for file in ["accord-2.cbm", "accord-2b.cbm"] {
        fs::copy(desk.at(file), desk.folder().join(file)).unwrap();
    }
    let verified = verify(&desk.folder(), NOW).unwrap();
    assert!(verified.conflicts.iter().any(|c| c.starts_with("contested: 2 versions 2")));
    assert!(verified.parties.iter().any(|party| party.contested && party.code == "CCC"));
    let lower = Changes { threshold: Some(1), ..Changes::default() };
    let told_so = told(desk.update(&lower));
    assert!(told_so.contains("--before FILE"), "{told_so}");
    // Following one of them settles it.
    let one = desk.folder().join("accord-2.cbm");
    let next = desk.at("next.cbm");
    update_accord(&desk.folder(), Some(&one), &lower, &next, NOW).unwrap();
    desk.sign_next("AAA", "next.cbm").unwrap();
    assert!(desk.sign_next("BBB", "next.cbm").unwrap().complete);
    fs::copy(&next, desk.folder().join("accord-3.cbm")).unwrap();
    let settled = verify(&desk.folder(), NOW).unwrap();
    assert_eq!(settled.accord_version, 3);
    assert!(settled.parties.iter().all(|party| !party.contested));
}

#[test]
fn nobody_signs_a_second_version_of_one_number() {
    let mut desk = two_states();
    desk.admit("CCC");
    fs::copy(desk.at("next.cbm"), desk.at("other.cbm")).unwrap();
    desk.admit("DDD");
    desk.sign_next("AAA", "next.cbm").unwrap();
    desk.sign_next("BBB", "next.cbm").unwrap();
    fs::copy(desk.at("next.cbm"), desk.folder().join("accord-2.cbm")).unwrap();
    assert!(desk.sign_next("AAA", "next.cbm").is_ok(), "the one that is there may be signed on");
    let second = told(desk.sign_next("AAA", "other.cbm"));
    assert!(second.contains("makes it contested"), "{second}");
}

#[test]
fn keys_of_offices_go_on_into_the_next_certificate_until_dropped_or_taken_back() {
    let mut desk = two_states();
    desk.certified("AAA/mfa");
    let folder = desk.folder();
    let signer = desk.signer("AAA").unwrap();
    let station = StationName::parse("AAA/mfa").unwrap();
    let card = |name: &str, seed: u8| {
        let made = keygen_office(&desk.at(name), None, &mut Entropy::new(&[seed; 32])).unwrap();
        made.card
    };
    let certify_with = |offices: &[(String, PathBuf)], dropped: &[String]| {
        let what = Certification {
            base: Base::Folder(&folder),
            whose: Whose::Known(&station),
            offices,
            dropped,
            authority: &*signer,
            out: &folder,
            serial: None,
            test_only: false,
            not_after: None,
        };
        certify(&what, NOW)
    };
    let duty = [("duty".to_owned(), card("duty", 21))];
    let first = certify_with(&duty, &[]).unwrap();
    assert!(first.offices[0].ends_with(" duty"), "{:?}", first.offices);
    let cyber = [("cyber".to_owned(), card("cyber", 22))];
    assert_eq!(certify_with(&cyber, &[]).unwrap().offices.len(), 2);
    let told = certify_with(&[], &["night".to_owned()]).unwrap_err().to_string();
    assert!(told.contains("no key of an office `night`"), "{told}");
    let key = KeyId::from_hex(first.offices[0].split(' ').nth(1).unwrap()).unwrap();
    let back = TakeBack {
        documents: &folder,
        authority: &*signer,
        what: &Taken::Key(station.clone(), key),
        heads: &[],
        kept: &[],
        reason: "lost",
    };
    let taken = revoke(&back, NOW).unwrap();
    assert_eq!(taken[0].role.as_deref(), Some("OFFICE"));
    let left = certify_with(&[], &[]).unwrap().offices;
    assert!(left.len() == 1 && left[0].ends_with(" cyber"), "{left:?}");
    let own = TakeBack { what: &Taken::Certificate(station.clone(), None), ..back };
    let roles = revoke(&own, NOW).unwrap();
    assert!(roles.iter().all(|shown| shown.role.as_deref() != Some("OFFICE")), "it lies elsewhere");
}
