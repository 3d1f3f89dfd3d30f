//! Copies of one envelope that come by several ways.

use bytes::Bytes;
use cbm_proto::envelope::Envelope;
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

#[test]
fn ahead_of_the_station_only_a_good_signature_is_found_good_and_is_not_verified_twice() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    hall.send("AAA/mfa", "operator-note", &["BBB"]);
    let good = hall.envelopes("CCC/mfa").pop().unwrap().bytes().clone();
    let spoil = |at: usize| {
        let mut spoiled = good.to_vec();
        spoiled[at] ^= 1;
        Bytes::from(spoiled)
    };
    let (other_header, other_signature) =
        (spoil(signature_at(&good) - 21), spoil(signature_at(&good)));
    let signed_well = |hall: &Hall, bytes: &Bytes| hall.station("CCC/mfa").signed_well(bytes);
    assert!(signed_well(&hall, &good).is_some());
    for bad in [&other_header, &other_signature, &good.slice(..20), &Bytes::new()] {
        assert_eq!(signed_well(&hall, bad), None);
    }
    // What is noted is taken at its word, which is why only what was found good may be noted.
    let key = hall.keys("AAA/mfa").sign.public().id();
    let spoiled = Envelope::decode(other_signature.clone()).unwrap();
    hall.station_mut("CCC/mfa").note_verified(vec![spoiled.signed_digest(&key)]);
    assert_eq!(hall.hear("CCC/mfa", "BBB/mfa", other_signature), Verdict::Accept);
}
