//! Area `seal`, letters under a sender key (`docs/spec/seal.md`, sender key).

use cbm_proto::envelope::{Envelope, Recipients};
use cbm_proto::id::{Digest, KeyId};
use cbm_proto::limits::SENDER_KEY_LETTERS;

use crate::file::Vector;
use crate::seal::{entropy, good, keys, opens, wrong};
use crate::straight::{Plan, Wire, first_link};

/// The letter that hands out the key, number 1 of its feed, and its content key.
fn hand_out() -> (Wire, [u8; 32]) {
    let [a, b, ..] = keys();
    Plan { stanza_status: 0x82, ..good(2) }.seal(&a, &[b.public()], &mut entropy())
}

fn under(plan: &Plan, seq: u64, links: u64) -> Wire {
    let [a, ..] = keys();
    let (first, key) = hand_out();
    plan.seal_under(
        &a,
        (&first, key),
        (seq, links),
        &mut cbm_proto::primitives::Entropy::new(&[9; 32]),
    )
}

fn by_key(vector: Vector) -> Vector {
    let (first, key) = hand_out();
    vector.with("hand_out", first.bytes()).with("link", first_link(&first.header, &key))
}

fn bad(note: &str, wire: &Wire) -> Vector {
    by_key(wrong("not_addressed", note, wire))
}

pub(crate) fn make() -> Vec<(&'static str, Vector)> {
    let next = under(&good(1), 2, 0);
    let mut bit = under(&good(1), 2, 0);
    let mut piece = bit.stanzas.take().unwrap();
    piece[48] ^= 1;
    bit.put_stanzas(&piece);
    let mut later = under(&good(1), 2, 0);
    later.header.seq = 3;
    let mut other_key = under(&good(1), 2, 0);
    other_key.header.recipients = Recipients::SenderKey(KeyId([9; 16]));
    let mut root = under(&good(1), 2, 0);
    root.header.root = Digest([9; 32]);
    let two_keys = Plan { other_key: Some([9; 32]), ..good(1) };
    let flagged = Plan { stanza_status: 0x81, ..good(1) };
    let far = SENDER_KEY_LETTERS + 2;
    let [a, b, ..] = keys();
    let (plain, _) = good(2).seal(&a, &[b.public()], &mut entropy());
    let note = "the first letter's stanza does not say that it hands out a key";
    let unflagged = wrong("no_key", note, &next).with("hand_out", plain.bytes());
    vec![
        ("seal_ok_hand_out", opens(0xb1, "it opens like any other", &hand_out().0, 2)),
        ("seal_ok_sender_key", by_key(opens(0xb1, "the number after the hand-out", &next, 1))),
        (
            "seal_ok_sender_key_far",
            by_key(opens(0xb1, "the last number of a key", &under(&good(3), far - 1, far - 3), 3)),
        ),
        (
            "seal_sender_key_too_far",
            bad("a number behind its last", &under(&good(1), far, far - 2)),
        ),
        (
            "seal_sender_key_other_link",
            bad("sealed by the link of another number", &under(&good(1), 2, 1)),
        ),
        ("seal_sender_key_bit", bad("one bit of the piece, signed so", &bit)),
        ("seal_sender_key_other_number", bad("a piece of another letter of the feed", &later)),
        ("seal_sender_key_other_id", bad("another key's name", &other_key)),
        (
            "seal_sender_key_root",
            by_key(wrong("content_root", "the plaintext is not the one committed to", &root)),
        ),
        (
            "seal_sender_key_two_keys",
            by_key(wrong(
                "commitment",
                "another content key than the committed one",
                &under(&two_keys, 2, 0),
            )),
        ),
        (
            "seal_sender_key_flagged",
            by_key(wrong("status", "a piece hands out nothing", &under(&flagged, 2, 0))),
        ),
        ("seal_no_hand_out", unflagged),
    ]
}

#[test]
fn the_crate_seals_under_a_key_as_the_straight_line_does() {
    use cbm_proto::part::Part;
    use cbm_proto::primitives::Entropy;
    use cbm_proto::seal::{FileKey, SenderKey, seal_under};
    use cbm_proto::terms::Status;
    let [a, ..] = keys();
    let (first, key) = hand_out();
    let first = Envelope::decode(first.bytes().into()).unwrap();
    let mut sender = SenderKey::handed_out(first.header(), &FileKey::from_bytes(&key));
    let wire = under(&good(1), 5, 3);
    let frame = crate::straight::frame_of(&wire.header);
    let part = |n: u8, bytes: &[u8]| Part { salt: [n; 16], kind: n, bytes: bytes.to_vec().into() };
    let parts = [part(1, crate::seal::HEAD), part(2, crate::seal::TEXT)];
    let (sign, mut entropy) = (crate::straight::author(), Entropy::new(&[9; 32]));
    let status = Status::Actual;
    let sealed = seal_under(&frame, status, &parts, a.id(), &mut sender, &sign, &mut entropy);
    assert_eq!(sealed.unwrap().0.bytes().as_ref(), wire.bytes());
}
