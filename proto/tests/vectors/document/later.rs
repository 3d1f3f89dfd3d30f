//! What goes wrong in later versions, certificates, contact records and charters.

use cbm_proto::accord::DocumentKind;
use cbm_proto::id::unhex;
use cbm_proto::wire;

use super::first::Cases;
use super::world::{
    CERTIFICATE, CHARTER, CONTACT, CONTESTED, Named, V1, V2, World, fresh, rewrapped, vector,
};

pub(super) fn later_versions(w: &World) -> Vec<Named> {
    let both = ["AAA", "BBB"];
    let mut c = Cases::new(&[V1]);
    let one = w.second(&["AAA"], |_| ());
    c.add("document_accord_2_too_few", "too_few_signatures", "version 1 asks for 2", one);
    let wrong = w.second(&both, |a| a.previous = vec![9; 32].into());
    let note = "it names another version 1";
    c.add("document_accord_2_wrong_predecessor", "wrong_predecessor", note, wrong);
    let foreign = w.second(&both, |a| a.network = vec![9; 32].into());
    c.add("document_accord_2_foreign", "foreign_network", "another network", foreign);
    let early = w.second(&both, |a| (a.version, a.previous) = (3, vec![9; 32].into()));
    let note = "version 2 has to come first";
    c.add("document_accord_3_early", "predecessor_unknown", note, early);
    let skips = w.second(&both, |a| a.version = 3);
    let note = "version 3 that names version 1";
    c.add("document_accord_3_skips", "wrong_predecessor", note, skips);
    let observer = w.second(&["AAA", "OB1"], |_| ());
    let note = "an observer has no say in version 2 either";
    c.add("document_accord_2_observer_signs", "not_entitled", note, observer);
    c.given = &[V1, V2];
    let other = w.second(&both, |a| {
        a.name = "Other".to_owned();
        a.parties.retain(|party| party.code != "OB1");
    });
    let note = "a second version 2: what both agree on holds, AAA and BBB are in both";
    let other = vector("ok", note, c.given, other).with_word("conflicts", "contested");
    c.list.push((CONTESTED, other));
    let last = w.third(&both);
    let note = "a version 3 after one of two versions 2 settles it";
    c.list.push((
        "document_accord_3_settles",
        vector("ok", note, &[V1, V2, CONTESTED], last).with_word("conflicts", "accord_beside"),
    ));
    let more = w.second(&["AAA"], |_| ());
    c.add("document_accord_2_fewer_signatures", "known", "a copy with fewer signatures", more);
    c.list
}

pub(super) fn certificates(w: &World) -> Vec<Named> {
    let mine = ["AAA"];
    let mut c = Cases::new(&[V1]);
    let unsigned = w.certificate(&[], |_| ());
    c.add("document_certificate_unsigned", "too_few_signatures", "nobody signed", unsigned);
    let another = w.certificate(&["BBB"], |_| ());
    let note = "signed by BBB for a station of AAA";
    c.add("document_certificate_by_another", "not_entitled", note, another);
    let both = w.certificate(&["AAA", "BBB"], |_| ());
    let note = "a second party has no say";
    c.add("document_certificate_by_both", "not_entitled", note, both);
    let party = w.certificate(&mine, |d| d.party = "CCC".to_owned());
    let note = "no accord lists CCC";
    c.add("document_certificate_unknown_party", "unknown_party", note, party);
    let foreign = w.certificate(&mine, |d| d.network = vec![9; 32].into());
    c.add("document_certificate_foreign", "foreign_network", "another network", foreign);
    let payload = wire::encode(&w.payload::<wire::Certificate>(1));
    let contact = w.signed(DocumentKind::Contact, payload, &mine);
    let domain = rewrapped(&contact, |s| s.kind = 2);
    let note = "signed as a contact record";
    c.add("document_certificate_wrong_domain", "bad_signature", note, domain);
    let zero = w.certificate(&mine, |d| d.serial = 0);
    c.add("document_certificate_serial_zero", "field", "serials begin at 1", zero);
    let scopes = w.certificate(&mine, |d| {
        let scope = |status| Some(wire::Scope { statuses: vec![status], ..<_>::default() });
        (d.scope, d.keys[1].scope) = (scope(1), scope(3));
    });
    let note = "certificate and key allow nothing in common";
    c.add("document_certificate_scopes", "field", note, scopes);
    c.list
}

pub(super) fn keys(w: &World) -> Vec<Named> {
    let mine = ["AAA"];
    let mut c = Cases::new(&[V1]);
    let bare = w.certificate(&mine, |d| drop(d.keys.pop()));
    c.add("document_certificate_no_seal", "key_missing", "nothing to seal to", bare);
    let twice = w.certificate(&mine, |d| d.keys[1].bytes = d.keys[0].bytes.clone());
    c.add("document_certificate_key_twice", "key_twice", "PEER and SIGN are one key", twice);
    let mixed = "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d";
    let mixed = w.certificate(&mine, |d| d.keys[1].bytes = unhex(mixed).unwrap().into());
    c.add("document_certificate_mixed_order", "key_weak", "a SIGN key of mixed order", mixed);
    let seal = |change: &dyn Fn(&mut Vec<u8>)| {
        w.certificate(&mine, |d| {
            let mut key = d.keys[3].bytes.to_vec();
            change(&mut key);
            d.keys[3].bytes = key.into();
        })
    };
    let zero = seal(&|key| key[..32].fill(0));
    c.add("document_certificate_low_order", "key_weak", "X25519 zero", zero);
    let range = seal(&|key| {
        key[32] = 0xff;
        key[33] |= 0x0f;
    });
    c.add("document_certificate_kem_range", "key_weak", "an ML-KEM coefficient of 4,095", range);
    let future = w.certificate(&mine, |d| {
        let key = |role, alg, byte| {
            let bytes = vec![byte; 8].into();
            wire::PublicKey { role, alg, bytes, ..<_>::default() }
        };
        d.keys.extend([key(99, 1, 1), key(3, 99, 2)]);
    });
    let note = "a key of an unknown role, and one of an unknown algorithm";
    c.add("document_future_key", "ok", note, future);
    c.given = &[V1, CERTIFICATE];
    let thief = w.certificate(&["BBB"], |d| d.party = "BBB".to_owned());
    let note = "the PEER key of AAA/mfa too; of equal age, the lower identity has it";
    let thief = vector("ok", note, c.given, thief).with_word("conflicts", "peer_twice");
    c.list.push(("document_certificate_peer_twice", thief));
    let twin = w.certificate(&mine, |d| d.keys = fresh(0x23));
    let note = "the same serial with other keys: the lower identity is in force";
    let twin = vector("ok", note, c.given, twin).with_word("conflicts", "same_serial");
    c.list.push(("document_certificate_same_serial", twin));
    let next = w.certificate(&mine, |d| (d.serial, d.keys) = (2, fresh(0x22)));
    let next = vector("ok", "a higher serial with new keys", &[V1, CERTIFICATE], next);
    c.list.push(("document_certificate_next", next.with_word("roles", "AAA/mfa=STATE")));
    c.list
}

pub(super) fn contacts(w: &World) -> Vec<Named> {
    let me = ["AAA/mfa"];
    let mut c = Cases::new(&[V1]);
    let early = w.contact(&me, |_| ());
    let note = "its certificate has to come first";
    c.add("document_contact_early", "unknown_station", note, early);
    c.given = &[V1, CERTIFICATE];
    let another = w.contact(&["BBB/mfa"], |_| ());
    let note = "signed by no key of this station that is known here";
    c.add("document_contact_by_another", "unknown_station", note, another);
    let unsigned = w.contact(&[], |_| ());
    c.add("document_contact_unsigned", "too_few_signatures", "nobody signed", unsigned);
    let address = w.contact(&me, |d| d.addresses[0] = "cbm.example:4100".to_owned());
    let note = "host and port are no multiaddress";
    c.add("document_contact_address", "field", note, address);
    let peer = w.contact(&me, |d| d.addresses[0].push_str("/p2p/12D3KooWSample"));
    c.add("document_contact_peer_id", "field", "the PEER key is in the certificate", peer);
    let proof = w.contact(&me, |d| w.prove(d, "AAA/mfa"));
    c.add("document_contact_proven", "ok", "with the PEER key and its signature", proof);
    let proof = w.contact(&me, |d| w.prove(d, "BBB/mfa"));
    let note = "the proof of another station's PEER key";
    c.add("document_contact_proof_of_another", "field", note, proof);
    let proof = w.contact(&me, |d| {
        w.prove(d, "AAA/mfa");
        d.proof.truncate(63);
    });
    c.add("document_contact_proof_short", "field", "63 bytes of proof", proof);
    let proof = w.contact(&me, |d| {
        w.prove(d, "AAA/mfa");
        d.proof = <_>::default();
    });
    c.add("document_contact_proof_missing", "field", "a PEER key without its signature", proof);
    c.given = &[V1, CERTIFICATE, CONTACT];
    let old = w.contact(&me, |d| d.serial = 4);
    c.add("document_contact_old", "superseded", "serial 4 after serial 5", old);
    c.list
}

pub(super) fn charters(w: &World) -> Vec<Named> {
    let both = ["AAA", "BBB"];
    let mut c = Cases::new(&[V1]);
    let one = w.charter(&["AAA"], |_| ());
    c.add("document_charter_too_few", "too_few_signatures", "BBB did not sign", one);
    let all = w.charter(&both, |d| d.name = "all".to_owned());
    c.add("document_charter_named_all", "field", "that is the group of all states", all);
    let observer = ["AAA", "OB1"];
    let observer = w.charter(&observer, |d| d.members = observer.map(str::to_owned).to_vec());
    c.add("document_charter_observer", "field", "only states form a group", observer);
    let early = w.charter(&both, |d| (d.version, d.previous) = (2, vec![9; 32].into()));
    let note = "version 2 without version 1";
    c.add("document_charter_early", "predecessor_unknown", note, early);
    c.given = &[V1, CHARTER];
    let twin = w.charter(&both, |d| d.made_at += 1);
    let shown = w.shown(&[&w.charter(&both, |_| ()), &twin]);
    let note = "another version 1 of the same name: the lower identity keeps it";
    let twin = vector("ok", note, c.given, twin)
        .with_word("conflicts", "same_name")
        .with_word("groups", &shown);
    c.list.push(("document_charter_same_name", twin));
    let v1 = cbm_proto::accord::Document::decode(&w.charter(&both, |_| ())).unwrap().digest();
    let after = |d: &mut wire::Charter| (d.version, d.previous) = (2, v1.0.to_vec().into());
    let second = w.charter(&both, |d| {
        after(d);
        d.rules = "Each answers within two hours.".to_owned();
    });
    c.add("document_charter_2", "ok", "version 2 names version 1", second);
    let skips = w.charter(&both, |d| {
        after(d);
        d.version = 3;
    });
    c.add("document_charter_skips", "wrong_predecessor", "version 3 that names version 1", skips);
    let over = w.charter(&["AAA"], |d| {
        after(d);
        d.members = vec!["AAA".to_owned(), "CCC".to_owned()];
    });
    let note = "no accord here lists CCC";
    c.add("document_charter_unknown_party", "unknown_party", note, over);
    c.list
}
