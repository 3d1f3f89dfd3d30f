//! The rules of admission, each with the document that breaks it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{
    make::{AccordDraft, CertificateDraft, CharterDraft, PartyDraft},
    *,
};
use crate::{
    id::{NetworkId, PartyCode, StationName},
    keys::{AuthorityKeys, StationKeys},
    primitives::Entropy,
    time::Timestamp,
    wire,
};

mod order;
mod taken;

const PARTIES: [(&str, Role, &[&str]); 4] = [
    ("AAA", Role::State, &["mfa", "cert"]),
    ("BBB", Role::State, &["mfa"]),
    ("CCC", Role::State, &["mfa"]),
    ("OB1", Role::Observer, &["watch"]),
];

fn founded() -> Founded {
    sample(&PARTIES, &mut Entropy::new(&[1; 32])).unwrap()
}

fn code(text: &str) -> PartyCode {
    PartyCode::new(text).unwrap()
}

fn name(text: &str) -> StationName {
    StationName::parse(text).unwrap()
}

fn certificate(of: &str, serial: u64, keys: &StationKeys, network: &NetworkId) -> Document {
    let draft = CertificateDraft {
        station: name(of),
        serial,
        scopes: Scopes::default(),
        made_at: Timestamp(1),
        not_after: Some(Timestamp(2)),
    };
    make::certificate(network, &draft, &keys.public()).unwrap()
}

fn fresh(seed: u8) -> StationKeys {
    StationKeys::generate(&mut Entropy::new(&[seed; 32]))
}

#[test]
fn a_copy_that_takes_a_document_leaves_the_other_as_it_was() {
    let founded = founded();
    let before = Directory::new(&founded.accord).unwrap();
    let mut after = before.clone();
    after.admit_all(founded.documents.iter().map(|document| &document[..]));
    assert_eq!((before.documents().len(), before.members().count()), (1, 0));
    assert_eq!(after.documents().len(), founded.documents.len());
    assert_eq!(after.members().count(), founded.stations.len());
}

/// Version 2: `keep` of the founders, with their keys.
fn second(founded: &Founded, keep: &[&str]) -> AccordDraft {
    let party = |text: &&str| PartyDraft {
        code: code(text),
        name: "Party".to_owned(),
        role: if *text == "OB1" { Role::Observer } else { Role::State },
        authority: founded.authorities[&code(text)].public(),
    };
    AccordDraft {
        name: "Second".to_owned(),
        parties: keep.iter().map(party).collect(),
        threshold: 1,
        made_at: Timestamp(3),
        not_after: None,
        after: Some((founded.network, 1, founded.directory().unwrap().accord_digest())),
    }
}

fn sign(founded: &Founded, document: Document, parties: &[&str]) -> Document {
    let authority = |text: &&str| &founded.authorities[&code(text)];
    parties.iter().map(authority).fold(document, |doc, keys| doc.signed_by(&keys.sign))
}

#[test]
fn a_founded_network_shows_who_is_who() {
    let founded = founded();
    let directory = founded.directory().unwrap();
    assert_eq!(directory.members().count(), 5);
    assert_eq!(directory.stations_of(&code("AAA")).count(), 2);
    let mfa = directory.by_name(&name("AAA/mfa")).unwrap();
    assert_eq!(mfa.id, station_id(&founded.network, &name("AAA/mfa")));
    assert_eq!(mfa.sign, founded.stations[&name("AAA/mfa")].sign.public());
    assert_eq!(directory.by_peer(&mfa.peer).unwrap().id, mfa.id);
    assert_eq!(mfa.offices[0].code, "duty");
    let all = directory.group("all").unwrap();
    assert_eq!(all.parties.len(), 3);
    let watch = directory.by_name(&name("OB1/watch")).unwrap();
    assert_eq!(watch.role, Role::Observer);
    let lane = directory.lane_members(&all.lane).unwrap();
    assert!(lane.len() == 4 && lane.contains(&mfa.id) && !lane.contains(&watch.id));
    assert!(mfa.is_expired(Timestamp(u64::MAX)) == mfa.not_after.is_some());
}

#[test]
fn the_view_does_not_depend_on_the_order_of_documents() {
    let founded = founded();
    let expected = founded.directory().unwrap();
    let mut reversed = Directory::new(&founded.accord).unwrap();
    let docs = founded.documents.iter().rev().map(|doc| doc.as_ref());
    let (new, left) = reversed.admit_all(docs);
    assert!(left.is_empty() && new.len() == founded.documents.len() - 1);
    assert_eq!(format!("{reversed:?}"), format!("{expected:?}"));
    let again = reversed.admit(&founded.documents[2]).unwrap();
    assert_eq!(again.news, News::Known);
}

#[test]
fn version_one_needs_every_state() {
    let founded = founded();
    let document = Document::decode(&founded.accord).unwrap();
    let text = read::AccordText::read(&document).unwrap();
    let bare = Document::unsigned(DocumentKind::Accord, document.payload().to_vec());
    let two = sign(&founded, bare.clone(), &["AAA", "BBB"]);
    let count = count_signatures(&two, &text, None).unwrap();
    assert_eq!((count.have.len(), count.need), (2, 3));
    assert_eq!(
        Directory::new(two.bytes()).unwrap_err(),
        DocumentError::TooFewSignatures { have: 2, need: 3, missing: "CCC".into() }
    );
    // An observer's authority has no say.
    let observed = sign(&founded, two, &["OB1"]);
    assert!(matches!(
        Directory::new(observed.bytes()),
        Err(DocumentError::NotEntitled { kind: "accord", .. })
    ));
}

#[test]
fn a_later_version_needs_its_predecessor_and_m_of_n_of_it() {
    let founded = founded();
    let mut directory = founded.directory().unwrap();
    let draft = second(&founded, &["AAA", "BBB", "OB1"]);
    let unsigned = make::accord(&draft).unwrap();
    // The threshold of version 1 is 2; that of version 2 does not count for itself.
    let one = sign(&founded, unsigned.clone(), &["AAA"]);
    let few = directory.admit(one.bytes()).unwrap_err();
    assert!(matches!(few, DocumentError::TooFewSignatures { have: 1, need: 2, .. }));
    let mut wrong = draft.clone();
    wrong.after = Some((founded.network, 1, crate::id::Digest([9; 32])));
    let wrong = sign(&founded, make::accord(&wrong).unwrap(), &["AAA", "BBB"]);
    let refused = directory.admit(wrong.bytes()).unwrap_err();
    assert_eq!(refused, DocumentError::WrongPredecessor { version: 2 });
    let mut third = draft;
    third.after = Some((founded.network, 2, unsigned.digest()));
    let third = sign(&founded, make::accord(&third).unwrap(), &["AAA"]);
    let early = directory.admit(third.bytes()).unwrap_err();
    assert_eq!(early.class(), Class::Missing);
    let good = sign(&founded, unsigned, &["BBB", "CCC"]);
    assert_eq!(directory.admit(good.bytes()).unwrap().news, News::New);
    assert_eq!(directory.admit(third.bytes()).unwrap().news, News::New);
    assert_eq!(directory.accord_version(), 3);
    assert_eq!(directory.network(), founded.network);
}

#[test]
fn a_party_that_leaves_loses_its_role_unless_a_charter_stands() {
    let founded = founded();
    let draft = CharterDraft {
        name: "north".to_owned(),
        members: vec![code("CCC"), code("BBB")],
        rules: String::new(),
        made_at: Timestamp(2),
        after: None,
    };
    let charter = make::charter(&founded.network, &draft).unwrap();
    let half = sign(&founded, charter.clone(), &["BBB"]);
    let charter = sign(&founded, charter, &["BBB", "CCC"]);
    let without = make::accord(&second(&founded, &["AAA", "BBB", "OB1"])).unwrap();
    let without = sign(&founded, without, &["AAA", "BBB"]);
    let ccc = name("CCC/mfa");

    let mut plain = founded.directory().unwrap();
    assert!(plain.admit(half.bytes()).is_err());
    plain.admit(without.bytes()).unwrap();
    assert_eq!(plain.by_name(&ccc).unwrap().role, Role::Unknown(0));
    assert_eq!(plain.group("all").unwrap().parties.len(), 2);

    let mut chartered = founded.directory().unwrap();
    chartered.admit(charter.bytes()).unwrap();
    let lane = chartered.group("north").unwrap().lane;
    let given = |to: &str| {
        let id = station_id(&founded.network, &name(to));
        chartered.documents_for(&id).iter().any(|(_, bytes)| bytes == charter.bytes())
    };
    assert!(given("BBB/mfa") && !given("AAA/mfa") && !given("OB1/watch"));
    chartered.admit(without.bytes()).unwrap();
    let member = chartered.by_name(&ccc).unwrap();
    assert_eq!(member.role, Role::State);
    assert!(chartered.lane_members(&lane).unwrap().contains(&member.id));
    let all = chartered.group("all").unwrap().lane;
    assert!(!chartered.lane_members(&all).unwrap().contains(&member.id));
}

#[test]
fn a_certificate_counts_by_its_own_party_alone() {
    let founded = founded();
    let mut directory = founded.directory().unwrap();
    let keys = fresh(40);
    let unsigned = certificate("BBB/new", 1, &keys, &founded.network);
    let foreign = sign(&founded, unsigned.clone(), &["AAA"]);
    assert!(matches!(
        directory.admit(foreign.bytes()),
        Err(DocumentError::NotEntitled { kind: "certificate", .. })
    ));
    assert!(directory.admit(unsigned.bytes()).is_err());
    let other = certificate("BBB/new", 1, &keys, &NetworkId([5; 32]));
    let other = sign(&founded, other, &["BBB"]);
    assert_eq!(directory.admit(other.bytes()), Err(DocumentError::ForeignNetwork));
    assert!(directory.by_name(&name("BBB/new")).is_none());
    let good = sign(&founded, unsigned, &["BBB"]);
    directory.admit(good.bytes()).unwrap();
    let all = directory.group("all").unwrap().lane;
    let id = directory.by_name(&name("BBB/new")).unwrap().id;
    assert!(directory.lane_members(&all).unwrap().contains(&id));
}

#[test]
fn the_highest_serial_is_in_force_and_older_keys_stay_known() {
    let founded = founded();
    let of = "AAA/mfa";
    let [second, third] = [(2, 42), (3, 43)].map(|(serial, seed)| {
        let document = certificate(of, serial, &fresh(seed), &founded.network);
        sign(&founded, document, &["AAA"])
    });
    let mut forth = founded.directory().unwrap();
    forth.admit(second.bytes()).unwrap();
    forth.admit(third.bytes()).unwrap();
    let mut back = founded.directory().unwrap();
    back.admit(third.bytes()).unwrap();
    back.admit(second.bytes()).unwrap();
    assert_eq!(format!("{forth:?}"), format!("{back:?}"));
    let member = back.by_name(&name(of)).unwrap();
    assert_eq!(member.serial, 3);
    assert_eq!((member.sign_keys.len(), member.epochs.len()), (3, 3));
    assert_eq!(member.peer, fresh(43).public().peer);
    // The PEER key before is let in still, the one before that is not.
    assert_eq!(member.peers, [fresh(43).public().peer, fresh(42).public().peer]);
    assert_eq!(back.by_peer(&fresh(42).public().peer).unwrap().id, member.id);
    let first = &founded.stations[&name(of)].public().peer;
    assert!(back.by_peer(first).is_none());
    assert!(member.is_expired(Timestamp(3)) && !member.is_expired(Timestamp(2)));
    assert!(!member.offices.is_empty(), "the contact outlives the certificate");
    assert!(member.contact_at.is_some(), "and when it was made");
}

#[test]
fn a_peer_key_counts_for_the_station_that_shows_to_hold_it() {
    let founded = founded();
    let of = name("AAA/mfa");
    let keys = &founded.stations[&of];
    let peer = keys.public().peer;
    // Older than the rightful one, by its own word.
    let thief = certificate("BBB/thief", 1, keys, &founded.network);
    let thief = sign(&founded, thief, &["BBB"]);
    let mut directory = founded.directory().unwrap();
    directory.admit(thief.bytes()).unwrap();
    assert_eq!(directory.by_peer(&peer).unwrap().name, name("BBB/thief"));
    assert!(directory.by_name(&of).unwrap().peers.is_empty());
    assert!(matches!(directory.conflicts(), [Conflict::PeerTwice { .. }]));
    let secret = crate::primitives::SignSecret::from_seed(&keys.peer_seed);
    let proven =
        make::proven_contact(&founded.network, &of, 9, &[], &[], Timestamp(1), &secret).unwrap();
    directory.admit(proven.signed_by(&keys.sign).bytes()).unwrap();
    assert_eq!(directory.by_peer(&peer).unwrap().name, of);
    assert!(directory.by_name(&name("BBB/thief")).unwrap().peers.is_empty());
}

#[test]
fn a_contact_counts_by_its_station_and_the_newest_one_stands() {
    let founded = founded();
    let mut directory = founded.directory().unwrap();
    let of = name("AAA/mfa");
    let contact = |serial, port: u16| {
        let address = [format!("/ip4/192.0.2.1/tcp/{port}")];
        make::contact(&founded.network, &of, serial, &address, &[], Timestamp(1)).unwrap()
    };
    let keys = &founded.stations[&of];
    let new = contact(7, 7).signed_by(&keys.sign);
    let stranger = contact(8, 8).signed_by(&fresh(9).sign);
    assert_eq!(directory.admit(new.bytes()).unwrap().news, News::New);
    let held = directory.documents().len();
    let old = contact(6, 6).signed_by(&keys.sign);
    assert_eq!(directory.admit(old.bytes()).unwrap().news, News::Superseded);
    assert!(directory.admit(stranger.bytes()).is_err());
    assert_eq!(directory.by_name(&of).unwrap().addresses, ["/ip4/192.0.2.1/tcp/7"]);
    assert_eq!(directory.documents().len(), held);
    let wrong = ["192.0.2.1:4100".to_owned()];
    assert!(make::contact(&founded.network, &of, 9, &wrong, &[], Timestamp(1)).is_err());
}

#[test]
fn a_changed_byte_anywhere_changes_nothing() {
    let founded = founded();
    let good = &founded.documents[1];
    let mut directory = Directory::new(&founded.accord).unwrap();
    for at in (0..good.len()).step_by(5) {
        let mut bad = good.to_vec();
        bad[at] ^= 0x40;
        assert!(directory.admit(&bad).is_err(), "byte {at}");
    }
    assert_eq!(directory.documents().len(), 1);
}

#[test]
fn roles_unknown_to_this_version_have_no_rights() {
    let entropy = &mut Entropy::new(&[3; 32]);
    let stations: &[&str] = &["mfa"];
    let parties = [("AAA", Role::State, stations), ("ZZZ", Role::Unknown(77), stations)];
    let founded = sample(&parties, entropy).unwrap();
    let directory = founded.directory().unwrap();
    let future = directory.by_name(&name("ZZZ/mfa")).unwrap();
    assert_eq!(future.role, Role::Unknown(77));
    assert!(!future.role.carries());
    assert!(!directory.group("all").unwrap().parties.contains(&code("ZZZ")));
}

#[test]
fn a_format_of_the_future_is_no_fault_of_who_sends_it() {
    let founded = founded();
    let mut directory = founded.directory().unwrap();
    let future = wire::Signed { kind: 1, format: 2, payload: vec![1].into(), sigs: vec![] };
    let kind = wire::Signed { kind: 99, format: 1, ..future.clone() };
    for document in [future, kind] {
        let error = directory.admit(&wire::encode(&document)).unwrap_err();
        assert_eq!(error.class(), Class::Future);
    }
    // Other algorithms beside a good signature are kept and not counted.
    let mut signed: wire::Signed = wire::decode(&founded.accord, usize::MAX).unwrap();
    let other = AuthorityKeys::generate(&mut Entropy::new(&[9; 32]));
    let sig = wire::Signature {
        key_id: other.sign.public().id().0.to_vec().into(),
        alg: 2,
        bytes: vec![0; 2_420].into(),
    };
    signed.sigs.push(sig);
    signed.sigs.sort_by(|a, b| (&a.key_id, a.alg).cmp(&(&b.key_id, b.alg)));
    let hybrid = Directory::new(&wire::encode(&signed)).unwrap();
    assert_eq!(hybrid.network(), founded.network);
}
