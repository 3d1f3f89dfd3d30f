//! Good documents, and what goes wrong in the wrapper and in version 1 of an accord.

use cbm_proto::accord::{Document, DocumentKind};
use cbm_proto::keys::Fingerprint;
use cbm_proto::wire;

use super::world::{CERTIFICATE, CHARTER, CONTACT, Named, V1, V2, World, flip, rewrapped, vector};
use super::{ids, lane};

pub(super) fn good(w: &World) -> Vec<Named> {
    let directory = w.0.directory().unwrap();
    let (network, v1) = (w.0.network, w.0.accord.to_vec());
    let certificate = w.0.documents[1].to_vec();
    let contact = w.contact(&["AAA/mfa"], |_| ());
    let charter = w.charter(&["AAA", "BBB"], |_| ());
    let id = ids(&directory).split(' ').next().unwrap_or_default().to_owned();
    let mut chartered = directory.clone();
    chartered.admit(&charter).unwrap();
    vec![
        (
            V1,
            vector("ok", "version 1, signed by both states", &[], v1)
                .with_word("network", &network.to_string())
                .with_word("words", &Fingerprint::head(&network.0).words())
                .with_word("lane", &lane(&directory)),
        ),
        (
            V2,
            vector(
                "ok",
                "signed by both, as version 1 asks",
                &[V1],
                w.second(&["AAA", "BBB"], |_| ()),
            ),
        ),
        (
            CERTIFICATE,
            vector("ok", "signed by its party alone", &[V1], certificate)
                .with_word("roles", "AAA/mfa=STATE")
                .with_word("ids", &id),
        ),
        (CONTACT, vector("ok", "signed by the station", &[V1, CERTIFICATE], contact)),
        (
            CHARTER,
            vector("ok", "signed by each member", &[V1], charter)
                .with_word("lane", &lane(&chartered)),
        ),
        (
            "document_known",
            vector("known", "held already", &[V1, CERTIFICATE], w.0.documents[1].to_vec()),
        ),
    ]
}

/// Where cases of one kind are gathered.
pub(super) struct Cases {
    pub(super) given: &'static [&'static str],
    pub(super) list: Vec<Named>,
}

impl Cases {
    pub(super) const fn new(given: &'static [&'static str]) -> Self {
        Self { given, list: Vec::new() }
    }

    pub(super) fn add(&mut self, name: &'static str, expect: &str, note: &str, doc: Vec<u8>) {
        self.list.push((name, vector(expect, note, self.given, doc)));
    }
}

pub(super) fn wrapper(w: &World) -> Vec<Named> {
    let v1 = &w.0.accord[..];
    let mut c = Cases::new(&[]);
    let cut = v1[..v1.len() - 1].to_vec();
    c.add("document_cut_short", "malformed", "its last byte is missing", cut);
    let more = [v1, &[0]].concat();
    c.add("document_trailing_byte", "malformed", "a byte too many", more);
    let outside = [v1, &[0x28, 1]].concat();
    c.add("document_unknown_field_outside", "not_canonical", "field 5 of the wrapper", outside);
    let reversed = rewrapped(v1, |s| s.sigs.reverse());
    c.add("document_sigs_out_of_order", "signature_list", "descending key ids", reversed);
    let twice = rewrapped(v1, |s| s.sigs[1] = s.sigs[0].clone());
    c.add("document_sig_twice", "signature_list", "one signature, twice", twice);
    let short = rewrapped(v1, |s| s.sigs[0].bytes.truncate(63));
    c.add("document_sig_short", "signature_list", "63 bytes of Ed25519", short);
    let format = rewrapped(v1, |s| s.format = 2);
    c.add("document_future_format", "newer", "format 2", format);
    let kind = rewrapped(v1, |s| s.kind = 99);
    c.add("document_future_kind", "newer", "kind 99", kind);
    let forged = rewrapped(v1, |s| s.sigs[0].bytes = flip(&s.sigs[0].bytes));
    c.add("document_accord_forged", "bad_signature", "a bit of a signature", forged);
    let altered = rewrapped(v1, |s| {
        let mut payload = s.payload.to_vec();
        let deep = payload.len() - 80;
        payload[deep] ^= 1;
        s.payload = payload.into();
    });
    c.add("document_accord_altered", "bad_signature", "a bit of the payload, in a key", altered);
    c.list
}

/// Payloads that everybody signed and that still are not the one form; and a newer signature.
pub(super) fn payloads(w: &World) -> Vec<Named> {
    let mut c = Cases::new(&[]);
    let payload = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Document::decode(&w.0.accord).unwrap().payload().to_vec();
        change(&mut bytes);
        w.signed(DocumentKind::Accord, bytes, &["AAA", "BBB"])
    };
    let unknown = payload(&|bytes| bytes.extend([0x98, 0x06, 1]));
    let note = "field 99, signed by all: format 1 has none";
    c.add("document_unknown_field", "not_canonical", note, unknown);
    let twice = payload(&|bytes| bytes.extend([0x08, 1]));
    c.add("document_field_twice", "not_canonical", "the version, twice", twice);
    let long = payload(&|bytes| drop(bytes.splice(1..2, [0x81, 0x00])));
    c.add("document_long_varint", "not_canonical", "the version in two bytes", long);
    let hybrid = rewrapped(&w.0.accord, |signed| {
        let sig =
            wire::Signature { key_id: vec![0; 16].into(), alg: 2, bytes: vec![0; 2_420].into() };
        signed.sigs.insert(0, sig);
    });
    let note = "an ML-DSA-44 signature beside the others is kept and not counted";
    c.add("document_future_signature", "ok", note, hybrid);
    c.list
}

pub(super) fn first_versions(w: &World) -> Vec<Named> {
    let both = ["AAA", "BBB"];
    let mut c = Cases::new(&[]);
    let one = w.accord(&["AAA"], |_| ());
    c.add("document_accord_too_few", "too_few_signatures", "every state signs version 1", one);
    let observer = w.accord(&["AAA", "BBB", "OB1"], |_| ());
    let note = "an observer has no say";
    c.add("document_accord_observer_signs", "not_entitled", note, observer);
    let zero = w.accord(&both, |a| a.version = 0);
    c.add("document_accord_version_zero", "field", "versions begin at 1", zero);
    let previous = w.accord(&both, |a| a.previous = vec![1; 32].into());
    c.add("document_accord_names_predecessor", "field", "version 1 has none", previous);
    let unsorted = w.accord(&both, |a| a.parties.rotate_right(1));
    c.add("document_accord_parties_unsorted", "field", "OB1 before AAA", unsorted);
    let name = w.accord(&both, |a| a.parties[2].code = "oB1".to_owned());
    c.add("document_accord_party_name", "name", "a code in lower case", name);
    let zero = w.accord(&both, |a| a.threshold = 0);
    c.add("document_accord_threshold_zero", "field", "nobody would sign version 2", zero);
    let high = w.accord(&both, |a| a.threshold = 3);
    c.add("document_accord_threshold_high", "field", "3 of 2 states", high);
    c.list
}

pub(super) fn authorities(w: &World) -> Vec<Named> {
    let both = ["AAA", "BBB"];
    let mut c = Cases::new(&[]);
    let shared = w.accord(&["AAA"], |a| a.parties[1].keys = a.parties[0].keys.clone());
    c.add("document_accord_shared_authority", "field", "BBB lists the key of AAA", shared);
    let weak = w.accord(&both, |a| {
        let mut identity = vec![0; 32];
        identity[0] = 1;
        a.parties[2].keys[0].bytes = identity.into();
    });
    c.add("document_accord_weak_authority", "key_weak", "the neutral element as a key", weak);
    let bare = w.accord(&both, |a| drop(a.parties[2].keys.pop()));
    let note = "an Ed25519 key without its ML-DSA-44 key";
    c.add("document_accord_no_dsa", "key_missing", note, bare);
    let role = w.accord(&both, |a| a.parties[2].role = 77);
    let note = "a role of a newer version is a role without rights";
    c.add("document_future_role", "ok", note, role);
    c.list
}
