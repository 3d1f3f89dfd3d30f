//! Keys that are taken back: what they signed, what stays, and who has the last word.

use super::*;
use crate::id::{Digest, FeedId, Incarnation, KeyId, LaneId};

fn authority(founded: &Founded, party: &str) -> KeyId {
    founded.authorities[&code(party)].sign.public().id()
}

#[test]
fn a_stolen_sign_key_ends_at_the_heads_that_are_named() {
    let founded = founded();
    let of = name("AAA/mfa");
    let mut directory = founded.directory().unwrap();
    let id = directory.by_name(&of).unwrap().id;
    let key = founded.stations[&of].sign.public().id();
    let feed = FeedId { author: id, incarnation: Incarnation([1; 16]), lane: LaneId([2; 16]) };
    let heads = vec![Head::of_feed(&feed, 7, Digest([3; 32]))];
    let doc = founded.revoke(&of, key, heads, Timestamp(9)).unwrap();
    directory.admit(doc.bytes()).unwrap();
    let revoked = directory.revoked(&id, &key).unwrap();
    assert!(revoked.stands_by(&feed, 6, &Digest([9; 32])));
    assert!(revoked.stands_by(&feed, 7, &Digest([3; 32])));
    assert!(!revoked.stands_by(&feed, 7, &Digest([4; 32])));
    assert!(!revoked.stands_by(&feed, 8, &Digest([3; 32])));
    let other = FeedId { lane: LaneId([5; 16]), ..feed };
    assert!(!revoked.stands_by(&other, 1, &Digest([3; 32])));
    let member = directory.by_name(&of).unwrap();
    assert!(member.silenced && member.sign_key(&key).is_some());
    assert!(member.addresses.is_empty() && member.offices.is_empty(), "its contact went with it");
    // The same key certified by somebody else is nobody's to take back but its party's.
    assert!(directory.revoked(&directory.by_name(&name("BBB/mfa")).unwrap().id, &key).is_none());
    // New keys, and the station speaks again.
    let next = founded.certify(&of, 2, &fresh(70), Timestamp(10)).unwrap();
    directory.admit(next.bytes()).unwrap();
    let member = directory.by_name(&of).unwrap();
    assert!(!member.silenced && member.sign == fresh(70).sign.public());
}

#[test]
fn seal_and_peer_keys_taken_back_are_not_used_any_more() {
    let founded = founded();
    let of = name("AAA/mfa");
    let (old, new) = (&founded.stations[&of], fresh(71));
    let mut directory = founded.directory().unwrap();
    let next = founded.certify(&of, 2, &new, Timestamp(10)).unwrap();
    directory.admit(next.bytes()).unwrap();
    let peer = crate::primitives::ed25519_id(&new.public().peer);
    for key in [new.epoch.id(), peer] {
        let doc = founded.revoke(&of, key, Vec::new(), Timestamp(11)).unwrap();
        directory.admit(doc.bytes()).unwrap();
    }
    let member = directory.by_name(&of).unwrap();
    assert_eq!((member.epoch_id, member.epochs.len()), (old.epoch.id(), 2));
    assert_eq!(member.peers, [old.public().peer]);
    assert!(directory.by_peer(&new.public().peer).is_none());
    assert!(!member.silenced && member.sign == new.sign.public());
    let doc = founded.revoke(&of, old.epoch.id(), Vec::new(), Timestamp(11)).unwrap();
    directory.admit(doc.bytes()).unwrap();
    assert!(directory.by_name(&of).unwrap().silenced, "there is nothing left to seal to");
}

#[test]
fn of_two_revocations_of_a_key_the_later_one_is_in_force() {
    let founded = founded();
    let (of, key) = (name("AAA/mfa"), founded.stations[&name("AAA/mfa")].sign.public().id());
    let mut directory = founded.directory().unwrap();
    let id = directory.by_name(&of).unwrap().id;
    let later = founded.revoke(&of, key, Vec::new(), Timestamp(9)).unwrap();
    directory.admit(later.bytes()).unwrap();
    let feed = FeedId { author: id, incarnation: Incarnation([1; 16]), lane: LaneId([2; 16]) };
    let heads = vec![Head::of_feed(&feed, 7, Digest([3; 32]))];
    let earlier = founded.revoke(&of, key, heads, Timestamp(8)).unwrap();
    assert_eq!(directory.admit(earlier.bytes()).unwrap().news, News::Superseded);
    assert_eq!(directory.revoked(&id, &key).unwrap().made_at, Timestamp(9));
    assert_eq!(directory.revocations().count(), 1);
}

#[test]
fn what_a_stolen_authority_key_signed_is_void_unless_it_is_named() {
    let founded = founded();
    let (aaa, stolen) = (code("AAA"), authority(&founded, "AAA"));
    let mut directory = founded.directory().unwrap();
    let forged = founded.certify(&name("AAA/forged"), 1, &fresh(72), Timestamp(5)).unwrap();
    directory.admit(forged.bytes()).unwrap();
    assert!(directory.by_name(&name("AAA/forged")).is_some());
    let good: Vec<Digest> = founded.documents[1..]
        .iter()
        .map(|d| Document::decode(d).unwrap())
        .filter(|d| d.signers().any(|key| key == stolen))
        .map(|d| d.digest())
        .collect();
    assert_eq!(good.len(), 2);
    let doc = founded.revoke_authority(&aaa, stolen, &good, Timestamp(9)).unwrap();
    directory.admit(doc.bytes()).unwrap();
    assert!(directory.by_name(&name("AAA/forged")).is_none());
    assert!(directory.by_name(&name("AAA/mfa")).is_some_and(|m| m.role == Role::State));
    assert!(directory.revoked_authority(&aaa, &stolen).is_some());
    assert!(directory.party(&aaa).unwrap().current.is_empty());
    // Also what it signs from now on, a revocation of a station's key among it.
    let key = founded.stations[&name("AAA/mfa")].sign.public().id();
    let late = founded.revoke(&name("AAA/mfa"), key, Vec::new(), Timestamp(10)).unwrap();
    directory.admit(late.bytes()).unwrap();
    assert!(!directory.by_name(&name("AAA/mfa")).unwrap().silenced);
    // It was admitted by all, and its network stands.
    assert_eq!(directory.accord_version(), 1);
}

#[test]
fn whoever_has_the_new_key_has_the_last_word_about_the_old_one() {
    let mut founded = founded();
    let (aaa, stolen) = (code("AAA"), authority(&founded, "AAA"));
    let mut directory = founded.directory().unwrap();
    let forged = founded.certify(&name("AAA/forged"), 1, &fresh(72), Timestamp(5)).unwrap();
    directory.admit(forged.bytes()).unwrap();
    // The thief takes the key back himself, and names what he forged.
    let named = [forged.digest()];
    let his = founded.revoke_authority(&aaa, stolen, &named, Timestamp(u64::MAX)).unwrap();
    directory.admit(his.bytes()).unwrap();
    assert!(directory.by_name(&name("AAA/forged")).is_some());
    let old = founded
        .authorities
        .insert(aaa.clone(), AuthorityKeys::generate(&mut Entropy::new(&[80; 32])));
    let old = old.unwrap();
    let mut two = second(&founded, &["AAA", "BBB", "CCC", "OB1"]);
    two.parties[0].authority = founded.authorities[&aaa].public();
    let two = sign(&founded, make::accord(&two).unwrap(), &["BBB", "CCC"]);
    directory.admit(two.bytes()).unwrap();
    let good = Document::decode(&founded.documents[2]).unwrap();
    let ours = founded.revoke_authority(&aaa, stolen, &[good.digest()], Timestamp(9)).unwrap();
    directory.admit(ours.bytes()).unwrap();
    assert!(directory.by_name(&name("AAA/forged")).is_none());
    assert_eq!(directory.stations_of(&aaa).count(), 1);
    // The old key cannot take back the one that took its place.
    let key = authority(&founded, "AAA");
    let draft = make::RevocationDraft {
        party: aaa.clone(),
        station: None,
        key,
        heads: Vec::new(),
        reason: String::new(),
        made_at: Timestamp(20),
    };
    let revenge = make::revocation(&founded.network, &draft).unwrap().signed_by(&old.sign);
    directory.admit(revenge.bytes()).unwrap();
    assert!(directory.revoked_authority(&aaa, &key).is_none());
}

#[test]
fn an_accord_that_only_stolen_keys_signed_is_undone() {
    let founded = founded();
    let mut directory = founded.directory().unwrap();
    let coup = make::accord(&second(&founded, &["AAA", "BBB", "OB1"])).unwrap();
    let coup = sign(&founded, coup, &["AAA", "BBB"]);
    directory.admit(coup.bytes()).unwrap();
    assert_eq!(directory.by_name(&name("CCC/mfa")).unwrap().role, Role::Unknown(0));
    let revoke = |party: &str| {
        founded
            .revoke_authority(&code(party), authority(&founded, party), &[], Timestamp(9))
            .unwrap()
    };
    directory.admit(revoke("AAA").bytes()).unwrap();
    // One party alone cannot undo what others signed with it.
    assert_eq!(directory.accord_version(), 2);
    directory.admit(revoke("BBB").bytes()).unwrap();
    assert_eq!(directory.accord_version(), 1);
    assert_eq!(directory.by_name(&name("CCC/mfa")).unwrap().role, Role::State);
}

#[test]
fn grades_follow_from_attestations_of_current_keys() {
    let entropy = &mut Entropy::new(&[4; 32]);
    let parties: [(&str, Role, &[&str]); 4] = [
        ("AAA", Role::State, &["mfa"]),
        ("BBB", Role::State, &["mfa"]),
        ("CCC", Role::State, &["mfa"]),
        ("CON", Role::Convener, &[]),
    ];
    let founded = sample(&parties, entropy).unwrap();
    let (aaa, bbb, ccc, con) = (code("AAA"), code("BBB"), code("CCC"), code("CON"));
    let mut directory = founded.directory().unwrap();
    assert_eq!(directory.grade(&aaa, &bbb), Grade::Unverified);
    let mut admit = |document: Document, grade: Grade| {
        directory.admit(document.bytes()).unwrap();
        assert_eq!(directory.grade(&aaa, &bbb), grade);
    };
    let attest =
        |by: &PartyCode, method, at| founded.attest(by, &bbb, method, Timestamp(at)).unwrap();
    admit(attest(&ccc, Method::InPerson, 1), Grade::Unverified);
    admit(attest(&con, Method::NoteVerbale, 1), Grade::Convener);
    let members = [aaa.clone(), bbb.clone(), ccc.clone()];
    admit(
        founded.charter("north", &members, None, Timestamp(1)).unwrap(),
        Grade::RegionAndConvener,
    );
    admit(attest(&aaa, Method::Voice, 1), Grade::RegionAndConvener);
    admit(attest(&aaa, Method::InPerson, 2), Grade::InPerson);
    // A key that nobody checked.
    let next = make::AttestationDraft {
        by: aaa.clone(),
        subject: bbb.clone(),
        keys: vec![KeyId([1; 16])],
        method: Method::InPerson,
        made_at: Timestamp(3),
    };
    let next = make::attestation(&founded.network, &next).unwrap();
    admit(sign(&founded, next, &["AAA"]), Grade::RegionAndConvener);
}
