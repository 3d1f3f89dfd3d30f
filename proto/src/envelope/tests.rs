//! What the envelope keeps and what it refuses.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::id::{Incarnation, LaneId, NetworkId, StationId};
use crate::limits::STANZA_LEN;
use crate::time::Timestamp;
use proptest::prelude::*;

fn stanza_set(count: u8) -> Vec<u8> {
    (0..count).flat_map(|n| [n; STANZA_LEN]).collect()
}

fn header(kind: Kind, stanzas: Option<&[u8]>, body: &[u8]) -> Header {
    let sealed = kind == Kind::Sealed;
    let count = stanzas.map_or(1, |s| u16::try_from(s.len() / STANZA_LEN).unwrap());
    Header {
        kind,
        network: NetworkId([1; 32]),
        accord_version: 1,
        lane: LaneId([2; 16]),
        author: StationId([3; 16]),
        incarnation: Incarnation([4; 16]),
        seq: if kind == Kind::Beacon { 0 } else { 1 },
        prev: Digest([0; 32]),
        made_at: Timestamp(1_795_305_108_007),
        epoch: KeyId([if sealed { 5 } else { 0 }; 16]),
        padded_len: if sealed { 512 } else { u32::try_from(body.len()).unwrap() },
        recipients: if sealed { Recipients::Stanzas(count) } else { Recipients::None },
        fkc: [if sealed { 6 } else { 0 }; 32],
        body: body_digest(body),
        stanzas: stanzas.map_or(Digest([0; 32]), stanzas_digest),
        root: Digest([if sealed { 7 } else { 0 }; 32]),
    }
}

fn author() -> SignSecret {
    SignSecret::from_seed(&[9; 32])
}

fn sealed() -> Envelope {
    let (stanzas, body) = (stanza_set(2), [8; 528]);
    let header = header(Kind::Sealed, Some(&stanzas), &body);
    Envelope::assemble(&header, &author(), Some(&stanzas), &body).unwrap()
}

#[test]
fn what_is_made_is_read_and_verified() {
    let made = sealed();
    let read = Envelope::decode(made.bytes().clone()).unwrap();
    assert_eq!(read.header(), made.header());
    assert_eq!(read.header().encode(), read.header_bytes());
    assert_eq!(read.verify(&author().public()), Ok(()));
    let other = SignSecret::from_seed(&[10; 32]).public();
    assert_eq!(read.verify(&other), Err(Refusal::UnknownKey(other.id())));
    assert_eq!(read.id().0, digest("header", &[read.header_bytes()]).0);
    assert!(read.header_bytes().len() <= crate::limits::HEADER_MAX);
}

#[test]
fn parts_come_off_and_go_back_on() {
    let whole = sealed();
    let bare = Envelope::decode(whole.without_body()).unwrap();
    assert!(!bare.has_body() && bare.stanzas() == whole.stanzas());
    assert_eq!((bare.id(), bare.verify(&author().public())), (whole.id(), Ok(())));
    assert_eq!(bare.completed_by(&whole), Some(whole.clone()));
    assert_eq!(whole.completed_by(&bare), None);
    assert_eq!(bare.without_body(), *bare.bytes());
    assert_eq!(whole.for_gossip(), *whole.bytes());
}

#[test]
fn a_body_too_large_for_gossip_stays_behind() {
    let (stanzas, padded) = (stanza_set(1), pad(17_000));
    let body = vec![8; sealed_len(padded)];
    let mut header = header(Kind::Sealed, Some(&stanzas), &body);
    header.padded_len = u32::try_from(padded).unwrap();
    let envelope = Envelope::assemble(&header, &author(), Some(&stanzas), &body).unwrap();
    let heard = Envelope::decode(envelope.for_gossip()).unwrap();
    assert!(!heard.has_body() && heard.has_stanzas());
}

#[test]
fn every_bit_of_header_and_signature_counts() {
    let good = sealed();
    let public = author().public();
    let end = good.signatures_at.end;
    for at in 0..end * 8 {
        let mut bytes = good.bytes().to_vec();
        bytes[at / 8] ^= 1 << (at % 8);
        let taken = Envelope::decode(bytes.into()).and_then(|e| e.verify(&public));
        assert!(taken.is_err(), "bit {at}");
    }
}

#[test]
fn exchanged_parts_are_refused() {
    let (a, stanzas, body) = (sealed(), stanza_set(2), [8; 528]);
    let with = |stanzas: &[u8], body: &[u8]| {
        Envelope::decode(a.recompose(Some(stanzas), Some(body))).map_err(|r| r.word())
    };
    assert_eq!(with(&stanzas, &body), Ok(a.clone()));
    assert_eq!(with(&stanzas, &[9; 528]), Err("wrong_part"));
    assert_eq!(with(&stanzas, &body[1..]), Err("wrong_part"));
    assert_eq!(with(&stanzas[..STANZA_LEN], &body), Err("wrong_part"));
    let mut swapped = stanzas[STANZA_LEN..].to_vec();
    swapped.extend_from_slice(&stanzas[..STANZA_LEN]);
    assert_eq!(with(&swapped, &body), Err("wrong_part"));
}

#[test]
fn newer_makes_are_ignored_and_not_blamed() {
    let good = sealed();
    let change = |at: usize, value: u8| {
        let mut bytes = good.bytes().to_vec();
        bytes[at] = value;
        Envelope::decode(bytes.into()).unwrap_err()
    };
    let framing = change(3, 2);
    let suite = change(good.header_at.start + 1, 2);
    let kind = change(good.header_at.start + 2, 4);
    assert_eq!(framing, Refusal::UnknownFraming(2));
    assert_eq!(suite, Refusal::UnknownSuite(2));
    assert_eq!(kind, Refusal::UnknownKind(4));
    for refusal in [framing, suite, kind] {
        assert_eq!(refusal.verdict(), Verdict::Ignore);
    }
    assert_eq!(Refusal::BadSignature.verdict(), Verdict::Reject);
}

#[test]
fn fields_that_contradict_each_other_are_refused() {
    let (stanzas, body) = (stanza_set(2), [8; 528]);
    let letter = header(Kind::Sealed, Some(&stanzas), &body);
    let open = header(Kind::Statement, None, b"open");
    let beacon = header(Kind::Beacon, None, b"beat");
    let wrong = [
        Header { seq: 0, ..letter },
        Header { seq: 2, ..letter },
        Header { prev: Digest([1; 32]), ..letter },
        Header { accord_version: 0, ..letter },
        Header { made_at: Timestamp(u64::MAX), ..letter },
        Header { padded_len: 513, ..letter },
        Header { padded_len: 1 << 30, ..letter },
        Header { recipients: Recipients::Stanzas(3), ..letter },
        Header { recipients: Recipients::Stanzas(0), ..letter },
        Header { recipients: Recipients::Stanzas(512), ..letter },
        Header { recipients: Recipients::None, ..letter },
        Header { fkc: [1; 32], ..open },
        Header { epoch: KeyId([1; 16]), ..open },
        Header { recipients: Recipients::Stanzas(1), ..open },
        Header { seq: 1, ..beacon },
        Header { padded_len: 1 << 15, ..beacon },
    ];
    for header in [letter, open, beacon] {
        assert_eq!(Header::parse(&header.encode()), Ok(header));
    }
    for header in wrong {
        let refusal = Header::parse(&header.encode()).unwrap_err();
        assert_eq!(refusal.word(), "malformed", "{header:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = Envelope::decode(bytes.clone().into());
        let _ = Header::parse(&bytes);
    }

    #[test]
    fn damage_anywhere_is_refused_or_harmless(at in 0_usize..3_300, to: u8) {
        let good = sealed();
        let mut bytes = good.bytes().to_vec();
        let at = at % bytes.len();
        let same = bytes[at] == to;
        bytes[at] = to;
        let taken = Envelope::decode(bytes.into()).and_then(|e| e.verify(&author().public()));
        prop_assert_eq!(taken.is_ok(), same);
    }
}
