//! Copies of one envelope that come by several ways.

use bytes::Bytes;
use cbm_proto::event::Verdict;

use super::hall::Hall;

/// The first byte of the one signature: behind magic, version, flags, the header and its length, the
/// number of signatures, key id, algorithm and length.
fn signature_at(envelope: &Bytes) -> usize {
    let header = usize::from(u16::from_be_bytes([envelope[5], envelope[6]]));
    7 + header + 1 + 16 + 1 + 2
}

#[test]
fn a_copy_with_another_signature_is_refused_though_the_first_was_good() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    hall.send("AAA/mfa", "operator-note", &["BBB"]);
    let lane = |e: &cbm_proto::envelope::Envelope| e.header().recipients;
    let letter = hall
        .envelopes("CCC/mfa")
        .into_iter()
        .find(|e| matches!(lane(e), cbm_proto::envelope::Recipients::Stanzas(1)))
        .unwrap();
    let good = letter.bytes().clone();
    assert_eq!(hall.hear("CCC/mfa", "BBB/mfa", good.clone()), Verdict::Accept, "a copy");
    let mut spoiled = good.to_vec();
    spoiled[signature_at(&good)] ^= 1;
    assert_eq!(hall.hear("CCC/mfa", "BBB/mfa", spoiled.into()), Verdict::Reject);
}
