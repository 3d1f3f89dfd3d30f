//! Revocations and attestations: what they do, and what is wrong with them.

use cbm_proto::accord::Document;

use super::first::Cases;
use super::world::{ATTESTATION, CERTIFICATE, CONTACT, Named, REVOCATION, V1, V2, World, vector};

pub(super) fn revocations(w: &World) -> Vec<Named> {
    let mine = ["AAA"];
    let key = w.secret("AAA/mfa").public().id().to_string();
    let good = w.revocation(&mine, |_| ());
    let good = vector("ok", "a SIGN key, with two heads", &[V1, CERTIFICATE], good);
    let mut c = Cases::new(&[V1]);
    c.list.push((REVOCATION, good.with_word("revoked", &key)));
    let early = w.revocation(&mine, |_| ());
    let early = vector("ok", "before the certificate of the key", &[V1], early);
    c.list.push(("document_revocation_first", early.with_word("revoked", &key)));
    let another = w.revocation(&["BBB"], |_| ());
    c.add("document_revocation_by_another", "not_entitled", "signed by BBB", another);
    let station = w.revocation(&["AAA/mfa"], |_| ());
    let note = "a station takes no key back";
    c.add("document_revocation_by_station", "not_entitled", note, station);
    let unsigned = w.revocation(&[], |_| ());
    c.add("document_revocation_unsigned", "too_few_signatures", "nobody signed", unsigned);
    let foreign = w.revocation(&mine, |d| d.network = vec![9; 32].into());
    c.add("document_revocation_foreign", "foreign_network", "another network", foreign);
    let party = w.revocation(&mine, |d| d.party = "CCC".to_owned());
    c.add("document_revocation_unknown_party", "unknown_party", "no accord lists CCC", party);
    let short = w.revocation(&mine, |d| d.key_id.truncate(15));
    c.add("document_revocation_key_short", "field", "a key id of 15 bytes", short);
    let reversed = w.revocation(&mine, |d| d.heads.reverse());
    c.add("document_revocation_heads_unsorted", "field", "descending heads", reversed);
    let twice = w.revocation(&mine, |d| d.heads[1] = d.heads[0].clone());
    c.add("document_revocation_head_twice", "field", "one head, twice", twice);
    let head = w.revocation(&mine, |d| d.heads[0].header.truncate(31));
    c.add("document_revocation_head_short", "field", "a digest of 31 bytes", head);
    let control = w.revocation(&mine, |d| d.reason = "lost\u{7}".to_owned());
    c.add("document_revocation_reason", "field", "a control character", control);
    c.given = &[V1, CERTIFICATE, REVOCATION];
    let older = w.revocation(&mine, |d| d.made_at -= 1);
    c.add("document_revocation_older", "superseded", "a later one of the key is held", older);
    let contact = w.contact(&["AAA/mfa"], |_| ());
    let note = "signed with a key that is taken back: held, and of no effect";
    c.add("document_contact_revoked_key", "ok", note, contact);
    c.list
}

pub(super) fn of_authorities(w: &World) -> Vec<Named> {
    let mine = ["AAA"];
    let key = w.secret("AAA").public().id().to_string();
    let mut c = Cases::new(&[V1, CERTIFICATE]);
    let bare = w.of_authority("AAA", &mine, |_| ());
    let note = "what it signed alone is void: there is no station any more";
    let bare = vector("ok", note, c.given, bare).with_word("revoked", &key);
    c.list.push(("document_authority_revoked", bare.with_word("roles", "none")));
    let identity = Document::decode(&w.0.documents[1]).unwrap().digest();
    let stays = w.of_authority("AAA", &mine, |d| d.heads = vec![named(&identity.0)]);
    let stays = vector("ok", "its certificate is named and stays", c.given, stays);
    let stays = stays.with_word("revoked", &key).with_word("roles", "AAA/mfa=STATE");
    c.list.push(("document_authority_revoked_named", stays));
    let another = w.of_authority("AAA", &["BBB"], |_| ());
    c.add("document_authority_by_another", "not_entitled", "signed by BBB", another);
    let feed = w.of_authority("AAA", &mine, |d| {
        d.heads = vec![named(&identity.0)];
        d.heads[0].seq = 1;
    });
    let note = "a place in a feed, where a document is named";
    c.add("document_authority_head_of_feed", "field", note, feed);
    let unknown = w.of_authority("AAA", &mine, |d| d.key_id = vec![9; 16].into());
    let note = "no version of the accord lists this key for AAA";
    c.add("document_authority_unknown_key", "unknown_key", note, unknown);
    let of_b = w.of_authority("AAA", &mine, |d| {
        d.key_id = w.secret("BBB").public().id().0.to_vec().into();
    });
    c.add("document_authority_key_of_another", "unknown_key", "it is the key of BBB", of_b);
    c.given = &[V1, V2];
    let one = w.of_authority("AAA", &mine, |_| ());
    let note = "version 2 stands, because BBB signed it too";
    c.add("document_authority_one_signer", "ok", note, one);
    c.list
}

fn named(identity: &[u8; 32]) -> cbm_proto::wire::revocation::Head {
    cbm_proto::wire::revocation::Head {
        incarnation: vec![0; 16].into(),
        lane: vec![0; 16].into(),
        seq: 0,
        header: identity.to_vec().into(),
    }
}

pub(super) fn attestations(w: &World) -> Vec<Named> {
    let mine = ["AAA"];
    let mut c = Cases::new(&[V1]);
    let good = vector("ok", "AAA met BBB", &[V1], w.attestation(&mine, |_| ()));
    c.list.push((ATTESTATION, good.with_word("grades", "AAA:BBB=in_person")));
    let voice = w.attestation(&mine, |d| d.method = 3);
    let voice = vector("ok", "by voice: not a grade of its own", &[V1], voice);
    c.list.push(("document_attestation_voice", voice.with_word("grades", "none")));
    let future = w.attestation(&mine, |d| d.method = 99);
    let future = vector("ok", "a method of a newer version is another one", &[V1], future);
    c.list.push(("document_future_method", future.with_word("grades", "none")));
    let other = w.attestation(&mine, |d| d.keys = vec![vec![9; 16].into()]);
    let other = vector("ok", "of a key that BBB does not have", &[V1], other);
    c.list.push(("document_attestation_other_key", other.with_word("grades", "none")));
    let another = w.attestation(&["BBB"], |_| ());
    c.add("document_attestation_by_subject", "not_entitled", "BBB about itself", another);
    let itself = w.attestation(&mine, |d| d.subject = "AAA".to_owned());
    c.add("document_attestation_of_itself", "field", "AAA about AAA", itself);
    let none = w.attestation(&mine, |d| d.keys.clear());
    c.add("document_attestation_no_keys", "field", "of no key", none);
    let twice = w.attestation(&mine, |d| d.keys.push(d.keys[0].clone()));
    c.add("document_attestation_key_twice", "field", "one key, twice", twice);
    let method = w.attestation(&mine, |d| d.method = 0);
    c.add("document_attestation_no_method", "field", "no word on how", method);
    let subject = w.attestation(&mine, |d| d.subject = "CCC".to_owned());
    c.add("document_attestation_unknown_party", "unknown_party", "no accord lists CCC", subject);
    let unsigned = w.attestation(&[], |_| ());
    c.add("document_attestation_unsigned", "too_few_signatures", "nobody signed", unsigned);
    c.given = &[V1, CERTIFICATE, CONTACT, ATTESTATION];
    let older = w.attestation(&mine, |d| d.made_at -= 1);
    c.add("document_attestation_older", "superseded", "a later one is held", older);
    c.list
}
